//! One run of a recipe: what it takes is a lease, what it boots is driven by a pure [`cycle::step`].
//!
//! A run outlives its boots: after a reboot the recipe is evaluated again, and finds what the run has taken still there.

pub(crate) mod conflicts;
pub(crate) mod cycle;
pub(crate) mod event;
pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod network;
pub(crate) mod order;
pub(crate) mod policy;
pub(crate) mod recovery;
pub(crate) mod roster;
pub(crate) mod standing;

use crate::bhyve;
use crate::client::dialog::{Conversation, Went};
use crate::diag::{Blame, Fault};
use crate::host::commands::undo;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Guest, Host, Platform, Woken};
use crate::model::device::Access;
use crate::model::message::{Explained, explain};
use crate::model::{Argv, Ended, InterfaceName, Machine, Shape, Talk, VmName};
use crate::qemu;
use cycle::{Action, Event, State, step};
use journal::Owner;
pub use lease::Lease;
use order::Keeping;
use policy::{Next, Tally};
use recovery::Left;
use standing::{Stance, Standing};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a guest gets to power itself off, unless `--stop-within` says otherwise.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(60);

/// What new files lack in a run, as in the design document's script.
pub(crate) const DEFAULT_UMASK: u32 = 0o026;

/// How long the hypervisor gets to end after it was told to, before it is killed.
const FORCE_WITHIN: Duration = Duration::from_secs(5);

/// How long a guest may run before somebody is told that it does.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same where somebody waits to be told: long enough for a hypervisor to refuse its command line.
const SHORT_PATIENCE: Duration = Duration::from_millis(300);

/// How often the log of a machine in the background is looked at.
const TENDED: Duration = Duration::from_secs(600);

/// How often it is looked how a talk with the guest goes, for as long as it does.
const TALK: Duration = Duration::from_millis(100);

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// A hypervisor was started.
    Started {
        /// How many boots of the run there were, with this one.
        boot: u64,
        /// Its process.
        process: Option<u32>,
    },
    /// A guest that ran already was taken over; its process.
    Adopted(Option<u32>),
    /// A guest runs; whether the terminal is its console.
    Runs(&'a VmName, bool),
    /// It is ready, as its recipe says by what that is seen.
    Ready,
    /// A guest is being stopped; it gets so long to power itself off.
    Acts(Action, Duration),
    /// A boot ended, and the hypervisor's last lines.
    Ended(&'a Ended, &'a [String]),
    /// A guest ended, and is started again after this time.
    Waits(Duration),
    /// The run is over, for these reasons.
    Failed(&'a [&'a str]),
    /// The machine is held until somebody starts it; the reason.
    Held(&'a str),
    /// All was given back.
    Down,
    /// What a dead run has left is given back, by these commands.
    TakesOver(&'a Left, &'a [Argv]),
}

/// Who is told how a run goes.
pub(crate) type Told = Box<dyn Fn(&Progress<'_>)>;

/// What a run is going to take, as its rehearsal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The machine whose lock and journal are the run's: the first that it boots, or one that is named like the recipe.
    pub machine: VmName,
    /// The path of the recipe.
    pub recipe: String,
    /// What it is going to take, in order.
    pub leases: Vec<Lease>,
    /// The disk images that it is going to use.
    pub images: Vec<(PathBuf, Access)>,
    /// How the machine is kept.
    pub keeping: Keeping,
}

/// A run on a host, real or rehearsed.
pub struct Run {
    /// The host.
    pub host: Box<dyn Host>,
    /// How long a guest gets to power itself off.
    pub stop_within: Duration,
    /// Who is told how it goes.
    pub told: Option<Told>,
    /// How the machine is kept, as its recipe says.
    pub keeping: Keeping,
    /// How the machine stands, if it runs in the background: then everybody may read it.
    pub standing: Option<Standing>,
    /// The machine in whose journal the leases are, and who keeps it.
    keeper: Option<(VmName, Owner)>,
    /// What is in the journal.
    noted: Vec<Lease>,
    leases: Vec<Lease>,
    /// Memberships that end with the tap that has them.
    joined: Vec<Effect>,
    state: State,
    last: Option<Ended>,
    last_words: Vec<String>,
    /// The talk with the guest that runs.
    talk: Option<Conversation>,
    /// What went wrong in it.
    wrong: Option<Fault>,
    late: Option<Effect>,
    tally: Tally,
    begun: Instant,
    boots: u64,
}

