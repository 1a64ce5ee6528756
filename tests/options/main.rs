//! bhyve's options, read twice: vmrun's own reader (`src/bhyve`) is set against that of the fake bhyve (`tests/userland/bhyve`),
//! which knows nothing of it, over the command lines of the fixtures and what becomes of them by small changes.
//!
//! What vmrun takes bhyve has to take, for the same release and with the same keys, and so what vmrun writes. What vmrun refuses
//! and bhyve takes has its reason in [`stricter`].
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

/// The fake userland: its bhyve is called here, without a process.
#[path = "../userland"]
#[expect(dead_code, reason = "nothing but bhyve is played here")]
mod userland {
    pub(crate) mod bhyve;
    pub(crate) mod exit;
    pub(crate) mod getopt;
    pub(crate) mod interface;
    pub(crate) mod jail;
    pub(crate) mod kld;
    pub(crate) mod node;
    pub(crate) mod number;
    pub(crate) mod process;
    pub(crate) mod release;
    pub(crate) mod state;
    pub(crate) mod sysctl;
}
use userland::{bhyve, exit, getopt, interface, jail, kld, node, number, process, release, state, sysctl};

mod examples;
mod judges;
mod mutations;
mod stricter;
