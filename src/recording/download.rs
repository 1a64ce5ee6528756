//! curl(1), fetch(1) and wget(1): which file they would have made.

use super::base_name;

/// The options of each that take an argument, as far as scripts use them with a download: letters, and long ones beside.
const OPTIONS: &[(&str, &str, &[&str])] = &[
    (
        "curl",
        "AbcCdDeEFHhKmoPQrtTuUwxXyYz",
        &[
            "--connect-timeout",
            "--data",
            "--header",
            "--max-time",
            "--output",
            "--output-dir",
            "--proxy",
            "--range",
            "--retry",
            "--retry-delay",
            "--user",
            "--user-agent",
            "--cacert",
            "--request",
        ],
    ),
    ("fetch", "BcfhiNoSTw", &["--output", "--timeout", "--user-agent", "--retry-delay", "--redirect-max"]),
    ("wget", "aBDeiIloOPQtTUwXR", &[]),
];

/// Returns the file that a download is written to. Nothing of one that is printed, and of any other program.
pub(crate) fn file(call: &[String]) -> Option<String> {
    let (program, args) = call.split_first()?;
    let (name, letters, longs) = OPTIONS.iter().find(|(name, ..)| *name == program)?;
    let (mut output, mut folder, mut by_its_name, mut url) = (None, None, *name != "curl", None);
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (long, joined) = long.split_once('=').map_or((long, None), |(long, value)| (long, Some(value)));
            let takes = longs.iter().any(|known| known.strip_prefix("--") == Some(long));
            let value = joined.or_else(|| if takes { words.next() } else { None });
            match long {
                "output" | "output-document" => output = value,
                "output-dir" | "directory-prefix" => folder = value,
                "remote-name" => by_its_name = true,
                _ => {}
            }
        } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            let at = cluster.find(|letter| letters.contains(letter));
            by_its_name |=
                *name == "curl" && cluster.get(..at.unwrap_or(cluster.len())).unwrap_or_default().contains('O');
            let Some((letter, rest)) =
                at.and_then(|at| cluster.get(at..)).and_then(|rest| Some((rest.chars().next()?, rest.get(1..)?)))
            else {
                continue;
            };
            let value = if rest.is_empty() { words.next() } else { Some(rest) };
            match (*name, letter) {
                ("curl" | "fetch", 'o') | ("wget", 'O') => output = value,
                ("wget", 'P') => folder = value,
                _ => {}
            }
        } else {
            url = Some(word);
        }
    }
    let own =
        url.map(|url| base_name(url.split(['?', '#']).next().unwrap_or_default())).filter(|name| !name.is_empty());
    let file = output.or(own.filter(|_| by_its_name)).filter(|file| *file != "-" && !file.is_empty())?;
    Some(folder.map_or_else(|| file.to_string(), |folder| format!("{folder}/{file}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_file_of_a_download_is_the_one_that_is_named() {
        let cases = [
            ("curl -fsSL -o a.img https://x/b.img", Some("a.img")),
            ("curl -fsSLo a.img https://x/b.img", Some("a.img")),
            ("curl -LO https://x/b.img?v=1", Some("b.img")),
            ("curl --retry 3 --remote-name https://x/b.img", Some("b.img")),
            ("curl --output=a --output-dir /vm https://x/b.img", Some("/vm/a")),
            ("curl -H Accept:x https://x/b.img", None),
            ("curl -sS https://x/b.img -o -", None),
            ("fetch https://x/b.img", Some("b.img")),
            ("fetch -qo /vm/a.img https://x/b.img", Some("/vm/a.img")),
            ("fetch -o - https://x/b.img", None),
            ("wget -q https://x/b.img", Some("b.img")),
            ("wget -qO a.img https://x/b.img", Some("a.img")),
            ("wget -qO- https://x/b.img", None),
            ("wget -P /vm https://x/b.img", Some("/vm/b.img")),
            ("wget https://x/", None),
            ("cp -o a b", None),
        ];
        for (line, expected) in cases {
            let argv: Vec<String> = line.split(' ').map(str::to_string).collect();
            assert_eq!(file(&argv).as_deref(), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_words_are_too_much(argv in proptest::collection::vec("(curl|wget|fetch|-[oOP]?|--[a-z=]*|.{0,6})", 0..6)) {
            let _ = file(&argv);
        }
    }
}
