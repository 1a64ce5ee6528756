//! The host that gets a machine: it answers what the other one asks, and has written what it has done before it says so.

use super::arrival::Arrival;
use super::start;
use crate::diag::{Diagnostic, Fault};
use crate::host::moved_disks::{self, ComingDisk, Seen, Sign};
use crate::host::moves::{self, MoveLock};
use crate::host::peer::Peer;
use crate::host::sparse::SparseDisk;
use crate::host::{Settings, clock, files, replicas, replication};
use crate::image::migration::{
    Answer, Away, Frame, Hello, Made, MoveRecord, MoveState, Offer, PROTOCOL, Request, StartedWith, State, TakenAway,
    Takeover,
};
use crate::model::VmName;
use crate::ops::{settings, stopped};
use std::path::PathBuf;

/// A move that somebody has called us for.
struct Coming {
    settings: Settings,
    hello: Hello,
    _lock: MoveLock,
    /// What is written of it, once something is.
    record: Option<MoveRecord>,
    /// Where the machine was moved before, if it comes back.
    was_at: Option<Away>,
    /// The replicas that this host has sent of those that the machine was taken over from: it comes back.
    given_up: Vec<String>,
    disks: Vec<ComingDisk>,
}

/// Answers what is asked on the standard streams until nothing more is.
pub(crate) fn receive() -> Result<(), Vec<Diagnostic>> {
    let settings = settings::settings(settings::platform()?, false)?;
    let mut peer = Peer::of_standard_streams()?;
    let mut coming = None;
    while let Some(frame) = peer.receive()? {
        let done = match frame {
            Frame::Message(text) => match Request::read(&text) {
                Ok(request) => answer(&settings, &mut peer, &mut coming, request),
                Err(fault) => Err(Ended::Told(fault.into())),
            },
            Frame::Block { disk, at, bytes } => put(&mut coming, disk, at, Some(&bytes)),
            Frame::Hole { disk, at } => put(&mut coming, disk, at, None),
            Frame::Still => Ok(()),
            other @ (Frame::Text(_) | Frame::Digests(_)) => {
                Err(Ended::Told(Fault::host(format!("{} came that nobody asked for", other.name())).into()))
            }
        };
        match done {
            Ok(()) => {}
            Err(Ended::Told(faults)) => {
                peer.send([refused(&faults)])?;
                return Ok(());
            }
            Err(Ended::Lost(fault)) => return Err(fault.into()),
        }
    }
    Ok(())
}

/// Why nothing more is answered.
enum Ended {
    /// The other side is told of it.
    Told(Vec<Diagnostic>),
    /// The other side is gone.
    Lost(Fault),
}

/// Returns the frame of a refusal, in which each fault has its place before it.
fn refused(faults: &[Diagnostic]) -> Frame {
    let flat = |one: &Diagnostic| match &one.place {
        Some(place) => one.fault.clone().context(place),
        None => one.fault.clone(),
    };
    Frame::Message(Answer::Refused(faults.iter().map(flat).collect()).text())
}

fn put(coming: &mut Option<Coming>, disk: u32, at: u64, bytes: Option<&[u8]>) -> Result<(), Ended> {
    let told = |fault: Fault| Ended::Told(fault.into());
    let coming = coming.as_mut().filter(|coming| coming.state() == Some(MoveState::Receiving));
    let disk = coming.and_then(|coming| coming.disks.get_mut(usize::try_from(disk).unwrap_or(usize::MAX)));
    let disk = disk.ok_or_else(|| told(Fault::host("a block came of a disk that nobody waits for")))?;
    disk.put(at, bytes).map_err(told)
}

