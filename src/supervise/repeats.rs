//! Which commands of a recipe are run again when it is evaluated again.
//!
//! A run keeps through a reboot what it has taken. A command that a recipe runs by itself has most often been done then: the MTU of a
//! tap that is in its bridge meanwhile cannot even be set again. So a command that this run's first evaluation ran with the same
//! words is not run again and returns what it did then; the n-th one with these words in a later evaluation is the n-th one of the
//! first. Loaders fill the node before each boot, and always run.

use super::Run;
use crate::diag::Fault;
use crate::host::Effect;
use crate::model::Argv;
use std::collections::BTreeMap;

/// What is run before each boot, wherever it stands in a command.
const EACH_BOOT: [&str; 3] = ["bhyveload", "grub-bhyve", "bhyvectl"];

/// The commands of a recipe, as the first evaluation of a run had them.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// What the commands with these words returned, in order; nothing of one that was refused.
    first: BTreeMap<Vec<String>, Vec<Option<String>>>,
    /// How many with these words there were in this evaluation.
    seen: BTreeMap<Vec<String>, usize>,
    is_later: bool,
    /// Whether something is run that was left for the end of an evaluation, and was in the first.
    is_deferred: bool,
    /// The effects of a rehearsal that are repeated, by their places there.
    repeated: Vec<usize>,
}

impl Repeats {
    /// Begins another evaluation of the run. What the end of the first has undone is done again.
    pub(super) fn again(&mut self) {
        if self.is_deferred && !self.is_later {
            self.first.clear();
        }
        self.seen.clear();
        (self.is_later, self.is_deferred) = (true, false);
    }

    /// The evaluation comes to what was left for its end.
    pub(crate) const fn defer(&mut self) {
        self.is_deferred = true;
    }

    /// Returns whether what stands at a place of a rehearsal is a command that is run before each boot.
    pub(crate) fn repeats(&self, at: usize) -> bool {
        self.repeated.contains(&at)
    }
}

/// Whether a command names one that is run before each boot, by itself or in a line of a shell.
fn is_for_each_boot(argv: &Argv) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    let names = |text: &str| {
        let mut words = text.split(|c| !is_word(c)).map(|word| word.rsplit('/').next().unwrap_or(word));
        words.any(|word| EACH_BOOT.contains(&word))
    };
    names(&argv.program) || argv.args.iter().any(|arg| names(arg))
}

impl Run {
    /// Runs a command of the recipe, unless the first evaluation did so already; returns what it has written.
    pub(crate) fn command(&mut self, effect: &Effect, each_boot: bool) -> Result<String, Fault> {
        let (Effect::Run(argv) | Effect::Make { argv, .. }) = effect else { return self.act(effect) };
        if each_boot || self.repeats.is_deferred || is_for_each_boot(argv) {
            let at = self.rehearsed().len();
            self.repeats.repeated.push(at);
            return self.act(effect);
        }
        let words: Vec<String> = argv.words().into_iter().map(String::from).collect();
        let seen = self.repeats.seen.entry(words.clone()).or_default();
        let at = std::mem::replace(seen, *seen + 1);
        if self.repeats.is_later {
            let first = self.repeats.first.get(&words).and_then(|all| all.get(at)?.clone());
            return first.map_or_else(|| self.act(effect), Ok);
        }
        let done = self.act(effect);
        self.repeats.first.entry(words).or_default().push(done.as_ref().ok().cloned());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::fixture::{Fixture, Refusal};
    use crate::host::worlds::simulated::Simulated;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn command(words: &[&str]) -> Effect {
        Effect::Run(Argv::new(words[0]).args(&words[1..]))
    }

    /// What is run in each of these evaluations; a command with `!` says `each_boot`.
    fn run(evaluations: &[&[&str]], refuses: Option<&'static str>) -> Vec<Vec<String>> {
        let fixture = Fixture { refuses: refuses.map(Refusal::Line), ..Fixture::lab() };
        let fixture = Rc::new(RefCell::new(fixture));
        let mut run = Run::new(Box::new(Simulated::new(&fixture)));
        let each = evaluations.iter().map(|lines| {
            for line in *lines {
                let words: Vec<&str> = line.trim_start_matches('!').split(' ').collect();
                let _ = run.command(&command(&words), line.starts_with('!'));
            }
            run.repeats.again();
            std::mem::take(&mut fixture.borrow_mut().log)
        });
        each.collect()
    }

    #[test]
    fn a_command_of_the_first_evaluation_is_not_run_again() {
        let all = run(&[&["echo a", "echo a", "!echo b"], &["echo a", "echo a", "echo a", "!echo b", "echo c"]], None);
        assert_eq!(all, [vec!["echo a", "echo a", "echo b"], vec!["echo a", "echo b", "echo c"]]);
        // What only a later one runs is run in each.
        let all = run(&[&[], &["echo a"], &["echo a"]], None);
        assert_eq!(all, [vec![], vec!["echo a"], vec!["echo a"]]);
    }

    #[test]
    fn what_was_refused_is_tried_again() {
        let all = run(&[&["echo a", "echo b"], &["echo a", "echo b"]], Some("echo a"));
        assert_eq!(all[1].len(), 1, "{all:?}");
        assert!(all[1][0].starts_with("echo a"));
    }

    #[test]
    fn loaders_run_before_each_boot() {
        let lines: &[&str] = &["bhyveload -m 1G lab", "/usr/sbin/bhyvectl --vm=lab --get-stats", "grub-bhyve lab"];
        assert_eq!(run(&[lines, lines], None), [lines, lines]);
        let shell = Argv::new("sh").args(["-c", "echo 'linux /vmlinuz' | grub-bhyve -r host lab"]);
        assert!(is_for_each_boot(&shell));
        assert!(!is_for_each_boot(&Argv::new("echo").arg("bhyveloader")));
    }

    #[test]
    fn what_the_end_of_an_evaluation_undoes_is_done_again() {
        let fixture = Rc::new(RefCell::new(Fixture::lab()));
        let mut run = Run::new(Box::new(Simulated::new(&fixture)));
        for _ in 0..2 {
            run.command(&command(&["mount", "/a"]), false).unwrap();
            run.repeats.defer();
            run.command(&command(&["umount", "/a"]), false).unwrap();
            run.repeats.again();
        }
        assert_eq!(fixture.borrow().log, ["mount /a", "umount /a", "mount /a", "umount /a"]);
    }
}
