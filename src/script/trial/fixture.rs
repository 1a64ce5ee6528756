//! What a test says of its host: `host(#{ … })` and `exits([…])`.

use super::{SharedState, word};
use crate::diag::{Fault, suggest};
use crate::host::worlds::fixture::Fixture;
use crate::host::{Asked, Interface, InterfaceKind, NODES, Platform, SYSTEM_CACHE, Settings};
use crate::model::{Ended, NetAddress, Size, Target};
use crate::script::check::test_words::HOST;
use crate::script::raise::Raised;
use crate::script::words::{expected, map, size, text, unknown_key};
use rhai::{Array, Dynamic, Engine, Map, Position};
use std::collections::BTreeMap;
use std::path::Path;

/// How a boot may end, as `exits` has it.
pub(super) const EXITS: [(&str, Ended); 6] = [
    ("reboot", Ended::Rebooted),
    ("poweroff", Ended::PoweredOff),
    ("halt", Ended::Halted),
    ("triple_fault", Ended::TripleFault),
    ("error", Ended::Failed { status: 4 }),
    ("killed", Ended::Killed { signal: 9 }),
];

/// Returns the host of a test that says nothing of it: FreeBSD with a loopback.
pub(super) fn usual() -> Fixture {
    Fixture::new(Settings {
        platform: Platform::FreeBsd,
        state: "/var/run/vmrun".into(),
        config: "/usr/local/etc/vmrun".into(),
        cache: SYSTEM_CACHE.into(),
        target: Target::default(),
        nodes: NODES.into(),
        zvols: crate::model::volume::ZVOLS.into(),
        cgroups: crate::host::cgroup::CGROUPS.into(),
        user_net: false,
    })
}

pub(super) fn register(engine: &mut Engine, state: &SharedState) {
    word(engine, state, "host", host);
    word(engine, state, "exits", exits);
}

fn host(state: &SharedState, args: &[Dynamic], _: Position) -> Result<Dynamic, Raised> {
    let mut fixture = usual();
    for (key, value) in map(&args[0]).map_err(|raised| raised.arg(0))? {
        let set = match key.as_str() {
            "platform" | "release" => kind(&mut fixture, &key, &value),
            "interfaces" => each(&value, |name, value| interface(&mut fixture, name, value)),
            "files" => files(&mut fixture, &value),
            "secrets" => pairs(&value).map(|pairs| fixture.secrets = pairs),
            "env" => pairs(&value).map(|pairs| fixture.env = pairs),
            "answers" => pairs(&value).map(|pairs| fixture.answers = pairs),
            "hostname" => text(&value).map(|name| fixture.hostname = name),
            "lacks" => texts(&value).map(|texts| fixture.lacks = texts.into_iter().collect()),
            "cpus" => {
                number(&value).map(|cpus| (fixture.capacity.cpus, fixture.capacity.vcpus) = (Some(cpus), Some(cpus)))
            }
            "memory" => size(&value).map(|memory| fixture.capacity.memory = Some(memory)),
            other => return Err(unknown_key(other, &HOST.map(|(key, _)| key)).arg(0)),
        };
        set.map_err(|raised| raised.under(&key).arg(0))?;
    }
    state.borrow_mut().fixture = fixture;
    Ok(Dynamic::UNIT)
}

/// The release is FreeBSD's, "15.0" or "15"; the platform is one of both.
fn kind(fixture: &mut Fixture, key: &str, value: &Dynamic) -> Result<(), Raised> {
    let given = text(value)?;
    let name = if key == "platform" {
        given.clone()
    } else {
        format!("freebsd-{}", given.split('.').next().unwrap_or_default())
    };
    let wrong =
        |_| Fault::new(format!("{given:?} is no {key}")).hint("platform: \"freebsd\" or \"linux\", release: \"15.0\"");
    let asked: Asked = name.parse().map_err(wrong)?;
    if key == "platform" {
        fixture.settings.platform = asked.platform;
    } else {
        fixture.settings.target = asked.target(fixture.settings.target);
    }
    Ok(())
}

