//! Stretches of text: Rhai tells only where something begins.

use super::lexer;
use crate::diag::{Place, Source};
use rhai::{AST, Expr, Position};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// A text with its syntax tree.
#[derive(Clone)]
pub(crate) struct Unit {
    /// The text, and what it is called.
    pub source: Rc<Source>,
    /// Its syntax tree.
    pub ast: Rc<AST>,
}

/// The recipe and every module that it imported, by name.
#[derive(Default)]
pub(crate) struct Sources {
    units: RefCell<BTreeMap<String, Unit>>,
    main: RefCell<Option<String>>,
    /// The libraries, by the names of their texts.
    libraries: RefCell<BTreeMap<String, String>>,
    /// The library that the recipe imports, the first of several.
    imported: RefCell<Option<String>>,
    /// Texts that count in the place of files, by their paths: of what is not written yet.
    given: RefCell<BTreeMap<String, String>>,
    /// The modules that are being imported, the outermost first.
    pub(super) loading: RefCell<Vec<String>>,
}

impl Sources {
    /// Makes a text known.
    pub(crate) fn add(&self, source: &Rc<Source>, ast: &AST) {
        let unit = Unit { source: source.clone(), ast: Rc::new(ast.clone()) };
        self.units.borrow_mut().insert(source.name.clone(), unit);
        self.main.borrow_mut().get_or_insert_with(|| source.name.clone());
    }

    /// Has a text count in the place of a file.
    pub(super) fn give(&self, path: String, text: String) {
        self.given.borrow_mut().insert(path, text);
    }

    /// Returns the text that counts in the place of a file.
    pub(super) fn given(&self, path: &str) -> Option<String> {
        self.given.borrow().get(path).cloned()
    }

    /// Begins with another recipe; its modules may be known already.
    pub(crate) fn begin(&self, source: &Rc<Source>, ast: &AST) {
        self.imported.replace(None);
        if let Some(before) = self.main.replace(None) {
            self.units.borrow_mut().remove(&before);
        }
        self.add(source, ast);
    }

    /// Returns the name of the recipe: the first text that was made known.
    pub(crate) fn main(&self) -> String {
        self.main.borrow().clone().unwrap_or_default()
    }

    /// Says which library a text belongs to.
    pub(crate) fn belongs(&self, name: &str, library: &str) {
        self.libraries.borrow_mut().insert(name.into(), library.into());
        self.imported.borrow_mut().get_or_insert_with(|| library.into());
    }

    /// Returns the library that a text belongs to; the recipe's own files and the standard library belong to none.
    pub(crate) fn library_of(&self, name: &str) -> Option<String> {
        self.libraries.borrow().get(name).cloned()
    }

    /// Returns whether any text belongs to a library.
    pub(crate) fn has_libraries(&self) -> bool {
        !self.libraries.borrow().is_empty()
    }

    /// Returns the library that the recipe imports, the first of several.
    pub(crate) fn imported(&self) -> Option<String> {
        self.imported.borrow().clone()
    }

    /// Returns the module that is being imported.
    pub(crate) fn loading(&self) -> Option<String> {
        self.loading.borrow().last().cloned()
    }

    /// Returns the recipe, and the files beside it that it imported.
    pub(crate) fn own(&self) -> Vec<Unit> {
        let units = self.units.borrow();
        let main = self.main();
        let is_own = |name: &str| name == main || !name.starts_with("std/") && self.library_of(name).is_none();
        units.iter().filter(|(name, _)| is_own(name)).map(|(_, unit)| unit.clone()).collect()
    }

    /// Returns the modules of the standard library that were imported.
    pub(crate) fn standard(&self) -> Vec<Unit> {
        let units = self.units.borrow();
        units.iter().filter(|(name, _)| name.starts_with("std/")).map(|(_, unit)| unit.clone()).collect()
    }

    /// Finds a text by its name.
    pub(crate) fn get(&self, name: &str) -> Option<Unit> {
        self.units.borrow().get(name).cloned()
    }

    /// Returns the text in which a function of that name lies around a position. Rhai names the caller's text for a closure
    /// that was handed to a module, so its word is taken only where the text has such a function there.
    pub(crate) fn home_of(&self, function: &str, reported: &str, inner: Position) -> Option<Unit> {
        let units = self.units.borrow();
        let fits = |unit: &&Unit| {
            unit.ast.iter_fn_def().any(|def| {
                let (begin, end) = (def.body.position(), def.body.end_position());
                def.name == function && (inner.is_none() || begin <= inner && (end.is_none() || inner <= end))
            })
        };
        units.get(reported).filter(fits).or_else(|| units.values().find(fits)).cloned()
    }
}

