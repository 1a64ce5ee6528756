//! Which machine is restarted next: those that others start after before these, and otherwise host by host, by name.

use crate::diag::Fault;
use crate::model::VmName;
use crate::supervise::order::{cycle, each_other};
use std::collections::{BTreeSet, HashMap};

/// What is still to be restarted, by number.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// How many each one waits for.
    waits: Vec<usize>,
    /// Those that wait for each one.
    then: Vec<Vec<usize>>,
    /// Those that wait for none.
    ready: BTreeSet<usize>,
}

impl Schedule {
    /// Sets machines in order, of which each name is there once. What is not among them is not waited for.
    ///
    /// # Errors
    /// Some start after each other.
    pub(super) fn new(machines: &[(&VmName, &[VmName])]) -> Result<Self, Fault> {
        let places: HashMap<&VmName, usize> = machines.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
        let of = |after: &[VmName]| {
            let before: BTreeSet<usize> = after.iter().filter_map(|name| places.get(name).copied()).collect();
            before.into_iter().collect::<Vec<usize>>()
        };
        let before: Vec<Vec<usize>> = machines.iter().map(|(_, after)| of(after)).collect();
        if let Some(chain) = cycle(&before) {
            return Err(each_other(&chain.iter().map(|at| machines[*at].0.as_str()).collect::<Vec<_>>()));
        }
        let mut then = vec![Vec::new(); machines.len()];
        before.iter().enumerate().for_each(|(at, others)| others.iter().for_each(|other| then[*other].push(at)));
        let waits: Vec<usize> = before.iter().map(Vec::len).collect();
        let ready = (0..machines.len()).filter(|at| waits[*at] == 0).collect();
        Ok(Self { waits, then, ready })
    }

    /// Returns the next one, and forgets it; nothing where all that are left wait for others.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    /// Takes one to be back.
    pub(super) fn back(&mut self, at: usize) {
        for other in std::mem::take(&mut self.then[at]) {
            self.waits[other] -= 1;
            if self.waits[other] == 0 {
                self.ready.insert(other);
            }
        }
    }

    /// Returns all of them in the order in which they are restarted one by one.
    pub(super) fn whole(mut self) -> Vec<usize> {
        let mut all = Vec::new();
        while let Some(at) = self.next() {
            all.push(at);
            self.back(at);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(number: usize) -> VmName {
        format!("m{number}").parse().unwrap()
    }

    fn schedule(after: &[Vec<usize>]) -> Result<Vec<usize>, String> {
        let names: Vec<VmName> = (0..after.len()).map(name).collect();
        let after: Vec<Vec<VmName>> =
            after.iter().map(|others| others.iter().map(|other| name(*other)).collect()).collect();
        let all: Vec<(&VmName, &[VmName])> = names.iter().zip(after.iter().map(Vec::as_slice)).collect();
        Schedule::new(&all).map(Schedule::whole).map_err(|fault| fault.message)
    }

    #[test]
    fn what_others_start_after_is_first_and_the_rest_as_it_stands() {
        assert_eq!(schedule(&[vec![3], vec![], vec![0, 99], vec![]]), Ok(vec![1, 3, 0, 2]));
        assert_eq!(schedule(&[vec![1], vec![0]]), Err("these start after each other: m0 after m1 after m0".into()));
        assert_eq!(schedule(&[]), Ok(vec![]));
    }

    #[test]
    fn twenty_hosts_with_five_hundred_machines_each_are_set_in_order() {
        // Each waits for the same one of the host before, and each tenth for its neighbour.
        let of = |at: usize| {
            let over = at.checked_sub(500);
            let beside = Some(at + 1).filter(|_| at.is_multiple_of(10));
            over.into_iter().chain(beside).collect::<Vec<usize>>()
        };
        let after: Vec<Vec<usize>> = (0..10_000).map(of).collect();
        let order = schedule(&after).unwrap();
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, at)| places[*at] = place);
        assert_eq!(order.len(), 10_000);
        assert!(after.iter().enumerate().all(|(at, others)| others.iter().all(|other| places[*other] < places[at])));
    }

    proptest! {
        #[test]
        fn each_is_restarted_once_and_never_before_what_it_starts_after(
            arrows in prop::collection::vec((0_usize..12, 0_usize..12), 0..30),
        ) {
            let mut after = vec![Vec::new(); 12];
            arrows.iter().for_each(|(from, to)| after[*from].push(*to));
            if let Ok(order) = schedule(&after) {
                let place = |at: usize| order.iter().position(|other| *other == at).unwrap();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..12).collect::<Vec<_>>());
                prop_assert!(arrows.iter().all(|(from, to)| place(*to) < place(*from)));
            }
        }
    }
}