/// Does what is asked, and answers. What is refused ends nothing: the next thing that is asked may be to undo all of it.
fn answer(settings: &Settings, peer: &mut Peer, coming: &mut Option<Coming>, request: Request) -> Result<(), Ended> {
    let mut frames = Vec::new();
    let done = match (request, coming.as_mut()) {
        (Request::Hello(hello), None) => Coming::begin(settings, hello).map(|begun| {
            if begun.hello.signs {
                peer.begin_signs();
            }
            let (state, given_up) = (begun.state(), Some(begun.given_up.clone()));
            *coming = Some(begun);
            let vmrun = env!("CARGO_PKG_VERSION").into();
            Answer::State(State { state, protocol: PROTOCOL, vmrun, given_up, encrypts: true })
        }),
        (Request::TakenOver(machine, replicas), _) => {
            taken_here(settings, &machine, &replicas).map(Answer::Taken).map_err(Into::into)
        }
        (Request::Hello(_), Some(_)) | (_, None) => {
            Err(Fault::host("a move begins with a greeting, which comes once").into())
        }
        (Request::Offer(offer), Some(coming)) => {
            let texts = texts(peer, &offer).map_err(Ended::Lost)?;
            coming.offered(&offer, &texts, &mut || peer.sign()).map(|()| Answer::Done)
        }
        (Request::Digests(disk), Some(coming)) => coming.disk(disk).map_err(Into::into).map(|disk| {
            frames.extend(disk.digests.parts().into_iter().map(Frame::Digests));
            Answer::Done
        }),
        (Request::Sync, Some(coming)) => coming.sync().map_err(Into::into).map(|()| Answer::Done),
        (Request::Seal(sums), Some(coming)) => coming.sealed(&sums).map_err(Into::into).map(|()| Answer::Done),
        (Request::Keep(count), Some(coming)) => coming.keep(count).map_err(Into::into).map(|()| Answer::Done),
        (Request::GiveUp, Some(coming)) => coming.give_up().map(|()| Answer::Done),
        (Request::Take, Some(coming)) => coming.take().map_err(Into::into).map(|()| Answer::Done),
        (Request::Start, Some(coming)) => coming.start().map(|()| Answer::Done),
        (Request::Forget, Some(coming)) => coming.forget().map_err(Into::into).map(|()| Answer::Done),
        (Request::Abort, Some(coming)) => coming.abort().map_err(Into::into).map(|()| Answer::Done),
    };
    frames.push(done.map_or_else(|faults| refused(&faults), |answer| Frame::Message(answer.text())));
    peer.send(frames).map_err(Ended::Lost)
}

/// Reads the texts that follow an offer.
fn texts(peer: &mut Peer, offer: &Offer) -> Result<Vec<Vec<u8>>, Fault> {
    let mut texts = Vec::new();
    for part in &offer.manifest.texts {
        match peer.receive()? {
            Some(Frame::Text(text)) if text.len() as u64 == part.size => texts.push(text),
            Some(other) => return Err(Fault::host(format!("{} came where {} had to come", other.name(), part.name))),
            None => return Err(Fault::host("the other side has ended within its offer")),
        }
    }
    Ok(texts)
}

/// Returns how a machine was taken over on this host from one of these replicas, if it was, and was not given up since.
fn taken_here(settings: &Settings, name: &VmName, replicas: &[String]) -> Result<Option<TakenAway>, Fault> {
    let known = replication::read(settings, name)?;
    let Some(Takeover { id, at, .. }) = known.taken_among(replicas) else { return Ok(None) };
    let record = moves::read(settings, name)?;
    // It was taken back by who asks.
    if record.as_ref().is_some_and(|record| record.state == MoveState::Moved && replicas.contains(&record.id)) {
        return Ok(None);
    }
    let moved_to = record.and_then(|record| record.away()).map(|away| away.host);
    Ok(Some(TakenAway { id: id.clone(), at: *at, moved_to }))
}

impl Coming {
    /// Finds out how far a move is here.
    fn begin(settings: &Settings, hello: Hello) -> Result<Self, Vec<Diagnostic>> {
        let name = &hello.machine;
        if hello.protocol != PROTOCOL {
            let fault = Fault::host(format!(
                "the vmrun here is {} and moves machines by protocol {PROTOCOL}, and the other one is {} with protocol {}",
                env!("CARGO_PKG_VERSION"),
                hello.vmrun,
                hello.protocol
            ));
            return Err(fault.hint("install the same vmrun on both hosts").into());
        }
        let lock = moves::lock(settings, name)?.ok_or_else(|| {
            let fault = Fault::busy(format!("another vmrun moves {name} here right now"));
            fault.hint("wait until it has ended: one whose connection was lost does so within a quarter of an hour")
        })?;
        let record = moves::read(settings, name)?;
        if hello.is_replica {
            // What this host has left of a machine that was here is in the way, and told as that.
            let begun = record.filter(|record| !record.is_over() && record.away().is_none());
            begun.map_or(Ok(()), |record| Err(super::begun_already(&record)))?;
            return Self::new(settings, hello, lock, None, None);
        }
        let (record, was_at) = match record {
            Some(record) if record.id == hello.id && !record.state.is_of_giver() => {
                let was_at = record.was_at.clone();
                (Some(record), was_at)
            }
            Some(record) if record.state == MoveState::Undone || record.away().is_some() => (None, record.away()),
            Some(record) => return Err(super::begun_already(&record).into()),
            None => (None, None),
        };
        Self::new(settings, hello, lock, record, was_at)
    }

