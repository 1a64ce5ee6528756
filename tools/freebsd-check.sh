#!/usr/bin/env bash
#
# Type-check, lint, build and link this project for x86_64-unknown-freebsd on Debian
# (amd64), with neither a FreeBSD machine nor a FreeBSD standard library from rustup.
# On FreeBSD the same words are plain cargo.
#
#   freebsd-check.sh check  [cargo arguments]    cargo check
#   freebsd-check.sh clippy [cargo arguments]    cargo clippy
#   freebsd-check.sh lint   [cargo arguments]    cargo clippy and cargo build in one, without
#                                                a warning; inspects the executables
#   freebsd-check.sh build  [cargo arguments]    cargo build; inspects the executables
#   freebsd-check.sh test   [cargo arguments]    cargo test --no-run; likewise
#   freebsd-check.sh setup                       only fetch and prepare the tools
#   freebsd-check.sh env                         the variables, for eval
#
# How it works.  Debian's archive carries a Rust compiler (rustc-web) and the source
# of exactly its own standard library (rust-web-src).  Both are downloaded and
# unpacked into a cache folder, not installed, so they leave rustup and the machine
# alone.  The standard library is compiled for FreeBSD, once, and put where the
# compiler looks for it.  From then on this is an ordinary stable compiler that has
# the target, and the project's own cargo uses it by way of RUSTC.  For linking, Zig
# (the Python package "ziglang") brings FreeBSD's start-up files and stub libraries.
#
# Needs: Debian 12 with its security archive, a recent cargo, gcc; and python3 with
# pip, and binutils, for build, test, setup and env.  The cache takes 1 GB and, the
# first time, one to two minutes; what is in it is complete, or not there.
#
# Settings, all optional:
#   FREEBSD_CROSS_CACHE   the cache folder                (~/.cache/freebsd-cross)
#   FREEBSD_RELEASE       the release to link for         (14.0, the oldest possible)
#   RUST_WEB_VERSION      Debian's version of rustc-web   (apt's candidate, then kept)
#   RUST_MINIMUM          the oldest acceptable Rust      (1.95)
#   ZIGLANG_VERSION       version of ziglang              (0.17.1)
#   CARGO_TARGET_DIR      cargo's output                  (target/freebsd)

set -euo pipefail

readonly target=x86_64-unknown-freebsd
readonly multiarch=x86_64-linux-gnu
readonly release=${FREEBSD_RELEASE:-14.0}
readonly minimum=${RUST_MINIMUM:-1.95}
readonly zig_version=${ZIGLANG_VERSION:-0.17.1}
readonly cache=${FREEBSD_CROSS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/freebsd-cross}

# Each folder is filled under another name and renamed: if it exists, it is complete.
readonly rust=$cache/rust${RUST_WEB_VERSION:+-$RUST_WEB_VERSION}
readonly libraries=$rust/usr/lib/$multiarch
readonly zig=$cache/zig-$zig_version
readonly bin=$cache/bin-$release-zig-$zig_version${RUST_WEB_VERSION:+-rust-$RUST_WEB_VERSION}

