//! Interfaces: taps, bridges, and ifconfig as it is.

use super::{Call, Kind, Word, expected};
use crate::host::{Effect, Platform};
use crate::model::{Argv, InterfaceName};
use crate::run::conflicts::{against_bridge, against_network, against_tap};
use crate::script::handle::{Bridge, Tap};
use crate::script::raise::Raised;
use rhai::Dynamic;
use std::any::TypeId;

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "tap",
        kind: Kind::Action,
        on: None,
        arity: (1, 1),
        usage: "tap(\"tap1\")",
        help: "Makes a tap; it goes away when the run ends.",
        call: tap,
    },
    Word {
        name: "bridge",
        kind: Kind::Fact,
        on: None,
        arity: (1, 1),
        usage: "bridge(\"bridge2\")",
        help: "Names a bridge that is there.",
        call: bridge,
    },
    Word {
        name: "add",
        kind: Kind::Method,
        on: Some(TypeId::of::<Bridge>()),
        arity: (1, 1),
        usage: "bridge.add(tap)",
        help: "Makes an interface a member of the bridge, until the run ends.",
        call: add,
    },
    Word {
        name: "ifconfig",
        kind: Kind::Action,
        on: None,
        arity: (1, 1),
        usage: "ifconfig([\"tap1\", \"mtu\", \"9000\"])",
        help: "Runs ifconfig(8) as it is; nothing of it is given back.",
        call: ifconfig,
    },
];

fn tap(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name: InterfaceName = call.parsed(0)?;
    let effect = Effect::CreateTap(name.clone());
    if call.rehearses() && !call.session().run().holds(&effect) {
        let mut session = call.session();
        if let Some(fault) = against_tap(&*session.run().host, name.as_str())? {
            return Err(Raised::from(fault).arg(0));
        }
        drop(session);
        against_changes(call)?;
    }
    call.act(&effect)?;
    Ok(Dynamic::from(Tap(name)))
}

fn against_changes(call: &Call<'_>) -> Result<(), Raised> {
    let fault = against_network(&*call.session().run().host);
    let purpose = call.session().rehearsal;
    match (fault, purpose) {
        (Some(fault), Some(crate::run::conflicts::Purpose::Run)) => Err(fault.into()),
        (Some(fault), _) => {
            super::machine::warn(call, fault.into());
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

fn bridge(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name: InterfaceName = call.parsed(0)?;
    if call.rehearses()
        && let Some(fault) = against_bridge(&*call.session().run().host, name.as_str())?
    {
        return Err(Raised::from(fault).arg(0));
    }
    Ok(Dynamic::from(Bridge(name)))
}

fn add(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let bridge = call.this.clone().and_then(Dynamic::try_cast::<Bridge>);
    let bridge = bridge.ok_or_else(|| expected("a bridge", &Dynamic::UNIT))?.0;
    let member = match call.args[0].read_lock::<Tap>() {
        Some(tap) => tap.0.clone(),
        None => call.parsed(0)?,
    };
    if call.rehearses() {
        against_changes(call)?;
    }
    call.act(&Effect::Join { bridge, member })?;
    Ok(Dynamic::UNIT)
}

fn ifconfig(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let words = call.texts(0)?;
    if call.session().run().host.settings().platform == Platform::Linux {
        let fault = crate::diag::Fault::new("ifconfig(…) is FreeBSD's, and this is a run for Linux");
        return Err(fault.hint("use tap, bridge, or run(\"ip\", […]) where platform == \"linux\"").into());
    }
    Ok(call.act(&Effect::Run(Argv::new("ifconfig").args(words)))?.into())
}
