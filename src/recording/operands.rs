//! For which files the text of a shell script tests, with what is known of its variables: nothing is run, and no shell has to tell.

/// How often a variable is followed to what it is set to.
const STEPS_MAX: usize = 4;

/// How many texts a word may stand for.
const VALUES_MAX: usize = 32;

/// How deep a text within quotes is read.
const DEPTH_MAX: usize = 4;

/// Stands for what is not known of a word.
const ANY: &str = "*";

/// The options of test(1) that ask for a file.
pub(crate) const OPTIONS: &[&str] = &["-e", "-f", "-s", "-r", "-w", "-x", "-d", "-S", "-c", "-b", "-p"];

/// A test of a script: `[ -f "$disk" ]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    /// What is asked of the file.
    pub(crate) option: String,
    /// The word that names it, without its quotes.
    pub(crate) word: String,
}

/// A script, and what it is called with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// Its text.
    pub(crate) text: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
}

/// A word of a line; nothing where a command ends.
type Word = Option<String>;

/// Returns what a text tests files for, each once.
pub(crate) fn operands(text: &str) -> Vec<Operand> {
    let mut all = Vec::new();
    each_line(text, 0, &mut |words| {
        let is_in_test = |at: usize| {
            let before = words.get(..at).unwrap_or_default().iter().rev();
            let command = before.take_while(|word| word.as_deref().is_some_and(|word| !["]", "]]"].contains(&word)));
            command.flatten().any(|word| ["[", "[[", "test"].contains(&word.as_str()))
        };
        for (at, pair) in words.windows(2).enumerate() {
            let [Some(option), Some(word)] = pair else { continue };
            let found = Operand { option: option.clone(), word: word.clone() };
            let is_one = OPTIONS.contains(&option.as_str()) && !word.is_empty() && is_in_test(at);
            if is_one && !all.contains(&found) {
                all.push(found);
            }
        }
    });
    all
}

/// Returns the words behind `<`: the files that a text has commands read.
pub(crate) fn inputs(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    each_line(text, 0, &mut |words| {
        for (at, word) in words.iter().enumerate().filter_map(|(at, word)| Some((at, word.as_ref()?))) {
            let next = || words.get(at + 1).cloned().flatten();
            let file = if word == "<" { next() } else { word.strip_prefix('<').map(String::from) };
            all.extend(file.filter(|file| !file.is_empty() && !file.starts_with('<')));
        }
    });
    all
}

/// Looks at the words of each line of a text, and of what stands within quotes there.
fn each_line(text: &str, depth: usize, look: &mut impl FnMut(&[Word])) {
    for line in code(text) {
        let mut inner = Vec::new();
        look(&split(line, &mut inner));
        if depth < DEPTH_MAX {
            inner.iter().for_each(|text| each_line(text, depth + 1, look));
        }
    }
}

/// Returns the lines of a text that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#'))
}

/// Splits a line into words without their quotes. What is within quotes or `$(…)` and has blanks is added to `inner`: a shell may be told to
/// run it. A quote that is not closed goes up to the end of the line.
fn split(line: &str, inner: &mut Vec<String>) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = after;
        match c {
            '\'' | '"' => {
                let (quoted, others) = within(after, c);
                inner.extend(Some(&quoted).filter(|text| text.contains(' ')).cloned());
                word.get_or_insert_default().push_str(&quoted);
                rest = others;
            }
            '$' if after.starts_with('(') => {
                let (said, others) = in_brackets(after);
                inner.push(said.into());
                word.get_or_insert_default().push_str(&format!("$({said})"));
                rest = others;
            }
            '\\' => {
                word.get_or_insert_default().extend(after.chars().next());
                rest = after.get(after.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
            }
            ' ' | '\t' | ';' | '&' | '|' | '(' | ')' => {
                words.extend(word.take().map(Some));
                words.extend((!c.is_whitespace()).then_some(None));
            }
            '#' if word.is_none() => break,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(Some));
    words
}

/// Returns what stands up to a closing quote, and what is behind it.
fn within(text: &str, quote: char) -> (String, &str) {
    let mut said = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return (said, text.get(at + c.len_utf8()..).unwrap_or_default());
        }
        match c {
            '\\' if quote == '"' => said.extend(chars.next().map(|(_, c)| c)),
            c => said.push(c),
        }
    }
    (said, "")
}

/// Returns what stands in brackets, and what is behind them.
fn in_brackets(text: &str) -> (&str, &str) {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            return (text.get(1..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        }
    }
    (text.get(1..).unwrap_or_default(), "")
}

/// A family of scripts: one may set what another one tests.
pub(crate) struct Family<'a> {
    /// They.
    pub(crate) scripts: &'a [Script],
    /// Returns what a variable is set to before the first of them begins.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
}

