//! Interfaces: taps, bridges, VLANs, pairs, and ifconfig as it is.

use super::{Asks, Call, Example, Keys, Param, Type, Word, WordKind, expected, process::EACH_BOOT};
use crate::diag::Fault;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Platform, Settings};
use crate::model::gate::Feature;
use crate::model::{
    Argv, Far, InterfaceName, Link, LinkKind, Membership, NetAddress, Router, VlanTag, Vxlan, VxlanId, link,
};
use crate::script::handle::{Bridge, Handle, Interface, Tap};
use crate::script::raise::Raised;
use crate::supervise::conflicts::Purpose;
use crate::supervise::conflicts::network::{
    against_bridge, against_half, against_making, against_member, against_name, against_network, against_parent,
};
use rhai::{Dynamic, Map};
use std::net::IpAddr;

const MTU: (&str, &str) = ("mtu", "how long its packets may be, in bytes");
const DESCRIPTION: (&str, &str) = ("description", "what ifconfig(8) shows of it, behind the run's mark");
const UP: (&str, &str) = ("up", "whether it is up (true)");
const ADDRESS: (&str, &str) =
    ("address", "an address with the length of its network, \"192.168.2.1/24\", or a list of them");

/// The keys of the maps of each word.
const LINK: &[(&str, &str)] = &[MTU, DESCRIPTION, UP];
const BRIDGE: &[(&str, &str)] = &[("create", "make it, until the run ends (false)"), ADDRESS, MTU, DESCRIPTION, UP];
const VLAN: &[(&str, &str)] = &[("name", "its name (PARENT.TAG)"), ADDRESS, MTU, DESCRIPTION, UP];
const VXLAN: &[(&str, &str)] = &[
    ("id", "the number of the VXLAN, up to 16777215"),
    ("local", "the address of this host that the other end knows"),
    ("remote", "the address of the one other host"),
    ("group", "the address of a group of hosts, with `dev`"),
    ("dev", "the card by which the group is reached"),
    ("port", "the port of UDP (4789)"),
    ADDRESS,
    MTU,
    DESCRIPTION,
    UP,
];
const MEMBER: &[(&str, &str)] = &[
    ("private", "it reaches no other private member"),
    ("span", "it only gets copies of all frames"),
    ("edge", "no bridge is behind it"),
    ("autoedge", "whether a bridge is behind it is found out"),
    ("ptp", "it is a link to one other bridge"),
    ("sticky", "addresses that were seen there stay there"),
    ("discover", "frames to unknown addresses are sent there"),
    ("learn", "addresses that are seen there are learnt"),
    ("untagged", "the VLAN of frames without a tag (FreeBSD 15)"),
    ("tagged", "the VLANs of frames with a tag, one or a list (FreeBSD 15)"),
];

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "tap",
        kind: WordKind::Action,
        params: &[Param::text("name", "tap1"), Param::options(LINK)],
        returns: Type::Handle(Handle::Tap),
        asks: &[Asks::Interfaces],
        help: "Makes a tap; it goes away when the run ends.",
        ..Word::of(tap)
    },
    Word {
        name: "bridge",
        kind: WordKind::Action,
        params: &[Param::text("name", "bridge2"), Param::options(BRIDGE)],
        returns: Type::Handle(Handle::Bridge),
        asks: &[Asks::Interfaces],
        help: "Names a bridge that is there; `create: true` makes it, until the run ends.",
        ..Word::of(bridge)
    },
    Word {
        name: "vlan",
        kind: WordKind::Action,
        params: &[
            Param { ty: Type::Any, ..Param::text("parent", "ix0") },
            Param { example: Example::Number(82), ..Param::new("tag", Type::Number) },
            Param::options(VLAN),
        ],
        returns: Type::Handle(Handle::Interface),
        asks: &[Asks::Interfaces],
        help: "Makes an interface of one VLAN of another, ix0.82; it goes away when the run ends.",
        ..Word::of(vlan)
    },
    Word {
        name: "vxlan",
        kind: WordKind::Action,
        params: &[Param::text("name", "vxlan0"), Param::map("options", Keys::Own(VXLAN))],
        returns: Type::Handle(Handle::Interface),
        asks: &[Asks::Interfaces],
        help: "Makes an end of a VXLAN, to one other host (`remote`) or to a group of a card (`group`, `dev`); it goes away when the run ends.",
        ..Word::of(vxlan)
    },
    Word {
        name: "epair",
        kind: WordKind::Action,
        params: &[Param { ty: Type::Any, ..Param::text("name", "epair0") }.optional(), Param::options(LINK)],
        returns: Type::Map(&["a", "b"]),
        asks: &[Asks::Interfaces],
        help: "Makes two interfaces with a cable between them, the map's `a` and `b`, until the run ends.",
        ..Word::of(epair)
    },
    Word {
        name: "default_router",
        kind: WordKind::Action,
        params: &[Param::text("address", "192.168.0.7")],
        asks: &[Asks::Interfaces],
        help: "Sends what goes to no network of the host's own to a router, until the run ends.",
        ..Word::of(default_router)
    },
    Word {
        name: "add",
        kind: WordKind::Method,
        on: Some(Handle::Bridge),
        params: &[Param::new("tap", Type::Any), Param::options(MEMBER)],
        asks: &[Asks::Interfaces],
        help: "Makes an interface a member of the bridge, until the run ends; the key `\"private\"` is quoted, since Rhai has a word of that name.",
        ..Word::of(add)
    },
    Word {
        name: "ifconfig",
        kind: WordKind::Action,
        params: &[
            Param::written("args", Type::List, "[\"tap1\", \"mtu\", \"9000\"]"),
            Param::options(&[EACH_BOOT]).shown("#{ each_boot: false }"),
        ],
        returns: Type::Text,
        asks: &[Asks::Commands],
        help: "Runs ifconfig(8) as it is; nothing of it is given back, and after a reboot it is not run again, unless it says `each_boot`.",
        ..Word::of(ifconfig)
    },
];

