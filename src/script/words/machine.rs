//! The machine: `bhyve(#{ … })` and what can be done with it.

pub(super) mod dialog;
mod keys;
mod part;
mod whole;

use super::{Asks, Call, Example, Keys, Param, Type, Word, WordKind, expected, hooks, map, size, unknown_key};
use crate::diag::{Blame, Diagnostic, Fault, Severity};
use crate::model::{Bootrom, Draft, Ended, Limits, Machine, Part, PciSlot, Transfers};
use crate::script::Booted;
use crate::script::allowance::Asked;
use crate::script::handle::{DeviceHandle, Exit, Handle, Made, Vm, VmState, nowhere};
use crate::script::raise::Raised;
use crate::script::report;
use crate::supervise::conflicts::lengths::{WHILE_WRITTEN, against_path};
use crate::supervise::conflicts::paths::without_folder;
use crate::supervise::conflicts::{Purpose, conflicts};
use rhai::Dynamic;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use keys::{help, names};
pub(crate) use keys::{keys, set_key};
pub(in crate::script) use part::part_of;

/// The keys of the map of `limits`.
const LIMITS: &[(&str, &str)] = &[
    ("memory", "what the hypervisor may have, a size: more than the guest's"),
    ("cpu", "percent of one processor: 150 is one and a half"),
    ("cpu_weight", "Linux: the share of busy processors, from 1 to 10000; others have 100"),
    ("nice", "from -20 to 19: the more, the more others go before it"),
    ("readbps", "what may be read from disks in a second, a size"),
    ("writebps", "the same of what is written"),
    ("readiops", "how many operations may read in a second"),
    ("writeiops", "the same of those that write"),
];

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "bhyve",
        kind: WordKind::Description,
        params: &[Param::map("machine", Keys::Of(names, help)).shown("#{ … }")],
        returns: Type::Handle(Handle::Vm),
        asks: &[Asks::Paths],
        help: "Describes a machine; nothing happens until `.run()`.",
        ..Word::of(describe)
    },
    Word {
        name: "run",
        kind: WordKind::Method,
        on: Some(Handle::Vm),
        returns: Type::Handle(Handle::Exit),
        asks: &[Asks::Boots],
        help: "Boots the machine, waits until the boot ended, and returns how: `e.rebooted`, `e.powered_off`, `e.status`.",
        ..Word::of(run)
    },
    Word {
        name: "slot",
        kind: WordKind::Method,
        on: Some(Handle::Vm),
        params: &[
            Param { example: Example::Number(4), ..Param::new("slot", Type::Any) },
            Param::new("device", Type::Handle(Handle::Device)),
        ],
        help: "Puts a device into a slot.",
        ..Word::of(slot)
    },
    Word {
        name: "option",
        kind: WordKind::Method,
        on: Some(Handle::Vm),
        params: &[Param::text("key", "key"), Param::text("value", "value")],
        asks: &[Asks::Arguments],
        help: "Adds configuration that vmrun does not know: `-o key=value`.",
        ..Word::of(option)
    },
    Word {
        name: "args",
        kind: WordKind::Method,
        on: Some(Handle::Vm),
        params: &[Param::written("args", Type::List, "[\"-M\"]")],
        asks: &[Asks::Arguments],
        help: "Adds arguments that vmrun does not know, before the name.",
        ..Word::of(args)
    },
    Word {
        name: "limits",
        kind: WordKind::Method,
        on: Some(Handle::Vm),
        params: &[Param::map("limits", Keys::Own(LIMITS)).shown("#{ memory: 6.GiB, cpu: 150 }")],
        help: "Limits what the hypervisor and its helpers may take: memory, processors, disks (rctl(8), cgroups(7), nice(1)).",
        ..Word::of(limits)
    },
];

