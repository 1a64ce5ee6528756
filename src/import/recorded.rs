//! A recipe of what a shell script called.

mod commands;
mod conditions;
mod ends;
mod guards;
mod head;
mod loaders;
mod network;

pub(super) use commands::{asked_module, copied_vars, unit_by_name};
pub(crate) use conditions::{Guard, Refusal};
use head::head;
use network::Network;
pub(super) use network::{Change, changes};

use super::expressions::Words;
use super::layout::{comment, quoted};
use super::loader::unloaded;
use super::machine::machine;
use super::recipe::names;
use super::{Import, ImportOptions, SourceKind, path_in, read};
use super::{umasks, written};
use crate::bhyve::loader;
use crate::diag::Diagnostic;
use crate::model::{Argv, Draft, Loader, PciSlot, Target};
use crate::recording::ends::Bounds;
use crate::recording::guests::Before;
use crate::recording::{Again, Call, Recording, Step, When};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What a script does after its boots, and where something is missing, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    /// What it does when the guest reboots.
    pub(crate) again: Again,
    /// After what it starts the machine again, in the words of `restart`. Nothing where that is not known.
    pub(crate) on: Option<Vec<&'static str>>,
    /// How often it starts it again, and how long it waits before.
    pub(crate) bounds: Bounds,
    /// What hangs on files.
    pub(crate) guards: Vec<Guard>,
    /// Where the script boots no machine.
    pub(crate) refusals: Vec<Refusal>,
    /// The commands that it calls before each boot.
    pub(crate) each_boot: Vec<String>,
    /// The commands that it calls between a boot that ended in a reboot and the next one.
    pub(crate) between: Vec<String>,
    /// The commands that it calls only where something is missing.
    pub(crate) missing: Vec<String>,
    /// Those of them that hang on what is gone when the host starts anew.
    pub(crate) passing: Vec<String>,
    /// The commands that fail where what they do is done already, and after which it goes on all the same.
    pub(crate) tolerated: Vec<String>,
    /// Those after which it calls others then, with these.
    pub(crate) instead: Vec<(String, Vec<Call>)>,
    /// The machine that it starts before this one.
    pub(crate) after: Option<Before>,
    /// What else is to be known of it.
    pub(crate) remarks: Vec<String>,
    /// What could not be derived of it.
    pub(crate) gaps: Vec<String>,
}

/// Returns the recipe of recorded steps, or what is wrong with a machine that they boot. `from` is what was recorded, for the
/// headline; `init` are the arguments that initialize.
///
/// What the script gives back at its end vmrun gives back by itself, and what only asked changes nothing: both are left out.
pub(crate) fn recipe(
    steps: &[Step],
    flow: &Flow,
    target: Target,
    from: &str,
    init: &str,
) -> Result<String, Vec<Diagnostic>> {
    let mut writer = Writer {
        steps,
        target,
        words: Words::default(),
        lines: Vec::new(),
        network: Network::of(steps, &flow.missing),
        disks: BTreeMap::new(),
        loaders: Vec::new(),
        missing: &flow.missing,
        passing: &flow.passing,
        tolerated: &flow.tolerated,
        instead: &flow.instead,
        each_boot: &flow.each_boot,
        between: &flow.between,
        goes_on: flow.on.as_ref().is_some_and(|on| on.contains(&"reboot")),
        guards: &flow.guards,
        early: Vec::new(),
        guard: None,
        last: None,
        is_last: false,
    };
    writer.last = ends::last(flow, steps);
    let mut text = comment(0, &format!("Made from what `{from}` called."));
    text += &head(flow, steps, init);
    let disks = [writer.disks(), writer.early()].concat();
    if !disks.is_empty() {
        text += "\n";
        text += &disks;
    }
    text += &flow.refusals.iter().map(|refusal| writer.refuse(refusal)).collect::<String>();
    let back: Vec<usize> =
        steps.iter().filter_map(|step| step.given_back_by).filter(|at| writer.is_over(*at)).collect();
    for (at, step) in steps.iter().enumerate() {
        writer.network(at);
        let is_said = !step.call.reads || step.call.program() == "kldstat";
        if is_said && !back.contains(&at) && step.call.program() != "ifconfig" {
            writer.guard = writer.condition(&step.call.argv);
            writer.is_last = writer.is_after_last(at, step);
            writer.step(at, step)?;
            writer.guard = None;
        }
    }
    text += &writer.blocks();
    Ok(text)
}

