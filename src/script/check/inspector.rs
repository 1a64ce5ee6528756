//! Everything that a text tells.

use super::checker::{Checker, Deep};
use super::exports::Modules;
use super::literal::Trial;
use super::usage::usages;
use super::{Finding, Parsed, Role, Rule, parse};
use crate::diag::{Diagnostic, Fault, Place, Severity, Source};
use crate::script::imports;
use crate::script::lexer::{self, TokenKind};
use rhai::{AST, ASTFlags, Stmt};
use std::rc::Rc;

/// What was found in a text.
pub struct Checked {
    /// Every finding, in the order of their places.
    pub findings: Vec<Finding>,
    /// The syntax tree of what parses.
    pub ast: AST,
    /// What the text is.
    pub role: Role,
}

impl Checked {
    /// Returns whether it is a recipe with which nothing is wrong, so that it can be rehearsed.
    pub fn is_sound_recipe(&self) -> bool {
        let is_sound = self.findings.iter().all(|finding| finding.diagnostic.severity != Severity::Error);
        self.role == Role::Recipe && is_sound
    }
}

/// Returns whether a text only offers functions to others.
fn is_library(ast: &AST) -> bool {
    let offers = |statement: &Stmt| match statement {
        Stmt::Noop(_) | Stmt::Import(..) | Stmt::Export(..) => true,
        Stmt::Var(_, flags, _) => flags.intersects(ASTFlags::CONSTANT | ASTFlags::EXPORTED),
        _ => false,
    };
    let has_functions = ast.iter_fn_def().any(|def| !def.name.starts_with("anon$"));
    has_functions && ast.statements().iter().all(offers)
}

/// Finds everything that can be known of texts without running them. It keeps what it has read of modules, so that one serves
/// for many texts; a new one reads modules anew.
#[derive(Default)]
pub struct Inspector {
    modules: Modules,
    trial: Trial,
}

impl Inspector {
    /// Returns every finding about a text that is in memory. The text may be unfinished. Without a role, the name says of a test
    /// that it is one, and what only offers functions is a library.
    pub fn text(&self, source: &Rc<Source>, role: Option<Role>) -> Checked {
        let Parsed { ast, faults, blanked } = parse(source);
        let syntax = |diagnostic| Finding { rule: Rule::Syntax, diagnostic };
        let role = role.unwrap_or_else(|| Role::of(&source.name, is_library(&ast)));
        let mut checked = Checked { findings: faults.into_iter().map(syntax).collect(), ast, role };
        let imports = imports::faults(source, &checked.ast).into_iter();
        checked.findings.extend(imports.map(|diagnostic| Finding { rule: Rule::Import, diagnostic }));
        checked.findings.extend(open_comment(source));
        let usages = usages(&checked.ast);
        let deep = Deep { modules: &self.modules, trial: self.trial.of(source, &checked.ast), blanked, usages };
        // What a test makes of a run is known while it runs.
        let mut walk = Checker::new(source, &checked.ast, role, Some(deep).filter(|_| role != Role::Test));
        walk.whole();
        let found = walk.into_parts().0;
        checked.findings = sorted(checked.findings.into_iter().chain(found).collect());
        checked
    }
}

/// A comment without an end: Rhai takes all that follows for a part of it, and says nothing.
fn open_comment(source: &Rc<Source>) -> Option<Finding> {
    if !source.text.contains("/*") {
        return None;
    }
    // An end that is added is one of it only if it has none.
    let closed = format!("{}*/", source.text);
    let last = lexer::with_comments(&closed).pop()?;
    let is_comment = matches!(last.kind, TokenKind::Comment | TokenKind::Doc);
    if !is_comment || !closed[last.span.clone()].starts_with("/*") {
        return None;
    }
    let fault = Fault::new("this comment has no end: all that follows is a part of it");
    let fault = fault.hint("end it by `*/`; one within another has an end of its own");
    let place = Place { source: source.clone(), span: last.span.start..last.span.start + 2 };
    Some(Finding { rule: Rule::Text, diagnostic: Diagnostic::warning(fault).at(place) })
}

