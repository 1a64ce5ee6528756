#!/bin/sh
#
# Build vmrun as it was before its rooms were rebuilt, and print the path of the program.
# The tests in tests/system/upgrade.rs start machines by it: what it leaves on a host is read
# by today's.
#
#   tools/build-before.sh [-n] [FOLDER]     FOLDER: where it is kept (target/before)
#
# With -n nothing is built: the path is printed if the program is there.
#
# Takes one to three minutes and 300 MB the first time, of which 30 MB stay; does nothing
# when the program is there.  Needs the project's git history, as far back as its commit.
#
# Status: 0 it is there, 1 it could not be built, or with -n is not there.

set -eu

# The last commit before "house: rooms for clients, systems and worlds".
commit=0049bde752140d1cce7af151b016e9f1403471dd

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

die() {
    printf 'build-before: %s\n' "$@" >&2
    exit 1
}

build=yes
[ "${1-}" != -n ] || {
    build=no
    shift
}
[ "$build" = yes ] || [ -x "${1:-$here/target/before}/$commit/bin/vmrun" ] ||
    die "the vmrun of before is not there: ${1:-$here/target/before}/$commit/bin/vmrun" \
        "build it, in one to three minutes, by: tools/build-before.sh ${1:-$here/target/before}"

# What is kept has the commit in its name: another commit is another program.
mkdir -p "${1:-$here/target/before}"
folder=$(CDPATH='' cd -- "${1:-$here/target/before}" && pwd)/$commit
program=$folder/bin/vmrun
if [ -x "$program" ]; then
    printf '%s\n' "$program"
    exit
fi

command -v git >/dev/null 2>&1 || die "git is not on the path" "install git"
git -C "$here" rev-parse --git-dir >/dev/null ||
    die "the history of the project is needed, and $here has none" "get it whole, by: git clone"
git -C "$here" rev-parse --quiet --verify "$commit^{commit}" >/dev/null 2>&1 ||
    die "the history of $here lacks the commit $commit" \
        "get the whole history, by: git fetch --unshallow"

# The sources appear at once, so that of two that build at a time none reads half of
# them; cargo itself lets one of the two wait.
if [ ! -d "$folder/src" ]; then
    part=$folder/part.$$
    trap 'rm -rf "$part"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir -p "$part/src"
    git -C "$here" archive --format=tar --output="$part/src.tar" "$commit"
    tar -x -f "$part/src.tar" -C "$part/src"
    [ -d "$folder/src" ] || mv "$part/src" "$folder/src" 2>/dev/null || [ -d "$folder/src" ] ||
        die "cannot write $folder/src"
    rm -rf "$part"
fi

# It is the same program, whatever this build is told of flags and targets.  Without what
# debuggers read it is built faster, and takes less room; tests that are timed go first.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_TARGET_DIR \
    RUSTC_WORKSPACE_WRAPPER
printf 'build-before: building vmrun as of %.7s, which takes one to three minutes\n' "$commit" >&2
cd "$folder/src"
CARGO_TARGET_DIR=$folder/target CARGO_PROFILE_DEV_DEBUG=false CARGO_INCREMENTAL=0 \
    nice "${CARGO:-cargo}" install --quiet --locked --debug --force --no-track --bin vmrun \
    --path . --root "$folder" >&2 || [ -x "$program" ] || die "vmrun as of $commit cannot be built"

# Neither is needed once the program is there.  Another one may be building it still: what
# that leaves, or lacks then, does not matter.
cd "$here"
rm -rf "$folder/target" "$folder/src" || :
printf '%s\n' "$program"
