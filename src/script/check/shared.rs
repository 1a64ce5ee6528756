//! What two recipes must not both want for themselves.

use super::{Finding, Rule, parse};
use crate::diag::{Diagnostic, Fault, Place, Source};
use crate::host::Effect;
use crate::model::exclusive::Key;
use crate::model::{Exclusive, HostName, InterfaceName, Part, Role, VmName};
use crate::script::handle::nowhere;
use crate::script::modules::STDLIB;
use crate::script::raise::{Raised, Site};
use crate::script::source::Sources;
use crate::script::words::machine::part_of;
use crate::script::{Booted, Evaluated, given, report};
use crate::supervise::order;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::rc::Rc;

/// Something of which there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shared {
    /// What a machine has alone while it runs.
    Own(Exclusive),
    /// An interface that is a member of a bridge: its port.
    Port(String),
    /// The host name of a guest.
    Host(String),
    /// The address that DHCP gives to a guest.
    Address(Ipv4Addr),
    /// That a machine starts after the one of this name: all that do so can, if none waits for itself by way of others.
    After(String),
}

/// What can only clash with its like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kin {
    Own(Key),
    Port(String),
    Host(String),
    Address(Ipv4Addr),
    After(String),
}

impl Shared {
    fn kin(&self) -> Kin {
        match self {
            Self::Own(own) => Kin::Own(own.key()),
            Self::Port(name) => Kin::Port(name.clone()),
            Self::Host(name) => Kin::Host(name.clone()),
            Self::Address(address) => Kin::Address(*address),
            Self::After(name) => Kin::After(name.clone()),
        }
    }

    /// Returns whether two that are of a kin cannot both be had.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(one), Self::Own(other)) => one.excludes(other),
            (Self::After(_), Self::After(_)) => false,
            _ => self == other,
        }
    }
}

/// What a recipe wants for itself, and the call that says so.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The thing that only one may have.
    pub what: Shared,
    /// The machine that it is for, if it is for one.
    pub machine: String,
    /// Where it stands.
    pub raised: Raised,
    /// The name of the recipe.
    pub recipe: String,
    /// Which instance of it, where it has several.
    pub instance: Option<String>,
}

