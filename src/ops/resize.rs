//! A disk of a machine gets larger, and its recipe says so: by the literal that says the size, which rehearsals find.

use super::declared_size::{of_step, size_of};
use super::installation::{Foreseen, Installation, read};
use super::machine_disks::{MachineDisk, MachineDisks};
use super::{settings, stopped};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Diagnostic, Fault, Place, suggest};
use crate::host::disks::DiskChange;
use crate::host::files;
use crate::host::growth::{self, Ungrown};
use crate::host::live_disk::LiveDisk;
use crate::host::system::System;
use crate::host::volumes;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Facts as _, Host};
use crate::image::content::Content;
use crate::model::volume::DiskPlace;
use crate::model::{Argv, Size, VmName};
use crate::script::Recipe;
use crate::script::edit::{self, SizeLiteral};
use crate::supervise::recovery;
use std::path::{Path, PathBuf};

/// How many literals of one size are tried whether they are the disk's.
const LITERALS: usize = 32;

/// A disk that gets larger, once all of it was checked.
pub(crate) struct Resize {
    /// The disk, as it is said.
    pub(crate) disk: String,
    /// Its size now.
    pub(crate) now: Size,
    /// Its size afterwards.
    pub(crate) size: Size,
    /// What its recipe says of it.
    pub(crate) said: Said,
    machine: MachineDisks,
    path: PathBuf,
    change: Option<DiskChange>,
    /// What has it open, if the machine runs.
    live: Option<LiveDisk>,
    host: System,
}

/// What a recipe says of the size of a disk.
pub(crate) enum Said {
    /// Nothing: a path alone.
    Nothing,
    /// The size that it gets.
    Already,
    /// Another size, by a literal.
    Literal(Correction),
    /// Another size, by what is no literal; where, if it is in a text of one's own.
    Computed(Size, Option<Place>),
}

/// A literal of a recipe and what takes its place.
pub(crate) struct Correction {
    /// Where it stands: the recipe, and the line from 1 on.
    pub(crate) at: (PathBuf, usize),
    /// What stands there.
    pub(crate) old: String,
    /// What is to stand there.
    pub(crate) new: String,
    before: String,
    after: String,
}

impl Resize {
    /// Looks a disk of a machine up, and checks everything.
    ///
    /// # Errors
    /// There is no such disk, it cannot have that size, or its machine runs.
    pub(crate) fn of(name: &str, disk: &str, size: Size) -> Result<Self, Vec<Diagnostic>> {
        let installation = Installation::open()?;
        let machine = MachineDisks::of(&installation, name)?;
        let host = settings::host(false)?;
        let found = chosen(&machine, disk)?;
        let (shown, place) = (shown(&found.place), found.place.clone());
        if found.only_reads {
            let fault = Fault::new(format!("{} only reads {shown}", machine.name()));
            return Err(fault.hint("its size is up to whoever makes it").into());
        }
        let path = place.path().to_path_buf();
        let live = live(&host, machine.name(), &path);
        let against = stopped::against(&host, machine.name(), std::slice::from_ref(&path));
        if let Some(fault) = against.filter(|_| live.is_none()) {
            return Err(fault.into());
        }
        let (now, change) = grown(&host, &place, size)?;
        let now = live.as_ref().map_or(now, |live| live.size.min(now));
        let said = said(&installation, &machine, &path, size)?;
        Ok(Self { disk: shown, now, size, said, machine, path, change, live, host })
    }

    /// Returns the commands that do the same; what is left of it is told to QEMU.
    pub(crate) fn commands(&self) -> Vec<Argv> {
        self.own_change().iter().flat_map(DiskChange::commands).collect()
    }

    /// Returns what is told to QEMU where the machine runs, and where.
    pub(crate) fn told(&self) -> Option<String> {
        self.live.as_ref().filter(|_| !self.is_there()).map(|live| live.told(self.size))
    }

    /// Whether the disk has that size already.
    pub(crate) fn is_there(&self) -> bool {
        self.change.is_none() && self.live.as_ref().is_none_or(|live| live.size == self.size)
    }

    /// Returns what is done to the disk here: of a guest that runs its QEMU has the file grow, in the call by which the guest hears of it.
    fn own_change(&self) -> Option<DiskChange> {
        self.change.clone().filter(|change| self.live.is_none() || !matches!(change, DiskChange::ResizeFile { .. }))
    }

