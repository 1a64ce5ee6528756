//! How a guest is reached by ssh: who logs in, where, and by which key the guest is known.

use super::DevicePath;
use crate::diag::{Fault, suggest};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What a recipe says of ssh to its guest; what it does not say is found out, or is ssh's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshOptions {
    /// Who logs in.
    pub user: Option<SshUser>,
    /// The public key by which the guest is known before it is spoken to first.
    pub host_key: Option<HostKey>,
    /// The port on which its sshd listens (22).
    pub port: Option<u16>,
    /// Where it is, if that is always the same.
    pub address: Option<IpAddr>,
    /// The private key of whoever logs in (ssh(1), `-i`).
    pub identity: Option<DevicePath>,
}

/// The port of ssh (RFC 4253, section 4.1).
pub(crate) const SSH_PORT: u16 = 22;

/// A user of a guest, as ssh and a configuration of it can be told without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshUser(String);

impl SshUser {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SshUser {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '$');
        let is_name = !text.is_empty() && text.len() <= 64 && text.chars().all(is_usual) && !text.starts_with('-');
        if is_name {
            return Ok(Self(text.into()));
        }
        let fault = Fault::new(format!("{text:?} is no name of a user"));
        Err(fault.hint("letters, digits, `_`, `-`, `.`, no hyphen first: \"debian\""))
    }
}

impl fmt::Display for SshUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kinds of host keys (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), each with what cloud-init calls it (its module `ssh`).
const KINDS: [(&str, &str); 5] = [
    ("ssh-ed25519", "ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa"),
    ("ecdsa-sha2-nistp384", "ecdsa"),
    ("ecdsa-sha2-nistp521", "ecdsa"),
    ("ssh-rsa", "rsa"),
];

/// Algorithms by which a host proves a key of one of these kinds (RFC 8332 and sshd_config(5), `HostKeyAlgorithms`), as every ssh since
/// OpenSSH 7.2 knows them.
const ALGORITHMS: [(&str, &[&str]); 5] = [
    ("ssh-ed25519", &["ssh-ed25519"]),
    ("ecdsa-sha2-nistp256", &["ecdsa-sha2-nistp256"]),
    ("ecdsa-sha2-nistp384", &["ecdsa-sha2-nistp384"]),
    ("ecdsa-sha2-nistp521", &["ecdsa-sha2-nistp521"]),
    ("ssh-rsa", &["rsa-sha2-512", "rsa-sha2-256"]),
];

/// Returns the algorithms that a guest with these keys is asked for, with commas between them: first those of its keys, and then the
/// others, so that whoever has another key is heard and told from it. `ssh-rsa`, of SHA-1, is for old guests whose key is known.
pub(crate) fn host_key_algorithms(known: &[HostKey]) -> String {
    let is_known = |(kind, _): &&(&str, _)| known.iter().any(|key| key.kind == *kind);
    let others = ALGORITHMS.iter().filter(|row| !is_known(row));
    let all = ALGORITHMS.iter().filter(is_known).chain(others).flat_map(|(_, algorithms)| *algorithms);
    let old = known.iter().any(|key| key.kind == "ssh-rsa").then_some(&"ssh-rsa");
    all.chain(old).copied().collect::<Vec<_>>().join(",")
}

/// A public host key: its kind and its bytes in base64, as they stand in a file of known hosts. A comment is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    kind: &'static str,
    base64: String,
}

impl HostKey {
    /// Returns one that nobody has: its bytes are zero. It stands in rehearsals for a key that is not made yet.
    pub fn not_made() -> Self {
        let (kind, _) = KINDS[0];
        Self { kind, base64: format!("AAAAC3NzaC1lZDI1NTE5AAAAI{}", "A".repeat(43)) }
    }

    /// Returns what cloud-init calls its kind: `ed25519`, `ecdsa` or `rsa`.
    pub(crate) fn cloud_name(&self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("ed25519", |(_, name)| name)
    }
}

/// How base64 (RFC 4648) begins for a key of a kind: the length of its name and the name, as far as whole characters of base64 are
/// of them alone.
fn beginning(kind: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let length = u32::try_from(kind.len()).unwrap_or_default().to_be_bytes();
    let bits = length.iter().chain(kind.as_bytes()).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let digit = |six: &[u8]| six.iter().fold(0_usize, |value, bit| value << 1 | usize::from(*bit));
    bits.chunks_exact(6).filter_map(|six| DIGITS.get(digit(six))).map(|digit| char::from(*digit)).collect()
}