/// Returns the byte at which a position lies.
pub(crate) fn offset(text: &str, position: Position) -> Option<usize> {
    let (line, column) = (position.line()?, position.position().unwrap_or(1));
    let start = match line {
        1 => 0,
        _ => text.match_indices('\n').nth(line - 2)?.0 + 1,
    };
    let rest = text[start..].split('\n').next().unwrap_or_default();
    Some(start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at))
}

/// Returns the place of the token that begins at a position; the end of the text if there is no such position.
pub(crate) fn token(source: &Rc<Source>, position: Position) -> Place {
    let text = source.text.as_str();
    let start = offset(text, position).unwrap_or(text.len());
    Place { source: source.clone(), span: start..start + lexer::value(&text[start..]) }
}

/// Returns the place of a value and the properties that are read of it: `of.disks`.
pub(crate) fn chain(source: &Rc<Source>, position: Position) -> Place {
    let mut place = token(source, position);
    while let Some(rest) = source.text[place.span.end..].strip_prefix('.') {
        match lexer::value(rest) {
            length if rest.starts_with(|c: char| c == '_' || c.is_alphabetic()) => place.span.end += 1 + length,
            _ => break,
        }
    }
    place
}

/// Returns the place of a call: from its name to its closing parenthesis.
pub(crate) fn call(source: &Rc<Source>, position: Position) -> Place {
    let mut place = token(source, position);
    let rest = &source.text[place.span.end..];
    let gap = rest.len() - rest.trim_start().len();
    if rest[gap..].starts_with('(')
        && let Some(length) = lexer::group(&rest[gap..])
    {
        place.span.end += gap + length;
    }
    place
}

/// Returns the place of a value: of a call to its end, of what is read of a value to the last property.
pub(crate) fn value(source: &Rc<Source>, expression: &Expr) -> Place {
    match expression {
        Expr::Dot(..) => chain(source, expression.start_position()),
        Expr::FnCall(..) => call(source, expression.start_position()),
        _ => token(source, expression.start_position()),
    }
}

/// Returns the text of a stretch.
pub(crate) fn slice(source: &Source, span: Range<usize>) -> &str {
    source.text.get(span).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_end_where_they_end() {
        let text = "let ä = f(\"a)\\\"\", #{ x: [1] }); // )";
        let source = Rc::new(Source { name: "t".into(), text: text.into() });
        let at = |column| Position::new(1, column);
        let shown = |place: Place| slice(&source, place.span).to_string();
        assert_eq!(shown(token(&source, at(5))), "ä");
        assert_eq!(shown(token(&source, at(11))), "\"a)\\\"\"");
        assert_eq!(shown(token(&source, at(19))), "#{ x: [1] }");
        let text = "`a\\` + `b``c${`}` + \"`\"}d` + \"e\"\"f\\\"\" + ``";
        let source = Rc::new(Source { name: "t".into(), text: text.into() });
        let shown = |place: Place| slice(&source, place.span).to_string();
        assert_eq!(shown(token(&source, at(1))), "`a\\`");
        assert_eq!(shown(token(&source, at(8))), "`b``c${`}` + \"`\"}d`");
        assert_eq!(shown(token(&source, at(30))), "\"e\"\"f\\\"\"");
        assert_eq!(shown(token(&source, at(41))), "``");
    }

    #[test]
    fn calls_end_where_they_end() {
        let text = "let ä = f(\"a)\\\"\", #{ x: [1] }); // )";
        let source = Rc::new(Source { name: "t".into(), text: text.into() });
        let at = |column| Position::new(1, column);
        let shown = |place: Place| slice(&source, place.span).to_string();
        assert_eq!(shown(call(&source, at(9))), "f(\"a)\\\"\", #{ x: [1] })");
    }

    proptest! {
        #[test]
        fn no_text_and_no_position_panics(text: String, line in 1_u16..9, column in 0_u16..40) {
            let source = Rc::new(Source { name: "t".into(), text });
            let _ = call(&source, Position::new(line, column));
        }
    }
}