fn tap(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name: InterfaceName = call.parsed(0)?;
    let options = call.options(1)?;
    make(call, &with_options(Link::tap(name.clone()), &options, 1)?, 0)?;
    Ok(Dynamic::from(Tap(name)))
}

fn against_changes(call: &Call<'_>) -> Result<(), Raised> {
    let fault = against_network(&*call.evaluation().run().host);
    let purpose = call.evaluation().rehearsal;
    match (fault, purpose) {
        (Some(fault), Some(crate::supervise::conflicts::Purpose::Run)) => Err(fault.into()),
        (Some(fault), _) => {
            super::machine::warn(call, fault.into());
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

fn bridge(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name: InterfaceName = call.parsed(0)?;
    let options = call.options(1)?;
    if switch(&options, "create", 1)?.unwrap_or(false) {
        let link = with_options(Link::new(name.clone(), LinkKind::Bridge), &options, 1)?;
        make(call, &link, 0)?;
        return Ok(Dynamic::from(Bridge(name)));
    }
    if let Some(key) = options.keys().find(|key| *key != "create") {
        let fault = Fault::new(format!("`{key}` is for a bridge that is made: {name} is only looked for"));
        return Err(Raised::from(fault.hint("add `create: true` to make it")).under(key).about_key().arg(1));
    }
    if call.rehearses()
        && let Some(fault) = against_bridge(&*call.evaluation().run().host, name.as_str())?
    {
        return Err(Raised::from(fault).arg(0));
    }
    Ok(Dynamic::from(Bridge(name)))
}

fn vlan(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let parent = named(call, 0)?;
    let tag = call.args[1].as_int().map_err(|_| expected("the tag of a VLAN", &call.args[1]).arg(1))?;
    let tag = VlanTag::try_from(tag).map_err(|fault| Raised::from(fault).arg(1))?;
    let options = call.options(2)?;
    let name = match given(&options, "name") {
        Some(name) => super::text(name).and_then(|name| Ok(name.parse()?)).map_err(under("name", 2))?,
        None => format!("{parent}.{tag}").parse::<InterfaceName>().map_err(|fault| {
            Raised::from(fault.hint(format!("name it: vlan(\"{parent}\", {tag}, #{{ name: \"vlan{tag}\" }})"))).arg(0)
        })?,
    };
    if call.rehearses()
        && let Some(fault) = against_parent(&*call.evaluation().run().host, parent.as_str())?
    {
        return Err(Raised::from(fault).arg(0));
    }
    make(call, &with_options(Link::new(name.clone(), LinkKind::Vlan { parent, tag }), &options, 2)?, 1)?;
    Ok(Dynamic::from(Interface(name)))
}

fn vxlan(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name: InterfaceName = call.parsed(0)?;
    let options = call.options(1)?;
    let vxlan = read_vxlan(&options)?;
    vxlan.check().map_err(|(key, fault)| under(key, 1)(fault.into()))?;
    if call.rehearses()
        && let Some(dev) = &vxlan.dev
        && let Some(fault) = against_parent(&*call.evaluation().run().host, dev.as_str())?
    {
        return Err(under("dev", 1)(fault.into()));
    }
    let mut link = with_options(Link::new(name.clone(), LinkKind::Vxlan(vxlan)), &options, 1)?;
    if link.mtu.is_none() {
        link.mtu = mtu_inside(call, &link)?;
    }
    make(call, &link, 0)?;
    Ok(Dynamic::from(Interface(name)))
}

fn read_vxlan(options: &Map) -> Result<Vxlan, Raised> {
    let missing =
        |key: &'static str, hint: &str| Raised::from(Fault::new(format!("a VXLAN needs `{key}`")).hint(hint)).arg(1);
    let ip = |key: &'static str| -> Result<Option<IpAddr>, Raised> {
        let Some(value) = given(options, key) else { return Ok(None) };
        let text = super::text(value).map_err(under(key, 1))?;
        let fault = || Fault::new(format!("{text:?} is no address of a host")).hint("write \"192.168.100.2\"");
        text.parse().map(Some).map_err(|_| under(key, 1)(fault().into()))
    };
    let number = |key: &'static str, what: &str| {
        given(options, key).map(|value| value.as_int().map_err(|_| under(key, 1)(expected(what, value)))).transpose()
    };
    let id = number("id", "the number of a VXLAN")?.ok_or_else(|| missing("id", "a number up to 16777215"))?;
    let far = match (ip("remote")?, ip("group")?) {
        (Some(ip), None) => Far::Remote(ip),
        (None, Some(ip)) => Far::Group(ip),
        (None, None) => return Err(missing("remote", "the address of the other host, or `group` with `dev`")),
        (Some(_), Some(_)) => {
            let fault = Fault::new("a VXLAN goes to one host or to a group").hint("leave out `remote` or `group`");
            return Err(under("group", 1)(fault.into()).about_key());
        }
    };
    let port = number("port", "a port")?.unwrap_or(Vxlan::PORT.into());
    // UINT16_MAX is refused by ifvxlan.c too.
    let port = u16::try_from(port).ok().filter(|port| (1..u16::MAX).contains(port)).ok_or_else(|| {
        under("port", 1)(Fault::new(format!("{port} is no port of a VXLAN")).hint("from 1 to 65534").into())
    })?;
    let dev = given(options, "dev")
        .map(|value| match handed(value) {
            Some(name) => Ok(name),
            None => super::text(value).and_then(|name| Ok(name.parse()?)).map_err(under("dev", 1)),
        })
        .transpose()?;
    Ok(Vxlan {
        id: VxlanId::try_from(id).map_err(|fault| under("id", 1)(fault.into()))?,
        local: ip("local")?.ok_or_else(|| missing("local", "the address of this host that the other end knows"))?,
        far,
        dev,
        port,
    })
}

/// Returns how long the packets of a VXLAN may be, so that with its headers they fit into those of its card. FreeBSD reckons from
/// 1500 whatever the card has (vxlan(4), MTU), Linux from its card's if one is said.
fn mtu_inside(call: &Call<'_>, link: &Link) -> Result<Option<u16>, Raised> {
    const ETHERNET: u32 = 1500;
    let LinkKind::Vxlan(vxlan) = &link.kind else { return Ok(None) };
    let mut evaluation = call.evaluation();
    let run = evaluation.run();
    let interfaces = run.host.interfaces()?;
    let outside = vxlan.dev.as_ref().and_then(|dev| run.mtu_of(dev, &interfaces)).unwrap_or(ETHERNET);
    Ok(outside.checked_sub(vxlan.overhead()).map(|mtu| u16::try_from(mtu).unwrap_or(u16::MAX)))
}

fn epair(call: &Call<'_>) -> Result<Dynamic, Raised> {
    // Its own name may be left out: epair(#{ … }).
    let options_at = usize::from(!call.args.first().is_some_and(Dynamic::is_map));
    let options = call.options(options_at)?;
    let stem = if options_at == 1 && call.has(0) { call.parsed(0)? } else { free_pair(call)? };
    if stem.as_str().strip_prefix("epair").is_none_or(|unit| unit.parse::<u16>().is_err()) {
        let fault = Fault::new(format!("{stem} is no name of a pair"));
        return Err(Raised::from(fault.hint("epair with a number: epair0 has the ends epair0a and epair0b")).arg(0));
    }
    call.evaluation().pairs.push(stem.clone());
    let end = |end: &str| format!("{stem}{end}").parse::<InterfaceName>();
    let (a, b) = (end("a")?, end("b")?);
    make(call, &with_options(Link::new(a.clone(), LinkKind::Pair { peer: b.clone() }), &options, options_at)?, 0)?;
    let ends = [("a", a), ("b", b)].map(|(key, name)| (key.into(), Dynamic::from(Interface(name))));
    Ok(Map::from(ends).into())
}

/// The first pair that is free, or that this run has already and the evaluation has not named yet.
fn free_pair(call: &Call<'_>) -> Result<InterfaceName, Raised> {
    let mut evaluation = call.evaluation();
    if evaluation.rehearsal == Some(Purpose::Network) {
        return Err(Fault::new("a pair of a network has a name").hint("write `epair(\"epair0\")`").into());
    }
    let all = evaluation.run().host.interfaces()?;
    for unit in 0..u16::MAX {
        let stem: InterfaceName = format!("epair{unit}").parse()?;
        let end: InterfaceName = format!("{stem}a").parse()?;
        let named = evaluation.pairs.contains(&stem);
        let ours = evaluation.run().has_made(&end);
        if !named && (ours || !all.iter().any(|interface| interface.name == end.as_str())) {
            return Ok(stem);
        }
    }
    Err(Fault::host("there is no name left for a pair").into())
}

fn default_router(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let router: Router = call.parsed(0)?;
    if call.rehearses() {
        if let Some(zone) = router.zone()
            && let Some(fault) = against_parent(&*call.evaluation().run().host, zone.as_str())?
        {
            return Err(Raised::from(fault).arg(0));
        }
        against_changes(call)?;
    }
    call.act(&Effect::AddRoute(router))?;
    Ok(Dynamic::UNIT)
}

/// Makes an interface; which argument names it is for what is against it.
fn make(call: &Call<'_>, link: &Link, arg: usize) -> Result<(), Raised> {
    let effect = Effect::CreateLink(Box::new(link.clone()));
    if call.rehearses() {
        let mut evaluation = call.evaluation();
        let purpose = evaluation.rehearsal;
        if let Some(fault) = against_name(&*evaluation.run().host, link) {
            return Err(Raised::from(fault).arg(arg));
        }
        let is_other = |done: &Rehearsed| matches!(done, Rehearsed::Effect(Effect::CreateLink(other)) if other.name == link.name && **other != *link);
        if evaluation.run().rehearsed().iter().any(is_other) {
            let fault = Fault::new(format!("{} is made twice, and not alike", link.name));
            return Err(Raised::from(fault.hint("make it once, and keep what the word returns")).arg(arg));
        }
        if evaluation.run().has_taken(&effect) {
            return Ok(());
        }
        let recipe = evaluation.sources.main();
        let names = if purpose == Some(Purpose::Network) { Vec::new() } else { link.names() };
        let half = if names.is_empty() { None } else { against_half(&*evaluation.run().host, link)? };
        if let Some(fault) = half {
            return Err(Raised::from(fault).arg(arg));
        }
        for name in names {
            if let Some(fault) = against_making(&*evaluation.run().host, name.as_str(), &recipe)? {
                let fault = match link.kind {
                    LinkKind::Bridge => fault.hint(format!(
                        "bridge(\"{name}\") names a bridge that is there; what machines share is made by `vmrun network up`"
                    )),
                    LinkKind::Vlan { .. } | LinkKind::Vxlan(_) | LinkKind::Pair { .. } | LinkKind::Tap => fault,
                };
                return Err(Raised::from(fault).arg(arg));
            }
        }
        drop(evaluation);
        against_changes(call)?;
    }
    call.act(&effect)?;
    Ok(())
}

fn given<'a>(options: &'a Map, key: &str) -> Option<&'a Dynamic> {
    options.get(key).filter(|value| !value.is_unit())
}

