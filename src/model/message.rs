//! What a hypervisor says when it does not get as far as running a guest: known messages, and what to do about each.

use super::device::Counterpart;
use super::value::Tty;
use super::{Device, Machine, Part, PciSlot, Value};

/// What a known message is about, where it names nothing that the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The machine as a whole.
    Machine,
    /// One of its keys.
    Key(&'static str),
    /// Its network cards.
    Cards,
    /// Its frame buffer.
    Screen,
    /// Its devices of the host.
    Passthru,
}

/// A message of a hypervisor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// What a line has to hold, all of it.
    pub says: &'static [&'static str],
    /// Which part of the machine the fault is shown at.
    pub about: About,
    /// What to do; `NAME` stands for the machine's.
    pub hint: &'static str,
}

/// A line that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explained {
    /// The hypervisor's line, as it wrote it.
    pub line: String,
    /// What to do.
    pub hint: String,
    /// The part of the machine that it is about.
    pub part: Part,
}

/// Returns the first line that is known, and what of the machine it is about: what the line names, else what such lines mean.
pub(crate) fn explain(table: &[Known], lines: &[String], machine: &Machine) -> Option<Explained> {
    let row_of = |line: &String| table.iter().find(|known| known.says.iter().all(|word| line.contains(word)));
    let at = lines.iter().position(|line| row_of(line).is_some())?;
    let line = lines.get(at)?;
    let known = row_of(line)?;
    // QEMU names the image in the line after.
    let named = || lines.iter().skip(at).take(2).find_map(|line| named_in(line, machine));
    let part = named().unwrap_or_else(|| part(known.about, machine));
    Some(Explained { line: line.clone(), hint: known.hint.replace("NAME", machine.name().as_str()), part })
}

/// The option whose value the line has.
fn named_in(line: &str, machine: &Machine) -> Option<Part> {
    let has = |text: &str| {
        line.split([' ', '"', '\'', '[', ']', '(', ')', ',']).any(|word| {
            let word = word.trim_end_matches(':');
            word == text || word.strip_prefix("/dev/") == Some(text)
        })
    };
    if machine.bootrom().is_some_and(|rom| has(rom.code.as_str())) {
        return Some(Part::Key("bootrom"));
    }
    machine.devices().find_map(|(slot, device)| {
        let is_named = |value: &Value| matches!(value, Value::Path(_) | Value::Backend(_)) && has(&value.to_string());
        let item = device.items().iter().find(|item| is_named(&item.value))?;
        Some(Part::option(slot, item.number, item.parameter.name))
    })
}

fn is_tcp((_, _, tty): &(Part, String, &Tty)) -> bool {
    matches!(tty, Tty::Tcp(_))
}

fn part(about: About, machine: &Machine) -> Part {
    let only = |meant: &dyn Fn(&Device) -> bool| {
        let mut slots = machine.devices().filter(|(_, device)| meant(device)).map(|(slot, _)| slot);
        slots.next().filter(|_| slots.next().is_none())
    };
    let slot = |slot: Option<PciSlot>| slot.map_or(Part::Whole, Part::Slot);
    match about {
        About::Machine => Part::Whole,
        About::Key(key) => Part::Key(key),
        About::Cards => slot(only(&|device| device.backend().is_some())),
        // A debugger and a serial port may listen as well, and no message says who it was.
        About::Screen if machine.value("gdb.port").is_some() || machine.every_tty().iter().any(is_tcp) => Part::Whole,
        About::Screen => slot(only(&|device| device.kind().counterpart == Counterpart::Screen)),
        About::Passthru => slot(only(&|device| device.kind().name == "passthru")),
    }
}

/// Tells what is known of lines: the part, and the hint.
#[cfg(test)]
pub(crate) fn explained_in_tests(table: &[Known], lines: &[&str], draft: super::Draft) -> String {
    let draft = super::Draft { name: "lab".parse().ok(), ..draft };
    let machine = draft.check().unwrap_or_else(|faults| panic!("{faults:?}"));
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    match explain(table, &lines, &machine) {
        Some(Explained { hint, part: Part::Slot(slot), .. }) => format!("slot {slot}: {hint}"),
        Some(Explained { hint, part: Part::Option(slot, name), .. }) => format!("{name} of slot {slot}: {hint}"),
        Some(Explained { hint, part: Part::Key(key), .. }) => format!("{key}: {hint}"),
        Some(Explained { hint, .. }) => format!("machine: {hint}"),
        None => "nothing".into(),
    }
}
