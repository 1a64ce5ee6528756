//! A typo is never performed: every recipe and every use of the standard library with one letter less in one name.
//!
//! A mutant is taken as a run takes it: its names are looked at, then it is rehearsed with `init` and without. What neither
//! refuses would be performed, and stands in a list.

use super::sandbox::project;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vmrun::internals::diag::Source;
use vmrun::internals::model::Target;
use vmrun::internals::script::check::Inspector;
use vmrun::internals::script::{Inputs, Recipe, ScriptEngine};
use vmrun::internals::supervise::rehearse;

/// What is performed in spite of a letter that is missing: where, and what `vmrun check` says of it. These keys are names that the
/// recipe gives: of firmware's items, and of the ports of a console.
const PERFORMED: &str = "
all.rhai:37 org.a og.a: nothing
all.rhai:37 org.a or.a: nothing
all.rhai:37 org.a org.: nothing
all.rhai:37 org.a rg.a: nothing
all.rhai:37 org.b og.b: nothing
all.rhai:37 org.b or.b: nothing
all.rhai:37 org.b org.: nothing
all.rhai:37 org.b rg.b: nothing
all.rhai:7 opt/a op/a: nothing
all.rhai:7 opt/a opt/: nothing
all.rhai:7 opt/a ot/a: nothing
all.rhai:7 opt/a pt/a: nothing
all.rhai:7 opt/b op/b: nothing
all.rhai:7 opt/b opt/: nothing
all.rhai:7 opt/b ot/b: nothing
all.rhai:7 opt/b pt/b: nothing
";

/// Rhai's own words, which are no names.
const KEYWORDS: [&str; 17] = [
    "let", "const", "if", "else", "for", "in", "while", "loop", "fn", "import", "as", "return", "throw", "switch",
    "true", "false", "this",
];

/// The names and map keys of three letters or more.
fn names(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    code(text, 0..text.len(), &mut found);
    found.retain(|span| text[span.clone()].chars().filter(|c| c.is_alphabetic()).count() >= 3);
    found.retain(|span| !KEYWORDS.contains(&&text[span.clone()]));
    found
}

/// Notes the names in a stretch of code; those in texts where they are put in: `${name}`.
fn code(text: &str, span: Range<usize>, found: &mut Vec<Range<usize>>) {
    let mut at = span.start;
    while at < span.end {
        let rest = &text[at..span.end];
        let c = rest.chars().next().unwrap();
        let is_part = |c: char| c == '_' || c.is_alphanumeric();
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let end = 2 + rest[1..].replace("\\\"", "  ").find('"').unwrap();
                if rest[end..].trim_start().starts_with(':') && !rest[end..].trim_start().starts_with("::") {
                    found.push(at + 1..at + end - 1);
                }
                end
            }
            '`' => {
                let end = 1 + rest[1..].find('`').unwrap();
                let mut inside = 1;
                while let Some(open) = rest[inside..end].find("${") {
                    let open = inside + open;
                    let close = open + rest[open..].find('}').unwrap();
                    if !rest[..open].ends_with('\\') {
                        code(text, at + open + 2..at + close, found);
                    }
                    inside = close;
                }
                end + 1
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                found.push(at..at + end);
                end
            }
            c if c.is_ascii_digit() => rest.find(|c: char| !is_part(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        at += length;
    }
}

/// The recipes, and the examples of the standard library.
fn texts() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in ["recipes", "tests/it"] {
        let mut paths: Vec<_> = fs::read_dir(project(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let is_recipe = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(".rhai") && !name.ends_with("_test.rhai")
        };
        for path in paths.iter().filter(|path| is_recipe(path)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            all.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    for (at, (module, text)) in super::stdlib::examples().into_iter().enumerate() {
        all.push((format!("std/{module} {at}"), text));
    }
    all
}

/// The same with one letter less, each only once.
fn mutants(name: &str, text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for span in names(text) {
        let word = &text[span.clone()];
        let mut seen = BTreeSet::new();
        for (at, c) in word.char_indices() {
            let changed = format!("{}{}", &word[..at], &word[at + c.len_utf8()..]);
            if c.is_alphabetic() && seen.insert(changed.clone()) {
                let line = text[..span.start].matches('\n').count() + 1;
                let mutant = format!("{}{changed}{}", &text[..span.start], &text[span.end..]);
                all.push((format!("{name}:{line} {word} {changed}"), mutant));
            }
        }
    }
    all
}

/// Whether a run would refuse it.
fn is_refused(name: &str, text: &str, engine: &Rc<ScriptEngine>) -> bool {
    let Ok(recipe) = Recipe::parse(name, text) else { return true };
    let recipe = recipe.with_engine(engine);
    let boots = [true, false].map(|init| Inputs { init, ..Inputs::default() });
    !rehearse(&recipe, Target::default(), &boots).faults.is_empty()
}

#[test]
fn a_name_with_a_letter_missing_is_never_performed() {
    let engine = ScriptEngine::new();
    for (name, text) in texts() {
        assert!(!is_refused(&name, &text, &engine), "{name}\n{text}");
    }
    let all: Vec<(String, String)> = texts().iter().flat_map(|(name, text)| mutants(name, text)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let (engine, inspector, mut performed) = (ScriptEngine::new(), Inspector::default(), Vec::new());
        while let Some((name, text)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !is_refused("mutant.rhai", text, &engine) {
                let source = Rc::new(Source { name: "mutant.rhai".into(), text: text.clone() });
                let found = inspector.text(&source, None).findings.into_iter().next();
                let told = found.map_or("nothing".into(), |finding| finding.diagnostic.fault.message);
                performed.push(format!("{name}: {told}"));
            }
        }
        performed
    };
    let mut performed: Vec<String> = std::thread::scope(|scope| {
        let start = || std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, work).unwrap();
        let workers: Vec<_> = (0..4).map(|_| start()).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    performed.sort();
    let mut shown = String::from("\n");
    performed.iter().for_each(|line| writeln!(shown, "{line}").unwrap());
    println!("{} mutants, of which {} would be performed", all.len(), performed.len());
    super::sandbox::same(&shown, PERFORMED);
    assert!(performed.len() * 100 <= all.len(), "{} of {}", performed.len(), all.len());
}
