//! Hosts on which nothing happens: a rehearsal, a host that is not here, one that a test describes. What effects do to them is
//! simulated once, by [`world::World`].

pub(crate) mod elsewhere;
pub(crate) mod fixture;
mod imagined;
pub(crate) mod rehearsal;
pub(crate) mod simulated;
mod world;
