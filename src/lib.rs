//! vmrun runs bhyve virtual machines from small, typed, rehearsed recipes.
//!
//! The house, from the ground: [`diag`] says what is wrong, [`model`] holds values that cannot be wrong, [`bhyve`]
//! translates them.

pub mod bhyve;
pub mod diag;
pub mod model;
