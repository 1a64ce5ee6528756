//! The host that gives a machine: it asks, and has written what it is about to do before it asks for it.

mod replica;

use super::offered::{self, Offered};
use super::{Listener, MigrateEvent, MigrateOptions, Migrated, start};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::environment::host_name;
use crate::host::export::MoveProgress;
use crate::host::moved_disks::{Seen, differing, half};
use crate::host::moves::{self, MoveLock};
use crate::host::signals::Signals;
use crate::host::sparse::SparseDisk;
use crate::host::{Settings, clock, files, replication};
use crate::image::migration::{BlockDigests, Frame, Hello, MoveRecord, MoveState, Offer, PROTOCOL, Request};
use crate::model::Size;
use crate::ops::export::ReadAim;
use crate::ops::installation::{Installation, Wanted};
use crate::ops::other_host::OtherHost;
use crate::ops::remote::Remote;
use crate::ops::replica_hosts::{Aim, OwnStart, ReplicaHosts};
use crate::ops::stop::{How, StopEvent, stop_each};
use crate::ops::{settings, stopped};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often the disks are copied at most while the guest runs.
const PASSES: usize = 4;

/// How little has to have changed for the guest to be stopped, in bytes.
const LITTLE: u64 = 64 << 20;

/// How long nothing is sent at most while a disk is read.
const STILL: Duration = Duration::from_secs(30);

/// A move, on the host that gives the machine.
pub(super) struct Giver<'a> {
    settings: Settings,
    record: MoveRecord,
    _lock: MoveLock,
    other: OtherHost,
    options: MigrateOptions,
    listener: Listener<'a>,
    signals: Option<Rc<Signals>>,
    /// Whether the machine stays here, and only a replica of it goes.
    is_replica: bool,
    /// When its guest was asked to power off.
    down: Option<Instant>,
    /// Whether others were asked before it is undone.
    is_asked: bool,
}

impl<'a> Giver<'a> {
    pub(super) fn new(
        settings: Settings,
        record: MoveRecord,
        lock: MoveLock,
        remote: Remote,
        options: MigrateOptions,
        listener: Listener<'a>,
    ) -> Self {
        let other = OtherHost::new(record.peer.clone(), remote, options.answer_within);
        Self {
            settings,
            record,
            _lock: lock,
            other,
            options,
            listener,
            signals: None,
            is_replica: false,
            down: None,
            is_asked: false,
        }
    }

    /// Has somebody who asks us to stop be heard, wherever it waits.
    fn heed_signals(&mut self) -> Result<(), Fault> {
        let signals = Signals::install()?;
        self.other.heed(signals.stop_asked()?);
        self.signals = Some(signals);
        Ok(())
    }

    /// Asks the other host what would stand against it, and changes nothing.
    pub(super) fn rehearse(mut self) -> Result<Migrated, Vec<Diagnostic>> {
        let offered = self.offered()?;
        let nonces = self.nonces(&offered);
        let asked = nonces.and_then(|nonces| {
            self.greet()?;
            self.offer(&offered, nonces, true)
        });
        self.forget_nonces(&offered);
        asked.map(|()| self.migrated(None, true))
    }

    /// Moves it. Where the other host refuses it, nothing is left of the move.
    pub(super) fn begin(mut self) -> Result<Migrated, Vec<Diagnostic>> {
        self.heed_signals()?;
        let offered = self.offered()?;
        moves::write(&self.settings, &self.record)?;
        if let Err(faults) = self.greet() {
            // Nothing was offered.
            moves::forget(&self.settings, &self.record.machine)?;
            return Err(faults);
        }
        if let Err(mut faults) = self.offer_all(&offered) {
            if self.other.ask(&Request::Abort).is_ok() {
                moves::forget(&self.settings, &self.record.machine)?;
                self.other.ask(&Request::Forget).may_fail("that it was undone there hinders nothing");
            } else {
                faults.push(self.unfinished().into());
            }
            return Err(faults);
        }
        self.go(Some(offered))
    }