/// `"bridge"`, `"tap"`, an address with its network, or a list of those.
fn interface(fixture: &mut Fixture, name: &str, value: &Dynamic) -> Result<(), Raised> {
    let all = match value.read_lock::<Array>() {
        Some(all) => all.clone(),
        None => vec![value.clone()],
    };
    let mut made = Interface::new(name, InterfaceKind::Other);
    for (at, value) in all.iter().enumerate() {
        let given = text(value)?;
        match given.as_str() {
            "bridge" => made.kind = InterfaceKind::Bridge,
            "tap" => made.kind = InterfaceKind::Tap,
            _ => {
                let address: NetAddress = given.parse().map_err(|_| {
                    let fault = Fault::new(format!("{given:?} is nothing that an interface is or has"));
                    let raised = Raised::from(fault.hint("\"bridge\", \"tap\" or an address: \"192.168.2.5/24\""));
                    if all.len() > 1 { raised.under(&at.to_string()) } else { raised }
                })?;
                made.addresses.push(address);
            }
        }
    }
    fixture.world.interfaces.push(made);
    Ok(())
}

/// A list of paths, or a map of paths to a size, a text, or `()`; a path that ends in `/` is a folder.
fn files(fixture: &mut Fixture, value: &Dynamic) -> Result<(), Raised> {
    if value.is_array() {
        return list(value)?.iter().try_for_each(|path| {
            let path = text(path)?;
            match path.strip_suffix('/') {
                Some(folder) => fixture.world.folder(Path::new(folder)),
                None => fixture.world.file(Path::new(&path), Some(Size::bytes(1 << 30)), true),
            }
            Ok(())
        });
    }
    each(value, |path, value| {
        if let Some(folder) = path.strip_suffix('/').filter(|_| value.is_unit()) {
            fixture.world.folder(Path::new(folder));
            return Ok(());
        }
        let path = Path::new(path);
        if let Ok(content) = value.clone().into_string() {
            fixture.world.file(path, Some(Size::bytes(content.len() as u64)), true);
            fixture.world.texts.insert(path.into(), content.as_bytes().into());
        } else if value.is_unit() {
            fixture.world.file(path, None, true);
        } else {
            fixture.world.file(path, Some(size(value)?), true);
        }
        Ok(())
    })
}

fn each(value: &Dynamic, mut set: impl FnMut(&str, &Dynamic) -> Result<(), Raised>) -> Result<(), Raised> {
    let all: Map = map(value)?;
    all.iter().try_for_each(|(name, value)| set(name, value).map_err(|raised| raised.under(name)))
}

fn pairs(value: &Dynamic) -> Result<BTreeMap<String, String>, Raised> {
    let pair = |(name, value): (&rhai::Identifier, &Dynamic)| Ok((name.to_string(), text(value)?));
    map(value)?.iter().map(pair).collect()
}

fn texts(value: &Dynamic) -> Result<Vec<String>, Raised> {
    list(value)?.iter().map(text).collect()
}

fn list(value: &Dynamic) -> Result<Array, Raised> {
    value.clone().try_cast::<Array>().ok_or_else(|| expected("a list", value))
}

fn number(value: &Dynamic) -> Result<u64, Raised> {
    value.as_int().ok().and_then(|number| u64::try_from(number).ok()).ok_or_else(|| expected("a number", value))
}

fn exits(state: &SharedState, args: &[Dynamic], _: Position) -> Result<Dynamic, Raised> {
    let known = || EXITS.iter().map(|(word, _)| *word);
    let mut exits = Vec::new();
    for (at, value) in list(&args[0]).map_err(|raised| raised.arg(0))?.iter().enumerate() {
        let given = text(value).map_err(|raised| raised.under(&at.to_string()).arg(0))?;
        let ended = EXITS.iter().find(|(word, _)| *word == given).map(|(_, ended)| ended.clone());
        exits.push(ended.ok_or_else(|| {
            let fault = Fault::new(format!("no boot ends by {given:?}"));
            let fault = fault.hint(format!("one of {}", suggest::list(known())));
            Raised::from(fault.did_you_mean(&given, known())).under(&at.to_string()).arg(0)
        })?);
    }
    state.borrow_mut().fixture.exits = exits.into();
    Ok(Dynamic::UNIT)
}
