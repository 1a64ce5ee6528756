//! What vmrun can do, as functions that return data or events and print nothing.

pub(crate) mod check;
pub(crate) mod lsp;
pub(crate) mod plan;
pub(crate) mod recipe;
mod recipe_files;
pub(crate) mod run;
pub(crate) mod supervise;
pub(crate) mod test;
