//! The proof boot by boot: the recipe runs on a described host, by the loop that every run goes through, once for each end of its first boot
//! that was recorded, and what it does there is compared with what the script called.

use super::{booted, calls, found, rehearsed};
use crate::bhyve::look_at_jail;
use crate::diag::{Blame, Diagnostic};
use crate::host::worlds::fixture::Fixture;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Interface, InterfaceKind};
use crate::import::commands_proof::{deeds, is_lasting, loaded, told};
use crate::import::golden::{TestHost, needed};
use crate::import::{proof, recorded};
use crate::model::{Backend, Ended, LinkKind, Machine, NetAddress, Size, Target};
use crate::recording::ends::{POWERED_OFF, STATUSES, is_supervised};
use crate::recording::{Call, Recording};
use crate::script::{Inputs, Recipe, trial};
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

/// How many boots are compared where a script boots its machine for ever.
const BOOTS: usize = 2;

/// The recordings of a script in one of its two ways, one for each status in which its first boot ended.
pub(crate) struct Ends<'a> {
    /// Whether they initialize.
    pub(crate) init: bool,
    /// The recordings, by that status.
    pub(crate) recordings: &'a [(i32, Recording)],
}

/// Returns what the recipe does otherwise than the script after each end, each line once. `once` are the commands that the script calls only
/// where something is missing.
pub(crate) fn differences(
    recipe: &Rc<Recipe>,
    target: Target,
    ways: &[Ends<'_>],
    once: &[String],
) -> Result<Vec<String>, Vec<Diagnostic>> {
    let mut all: Vec<(String, BTreeSet<i32>)> = Vec::new();
    for way in ways {
        let Some((_, off)) = way.recordings.iter().find(|(status, _)| *status == POWERED_OFF) else { continue };
        let host = described(recipe, target, off, way.init)?;
        // What lasts on disks the first start has done.
        let first = rehearsed(recipe, target, off, true)?;
        let first = deeds(&first.iter().flat_map(calls).collect::<Vec<_>>());
        let is_done = |line: &String| !way.init && (is_lasting(line) || once.contains(line)) && first.has(line);
        for (status, recording) in way.recordings.iter().filter(|(_, recording)| !is_supervised(recording)) {
            let lines = after(recipe, target, &host, way.init, (*status, recording), &is_done)?;
            for line in lines {
                match all.iter_mut().find(|(other, _)| *other == line) {
                    Some((_, statuses)) => drop(statuses.insert(*status)),
                    None => all.push((line, [*status].into())),
                }
            }
        }
    }
    Ok(all.into_iter().map(|(line, statuses)| format!("{}{line}", of(&statuses))).collect())
}

/// Says after which of bhyve's statuses something is so.
pub(crate) fn of(statuses: &BTreeSet<i32>) -> String {
    let all: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    match all.split_last() {
        Some((_, others)) if others.len() + 1 == STATUSES.len() => String::new(),
        Some((last, [])) => format!("after bhyve's status {last} "),
        Some((last, others)) => format!("after bhyve's statuses {} and {last} ", others.join(", ")),
        None => String::new(),
    }
}

/// Compares the two where the first boot ends in one way.
fn after(
    recipe: &Rc<Recipe>,
    target: Target,
    host: &TestHost,
    init: bool,
    (status, recording): (i32, &Recording),
    is_done: &dyn Fn(&String) -> bool,
) -> Result<Vec<String>, Vec<Diagnostic>> {
    // One that ends with a reboot is compared with a run that ends, which vmrun's does after a power off.
    let is_left = recording.restarts.as_ref().is_some_and(Vec::is_empty) && status == 0;
    let exits = [if is_left { Ended::PoweredOff } else { ended(status) }, Ended::PoweredOff].into();
    let fixture = Fixture { exits, ..fixture(host, target) };
    let inputs = Inputs { init, ..Inputs::default() };
    let (mut done, faults) = trial::run_on(recipe, &inputs, fixture);
    let mut script = recording.calls.clone();
    let boots = |calls: &[Call]| calls.iter().filter(|call| call.boots().is_some()).count();
    let (ours, theirs) = (booted(&done).len(), boots(&script));
    // The guest itself may have ended in a way that is an error, and one that is always started again does so until its policy ends it.
    let is_wrong = |fault: &Diagnostic| fault.fault.blame != Blame::Guest;
    if !recording.is_cut && faults.iter().any(is_wrong) {
        return Err(faults.into_iter().filter(is_wrong).collect());
    }
    if recording.is_cut {
        (script, done) = (up_to(script, BOOTS, |call| call.boots().is_some()), up_to(done, BOOTS, is_boot));
    }
    let (ours, theirs) = if recording.is_cut { (ours.min(BOOTS), theirs.min(BOOTS)) } else { (ours, theirs) };
    if ours != theirs {
        return Ok(vec![format!("the script has {theirs} boots, and the recipe {ours}")]);
    }
    let ours: Vec<Call> = done.iter().flat_map(calls).collect();
    let (mut missing, more) = deeds(&script).differences(&deeds(&ours));
    missing.retain(|line| !is_done(line));
    let mut lines = told(&missing, &more);
    lines.extend(other_machines(&script, &done, target)?);
    Ok(lines)
}

/// Returns how the machines and their loaders differ, boot by boot.
fn other_machines(script: &[Call], done: &[Rehearsed], target: Target) -> Result<Vec<String>, Vec<Diagnostic>> {
    let mut lines = Vec::new();
    let places = script.iter().enumerate().filter(|(_, call)| call.boots().is_some());
    for (number, ((at, call), machine)) in places.zip(booted(done)).enumerate() {
        let other = proof::differences(&recorded::booted(call, target)?, machine);
        let loader = loaded(script.get(..at).unwrap_or_default(), machine);
        let other = other.into_iter().map(|line| format!("the recipe's machine is another one: {line}")).chain(loader);
        lines.extend(other.map(|line| format!("at boot {}, {line}", number + 1)));
    }
    Ok(lines)
}

/// Returns what comes up to and with a boot, by its number.
fn up_to<T>(mut all: Vec<T>, boot: usize, boots: impl Fn(&T) -> bool) -> Vec<T> {
    let at = all.iter().enumerate().filter(|(_, one)| boots(one)).nth(boot - 1).map_or(all.len(), |(at, _)| at + 1);
    all.truncate(at);
    all
}

const fn is_boot(done: &Rehearsed) -> bool {
    matches!(done, Rehearsed::Boot(_))
}

/// How a boot ended, by bhyve's status (bhyve(8), EXIT STATUS).
fn ended(status: i32) -> Ended {
    match status {
        0 => Ended::Rebooted,
        1 => Ended::PoweredOff,
        2 => Ended::Halted,
        3 => Ended::TripleFault,
        status => Ended::Failed { status },
    }
}

/// Returns a host that has what a run of a recipe needs from its first boot to one after a reboot, as rehearsals where everything is there show
/// it, and nothing else.
pub(crate) fn described(
    recipe: &Recipe,
    target: Target,
    recording: &Recording,
    init: bool,
) -> Result<TestHost, Vec<Diagnostic>> {
    let there = found(recording, target);
    let done = rehearsed(recipe, target, recording, init)?;
    let mut host = TestHost { release: target.release, ..TestHost::default() };
    let addresses = |one: &Interface| one.addresses.iter().map(ToString::to_string).collect();
    host.interfaces.extend(there.iter().map(|one| (one.name.clone(), addresses(one))));
    let printed = recording.calls.iter().filter(|call| !call.reads && call.program() != "ifconfig");
    let printed = printed.map(|call| (call.command().to_string(), call.output.trim().to_string()));
    host.answers.extend(printed.filter(|(_, text)| !text.is_empty()));
    let mut own = Own::default();
    own.all(&done, &mut host);
    if init {
        // What it has made is there.
        let mut later = recording.clone();
        later.files.retain(|file| !own.files.contains(&file.path));
        own.all(&rehearsed(recipe, target, &later, false)?, &mut host);
    }
    as_recorded(&mut host, recording);
    host.secrets.extend(recipe.source().text.contains("secret(\"vnc\")").then(|| "vnc".into()));
    Ok(host)
}

/// Has the files be there, or not, as they were when the script was recorded.
fn as_recorded(host: &mut TestHost, recording: &Recording) {
    for file in &recording.files {
        let path = format!("{}{}", file.path, if file.is_folder { "/" } else { "" });
        if file.is_there {
            host.files.insert(path);
        } else {
            host.files.remove(&path);
        }
    }
}

/// What a run makes by itself.
#[derive(Default)]
struct Own {
    interfaces: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Own {
    fn all(&mut self, done: &[Rehearsed], host: &mut TestHost) {
        for done in done {
            match done {
                Rehearsed::Effect(effect) => self.effect(effect, host),
                Rehearsed::Boot(machine) => self.machine(machine, host),
            }
        }
    }

    /// Nothing of the other effects is needed, or made, that a later one needs.
    fn effect(&mut self, effect: &Effect, host: &mut TestHost) {
        if let Effect::CreateLink(link) = effect {
            if let LinkKind::Vlan { parent, .. } = &link.kind {
                self.needs(parent.as_str(), &[], host);
            }
            self.interfaces.extend(link.names().into_iter().map(ToString::to_string));
        }
        if let Effect::Join { bridge, member, .. } = effect {
            self.needs(bridge.as_str(), &["bridge"], host);
            self.needs(member.as_str(), &[], host);
        }
        if let Effect::Truncate { path, .. }
        | Effect::WriteFile { path, .. }
        | Effect::WriteImage { path, .. }
        | Effect::Make { path, .. } = effect
        {
            self.file(path, host);
        }
        if let Effect::Fetch(fetch) = effect {
            self.file(&fetch.path(), host);
        }
        if let Effect::Disk(change) = effect
            && change.makes()
        {
            self.file(change.path(), host);
        }
    }

    /// A file is made, in a folder that is there.
    fn file(&mut self, path: &Path, host: &mut TestHost) {
        if self.files.insert(path.display().to_string()) {
            let folder = path.parent().map(|folder| folder.display().to_string()).filter(|folder| folder.len() > 1);
            host.files.extend(folder.map(|folder| format!("{folder}/")));
        }
    }

    fn machine(&self, machine: &Machine, host: &mut TestHost) {
        let draft = machine.draft();
        host.files.extend(needed(draft).into_iter().filter(|path| !self.files.contains(path.trim_end_matches('/'))));
        if let Some(jail) = machine.jail().filter(|jail| !jail.is_made) {
            host.answers.insert(look_at_jail(&jail.name).to_string(), "path=/ allow.vmm".into());
        }
        for device in draft.slots.values() {
            if let Some(Backend::Tap(tap)) = device.backend() {
                self.needs(&tap.to_string(), &["tap"], host);
            }
        }
    }

    fn needs(&self, name: &str, kinds: &[&str], host: &mut TestHost) {
        if !self.interfaces.contains(name) {
            host.interfaces.entry(name.into()).or_insert_with(|| kinds.iter().map(ToString::to_string).collect());
        }
    }
}

/// Makes the host that was described.
fn fixture(host: &TestHost, target: Target) -> Fixture {
    let mut fixture = trial::usual_host();
    fixture.settings.target = target;
    for (name, kinds) in &host.interfaces {
        let is = |word: &str| kinds.iter().any(|kind| kind == word);
        let kind = match () {
            () if is("bridge") => InterfaceKind::Bridge,
            () if is("tap") => InterfaceKind::Tap,
            () => InterfaceKind::Other,
        };
        let mut interface = Interface::new(name, kind);
        interface.addresses.extend(kinds.iter().filter_map(|kind| kind.parse::<NetAddress>().ok()));
        fixture.world.interfaces.retain(|one| one.name != *name);
        fixture.world.interfaces.push(interface);
    }
    for path in &host.files {
        let size = (!path.starts_with("/dev/")).then(|| Size::bytes(1 << 30));
        match path.strip_suffix('/') {
            Some(folder) => fixture.world.folder(folder.as_ref()),
            None => fixture.world.file(path.as_ref(), size, true),
        }
    }
    fixture.answers.clone_from(&host.answers);
    fixture.secrets.extend(host.secrets.iter().map(|name| (name.clone(), "password".into())));
    fixture
}