fn under(key: &'static str, at: usize) -> impl Fn(Raised) -> Raised {
    move |raised| raised.under(key).arg(at)
}

fn switch(options: &Map, key: &'static str, at: usize) -> Result<Option<bool>, Raised> {
    let read = |value: &Dynamic| value.as_bool().map_err(|_| under(key, at)(expected("true or false", value)));
    given(options, key).map(read).transpose()
}

/// Adds what the options say of an interface.
fn with_options(mut link: Link, options: &Map, at: usize) -> Result<Link, Raised> {
    if let Some(value) = given(options, "address") {
        let one = |value: &Dynamic| -> Result<NetAddress, Raised> { Ok(super::text(value)?.parse()?) };
        let all = match value.read_lock::<rhai::Array>() {
            Some(list) => list.iter().map(one).collect::<Result<_, _>>(),
            None => one(value).map(|address| vec![address]),
        };
        link.addresses = all.map_err(under("address", at))?;
    }
    if let Some(value) = given(options, "mtu") {
        // IF_MINMTU and IF_MAXMTU of net/if.h.
        let mtu = value.as_int().ok().and_then(|mtu| u16::try_from(mtu).ok()).filter(|mtu| *mtu >= 72);
        let fault = || Raised::from(Fault::new(format!("{value} is no MTU")).hint("from 72 to 65535 bytes"));
        link.mtu = Some(mtu.ok_or_else(|| under("mtu", at)(fault()))?);
    }
    if let Some(value) = given(options, "description") {
        let text = super::text(value).and_then(|text| Ok(link::description(&text)?));
        link.description = Some(text.map_err(under("description", at))?);
    }
    link.up = switch(options, "up", at)?.unwrap_or(true);
    Ok(link)
}