impl Run {
    /// Begins a run that has taken nothing yet.
    pub fn new(host: Box<dyn Host>) -> Self {
        let (leases, last_words) = (Vec::new(), Vec::new());
        Self {
            host,
            stop_within: STOP_WITHIN,
            told: None,
            keeping: Keeping::default(),
            standing: None,
            keeper: None,
            noted: Vec::new(),
            leases,
            joined: Vec::new(),
            state: State::Evaluating,
            last: None,
            last_words,
            talk: None,
            wrong: None,
            late: None,
            tally: Tally::default(),
            begun: Instant::now(),
            boots: 0,
        }
    }

    /// Returns whether the run has taken the effect and still holds it.
    pub fn holds(&self, effect: &Effect) -> bool {
        self.leases.iter().any(|lease| matches!(lease, Lease::Effect(taken) if taken == effect))
    }

    /// Returns whether the run has made the interface and still holds it.
    pub fn has_made(&self, name: &InterfaceName) -> bool {
        self.leases.iter().any(|lease| matches!(lease, Lease::Effect(Effect::CreateLink(link)) if link.name == *name))
    }

    /// Has an effect. What the run holds already is not taken again.
    pub fn act(&mut self, effect: &Effect) -> Result<String, Fault> {
        if self.holds(effect) || self.joined.contains(effect) || self.is_inside_process(effect) {
            return Ok(String::new());
        }
        if self.host.stop_asked() {
            self.feed(Event::StopAsked);
            return Err(interrupted());
        }
        if let Effect::DestroyNode(name) = effect {
            self.reserve(name)?;
        }
        if is_left_to_itself(effect) {
            return self.begin(effect);
        }
        if !is_about_files(effect) {
            self.settle()?;
        }
        let lease = match replaced(effect) {
            Some(path) => Lease::Temporary(self.host.temporary(path)),
            None if undo(effect).is_some() => Lease::Effect(effect.clone()),
            None => return self.host.perform(effect),
        };
        self.take(&lease)?;
        let done = self.host.perform(effect);
        // What never was, or is no more, is not given back.
        if done.is_err() || matches!(lease, Lease::Temporary(_)) {
            self.strike(&lease);
        }
        done
    }

    fn begin(&mut self, effect: &Effect) -> Result<String, Fault> {
        let lease = Lease::Effect(effect.clone());
        // A tap that the run made leaves its bridge by going away; any other interface has to be taken out of it.
        if self.goes_with_its_member(effect) {
            self.joined.push(effect.clone());
        } else if undo(effect).is_some() {
            self.take(&lease)?;
        }
        self.host.begin(effect).inspect_err(|_| self.strike(&lease))?;
        Ok(String::new())
    }

    /// Notes something that is about to be taken; on the disk, if it may be there when the host is started anew.
    fn take(&mut self, lease: &Lease) -> Result<(), Fault> {
        self.write_down(lease)?;
        self.leases.push(lease.clone());
        Ok(())
    }

    fn write_down(&mut self, lease: &Lease) -> Result<(), Fault> {
        let Some((name, _)) = self.keeper.as_ref().filter(|_| !self.noted.contains(lease)) else { return Ok(()) };
        self.host.note(name, &journal::taken(lease), lease.outlives_the_kernel())?;
        self.noted.push(lease.clone());
        Ok(())
    }

    /// Strikes out what was given back, or was not to be had. That it cannot be written is no reason to stop giving back.
    fn strike(&mut self, lease: &Lease) {
        self.leases.retain(|taken| taken != lease);
        self.joined.retain(|taken| !matches!(lease, Lease::Effect(effect) if effect == taken));
        if let Some((name, _)) = self.keeper.as_ref().filter(|_| self.noted.contains(lease)) {
            let _ = self.host.note(name, &journal::given_back(lease), false);
            self.noted.retain(|noted| noted != lease);
        }
    }

    /// Returns what a rehearsal would take, for the run that follows it.
    pub fn claim_of(&self, recipe: &str) -> Claim {
        let (mut images, mut leases): (Vec<(PathBuf, Access)>, _) = (Vec::new(), self.leases.clone());
        for done in self.host.rehearsed() {
            match done {
                Rehearsed::Boot(machine) => images.extend(images_of(machine)),
                Rehearsed::Effect(effect) => {
                    let path = replaced(effect).map(|path| self.host.temporary(path));
                    leases.extend(path.map(Lease::Temporary).filter(|lease| !leases.contains(lease)));
                }
            }
        }
        images.sort_by(|one, other| one.0.cmp(&other.0));
        images.dedup();
        leases.extend(images.iter().map(|(path, access)| Lease::Image(path.clone(), *access)));
        Claim { machine: self.machine_of(recipe), recipe: recipe.into(), leases, images, keeping: self.keeping.clone() }
    }