/// Returns the calls of a recording that boot a machine, without those that start it again when it has rebooted.
pub(crate) fn boots(recording: &Recording) -> Vec<&Call> {
    let mut again = Vec::new();
    let mut all = Vec::new();
    for call in &recording.calls {
        let Some(name) = call.boots() else { continue };
        if !again.contains(&name) {
            all.push(call);
        }
        if recording.goes_on_after(call) {
            again.push(name);
        }
    }
    all
}

/// Reads the machine of a call of bhyve.
pub(crate) fn import(args: &[String], target: Target) -> Result<Import, Vec<Diagnostic>> {
    let line = Argv::new("bhyve").args(args).to_string();
    let setting = ImportOptions { kind: Some(SourceKind::Bhyve), target, ..ImportOptions::default() };
    read("<recorded>", &line, &setting, &|_| None)
}

/// Reads the machine that a call boots, and the jail in which it does.
pub(crate) fn booted(call: &Call, target: Target) -> Result<Import, Vec<Diagnostic>> {
    let mut import = import(call.args(), target)?;
    import.draft.jail = call.jail();
    Ok(import)
}

/// Gives a path from the root on, of one that begins in a folder.
pub(crate) type Whole<'a> = &'a dyn Fn(&str, &str) -> String;

/// Returns a recording in which the paths of machines and of what is made for them begin at the root: a script may be anywhere when it names
/// them, and a recipe's begin in its folder. What a command is told beside stays as it is.
pub(crate) fn with_whole_paths(recording: &Recording, target: Target, whole: Whole<'_>) -> Recording {
    let mut recording = recording.clone();
    for call in &mut recording.calls {
        let mut paths: Vec<String> = match call.program() {
            "truncate" => truncated(call.args()).map_or_else(Vec::new, |(_, paths)| paths.to_vec()),
            // What cannot be read is told where the recipe is made.
            "bhyve" => import(call.args(), target).map_or_else(|_| Vec::new(), |mut import| paths(&mut import.draft)),
            "bhyveload" => loader::read("bhyveload", call.args(), None, None)
                .map_or_else(Vec::new, |(loader, _)| paths(&mut Draft { loader: Some(loader), ..Draft::default() })),
            _ => Vec::new(),
        };
        paths.retain(|path| !path.is_empty() && !path.starts_with('/'));
        for word in call.argv.iter_mut().skip(1) {
            *word = with_whole_parts(word, &paths, |path| whole(&call.cwd, path));
        }
    }
    recording
}

fn paths(draft: &mut Draft) -> Vec<String> {
    draft.paths_mut().into_iter().map(|(_, path)| path.to_string()).collect()
}

/// Puts a folder before the parts of a word that are among the paths. Parts end at a comma or at `=` (bhyve(8)).
fn with_whole_parts(word: &str, paths: &[String], whole: impl Fn(&str) -> String) -> String {
    let ends = |c: char| matches!(c, ',' | '=');
    let put = |part: &str| {
        let name = part.trim_end_matches(ends);
        let end = part.get(name.len()..).unwrap_or_default();
        let (before, path) = path_in(name);
        let is_path = paths.iter().any(|known| known == path);
        if is_path { format!("{before}{}{end}", whole(path)) } else { part.into() }
    };
    word.split_inclusive(ends).map(put).collect()
}

/// Lines that belong together, and when they are there.
struct Lines {
    when: When,
    /// What else has to be so, as an expression.
    guard: Option<String>,
    text: String,
    /// Whether an empty line stands before them.
    apart: bool,
}

/// A loader that the script runs before a machine.
struct Loading {
    /// The machine.
    name: String,
    when: When,
    /// What else has to be so, as an expression.
    guard: Option<String>,
    loader: Loader,
}

