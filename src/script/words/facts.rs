//! Facts of the host and of the run.

use super::{Asks, Call, Example, Param, Type, Word, WordKind, expected};
use crate::bhyve;
use crate::diag::Fault;
use crate::host::{Interface, Platform, clock, environment, ipxe};
use crate::model::instance::{self, INSTANCE};
use crate::model::{Bootrom, DevicePath};
use crate::qemu;
use crate::script::allowance::Asked;
use crate::script::handle::{Handle, Rom, SecretHandle};
use crate::script::raise::Raised;
use crate::script::{SharedContext, Wanted};
use crate::supervise::conflicts::Purpose;
use rhai::{Dynamic, Map};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

/// What every recipe sees as a variable, in its functions too.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("init", "whether this boot initializes the machine: --init, and not after a reboot"),
    ("params", "what --set gave, as a map of texts"),
    ("platform", "\"freebsd\" or \"linux\""),
    ("hostname", "the host's name"),
    ("vm_dir", "the folder for machines: /vm"),
];

pub(super) fn variable(name: &str, shared: &SharedContext) -> Option<Dynamic> {
    let mut evaluation = shared.borrow_mut();
    Some(match name {
        "init" => evaluation.inputs.init.into(),
        "params" => {
            let pairs = evaluation.inputs.params.iter();
            pairs.map(|(k, v)| (k.as_str().into(), v.clone().into())).collect::<Map>().into()
        }
        "platform" => evaluation.run().host.settings().platform.to_string().into(),
        "hostname" => evaluation.run().host.hostname().into(),
        "vm_dir" => super::VM_DIR.into(),
        _ => return None,
    })
}

/// The keys of the maps of firmware.
const ROM: &[(&str, &str)] =
    &[("vars", "the file that keeps its variables; made of the firmware's empty ones if it is not there")];

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "param",
        kind: WordKind::Fact,
        params: &[
            Param::text("name", "cpus"),
            Param { example: Example::Number(4), ..Param::new("default", Type::Any) }.optional(),
            Param::written("allowed", Type::Any, "1..=16").optional(),
        ],
        returns: Type::SameAs(1),
        help: "What `--set cpus=…` gave, else the default, of the default's type; it may be limited by a range or a list of values.",
        is_tried: false,
        ..Word::of(param)
    },
    Word {
        name: "instance",
        kind: WordKind::Fact,
        params: &[Param::written("all", Type::Any, "1..=10")],
        returns: Type::Any,
        help: "Which of several machines of this recipe it is: a number of the range, or a name of the list `[\"a\", \"b\"]`.",
        is_tried: false,
        ..Word::of(instance)
    },
    Word {
        name: "exists",
        kind: WordKind::Fact,
        params: &[Param::new("path", Type::Path)],
        returns: Type::Flag,
        asks: &[Asks::Existence],
        help: "Whether a file is there.",
        ..Word::of(exists)
    },
    Word {
        name: "env",
        kind: WordKind::Fact,
        params: &[Param::text("name", "NAME"), Param::new("default", Type::Any).optional()],
        returns: Type::Any,
        asks: &[Asks::Environment],
        help: "A variable of the environment, else the default.",
        ..Word::of(env)
    },
    Word {
        name: "uptime",
        kind: WordKind::Fact,
        returns: Type::Number,
        help: "For how many seconds the host has run; 0 on one that is not here.",
        ..Word::of(uptime)
    },
    Word {
        name: "host_ip",
        kind: WordKind::Fact,
        params: &[Param::text("network", "192.168.2.0/24")],
        returns: Type::Text,
        help: "The host's own address in a network.",
        ..Word::of(host_ip)
    },
    Word {
        name: "ipxe_loader",
        kind: WordKind::Fact,
        returns: Type::Text,
        help: "The platform's iPXE.",
        ..Word::of(ipxe_loader)
    },
    Word {
        name: "uefi",
        kind: WordKind::Fact,
        params: &[Param::options(ROM).shown("#{ vars: path }")],
        returns: Type::Handle(Handle::Bootrom),
        asks: &[Asks::Paths],
        help: "The platform's UEFI firmware; `vars` keeps its variables.",
        ..Word::of(uefi)
    },
    Word {
        name: "bootrom",
        kind: WordKind::Fact,
        params: &[Param::new("path", Type::Path), Param::options(ROM).shown("#{ vars: path }")],
        returns: Type::Handle(Handle::Bootrom),
        asks: &[Asks::Paths],
        help: "Any firmware.",
        ..Word::of(bootrom)
    },
    Word {
        name: "secret_param",
        kind: WordKind::Fact,
        params: &[Param::text("name", "vnc")],
        returns: Type::Handle(Handle::Secret),
        asks: &[Asks::Secrets],
        help: "The secret that `--set vnc=…` gave, else `secret(\"vnc\")`; it is in no file, no command line and no event.",
        ..Word::of(secret_param)
    },
    Word {
        name: "secret",
        kind: WordKind::Fact,
        params: &[Param::text("name", "vnc")],
        returns: Type::Handle(Handle::Secret),
        asks: &[Asks::Secrets],
        help: "A secret, from VMRUN_SECRET_VNC or secrets/vnc; never shown.",
        ..Word::of(secret)
    },
];

