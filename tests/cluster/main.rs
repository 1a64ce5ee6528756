//! A cluster of three nodes, with the real Corosync and Pacemaker, vmrun's resource agent, guests of QEMU, and failures. Each node is a
//! set of namespaces, and ends with its test whatever happens. It takes root and what `tools/setup.sh cluster` installs; `make cluster`
//! runs it, and prints how long each recovery took.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

mod failures;
mod lab;
mod maintenance;
mod refusals;
mod watch;
