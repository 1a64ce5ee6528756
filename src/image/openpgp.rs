//! What gpgv(1) says of signatures by OpenPGP, in its status lines (GnuPG's doc/DETAILS, "Format of the --status-fd output").
//!
//! Its exit status is nothing to go by: it is 0 for the good signature of a key that has expired or was revoked, and not 0 where one of
//! two signatures is by a key that the keyring does not have.

use crate::diag::Fault;
use std::path::Path;

/// How a text begins and ends that has its signature in it (RFC 9580, section 7).
const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// How a key begins that is written for people, and which gpgv does not read (RFC 9580, section 6.2).
pub(crate) const ARMORED_KEY: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Where the signature of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In a file of its own.
    Detached,
    /// Around the text.
    Clear,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The name, as the key has it.
    pub name: String,
    /// The fingerprint of the key, which is the one that publishers tell.
    pub fingerprint: String,
}

/// Returns the signed text with its signature, and nothing of what stands around it; nothing if there is none.
pub(crate) fn clear(text: &str) -> Option<&str> {
    let begin = text.match_indices(BEGIN).map(|(at, _)| at).find(|at| is_line(text, *at))?;
    let rest = text.get(begin..)?;
    let end = rest.match_indices(END).map(|(at, _)| at).find(|at| is_line(rest, *at))?;
    rest.get(..end + END.len())
}

/// Whether a line begins here.
fn is_line(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|before| before.is_empty() || before.ends_with('\n'))
}

/// What is wrong with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Flaw {
    /// It is of another text; the name of who made it.
    Bad(String),
    /// Its key was revoked.
    Revoked(String),
    /// Its key has expired.
    KeyExpired(String),
    /// It was made for a time, which is over.
    Expired(String),
    /// The keyring does not have the key.
    Foreign(String),
    /// gpgv cannot say.
    Unknown(String),
}

/// The reason for a key that is not there.
const NO_KEY: &str = "9";

impl Flaw {
    fn of_line(keyword: &str, rest: &str) -> Option<Self> {
        let name = || rest.split_once(' ').map_or(rest, |(_, name)| name).to_string();
        let words: Vec<&str> = rest.split(' ').collect();
        // Later versions have the whole fingerprint, behind the reason.
        let key = || words.get(6).filter(|key| **key != "-").or(words.first()).copied().unwrap_or_default().to_string();
        Some(match keyword {
            "BADSIG" => Self::Bad(name()),
            "REVKEYSIG" => Self::Revoked(name()),
            "EXPKEYSIG" => Self::KeyExpired(name()),
            "EXPSIG" => Self::Expired(name()),
            "ERRSIG" if words.get(5) == Some(&NO_KEY) => Self::Foreign(key()),
            "ERRSIG" => Self::Unknown(key()),
            _ => return None,
        })
    }

    fn fault(self, keyring: &Path) -> Fault {
        let keyring = keyring.display();
        match self {
            Self::Bad(name) => Fault::host(format!("the signature of {name} is not of what is there now")).hint(
                "try again, as its publisher may be changing it; if it stays so, do not use the image, and ask him",
            ),
            Self::Revoked(name) => Fault::host(format!("it is signed with the key of {name}, which was revoked"))
                .hint("ask its publisher with which key he signs now, and do not use the image until then"),
            Self::KeyExpired(name) => {
                let fault = Fault::host(format!("it is signed with the key of {name}, which has expired"));
                fault.hint(format!(
                    "get the key anew from its publisher, who may have prolonged it, and put it into {keyring}"
                ))
            }
            Self::Expired(name) => Fault::host(format!("the signature of {name} has expired"))
                .hint("it is an old one: another mirror may have what is published now"),
            Self::Foreign(key) => {
                let fault = Fault::host(format!("it is signed with the key {key}, which {keyring} does not have"));
                fault.hint("if its publisher says that this key is his, add it there: vmrun-config(5) tells how")
            }
            Self::Unknown(key) => {
                let fault = Fault::host(format!("gpgv cannot verify the signature of the key {key}"));
                fault.hint(
                    "it may be older than the signature, or the signature made in a way that is not secure any more",
                )
            }
        }
    }
}

/// Finds out who signed, from gpgv's status lines: one good signature is enough, and a bad one too many.
pub(crate) fn signer(status: &str, form: Form, keyring: &Path) -> Result<Signer, Fault> {
    let lines: Vec<(&str, &str)> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let mut flaws: Vec<Flaw> = lines.iter().filter_map(|(word, rest)| Flaw::of_line(word, rest)).collect();
    if let Some(bad) = flaws.iter().find(|flaw| matches!(flaw, Flaw::Bad(_))) {
        return Err(bad.clone().fault(keyring));
    }
    // What is signed is what was asked about, and nothing that the file of the signature brings along.
    let texts = lines.iter().filter(|(word, _)| *word == "PLAINTEXT").count();
    if texts != usize::from(form == Form::Clear) {
        return Err(none());
    }
    match good(&lines) {
        Some(signer) => Ok(signer),
        None if flaws.is_empty() => Err(none()),
        None => Err(flaws.swap_remove(0).fault(keyring)),
    }
}

/// Returns who made the first good signature.
fn good(lines: &[(&str, &str)]) -> Option<Signer> {
    let at = lines.iter().position(|(word, _)| *word == "GOODSIG")?;
    let (_, name) = lines.get(at)?.1.split_once(' ')?;
    let (_, valid) =
        lines.get(at..)?.iter().take_while(|(word, _)| *word != "NEWSIG").find(|(word, _)| *word == "VALIDSIG")?;
    let words: Vec<&str> = valid.split(' ').collect();
    // The tenth is of the whole key, and the first may be of a part of it.
    Some(Signer { name: name.into(), fingerprint: (*words.get(9).or(words.first())?).into() })
}

