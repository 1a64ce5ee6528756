//! Many machines on many hosts at once: which host runs which.

pub mod config;
pub mod find;
pub mod ssh;
