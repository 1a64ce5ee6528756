//! Values that hold themselves: a closure shares what it names, and one that names itself would never be freed.
//!
//! What a closure shares is a cell that is counted by who holds it. A variable is read when a closure takes it along, so that each
//! cell is known by then; at the end of an evaluation those that hold themselves are emptied.

use rhai::{Array, Dynamic, FnPtr, Map};
use std::collections::{BTreeMap, BTreeSet};

/// How deep is looked, in values: further than any may be nested without ending an evaluation.
const DEEP: usize = 4 * super::bounds::NESTED;

/// How many cells are kept at least before those are let go that do not hold themselves: what is done with is not held for long.
const MOST: usize = 1_000;

/// The cells that were seen in an evaluation, by their addresses, which stay theirs as long as they are here.
#[derive(Default)]
pub(super) struct Cells {
    all: BTreeMap<usize, Dynamic>,
    /// How many were kept when they were looked through last.
    kept: usize,
}

impl Cells {
    /// Notes the cell of a variable that is read, if it is shared.
    pub(super) fn note(&mut self, value: &Dynamic) {
        let Some(address) = value.is_shared().then(|| address(value)).flatten() else { return };
        self.all.entry(address).or_insert_with(|| value.clone());
        if self.all.len() > MOST.max(2 * self.kept) {
            let found = self.found();
            // The one that is read may be about to be put into itself.
            self.all.retain(|known, _| *known == address || found.contains(known));
            self.kept = self.all.len();
        }
    }

    /// Empties all that hold themselves, and lets the others go.
    pub(super) fn end(&mut self) {
        let found = self.found();
        let mut cells = std::mem::take(self).all;
        for address in found {
            let cell = cells.get_mut(&address);
            let held = cell.and_then(|cell| Some(std::mem::take(&mut *cell.write_lock::<Dynamic>()?)));
            // Not before the cell can be borrowed again.
            drop(held);
        }
    }

    /// Returns those that hold themselves.
    fn found(&self) -> BTreeSet<usize> {
        let mut look = Look::default();
        self.all.values().for_each(|cell| look.at(cell, 0));
        look.found
    }
}

/// Returns where a shared value is; nothing while it is written to.
fn address(value: &Dynamic) -> Option<usize> {
    value.read_lock::<Dynamic>().map(|inner| std::ptr::from_ref(&*inner).addr())
}

/// A walk through cells, each of them once.
#[derive(Default)]
struct Look {
    /// Those in which it is now.
    open: BTreeSet<usize>,
    /// Those in which it was.
    done: BTreeSet<usize>,
    /// Those that lead to themselves.
    found: BTreeSet<usize>,
}

impl Look {
    fn at(&mut self, value: &Dynamic, depth: usize) {
        if depth > DEEP {
            return;
        }
        if value.is_shared() {
            let Some(address) = address(value) else { return };
            if self.open.contains(&address) {
                self.found.insert(address);
            } else if self.done.insert(address) {
                self.open.insert(address);
                if let Some(inner) = value.read_lock::<Dynamic>() {
                    self.at(&inner, depth + 1);
                }
                self.open.remove(&address);
            }
        } else if let Some(list) = value.read_lock::<Array>() {
            list.iter().for_each(|inner| self.at(inner, depth + 1));
        } else if let Some(map) = value.read_lock::<Map>() {
            map.values().for_each(|inner| self.at(inner, depth + 1));
        } else if let Some(closure) = value.read_lock::<FnPtr>() {
            closure.iter_curry().for_each(|inner| self.at(inner, depth + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn what_holds_itself_is_freed_and_what_somebody_else_holds_stays() {
        let (marker, mut cell) = (Rc::new(()), Dynamic::UNIT.into_shared());
        let mut closure = FnPtr::new("f").unwrap();
        closure.add_curry(cell.clone());
        closure.add_curry(Dynamic::from(marker.clone()));
        let other = Dynamic::from(7_i64).into_shared();
        let mut cells = Cells::default();
        cells.note(&cell);
        cells.note(&other);
        // As `f = || f` does: the cell is noted before the closure is in it, here in a list in a map.
        let map: Map = [("all".into(), Dynamic::from(vec![Dynamic::from(closure)]))].into();
        *cell.write_lock::<Dynamic>().unwrap() = map.into();
        drop(cell);
        assert_eq!(Rc::strong_count(&marker), 2);
        cells.end();
        assert_eq!((Rc::strong_count(&marker), other.as_int()), (1, Ok(7)));
    }

    #[test]
    fn of_many_cells_those_are_kept_that_hold_themselves() {
        let mut cells = Cells::default();
        let mut cell = Dynamic::UNIT.into_shared();
        cells.note(&cell);
        let mut closure = FnPtr::new("f").unwrap();
        closure.add_curry(cell.clone());
        *cell.write_lock::<Dynamic>().unwrap() = closure.into();
        (0..3 * MOST).for_each(|_| cells.note(&Dynamic::UNIT.into_shared()));
        assert!(cells.all.len() <= MOST && cells.found().len() == 1, "{}", cells.all.len());
    }
}