/// Reads an interface: what a word returned, or a name.
fn named(call: &Call<'_>, at: usize) -> Result<InterfaceName, Raised> {
    handed(&call.args[at]).map_or_else(|| call.parsed(at), Ok)
}

/// The name of an interface that a word returned.
fn handed(value: &Dynamic) -> Option<InterfaceName> {
    let tap = value.read_lock::<Tap>().map(|tap| tap.0.clone());
    tap.or_else(|| value.read_lock::<Interface>().map(|interface| interface.0.clone()))
}

/// What ifconfig(8) switches on and off for a member of a bridge (bridge(4)).
const SWITCHES: &[&str] = &["private", "edge", "autoedge", "ptp", "sticky", "discover", "learn"];

fn add(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let bridge = call.this.clone().and_then(Dynamic::try_cast::<Bridge>);
    let bridge = bridge.ok_or_else(|| expected("a bridge", &Dynamic::UNIT))?.0;
    let member = named(call, 0)?;
    let mut how = membership(&call.options(1)?)?;
    let settings = call.evaluation().run().host.settings().clone();
    if call.rehearses() {
        against_changes(call)?;
        against_membership(call, &settings, &how)?;
        let against = against_member(&*call.evaluation().run().host, member.as_str());
        against.into_iter().for_each(|fault| super::machine::warn(call, Raised::from(fault).arg(0)));
    }
    if !how.is_span {
        how.mtu = call.evaluation().run().mtu_to_join(&bridge, &member).map_err(|fault| Raised::from(fault).arg(0))?;
    }
    call.act(&Effect::Join { bridge, member, how })?;
    Ok(Dynamic::UNIT)
}

