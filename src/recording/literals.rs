//! What a script compares answers with: each of them is an answer after which it may do something else.

/// The words after which a number or a text stands that something is compared with (test(1)).
const COMPARISONS: &[&str] = &["=", "==", "!=", "-eq", "-ne", "-gt", "-ge", "-lt", "-le", ">", "<", ">=", "<="];

/// Returns the texts that a script compares something with, each once: the patterns of its `case`, in which a wildcard stands for something, the
/// words of its tests, and what it looks for by grep(1). Beside a number are those before and after it.
pub(crate) fn literals(script: &str) -> Vec<String> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let text = lines.join("\n");
    let found = patterns(&text).into_iter().chain(compared(&text)).chain(searched(&text));
    let mut all: Vec<String> = Vec::new();
    for one in found {
        let near = one.parse::<u64>().ok().map(|number| [number.saturating_sub(1), number + 1].map(|n| n.to_string()));
        for text in std::iter::once(one).chain(near.into_iter().flatten()) {
            if !text.is_empty() && !all.contains(&text) {
                all.push(text);
            }
        }
    }
    all
}

/// Returns the numbers that stand in a script and may be those of ports, each once.
pub(crate) fn ports(script: &str) -> Vec<String> {
    let numbers =
        script.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.parse::<u16>().is_ok_and(|n| n > 20));
    let mut all: Vec<String> = Vec::new();
    for number in numbers {
        if !all.iter().any(|known| known == number) {
            all.push(number.into());
        }
    }
    all
}

/// Returns the patterns of each `case`, as a text that fits.
fn patterns(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("case ") {
        let (body, left) = after.split_once("esac").unwrap_or((after, ""));
        rest = left;
        let Some((_, arms)) = body.split_once(" in").filter(|(_, arms)| arms.starts_with(char::is_whitespace)) else {
            continue;
        };
        let heads = arms.split(";;").filter_map(|arm| arm.split_once(')')).map(|(head, _)| head);
        all.extend(heads.flat_map(|head| head.trim().trim_start_matches('(').split('|')).filter_map(fitting));
    }
    all
}

/// Returns a text that fits a pattern. Nothing of one that fits everything, or is not known.
fn fitting(pattern: &str) -> Option<String> {
    let pattern = unquoted(pattern.trim())?;
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' => text.push('0'),
            '[' => {
                text.extend(chars.next());
                chars.by_ref().find(|c| *c == ']')?;
            }
            _ => text.push(c),
        }
    }
    (!pattern.chars().all(|c| c == '*')).then_some(text)
}

/// Returns the words beside comparisons.
fn compared(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == ';').collect();
    let beside = words.windows(3).filter(|three| COMPARISONS.contains(&three[1]));
    beside.flat_map(|three| [three[0], three[2]]).filter_map(|word| unquoted(word.trim_matches(['(', ')']))).collect()
}

/// Returns what grep(1) is told to look for, as a text in which it is.
fn searched(text: &str) -> Vec<String> {
    let is_grep = |word: &str| ["grep", "egrep", "fgrep"].contains(&word.trim_start_matches(['(', '`', '$', '!']));
    let mut all = Vec::new();
    for line in text.split(['\n', '|', ';', '&']) {
        let mut words = line.split_whitespace().skip_while(|word| !is_grep(word)).skip(1);
        let word = words.find(|word| !word.starts_with('-')).map(|word| word.trim_matches(['"', '\'', '$']));
        let Some(pattern) = word.and_then(unquoted) else { continue };
        let plain: String = pattern.trim_matches(['^', '$', ')']).replace(['\\', '*'], "");
        all.push(plain);
    }
    all
}

/// Returns a word without its quotes. Nothing of an option, and where a variable or a bracket of the shell's is in it.
fn unquoted(word: &str) -> Option<String> {
    let word = word.replace(['"', '\''], "");
    (!word.contains(['$', '`', '(', ')']) && !word.starts_with(['-', '+']) && !word.is_empty() && word.len() < 100)
        .then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_answers_are_compared_with_is_found() {
        let cases = [
            ("case $(hostname) in big*|web?) M=8;; (db[12].x) M=2;; *) M=1;; esac", "big0 web0 db1.x"),
            ("[ \"$(hostname -s)\" = web1 ] || [ 'a' != \"$x\" ]", "web1 a"),
            ("[ $(date +%H) -gt 20 ]; (( $n >= 4 ))", "20 19 21 4 3 5"),
            ("sockstat -4l | grep -q ':5900$'\nif pciconf -l | grep ppt0; then :; fi", ":5900 ppt0"),
            ("# case x in a) ;; esac", ""),
        ];
        for (script, expected) in cases {
            assert_eq!(literals(script).join(" "), expected, "{script}");
        }
        assert_eq!(ports("p=5900; bhyve -s 31,lpc -c 2 -m 99999G a:5901 5900"), ["5900", "31", "5901"]);
    }

    proptest! {
        #[test]
        fn no_script_is_too_much(text in "(case |esac| in |;;|\\)|\\[|\\]|[a-z*?$\"'0-9 =]|\n|grep |-gt ){0,40}") {
            literals(&text);
        }
    }
}