/// The fault of what has no signature.
pub(crate) fn none() -> Fault {
    let fault = Fault::host("there is no signature by OpenPGP");
    fault.hint("its publisher may have moved it: look there, and correct `signature` below [images] in config.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[GNUPG:] NEWSIG mine@example.org\n[GNUPG:] KEY_CONSIDERED C79E2D223C46B23373B016B7FAEB31A4B5713996 0\n\
        [GNUPG:] SIG_ID pGOlmlMbUfcj0w1gnbnAkx3NaPg 2026-11-30 1796032809\n[GNUPG:] GOODSIG FAEB31A4B5713996 Mine <mine@example.org>\n\
        [GNUPG:] VALIDSIG AAAA2D223C46B23373B016B7FAEB31A4B5713996 2026-11-30 1796032809 0 4 0 22 8 00 C79E2D223C46B23373B016B7FAEB31A4B5713996\n";
    const FOREIGN: &str = "[GNUPG:] NEWSIG rev@example.org\n[GNUPG:] ERRSIG 2D952084A801B7CE 22 8 00 1796032809 9 6AC0646EF22E5A4E90B4688A2D952084A801B7CE\n\
        [GNUPG:] NO_PUBKEY 2D952084A801B7CE\n";

    fn said(status: &str, form: Form) -> String {
        match signer(status, form, Path::new("/keys")) {
            Ok(Signer { name, fingerprint }) => format!("{name} {fingerprint}"),
            Err(fault) => fault.message,
        }
    }

    #[test]
    fn one_good_signature_is_enough_and_nothing_makes_a_bad_one_good() {
        let mine = "Mine <mine@example.org> C79E2D223C46B23373B016B7FAEB31A4B5713996";
        let bad = "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG FAEB31A4B5713996 Mine <mine@example.org>\n";
        let is_bad = "the signature of Mine <mine@example.org> is not of what is there now";
        let text = "[GNUPG:] PLAINTEXT 74 0 \n";
        let of = |all: &[&str]| said(&all.concat(), Form::Detached);
        assert_eq!(of(&[GOOD]), mine);
        assert_eq!((of(&[GOOD, FOREIGN]), of(&[FOREIGN, GOOD])), (mine.into(), mine.into()));
        assert_eq!((of(&[GOOD, bad]), of(&[bad, GOOD])), (is_bad.into(), is_bad.into()));
        assert_eq!(said(&format!("{text}{GOOD}"), Form::Clear), mine);
        let none = "there is no signature by OpenPGP";
        for all in [
            &[text, GOOD][..],
            &["[GNUPG:] NODATA 1\n"],
            &[],
            &[&GOOD.replace("VALIDSIG", "X")],
            &[&GOOD.replace("[GNUPG:]", "")],
        ] {
            assert_eq!(of(all), none, "{all:?}");
        }
        assert_eq!(
            (said(GOOD, Form::Clear), said(&[text, text, GOOD].concat(), Form::Clear)),
            (none.into(), none.into())
        );
    }

    #[test]
    fn a_key_that_is_good_no_more_or_nobodys_is_told() {
        let with = |word: &str| said(&GOOD.replace("GOODSIG", word), Form::Detached);
        assert_eq!(with("EXPKEYSIG"), "it is signed with the key of Mine <mine@example.org>, which has expired");
        assert_eq!(with("REVKEYSIG"), "it is signed with the key of Mine <mine@example.org>, which was revoked");
        assert_eq!(with("EXPSIG"), "the signature of Mine <mine@example.org> has expired");
        let foreign = |status: &str| said(status, Form::Detached);
        let key = "6AC0646EF22E5A4E90B4688A2D952084A801B7CE";
        assert_eq!(foreign(FOREIGN), format!("it is signed with the key {key}, which /keys does not have"));
        // As earlier versions say it, without the fingerprint; and a digest that is too weak.
        let short = FOREIGN.replace(&format!(" 9 {key}"), " 9");
        assert_eq!(foreign(&short), "it is signed with the key 2D952084A801B7CE, which /keys does not have");
        let weak = FOREIGN.replace(&format!(" 9 {key}"), " 5 -");
        assert_eq!(foreign(&weak), "gpgv cannot verify the signature of the key 2D952084A801B7CE");
    }

    #[test]
    fn of_a_text_with_its_signature_nothing_counts_that_stands_around_it() {
        let signed = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nab\n-----END PGP SIGNATURE-----";
        assert_eq!(clear(&format!("no\n{signed}\nno\n{signed}\n")), Some(signed));
        for text in
            ["", "x", &signed.replace("END", "end"), &format!(" {signed}"), &signed.replace("\n-----END", " -----END")]
        {
            assert_eq!(clear(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_is_read(status in "(\\[GNUPG:\\] (GOODSIG|VALIDSIG|ERRSIG|BADSIG|NEWSIG)?[ a-f0-9é]{0,30}\n){0,6}", text in "(-----(BEGIN|END) PGP (SIGNED MESSAGE|SIGNATURE)-----|\n|é|x){0,9}") {
            drop(signer(&status, Form::Clear, Path::new("/k")));
            if let Some(part) = clear(&text) {
                proptest::prop_assert!(text.contains(part));
            }
        }
    }
}
