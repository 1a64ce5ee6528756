//! What becomes of scripts that `vmrun record` runs in an enclosure, many times each: it takes namespaces, which not every system lets a user
//! have, and minutes. `make test` runs it.
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
#[path = "../common/golden.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod golden;
#[path = "../common/host.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod host;
#[path = "../common/sandbox.rs"]
#[allow(dead_code, reason = "`tests/it` uses the rest")]
mod sandbox;

mod answers;
mod boots;
mod doubts;
mod files;
mod folder;
mod guests;
mod jails;
mod modes;
mod needed;
mod nested;
mod published;
mod read_files;
mod recorded;
mod retries;
mod runs;
mod scripts;
mod several_files;
mod split;
mod system_files;
mod text_tools;
mod untraced;
mod watched;
mod words;
