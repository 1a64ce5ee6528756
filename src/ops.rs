//! What vmrun can do, as functions that return data or events and print nothing.

pub(crate) mod config;
pub(crate) mod display;
pub(crate) mod events;
pub(crate) mod gc;
pub(crate) mod hosts;
pub(crate) mod installation;
pub(crate) mod inventory;
pub(crate) mod invocation;
pub(crate) mod logs;
pub(crate) mod machines;
pub(crate) mod metrics;
pub(crate) mod plan;
pub(crate) mod remote;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod serial;
pub(crate) mod settings;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod supervise;
pub(crate) mod top;
pub(crate) mod viewer;
pub(crate) mod wait_screen;