fn param(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name = call.text(0)?;
    let given = call.evaluation().inputs.params.get(&name).cloned();
    let default = call.args.get(1).filter(|value| !value.is_unit());
    let range = Allowed::read(call, 2, default)?;
    if name == INSTANCE && !call.evaluation().instances.is_empty() {
        return Err(Raised::from(two_instances()).arg(0));
    }
    if call.rehearses() {
        let asked = Wanted { name: name.clone(), has_default: default.is_some(), extremes: range.extremes(default) };
        call.evaluation().asked.push(asked);
    }
    let Some(text) = given else {
        let fault = || Fault::new(format!("the recipe needs the parameter `{name}`"));
        return default.cloned().ok_or_else(|| Raised::from(fault().hint(format!("add --set {name}=…"))).arg(0));
    };
    let wrong = |what: &str| {
        let fault = Fault::new(format!("--set {name}={text}: expected {what}"));
        Raised::from(fault.hint(format!("the default is {}", default.map(ToString::to_string).unwrap_or_default())))
    };
    let value = match default {
        Some(default) if default.is_int() => {
            let size = || crate::model::Size::written(&text).ok().and_then(|size| i64::try_from(size.get()).ok());
            text.parse().ok().or_else(size).map(Dynamic::from_int).ok_or_else(|| wrong("a number or a size"))?
        }
        Some(default) if default.is_bool() => {
            text.parse::<bool>().map(Dynamic::from_bool).map_err(|_| wrong("true or false"))?
        }
        _ => text.clone().into(),
    };
    if range.has(&value) { Ok(value) } else { Err(wrong(&range.to_string())) }
}

fn instance(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let all = match Allowed::read(call, 0, None)? {
        Allowed::Any => return Err(expected("a range 1..=10 or a list of names", &call.args[0]).arg(0)),
        Allowed::Numbers(first, last) if last.abs_diff(first) >= instance::MOST as u64 => return Err(too_many().arg(0)),
        Allowed::Numbers(first, last) => (first..=last).map(Dynamic::from_int).collect(),
        Allowed::Some(values) => values,
    };
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    if names.len() > instance::MOST {
        return Err(too_many().arg(0));
    }
    for (at, name) in names.iter().enumerate() {
        if !instance::is_name(name) {
            let fault = Fault::new(format!("{name:?} cannot be the name of an instance"));
            return Err(Raised::from(fault.hint("use letters, digits, - and _, at most 64 of them")).arg(0));
        }
        if names[..at].contains(name) {
            let fault = Fault::new(format!("the instance {name} is there twice"));
            return Err(Raised::from(fault.hint("leave one of them out")).arg(0));
        }
    }
    let is_asked = call.evaluation().asked.iter().any(|wanted| wanted.name == INSTANCE);
    if call.evaluation().instances.is_empty() && is_asked {
        return Err(Raised::from(two_instances()));
    }
    let given = call.evaluation().inputs.params.get(INSTANCE).cloned();
    let known = std::mem::replace(&mut call.evaluation().instances, names.clone());
    if !known.is_empty() && known != names {
        let fault = Fault::new(format!("the recipe has other instances by now: {}", instance::shown(&known)));
        return Err(Raised::from(fault.hint("call `instance` once, and keep what it returns")).arg(0));
    }
    if call.rehearses() && known.is_empty() {
        let extremes = names.iter().skip(1).cloned().collect();
        call.evaluation().asked.push(Wanted { name: INSTANCE.into(), has_default: true, extremes });
    }
    let at = match &given {
        None => Some(0),
        Some(given) => names.iter().position(|name| name == given),
    };
    let unknown = || {
        let given = given.as_deref().unwrap_or_default();
        let fault = Fault::new(format!("the recipe has no instance {given}"));
        Raised::from(fault.hint(instance::known(given, &names))).arg(0)
    };
    at.and_then(|at| all.get(at)).cloned().ok_or_else(unknown)
}

/// The fault of a recipe that has a parameter by which an instance is told which one it is.
fn two_instances() -> Fault {
    let fault = Fault::new(format!("the parameter `{INSTANCE}` is what `instance` returns"));
    fault.hint("give the parameter another name, or leave it out")
}