/// Reads how an interface is to be a member.
fn membership(options: &Map) -> Result<Membership, Raised> {
    let mut how = Membership { is_span: switch(options, "span", 1)?.unwrap_or(false), ..Membership::default() };
    for word in SWITCHES {
        how.switches.extend(switch(options, word, 1)?.map(|is_on| (*word, is_on)));
    }
    if let Some(value) = given(options, "untagged") {
        how.untagged = Some(tag_of(value).map_err(under("untagged", 1))?);
    }
    if let Some(value) = given(options, "tagged") {
        let all = match value.read_lock::<rhai::Array>() {
            Some(list) => list.iter().map(tag_of).collect::<Result<_, _>>(),
            None => tag_of(value).map(|tag| vec![tag]),
        };
        how.tagged = all.map_err(under("tagged", 1))?;
    }
    if how.is_span && (!how.switches.is_empty() || how.untagged.is_some() || !how.tagged.is_empty()) {
        let fault = Fault::new("a span port only gets copies of frames").hint("leave the other keys out");
        return Err(under("span", 1)(fault.into()).about_key());
    }
    Ok(how)
}

fn tag_of(value: &Dynamic) -> Result<VlanTag, Raised> {
    let tag = value.as_int().map_err(|_| expected("the tag of a VLAN", value))?;
    Ok(VlanTag::try_from(tag)?)
}

