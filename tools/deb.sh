#!/bin/sh
#
# Make a package of Debian.
#
#   tools/deb.sh PROGRAM FOLDER           by cargo-deb, as it is released
#   tools/deb.sh --quick PROGRAM FOLDER   the same by dpkg-deb, for tests: it is not compressed, and says less of itself
#
# PROGRAM is what was built.  The package is in FOLDER then, whose name is printed.  What is in it is what `make install` installs,
# staged in target/deb, where Cargo.toml's [package.metadata.deb] has it from.  One by cargo-deb is compared with what --quick makes.
#
# SOURCE_DATE_EPOCH is when it was made: the time of the last commit, if it is not said.  CARGO_DEB is a cargo-deb (cargo-deb).
#
# Status: 0 done, 1 something failed, 2 usage.

set -eu

quick=no
[ "${1-}" != --quick ] || {
    quick=yes
    shift
}
if [ $# != 2 ]; then
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

umask 022
cd "$(dirname "$0")/.."
stage=target/deb
work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ "$quick" = no ] || stage=$work/deb

said() { sed -n "s/^$1 *= *\"\(.*\)\"/\1/p" Cargo.toml | head -n 1; } # <key>: of [package] or of [package.metadata.deb]
version=$(said version)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

rm -rf "$stage"
mkdir -p "$stage" "$2"
case $stage in
    /*) root=$stage/root ;;
    *) root=$PWD/$stage/root ;;
esac
DESTDIR=$root PREFIX=/usr SYSTEM=linux PACKAGED=yes ZSH_FUNCTIONS=/usr/share/zsh/vendor-completions tools/install.sh install "$1"

# As Debian has it: the licence is `copyright`, and manuals and what changed are compressed.
doc=$root/usr/share/doc/vmrun
rm "$doc/LICENSE"
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: vmrun\n\n'
    printf 'Files: *\nCopyright: %s\nLicense: %s\n' "$(said copyright)" "$(said license)"
    sed 's/^$/./; s/^/ /' LICENSE
} >"$doc/copyright"
cp CHANGELOG.md "$doc/changelog"
printf 'vmrun (%s-1) unstable; urgency=medium\n\n  * vmrun %s: its changes are in changelog.gz.\n\n -- %s  %s\n' \
    "$version" "$version" "$(said maintainer)" "$(LC_ALL=C TZ=UTC date -d "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')" >"$doc/changelog.Debian"
gzip -9n "$doc/changelog" "$doc/changelog.Debian" "$root"/usr/share/man/man*/*
mkdir -p "$root/usr/share/lintian/overrides"
cp packaging/debian/lintian-overrides "$root/usr/share/lintian/overrides/vmrun"
chmod 644 "$root/usr/share/lintian/overrides/vmrun" "$doc"/*

# What dpkg-deb makes a package of.
mkdir "$work/package"
cp -R "$root/." "$work/package"
mkdir "$work/package/DEBIAN"
{
    printf 'Package: vmrun\nVersion: %s-1\nArchitecture: %s\n' "$version" "$(dpkg --print-architecture)"
    printf 'Maintainer: %s\nSection: %s\nPriority: %s\n' "$(said maintainer)" "$(said section)" "$(said priority)"
    printf 'Recommends: %s\nSuggests: %s\nDescription: %s\n' "$(said recommends)" "$(said suggests)" "$(said description)"
} >"$work/package/DEBIAN/control"
for script in postinst postrm prerm; do
    cp "packaging/debian/$script" "$work/package/DEBIAN/$script"
    chmod 755 "$work/package/DEBIAN/$script"
done

if [ "$quick" = yes ]; then
    package=$2/vmrun_$version-1_$(dpkg --print-architecture).deb
    strip "$work/package/usr/bin/vmrun"
    dpkg-deb --root-owner-group -Znone --build "$work/package" "$package" >/dev/null
    printf '%s\n' "$package"
    exit
fi

package=$(${CARGO_DEB:-cargo-deb} --no-build --no-strip --quiet --locked --output "$2/")

# The same files with the same modes, the same scripts, and the same words about it; its description is longer.
dpkg-deb --raw-extract "$package" "$work/whole"
for one in package whole; do
    awk '/^[^ ]/ { shown = $1 ~ /^(Package|Version|Architecture|Maintainer|Section|Priority|Recommends|Suggests|Description):$/ } /^[^ ]/ && shown' \
        "$work/$one/DEBIAN/control" | sort >"$work/control"
    mv "$work/control" "$work/$one/DEBIAN/control"
    (cd "$work/$one" && find . ! -type d -exec stat -c '%a %n' {} + | sort) >"$work/$one.modes"
done
diff -r "$work/package" "$work/whole" && diff "$work/package.modes" "$work/whole.modes" || {
    printf 'deb: what cargo-deb made is another package than --quick makes\n' >&2
    exit 1
}
printf '%s\n' "$package"
