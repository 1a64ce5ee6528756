//! The words of devices, derived from their descriptions.

mod groups;

use super::word::{Row, Shown};
use super::{Call, expected, map, unknown_key};
use crate::diag::Fault;
use crate::model::device::{Item, ItemFault, Shape};
use crate::model::value::{Need, Password, Tty, Value};
use crate::model::{Backend, Device, DeviceKind, Feature, Parameter, Type};
use crate::script::allowance::Asked;
use crate::script::handle::{DeviceHandle, SecretHandle, Tap};
use crate::script::raise::Raised;
use rhai::Dynamic;
use std::sync::OnceLock;

/// Returns how a device's word is written.
pub(super) fn usage(kind: &DeviceKind) -> String {
    let mut inside: Vec<&str> = kind.given.iter().map(|given| given.name).collect();
    let group = match (kind.group.map(|group| group.shape), kind.grouped().next()) {
        (Some(Shape::Rows), _) => "[#{ … }]",
        (Some(Shape::Pairs), _) => "#{ name: path }",
        (Some(Shape::List), Some(parameter)) => parameter.name,
        _ => "",
    };
    inside.extend((!group.is_empty()).then_some(group));
    if has_options(kind) {
        inside.push("#{ … }");
    }
    format!("{}({})", kind.word(), inside.join(", "))
}

fn has_options(kind: &DeviceKind) -> bool {
    kind.options().next().is_some() || matches!(kind.group.map(|group| group.shape), Some(Shape::Numbers(_)))
}

/// Returns how many arguments a device's word takes: the fewest and the most.
pub(super) fn arity(kind: &DeviceKind) -> (usize, usize) {
    let required = kind.given.iter().filter(|given| given.need == Need::Required).count();
    let listed = kind.group.filter(|group| !matches!(group.shape, Shape::Numbers(_)));
    let least = required + usize::from(listed.is_some_and(|group| group.needed));
    (least, kind.given.len() + usize::from(listed.is_some()) + usize::from(has_options(kind)))
}

/// Returns the parameters of a device's word.
pub(super) fn parameters(kind: &'static DeviceKind) -> Vec<Shown> {
    let mut all: Vec<Shown> = kind.given.iter().map(|given| Shown { name: given.name, ty: "?" }).collect();
    let group = match (kind.group.map(|group| group.shape), kind.grouped().next()) {
        (Some(Shape::Rows), _) => Some(Shown { name: "rows", ty: "array" }),
        (Some(Shape::Pairs), _) => Some(Shown { name: "pairs", ty: "map" }),
        (Some(Shape::List), Some(parameter)) => Some(Shown { name: parameter.name, ty: "?" }),
        _ => None,
    };
    all.extend(group);
    all.extend(has_options(kind).then_some(Shown { name: "options", ty: "map" }));
    all
}

