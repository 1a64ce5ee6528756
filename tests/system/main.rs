//! What is tested by means of a system: real machines under QEMU, networks and file systems in namespaces, strace(1), an earlier vmrun, and
//! other people's programs that read what vmrun writes. It takes root, and what `tools/setup.sh test` installs; `make test` runs it.
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
#[path = "../common/answers.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod answers;
#[path = "../common/boot_images.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod boot_images;
#[path = "../common/disk_host.rs"]
mod disk_host;
#[path = "../common/disk_strikes.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod disk_strikes;
#[path = "../common/documented.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod documented;
#[path = "../common/efi.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod efi;
#[path = "../common/host.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod host;
#[path = "../common/netboot_host.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod netboot_host;
#[path = "../common/publisher.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod publisher;
#[path = "../common/repositories.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod repositories;
#[path = "../common/sandbox.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod sandbox;
#[path = "../common/shown.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod shown;
#[path = "../common/subjects.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod subjects;
#[path = "../common/terminal.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod terminal;
#[path = "../common/two_hosts.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod two_hosts;

mod agent;
mod chains;
mod convert;
mod disk_faults;
mod disk_full;
mod enclosed;
mod export;
mod fetch;
mod find;
mod fresh;
mod linux;
mod many;
mod mess;
mod namespace;
mod ocf;
mod permit;
mod picture;
mod ports;
mod readers;
mod reflink;
mod relocated;
mod shells;
mod signed;
mod signed_images;
mod ssh;
mod ssh_hosts;
mod tools;
mod upgrade;
