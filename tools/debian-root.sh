#!/bin/sh
#
# Unpack a Debian 12 that has what every Debian has and nothing else, as root: where `tools/fresh.sh` tries a package.
#
#   tools/debian-root.sh FOLDER
#
# Made by mmdebstrap, of Debian's own packages, in a minute: 30 MB are fetched.  One that was made of the same release of Debian
# by the same script is kept in ~/.cache/vmrun-tools (150 MB), and unpacked then.  DEBIAN_MIRROR is the mirror (deb.debian.org).
#
# Status: 0 it is there, 1 it could not be made, 2 usage.

set -eu

[ $# = 1 ] || {
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmrun-tools # the Makefile's CACHE
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
    printf 'debian-root: %s\n' "$@" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || die "this takes root, as which packages are unpacked"
for tool in curl mmdebstrap; do
    command -v "$tool" >/dev/null 2>&1 || die "$tool is not on the path" "run: tools/setup.sh fresh"
done
[ -r "$keyring" ] || die "$keyring is not there" "run: tools/setup.sh fresh"

work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-root.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The signed list of a release says which version each of its packages has. It is asked for each time, as it is small; without a network
# the one that was made last serves.
if curl -fsS --retry 3 --max-time 60 -o "$work/release" "$mirror/dists/$suite/InRelease" 2>"$work/log"; then
    root=$cache/root-$(cat "$work/release" "$0" | sha256sum | cut -c 1-16).tar
else
    root=$(find "$cache" -maxdepth 1 -name 'root-*.tar' -printf '%T@ %p\n' 2>/dev/null | sort -n | sed -n '$s/^[^ ]* //p')
    [ -n "$root" ] || die "cannot get $mirror/dists/$suite/InRelease:" "$(cat "$work/log")"
fi

if [ ! -f "$root" ]; then
    mmdebstrap --mode=root --variant=essential --format=tar --aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io "$suite" "$work/root.tar" \
        "deb [signed-by=$keyring] $mirror $suite main" </dev/null >"$work/log" 2>&1 ||
        die "mmdebstrap cannot make the system:" "$(tail -n 30 "$work/log")"
    # Of two that do this at once each has a whole one in the end.
    mkdir -p "$cache"
    cp "$work/root.tar" "$root.$$"
    mv "$root.$$" "$root"
    find "$cache" -maxdepth 1 -name 'root-*.tar*' ! -name "${root##*/}" -mtime +60 -exec rm -f {} +
fi
mkdir -p "$1"
tar -xpf "$root" --numeric-owner -C "$1"
