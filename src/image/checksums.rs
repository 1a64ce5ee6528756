//! The files in which publishers have checksums, as sha512sum(1) and sha512(1) of FreeBSD print them; also inside of a text that is
//! signed by OpenPGP, and a digest alone.

use crate::diag::Fault;
use crate::model::{Digest, DigestKind};

/// Returns the digest of a file; nothing if it is not among them. Two that differ are a fault.
pub(crate) fn find(text: &str, file: &str, kind: DigestKind) -> Result<Option<Digest>, Fault> {
    let mut found: Vec<Digest> = text.lines().filter_map(|line| of_line(line.trim(), file, kind)).collect();
    if found.is_empty() {
        // A file for one file may have nothing but the digest.
        let mut words = text.split_whitespace();
        let alone = words.next().filter(|_| words.next().is_none());
        found.extend(alone.and_then(|word| Digest::new(kind, word).ok()));
    }
    found.dedup();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [one, other, ..] => {
            let fault = Fault::host(format!("there are two of {file}: {one} and {other}"));
            Err(fault.hint("ask its publisher which is right"))
        }
    }
}

fn of_line(line: &str, file: &str, kind: DigestKind) -> Option<Digest> {
    // `SHA512 (FILE) = DIGEST`
    let bsd = || {
        let (name, rest) = line.split_once(" (")?;
        let (named, digest) = rest.rsplit_once(") = ")?;
        (name.eq_ignore_ascii_case(kind.name()) && is_named(named, file)).then_some(digest)
    };
    // `DIGEST  FILE`, with a star where it was read as it is.
    let gnu = || {
        let (digest, named) = line.split_once([' ', '\t'])?;
        let named = named.trim_start();
        is_named(named.strip_prefix('*').unwrap_or(named), file).then_some(digest)
    };
    bsd().or_else(gnu).and_then(|digest| Digest::new(kind, digest.trim()).ok())
}

/// A name may have a folder before it.
fn is_named(named: &str, file: &str) -> bool {
    named == file || named.strip_suffix(file).is_some_and(|folder| folder.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_as_publishers_write_them() {
        let hex = "ab".repeat(32);
        let other = "cd".repeat(32);
        let find = |text: &str| find(text, "a.qcow2", DigestKind::Sha256);
        let signed = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# a.qcow2: 5 bytes\nSHA256 (a.qcow2) = {hex}\n-----BEGIN PGP SIGNATURE-----\niQIz\n"
        );
        for text in [
            format!("{hex}  a.qcow2\n{other}  b.qcow2\n"),
            format!("{other} *aa.qcow2\r\n{hex} *a.qcow2\r\n"),
            format!("{hex}\t./x/a.qcow2"),
            format!("SHA256 (a.qcow2) = {}\n", hex.to_uppercase()),
            format!("{hex}\n"),
            format!("{hex}  a.qcow2\n{hex}  ./a.qcow2\n"),
            signed,
        ] {
            assert_eq!(find(&text).unwrap().unwrap().hex(), hex, "{text}");
        }
        for text in [
            String::new(),
            format!("{hex}  a.qcow2.xz"),
            format!("SHA512 (a.qcow2) = {hex}"),
            "12  a.qcow2".into(),
            "<html>no such file</html>".into(),
        ] {
            assert_eq!(find(&text), Ok(None), "{text}");
        }
        let fault = find(&format!("{hex}  a.qcow2\n{other}  a.qcow2")).unwrap_err();
        assert_eq!(fault.message, format!("there are two of a.qcow2: sha256:{hex} and sha256:{other}"));
        assert_eq!(fault.hint.as_deref(), Some("ask its publisher which is right"));
    }
}
