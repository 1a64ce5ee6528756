//! What a run has taken, or is about to take: as values, as words of a journal, and how it is taken and given back.

use super::gone::{anothers, gone, is_about_interfaces};
use super::progress::Progress;
use super::status::MachineState;
use super::step::Event;
use super::{Run, interrupted, journal, made, node, sessions};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::commands::undo;
use crate::host::files::beside;
use crate::host::helper::{HelperEnd, HelperId, HelperProcess};
use crate::host::spawn::left_to_gc;
use crate::host::{Effect, FetchProgress, Host, Inner, Interface, Platform};
use crate::model::device::Access;
use crate::model::{InterfaceName, JailName, LinkKind, Membership, VmName};
use std::path::{Path, PathBuf};

/// A hold: something that was taken and has to be given back. ("Lease" is the word of DHCP.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// An effect; its opposite gives it back.
    Effect(Effect),
    /// A machine's lock, and its folder with sockets and secrets.
    Lock(VmName),
    /// A machine's vmm node.
    Node(VmName),
    /// The lock of a disk image. It dies with its owner and with the guest; it is noted so that others can be told who has it.
    Image(PathBuf, Access),
    /// A file that is written beside the one that it replaces.
    Temporary(PathBuf),
    /// A vlan, a bridge or a pair, as a journal knows it: by its name.
    Link(InterfaceName),
    /// A jail that was made, as a journal knows it: by its name.
    Jail(JailName),
    /// A helper that serves a machine.
    Helper {
        /// What it is called.
        name: String,
        /// Whether its end is that of its machine.
        is_fatal: bool,
        /// Its process.
        id: HelperId,
        /// The socket that it makes outside of the machine's folder.
        socket: Option<PathBuf>,
    },
    /// A hypervisor: its process, and when that was started, as the system tells it.
    Guest {
        /// Its process id.
        pid: u32,
        /// When it was started; empty where nobody says.
        started: String,
    },
}

impl Hold {
    /// Returns what gives it back, where that is a change like others.
    pub(crate) fn back(&self, platform: Platform) -> Option<Effect> {
        match self {
            Self::Effect(effect) => undo(effect),
            Self::Node(name) => (platform == Platform::FreeBsd).then(|| Effect::DestroyNode(name.clone())),
            Self::Link(name) => Some(Effect::DestroyLink(name.clone())),
            Self::Jail(jail) => Some(Effect::RemoveJail(jail.clone())),
            Self::Helper { name, id, socket, .. } => {
                let (name, id, socket) = (name.clone(), id.clone(), socket.clone());
                Some(Effect::EndHelper(Box::new(HelperEnd { name, id, socket })))
            }
            Self::Lock(_) | Self::Image(..) | Self::Temporary(_) | Self::Guest { .. } => None,
        }
    }

    /// Whether it may be there after the host went down: everything else ends with the kernel.
    pub(crate) const fn outlives_the_kernel(&self) -> bool {
        matches!(self, Self::Temporary(_) | Self::Effect(Effect::Disk(_)))
    }

    /// Returns the process that it is, if it is one.
    pub(crate) const fn process(&self) -> Option<u32> {
        match self {
            Self::Guest { pid, .. } | Self::Helper { id: HelperId::Process(HelperProcess { pid, .. }), .. } => {
                Some(*pid)
            }
            Self::Effect(_)
            | Self::Lock(_)
            | Self::Node(_)
            | Self::Image(..)
            | Self::Temporary(_)
            | Self::Link(_)
            | Self::Jail(_)
            | Self::Helper { .. } => None,
        }
    }

    /// Returns the words of a journal for it; nothing for an effect that takes nothing.
    pub(crate) fn words(&self) -> Option<Vec<String>> {
        match self {
            Self::Effect(effect) => words_of(effect),
            Self::Link(name) => Some(words(&["link", name.as_str()])),
            Self::Jail(jail) => Some(words(&["jail", jail.as_str()])),
            Self::Lock(name) => Some(words(&["lock", name.as_str()])),
            Self::Node(name) => Some(words(&["node", name.as_str()])),
            Self::Image(path, Access::ReadOnly) => Some(words(&["reads", &path.to_string_lossy()])),
            Self::Image(path, Access::ReadWrite) => Some(words(&["writes", &path.to_string_lossy()])),
            Self::Temporary(path) => Some(words(&["file", &path.to_string_lossy()])),
            Self::Helper { id: HelperId::PidFile(_) | HelperId::Gone, .. } => None,
            Self::Helper { name, is_fatal, id: HelperId::Process(HelperProcess { pid, started, command }), socket } => {
                let (pid, fatal) = (pid.to_string(), if *is_fatal { "fatal" } else { "" });
                let socket = socket.as_ref().map(|socket| socket.to_string_lossy().into_owned());
                let all = ["helper", name, &pid, started, fatal, command].into_iter().chain(socket.as_deref());
                Some(words(&all.collect::<Vec<_>>()))
            }
            Self::Guest { pid, started } => Some(words(&["guest", &pid.to_string(), started])),
        }
    }