fn too_many() -> Raised {
    let fault = Fault::new(format!("a recipe has at most {} instances", instance::MOST));
    Raised::from(fault.hint("write further recipes for the others"))
}

/// What a parameter may be.
enum Allowed {
    /// Anything.
    Any,
    /// Numbers from one to another, both included.
    Numbers(i64, i64),
    /// One of these.
    Some(Vec<Dynamic>),
}

impl Allowed {
    /// Reads an argument, in which the default has to be.
    fn read(call: &Call<'_>, at: usize, default: Option<&Dynamic>) -> Result<Self, Raised> {
        let Some(value) = call.args.get(at).filter(|value| !value.is_unit()) else { return Ok(Self::Any) };
        let wanted = || expected("a range 1..=16 or a list of values", value).arg(at);
        let read = if let Some(range) = value.read_lock::<RangeInclusive<i64>>() {
            Self::Numbers(*range.start(), *range.end())
        } else if let Some(range) = value.read_lock::<Range<i64>>() {
            Self::Numbers(range.start, range.end.saturating_sub(1))
        } else {
            Self::Some(value.read_lock::<rhai::Array>().ok_or_else(wanted)?.clone())
        };
        let is_empty = match &read {
            Self::Any => false,
            Self::Numbers(least, most) => least > most,
            Self::Some(values) => values.is_empty(),
        };
        if is_empty {
            let fault =
                Fault::new(if at == 0 { "there is no instance" } else { "no value is allowed for the parameter" });
            let way_out = match read {
                Self::Some(_) => "name at least one",
                Self::Any | Self::Numbers(..) => "write the smaller number first: 1..=16",
            };
            return Err(Raised::from(fault.hint(way_out)).arg(at));
        }
        match default {
            Some(default) if !read.has(default) => {
                let fault = Fault::new(format!("the default {default} is not {read}"));
                Err(Raised::from(fault.hint("allow it, or choose another default")).arg(1))
            }
            _ => Ok(read),
        }
    }

    fn has(&self, value: &Dynamic) -> bool {
        match self {
            Self::Any => true,
            Self::Numbers(least, most) => value.as_int().is_ok_and(|number| (*least..=*most).contains(&number)),
            Self::Some(values) => values.iter().any(|known| known.to_string() == value.to_string()),
        }
    }

    /// Returns the values with which a recipe is rehearsed.
    fn extremes(&self, default: Option<&Dynamic>) -> Vec<String> {
        let mut all = match self {
            Self::Any if default.is_some_and(Dynamic::is_bool) => vec!["true".into(), "false".into()],
            Self::Any => Vec::new(),
            Self::Numbers(least, most) => vec![least.to_string(), most.to_string()],
            Self::Some(values) => values.iter().map(ToString::to_string).collect(),
        };
        // What it is anyway was seen.
        let usual = default.map(ToString::to_string);
        all.retain(|value| usual.as_ref() != Some(value));
        all
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Numbers(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Some(values) => {
                let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "one of {}", crate::diag::suggest::list(texts.iter().map(String::as_str)))
            }
        }
    }
}

fn exists(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let path = call.path(0)?;
    call.permit(Asked::Exists(&path))?;
    Ok(call.evaluation().run().host.file(&path).is_some().into())
}

fn env(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name = call.text(0)?;
    if name.starts_with("VMRUN_SECRET_") {
        let fault = Fault::new("a secret is not read as text: it would be seen");
        return Err(Raised::from(fault.hint("secret(\"vnc\") reads VMRUN_SECRET_VNC")).arg(0));
    }
    call.permit(Asked::Env(&name))?;
    let value = call.evaluation().run().host.env(&name);
    let default = call.args.get(1).cloned().unwrap_or(Dynamic::UNIT);
    if let (Some(value), None) = (&value, &call.library) {
        call.evaluation().allowance.heard.push(value.clone());
    }
    Ok(value.map_or(default, Dynamic::from))
}

#[expect(clippy::unnecessary_wraps, reason = "words may fail")]
fn uptime(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let is_here = !call.evaluation().run().host.is_assumed();
    let up = if is_here { clock::uptime() } else { Duration::ZERO };
    Ok(i64::try_from(up.as_secs()).unwrap_or(i64::MAX).into())
}