say() { printf 'freebsd-check: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# Nothing ends without a word: what a command says of its failure may be little.
failed() { # <status> <command>
    trap - ERR
    say "failed with status $1: $2"
    exit "$1"
}
trap 'failed $? "$BASH_COMMAND"' ERR
set -E

need() { # <tool> <package>
    command -v "$1" >/dev/null || die "$1 is not on the path: install $2"
}

# For what comes over a network: three attempts, with a pause that grows.
retry() { # <command> [argument]...
    local attempt
    for attempt in 1 2; do
        ! "$@" || return 0
        say "attempt $attempt failed, trying again: $*"
        sleep $((attempt * 5))
    done
    "$@"
}

# ---------------------------------------------------------------- Debian's Rust

apt_refresh() {
    say "refreshing apt's lists"
    if [ "$(id -u)" = 0 ]; then
        retry apt-get -qq update
    elif command -v sudo >/dev/null; then
        retry sudo -n apt-get -qq update
    else
        die "apt's lists are out of date: run apt-get update as root"
    fi
}

apt_download() { # <package[=version]>...  into the current folder
    local options=(-qq -o Acquire::Retries=3)
    [ "$(id -u)" != 0 ] || options+=(-o APT::Sandbox::User=root)
    apt-get "${options[@]}" download "$@" >/dev/null
}

apt_candidate() { # <package>: the version that apt would choose, or nothing
    LC_ALL=C apt-cache policy "$1" | sed -n 's/^  Candidate: //p' | grep -vFx '(none)' || true
}

apt_dependency() { # <package=version> <pattern>: the dependency of that name, or nothing
    LC_ALL=C apt-cache show "$1" 2>/dev/null | sed -n 's/^Depends: //p' | tr ',' '\n' |
        grep -oE "^ *$2( |\$)" | tr -d ' ' | head -n 1 || true
}

unpack() { # <file.deb> <folder> [tar arguments]
    local deb=$1 folder=$2
    shift 2
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder" "$@"
}

download_rust() { # <folder>: the packages, into the folder; false if it cannot be done
    local version=${RUST_WEB_VERSION:-$(apt_candidate rustc-web)} runtime llvm
    [ -n "$version" ] && dpkg --compare-versions "$version" ge "$minimum" || return 1
    runtime=$(apt_dependency "libstd-rust-web-dev=$version" 'libstd-rust-web-[0-9.]+')
    [ -n "$runtime" ] || return 1
    llvm=$(apt_dependency "$runtime=$version" 'libllvm[0-9.]+')
    [ -n "$llvm" ] || return 1
    say "downloading rustc-web $version from Debian's archive (about 140 MB)"
    (cd "$1" && apt_download {rustc-web,rust-web-clippy,rust-web-src,libstd-rust-web-dev,"$runtime"}="$version" "$llvm") &&
        echo "$version" >"$1/version"
}

# The package of a library that libLLVM needs and a small machine may lack.
package_of() {
    case $1 in
        libbsd.so.0) echo libbsd0 ;;
        libedit.so.2) echo libedit2 ;;
        libffi.so.8) echo libffi8 ;;
        libicu*.so.*) echo "libicu${1##*.}" ;;
        liblzma.so.5) echo liblzma5 ;;
        libmd.so.0) echo libmd0 ;;
        libtinfo.so.6) echo libtinfo6 ;;
        libxml2.so.2) echo libxml2 ;;
        libz.so.1) echo zlib1g ;;
        libz3.so.4) echo libz3-4 ;;
        libzstd.so.1) echo libzstd1 ;;
        *) die "rustc needs the library $1: install it" ;;
    esac
}

