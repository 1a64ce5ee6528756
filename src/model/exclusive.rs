//! What one machine of a host has alone while it runs: the one list of it, for a check of recipes and for a run's claim.

use super::device::{Access, Counterpart};
use super::{Backend, Device, Draft, Forward, Part, PciSlot, Tty, Value};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a thing is to the machine that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The machine's name.
    Name,
    /// The hardware address of a card.
    Mac,
    /// The UUID that the guest sees.
    Uuid,
    /// Where VNC listens: an address or a socket of the file system.
    Vnc,
    /// Where the stub for gdb listens.
    Gdb,
    /// What a serial port is plugged into: a tty, one end of a nmdm(4), or the address on which it listens.
    Serial,
    /// The address of the host on which a user network listens.
    Forward,
    /// The socket of the host that is a port of the guest.
    Console,
    /// The TPM of the host, or the socket of swtpm(8), which serves one client.
    Tpm,
    /// An input device of the host.
    Input,
    /// A PCI device of the host.
    Passthru,
    /// A tap, which one process can open.
    Tap,
    /// A netmap(4) port, or one of a vale(4) switch.
    Netmap,
    /// The hook of a netgraph(4) node.
    Hook,
    /// The variables of the firmware.
    Vars,
    /// A disk image.
    Image,
}

impl Role {
    const ALL: [(Self, &'static str); 16] = [
        (Self::Name, "name"),
        (Self::Mac, "mac"),
        (Self::Uuid, "uuid"),
        (Self::Vnc, "vnc"),
        (Self::Gdb, "gdb"),
        (Self::Serial, "serial"),
        (Self::Forward, "forward"),
        (Self::Console, "console"),
        (Self::Tpm, "tpm"),
        (Self::Input, "input"),
        (Self::Passthru, "passthru"),
        (Self::Tap, "tap"),
        (Self::Netmap, "netmap"),
        (Self::Hook, "hook"),
        (Self::Vars, "vars"),
        (Self::Image, "image"),
    ];

    /// Returns its word in a journal.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(role, _)| *role == self).map_or("", |(_, word)| word)
    }

    /// Returns the role that a journal's word stands for.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(role, _)| *role)
    }
}

/// One thing that a machine has alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exclusive {
    /// What it is to the machine.
    pub role: Role,
    /// What it is, as people write it.
    pub text: String,
    /// Whether others may have it as well that only read it.
    pub only_reads: bool,
}

/// What can only clash with its like: things of different keys never do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A port of TCP, or of UDP.
    Port(bool, u16),
    /// A path of the file system, whatever it is used for.
    Path(String),
    /// Anything else.
    Other(Role, String),
}

impl Exclusive {
    /// Makes one that nobody else may have.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), only_reads: false }
    }

    fn udp(&self) -> bool {
        self.text.starts_with("udp:")
    }

    /// Returns the address that is listened on, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        let is_address = matches!(self.role, Role::Vnc | Role::Gdb | Role::Serial | Role::Forward);
        let text = self.text.strip_prefix("udp:").unwrap_or(&self.text);
        is_address.then(|| text.parse().ok()).flatten()
    }

    /// Returns the address that TCP listens on, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.address().filter(|_| !self.udp())
    }

    /// Returns what all have in common that it may clash with.
    pub fn key(&self) -> Key {
        match self.address() {
            Some(address) => Key::Port(self.udp(), address.port()),
            None if self.text.starts_with('/') && self.role != Role::Hook => Key::Path(self.text.clone()),
            None => Key::Other(self.role, self.text.clone()),
        }
    }

    /// Returns whether two machines cannot both have it. An address that is every one of the host's takes all of them.
    pub fn excludes(&self, other: &Self) -> bool {
        let ip = |one: &Self| one.address().map(|address| address.ip());
        let is_apart = match (ip(self), ip(other)) {
            (Some(one), Some(other)) => one != other && !one.is_unspecified() && !other.is_unspecified(),
            _ => false,
        };
        self.key() == other.key() && !is_apart && !(self.only_reads && other.only_reads)
    }
}

