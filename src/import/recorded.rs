//! A recipe of what a shell script called.

use super::expressions::{Words, size};
use super::layout::{comment, quoted};
use super::loader::{fitted, unloaded};
use super::machine::machine;
use super::recipe::names;
use super::written;
use super::{Import, Setting, SourceKind, path_in, read};
use crate::bhyve::loader;
use crate::diag::Diagnostic;
use crate::model::{Argv, Draft, Loader, PciSlot, Size, Target};
use crate::recording::{Again, Call, Recording, Step, When};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Returns the recipe of recorded steps, or what is wrong with a machine that they boot. `from` is what was recorded, for the
/// headline; `init` are the arguments that initialize.
///
/// Beside what the script does after a reboot stands whether it starts a machine again that crashed.
///
/// What the script gives back at its end vmrun gives back by itself, and what only asked changes nothing: both are left out.
pub(crate) fn recipe(
    steps: &[Step],
    (again, after_crash): (Again, bool),
    target: Target,
    from: &str,
    init: &str,
) -> Result<String, Vec<Diagnostic>> {
    let mut writer =
        Writer { steps, target, words: Words::default(), lines: Vec::new(), taps: Vec::new(), loaders: Vec::new() };
    let mut text = comment(0, &format!("Made from what `{from}` called."));
    text += &remark(again, init).map(|remark| comment(0, remark)).unwrap_or_default();
    if after_crash {
        text += &comment(0, "After a crash the script starts the machine again.");
        text += "\nrestart(#{ on: [\"reboot\", \"crash\"] });\n";
    }
    let disks = writer.disks();
    if !disks.is_empty() {
        text += "\n";
        text += &disks;
    }
    let back: Vec<usize> = steps.iter().filter_map(|step| step.given_back_by).collect();
    for (_, step) in steps.iter().enumerate().filter(|(at, step)| !step.call.reads && !back.contains(at)) {
        writer.step(step)?;
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
        if call.is_over() {
            again.push(name);
        }
    }
    all
}

/// Reads the machine of a call of bhyve.
pub(crate) fn import(args: &[String], target: Target) -> Result<Import, Vec<Diagnostic>> {
    let line = Argv::new("bhyve").args(args).to_string();
    let setting = Setting { kind: Some(SourceKind::Bhyve), target, ..Setting::default() };
    read("<recorded>", &line, &setting, &|_| None)
}

/// Gives a path from the root on, of one that begins in a folder.
pub(crate) type Whole<'a> = &'a dyn Fn(&str, &str) -> String;

