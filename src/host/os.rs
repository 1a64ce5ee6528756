//! What differs between the systems.

pub(crate) mod freebsd;
pub(crate) mod linux;
