//! What two recipes must not both want for themselves.

use super::{Finding, Rule, parse};
use crate::diag::{Diagnostic, Fault, Place, Source};
use crate::host::Effect;
use crate::model::device::Access;
use crate::model::{Backend, HostName, InterfaceName, Mac, Part, VmName};
use crate::script::handle::nowhere;
use crate::script::modules::STDLIB;
use crate::script::raise::{Raised, Site};
use crate::script::source::Sources;
use crate::script::words::machine::part_of;
use crate::script::{Booted, Evaluated, given, report};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

/// Something of which there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// The name of a machine.
    Name(String),
    /// The hardware address of a card.
    Mac(String),
    /// Where VNC listens.
    Vnc(SocketAddr),
    /// The socket of the file system where VNC listens.
    Socket(PathBuf),
    /// A tap.
    Tap(String),
    /// An interface that is a member of a bridge: its port.
    Port(String),
    /// A disk image.
    Image(PathBuf),
    /// The host name of a guest.
    Host(String),
    /// The address that DHCP gives to a guest.
    Address(Ipv4Addr),
}

/// What a recipe wants for itself, and the call that says so.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it is.
    pub what: Shared,
    /// Whether others may have it as well that only read it.
    pub only_reads: bool,
    /// The machine that it is for, if it is for one.
    pub machine: String,
    /// Where it stands.
    pub raised: Raised,
    /// The name of the recipe.
    pub recipe: String,
}

impl Claim {
    fn new(what: Shared, machine: &str, raised: Raised) -> Self {
        Self { what, only_reads: false, machine: machine.into(), raised, recipe: String::new() }
    }
}

/// Finds where claims stand: the texts are parsed for that alone, since few claims clash.
#[derive(Default)]
pub struct Places(Rc<Sources>);

impl Places {
    /// Returns where a claim stands, of which a message is; `read` has the text of a name.
    pub fn find(&self, claim: &Claim, message: &str, read: impl Fn(&str) -> Option<String>) -> Option<Place> {
        let name = claim.raised.site.as_ref()?.source.clone()?;
        self.know(name, &read)?;
        let found = report::raised(claim.raised.clone(), &nowhere(), &self.0).into_iter().next()?;
        if !found.place.as_ref().is_some_and(given::is_standard) {
            return found.place;
        }
        self.know(claim.recipe.clone(), &read)?;
        let unit = self.0.get(&claim.recipe)?;
        let fault = Fault::new(message);
        given::moved(Diagnostic { fault, ..found }, &[unit]).place
    }

    fn know(&self, name: String, read: &impl Fn(&str) -> Option<String>) -> Option<()> {
        if self.0.get(&name).is_none() {
            let source =
                Rc::new(Source { text: standard(&name).map_or_else(|| read(&name), |text| Some(text.into()))?, name });
            let mut ast = parse(&source).ast;
            ast.set_source(source.name.as_str());
            self.0.add(&source, &ast);
        }
        Some(())
    }
}

/// Returns the text of a module of the standard library.
fn standard(name: &str) -> Option<&'static str> {
    STDLIB.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Returns what a rehearsal has claimed.
pub(super) fn claims(evaluated: &Evaluated) -> Vec<Claim> {
    let mut all: Vec<Claim> = evaluated.booted.iter().flat_map(of_machine).collect();
    let at = |site: &Site| Raised::from(Fault::new("")).at(site);
    for (effect, site) in &evaluated.calls {
        if let Effect::Join { member, .. } = effect {
            all.push(Claim::new(Shared::Port(name(member)), "", at(site).arg(0)));
        }
    }
    for (described, site) in &evaluated.installs {
        let machine = described.machine.as_ref().map(VmName::to_string).unwrap_or_default();
        if let Some(host) = &described.host {
            all.push(Claim::new(Shared::Host(HostName::to_string(host)), &machine, at(site).under("host").arg(0)));
        }
        if let Some(address) = described.address {
            all.push(Claim::new(Shared::Address(address), &machine, at(site).under("address").arg(0)));
        }
    }
    all
}

fn name(interface: &InterfaceName) -> String {
    interface.to_string()
}

