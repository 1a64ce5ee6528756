//! The blocks of a text, and what is known in each: how its names are found.

use super::{Declaration, KEYWORDS, Meant, Names, Sort};
use crate::script::lexer::{Token, TokenKind, tokens};

/// Returns the names of a text.
pub(crate) fn names(text: &str) -> Names {
    let tokens = tokens(text);
    let mut reader =
        ScopeReader { text, tokens: &tokens, at: 0, names: Names::default(), frames: Vec::new(), visible: Vec::new() };
    reader.functions();
    reader.frames.push(Frame::new(Opened::Text, 0));
    while reader.at < tokens.len() {
        reader.step();
    }
    while !reader.frames.is_empty() {
        reader.close(text.len());
    }
    reader.names
}

/// What a bracket, or a closure without one, has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    /// The whole text.
    Text,
    /// A block of statements.
    Block,
    /// A block that sees nothing of what is around it.
    Body,
    /// A map, whose keys are no names.
    Map,
    /// A list, an index or the arguments of a call.
    List,
    /// A closure whose body is an expression.
    Closure,
}

/// What is known since a bracket was opened.
struct Frame {
    opened: Opened,
    /// How many names were visible before.
    before: usize,
    /// The names that come to be known with the next statement.
    pending: Vec<usize>,
    /// The names that are known in the next block.
    next: Vec<usize>,
    /// Whether the next block is a function's.
    is_body_next: bool,
}

impl Frame {
    const fn new(opened: Opened, before: usize) -> Self {
        Self { opened, before, pending: Vec::new(), next: Vec::new(), is_body_next: false }
    }
}

struct ScopeReader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    names: Names,
    frames: Vec<Frame>,
    /// The declarations that can be meant, the last of a name wins.
    visible: Vec<usize>,
}

