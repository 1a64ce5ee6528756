//! Files that are fetched: from which address, and what they have to be.

use super::Size;
use crate::diag::Fault;
use std::fmt;
use std::path::{Path, PathBuf};

/// The address of a file: `https://…` or `http://…`, without anything that is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(String);

/// How long an address may be, in bytes: longer ones are refused by servers, too (RFC 9110, section 4.1, asks for 8000).
const LONGEST: usize = 8000;

impl Url {
    /// Returns it as a text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it is of a server that proves who it is.
    pub(crate) fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Returns it without a query, in which there may be a key.
    pub(crate) fn without_query(&self) -> Self {
        Self(self.0.split(['?', '#']).next().unwrap_or_default().into())
    }

    /// Returns the name of the file: the last part of the path, without a query.
    pub(crate) fn file_name(&self) -> &str {
        let path = self.0.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Url {
    type Err = Fault;

    /// Nothing is said of an address that may have a password in it but where it goes.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let form = "write https://host/path/of/the/file";
        let Some((_, rest)) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http")) else {
            let shown = text
                .split("://")
                .next()
                .filter(|_| text.contains('@'))
                .map_or(text.to_string(), |scheme| format!("{scheme}://…"));
            let fault = Fault::new(format!("{shown:?} is no address of a file to fetch"));
            return Err(fault.hint(format!("{form}: only https and http are fetched")));
        };
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if authority.contains('@') {
            let host = authority.rsplit('@').next().unwrap_or_default();
            let fault = Fault::new(format!(
                "the address of a file on {host:?} has a user or a password in it, which all could read who see a recipe, a plan or a process"
            ));
            let line = "machine HOST login USER password PASSWORD";
            return Err(fault.hint(format!(
                "take it out, and have `{line}` in ~/.netrc, which only you can read: curl(1) and fetch(1) look there"
            )));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
        if let Some(bad) = text.chars().find(|letter| !u8::try_from(*letter).is_ok_and(is_plain)) {
            let fault = Fault::new(format!("{bad:?} is no part of an address: {text:?}"));
            return Err(fault.hint(if bad == '#' {
                "leave out what begins with `#`"
            } else {
                "write it as %XX (RFC 3986)"
            }));
        }
        let host = authority.split(':').next().unwrap_or_default();
        if host.is_empty() {
            return Err(Fault::new(format!("{text:?} names no host")).hint(form));
        }
        if text.len() > LONGEST {
            return Err(Fault::new(format!("the address has {} bytes", text.len())).hint(format!("at most {LONGEST}")));
        }
        Ok(Self(text.into()))
    }
}

/// How a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DigestKind {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl DigestKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Returns its name, which is also that of FreeBSD's program.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns how many hexadecimal digits it has.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// What the content of a file is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest {
    kind: DigestKind,
    hex: String,
}

impl Digest {
    /// Reads hexadecimal digits.
    pub(crate) fn new(kind: DigestKind, text: &str) -> Result<Self, Fault> {
        let hex = text.to_ascii_lowercase();
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && hex.len() == kind.digits() {
            return Ok(Self { kind, hex });
        }
        let what = format!("a {} has {} hexadecimal digits", kind.name(), kind.digits());
        let fault = Fault::new(format!("{text:?} is no {}", kind.name()));
        let other = DigestKind::ALL.into_iter().find(|other| is_hex && hex.len() == other.digits());
        Err(fault.hint(match other {
            Some(other) => format!("{what}; this has those of a {0}: write `{0}`", other.name()),
            None => what,
        }))
    }

    /// Returns how it was made.
    pub(crate) const fn kind(&self) -> DigestKind {
        self.kind
    }

    /// Returns its digits, in small letters.
    pub(crate) fn hex(&self) -> &str {
        &self.hex
    }
}

/// As `sha512:…`.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.hex)
    }
}

/// A file to be fetched into a cache by content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// Where it is.
    pub url: Url,
    /// What it has to be.
    pub digest: Digest,
    /// How long it has to be.
    pub size: Option<Size>,
    /// The folder of the cache.
    pub cache: PathBuf,
}

/// The folder in a cache for what is on its way.
pub(crate) const PARTIAL: &str = "partial";

