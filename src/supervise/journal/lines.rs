//! The lines of a journal: words between blanks, behind a checksum.

/// CRC-32 as of gzip and Ethernet.
const CHECKSUM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// Returns the line of a journal that has these words, with its checksum.
pub fn line(words: &[&str]) -> String {
    let text = words.iter().map(|word| escaped(word)).collect::<Vec<_>>().join(" ");
    format!("{:08x} {text}\n", CHECKSUM.checksum(text.as_bytes()))
}

/// Returns the words of a line that is whole.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let (sum, text) = line.split_once(' ')?;
    let whole = sum == format!("{:08x}", CHECKSUM.checksum(text.as_bytes()));
    whole.then(|| text.split(' ').map(unescaped).collect::<Option<_>>()).flatten()
}

/// Blanks, control characters and the escape itself as `%` and two hexadecimal digits.
fn escaped(word: &str) -> String {
    let is_meant = |c: char| matches!(c, '%' | ' ' | '\0'..='\x1f' | '\x7f');
    let (mut text, mut rest) = (String::with_capacity(word.len()), word);
    while let Some(at) = rest.find(is_meant) {
        text += &rest[..at];
        text += &format!("%{:02x}", rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    text + rest
}

fn unescaped(word: &str) -> Option<String> {
    let mut parts = word.split('%');
    let mut text = parts.next()?.to_string();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        text.push(char::from(code));
        text += part.get(2..)?;
    }
    Some(text)
}
