//! Where a guest is: what its recipe says, then ports that lead to it, what its agent says, what a DHCP server of this host has lent it, and whom this
//! host has spoken to. Only the first two are known; the others are what a guest, or anybody on its network, claims.

use super::installation::Installation;
use super::inventory::Entry;
use crate::client::agent::network;
use crate::client::banner;
use crate::diag::Fault;
use crate::host::clock::now;
use crate::host::leases::{self, Lease};
use crate::host::neighbours::{self, Neighbour};
use crate::host::{Platform, program, spawn};
use crate::model::{AddressSource, FoundAddress, SSH_PORT, Shape, SshOptions, VmName};
use crate::supervise::status::MachineStatus;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What this host knows of addresses, which is asked for once and only where it is needed.
pub(crate) struct Addresses {
    platform: Platform,
    files: Vec<PathBuf>,
    leases: OnceCell<Vec<Lease>>,
    neighbours: OnceCell<Vec<Neighbour>>,
    /// What agents have said that were asked already, by their sockets.
    agents: BTreeMap<String, Option<IpAddr>>,
}

impl Addresses {
    /// Begins with what the configuration says of leases.
    pub(crate) fn new(installation: &Installation) -> Self {
        let platform = installation.platform();
        let files = match installation.config.leases.as_slice() {
            [] => leases::usual(platform),
            files => files.to_vec(),
        };
        Self { platform, files, leases: OnceCell::new(), neighbours: OnceCell::new(), agents: BTreeMap::new() }
    }

    /// Asks the agents of several machines that run, side by side: each of them may let one wait.
    pub(crate) fn ask_agents(&mut self, all: &[Entry]) {
        let is_asked = |one: &&Entry| {
            one.process.is_some() && one.status.as_ref().is_some_and(|it| is_unknown(&one.shape, &it.ssh))
        };
        let shapes: Vec<&Shape> = all.iter().filter(is_asked).map(|one| &one.shape).collect();
        let said = spawn::side_by_side(&shapes, |shape| ask_agent(shape));
        let sockets = shapes.iter().map(|shape| shape.agent.clone());
        self.agents.extend(sockets.zip(said).filter_map(|(socket, said)| Some((socket?, said.flatten()))));
    }

    /// Finds a guest.
    pub(crate) fn of(&self, shape: &Shape, ssh: &SshOptions) -> Option<FoundAddress> {
        let port = ssh.port.unwrap_or(SSH_PORT);
        let found = |source| move |ip| FoundAddress { ip, port, source };
        let known = ssh.address.map(found(AddressSource::Recipe)).or_else(|| forward(shape, port));
        if known.is_some() || shape.macs.is_empty() {
            return known;
        }
        let asked = shape.agent.as_ref().and_then(|socket| self.agents.get(socket)).copied();
        if let Some(ip) = asked.unwrap_or_else(|| ask_agent(shape)) {
            return Some(found(AddressSource::Agent)(ip));
        }
        let leases = self.leases.get_or_init(|| leases::read(&self.files));
        leases::of(leases, &shape.macs, now()).map(found(AddressSource::Leases)).or_else(|| {
            let neighbours = self.neighbours.get_or_init(|| neighbours::read(self.platform, &program::run));
            neighbours::of(neighbours, &shape.macs).map(found(AddressSource::Neighbours))
        })
    }

    /// Finds the guest of a machine that runs.
    pub(crate) fn locate(&self, one: &mut Entry) {
        let ssh = one.status.as_ref().map(|status| status.ssh.clone()).unwrap_or_default();
        if one.process.is_some() {
            one.address = self.of(&one.shape, &ssh);
        }
    }
}

/// How long an agent may take to say where its guest is.
const AGENT_PATIENCE: Duration = Duration::from_millis(500);

fn ask_agent(shape: &Shape) -> Option<IpAddr> {
    network::address(Path::new(shape.agent.as_ref()?), &shape.macs, AGENT_PATIENCE)
}

/// Whether nobody has to claim where a guest is: its recipe says it, or a port leads there.
fn is_unknown(shape: &Shape, ssh: &SshOptions) -> bool {
    ssh.address.is_none() && forward(shape, ssh.port.unwrap_or(SSH_PORT)).is_none() && !shape.macs.is_empty()
}