fn host_ip(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let text = call.text(0)?;
    let fault = || Fault::new(format!("{text:?} is not a network")).hint("write \"192.168.2.0/24\"");
    let (net, length) = network(&text).ok_or_else(|| Raised::from(fault()).arg(0))?;
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    let first = net.to_bits() & mask;
    let own = |all: &[Interface]| {
        all.iter().flat_map(|interface| &interface.addresses).find_map(|address| match address.ip {
            IpAddr::V4(ip) if ip.to_bits() & mask == first => Some(ip),
            _ => None,
        })
    };
    let all = call.evaluation().run().host.interfaces()?;
    let found = own(&all);
    if found.is_none() && call.evaluation().run().host.is_assumed() {
        return Ok(assumed_ip(call, Ipv4Addr::from_bits(first | 1)));
    }
    let known: Vec<String> =
        all.iter().flat_map(|i| i.addresses.iter().map(|address| address.ip.to_string())).collect();
    let none = || {
        let fault = Fault::new(format!("this host has no address in {text}"));
        fault.hint(format!("it has {}", crate::diag::suggest::list(known.iter().map(String::as_str))))
    };
    found.map(|address| address.to_string().into()).ok_or_else(|| Raised::from(none()).arg(0))
}

/// The address of a host that is not here, which is said unless texts are checked alone.
fn assumed_ip(call: &Call<'_>, assumed: Ipv4Addr) -> Dynamic {
    if call.evaluation().rehearsal != Some(Purpose::Check) {
        let fault = Fault::new(format!("the address of a host that is not here is assumed to be {assumed}"));
        super::machine::warn(call, Raised::from(fault.hint("the run itself will find the right one")).arg(0));
    }
    assumed.to_string().into()
}

fn network(text: &str) -> Option<(Ipv4Addr, u32)> {
    let (address, length) = text.split_once('/')?;
    Some((address.parse().ok()?, length.parse().ok().filter(|length| *length <= 32)?))
}

fn ipxe_loader(call: &Call<'_>) -> Result<Dynamic, Raised> {
    Ok(ipxe::loader(&*call.evaluation().run().host)?.into())
}

fn uefi(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (code, template) = match call.evaluation().run().host.settings().platform {
        Platform::FreeBsd => (bhyve::UEFI_CODE, bhyve::UEFI_VARS),
        Platform::Linux => (qemu::OVMF_CODE, qemu::OVMF_VARS),
    };
    let options = call.options(0)?;
    rom(call, code, &options, Some(template), 0)
}

fn bootrom(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let code = call.text(0)?;
    let options = call.options(1)?;
    rom(call, &code, &options, None, 1)
}

fn rom(call: &Call<'_>, code: &str, options: &Map, template: Option<&str>, at: usize) -> Result<Dynamic, Raised> {
    let vars = options.get("vars").filter(|value| !value.is_unit());
    let vars = vars.map(|value| Ok(super::text(value)?.parse()?)).transpose();
    let vars: Option<DevicePath> = vars.map_err(|raised: Raised| raised.under("vars").arg(at))?;
    call.permit(Asked::Read(Path::new(code)))?;
    if let Some(vars) = &vars {
        call.permit(Asked::Path(vars.as_path())).map_err(|raised| raised.under("vars").arg(at))?;
    }
    let template = template.map(str::parse).transpose()?;
    let bootrom = Bootrom { code: code.parse().map_err(|fault| Raised::from(fault).arg(0))?, vars, template };
    Ok(Dynamic::from(Rom { bootrom, site: call.site.clone() }))
}

fn secret_param(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (main, name) = (call.evaluation().sources.main(), call.text(0)?);
    // The command line is read before any module is.
    if call.site.source.as_deref() != Some(&main) {
        let fault = Fault::new("a parameter that is a secret is declared in the recipe's own file");
        return Err(Raised::from(fault.hint(format!("write there secret_param({name:?}), and hand it over"))));
    }
    if call.rehearses() {
        let wanted = Wanted { name: name.clone(), has_default: true, extremes: Vec::new() };
        call.evaluation().asked.push(wanted);
    }
    secret(call)
}

fn secret(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name = call.text(0)?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !is_name {
        let fault = Fault::new(format!("{name:?} is no name of a secret")).hint("letters, digits, `_` and `-`");
        return Err(Raised::from(fault).arg(0));
    }
    call.permit(Asked::Secret(&name))?;
    let found = call.evaluation().run().host.secret(&name)?;
    if let Some(secret) = found {
        return Ok(Dynamic::from(SecretHandle(secret)));
    }
    let variable = environment::variable(&name);
    let folder = call.evaluation().run().host.settings().config.join("secrets");
    let fault = Fault::host(format!("the secret `{name}` is not there"));
    let fault = fault.hint(format!("set {variable}, or write it to {} (mode 0600)", folder.join(&name).display()));
    let raised = Raised::from(fault).arg(0);
    if call.evaluation().rehearsal == Some(Purpose::Plan) {
        super::machine::warn(call, raised);
        return Ok(Dynamic::from(SecretHandle(crate::model::Secret::absent())));
    }
    Err(raised)
}
