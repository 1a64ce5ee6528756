//! What vmrun can do, as functions that return data or events and print nothing.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod definitions;
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod library;
pub(crate) mod lsp;
pub(crate) mod manual;
pub(crate) mod netboot;
pub(crate) mod network;
pub(crate) mod notice;
pub(crate) mod plan;
mod proof;
pub(crate) mod recipe;
mod recipe_files;
pub(crate) mod record;
pub(crate) mod reference;
pub(crate) mod run;
pub(crate) mod supervise;
pub(crate) mod test;
