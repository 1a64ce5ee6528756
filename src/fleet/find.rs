//! Which host runs which machine: what to ask, and what the answers mean.

use super::ssh::{Remote, Told};
use crate::client::reach::Answer;
use crate::model::Secret;
use crate::model::value::Tty;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// A machine that may run somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name.
    pub name: String,
    /// Where its console listens on whatever host runs it; nothing if it has none.
    pub console: Option<SocketAddr>,
    /// The password of its console.
    pub password: Option<Secret>,
    /// What its serial ports are plugged into, by name.
    pub ttys: BTreeMap<String, Tty>,
}

/// A host that may run machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its name or address, as it was given.
    pub name: String,
    /// How it is asked.
    pub way: Way,
}

/// How a host is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the consoles of its machines, at this address.
    Consoles(IpAddr),
    /// By its own vmrun.
    Ssh(Remote),
}

impl Place {
    /// Returns its address, if its consoles are asked.
    pub(crate) const fn ip(&self) -> Option<IpAddr> {
        match self.way {
            Way::Consoles(ip) => Some(ip),
            Way::Ssh(_) => None,
        }
    }

    /// Returns where ssh connects to, if its own vmrun is asked.
    pub(crate) const fn remote(&self) -> Option<&Remote> {
        match &self.way {
            Way::Consoles(_) => None,
            Way::Ssh(remote) => Some(remote),
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
    /// Where its console would be.
    pub address: SocketAddr,
}

/// What is known of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The hosts that run it, by number, and where its console listens, if that is known.
    pub runs: Vec<(usize, Option<SocketAddr>)>,
    /// The hosts on whose port something answers that is no VNC server.
    pub others: Vec<(usize, SocketAddr)>,
}

/// Returns the questions: every machine at every host. A console that listens on loopback can only be asked for on the host
/// itself.
pub(crate) fn questions(machines: &[Wanted], hosts: &[Place]) -> Vec<Question> {
    let mut all = Vec::new();
    for (machine, wanted) in machines.iter().enumerate() {
        let Some(console) = wanted.console else { continue };
        let reaches = |ip: IpAddr| !console.ip().is_loopback() || ip.is_loopback();
        let ips = hosts.iter().enumerate().filter_map(|(host, place)| Some((host, place.ip()?)));
        for (host, ip) in ips.filter(|(_, ip)| reaches(*ip)) {
            all.push(Question { machine, host, address: SocketAddr::new(ip, console.port()) });
        }
    }
    all
}

/// Returns what the answers say of each machine.
pub(crate) fn found(machines: usize, questions: &[Question], answers: &[Answer]) -> Vec<Found> {
    let mut all = vec![Found { runs: Vec::new(), others: Vec::new() }; machines];
    for (question, answer) in questions.iter().zip(answers) {
        let Some(found) = all.get_mut(question.machine) else { continue };
        match answer {
            Answer::Vnc => found.runs.push((question.host, Some(question.address))),
            Answer::Other => found.others.push((question.host, question.address)),
            Answer::Refused | Answer::Silent | Answer::Unreachable(_) => {}
        }
    }
    all
}

/// Adds what a host has told itself.
pub(crate) fn add(found: &mut [Found], machines: &[Wanted], host: usize, told: &[Told]) {
    for (found, wanted) in found.iter_mut().zip(machines) {
        let own = told.iter().filter(|told| told.name == wanted.name);
        found.runs.extend(own.map(|told| (host, told.console)));
        found.runs.sort_by_key(|(host, _)| *host);
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
                _ => None,
            });
            all.push((host, why));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, console: Option<&str>) -> Wanted {
        Wanted {
            name: name.into(),
            console: console.map(|it| it.parse().unwrap()),
            password: None,
            ttys: BTreeMap::new(),
        }
    }

    fn place(ip: &str) -> Place {
        Place { name: ip.into(), way: Way::Consoles(ip.parse().unwrap()) }
    }

    #[test]
    fn every_machine_is_asked_for_at_every_host_that_could_answer() {
        let machines =
            [wanted("web", Some("192.168.2.1:5901")), wanted("lab", Some("127.0.0.1:5902")), wanted("db", None)];
        let hosts = [place("10.0.0.5"), place("127.0.0.1")];
        let questions = questions(&machines, &hosts);
        let addresses: Vec<String> = questions.iter().map(|question| question.address.to_string()).collect();
        assert_eq!(addresses, ["10.0.0.5:5901", "127.0.0.1:5901", "127.0.0.1:5902"]);
        let why = Answer::Unreachable("No route to host".into());
        let answers = [why, Answer::Vnc, Answer::Other];
        let mut found = found(3, &questions, &answers);
        assert_eq!(found[0].runs, [(1, "127.0.0.1:5901".parse().ok())]);
        assert_eq!((found[1].runs.len(), found[1].others.len(), found[2].runs.len()), (0, 1, 0));
        let told = |name: &str| Told { name: name.into(), console: None };
        add(&mut found, &machines, 0, &[told("web"), told("db"), told("other")]);
        assert_eq!(found[0].runs, [(0, None), (1, "127.0.0.1:5901".parse().ok())]);
        assert_eq!((found[1].runs.len(), found[2].runs.as_slice()), (0, &[(0, None)][..]));
        assert_eq!(silent(2, &questions, &answers), [(0, Some("No route to host".into()))]);
        assert_eq!(silent(2, &questions, &[Answer::Silent, Answer::Silent, Answer::Refused]), [(0, None)]);
    }
}