impl ScopeReader<'_> {
    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &self.text[token.span.clone()])
    }

    fn is_name(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == TokenKind::Word) && !KEYWORDS.contains(&self.word(at))
    }

    /// Functions are known before they stand there.
    fn functions(&mut self) {
        for at in 0..self.tokens.len() {
            if self.word(at) != "fn" || self.tokens[at].kind != TokenKind::Word {
                continue;
            }
            // A method of a type: `fn Vm.halt()`.
            let name = if self.word(at + 2) == "." { at + 3 } else { at + 1 };
            if !self.is_name(name) {
                continue;
            }
            let close = (name..self.tokens.len()).find(|at| self.word(*at) == ")");
            let is_list = self.word(name + 1) == "(";
            let params = match close.filter(|_| is_list) {
                Some(close) => &self.text[self.tokens[name + 1].span.start..self.tokens[close].span.end],
                None => "()",
            };
            let is_private = self.word(at.wrapping_sub(1)) == "private";
            let first = if is_private { at - 1 } else { at };
            let declaration = Declaration {
                name: self.word(name).into(),
                span: self.tokens[name].span.clone(),
                sort: Sort::Function,
                known: 0..self.text.len(),
                detail: params.split_whitespace().collect::<Vec<_>>().join(" "),
                docs: self.docs(first),
                is_private,
            };
            self.names.declarations.push(declaration);
        }
    }

    /// The comments that end right above a token.
    fn docs(&self, at: usize) -> String {
        let is_of_module = |token: &&Token| self.text[token.span.clone()].starts_with("//!");
        let docs =
            self.tokens[..at].iter().rev().take_while(|token| token.kind == TokenKind::Doc && !is_of_module(token));
        let lines = docs.map(|token| {
            let text = &self.text[token.span.clone()];
            let text = text.trim_start_matches(['/', '*', '!']).trim_end_matches(['/', '*']);
            text.strip_prefix(' ').unwrap_or(text).trim_end()
        });
        let mut lines: Vec<&str> = lines.collect();
        lines.reverse();
        lines.join("\n")
    }

    fn declare(&mut self, at: usize, sort: Sort, detail: String) -> usize {
        let span = self.tokens[at].span.clone();
        let known = span.end..self.text.len();
        let docs = if sort == Sort::Variable { self.docs(at.saturating_sub(1)) } else { String::new() };
        let (name, is_private) = (self.word(at).into(), false);
        self.names.declarations.push(Declaration { name, span, sort, known, detail, docs, is_private });
        self.names.declarations.len() - 1
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Opened::Text, 0));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// What was declared is known from here on.
    fn settle(&mut self) {
        let from = self.tokens.get(self.at).map_or(self.text.len(), |token| token.span.end);
        for declaration in std::mem::take(&mut self.frame().pending) {
            self.names.declarations[declaration].known.start = from;
            self.visible.push(declaration);
        }
    }

    fn open(&mut self, opened: Opened) {
        let (next, is_body) = match opened {
            Opened::Block => {
                let frame = self.frame();
                (std::mem::take(&mut frame.next), std::mem::take(&mut frame.is_body_next))
            }
            Opened::Text | Opened::Body | Opened::Map | Opened::List | Opened::Closure => (Vec::new(), false),
        };
        self.frames.push(Frame::new(if is_body { Opened::Body } else { opened }, self.visible.len()));
        let from = self.tokens.get(self.at).map_or(self.text.len(), |token| token.span.end);
        for declaration in next {
            self.names.declarations[declaration].known.start = from;
            self.visible.push(declaration);
        }
    }

    /// Ends what was opened last: its names are known no more.
    fn close(&mut self, end: usize) {
        self.settle();
        let Some(frame) = self.frames.pop() else { return };
        for declaration in self.visible.drain(frame.before.min(self.visible.len())..) {
            self.names.declarations[declaration].known.end = end;
        }
    }

    /// A closure without a block ends where its expression does.
    fn end_closures(&mut self, end: usize) {
        while self.frames.last().is_some_and(|frame| frame.opened == Opened::Closure) {
            self.close(end);
        }
    }

    fn step(&mut self) {
        let token = self.tokens[self.at].clone();
        let word = &self.text[token.span.clone()];
        match (token.kind, word) {
            (TokenKind::Word, "let" | "const") => self.variable(),
            (TokenKind::Word, "fn") => self.function(),
            (TokenKind::Word, "for") => self.bound(self.at + 1),
            (TokenKind::Word, "catch") => self.bound(self.at + 1),
            (TokenKind::Word, "as") if self.is_name(self.at + 1) => {
                let path = self.word(self.at.wrapping_sub(1)).trim_matches(['"', '`']).to_string();
                let module = self.declare(self.at + 1, Sort::Module, path);
                self.names.declarations[module].known.start = self.tokens[self.at + 1].span.end;
                self.visible.push(module);
                self.at += 1;
            }
            (TokenKind::Word, _) => self.mean(),
            (TokenKind::Mark, "|" | "||") if self.begins_an_expression() => self.closure(word == "||"),
            (TokenKind::Mark, "{" | "${") => self.open(Opened::Block),
            (TokenKind::Mark, "#{") => self.open(Opened::Map),
            (TokenKind::Mark, "(" | "[") => self.open(Opened::List),
            (TokenKind::Mark, ")" | "]" | "}") => {
                self.end_closures(token.span.start);
                if self.frames.len() > 1 {
                    self.close(token.span.start);
                }
            }
            (TokenKind::Mark, "," | ";") => {
                self.end_closures(token.span.start);
                if word == ";" {
                    self.settle();
                }
            }
            _ => {}
        }
        self.at += 1;
    }

    fn variable(&mut self) {
        // A statement that was left unfinished ends here.
        self.settle();
        if self.is_name(self.at + 1) {
            let declaration = self.declare(self.at + 1, Sort::Variable, self.word(self.at).into());
            self.frame().pending.push(declaration);
            self.at += 1;
        }
    }

    /// The parameters of a function, up to its body.
    fn function(&mut self) {
        let end = (self.at..self.tokens.len()).find(|at| matches!(self.word(*at), ")" | "{" | ";"));
        let Some(end) = end.filter(|end| self.word(*end) == ")") else { return };
        let open = (self.at..end).find(|at| self.word(*at) == "(").unwrap_or(end);
        for at in open + 1..end {
            if self.is_name(at) {
                let declaration = self.declare(at, Sort::Parameter, String::new());
                self.frame().next.push(declaration);
            }
        }
        self.frame().is_body_next = true;
        self.at = end;
    }

    /// `for x in`, `for (x, i) in`, `catch (e)`: names of the block that follows.
    fn bound(&mut self, from: usize) {
        let mut at = from;
        while self.is_name(at) || matches!(self.word(at), "(" | "," | ")") && self.word(at - 1) != ")" {
            if self.is_name(at) {
                let declaration = self.declare(at, Sort::Parameter, String::new());
                self.frame().next.push(declaration);
            }
            at += 1;
        }
        self.at = at.max(self.at + 1) - 1;
    }

    /// Whether what comes begins an expression, so that a `|` begins a closure.
    fn begins_an_expression(&self) -> bool {
        let Some(before) = self.at.checked_sub(1) else { return true };
        match self.tokens[before].kind {
            TokenKind::Mark => !matches!(self.word(before), ")" | "]" | "}"),
            TokenKind::Word => matches!(self.word(before), "return" | "in" | "else"),
            TokenKind::Number | TokenKind::Text | TokenKind::Doc | TokenKind::Comment => false,
        }
    }

    fn closure(&mut self, is_empty: bool) {
        let mut params = Vec::new();
        if !is_empty {
            let mut at = self.at + 1;
            while self.is_name(at) || self.word(at) == "," {
                if self.is_name(at) {
                    params.push(self.declare(at, Sort::Parameter, String::new()));
                }
                at += 1;
            }
            if self.word(at) != "|" {
                self.at = at - 1;
                return;
            }
            self.at = at;
        }
        if self.word(self.at + 1) == "{" {
            self.frame().next = params;
            return;
        }
        self.open(Opened::Closure);
        let from = self.tokens[self.at].span.end;
        for declaration in params {
            self.names.declarations[declaration].known.start = from;
            self.visible.push(declaration);
        }
    }

    /// A name that means something.
    fn mean(&mut self) {
        let at = self.at;
        if !self.is_name(at) {
            return;
        }
        let before = at.checked_sub(1).map_or("", |before| self.word(before));
        let after = self.word(at + 1);
        let in_map = self.frames.last().is_some_and(|frame| frame.opened == Opened::Map);
        let is_key = after == ":" && in_map && matches!(before, "#{" | ",");
        if matches!(before, "." | "?.") || is_key {
            return;
        }
        let name = self.word(at).to_string();
        let of = (before == "::").then(|| self.word(at.wrapping_sub(2)).to_string());
        let declaration = if of.is_some() { None } else { self.find(&name, after) };
        self.names.meant.push(Meant { span: self.tokens[at].span.clone(), declaration, of });
    }

    /// Finds what a name means: within a function nothing from around it.
    fn find(&self, name: &str, after: &str) -> Option<usize> {
        let declarations = &self.names.declarations;
        let body = self.frames.iter().rev().find(|frame| frame.opened == Opened::Body).map_or(0, |frame| frame.before);
        let is_meant =
            |at: &usize| declarations[*at].name == name && (declarations[*at].sort == Sort::Module) == (after == "::");
        let local = self.visible[body..].iter().rev().copied().find(is_meant);
        // Modules are known within functions too.
        let module = || self.visible.iter().rev().copied().find(|at| is_meant(at) && after == "::");
        let function = || {
            let fits = |one: &Declaration| one.sort == Sort::Function && one.name == name;
            declarations.iter().position(fits).filter(|_| after == "(")
        };
        local.or_else(module).or_else(function)
    }
}
