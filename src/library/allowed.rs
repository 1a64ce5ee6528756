//! What libraries may ask for beyond what they always may: as `allow(#{ … })` says it in a recipe, and `[allow]` in
//! `config.toml`.

use crate::diag::{Blame, Diagnostic, Fault, Place, Source, suggest};
use std::ops::Range;
use std::path::{Component, Path};
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// What is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Files and folders; a folder with what is below it.
    pub paths: Vec<String>,
    /// Programs, by the names by which they are run.
    pub run: Vec<String>,
    /// Interfaces of the host.
    pub interfaces: Vec<String>,
}

/// The keys, in the recipe and in the configuration.
pub(crate) const KEYS: [&str; 3] = ["paths", "run", "interfaces"];

impl Allowed {
    /// Returns the list of a key.
    pub(crate) fn list(&mut self, key: &str) -> &mut Vec<String> {
        match key {
            "paths" => &mut self.paths,
            "run" => &mut self.run,
            _ => &mut self.interfaces,
        }
    }

    /// Adds what is allowed elsewhere.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.paths.extend_from_slice(&other.paths);
        self.run.extend_from_slice(&other.run);
        self.interfaces.extend_from_slice(&other.interfaces);
    }
}

/// Returns whether a path is a folder's or below it, by its letters: one with `..` is below none.
pub(crate) fn is_below(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder) && path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

/// Reads the table of what is allowed.
pub(crate) fn read(table: &DeTable<'_>) -> Result<Allowed, (Fault, Range<usize>)> {
    let mut allowed = Allowed::default();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !KEYS.contains(&name) {
            let fault = Fault::new(format!("there is no key `{name}`")).hint(format!("keys: {}", suggest::list(KEYS)));
            return Err((fault.maybe_hint(suggest::did_you_mean(name, KEYS)), key.span()));
        }
        let wrong = || (Fault::new(format!("`{name}` is a list of texts")).hint("run = [\"zfs\"]"), value.span());
        let DeValue::Array(all) = value.get_ref() else { return Err(wrong()) };
        for one in all {
            let DeValue::String(text) = one.get_ref() else { return Err(wrong()) };
            allowed.list(name).push(text.to_string());
        }
    }
    Ok(allowed)
}

/// Reads what a configuration allows, and nothing else of it.
pub(crate) fn parse(name: &str, text: &str) -> Result<Allowed, Diagnostic> {
    let source = Rc::new(Source { name: name.into(), text: text.into() });
    let at = |fault: Fault, span: Range<usize>| {
        Diagnostic::error(fault.blame(Blame::Usage)).at(Place { source: source.clone(), span })
    };
    let table = DeTable::parse(text).map_err(|error| {
        let fault = Fault::new(error.message().to_string()).hint("the configuration is TOML: https://toml.io");
        at(fault, error.span().unwrap_or(text.len()..text.len()))
    })?;
    match table
        .get_ref()
        .iter()
        .find(|(key, _)| key.get_ref() == "allow")
        .map(|(_, value)| (value.get_ref(), value.span()))
    {
        None => Ok(Allowed::default()),
        Some((DeValue::Table(table), _)) => read(table).map_err(|(fault, span)| at(fault, span)),
        Some((_, span)) => Err(at(not_a_table(), span)),
    }
}

/// The fault of an `allow` that is no table.
pub(crate) fn not_a_table() -> Fault {
    Fault::new("`allow` is a table").hint("[allow] with paths, run and interfaces, each a list of texts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_what_is_below_it_and_nothing_else() {
        let below = |path: &str, folder: &str| is_below(Path::new(path), Path::new(folder));
        assert!(below("/vm/a", "/vm") && below("/vm", "/vm") && below("/vm/a/b", "/vm/a/"));
        for path in ["/vmx", "vm/a", "/vm/../etc", "/vm/a/../..", "/etc"] {
            assert!(!below(path, "/vm"), "{path}");
        }
    }

    #[test]
    fn a_configuration_is_read_for_what_it_allows() {
        let text = "hosts = 1\n[allow]\npaths = [\"/data\"]\nrun = [\"zfs\", \"logger\"]\n";
        let allowed =
            Allowed { paths: vec!["/data".into()], run: vec!["zfs".into(), "logger".into()], ..Allowed::default() };
        assert_eq!(parse("config.toml", text), Ok(allowed));
        assert_eq!(parse("config.toml", "hosts = 1\n"), Ok(Allowed::default()));
        let said = |text: &str| {
            let diagnostic = parse("config.toml", text).unwrap_err();
            let place = diagnostic.place.as_ref().map(Place::line_column).unwrap_or_default();
            (place, diagnostic.fault.message, diagnostic.fault.hint.unwrap_or_default())
        };
        let wrong = |place, message: &str, hint: &str| (place, message.to_string(), hint.to_string());
        assert_eq!(said("[allow]\nruns = []"), wrong((2, 1), "there is no key `runs`", "did you mean `run`?"));
        assert_eq!(said("[allow]\nrun = \"zfs\""), wrong((2, 7), "`run` is a list of texts", "run = [\"zfs\"]"));
        assert_eq!(said("[allow]\nrun = [1]"), wrong((2, 7), "`run` is a list of texts", "run = [\"zfs\"]"));
        let table = "[allow] with paths, run and interfaces, each a list of texts";
        assert_eq!(said("allow = true"), wrong((1, 9), "`allow` is a table", table));
        assert_eq!(
            said("a ="),
            wrong(
                (1, 4),
                "string values must be quoted, expected literal string",
                "the configuration is TOML: https://toml.io"
            )
        );
    }
}
