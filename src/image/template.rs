//! Placeholders in a script: `{{name}}`. Not `${name}`, which is iPXE's own, and not `@name@`, which may be part of an address.

use crate::diag::{Fault, suggest};
use std::collections::{BTreeMap, BTreeSet};

/// Fills every placeholder of a text, and insists that each has a value and each value has its place.
pub(crate) fn fill(text: &str, with: &BTreeMap<String, String>) -> Result<String, Fault> {
    let mut filled = String::with_capacity(text.len());
    let mut used = BTreeSet::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        filled.push_str(before);
        let line = text[..text.len() - behind.len()].matches('\n').count() + 1;
        let place = behind.lines().next().and_then(|line| line.split_once("}}"));
        let Some((name, _)) = place else {
            let fault = Fault::new(format!("the script opens a placeholder in line {line} and does not close it"));
            return Err(fault.hint("write {{name}}, in one line"));
        };
        rest = &behind[name.len() + 2..];
        let name = name.trim();
        let Some(value) = with.get(name) else { return Err(unknown(name, line, with)) };
        used.insert(name);
        filled.push_str(value);
    }
    filled.push_str(rest);
    match with.keys().find(|name| !used.contains(name.as_str())) {
        None => Ok(filled),
        Some(name) => {
            let fault = Fault::new(format!("the script has no placeholder {{{{{name}}}}}, for which a value is given"));
            Err(fault.hint("write it into the script, or leave the value out"))
        }
    }
}

fn unknown(name: &str, line: usize, with: &BTreeMap<String, String>) -> Fault {
    if !is_name(name) {
        let fault =
            Fault::new(format!("the script has the placeholder {{{{{name}}}}} in line {line}, which is no name"));
        return fault.hint("letters, digits, `_` and `-`: {{next-server}}");
    }
    let fault =
        Fault::new(format!("the script has the placeholder {{{{{name}}}}} in line {line}, and no value for it"));
    let known = || with.keys().map(String::as_str);
    let list = (!with.is_empty()).then(|| format!("there are values for {}", suggest::list(known())));
    fault
        .hint(format!("give one: fill: #{{ {name}: … }}, or --fill {name}=…"))
        .maybe_hint(list)
        .did_you_mean(name, known())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Says whether a value may stand in a script: what breaks its line would be commands.
pub(crate) fn check_value(name: &str, value: &str) -> Result<(), Fault> {
    if value.contains(['\n', '\r', '\0']) {
        let fault = Fault::new(format!("the value of {{{{{name}}}}} has more than one line"));
        return Err(fault.hint("a value is a part of a line; commands belong into the script"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn filled(text: &str, with: Pairs<'_>) -> Result<String, Fault> {
        fill(text, &with.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn placeholders_are_filled_and_ipxes_own_settings_are_left_alone() {
        let text = "#!ipxe\nchain http://{{server}}/{{ path }}?mac=${net0/mac:hexhyp}&x=${${y}} || shell\n{{server}}";
        assert_eq!(
            filled(text, &[("server", "192.0.2.1"), ("path", "{{server}}")]).unwrap(),
            "#!ipxe\nchain http://192.0.2.1/{{server}}?mac=${net0/mac:hexhyp}&x=${${y}} || shell\n192.0.2.1"
        );
        assert_eq!(filled("#!ipxe\n", &[]).unwrap(), "#!ipxe\n");
    }

    #[test]
    fn what_is_unknown_missing_or_not_used_is_a_fault() {
        let cases: [(&str, Pairs, &str, &str); 6] = [
            (
                "#!ipxe\n{{serve}}",
                &[("server", "a")],
                "the script has the placeholder {{serve}} in line 2, and no value for it",
                "did you mean `server`?",
            ),
            (
                "{{path}}",
                &[("server", "a"), ("x", "b")],
                "the script has the placeholder {{path}} in line 1, and no value for it",
                "there are values for server and x",
            ),
            (
                "{{path}}",
                &[],
                "the script has the placeholder {{path}} in line 1, and no value for it",
                "give one: fill: #{ path: … }, or --fill path=…",
            ),
            (
                "{{a b}}",
                &[],
                "the script has the placeholder {{a b}} in line 1, which is no name",
                "letters, digits, `_` and `-`: {{next-server}}",
            ),
            (
                "\n\n{{a\n}}",
                &[("a", "b")],
                "the script opens a placeholder in line 3 and does not close it",
                "write {{name}}, in one line",
            ),
            (
                "{{a}}",
                &[("a", "b"), ("c", "d")],
                "the script has no placeholder {{c}}, for which a value is given",
                "write it into the script, or leave the value out",
            ),
        ];
        for (text, with, message, hint) in cases {
            let said = filled(text, with).map_err(|fault| (fault.message, fault.hint));
            assert_eq!(said, Err((message.into(), Some(hint.into()))));
        }
        let want = Fault::new("the value of {{a}} has more than one line")
            .hint("a value is a part of a line; commands belong into the script");
        assert_eq!(check_value("a", "b\nshell"), Err(want));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}a-c\n ${é]{0,40}") {
            let _ = filled(&text, &[("a", "b")]);
        }
    }
}