impl Claim {
    fn new(what: Shared, machine: &str, raised: Raised) -> Self {
        Self { what, machine: machine.into(), raised, recipe: String::new(), instance: None }
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
    for (options, site) in &evaluated.installs {
        let machine = options.machine.as_ref().map(VmName::to_string).unwrap_or_default();
        if let Some(host) = &options.host {
            all.push(Claim::new(Shared::Host(HostName::to_string(host)), &machine, at(site).under("host").arg(0)));
        }
        if let Some(address) = options.address {
            all.push(Claim::new(Shared::Address(address), &machine, at(site).under("address").arg(0)));
        }
    }
    // What a recipe says of its service is of the machine that it boots.
    let own = evaluated.booted.first().map(|booted| booted.machine.name().to_string());
    for (other, site) in evaluated.afters.iter().filter(|_| own.is_some()) {
        let machine = own.as_deref().unwrap_or_default();
        all.push(Claim::new(Shared::After(other.to_string()), machine, at(site).arg(0)));
    }
    all
}

fn name(interface: &InterfaceName) -> String {
    interface.to_string()
}

fn of_machine(booted: &Booted) -> Vec<Claim> {
    let own = booted.machine.name().to_string();
    let claim = |(what, part): &(Exclusive, Part)| {
        Claim::new(Shared::Own(what.clone()), &own, part_of(&booted.state, part, Fault::new("")))
    };
    booted.machine.exclusives().iter().map(claim).collect()
}

/// Sets the claims of recipes against each other. Each comes with the number of its recipe, in order.
pub fn conflicts(all: &[(usize, Claim)], place: impl Fn(&Claim, &str) -> Option<Place>) -> Vec<(usize, Finding)> {
    let mut known: BTreeMap<Kin, Vec<&(usize, Claim)>> = BTreeMap::new();
    for claim in all {
        known.entry(claim.1.what.kin()).or_default().push(claim);
    }
    let taps: Vec<&str> = known.iter().filter(|(_, of)| of.len() > 1).filter_map(|(kin, _)| as_tap(kin)).collect();
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    for (kin, claims) in &known {
        // A tap is told of where it is plugged in.
        if matches!(kin, Kin::Port(name) if taps.contains(&name.as_str())) {
            continue;
        }
        for (at, (recipe, claim)) in claims.iter().enumerate() {
            let is_other = |(other, of): &&&(usize, Claim)| (other, &of.instance) != (recipe, &claim.instance);
            let other = claims[..at].iter().filter(is_other).find(|(_, of)| claim.what.excludes(&of.what));
            // What all instances share is told once.
            let is_told = other.is_some_and(|(other, _)| other == recipe) && !told.insert((*recipe, kin));
            if let Some((_, of)) = other.filter(|_| !is_told) {
                let diagnostic = clash(claim, of, &place);
                found.push((*recipe, Finding { rule: Rule::Shared, diagnostic }));
            }
        }
    }
    found.extend(circles(all, &place));
    found.sort_by_key(|(recipe, finding)| {
        (
            *recipe,
            finding.diagnostic.place.as_ref().map(|place| place.span.start),
            finding.diagnostic.fault.message.clone(),
        )
    });
    found
}

/// Returns the machines that wait for themselves by way of others, each circle where its first machine says after which it starts.
fn circles(all: &[(usize, Claim)], place: &impl Fn(&Claim, &str) -> Option<Place>) -> Vec<(usize, Finding)> {
    let after = |claim: &'_ Claim| if let Shared::After(name) = &claim.what { Some(name.clone()) } else { None };
    let mut left: Vec<(&(usize, Claim), String)> =
        all.iter().filter_map(|claim| Some((claim, after(&claim.1)?))).collect();
    let waits = all.iter().filter(|claim| after(&claim.1).is_some());
    let names: BTreeSet<&str> = waits.map(|claim| claim.1.machine.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let number = |wanted: &str| names.iter().position(|name| *name == wanted);
    let mut found = Vec::new();
    loop {
        let of = |name: &&str| {
            let own = left.iter().filter(|((_, claim), _)| claim.machine == *name);
            own.filter_map(|(_, other)| number(other)).collect::<Vec<_>>()
        };
        let Some(chain) = order::cycle(&names.iter().map(of).collect::<Vec<_>>()) else { return found };
        let chain: Vec<&str> = chain.iter().filter_map(|at| names.get(*at).copied()).collect();
        let says = |one: &str, other: &str| {
            left.iter().find(|((_, claim), after)| claim.machine == one && after == other).map(|(claim, _)| *claim)
        };
        let claims: Vec<&(usize, Claim)> =
            chain.iter().zip(chain.iter().skip(1)).filter_map(|(one, other)| says(one, other)).collect();
        let Some((first, others)) = claims.split_first() else { return found };
        let fault = order::each_other(&chain);
        let of = |claim: &&(usize, Claim)| Some((place(&claim.1, &fault.message)?, "and here".to_string()));
        let (here, trail) = (place(&first.1, &fault.message), others.iter().filter_map(of).collect());
        let diagnostic = Diagnostic { place: here, trail, ..Diagnostic::error(fault) };
        found.push((first.0, Finding { rule: Rule::Shared, diagnostic }));
        // Without one of its calls it is no circle any more.
        let (machine, other) = (first.1.machine.clone(), after(&first.1).unwrap_or_default());
        left.retain(|((_, claim), after)| claim.machine != machine || *after != other);
    }
}

fn as_tap(kin: &Kin) -> Option<&str> {
    if let Kin::Own(Key::Other(Role::Tap, name)) = kin { Some(name) } else { None }
}

/// Says whose a claim is to somebody who reads of another.
fn whose(of: &Claim, is_same_recipe: bool) -> String {
    match &of.instance {
        Some(instance) if is_same_recipe => format!("its instance {instance}"),
        _ if of.machine.is_empty() => "another recipe".to_string(),
        _ => format!("`{}`", of.machine),
    }
}

fn clash(claim: &Claim, of: &Claim, place: &impl Fn(&Claim, &str) -> Option<Place>) -> Diagnostic {
    let is_same = claim.recipe == of.recipe;
    let whose = whose(of, is_same);
    let (message, hint) = match &of.what {
        Shared::Own(own) if is_same && own.role == Role::Name => {
            (format!("{whose} has a machine of the name {} too", own.text), "let the name depend on the instance")
        }
        Shared::Own(own) => (of_own(&whose, own), own.way_out()),
        Shared::Port(name) => (
            format!("{name} is made a member of a bridge by {} too", if is_same { &whose } else { "another recipe" }),
            "an interface is a member of one bridge",
        ),
        Shared::Host(name) => {
            (format!("{whose} is installed with the host name {name} too"), "give each a name of its own")
        }
        Shared::After(name) => (format!("{whose} starts after {name} too"), "both can"),
        Shared::Address(address) => {
            (format!("{whose} gets the address {address} too"), "give each an address of its own")
        }
    };
    let (here, there) = (place(claim, &message), place(of, &message));
    let trail = there
        .filter(|there| here.as_ref() != Some(there))
        .map(|place| (place, "here first".to_string()))
        .into_iter()
        .collect();
    Diagnostic { place: here, trail, ..Diagnostic::error(Fault::new(message).hint(hint)) }
}

/// Says what the machine of another recipe has as well.
fn of_own(whose: &str, own: &Exclusive) -> String {
    let text = own.text.trim_start_matches("udp:");
    let is_path = text.starts_with('/');
    match own.role {
        Role::Name => format!("another recipe has a machine of the name {text}"),
        Role::Mac => format!("{whose} has the hardware address {text} too"),
        Role::Uuid => format!("{whose} has the UUID {text} too"),
        Role::Vnc if is_path => format!("VNC of {whose} listens on the socket {text} too"),
        Role::Vnc => format!("VNC of {whose} listens on {text} too"),
        Role::Gdb => format!("the stub for gdb of {whose} listens on {text} too"),
        Role::Serial if is_path => format!("a serial port of {whose} is plugged into {text} too"),
        Role::Serial => format!("a serial port of {whose} listens on {text} too"),
        Role::Forward => format!("`hostfwd` of {whose} listens on {text} too"),
        Role::Console => format!("a port of {whose} is the socket {text} too"),
        Role::Tpm => format!("{whose} has the TPM {text} too"),
        Role::Input => format!("{whose} has the input device {text} too"),
        Role::Passthru => format!("{whose} has the PCI device {text} too"),
        Role::Tap | Role::Netmap => format!("{whose} is plugged into {text} too"),
        Role::Hook => format!("{whose} is plugged into the hook {text} too"),
        Role::Vars | Role::Image => {
            format!("{whose} {} {text} too", if own.only_reads { "reads" } else { "writes" })
        }
    }
}