    /// Reads what [`Self::words`] wrote.
    pub(crate) fn read(words: &[String]) -> Option<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Some(match words.as_slice() {
            ["tap", tap] => Self::Effect(Effect::create_tap(tap.parse().ok()?)),
            ["member", bridge, member] => Self::Effect(Effect::join(bridge.parse().ok()?, member.parse().ok()?)),
            ["span", bridge, member] => Self::Effect(Effect::Join {
                bridge: bridge.parse().ok()?,
                member: member.parse().ok()?,
                how: Membership { is_span: true, ..Membership::default() },
            }),
            ["link", name] => Self::Link(name.parse().ok()?),
            ["cgroup", folder] => Self::Effect(Effect::MakeCgroup(folder.into())),
            ["jail", jail] => Self::Jail(jail.parse().ok()?),
            ["lent", jail, tap] => Self::Effect(Effect::Lend { jail: jail.parse().ok()?, tap: tap.parse().ok()? }),
            ["inner", jail, bridge, half, tap] => Self::Effect(Effect::CreateInner(Box::new(Inner {
                jail: jail.parse().ok()?,
                bridge: bridge.parse().ok()?,
                half: half.parse().ok()?,
                tap: tap.parse().ok()?,
            }))),
            ["session", words @ ..] => Self::Effect(Effect::IscsiLogin(Box::new(sessions::read(words)?))),
            ["route", router] => Self::Effect(Effect::AddRoute(router.parse().ok()?)),
            ["lock", name] => Self::Lock(name.parse().ok()?),
            ["node", name] => Self::Node(name.parse().ok()?),
            ["reads", path] => Self::Image(path.into(), Access::ReadOnly),
            ["writes", path] => Self::Image(path.into(), Access::ReadWrite),
            ["file", path] => Self::Temporary(path.into()),
            ["helper", name, pid, started, fatal, command, socket @ ..] => {
                let (started, command) = ((*started).into(), (*command).into());
                let id = HelperId::Process(HelperProcess { pid: pid.parse().ok()?, started, command });
                let socket = socket.first().map(PathBuf::from);
                Self::Helper { name: (*name).into(), is_fatal: *fatal == "fatal", id, socket }
            }
            ["guest", pid, started] => Self::Guest { pid: pid.parse().ok()?, started: (*started).into() },
            _ => Self::Effect(Effect::Disk(Box::new(made::read(&words)?))),
        })
    }
}

