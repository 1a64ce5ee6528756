//! The jail of a machine, as recipes write it.

use super::super::super::{expected, map, text, unknown_key};
use crate::diag::Fault;
use crate::model::{Jail, JailName};
use crate::script::raise::Raised;
use rhai::Dynamic;

/// The name of a jail that is there, or one that is to be made.
pub(super) fn jail(value: &Dynamic) -> Result<Jail, Raised> {
    const KNOWN: [&str; 3] = ["name", "create", "vnet"];
    if !value.is_map() {
        let name = value
            .clone()
            .into_string()
            .map_err(|_| expected("the name of a jail, or #{ name, create, vnet }", value))?;
        return Ok(Jail { name: name.parse()?, is_made: false, has_network: false });
    }
    let given = map(value)?;
    if let Some(key) = given.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(unknown_key(key, &KNOWN));
    }
    let name = given.get("name").ok_or_else(|| Fault::new("a jail has a `name`").hint("write #{ name: \"web\" }"))?;
    let name: JailName = text(name).and_then(|name| Ok(name.parse()?)).map_err(|raised| raised.under("name"))?;
    let is_set = |key: &str| match given.get(key).filter(|value| !value.is_unit()) {
        Some(value) => value.as_bool().map_err(|_| expected("true or false", value).under(key)),
        None => Ok(false),
    };
    let (is_made, has_network) = (is_set("create")?, is_set("vnet")?);
    if has_network && !is_made {
        let fault = Fault::new("`vnet` is for a jail that is made: one that is there has a network of its own or not");
        return Err(Raised::from(fault.hint("leave `vnet` out, or add create: true")).under("vnet"));
    }
    if is_made && name.as_str().contains('.') {
        let fault = Fault::new(format!("{name} would be a jail within a jail, and vmrun makes none"));
        return Err(Raised::from(fault.hint("a name without `.`")).under("name"));
    }
    Ok(Jail { name, is_made, has_network })
}