    /// Returns the machine whose lock is a rehearsed run's own.
    pub fn machine_of(&self, recipe: &str) -> VmName {
        let boot =
            |done: &Rehearsed| if let Rehearsed::Boot(machine) = done { Some(machine.name().clone()) } else { None };
        let booted = self.host.rehearsed().iter().find_map(boot);
        let locked = || {
            self.leases.iter().find_map(|lease| if let Lease::Lock(name) = lease { Some(name.clone()) } else { None })
        };
        let stem = || Path::new(recipe).file_stem()?.to_str()?.parse().ok();
        booted.or_else(locked).or_else(stem).unwrap_or_else(VmName::nameless)
    }

    /// Takes the lock of the run's machine and those of its images, and writes into its journal what it is going to take. A dead
    /// run of the same machine, or one that has left an interface which this one makes, is cleaned up first.
    pub fn claim(&mut self, claim: &Claim) -> Result<(), Fault> {
        for name in self.in_the_way(claim) {
            self.take_over(&name)?;
            if name != claim.machine {
                self.host.tidy(&name, false)?;
                self.host.clear(&name)?;
            }
        }
        self.leases.push(Lease::Lock(claim.machine.clone()));
        self.take_over(&claim.machine).inspect_err(|_| drop(self.leases.pop()))?;
        self.host.mark(&claim.machine);
        let owner = self.owner(&claim.recipe);
        let lines: String = claim.leases.iter().map(journal::taken).collect();
        let background = if self.standing.is_some() { journal::in_background() } else { String::new() };
        let durable = claim.leases.iter().any(Lease::outlives_the_kernel);
        self.host.note(&claim.machine, &format!("{}{background}{lines}", journal::begun_by(&owner)), durable)?;
        self.noted.clone_from(&claim.leases);
        self.keeper = Some((claim.machine.clone(), owner));
        // Whoever finds one held finds the journal that names it.
        claim.images.iter().try_for_each(|(path, access)| self.hold(&claim.machine, path, *access))
    }

    fn owner(&self, recipe: &str) -> Owner {
        let me = self.host.identity();
        let (version, recipe) = (env!("CARGO_PKG_VERSION").into(), recipe.into());
        Owner { pid: me.pid, started: me.started, boot: me.boot, version, since: me.now, recipe }
    }

