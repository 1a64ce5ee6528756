//! The words of a shell script or of the output of ps(1), each with its place in the text.

use crate::diag::Fault;
use std::ops::Range;

/// Programs that run another one.
const CARRIERS: [&str; 10] =
    ["exec", "sudo", "doas", "nohup", "command", "time", "env", "nice", "daemon", "/usr/sbin/daemon"];

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The word without its quotes.
    pub(super) text: String,
    /// Where it stands, quotes and all.
    pub(super) span: Range<usize>,
    /// Where the shell would put something in, if it would.
    pub(super) expands: Option<Range<usize>>,
}

/// A line that the shell would run: a backslash at its end goes on with the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShellLine {
    /// The words of its first command.
    pub(super) words: Vec<Word>,
    /// What ends the first command and what follows, here-documents and all.
    pub(super) rest: Option<Range<usize>>,
    /// Its commands, the first one too.
    pub(super) commands: Vec<Simple>,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

/// A command of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// Its words, without redirections.
    pub(super) words: Vec<Word>,
    /// Whether it reads what the one before prints.
    pub(super) is_piped: bool,
    /// What it is given to read by a redirection.
    pub(super) reads: Option<Reads>,
    /// The file that it prints into.
    pub(super) writes: Option<Word>,
}

/// What a redirection gives a command to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// The file that a `<` names.
    File(Word),
    /// A here-document, as a word of several lines.
    Here(Word),
}

/// What is wrong with a text as the shell would read it, and where.
pub(super) type Wrong = (Range<usize>, Fault);

