//! What a text says, or everything that is wrong with it, each fault at its place.

mod managed;

use super::flags::{contradiction, overridden, today};
use super::loader::fitted;
use super::loads::{Files, is_bhyve};
use super::words::{Word, spans};
use super::{
    Import, ImportOptions, Prints, SourceKind, Tap, cbsd, kind, libvirt, parts, place, procstat, qemu, source,
};
use crate::bhyve::command::{self, Reading, Refusal};
use crate::bhyve::config;
use crate::bhyve::config::expand;
use crate::bhyve::tree::{Tree, is_secret};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Diagnostic, Fault, Place, Source};
use crate::model::device::KINDS;
use crate::model::fwcfg::FwContent;
use crate::model::parameter::Parameter;
use crate::model::tree::is_key;
use crate::model::value::PASSWORD_MAX;
use crate::model::{Arch, Draft, Feature, FwItem, Loader, Part, PciSlot, Size, Target, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

/// What a machine says, in the form that all sources come to.
#[derive(Default)]
struct Basis {
    tree: Tree,
    items: Vec<(FwItem, Option<Place>)>,
    /// Where each key was said.
    places: BTreeMap<String, Place>,
    /// Where the machine as a whole is.
    whole: Option<Place>,
    remarks: Vec<(Option<PciSlot>, String)>,
    /// What is printed instead of running a machine.
    prints: Option<Prints>,
    /// What loads the guest before bhyve runs.
    loader: Option<Loader>,
}

/// Reads a machine from a text, or says everything that is wrong with it. `name` is the source's, for messages and for the
/// guest of vm-bhyve that it is; `files` gives the text of a file that `-k` or `-f` names, or nothing if it cannot be read.
///
/// Nothing of a password is in what comes back.
pub fn read(name: &str, text: &str, given: &ImportOptions, files: Files<'_>) -> Result<Import, Vec<Diagnostic>> {
    // A mark of the byte order says nothing.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let kind = given.kind.map_or_else(|| kind::of(text), Ok);
    let kind = kind.map_err(|fault| vec![Diagnostic::error(fault.context(name))])?;
    let shown = source(name, text, kind);
    let own = |from: &str| {
        let stem = from.rsplit('/').next().unwrap_or(from);
        if from.starts_with('<') { String::new() } else { stem.to_string() }
    };
    let mut import = Import {
        kind,
        from: own(name),
        draft: Draft { target: given.target, ..Draft::default() },
        tree: Tree::new(),
        items: Vec::new(),
        password: None,
        taps: BTreeMap::new(),
        disks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        remarks: Vec::new(),
        parts: Vec::new(),
        unknown_disks: BTreeMap::new(),
        iscsi: BTreeMap::new(),
        before: Vec::new(),
        restarts: None,
        notes: Vec::new(),
        secret: if given.secret.is_empty() { "vnc".into() } else { given.secret.clone() },
        warnings: Vec::new(),
        prints: None,
    };
    let basis = match kind {
        SourceKind::Bhyve => commands(&shown, text, given.target, files, &mut import)?,
        SourceKind::Config => configuration(&shown, text)?,
        SourceKind::VmBhyve => managed::guest(&shown, text, given, files, &mut import)?,
        SourceKind::Libvirt => {
            let read = libvirt::read(text, &given.taken, &given.bridges);
            managed::translated(&shown, "as libvirt runs it", read, given, files, &mut import)?
        }
        SourceKind::Cbsd => {
            let read = cbsd::read(text, &given.taken);
            managed::translated(&shown, "as CBSD runs it", read, given, files, &mut import)?
        }
        SourceKind::Qemu => {
            managed::translated(&shown, "as bhyve would run it", qemu::read(text), given, files, &mut import)?
        }
        SourceKind::Procstat => {
            let read = procstat::read(text).map_err(|fault| vec![fault]);
            managed::translated(&shown, "as far as it is known", read, given, files, &mut import)?
        }
    };
    import.fill(basis)
}

fn error(fault: Fault, place: Option<Place>) -> Diagnostic {
    Diagnostic { place, ..Diagnostic::error(fault) }
}

/// Says a fault in one line.
fn with_hint(fault: &Fault) -> String {
    let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}{hint}", fault.message)
}