    /// Goes on with one that was cut off.
    pub(super) fn go_on(mut self, fenced: Option<&str>) -> Result<Migrated, Vec<Diagnostic>> {
        self.heed_signals()?;
        if self.record.state != MoveState::Given {
            self.against_takeover(fenced, Aim::Resume)?;
        }
        self.go(None)
    }

    /// Refuses a machine that is this host's, as far as that knows, and that does not run: it may have been taken over while this host was
    /// away.
    fn against_takeover(&self, fenced: Option<&str>, aim: Aim) -> Result<(), Vec<Diagnostic>> {
        let (name, with) = (&self.record.machine, self.record.with.clone());
        if start::is_up(name)? {
            return Ok(());
        }
        let warnings = ReplicaHosts::default().against_moving(&OwnStart { name, fenced, with, aim })?;
        warnings.iter().for_each(|warning| (self.listener)(&MigrateEvent::Note(&warning.fault.message)));
        Ok(())
    }

    fn go(mut self, offered: Option<Offered>) -> Result<Migrated, Vec<Diagnostic>> {
        if self.record.state != MoveState::Given
            && let Err(mut faults) = self.give(offered)
        {
            if self.record.state != MoveState::Stopping {
                faults.push(self.unfinished().into());
            } else if let Err(more) = self.take_back() {
                faults.extend(more);
            }
            return Err(faults);
        }
        match self.hand_over() {
            Ok(()) => {}
            Err(HandOver::Refused(mut faults)) => {
                let undone = self.other.ask(&Request::Abort).and_then(|()| self.regain());
                // A guest that runs there after all, as one that is not ready in time, stays there.
                if let Err(more) = undone {
                    faults.extend(more);
                    faults.push(self.unfinished().into());
                }
                return Err(faults);
            }
            Err(HandOver::Unknown(mut faults)) => {
                faults.push(self.unfinished().into());
                return Err(faults);
            }
        }
        let downtime = self.down.map(|since| since.elapsed());
        self.set(MoveState::Moved)?;
        let given_up = self.other.given_up();
        replication::change(&self.settings, &self.record.machine, |all| {
            all.taken.retain(|one| !given_up.contains(&one.id));
        })
        .may_fail("nobody asks any more whether a machine was taken that has come back");
        self.other
            .ask(&Request::Forget)
            .may_fail("the record there hinders no start; the next move of the machine tells of it");
        Ok(self.migrated(downtime, false))
    }

    fn migrated(&self, downtime: Option<Duration>, was_dry_run: bool) -> Migrated {
        let (machine, host, runs) = (self.record.machine.clone(), self.record.peer.clone(), self.record.runs);
        Migrated { machine, host, downtime, runs, was_dry_run }
    }

    /// The fault of a move that is not over, with what ends it.
    fn unfinished(&self) -> Fault {
        let (name, peer) = (&self.record.machine, &self.record.peer);
        let rest = if self.record.state == MoveState::Sending {
            "; it is still this host's"
        } else {
            ", and which of both hosts has it is to be asked there"
        };
        let fault = Fault::host(format!("the move of {name} to {peer} has not ended{rest}"));
        fault.hint(format!("`vmrun migrate --resume {name}` goes on with it, `vmrun migrate --abort {name}` undoes it"))
    }

    fn set(&mut self, state: MoveState) -> Result<(), Fault> {
        let record = MoveRecord { state, at: clock::now(), ..self.record.clone() };
        moves::write(&self.settings, &record)?;
        self.record = record;
        Ok(())
    }

    fn against_stop(&self) -> Result<(), Fault> {
        if self.signals.as_ref().is_some_and(|signals| signals.peek_stop()) {
            return Err(Fault::new("interrupted").blame(Blame::Interrupted));
        }
        Ok(())
    }

