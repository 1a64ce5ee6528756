//! The programs that run another one: what it is that they run.

use super::base_name;

/// The programs that run another one, as somebody else, in the background or in a terminal. Their stand-ins take its call as if it stood alone.
pub(crate) const CARRIERS: &[&str] = &[
    "abduco", "cpuset", "daemon", "doas", "dtach", "env", "idprio", "limits", "lockf", "nice", "nohup", "protect",
    "rtprio", "screen", "setfib", "setsid", "su", "sudo", "timeout", "tmux",
];

/// What a carrier was asked to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    /// The words of the command.
    pub words: &'a [String],
    /// They are a text that a shell reads.
    pub is_line: bool,
}

/// Returns what a carrier was asked to run: what follows its options and variables. Nothing if it is asked for something else.
pub fn carried(argv: &[String]) -> Option<Carried<'_>> {
    let (carrier, rest) = argv.split_first()?;
    let carrier = base_name(carrier);
    match carrier {
        "su" => su(rest),
        "tmux" => tmux(rest),
        "screen" if rest.iter().any(|word| word == "-X") => stuffed(rest),
        "screen" if rest.iter().any(|word| ["-ls", "-list", "-r", "-x"].contains(&word.as_str())) => None,
        _ => {
            // The options that take an argument, and how many words stand before the command.
            let (with_argument, words) = match carrier {
                "daemon" => (OF_DAEMON, 0),
                "doas" => ("aCu", 0),
                "env" => ("CLPSUu", 0),
                "nice" => ("n", 0),
                "cpuset" => ("djlnpstx", 0),
                "nohup" | "protect" | "setsid" => ("", 0),
                "timeout" => ("ks", 1),
                "lockf" => ("t", 1),
                "limits" => ("bCcdfklmnopPstUuvw", 0),
                "dtach" => ("aAcenNr", 0),
                "abduco" => ("aAcen", 0),
                // By `-F NUMBER`, or the number alone.
                "setfib" if rest.first().is_some_and(|word| word.starts_with('-')) => ("F", 0),
                "setfib" => ("", 1),
                "idprio" | "rtprio" => ("", 1),
                "screen" => ("cehLpsStT", 0),
                _ => ("CDghpRrTtUu", 0),
            };
            let rest = operands(rest, with_argument).get(words..)?;
            let is_number = |word: &String| word.bytes().all(|b| b.is_ascii_digit());
            let rest = if carrier.ends_with("prio") && rest.first().is_some_and(is_number) { &[] } else { rest };
            (!rest.is_empty()).then_some(Carried { words: rest, is_line: false })
        }
    }
}

/// Returns after how many seconds daemon(8) starts its command again whenever it has ended, if it does: after one by `-r`, after what `-R`
/// says.
pub(crate) fn supervised(argv: &[String]) -> Option<u64> {
    let (_, rest) = argv.split_first().filter(|(carrier, _)| base_name(carrier) == "daemon")?;
    let options = rest.get(..rest.len().checked_sub(carried(argv)?.words.len())?)?;
    let mut words = options.iter();
    let mut seconds = None;
    while let Some(letters) = words.next().and_then(|word| word.strip_prefix('-')) {
        if letters == "-restart" {
            seconds = seconds.or(Some(1));
        }
        for (at, letter) in letters.char_indices().take_while(|_| !letters.starts_with('-')) {
            if OF_DAEMON.contains(letter) {
                let joined = letters.get(at + 1..).filter(|joined| !joined.is_empty());
                let value = joined.or_else(|| words.next().map(String::as_str));
                seconds = if letter == 'R' { value.and_then(|value| value.parse().ok()).or(Some(1)) } else { seconds };
                break;
            }
            seconds = seconds.or((letter == 'r').then_some(1));
        }
    }
    seconds
}

/// The options of daemon(8) that take an argument.
const OF_DAEMON: &str = "lmopPRstTu";

/// Returns what follows options and variables.
fn operands<'a>(words: &'a [String], with_argument: &str) -> &'a [String] {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            return after;
        }
        let is_variable =
            word.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        match word.strip_prefix('-') {
            Some(letters) if !letters.is_empty() => {
                let takes_next =
                    !letters.starts_with('-') && letters.chars().next_back().is_some_and(|c| with_argument.contains(c));
                rest = if takes_next { after.get(1..).unwrap_or_default() } else { after };
            }
            _ if is_variable => rest = after,
            _ => break,
        }
    }
    rest
}

/// The line that su(1) has a shell run: its last `-c`, as FreeBSD's takes a class by an earlier one.
fn su(words: &[String]) -> Option<Carried<'_>> {
    let is_command = |word: &str| {
        word == "--command"
            || word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.ends_with('c'))
    };
    let at = words.iter().rposition(|word| is_command(word))?;
    let words = words.get(at + 1..at + 2)?;
    Some(Carried { words, is_line: true })
}

