//! Who declares a name, and who means it: found in the tokens, so that a text that is being written has them too.

mod scopes;

pub(crate) use scopes::names;
use std::ops::Range;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A variable or a constant.
    Variable,
    /// A parameter of a function or a closure, or what a loop or a `catch` names.
    Parameter,
    /// A function of the text.
    Function,
    /// A module that was imported.
    Module,
}

/// A place that gives something a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// The name that is declared.
    pub name: String,
    /// Where it stands.
    pub span: Range<usize>,
    /// What it stands for.
    pub sort: Sort,
    /// Where it is known; functions are known everywhere.
    pub known: Range<usize>,
    /// What follows it: the parameters of a function, the path of a module.
    pub detail: String,
    /// What is said of it in comments above.
    pub docs: String,
    /// Whether it is a function that others do not see.
    pub is_private: bool,
}

/// A place that means something by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) span: Range<usize>,
    /// The declaration that it means; nothing for what the text does not declare.
    pub(super) declaration: Option<usize>,
    /// The module that it is asked of: `guest::debian`.
    pub(super) of: Option<String>,
}

/// The names of a text.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Every declaration, in the order of their places.
    pub declarations: Vec<Declaration>,
    pub(super) meant: Vec<Meant>,
}

pub(super) const KEYWORDS: [&str; 30] = [
    "let", "const", "fn", "private", "if", "else", "switch", "while", "loop", "do", "until", "for", "in", "break",
    "continue", "return", "throw", "try", "catch", "import", "export", "as", "true", "false", "this", "global", "is",
    "new", "static", "_",
];

impl Names {
    /// Returns the declaration that a byte of the text is about.
    pub(crate) fn at(&self, at: usize) -> Option<usize> {
        let touches = |span: &Range<usize>| span.start <= at && at <= span.end;
        let declared = self.declarations.iter().position(|one| touches(&one.span));
        declared.or_else(|| self.meant.iter().find(|one| touches(&one.span))?.declaration)
    }

    /// Returns every place of a declaration's name, first to last.
    pub(crate) fn places(&self, declaration: usize) -> Vec<Range<usize>> {
        let meant = self.meant.iter().filter(|one| one.declaration == Some(declaration)).map(|one| one.span.clone());
        let mut all: Vec<Range<usize>> =
            std::iter::once(self.declarations[declaration].span.clone()).chain(meant).collect();
        all.sort_by_key(|span| span.start);
        all
    }

    /// Returns the declarations that are known at a byte, the nearest first, each name once.
    pub(crate) fn known(&self, at: usize) -> Vec<&Declaration> {
        // What is still being declared is not known, though the text ends there.
        let is_known = |known: &Range<usize>| known.contains(&at) || known.end == at && known.start < at;
        let mut known: Vec<&Declaration> = self.declarations.iter().filter(|one| is_known(&one.known)).collect();
        known.sort_by_key(|one| std::cmp::Reverse(if one.sort == Sort::Function { 0 } else { one.span.start }));
        let mut seen = std::collections::BTreeSet::new();
        known.retain(|one| seen.insert(one.name.clone()));
        known
    }
}

/// Whether something can be given this name.
pub(crate) fn is_free(name: &str) -> bool {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic());
    begins && chars.all(|c| c == '_' || c.is_ascii_alphanumeric()) && !KEYWORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every place of a name, as lines and columns would be too long: the text with the places marked.
    fn marked(text: &str, of: &str) -> String {
        let names = names(text);
        let at = text.find(of).unwrap();
        let declaration = names.at(at).unwrap();
        let mut marked = text.to_string();
        for span in names.places(declaration).into_iter().rev() {
            marked.replace_range(span.clone(), &format!("<{}>", &text[span]));
        }
        marked
    }

    #[test]
    fn a_name_means_what_it_means_in_its_block() {
        assert_eq!(
            marked("let a = 1; { let a = a + 1; print(a); } print(a);", "a = 1"),
            "let <a> = 1; { let a = <a> + 1; print(a); } print(<a>);"
        );
        assert_eq!(marked("let a = 1; let a = a; a", "a = 1"), "let <a> = 1; let a = <a>; a");
        assert_eq!(
            marked(
                "let nic = tap(\"tap1\"); on(\"failed\", |nic| print(nic.name)); vm(nic, `${nic.nic}`, #{ nic: nic });",
                "nic = tap"
            ),
            "let <nic> = tap(\"tap1\"); on(\"failed\", |nic| print(nic.name)); vm(<nic>, `${<nic>.nic}`, #{ nic: <nic> });"
        );
        assert_eq!(
            marked("let x = 1; let f = |y| x + y; let g = || { x }; f.call(x)", "x = 1"),
            "let <x> = 1; let f = |y| <x> + y; let g = || { <x> }; f.call(<x>)"
        );
        assert_eq!(
            marked("for (disk, at) in disks { a(disk, at) } disk", "disk, at"),
            "for (<disk>, at) in disks { a(<disk>, at) } disk"
        );
        assert_eq!(marked("try { a() } catch (e) { print(e) } e", "e) {"), "try { a() } catch (<e>) { print(<e>) } e");
    }

    #[test]
    fn a_function_sees_only_what_it_is_given() {
        let text = "let a = 1;\nimport \"std/net\" as net;\nfn f(a, b) { net::mac(a, b); f(a, 1) }\nf(a, 2);";
        assert_eq!(
            marked(text, "a, b) {"),
            "let a = 1;\nimport \"std/net\" as net;\nfn f(<a>, b) { net::mac(<a>, b); f(<a>, 1) }\nf(a, 2);"
        );
        assert_eq!(
            marked(text, "f(a, b)"),
            "let a = 1;\nimport \"std/net\" as net;\nfn <f>(a, b) { net::mac(a, b); <f>(a, 1) }\n<f>(a, 2);"
        );
        assert_eq!(
            marked(text, "net;"),
            "let a = 1;\nimport \"std/net\" as <net>;\nfn f(a, b) { <net>::mac(a, b); f(a, 1) }\nf(a, 2);"
        );
    }

    #[test]
    fn what_is_known_at_a_place_is_known_though_the_text_is_not_finished() {
        let text = "/// Two\n/// lines.\nfn make(of) { of }\nlet disk = \"/vm/a\";\nif init {\n    let size = 1.GiB;\n    truncate(";
        let names = names(text);
        let known: Vec<&str> = names.known(text.len()).into_iter().map(|one| one.name.as_str()).collect();
        assert_eq!(known, ["size", "disk", "make"]);
        let make = &names.declarations[0];
        assert_eq!((make.detail.as_str(), make.docs.as_str()), ("(of)", "Two\nlines."));
    }

    proptest! {
        #[test]
        fn any_text_has_names_within_it(
            words in proptest::collection::vec(
                prop_oneof![
                    Just("let "), Just("fn "), Just("for "), Just("in "), Just("a"), Just("b"), Just("("), Just(")"), Just("{"), Just("}"),
                    Just("#{"), Just("|"), Just("||"), Just(";"), Just(","), Just(":"), Just("::"), Just("."), Just("="), Just("`"), Just("${"),
                    Just("\""), Just("import "), Just("as "), Just("catch "), Just("1"), Just("// x\n"), Just("ä")
                ],
                0..40
            )
        ) {
            let text = words.concat();
            let names = names(&text);
            for (number, one) in names.declarations.iter().enumerate() {
                prop_assert_eq!(&text[one.span.clone()], &one.name);
                for place in names.places(number) {
                    prop_assert_eq!(&text[place], &one.name);
                }
            }
            let _ = (names.known(text.len()), names.at(text.len() / 2));
        }
    }
}
