//! Hosts on which nothing happens: a rehearsal, a host that is not here, one that a test describes.

pub(crate) mod described;
pub(crate) mod elsewhere;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod rehearsal;
