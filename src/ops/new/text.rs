//! The recipe of a new machine: at most twelve lines, each of which says what it is for.

use crate::import::{quoted, size};
use crate::model::{Digest, InterfaceName, Size, VmName};
use std::path::Path;

/// How the machine is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// Inside the process: this port of 127.0.0.1 leads to the guest's ssh, and the guest reaches others where the host has that.
    Slirp(u16, bool),
    /// By a tap on a bridge.
    Bridge(InterfaceName, InterfaceName),
}

/// What stands in the recipe.
pub(super) struct Parts<'a> {
    /// The machine.
    pub(super) name: &'a VmName,
    /// Its system, as the table has it, and what that is called.
    pub(super) os: (&'a str, &'a str),
    /// Which image is meant.
    pub(super) pin: &'a Digest,
    /// The path of its disk, as the recipe has it, and how large that is.
    pub(super) disk: (&'a str, Size),
    /// How many virtual CPUs it has.
    pub(super) cpus: u16,
    /// How much memory it has.
    pub(super) memory: Size,
    /// Who logs in.
    pub(super) user: &'a str,
    /// By which keys.
    pub(super) keys: &'a [String],
    /// The private one, where ssh does not look for it.
    pub(super) identity: Option<&'a Path>,
    /// How it is connected.
    pub(super) network: &'a Network,
}

/// Returns the recipe.
pub(super) fn recipe(parts: &Parts<'_>) -> String {
    let Parts { name, os: (os, title), pin, disk: (disk, disk_size), .. } = parts;
    let (first, network) = match parts.network {
        Network::Slirp(port, true) => {
            (format!("ssh_port: {port},"), format!("127.0.0.1:{port} is the guest's port 22"))
        }
        Network::Slirp(port, false) => {
            let about = format!("127.0.0.1:{port} is the guest's port 22; it reaches nobody (FreeBSD 14)");
            (format!("ssh_port: {port}, open: false,"), about)
        }
        Network::Bridge(bridge, tap) => {
            let text = format!("bridge: {}, tap: {},", quoted(bridge.as_str()), quoted(tap.as_str()));
            (text, "the tap is made, and goes when the machine does".into())
        }
    };
    // Who gives it an address is often no host's server of DHCP, but a router's.
    let agent = matches!(parts.network, Network::Bridge(..)).then(|| {
        let about = "its agent tells where it is: installed in the first boot";
        ("agent: true, packages: [\"qemu-guest-agent\"],".to_string(), about.to_string())
    });
    let lines = [
        (format!("os: {},", quoted(os)), format!("{title}: `vmrun images` lists what there is")),
        (
            format!("pin: #{{ {}: {} }},", pin.kind().name(), quoted(pin.hex())),
            format!("`vmrun images pin --check {name}.rhai` tells when it is old"),
        ),
        (
            format!("disks: [[{}, {}]],", quoted(disk), size(*disk_size)),
            "begins as the image when --init makes it".into(),
        ),
        (first, network),
        (format!("com1: {},", quoted(&format!("/dev/nmdm-{name}.1A"))), format!("`vmrun console {name}`")),
    ];
    let width = lines
        .iter()
        .chain(&agent)
        .map(|(line, _)| line.len())
        .filter(|length| *length < WIDE)
        .max()
        .unwrap_or_default();
    let drawn = |(line, about): (String, String)| format!("    {line:width$} // {about}\n");
    let [os, pin, disks, net, com1] = lines.map(drawn);
    let agent = agent.map(drawn).unwrap_or_default();
    let identity = parts.identity.map(|path| format!(" identity: {},", quoted(&path.display().to_string())));
    let identity = identity.unwrap_or_default();
    let keys: Vec<String> = parts.keys.iter().map(|key| quoted(key)).collect();
    let (cpus, memory) = (parts.cpus, size(parts.memory));
    format!(
        "// {name} is made by `vmrun start {name}.rhai --init`, and started by `vmrun start {name}` from then on.\n\
         import \"std/guest\" as guest;\n\
         guest::cloud(#{{\n    \
             name: {}, cpus: {cpus}, memory: {memory}, init: init,\n\
         {os}{pin}{disks}    user: {}, ssh_keys: [{}],{identity}\n{net}{agent}{com1}\
         }}).run();\n",
        quoted(name.as_str()),
        quoted(parts.user),
        keys.join(", "),
    )
}

/// From how many characters on a line is too long for the others to stand aligned with it.
const WIDE: usize = 60;
