//! The words of devices, derived from their descriptions.

use super::{Call, expected, map, unknown_key};
use crate::diag::Fault;
use crate::model::value::{Need, Password, Value};
use crate::model::{Backend, Device, DeviceKind, Parameter, Type};
use crate::script::handle::{DeviceHandle, SecretHandle, Tap};
use crate::script::raise::Raised;
use rhai::Dynamic;
use std::sync::OnceLock;

/// Returns how a device's word is written.
pub(super) fn usage(kind: &DeviceKind) -> String {
    let mut inside: Vec<&str> = kind.given.iter().map(|given| given.name).collect();
    if kind.options().next().is_some() {
        inside.push("#{ … }");
    }
    format!("{}({})", kind.word(), inside.join(", "))
}

/// Returns a device's word for as long as the program runs.
pub(super) fn static_word(kind: &'static DeviceKind) -> &'static str {
    static WORDS: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    let words = WORDS.get_or_init(|| crate::model::device::KINDS.iter().map(|kind| (kind.name, kind.word())).collect());
    words.iter().find(|(name, _)| *name == kind.name).map_or(kind.name, |(_, word)| word)
}

/// Makes a device.
pub(super) fn make(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let Some(kind) = call.device else { return Ok(Dynamic::UNIT) };
    let mut values = Vec::new();
    for (at, parameter) in kind.given.iter().enumerate() {
        values.extend(given(parameter, &call.args[at]).map_err(|raised| raised.arg(at))?);
    }
    let at = kind.given.len();
    if call.has(at) {
        let known: Vec<&str> = kind.options().map(|parameter| parameter.name).collect();
        for (key, value) in map(&call.args[at]).map_err(|raised| raised.arg(at))? {
            let parameter = kind.options().find(|parameter| parameter.name == key.as_str());
            let parameter = parameter.ok_or_else(|| unknown_key(&key, &known).arg(at))?;
            if !value.is_unit() {
                let value = read(parameter, &value).map_err(|raised| raised.under(&key).arg(at))?;
                values.push((parameter, value));
            }
        }
    }
    let device = Device::new(kind, values).map_err(|(parameter, fault)| match parameter {
        Some(parameter) => Raised::from(fault).under(parameter.name).arg(at),
        None => Raised::from(fault),
    })?;
    Ok(Dynamic::from(DeviceHandle { device, site: call.site.clone() }))
}

type Given = Vec<(&'static Parameter, Value)>;

/// Several may be given in a list where the device takes several.
fn given(parameter: &'static Parameter, value: &Dynamic) -> Result<Given, Raised> {
    match value.read_lock::<rhai::Array>() {
        Some(list) if parameter.need == Need::Repeated => {
            list.iter().map(|value| Ok((parameter, read(parameter, value)?))).collect()
        }
        _ => Ok(vec![(parameter, read(parameter, value)?)]),
    }
}

/// Reads the value of a parameter from whatever the recipe gave.
pub(super) fn read(parameter: &Parameter, value: &Dynamic) -> Result<Value, Raised> {
    if let Some(tap) = value.read_lock::<Tap>() {
        return match parameter.ty {
            Type::Backend => Ok(Value::Backend(Backend::Tap(tap.0.clone()))),
            _ => Err(expected(&parameter.ty.to_string(), value)),
        };
    }
    if let Some(secret) = value.read_lock::<SecretHandle>() {
        let password = matches!(parameter.ty, Type::Password).then(|| Password::try_from(secret.0.clone()));
        let elsewhere = || Fault::new(format!("a secret cannot be used for `{}`: it would be seen", parameter.name));
        return Ok(Value::Password(password.ok_or_else(elsewhere)??));
    }
    if let Ok(flag) = value.as_bool() {
        return match parameter.ty {
            Type::Flag => Ok(Value::Flag(flag)),
            _ => Err(expected(&parameter.ty.to_string(), value)),
        };
    }
    if let Ok(number) = value.as_int() {
        return parameter.ty.read_integer(number).map_err(Raised::from);
    }
    match value.clone().into_string() {
        Ok(text) if !matches!(parameter.ty, Type::Flag) => parameter.ty.read(&text).map_err(Raised::from),
        _ => Err(expected(&parameter.ty.to_string(), value)),
    }
}