    /// Reads the machine as its recipe has it now.
    fn offered(&self) -> Result<Offered, Vec<Diagnostic>> {
        let (installation, with) = (Installation::open()?, &self.record.with);
        let wanted = Wanted {
            params: with.params.clone(),
            user_net: with.user_net,
            name: Some(self.record.machine.to_string()),
            ..Wanted::of(with.recipe.clone())
        };
        let aim = if self.is_replica { ReadAim::Replica } else { ReadAim::Move };
        let offered = Offered::of(&offered::machine(&installation, wanted)?, self.record.is_shared, aim)?;
        offered.left_out.iter().for_each(|what| (self.listener)(&MigrateEvent::LeftOut(what)));
        Ok(offered)
    }

    /// Calls the other host, and returns how far the move is there.
    fn greet(&mut self) -> Result<Option<MoveState>, Vec<Diagnostic>> {
        self.other.greet(Hello {
            protocol: PROTOCOL,
            vmrun: env!("CARGO_PKG_VERSION").into(),
            id: self.record.id.clone(),
            machine: self.record.machine.clone(),
            from: host_name().unwrap_or_else(|| "another host".into()),
            is_replica: self.is_replica,
            signs: true,
            taken: replication::read(&self.settings, &self.record.machine)?.taken,
        })
    }

    fn offer_all(&mut self, offered: &Offered) -> Result<(), Vec<Diagnostic>> {
        let nonces = self.nonces(offered)?;
        let done = self.offer(offered, nonces, false);
        self.forget_nonces(offered);
        done
    }

    /// Offers the machine. The answer comes once it is checked there, and has room.
    fn offer(&mut self, offered: &Offered, shared: Vec<String>, dry_run: bool) -> Result<(), Vec<Diagnostic>> {
        let (manifest, with) = (offered.manifest.clone(), self.record.with.clone());
        if let Some(name) = manifest.encrypted().filter(|_| !self.other.encrypts()) {
            let peer = &self.record.peer;
            let fault =
                Fault::host(format!("{peer} has an earlier vmrun, which would have the volume {name} in the clear"));
            return Err(fault.hint("install the same vmrun on both hosts").into());
        }
        let modes = offered.disks.iter().map(SparseDisk::permissions).collect();
        self.other.offer(Offer { manifest, with, runs: self.record.runs, shared, modes, dry_run }, &offered.texts)
    }

    /// Puts beside each disk that both hosts see a file that says so.
    fn nonces(&self, offered: &Offered) -> Result<Vec<String>, Vec<Diagnostic>> {
        if !self.record.is_shared {
            return Ok(Vec::new());
        }
        let nonce = |path: &PathBuf| {
            let nonce = moves::new_id()?;
            files::write_private(&half(path, &self.record.id), nonce.as_bytes())?;
            Ok(nonce)
        };
        Ok(offered.paths.iter().map(nonce).collect::<Result<_, Fault>>()?)
    }

    fn forget_nonces(&self, offered: &Offered) {
        if self.record.is_shared {
            offered.paths.iter().for_each(|path| {
                files::remove(&half(path, &self.record.id)).may_fail("it says nothing to anybody, and hinders nobody");
            });
        }
    }

    /// Offers a machine whose move was cut off.
    fn offer_again(&mut self) -> Result<Offered, Vec<Diagnostic>> {
        let offered = self.offered()?;
        match self.greet()? {
            None | Some(MoveState::Receiving | MoveState::Whole | MoveState::Undone) => {}
            Some(_) => return Err(self.other.senseless().into()),
        }
        self.offer_all(&offered)?;
        Ok(offered)
    }

    /// Sends the disks, stops the guest, sends what changed, and writes that the machine may be taken.
    fn give(&mut self, offered: Option<Offered>) -> Result<(), Vec<Diagnostic>> {
        let offered = offered.map_or_else(|| self.offer_again(), Ok)?;
        (self.listener)(&MigrateEvent::Begins(
            &self.record.machine,
            &self.record.peer,
            offered.disks.len(),
            Size::bytes(offered.manifest.used()),
        ));
        let mut known = self.known(&offered)?;
        let name = self.record.machine.clone();
        if self.record.state == MoveState::Sending {
            self.copy_while_it_runs(&offered, &mut known)?;
            self.set(MoveState::Stopping)?;
        }
        if self.record.runs {
            self.stop()?;
        }
        let mut host = settings::host(false)?;
        let mut wrong = Vec::new();
        let paths = offered.paths.clone();
        // Its locks are held until it is written that it may not be started here.
        let given = stopped::hold_moving(&mut host, &name, &paths, |_| {
            let done = self.finish(&offered, &mut known);
            done.map_err(|mut faults| {
                let last = faults.pop().map_or_else(|| Fault::host("the rest could not be sent"), |one| one.fault);
                wrong = faults;
                last
            })
        });
        given.map_err(|fault| wrong.into_iter().chain([Diagnostic::error(fault)]).collect())
    }

