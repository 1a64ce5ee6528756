//! What is killed, interrupted or refused at each of its calls, in turn: runs of recipes, changes of disks, moves to another host. It takes
//! minutes; `make test` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

// What the tests in `tests/it` have too, and use all of.
#[path = "../common/disk_host.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod disk_host;
#[path = "../common/disk_strikes.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod disk_strikes;
#[path = "../common/efi.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod efi;
#[path = "../common/host.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod host;
#[path = "../common/sandbox.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod sandbox;
#[path = "../common/subjects.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod subjects;
#[path = "../common/two_hosts.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod two_hosts;

mod disks;
mod mess;
mod moves;