    /// Writes the size into the recipe if that is wanted, and has the disk grow. Whoever dies in between leaves a recipe that has the
    /// disk grown by the next start.
    pub(crate) fn perform(mut self, edits: bool) -> Result<(), Vec<Diagnostic>> {
        let correction = match &self.said {
            Said::Literal(correction) if edits => Some(correction),
            Said::Computed(size, place) if edits => {
                let fault = Fault::new(format!("the recipe says {size} of {} by no literal", self.disk));
                let fault = fault.hint(format!("write {} there by hand, and call this without --edit", self.size));
                let diagnostic = Diagnostic::error(fault);
                return Err(vec![match place {
                    Some(place) => diagnostic.at(place.clone()),
                    None => diagnostic,
                }]);
            }
            Said::Nothing | Said::Already | Said::Literal(_) | Said::Computed(..) => None,
        };
        let (change, size) = (self.own_change(), self.size);
        let live = self.live.as_ref().filter(|_| !self.is_there());
        let grow = |host: &mut dyn Host| {
            correction.map_or(Ok(()), Correction::write)?;
            let changed = change.map_or(Ok(()), |change| host.perform(&Effect::Disk(Box::new(change))).map(drop));
            changed.and_then(|()| live.map_or(Ok(()), |live| live.grow(size))).inspect_err(|_| {
                let taken_back = correction.map_or(Ok(()), Correction::take_back);
                taken_back.may_fail("the fault that matters is that of the disk, which the next start grows then");
            })
        };
        match &self.live {
            Some(_) => grow(&mut self.host)?,
            None => stopped::hold(&mut self.host, self.machine.name(), std::slice::from_ref(&self.path), grow)?,
        }
        Ok(())
    }
}

impl Correction {
    fn write(&self) -> Result<(), Fault> {
        Self::replace(&self.at.0, &self.before, &self.after)
    }

    fn take_back(&self) -> Result<(), Fault> {
        Self::replace(&self.at.0, &self.after, &self.before)
    }

    /// Replaces the text of a recipe, unless somebody has changed it meanwhile.
    fn replace(path: &Path, before: &str, after: &str) -> Result<(), Fault> {
        let is_it = files::read_text(path).map_err(files::io_fault("read", path))? == before;
        if !is_it {
            let fault = Fault::host(format!("{} was changed meanwhile", path.display()));
            return Err(fault.hint("call it again"));
        }
        files::rewrite(path, after)
    }
}

/// Returns the disk of a machine that runs here under a QEMU that tells of it: one of elsewhere may have another file of that path.
fn live(host: &System, name: &VmName, path: &Path) -> Option<LiveDisk> {
    let owner = recovery::holder(host, name)?;
    if owner.is_some_and(|owner| owner.is_elsewhere(|| host.processes().space())) {
        return None;
    }
    LiveDisk::of(host.settings(), name, path)
}

/// Returns a disk as it is said: of a volume its name.
fn shown(place: &DiskPlace) -> String {
    match place {
        DiskPlace::Volume(name, _) => name.to_string(),
        DiskPlace::File(path) | DiskPlace::Device(path) => path.display().to_string(),
    }
}

/// Finds a disk by its path, its file's name, its volume's name or its slot.
fn chosen<'a>(machine: &'a MachineDisks, wanted: &str) -> Result<&'a MachineDisk, Fault> {
    let whole = files::whole(Path::new(""), Path::new(wanted));
    let port = |disk: &MachineDisk| disk.port.map(|port| format!("{}.{port}", disk.slot));
    let is_slot = |disk: &MachineDisk| disk.slot.to_string() == wanted || port(disk).as_deref() == Some(wanted);
    let file_name = |disk: &MachineDisk| disk.place.path().file_name().map(|name| name.to_string_lossy().into_owned());
    let is_it = |disk: &&MachineDisk| {
        disk.place.path() == whole
            || shown(&disk.place) == wanted
            || file_name(disk).as_deref() == Some(wanted)
            || is_slot(disk)
    };
    let found: Vec<&MachineDisk> = machine.disks.iter().filter(is_it).collect();
    let name = machine.name();
    if let [only] = found.as_slice() {
        return Ok(only);
    }
    let candidates = if found.is_empty() { machine.disks.iter().collect() } else { found.clone() };
    let described = |disk: &&MachineDisk| format!("{} (slot {})", shown(&disk.place), disk.slot);
    let all: Vec<String> = candidates.iter().map(described).collect();
    let list = suggest::list(all.iter().map(String::as_str));
    if !found.is_empty() {
        return Err(Fault::usage(format!("{name} has several disks {wanted}")).hint(format!("name the path: {list}")));
    }
    let fault = Fault::usage(format!("{name} has no disk {wanted}"));
    let known: Vec<String> =
        machine.disks.iter().flat_map(|disk| [Some(shown(&disk.place)), file_name(disk)]).flatten().collect();
    let near = suggest::did_you_mean(wanted, known.iter().map(String::as_str));
    Err(fault.maybe_hint(near.or_else(|| (!all.is_empty()).then(|| format!("it has {list}")))))
}

