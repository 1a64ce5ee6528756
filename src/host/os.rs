//! What differs between the systems.

pub mod freebsd;
pub mod linux;
