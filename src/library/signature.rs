//! Signatures in git's objects: what was signed, and by what. Whether a signature is good is ssh-keygen's to say.

use crate::diag::Fault;

/// How a signature by an SSH key begins and ends (PROTOCOL.sshsig of OpenSSH).
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// How signatures begin that are none of an SSH key, and what they are called: those that git makes besides (gitformat-signature(5)), and
/// what signify(1) and minisign write. Git has no place for the latter, so that nothing says what of a tag they would have signed.
const OTHERS: [(&str, &str); 4] = [
    ("-----BEGIN PGP SIGNATURE-----", "OpenPGP"),
    ("-----BEGIN PGP MESSAGE-----", "OpenPGP"),
    ("-----BEGIN SIGNED MESSAGE-----", "X.509"),
    ("untrusted comment: ", "signify or minisign"),
];

/// What is said of an object that no SSH key has signed.
fn unsigned(what: &str, object: &str) -> Fault {
    let begins = |line: &str| {
        let line = line.strip_prefix("gpgsig ").unwrap_or(line);
        OTHERS.iter().find(|(begin, _)| line.starts_with(begin)).map(|(_, by)| *by)
    };
    match object.lines().find_map(begins) {
        Some(by) => Fault::new(format!("{what} is signed by {by}, and not by an SSH key")).hint(
            "git signs with one after `git config gpg.format ssh` and `git config user.signingkey FILE`: ask who keeps the library",
        ),
        None => Fault::new(format!("{what} is not signed by an SSH key")),
    }
}

/// What is signed, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The object without its signature.
    pub payload: String,
    /// The signature, with its first and last line.
    pub signature: String,
}

/// Returns what is signed in a tag, whose signature follows its text (gitformat-signature(5)). A tag of another name, or of
/// something else than this commit, is none of ours: somebody may have given a signed tag a new name.
pub(crate) fn of_tag(object: &str, name: &str, commit: &str) -> Result<Signed, Fault> {
    let unsigned = || unsigned(&format!("the tag {name}"), object);
    let at = object.find(&format!("\n{BEGIN}\n")).ok_or_else(unsigned)? + 1;
    let (payload, signature) = object.split_at(at);
    let header = payload.split("\n\n").next().unwrap_or_default();
    let says = |line: &str| header.lines().any(|known| known == line);
    if !says(&format!("tag {name}")) || !says(&format!("object {commit}")) || !says("type commit") {
        let fault = Fault::new(format!("the tag {name} was signed as another one"));
        return Err(fault.hint("somebody gave a signed tag another name: ask who keeps the library"));
    }
    if !signature.trim_end().ends_with(END) {
        return Err(unsigned());
    }
    Ok(Signed { payload: payload.into(), signature: signature.into() })
}

/// Returns what is signed in a commit, whose signature is one of its headers, the further lines of which begin with a space.
pub(crate) fn of_commit(object: &str, commit: &str) -> Result<Signed, Fault> {
    let short: String = commit.chars().take(12).collect();
    let unsigned = || unsigned(&format!("the commit {short}"), object);
    let (head, text) = object.split_at(object.find("\n\n").map_or(object.len(), |at| at + 1));
    let (mut payload, mut signature, mut is_in, mut found) = (String::new(), String::new(), false, 0);
    for line in head.split_inclusive('\n') {
        if let Some(first) = line.strip_prefix("gpgsig ") {
            (is_in, found) = (true, found + 1);
            signature.push_str(first);
        } else if let Some(further) = line.strip_prefix(' ').filter(|_| is_in) {
            signature.push_str(further);
        } else {
            is_in = false;
            payload.push_str(line);
        }
    }
    // Of two signatures, readers differ in which of them counts.
    if found != 1 || !signature.starts_with(BEGIN) || !signature.trim_end().ends_with(END) {
        return Err(unsigned());
    }
    payload.push_str(text);
    Ok(Signed { payload, signature })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n";

    fn tag(name: &str) -> String {
        format!("object cafe\ntype commit\ntag {name}\ntagger t <t@example.org> 1 +0000\n\nText\n{SIGNATURE}")
    }

    #[test]
    fn a_tag_is_signed_as_a_whole_and_under_its_own_name() {
        let signed = of_tag(&tag("v1"), "v1", "cafe").unwrap();
        assert_eq!(signed.signature, SIGNATURE);
        assert_eq!(format!("{}{}", signed.payload, signed.signature), tag("v1"));
        let said = |object: &str, name: &str, commit: &str| of_tag(object, name, commit).unwrap_err().message;
        assert_eq!(said(&tag("v1"), "v2", "cafe"), "the tag v2 was signed as another one");
        assert_eq!(said(&tag("v1"), "v1", "beef"), "the tag v1 was signed as another one");
        assert_eq!(said("object cafe\n\nText\n", "v1", "cafe"), "the tag v1 is not signed by an SSH key");
        for (begin, by) in OTHERS {
            let object = format!("object cafe\ntype commit\ntag v1\n\nText\n{begin}\nx\n");
            assert_eq!(said(&object, "v1", "cafe"), format!("the tag v1 is signed by {by}, and not by an SSH key"));
        }
        // What stands in the text is no header.
        let forged = format!("object beef\ntype commit\ntag v1\n\nobject cafe\n{SIGNATURE}");
        assert_eq!(said(&forged, "v1", "cafe"), "the tag v1 was signed as another one");
    }

    #[test]
    fn a_commit_is_signed_without_the_header_that_signs_it() {
        let folded = SIGNATURE.trim_end().replace('\n', "\n ");
        let object = format!("tree 1\nauthor a\ngpgsig {folded}\nencoding x\n\nText\n gpgsig\n");
        let signed = of_commit(&object, "cafe").unwrap();
        assert_eq!(
            (signed.payload.as_str(), signed.signature.as_str()),
            ("tree 1\nauthor a\nencoding x\n\nText\n gpgsig\n", SIGNATURE)
        );
        let twice = object.replacen("author a\n", &format!("author a\ngpgsig {folded}\n"), 1);
        let pgp = "tree 1\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\nText\n";
        for (object, how) in [
            (twice.as_str(), "not signed by"),
            (pgp, "signed by OpenPGP, and not by"),
            ("tree 1\n\nText\n", "not signed by"),
            ("", "not signed by"),
        ] {
            let said = of_commit(object, "cafe0123456789").unwrap_err().message;
            assert_eq!(said, format!("the commit cafe01234567 is {how} an SSH key"), "{object}");
        }
    }

    proptest! {
        #[test]
        fn no_object_panics(object: String, signed in any::<bool>()) {
            let object = if signed { format!("{object}\n{SIGNATURE}") } else { object };
            let _ = of_tag(&object, "v1", "cafe");
            let _ = of_commit(&object, "cafe");
        }
    }
}