impl Family<'_> {
    /// Returns the texts that a word of one of the scripts may stand for; what is not known of them is a `*`.
    pub(crate) fn values(&self, script: &Script, word: &str) -> Vec<String> {
        let mut names = Vec::new();
        self.expanded(script, word, &mut names)
    }

    fn expanded(&self, script: &Script, word: &str, names: &mut Vec<String>) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut rest = word;
        while let Some((head, after)) = rest.split_once(['$', '`']) {
            all.iter_mut().for_each(|text| text.push_str(head));
            let is_command = rest.get(head.len()..).is_some_and(|rest| rest.starts_with('`'));
            let (texts, others) = if is_command {
                (vec![ANY.to_string()], after.split_once('`').map_or("", |(_, others)| others))
            } else {
                let (variable, others) = variable(after);
                (variable.map_or_else(|| vec![ANY.into()], |one| self.of(script, one, names)), others)
            };
            let pairs = all.iter().flat_map(|text| texts.iter().map(move |value| format!("{text}{value}")));
            all = pairs.take(VALUES_MAX).collect();
            rest = others;
        }
        all.iter_mut().for_each(|text| text.push_str(rest));
        all.dedup();
        all
    }

    /// Returns what a variable may be.
    fn of(&self, script: &Script, (name, default): (&str, Option<&str>), names: &mut Vec<String>) -> Vec<String> {
        let is_known = names.len() < STEPS_MAX && !names.iter().any(|known| known == name);
        let mut words = if is_known { self.assigned(script, name) } else { Vec::new() };
        let is_set = !words.is_empty();
        words.extend(default.filter(|_| is_known).map(|word| (script.clone(), word.to_string())));
        names.push(name.into());
        let mut all: Vec<String> =
            words.iter().flat_map(|(script, word)| self.expanded(script, word, names)).take(VALUES_MAX).collect();
        names.pop();
        let env = (self.env)(name).filter(|_| !is_set);
        let fallback = || default.filter(|word| !word.contains('$')).map_or(ANY.into(), String::from);
        if all.is_empty() {
            all.push(env.unwrap_or_else(fallback));
        } else {
            all.extend(env);
        }
        all.dedup();
        all
    }

    /// Returns the words to which a variable is set, each with the script that does so. What is read from elsewhere is a command's.
    fn assigned(&self, script: &Script, name: &str) -> Vec<(Script, String)> {
        if let Ok(number) = name.parse::<usize>() {
            return script.arguments(number).into_iter().map(|word| (script.clone(), word)).collect();
        }
        let own = |script: &Script| -> Vec<(Script, String)> {
            set_to(&script.text, name).into_iter().map(|word| (script.clone(), word)).collect()
        };
        let here = own(script);
        if here.is_empty() { self.scripts.iter().flat_map(own).collect() } else { here }
    }
}

/// Splits what is behind a `$` into the name of a variable with its default, and the rest. No name where that is something else.
fn variable(text: &str) -> (Option<(&str, Option<&str>)>, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with('(') {
        return (None, in_brackets(text).1);
    }
    if let Some(inside) = text.strip_prefix('{') {
        let end = inside.char_indices().scan(1_usize, |open, (at, c)| {
            *open = match c {
                '{' => *open + 1,
                '}' => *open - 1,
                _ => *open,
            };
            (*open > 0).then_some(at + c.len_utf8())
        });
        let (said, rest) = inside.split_at(end.last().unwrap_or_default());
        let (name, more) = said.split_at(said.find(|c| !is_name(c)).unwrap_or(said.len()));
        let default = [":-", ":=", "-", "="].iter().find_map(|sign| more.strip_prefix(sign));
        let is_plain = !name.is_empty() && (more.is_empty() || default.is_some() || more.starts_with([':', '?']));
        let default = default.map(|word| word.trim_matches(['"', '\'']));
        return (is_plain.then_some((name, default)), rest.strip_prefix('}').unwrap_or(rest));
    }
    let end = if text.starts_with(|c: char| c.is_ascii_digit()) {
        1
    } else {
        text.find(|c| !is_name(c)).unwrap_or(text.len())
    };
    let (name, rest) = text.split_at(end);
    match name {
        // `$@`, `$*`, `$?` and the like.
        "" => (None, rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default()),
        name => (Some((name, None)), rest),
    }
}

/// Returns the words to which a text sets a variable: by `name=WORD`, or `for name in WORD…`.
fn set_to(text: &str, name: &str) -> Vec<String> {
    const KEYWORDS: &[&str] = &["do", "then", "else", "in"];
    let head = format!("{name}=");
    let mut all = Vec::new();
    for line in code(text) {
        let words = split(line, &mut Vec::new());
        for (at, word) in words.iter().enumerate().filter_map(|(at, word)| Some((at, word.as_ref()?))) {
            all.extend(word.strip_prefix(&head).map(String::from));
            let next = |n: usize| words.get(at + n).and_then(Option::as_deref);
            if word == "for" && next(1) == Some(name) && next(2) == Some("in") {
                let turns = words.iter().skip(at + 3).map_while(Option::as_deref);
                all.extend(turns.filter(|word| !KEYWORDS.contains(word)).map(String::from));
            }
            if word == "read" && words.iter().skip(at).map_while(Option::as_deref).any(|word| word == name) {
                all.push("`read`".into());
            }
        }
    }
    all.truncate(VALUES_MAX);
    all
}