/// Splits a text into lines and those into words, as sh(1) does. Comments and empty lines are left out; nothing is expanded.
pub(super) fn lines(text: &str) -> Result<Vec<ShellLine>, Wrong> {
    let mut lexer = Lexer { text, at: 0 };
    let mut lines = Vec::new();
    while lexer.at < text.len() {
        let line = lexer.line()?;
        if !line.words.is_empty() || line.rest.is_some() {
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Returns where the command of a program begins among the words of a line: behind what only carries it.
pub(super) fn program(words: &[Word], is_it: fn(&str) -> bool) -> Option<usize> {
    let mut carried = false;
    for (at, word) in words.iter().enumerate() {
        let text = word.text.as_str();
        let assignment = text
            .split_once('=')
            .is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        if is_it(text) {
            return Some(at);
        }
        let is_carrier = CARRIERS.contains(&text);
        // Options of what carries it, and their values.
        if !(assignment || is_carrier || text == "$" || carried) {
            return None;
        }
        carried |= is_carrier;
    }
    None
}

/// Splits one line at blanks alone, as ps(1) has put it together.
pub(super) fn blanks(text: &str, line: Range<usize>) -> Vec<Word> {
    let mut words = Vec::new();
    let part = text.get(line.clone()).unwrap_or_default();
    let mut at = 0;
    for piece in part.split([' ', '\t', '\n', '\r']) {
        let start = line.start + at;
        if !piece.is_empty() {
            words.push(Word { text: piece.into(), span: start..start + piece.len(), expands: None });
        }
        at += piece.len() + 1;
    }
    words
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// A here-document that begins at the end of its line.
struct Here {
    /// The command of the line that reads it.
    command: usize,
    /// The line that ends it, whether the shell puts nothing in, and whether tabs before its lines count for nothing.
    end: String,
    is_plain: bool,
    is_stripped: bool,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads to the end of a line, and past it.
    fn line(&mut self) -> Result<ShellLine, Wrong> {
        let mut line = ShellLine { span: self.at..self.at, commands: vec![Simple::default()], ..ShellLine::default() };
        let mut here = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '\n' => break,
                _ if self.rest().starts_with("\\\n") => self.at += 2,
                _ if self.rest().starts_with("\\\r\n") => self.at += 3,
                ' ' | '\t' | '\r' => self.at += 1,
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '<' | '>' => {
                    line.rest.get_or_insert(self.at..self.at);
                    self.redirection(&mut line.commands, &mut here)?;
                }
                ';' | '&' | '|' | '(' | ')' => {
                    line.rest.get_or_insert(self.at..self.at);
                    self.at += 1;
                    let is_or =
                        self.peek() == Some('|') || self.text.get(..self.at).is_some_and(|text| text.ends_with("||"));
                    let is_piped = c == '|' && !is_or;
                    line.commands.push(Simple { is_piped, ..Simple::default() });
                }
                _ => {
                    let word = self.word()?;
                    // A number right before a redirection belongs to it.
                    let number = word.text.bytes().all(|b| b.is_ascii_digit()) && self.rest().starts_with(['<', '>']);
                    if number {
                        line.rest.get_or_insert(word.span.clone());
                    } else if let Some(last) = line.commands.last_mut() {
                        last.words.push(word.clone());
                    }
                    if line.rest.is_none() {
                        line.words.push(word);
                    }
                }
            }
        }
        line.span.end = self.at;
        self.at += usize::from(self.at < self.text.len());
        let end = line.span.end.max(self.here(here, &mut line.commands).unwrap_or_default());
        line.rest.iter_mut().for_each(|rest| rest.end = end);
        line.commands.retain(|command| !command.words.is_empty());
        Ok(line)
    }

    /// Reads a redirection of the last command. One of a descriptor, as `2>&1`, changes nothing here.
    fn redirection(&mut self, commands: &mut [Simple], here: &mut Vec<Here>) -> Result<(), Wrong> {
        const OPERATORS: [&str; 9] = ["<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let is_error = self.text.get(..self.at).is_some_and(|before| before.ends_with('2'));
        let operator = OPERATORS.into_iter().find(|operator| self.rest().starts_with(operator)).unwrap_or(">");
        self.at += operator.len();
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
        let word = self.word()?;
        let command = commands.len().saturating_sub(1);
        let Some(last) = commands.last_mut() else { return Ok(()) };
        match operator {
            "<<" | "<<-" => {
                let is_plain = self.text.get(word.span.clone()) != Some(word.text.as_str());
                here.push(Here { command, end: word.text, is_plain, is_stripped: operator == "<<-" });
            }
            "<" => last.reads = Some(Reads::File(word)),
            ">" | ">>" | ">|" if !is_error => last.writes = Some(word),
            _ => {}
        }
        Ok(())
    }

    /// Takes the here-documents that begin here, and returns where the last of them ends. One that nothing ends is none.
    fn here(&mut self, all: Vec<Here>, commands: &mut [Simple]) -> Option<usize> {
        let mut end = None;
        for one in all {
            let (start, mut at, mut lines) = (self.at, self.at, Vec::new());
            let stripped = |line: &'_ str| -> String {
                let line = line.trim_end_matches(['\n', '\r']);
                if one.is_stripped { line.trim_start_matches('\t') } else { line }.into()
            };
            let mut rest = self.rest().split_inclusive('\n');
            loop {
                let line = rest.next();
                // Nothing ends it.
                let Some(line) = line else { return end };
                at += line.len();
                if stripped(line) == one.end {
                    break;
                }
                lines.push(stripped(line) + "\n");
            }
            let mut word = Word { text: lines.concat(), span: start..at, expands: None };
            if !one.is_plain {
                word = Lexer::put_in(self.text, start..at, &word.text);
            }
            if let Some(command) = commands.get_mut(one.command) {
                command.reads = Some(Reads::Here(word));
            }
            (self.at, end) = (at, Some(at));
        }
        end
    }

    /// A here-document in which the shell would put something in, and in which a backslash protects from that.
    fn put_in(text: &str, span: Range<usize>, lines: &str) -> Word {
        let mut lexer = Lexer { text: lines, at: 0 };
        let mut word = Word { text: String::new(), span: span.clone(), expands: None };
        while let Some(c) = lexer.peek() {
            if c == '\\' {
                lexer.at += 1;
                match lexer.peek() {
                    Some('\n') => lexer.at += 1,
                    Some('\\' | '$' | '`') => word.text.extend(lexer.next()),
                    _ => word.text.push(c),
                }
            } else {
                lexer.unprotected(&mut word);
            }
        }
        // In the text, tabs and all.
        word.expands = word.expands.map(|range| {
            let shown = lines.get(range).unwrap_or_default();
            let at = text.get(span.clone()).and_then(|part| part.find(shown)).map_or(span.start, |at| span.start + at);
            at..at + shown.len()
        });
        word
    }

    fn word(&mut self) -> Result<Word, Wrong> {
        let mut word = Word { text: String::new(), span: self.at..self.at, expands: None };
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                _ if self.rest().starts_with("\\\n") => self.at += 2,
                '\'' => self.quoted(&mut word, '\'')?,
                '"' => self.quoted(&mut word, '"')?,
                '\\' => {
                    self.at += 1;
                    word.text.extend(self.next());
                }
                _ => self.unprotected(&mut word),
            }
        }
        word.span.end = self.at;
        Ok(word)
    }

    /// Takes a character that no quote protects from the shell.
    fn unprotected(&mut self, word: &mut Word) {
        let start = self.at;
        let Some(c) = self.next() else { return };
        word.text.push(c);
        let begins = |c: char| c.is_ascii_alphanumeric() || "_{(@*#?!".contains(c);
        if c == '`' || c == '$' && self.peek().is_some_and(begins) {
            let name = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || "_{}".contains(c)));
            let name = name.unwrap_or(self.rest().len());
            word.expands.get_or_insert(start..self.at + name);
        }
    }

    fn quoted(&mut self, word: &mut Word, quote: char) -> Result<(), Wrong> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => {
                    let fault = Fault::new(format!("a {quote} is not closed")).hint("close the quotes");
                    return Err((start..start + 1, fault));
                }
                Some(c) if c == quote => break,
                Some('\\') if quote == '"' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some('"' | '\\' | '$' | '`') => word.text.extend(self.next()),
                        _ => word.text.push('\\'),
                    }
                }
                Some(_) if quote == '"' => self.unprotected(word),
                Some(_) => word.text.extend(self.next()),
            }
        }
        self.at += 1;
        Ok(())
    }
}