/// Returns the size of a disk, and what makes it larger.
fn grown(host: &dyn Host, place: &DiskPlace, size: Size) -> Result<(Size, Option<DiskChange>), Fault> {
    let shown = shown(place);
    let missing = || Fault::host(format!("the disk {shown} is not there")).hint("start its machine with --init first");
    let (now, change) = match place {
        DiskPlace::Device(path) => {
            let fault = Fault::new(format!("{} is a device, and has the size that it has", path.display()));
            return Err(fault.hint("what provides it makes it larger"));
        }
        DiskPlace::Volume(name, device) => {
            let fact = volumes::volume(host, name)?.ok_or_else(missing)?;
            (fact.size, growth::of_volume(host, name, device, &fact, size, true))
        }
        DiskPlace::File(path) => {
            let fact = host.file(path).ok_or_else(missing)?;
            let Some(now) = fact.size.filter(|_| !fact.is_folder) else {
                return Err(Fault::new(format!("{shown} is no file")).hint("correct the path in the recipe"));
            };
            // What is empty would be cut off without a word: it is larger all the same.
            let smaller = || Fault::new(format!("{shown} has {}: {size} would be less", now.rough()));
            let against = (now > size).then(|| Ungrown::Smaller(smaller(), now));
            (now, against.map_or_else(|| growth::of_file(host, path, now, fact.has_data, size), Err))
        }
    };
    match change {
        Ok(change) => Ok((now, change)),
        Err(Ungrown::Smaller(fault, _)) => Err(fault.hint(
            "a disk only gets larger here; to have a smaller one, make it and copy what is on it from within the guest",
        )),
        Err(Ungrown::Content(content)) => Err(of_content(&shown, content, size)),
        Err(Ungrown::Size(fault) | Ungrown::Disk(fault)) => Err(fault),
    }
}

/// The fault of an image whose content says how large its disk is.
fn of_content(shown: &str, content: Content, size: Size) -> Fault {
    match content {
        Content::Disk(kind) => Fault::new(format!("{shown} is a {kind}, whose content says its size"))
            .hint(format!("qemu-img resize -f {kind} {shown} {size}")),
        Content::Packed(kind, _) => {
            Fault::new(format!("{shown} is packed by {kind}")).hint(format!("convert(\"{shown}\", disk(…)) unpacks it"))
        }
        Content::Iso | Content::Script | Content::Page => Fault::new(format!("{shown} is no disk")),
    }
}

/// Finds out what a recipe says of the size of a disk, and which literal does.
fn said(installation: &Installation, machine: &MachineDisks, path: &Path, size: Size) -> Result<Said, Vec<Diagnostic>> {
    let wanted = &machine.wanted;
    let recipe = read(wanted)?;
    let source = recipe.source().clone();
    let foreseen = |recipe: &Recipe| -> Result<[Foreseen; 2], Vec<Diagnostic>> {
        Ok([installation.foreseen(recipe, wanted, false)?, installation.foreseen(recipe, wanted, true)?])
    };
    let before = foreseen(&recipe)?;
    let Some((is, place)) = before.iter().rev().find_map(|one| size_of(one, path)) else { return Ok(Said::Nothing) };
    if is == size {
        return Ok(Said::Already);
    }
    let is_own = |place: &&Place| place.source.name == source.name;
    let call = place.as_ref().filter(is_own).map(|place| place.span.clone());
    let mut literals: Vec<SizeLiteral> = edit::sizes(&source.text).into_iter().filter(|one| one.size == is).collect();
    let is_within = |one: &SizeLiteral| call.as_ref().is_some_and(|call| call.contains(&one.span.start));
    literals.sort_by_key(|one| !is_within(one));
    for literal in literals.into_iter().take(LITERALS) {
        let new = literal.written(size);
        let after = edit::replaced(&source.text, &[(literal.span.clone(), new.clone())]);
        let Ok(changed) = Recipe::parse(&source.name, &after) else { continue };
        let Ok(now) = foreseen(&changed) else { continue };
        if before.iter().zip(&now).all(|(before, now)| is_same_but_for(before, now, path, is, size)) {
            let (line, _) = Place { source: source.clone(), span: literal.span.clone() }.line_column();
            let old = source.text.get(literal.span).unwrap_or_default().to_string();
            let before = source.text.clone();
            return Ok(Said::Literal(Correction { at: (wanted.path.clone(), line), old, new, before, after }));
        }
    }
    Ok(Said::Computed(is, place.filter(|place| !place.source.name.starts_with("std/"))))
}

/// Whether two rehearsals did the same, but that a disk has another size.
fn is_same_but_for(before: &Foreseen, now: &Foreseen, path: &Path, old: Size, new: Size) -> bool {
    let expected = before.steps.iter().map(|step| {
        let mut step = step.clone();
        if of_step(&step, path) == Some(old) {
            match &mut step {
                Rehearsed::Effect(Effect::Truncate { size, .. }) => *size = new,
                Rehearsed::Effect(Effect::Disk(change)) => change.set_size(new),
                Rehearsed::Effect(_) | Rehearsed::Boot(_) => {}
            }
        }
        step
    });
    expected.eq(now.steps.iter().cloned())
}