fn of_machine(booted: &Booted) -> Vec<Claim> {
    let (machine, mut all) = (&booted.machine, Vec::new());
    let own = machine.name().to_string();
    let mut claim = |what: Shared, part: &Part| {
        let mut claim = Claim::new(what, &own, part_of(&booted.state, part, Fault::new("")));
        claim.raised.fault = Fault::new("");
        all.push(claim);
    };
    claim(Shared::Name(own.clone()), &Part::Key("name"));
    for (slot, device) in machine.devices() {
        if let Some(mac) = device.mac() {
            claim(Shared::Mac(Mac::to_string(&mac)), &Part::Option(slot, "mac"));
        }
        if let Some(address) = device.vnc() {
            let key = if device.value("rfb").is_some() { "rfb" } else { "tcp" };
            claim(Shared::Vnc(address.socket()), &Part::Option(slot, key));
        }
        if let Some(path) = device.vnc_socket() {
            let key = if device.value("rfb").is_some() { "rfb" } else { "tcp" };
            claim(Shared::Socket(path.as_path().into()), &Part::Option(slot, key));
        }
        if let Some(Backend::Tap(tap)) = device.backend() {
            claim(Shared::Tap(name(tap)), &Part::Option(slot, "backend"));
        }
    }
    if let Some(vars) = machine.bootrom().and_then(|rom| rom.vars.as_ref()) {
        claim(Shared::Image(vars.as_path().into()), &Part::Key("bootrom"));
    }
    for (slot, device) in machine.devices() {
        for (number, option, path, access) in device.images() {
            let part = Part::option(slot, number, option);
            let raised = part_of(&booted.state, &part, Fault::new(""));
            let what = Shared::Image(path.as_path().into());
            all.push(Claim { only_reads: access == Access::ReadOnly, ..Claim::new(what, &own, raised) });
        }
    }
    all
}

/// Sets the claims of recipes against each other. Each comes with the number of its recipe, in order.
pub fn conflicts(all: &[(usize, Claim)], place: impl Fn(&Claim, &str) -> Option<Place>) -> Vec<(usize, Finding)> {
    let mut known: BTreeMap<&Shared, Vec<&(usize, Claim)>> = BTreeMap::new();
    for claim in all {
        known.entry(&claim.1.what).or_default().push(claim);
    }
    let taps: Vec<&String> = known.iter().filter(|(_, of)| of.len() > 1).filter_map(|(what, _)| as_tap(what)).collect();
    let mut found = Vec::new();
    for (what, claims) in &known {
        // A tap is told of where it is plugged in.
        if matches!(what, Shared::Port(name) if taps.contains(&name)) {
            continue;
        }
        for (at, (recipe, claim)) in claims.iter().enumerate() {
            let other = claims[..at].iter().find(|(other, of)| other != recipe && !(claim.only_reads && of.only_reads));
            if let Some((_, of)) = other {
                let diagnostic = clash(claim, of, &place);
                found.push((*recipe, Finding { rule: Rule::Shared, diagnostic }));
            }
        }
    }
    found.sort_by_key(|(recipe, finding)| {
        (
            *recipe,
            finding.diagnostic.place.as_ref().map(|place| place.span.start),
            finding.diagnostic.fault.message.clone(),
        )
    });
    found
}

const fn as_tap(what: &Shared) -> Option<&String> {
    if let Shared::Tap(name) = what { Some(name) } else { None }
}

fn clash(claim: &Claim, of: &Claim, place: &impl Fn(&Claim, &str) -> Option<Place>) -> Diagnostic {
    let whose = if of.machine.is_empty() { "another recipe".to_string() } else { format!("`{}`", of.machine) };
    let (message, hint) = match &claim.what {
        Shared::Name(name) => {
            (format!("another recipe has a machine of the name {name}"), "each machine of a host has a name of its own")
        }
        Shared::Mac(mac) => (
            format!("{whose} has the hardware address {mac} too"),
            "give each card an address of its own, or leave `mac` out",
        ),
        Shared::Vnc(address) => {
            (format!("VNC of {whose} listens on {address} too"), "give each machine a port of its own")
        }
        Shared::Socket(path) => (
            format!("VNC of {whose} listens on the socket {} too", path.display()),
            "give each machine a socket of its own",
        ),
        Shared::Tap(name) => (format!("{whose} is plugged into {name} too"), "give each card a tap of its own"),
        Shared::Port(name) => (
            format!("{name} is made a member of a bridge by another recipe too"),
            "an interface is a member of one bridge",
        ),
        Shared::Image(path) => {
            let (path, does) = (path.display(), if of.only_reads { "reads" } else { "writes" });
            let hint = "an image that is written is one machine's alone: copy it, or make it read-only";
            (format!("{whose} {does} {path} too"), hint)
        }
        Shared::Host(name) => {
            (format!("{whose} is installed with the host name {name} too"), "give each a name of its own")
        }
        Shared::Address(address) => {
            (format!("{whose} gets the address {address} too"), "give each an address of its own")
        }
    };
    let (here, there) = (place(claim, &message), place(of, &message));
    let trail = there.map(|place| (place, "here first".to_string())).into_iter().collect();
    Diagnostic { place: here, trail, ..Diagnostic::error(Fault::new(message).hint(hint)) }
}