fn describe(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let target = call.evaluation().run().host.settings().target;
    let draft = Draft { target, ..Draft::default() };
    let mut state = VmState { draft, site: call.site.clone(), devices: BTreeMap::new(), bootrom: None, loader: None };
    let known: Vec<&str> = keys().map(|key| key.name).collect();
    let mut raised = Vec::new();
    for (name, value) in map(&call.args[0]).map_err(|raised| raised.arg(0))? {
        permit_key(call, &name, &value).map_err(|raised| raised.under(&name).arg(0))?;
        let result = match keys().find(|key| key.name == name.as_str()) {
            None => Err(unknown_key(&name, &known)),
            Some(key) if key.name == "slots" => slots(&mut state, &value).map_err(|raised| raised.under("slots")),
            Some(key) => set_key(&mut state, &key, &value)
                .map_err(|raised| raised.under(&name).or_hint(|| format!("`{}`: {}", key.name, key.help))),
        };
        raised.extend(result.err());
    }
    if let Some(raised) = Raised::all(raised) {
        return Err(all_at_argument(raised));
    }
    let name = state.draft.name.as_ref().map(ToString::to_string);
    call.evaluation().machines.made.push((call.site.clone(), name));
    Ok(Dynamic::from(Vm(Rc::new(RefCell::new(state)))))
}

/// Refuses what a machine may not have; devices, loaders and firmware of a word were looked at when they were made. What is no value
/// of its key is refused where it is set.
pub(crate) fn permit_key(call: &Call<'_>, name: &str, value: &Dynamic) -> Result<(), Raised> {
    if call.evaluation().sources.imported().is_none() || value.is_unit() {
        return Ok(());
    }
    let text = |value: &Dynamic| value.clone().into_string().ok();
    match name {
        "jail" => {
            let name = text(value).or_else(|| text(value.read_lock::<rhai::Map>()?.get("name")?));
            name.map_or(Ok(()), |name| call.permit(Asked::Jail(&name)))
        }
        "tpm" => {
            let state = value.read_lock::<rhai::Map>().and_then(|given| text(given.get(keys::tpm::STATE)?));
            state.map_or(Ok(()), |folder| call.permit(Asked::Path(Path::new(&folder))))?;
            keys::values(name, value).iter().try_for_each(|(name, value)| call.permit_value(name, value))
        }
        "serial_log" => text(value).map_or(Ok(()), |file| call.permit(Asked::Path(Path::new(&file)))),
        "bootrom" => text(value).map_or(Ok(()), |file| call.permit(Asked::Read(Path::new(&file)))),
        "fw_cfg" => {
            let Some(items) = value.read_lock::<rhai::Map>() else { return Ok(()) };
            let mut files = items.values().filter_map(|item| text(item.read_lock::<rhai::Map>()?.get("file")?));
            files.try_for_each(|file| call.permit(Asked::Read(Path::new(&file))))
        }
        _ => keys::values(name, value).iter().try_for_each(|(name, value)| call.permit_value(name, value)),
    }
}

/// Tries to set a key of a machine, for what it raises; a key that is not known is left to others.
pub(in crate::script) fn try_key(name: &str, value: &Dynamic) -> Result<(), Raised> {
    let Some(key) = keys().find(|key| key.name == name) else { return Ok(()) };
    let vm = Vm::empty(&nowhere());
    let tried = set_key(&mut vm.0.borrow_mut(), &key, value);
    tried.map_err(|raised| raised.arg(0).or_hint(|| format!("`{}`: {}", key.name, key.help)))
}

fn all_at_argument(mut raised: Raised) -> Raised {
    raised.more = raised.more.into_iter().map(|more| more.arg(0)).collect();
    raised.arg(0)
}

fn slots(state: &mut VmState, value: &Dynamic) -> Result<(), Raised> {
    for (name, value) in map(value)? {
        let slot: PciSlot = name.parse().map_err(|fault: Fault| Raised::from(fault).under(&name).about_key())?;
        put(state, slot, &value).map_err(|raised| raised.under(&name))?;
    }
    Ok(())
}

