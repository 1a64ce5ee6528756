//! The programs that read what they do from their standard input: a recipe has that as an argument of the shell that gives it to them.

use super::call::Call;

/// Whether a command reads what it does from its standard input: pfctl(8) and ngctl(8) with `-f -`, and ngctl(8) without a word.
pub(crate) fn reads_input(argv: &[String]) -> bool {
    let Some((program, words)) = argv.split_first() else { return false };
    let is_input = |word: &String| ["-", "-f-", "/dev/stdin", "-f/dev/stdin"].contains(&word.as_str());
    match program.as_str() {
        "pfctl" => words.iter().any(is_input),
        "ngctl" => words.iter().any(is_input) || words.iter().all(|word| word.starts_with('-')),
        _ => false,
    }
}

/// Returns the call of a shell that gives a program what it has read; nothing where it has read nothing.
pub(crate) fn fed(call: &Call) -> Option<Call> {
    if !reads_input(&call.argv) || call.heard.is_empty() {
        return None;
    }
    let line = format!("printf %s \"$1\" | {}", call.command());
    let argv = ["sh", "-c", &line, "sh", &call.heard].map(String::from).into();
    Some(Call { argv, heard: String::new(), ..call.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_reads_is_an_argument_of_the_shell_that_gives_it() {
        let call = |line: &str, heard: &str| Call {
            argv: line.split(' ').map(String::from).collect(),
            heard: heard.into(),
            ..Call::default()
        };
        let shown = |call: Call| fed(&call).map(|call| call.argv.join("|"));
        assert_eq!(
            shown(call("pfctl -a vm -f -", "pass all\n")).unwrap(),
            "sh|-c|printf %s \"$1\" | pfctl -a vm -f -|sh|pass all\n"
        );
        assert!(shown(call("ngctl", "list\n")).is_some() && shown(call("ngctl -f /x", "list\n")).is_none());
        assert_eq!(shown(call("ngctl list", "list\n")), None);
        assert_eq!((shown(call("pfctl -f -", "")), shown(call("sh -c x -", "y"))), (None, None));
    }
}
