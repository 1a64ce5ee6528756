#!/bin/sh
#
# Write what is released of the last commit into a folder, beside what is there: the sources, the crate, and SHA256SUMS of all.
#
#   tools/dist.sh FOLDER
#
# Status: 0 done, 1 something failed, 2 usage.

set -eu

if [ $# != 1 ]; then
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)
changes=$(git status --porcelain)
[ -z "$changes" ] || {
    printf 'dist: what is not committed is not released:\n%s\n' "$changes" >&2
    exit 1
}

# Neither has a time but the commit's: the same commit gives the same bytes.
git archive --format=tar --prefix="vmrun-$version/" HEAD | gzip -n -9 >"$folder/vmrun-$version.tar.gz.part"
mv "$folder/vmrun-$version.tar.gz.part" "$folder/vmrun-$version.tar.gz"
cargo package --quiet --locked --no-verify
cp "${CARGO_TARGET_DIR:-target}/package/vmrun-$version.crate" "$folder/vmrun-$version.crate.part"
mv "$folder/vmrun-$version.crate.part" "$folder/vmrun-$version.crate"

cd "$folder"
rm -f SHA256SUMS
for file in *; do
    if command -v sha256sum >/dev/null; then sha256sum "$file"; else sha256 -r "$file" | sed 's/ /  /'; fi
done >.SHA256SUMS.part
mv .SHA256SUMS.part SHA256SUMS
