//! What people see: whole runs of the program, on a fake FreeBSD and on the host itself.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

mod allowed;
mod alone;
mod asks;
mod background;
mod check;
mod clock;
mod console;
mod content;
mod docs;
mod faults;
mod faulty;
mod find;
mod freebsd;
mod golden;
mod halves;
mod hostile;
mod house;
mod images;
mod import;
mod inputs;
mod interfaces;
mod jails;
mod known;
mod lengths;
mod libraries;
mod linux;
mod list;
mod loaders;
mod logs;
mod lsp;
mod manual;
mod marks;
mod mess;
mod mutants;
mod netboot;
mod network;
mod nodes;
mod open;
mod plans;
mod probes;
mod program;
mod proof;
mod readiness;
mod readme;
mod record;
mod recorded;
mod relative;
mod repeats;
mod replay;
mod resets;
mod restart;
mod sandbox;
mod screen;
mod signed;
mod stdlib;
mod terminal;
mod texts;
mod top;
mod trials;
mod unstarted;
mod upgrade;
