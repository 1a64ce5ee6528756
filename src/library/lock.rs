//! `vmrun.lock`: the commit of each library, and the sums of its files.

use super::manifest::{self, From, Named, quoted};
use super::tree::{self, Sums};
use crate::diag::Fault;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// What a library was when it was pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The address of its repository.
    pub git: String,
    /// What was wanted of it, as [`manifest::Want`] shows it.
    pub want: String,
    /// The tag that was taken, if it was one.
    pub tag: Option<String>,
    /// The commit's full hash, in hexadecimal digits.
    pub commit: String,
    /// Who signed it, if the manifest named signers when it was pinned.
    pub signed: Option<Signing>,
    /// The sums of its files.
    pub files: Sums,
}

/// A signature that was good when a library was pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Who signed, as the file of signers named it.
    pub by: String,
    /// The key: `ED25519 key SHA256:…`.
    pub key: String,
    /// When it was verified, as `YYYYMMDDHHMMSSZ`: a key that expires later was good then.
    pub at: String,
}

impl Pin {
    /// Returns whether it pins what is named.
    pub fn is_of(&self, named: &Named) -> bool {
        matches!(&named.from, From::Git(url, want) if *url == self.git && want.to_string() == self.want)
    }

    /// Returns the tag, or the first letters of the commit.
    pub fn short(&self) -> String {
        self.tag.clone().unwrap_or_else(|| self.commit.chars().take(12).collect())
    }
}

/// What every library was, by its name.
pub(crate) type Lock = BTreeMap<String, Pin>;

/// Returns the text of `vmrun.lock`.
pub fn text(lock: &Lock) -> String {
    let mut text = String::from("# Written by `vmrun lib`. It belongs beside vmrun.toml, and under version control.\n");
    for (name, pin) in lock {
        let mut line = |key: &str, value: &str| {
            // Writing into a text does not fail.
            text.push_str(&format!("{key} = {}\n", quoted(value)));
        };
        line(&format!("\n[{name}]\ngit"), &pin.git);
        line("want", &pin.want);
        pin.tag.iter().for_each(|tag| line("tag", tag));
        line("commit", &pin.commit);
        if let Some(Signing { by, key, at }) = &pin.signed {
            line("signed-by", by);
            line("signed-with", key);
            line("verified", at);
        }
        line("tree", &tree::whole(&pin.files));
        text.push_str(&format!("\n[{name}.files]\n"));
        for (path, sum) in &pin.files {
            text.push_str(&format!("{} = {}\n", quoted(path), quoted(sum)));
        }
    }
    text
}

/// Reads `vmrun.lock`. Nobody but vmrun writes it, so that whatever is wrong with it means one thing.
pub fn parse(name: &str, text: &str) -> Result<Lock, Fault> {
    let damaged = |what: String| Fault::new(format!("{name} was changed by hand: {what}"));
    let again = "take it from version control, or delete it and pin all anew: `vmrun lib sync`";
    let table = DeTable::parse(text).map_err(|error| damaged(error.message().to_string()).hint(again))?;
    let one = |(name, value): (&str, &DeValue<'_>)| -> Result<(String, Pin), Fault> {
        let none = |what: &str| damaged(format!("`{name}` has no {what}")).hint(again);
        manifest::check_name(name).map_err(|fault| damaged(fault.message).hint(again))?;
        let DeValue::Table(table) = value else { return Err(none("commit")) };
        let text = |key: &str| match table.get(key).map(toml::Spanned::get_ref) {
            Some(DeValue::String(text)) => Some(text.to_string()),
            _ => None,
        };
        let Some(DeValue::Table(files)) = table.get("files").map(toml::Spanned::get_ref) else {
            return Err(none("files"));
        };
        let sum = |(path, value): (&str, &DeValue<'_>)| match value {
            DeValue::String(sum) if tree::check_path(path).is_ok() => Ok((path.to_string(), sum.to_string())),
            _ => Err(none(&format!("sum for {path:?}"))),
        };
        let files = files.iter().map(|(path, value)| sum((path.get_ref().as_ref(), value.get_ref())));
        let pin = Pin {
            git: text("git").ok_or_else(|| none("git"))?,
            want: text("want").ok_or_else(|| none("want"))?,
            tag: text("tag"),
            commit: text("commit").ok_or_else(|| none("commit"))?,
            signed: match (text("signed-by"), text("signed-with"), text("verified")) {
                (Some(by), Some(key), Some(at)) => Some(Signing { by, key, at }),
                (None, None, None) => None,
                _ => return Err(none("whole signature")),
            },
            files: files.collect::<Result<_, _>>()?,
        };
        if text("tree").is_none_or(|sum| sum != tree::whole(&pin.files)) {
            return Err(damaged(format!("the sum of `{name}` is not that of its files")).hint(again));
        }
        Ok((name.to_string(), pin))
    };
    table.get_ref().iter().map(|(key, value)| one((key.get_ref().as_ref(), value.get_ref()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let files = Sums::from([("a \"b\".rhai".into(), "00".into()), ("lib.rhai".into(), "11".into())]);
        let (git, want, commit) = ("https://x.org/n.git".to_string(), "version 1.2".to_string(), "cafe".to_string());
        let signed = Signing { by: "a@x.org".into(), key: "ED25519 key SHA256:x".into(), at: "20260101000000Z".into() };
        let pin = Pin { git, want, tag: Some("v1.2.0".into()), commit, signed: Some(signed), files };
        Lock::from([("disk".into(), Pin { tag: None, signed: None, ..pin.clone() }), ("net".into(), pin)])
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        assert_eq!(parse("vmrun.lock", &text(&lock())), Ok(lock()));
        assert_eq!(parse("vmrun.lock", ""), Ok(Lock::new()));
    }

    #[test]
    fn a_lock_that_somebody_changed_is_refused() {
        let said = |from: &str, to: &str| {
            let text = text(&lock());
            assert!(text.contains(from), "{from}");
            let fault = parse("vmrun.lock", &text.replacen(from, to, 1)).unwrap_err();
            assert_eq!(
                fault.hint.as_deref(),
                Some("take it from version control, or delete it and pin all anew: `vmrun lib sync`")
            );
            fault.message
        };
        let line = "vmrun.lock was changed by hand: ";
        let sum = format!("{line}the sum of `disk` is not that of its files");
        assert_eq!(said("\"00\"", "\"01\""), sum);
        assert_eq!(said("lib.rhai", "lab.rhai"), sum);
        assert_eq!(said("tree = ", "# "), sum);
        assert_eq!(said("commit = ", "# "), format!("{line}`disk` has no commit"));
        assert_eq!(said("[disk.files]", "[disk.file]"), format!("{line}`disk` has no files"));
        assert_eq!(said("\"lib.rhai\"", "\"../lib.rhai\""), format!("{line}`disk` has no sum for \"../lib.rhai\""));
        assert_eq!(said("[disk]", "[disk"), format!("{line}unclosed table, expected `]`"));
    }
}