impl Script {
    /// Returns what `$1` and the like may be, in the script and in its functions.
    fn arguments(&self, number: usize) -> Vec<String> {
        let functions: Vec<String> = code(&self.text).filter_map(function).collect();
        // Then each may be the first.
        let shifts = self.text.contains("shift");
        let mut all = Vec::new();
        let mut add = |args: &[String]| {
            let is_one = |at: usize| if shifts { at + 1 >= number } else { at + 1 == number };
            all.extend(args.iter().enumerate().filter(|(at, _)| number > 0 && is_one(*at)).map(|(_, arg)| arg.clone()));
        };
        add(&self.args);
        for line in code(&self.text) {
            let words = split(line, &mut Vec::new());
            for (at, word) in words.iter().enumerate() {
                let is_defined = at > 0 && words.get(at - 1).is_some_and(|word| word.as_deref() == Some("function"));
                let is_called = word.as_ref().is_some_and(|word| functions.contains(word)) && !is_defined;
                if is_called && words.get(at + 1) != Some(&None) {
                    let args: Vec<String> = words.iter().skip(at + 1).map_while(Clone::clone).collect();
                    add(&args);
                }
            }
        }
        all.truncate(VALUES_MAX);
        all
    }
}

/// Returns the function that a line begins to define.
fn function(line: &str) -> Option<String> {
    let line = line.trim_start();
    let named = line.strip_prefix("function ").unwrap_or(line);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let (name, rest) = named.split_at(named.find(|c| !is_name(c)).unwrap_or(named.len()));
    let is_one = !name.is_empty() && (rest.trim_start().starts_with("()") || named.len() < line.len());
    is_one.then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        operands(text).into_iter().map(|found| format!("{} {}", found.option, found.word)).collect()
    }

    fn values(text: &str, args: &[&str], word: &str) -> Vec<String> {
        let script = Script { text: text.into(), args: args.iter().map(ToString::to_string).collect() };
        let env = |name: &str| (name == "HOME").then(|| "/root".to_string());
        Family { scripts: std::slice::from_ref(&script), env: &env }.values(&script, word)
    }

    #[test]
    fn what_is_tested_is_found_in_a_text() {
        let text = "\
D=/vm
img=\"$D/a.img\"
# [ -f no ]
[ -f $img ] || x # [ -f no ]
if test ! -d \"${D}/b\"; then
(([ -s '/c d' ])
echo -f d; test -r /e&&ls -s f
'[' -e /g ']'
sh -c '[ -f /h ]||true'
sh -c \"[ -f \\\"$D/i\\\" ]\"
x=$(test -e /j && echo -f k)
sh -c '
 [ -f /l ]' && [[ -f `n` && -w $(m \"$D\")/o ]]
[ -n x -a -r /p ]";
        let expected = [
            "-f $img",
            "-d ${D}/b",
            "-s /c d",
            "-r /e",
            "-e /g",
            "-f /h",
            "-f $D/i",
            "-e /j",
            "-f /l",
            "-f `n`",
            "-r /p",
        ];
        assert_eq!(shown(text).join("\n"), expected.join("\n"));
    }

    #[test]
    fn what_is_read_is_found_in_a_text() {
        let text =
            "read x < /a\nwhile read l; do :; done <\"$D/b\"\ncat <<E\n< /c\nE\nx=$(wc -c </d) <&3 # < /e\nwc <(f)";
        assert_eq!(inputs(text), ["/a", "$D/b", "/c", "/d"]);
    }

    #[test]
    fn a_word_stands_for_what_its_variables_are_set_to() {
        let text = "\
D=/vm
img=\"$D/a.img\"; export q='a b'
for n in 1 2; do go \"$n\" x; done
go() { f=/f/$1; }
x=$x/y
conf=${conf:-/etc/vm.conf}
while read line; do :; done
function run { :; }
run /z";
        let cases = [
            ("/a", "/a"),
            ("$img", "/vm/a.img"),
            ("${D}/b/$n", "/vm/b/1|/vm/b/2"),
            ("$q", "a b"),
            ("$f", "/f/1|/f/2|/f//z"),
            ("$x", "*/y"),
            ("$conf", "/etc/vm.conf"),
            ("$HOME/x", "/root/x"),
            ("$none/x", "*/x"),
            ("${none:-/d}/x", "/d/x"),
            ("${img%.img}", "*"),
            ("$(dirname $0)/x", "*/x"),
            ("`pwd`/x", "*/x"),
            ("$line", "*"),
            ("$@", "*"),
            ("$2", "x"),
        ];
        for (word, expected) in cases {
            assert_eq!(values(text, &[], word).join("|"), expected, "{word}");
        }
        assert_eq!(values("[ -f $1 ]", &["/a", "/b"], "$1"), ["/a"]);
        assert_eq!(values("shift; [ -f $1 ]", &["/a", "/b"], "$1"), ["/a", "/b"]);
        assert_eq!(values("", &[], "$1"), ["*"]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "([ \\[\\]$(){}'\"`a=;|&\\n\\\\é-]|test|-f|for|in|read|a\\(\\)){0,40}", word in "[$a1{}:(`é-]{0,12}") {
            operands(&text);
            inputs(&text);
            values(&text, &["$1", "$a"], &word);
        }
    }
}