/// Returns the words of a journal for what an effect takes; nothing where it takes nothing.
fn words_of(effect: &Effect) -> Option<Vec<String>> {
    match effect {
        Effect::CreateLink(link) if link.kind == LinkKind::Tap => Some(words(&["tap", link.name.as_str()])),
        Effect::Join { bridge, member, how } => {
            Some(words(&[if how.is_span { "span" } else { "member" }, bridge.as_str(), member.as_str()]))
        }
        Effect::CreateLink(link) => Some(words(&["link", link.name.as_str()])),
        Effect::CreateJail { jail, .. } => Some(words(&["jail", jail.name.as_str()])),
        Effect::Lend { jail, tap } => Some(words(&["lent", jail.as_str(), tap.as_str()])),
        Effect::CreateInner(inner) => {
            let parts = [inner.jail.as_str(), inner.bridge.as_str(), inner.half.as_str(), inner.tap.as_str()];
            Some(words(&[&["inner"][..], &parts].concat()))
        }
        Effect::AddRoute(router) => Some(words(&["route", &router.to_string()])),
        Effect::Disk(change) => made::words(change),
        Effect::MakeCgroup(folder) => Some(words(&["cgroup", &folder.to_string_lossy()])),
        Effect::IscsiLogin(session) => Some(sessions::words(session)),
        Effect::Umask(_)
        | Effect::Truncate { .. }
        | Effect::DestroyNode(_)
        | Effect::DestroyTap(_)
        | Effect::Leave { .. }
        | Effect::DestroyLink(_)
        | Effect::DeleteRoute(_)
        | Effect::RemoveJail(_)
        | Effect::RemoveCgroup(_)
        | Effect::IscsiLogout(_)
        | Effect::Reclaim { .. }
        | Effect::DestroyInner(_)
        | Effect::WriteFile { .. }
        | Effect::WriteImage { .. }
        | Effect::MakeHostKey(_)
        | Effect::CopyVars { .. }
        | Effect::Fetch(_)
        | Effect::StartHelper(_)
        | Effect::EndHelper(_)
        | Effect::Run(_)
        | Effect::Make { .. } => None,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

impl Run {
    /// Returns whether the run has taken the effect and still holds it.
    pub(crate) fn has_taken(&self, effect: &Effect) -> bool {
        let words = || Hold::Effect(effect.clone()).words();
        self.holds.iter().any(|hold| match hold {
            Hold::Effect(taken) => takes_the_same(taken, effect),
            // Of what was adopted no more is known.
            Hold::Jail(_) => matches!(effect, Effect::CreateJail { .. }) && hold.words() == words(),
            Hold::Lock(_)
            | Hold::Node(_)
            | Hold::Image(..)
            | Hold::Temporary(_)
            | Hold::Link(_)
            | Hold::Helper { .. }
            | Hold::Guest { .. } => false,
        })
    }

    /// Returns whether the run has made the interface and still holds it.
    pub(crate) fn has_made(&self, name: &InterfaceName) -> bool {
        self.holds.iter().any(|hold| matches!(hold, Hold::Effect(Effect::CreateLink(link)) if link.name == *name))
    }

    pub(super) fn has_made_tap(&self, name: &InterfaceName) -> bool {
        self.holds.iter().any(|hold| matches!(hold, Hold::Effect(effect) if effect.made_tap() == Some(name)))
    }

    /// Has an effect. What the run holds already is not taken again.
    pub(crate) fn act(&mut self, effect: &Effect) -> Result<String, Fault> {
        let is_joined = || self.joined.iter().any(|joined| takes_the_same(joined, effect));
        if self.has_taken(effect) || is_joined() || self.is_inside_process(effect) || self.is_of_lent(effect) {
            return Ok(String::new());
        }
        if self.host.stop_asked() {
            self.feed(Event::StopAsked);
            return Err(interrupted());
        }
        if let Effect::DestroyNode(name) = effect {
            self.reserve(name)?;
            if !self.holds.contains(&Hold::Node(name.clone())) {
                node::against_destroying(&*self.host, name).map_or(Ok(()), Err)?;
            }
        }
        if is_left_to_itself(effect) {
            return self.begin(effect);
        }
        if !is_about_files(effect) {
            self.settle()?;
        }
        if let Some(done) = self.fill_volume(effect) {
            return done;
        }
        if let Effect::Fetch(fetch) = effect {
            let listener = self.listener.as_ref();
            let mut tell = |file: FetchProgress<'_>| listener.map_or((), |listener| listener(&Progress::Fetches(file)));
            return self.host.fetch(fetch, &mut tell).map(|()| String::new());
        }
        let hold = match replaced(effect) {
            Some(path) => Hold::Temporary(beside(path)),
            None if undo(effect).is_some() => Hold::Effect(effect.clone()),
            None => return self.host.perform(effect),
        };
        self.take(&hold)?;
        let done = self.host.perform(effect);
        // What never was, or is no more, is not given back.
        if done.is_err() || matches!(hold, Hold::Temporary(_)) {
            self.strike(&hold);
        }
        if done.is_ok() {
            self.note_filled(effect);
        }
        done
    }

    fn begin(&mut self, effect: &Effect) -> Result<String, Fault> {
        let hold = Hold::Effect(effect.clone());
        // A tap that the run made leaves its bridge by going away; any other interface has to be taken out of it.
        if self.goes_with_its_member(effect) {
            self.joined.push(effect.clone());
        } else if undo(effect).is_some() {
            self.take(&hold)?;
        }
        self.host.begin(effect).inspect_err(|_| self.strike(&hold))?;
        Ok(String::new())
    }

    /// Notes something that is about to be taken; on the disk, if it may be there when the host is started anew.
    pub(super) fn take(&mut self, hold: &Hold) -> Result<(), Fault> {
        self.write_down(hold)?;
        self.holds.push(hold.clone());
        Ok(())
    }

    pub(super) fn write_down(&mut self, hold: &Hold) -> Result<(), Fault> {
        let Some((name, _)) = self.owner.as_ref().filter(|_| !self.noted.contains(hold)) else { return Ok(()) };
        self.host.store_mut().note(name, &journal::taken(hold), hold.outlives_the_kernel())?;
        self.noted.push(hold.clone());
        Ok(())
    }

    /// Strikes out what was given back, or was not to be had. That it cannot be written is no reason to stop giving back.
    pub(super) fn strike(&mut self, hold: &Hold) {
        self.holds.retain(|taken| taken != hold);
        self.joined.retain(|taken| !matches!(hold, Hold::Effect(effect) if effect == taken));
        if let Some((name, _)) = self.owner.as_ref().filter(|_| self.noted.contains(hold)) {
            self.host
                .store_mut()
                .note(name, &journal::given_back(hold), false)
                .may_fail("what is noted as held and is gone is found gone");
            self.noted.retain(|noted| noted != hold);
        }
    }

    /// With `--user-net` there are no interfaces to make.
    fn is_inside_process(&self, effect: &Effect) -> bool {
        self.host.settings().user_net
            && matches!(effect, Effect::CreateLink(_) | Effect::AddRoute(_) | Effect::Join { .. })
    }

    fn goes_with_its_member(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Join { member, .. } if self.has_made_tap(member))
    }

    pub(super) fn ensure(&mut self, hold: &Hold) -> Result<(), Fault> {
        if self.holds.contains(hold) { Ok(()) } else { self.take(hold) }
    }

    /// Waits for what was begun: at the end of an evaluation, and before a command that may look at what it changes.
    pub(crate) fn settle(&mut self) -> Result<(), Fault> {
        self.settle_only(|_| true)
    }

    pub(super) fn settle_only(&mut self, meant: fn(&Effect) -> bool) -> Result<(), Fault> {
        let faults = self.host.settle(meant);
        for (effect, _) in &faults {
            // What never was is not given back.
            self.strike(&Hold::Effect(effect.clone()));
        }
        let Some((effect, fault)) = faults.into_iter().next() else { return Ok(()) };
        self.late = Some(effect);
        Err(fault)
    }

    /// Returns the effect that the last fault is about, if that was one which had been begun before.
    pub(crate) fn take_late(&mut self) -> Option<Effect> {
        self.late.take()
    }

    /// Returns what will be given back, in order.
    pub(crate) fn to_give_back(&self) -> Vec<Effect> {
        let platform = self.host.settings().platform;
        self.holds.iter().rev().filter_map(|hold| hold.back(platform)).collect()
    }

    /// Returns of what will be given back, in order, what is not somebody else's by now, and sentences about the rest. Where the
    /// interfaces cannot be read nothing speaks against any of it.
    fn own(&self, mut effects: Vec<Effect>) -> (Vec<Effect>, Vec<String>) {
        let locks = self.holds.iter().filter_map(|hold| if let Hold::Lock(name) = hold { Some(name) } else { None });
        let machines: Vec<&VmName> = locks.collect();
        let mut others = Vec::new();
        // What a run without a machine makes has no mark.
        if !machines.is_empty()
            && effects.iter().any(is_about_interfaces)
            && let Ok(there) = self.host.interfaces_anew()
        {
            // One that came back from a jail has lost its group, and still says whose it is.
            let came_back = |one: &Interface| {
                !one.is_ours && one.description_machine.as_ref().is_some_and(|name| machines.contains(&name))
            };
            let marked: Vec<Interface> = there.iter().filter(|one| !came_back(one)).cloned().collect();
            effects.retain(|effect| {
                let what = anothers(effect, &marked, &machines);
                others.extend(what.clone());
                what.is_none()
            });
        }
        (effects, others)
    }

    /// Does one effect that gives back, or begins it, and returns what was refused, with what had been begun and had to end before.
    fn take_back(&mut self, effect: Effect) -> Vec<(Effect, Fault)> {
        // A node keeps its jail (vmm(4)), so that it goes before.
        let is_last = matches!(effect, Effect::RemoveJail(_));
        let mut refused = if is_last { self.host.settle(|_| true) } else { Vec::new() };
        let done = match &effect {
            // What cannot be begun beside others can be done when they have ended.
            Effect::DestroyNode(_) | Effect::DestroyTap(_) => self.host.begin(&effect).or_else(|_| {
                refused.extend(self.host.settle(|_| true));
                self.host.perform(&effect).map(drop)
            }),
            // The others are one call each, which is soon over.
            _ => self.host.perform(&effect).map(drop),
        };
        refused.extend(done.err().map(|fault| (effect, fault)));
        refused
    }

    /// Gives back what was taken, in reverse, and goes on past a step that fails. A node and taps have nothing to do with each
    /// other and go away side by side.
    pub(crate) fn give_back(&mut self) -> Vec<Fault> {
        let late = |host: &mut Box<dyn Host>| host.settle(|_| true).into_iter();
        self.host.store_mut().release_spare();
        let mut faults: Vec<Fault> = late(&mut self.host).map(|(_, fault)| fault).collect();
        let mut refused: Vec<(Effect, Fault)> = Vec::new();
        let mut effects = self.to_give_back();
        // What stands before them, and the node of a machine, goes away while the interfaces are read.
        let mut rest = effects.split_off(effects.iter().position(is_about_interfaces).unwrap_or(effects.len()));
        effects.extend(rest.extract_if(.., |effect| matches!(effect, Effect::DestroyNode(_))));
        effects.into_iter().for_each(|effect| refused.extend(self.take_back(effect)));
        let (own, others) = self.own(rest);
        others.iter().for_each(|what| self.tell(Progress::Gone(what)));
        own.into_iter().for_each(|effect| refused.extend(self.take_back(effect)));
        let holds = std::mem::take(&mut self.holds);
        let names =
            || holds.iter().rev().filter_map(|hold| if let Hold::Lock(name) = hold { Some(name) } else { None });
        // Sockets and secrets go while node and taps do.
        faults.extend(names().filter_map(|name| self.host.store_mut().tidy(name, true).err()));
        refused.extend(late(&mut self.host));
        for (effect, fault) in refused {
            match gone(&*self.host, &effect) {
                Some(what) => self.tell(Progress::Gone(&what)),
                None => faults.push(left_to_gc(fault)),
            }
        }
        // What could not be given back stays in the journal, for `vmrun gc`.
        let keeps_journal = !faults.is_empty();
        faults.extend(names().filter_map(|name| self.host.store_mut().tidy(name, keeps_journal).err()));
        if let Some(status) = self.status.as_mut().filter(|status| status.state == MachineState::Failed) {
            (status.supervisor, status.guest, status.until) = (None, None, None);
            status.since = self.host.processes().identity().now;
            faults.extend(self.host.store_mut().write_status(&status.name, &status.text()).err());
        }
        // The lock goes last: until then nobody else may start the machine.
        faults.extend(names().filter_map(|name| self.host.store_mut().clear(name).err()));
        faults
    }
}

/// Returns the file that an effect replaces as a whole.
pub(super) fn replaced(effect: &Effect) -> Option<&Path> {
    match effect {
        Effect::WriteImage { path, .. } | Effect::WriteFile { path, .. } => Some(path),
        Effect::CopyVars { to, .. } => Some(to.as_path()),
        Effect::Disk(change) => change.replaced(),
        // The others add to a file, or change none.
        _ => None,
    }
}

/// Whether an effect is begun and left to itself: the recipe need not wait for it, and what needs it does.
pub(crate) fn is_left_to_itself(effect: &Effect) -> bool {
    matches!(effect, Effect::DestroyNode(_) | Effect::Join { .. }) || effect.made_tap().is_some()
}

/// Whether two effects take the same, as a journal knows it: an adopted run has no more than that of what it took.
fn takes_the_same(one: &Effect, other: &Effect) -> bool {
    let words = |effect: &Effect| Hold::Effect(effect.clone()).words();
    one == other || words(one).is_some_and(|one| Some(one) == words(other))
}

/// Whether an effect has nothing to do with those that are left to themselves.
const fn is_about_files(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Umask(_)
            | Effect::Truncate { .. }
            | Effect::WriteImage { .. }
            | Effect::WriteFile { .. }
            | Effect::MakeHostKey(_)
            | Effect::CopyVars { .. }
            | Effect::Disk(_)
            | Effect::Fetch(_)
    )
}
