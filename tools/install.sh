#!/bin/sh
#
# Install vmrun below a prefix, or remove exactly what an installation made.
#
#   tools/install.sh install PROGRAM   the program, its manual, completions, examples, licence, and what starts it with the host
#   tools/install.sh uninstall         all that is in the list of the installation
#
# PREFIX (/usr/local) is the prefix, OCF_ROOT where agents of Pacemaker are, both below DESTDIR (nothing).  SYSTEM is freebsd or
# linux, this system if it is not said: FreeBSD has scripts of rc.d and periodic(8) and agents in PREFIX/lib/ocf, Linux a unit of
# systemd and agents in /usr/lib/ocf.  ZSH_FUNCTIONS (PREFIX/share/zsh/site-functions) is where zsh looks for completions.
#
# The list is PREFIX/share/vmrun/installed: every file, and every folder that was not there before.  An installation over another
# one removes what that had and it has not.  With PACKAGED=yes there is no list: the system's packages have their own.
#
# Status: 0 done, 1 something failed, 2 usage.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
root=${DESTDIR-}
prefix=${PREFIX:-/usr/local}
in_sed=$(printf '%s\n' "$prefix" | sed 's/[|&\\]/\\&/g')
list=$prefix/share/vmrun/installed
system=${SYSTEM:-$(uname -s | tr '[:upper:]' '[:lower:]')}
case $system in
    freebsd) agents=$prefix/lib/ocf ;;
    *) agents=/usr/lib/ocf ;;
esac
agents=${OCF_ROOT:-$agents}

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

# Installs a script or unit, which is told where the program is.
put_with_path() { # <mode> <file> <path>
    sed -e "s|/usr/local/bin/vmrun|$in_sed/bin/vmrun|g" -e "s|/usr/local/etc/|$in_sed/etc/|g" \
        -e "s|/usr/local/lib/systemd/|$in_sed/lib/systemd/|g" "$2" >"$work/text"
    put "$1" "$work/text" "$3"
}

# What starts and stops machines with the host.
put_service() {
    case $system in
        freebsd)
            put_with_path 755 "$here/packaging/vmrun" "$prefix/etc/rc.d/vmrun"
            put_with_path 755 "$here/packaging/periodic/400.vmrun" "$prefix/etc/periodic/daily/400.vmrun"
            ;;
        *) put_with_path 644 "$here/packaging/vmrun.service" "$prefix/lib/systemd/system/vmrun.service" ;;
    esac
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
    put 644 "$work/vmrun.zsh" "${ZSH_FUNCTIONS:-$prefix/share/zsh/site-functions}/_vmrun"
    put 644 "$work/vmrun.fish" "$prefix/share/fish/vendor_completions.d/vmrun.fish"
    put 644 "$work/vmrun.tcsh" "$prefix/share/vmrun/completions/vmrun.tcsh"
    for recipe in "$here"/recipes/*.rhai; do
        put 644 "$recipe" "$prefix/share/examples/vmrun/${recipe##*/}"
    done
    put 644 "$here/LICENSE" "$prefix/share/doc/vmrun/LICENSE"
    put 644 "$here/README.md" "$prefix/share/doc/vmrun/README.md"
    put 755 "$here/packaging/ocf/vmrun" "$agents/resource.d/vmrun/vmrun"
    put_service
    rm -f "$root$prefix/libexec/vmrun-tools" # a second program, which earlier builds had
    [ "${PACKAGED-no}" = yes ] || write_list
}

write_list() {
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