/// Reads a text for the shell. A line that is none, and is a command line of bhyve at its blanks alone, is read as that.
fn commands(
    shown: &Rc<Source>,
    text: &str,
    target: Target,
    files: Files<'_>,
    import: &mut Import,
) -> Result<Basis, Vec<Diagnostic>> {
    let faults = match command_line(shown, text, target, files, import) {
        Ok(basis) => return Ok(basis),
        Err(faults) => faults,
    };
    let Some((words, cut)) = kind::unquoted_command(text) else { return Err(faults) };
    let args: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
    let span = |at: usize| words.get(at).map(|word: &Word| word.span.clone());
    let Ok(basis) = arguments(shown, &args, span, target, files) else { return Err(faults) };
    let what = text.get(cut.clone()).unwrap_or_default();
    let fault =
        Fault::new(format!("the line is read at its blanks alone: the shell would end the command at `{what}`"));
    let hint = "put the word in quotes where it is for the shell";
    import.warnings.push(Diagnostic { place: place(shown, cut), ..Diagnostic::warning(fault.hint(hint)) });
    Ok(basis)
}

fn command_line(
    shown: &Rc<Source>,
    text: &str,
    target: Target,
    files: Files<'_>,
    import: &mut Import,
) -> Result<Basis, Vec<Diagnostic>> {
    let found = kind::command(text).map_err(|(span, fault)| vec![error(fault, place(shown, span))])?;
    let args: Vec<String> = found.words.iter().map(|word| word.text.clone()).collect();
    let mut basis =
        arguments(shown, &args, |at| found.words.get(at).map(|word: &Word| word.span.clone()), target, files)?;
    let loader = found.loads.of(basis.tree.get("name").unwrap_or_default(), text, files);
    let (loader, with_hint) = loader.map_err(|(span, fault)| vec![error(fault, place(shown, span))])?;
    basis.loader = loader;
    basis.remarks.extend(with_hint.into_iter().map(|remark| (None, remark)));
    for (tap, bridge) in found.bridges {
        import.taps.insert(tap, Tap { bridge: Some(bridge), ..Tap::default() });
    }
    basis.remarks.extend(found.remarks.into_iter().map(|remark| (None, remark)));
    Ok(basis)
}

/// Reads bhyve's arguments; `span` tells where each of them stands.
fn arguments(
    shown: &Rc<Source>,
    args: &[String],
    span: impl Fn(usize) -> Option<Range<usize>>,
    target: Target,
    files: Files<'_>,
) -> Result<Basis, Vec<Diagnostic>> {
    let (kept, notes) = today(args);
    let at = |arg: usize| kept.get(arg).and_then(|arg| span(*arg)).and_then(|span| place(shown, span));
    let args: Vec<String> = kept.iter().filter_map(|arg| args.get(*arg).cloned()).collect();
    let args = args.as_slice();
    // The recipe names a file of `-f`: it need not be here.
    let is_item =
        |path: &str| args.iter().any(|arg| arg.strip_suffix(path).is_some_and(|head| head.ends_with(",file=")));
    let files = |path: &str| files(path).or_else(|| is_item(path).then(String::new));
    let refused = |refusals: Vec<Refusal>| refusals.into_iter().map(|refusal| error(refusal.fault, at(refusal.arg)));
    let Reading { tree, origins, fw_cfg, help, warnings } =
        command::read(args, target, &files).map_err(|refusals| refused(refusals).collect::<Vec<_>>())?;
    if let Some(help) = help {
        let args = args.iter().skip(usize::from(args.first().is_some_and(|word| is_bhyve(word)))).cloned().collect();
        return Ok(Basis { prints: Some(Prints { help, args }), ..Basis::default() });
    }
    let mut faults: Vec<Diagnostic> =
        contradiction(args).map(|(fault, arg)| error(fault, at(arg))).into_iter().collect();
    faults.extend(overridden(args).into_iter().map(|(fault, arg)| error(fault, at(arg))));
    let mut items = Vec::new();
    for item in fw_cfg {
        let content = match &item.file {
            Some(path) => path.parse().map(FwContent::File),
            None => Ok(FwContent::Text(item.content)),
        };
        match content.and_then(|content| FwItem::new(&item.name, content)) {
            Ok(made) => items.push((made, at(item.arg))),
            Err(fault) => faults.push(error(fault, at(item.arg))),
        }
    }
    let warned = warnings.iter().map(|one| (one.slot, with_hint(&one.fault)));
    let remarks = notes.into_iter().map(|note| (None, note)).chain(warned).collect();
    let places = origins.into_iter().filter_map(|(key, arg)| Some((key, at(arg)?))).collect();
    let basis = Basis { tree, items, places, whole: at(0), remarks, prints: None, loader: None };
    if faults.is_empty() { Ok(basis) } else { Err(faults) }
}