add_missing_libraries() { # <folder>
    local soname package missing
    for _ in 1 2 3 4 5; do
        missing=$(LD_LIBRARY_PATH=$1/usr/lib/$multiarch ldd "$1/usr/bin/rustc" |
            awk '/not found/ { print $1 }' | sort -u)
        [ -n "$missing" ] || return 0
        for soname in $missing; do
            package=$(package_of "$soname")
            [ ! -e "$1/debs/$package" ] || continue
            say "adding $package"
            mkdir "$1/debs/$package"
            (
                cd "$1/debs/$package"
                apt_download "$package" || { apt_refresh && apt_download "$package"; }
            ) || die "cannot download $package"
            unpack "$1/debs/$package"/*.deb "$1" --wildcards "*/lib/$multiarch/*" \
                --transform='s,^\./lib/,./usr/lib/,'
        done
    done
    die "rustc lacks libraries: $missing"
}

# As Rust's own build does it, but for libstd.so: that would have to be linked.
build_std() { # <folder>
    local library to=$1/usr/lib/rustlib/$target/lib
    library=$(realpath "$1/usr/lib/rustlib/src/rust/library")
    local flags=(-Zforce-unstable-if-unmarked -Cembed-bitcode=yes
        "--remap-path-prefix=${library%/library}=/rustc/src")
    sed -i 's/^crate-type = \["dylib", "rlib"\]$/crate-type = ["rlib"]/' "$library/std/Cargo.toml"
    cat >"$1/rustc" <<EOF
#!/bin/sh
LD_LIBRARY_PATH='$1/usr/lib/$multiarch' exec '$1/usr/bin/rustc' "\$@"
EOF
    chmod +x "$1/rustc"
    say "compiling the standard library for FreeBSD"
    (
        cd "$1" # away from the project's configuration of cargo
        unset RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTFLAGS CARGO_BUILD_TARGET
        RUSTC=$1/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$1/std CARGO_NET_RETRY=5 \
            CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}") \
            cargo build --quiet --locked --release --target "$target" \
            --manifest-path "$library/sysroot/Cargo.toml" --features backtrace,panic-unwind
    ) || die "cannot compile the standard library"
    mkdir -p "$to"
    cp "$1/std/$target/release/deps"/*.rlib "$to"
}

setup_rust() {
    [ ! -d "$rust" ] || return 0
    local part=$rust.part
    rm -rf "$part"
    mkdir -p "$part/debs"

    download_rust "$part/debs" || { apt_refresh && download_rust "$part/debs"; } ||
        die "no rustc-web $minimum or later: has apt the security archive of Debian 12?"
    local deb
    for deb in "$part/debs"/*.deb; do
        case $deb in
            # only the standard library; the compiler's own source is not needed
            */rust-web-src_*) unpack "$deb" "$part" --wildcards './usr/lib/rustlib/src' './usr/src/rustc-*/library' ;;
            *) unpack "$deb" "$part" --exclude='./usr/share' ./usr ;;
        esac
    done
    add_missing_libraries "$part"
    build_std "$part"

    mv "$part/debs/version" "$part/version"
    rm -rf "$part"/{debs,std,rustc,usr/src,usr/lib/rustlib/src}
    mv "$part" "$rust"
}

# ------------------------------------------------------------------------- Zig

setup_zig() {
    [ ! -d "$zig" ] || return 0
    say "downloading Zig $zig_version from PyPI (about 100 MB)"
    rm -rf "$zig.part"
    need python3 python3
    python3 -m pip --version >/dev/null || die "python3 has no pip: install python3-pip"
    retry python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --no-input --retries 3 --timeout 60 --upgrade \
        --no-deps --no-compile --target "$zig.part" "ziglang==$zig_version" ||
        die "cannot download ziglang $zig_version from PyPI"
    mv "$zig.part" "$zig"
}

# -------------------------------------------------------------------- wrappers

setup_bin() {
    [ ! -d "$bin" ] || return 0
    local part=$bin.part
    rm -rf "$part"
    mkdir -p "$part"

    # Clippy's driver insists that the compiler be called "rustc".
    cat >"$part/rustc" <<EOF
#!/bin/sh
LD_LIBRARY_PATH='$libraries'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec '$rust/usr/bin/rustc' "\$@"
EOF
    cat >"$part/freebsd-cc" <<EOF
#!/bin/sh
ZIG_GLOBAL_CACHE_DIR='$cache/zig-cache' ZIG_LOCAL_CACHE_DIR='$cache/zig-cache'
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
[ ! -d '$bin/stubs' ] || set -- -L'$bin/stubs' "\$@"
exec '$zig/ziglang/zig' cc -target x86_64-freebsd.$release-none "\$@"
EOF
    chmod +x "$part"/{rustc,freebsd-cc}
    mv "$part" "$bin"
}

# The libc crate asks for four libraries of FreeBSD's that Zig does not bring.  Empty
# ones do: with --as-needed they leave no trace in the executable, and a program that
# does call into one of them fails to link.
setup_stubs() {
    [ ! -d "$bin/stubs" ] || return 0
    local part=$bin/stubs.part library name
    rm -rf "$part"
    mkdir "$part"
    : >"$part/empty.c"
    for library in kvm:7 memstat:3 procstat:1 devstat:7; do
        name=lib${library%:*}.so
        "$bin/freebsd-cc" -shared -nostdlib -fPIC -Wl,-soname,"$name.${library#*:}" \
            -o "$part/$name" "$part/empty.c"
    done
    mv "$part" "$bin/stubs"
}