/// Returns the text with stars in the place of passwords, byte for byte, so that lines of it can be shown: a password ends with
/// its word where the text is for a shell, else with its line.
pub(super) fn hidden(text: &str, is_shell: bool) -> String {
    let holds = |span: &Range<usize>| text.get(span.clone()).is_some_and(|part| find(part).is_some());
    let spans: Vec<Range<usize>> = match lines(text) {
        Ok(lines) if is_shell => {
            let words = |line: &ShellLine| {
                let secret = |word: &&Word| find(&word.text).is_some();
                let found: Vec<Range<usize>> = line.words.iter().filter(secret).map(|word| word.span.clone()).collect();
                let rest = line.rest.clone().filter(|rest| !found.is_empty() || holds(rest));
                found.into_iter().chain(rest).collect::<Vec<_>>()
            };
            lines.iter().flat_map(words).collect()
        }
        Err(_) if is_shell => Some(0..text.len()).into_iter().filter(holds).collect(),
        _ => spans(text).filter(holds).collect(),
    };
    let mut shown = text.as_bytes().to_vec();
    for span in spans {
        let raw = text.get(span.clone()).unwrap_or_default();
        let after = find(raw).map_or(span.start, |at| span.start + at);
        for byte in shown.get_mut(after..span.end).into_iter().flatten().filter(|byte| !b" \t\r\n".contains(byte)) {
            *byte = b'*';
        }
    }
    String::from_utf8(shown).unwrap_or_default()
}

/// Returns where each line stands, without what ends it.
pub(super) fn spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        start..start + line.trim_end_matches(['\n', '\r']).len()
    })
}

