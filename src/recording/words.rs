//! The words of a line, as sh(1) splits it.

use crate::diag::Fault;

/// Splits a line into words: blanks separate, quotes and backslashes keep together. Nothing is expanded.
pub fn split(line: &str) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    let open =
        |quote: char| Fault::usage(format!("{line:?} has a {quote} that is not closed")).hint("close the quotes");
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| open('\''))? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| open('"'))? {
                        '"' => break,
                        '\\' => match chars.next().ok_or_else(|| open('"'))? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            '\n' => {}
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => {
                    let fault = Fault::usage(format!("{line:?} ends in a backslash"));
                    return Err(fault.hint("write two of them for one"));
                }
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Returns the words of the command of which a shell tells in a line (`sh -x`): `+ [ -f /vm/a.img ]`. Not each shell tells quotes.
pub(crate) fn told(line: &str) -> Option<Vec<String>> {
    split(line.strip_prefix('+')?.trim_start_matches('+').trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::argv::quote;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        assert_eq!(split(" a  'b c'\"d $e\\\"\\x\" '' f\\ g\n").unwrap(), ["a", "b cd $e\"\\x", "", "f g"]);
        assert_eq!(split("").unwrap(), [""; 0]);
        assert_eq!(split("a 'b").unwrap_err().message, "\"a 'b\" has a ' that is not closed");
        assert_eq!(split("a \"b\\").unwrap_err().message, "\"a \\\"b\\\\\" has a \" that is not closed");
        assert_eq!(split("a\\").unwrap_err().message, "\"a\\\\\" ends in a backslash");
    }

    proptest! {
        #[test]
        fn no_line_is_too_much(line: String) {
            let _ = split(&line);
        }

        #[test]
        fn what_is_quoted_reads_back(words in proptest::collection::vec("(.|\n){0,9}", 0..5)) {
            let line: Vec<String> = words.iter().map(|word| quote(word)).collect();
            prop_assert_eq!(split(&line.join(" ")).unwrap(), words);
        }
    }
}