/// The file in a folder of what is on its way.
pub(crate) const DATA: &str = "data";

impl Fetch {
    /// Returns where the file is when it was fetched: its name is its digest.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join(self.digest.hex())
    }

    /// Returns the folder in which it is then.
    pub(crate) fn folder(&self) -> PathBuf {
        self.cache.join(self.digest.kind().name())
    }

    /// Returns the folders that it needs, each after the one that it is in.
    pub(crate) fn folders(&self) -> [PathBuf; 4] {
        [self.cache.clone(), self.folder(), self.cache.join(PARTIAL), self.partial()]
    }

    /// Returns the folder of what is on its way: ours alone, and known by its name after any end of whoever fetches it.
    pub(crate) fn partial(&self) -> PathBuf {
        partial(&self.cache, &self.digest)
    }

    /// Returns the file that grows.
    pub(crate) fn data(&self) -> PathBuf {
        self.partial().join(DATA)
    }
}

/// Returns the folder of what is on its way to a digest.
fn partial(cache: &Path, digest: &Digest) -> PathBuf {
    cache.join(PARTIAL).join(format!("{}-{}", digest.kind().name(), digest.hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: fmt::Debug>(done: Result<T, Fault>) -> String {
        let fault = done.unwrap_err();
        format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
    }

    #[test]
    fn an_address_is_of_a_web_server_and_has_no_secret() {
        for text in ["https://a.example/b/c.qcow2", "http://127.0.0.1:8080/x?y=z", "https://[::1]/x%20y"] {
            assert_eq!(text.parse::<Url>().unwrap().as_str(), text);
        }
        assert_eq!("https://a/b/c.img?x=/y".parse::<Url>().unwrap().file_name(), "c.img");
        let way = "write https://host/path/of/the/file";
        for text in ["file:///etc/passwd", "ftp://a/b", "a/b", "", "HTTPS://a/b", "-o"] {
            let wanted = format!("{text:?} is no address of a file to fetch | {way}: only https and http are fetched");
            assert_eq!(said(text.parse::<Url>()), wanted);
        }
        let secret = said("https://ann:hunter2@a.example/b".parse::<Url>());
        assert_eq!(
            secret,
            "the address of a file on \"a.example\" has a user or a password in it, which all could read who see a recipe, a \
             plan or a process | take it out, and have `machine HOST login USER password PASSWORD` in ~/.netrc, which only you \
             can read: curl(1) and fetch(1) look there"
        );
        assert!(!said("ftp://ann:hunter2@a/b".parse::<Url>()).contains("hunter2"));
        assert_eq!(said("https:///b".parse::<Url>()), format!("\"https:///b\" names no host | {way}"));
        assert_eq!(
            said("https://a/b c".parse::<Url>()),
            "' ' is no part of an address: \"https://a/b c\" | write it as %XX (RFC 3986)"
        );
        assert_eq!(
            said("https://a/b#c".parse::<Url>()),
            "'#' is no part of an address: \"https://a/b#c\" | leave out what begins with `#`"
        );
        let long = format!("https://a/{}", "x".repeat(LONGEST));
        assert_eq!(said(long.parse::<Url>()), "the address has 8010 bytes | at most 8000");
    }

    #[test]
    fn a_digest_has_all_of_its_digits() {
        let digest = Digest::new(DigestKind::Sha256, &"AB".repeat(32)).unwrap();
        assert_eq!(digest.to_string(), format!("sha256:{}", "ab".repeat(32)));
        assert_eq!(
            said(Digest::new(DigestKind::Sha256, "12")),
            "\"12\" is no sha256 | a sha256 has 64 hexadecimal digits"
        );
        let long = "0".repeat(128);
        assert_eq!(
            said(Digest::new(DigestKind::Sha256, &long)),
            format!(
                "\"{long}\" is no sha256 | a sha256 has 64 hexadecimal digits; this has those of a sha512: write `sha512`"
            )
        );
        assert_eq!(
            said(Digest::new(DigestKind::Sha512, &"g".repeat(128))),
            format!("\"{}\" is no sha512 | a sha512 has 128 hexadecimal digits", "g".repeat(128))
        );
    }
}