/// Returns where what follows a password's key begins.
fn find(text: &str) -> Option<usize> {
    const WORD: &str = "passw";
    // QEMU's `-object secret,id=…,data=…`.
    if text.trim_start_matches(['\'', '"']).starts_with("secret,") {
        return text.find("data=").map(|at| at + "data=".len());
    }
    let at = text.to_ascii_lowercase().find(WORD)? + WORD.len();
    let rest = text.get(at..)?;
    Some(at + rest.find('=').map_or(0, |equals| equals + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> String {
        let tell = |line: &ShellLine| {
            let words: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
            let rest = line.rest.clone().map(|rest| format!(" | {}", &text[rest])).unwrap_or_default();
            format!("{}{rest}", words.join("_"))
        };
        match lines(text) {
            Ok(lines) => lines.iter().map(tell).collect::<Vec<_>>().join("\n"),
            Err((span, fault)) => format!("{span:?} {fault}"),
        }
    }

    #[test]
    fn words_are_those_of_the_shell() {
        assert_eq!(told("#!/bin/sh\n\nbhyve -c 1 \\\n\t-m '1 G'\"x\\\"\" # so\n"), "bhyve_-c_1_-m_1 Gx\"");
        assert_eq!(told("bhyve vm 2>&1 && exec $0\nls"), "bhyve_vm | 2>&1 && exec $0\nls");
        assert_eq!(told("a 'b\nc"), "2..3 a ' is not closed");
        let words = lines("a $b \"x${c}y\" '$d' \\$e $ f`g`").unwrap().remove(0).words;
        let expands: Vec<bool> = words.iter().map(|word| word.expands.is_some()).collect();
        assert_eq!(expands, [false, true, true, false, false, false, true]);
        assert_eq!(words[1].expands, Some(2..4));
    }

    #[test]
    fn the_commands_of_a_line_have_what_they_read_and_where_they_print() {
        let told = |text: &str| {
            let shown = |word: &Word| format!("{}{}", word.text, if word.expands.is_some() { "!" } else { "" });
            let one = |command: &Simple| {
                let words: Vec<String> = command.words.iter().map(shown).collect();
                let reads = match &command.reads {
                    Some(Reads::File(file)) => format!(" <{}", shown(file)),
                    Some(Reads::Here(text)) => format!(" <<{:?}", shown(text)),
                    None => String::new(),
                };
                let writes = command.writes.as_ref().map(|file| format!(" >{}", shown(file))).unwrap_or_default();
                format!("{}{}{reads}{writes}", if command.is_piped { "|" } else { "" }, words.join("_"))
            };
            let all = lines(text).unwrap();
            all.iter().map(|line| line.commands.iter().map(one).collect::<Vec<_>>().join(" ; ")).collect::<Vec<_>>()
        };
        assert_eq!(told("printf 'a\\n' | grub -M 1 x 2>/dev/null && b 2>&1 <f"), ["printf_a\\n ; |grub_-M_1_x ; b <f"]);
        assert_eq!(told("cat >map <<-M\n\t(hd0) /a\n\tM\nb || c"), ["cat <<\"(hd0) /a\\n\" >map", "b ; c"]);
        assert_eq!(told("cat <<M >>$x\n\\$a $b\nM\n"), ["cat <<\"$a $b\\n!\" >$x!"]);
        assert_eq!(told("cat <<'M'\n$b\nM\n"), ["cat <<\"$b\\n\""]);
        assert_eq!(told("cat <<M\nb\n"), ["cat", "b"]);
        assert!(!hidden("cat <<M\npassword=hunter2\nM\n", true).contains("hunter"));
    }

    #[test]
    fn passwords_are_hidden_whatever_quotes_are_around_them() {
        let hide = |text: &str| hidden(text, true);
        assert_eq!(hide("x -s 29,fbuf,password=hunter2,w=8 vm"), "x -s 29,fbuf,password=*********** vm");
        assert_eq!(hide("x pass''word='a b' vm"), "x ************* ** vm");
        assert!(!hide("x PASSWORD=\"hunter 2\" vm").contains("hunter"));
        assert!(!hide("x 'password=hunter2 vm").contains("hunter"));
        assert!(!hide("graphics_password=\"hunter2\"\nx='").contains("hunter"));
        assert!(!hide("a | b password=hunter2").contains("hunter"));
        assert!(!hide("a password=x;hunter2").contains("hunter"));
        assert_eq!(hidden("a=1\nb.password=hunter 2;\nc=2", false), "a=1\nb.password=****** **\nc=2");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_word_is_where_it_says(text in "([ \\t\\n\\\\'\"$`#;&|<>2a=é]|passw|<<-?a){0,20}|.*") {
            prop_assert_eq!([hidden(&text, true).len(), hidden(&text, false).len()], [text.len(); 2]);
            for line in lines(&text).into_iter().flatten() {
                for word in &line.words {
                    prop_assert!(text.get(word.span.clone()).is_some());
                }
            }
            let _ = blanks(&text, 0..text.len());
        }
    }
}