fn sorted(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| {
        let Diagnostic { place, fault, .. } = &finding.diagnostic;
        (place.as_ref().map(|place| place.span.start), finding.rule, fault.message.clone())
    });
    found.dedup_by(|a, b| a.diagnostic.place == b.diagnostic.place);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let source = Rc::new(Source { name: "lab.rhai".into(), text: text.into() });
        let found = Inspector::default().text(&source, Some(Role::Recipe)).findings;
        found.into_iter().map(|finding| finding.diagnostic.fault.message).collect()
    }

    #[test]
    fn what_is_right_is_not_told() {
        for text in [
            "let disks = [#{ path: \"/vm/a\" }]; truncate(disks[0].path, 1.GiB); print(disks[0][\"path\"].len);",
            "let of = #{ at: 0 }; let all = [1, 2]; print(all[of.at].to_hex()); print(all[all[0]]);",
            "let of = #{ a: 1 }; of.b = 2; print(of.b); print(of.a);",
            "let of = #{}; of[\"a\"] = 1; print(of.a); let more = #{}; more += #{ a: 1 }; print(more.a);",
            "let of = #{ inner: #{ a: 1 } }; of.inner.b = 2; print(of.inner.b);",
            "let of = #{ a: 1 }; of.mixin(#{ b: 2 }); print(of.b);",
            "let e = bhyve(#{ name: \"a\" }).run(); if e.rebooted || e.status == 4 { print(e.word); }",
            "let text = \"a\"; text += \"b\"; text = 5; print(text.is_odd());",
            "let n = 0; loop { n += 1; if n > 3 { break; } } print(n);",
            "let n = 0; loop { switch n { 3 => break, _ => () } n += 1; } print(n);",
            "fn f(a) { if a { return 1; } 2 } print(f(true));",
            "const SIZE = 1.GiB; fn f() { global::SIZE } print(f());",
            "let hook = |e| print(e); hook.call(1); let twice = |x| x * 2; print([1].map(twice));",
            "let x = 1; { let y = x; print(y); } for (a, i) in [1] { print(a + i); }",
            "try { tap(\"tap1\"); } catch (fault) { print(fault); }",
            "let mode = param(\"mode\", \"a\"); print(switch mode { \"a\" => 1, _ => 2 });",
            "import \"std/net\" as net; let nic = net::nic(\"bridge2\", \"tap1\"); print(nic.name);",
            "let mtu = param(\"mtu\", 1500); vlan(\"ix0\", 80, #{ mtu: mtu });",
            "let path = param(\"path\", \"/vm/a\"); truncate(path, 1.GiB, #{ shrink: init });",
            "let of = if init { virtio_rnd() }; bhyve(#{ name: \"a\", slots: #{ \"3\": of } }).run();",
            "export const A = 1; let big = 20; print(big.GiB);",
            "ready(#{ tcp: param(\"at\", \"10.0.0.5:1\") }); netboot(#{ script: \"#!ipxe\" });",
            "let node = bhyvectl(\"a\"); node.destroy(); print(\"a\".len + [1].len() + \"b\".len());",
        ] {
            assert_eq!(told(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_comment_without_an_end_is_told() {
        for (text, is_open) in [
            ("print(1); /* b", true),
            ("print(1); /* b /* c */ d\n", true),
            ("/* b *", true),
            ("/** b /*/", true),
            ("/* b */", false),
            ("/* b /* c */ */", false),
            ("/**/", false),
            ("// /* b", false),
            ("print(\"/* b\");", false),
            ("print(1 /* b */ + 2);", false),
        ] {
            let is_told = told(text).iter().any(|one| one.starts_with("this comment has no end"));
            assert_eq!(is_told, is_open, "{text}");
        }
    }

    #[test]
    fn an_unfinished_line_hides_nothing_but_itself() {
        let text = |line: &str| format!("let disk = \"/vm/a\";\n{line}\ntruncate(disk, 1.Gib);\ntpa(\"tap1\");\n");
        for line in [
            "let vm = bhyve(",
            "let vm = bhyve(#{ name: ",
            "let vm = bhyve(#{ name: \"a\", slots: #{ \"3\": virtio_",
            "vm.",
            "let ",
            "if init {",
            "import \"std/",
            "for name in",
            "tap(\"tap",
            "print(`${disk",
            "fn make(",
            ")",
            "}",
            "let x = 1 +",
            "@",
        ] {
            let told = told(&text(line));
            for rest in ["a number has no property `Gib`", "there is no function `tpa`"] {
                assert!(told.iter().any(|one| one == rest), "{line}: {told:?}");
            }
            assert!(told.len() > 2, "{line}");
        }
    }
}
