//! What loads the machines of a recording, and on what it hangs which of several loaders does.

use super::super::loader::{fitted, piece};
use super::{Loading, When, Writer};
use crate::model::Draft;

impl Writer<'_> {
    /// Gives a machine the loader that runs before it, where it is not left out. Of several of which each hangs on files one is chosen in the
    /// recipe, as by the script.
    pub(super) fn give_loader(&mut self, draft: &mut Draft, without: When) {
        let name = draft.name.as_ref().map(|name| name.as_str().to_string()).unwrap_or_default();
        let is_own = |load: &&Loading| load.name == name && load.when != without;
        let all: Vec<&Loading> = self.loaders.iter().filter(is_own).collect();
        draft.loader = all.last().map(|load| fitted(load.loader.clone(), draft));
        let is_chosen = all.len() > 1 && all.iter().any(|load| load.guard.is_some());
        if is_chosen && all.iter().all(|load| load.when == When::Always) {
            let chosen = chosen(&all, |load| piece(&fitted(load.loader.clone(), draft), &self.words).flat());
            self.words.loader = Some(chosen);
        }
    }

    /// Whether a machine is loaded in another way where it is not initialized.
    pub(super) fn loads_otherwise(&self, draft: &Draft) -> bool {
        let name = draft.name.as_ref().map(crate::model::VmName::as_str).unwrap_or_default();
        self.loaders.iter().any(|load| load.name == name && load.when != When::Always)
    }
}

/// Returns the expression that chooses one of several loaders: the last one whose condition is true runs last, and counts.
fn chosen(all: &[&Loading], text: impl Fn(&Loading) -> String) -> String {
    let mut expression = String::new();
    let mut asked: Vec<&str> = Vec::new();
    for load in all.iter().rev() {
        if !expression.is_empty() {
            expression += " else ";
        }
        let Some(guard) = &load.guard else { return format!("{expression}{{ {} }}", text(load)) };
        // The opposite of what was asked before is all that is left.
        let is_rest = asked.iter().any(|other| *guard == format!("!{other}") || *other == format!("!{guard}"));
        if is_rest {
            return format!("{expression}{{ {} }}", text(load));
        }
        expression += &format!("if {guard} {{ {} }}", text(load));
        asked.push(guard);
    }
    expression
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bhyveload, Loader};

    fn shown(guards: &[Option<&str>]) -> String {
        let load = |(at, guard): (usize, Option<&str>)| Loading {
            name: at.to_string(),
            when: When::Always,
            guard: guard.map(String::from),
            loader: Loader::Bhyveload(Bhyveload::default()),
        };
        let all: Vec<Loading> = guards.iter().copied().enumerate().map(load).collect();
        chosen(&all.iter().collect::<Vec<_>>(), |load| load.name.clone())
    }

    #[test]
    fn the_loader_that_runs_last_is_chosen() {
        let cases = [
            (vec![Some("exists(a)"), Some("!exists(a)")], "if !exists(a) { 1 } else { 0 }"),
            (vec![None, Some("exists(a)")], "if exists(a) { 1 } else { 0 }"),
            (vec![None, Some("a"), Some("b")], "if b { 2 } else if a { 1 } else { 0 }"),
            (vec![Some("a"), Some("b")], "if b { 1 } else if a { 0 }"),
        ];
        for (guards, expected) in cases {
            assert_eq!(shown(&guards), expected);
        }
    }
}