/// The port of this host that leads to a guest's sshd.
fn forward(shape: &Shape, port: u16) -> Option<FoundAddress> {
    let mut rules = shape.forwards.iter().filter(|rule| !rule.is_udp() && rule.guest_port() == Some(port));
    let first = rules.find_map(|rule| Some((rule, rule.host_port().filter(|port| *port > 0)?)));
    first.map(|(rule, port)| {
        let address = Some(rule.host_address()).filter(|address| !address.is_unspecified());
        let ip = IpAddr::V4(address.unwrap_or(Ipv4Addr::LOCALHOST));
        FoundAddress { ip, port, source: AddressSource::Forward }
    })
}

/// Finds the guest of a machine in the background of this host.
pub(crate) fn of_machine(name: &VmName) -> Option<FoundAddress> {
    let installation = Installation::open().ok()?;
    let host = super::settings::host(false).ok()?;
    let status = MachineStatus::of(&host, name)?;
    Addresses::new(&installation).of(&status.shape, &status.ssh)
}

/// Whether the sshd of a guest of this host answers.
pub(crate) fn greets(name: &VmName) -> bool {
    const PATIENCE: Duration = Duration::from_secs(2);
    of_machine(name).is_some_and(|found| banner::greets(found.socket(), PATIENCE))
}

/// The fault of a guest that nobody knows where it is.
pub(crate) fn unknown(name: &str, shape: &Shape) -> Fault {
    if shape.macs.is_empty() && shape.forwards.is_empty() {
        let fault = Fault::host(format!("the address of {name} is not known: its recipe names none"));
        return fault.hint(
            "`ssh: #{ address: \"10.0.0.5\" }` says it; a `mac` of its network card lets it be found by leases of DHCP and by \
             neighbours",
        );
    }
    let (agent, way) = match shape.agent {
        Some(_) => ("its agent says none", ""),
        None => {
            ("it has no agent", "; `agent: \"9\"`, a free slot, has the guest asked, whose package is qemu-guest-agent")
        }
    };
    let fault = Fault::host(format!(
        "the address of {name} is not known: its recipe names none, {agent}, no lease of a DHCP server of this host is for it, and \
         this host has not spoken to it"
    ));
    fault.hint(format!(
        "--wait 60s waits until it has one; `ssh: #{{ address: \"10.0.0.5\" }}` in its recipe says it; leases that are elsewhere: \
         leases = [\"/var/db/dnsmasq.leases\"] in config.toml{way}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_comes_before_ports_and_ports_before_what_guests_claim() {
        let addresses = Addresses {
            platform: Platform::Linux,
            files: Vec::new(),
            leases: OnceCell::from(leases::parse("0 58:9c:fc:00:00:01 10.0.0.7 web *\n")),
            neighbours: OnceCell::from(neighbours::parse_arp("? (10.0.0.8) at 58:9c:fc:00:00:01 on br0\n")),
            agents: BTreeMap::from([("/a".to_string(), "10.0.0.6".parse().ok()), ("/silent".to_string(), None)]),
        };
        let mut shape = Shape { macs: vec!["58:9c:fc:00:00:01".parse().unwrap()], ..Shape::default() };
        shape.forwards =
            ["udp::22-:22", "tcp::80-:80", "tcp::2222-:22"].map(|rule| rule.parse().unwrap()).into_iter().collect();
        let ssh = SshOptions { address: "10.0.0.5".parse().ok(), ..SshOptions::default() };
        let shown = |addresses: &Addresses, shape: &Shape, ssh: &SshOptions| {
            addresses.of(shape, ssh).map(|found| format!("{} {}", found.socket(), found.source.word()))
        };
        let none = SshOptions::default();
        assert_eq!(shown(&addresses, &shape, &ssh).as_deref(), Some("10.0.0.5:22 recipe"));
        assert_eq!(shown(&addresses, &shape, &none).as_deref(), Some("127.0.0.1:2222 forward"));
        shape.forwards.clear();
        shape.agent = Some("/a".into());
        assert_eq!(shown(&addresses, &shape, &none).as_deref(), Some("10.0.0.6:22 agent"));
        shape.agent = Some("/silent".into());
        let other = SshOptions { port: Some(2022), ..SshOptions::default() };
        assert_eq!(shown(&addresses, &shape, &other).as_deref(), Some("10.0.0.7:2022 leases"));
        let addresses = Addresses { leases: OnceCell::from(Vec::new()), ..addresses };
        assert_eq!(shown(&addresses, &shape, &none).as_deref(), Some("10.0.0.8:22 neighbours"));
        shape.macs.clear();
        assert_eq!(shown(&addresses, &shape, &none), None);
    }
}
