//! What a run tells whoever wants to know how it goes.

use super::recovery::Left;
use super::step::Means;
use crate::diag::Diagnostic;
use crate::host::FetchProgress;
use crate::model::{Argv, Ended, VmName};
use std::net::IpAddr;
use std::time::Duration;

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Progress<'a> {
    /// A hypervisor was started.
    Started {
        /// How many boots of the run there were, with this one.
        boot: u64,
        /// The number of the hypervisor's process, if it has one.
        process: Option<u32>,
    },
    /// A guest that ran already was taken over; its process.
    Adopted(Option<u32>),
    /// A guest runs; whether the terminal is its console.
    Runs(&'a VmName, bool),
    /// It is ready, as its recipe says by what that is seen; where it is, if that is known.
    Ready(Option<IpAddr>),
    /// A guest is being stopped; it gets so long to power itself off.
    Stops(Means, Duration),
    /// A boot ended, and the hypervisor's last lines.
    Ended(&'a Ended, &'a [String]),
    /// The guest rebooted; its recipe is evaluated again.
    Rebooted,
    /// The guest rebooted as soon as it was started, and its recipe is evaluated again after this time.
    Pauses(Duration),
    /// A guest ended, and is started again after this time; what was wrong with it.
    Waits(Duration, &'a [Diagnostic]),
    /// The run is over, for these reasons.
    Failed(&'a [&'a str]),
    /// The machine has failed, and is not started again until somebody does; the reason.
    NotRestarted(&'a str),
    /// Something that was to be given back was taken away meanwhile; a sentence.
    Gone(&'a str),
    /// A helper has ended, and what follows from that; a sentence.
    Helper(&'a str),
    /// File systems of the guest are frozen for a snapshot, or thawed; a sentence.
    Freeze(&'a str),
    /// The clock of the guest was set, or may be late; a sentence.
    Clock(&'a str),
    /// The permit of the machine is held.
    PermitHeld,
    /// It is lost: why, and in what time the guest is down.
    PermitLost(&'a str, Duration),
    /// All was given back.
    Down,
    /// A command is run though nothing is done yet: who asks for it, and which it is; a sentence.
    Asks(&'a str),
    /// A file is fetched.
    Fetches(FetchProgress<'a>),
    /// What a dead run has left is given back, by these commands.
    TakesOver(&'a Left, &'a [Argv]),
}

/// Who is told how a run goes.
pub(crate) type ProgressListener = Box<dyn Fn(&Progress<'_>)>;