fn put(state: &mut VmState, slot: PciSlot, value: &Dynamic) -> Result<(), Raised> {
    if value.is_unit() {
        return Ok(());
    }
    let none =
        || Raised::from(expected("a device", value).fault.hint("write a device's word: `virtio_blk(\"/vm/a.img\")`"));
    let device = value.clone().try_cast::<DeviceHandle>().ok_or_else(none)?;
    state.draft.put(slot, device.device).map_err(|fault| Raised::from(fault).about_key())?;
    state.devices.insert(slot, Made { site: device.site, options_at: device.options_at });
    Ok(())
}

fn vm(call: &Call<'_>) -> Result<Vm, Raised> {
    let none = || expected("a machine", &Dynamic::UNIT);
    call.this.clone().and_then(Dynamic::try_cast::<Vm>).ok_or_else(none)
}

fn slot(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let slot = match call.args[0].as_int() {
        Ok(number) => PciSlot::slot(number).map_err(|fault| Raised::from(fault).arg(0))?,
        Err(_) => call.parsed(0)?,
    };
    put(&mut vm(call)?.0.borrow_mut(), slot, &call.args[1]).map_err(|raised| raised.arg(1))?;
    Ok(Dynamic::UNIT)
}

fn option(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let pair = (one_line(call, 0)?, one_line(call, 1)?);
    call.permit(Asked::Raw(&[pair.0.clone(), pair.1.clone()]))?;
    vm(call)?.0.borrow_mut().draft.options.push(pair);
    Ok(Dynamic::UNIT)
}

fn one_line(call: &Call<'_>, at: usize) -> Result<String, Raised> {
    let text = call.text(at)?;
    let fault = || Fault::new(format!("{text:?} is empty or holds a control character"));
    if text.is_empty() || text.chars().any(char::is_control) { Err(Raised::from(fault()).arg(at)) } else { Ok(text) }
}

fn args(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let args = call.texts(0)?;
    call.permit(Asked::Raw(&args))?;
    vm(call)?.0.borrow_mut().draft.args.extend(args);
    Ok(Dynamic::UNIT)
}

fn limits(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let options = call.options(0)?;
    let given = |key: &str| options.get(key).filter(|value| !value.is_unit());
    let bytes = |key: &str| {
        let read = |value| size(value).map_err(|raised: Raised| raised.under(key).arg(0));
        given(key).map(read).transpose()
    };
    let transfers = Transfers {
        readbps: bytes("readbps")?,
        writebps: bytes("writebps")?,
        readiops: whole(given("readiops"), "readiops", "operations in a second, as 500")?,
        writeiops: whole(given("writeiops"), "writeiops", "operations in a second, as 500")?,
    };
    let limits = Limits {
        memory: bytes("memory")?,
        cpu: whole(given("cpu"), "cpu", "percent of one processor, as 150")?,
        cpu_weight: whole(given("cpu_weight"), "cpu_weight", "a weight, as 50")?,
        nice: whole(given("nice"), "nice", "how nice it is, as 10")?,
        transfers,
    };
    let vm = vm(call)?;
    let memory = vm.0.borrow().draft.memory;
    limits.check(memory).map_err(|fault| Raised::from(fault).arg(0))?;
    vm.0.borrow_mut().draft.limits = limits;
    Ok(Dynamic::UNIT)
}

/// Reads a whole number of the map of `limits`.
fn whole<T: TryFrom<i64>>(value: Option<&Dynamic>, key: &str, what: &str) -> Result<Option<T>, Raised> {
    let read = |value: &Dynamic| value.as_int().ok().and_then(|number| T::try_from(number).ok());
    value.map(|value| read(value).ok_or_else(|| expected(what, value).under(key).arg(0))).transpose()
}