    /// Returns the machines, other than the run's own, that dead runs have left and whose interfaces are in the way.
    fn in_the_way(&self, claim: &Claim) -> Vec<VmName> {
        let makes = |name: &str| {
            claim.leases.iter().any(|lease| match lease {
                Lease::Effect(Effect::CreateTap(tap)) => tap.as_str() == name,
                Lease::Effect(Effect::CreateLink(link)) => link.name.as_str() == name,
                _ => false,
            })
        };
        let is_made = |lease: &Lease| matches!(lease, Lease::Effect(Effect::CreateTap(_) | Effect::CreateLink(_)));
        let interfaces = if claim.leases.iter().any(is_made) { self.host.interfaces().ok() } else { None };
        let marks = interfaces.iter().flat_map(|all| all.iter()).filter(|one| makes(&one.name));
        let mut names: Vec<VmName> = marks.filter_map(|one| one.mark.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn take_over(&mut self, name: &VmName) -> Result<(), Fault> {
        let (within, told) = (self.stop_within, &self.told);
        recovery::take_over(&mut *self.host, name, within, &mut |host, left| {
            if let Some(told) = told {
                told(&Progress::TakesOver(left, &left.commands(host)));
            }
        })
    }

    fn hold(&mut self, machine: &VmName, path: &Path, access: Access) -> Result<(), Fault> {
        if self.host.hold(path, access) {
            return Ok(());
        }
        let fault = recovery::against_image(&*self.host, machine, path, access);
        // Whoever had it has let it go meanwhile.
        if fault.is_none() && self.host.hold(path, access) {
            Ok(())
        } else {
            Err(fault.unwrap_or_else(|| in_use(path)))
        }
    }

    /// With `--user-net` there are no interfaces to make.
    fn is_inside_process(&self, effect: &Effect) -> bool {
        self.host.settings().user_net
            && matches!(
                effect,
                Effect::CreateTap(_) | Effect::CreateLink(_) | Effect::AddRoute(_) | Effect::Join { .. }
            )
    }

    fn goes_with_its_member(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Join { member, .. } if self.holds(&Effect::CreateTap(member.clone())))
    }

    /// Takes a machine. Only what was taken is given back: the node of another run's machine is none of ours.
    fn reserve(&mut self, name: &VmName) -> Result<(), Fault> {
        let lease = Lease::Lock(name.clone());
        if self.leases.contains(&lease) {
            return Ok(());
        }
        let keeper = self.keeper.clone();
        self.take(&lease)?;
        let Some((whole, owner)) = keeper else { return self.host.reserve(name, Duration::ZERO).map(drop) };
        self.take_over(name).inspect_err(|_| self.strike(&lease))?;
        self.host.note(name, &format!("{}{}", journal::begun_by(&owner), journal::part_of(&whole)), false)
    }

    fn lease(&mut self, lease: &Lease) -> Result<(), Fault> {
        if self.leases.contains(lease) { Ok(()) } else { self.take(lease) }
    }

    /// Waits for what was begun: at the end of an evaluation, and before a command that may look at what it changes.
    pub fn settle(&mut self) -> Result<(), Fault> {
        self.settle_only(|_| true)
    }

    fn settle_only(&mut self, meant: fn(&Effect) -> bool) -> Result<(), Fault> {
        let faults = self.host.settle(meant);
        for (effect, _) in &faults {
            // What never was is not given back.
            self.strike(&Lease::Effect(effect.clone()));
        }
        let Some((effect, fault)) = faults.into_iter().next() else { return Ok(()) };
        self.late = Some(effect);
        Err(fault)
    }

    /// Returns the effect that the last fault is about, if that was one which had been begun before.
    pub fn take_late(&mut self) -> Option<Effect> {
        self.late.take()
    }

    /// Boots a machine and waits until the boot ended.
    pub fn boot(&mut self, machine: &Machine) -> Result<Ended, Fault> {
        if self.state == State::Stopped || self.host.stop_asked() {
            self.feed(Event::StopAsked);
            return Err(interrupted());
        }
        self.reserve(machine.name())?;
        for (path, access) in images_of(machine) {
            self.hold(machine.name(), &path, access)?;
            self.write_down(&Lease::Image(path, access))?;
        }
        self.host.prepare(machine)?;
        // A node that is still going away would take the new one with it, and bhyve opens its taps; a membership may come about
        // while bhyve starts.
        self.settle_only(|effect| matches!(effect, Effect::DestroyNode(_) | Effect::CreateTap(_)))?;
        self.lease(&Lease::Node(machine.name().clone()))?;
        let mut guest = self.host.boot(machine)?;
        let process = self.lease_of(&*guest);
        let noted = process.as_ref().map_or(Ok(()), |lease| self.write_down(lease));
        if let Err(fault) = noted.and_then(|()| self.settle()) {
            guest.kill();
            while !matches!(guest.wait(None), Woken::Ended(_)) {}
            return Err(fault);
        }
        self.boots += 1;
        self.stand_with(Stance::Starting, process.as_ref(), |standing| {
            standing.boots += 1;
            standing.shape = Shape::of(machine);
        });
        self.tell(Progress::Started { boot: self.boots, process: guest.process() });
        // A guest that is only imagined has no process, and says nothing.
        self.talk = guest.process().and_then(|_| Conversation::of(machine, self.host.settings()));
        let ended = self.watch(&mut *guest, machine.name(), machine.uses_stdio(), process.as_ref());
        self.talked(machine)?;
        Ok(ended)
    }

    /// Takes over the guest of a run in the background whose supervisor is gone, and waits until its boot ended.
    pub fn adopt(&mut self, name: &VmName) -> Result<Ended, Fault> {
        let found = recovery::adoptable(&mut *self.host, name)?;
        self.host.mark(name);
        let recipe = found.owner.as_ref().map(|owner| owner.recipe.clone()).unwrap_or_default();
        let owner = self.owner(&recipe);
        self.host.note(name, &journal::begun_by(&owner), false)?;
        self.keeper = Some((name.clone(), owner));
        self.noted.clone_from(&found.leases);
        let is_kept = |lease: &&Lease| !matches!(lease, Lease::Guest { .. } | Lease::Image(..) | Lease::Temporary(_));
        self.leases =
            std::iter::once(Lease::Lock(name.clone())).chain(found.leases.iter().filter(is_kept).cloned()).collect();
        self.leases.dedup();
        self.joined = found.joined;
        let adopted = self.host.adopt(name, found.guest);
        let mut guest = adopted.inspect_err(|_| {
            // It is still the guest of the run that is dead, with all that this one took.
            self.leases.clear();
            let _ = self.host.clear(name);
        })?;
        let process = found.leases.into_iter().find(|lease| matches!(lease, Lease::Guest { .. }));
        self.tell(Progress::Adopted(guest.process()));
        Ok(self.watch(&mut *guest, name, false, process.as_ref()))
    }

    /// Waits until a boot ended, and does what has to be done meanwhile.
    fn watch(&mut self, guest: &mut dyn Guest, name: &VmName, uses_stdio: bool, process: Option<&Lease>) -> Ended {
        let is_kept = self.standing.is_some();
        let later = || is_kept.then(|| Instant::now() + TENDED);
        self.host.tend();
        self.feed(Event::Started);
        let mut deadline = Some(Instant::now() + if is_kept { SHORT_PATIENCE } else { PATIENCE });
        let mut is_told = false;
        let ended = loop {
            let soon = self.talk.as_ref().map(|_| Instant::now() + TALK);
            let event = match guest.wait(soon.into_iter().chain(deadline).min()) {
                Woken::Ended(ended) => break ended,
                Woken::StopAsked => Event::StopAsked,
                Woken::TimeOver if self.goes_wrong() => Event::StopAsked,
                Woken::TimeOver if deadline.is_none_or(|deadline| Instant::now() < deadline) => continue,
                Woken::TimeOver if self.state == State::Running => {
                    if std::mem::replace(&mut is_told, true) {
                        self.host.tend();
                    } else {
                        self.stand_with(Stance::Running, process, |_| ());
                        self.tell(Progress::Runs(name, uses_stdio));
                    }
                    deadline = later();
                    continue;
                }
                Woken::TimeOver => Event::GraceOver,
            };
            for action in self.feed(event) {
                self.tell(Progress::Acts(action, self.stop_within));
                match action {
                    Action::PressPowerButton => {
                        self.stand_with(Stance::Stopping, process, |_| ());
                        guest.press_power_button();
                        deadline = Some(Instant::now() + self.stop_within);
                    }
                    Action::Force => {
                        guest.force();
                        deadline = Some(Instant::now() + FORCE_WITHIN);
                    }
                    Action::Kill => {
                        guest.kill();
                        deadline = None;
                    }
                }
            }
        };
        if let Some(lease) = process {
            self.strike(lease);
        }
        self.last_words = guest.last_words();
        self.tell(Progress::Ended(&ended, &self.last_words));
        self.feed(Event::Ended(ended.clone()));
        self.last = Some(ended.clone());
        ended
    }

    /// Looks how the talk with the guest goes, and returns whether it has just gone wrong.
    fn goes_wrong(&mut self) -> bool {
        match self.talk.as_ref().map(|talk| talk.went(Duration::ZERO)) {
            Some(Went::On) | None => false,
            Some(Went::Well) => {
                self.talk = None;
                false
            }
            Some(Went::Wrong(fault)) => {
                (self.talk, self.wrong) = (None, Some(fault));
                true
            }
        }
    }

    /// Returns what went wrong in the talk with a guest that has ended. One that somebody stopped had not to say everything.
    fn talked(&mut self, machine: &Machine) -> Result<(), Fault> {
        const LAST: Duration = Duration::from_secs(1);
        let wrong = match self.talk.take().map(|talk| talk.went(LAST)) {
            Some(Went::Wrong(fault)) => Some(fault),
            Some(Went::On) => {
                let is_seen = machine.talk().iter().any(Talk::is_on_screen);
                let what = if is_seen { "said and typed" } else { "said on com1" };
                let fault = Fault::new(format!("{} ended before all was {what}", machine.name()));
                Some(fault.blame(Blame::Guest))
            }
            Some(Went::Well) | None => None,
        };
        let is_stopped = self.state == State::Stopped;
        self.wrong.take().or(wrong.filter(|_| !is_stopped)).map_or(Ok(()), Err)
    }

    /// Writes down how the machine stands, if it runs in the background. That it cannot be written stops nothing.
    fn stand_with(&mut self, state: Stance, guest: Option<&Lease>, change: impl FnOnce(&mut Standing)) {
        let Some(standing) = &mut self.standing else { return };
        let me = self.host.identity();
        standing.state = state;
        standing.supervisor = Some(me.pid);
        standing.guest = guest.and_then(|lease| if let Lease::Guest { pid, .. } = lease { Some(*pid) } else { None });
        standing.since = me.now;
        standing.until = None;
        change(standing);
        let _ = self.host.stand(&standing.name, &standing.text());
    }

    /// A process may be known again when vmrun is gone.
    fn lease_of(&self, guest: &dyn Guest) -> Option<Lease> {
        let pid = guest.process().filter(|_| self.keeper.is_some())?;
        Some(Lease::Guest { pid, started: self.host.started(pid) })
    }

    /// Returns whether the recipe is to be evaluated again, and makes the run ready for it.
    pub fn goes_on(&mut self) -> bool {
        let again = self.state == State::Rebooted;
        if again {
            self.state = State::Evaluating;
        }
        again
    }

    /// Returns what follows from how the last boot ended, and makes the run ready for the next one.
    pub fn follow(&mut self) -> Next {
        let Some(ended) = self.last.clone().filter(|_| matches!(self.state, State::Rebooted | State::Down)) else {
            return Next::Over;
        };
        let next = self.tally.next(self.keeping.restart.as_ref(), &ended, self.begun.elapsed());
        if matches!(next, Next::Again | Next::Wait(_)) {
            self.state = State::Evaluating;
        }
        next
    }

    /// Waits before a guest is started again. Returns the fault of a run that was stopped meanwhile.
    pub fn rest(&mut self, wait: Duration) -> Result<(), Fault> {
        let error = self.last.as_ref().map(ToString::to_string);
        let until = self.host.identity().now + wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.stand_with(Stance::Waiting, None, |standing| {
            standing.restarts += 1;
            standing.error = error;
            standing.until = Some(until);
        });
        self.tell(Progress::Waits(wait));
        if self.host.rest(wait) {
            self.feed(Event::StopAsked);
            return Err(interrupted());
        }
        Ok(())
    }

    /// Waits because the recipe says so. Returns the fault of a run that was stopped meanwhile.
    pub fn sleep(&mut self, wait: Duration) -> Result<(), Fault> {
        self.settle()?;
        if self.host.rest(wait) {
            self.feed(Event::StopAsked);
            return Err(interrupted());
        }
        Ok(())
    }

    /// Has the machine held when the run is over: its last error stays where everybody can read it.
    pub fn hold_on(&mut self, error: &str) {
        if let Some(standing) = &mut self.standing {
            standing.error = Some(error.into());
            standing.state = Stance::Held;
        }
    }

    /// Returns whether the run has its machine: what happens before that happens to no machine.
    pub fn has_claimed(&self) -> bool {
        self.keeper.is_some()
    }

    /// Returns why the machine is held, if it is.
    pub fn is_held(&self) -> Option<&str> {
        let held = self.standing.as_ref().filter(|standing| standing.state == Stance::Held)?;
        Some(held.error.as_deref().unwrap_or_default())
    }

    /// Returns whether somebody stopped the run.
    pub fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// Returns the fault that the last boot is, if the recipe has done nothing since but to hear of it.
    pub fn failed(&self) -> Option<Fault> {
        self.verdict().filter(|_| self.state == State::Down)
    }

    /// Returns the fault that the way in which the last boot ended is, if it is one.
    pub fn verdict(&self) -> Option<Fault> {
        if self.state == State::Stopped {
            return Some(interrupted());
        }
        let fault = |hint: &str| {
            let ended = self.last.as_ref().map(ToString::to_string).unwrap_or_default();
            Some(Fault::new(ended).hint(hint).blame(Blame::Guest))
        };
        match self.last.as_ref()? {
            Ended::Rebooted | Ended::PoweredOff | Ended::Halted => None,
            Ended::TripleFault => fault("the guest's kernel or firmware crashed; its console shows where"),
            Ended::Killed { signal: 9 } => fault("somebody killed it, or the host ran out of memory"),
            Ended::Killed { .. } => fault("somebody ended it from outside"),
            Ended::Failed { .. } => match self.last_words.last() {
                Some(words) => fault(&format!("its last words: {words}")),
                None => fault("it said nothing"),
            },
        }
    }

    /// Returns the last lines of the hypervisor that ended last.
    pub fn last_words(&self) -> &[String] {
        &self.last_words
    }

    /// Returns what is known about the way in which the last boot failed.
    pub fn explained(&self, machine: &Machine) -> Option<Explained> {
        let table = match self.host.settings().platform {
            Platform::FreeBsd => bhyve::messages::KNOWN,
            Platform::Linux => qemu::messages::KNOWN,
        };
        matches!(self.last, Some(Ended::Failed { .. })).then(|| explain(table, &self.last_words, machine)).flatten()
    }

    /// Returns what will be given back, in order.
    pub fn to_give_back(&self) -> Vec<Effect> {
        let platform = self.host.settings().platform;
        self.leases.iter().rev().filter_map(|lease| lease.back(platform)).collect()
    }

    /// Gives back what was taken, in reverse, and goes on past a step that fails. A node and taps have nothing to do with each
    /// other and go away side by side.
    pub fn give_back(&mut self) -> Vec<Fault> {
        let late = |host: &mut Box<dyn Host>| host.settle(|_| true).into_iter().map(|(_, fault)| fault);
        let mut faults: Vec<Fault> = late(&mut self.host).collect();
        let effects = self.to_give_back();
        for effect in effects {
            let done = match &effect {
                Effect::DestroyNode(_) | Effect::DestroyTap(_) => self.host.begin(&effect),
                _ => self.host.perform(&effect).map(drop),
            };
            faults.extend(done.err());
        }
        let leases = std::mem::take(&mut self.leases);
        let names =
            || leases.iter().rev().filter_map(|lease| if let Lease::Lock(name) = lease { Some(name) } else { None });
        // Sockets and secrets go while node and taps do.
        faults.extend(names().filter_map(|name| self.host.tidy(name, true).err()));
        faults.extend(late(&mut self.host));
        // What could not be given back stays in the journal, for `vmrun gc`.
        let keeps_journal = !faults.is_empty();
        faults.extend(names().filter_map(|name| self.host.tidy(name, keeps_journal).err()));
        if let Some(standing) = self.standing.as_mut().filter(|standing| standing.state == Stance::Held) {
            (standing.supervisor, standing.guest, standing.until) = (None, None, None);
            standing.since = self.host.identity().now;
            faults.extend(self.host.stand(&standing.name, &standing.text()).err());
        }
        // The lock goes last: until then nobody else may start the machine.
        faults.extend(names().filter_map(|name| self.host.clear(name).err()));
        faults
    }

    /// Ends a rehearsal: the host below it comes back.
    pub fn into_host(self) -> Box<dyn Host> {
        self.host.into_below()
    }

    /// Returns what a rehearsal would have done.
    pub fn rehearsed(&self) -> &[Rehearsed] {
        self.host.rehearsed()
    }

    /// Notes that somebody asked to stop while the recipe was evaluated.
    pub fn interrupt(&mut self) {
        self.feed(Event::StopAsked);
    }

    /// Tells whoever wants to know how it goes.
    pub fn tell(&self, progress: Progress<'_>) {
        if let Some(told) = &self.told {
            told(&progress);
        }
    }

    fn feed(&mut self, event: Event) -> Vec<Action> {
        let (state, actions) = step(self.state, event);
        self.state = state;
        actions
    }
}

/// Returns the file that an effect replaces as a whole.
fn replaced(effect: &Effect) -> Option<&Path> {
    match effect {
        Effect::WriteImage { path, .. } | Effect::WriteFile { path, .. } => Some(path),
        Effect::CopyVars { to, .. } => Some(to.as_path()),
        _ => None,
    }
}

fn images_of(machine: &Machine) -> Vec<(PathBuf, Access)> {
    let images = machine.devices().flat_map(|(_, device)| device.images());
    images.map(|(_, _, path, access)| (path.as_path().into(), access)).collect()
}

fn in_use(path: &Path) -> Fault {
    Fault::host(format!("{} is in use by another vmrun or its guest", path.display()))
}

/// Whether an effect is begun and left to itself: the recipe need not wait for it, and what needs it does.
pub(crate) const fn is_left_to_itself(effect: &Effect) -> bool {
    matches!(effect, Effect::DestroyNode(_) | Effect::CreateTap(_) | Effect::Join { .. })
}

/// Whether an effect has nothing to do with those that are left to themselves.
const fn is_about_files(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Umask(_)
            | Effect::Truncate { .. }
            | Effect::WriteImage { .. }
            | Effect::WriteFile { .. }
            | Effect::CopyVars { .. }
    )
}

