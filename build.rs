//! Links the program for Linux without shared libraries.
//!
//! A run does its own work in a few milliseconds; finding, mapping and relocating three shared libraries takes one of them, and
//! three where nothing is optimised, which tests start thousands of times.
//! Cargo can ask for a static program only together with everything that runs while building, and procedural macros cannot be
//! static. So the linker is given the same names with the static libraries behind them. Where the C compiler has none of
//! these the program is linked as usual.

#![allow(clippy::disallowed_methods, reason = "the house's doors are for the program, not for building it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the standard library asks for, and the static library that has it.
const LIBRARIES: [(&str, &str); 7] = [
    ("libc.so", "libc.a"),
    ("libdl.so", "libdl.a"),
    ("libgcc_s.so", "libgcc_eh.a"),
    ("libm.so", "libm.a"),
    ("libpthread.so", "libpthread.a"),
    ("librt.so", "librt.a"),
    ("libutil.so", "libutil.a"),
];

/// Has the linker keep functions whose code is the same once.
const FOLD: &str = "-Wl,--icf=all";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let native = env::var("HOST").ok() == env::var("TARGET").ok();
    let gnu = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if !(native && gnu) || file("crt1.o").is_none() {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    let behind = |(name, library): (&str, &str)| Some((out.join(name), file(library)?));
    let Some(names) = LIBRARIES.into_iter().map(behind).collect::<Option<Vec<_>>>() else { return };
    // A text in place of a library is a linker script.
    if names.iter().all(|(name, library)| fs::write(name, format!("INPUT({})\n", library.display())).is_ok()) {
        println!("cargo::rustc-link-arg-bins=-L{}", out.display());
        // Fixed addresses: relocating a program of this size at every start takes a third of a millisecond.
        println!("cargo::rustc-link-arg-bins=-static");
        println!("cargo::rustc-link-arg-bins=-no-pie");
        // Functions whose code is the same are there once: half a MiB less is mapped while a guest runs.
        if is("PROFILE", "release") && links_with(FOLD, &out) {
            println!("cargo::rustc-link-arg-bins={FOLD}");
        }
    }
}

/// Whether the linker that rustc uses takes an argument: lld does, which is the usual one on x86_64; ld does not.
fn links_with(argument: &str, out: &Path) -> bool {
    let source = out.join("empty.rs");
    let written = fs::write(&source, "fn main() {}\n").is_ok();
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    rustc.arg(format!("-Clink-arg={argument}")).arg("-o").arg(out.join("empty")).arg(source);
    written && rustc.output().is_ok_and(|output| output.status.success())
}

/// Finds a file of the C compiler, which links; it prints the mere name of one that it does not have.
fn file(name: &str) -> Option<PathBuf> {
    let output = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim())).filter(|path| Path::new(path).is_absolute())
}
