//! The text of a test beside a recipe: a host that has what the recipe needs, and a plan that is filled in once it was run there.

use super::Import;
use super::layout::{key, quoted};
use crate::model::device::{Counterpart, Item};
use crate::model::{Backend, Device, Draft, InterfaceName, Release, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The name of the test.
pub(crate) const TEST: &str = "test_the_plan";

/// A host that has what recipes need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestHost {
    /// The release of its FreeBSD.
    pub(crate) release: Release,
    /// What the host's interfaces are: `bridge`, `tap`, or addresses; nothing of a card alone.
    pub(crate) interfaces: BTreeMap<String, Vec<String>>,
    /// Its files, by their paths; one that ends in `/` is a folder.
    pub(crate) files: BTreeSet<String>,
    /// What commands print there.
    pub(crate) answers: BTreeMap<String, String>,
    /// The names of its secrets.
    pub(crate) secrets: BTreeSet<String>,
}

impl TestHost {
    /// Returns a host for a recipe that was made of a machine.
    pub(crate) fn of(import: &mut Import) -> Self {
        let mut host = Self { release: import.draft.target.release, ..Self::default() };
        host.files.extend(needed(&import.draft));
        host.secrets.extend(import.password.map(|_| import.secret.clone()));
        let unknown = super::Tap::default();
        for device in import.draft.slots.values() {
            if let Some(Backend::Tap(tap)) = device.backend() {
                let name = tap.to_string();
                let tap = import.taps.get(&name).unwrap_or(&unknown);
                let is_made = super::recipe::is_made(&name, tap);
                host.interfaces.extend(tap.bridge.clone().map(|bridge| (bridge, vec!["bridge".into()])));
                host.interfaces.extend((!is_made).then(|| (name, vec!["tap".into()])));
            }
            host.interfaces.extend(address(device));
        }
        host
    }
}

/// Returns what has to be there for a machine: its files, and as `/srv/` the folders that it mounts, and those in which bhyve makes sockets.
pub(crate) fn needed(draft: &Draft) -> Vec<String> {
    let value = |item: &Item| if let Value::Path(path) = &item.value { Some(path.as_str().to_string()) } else { None };
    let of_device = |device: &Device| {
        let counterpart = device.kind().counterpart;
        device.items().iter().filter_map(value).map(move |path| (path, counterpart)).collect::<Vec<_>>()
    };
    let known: BTreeMap<String, Counterpart> = draft.slots.values().flat_map(of_device).collect();
    let mut draft = draft.clone();
    let paths = draft.paths_mut().into_iter().map(|(_, path)| path.as_str().to_string());
    let needed = |path: String| match known.get(&path) {
        Some(Counterpart::Share) => Some(format!("{}/", path.trim_end_matches('/'))),
        Some(Counterpart::Console) => path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")),
        // All else is a file, or a device.
        _ => Some(path),
    };
    paths.filter_map(needed).collect()
}

/// Returns the interface that has the address of a screen, if it takes one.
fn address(device: &Device) -> Option<(String, Vec<String>)> {
    let is_address = |value: &Value| matches!(value, Value::Address(_) | Value::Socket(_));
    let mut values = device.items().iter().map(|item| &item.value).filter(|value| is_address(value));
    let ip = values.find_map(|value| Some(value.to_string().parse::<SocketAddr>().ok()?.ip()))?;
    let length = if ip.is_ipv4() { 24 } else { 64 };
    let is_everywhere = ip.is_unspecified() || ip.is_loopback();
    (!is_everywhere).then(|| (interface(ip), vec![format!("{ip}/{length}")]))
}

/// A name for the card with an address: one for each.
fn interface(ip: IpAddr) -> String {
    let name: String = ip.to_string().chars().filter(char::is_ascii_alphanumeric).rev().take(8).collect();
    let name = format!("if{name}");
    if name.parse::<InterfaceName>().is_ok() { name } else { "em0".into() }
}

/// Returns the test of the recipe of that file, with a plan that is to be filled in.
pub(crate) fn test(recipe: &str, host: &TestHost) -> String {
    let map = |pairs: Vec<(String, String)>| {
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{}: {value}", key(&name))).collect();
        format!("#{{ {} }}", pairs.join(", "))
    };
    let size = |path: &String| if path.starts_with("/dev/") || path.ends_with('/') { "()" } else { "1.GiB" };
    let kinds = |kinds: &[String]| match kinds {
        [kind] => quoted(kind),
        kinds => format!("[{}]", kinds.iter().map(|kind| quoted(kind)).collect::<Vec<_>>().join(", ")),
    };
    let interfaces = host.interfaces.iter().map(|(name, of)| (name.clone(), kinds(of))).collect::<Vec<_>>();
    let files = host.files.iter().map(|path| (path.clone(), size(path).to_string())).collect::<Vec<_>>();
    let secrets = host.secrets.iter().map(|name| (name.clone(), quoted("password"))).collect::<Vec<_>>();
    let answers = host.answers.iter().map(|(call, text)| (call.clone(), quoted(text))).collect::<Vec<_>>();
    let mut text = format!(
        "// What {recipe} does, as it was written: `vmrun test` compares it.\n\nfn {TEST}() {{\n    host(#{{\n"
    );
    text.push_str(&format!("        release: {},\n", quoted(host.release.to_string().trim_start_matches("FreeBSD "))));
    for (name, pairs) in [("interfaces", interfaces), ("files", files), ("answers", answers), ("secrets", secrets)] {
        if !pairs.is_empty() {
            text.push_str(&format!("        {name}: {},\n", map(pairs)));
        }
    }
    text.push_str(&format!("    }});\n    assert_plan(recipe({}), ``);\n}}\n", quoted(recipe)));
    text
}
