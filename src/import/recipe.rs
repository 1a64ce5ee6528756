//! A whole recipe of a machine that was imported.

use super::expressions::{Words, size};
use super::layout::{Piece, comment, quoted};
use super::loader::unloaded;
use super::machine::machine;
use super::{Import, SourceKind, Tap};
use crate::model::device::Access;
use crate::model::{Device, Draft, IscsiDisk, Part};

/// Returns the text of a recipe that boots the machine that was read.
pub fn recipe(import: &Import) -> String {
    if let Some(prints) = &import.prints {
        let args = prints.args.iter().map(|arg| Piece::Text(quoted(arg))).collect();
        let remark = format!("There is no machine in it: bhyve prints {} and ends.", prints.what());
        let call = Piece::List(args).flat();
        return format!("{}{}\nrun(\"bhyve\", {call});\n", comment(0, &headline(import)), comment(0, &remark));
    }
    let draft = &import.draft;
    let mut words = Words { password: format!("secret({})", quoted(&import.secret)), ..Words::default() };
    let mut text = comment(0, &headline(import));
    for (_, remark) in import.remarks.iter().filter(|(slot, _)| slot.is_none_or(|s| !draft.slots.contains_key(&s))) {
        text += &comment(0, remark);
    }
    text += &unloaded(draft).map(|remark| comment(0, remark)).unwrap_or_default();
    let about = import.remarks.iter().filter_map(|(slot, remark)| Some(((*slot)?, remark)));
    words.remarks.extend(about.map(|(slot, remark)| (Part::Slot(slot), remark.clone())));
    words.remarks.extend(import.parts.iter().cloned());
    let (policy, disks) = (policy(import), disks(import, &mut words));
    let paragraphs = [policy, disks, taps(import, &mut words), before(import), machine(draft, &words)];
    for paragraph in paragraphs.iter().filter(|paragraph| !paragraph.is_empty()) {
        text += "\n";
        text += paragraph;
    }
    text
}

fn headline(import: &Import) -> String {
    let from = &import.from;
    match (import.kind, from.is_empty()) {
        (SourceKind::Bhyve, true) => "Made from a command line of bhyve.".into(),
        (SourceKind::Bhyve, false) => format!("Made from the command line of bhyve in {from}."),
        (SourceKind::Config, true) => "Made from a configuration of bhyve.".into(),
        (SourceKind::Config, false) => format!("Made from bhyve's configuration {from}."),
        (SourceKind::VmBhyve, _) => format!("Made from vm-bhyve's guest {from}."),
        (SourceKind::Qemu, true) => "Made from a command line of QEMU.".into(),
        (SourceKind::Qemu, false) => format!("Made from the command line of QEMU in {from}."),
        (SourceKind::Procstat, _) => "Made from what procstat shows of a bhyve that runs. Its command line is hidden: what is to be finished is marked.".into(),
        (SourceKind::Cbsd, true) => "Made from a guest of CBSD.".into(),
        (SourceKind::Cbsd, false) => format!("Made from CBSD's guest in {from}."),
        (SourceKind::Libvirt, true) => "Made from a domain of libvirt.".into(),
        (SourceKind::Libvirt, false) => format!("Made from libvirt's domain {from}."),
    }
}

/// Returns the paths of the disks that have a name in the recipe, each with its name.
pub(super) fn named_disks(import: &Import) -> Vec<(String, String)> {
    let mut paths: Vec<String> = Vec::new();
    for device in import.draft.slots.values() {
        for (_, _, path, access) in device.images() {
            let is_elsewhere = |path: &str| import.unknown_disks.contains_key(path) || import.iscsi.contains_key(path);
            let is_named = access == Access::ReadWrite || is_elsewhere(path.as_str());
            if is_named && !paths.iter().any(|known| known == path.as_str()) {
                paths.push(path.to_string());
            }
        }
    }
    let names = names("disk", paths.len());
    paths.into_iter().zip(names).collect()
}

