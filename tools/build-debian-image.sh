#!/bin/sh
#
# Build a small Debian 12 that boots by UEFI from a disk of any kind, says all on its first
# serial line, and becomes what cloud-init finds in a seed: the image that `make images`
# fetches, converts, grows and boots.
#
#   tools/build-debian-image.sh OUT.raw
#
# Made of Debian's own packages by mmdebstrap, as root, without a loop device: a GPT, an
# EFI system partition with systemd-boot, the kernel and its first file system, and ext4
# behind it, which can grow.  One that was made from the same packages by the same script
# is kept in ~/.cache/vmrun-tools, and copied then; the lists of packages are asked for
# again after a month.  Takes two to four minutes the first time, and 1 GB there.
#
# Status: 0 it is there, 1 it could not be made, 2 usage.

set -eu

PATH=$PATH:/usr/sbin:/sbin

suite=bookworm
packages='linux-image-cloud-amd64 initramfs-tools systemd-sysv systemd-boot-efi udev
    cloud-init cloud-guest-utils e2fsprogs fdisk lz4 openssh-server sudo'

# Sizes in MiB: what is before the partitions, the two, and what is behind them.
before=1 esp=64 root=640 behind=1

# What Linux loads before it can see its root: of each kind of disk that a recipe may have.
modules='virtio_pci virtio_blk virtio_scsi nvme ahci sd_mod ext4 crc32c_generic'

