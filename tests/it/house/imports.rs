//! Which file uses which, and the circles of that.

use super::product::Code;
use std::collections::{BTreeMap, BTreeSet};

type Path = Vec<String>;

/// What files name of each other.
struct Imports {
    modules: BTreeSet<Path>,
    /// What a module passes on by `pub use`: it is used from where it is.
    passed: BTreeMap<(Path, String), Path>,
    used: BTreeSet<(Path, Path)>,
}

impl Imports {
    fn of(product: &[Code]) -> Self {
        let paths: Vec<Path> = product.iter().map(Code::module).collect();
        // A folder is a module even where its file is not given.
        let modules = paths.iter().flat_map(|path| (1..=path.len()).map(|end| path[..end].to_vec())).collect();
        let mut imports = Self { modules, passed: BTreeMap::new(), used: BTreeSet::new() };
        product.iter().for_each(|code| imports.read(&code.module(), &code.joined()));
        imports
    }

    /// Reads the declarations of a module, then the paths in the rest of its code.
    fn read(&mut self, here: &Path, code: &str) {
        let mut rest = code;
        let mut kept = String::new();
        while let Some(at) = rest.match_indices("use ").map(|(at, _)| at).find(|at| is_start(rest, *at)) {
            let before = rest[..at].trim_end();
            let is_public = before.ends_with("pub") || before.ends_with(')') && before.contains("pub(");
            kept += before;
            let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
            let tree: String = rest[at + 4..end].split_whitespace().collect::<Vec<_>>().join(" ");
            self.expand(here, "", &tree, is_public);
            rest = &rest[end..];
        }
        kept += rest;
        for path in kept.split(|c: char| !(c.is_alphanumeric() || "_:$".contains(c))).filter(|path| path.contains("::"))
        {
            self.note(here, path, None);
        }
    }

    /// Takes the tree of a `use` apart.
    fn expand(&mut self, here: &Path, prefix: &str, tree: &str, is_public: bool) {
        let Some((before, group)) = tree.split_once('{') else {
            let (path, name) = tree.split_once(" as ").unwrap_or((tree, tree));
            let path = format!("{prefix}{}", path.trim());
            let path = path.trim_end_matches("::self").trim_end_matches("::*");
            let name = name.trim().rsplit("::").next().unwrap_or_default();
            let name = if name == "self" { path.rsplit("::").next().unwrap_or_default() } else { name };
            self.note(here, path, is_public.then_some(name));
            return;
        };
        let prefix = format!("{prefix}{}", before.trim());
        let (mut depth, mut begin) = (0, 0);
        for (at, c) in group.char_indices() {
            if (c == ',' || c == '}') && depth == 0 && !group[begin..at].trim().is_empty() {
                self.expand(here, &prefix, group[begin..at].trim(), is_public);
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => return,
                '}' => depth -= 1,
                ',' if depth == 0 => begin = at + 1,
                _ => {}
            }
        }
    }

    /// Notes a path that stands in a module, if it leads to one: it is used, or passed on by a name.
    fn note(&mut self, here: &Path, path: &str, passed_as: Option<&str>) {
        let mut from = here.clone();
        let mut parts: Vec<&str> = path.split("::").collect();
        match parts[0] {
            "crate" => from.clear(),
            "self" => {}
            "super" => drop(from.pop()),
            first => {
                from.push(first.into());
                if !self.modules.contains(&from) {
                    return;
                }
            }
        }
        parts.remove(0);
        while parts.first() == Some(&"super") {
            from.pop();
            parts.remove(0);
        }
        from.extend(parts.into_iter().map(String::from));
        match passed_as {
            Some(name) => drop(self.passed.insert((here.clone(), name.into()), from)),
            None => drop(self.used.insert((here.clone(), from))),
        }
    }

    /// Returns the module in which what a path names is written.
    fn home(&self, path: &[String], depth: usize) -> Path {
        let mut here = Path::new();
        for (at, part) in path.iter().enumerate() {
            let below: Path = here.iter().chain([part]).cloned().collect();
            if self.modules.contains(&below) {
                here = below;
            } else if let Some(from) = self.passed.get(&(here.clone(), part.clone())).filter(|_| depth < 9) {
                let path: Path = from.iter().chain(&path[at + 1..]).cloned().collect();
                return self.home(&path, depth + 1);
            } else {
                break;
            }
        }
        here
    }

    /// Returns which modules lead to which, by their places in the list of all, those that each leads to in the end included.
    fn reached(&self) -> (Vec<&Path>, Vec<Vec<bool>>) {
        let all: Vec<&Path> = self.modules.iter().collect();
        let place = |path: &Path| all.binary_search(&path).ok();
        let mut next = vec![BTreeSet::new(); all.len()];
        for (from, path) in &self.used {
            let to = self.home(path, 0);
            if to != *from
                && let (Some(from), Some(to)) = (place(from), place(&to))
            {
                next[from].insert(to);
            }
        }
        let leads = |from: usize| {
            let (mut seen, mut open) = (vec![false; all.len()], vec![from]);
            while let Some(at) = open.pop() {
                open.extend(next[at].iter().filter(|to| !std::mem::replace(&mut seen[**to], true)));
            }
            seen
        };
        let reached = (0..all.len()).map(leads).collect();
        (all, reached)
    }
}

fn is_start(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Returns the circles of imports that are not of one family: a file and what is in the folder of the same name.
pub fn circles_across_families(product: &[Code]) -> Vec<Vec<String>> {
    let imports = Imports::of(product);
    let (all, reached) = imports.reached();
    let mut circles = BTreeSet::new();
    for module in (0..all.len()).filter(|module| reached[*module][*module]) {
        let is_with = |other: &usize| reached[module][*other] && reached[*other][module];
        circles.insert((0..all.len()).filter(is_with).map(|other| all[other]).collect::<Vec<_>>());
    }
    let is_family = |circle: &Vec<&Path>| circle.iter().any(|head| circle.iter().all(|one| one.starts_with(head)));
    let names = |circle: Vec<&Path>| circle.into_iter().map(|path| path.join("::")).collect();
    circles.into_iter().filter(|circle| !is_family(circle)).map(names).collect()
}

#[test]
fn a_circle_is_found_however_it_is_closed() {
    let circles = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(file, text)| ((*file).to_string(), (*text).to_string())).collect();
        circles_across_families(&super::product::product(&files)).concat().join(" ")
    };
    let a = ("host/a.rs", "use super::b::{self, B};\npub(crate) struct A;");
    assert_eq!(circles(&[a, ("host/b.rs", "use crate::host::a::A;")]), "host::a host::b");
    assert_eq!(circles(&[a, ("host/b.rs", "fn b() { super::a::A::new() }")]), "host::a host::b");
    assert_eq!(
        circles(&[a, ("host/b.rs", "use crate::host::{\n    c::{C, D as E},\n    a::A,\n};")]),
        "host::a host::b"
    );
    let host = ("host.rs", "mod a;\nmod b;\npub(crate) use a::A as Z;");
    assert_eq!(circles(&[host, a, ("host/b.rs", "use super::Z;")]), "host::a host::b");
    // A parent with its children is one family; what only tests use is no matter.
    assert_eq!(circles(&[("host.rs", "use a::A;\nstruct H;"), ("host/a.rs", "use super::H;\nstruct A;")]), "");
    assert_eq!(circles(&[a, ("host/b.rs", "#[cfg(test)]\nmod tests {\n    use crate::host::a::A;\n}")]), "");
    assert_eq!(circles(&[host, a, ("host/b.rs", "use super::Host;")]), "");
}
