//! What people see: whole runs of the program, on a fake FreeBSD and on the host itself, for whoever has a shell, bash, git, script(1), ps(1) and
//! awk(1). What takes root, namespaces, strace(1) or a program that has to be installed for it is in `tests/system`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

// What the tests of the system have too.
#[path = "../common/answers.rs"]
mod answers;
#[path = "../common/boot_images.rs"]
mod boot_images;
#[path = "../common/datastore.rs"]
mod datastore;
#[path = "../common/disk_host.rs"]
mod disk_host;
#[path = "../common/documented.rs"]
mod documented;
#[path = "../common/efi.rs"]
mod efi;
#[path = "../common/golden.rs"]
mod golden;
#[path = "../common/host.rs"]
mod host;
#[path = "../common/image_host.rs"]
mod image_host;
#[path = "../common/netboot_host.rs"]
mod netboot_host;
#[path = "../common/publisher.rs"]
mod publisher;
#[path = "../common/repositories.rs"]
mod repositories;
#[path = "../common/sandbox.rs"]
#[allow(dead_code, reason = "`tests/strikes` uses the rest")]
mod sandbox;
#[path = "../common/shown.rs"]
mod shown;
#[path = "../common/terminal.rs"]
mod terminal;
#[path = "../common/two_hosts.rs"]
mod two_hosts;

mod accelerator;
mod agent;
mod all_hosts;
mod allowed;
mod alone;
mod asks;
mod background;
mod blessed;
mod book;
mod cgroups;
mod changed;
mod check;
mod clock;
mod completion;
mod console;
mod content;
mod disks;
mod docs;
mod doctor;
mod engines;
mod executable;
mod exports;
mod faults;
mod faulty;
mod fetch;
mod find;
mod freebsd;
mod freeze;
mod halves;
mod hanging;
mod help;
mod helpers;
mod hostile;
mod house;
mod images;
mod import;
mod import_all;
mod import_cbsd;
mod import_running;
mod import_tested;
mod inputs;
mod install;
mod instances;
mod interfaces;
mod iscsi;
mod jails;
mod known;
mod lengths;
mod libraries;
mod list;
mod loaders;
mod logs;
mod lsp;
mod machines_disks;
mod manual;
mod marks;
mod migrate;
mod migrate_all;
mod migrate_encrypted;
mod migrate_refusals;
mod monitor;
mod mutants;
mod netboot;
mod network;
mod new;
mod nodes;
mod ocf;
mod open;
mod packaging;
mod permit;
mod plans;
mod ports;
mod probes;
mod program;
mod progress;
mod proof;
mod readiness;
mod readme;
mod recorded;
mod relative;
mod released;
mod repeats;
mod replay;
mod replicate;
mod reservation;
mod resets;
mod restart;
mod rolling;
mod screen;
mod serial_log;
mod snapshots;
mod ssh;
mod stdlib;
mod storage_plans;
mod takeover;
mod targets;
mod texts;
mod top;
mod trials;
mod twice;
mod unstarted;
mod zfs;