    fn new(
        settings: &Settings,
        hello: Hello,
        lock: MoveLock,
        record: Option<MoveRecord>,
        was_at: Option<Away>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let given_up = replication::read(settings, &hello.machine)?.sent_among(&hello.taken);
        let taken = hello.taken.iter().find(|one| given_up.contains(&one.id));
        // This host was away when it was taken over, and hears of it now.
        let was_at = was_at.or_else(|| taken.map(|one| Away { host: hello.from.clone(), since: one.at }));
        Ok(Self { settings: settings.clone(), hello, _lock: lock, record, was_at, given_up, disks: Vec::new() })
    }

    fn name(&self) -> &VmName {
        &self.hello.machine
    }

    fn state(&self) -> Option<MoveState> {
        self.record.as_ref().map(|record| record.state)
    }

    /// Returns the record of a move that is so far.
    fn at(&self, states: &[MoveState]) -> Result<&MoveRecord, Fault> {
        self.record.as_ref().filter(|record| states.contains(&record.state)).ok_or_else(|| {
            let state = self.state().map_or("not known", MoveState::word);
            Fault::host(format!("that cannot be asked now: the move of {} is {state} here", self.name()))
        })
    }

    fn write(&mut self, record: MoveRecord) -> Result<(), Fault> {
        if self.hello.is_replica {
            replicas::write(&self.settings, &record)?;
        } else {
            moves::write(&self.settings, &record)?;
        }
        self.record = Some(record);
        Ok(())
    }

    /// Writes that it is so far.
    fn set(&mut self, from: &[MoveState], state: MoveState) -> Result<(), Fault> {
        let record = MoveRecord { state, at: clock::now(), ..self.at(from)?.clone() };
        self.write(record)
    }

    /// Checks a machine that is offered, and makes room for it.
    fn offered(&mut self, offer: &Offer, texts: &[Vec<u8>], sign: Sign<'_>) -> Result<(), Vec<Diagnostic>> {
        if !matches!(self.state(), None | Some(MoveState::Receiving | MoveState::Whole | MoveState::Undone)) {
            self.at(&[MoveState::Receiving])?;
        }
        if offer.manifest.machine != *self.name() {
            return Err(Fault::host(format!("{} is offered as {}", offer.manifest.machine, self.name())).into());
        }
        let (is_back, id) = (self.was_at.is_some(), self.hello.id.clone());
        let arrival = Arrival::of(offer, texts, &id, is_back)?;
        if offer.dry_run {
            return Ok(());
        }
        let fresh = || MoveRecord {
            id: id.clone(),
            machine: self.name().clone(),
            state: MoveState::Receiving,
            peer: self.hello.from.clone(),
            at: clock::now(),
            runs: offer.runs,
            is_shared: !offer.shared.is_empty(),
            with: StartedWith { recipe: arrival.recipe.clone(), ..offer.with.clone() },
            was_at: self.was_at.clone(),
            made: Vec::new(),
        };
        let mut record = self.record.clone().unwrap_or_else(fresh);
        record.state = MoveState::Receiving;
        record.made = arrival.made(&record, is_back)?;
        // What there is to be undone is known before it is there.
        self.write(record.clone())?;
        let earlier = if self.hello.is_replica { self.earlier()? } else { None };
        replicas::seed_files(&record.made, earlier.as_ref().map_or(&[], |earlier| &earlier.made), sign)?;
        record.made = arrival.prepare(&self.settings, offer, texts, &record.made, is_back)?;
        self.write(record)?;
        let disks = if offer.shared.is_empty() { arrival.disks(&self.settings, offer, &id)? } else { Vec::new() };
        let modes = offer.modes.iter().copied().chain(std::iter::repeat(None));
        let open = |((path, size), mode): (&(PathBuf, u64), _)| ComingDisk::open(path, *size, mode, sign);
        self.disks = disks.iter().zip(modes).map(open).collect::<Result<_, _>>()?;
        Ok(earlier.map_or(Ok(()), |earlier| self.seed_volumes(&earlier, sign))?)
    }

    /// Returns the record of the replica that came before this one, whole or not.
    fn earlier(&self) -> Result<Option<MoveRecord>, Fault> {
        let all = replicas::all(&self.settings, self.name())?;
        Ok(all.into_iter().rev().find(|record| record.id != self.hello.id))
    }

