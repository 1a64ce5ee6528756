//! Recipes that are wrong, each with what `vmrun check` says as comments above the line at fault: `//~`.
//!
//! `make bless` writes what it says now.

use super::golden;
use super::sandbox::project;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use vmrun::internals::diag::{Diagnostic, Severity, Source};
use vmrun::internals::host::{Platform, Settings};
use vmrun::internals::model::Target;
use vmrun::internals::script::check::{Finding, Inspector, Places, Rule, conflicts, rehearse};
use vmrun::internals::script::{Recipe, ScriptEngine};

/// What the comments begin with.
const MARK: &str = "//~ ";

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// The recipes, one by one; those of a folder in `shared` together.
fn cases() -> Vec<Vec<PathBuf>> {
    let mut cases: Vec<Vec<PathBuf>> = Vec::new();
    for path in below(Path::new(&project("tests/faulty"))) {
        let is_together = path.components().any(|part| part.as_os_str() == "shared");
        match cases.last_mut().filter(|case| is_together && case[0].parent() == path.parent()) {
            Some(case) => case.push(path),
            None => cases.push(vec![path]),
        }
    }
    cases
}

/// Checks texts as `vmrun check` does, and returns the findings of each.
struct Bench {
    inspector: Inspector,
    engine: Rc<ScriptEngine>,
    settings: Settings,
}

impl Bench {
    fn new() -> Self {
        let settings = Settings {
            platform: Platform::FreeBsd,
            state: "/var/run/vmrun".into(),
            config: "/usr/local/etc/vmrun".into(),
            target: Target::default(),
            cache: "/var/cache/vmrun".into(),
            nodes: "/dev/vmm".into(),
            zvols: "/dev/zvol".into(),
            cgroups: "/sys/fs/cgroup".into(),
            user_net: false,
        };
        Self { inspector: Inspector::default(), engine: ScriptEngine::new(), settings }
    }

    fn check(&self, texts: &[(String, String)]) -> Vec<Vec<Finding>> {
        let (mut all, mut claims) = (Vec::new(), Vec::new());
        for (at, (name, text)) in texts.iter().enumerate() {
            let source = Rc::new(Source { name: name.clone(), text: text.clone() });
            let checked = self.inspector.text(&source, None);
            let is_recipe = checked.is_sound_recipe();
            let mut found = checked.findings;
            if is_recipe {
                let recipe = Recipe::from_ast(&source, checked.ast, &self.engine);
                let rehearsals = rehearse(&recipe, &self.settings, &BTreeMap::new());
                found.extend(rehearsals.findings);
                claims.extend(rehearsals.claims.into_iter().map(|claim| (at, claim)));
            }
            all.push(found);
        }
        let places = Places::default();
        let text = |name: &str| texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
        for (at, finding) in conflicts(&claims, |claim, message| places.find(claim, message, text)) {
            all[at].push(finding);
        }
        all
    }
}

fn without_marks(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with(MARK.trim_end()))
        .map(|line| line.to_string() + "\n")
        .collect()
}

/// Writes what was found above the lines at fault.
fn with_marks(text: &str, name: &str, found: &[Finding]) -> String {
    let mut above: BTreeMap<usize, String> = BTreeMap::new();
    for Finding { rule, diagnostic } in found {
        let Diagnostic { severity, fault, place, trail, .. } = diagnostic;
        let own = place.as_ref().filter(|place| place.source.name == name);
        let line = own.map_or(1, |place| place.line_column().0);
        let at = match place {
            Some(place) if own.is_some() => {
                let (_, column) = place.line_column();
                let length = place.source.text[place.span.clone()].chars().count();
                format!("{column}..{}", column + length)
            }
            Some(place) => place.to_string(),
            None => "nowhere".into(),
        };
        let word = if *severity == Severity::Error { "error" } else { "warning" };
        let notes = above.entry(line).or_default();
        writeln!(notes, "{MARK}{word}[{}] {at}: {}", rule.id(), fault.message.replace('\n', "\\n")).unwrap();
        for (place, label) in trail {
            writeln!(notes, "{MARK}    {place}: {label}").unwrap();
        }
        if let Some(hint) = &fault.hint {
            writeln!(notes, "{MARK}    hint: {hint}").unwrap();
        }
    }
    let mut all = String::new();
    for (number, line) in text.lines().enumerate() {
        all += &above.remove(&(number + 1)).unwrap_or_default();
        all += line;
        all.push('\n');
    }
    // What is about the end of the text stands at its end.
    above.into_values().for_each(|notes| all += &notes);
    all
}

#[test]
fn every_fault_of_the_corpus_is_found_and_told_in_these_words() {
    let bench = Bench::new();
    let (mut recipes, mut rules, mut told) = (0, BTreeMap::new(), Vec::new());
    for case in cases() {
        let name = |path: &Path| path.strip_prefix(project("")).unwrap().display().to_string();
        let texts: Vec<(String, String)> =
            case.iter().map(|path| (name(path), without_marks(&fs::read_to_string(path).unwrap()))).collect();
        let found = bench.check(&texts);
        recipes += usize::from(found.iter().any(|found| !found.is_empty()));
        for finding in found.iter().flatten() {
            *rules.entry(finding.rule).or_insert(0) += 1;
        }
        told.extend(
            texts.iter().zip(&found).map(|((name, text), found)| (name.clone(), with_marks(text, name, found))),
        );
    }
    println!("{recipes} faulty recipes, {} findings", rules.values().sum::<usize>());
    golden::check(told);
    assert!(recipes >= 150, "{recipes} faulty recipes");
    let missing: Vec<&str> = Rule::ALL.iter().filter(|rule| !rules.contains_key(rule)).map(|rule| rule.id()).collect();
    assert_eq!(missing, [""; 0]);
}
