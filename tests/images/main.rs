//! A Debian as its publisher would serve it, from its image to a machine that has a past: fetched, converted, grown by cloud-init. What
//! happened is read from the guest's serial line. It takes root, QEMU and what `tools/setup.sh images` installs, and several minutes where
//! no processor helps; `make images` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

#[path = "../common/publisher.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod publisher;
#[path = "../system/tools.rs"]
mod tools;

mod host;
mod newcomer;
mod story;
