//! Names of files, long and short, and the label of a volume.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// What no long name has.
const REFUSED: &[char] = &['"', '*', '/', ':', '<', '>', '?', '\\', '|'];
/// What short names and labels have besides letters and digits.
const MARKS: &[u8] = b"!#$%&'()-@^_`{}~";
/// The most units of UTF-16 that a long name has.
const LONGEST: usize = 255;
/// The most parts of a path: deeper ones are no use, and readers have limits of their own.
const DEEPEST: usize = 16;
/// The units of a long name that one entry has, and where.
const UNITS: usize = 13;

/// Splits a path into names, and says what is wrong with it.
pub(super) fn parts(path: &str) -> Result<Vec<&str>, Fault> {
    let fault = |why: &str| Err(Fault::new(format!("{path:?} is no path in an image: {why}")).hint(HOW));
    if path.is_empty() {
        return fault("it is empty");
    }
    if path.starts_with('/') {
        return fault("it begins with `/`, and all paths begin at the root of the volume");
    }
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() > DEEPEST {
        return fault("it is deeper than 16 folders");
    }
    match parts.iter().find_map(|part| against(part)) {
        Some(why) => fault(&why),
        None => Ok(parts),
    }
}

/// Says what is wrong with a name, if anything is.
fn against(part: &str) -> Option<String> {
    if part.is_empty() {
        return Some("a name between two `/` is empty".into());
    }
    if matches!(part, "." | "..") {
        return Some(format!("`{part}` leads elsewhere"));
    }
    if let Some(bad) = part.chars().find(|c| REFUSED.contains(c) || c.is_control()) {
        return Some(format!("FAT has no {bad:?} in a name"));
    }
    if part.ends_with(['.', ' ']) || part.starts_with(' ') {
        return Some(format!("{part:?} begins or ends with what FAT drops"));
    }
    (part.encode_utf16().count() > LONGEST).then(|| "a name is longer than 255 characters".into())
}

const HOW: &str = "write names with `/` between them: \"EFI/ipxe/logo.png\"";

/// Says whether there may be a file of that path in a volume.
pub(crate) fn check_path(path: &str) -> Result<(), Fault> {
    parts(path).map(drop)
}

/// Returns a name as FAT compares it: without difference between large and small letters.
pub(super) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).collect()
}

/// The short name of a file as a directory has it: eight bytes and three, filled up with spaces.
pub(super) type Short = [u8; 11];

/// Returns the short name of a file, one that `taken` does not have, and whether it needs the long one beside it.
pub(super) fn short(name: &str, taken: impl Fn(&Short) -> bool) -> (Short, bool) {
    let upper = name.to_ascii_uppercase();
    if let Some(short) = as_short_name(&upper).filter(|short| !taken(short)) {
        return (short, upper != name);
    }
    let (base, extension) = upper.rsplit_once('.').filter(|(base, _)| !base.is_empty()).unwrap_or((&upper, ""));
    let kept = |text: &str, most: usize| -> Vec<u8> {
        let chars = text.chars().filter(|c| !matches!(c, '.' | ' '));
        let byte = |c: char| u8::try_from(c).ok().filter(|byte| is_short(*byte)).unwrap_or(b'_');
        chars.map(byte).take(most).collect()
    };
    let (base, extension) = (kept(base, 8), kept(extension, 3));
    let numbered = |number: u32| {
        let tail = format!("~{number}");
        let mut short = [b' '; 11];
        let head = base.iter().take(8 - tail.len()).copied();
        short.iter_mut().zip(head.chain(tail.bytes())).for_each(|(to, from)| *to = from);
        short[8..].iter_mut().zip(&extension).for_each(|(to, from)| *to = *from);
        short
    };
    let free = (1..1_000_000).map(numbered).find(|short| !taken(short));
    (free.unwrap_or_else(|| numbered(1_000_000)), true)
}

/// Returns a name that is a short one as it is.
fn as_short_name(upper: &str) -> Option<Short> {
    let (base, extension) = upper.split_once('.').unwrap_or((upper, ""));
    let is_plain = |part: &str, most: usize| part.len() <= most && part.bytes().all(is_short);
    if base.is_empty() || !is_plain(base, 8) || !is_plain(extension, 3) || (extension.is_empty() && upper.contains('.'))
    {
        return None;
    }
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base.as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    Some(short)
}

fn is_short(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || MARKS.contains(&byte)
}

/// Returns how many entries a long name takes.
pub(super) fn long_entries(name: &str) -> usize {
    name.encode_utf16().count().div_ceil(UNITS)
}

/// Returns the entries of a long name in the order in which they stand: the last piece first.
pub(super) fn long(name: &str, short: &Short) -> Vec<[u8; 32]> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let sum = checksum(short);
    let pieces = units.chunks(UNITS).enumerate();
    let mut entries: Vec<[u8; 32]> = pieces
        .map(|(at, piece)| {
            let mut entry = [0; 32];
            entry[0] = u8::try_from(at + 1).unwrap_or(u8::MAX);
            entry[super::ATTRIBUTES] = super::LONG;
            entry[13] = sum;
            // One zero ends a name that does not fill its piece, and ones follow.
            let filled = piece.iter().copied().chain([0]).chain(std::iter::repeat(0xffff));
            for (place, unit) in PLACES.into_iter().zip(filled) {
                entry[place..place + 2].copy_from_slice(&unit.to_le_bytes());
            }
            entry
        })
        .collect();
    entries.reverse();
    if let Some(first) = entries.first_mut() {
        first[0] |= LAST;
    }
    entries
}