    /// Has the volumes of a replica begin as those of an earlier one are.
    fn seed_volumes(&mut self, earlier: &MoveRecord, sign: Sign<'_>) -> Result<(), Fault> {
        let Some(record) = self.record.clone() else { return Ok(()) };
        let devices = |made: &Made| {
            let Made::Volume(half, name) = made else { return None };
            let is_same = |old: &&Made| matches!(old, Made::Volume(_, other) if other == name);
            let Some(Made::Volume(old, _)) = earlier.made.iter().find(is_same) else { return None };
            let device = |volume: &str| volume.parse().ok().map(|volume| self.settings.volume(&volume));
            Some((device(old)?, device(half)?))
        };
        let pairs: Vec<(PathBuf, PathBuf)> = record.made.iter().filter_map(devices).collect();
        for (from, to) in pairs.iter().filter(|(from, _)| files::exists(from)) {
            let Some(disk) = self.disks.iter_mut().find(|disk| disk.is_at(to)) else { continue };
            let (source, mut known) = (SparseDisk::open(from)?, disk.digests.clone());
            moved_disks::differing(&source, &mut known, &mut |seen| match seen {
                Seen::Block(at, bytes) => disk.put(at, Some(bytes)),
                Seen::Hole(at) => disk.put(at, None),
                Seen::Read => sign(),
            })?;
        }
        Ok(())
    }

    /// Keeps a replica that is whole, and so many in all; what is not whole goes as well.
    fn keep(&self, count: u64) -> Result<(), Fault> {
        let own = &self.at(&[MoveState::Whole])?.id;
        // What was taken over from here has come back, as far as it is kept.
        replication::change(&self.settings, self.name(), |all| all.gone(&self.given_up))?;
        let (all, mut left) = (replicas::all(&self.settings, self.name())?, count.max(1));
        for record in all.iter().rev() {
            if record.id == *own || record.state == MoveState::Whole && left > 0 {
                left = left.saturating_sub(1);
            } else {
                replicas::destroy(&self.settings, record)?;
            }
        }
        Ok(())
    }

    /// Gives up a machine that does not run: whoever asks has a replica of it, and is about to start that.
    fn give_up(&self) -> Result<(), Vec<Diagnostic>> {
        let name = self.name();
        if !self.hello.is_replica || self.record.is_some() {
            return Err(Fault::host("that is asked by who takes a replica, and by nobody else").into());
        }
        if start::is_up(name)? {
            let fault = Fault::busy(format!("{name} runs here: its replica there would be a second one"));
            return Err(fault.hint(format!("`vmrun migrate {name} HOST` moves it; or stop it")).into());
        }
        let away = moves::read(&self.settings, name)?.filter(|record| record.id != self.hello.id);
        if let Some(fault) = away.and_then(|record| record.refusal()) {
            let hint = "take the machine where it is; `vmrun replicate` from there sends a newer replica";
            return Err(fault.hint(hint).into());
        }
        if replication::read(&self.settings, name)?.is_taken_back(&self.hello.id) {
            let fault = Fault::busy(format!("{name} was taken back here, by somebody who vouched for the other host"));
            return Err(fault.hint(format!("`vmrun remove {name}` on the host that is not to have it")).into());
        }
        // One whose recipe is gone here is not to be started either, should it come back.
        let with = super::own_machine(name.as_str()).map(|(.., with)| with).unwrap_or_default();
        let (id, peer) = (self.hello.id.clone(), self.hello.from.clone());
        let record = MoveRecord::taken_over(name.clone(), id, peer, clock::now(), with);
        let given =
            stopped::hold_moving(&mut settings::host(false)?, name, &[], |_| moves::write(&self.settings, &record));
        Ok(given?)
    }

    /// Refuses of a replica what is for a machine that comes.
    fn against_replica(&self) -> Result<(), Fault> {
        let fault = || Fault::host(format!("only a replica of {} has come, and it stays where it is", self.name()));
        if self.hello.is_replica { Err(fault()) } else { Ok(()) }
    }

    fn disk(&self, disk: u32) -> Result<&ComingDisk, Fault> {
        let disk = usize::try_from(disk).ok().and_then(|disk| self.disks.get(disk));
        disk.ok_or_else(|| Fault::host("it has no such disk"))
    }

    fn sync(&self) -> Result<(), Fault> {
        self.disks.iter().try_for_each(ComingDisk::sync)
    }