fn configuration(shown: &Rc<Source>, text: &str) -> Result<Basis, Vec<Diagnostic>> {
    let spans: Vec<Range<usize>> = spans(text).collect();
    let at = |line: usize| spans.get(line.saturating_sub(1)).and_then(|span| place(shown, span.clone()));
    if let Some(span) = spans.iter().find(|span| text.get(span.end..).is_some_and(|rest| rest.starts_with('\r'))) {
        let fault = Fault::new("the line ends with a carriage return, which bhyve takes for a part of the value");
        return Err(vec![error(
            fault.hint("give the file the ends of lines that FreeBSD has"),
            place(shown, span.clone()),
        )]);
    }
    let mut tree = Tree::new();
    config::read(text, &mut tree, &shown.name)
        .map_err(|faults| faults.into_iter().map(|(line, fault)| error(fault, at(line))).collect::<Vec<_>>())?;
    let mut places = BTreeMap::new();
    let mut remarks = Vec::new();
    for (line, span) in spans.iter().enumerate() {
        let Some((key, _)) = text.get(span.clone()).and_then(|line| line.split_once('=')) else { continue };
        let Some(place) = at(line + 1).filter(|_| !key.starts_with('#')) else { continue };
        if let Some(earlier) = places.insert(key.to_string(), place) {
            let (earlier, _): (usize, usize) = Place::line_column(&earlier);
            remarks.push((None, format!("line {} overrides line {earlier}: both set `{key}`", line + 1)));
        }
    }
    Ok(Basis { tree, places, remarks, ..Basis::default() })
}

/// What stands in the place of a password.
const PLACEHOLDER: &str = "absent";

impl Import {
    /// Returns the entries of a tree with what their variables stand for, and what is wrong with them; passwords have a placeholder.
    fn expanded(
        &mut self,
        tree: &Tree,
        variables: &BTreeSet<String>,
        place: &dyn Fn(&str) -> Option<Place>,
    ) -> (Vec<(String, String)>, Vec<Diagnostic>) {
        let target = self.draft.target;
        let (mut entries, mut faults) = (Vec::new(), Vec::new());
        for (key, value) in tree.entries() {
            let at = || place(key);
            if is_secret(key) {
                faults.extend(self.password(expand(tree, value).text.len(), key, at()));
                entries.push((key.to_string(), PLACEHOLDER.to_string()));
                continue;
            }
            if variables.contains(key) {
                self.remarks.push((None, format!("{key} is only for other keys, which hold what it stands for")));
                continue;
            }
            let expanded = expand(tree, value);
            self.remarks
                .extend(expanded.warnings.iter().map(|fault| (slot_of(key), format!("{key}: {}", with_hint(fault)))));
            faults.extend(foreign(tree, key, target).map(|fault| error(fault, at())));
            entries.push((key.to_string(), expanded.text));
        }
        (entries, faults)
    }

