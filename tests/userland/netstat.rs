//! netstat(1): what interfaces have carried, which is the same for each, and the routes to where they are. Played as 12.1 answered;
//! of later releases only the form for programs is known. The names of fields are those of its source.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::exit::{Exit, Step, say};
use crate::getopt::{self, Words};
use crate::interface::{self, Address, Interface, Kind};
use crate::release::Release;
use crate::state::State;

const USAGE: &str = "usage: netstat [-46AaLnRSTWx] [-f protocol_family | -p protocol]
               [-M core] [-N system]
       netstat -i | -I interface [-46abdhnW] [-f address_family]
               [-M core] [-N system]
       netstat -w wait [-I interface] [-46d] [-M core] [-N system]
               [-q howmany]
       netstat -s [-46sz] [-f protocol_family | -p protocol]
               [-M core] [-N system]
       netstat -i | -I interface -s [-46s]
               [-f protocol_family | -p protocol] [-M core] [-N system]
       netstat -m [-M core] [-N system]
       netstat -B [-z] [-I interface]
       netstat -r [-46AnW] [-F fibnum] [-f address_family]
               [-M core] [-N system]
       netstat -rs [-s] [-M core] [-N system]
       netstat -g [-46W] [-f address_family] [-M core] [-N system]
       netstat -gs [-46s] [-f address_family] [-M core] [-N system]
       netstat -Q";

/// Runs netstat.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let (is_json, rest) = match args {
        [libxo, form, rest @ ..] if libxo == "--libxo" && form == "json" => (true, rest),
        [libxo, form, ..] if libxo == "--libxo" => {
            return Err(Exit::new(1, format!("netstat: unknown libxo option value: '{form}'")));
        }
        _ => (false, args),
    };
    let words = getopt::or_usage("netstat", "46AaBbdF:f:ghI:iLlM:mN:np:Qq:RrSTsuWw:xz", rest, (1, USAGE))?;
    let _lock = state.lock()?;
    if Release::of_environment()?.major >= 13 {
        return later(state, args);
    }
    let all = interface::all(state)?;
    match (words.has('r'), words.has('i') || words.has('I')) {
        (true, _) => say(routes(&all, is_json)),
        (_, true) => say(interfaces(&all, &words, is_json)),
        _ => return Err(Exit::new(1, USAGE)),
    }
    Ok(0)
}

/// What 13 and later are asked for.
fn later(state: &State, args: &[String]) -> Step<u8> {
    if args != ["--libxo", "json", "-ibn"] {
        return Err(Exit::new(1, USAGE));
    }
    let mut names = state.names("interfaces")?;
    names.sort();
    let one = |name: &String| {
        format!(
            "{{\"name\":\"{name}\",\"flags\":\"0x8943\",\"mtu\":1500,\"network\":\"<Link#5>\",\"address\":\"58:9c:fc:10:0d:1a\",\
             \"received-packets\":12,\"received-errors\":0,\"dropped-packets\":0,\"received-bytes\":3456,\"sent-packets\":78,\
             \"send-errors\":0,\"sent-bytes\":9012,\"collisions\":0}},{{\"name\":\"{name}\",\"flags\":\"0x8943\",\
             \"network\":\"10.0.0.0/24\",\"address\":\"10.0.0.1\",\"received-packets\":1,\"received-bytes\":2,\
             \"sent-packets\":3,\"sent-bytes\":4}}"
        )
    };
    let all: Vec<String> = names.iter().map(one).collect();
    say(format!("{{\"statistics\":{{\"interface\":[{}]}}}}\n", all.join(",")));
    Ok(0)
}

/// The flags of an interface (net/if.h).
fn flags(one: &Interface, all: &[Interface]) -> u32 {
    const UP: u32 = 0x1;
    const RUNNING: u32 = 0x40;
    const PROMISC: u32 = 0x100;
    let is_member = all.iter().any(|other| other.members.iter().any(|member| member.name == one.name));
    let is_running = match one.kind {
        Kind::Tap => one.opener().is_some(),
        _ => one.up,
    };
    let own = if one.kind == Kind::Lo { 0x8008 } else { 0x8802 };
    let of = |is_set, flag| if is_set { flag } else { 0 };
    own | of(one.up, UP) | of(is_running, RUNNING) | of(is_member, PROMISC)
}

/// The networks and addresses of an interface, those of version 6 first.
fn addresses(one: &Interface) -> Vec<(String, String)> {
    let zone =
        |address: &Ipv6Addr| if address.is_unicast_link_local() { format!("%{}", one.name) } else { String::new() };
    let six = one.addresses.iter().filter_map(|address| match address {
        Address::V6(address, bits, _) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
            let (network, zone) = (Ipv6Addr::from_bits(address.to_bits() & mask), zone(address));
            Some((format!("{network}{zone}/{bits}"), format!("{address}{zone}")))
        }
        Address::V4(..) => None,
    });
    let four = one.inet().map(|(address, bits)| (format!("{}/{bits}", network(address, bits)), address.to_string()));
    six.chain(four).collect()
}

