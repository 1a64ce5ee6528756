//! Attacks: what somebody who means harm, or an accident, does to the program, many times over.
//!
//! `cargo test` makes a share of each, `make attack` all of it: the variable VMRUN_ATTACK is `all`, or one of how many of them are
//! made (400 unless it is said).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    clippy::missing_panics_doc,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

mod editor;
#[cfg(not(debug_assertions))]
mod processor;

/// One of how many attempts is made; 1 is all of them.
pub fn share() -> u64 {
    match std::env::var("VMRUN_ATTACK").as_deref() {
        Ok("all") => 1,
        Ok(number) => number.parse().expect("VMRUN_ATTACK is `all` or a number"),
        Err(_) => 400,
    }
}

/// Whether an attempt is of the share that is made: the same ones each time.
pub fn is_made(attempt: u64) -> bool {
    // Multiplied by 2^64 over the golden ratio, so that neighbours are far apart.
    attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (1 << 32) / share()
}