    /// Notes how long a password is, in bytes; returns what is wrong with that.
    fn password(&mut self, bytes: usize, key: &str, place: Option<Place>) -> Option<Diagnostic> {
        self.password = Some(bytes);
        if bytes == 0 {
            let fault = Fault::new(format!("`{key}` is empty"));
            return Some(error(fault.hint("leave it out, or give a password of at most eight bytes"), place));
        }
        if bytes <= PASSWORD_MAX {
            return None;
        }
        if ![SourceKind::VmBhyve, SourceKind::Cbsd].contains(&self.kind) {
            return Some(error(too_long(bytes), place));
        }
        self.warnings.push(Diagnostic { place, ..Diagnostic::warning(too_long(bytes)) });
        None
    }

    /// Keeps what the key says that has bhyve print its configuration and end; returns what is wrong with its value.
    fn dumped(&mut self, tree: &Tree, dump: &str, draft: &mut Draft) -> Option<Fault> {
        draft.options.push(("config.dump".into(), dump.into()));
        let remark = "with `config.dump` bhyve prints its configuration and ends: without that line the machine runs";
        self.remarks.extend(is_on(tree, "config.dump").then(|| (None, remark.to_string())));
        Type::Flag.read(&expand(tree, dump).text).err()
    }

    /// Makes the machine of what was said, or tells everything that is wrong with it.
    fn fill(mut self, basis: Basis) -> Result<Self, Vec<Diagnostic>> {
        let target = self.draft.target;
        let Basis { mut tree, items, places, whole, remarks, prints, loader } = basis;
        self.remarks.extend(remarks);
        if prints.is_some() {
            self.prints = prints;
            return Ok(self);
        }
        if self.kind == SourceKind::Config && is_on(&tree, "config.dump") {
            // What bhyve prints of a configuration says that it was printed.
            tree.remove("config.dump");
            self.remarks
                .push((None, "`config.dump` is left out: with it bhyve prints its configuration and ends".into()));
        }
        let variables = variables(&tree);
        let place = |key: &str| places.get(key).cloned().or_else(|| whole.clone());
        let (entries, mut faults) = self.expanded(&tree, &variables, &place);
        let (mut draft, wrong) = Draft::from_entries(entries.iter().cloned());
        (draft.target, draft.limits) = (target, self.draft.limits);
        if let Some(dump) = tree.get("config.dump") {
            let wrong = self.dumped(&tree, dump, &mut draft);
            faults.extend(wrong.map(|fault| error(fault, place("config.dump"))));
        }
        draft.loader = loader.map(|loader| fitted(loader, &draft));
        self.items = items.iter().map(|(item, _)| item.clone()).collect();
        draft.fw_items.clone_from(&self.items);
        if tree.get("memory.size").is_none() {
            draft.memory = domains(&draft).unwrap_or(draft.memory);
        }
        let near = |key: &str| near(&places, key).or_else(|| whole.clone());
        let mut failed: Vec<String> = wrong.iter().map(|(key, _)| key.clone()).collect();
        failed.extend(
            entries.iter().filter(|(key, _)| foreign(&tree, key, target).is_some()).map(|(key, _)| key.clone()),
        );
        faults.extend(wrong.into_iter().map(|(key, fault)| error(fault, near(&key))));
        let item = items.first().and_then(|(_, place)| place.clone());
        let of = |part: &Part| match parts::keys(&draft, part).iter().find_map(|key| exact(&places, key)) {
            None if *part == Part::Key("fw_cfg") => item.clone().or_else(|| whole.clone()),
            place => place.or_else(|| whole.clone()),
        };
        if let Err(wrong) = draft.clone().check() {
            let sure = wrong.into_iter().filter(|(part, _)| !parts::is_doubtful(part, &failed));
            faults.extend(sure.map(|(part, fault)| error(fault, of(&part))));
        }
        for (key, value) in tree.entries().filter(|(key, _)| !is_secret(key) && !variables.contains(*key)) {
            self.tree.set_literal(key, &expand(&tree, value).text).may_fail("the key was in a tree");
        }
        self.draft = draft;
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }
}

/// Returns the keys that bhyve does not read, and that others refer to (bhyve_config(5)).
fn variables(tree: &Tree) -> BTreeSet<String> {
    let names = |(key, value): (&str, &str)| {
        let parts = value.split("%(").skip(1);
        let names = parts.filter_map(|part| part.split_once(')').map(|(name, _)| name.to_string()));
        names.filter(|name| name != key && !is_key(name)).collect::<Vec<_>>()
    };
    tree.entries().flat_map(names).collect()
}

