//! vmrun runs bhyve virtual machines from small, typed, rehearsed recipes.
//!
//! The house, from the ground: [`diag`] says what is wrong; [`model`] holds values that cannot be wrong; [`bhyve`] and
//! [`qemu`] translate them, [`network`] writes what makes a network at every start, [`netboot`] what boots
//! from it, [`image`] makes boot images, [`vmbhyve`] reads the guests of another manager, [`recording`]
//! what a script called and [`screen`] what a guest shows, all without touching anything; [`host`] is the one door to the world; [`client`] talks to guests and to other hosts; [`supervise`] takes, boots, waits
//! and gives back; [`script`] gives recipes their words; [`import`] writes them of what is described elsewhere; [`fleet`] knows
//! many machines on many hosts; [`cli`] is what people type.

pub mod bhyve;
pub mod cli;
pub mod client;
pub mod diag;
pub mod fleet;
pub mod host;
pub mod image;
pub mod import;
pub mod library;
pub mod model;
pub mod netboot;
pub mod network;
pub mod qemu;
pub mod recording;
pub mod screen;
pub mod script;
pub mod supervise;
pub mod vmbhyve;
