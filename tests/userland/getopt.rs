//! Flags as getopt(3) reads them.

use crate::exit::{Exit, Step};

/// What stands before the operands, and these.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words<'a> {
    flags: Vec<(char, &'a str)>,
    pub(crate) operands: &'a [String],
}

impl<'a> Words<'a> {
    pub(crate) fn has(&self, letter: char) -> bool {
        self.flags.iter().any(|(given, _)| *given == letter)
    }

    /// How often a flag was given.
    pub(crate) fn count(&self, letter: char) -> usize {
        self.flags.iter().filter(|(given, _)| *given == letter).count()
    }

    /// What was given with a flag the last time.
    pub(crate) fn value(&self, letter: char) -> Option<&'a str> {
        self.values(letter).last().copied()
    }

    /// All that was given with a flag, in this order.
    pub(crate) fn values(&self, letter: char) -> Vec<&'a str> {
        self.flags.iter().filter(|(given, _)| *given == letter).map(|(_, value)| *value).collect()
    }
}

/// Reads flags of these letters; those that a `:` follows take a value. What is wrong is told as getopt(3) does, before the usage.
pub(crate) fn words<'a>(program: &str, letters: &str, args: &'a [String]) -> Result<Words<'a>, String> {
    let mut words = Words::default();
    let mut at = 0;
    while let Some(word) = args.get(at).filter(|word| word.len() > 1 && word.starts_with('-')) {
        at += 1;
        if word == "--" {
            break;
        }
        for (place, letter) in word.char_indices().skip(1) {
            let Some(known) = letters.find(letter).filter(|_| letter != ':') else {
                return Err(format!("{program}: illegal option -- {letter}"));
            };
            if !letters[known + letter.len_utf8()..].starts_with(':') {
                words.flags.push((letter, ""));
                continue;
            }
            let mut value = &word[place + letter.len_utf8()..];
            if value.is_empty() {
                value = args.get(at).ok_or_else(|| format!("{program}: option requires an argument -- {letter}"))?;
                at += 1;
            }
            words.flags.push((letter, value));
            break;
        }
    }
    words.operands = &args[at..];
    Ok(words)
}

/// Reads flags, or ends with what is wrong and the usage.
pub(crate) fn or_usage<'a>(
    program: &str,
    letters: &str,
    args: &'a [String],
    (status, usage): (u8, &str),
) -> Step<Words<'a>> {
    words(program, letters, args).map_err(|complaint| Exit::new(status, format!("{complaint}\n{usage}")))
}

#[cfg(test)]
mod tests {
    use super::words;

    fn split(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn flags_cluster_and_values_may_be_glued() {
        let args = split("-nq -u5 -u 6 a -x");
        let read = words("p", "nqu:x", &args).unwrap();
        assert!(read.has('n') && read.has('q') && !read.has('x') && read.count('u') == 2);
        assert_eq!((read.value('u'), read.values('u'), read.operands), (Some("6"), vec!["5", "6"], &args[4..]));
    }

    #[test]
    fn a_foreign_letter_and_a_missing_value_are_told() {
        assert_eq!(words("p", "n", &split("-nZ")).unwrap_err(), "p: illegal option -- Z");
        assert_eq!(words("p", "u:", &split("-u")).unwrap_err(), "p: option requires an argument -- u");
    }
}
