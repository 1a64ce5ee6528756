//! The arguments of a call, each option of bhyve together with its value.

/// The options of bhyve that take an argument (bhyve(8)), of every architecture and release.
const WITH_ARGUMENT: &str = "fkopGcsmlKUnrg";

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Both with and without.
    Always,
    /// Only with what initializes the machine.
    OnlyInit,
    /// Only without what initializes the machine.
    OnlyWithout,
}

/// Arguments that belong together, and when they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The arguments: an option with its value, or a word of its own.
    pub words: Vec<String>,
    /// When they are there.
    pub when: When,
}

/// Returns the arguments of a call of a program in groups. Those of programs other than bhyve are one each.
pub(crate) fn groups(program: &str, args: &[String]) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    let mut rest = args;
    let mut is_options = program == "bhyve";
    while let Some((word, after)) = rest.split_first() {
        let length = if is_options { option(word) } else { Some(1) };
        is_options &= length.is_some();
        let (group, after) = match length {
            Some(2) if !after.is_empty() => rest.split_at(2),
            _ => (std::slice::from_ref(word), after),
        };
        groups.push(group.to_vec());
        rest = after;
    }
    groups
}

/// Returns the machine that bhyve is told to boot: the word after the options (bhyve(8)), else the key `name`. A machine that
/// may be named in a file, by `-k`, is the empty name.
pub(crate) fn machine(args: &[String]) -> Option<&str> {
    let mut rest = args;
    let mut named = None;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            return after.first().map(String::as_str).or(named);
        }
        let value = after.first().map(String::as_str).unwrap_or_default();
        rest = match option(word) {
            Some(2) => {
                if word.ends_with('o') && value.starts_with("name=") {
                    named = value.strip_prefix("name=");
                }
                named = named.or(word.ends_with('k').then_some(""));
                after.get(1..).unwrap_or_default()
            }
            Some(_) => after,
            None => return Some(word),
        };
    }
    named
}

/// Returns how many words an option takes, or nothing if the word is none.
fn option(word: &str) -> Option<usize> {
    let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty() && *letters != "-")?;
    let at = letters.find(|c| WITH_ARGUMENT.contains(c));
    let ends = at.is_some_and(|at| at + 1 == letters.len());
    Some(if ends { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::call::Call;

    fn call(line: &str) -> Call {
        Call { argv: line.split(' ').map(str::to_string).collect(), ..Call::default() }
    }

    fn shown(line: &str) -> String {
        let call = call(line);
        groups(call.program(), call.args()).iter().map(|group| group.join(" ")).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn an_option_stays_with_its_value() {
        assert_eq!(shown("bhyve -c 1 -wH -m512M -HAs 0,lpc vm"), "-c 1 | -wH | -m512M | -HAs 0,lpc | vm");
        assert_eq!(shown("bhyve -s"), "-s");
        assert_eq!(shown("bhyve vm -c 1"), "vm | -c | 1");
        assert_eq!(shown("truncate -s 1G a"), "-s | 1G | a");
    }

    #[test]
    fn the_machine_is_the_word_after_the_options() {
        let cases = [
            ("bhyve -c 1 -wH vm", Some("vm")),
            ("bhyve -g 0 vm", Some("vm")),
            ("bhyve -o name=x -- vm", Some("vm")),
            ("bhyve -o name=x -k file", Some("x")),
            ("bhyve -k file -c 1", Some("")),
            ("bhyve -c", None),
            ("bhyve", None),
        ];
        for (line, name) in cases {
            assert_eq!(call(line).boots(), name, "{line}");
        }
    }
}
