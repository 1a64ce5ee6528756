//! What vmrun can do, as functions that return data or events and print nothing.

pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod supervise;