impl Exclusive {
    /// Returns what it is called, with what it is.
    pub fn named(&self) -> String {
        let text = self.text.trim_start_matches("udp:");
        let noun = match self.role {
            Role::Name => "the name",
            Role::Mac => "the hardware address",
            Role::Uuid => "the UUID",
            Role::Vnc | Role::Console if text.starts_with('/') => "the socket",
            Role::Serial if text.starts_with('/') => "the serial line",
            Role::Vnc | Role::Console | Role::Gdb | Role::Serial | Role::Forward => "the address",
            Role::Tpm => "the TPM",
            Role::Input => "the input device",
            Role::Passthru => "the PCI device",
            Role::Tap => "the tap",
            Role::Netmap => "the port",
            Role::Hook => "the hook",
            Role::Vars => "the firmware's variables",
            Role::Image => "the image",
        };
        format!("{noun} {text}")
    }

    /// Returns what to do where two machines want it.
    pub fn way_out(&self) -> &'static str {
        let is_path = self.text.starts_with('/');
        match self.role {
            Role::Name => "each machine of a host has a name of its own",
            Role::Mac => "give each card an address of its own, or leave `mac` out",
            Role::Uuid => "give each machine a UUID of its own, or leave `uuid` out",
            Role::Vnc | Role::Console if is_path => "give each machine a socket of its own",
            Role::Serial if is_path => "give each serial port a nmdm(4) of its own: \"/dev/nmdm-NAME.1A\"",
            Role::Vnc | Role::Console | Role::Gdb | Role::Serial | Role::Forward => {
                "give each machine a port of its own"
            }
            Role::Tpm => "a TPM serves one machine: give each its own swtpm(8), or leave `tpm` out",
            Role::Input | Role::Passthru => "a device of the host is one machine's alone",
            Role::Tap | Role::Netmap => "give each card a tap of its own",
            Role::Hook => "give each card a hook of its own",
            Role::Vars | Role::Image => {
                "an image that is written is one machine's alone: copy it, or make it read-only"
            }
        }
    }
}

impl Draft {
    /// Returns what the machine has alone while it runs, each with where it stands.
    pub(super) fn exclusives(&self) -> Vec<(Exclusive, Part)> {
        let mut all: Vec<(Exclusive, Part)> = Vec::new();
        let mut add = |role, text: String, part: Part| all.push((Exclusive::new(role, text), part));
        if let Some(name) = &self.name {
            add(Role::Name, name.to_string(), Part::Key("name"));
        }
        if let Some(Value::Text(uuid)) = self.settings.get("uuid") {
            add(Role::Uuid, uuid.to_lowercase(), Part::Key("uuid"));
        }
        if let Some(port) = self.settings.get("gdb.port") {
            add(Role::Gdb, self.gdb(port), Part::Under("gdb", "port".into()));
        }
        if let Some(path) = self.settings.get("tpm.path") {
            add(Role::Tpm, path.to_string(), Part::Under("tpm", "path".into()));
        }
        for (part, _, tty) in self.every_tty() {
            match tty {
                Tty::Path(path) => add(Role::Serial, path.to_string(), part),
                Tty::Tcp(address) => add(Role::Serial, address.to_string(), part),
                // Each run has streams of its own.
                Tty::Stdio => {}
            }
        }
        self.slots.iter().for_each(|(slot, device)| of_device(*slot, device, &mut add));
        if let Some(vars) = self.bootrom.as_ref().and_then(|rom| rom.vars.as_ref()) {
            add(Role::Vars, vars.to_string(), Part::Key("bootrom"));
        }
        for (slot, device) in &self.slots {
            for (number, name, path, access) in device.images() {
                let image = Exclusive::new(Role::Image, path.to_string());
                let image = Exclusive { only_reads: access == Access::ReadOnly, ..image };
                all.push((image, Part::option(*slot, number, name)));
            }
        }
        all
    }

    /// Where the stub for gdb listens: bhyve's default is localhost.
    fn gdb(&self, port: &Value) -> String {
        let address = self.settings.get("gdb.address").map(ToString::to_string);
        let host = address.as_deref().filter(|host| *host != "localhost").unwrap_or("127.0.0.1");
        let port_number = port.to_string().parse::<u16>();
        match (host.trim_matches(['[', ']']).parse::<IpAddr>(), port_number) {
            (Ok(ip), Ok(port)) => SocketAddr::new(ip, port).to_string(),
            _ => format!("{host}:{port}"),
        }
    }
}