struct Writer<'a> {
    steps: &'a [Step],
    target: Target,
    words: Words,
    lines: Vec<Lines>,
    network: Network,
    /// The variables of memory disks, by their names.
    disks: BTreeMap<String, String>,
    /// What loads machines.
    loaders: Vec<Loading>,
    /// The commands that the script calls only where something is missing.
    missing: &'a [String],
    /// Those of them that hang on what is gone when the host starts anew.
    passing: &'a [String],
    /// The commands that fail where what they do is done already, and after which the script goes on all the same.
    tolerated: &'a [String],
    instead: &'a [(String, Vec<Call>)],
    /// The commands that the script calls before each boot.
    each_boot: &'a [String],
    /// Those between a boot that ended in a reboot and the next one.
    between: &'a [String],
    /// Whether the script starts the machine again when it reboots.
    goes_on: bool,
    guards: &'a [Guard],
    /// Conditions on files that the recipe makes, and the variables that have them.
    early: Vec<(String, String)>,
    /// What has to be so for the step that is written, as an expression.
    guard: Option<String>,
    /// When a boot's end is the last one, as an expression: where the script does something then that it does not after each.
    last: Option<String>,
    /// Whether that has to be so for the step that is written.
    is_last: bool,
}

impl Writer<'_> {
    /// Names the files that several steps are about, or one and a machine.
    fn disks(&mut self) -> String {
        let made = self.steps.iter().filter(|step| step.call.program() == "truncate");
        let mut paths: Vec<&String> =
            made.filter_map(|step| truncated(step.call.args())).flat_map(|(_, paths)| paths).collect();
        paths.dedup();
        let named: Vec<(&String, String)> = paths.iter().copied().zip(names("disk", paths.len())).collect();
        let text = named.iter().map(|(path, name)| format!("let {name} = {};\n", quoted(path))).collect();
        self.words.values.extend(named.into_iter().map(|(path, name)| (path.clone(), name)));
        text
    }

    fn step(&mut self, at: usize, step: &Step) -> Result<(), Vec<Diagnostic>> {
        match step.call.program() {
            "bhyve" => return self.boot(step),
            "bhyveload" | "grub-bhyve" if self.load(step) => {}
            written::WORD => self.write_file(step),
            umasks::WORD => self.umask(step),
            _ => self.command(at, step),
        }
        Ok(())
    }

    /// Says what the script wrote into a file that a program then reads.
    fn write_file(&mut self, step: &Step) {
        let [path, text, mode] = step.call.args() else { return };
        let path = self.words.values.get(path).cloned().unwrap_or_else(|| quoted(path));
        let mode = if mode.is_empty() { String::new() } else { format!(", #{{ mode: {} }}", quoted(mode)) };
        self.say(step.when, format!("write_file({path}, {}{mode});\n", quoted(text)));
    }

    /// Says which permissions lacks what is made from here on.
    fn umask(&mut self, step: &Step) {
        let [mask] = step.call.args() else { return };
        self.say(step.when, format!("umask({});\n", quoted(mask)));
    }

    /// Says what is done to interfaces at a step, by its place.
    fn network(&mut self, at: usize) {
        for (when, text) in self.network.said(at, &mut self.words.values) {
            self.say(when, text);
        }
    }

    /// Whether a step comes after the last boot.
    fn is_over(&self, at: usize) -> bool {
        self.steps.iter().rposition(|step| step.call.boots().is_some()).is_none_or(|boot| boot < at)
    }

    fn has_said(&self, when: When, line: &str) -> bool {
        let is_there = |lines: &Lines| {
            (lines.when == when || lines.when == When::Always) && (lines.guard.is_none() || lines.guard == self.guard)
        };
        self.lines.iter().any(|lines| is_there(lines) && lines.text.contains(line))
    }

    fn say(&mut self, when: When, text: String) {
        let all: Vec<&str> =
            self.last.as_deref().filter(|_| self.is_last).into_iter().chain(self.guard.as_deref()).collect();
        let guard = Some(all.join(" && ")).filter(|guard| !guard.is_empty());
        match self.lines.last_mut() {
            Some(last) if last.when == when && last.guard == guard && !last.apart => last.text += &text,
            _ => self.lines.push(Lines { when, guard, text, apart: false }),
        }
    }

    /// Keeps the loader of a machine that is booted later, and returns whether there is one.
    fn load(&mut self, step: &Step) -> bool {
        let call = &step.call;
        let Some((loader, name)) = loader::read(
            call.program(),
            call.args(),
            Some(&call.heard),
            Some(&call.map).filter(|map| !map.is_empty()).map(String::as_str),
        ) else {
            return false;
        };
        let later = self.steps.iter().skip_while(|other| !std::ptr::eq(*other, step));
        let is_booted = later.into_iter().any(|other| other.call.boots() == Some(name.as_str()));
        if is_booted {
            self.loaders.push(Loading { name, when: step.when, guard: self.guard.clone(), loader });
        }
        is_booted
    }

    fn boot(&mut self, step: &Step) -> Result<(), Vec<Diagnostic>> {
        let line = |without: When| {
            let parts = step.parts.iter().filter(|part| part.when != without);
            parts.flat_map(|part| part.words.clone()).collect::<Vec<String>>()
        };
        let (with, without) = (line(When::OnlyWithout), line(When::OnlyInit));
        self.guarded_slots(if step.when == When::OnlyWithout { &without } else { &with })?;
        let mut first = self.import(if step.when == When::OnlyWithout { &without } else { &with })?;
        first.draft.jail = step.call.jail();
        let left_out = if step.when == When::OnlyWithout { When::OnlyInit } else { When::OnlyWithout };
        self.give_loader(&mut first.draft, left_out);
        self.addresses(&first.draft);
        let mut text = match step.when {
            When::Always if with != without || self.loads_otherwise(&first.draft) => {
                let mut second = self.import(&without)?;
                second.draft.jail = step.call.jail();
                self.give_loader(&mut second.draft, When::OnlyInit);
                self.both(&first.draft, &second.draft)
            }
            When::Always | When::OnlyInit | When::OnlyWithout => machine(&first.draft, &self.words),
        };
        let is_loaded = self.steps.iter().any(|step| ["bhyveload", "grub-bhyve"].contains(&step.call.program()));
        let unloaded = unloaded(&first.draft).filter(|_| !is_loaded);
        let remarks = first.remarks.iter().map(|(_, remark)| remark.as_str()).chain(unloaded);
        let remarks: String = remarks.map(|remark| comment(0, remark)).collect();
        text.insert_str(0, &remarks);
        let text = self.keep_end(text, step.when == When::Always && self.guard.is_none());
        self.lines.push(Lines { when: step.when, guard: self.guard.clone(), text, apart: true });
        Ok(())
    }

    /// Two forms of one machine: in one description where only whole slots differ.
    fn both(&mut self, with: &Draft, without: &Draft) -> String {
        let mut all = with.clone();
        let mut conditions: BTreeMap<PciSlot, String> = self.words.conditions.clone();
        let both = |conditions: &BTreeMap<PciSlot, String>, slot: &PciSlot, init: &str| {
            conditions.get(slot).map_or_else(|| init.to_string(), |other| format!("{init} && {other}"))
        };
        for slot in with.slots.keys().filter(|slot| !without.slots.contains_key(slot)) {
            conditions.insert(*slot, both(&conditions, slot, "init"));
        }
        for (slot, device) in without.slots.iter().filter(|(slot, _)| !with.slots.contains_key(slot)) {
            conditions.insert(*slot, both(&conditions, slot, "!init"));
            all.slots.insert(*slot, device.clone());
        }
        let mut rest = (with.clone(), without.clone());
        let is_of_init = |slot: &PciSlot| conditions.get(slot) != self.words.conditions.get(slot);
        rest.0.slots.retain(|slot, _| !is_of_init(slot));
        rest.1.slots.retain(|slot, _| !is_of_init(slot));
        if rest.0 == rest.1 {
            let words = Words { conditions, ..self.words.clone() };
            return machine(&all, &words);
        }
        let (with, without) = (machine(with, &self.words), machine(without, &self.words));
        format!("if init {{\n{}}} else {{\n{}}}\n", indented(&with), indented(&without))
    }

    fn import(&self, args: &[String]) -> Result<Import, Vec<Diagnostic>> {
        import(args, self.target)
    }

    /// An address of this host becomes the network that it is in, so that the recipe works on any host there.
    fn addresses(&mut self, draft: &Draft) {
        let outputs: Vec<&str> = self
            .steps
            .iter()
            .filter(|step| step.call.program() == "ifconfig")
            .map(|s| s.call.output.as_str())
            .collect();
        for address in draft.slots.values().filter_map(crate::model::Device::vnc) {
            let text = address.to_string();
            let Some((host, port)) = text.rsplit_once(':') else { continue };
            let network = host.parse().ok().and_then(|host| outputs.iter().find_map(|output| network(output, host)));
            if let Some((network, length)) = network {
                let expression = format!("`${{host_ip(\"{network}/{length}\")}}:{port}`");
                self.words.values.insert(text.clone(), expression);
            }
        }
    }

    /// Returns the lines, those that depend on `init` in blocks.
    fn blocks(&self) -> String {
        let block = |lines: &Lines| {
            let init = match lines.when {
                When::Always => None,
                When::OnlyInit => Some("init"),
                When::OnlyWithout => Some("!init"),
            };
            let all: Vec<&str> = init.into_iter().chain(lines.guard.as_deref()).collect();
            if all.is_empty() {
                return format!("\n{}", lines.text);
            }
            format!("\nif {} {{\n{}}}\n", all.join(" && "), indented(&lines.text))
        };
        self.lines.iter().map(block).collect()
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect()
}

