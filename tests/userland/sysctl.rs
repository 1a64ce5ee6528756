//! sysctl(8): reads and sets the variables of the `sysctl` file.

use crate::exit::{Exit, Step, say, warn};
use crate::state::State;

const USAGE: &str = "usage: sysctl [-bdehiNnoqTtWx] [ -B <bufsize> ] [-f filename] name[=value] ...\n       \
                     sysctl [-bdehNnoqTtWx] [ -B <bufsize> ] -a";

/// The letters of the flags.
struct Flags(String);

impl Flags {
    fn has(&self, letter: char) -> bool {
        self.0.contains(letter)
    }

    fn line(&self, name: &str, value: &str) -> String {
        let separator = if self.has('e') { "=" } else { ": " };
        match (self.has('n'), self.has('N')) {
            (true, _) => format!("{value}\n"),
            (_, true) => format!("{name}\n"),
            _ => format!("{name}{separator}{value}\n"),
        }
    }
}

/// Runs sysctl.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let (flags, names) = parse(args).ok_or_else(|| Exit::new(1, USAGE))?;
    let _lock = state.lock()?;
    if flags.has('a') {
        for (name, value) in state.sysctls()? {
            say(flags.line(&name, &value));
        }
        return Ok(0);
    }
    let mut status = 0;
    for name in names {
        let known = match name.split_once('=') {
            Some((name, value)) => set(state, &flags, name, value)?,
            None => show(state, &flags, name)?,
        };
        if !known && !flags.has('i') {
            status = 1;
            if !flags.has('q') {
                warn(format!("sysctl: unknown oid '{}'", name.split('=').next().unwrap_or(name)));
            }
        }
    }
    Ok(status)
}

fn parse(args: &[String]) -> Option<(Flags, &[String])> {
    let words = args.iter().take_while(|arg| arg.len() > 1 && arg.starts_with('-')).count();
    let letters: String = args[..words].iter().flat_map(|word| word.chars().skip(1)).collect();
    let flags = Flags(letters);
    let names = &args[words..];
    let foreign = flags.0.chars().any(|letter| !"abdehiNnoqx".contains(letter));
    let contradiction = flags.has('n') && flags.has('N');
    (!foreign && !contradiction && flags.has('a') == names.is_empty()).then_some((flags, names))
}

/// Shows a variable, or all below a node.
fn show(state: &State, flags: &Flags, name: &str) -> Step<bool> {
    let below = format!("{name}.");
    let mut known = false;
    for (key, value) in state.sysctls()? {
        if key == name || key.starts_with(&below) {
            known = true;
            say(flags.line(&key, &value));
        }
    }
    Ok(known)
}

fn set(state: &State, flags: &Flags, name: &str, value: &str) -> Step<bool> {
    let mut variables = state.sysctls()?;
    let Some((_, old)) = variables.iter_mut().find(|(key, _)| key == name) else {
        return Ok(false);
    };
    say(flags.line(name, &format!("{old} -> {value}")));
    *old = value.to_string();
    let lines: Vec<String> = variables.iter().map(|(key, value)| format!("{key}={value}")).collect();
    state.write_lines("sysctl", &lines)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{Flags, parse};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn flags_cluster_and_names_follow() {
        let args = words("-ni hw.ncpu hw.physmem");
        let (flags, names) = parse(&args).unwrap();
        assert!(flags.has('n') && flags.has('i') && names.len() == 2);
    }

    #[test]
    fn nothing_to_show_or_a_foreign_flag_is_a_usage_error() {
        assert!(parse(&words("-n")).is_none());
        assert!(parse(&words("-z hw.ncpu")).is_none());
        assert!(parse(&words("-nN hw.ncpu")).is_none());
    }

    #[test]
    fn n_prints_the_value_alone() {
        assert_eq!(Flags("n".into()).line("hw.ncpu", "8"), "8\n");
        assert_eq!(Flags(String::new()).line("hw.ncpu", "8"), "hw.ncpu: 8\n");
    }
}