setup() { # setup [link]
    need cargo "Rust (https://rustup.rs)"
    need cc gcc
    need apt-get "Debian: the compiler comes from its archive"
    need flock util-linux
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock -n 9 || {
        say "waiting for another run of this script to prepare the tools"
        flock -w 900 9 || die "waited 15 minutes for $cache/lock"
    }
    setup_rust
    setup_bin
    if [ "${1-}" = link ]; then
        need readelf binutils
        setup_zig
        setup_stubs
    fi
    exec 9>&-
}

# ----------------------------------------------------------------------- cargo

# The linker is set for "check" too, which links nothing: cargo counts it among the
# things whose change makes it compile everything again.
variables() {
    cat <<EOF
export RUSTC='$bin/rustc'
export CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER='$bin/freebsd-cc'
export CARGO_BUILD_TARGET=$target
EOF
}

prepare() { # prepare [link]
    setup "$@"
    eval "$(variables)"
    if [ -z "${CARGO_TARGET_DIR-}" ]; then
        local manifest
        manifest=$(cargo locate-project --workspace --message-format plain)
        export CARGO_TARGET_DIR=${manifest%/*}/target/freebsd
    fi
}

# Reads cargo's messages and looks at the executables they tell of: each must have
# FreeBSD's dynamic linker and note (its kernel knows a program by the note), and ask
# only for libraries of the base system.
inspect() {
    local base='lib(c\.so\.7|sys\.so\.7|thr\.so\.3|m\.so\.5|rt\.so\.1|dl\.so\.1|util\.so\.(9|10)|execinfo\.so\.1|gcc_s\.so\.1)'
    local files file needed bad=0
    files=$(grep -oE '"executable":"[^"]+"' | cut -d'"' -f4 | sort -u) || true
    for file in $files; do
        needed=$(LC_ALL=C readelf -dW "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
        if ! LC_ALL=C readelf -lnW "$file" | tr '\n' ' ' |
            grep -qE 'interpreter: /libexec/ld-elf\.so\.1\].* FreeBSD +0x0*4\s+NT_VERSION'; then
            say "not a FreeBSD executable: $file"
            bad=1
        elif grep -qvxE "$base" <<<"$needed"; then
            say "needs libraries beyond the base system: $file:" "${needed//$'\n'/ }"
            bad=1
        else
            say "FreeBSD executable: $file:" "${needed//$'\n'/ }"
        fi
    done
    return $bad
}

main() {
    local command=${1-}
    [ $# = 0 ] || shift
    if [ "$(uname -s)" = FreeBSD ]; then
        case $command in
            check | clippy | build) exec cargo "$command" "$@" ;;
            lint) cargo clippy "$@" -- -D warnings && exec cargo build "$@" ;;
            test) exec cargo test --no-run "$@" ;;
            setup | env) exit 0 ;;
        esac
    fi
    case $command in
        check | clippy) prepare ;;
        lint | build | test) prepare link ;;
        setup | env) setup link ;;
        *)
            sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2
            exit 2
            ;;
    esac
    local messages=(--message-format json-render-diagnostics)
    trap - ERR # cargo speaks for itself
    case $command in
        check) cargo check "$@" ;;
        clippy) LD_LIBRARY_PATH=$libraries "$rust/usr/bin/cargo-clippy" clippy "$@" ;;
        # Clippy's driver compiles as rustc does: what it looks at need not be compiled a second time.
        lint)
            LD_LIBRARY_PATH=$libraries RUSTC_WORKSPACE_WRAPPER=$rust/usr/bin/clippy-driver \
                RUSTFLAGS="${RUSTFLAGS-} -Dwarnings" cargo build "${messages[@]}" "$@" | inspect
            ;;
        build) cargo build "${messages[@]}" "$@" | inspect ;;
        test) cargo test --no-run "${messages[@]}" "$@" | inspect ;;
        env) variables ;;
    esac
}

main "$@"