    /// Checks that all disks are as they have to be.
    fn sealed(&mut self, sums: &[String]) -> Result<(), Fault> {
        self.at(&[MoveState::Receiving])?;
        let own: Vec<String> = self.disks.iter().map(|disk| disk.digests.sum()).collect();
        if own != sums {
            return Err(Fault::host("what has come is not what was sent").hint("undo the move, and begin anew"));
        }
        self.disks.iter().try_for_each(ComingDisk::end)?;
        self.disks.clear();
        self.set(&[MoveState::Receiving], MoveState::Whole)
    }

    /// Gives all of it its names. From then on it is this host's, though one that ran is not started yet.
    fn take(&mut self) -> Result<(), Fault> {
        self.against_replica()?;
        self.set(&[MoveState::Whole, MoveState::Named], MoveState::Named)?;
        // From where it was taken over is known to whoever has it, until it is back there.
        replication::change(&self.settings, &self.hello.machine, |all| {
            all.gone(&self.given_up);
            let others = self.hello.taken.iter().filter(|one| !self.given_up.contains(&one.id));
            others.for_each(|one| all.takes(one.clone()));
        })?;
        let record = self.at(&[MoveState::Named])?;
        moved_disks::name(&self.settings, &record.made)?;
        if record.runs { Ok(()) } else { self.set(&[MoveState::Named], MoveState::Here) }
    }

    /// Starts the machine, and makes sure that it runs.
    fn start(&mut self) -> Result<(), Vec<Diagnostic>> {
        self.against_replica()?;
        self.set(&[MoveState::Named, MoveState::Starting], MoveState::Starting)?;
        start::again(self.at(&[MoveState::Starting])?, true)?;
        Ok(self.set(&[MoveState::Starting], MoveState::Here)?)
    }

    /// The other side knows how it has ended, and nothing more is to be known of it.
    fn forget(&mut self) -> Result<(), Fault> {
        self.against_replica()?;
        if self.record.is_none() {
            return Ok(());
        }
        let record = self.at(&[MoveState::Here, MoveState::Undone])?;
        match record.away() {
            Some(Away { host: peer, since: at }) => {
                let (state, was_at) = (MoveState::Moved, None);
                moves::write(&self.settings, &MoveRecord { state, peer, at, was_at, ..record.clone() })?;
            }
            None => moves::forget(&self.settings, self.name())?,
        }
        self.record = None;
        Ok(())
    }

    /// Undoes all of it: nothing is left here that the move has brought. A machine that has begun to run here stays.
    fn abort(&mut self) -> Result<(), Fault> {
        if self.hello.is_replica {
            self.disks.clear();
            return self.record.take().map_or(Ok(()), |record| replicas::destroy(&self.settings, &record));
        }
        let Some(state) = self.state().filter(|state| *state != MoveState::Undone) else { return Ok(()) };
        if state == MoveState::Here {
            return Err(self.is_here());
        }
        let was_started = state == MoveState::Starting;
        if was_started {
            // Nobody starts it from here on; who has begun to has its lock.
            self.set(&[MoveState::Starting], MoveState::Named)?;
        }
        let undone = self.undo(state);
        if undone.is_err() && was_started {
            self.set(&[MoveState::Named], MoveState::Starting)?;
            // Who had it started has ended before it was noted.
            return if start::is_up(self.name())? { Err(self.is_here()) } else { undone };
        }
        undone
    }

    /// Why a move is not undone: the machine has begun to run here.
    fn is_here(&self) -> Fault {
        let (name, from) = (self.name(), &self.hello.from);
        let fault = Fault::host(format!("{name} is here by now, and what it has written since is here alone"));
        fault.hint(format!(
            "`vmrun migrate --resume {name}` on {from} ends the move; `vmrun migrate {name} {from}` here brings it back"
        ))
    }

    fn undo(&mut self, state: MoveState) -> Result<(), Fault> {
        let record = self.at(&[MoveState::Receiving, MoveState::Whole, MoveState::Named])?.clone();
        let settings = self.settings.clone();
        let is_named = matches!(state, MoveState::Named | MoveState::Starting);
        self.disks.clear();
        let remove = |_: &mut dyn crate::host::Host| moved_disks::undo(&settings, &record.made, is_named);
        if is_named {
            stopped::hold_moving(&mut settings::host(false)?, &record.machine, &[], remove)?;
        } else {
            moved_disks::undo(&settings, &record.made, is_named)?;
        }
        // That it is undone is known for as long as the other side may ask.
        self.write(MoveRecord { state: MoveState::Undone, at: clock::now(), made: Vec::new(), ..record })
    }
}
