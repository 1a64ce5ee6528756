//! How a machine is moved from one host to another: what both sides say to each other, and what each of them keeps written of it.
//!
//! The side that has the machine asks, the other one answers. What they say are frames ([`Frame`]): a message in JSON
//! ([`Request`], [`Answer`]), a text of the recipe, a block of a disk, a block that is all zero, digests of blocks. Nothing is believed
//! of a frame but what was checked.
//!
//! Exactly one side may start the machine at any moment. Which one, the records of both say ([`MoveRecord`]): the one that gives it
//! writes that it may not any more before the other one is asked to take it.

mod blocks;
mod frame;
mod message;
mod record;
mod replication;

pub(crate) use blocks::{BLOCK, BlockDigests};
pub(crate) use frame::Frame;
pub(crate) use message::{Answer, Hello, Offer, PROTOCOL, Request, State, TakenAway};
pub(crate) use record::{Away, Made, MoveRecord, MoveState, StartedWith, is_id};
pub(crate) use replication::{Replication, Takeover};