/// The fault of a run that somebody stopped.
pub(crate) fn interrupted() -> Fault {
    Fault::new("interrupted").blame(Blame::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::fake::Fake;
    use crate::model::Draft;

    fn machine() -> Machine {
        Draft { name: "lab".parse().ok(), ..Draft::default() }.check().unwrap()
    }

    fn tap(name: &str) -> Effect {
        Effect::CreateTap(name.parse().unwrap())
    }

    fn join(member: &str) -> Effect {
        Effect::Join { bridge: "bridge2".parse().unwrap(), member: member.parse().unwrap() }
    }

    fn transcript(fake: Fake, effects: &[Effect]) -> (Vec<String>, Vec<String>) {
        let log = fake.log.clone();
        let mut run = Run::new(Box::new(fake));
        let done: Result<Vec<String>, Fault> = effects.iter().map(|effect| run.act(effect)).collect();
        let mut faults: Vec<String> = done.err().iter().map(|fault| fault.message.clone()).collect();
        if faults.is_empty() {
            faults.extend(run.boot(&machine()).err().map(|fault| fault.message));
        }
        faults.extend(run.give_back().iter().map(|fault| fault.message.clone()));
        (log.take(), faults)
    }

    #[test]
    fn what_was_taken_is_given_back_in_reverse() {
        let (log, faults) =
            transcript(Fake::new(), &[tap("tap1"), join("tap1"), tap("tap2"), join("em0"), tap("tap1")]);
        assert_eq!(
            log,
            [
                "ifconfig tap1 create",
                "ifconfig bridge2 addm tap1",
                "ifconfig tap2 create",
                "ifconfig bridge2 addm em0",
                "bhyve lab",
                "bhyvectl --destroy --vm=lab",
                "ifconfig bridge2 deletem em0",
                "ifconfig tap2 destroy",
                "ifconfig tap1 destroy",
            ]
        );
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn a_refused_step_takes_back_only_what_was_done() {
        let fake = Fake { refuse: Some("ifconfig bridge2 addm tap1".into()), ..Fake::new() };
        let (log, faults) = transcript(fake, &[tap("tap1"), join("tap1"), tap("tap2")]);
        let expected = ["ifconfig tap1 create", "ifconfig bridge2 addm tap1  # refused", "ifconfig tap1 destroy"];
        assert_eq!(log, expected);
        assert_eq!(faults, ["`ifconfig bridge2 addm tap1` failed"]);
    }

    #[test]
    fn giving_back_goes_on_past_a_failing_step() {
        let fake = Fake { refuse: Some("ifconfig tap2 destroy".into()), ..Fake::new() };
        let (log, faults) = transcript(fake, &[tap("tap1"), tap("tap2")]);
        assert_eq!(
            log[3..],
            ["bhyvectl --destroy --vm=lab", "ifconfig tap2 destroy  # refused", "ifconfig tap1 destroy"]
        );
        assert_eq!(faults, ["`ifconfig tap2 destroy` failed"]);
    }

    #[test]
    fn only_a_reboot_goes_on_and_every_failure_has_a_verdict() {
        let verdict = |ended: Ended| {
            let fake = Fake { exits: [ended].into(), ..Fake::new() };
            let mut run = Run::new(Box::new(fake));
            run.boot(&machine()).unwrap();
            (run.goes_on(), run.verdict().map(|fault| fault.message))
        };
        assert_eq!(verdict(Ended::Rebooted), (true, None));
        assert_eq!(verdict(Ended::PoweredOff), (false, None));
        assert_eq!(verdict(Ended::Halted), (false, None));
        assert_eq!(verdict(Ended::TripleFault), (false, Some("the guest met a triple fault".into())));
        let failed = "the hypervisor failed with status 4";
        assert_eq!(verdict(Ended::Failed { status: 4 }), (false, Some(failed.into())));
        let killed = "the hypervisor was killed by signal 9 (SIGKILL)";
        assert_eq!(verdict(Ended::Killed { signal: 9 }), (false, Some(killed.into())));
    }
}
