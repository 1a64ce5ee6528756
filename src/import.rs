//! Machines that are described elsewhere, as recipes: a command line of bhyve(8) or QEMU, a file of bhyve_config(5), a guest of
//! vm-bhyve, a domain of libvirt, a guest of CBSD, or what procstat(1) shows of a bhyve that runs. Pure: nothing is touched, and files are read by whoever calls.
//!
//! [`read`] finds out what a text says and refuses what is no valid machine, at its place in the text. [`recipe`] writes the
//! recipe, [`recorded`] that of a script whose calls were recorded, [`proof`] compares the machine of the recipe with what was read, and
//! [`commands_proof`] what it calls with what was recorded.

pub(crate) mod cbsd;
pub(crate) mod commands_proof;
pub(crate) mod golden;
pub(crate) mod kind;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod proof;
pub(crate) mod recipe;
pub(crate) mod recorded;
pub(crate) mod spread;
pub(crate) mod written;

mod device;
mod expressions;
mod flags;
mod layout;
pub(crate) mod libvirt;
mod loader;
mod loads;
mod parts;
mod procstat;
mod qemu;
mod reading;
mod translated;
pub(crate) mod umasks;
mod vmlog;
mod words;

pub(crate) use expressions::size;
pub use kind::SourceKind;
pub(crate) use layout::quoted;
pub use reading::read;

use crate::bhyve::command::Help;
use crate::bhyve::tree::Tree;
use crate::diag::{Diagnostic, Fault, Place, Source};
use crate::model::{Argv, Draft, FwItem, IscsiDisk, Part, PciSlot, Size, Target};
use crate::vmbhyve::Note;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How a text is to be read.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What it is; nothing where its content shall tell.
    pub kind: Option<SourceKind>,
    /// Which bhyve it is for.
    pub target: Target,
    /// The folder of vm-bhyve's guests, where the text is one of them.
    pub datastore: String,
    /// The text of vm-bhyve's `.config/system.conf`, which says what its switches are, if it is there.
    pub system: Option<String>,
    /// The ZFS dataset of that folder, if it is known.
    pub dataset: Option<String>,
    /// What other machines have already, and this one is not given: taps by name, ports of screens by number.
    pub taken: BTreeSet<String>,
    /// The bridges of switches that vm-bhyve names none for, and of libvirt's networks.
    pub bridges: BTreeMap<String, String>,
    /// The secret that stands for the password of the screen; empty for `vnc`.
    pub secret: String,
}

/// A machine that was read, and what a recipe of it needs to know.
#[derive(Clone, Debug)]
pub struct Import {
    /// What it was read from.
    pub kind: SourceKind,
    /// The name of the source, without folders; empty where it has none.
    pub from: String,
    /// The machine. A text that is none stands in the place of a password.
    pub draft: Draft,
    /// What the source says, as bhyve's configuration, without passwords.
    pub tree: Tree,
    /// The items of `-f`.
    pub items: Vec<FwItem>,
    /// How many bytes the password of the frame buffer has, if there is one.
    pub password: Option<usize>,
    /// What is known of the taps of network cards, by their names.
    pub taps: BTreeMap<String, Tap>,
    /// The sizes of disks that the source knows how to make, by their paths.
    pub disks: BTreeMap<String, Size>,
    /// The volumes of ZFS that the source knows how to make, by the paths of their devices.
    pub volumes: BTreeMap<String, Volume>,
    /// What somebody should know, with the slot that it is about.
    pub remarks: Vec<(Option<PciSlot>, String)>,
    /// What somebody should know, with the part of the machine that it is about.
    pub parts: Vec<(Part, String)>,
    /// The paths that stand for disks which are known on the host only, each with what it is.
    pub unknown_disks: BTreeMap<String, String>,
    /// The disks of iSCSI targets, by the paths that stand for them.
    pub(crate) iscsi: BTreeMap<String, IscsiDisk>,
    /// What was said of lines and keys of the source, one by one.
    pub notes: Vec<Note>,
    /// The name of the secret that stands for the password.
    pub secret: String,
    /// Programs that run before each boot, with their arguments.
    pub before: Vec<Vec<String>>,
    /// After which ends it is started again, in the words of `restart`; nothing where that is after a reboot alone.
    pub restarts: Option<Vec<&'static str>>,
    /// What is to be said, though it stops nothing.
    pub warnings: Vec<Diagnostic>,
    /// A command that makes no machine. The rest says nothing then.
    pub prints: Option<Prints>,
}

impl Import {
    /// Returns what the recipe cannot say of the machine, as it is known on the host only, and how the recipe is told it.
    pub(crate) fn holes(&self) -> Vec<Fault> {
        let named = recipe::named_disks(self);
        let hole = |(path, name): &(String, String)| {
            let what = self.unknown_disks.get(path)?;
            let fault = Fault::new(format!("{what} is not known: it is so while it is there only"));
            Some(fault.hint(format!("see `iscsictl -L`, and run the recipe with `--set {name}=/dev/daN`")))
        };
        let noted = self.notes.iter().filter(|note| note.is_hole).map(|note| {
            let fault = Fault::new(note.to_string());
            fault.hint("finish the recipe there")
        });
        named.iter().filter_map(hole).chain(noted).collect()
    }
}

/// A command of bhyve that prints something and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prints {
    /// What it prints.
    pub help: Help,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Prints {
    /// Says what is printed, for people.
    pub const fn what(&self) -> &'static str {
        match self.help {
            Help::Usage => "how it is used",
            Help::Slots => "the devices of `-s`",
            Help::Lpc => "the devices of `-l`",
        }
    }
}

