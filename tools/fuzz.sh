#!/bin/sh
#
# Look for inputs that vmrun does not stand.
#
#   tools/fuzz.sh SECONDS [TARGET...]    every target in turn, each for that long
#
# What must hold is in tests/it/inputs; the tests there also write the seeds.  What a
# target learns stays in fuzz/corpus, an input that breaks it in fuzz/artifacts.  Needs
# cargo-fuzz, a nightly Rust and a C++ compiler, and names what is missing of these.
#
# Status: 0 all held, 1 something did not or is missing, 2 usage.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$here"

say() { printf 'fuzz: %s\n' "$*"; }
die() {
    printf 'fuzz: %s\n' "$@" >&2
    exit 1
}

case ${1-} in
    '' | *[!0-9]*)
        printf 'usage: tools/fuzz.sh SECONDS [TARGET...]\n' >&2
        exit 2
        ;;
esac
seconds=$1
shift

command -v cargo >/dev/null 2>&1 || die 'cargo is not on the path: get it from https://rustup.rs'
command -v c++ >/dev/null 2>&1 || die 'there is no C++ compiler, which libFuzzer needs: apt install g++'
cargo +nightly --version >/dev/null 2>&1 || die 'there is no nightly Rust: rustup toolchain install nightly'
cargo fuzz --version >/dev/null 2>&1 || die 'there is no cargo-fuzz: cargo install cargo-fuzz --locked'

[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list)

say 'writing the seeds'
cargo test --quiet --locked --test it inputs::the_seeds >/dev/null || die 'the seeds could not be written'
seeds=${CARGO_TARGET_DIR:-target}/tmp/seeds

broken=''
for target in "$@"; do
    say "$target for $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # Recipes print; what libFuzzer says goes to the other stream.
    cargo +nightly fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "$seeds/$target" -- \
        -max_total_time="$seconds" -timeout=30 -max_len=8192 -close_fd_mask=1 -print_final_stats=1 ||
        broken="$broken $target"
done

[ -z "$broken" ] || die "broken:$broken" 'the inputs are in fuzz/artifacts'
say 'all held'
