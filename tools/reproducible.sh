#!/bin/sh
#
# Build the last commit in two folders, and compare the programs: they have to be the same bytes.
#
#   tools/reproducible.sh
#
# What a program has of where it was built are paths in its messages; rustc is told other names for them.
#
# Status: 0 they are the same, 1 they differ or something failed, 2 usage.

set -eu

if [ $# != 0 ]; then
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-twice.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

for folder in one another/folder; do
    mkdir -p "$work/$folder"
    git archive HEAD | tar -xf - -C "$work/$folder"
    (
        cd "$work/$folder"
        RUSTFLAGS="--remap-path-prefix=$PWD=/vmrun --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" CARGO_TARGET_DIR=target \
            cargo build --quiet --release --locked
        mv target/release/vmrun "$work/${folder%%/*}.program"
        rm -rf target
    )
done
cmp "$work/one.program" "$work/another.program"
printf 'reproducible: '
sha256sum <"$work/one.program" 2>/dev/null || sha256 <"$work/one.program"
