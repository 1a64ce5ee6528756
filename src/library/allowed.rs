//! What libraries may ask for beyond what they always may: as `allow(#{ … })` says it in a recipe, and `[allow]` in
//! `config.toml`.

use super::protected::{self, is_below};
use crate::diag::{Blame, Diagnostic, Fault, Place, Source, suggest};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// What somebody allows libraries, by kind. Nothing in a list allows nothing of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Files and folders; a folder with what is below it.
    pub paths: Vec<String>,
    /// Programs, by the names by which they are run.
    pub run: Vec<String>,
    /// Interfaces of the host.
    pub interfaces: Vec<String>,
    /// Addresses on which others than this host are listened to, as `0.0.0.0:5900`.
    pub listen: Vec<String>,
    /// Secrets, by name.
    pub secrets: Vec<String>,
    /// Variables of the environment.
    pub env: Vec<String>,
    /// Addresses of files that are fetched.
    pub fetch: Vec<String>,
}

/// The table of `config.toml` that says it.
pub(crate) const KEY: &str = "allow";

/// The keys, in the recipe and in the configuration, with what each lets a library do.
pub(crate) const KEYS: [(&str, &str); 7] = [
    ("paths", "files and folders of the host; a folder with what is below it"),
    ("run", "programs, by the names by which they are run"),
    ("interfaces", "interfaces of the host"),
    ("listen", "addresses on which others than this host are listened to"),
    ("secrets", "secrets, by name"),
    ("env", "variables of the environment"),
    ("fetch", "addresses of files that are fetched"),
];

impl Allowed {
    /// Returns the list of a key.
    pub(crate) fn list(&mut self, key: &str) -> &mut Vec<String> {
        match key {
            "paths" => &mut self.paths,
            "run" => &mut self.run,
            "listen" => &mut self.listen,
            "secrets" => &mut self.secrets,
            "env" => &mut self.env,
            "fetch" => &mut self.fetch,
            _ => &mut self.interfaces,
        }
    }

    /// Adds what is allowed elsewhere.
    pub(crate) fn extend(&mut self, other: &Self) {
        let mut other = other.clone();
        for (key, _) in KEYS {
            self.list(key).append(other.list(key));
        }
    }

    /// Returns whether a name is allowed: `*` stands for any letters.
    pub(crate) fn has(&mut self, key: &str, name: &str) -> bool {
        self.list(key).iter().any(|pattern| matches(pattern, name))
    }

    /// Returns the folders, or the file itself, by which a path is allowed: those up to the first `*`, and as far as the pattern
    /// goes in the path.
    pub(crate) fn folders(&self, path: &Path) -> Vec<(PathBuf, PathBuf)> {
        self.paths.iter().filter_map(|pattern| folder(Path::new(pattern), path)).collect()
    }
}

/// Whether a name is what a pattern says.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Matches a path with the pattern of a folder, part by part.
fn folder(pattern: &Path, path: &Path) -> Option<(PathBuf, PathBuf)> {
    if !is_below(path, Path::new("/")) {
        return None;
    }
    let (mut fixed, mut found, mut parts) = (PathBuf::new(), PathBuf::new(), path.components());
    let mut is_fixed = true;
    for wanted in pattern.components() {
        let (wanted, part) = (wanted.as_os_str().to_str()?, parts.next()?.as_os_str());
        if !matches(wanted, part.to_str()?) {
            return None;
        }
        is_fixed &= !wanted.contains('*');
        if is_fixed {
            fixed.push(part);
        }
        found.push(part);
    }
    Some((fixed, found))
}

