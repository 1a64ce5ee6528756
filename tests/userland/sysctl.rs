//! sysctl(8): reads and sets the variables of the kernel, see [`variables`].

use std::io::Write as _;

use crate::exit::{Exit, Step, say, warn};
use crate::getopt::{self, Words};
use crate::state::{State, is_root};

use variables::{Access, Kind, Variable};

pub(crate) mod variables;

const USAGE: &str = "usage: sysctl [-bdehiNnoqTtWx] [ -B <bufsize> ] [-f filename] name[=value] ...\n       \
                     sysctl [-bdehNnoqTtWx] [ -B <bufsize> ] -a";

/// Runs sysctl.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let words = parse(args).map_err(|complaint| Exit::new(1, complaint))?;
    let _lock = state.lock()?;
    if words.has('a') {
        variables::all(state)?.iter().for_each(|one| show(&words, one));
        return Ok(0);
    }
    let mut status = 0;
    for name in words.operands {
        let name = name.as_str();
        let done = match name.split_once('=') {
            Some((name, value)) => set(state, &words, name, value)?,
            None => show_below(state, &words, name)?,
        };
        match done {
            Done::Well => {}
            Done::Unknown if words.has('i') => {}
            Done::Unknown if words.has('q') => status = 1,
            Done::Unknown => {
                warn(format!("sysctl: unknown oid '{}'", name.split('=').next().unwrap_or(name)));
                status = 1;
            }
            Done::Refused(why) => {
                warn(format!("sysctl: {why}"));
                status = 1;
            }
        }
    }
    Ok(status)
}

/// What came of one word.
enum Done {
    Well,
    Unknown,
    Refused(String),
}

fn parse(args: &[String]) -> Result<Words<'_>, String> {
    let words = getopt::words("sysctl", "AabB:def:hiNnoqTtWXx", args).map_err(|why| format!("{why}\n{USAGE}"))?;
    let contradiction = words.has('n') && words.has('N');
    let is_fit = !contradiction && words.has('a') == words.operands.is_empty();
    if is_fit { Ok(words) } else { Err(USAGE.to_string()) }
}

/// Shows a variable, or all below a node.
fn show_below(state: &State, words: &Words<'_>, name: &str) -> Step<Done> {
    let below = format!("{name}.");
    let all = variables::all(state)?;
    let mut known = all.iter().filter(|one| one.name == name || one.name.starts_with(&below)).peekable();
    let done = if known.peek().is_some() { Done::Well } else { Done::Unknown };
    known.for_each(|one| show(words, one));
    Ok(done)
}

/// Shows a variable. Of bytes without a form there is nothing to be seen unless `-x`, `-o` or `-b` asks for them.
fn show(words: &Words<'_>, one: &Variable) {
    if words.has('b') {
        let _ = std::io::stdout().lock().write_all(&bytes(one));
    } else if words.has('N') {
        say(format!("{}\n", one.name));
    } else if let Some(value) = value(words, one) {
        say(line(words, &one.name, &value));
    }
}

fn line(words: &Words<'_>, name: &str, value: &str) -> String {
    match (words.has('n'), words.has('e')) {
        (true, _) => format!("{value}\n"),
        (_, true) => format!("{name}={value}\n"),
        _ => format!("{name}: {value}\n"),
    }
}

fn value(words: &Words<'_>, one: &Variable) -> Option<String> {
    let number = one.value.parse::<i64>().ok();
    Some(match (one.kind, number) {
        _ if words.has('d') => description(&one.name).to_string(),
        (kind, _) if words.has('t') => type_of(kind).to_string(),
        (Kind::Integer, Some(number)) if words.has('x') => format!("{:#010x}", number.cast_unsigned() & 0xffff_ffff),
        (Kind::Long, Some(number)) if words.has('x') => format!("{number:#018x}"),
        (Kind::Opaque, _) if words.has('x') || words.has('o') => {
            let shown = if words.has('x') { one.value.as_str() } else { one.value.get(..32).unwrap_or(&one.value) };
            let more = if shown.len() < one.value.len() { "..." } else { "" };
            format!("Format: Length:{} Dump:0x{shown}{more}", one.value.len() / 2)
        }
        (Kind::Opaque, _) => return None,
        _ => one.value.clone(),
    })
}

/// What `-b` prints: the value as the kernel has it, without an end of line.
fn bytes(one: &Variable) -> Vec<u8> {
    let number = one.value.parse::<i64>().unwrap_or(0);
    let pairs = one.value.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    match one.kind {
        Kind::Integer => number.to_le_bytes()[..4].to_vec(),
        Kind::Long => number.to_le_bytes().to_vec(),
        Kind::Text => format!("{}\0", one.value).into_bytes(),
        Kind::Opaque => pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect(),
    }
}

fn description(name: &str) -> &'static str {
    if name == "hw.ncpu" { "Number of active CPUs" } else { "" }
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "integer",
        Kind::Long => "unsigned long",
        Kind::Text => "string",
        Kind::Opaque => "opaque",
    }
}

fn set(state: &State, words: &Words<'_>, name: &str, value: &str) -> Step<Done> {
    let Some(one) = variables::all(state)?.into_iter().find(|one| one.name == name) else {
        return Ok(Done::Unknown);
    };
    let is_number = matches!(one.kind, Kind::Integer | Kind::Long);
    Ok(match (one.access, is_number) {
        (Access::Read, _) => Done::Refused(format!("oid '{name}' is read only")),
        (Access::Tunable, _) => Done::Refused(format!(
            "oid '{name}' is a read only tunable\nsysctl: Tunable values are set in /boot/loader.conf"
        )),
        (_, true) if value.is_empty() => Done::Refused("empty numeric value".into()),
        (_, true) if value.parse::<i64>().is_err() => Done::Refused(format!("invalid integer '{value}'")),
        _ if !is_root() => {
            show(words, &one);
            Done::Refused(format!("{name}={value}: Operation not permitted"))
        }
        _ => {
            say(line(words, name, &format!("{} -> {value}", one.value)));
            variables::set(state, name, value)?;
            Done::Well
        }
    })
}

#[cfg(test)]
mod tests {
    use super::variables::{Access, Kind, Variable};
    use super::{bytes, line, parse, value};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn flags_cluster_and_names_follow() {
        let args = words("-ni hw.ncpu hw.physmem");
        let words = parse(&args).unwrap();
        assert!(words.has('n') && words.has('i') && words.operands.len() == 2);
    }

    #[test]
    fn nothing_to_show_or_a_foreign_flag_is_a_usage_error() {
        for wrong in ["-n", "-z hw.ncpu", "-nN hw.ncpu"] {
            assert!(parse(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn n_prints_the_value_alone() {
        let printed = |args: &str| line(&parse(&words(args)).unwrap(), "hw.ncpu", "8");
        assert_eq!(
            (printed("-n x"), printed("x"), printed("-e x")),
            ("8\n".into(), "hw.ncpu: 8\n".into(), "hw.ncpu=8\n".into())
        );
    }

    #[test]
    fn bytes_without_a_form_are_dumped_or_not_shown() {
        let id =
            Variable { name: "kern.boot_id".into(), kind: Kind::Opaque, access: Access::Read, value: "00ff10".into() };
        let shown = |args: &str| value(&parse(&words(args)).unwrap(), &id);
        assert_eq!((shown("-n x"), shown("-nx x").as_deref()), (None, Some("Format: Length:3 Dump:0x00ff10")));
        assert_eq!(bytes(&id), [0, 255, 16]);
    }
}
