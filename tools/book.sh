#!/bin/sh
#
# Make the book, or only those of its pages that are generated.
#
#   tools/book.sh build PROGRAM        target/book, by the mdbook of tools/setup.sh
#   tools/book.sh pages PROGRAM DIR    the pages that PROGRAM, a vmrun, tells of itself
#
# Status: 0 all is made, 1 something failed, 2 usage.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

die() {
    printf 'book: %s\n' "$@" >&2
    exit 1
}

usage() {
    sed -n '3,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# The commands of a help text, in its order: lines of two spaces and a name, between its
# first group and its options.
commands() {
    awk '/^Options:/ { exit } /^[A-Z].*:$/ { on = 1 } on && /^  [a-z]/ && $1 != "help" { print $1 }'
}

# Help is a text of fixed width, and stays one.
help() { # <heading> <command>...
    heading=$1
    shift
    printf '\n%s %s\n\n```text\n' "$heading" "vmrun $*"
    "$program" "$@" --help
    printf '```\n'
}

pages() { # <folder>
    mkdir -p "$1"
    {
        printf '# Commands\n\n```text\n'
        "$program" --help
        printf '```\n'
        "$program" --help | commands | while read -r command; do
            help '##' "$command"
            "$program" "$command" --help | awk '/^Commands:/ { on = 1; print "Commands:"; next } on && /^$/ { exit } on' |
                commands | while read -r below; do help '###' "$command" "$below"; done
        done
    } >"$1/commands.md"
    "$program" doc >"$1/words.md"
    {
        printf '# The standard library\n\n'
        # A module's name is no title of the page.
        "$program" doc std | awk '/^```/ { block = !block } !block && /^#/ { $0 = "#" $0 } 1'
    } >"$1/std.md"
}

case ${1:-}:$# in
    build:2 | pages:3) program=$2 ;;
    *) usage ;;
esac
case $program in */*) ;; *) die "PROGRAM is a path" ;; esac
[ -x "$program" ] || die "$program is not there: run make first"

case $1 in
    pages) pages "$3" ;;
    build)
        mdbook=$(command -v mdbook || :)
        mdbook=${mdbook:-${XDG_CACHE_HOME:-$HOME/.cache}/vmrun-tools/bin/mdbook}
        [ -x "$mdbook" ] || die "mdbook is not there" "tools/setup.sh book installs it"
        pages "$here/docs/book/src/reference"
        "$mdbook" build "$here/docs/book" --dest-dir "${CARGO_TARGET_DIR:-$here/target}/book"
        ;;
esac