/// Checks one text of a list: what would allow a whole system is refused.
pub(crate) fn check(key: &str, text: &str) -> Result<(), Fault> {
    let path = Path::new(text);
    if key != "paths" {
        return Ok(());
    }
    if !is_below(path, Path::new("/")) {
        let fault = Fault::new(format!("{text:?} is no path that can be allowed"));
        return Err(fault.hint("a path begins with `/`, and has no `..`"));
    }
    // Whatever is in a folder is the folder.
    let is_any = |part: &Component<'_>| part.as_os_str().to_str().is_some_and(|part| part.bytes().all(|b| b == b'*'));
    let mut parts: Vec<Component<'_>> = path.components().collect();
    while parts.last().is_some_and(is_any) {
        parts.pop();
    }
    let pattern: PathBuf = parts.iter().collect();
    if let Some(whole) = protected::wholes().find(|whole| folder(&pattern, whole).is_some()) {
        let whole = if parts.len() == 1 { Path::new("/") } else { whole };
        let fault =
            Fault::new(format!("{} is never allowed as a whole: it holds what is the system's", whole.display()));
        return Err(fault.hint("name the files, or the folder in it that is meant"));
    }
    Ok(())
}

/// Reads the table of what is allowed.
pub(crate) fn read(table: &DeTable<'_>) -> Result<Allowed, (Fault, Range<usize>)> {
    let mut allowed = Allowed::default();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let known = || KEYS.into_iter().map(|(key, _)| key);
        if !known().any(|key| key == name) {
            let fault =
                Fault::new(format!("there is no key `{name}`")).hint(format!("keys: {}", suggest::list(known())));
            return Err((fault.did_you_mean(name, known()), key.span()));
        }
        let wrong = || (Fault::new(format!("`{name}` is a list of texts")).hint("run = [\"zfs\"]"), value.span());
        let DeValue::Array(all) = value.get_ref() else { return Err(wrong()) };
        for one in all {
            let DeValue::String(text) = one.get_ref() else { return Err(wrong()) };
            check(name, text).map_err(|fault| (fault, one.span()))?;
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
    match table.get_ref().iter().find(|(key, _)| key.get_ref() == KEY).map(|(_, value)| (value.get_ref(), value.span()))
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
    fn a_star_stands_for_any_letters_but_for_no_slash() {
        for (pattern, name) in
            [("tap*", "tap12"), ("*", "x"), ("a*c", "abc"), ("a*b*c", "aXbXc"), ("zfs", "zfs"), ("**", "")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("tap*", "em0"), ("a*a", "a"), ("a*b*c", "acb"), ("zfs", "zfs2"), ("", "x")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        let found = |pattern: &str, path: &str| {
            let (fixed, found) = folder(Path::new(pattern), Path::new(path))?;
            Some(format!("{} {}", fixed.display(), found.display()))
        };
        assert_eq!(found("/data/*", "/data/a/b").as_deref(), Some("/data /data/a"));
        assert_eq!(found("/vm/web*", "/vm/web1.img").as_deref(), Some("/vm /vm/web1.img"));
        assert_eq!(found("/data", "/data/a").as_deref(), Some("/data /data"));
        for (pattern, path) in
            [("/data/*", "/data"), ("/vm/web*", "/vm/db"), ("/data/*", "/data/../etc"), ("data", "data/a")]
        {
            assert_eq!(found(pattern, path), None, "{pattern} {path}");
        }
    }

    #[test]
    fn a_whole_system_is_never_allowed() {
        let said = |path: &str| check("paths", path).map_err(|fault| (fault.message, fault.hint.unwrap_or_default()));
        let whole = |folder: &str| {
            let message = format!("{folder} is never allowed as a whole: it holds what is the system's");
            Err((message, "name the files, or the folder in it that is meant".to_string()))
        };
        for (path, folder) in [
            ("/", "/"),
            ("//", "/"),
            ("/*", "/"),
            ("/etc/", "/etc"),
            ("/./usr", "/usr"),
            ("/e*", "/etc"),
            ("/usr/lo*/**", "/usr/local"),
        ] {
            assert_eq!(said(path), whole(folder), "{path}");
        }
        for path in ["", "data", "*", "/data/../etc", "../x"] {
            let message = format!("{path:?} is no path that can be allowed");
            assert_eq!(said(path), Err((message, "a path begins with `/`, and has no `..`".into())));
        }
        for path in ["/data", "/data/*", "/etc/resolv.conf", "/dev/ada*", "/vm", "/vm/web*", "/d*/x", "/*/x"] {
            assert_eq!(said(path), Ok(()), "{path}");
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
