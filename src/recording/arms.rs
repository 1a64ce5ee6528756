//! The arms of a shell script: what an argument chooses of it, by a `case` or as the name of a function.

/// Returns the labels of each `case`, as far as they are plain words, and then the names of the functions, each list in its order. Lists
/// without a word are left out.
pub(crate) fn arms(text: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut rest = text;
    while let Some(at) = find_word(rest, "case") {
        rest = rest.get(at + "case".len()..).unwrap_or_default();
        all.push(labels(rest));
    }
    all.push(functions(text));
    all.retain(|words| !words.is_empty());
    all
}

/// Where a word stands by itself.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || "_-./$".contains(c);
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).unwrap_or_default();
        let after = text.get(at + word.len()..).unwrap_or_default();
        let is_comment = before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with('#'));
        !before.ends_with(is_part) && !after.starts_with(is_part) && !is_comment
    })
}

/// The labels of one `case`, of which the text is what follows that word.
fn labels(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(at) = find_word(text, "in") else { return found };
    let mut rest = text.get(at + 2..).unwrap_or_default();
    loop {
        rest = rest.trim_start();
        while rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        }
        let Some((head, body)) = rest.split_once(')').filter(|_| find_word(rest, "esac") != Some(0)) else {
            return found;
        };
        for label in head.trim_start_matches('(').split('|') {
            let label = label.trim().trim_matches(['"', '\'']);
            if is_plain(label) && !found.iter().any(|other| other == label) {
                found.push(label.into());
            }
        }
        match behind(body) {
            Some(next) => rest = next,
            None => return found,
        }
    }
}

/// What follows the body of an arm; nothing where its `case` ends there.
fn behind(body: &str) -> Option<&str> {
    let mut from = 0;
    let mut depth = 0_u32;
    loop {
        let rest = body.get(from..)?;
        let end = rest.find(";;").unwrap_or(rest.len());
        let (inner, outer) = (find_word(rest, "case"), find_word(rest, "esac"));
        match (inner, outer) {
            (Some(inner), _) if inner < end && outer.is_none_or(|outer| inner < outer) => {
                (depth, from) = (depth + 1, from + inner + "case".len());
            }
            (_, Some(outer)) if outer < end && depth > 0 => (depth, from) = (depth - 1, from + outer + "esac".len()),
            (_, Some(outer)) if outer < end => return None,
            _ if end == rest.len() => return None,
            _ if depth > 0 => from += end + 2,
            _ => return rest.get(end + 2..),
        }
    }
}

fn functions(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.trim_start();
        let name = match line.strip_prefix("function ") {
            Some(rest) => rest.trim_start().split(|c: char| c.is_whitespace() || "({".contains(c)).next(),
            None => {
                line.split_once('(').filter(|(_, rest)| rest.trim_start().starts_with(')')).map(|(name, _)| name.trim())
            }
        };
        name.filter(|name| is_plain(name)).map(String::from)
    };
    text.lines().filter_map(name).collect()
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        arms(text).iter().map(|words| words.join(" ")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn labels_and_functions_are_found_where_they_stand() {
        let text = "# case of a comment in\nstart_a() {\n\tcase $2 in -i) i=1 ;; esac\n}\nfunction stop { :; }\n\
                    case \"$1\" in\n(web|\"db\")\n\tcase $2 in x) :;; y) :;; esac ;;\n# none\nstop) exit ;;\n*.img) ;;\n*) usage\nesac\n";
        assert_eq!(shown(text), "-i; web db stop; x y; start_a stop");
        assert_eq!(shown("case $name in\ninstall)\n\tvp=1\n\t;;\nreport1)\n\tvp=2\n\t;;\nesac\n"), "install report1");
        assert_eq!((shown("echo in case of need"), shown("case")), <_>::default());
    }
}