fn of_device(slot: PciSlot, device: &Device, add: &mut dyn FnMut(Role, String, Part)) {
    let key = if device.value("rfb").is_some() { "rfb" } else { "tcp" };
    if let Some(address) = device.vnc() {
        add(Role::Vnc, address.socket().to_string(), Part::Option(slot, key));
    }
    match device.backend() {
        Some(Backend::Tap(tap)) => add(Role::Tap, tap.to_string(), Part::Option(slot, "backend")),
        Some(Backend::Netmap(port)) => add(Role::Netmap, port.clone(), Part::Option(slot, "backend")),
        Some(Backend::Netgraph) => {
            let text = |name: &str| device.value(name).map(ToString::to_string).unwrap_or_default();
            add(Role::Hook, format!("{}{}", text("path"), text("peerhook")), Part::Option(slot, "peerhook"));
        }
        Some(Backend::Slirp | Backend::Named(_)) | None => {}
    }
    for item in device.items() {
        let part = || Part::option(slot, item.number, item.parameter.name);
        match (&item.value, device.kind().counterpart) {
            (Value::Mac(mac), _) => add(Role::Mac, mac.to_string(), part()),
            (Value::Socket(path), _) => add(Role::Vnc, path.to_string(), part()),
            (Value::HostDevice(host), _) => add(Role::Passthru, host.to_string(), part()),
            (Value::Path(path), Counterpart::Console) => add(Role::Console, path.to_string(), part()),
            (Value::Path(path), Counterpart::Input) => add(Role::Input, path.to_string(), part()),
            (Value::Forwards(rules), _) => {
                rules.iter().filter_map(listens).for_each(|text| add(Role::Forward, text, part()));
            }
            _ => {}
        }
    }
}

/// Where a rule of a user network listens; a port that the system chooses is nobody's yet.
fn listens(rule: &Forward) -> Option<String> {
    let port = rule.host_port().filter(|port| *port != 0)?;
    let address: Ipv4Addr = rule.host_address();
    let udp = if rule.is_udp() { "udp:" } else { "" };
    Some(format!("{udp}{address}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(role: Role, text: &str) -> Exclusive {
        Exclusive::new(role, text)
    }

    #[test]
    fn an_address_of_every_interface_takes_the_port_of_each() {
        let vnc = one(Role::Vnc, "127.0.0.1:5901");
        assert!(vnc.excludes(&one(Role::Gdb, "127.0.0.1:5901")));
        assert!(vnc.excludes(&one(Role::Serial, "0.0.0.0:5901")) && one(Role::Vnc, "[::]:5901").excludes(&vnc));
        assert!(!vnc.excludes(&one(Role::Vnc, "127.0.0.2:5901")) && !vnc.excludes(&one(Role::Vnc, "127.0.0.1:5902")));
        assert!(!vnc.excludes(&one(Role::Forward, "udp:127.0.0.1:5901")));
        assert_eq!(one(Role::Forward, "udp:127.0.0.1:53").tcp(), None);
    }

    #[test]
    fn a_path_is_one_thing_whatever_it_is_used_for() {
        let socket = one(Role::Console, "/run/a");
        assert!(socket.excludes(&one(Role::Vnc, "/run/a")) && !socket.excludes(&one(Role::Vnc, "/run/b")));
        let read = |text: &str| Exclusive { only_reads: true, ..one(Role::Image, text) };
        assert!(!read("/a").excludes(&read("/a")) && read("/a").excludes(&one(Role::Image, "/a")));
        // The two ends of a nmdm(4) join two machines.
        assert!(!one(Role::Serial, "/dev/nmdm0A").excludes(&one(Role::Serial, "/dev/nmdm0B")));
    }

    #[test]
    fn every_role_has_a_word_of_its_own() {
        for (role, word) in Role::ALL {
            assert_eq!((role.word(), Role::named(word)), (word, Some(role)));
        }
        assert_eq!(Role::named("disk"), None);
    }
}