/// Tells what a bridge of the host cannot do.
fn against_membership(call: &Call<'_>, settings: &Settings, how: &Membership) -> Result<(), Raised> {
    let filters = how.untagged.is_some() || !how.tagged.is_empty();
    let key = if how.untagged.is_some() { "untagged" } else { "tagged" };
    let refused = |key: &'static str, text: String, hint: &str| {
        Err(under(key, 1)(Fault::new(text).hint(hint).into()).about_key())
    };
    let release = settings.target.release;
    match settings.platform {
        Platform::FreeBsd if filters && !settings.target.has(Feature::BridgeVlans) => {
            let text = format!("`{key}` needs {}, and this is for {release}", Feature::BridgeVlans.since());
            refused(key, text, "leave it out, and make a bridge for each VLAN")
        }
        Platform::Linux if filters || how.is_span => {
            let key = if how.is_span { "span" } else { key };
            refused(
                key,
                format!("`{key}` is FreeBSD's, and this is a run for Linux"),
                "leave it out where platform == \"linux\"",
            )
        }
        Platform::Linux => {
            let lacks = |word: &&str| !["private", "discover", "learn"].contains(word);
            let lacking: Vec<&str> = how.switches.iter().map(|(word, _)| *word).filter(|word| lacks(word)).collect();
            for word in lacking {
                let fault = Fault::new(format!("bridges of Linux have no `{word}`")).hint("it is ignored here");
                super::machine::warn(call, Raised::from(fault).under(word).about_key().arg(1));
            }
            Ok(())
        }
        Platform::FreeBsd => Ok(()),
    }
}

fn ifconfig(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let words = call.texts(0)?;
    let options = call.options(1)?;
    if call.evaluation().run().host.settings().platform == Platform::Linux {
        let fault = crate::diag::Fault::new("ifconfig(…) is FreeBSD's, and this is a run for Linux");
        return Err(fault.hint("use tap, bridge, or run(\"ip\", […]) where platform == \"linux\"").into());
    }
    Ok(call.command(&Effect::Run(Argv::new("ifconfig").args(words)), &options, 1)?.into())
}
