#!/bin/sh
#
# Try a package of Debian where nothing else is: installed, used, upgraded and removed in a Debian 12 that debootstrap makes, as root.
#
#   tools/fresh.sh PACKAGE
#
# Every file that is there after the removal and was not before is told, but for the records of dpkg.  Takes minutes and 300 MiB, and Debian's
# mirror (MIRROR).
#
# Status: 0 all is well, 1 something is not, 2 usage.

set -eu

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
files() { (cd "$root" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -print | LC_ALL=C sort); }

debootstrap --variant=minbase bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}" >"$work/log" 2>&1 ||
    fail "debootstrap failed:" "$(tail -n 5 "$work/log")"
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
within dpkg -i /vmrun.deb
within vmrun plan --on freebsd --init /usr/share/examples/vmrun/demo.rhai >"$work/plan" || fail "the demo has no plan"
grep -q "^bhyve " "$work/plan" || fail "the demo's plan starts no guest"
within vmrun check --on freebsd /usr/share/examples/vmrun/demo.rhai || fail "the demo is wrong"
# Of what it lacks it tells: here there is no hypervisor.
status=0
within vmrun doctor >"$work/doctor" || status=$?
[ "$status" = 3 ] && grep -q '^wrong  programs .*qemu-system' "$work/doctor" || fail "doctor ends with $status" "$(cat "$work/doctor")"
mkdir "$root/new"
printf 'ssh-ed25519 AAAAC3Nz ann@home\n' >"$root/new/ann.pub"
within vmrun new web --os debian-13 --key /new/ann.pub --dir /new --sha256 "$(printf '%064d' 0)" >"$work/next" 2>&1 ||
    fail "there is no new machine" "$(cat "$work/next")"
grep -qx 'vmrun start /new/web.rhai --init' "$work/next" && within vmrun check /new/web.rhai || fail "the new machine is wrong" "$(cat "$work/next")"
rm -r "$root/new"
within vmrun man >"$work/page" && [ -s "$work/page" ] || fail "there is no manual"
within sh -c 'cd /usr/share/man && ls man1/vmrun.1.gz man1/vmrun-start.1.gz man5/vmrun-recipe.5.gz' >/dev/null
within bash -n /usr/share/bash-completion/completions/vmrun || fail "bash does not take the completions"

# An upgrade, while a process of the earlier program goes on, as a guest's supervisor does.
mkfifo "$work/open"
exec 9<>"$work/open"
chroot "$root" /usr/bin/vmrun lsp <&9 >/dev/null 2>&1 &
service=$!
within dpkg -i /vmrun.deb
sleep 1
kill -0 "$service" || fail "what ran is gone after the upgrade"
kill "$service"
service=''
! grep -v daemon-reload "$root/asked" || fail "the upgrade asked that of systemd"

within dpkg -r vmrun
grep -qx 'deb-systemd-invoke stop vmrun.service' "$root/asked" || fail "the removal stopped no service"
within dpkg -P vmrun >/dev/null
for program in systemctl deb-systemd-invoke; do
    rm "$root/usr/bin/$program"
    [ ! -e "$root/usr/bin/$program.away" ] || mv "$root/usr/bin/$program.away" "$root/usr/bin/$program"
done
rm -r "$root/vmrun.deb" "$root/asked" "$root/run/systemd/system"
rmdir "$root/run/systemd" 2>/dev/null || :
files >"$work/after"
diff "$work/before" "$work/after" || fail "the removal left that"
printf 'fresh: installed, used, upgraded and removed; nothing is left\n'
