//! Which machines start after which, and what says that one is ready.

use super::policy::RestartPolicy;
use crate::diag::Fault;
use crate::model::VmName;
use std::net::SocketAddr;
use std::time::Duration;

/// What a recipe says of its machine as of a service: restarts, order and readiness, as in a unit of systemd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceOptions {
    /// When its guest is started again; without a policy after reboots only.
    pub restart: Option<RestartPolicy>,
    /// The machines that it starts after.
    pub after: Vec<VmName>,
    /// What says that it is ready; without that it is when its guest runs.
    pub ready: Option<Ready>,
}

/// What says that a machine is ready for those that start after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// What is waited for.
    pub sign: Sign,
    /// How long.
    pub within: Duration,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Somebody listens there.
    Tcp(SocketAddr),
    /// The guest has written this to the console that is in its log.
    Serial(String),
    /// Its sshd answers, wherever it is by then.
    Ssh,
    /// Its guest's agent answers.
    Agent,
}

/// Sets machines in order. Returns for each of them the places of those that it starts after; what runs already is not waited
/// for.
pub(crate) fn order(
    machines: &[(VmName, Vec<VmName>)],
    runs: impl Fn(&VmName) -> bool,
) -> Result<Vec<Vec<usize>>, Fault> {
    let place = |name: &VmName| machines.iter().position(|(known, _)| known == name);
    for (at, (name, _)) in machines.iter().enumerate() {
        if place(name) != Some(at) {
            let fault = Fault::usage(format!("two of the recipes boot the machine {name}"));
            return Err(fault.hint("start one of them"));
        }
    }
    let mut before = Vec::new();
    for (name, after) in machines {
        let mut places = Vec::new();
        for other in after {
            match place(other) {
                Some(at) => places.push(at),
                None if runs(other) => {}
                None => return Err(unknown(name, other, machines)),
            }
        }
        before.push(places);
    }
    cycle(&before).map_or(Ok(before), |chain| {
        Err(each_other(&chain.iter().map(|at| machines[*at].0.as_str()).collect::<Vec<_>>()))
    })
}

/// The fault of machines that start after each other, the first once more at the end.
pub(crate) fn each_other(names: &[&str]) -> Fault {
    let fault = Fault::new(format!("these start after each other: {}", names.join(" after ")));
    fault.hint("take one of the `after` away")
}

fn unknown(name: &VmName, other: &VmName, machines: &[(VmName, Vec<VmName>)]) -> Fault {
    let fault = Fault::new(format!("{name} starts after {other}, which does not run and is not among those to start"));
    let known = machines.iter().map(|(known, _)| known).filter(|known| *known != name).map(VmName::as_str);
    fault.hint(format!("start {other} first, or both at once")).did_you_mean(other.as_str(), known)
}

/// Returns a cycle of places, each of which comes after the next one; its first place stands once more at the end.
pub(crate) fn cycle(before: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut is_done = vec![false; before.len()];
    for first in 0..before.len() {
        // The way from the first to here, and how many of its arrows each of them was left by.
        let mut way: Vec<(usize, usize)> = vec![(first, 0)];
        while let Some((at, taken)) = way.last_mut() {
            let (here, arrow) = (*at, *taken);
            *taken += 1;
            match before[here].get(arrow).copied() {
                None => {
                    is_done[here] = true;
                    way.pop();
                }
                Some(next) if is_done[next] => {}
                Some(next) => {
                    if let Some(start) = way.iter().position(|(at, _)| *at == next) {
                        let chain = way[start..].iter().map(|(at, _)| *at);
                        return Some(chain.chain(std::iter::once(next)).collect());
                    }
                    way.push((next, 0));
                }
            }
        }
    }
    None
}

/// Returns how many machines have to stop one after the other, from each of them on: itself, and the longest chain of those
/// that it starts after.
pub(crate) fn depths(before: &[Vec<usize>]) -> Vec<u32> {
    let mut depths = vec![1_u32; before.len()];
    // A chain has at most as many links as there are machines; without cycles it settles before.
    for _ in 0..before.len() {
        let deeper: Vec<u32> =
            before.iter().map(|others| 1 + others.iter().map(|other| depths[*other]).max().unwrap_or(0)).collect();
        if deeper == depths {
            break;
        }
        depths = deeper;
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> VmName {
        text.parse().unwrap()
    }

    fn machines(all: &[(&str, &[&str])]) -> Vec<(VmName, Vec<VmName>)> {
        all.iter().map(|(of, after)| (name(of), after.iter().map(|other| name(other)).collect())).collect()
    }

    fn said(all: &[(&str, &[&str])]) -> String {
        let fault = order(&machines(all), |other| other.as_str() == "net").unwrap_err();
        format!("{} | {}", fault.message, fault.hint.unwrap())
    }

    #[test]
    fn what_runs_already_is_not_waited_for() {
        let all = machines(&[("web", &["db", "net"]), ("db", &[]), ("mail", &["web", "db"])]);
        let before = order(&all, |other| other.as_str() == "net").unwrap();
        assert_eq!(before, [vec![1], vec![], vec![0, 1]]);
        assert_eq!(depths(&before), [2, 1, 3]);
    }

    #[test]
    fn a_cycle_is_told_as_a_chain_and_a_name_that_is_wrong_with_the_right_one() {
        assert_eq!(
            said(&[("net2", &[]), ("a", &["b"]), ("b", &["net2", "c"]), ("c", &["a"])]),
            "these start after each other: a after b after c after a | take one of the `after` away"
        );
        assert_eq!(said(&[("a", &["a"])]), "these start after each other: a after a | take one of the `after` away");
        assert_eq!(
            said(&[("web", &["dbb"]), ("db", &[])]),
            "web starts after dbb, which does not run and is not among those to start | did you mean `db`?"
        );
        assert_eq!(
            said(&[("web", &["database"])]),
            "web starts after database, which does not run and is not among those to start | start database first, or both \
             at once"
        );
        assert_eq!(said(&[("db", &[]), ("db", &[])]), "two of the recipes boot the machine db | start one of them");
    }

    proptest! {
        #[test]
        fn a_cycle_is_found_exactly_where_there_is_no_order(arrows in prop::collection::vec((0_usize..8, 0_usize..8), 0..20)) {
            let mut before = vec![Vec::new(); 8];
            arrows.iter().for_each(|(from, to)| before[*from].push(*to));
            // Take away whatever starts after nothing, until nothing can be taken away.
            let mut left: Vec<usize> = (0..8).collect();
            while let Some(at) = left.iter().position(|one| before[*one].iter().all(|other| !left.contains(other))) {
                left.remove(at);
            }
            let found = cycle(&before);
            prop_assert_eq!(found.is_some(), !left.is_empty());
            if let Some(chain) = found {
                prop_assert!(chain.len() > 1 && chain.first() == chain.last());
                prop_assert!(chain.windows(2).all(|pair| before[pair[0]].contains(&pair[1])));
            } else {
                let depths = depths(&before);
                prop_assert!(arrows.iter().all(|(from, to)| depths[*from] > depths[*to]));
            }
        }
    }
}