[ $# = 1 ] || {
    sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
out=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmrun-tools # the Makefile's CACHE

say() { printf 'build-debian-image: %s\n' "$*" >&2; }
die() {
    printf 'build-debian-image: %s\n' "$@" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || die "this takes root, as which mmdebstrap unpacks the packages"
for tool in mmdebstrap sgdisk mkfs.fat mcopy mke2fs; do
    command -v "$tool" >/dev/null 2>&1 || die "$tool is not on the path" "run: tools/setup.sh images"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || die "$keyring is not there" "run: tools/setup.sh images"

work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-debian.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ----------------------------------------------------------------------- lists

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
source="deb [signed-by=$keyring] $mirror $suite main"
lists=$cache/debian-lists

# The lists are kept apart from those of this machine, which need not be a Debian 12.
refresh_lists() {
    mkdir -p "$lists/partial" "$work/apt/archives/partial"
    printf '%s\n' "$source" >"$work/sources.list"
    apt-get -q -o Dir::State::Lists="$lists" -o Dir::Cache="$work/apt" -o Dir::State::status=/dev/null \
        -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root \
        -o APT::Update::Error-Mode=any update >"$work/log" 2>&1 && touch "$lists"
}

# A release of Debian's changes with its point releases alone: what its signed list says is
# which version each package has.
release() { find "$lists" -maxdepth 1 -name '*_InRelease' -size +0 2>/dev/null | head -n 1; }

if [ -z "$(release)" ] || [ -n "$(find "$lists" -maxdepth 0 -mtime +30)" ]; then
    refresh_lists || [ -n "$(release)" ] || {
        tail -n 5 "$work/log" >&2
        die "cannot get the list of packages of $mirror $suite"
    }
fi
digest=$({ cat "$(release)" "$0" && printf '%s\n' "$mirror"; } | sha256sum | cut -c 1-16)
image=$cache/debian-$digest.raw

hand_over() {
    cp --sparse=always "$image" "$out.part.$$" && mv "$out.part.$$" "$out"
    touch "$image"
    printf '%s\n' "$out"
}
if [ -f "$image" ]; then
    hand_over
    exit
fi

# ------------------------------------------------------------------------ root

say "building $image, which takes two to four minutes"

# No module loads what no guest has, and nothing waits for a network.
for folder in etc/cloud/cloud.cfg.d etc/systemd/journald.conf.d etc/initramfs-tools/conf.d \
    usr/share/initramfs-tools/modules.d; do
    mkdir -p "$work/files/$folder"
done
printf 'MODULES=list\nCOMPRESS=lz4\n' >"$work/files/etc/initramfs-tools/conf.d/vmrun"
# shellcheck disable=SC2086 # one word for each module
printf '%s\n' $modules >"$work/files/usr/share/initramfs-tools/modules.d/vmrun"
cat >"$work/files/etc/cloud/cloud.cfg.d/90-vmrun.cfg" <<'CONFIG'
datasource_list: [NoCloud, None]
cloud_init_modules: [seed_random, bootcmd, write-files, growpart, resizefs, set_hostname, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-per-instance, scripts-user, scripts-per-boot, final-message]
CONFIG
printf 'LABEL=root / ext4 defaults 0 1\n' >"$work/files/etc/fstab"
printf 'debian\n' >"$work/files/etc/hostname"
printf '[Journal]\nStorage=volatile\n' >"$work/files/etc/systemd/journald.conf.d/vmrun.conf"

# Masked: what takes its time without a processor that helps, and is of no use here.
masked='apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer
    e2scrub_reap.service systemd-timesyncd.service
    systemd-networkd-wait-online.service systemd-pstore.service networking.service
    getty@tty1.service getty-static.service serial-getty@ttyS0.service apparmor.service
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-update-utmp.service
    systemd-update-utmp-runlevel.service systemd-journal-flush.service
    systemd-remount-fs.service cloud-init-hotplugd.socket systemd-logind.service'

# shellcheck disable=SC2016,SC2086,SC2116 # $1 is mmdebstrap's, and words are one for each unit
mmdebstrap --mode=root --variant=essential --quiet --architectures=amd64 \
    --include="$(printf '%s' "$packages" | tr -s ' \n' ',')" \
    --aptopt='Acquire::Retries "3"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
    --dpkgopt=force-confold --dpkgopt=force-unsafe-io \
    --essential-hook='cp -R '"$work"'/files/. "$1/"' \
    --customize-hook='systemctl --root="$1" --quiet mask '"$(echo $masked)" \
    --customize-hook='rm -rf "$1"/var/cache/apt "$1"/var/lib/apt/lists "$1"/var/log/*.log' \
    --customize-hook=': >"$1/etc/machine-id"; rm -f "$1"/etc/ssh/ssh_host_*; systemctl --root="$1" --quiet enable systemd-networkd' \
    "$suite" "$work/root" "$source" </dev/null >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    die "mmdebstrap cannot make the system"
}

# ------------------------------------------------------------------------ disk

mib() { echo "$(($1 * 1048576))"; }
disk=$work/disk.raw
truncate -s "$((before + esp + root + behind))M" "$disk"
sgdisk --new="1:${before}M:+${esp}M" --typecode=1:ef00 --change-name=1:esp \
    --new="2:$((before + esp))M:+${root}M" --typecode=2:8300 --change-name=2:root "$disk" >/dev/null

truncate -s "${esp}M" "$work/esp"
mkfs.fat -n ESP "$work/esp" >/dev/null
cat >"$work/loader.conf" <<'LOADER'
timeout 0
LOADER
cat >"$work/debian.conf" <<'ENTRY'
title Debian
linux /linux
initrd /initrd
options root=LABEL=root rw console=ttyS0 quiet
ENTRY
mmd -i "$work/esp" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i "$work/esp" "$work/root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$work/esp" "$work/loader.conf" ::/loader/loader.conf
mcopy -i "$work/esp" "$work/debian.conf" ::/loader/entries/debian.conf
mcopy -i "$work/esp" "$work"/root/boot/vmlinuz-* ::/linux
mcopy -i "$work/esp" "$work"/root/boot/initrd.img-* ::/initrd
dd if="$work/esp" of="$disk" bs=1M seek="$before" conv=notrunc,sparse status=none
rm -f "$work"/root/boot/vmlinuz-* "$work"/root/boot/initrd.img-*

mke2fs -q -t ext4 -L root -m 0 -d "$work/root" -E "offset=$(mib $((before + esp))),lazy_itable_init=0" \
    "$disk" "${root}M"

# Of two that do this at once each has a whole image in the end.
mkdir -p "$cache"
cp --sparse=always "$disk" "$image.$$"
mv "$image.$$" "$image"
find "$cache" -maxdepth 1 -name 'debian-*.raw' ! -name "${image##*/}" -mtime +60 -exec rm -f {} +
hand_over
