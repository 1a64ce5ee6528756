//! The hosts that may run machines: what to ask them, and what their answers mean.

use super::remote::{Remote, ToldMachine};
use crate::client::reach::Answer;
use crate::model::Secret;
use crate::model::value::Tty;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// A machine that may run somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownMachine {
    /// The machine's name.
    pub name: String,
    /// Where its screen listens on whatever host runs it; nothing if it has none.
    pub console: Option<SocketAddr>,
    /// The socket of the file system where its screen listens instead; only its own host reaches it.
    pub socket: Option<PathBuf>,
    /// The password of its screen.
    pub password: Option<Secret>,
    /// What its serial ports are plugged into, by name.
    pub ttys: BTreeMap<String, Tty>,
    /// The log in which what its first serial port says is kept.
    pub serial_log: Option<PathBuf>,
}

/// A host that may run machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VmHost {
    /// Its name or address, as it was given.
    pub name: String,
    /// How it is asked.
    pub access: Access,
}

/// How a host is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// By the screens of its machines, at this address.
    Consoles(IpAddr),
    /// By its own vmrun.
    Ssh(Remote),
    /// By the file in which it tells of its machines.
    File(PathBuf),
}

impl VmHost {
    /// Returns its address, if its screens are asked.
    pub(crate) const fn ip(&self) -> Option<IpAddr> {
        match self.access {
            Access::Consoles(ip) => Some(ip),
            Access::Ssh(_) | Access::File(_) => None,
        }
    }

    /// Returns where ssh connects to, if its own vmrun is asked.
    pub(crate) const fn remote(&self) -> Option<&Remote> {
        match &self.access {
            Access::Consoles(_) | Access::File(_) => None,
            Access::Ssh(remote) => Some(remote),
        }
    }

    /// Returns whether it tells of its machines itself.
    pub(crate) const fn tells(&self) -> bool {
        !matches!(self.access, Access::Consoles(_))
    }

    /// Returns the file in which it tells of its machines, if that is read.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.access {
            Access::File(path) => Some(path),
            Access::Consoles(_) | Access::Ssh(_) => None,
        }
    }
}

/// What to ask: which machine at which host, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The number of the machine.
    pub machine: usize,
    /// The number of the host.
    pub host: usize,
    /// Where its screen would be.
    pub address: SocketAddr,
}

/// Where a machine runs, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The hosts that run it, by number, and where its screen listens, if that is known.
    pub runs: Vec<(usize, Option<SocketAddr>)>,
    /// The hosts on whose port something answers that is no VNC server.
    pub others: Vec<(usize, SocketAddr)>,
}

/// Returns the questions: every machine at every host. A screen that listens on loopback can only be asked for on the host
/// itself.
pub(crate) fn questions(machines: &[KnownMachine], hosts: &[VmHost]) -> Vec<Question> {
    let mut all = Vec::new();
    for (machine, known) in machines.iter().enumerate() {
        let Some(console) = known.console else { continue };
        let reaches = |ip: IpAddr| !console.ip().is_loopback() || ip.is_loopback();
        let ips = hosts.iter().enumerate().filter_map(|(number, host)| Some((number, host.ip()?)));
        for (host, ip) in ips.filter(|(_, ip)| reaches(*ip)) {
            all.push(Question { machine, host, address: SocketAddr::new(ip, console.port()) });
        }
    }
    all
}

/// Returns what the answers say of each machine.
pub(crate) fn locations(machines: usize, questions: &[Question], answers: &[Answer]) -> Vec<Location> {
    let mut all = vec![Location { runs: Vec::new(), others: Vec::new() }; machines];
    for (question, answer) in questions.iter().zip(answers) {
        let Some(location) = all.get_mut(question.machine) else { continue };
        match answer {
            Answer::Vnc => location.runs.push((question.host, Some(question.address))),
            Answer::Other => location.others.push((question.host, question.address)),
            Answer::Refused | Answer::Silent | Answer::Unreachable(_) => {}
        }
    }
    all
}

/// Adds what a host has told itself.
pub(crate) fn add_running(locations: &mut [Location], machines: &[KnownMachine], host: usize, told: &[ToldMachine]) {
    for (location, machine) in locations.iter_mut().zip(machines) {
        let own = told.iter().filter(|one| one.running() == Some(machine.name.as_str()));
        location.runs.extend(own.map(|one| (host, one.console)));
        location.runs.sort_by_key(|(host, _)| *host);
    }
}

/// Returns the hosts, by number, of which nothing came back, and why if that is known.
pub(crate) fn silent(hosts: usize, questions: &[Question], answers: &[Answer]) -> Vec<(usize, Option<String>)> {
    let of = |host: usize| questions.iter().zip(answers).filter(move |(question, _)| question.host == host);
    let mut all = Vec::new();
    for host in 0..hosts {
        let is_silent = |answer: &Answer| matches!(answer, Answer::Silent | Answer::Unreachable(_));
        if of(host).next().is_some() && of(host).all(|(_, answer)| is_silent(answer)) {
            let why = of(host).find_map(|(_, answer)| match answer {
                Answer::Unreachable(why) => Some(why.clone()),
                Answer::Vnc | Answer::Other | Answer::Refused | Answer::Silent => None,
            });
            all.push((host, why));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, console: Option<&str>) -> KnownMachine {
        KnownMachine {
            name: name.into(),
            console: console.map(|it| it.parse().unwrap()),
            socket: None,
            password: None,
            ttys: BTreeMap::new(),
            serial_log: None,
        }
    }

    fn host(ip: &str) -> VmHost {
        VmHost { name: ip.into(), access: Access::Consoles(ip.parse().unwrap()) }
    }

    #[test]
    fn every_machine_is_asked_for_at_every_host_that_could_answer() {
        let machines =
            [known("web", Some("192.168.2.1:5901")), known("lab", Some("127.0.0.1:5902")), known("db", None)];
        let hosts = [host("10.0.0.5"), host("127.0.0.1")];
        let questions = questions(&machines, &hosts);
        let addresses: Vec<String> = questions.iter().map(|question| question.address.to_string()).collect();
        assert_eq!(addresses, ["10.0.0.5:5901", "127.0.0.1:5901", "127.0.0.1:5902"]);
        let why = Answer::Unreachable("No route to host".into());
        let answers = [why, Answer::Vnc, Answer::Other];
        let mut found = locations(3, &questions, &answers);
        assert_eq!(found[0].runs, [(1, "127.0.0.1:5901".parse().ok())]);
        assert_eq!((found[1].runs.len(), found[1].others.len(), found[2].runs.len()), (0, 1, 0));
        let running = |name: &str| ToldMachine { name: Some(name.into()), pid: Some(5), ..ToldMachine::default() };
        add_running(&mut found, &machines, 0, &[running("web"), running("db"), running("other")]);
        assert_eq!(found[0].runs, [(0, None), (1, "127.0.0.1:5901".parse().ok())]);
        assert_eq!((found[1].runs.len(), found[2].runs.as_slice()), (0, &[(0, None)][..]));
        assert_eq!(silent(2, &questions, &answers), [(0, Some("No route to host".into()))]);
        assert_eq!(silent(2, &questions, &[Answer::Silent, Answer::Silent, Answer::Refused]), [(0, None)]);
    }
}
