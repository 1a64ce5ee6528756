#!/bin/sh
#
# Install vmrun below a prefix, or remove exactly what an installation made.
#
#   tools/install.sh install PROGRAM   the program, its manual, completions, examples, licence
#   tools/install.sh uninstall         all that is in the list of the installation
#
# PREFIX (/usr/local) is the prefix, OCF_ROOT (/usr/lib/ocf) where agents of Pacemaker are, both below DESTDIR (nothing).  The list is
# PREFIX/share/vmrun/installed: every file, and every folder that was not there before.
# An installation over another one removes what that had and it has not.
#
# Status: 0 done, 1 something failed, 2 usage.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
root=${DESTDIR-}
prefix=${PREFIX:-/usr/local}
list=$prefix/share/vmrun/installed

die() {
    printf 'install: %s\n' "$@" >&2
    exit 1
}

# Makes a folder below DESTDIR, and notes each that was not there.
folder() { # <path>
    [ -n "$1" ] && [ ! -d "$root$1" ] || return 0
    folder "${1%/*}"
    mkdir -p "$root$1"
    printf 'folder %s\n' "$1" >>"$work/list"
}

# Installs a file under a temporary name, which it leaves when it is whole.
put() { # <mode> <file> <path>
    folder "${3%/*}"
    cp "$2" "$root$3.part$$"
    chmod "$1" "$root$3.part$$"
    mv "$root$3.part$$" "$root$3"
    printf 'file %s\n' "$3" >>"$work/list"
}

# Removes the files of a list that another list has not, and the folders that are empty then.
remove() { # <list> <list that stays>
    sed -n 's/^file //p' "$1" | while IFS= read -r file; do
        grep -qxF "file $file" "$2" || rm -f "$root$file"
    done
    sed -n 's/^folder //p' "$1" | sort -r | while IFS= read -r folder; do
        grep -qxF "folder $folder" "$2" || rmdir "$root$folder" 2>/dev/null || :
    done
}

install_all() { # <program>
    [ -x "$1" ] || die "$1 is not there: run make first"
    mkdir "$work/man"
    "$1" man --out "$work/man" >/dev/null
    for shell in bash zsh fish tcsh; do
        "$1" completions "$shell" >"$work/vmrun.$shell"
    done
    put 755 "$1" "$prefix/bin/vmrun"
    for page in "$work"/man/man*/*; do
        section=${page%/*}
        put 644 "$page" "$prefix/share/man/${section##*/}/${page##*/}"
    done
    put 644 "$work/vmrun.bash" "$prefix/share/bash-completion/completions/vmrun"
    put 644 "$work/vmrun.zsh" "$prefix/share/zsh/site-functions/_vmrun"
    put 644 "$work/vmrun.fish" "$prefix/share/fish/vendor_completions.d/vmrun.fish"
    put 644 "$work/vmrun.tcsh" "$prefix/share/vmrun/completions/vmrun.tcsh"
    for recipe in "$here"/recipes/*.rhai; do
        put 644 "$recipe" "$prefix/share/examples/vmrun/${recipe##*/}"
    done
    put 644 "$here/LICENSE" "$prefix/share/doc/vmrun/LICENSE"
    put 755 "$here/packaging/ocf/vmrun" "${OCF_ROOT:-/usr/lib/ocf}/resource.d/vmrun/vmrun"
    rm -f "$root$prefix/libexec/vmrun-tools" # a second program, which earlier builds had
    folder "$prefix/share/vmrun"
    if [ -e "$root$list" ]; then
        # Folders that the earlier one made are still ours.
        grep '^folder ' "$root$list" >>"$work/list" || :
        sort -u "$work/list" >"$work/sorted"
        remove "$root$list" "$work/sorted"
    else
        sort -u "$work/list" >"$work/sorted"
    fi
    cp "$work/sorted" "$root$list.part$$"
    mv "$root$list.part$$" "$root$list"
}

uninstall_all() {
    [ -e "$root$list" ] || die "$root$list is not there: nothing was installed below $root$prefix, or not by this script"
    cp "$root$list" "$work/list"
    rm -f "$root$list"
    remove "$work/list" /dev/null
}

umask 022
work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
: >"$work/list"
case ${1-}:$# in
    install:2) install_all "$2" ;;
    uninstall:1) uninstall_all ;;
    *)
        sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