/// Returns a recording in which the paths of machines and of what is made for them begin at the root: a script may be anywhere when it names
/// them, and a recipe's begin in its folder. What a command is told beside stays as it is.
pub(crate) fn with_whole_paths(recording: &Recording, target: Target, whole: Whole<'_>) -> Recording {
    let mut recording = recording.clone();
    for call in &mut recording.calls {
        let mut paths: Vec<String> = match call.program() {
            "truncate" => truncated(call.args()).map(|(_, path)| path.clone()).into_iter().collect(),
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

fn remark(again: Again, init: &str) -> Option<&'static str> {
    match again {
        Again::NoReboot | Again::AsWithout => None,
        Again::Never => Some(
            "The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.",
        ),
        Again::Same if init.is_empty() => None,
        Again::Same | Again::Otherwise => {
            Some("After a reboot the script starts the machine in a way of its own; vmrun does so with `init` false.")
        }
    }
}

/// Lines that belong together, and when they are there.
struct Lines {
    when: When,
    text: String,
    /// Whether an empty line stands before them.
    apart: bool,
}

struct Writer<'a> {
    steps: &'a [Step],
    target: Target,
    words: Words,
    lines: Vec<Lines>,
    taps: Vec<String>,
    /// Loaders by their machines, and when they run.
    loaders: Vec<(String, When, Loader)>,
}

impl Writer<'_> {
    /// Names the files that several steps are about, or one and a machine.
    fn disks(&mut self) -> String {
        let made = self.steps.iter().filter(|step| step.call.program() == "truncate");
        let mut paths: Vec<&String> =
            made.filter_map(|step| truncated(step.call.args()).map(|(_, path)| path)).collect();
        paths.dedup();
        let named: Vec<(&String, String)> = paths.iter().copied().zip(names("disk", paths.len())).collect();
        let text = named.iter().map(|(path, name)| format!("let {name} = {};\n", quoted(path))).collect();
        self.words.values.extend(named.into_iter().map(|(path, name)| (path.clone(), name)));
        text
    }

    fn step(&mut self, step: &Step) -> Result<(), Vec<Diagnostic>> {
        let args: Vec<&str> = step.call.args().iter().map(String::as_str).collect();
        match (step.call.program(), args.as_slice()) {
            ("bhyve", _) => return self.boot(step),
            ("bhyveload" | "grub-bhyve", _) if self.load(step) => {}
            ("bhyvectl", [..]) if args.contains(&"--destroy") && named(&args).is_some() => {
                let name = quoted(named(&args).unwrap_or_default());
                self.say(step.when, format!("bhyvectl({name}).destroy();\n"));
            }
            (written::WORD, [path, text, mode]) => {
                let path = self.words.values.get(*path).cloned().unwrap_or_else(|| quoted(path));
                // What only its owner may read stays so; else the umask of the run says it.
                let mode =
                    if mode.ends_with("00") { format!(", #{{ mode: {} }}", quoted(mode)) } else { String::new() };
                self.say(step.when, format!("write_file({path}, {}{mode});\n", quoted(text)));
            }
            ("truncate", _) if truncated(step.call.args()).is_some() => self.truncate(step),
            ("ifconfig", [_, "create"]) => self.tap(step),
            ("ifconfig", [bridge, "addm", member]) => {
                let member = self.words.values.get(*member).cloned().unwrap_or_else(|| quoted(member));
                self.say(step.when, format!("bridge({}).add({member});\n", quoted(bridge)));
            }
            ("ifconfig", words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                self.say(step.when, format!("ifconfig([{}]);\n", words.join(", ")));
            }
            (program, words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                let call = format!("run({}, [{}]);\n", quoted(program), words.join(", "));
                let gives_back = step.given_back_by.and_then(|back| self.steps.get(back));
                self.say(step.when, call);
                if let Some(back) = gives_back {
                    let words: Vec<String> = back.call.args().iter().map(|word| quoted(word)).collect();
                    let undo = format!("run({}, [{}])", quoted(back.call.program()), words.join(", "));
                    self.say(step.when, format!("defer(|| {undo});\n"));
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, when: When, text: String) {
        match self.lines.last_mut() {
            Some(last) if last.when == when && !last.apart => last.text += &text,
            _ => self.lines.push(Lines { when, text, apart: false }),
        }
    }

    fn truncate(&mut self, step: &Step) {
        let Some((length, path)) = truncated(step.call.args()) else { return };
        let length = length.parse().map_or_else(|_| quoted(length), |of: Size| size(of));
        let path = self.words.values.get(path).cloned().unwrap_or_else(|| quoted(path));
        self.say(step.when, format!("truncate({path}, {length});\n"));
    }

    /// A variable is seen only where it was made: a tap that depends on `init` has none.
    fn tap(&mut self, step: &Step) {
        let printed = step.call.output.trim();
        let name = step.call.args().first().map(String::as_str).unwrap_or_default();
        let name = if printed.is_empty() { name } else { printed };
        if step.when != When::Always {
            return self.say(step.when, format!("tap({});\n", quoted(name)));
        }
        self.taps.push(name.into());
        let variable = if self.taps.len() == 1 { "nic".to_string() } else { format!("nic{}", self.taps.len()) };
        self.say(step.when, format!("let {variable} = tap({});\n", quoted(name)));
        self.words.values.insert(name.into(), variable);
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
            self.loaders.push((name, step.when, loader));
        }
        is_booted
    }

    /// Gives a machine the loader that runs before it, where it is not left out.
    fn give_loader(&self, draft: &mut Draft, without: When) {
        let name = draft.name.as_ref().map(|name| name.as_str().to_string()).unwrap_or_default();
        let loader = self.loaders.iter().rfind(|(of, when, _)| *of == name && *when != without);
        draft.loader = loader.map(|(_, _, loader)| fitted(loader.clone(), draft));
    }

    fn boot(&mut self, step: &Step) -> Result<(), Vec<Diagnostic>> {
        let line = |without: When| {
            let parts = step.parts.iter().filter(|part| part.when != without);
            parts.flat_map(|part| part.words.clone()).collect::<Vec<String>>()
        };
        let (with, without) = (line(When::OnlyWithout), line(When::OnlyInit));
        let mut first = self.import(if step.when == When::OnlyWithout { &without } else { &with })?;
        let left_out = if step.when == When::OnlyWithout { When::OnlyInit } else { When::OnlyWithout };
        self.give_loader(&mut first.draft, left_out);
        self.addresses(&first.draft);
        let mut text = match step.when {
            When::Always if with != without || self.loads_otherwise(&first.draft) => {
                let mut second = self.import(&without)?;
                self.give_loader(&mut second.draft, When::OnlyInit);
                self.both(&first.draft, &second.draft)
            }
            _ => machine(&first.draft, &self.words),
        };
        let is_loaded = self.steps.iter().any(|step| ["bhyveload", "grub-bhyve"].contains(&step.call.program()));
        let unloaded = unloaded(&first.draft).filter(|_| !is_loaded);
        let remarks = first.remarks.iter().map(|(_, remark)| remark.as_str()).chain(unloaded);
        let remarks: String = remarks.map(|remark| comment(0, remark)).collect();
        text.insert_str(0, &remarks);
        self.lines.push(Lines { when: step.when, text, apart: true });
        Ok(())
    }

    /// Whether a machine is loaded in another way where it is not initialized.
    fn loads_otherwise(&self, draft: &Draft) -> bool {
        let name = draft.name.as_ref().map(crate::model::VmName::as_str).unwrap_or_default();
        self.loaders.iter().any(|(of, when, _)| of == name && *when != When::Always)
    }

    /// Two forms of one machine: in one description where only whole slots differ.
    fn both(&mut self, with: &Draft, without: &Draft) -> String {
        let mut all = with.clone();
        let mut conditions: BTreeMap<PciSlot, String> = BTreeMap::new();
        for slot in with.slots.keys().filter(|slot| !without.slots.contains_key(slot)) {
            conditions.insert(*slot, "init".into());
        }
        for (slot, device) in without.slots.iter().filter(|(slot, _)| !with.slots.contains_key(slot)) {
            conditions.insert(*slot, "!init".into());
            all.slots.insert(*slot, device.clone());
        }
        let mut rest = (with.clone(), without.clone());
        rest.0.slots.retain(|slot, _| !conditions.contains_key(slot));
        rest.1.slots.retain(|slot, _| !conditions.contains_key(slot));
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
        let block = |lines: &Lines| match lines.when {
            When::Always => format!("\n{}", lines.text),
            When::OnlyInit => format!("\nif init {{\n{}}}\n", indented(&lines.text)),
            When::OnlyWithout => format!("\nif !init {{\n{}}}\n", indented(&lines.text)),
        };
        self.lines.iter().map(block).collect()
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect()
}

/// Returns the machine that bhyvectl is told (bhyvectl(8)).
fn named<'a>(args: &[&'a str]) -> Option<&'a str> {
    args.iter().find_map(|arg| arg.strip_prefix("--vm="))
}

/// Returns size and file of `truncate -s SIZE FILE` (truncate(1)); a relative size is not one.
fn truncated(args: &[String]) -> Option<(&String, &String)> {
    match args {
        [flag, length, path] if flag == "-s" && !length.starts_with(['+', '-', '%', '/']) => Some((length, path)),
        _ => None,
    }
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
