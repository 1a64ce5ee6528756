//! `vmrun.toml`: the libraries that the recipes beside it may import.
//!
//! ```toml
//! signers = "allowed_signers"    # who signs what is fetched: ssh-keygen(1), ALLOWED SIGNERS
//!
//! [lib.net]
//! git = "https://git.example.org/net.git"
//! version = "1.2"                # or rev = "…": a tag, a branch or a commit
//!
//! [lib.lab]
//! path = "../lab"
//! ```

use crate::diag::{Blame, Diagnostic, Fault, Place, Source, suggest};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// A library that recipes may import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What its imports begin with.
    pub name: String,
    /// Where it comes from.
    pub from: From,
}

/// Where a library comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A repository of git, and what of it.
    Git(String, Want),
    /// A folder, from that of the file on. It is used where it is, and not pinned.
    Path(PathBuf),
}

/// What `vmrun.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The libraries, in the order in which they stand there.
    pub named: Vec<Named>,
    /// The file of those who sign what comes from repositories, from that of the manifest on.
    pub signers: Option<PathBuf>,
}

/// What is wanted of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The highest tag whose version meets a requirement of Cargo's form: `1.2` is 1.2.0 and what is compatible with it.
    Version(String),
    /// A tag, a branch or a commit.
    Rev(String),
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version}"),
            Self::Rev(rev) => write!(f, "rev {rev}"),
        }
    }
}

/// The keys of a library.
pub(crate) const KEYS: [&str; 4] = ["git", "path", "rev", "version"];

/// Refuses a name that no library may have.
pub(crate) fn check_name(name: &str) -> Result<(), Fault> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let hint = "letters, digits, `_` and `-`, as in `net`";
    if name == "std" {
        return Err(Fault::new("`std` is vmrun's own library").hint("give this one another name"));
    }
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_allowed) {
        return Err(Fault::new(format!("{name:?} is no name of a library")).hint(hint));
    }
    Ok(())
}

/// Refuses an address that git would take for something else: a flag, or a program to run.
pub(crate) fn check_url(url: &str) -> Result<(), Fault> {
    if url.is_empty() || url.starts_with('-') || url.contains("::") || url.chars().any(char::is_control) {
        let fault = Fault::new(format!("{url:?} is no address of a repository"));
        return Err(fault.hint("https://…, ssh://…, git@host:team/net.git, or a path"));
    }
    Ok(())
}

/// Refuses a revision that git would take for something else.
pub(crate) fn check_rev(rev: &str) -> Result<(), Fault> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._/-+".contains(c);
    if rev.is_empty() || rev.starts_with('-') || rev.contains("..") || !rev.chars().all(is_allowed) {
        return Err(Fault::new(format!("{rev:?} is no revision")).hint("a tag, a branch or a commit"));
    }
    Ok(())
}

/// Reads `vmrun.toml`.
pub fn parse(name: &str, text: &str) -> Result<Manifest, Vec<Diagnostic>> {
    let source = Rc::new(Source { name: name.into(), text: text.into() });
    let at = |fault: Fault, span: Range<usize>| {
        Diagnostic::error(fault.blame(Blame::Recipe)).at(Place { source: source.clone(), span })
    };
    let table = DeTable::parse(text).map_err(|error| {
        let fault = Fault::new(error.message().to_string()).hint("vmrun.toml is TOML: https://toml.io");
        vec![at(fault, error.span().unwrap_or(text.len()..text.len()))]
    })?;
    let mut named = Vec::new();
    let (mut faults, mut signers) = (Vec::new(), None);
    for (key, value) in table.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("lib", DeValue::Table(libraries)) => {
                for (name, value) in libraries {
                    let wrong = |(fault, span): Wrong| at(fault, span.unwrap_or(name.span()));
                    match library(name.get_ref(), value.get_ref()) {
                        Ok(library) => named.push((name.span().start, library)),
                        Err(one) => faults.push(wrong(one)),
                    }
                }
            }
            ("signers", DeValue::String(file)) if !file.is_empty() => signers = Some(PathBuf::from(file.as_ref())),
            ("signers", _) => {
                let fault = Fault::new("`signers` is the name of a file");
                faults.push(at(
                    fault.hint("signers = \"allowed_signers\", a line of which is NAME ssh-ed25519 AAAA…"),
                    value.span(),
                ));
            }
            (other, _) => {
                let fault = Fault::new(format!("there is no table `{other}`"));
                faults.push(at(fault.hint("a library is a table: [lib.net]"), key.span()));
            }
        }
    }
    // In the order in which they stand there.
    named.sort_by_key(|(at, _)| *at);
    let named = named.into_iter().map(|(_, library)| library).collect();
    if faults.is_empty() { Ok(Manifest { named, signers }) } else { Err(faults) }
}

/// A fault, and where it is if not at the library's name.
type Wrong = (Fault, Option<Range<usize>>);