/// Names the disks, and makes those whose sizes are known.
fn disks(import: &Import, words: &mut Words) -> String {
    let mut text = String::new();
    let mut made = String::new();
    for (path, name) in named_disks(import) {
        let value = match (import.unknown_disks.get(&path), import.iscsi.get(&path)) {
            (Some(_), _) => format!("param({}, {})", quoted(&name), quoted(&path)),
            (None, Some(IscsiDisk { target, lun: 0, .. })) => format!("iscsi({})", quoted(target.as_str())),
            (None, Some(IscsiDisk { target, lun, .. })) => {
                format!("iscsi({}, #{{ lun: {lun} }})", quoted(target.as_str()))
            }
            (None, None) => quoted(&path),
        };
        text.push_str(&format!("let {name} = {value};\n"));
        if let Some(of) = import.disks.get(&path) {
            made.push_str(&format!("    truncate({name}, {});\n", size(*of)));
        }
        if let (Some(volume), Some(name)) = (import.volumes.get(&path), path.strip_prefix("/dev/zvol/")) {
            let sparse = if volume.sparse { ", #{ sparse: true }" } else { "" };
            made.push_str(&format!("    storage::zvol({}, {}{sparse});\n", quoted(name), size(volume.size)));
        }
        words.values.insert(path, name);
    }
    if made.contains("storage::") {
        text.insert_str(0, "import \"std/disk\" as storage;\n\n");
    }
    if !made.is_empty() {
        text.push_str(&format!("\nif init {{\n{made}}}\n"));
    }
    text
}

/// Returns names for so many things: the name itself for one, else numbered from 1.
pub(super) fn names(name: &str, count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(move |number| if count == 1 { name.to_string() } else { format!("{name}{number}") })
}

/// Makes the taps and plugs them into their bridges.
fn taps(import: &Import, words: &mut Words) -> String {
    let unknown = Tap::default();
    let of = |name: &str| import.taps.get(name).unwrap_or(&unknown);
    let all = backends(&import.draft);
    let (made, there): (Vec<&str>, Vec<&str>) =
        all.iter().map(String::as_str).partition(|name| is_made(name, of(name)));
    let mut text = String::new();
    for name in there {
        text += &comment(0, &format!("{name} has to be there, and in its bridge: the recipe does not make it."));
    }
    for (name, variable) in made.iter().zip(names("nic", made.len())) {
        text.push_str(&format!("let {variable} = tap({});\n", quoted(name)));
        let Tap { bridge, role, .. } = of(name);
        match (bridge, role) {
            (None, _) => {
                text.push_str(&format!(
                    "// bridge(\"bridge0\").add({variable});  // to which bridge does it belong?\n"
                ));
            }
            (Some(bridge), Some("span")) => text += &ifconfig(bridge, "span", name),
            (Some(bridge), role) => {
                text.push_str(&format!("bridge({}).add({variable});\n", quoted(bridge)));
                text += &role.map(|role| ifconfig(bridge, role, name)).unwrap_or_default();
            }
        }
        words.values.insert((*name).to_string(), variable);
    }
    text
}

/// Says after which ends the machine is started again.
fn policy(import: &Import) -> String {
    let Some(on) = &import.restarts else { return String::new() };
    let words: Vec<String> = on.iter().map(|word| quoted(word)).collect();
    let often =
        "It is started again for ever there; vmrun ends that after 5 times within 10m, where `limit` says nothing.";
    let remark = if on.contains(&"crash") { comment(0, often) } else { String::new() };
    format!("{remark}restart(#{{ on: [{}] }});\n", words.join(", "))
}

/// Runs what is to run before each boot.
fn before(import: &Import) -> String {
    let call = |argv: &Vec<String>| {
        let (program, args) = argv.split_first()?;
        let args = Piece::List(args.iter().map(|arg| Piece::Text(quoted(arg))).collect()).flat();
        Some(format!("run({}, {args}, #{{ each_boot: true }});\n", quoted(program)))
    };
    import.before.iter().filter_map(call).collect()
}

fn ifconfig(bridge: &str, role: &str, tap: &str) -> String {
    format!("ifconfig([{}, {}, {}]);\n", quoted(bridge), quoted(role), quoted(tap))
}

/// Returns the taps of the cards, in the order of their slots, each once.
fn backends(draft: &Draft) -> Vec<String> {
    let tap = |device: &Device| device.tap().map(ToString::to_string);
    let mut all: Vec<String> = Vec::new();
    for name in draft.slots.values().filter_map(tap) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// Whether a recipe makes a tap.
pub(super) fn is_made(name: &str, tap: &Tap) -> bool {
    is_numbered(name) && !tap.is_there
}

/// ifconfig(8) makes a tap of such a name; others were renamed.
fn is_numbered(name: &str) -> bool {
    let number = name.strip_prefix("tap").or_else(|| name.strip_prefix("vmnet"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
