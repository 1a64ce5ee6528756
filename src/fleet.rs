//! Many machines on many hosts at once: which host runs which.

pub(crate) mod config;
pub(crate) mod find;
pub(crate) mod ssh;
