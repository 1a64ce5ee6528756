//! What a script asks of its host: which system it is, what it has, and whether something answers.

use super::Answer;

/// The release of the host that stand-ins pretend to be on, as uname(1) has it.
const RELEASE: &str = "14.3-RELEASE";

/// Answers a program that asks something of the host, as one would on which the script works.
pub(super) fn ask(program: &str, args: &[&str]) -> Answer {
    match program {
        "uname" => uname(args),
        "hostname" => hostname(args),
        "freebsd-version" => told(format!("{RELEASE}\n"), format!("the host has {RELEASE}")),
        "jls" => jls(args),
        "pw" => pw(args),
        "ping" | "nc" => told("", format!("`{program} {}` finds somebody who answers", args.join(" "))),
        // Nothing is known of its devices and its firmware.
        _ => told("", format!("`{program} {}` finds nothing", args.join(" "))),
    }
}

fn told(output: impl Into<String>, made_up: String) -> Answer {
    Answer { made_up: Some(made_up), ..Answer::tells(output) }
}

/// The name of the host that stand-ins pretend to be on.
const NAME: &str = "host1";

/// hostname(1), which sets the name that it is given.
fn hostname(args: &[&str]) -> Answer {
    if args.iter().any(|arg| !arg.starts_with('-')) {
        return Answer::done();
    }
    told(format!("{NAME}\n"), format!("the host is called {NAME}"))
}

/// uname(1): one word for each option, in its own order.
fn uname(args: &[&str]) -> Answer {
    let letters: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let has = |letter: char| letters.contains(letter) || letters.contains('a');
    let all = [('s', "FreeBSD"), ('n', NAME), ('r', RELEASE), ('v', "FreeBSD 14.3-RELEASE GENERIC"), ('m', "amd64")];
    let only = [('p', "amd64"), ('i', "GENERIC"), ('K', "1403000"), ('U', "1403000")];
    let mut words: Vec<&str> = all.into_iter().filter(|(letter, _)| has(*letter)).map(|(_, word)| word).collect();
    words.extend(only.into_iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, word)| word));
    if words.is_empty() {
        words.push("FreeBSD");
    }
    let line = words.join(" ");
    let made_up = format!("`uname {}` says {line}", args.join(" ")).replace("`uname `", "`uname`");
    told(format!("{line}\n"), made_up)
}

/// jls(8): no jail runs.
fn jls(args: &[&str]) -> Answer {
    let asked = args.windows(2).find_map(|pair| if let ["-j", name] = pair { Some(*name) } else { None });
    match asked {
        // In the words of jls(8), from memory; a script hangs on the status.
        Some(name) => Answer::no(1, format!("jls: jail \"{name}\" not found")),
        None => Answer::tells(""),
    }
}

/// pw(8): whom a script asks for is there.
fn pw(args: &[&str]) -> Answer {
    let (what, rest) = match args {
        ["user" | "group", word, rest @ ..] => (*word, rest),
        [word, rest @ ..] => (*word, rest),
        [] => ("", args),
    };
    if !what.ends_with("show") && !what.ends_with("next") {
        return Answer::done();
    }
    let name = rest.iter().rev().find(|arg| !arg.starts_with('-')).copied().unwrap_or_default();
    told(format!("{name}:*:1001:\n"), format!("`pw {}` finds what it asks for", args.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, answers_of};

    #[test]
    fn the_host_is_one_of_freebsd_on_which_somebody_answers() {
        let lines = [
            "uname",
            "uname -sr",
            "uname -m",
            "uname -a",
            "uname -K",
            "freebsd-version -u",
            "hostname -s",
            "hostname other",
            "jls -j web",
            "jls name",
            "pw usershow vm",
            "pw user show vm",
            "pw useradd vm",
            "ping -c 1 10.0.0.1",
            "jexec web ls",
        ];
        let expected = [
            "0 FreeBSD",
            "0 FreeBSD 14.3-RELEASE",
            "0 amd64",
            "0 FreeBSD host1 14.3-RELEASE FreeBSD 14.3-RELEASE GENERIC amd64",
            "0 1403000",
            "0 14.3-RELEASE",
            "0 host1",
            "0",
            "1 jls: jail \"web\" not found",
            "0",
            "0 vm:*:1001:",
            "0 vm:*:1001:",
            "0",
            "0",
            "0",
        ];
        assert_eq!(answers_of(&Scenario::default(), &lines), expected);
    }

    #[test]
    fn a_program_that_is_not_on_this_host_succeeds_or_fails() {
        let setting = |are_failing| Scenario { programs: vec!["foo".into()], are_failing, ..Scenario::default() };
        assert_eq!(answers_of(&setting(false), &["foo a"]), ["0"]);
        assert_eq!(answers_of(&setting(true), &["foo a"]), ["1"]);
    }
}
