#!/bin/sh
#
# Prints the crates of Cargo.lock as a port of FreeBSD names them, each with its version, for Makefile.crates:
#
#   tools/port-crates.sh >packaging/freebsd-port/Makefile.crates
#
# What comes from the registry alone is a crate to fetch: vmrun itself has no source in Cargo.lock.

set -eu

cd "$(dirname "$0")/.."
awk '
    /^\[\[package\]\]/ { name = version = "" }
    /^name = / { split($0, part, "\""); name = part[2] }
    /^version = / { split($0, part, "\""); version = part[2] }
    /^source = "registry/ { print name "-" version }
' Cargo.lock | LC_ALL=C sort | awk '
    NR == 1 { printf "CARGO_CRATES=\t%s", $0; next }
    { printf " \\\n\t\t%s", $0 }
    END { print "" }
'