fn is_on(tree: &Tree, key: &str) -> bool {
    let value = tree.get(key).map(|value| expand(tree, value).text.to_ascii_lowercase());
    value.is_some_and(|value| !["false", "off", "no", "0"].contains(&value.as_str()))
}

fn too_long(bytes: usize) -> Fault {
    let message = format!("the password has {bytes} bytes, of which VNC uses {PASSWORD_MAX}");
    Fault::new(message).hint("set the secret to its first eight bytes, or choose another")
}

/// The sum of the domains is the memory, whatever `-m` says (bhyve(8), `-n`).
fn domains(draft: &Draft) -> Option<Size> {
    let sizes: Option<Vec<u64>> = draft.domains.values().map(|domain| domain.size.map(Size::get)).collect();
    let sizes = sizes.filter(|sizes| !sizes.is_empty())?;
    sizes.into_iter().try_fold(0_u64, u64::checked_add).map(Size::bytes)
}

/// Returns what is wrong with a key that another bhyve reads.
fn foreign(tree: &Tree, key: &str, target: Target) -> Option<Fault> {
    let old = !target.has(Feature::BootromKeys) && target.arch == Arch::Amd64;
    let name = key.strip_prefix("lpc.").unwrap_or(key);
    let wrong = match (key, target.arch) {
        ("bootrom" | "bootvars", _) => old,
        ("lpc.bootrom" | "lpc.bootvars", arch) => arch != Arch::Amd64,
        _ => false,
    };
    let right = if old { format!("lpc.{name}") } else { name.to_string() };
    let right = if wrong { Some(right) } else { renamed(tree, key, target) };
    let fault = || Fault::new(format!("bhyve of {} on {} does not read `{key}`", target.release, target.arch));
    right.map(|right| fault().hint(format!("write `{right}`")))
}

/// Returns the name that a key of a device has in the release, where another one calls it so.
fn renamed(tree: &Tree, key: &str, target: Target) -> Option<String> {
    let node = key.match_indices('.').nth(3).map(|(at, _)| key.split_at(at + 1));
    let (node, own) = node.filter(|(node, _)| node.starts_with("pci."))?;
    let name = tree.get(&format!("{node}device"))?;
    let kind = KINDS.iter().find(|kind| kind.device == name && kind.implied.is_empty())?;
    let has = |parameter: &&Parameter| parameter.renamed.is_some() && parameter.keys().any(|key| key == own);
    let parameter = kind.given.iter().find(has)?;
    let right = parameter.key_for(target);
    (right != own).then(|| format!("{node}{right}"))
}

/// Returns the slot whose device has a value.
fn slot_with(tree: &Tree, value: &str) -> Option<PciSlot> {
    tree.entries().find(|(key, text)| *text == value && key.starts_with("pci.")).and_then(|(key, _)| slot_of(key))
}

fn slot_of(key: &str) -> Option<PciSlot> {
    let mut parts = key.strip_prefix("pci.")?.split('.');
    let (bus, slot, function) = (parts.next()?, parts.next()?, parts.next()?);
    format!("{bus}:{slot}:{function}").parse().ok()
}

/// Returns where a key was said; one that ends in a dot stands for all below it.
fn exact(places: &BTreeMap<String, Place>, key: &str) -> Option<Place> {
    let below =
        || places.range(key.to_string()..).next().filter(|(found, _)| key.ends_with('.') && found.starts_with(key));
    places.get(key).or_else(|| below().map(|(_, place)| place)).cloned()
}

/// Returns where a key was said, or else one that shares most of its node.
fn near(places: &BTreeMap<String, Place>, key: &str) -> Option<Place> {
    let mut node = key;
    exact(places, key).or_else(|| {
        while let Some((above, _)) = node.rsplit_once('.') {
            node = above;
            if let Some(place) = exact(places, &format!("{node}.")) {
                return Some(place);
            }
        }
        None
    })
}