fn run(call: &Call<'_>) -> Result<Dynamic, Raised> {
    call.while_awake()?;
    let vm = vm(call)?;
    let mut draft = vm.0.borrow().draft.clone();
    whole::make_whole(call, &vm, &mut draft)?;
    let machine = draft.check().map_err(|faults| {
        let all = faults.into_iter().map(|(part, fault)| part_of(&vm.0.borrow(), &part, fault)).collect();
        Raised::all(all).unwrap_or_else(|| Fault::new("the machine does not hold together").into())
    })?;
    let other = call.evaluation().machines.boots(&call.site, machine.name().as_str());
    if let Some(fault) = other.filter(|_| call.rehearses()) {
        warn(call, fault.into());
    }
    prepare(call, &vm, &machine)?;
    rehearse(call, &vm, &machine)?;
    super::before_init::keep(call, &machine)?;
    call.evaluation().asks(&call.site);
    let ended = call.evaluation().run().boot(&machine);
    let ended = ended.map_err(|fault| {
        let is_loading = call.evaluation().run().is_loading() && fault.blame != Blame::Interrupted;
        if is_loading { part_of(&vm.0.borrow(), &Part::Key("loader"), fault) } else { call.evaluation().raised(fault) }
    })?;
    blame(call, &vm, &machine, &ended);
    hooks::ended(call, &machine, &ended);
    Ok(Dynamic::from(Exit(ended)))
}

/// Notes what is known about a boot that failed, with the call that made the part at fault.
fn blame(call: &Call<'_>, vm: &Vm, machine: &Machine, ended: &Ended) {
    let explained = call.evaluation().run().explained(machine);
    let diagnostic = explained.and_then(|explained| {
        let fault = Fault::new(format!("{ended}: {}", explained.line)).hint(explained.hint).blame(Blame::Guest);
        let raised = part_of(&vm.0.borrow(), &explained.part, fault);
        let sources = call.evaluation().sources.clone();
        report::raised(raised, &call.site, &sources).into_iter().next()
    });
    call.evaluation().blamed = diagnostic;
}

/// A machine's variables are made of the firmware's empty ones when they are not there yet.
fn prepare(call: &Call<'_>, vm: &Vm, machine: &Machine) -> Result<(), Raised> {
    let Some(Bootrom { vars: Some(to), template: Some(from), .. }) = machine.bootrom() else { return Ok(()) };
    let missing = call.evaluation().run().host.file(to.as_path()).is_none();
    if missing {
        let platform = call.evaluation().run().host.settings().platform;
        if let Some(fault) = against_path(platform, to.as_path(), WHILE_WRITTEN) {
            return Err(part_of(&vm.0.borrow(), &Part::Key("bootrom"), fault));
        }
        if let Some(fault) = without_folder(&*call.evaluation().run().host, to.as_str()) {
            return Err(part_of(&vm.0.borrow(), &Part::Key("bootrom"), fault));
        }
        call.act(&crate::host::Effect::CopyVars { from: from.clone(), to: to.clone() })?;
    }
    Ok(())
}

/// In a rehearsal the machine meets the host.
fn rehearse(call: &Call<'_>, vm: &Vm, machine: &Machine) -> Result<(), Raised> {
    let Some(purpose) = call.evaluation().rehearsal else { return Ok(()) };
    if purpose == Purpose::Check {
        let booted = Booted { state: vm.0.borrow().clone(), machine: machine.clone() };
        call.evaluation().booted.push(booted);
    }
    let init = call.evaluation().inputs.init;
    let recipe = call.evaluation().sources.main();
    let found = conflicts(&*call.evaluation().run().host, machine, purpose, init, &recipe);
    let mut errors = Vec::new();
    for (part, fault, severity) in found {
        let mut raised = part_of(&vm.0.borrow(), &part, fault);
        raised.severity = severity;
        match severity {
            Severity::Error => errors.push(raised),
            Severity::Warning => warn(call, raised),
        }
    }
    Raised::all(errors).map_or(Ok(()), Err)
}

/// Notes a warning, once.
pub(super) fn warn(call: &Call<'_>, mut raised: Raised) {
    raised.severity = Severity::Warning;
    let sources = call.evaluation().sources.clone();
    let diagnostics: Vec<Diagnostic> = report::raised(raised, &call.site, &sources);
    let mut evaluation = call.evaluation();
    for diagnostic in diagnostics {
        if !evaluation.warnings.contains(&diagnostic) {
            evaluation.warnings.push(diagnostic);
        }
    }
}