    /// Asks what the other host has of each disk.
    fn known(&mut self, offered: &Offered) -> Result<Vec<BlockDigests>, Vec<Diagnostic>> {
        let disks = if self.record.is_shared { &[][..] } else { &offered.disks[..] };
        (0..).zip(disks).map(|(at, disk)| self.other.digests(at, disk.size)).collect()
    }

    fn copy_while_it_runs(&mut self, offered: &Offered, known: &mut [BlockDigests]) -> Result<(), Vec<Diagnostic>> {
        if self.record.is_shared || !self.record.runs {
            return Ok(());
        }
        for pass in 1..=PASSES {
            let sent = self.send_changes(offered, known)?;
            self.other.ask(&Request::Sync)?;
            (self.listener)(&MigrateEvent::Copied(pass, Size::bytes(sent)));
            if sent <= LITTLE {
                break;
            }
        }
        Ok(())
    }

    /// Sends what is not there as it is here, and returns how many bytes that were.
    fn send_changes(&mut self, offered: &Offered, known: &mut [BlockDigests]) -> Result<u64, Vec<Diagnostic>> {
        let (mut sent, began, whole) = (0_u64, Instant::now(), offered.manifest.used());
        let mut last = began;
        for ((number, disk), known) in (0_u32..).zip(&offered.disks).zip(known) {
            let mut wrong = Vec::new();
            let done = differing(disk, known, &mut |seen| {
                self.against_stop()?;
                let frame = match seen {
                    Seen::Block(at, bytes) => Frame::Block { disk: number, at, bytes: bytes.to_vec() },
                    Seen::Hole(at) => Frame::Hole { disk: number, at },
                    Seen::Read if last.elapsed() < STILL => return Ok(()),
                    Seen::Read => Frame::Still,
                };
                last = Instant::now();
                if let Frame::Block { bytes, .. } = &frame {
                    sent += bytes.len() as u64;
                }
                let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                let rate = sent.saturating_mul(1000) / millis;
                (self.listener)(&MigrateEvent::Copies(MoveProgress { done: sent, whole: whole.max(sent), rate }));
                self.other.send(&frame).map_err(|mut faults| {
                    let last = faults.pop().map_or_else(|| Fault::host("the connection was closed"), |one| one.fault);
                    wrong = faults;
                    last
                })
            });
            done.map_err(|fault| wrong.into_iter().chain([Diagnostic::error(fault)]).collect::<Vec<_>>())?;
        }
        self.against_stop()?;
        Ok(sent)
    }

    fn stop(&mut self) -> Result<(), Vec<Diagnostic>> {
        let name = self.record.machine.clone();
        (self.listener)(&MigrateEvent::Stops(&name));
        self.down = Some(Instant::now());
        let heard = |_: &StopEvent<'_>| ();
        for outcome in stop_each(&[name], How::Asked(self.options.within), &heard)? {
            outcome?;
        }
        Ok(())
    }

    /// Sends the rest of a machine that does not run, and writes that it may be taken.
    fn finish(&mut self, offered: &Offered, known: &mut [BlockDigests]) -> Result<(), Vec<Diagnostic>> {
        if !self.record.is_shared {
            self.send_changes(offered, known)?;
        }
        self.against_stop()?;
        self.other.ask(&Request::Seal(known.iter().map(BlockDigests::sum).collect()))?;
        Ok(self.set(MoveState::Given)?)
    }

