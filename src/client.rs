//! Clients of what runs elsewhere: consoles and screens of guests, other hosts by ssh(1), repositories by git(1).

pub(crate) mod agent;
pub(crate) mod banner;
pub(crate) mod console;
pub(crate) mod dialog;
pub(crate) mod git;
pub(crate) mod gpgv;
pub(crate) mod peer;
pub(crate) mod reach;
pub(crate) mod screen;
pub(crate) mod ssh;
pub(crate) mod ssh_keygen;
pub(crate) mod tunnel;
