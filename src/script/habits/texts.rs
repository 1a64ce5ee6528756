//! Texts that parse and hardly say what they should: a value that is not put in, a path as only a shell reads it.

use super::is_part;
use crate::diag::Fault;

/// Returns what is wrong with a text that is written out, with the quotes around it: it parses, and stays as it is.
pub(in crate::script) fn literal(written: &str, is_known: &dyn Fn(&str) -> bool) -> Option<Fault> {
    let inside = written.get(1..written.len().max(2) - 1)?;
    match written.chars().next()? {
        '"' => {
            let hint = |inside: &str| format!("a text in backticks puts the value in: `{inside}`");
            if let Some(name) = interpolated(inside).find(|name| is_known(name)) {
                return Some(Fault::new(format!("`${{{name}}}` stays in this text as it is")).hint(hint(inside)));
            }
            let name = of_shell(inside).find(|name| is_known(name))?;
            let inside = inside.replace(&format!("${name}"), &format!("${{{name}}}"));
            Some(Fault::new(format!("`${name}` stays in this text as it is")).hint(hint(&inside)))
        }
        '`' => {
            let escape = ["\\n", "\\t", "\\r"].into_iter().find(|escape| is_bare(inside, escape))?;
            let fault = Fault::new(format!("`{escape}` stays in a text in backticks as it is"));
            Some(fault.hint("write the text in double quotes, or break the line where it should break"))
        }
        _ => None,
    }
}

/// Returns what is wrong with a path that is written as for a shell, or with a value that was to be put in.
pub(in crate::script) fn path(text: &str) -> Option<Fault> {
    if let Some(rest) = text.strip_prefix("~/").or_else(|| (text == "~").then_some("")) {
        let fault = Fault::new(format!("the path {text:?} begins with `~`, which only a shell reads"));
        let hint = format!("write it whole: `${{env(\"HOME\")}}/{rest}` in backticks; a file of that name is ./{text}");
        return Some(fault.hint(hint));
    }
    if let Some(name) = text.strip_prefix('$').and_then(|_| of_shell(text).next()) {
        let fault = Fault::new(format!("the path {text:?} begins with `${name}`, which only a shell reads"));
        let rest = &text[1 + name.len()..];
        let is_of_environment = name.chars().all(|c| c == '_' || c.is_ascii_uppercase());
        let value = if is_of_environment { format!("env({name:?})") } else { name.to_string() };
        let hint = format!("write it whole: `${{{value}}}{rest}` in backticks; a file of that name is ./{text}");
        return Some(fault.hint(hint));
    }
    let name = interpolated(text).next()?;
    let fault = Fault::new(format!("the path {text:?} has `${{{name}}}` in it as it is"));
    Some(fault.hint(format!("a text in backticks puts the value in: `{text}`")))
}

/// The names that stand as `${name}` in a text.
pub(in crate::script) fn interpolated(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        let name = name.split(['.', '[']).next().unwrap_or(name);
        (!name.is_empty() && name.chars().all(|c| c == '_' || c.is_alphanumeric())).then_some(name)
    })
}

/// The names that stand as `$name` in a text.
pub(in crate::script) fn of_shell(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).filter_map(|rest| {
        let name = &rest[..rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())];
        name.starts_with(|c: char| c == '_' || c.is_alphabetic()).then_some(name)
    })
}

/// Whether something stands in a text outside of quotes: what is in quotes is for another program, as in `printf 'a\n'`.
fn is_bare(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, _)| {
        let before = text[..at].rsplit('\n').next().unwrap_or_default();
        !before.ends_with('\\') && ['"', '\''].iter().all(|quote| before.matches(*quote).count() % 2 == 0)
    })
}