/// `tmux new-session … COMMAND` and its kin, and what `send-keys` types (tmux(1)): one word is a text for a shell.
fn tmux(words: &[String]) -> Option<Carried<'_>> {
    let words = operands(words, "fLSTc");
    let (word, rest) = words.split_first()?;
    let is_one = |names: &[&str]| names.contains(&word.as_str());
    if is_one(&["send-keys", "send"]) {
        let keys = operands(rest, "tN");
        let words = keys.get(..1)?;
        return keys
            .get(1)
            .is_some_and(|key| ["Enter", "C-m", "KPEnter"].contains(&key.as_str()))
            .then_some(Carried { words, is_line: true });
    }
    if !is_one(&[
        "new-session",
        "new",
        "new-window",
        "neww",
        "split-window",
        "splitw",
        "respawn-pane",
        "run-shell",
        "run",
    ]) {
        return None;
    }
    let words = operands(rest, "cefFnstxyl");
    (!words.is_empty()).then_some(Carried { words, is_line: words.len() == 1 })
}

/// `screen -S NAME -X stuff TEXT`: what is typed, up to its end of line.
fn stuffed(words: &[String]) -> Option<Carried<'_>> {
    let at = words.iter().position(|word| word == "stuff")?;
    let words = words.get(at + 1..at + 2)?;
    Some(Carried { words, is_line: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_string).collect()
    }

    #[test]
    fn what_daemon_starts_again_it_does_after_a_time() {
        let cases = [
            ("daemon -R 15 -p /x bhyve a", Some(15)),
            ("daemon -f -p /run/vm.pid -r bhyve -r a", Some(1)),
            ("daemon -rR7 bhyve a", Some(7)),
            ("daemon -cfr -u root bhyve a", Some(1)),
            ("daemon --restart bhyve a", Some(1)),
            ("daemon -f -p/run/R bhyve -R 3 a", None),
            ("nice -n 5 bhyve -r a", None),
        ];
        for (line, expected) in cases {
            assert_eq!(supervised(&argv(line)), expected, "{line}");
        }
    }

    #[test]
    fn what_a_carrier_runs_is_what_follows_its_options() {
        let cases = [
            ("sudo ifconfig tap1 create", "ifconfig tap1 create"),
            ("sudo -n -u root A=b ifconfig -l", "ifconfig -l"),
            ("/usr/local/bin/doas -u root -- ifconfig", "ifconfig"),
            ("sudo --user=root ifconfig", "ifconfig"),
            ("cpuset -c -l 0-3 bhyve -c 1 vm", "bhyve -c 1 vm"),
            ("daemon -f -p /run/vm.pid -r bhyve -c 1 vm", "bhyve -c 1 vm"),
            ("nice -n 5 bhyve a", "bhyve a"),
            ("cpuset -l 0-3 bhyve a", "bhyve a"),
            ("env -i A=b bhyve a", "bhyve a"),
            ("timeout -k 5 30 bhyve a", "bhyve a"),
            ("lockf -k -t 0 /var/run/a.lock bhyve a", "bhyve a"),
            ("limits -m 3g -U vm bhyve a", "bhyve a"),
            ("setfib 1 bhyve a", "bhyve a"),
            ("setfib -F 1 bhyve a", "bhyve a"),
            ("protect -i bhyve a", "bhyve a"),
            ("dtach -n /run/a.sock bhyve a", "bhyve a"),
            ("abduco -n a bhyve a", "bhyve a"),
            ("nohup bhyve a", "bhyve a"),
            ("setsid -w bhyve a", "bhyve a"),
            ("idprio 5 bhyve a", "bhyve a"),
            ("screen -dmS a bhyve a", "bhyve a"),
            ("tmux -L x new-session -d -s a bhyve -c 1 a", "bhyve -c 1 a"),
        ];
        for (line, rest) in cases {
            assert_eq!(carried(&argv(line)).unwrap().words.join(" "), rest, "{line}");
        }
        for line in [
            "sudo",
            "sudo -v",
            "sudo -u",
            "sudo -s",
            "tmux ls",
            "tmux new -d",
            "screen -ls",
            "su -",
            "cpuset -g",
            "lockf -t 0 9",
        ] {
            assert_eq!(carried(&argv(line)), None, "{line}");
        }
        for line in ["su root -c ls", "su - -c ls", "su -c class root -c ls", "su -mc ls"] {
            assert_eq!(carried(&argv(line)).map(|carried| carried.words.concat()), Some("ls".into()), "{line}");
        }
    }
}
