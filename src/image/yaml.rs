//! Whether a text is YAML, which cloud-init finds out in the guest's first boot and tells in a log there.

use crate::diag::Fault;
use saphyr_parser::Parser;

/// Returns a fault if a text of a seed is no YAML, with the line and the column, both from 1.
pub(super) fn check(name: &str, text: &str) -> Result<(), Fault> {
    let Some(error) = Parser::new_from_str(text).find_map(Result::err) else { return Ok(()) };
    let (line, column, why) = (error.marker().line(), error.marker().col() + 1, error.info());
    let fault = Fault::new(format!("the {name} of the seed is no YAML: line {line}, column {column}: {why}"));
    Err(fault
        .hint("what belongs together begins in one column, by spaces; a text with `: ` or ` #` in it stands in quotes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        let told = |text: &str| check("user-data", text).map_err(|fault| fault.message);
        let no = |why: &str| Err(format!("the user-data of the seed is no YAML: {why}"));
        let broken = "#cloud-config\nusers:\n  - name: a\n   shell: /bin/sh\n";
        assert_eq!(
            told(broken),
            no("line 4, column 4: while parsing a block collection, did not find expected '-' indicator")
        );
        assert_eq!(told("a: [1, 2\n"), no("line 2, column 1: while parsing a flow sequence, expected ',' or ']'"));
        assert_eq!(
            told("a: \"b\n"),
            no("line 1, column 4: while scanning a quoted scalar, found unexpected end of stream")
        );
        assert_eq!(
            told("a:\n\t- b\n"),
            no("line 2, column 2: tabs disallowed within this context (block indentation)")
        );
        assert_eq!(told("a: b: c\n"), no("line 1, column 5: mapping values are not allowed in this context"));
        assert_eq!(told("a: *b\n"), no("line 1, column 4: while parsing node, found unknown anchor"));
        for text in [
            "",
            "#cloud-config\n",
            "version: 2\nethernets:\n  vtnet0:\n    addresses: [10.0.0.5/24, \"2001:db8::5/64\"]\n",
            "runcmd:\n  - echo \"a: b\"\n  - echo c: d\nwrite_files:\n  - content: |\n      hello\n      \tb\n    permissions: 0600\n",
            "{\"instance-id\": \"web-1\"}",
        ] {
            assert_eq!(told(text), Ok(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([a:\\[\\]{}&*!|>%@`'\"#, \n\t-]){0,40}|.*") {
            let _ = check("user-data", &text);
        }
    }
}