/// Marks the last piece of a long name.
pub(super) const LAST: u8 = 0x40;
/// Where an entry has its units of a long name.
pub(super) const PLACES: [usize; UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// Returns the sum of a short name, by which a long name knows whose it is.
pub(super) fn checksum(short: &[u8]) -> u8 {
    short.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// The label of a volume: one to eleven characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// The label by which cloud-init finds its seed. Older releases look for it in small letters alone (NoCloud, `fs_label`).
    pub fn cidata() -> Self {
        Self("cidata".into())
    }

    /// Returns it as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns it filled up with spaces, as it is stored.
    pub(super) fn bytes(&self) -> Short {
        let mut bytes = [b' '; 11];
        bytes.iter_mut().zip(self.0.bytes()).for_each(|(to, from)| *to = from);
        bytes
    }
}

impl Default for Label {
    fn default() -> Self {
        Self("VMRUN IPXE".into())
    }
}

impl FromStr for Label {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |why: String, hint: String| Err(Fault::new(format!("{text:?} is no label: {why}")).hint(hint));
        let how = || "write one to eleven capital letters, digits and spaces: \"EFISYS\"".to_string();
        if text.is_empty() || text.trim() != text {
            return fault("it is empty, or begins or ends with a space".into(), how());
        }
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return fault(
                "FAT has labels in capital letters only".into(),
                format!("write {:?}", text.to_ascii_uppercase()),
            );
        }
        if let Some(bad) = text.chars().find(|c| !u8::try_from(*c).is_ok_and(|byte| is_short(byte) || byte == b' ')) {
            return fault(format!("FAT has no {bad:?} in a label"), how());
        }
        if text.len() > 11 {
            return fault(format!("it has {} characters, and FAT has room for 11", text.len()), how());
        }
        if text == "NO NAME" {
            return fault("by that FAT says that there is none".into(), how());
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, taken: &[&str]) -> (String, bool) {
        let taken = |short: &Short| taken.iter().any(|other| other.as_bytes() == short);
        let (short, long) = short(name, taken);
        (String::from_utf8(short.to_vec()).unwrap(), long)
    }

    #[test]
    fn a_short_name_is_the_name_where_it_can_be() {
        assert_eq!(named("README.TXT", &[]), ("README  TXT".into(), false));
        assert_eq!(named("EFI", &[]), ("EFI        ".into(), false));
        assert_eq!(named("BootX64.efi", &[]), ("BOOTX64 EFI".into(), true));
        assert_eq!(named("autoexec.ipxe", &[]), ("AUTOEX~1IPX".into(), true));
        assert_eq!(named("autoexec.ipxe", &["AUTOEX~1IPX"]), ("AUTOEX~2IPX".into(), true));
        assert_eq!(named("meta-data", &[]), ("META-D~1   ".into(), true));
        assert_eq!(named(".profile", &[]), ("PROFIL~1   ".into(), true));
        assert_eq!(named("a.b.c", &[]), ("AB~1    C  ".into(), true));
        assert_eq!(named("größe", &[]), ("GR__E~1    ".into(), true));
        assert_eq!(named("a b", &[]), ("AB~1       ".into(), true));
    }

    #[test]
    fn a_path_that_leads_elsewhere_or_that_fat_refuses_is_a_fault() {
        let long = "x".repeat(256);
        let deep = "a/".repeat(16) + "a";
        let cases = [
            ("", "it is empty"),
            ("/etc/motd", "it begins with `/`, and all paths begin at the root of the volume"),
            ("a//b", "a name between two `/` is empty"),
            ("a/", "a name between two `/` is empty"),
            ("../a", "`..` leads elsewhere"),
            ("a/./b", "`.` leads elsewhere"),
            ("a:b", "FAT has no ':' in a name"),
            ("a\\b", "FAT has no '\\\\' in a name"),
            ("a\0b", "FAT has no '\\0' in a name"),
            ("a\nb", "FAT has no '\\n' in a name"),
            ("name.", "\"name.\" begins or ends with what FAT drops"),
            ("name ", "\"name \" begins or ends with what FAT drops"),
            (&long, "a name is longer than 255 characters"),
            (&deep, "it is deeper than 16 folders"),
        ];
        for (path, why) in cases {
            let want = Fault::new(format!("{path:?} is no path in an image: {why}"));
            let want = want.hint("write names with `/` between them: \"EFI/ipxe/logo.png\"");
            assert_eq!(check_path(path), Err(want));
        }
        for path in ["a", "EFI/ipxe/logo.png", "größe/名前", &"x".repeat(255)] {
            assert_eq!(check_path(path), Ok(()));
        }
    }

    #[test]
    fn a_label_is_what_fat_has_for_one() {
        let how = "write one to eleven capital letters, digits and spaces: \"EFISYS\"";
        let cases = [
            ("", "it is empty, or begins or ends with a space", how),
            (" A", "it is empty, or begins or ends with a space", how),
            ("efisys", "FAT has labels in capital letters only", "write \"EFISYS\""),
            ("A.B", "FAT has no '.' in a label", how),
            ("GRÖSSE", "FAT has no 'Ö' in a label", how),
            ("ABCDEFGHIJKL", "it has 12 characters, and FAT has room for 11", how),
            ("NO NAME", "by that FAT says that there is none", how),
        ];
        for (text, why, hint) in cases {
            let want = Fault::new(format!("{text:?} is no label: {why}")).hint(hint);
            assert_eq!(text.parse::<Label>(), Err(want));
        }
        for text in ["A", "EFISYS", "VMRUN IPXE", "ABCDEFGHIJK"] {
            assert_eq!(text.parse::<Label>().unwrap().as_str(), text);
        }
        assert_eq!(&Label::cidata().bytes(), b"cidata     ");
    }
}