impl FromStr for HostKey {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        const FORM: &str = "one line, as in /etc/ssh/ssh_host_ed25519_key.pub of the guest: \"ssh-ed25519 AAAA…\"";
        if text.contains("PRIVATE KEY") {
            return Err(Fault::new("a private key is no host key to know a guest by").hint(FORM));
        }
        let fault = |why: String| Err(Fault::new(format!("that is no public key of ssh: {why}")).hint(FORM));
        let mut words = text.trim().split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
            return fault("it has a kind and a key, with a space between".into());
        };
        if text.trim().chars().any(char::is_control) {
            return fault("it is more than one line".into());
        }
        let names = || KINDS.iter().map(|(kind, _)| *kind);
        let Some(kind) = names().find(|known| *known == kind) else {
            let near = suggest::did_you_mean(kind, names());
            return fault(format!("it is of no kind that is known: {}", suggest::list(names())))
                .map_err(|fault| fault.maybe_hint(near));
        };
        let digits = base64.trim_end_matches('=');
        let is_base64 = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
            && base64.len().is_multiple_of(4)
            && base64.len() - digits.len() <= 2;
        // An ed25519 key is 32 bytes behind two lengths and the name (RFC 8709, section 4).
        let is_whole = match kind {
            "ssh-ed25519" => base64.len() == 68,
            _ => (100..=4096).contains(&base64.len()),
        };
        if !is_base64 || !is_whole || !base64.starts_with(&beginning(kind)) {
            return fault(format!("what follows {kind} is no key of that kind"));
        }
        Ok(Self { kind, base64: base64.into() })
    }
}

/// As it stands in a file of known hosts, behind the names.
impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.base64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVCLQ3m+2VYBi3xdrn9vCePq1LrFl0Fk9nqFi0kY6sK";

    fn told(text: &str) -> String {
        let fault = text.parse::<HostKey>().unwrap_err();
        format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
    }

    #[test]
    fn the_algorithms_of_the_known_keys_come_first_and_no_kind_is_left_out() {
        const REST: &str = "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";
        let names: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(ALGORITHMS.map(|(kind, _)| kind).as_slice(), names);
        let key = |kind: &'static str| HostKey { kind, base64: String::new() };
        let both = format!("ssh-ed25519,{REST},rsa-sha2-512,rsa-sha2-256");
        assert_eq!(host_key_algorithms(&[]), both);
        assert_eq!(host_key_algorithms(&[key("ssh-ed25519")]), both);
        let rsa = format!("rsa-sha2-512,rsa-sha2-256,ssh-ed25519,{REST},ssh-rsa");
        assert_eq!(host_key_algorithms(&[key("ssh-rsa")]), rsa);
        let both = format!("ssh-ed25519,rsa-sha2-512,rsa-sha2-256,{REST},ssh-rsa");
        assert_eq!(host_key_algorithms(&[key("ssh-rsa"), key("ssh-ed25519")]), both);
    }

    #[test]
    fn a_host_key_is_a_line_of_its_kind() {
        let form = "one line, as in /etc/ssh/ssh_host_ed25519_key.pub of the guest: \"ssh-ed25519 AAAA…\"";
        assert_eq!(format!("{KEY} root@web").parse::<HostKey>().unwrap().to_string(), KEY);
        assert_eq!(
            told(""),
            format!("that is no public key of ssh: it has a kind and a key, with a space between | {form}")
        );
        assert_eq!(
            told("-----BEGIN OPENSSH PRIVATE KEY-----\nx"),
            format!("a private key is no host key to know a guest by | {form}")
        );
        assert_eq!(
            told(&format!("{KEY}\n* {KEY}")),
            format!("that is no public key of ssh: it is more than one line | {form}")
        );
        assert_eq!(
            told(&KEY.replace("ssh-ed", "ssh-ef")),
            format!(
                "that is no public key of ssh: it is of no kind that is known: ssh-ed25519, ecdsa-sha2-nistp256, \
                 ecdsa-sha2-nistp384, ecdsa-sha2-nistp521 and ssh-rsa | did you mean `ssh-ed25519`?"
            )
        );
        for other in [KEY.replace("AAAAC3", "AAAAB3"), KEY.replace("6sK", "6s"), KEY.replace('+', "-")] {
            assert_eq!(
                told(&other),
                format!("that is no public key of ssh: what follows ssh-ed25519 is no key of that kind | {form}")
            );
        }
    }

    #[test]
    fn one_that_is_not_made_has_the_form_of_a_key_and_base64_begins_with_the_kind() {
        assert_eq!(HostKey::not_made().to_string().parse(), Ok(HostKey::not_made()));
        assert_eq!(beginning("ssh-rsa"), "AAAAB3NzaC1yc2");
        assert_eq!(beginning("ecdsa-sha2-nistp256"), "AAAAE2VjZHNhLXNoYTItbmlzdHAyNT");
    }

    #[test]
    fn a_user_is_no_option_of_ssh() {
        for text in ["", "-oProxyCommand=x", "a b", "a@b", "a\nb", "ü"] {
            let fault = text.parse::<SshUser>().unwrap_err();
            assert_eq!(fault.message, format!("{text:?} is no name of a user"));
            assert_eq!(fault.hint.as_deref(), Some("letters, digits, `_`, `-`, `.`, no hyphen first: \"debian\""));
        }
        assert_eq!("ec2-user".parse::<SshUser>().unwrap().as_str(), "ec2-user");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(ssh-ed25519 |ssh-rsa )?[A-Za-z0-9+/= \n]{0,90}|.*") {
            if let Ok(key) = text.parse::<HostKey>() {
                prop_assert_eq!(key.to_string().parse(), Ok(key));
            }
            let _ = text.parse::<SshUser>();
        }
    }
}