/// What is known of a volume of ZFS beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// How much the guest sees of it, in bytes (`volsize`).
    pub size: Size,
    /// Whether it takes room only for what is written.
    pub sparse: bool,
}

/// What is known of a tap beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tap {
    /// The bridge that it is a member of while the guest runs, where one is said.
    pub bridge: Option<String>,
    /// Whether it is there already, so that it is not to be made.
    pub is_there: bool,
    /// What it is to its bridge beside a member (ifconfig(8)): `span`, `private`.
    pub role: Option<&'static str>,
}

/// Splits a part of an option into what bhyve has before a path in it, and the path: `hd:` and `cd:` of ahci, `unix:` of fbuf.
pub(crate) fn path_in(part: &str) -> (&str, &str) {
    let before = ["hd:", "cd:", "unix:"].into_iter().find(|before| part.starts_with(before)).unwrap_or_default();
    (before, part.get(before.len()..).unwrap_or_default())
}

/// Returns the images of disks that a process has open, as `procstat -f` shows them.
pub(crate) fn opened_images(text: &str) -> Vec<String> {
    procstat::files(text).iter().filter_map(|file| file.image().map(String::from)).collect()
}

/// Returns a list of arguments, the program first, as a command line that reads the same.
pub(crate) fn command_line(args: &[String]) -> String {
    let program = args.first().map(String::as_str).unwrap_or_default();
    Argv::new(program).args(args.iter().skip(1)).to_string()
}

/// Returns a source with the text as it may be shown: passwords are hidden.
fn source(name: &str, text: &str, kind: SourceKind) -> Rc<Source> {
    let text = match kind {
        SourceKind::Libvirt => libvirt::hidden(text),
        SourceKind::Bhyve | SourceKind::Qemu => words::hidden(text, true),
        SourceKind::Config | SourceKind::VmBhyve | SourceKind::Procstat => words::hidden(text, false),
        SourceKind::Cbsd => words::hidden(text, !text.starts_with('{')),
    };
    Rc::new(Source { name: name.into(), text })
}

/// Returns a place of a source, which lies in it whatever the span.
fn place(source: &Rc<Source>, span: std::ops::Range<usize>) -> Option<Place> {
    source.text.get(span.clone()).map(|_| Place { source: source.clone(), span })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Arch;
    use proptest::prelude::*;

    fn imported(text: &str, kind: Option<SourceKind>, target: Target) -> Option<Import> {
        let setting = ImportOptions { kind, target, datastore: "/vm".into(), ..ImportOptions::default() };
        read("vm.conf", text, &setting, &|path| path.starts_with("/k").then(|| "a.password=hunter2".into())).ok()
    }

    #[test]
    fn no_password_is_in_anything_that_comes_back() {
        let text = "bhyve -c 2 -s 29,fbuf,password=hunter22,w=800 -f opt/a,file=/a -s 31,lpc \
                    -l bootrom,/c,fwcfg=qemu vm";
        let import = imported(text, None, Target::default()).unwrap();
        assert_eq!((import.password, import.warnings.len(), import.items.len()), (Some(8), 0, 1));
        assert!(!format!("{import:?}{}", recipe::recipe(&import)).contains("hunter"));
        let text = "name=vm\npci.0.29.0.device=fbuf\na=hunter2\npci.0.29.0.password=hunter 2,hunter2\nbad\n";
        let setting = ImportOptions::default();
        let faults = read("vm", text, &setting, &|_| None).unwrap_err();
        assert!(!format!("{faults:?}").contains("hunter 2,"));
    }

    fn text() -> impl Strategy<Value = String> {
        let words = "-[a-zA-Z]|[0-9:]{1,3},(ahci|nvme|fbuf|xhci|lpc|virtio-(net|blk|console|9p)),[a-z0-9=:/,%()]{0,12}|vm|-l com1,stdio";
        let line = prop::collection::vec(words, 0..6).prop_map(|words| format!("bhyve {} vm", words.join(" ")));
        let keys =
            "(name|cpus|memory\\.size|pci\\.0\\.[34]\\.0\\.(device|path|password)|lpc\\.fwcfg)=[a-z0-9/%()]{1,9}";
        let config = prop::collection::vec(keys, 0..6).prop_map(|lines| lines.join("\n"));
        let guest =
            prop::collection::vec("(loader|cpu|memory|disk0_(type|name)|network0_type)=\"?[a-z0-9-]{0,9}\"?", 0..6);
        prop_oneof![line, config, guest.prop_map(|lines| lines.join("\n")), any::<String>()]
    }

    proptest! {
        #[test]
        fn no_text_panics(text in text(), kind in 0_usize..8, arch in 0_usize..3) {
            let kinds = [SourceKind::Bhyve, SourceKind::Config, SourceKind::VmBhyve, SourceKind::Libvirt, SourceKind::Qemu, SourceKind::Procstat, SourceKind::Cbsd];
            let kind = kind.checked_sub(1).map(|at| kinds[at]);
            if let Some(import) = imported(&text, kind, Target { arch: Arch::ALL[arch], ..Target::default() }) {
                let own = import.draft.clone().check();
                let is_same = own.is_ok_and(|machine| proof::differences(&import, &machine).is_empty());
                prop_assert!(is_same || import.prints.is_some());
                prop_assert!(!recipe::recipe(&import).is_empty());
            }
        }

        #[test]
        fn a_command_that_is_typed_reads_the_same(args in prop::collection::vec("[^\0]{0,9}", 0..5)) {
            let args: Vec<String> = ["bhyve".to_string()].into_iter().chain(args).collect();
            let words = kind::command(&command_line(&args)).ok().unwrap().words;
            prop_assert_eq!(words.into_iter().map(|word| word.text).collect::<Vec<_>>(), args);
        }
    }
}
