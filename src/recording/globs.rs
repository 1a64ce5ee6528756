//! The patterns by which a shell script names files, from its text and what its shell tells of its commands (`sh -x`).

use super::words;

/// The programs whose patterns are their own, and not the shell's.
const OWN_PATTERNS: &[&str] = &["awk", "echo", "egrep", "expr", "find", "grep", "printf", "sed", "tr"];

/// Returns the patterns of files from the root on, each once: those for which the shell has found nothing, which stand in a command as they are, and
/// those of the text that fit what a command names. `cwd` is the folder in which the script began.
pub(crate) fn globs(script: &str, lines: &[String], cwd: &str) -> Vec<String> {
    let patterns: Vec<&str> = script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || "\"'`();|&<>".contains(c)))
        .filter_map(|word| word.rsplit('/').next())
        .filter(|name| name.contains('*') && name.contains(|c: char| c.is_alphanumeric()) && !name.contains(['$', '=']))
        .collect();
    let mut folder = cwd.to_string();
    let mut all: Vec<String> = Vec::new();
    for words in lines.iter().filter_map(|line| words::told(line)) {
        let whole = |path: &str| if path.starts_with('/') { path.to_string() } else { format!("{folder}/{path}") };
        let Some((program, args)) = words.split_first() else { continue };
        if program == "cd" {
            folder = args.first().map_or(folder.clone(), |path| whole(path));
            continue;
        }
        let is_plain = |word: &&String| !OWN_PATTERNS.contains(&program.as_str()) && !word.contains([',', '=', ' ']);
        for word in args.iter().filter(is_plain) {
            let path = whole(word);
            let Some((above, name)) = path.rsplit_once('/') else { continue };
            let fitting = patterns.iter().find(|pattern| **pattern == name || fits(name, pattern));
            let pattern = fitting.filter(|_| !above.contains('*')).map(|pattern| format!("{above}/{pattern}"));
            all.extend(pattern.filter(|pattern| !all.contains(pattern)));
        }
    }
    all
}

/// Whether a name fits a pattern, of which only `*` is one.
pub(crate) fn fits(name: &str, pattern: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return name == pattern };
    let is_hidden = before.is_empty() && name.starts_with('.');
    let Some(mut left) = name.strip_prefix(before).filter(|_| !is_hidden) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some(at) = left.find(part) else { return false };
        left = left.split_at(at + part.len()).1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_found_with_the_folders_in_which_they_are_looked_for() {
        let script = "ls -t /vm/iso/*.iso | head -1\nfor d in $DIR/disk*.img; do :; done\nfind . -name '*.log'\ncd /x; [ -f *.conf ]";
        let lines = [
            "+ ls -t /vm/iso/*.iso",
            "+ [ -f /vm/a/disk0.img ]",
            "+ [ -f /vm/a/other.img ]",
            "+ find . -name *.log",
            "+ cd /x",
            "+ [ -f a.conf ]",
            "+ bhyve -s 4,ahci-cd,/vm/iso/a.iso",
        ];
        let found = globs(script, &lines.map(String::from), "/root");
        assert_eq!(found, ["/vm/iso/*.iso", "/vm/a/disk*.img", "/x/*.conf"]);
    }

    #[test]
    fn a_name_fits_a_pattern_as_the_shell_has_it() {
        let fit = [("a.iso", "*.iso"), ("./a.iso", "./*.iso"), ("abcd", "a*c*"), ("a", "a*"), ("a", "a")]
            .map(|(name, pattern)| fits(name, pattern));
        let not = [(".iso", "*.iso"), ("a.img", "*.iso"), ("b", "a*"), ("ab", "a*b*c")]
            .map(|(name, pattern)| fits(name, pattern));
        assert_eq!((fit, not), ([true; 5], [false; 4]));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(script in "[a*/. ]{0,20}", line in "\\+ [a-c*/. ]{0,20}", name in ".{0,9}", pattern in "[a*é]{0,9}") {
            globs(&script, &[line], "/");
            fits(&name, &pattern);
        }
    }
}
