//! Hosts on which nothing happens: a rehearsal, a host that is not here, one that a test describes.

pub mod described;
pub mod elsewhere;
pub mod fake;
pub mod rehearsal;
