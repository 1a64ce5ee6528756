//! vmrun runs bhyve virtual machines from small, typed, rehearsed recipes.
//!
//! The house, from the ground: [`diag`] says what is wrong; [`model`] holds values that cannot be wrong; [`bhyve`] and
//! [`qemu`] translate them, [`network`] writes what makes a network at every start, [`netboot`] what boots
//! from it, [`image`] makes boot images, [`vmbhyve`] reads the guests of another manager, [`recording`]
//! what a script called and [`screen`] what a guest shows, all without touching anything; [`host`] is the one door to the world; [`client`] talks to guests and to other hosts; [`supervise`] takes, boots, waits
//! and gives back; [`script`] gives recipes their words; [`import`] writes them of what is described elsewhere; [`ops`] is what vmrun
//! can do, as functions that print nothing; [`cli`] is what people type.

#![cfg_attr(
    test,
    allow(clippy::let_underscore_must_use, reason = "a test of a reader may ask no more than that it does not panic")
)]

pub(crate) mod bhyve;
pub(crate) mod cli;
pub(crate) mod client;
pub(crate) mod diag;
pub(crate) mod host;
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod library;
pub(crate) mod model;
pub(crate) mod netboot;
pub(crate) mod network;
pub(crate) mod ops;
pub(crate) mod qemu;
pub(crate) mod recording;
pub(crate) mod screen;
pub(crate) mod script;
pub(crate) mod supervise;
pub(crate) mod vmbhyve;

#[doc(hidden)]
pub mod internals;

pub use cli::main;