/// Returns the options of a device's word with their help, for the reference.
pub(super) fn options(kind: &'static DeviceKind) -> Vec<(&'static str, String)> {
    let help = |p: &Parameter| {
        let since = p.feature.and_then(Feature::needs).map(|needs| format!("; {needs}")).unwrap_or_default();
        (p.name, format!("{}: {}{since}", p.help, p.ty))
    };
    let mut all: Vec<(&'static str, String)> = kind.options().map(help).collect();
    match kind.group.map(|group| group.shape) {
        Some(Shape::Rows) => all.extend(kind.grouped().map(help)),
        Some(Shape::Numbers(key)) => all.extend(kind.grouped().map(|p| (key, help(p).1))),
        Some(Shape::Pairs | Shape::List) | None => {}
    }
    all
}

/// Returns the names of the options of a device's word.
pub(super) fn option_names(kind: &'static DeviceKind) -> Vec<&'static str> {
    let mut all: Vec<&'static str> = kind.options().map(|parameter| parameter.name).collect();
    match kind.group.map(|group| group.shape) {
        Some(Shape::Rows) => all.extend(kind.grouped().map(|parameter| parameter.name)),
        Some(Shape::Numbers(key)) => all.push(key),
        Some(Shape::Pairs | Shape::List) | None => {}
    }
    all
}

/// Returns a device's word for as long as the program runs.
pub(super) fn static_word(kind: &'static DeviceKind) -> &'static str {
    static WORDS: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    let words = WORDS.get_or_init(|| crate::model::device::KINDS.iter().map(|kind| (kind.name, kind.word())).collect());
    words.iter().find(|(name, _)| *name == kind.name).map_or(kind.name, |(_, word)| word)
}

/// Makes a device.
pub(super) fn make(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let Some(Row::Device(kind)) = call.row else { return Ok(Dynamic::UNIT) };
    let mut items = Vec::new();
    let mut at = 0;
    for parameter in kind.given {
        // What is optional may be left out before the options.
        let skipped = parameter.need == Need::Optional && call.args.get(at).is_none_or(Dynamic::is_map);
        if skipped {
            continue;
        }
        let argument = call.args.get(at).filter(|value| !(value.is_unit() && parameter.need == Need::Optional));
        if let Some(argument) = argument {
            let value = read(parameter, argument).map_err(|raised| raised.arg(at))?;
            items.push(Item { number: None, parameter, value });
        }
        at += 1;
    }
    let listed = kind.group.filter(|group| !matches!(group.shape, Shape::Numbers(_)));
    if let (Some(group), Some(value)) = (listed, call.args.get(at)) {
        items.extend(groups::read(kind, group, value).map_err(|raised| raised.arg(at))?);
        at += 1;
    }
    if call.has(at) {
        items.extend(read_options(kind, &call.args[at]).map_err(|raised| raised.arg(at))?);
    }
    items.iter().try_for_each(|item| call.permit_value(item.parameter.name, &item.value))?;
    if let Some(extra) = call.args.get(at + 1).filter(|value| !value.is_unit()) {
        return Err(expected("no further argument after the options", extra).arg(at + 1));
    }
    let made = |device| DeviceHandle { device, site: call.site.clone(), options_at: at };
    let wrong = |(number, parameter, fault): ItemFault| {
        let raised = Raised::from(fault);
        match parameter {
            Some(parameter) => about(raised, kind, number, parameter.name, at),
            None => raised,
        }
    };
    Device::of_items(kind, items).map(made).map(Dynamic::from).map_err(wrong)
}

impl Call<'_> {
    /// Refuses a value by which a guest would get, or others would get at, what may not be had.
    pub(super) fn permit_value(&self, name: &str, value: &Value) -> Result<(), Raised> {
        match value {
            Value::Path(path) | Value::Socket(path) | Value::Tty(Tty::Path(path)) => {
                self.permit(Asked::Path(path.as_path()))
            }
            Value::HostDevice(device) => self.permit(Asked::Device(&device.to_string())),
            Value::Address(address) => {
                self.permit(Asked::Listen(&address.to_string(), &address.socket().ip().to_string()))
            }
            Value::Tty(Tty::Tcp(address)) => self.permit(Asked::Listen(&value.to_string(), &address.ip().to_string())),
            Value::Forwards(rules) => rules
                .iter()
                .try_for_each(|rule| self.permit(Asked::Listen(&rule.to_string(), &rule.host_address().to_string()))),
            Value::Backend(Backend::Tap(_) | Backend::Named(_) | Backend::Netmap(_)) => {
                self.permit(Asked::Interface(&value.to_string()))
            }
            // Where the stub for gdb listens.
            Value::Text(address) if name == "gdb.address" => self.permit(Asked::Listen(address, address)),
            // The node of netgraph(4) that a card is connected to.
            Value::Text(node) if name == "path" => self.permit(Asked::Interface(node)),
            // What names nothing of the host, and nothing outside of the guest.
            Value::Text(_)
            | Value::Integer(_)
            | Value::Flag(_)
            | Value::Choice(_)
            | Value::SectorSize(..)
            | Value::Eui64(_)
            | Value::Mac(_)
            | Value::Backend(Backend::Slirp | Backend::Netgraph)
            | Value::Password(_)
            | Value::Tty(Tty::Stdio)
            | Value::Register(_)
            | Value::CpuSet(_)
            | Value::Size(_) => Ok(()),
        }
    }
}

/// Returns what is wrong with each argument of a device's word alone; what is not known is `()` in `known`.
pub(in crate::script) fn read_alone(kind: &'static DeviceKind, args: &[Dynamic], known: &[Dynamic]) -> Vec<Raised> {
    let mut raised = Vec::new();
    let mut at = 0;
    for parameter in kind.given {
        if parameter.need == Need::Optional && args.get(at).is_none_or(Dynamic::is_map) {
            continue;
        }
        if let Some(value) = known.get(at).filter(|value| !value.is_unit()) {
            raised.extend(read(parameter, value).err().map(|raised| raised.arg(at)));
        }
        at += 1;
    }
    let listed = kind.group.filter(|group| !matches!(group.shape, Shape::Numbers(_)));
    if let Some(group) = listed {
        if let Some(value) = known.get(at).filter(|value| !value.is_unit()) {
            raised.extend(groups::read(kind, group, value).err().map(|raised| raised.arg(at)));
        }
        at += 1;
    }
    let Some(options) = known.get(at).filter(|value| !value.is_unit()) else { return raised };
    let usage = || format!("write `{}`", usage(kind));
    let Ok(options) = map(options) else {
        raised.push(expected("a map #{ … }", options).arg(at).or_hint(usage));
        return raised;
    };
    // One at a time, so that one that is wrong does not hide the next.
    for (key, value) in options {
        let alone = Dynamic::from(rhai::Map::from([(key, value)]));
        raised.extend(read_options(kind, &alone).err().map(|raised| raised.arg(at)));
    }
    raised.into_iter().map(|raised| raised.or_hint(usage)).collect()
}

/// Says where in the call of a device's word a parameter stands; `options_at` is the argument with the options.
pub(super) fn about(
    raised: Raised,
    kind: &'static DeviceKind,
    number: Option<u16>,
    name: &str,
    options_at: usize,
) -> Raised {
    if let (Some(number), Some(group)) = (number, kind.group) {
        return match group.shape {
            Shape::Numbers(key) => raised.under(&number.to_string()).under(key).arg(options_at),
            shape @ (Shape::Rows | Shape::Pairs | Shape::List) => {
                groups::about(raised, group, shape, number, name).arg(kind.given.len())
            }
        };
    }
    match kind.given.iter().position(|parameter| parameter.name == name) {
        Some(at) => raised.arg(at),
        None => raised.under(name).arg(options_at),
    }
}

fn read_options(kind: &'static DeviceKind, value: &Dynamic) -> Result<Vec<Item>, Raised> {
    let group =
        kind.group.and_then(|group| if let Shape::Numbers(key) = group.shape { Some((group, key)) } else { None });
    let known: Vec<&str> = kind.options().map(|parameter| parameter.name).chain(group.map(|(_, key)| key)).collect();
    let mut items = Vec::new();
    for (key, value) in map(value)? {
        if let Some((group, _)) = group.filter(|(_, name)| *name == key.as_str()) {
            items.extend(groups::read(kind, group, &value).map_err(|raised| raised.under(&key))?);
            continue;
        }
        let parameter = kind.options().find(|parameter| parameter.name == key.as_str());
        let parameter = parameter.ok_or_else(|| unknown_key(&key, &known))?;
        if !value.is_unit() {
            let help = || format!("`{}`: {}: {}", parameter.name, parameter.help, parameter.ty);
            let value = read(parameter, &value).map_err(|raised| raised.under(&key).or_hint(help))?;
            items.push(Item { number: None, parameter, value });
        }
    }
    Ok(items)
}

/// Reads the value of a parameter from whatever the recipe gave.
pub(super) fn read(parameter: &Parameter, value: &Dynamic) -> Result<Value, Raised> {
    if let Some(tap) = value.read_lock::<Tap>() {
        return match parameter.ty {
            Type::Backend => Ok(Value::Backend(Backend::Tap(tap.0.clone()))),
            // A tap is what a card is plugged into, and nothing else.
            _ => Err(expected(&parameter.ty.to_string(), value)),
        };
    }
    if let Some(secret) = value.read_lock::<SecretHandle>() {
        let password = matches!(parameter.ty, Type::Password).then(|| Password::try_from(secret.0.clone()));
        let elsewhere = || Fault::new(format!("a secret cannot be used for `{}`: it would be seen", parameter.name));
        return Ok(Value::Password(password.ok_or_else(elsewhere)??));
    }
    read_type(parameter.ty, value)
}

/// Reads a value of a type from whatever the recipe gave.
pub(super) fn read_type(ty: Type, value: &Dynamic) -> Result<Value, Raised> {
    let other = || expected(&ty.to_string(), value);
    if let (Some(list), Some(separator)) = (value.read_lock::<rhai::Array>(), ty.joined_by()) {
        let text = |(at, value): (usize, &Dynamic)| {
            let text = value.as_int().map(|number| number.to_string()).or_else(|_| value.clone().into_string());
            let text = text.map_err(|_| expected("a text", value).under(&at.to_string()))?;
            // Each is read alone first, so that a fault names it.
            ty.read(&text).map_err(|fault| Raised::from(fault).under(&at.to_string()))?;
            Ok(text)
        };
        let texts = list.iter().enumerate().map(text).collect::<Result<Vec<String>, Raised>>()?;
        return ty.read(&texts.join(separator)).map_err(Raised::from);
    }
    if let Ok(flag) = value.as_bool() {
        return if ty == Type::Flag { Ok(Value::Flag(flag)) } else { Err(other()) };
    }
    if let Ok(number) = value.as_int() {
        return ty.read_integer(number).map_err(Raised::from);
    }
    match value.clone().into_string() {
        Ok(text) if ty != Type::Flag => ty.read(&text).map_err(Raised::from),
        _ => Err(other()),
    }
}