/// Returns size and files of `truncate -s SIZE FILE …` (truncate(1)); what depends on the size that a file has is not one.
pub(crate) fn truncated(args: &[String]) -> Option<(String, &[String])> {
    let (flag, rest) = args.split_first()?;
    let (length, paths) = match flag.strip_prefix("-s")? {
        "" => rest.split_first().map(|(length, paths)| (length.as_str(), paths))?,
        joined => (joined, rest),
    };
    let is_plain = length.starts_with(|c: char| c.is_ascii_digit());
    let is_whole = is_plain && !paths.is_empty() && paths.iter().all(|path| !path.starts_with('-'));
    is_whole.then(|| (length.to_string(), paths))
}

/// Returns the network of an address in what ifconfig(8) printed: `inet A netmask 0xffffff00` or `inet A/24`.
fn network(output: &str, host: Ipv4Addr) -> Option<(Ipv4Addr, u32)> {
    output.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (address, length) = match words.as_slice() {
            ["inet", address, "netmask", mask, ..] => (*address, length_of(mask)?),
            ["inet", address, ..] => {
                let (address, length) = address.split_once('/')?;
                (address, length.parse().ok()?)
            }
            _ => return None,
        };
        let is_meant = address.parse() == Ok(host) && (1..=32).contains(&length);
        is_meant.then(|| (Ipv4Addr::from_bits(host.to_bits() & (u32::MAX << (32 - length))), length))
    })
}

/// Reads a netmask as ifconfig(8) prints it.
fn length_of(mask: &str) -> Option<u32> {
    let bits = match mask.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => mask.parse::<Ipv4Addr>().ok()?.to_bits(),
    };
    (bits.leading_ones() == bits.count_ones()).then_some(bits.count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_an_address_is_found_in_either_spelling() {
        let text =
            "em0: flags=8843<UP>\n\tinet 192.168.2.5 netmask 0xffffff00 broadcast 192.168.2.255\n\tinet 10.1.2.3/20\n";
        let found = |host: &str| network(text, host.parse().unwrap()).map(|(net, length)| format!("{net}/{length}"));
        assert_eq!(found("192.168.2.5").unwrap(), "192.168.2.0/24");
        assert_eq!(found("10.1.2.3").unwrap(), "10.1.0.0/20");
        assert_eq!(found("10.1.2.4"), None);
        assert_eq!(network("\tinet 1.2.3.4 netmask 0xff00ff00\n\tinet 1.2.3.4/40", [1, 2, 3, 4].into()), None);
    }
}