    /// Has the other host take it, and start it if it ran.
    fn hand_over(&mut self) -> Result<(), HandOver> {
        let state =
            if self.other.is_called() { Some(MoveState::Whole) } else { self.greet().map_err(HandOver::Unknown)? };
        let (mut takes, mut starts) = (false, self.record.runs);
        match state {
            Some(MoveState::Whole | MoveState::Named) => takes = true,
            Some(MoveState::Starting) => {}
            Some(MoveState::Here) => starts = false,
            Some(MoveState::Undone) => return Err(HandOver::Refused(self.undone_there().into())),
            Some(
                MoveState::Sending | MoveState::Stopping | MoveState::Given | MoveState::Moved | MoveState::Receiving,
            )
            | None => return Err(HandOver::Unknown(self.not_known_there().into())),
        }
        let name = self.record.machine.clone();
        if takes {
            self.handed(&Request::Take)?;
        }
        if starts {
            (self.listener)(&MigrateEvent::Starts(&name, &self.record.peer));
            self.handed(&Request::Start)?;
        }
        Ok(())
    }

    /// Asks for a step after which the machine may be there.
    fn handed(&mut self, request: &Request) -> Result<(), HandOver> {
        self.other.ask(request).map_err(|faults| {
            if self.other.is_called() { HandOver::Refused(faults) } else { HandOver::Unknown(faults) }
        })
    }

    fn undone_there(&self) -> Fault {
        Fault::host(format!("the move of {} was undone on {}", self.record.machine, self.record.peer))
    }

    fn not_known_there(&self) -> Fault {
        let (name, peer) = (&self.record.machine, &self.record.peer);
        let fault = Fault::host(format!("{peer} knows nothing of the move of {name} any more, and it may have it"));
        fault
            .hint(format!("if {name} is not there, `vmrun migrate --forget {name}` here lets it be started here again"))
    }

    /// Undoes the move, on both hosts.
    pub(super) fn undo(mut self, fenced: Option<&str>) -> Result<(), Vec<Diagnostic>> {
        // One that did not run is not started, and its start asks.
        if self.record.runs && self.record.state != MoveState::Given {
            self.against_takeover(fenced, Aim::Abort)?;
            self.is_asked = true;
        }
        if self.record.state == MoveState::Given {
            match self.greet()? {
                None => return Err(self.not_known_there().into()),
                Some(_) => self.other.ask(&Request::Abort)?,
            }
            self.regain()
        } else {
            self.take_back()
        }
    }

    /// Undoes a move whose machine the other host was never allowed to take: it is this host's, whether that one answers or not.
    fn take_back(&mut self) -> Result<(), Vec<Diagnostic>> {
        let is_told = (self.other.is_called() || self.greet().is_ok()) && self.other.ask(&Request::Abort).is_ok();
        if !is_told {
            let (name, peer) = (&self.record.machine, &self.record.peer);
            let what =
                format!("what has come to {peer} stays there until `vmrun migrate --forget {name}` there removes it");
            (self.listener)(&MigrateEvent::Remains(&what));
        }
        self.regain()
    }

    /// Has the machine be this host's again, and run if it ran.
    fn regain(&mut self) -> Result<(), Vec<Diagnostic>> {
        let name = self.record.machine.clone();
        // It may be started again; that it is being moved stays written until it runs.
        self.set(MoveState::Sending)?;
        if self.record.runs && !start::is_up(&name)? {
            (self.listener)(&MigrateEvent::StartsHere(&name));
            start::again(&self.record, self.down.is_some() || self.is_asked)?;
        }
        moves::forget(&self.settings, &name)?;
        (self.listener)(&MigrateEvent::Undone(&name, &self.record.peer));
        if self.other.is_called() {
            self.other.ask(&Request::Forget).may_fail("that it was undone there hinders nothing");
        }
        Ok(())
    }
}

/// Why a machine was not handed over.
enum HandOver {
    /// The other host does not have it.
    Refused(Vec<Diagnostic>),
    /// Nobody knows.
    Unknown(Vec<Diagnostic>),
}
