#!/bin/sh
#
# Try a package of Debian where nothing else is: installed, used, upgraded and removed in the Debian 12 of tools/debian-root.sh, as root.
#
#   tools/fresh.sh PACKAGE
#
# Every file that is there after the removal and was not before is told, but for the records of dpkg; and every one that was there and is not,
# or is another one.
#
# Status: 0 all is well, 1 something is not, 2 usage.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ $# != 1 ]; then
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
package=$1

work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-fresh.XXXXXX")
root=$work/root
service=''
trap '[ -z "$service" ] || kill "$service" 2>/dev/null || :; rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
    printf 'fresh: %s\n' "$@" >&2
    exit 1
}
within() { # <command> [argument]...: in the new root, with nothing of this environment
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"
}
quietly() { within "$@" >"$work/log" 2>&1; }
files() { # each with its type, mode, owner, size and time, but for folders, which change with what is in them
    (cd "$root" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -type d -printf '%p %M %u %g\n' -o -printf '%p %M %u %g %s %t\n' | LC_ALL=C sort)
}

"$here/debian-root.sh" "$root"
files >"$work/before"

# What a maintainer's script asks of systemd is noted: as if systemd ran.
mkdir -p "$root/run/systemd/system"
for program in systemctl deb-systemd-invoke; do
    [ ! -e "$root/usr/bin/$program" ] || mv "$root/usr/bin/$program" "$root/usr/bin/$program.away"
    printf '#!/bin/sh\necho %s "$@" >>/asked\n' "$program" >"$root/usr/bin/$program"
    chmod 755 "$root/usr/bin/$program"
done
: >"$root/asked"

cp "$package" "$root/vmrun.deb"
quietly dpkg -i /vmrun.deb || fail "dpkg does not install it:" "$(cat "$work/log")"
within vmrun plan --on freebsd --init /usr/share/examples/vmrun/demo.rhai >"$work/plan" || fail "the demo has no plan"
grep -q "^bhyve " "$work/plan" || fail "the demo's plan starts no guest"
quietly vmrun check --on freebsd /usr/share/examples/vmrun/demo.rhai || fail "the demo is wrong:" "$(cat "$work/log")"
# Of what it lacks it tells: here there is no hypervisor.
status=0
within vmrun doctor >"$work/doctor" 2>&1 || status=$?
[ "$status" = 3 ] && grep -q '^wrong  programs .*qemu-system' "$work/doctor" || fail "doctor ends with $status:" "$(cat "$work/doctor")"
mkdir "$root/new"
printf 'ssh-ed25519 AAAAC3Nz ann@home\n' >"$root/new/ann.pub"
within vmrun new web --os debian-13 --key /new/ann.pub --dir /new --sha256 "$(printf '%064d' 0)" >"$work/next" 2>&1 ||
    fail "there is no new machine:" "$(cat "$work/next")"
grep -qx 'vmrun start /new/web.rhai --init' "$work/next" && quietly vmrun check /new/web.rhai ||
    fail "the new machine is wrong:" "$(cat "$work/next" "$work/log")"
rm -r "$root/new"
within vmrun man >"$work/page" && [ -s "$work/page" ] || fail "there is no manual"

# A page of the manual for each command, beside vmrun(1), which says what it is and has nothing that mandoc warns of.
within vmrun --help | sed -n 's/^  \([a-z][a-z-]*\)   *[A-Z].*/vmrun-\1.1/p' >"$work/pages"
grep -qx vmrun-start.1 "$work/pages" || fail "vmrun --help names no commands:" "$(cat "$work/pages")"
for page in $(cat "$work/pages") vmrun.1 vmrun-recipe.5 vmrun-config.5 vmrun.toml.5; do
    file=$root/usr/share/man/man${page##*.}/$page.gz
    mandoc -W warning -T utf8 "$file" 2>&1 | sed 's/.\x08//g' >"$work/page"
    grep -qi "^ *${page%.*} " "$work/page" && ! grep '^mandoc: ' "$work/page" || fail "there is no $page:" "$(head -n 5 "$work/page")"
done

# What somebody has who presses tab behind `vmrun sta`.
completed=$(within bash -c '. /usr/share/bash-completion/completions/vmrun
    COMP_WORDS=(vmrun sta) COMP_CWORD=1 COMP_LINE="vmrun sta" COMP_POINT=9 COMP_TYPE=9
    read -ra words <<<"$(complete -p vmrun)"
    for at in "${!words[@]}"; do [ "${words[at]}" != -F ] || "${words[at + 1]}" vmrun sta vmrun; done
    printf "%s " "${COMPREPLY[@]}"') || fail "bash does not take the completions"
[ "$completed" = 'start status ' ] || fail "bash completes \`vmrun sta\` by: $completed"

# An upgrade, while a process of the earlier program goes on, as a guest's supervisor does.
mkfifo "$work/open"
exec 9<>"$work/open"
chroot "$root" /usr/bin/vmrun lsp <&9 >/dev/null 2>&1 &
service=$!
quietly dpkg -i /vmrun.deb || fail "dpkg does not upgrade it:" "$(cat "$work/log")"
sleep 1
kill -0 "$service" || fail "what ran is gone after the upgrade"
kill "$service"
service=''
! grep -v daemon-reload "$root/asked" || fail "the upgrade asked that of systemd"

quietly dpkg -r vmrun || fail "dpkg does not remove it:" "$(cat "$work/log")"
grep -qx 'deb-systemd-invoke stop vmrun.service' "$root/asked" || fail "the removal stopped no service"
quietly dpkg -P vmrun || fail "dpkg does not forget it:" "$(cat "$work/log")"
for program in systemctl deb-systemd-invoke; do
    rm "$root/usr/bin/$program"
    [ ! -e "$root/usr/bin/$program.away" ] || mv "$root/usr/bin/$program.away" "$root/usr/bin/$program"
done
rm -r "$root/vmrun.deb" "$root/asked" "$root/run/systemd/system"
rmdir "$root/run/systemd" 2>/dev/null || :
files >"$work/after"
diff "$work/before" "$work/after" >"$work/changes" ||
    fail "after the removal it is another system:" "$(sed -n 's/^< \([^ ]*\).*/gone: \1/p; s/^> \([^ ]*\).*/left: \1/p' "$work/changes")"
printf 'fresh: installed, used, upgraded and removed; nothing is left\n'
