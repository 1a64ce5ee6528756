//! Clients of what runs elsewhere: consoles and screens of guests, other hosts by ssh(1), repositories by git(1).

pub mod console;
pub mod dialog;
pub mod git;
pub mod reach;
pub mod screen;
pub mod ssh;
pub mod tunnel;