fn network(address: Ipv4Addr, bits: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0))
}

fn interfaces(all: &[Interface], words: &Words<'_>, is_json: bool) -> String {
    let wanted = |one: &Interface| words.value('I').is_none_or(|name| name == one.name);
    let (mut lines, mut objects) = (Vec::new(), Vec::new());
    for one in all.iter().filter(|one| wanted(one)) {
        let link = if one.kind == Kind::Lo { one.name.clone() } else { one.ether.clone() };
        let name = &one.name;
        let head = format!("\"name\":\"{name}\",\"flags\":\"{:#x}\"", flags(one, all));
        let network = format!("<Link#{}>", one.index.unwrap_or_default());
        let dropped = if words.has('d') { ",\"dropped-packets\":0" } else { "" };
        objects.push(format!(
            "{{{head},\"mtu\":{},\"network\":\"{network}\",\"address\":\"{link}\",\"received-packets\":0,\"received-errors\":0,\
             \"dropped-packets\":0,\"received-bytes\":0,\"sent-packets\":0,\"send-errors\":0,\"sent-bytes\":0,\"collisions\":0\
             {dropped}}}",
            one.mtu
        ));
        lines.push(line(&[name, &one.mtu.to_string(), &network, &link, "0", "0", "0", "0", "0", "0", "0", "0"]));
        for (network, address) in addresses(one) {
            objects.push(format!(
                "{{{head},\"network\":\"{network}\",\"address\":\"{address}\",\"received-packets\":0,\"received-bytes\":0,\
                 \"sent-packets\":0,\"sent-bytes\":0}}"
            ));
            lines.push(line(&[name, "-", &network, &address, "0", "-", "-", "0", "0", "-", "0", "-"]));
        }
    }
    if is_json {
        return format!("{{\"statistics\": {{\"interface\": [{}]}}\n}}\n", objects.join(", "));
    }
    let titles =
        ["Name", "Mtu", "Network", "Address", "Ipkts", "Ierrs", "Idrop", "Ibytes", "Opkts", "Oerrs", "Obytes", "Coll"];
    line(&titles) + lines.concat().as_str()
}

/// A line of the table; names and addresses are cut.
fn line(fields: &[&str; 12]) -> String {
    let [name, mtu, network, address, ipkts, ierrs, idrop, ibytes, opkts, oerrs, obytes, coll] = fields;
    format!(
        "{name:5.5} {mtu:>5} {network:13.13} {address:17.17} {ipkts:>8} {ierrs:>5} {idrop:>5} {ibytes:>10} {opkts:>8} {oerrs:>5} \
         {obytes:>10} {coll:>5}\n"
    )
}

/// The routes to the networks of interfaces, and to their own addresses.
fn routes(all: &[Interface], is_json: bool) -> String {
    let mut found = Vec::new();
    for one in all {
        let gateway = format!("link#{}", one.index.unwrap_or_default());
        for (address, bits) in one.inet() {
            if one.kind == Kind::Lo {
                found.push((address, address.to_string(), gateway.clone(), "UH", "lo0"));
                continue;
            }
            let net = network(address, bits);
            found.push((net, format!("{net}/{bits}"), gateway.clone(), "U", one.name.as_str()));
            found.push((address, address.to_string(), gateway.clone(), "UHS", "lo0"));
        }
    }
    found.sort_by_key(|(key, ..)| *key);
    if is_json {
        let entry = |(_, to, gateway, flags, on): &(Ipv4Addr, String, String, &str, &str)| {
            let names = [('U', "\"up\""), ('H', "\"host\""), ('S', "\"static\"")];
            let pretty: Vec<&str> =
                names.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect();
            format!(
                "{{\"destination\":\"{to}\",\"gateway\":\"{gateway}\",\"flags\":\"{flags}\", \"flags_pretty\": [{}],\
                 \"interface-name\":\"{on}\"}}",
                pretty.join(",")
            )
        };
        let entries: Vec<String> = found.iter().map(entry).collect();
        return format!(
            "{{\"statistics\": {{\"route-information\": {{\"route-table\": {{\"rt-family\": [{{\"address-family\":\"Internet\", \
             \"rt-entry\": [{}]}}]}}}}}}\n}}\n",
            entries.join(", ")
        );
    }
    let row = |to: &str, gateway: &str, flags: &str, on: &str| format!("{to:18} {gateway:18} {flags:5} {on:>9}");
    let mut text = "Routing tables\n\nInternet:\n".to_string();
    text += &(row("Destination", "Gateway", "Flags", "Netif") + " Expire\n");
    found.iter().for_each(|(_, to, gateway, flags, on)| text += &(row(to, gateway, flags, on) + "\n"));
    text
}