fn library(name: &str, value: &DeValue<'_>) -> Result<Named, Wrong> {
    check_name(name).map_err(|fault| (fault, None))?;
    let either = || {
        let fault = Fault::new(format!("the library `{name}` comes by `git` or by `path`, one of them"));
        (fault.hint("git = \"https://…\" with version = \"1.2\" or rev = \"…\"; or path = \"../net\""), None)
    };
    let DeValue::Table(table) = value else { return Err(either()) };
    let mut given: [Option<(String, Range<usize>)>; 4] = [const { None }; 4];
    for (key, value) in table {
        let Some(index) = KEYS.iter().position(|known| *known == key.get_ref().as_ref()) else {
            let fault = Fault::new(format!("there is no key `{}`", key.get_ref()));
            let fault = fault.hint(format!("keys: {}", suggest::list(KEYS)));
            return Err((fault.did_you_mean(key.get_ref(), KEYS), Some(key.span())));
        };
        let DeValue::String(text) = value.get_ref() else {
            return Err((Fault::new(format!("`{}` is a text", KEYS[index])), Some(value.span())));
        };
        given[index] = Some((text.to_string(), value.span()));
    }
    let from = match given {
        [Some((url, span)), None, rev, version] => {
            check_url(&url).map_err(|fault| (fault, Some(span)))?;
            From::Git(url, want(name, rev, version)?)
        }
        [None, Some((path, _)), None, None] => From::Path(path.into()),
        [None, Some(_), Some((_, span)), _] | [None, Some(_), _, Some((_, span))] => {
            let fault = Fault::new("a library by `path` is used as it is there");
            return Err((fault.hint("`rev` and `version` are for `git`"), Some(span)));
        }
        _ => return Err(either()),
    };
    Ok(Named { name: name.into(), from })
}

type Text = Option<(String, Range<usize>)>;

fn want(name: &str, rev: Text, version: Text) -> Result<Want, Wrong> {
    match (rev, version) {
        (Some((rev, span)), None) => {
            check_rev(&rev).map_err(|fault| (fault, Some(span)))?;
            Ok(Want::Rev(rev))
        }
        (None, Some((version, _))) => Ok(Want::Version(version)),
        _ => {
            let fault = Fault::new(format!("which of the library `{name}`? One of `version` and `rev` says so"));
            Err((fault.hint("version = \"1.2\" for tags as v1.2.0, or rev = \"…\": a tag, a branch or a commit"), None))
        }
    }
}

/// Returns the lines of a library, to be added to `vmrun.toml`.
pub fn entry(library: &Named) -> String {
    let lines = match &library.from {
        From::Path(path) => format!("path = {}\n", quoted(&path.display().to_string())),
        From::Git(url, Want::Version(version)) => format!("git = {}\nversion = {}\n", quoted(url), quoted(version)),
        From::Git(url, Want::Rev(rev)) => format!("git = {}\nrev = {}\n", quoted(url), quoted(rev)),
    };
    format!("[lib.{}]\n{lines}", library.name)
}

/// Returns a text as TOML writes it. Control characters are in none of ours.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::snippet::{Colour, draw};

    #[test]
    fn libraries_are_read_as_they_are_written() {
        let all = [
            Named {
                name: "net".into(),
                from: From::Git("https://x.org/\"n\".git".into(), Want::Version("1.2".into())),
            },
            Named { name: "disk-2".into(), from: From::Git("../d.git".into(), Want::Rev("v1.0.0".into())) },
            Named { name: "a".into(), from: From::Path("../a\\b".into()) },
        ];
        let text: String = all.iter().map(|one| format!("# one\n{}\n", entry(one))).collect();
        assert_eq!(parse("vmrun.toml", &text), Ok(Manifest { named: all.to_vec(), signers: None }));
        let signed = Manifest { named: all.to_vec(), signers: Some("team/signers".into()) };
        assert_eq!(parse("vmrun.toml", &format!("signers = \"team/signers\"\n{text}")), Ok(signed));
        assert_eq!(parse("vmrun.toml", ""), Ok(Manifest::default()));
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        let said = |text: &str| {
            let faults = parse("vmrun.toml", text).unwrap_err();
            let one = |fault: &Diagnostic| {
                let text = draw(fault, Colour::Plain);
                let place = fault.place.as_ref().map(Place::line_column).unwrap_or_default();
                format!("{place:?} {} | {}", fault.fault.message, text.split("= hint: ").nth(1).unwrap_or_default())
            };
            faults.iter().map(one).collect::<Vec<_>>().join("\n")
        };
        let either = "git = \"https://…\" with version = \"1.2\" or rev = \"…\"; or path = \"../net\"";
        for (text, expected) in [
            ("[lib.a", "(1, 7) unclosed table, expected `]` | vmrun.toml is TOML: https://toml.io".to_string()),
            ("[libs.a]\n", "(1, 2) there is no table `libs` | a library is a table: [lib.net]".to_string()),
            ("[lib.std]\npath = \"x\"", "(1, 6) `std` is vmrun's own library | give this one another name".to_string()),
            (
                "[lib.\"a/b\"]\npath = \"x\"",
                "(1, 6) \"a/b\" is no name of a library | letters, digits, `_` and `-`, as in `net`".to_string(),
            ),
            (
                "[lib.a]\ngti = \"x\"",
                "(2, 1) there is no key `gti` | did you mean `git`?".to_string(),
            ),
            ("[lib.a]\npath = 1", "(2, 8) `path` is a text | ".to_string()),
            ("[lib.a]", format!("(1, 6) the library `a` comes by `git` or by `path`, one of them | {either}")),
            (
                "[lib.a]\npath = \"x\"\nrev = \"y\"",
                "(3, 7) a library by `path` is used as it is there | `rev` and `version` are for `git`".to_string(),
            ),
            (
                "[lib.a]\ngit = \"x\"",
                "(1, 6) which of the library `a`? One of `version` and `rev` says so | version = \"1.2\" for tags as \
                 v1.2.0, or rev = \"…\": a tag, a branch or a commit"
                    .to_string(),
            ),
            (
                "[lib.a]\ngit = \"ext::sh -c x\"\nrev = \"y\"",
                "(2, 7) \"ext::sh -c x\" is no address of a repository | https://…, ssh://…, git@host:team/net.git, or a \
                 path"
                .to_string(),
            ),
            (
                "[lib.a]\ngit = \"x\"\nrev = \"--all\"",
                "(3, 7) \"--all\" is no revision | a tag, a branch or a commit".to_string(),
            ),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }
}
