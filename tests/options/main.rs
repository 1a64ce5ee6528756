//! bhyve's options, read twice: vmrun's own reader (`src/bhyve`) is set against that of the fake bhyve (`tests/userland/bhyve`),
//! which knows nothing of it, over the command lines of the fixtures and what becomes of them by small changes.
//!
//! What vmrun takes bhyve has to take, for the same release and with the same keys, and so what vmrun writes. What vmrun refuses
//! and bhyve takes has its reason in [`stricter`].
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

/// The fake userland: its bhyve is called here, without a process, and the tests in its files are run.
#[path = "../userland"]
#[expect(dead_code, reason = "nothing but bhyve is played here")]
mod userland {
    pub(crate) mod bhyve;
    mod bhyvectl;
    mod devfs;
    pub(crate) mod exit;
    mod files;
    pub(crate) mod getopt;
    mod ifconfig;
    pub(crate) mod interface;
    pub(crate) mod jail;
    mod kill;
    pub(crate) mod kld;
    mod loader;
    mod mdconfig;
    mod netstat;
    pub(crate) mod node;
    pub(crate) mod number;
    mod pciconf;
    pub(crate) mod process;
    pub(crate) mod procstat;
    mod ps;
    mod rctl;
    pub(crate) mod release;
    pub(crate) mod route;
    pub(crate) mod state;
    pub(crate) mod sysctl;
    pub(crate) mod zfs;
    mod zpool;
}
use userland::{
    bhyve, exit, getopt, interface, jail, kld, node, number, process, procstat, release, route, state, sysctl, zfs,
};

mod examples;
mod judges;
mod mutations;
mod stricter;
