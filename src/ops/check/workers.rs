//! The worker pool: several threads, each with its own engine, since a syntax tree cannot go from one to another.

use crate::diag::{Diagnostic, Fault, Place, Severity, Source};
use crate::host::stack::ROOM;
use crate::host::{Settings, files, memory};
use crate::script::check::{Claim, Finding, Inspector, Role, Rule, rehearse};
use crate::script::{Recipe, ScriptEngine, unreadable};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What came out for one file.
#[derive(Default)]
pub(super) struct FileOutcome {
    /// What is wrong with it.
    pub(super) findings: Vec<Sent>,
    /// What it wants for itself.
    pub(super) claims: Vec<Claim>,
    /// The text of the recipe, as it was read.
    pub(super) text: Option<Arc<str>>,
    /// The parameter that it needs and was not given.
    pub(super) lacks: Option<String>,
    /// How often it was rehearsed.
    pub(super) rehearsals: usize,
    /// What it is.
    pub(super) role: Option<Role>,
}

/// A stretch of a text that can go from thread to thread.
struct Spot {
    name: Arc<str>,
    text: Arc<str>,
    span: Range<usize>,
}

/// A finding that can go from thread to thread.
pub(super) struct Sent {
    rule: Rule,
    severity: Severity,
    fault: Fault,
    place: Option<Spot>,
    trail: Vec<(Spot, String)>,
    inside: Vec<(Spot, String)>,
}

impl Sent {
    fn new(finding: Finding) -> Self {
        let Diagnostic { severity, fault, place, trail, inside } = finding.diagnostic;
        let spot = |place: Place| Spot {
            name: place.source.name.as_str().into(),
            text: place.source.text.as_str().into(),
            span: place.span,
        };
        let spots =
            |trail: Vec<(Place, String)>| trail.into_iter().map(|(place, label)| (spot(place), label)).collect();
        let (trail, inside) = (spots(trail), spots(inside));
        Self { rule: finding.rule, severity, fault, place: place.map(spot), trail, inside }
    }

    /// Returns the finding, where it has arrived.
    pub(super) fn received(&self) -> Finding {
        let place = |spot: &Spot| Place {
            source: Rc::new(Source { name: spot.name.to_string(), text: spot.text.to_string() }),
            span: spot.span.clone(),
        };
        let places =
            |trail: &[(Spot, String)]| trail.iter().map(|(spot, label)| (place(spot), label.clone())).collect();
        let (trail, inside) = (places(&self.trail), places(&self.inside));
        let (severity, fault) = (self.severity, self.fault.clone());
        Finding {
            rule: self.rule,
            diagnostic: Diagnostic { severity, fault, place: self.place.as_ref().map(place), trail, inside },
        }
    }
}

/// How many files a thread has to have at least to be worth its engine.
const WORTH: usize = 8;

/// Checks every file, and returns what came out in the same order.
pub(super) fn check(paths: &[PathBuf], settings: &[Settings], params: &BTreeMap<String, String>) -> Vec<FileOutcome> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut worker = Worker { inspector: Inspector::default(), engine: None, settings, params };
        let mut done = Vec::new();
        while let Some((at, file)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, paths.get(at)?)))
        {
            done.push((at, worker.file(file)));
        }
        done
    };
    // Where addresses are scarce, what a second stack and heap take would be missing in the first.
    let others = if memory::is_bounded() { 0 } else { processors.min(paths.len().div_ceil(WORTH)).saturating_sub(1) };
    let mut done: Vec<(usize, FileOutcome)> = thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, work);
        let workers: Vec<_> = (0..others).filter_map(|number| start(number).ok()).collect();
        let mut done = work();
        let ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        done.extend(ended.flat_map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// What one thread works with.
struct Worker<'a> {
    inspector: Inspector,
    /// One for each folder, since what a name imports depends on that.
    engine: Option<(PathBuf, Rc<ScriptEngine>)>,
    settings: &'a [Settings],
    params: &'a BTreeMap<String, String>,
}

impl Worker<'_> {
    fn engine(&mut self, path: &Path) -> Rc<ScriptEngine> {
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Some((_, engine)) = self.engine.as_ref().filter(|(known, _)| known == folder) {
            return engine.clone();
        }
        let engine = ScriptEngine::new();
        self.engine = Some((folder.into(), engine.clone()));
        engine
    }

    fn file(&mut self, path: &Path) -> FileOutcome {
        let name = path.display().to_string();
        let source = match files::read_text(path) {
            Ok(text) => Rc::new(Source { name, text }),
            Err(error) => {
                let finding = Finding { rule: Rule::Syntax, diagnostic: unreadable(&name, &error).into() };
                return FileOutcome { findings: vec![Sent::new(finding)], ..FileOutcome::default() };
            }
        };
        let checked = self.inspector.text(&source, None);
        let (is_rehearsed, role) = (checked.is_sound_recipe(), Some(checked.role));
        let mut found = checked.findings;
        let mut outcome = FileOutcome { text: Some(source.text.as_str().into()), role, ..FileOutcome::default() };
        if is_rehearsed {
            let recipe = Recipe::from_ast(&source, checked.ast, &self.engine(path));
            for settings in self.settings {
                let rehearsals = rehearse(&recipe, settings, self.params);
                let is_new = |finding: &Finding| !found.contains(finding);
                let new: Vec<Finding> = rehearsals.findings.into_iter().filter(is_new).collect();
                found.extend(new);
                if outcome.claims.is_empty() {
                    outcome.claims = rehearsals.claims;
                }
                outcome.lacks = rehearsals.lacks.or(outcome.lacks);
                outcome.rehearsals += rehearsals.count;
            }
        }
        outcome.findings = found.into_iter().map(Sent::new).collect();
        outcome
    }
}
