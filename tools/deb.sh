#!/bin/sh
#
# Make a package of Debian, by cargo-deb.
#
#   tools/deb.sh PROGRAM FOLDER
#
# PROGRAM is what was built.  The package is in FOLDER then, whose name is printed.  What is in it is what `make install` installs,
# staged in target/deb, where Cargo.toml's [package.metadata.deb] has it from.
#
# SOURCE_DATE_EPOCH is when it was made: the time of the last commit, if it is not said.  CARGO_DEB is a cargo-deb (cargo-deb).
#
# Status: 0 done, 1 something failed, 2 usage.

set -eu

if [ $# != 2 ]; then
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

cd "$(dirname "$0")/.."
stage=target/deb
version=$(sed -n 's/^version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

rm -rf "$stage"
mkdir -p "$stage"
DESTDIR="$PWD/$stage/root" PREFIX=/usr SYSTEM=linux PACKAGED=yes ZSH_FUNCTIONS=/usr/share/zsh/vendor-completions \
    tools/install.sh install "$1"

# As Debian has it: the licence is `copyright`, which cargo-deb writes, and what changed is compressed.
doc=$stage/root/usr/share/doc/vmrun
rm "$doc/LICENSE"
cp CHANGELOG.md "$doc/changelog"
mkdir -p "$stage/root/usr/share/lintian/overrides"
cp packaging/debian/lintian-overrides "$stage/root/usr/share/lintian/overrides/vmrun"
maintainer=$(sed -n 's/^maintainer *= *"\(.*\)"/\1/p' Cargo.toml)
printf 'vmrun (%s-1) unstable; urgency=medium\n\n  * vmrun %s: its changes are in changelog.gz.\n\n -- %s  %s\n' \
    "$version" "$version" "$maintainer" "$(LC_ALL=C TZ=UTC date -d "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')" >"$stage/changelog"

mkdir -p "$2"
${CARGO_DEB:-cargo-deb} --no-build --no-strip --quiet --locked --output "$2/"
