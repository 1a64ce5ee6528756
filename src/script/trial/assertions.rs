//! What a test asserts.

use super::recipe_run::Ran;
use super::{SharedState, word};
use crate::diag::difference::{Side, between};
use crate::diag::{Diagnostic, Fault};
use crate::script::raise::Raised;
use crate::script::words::{expected, text};
use rhai::{AST, ASTNode, Dynamic, Engine, Expr, NativeCallContext, Position, Stmt};
use std::any::TypeId;
use std::rc::Rc;

pub(super) fn register(engine: &mut Engine, state: &SharedState, ast: &Rc<AST>) {
    word(engine, state, "assert", assert);
    word(engine, state, "assert_error", assert_error);
    word(engine, state, "assert_clean", assert_clean);
    word(engine, state, "prove_clean", prove_clean);
    let (state, ast) = (state.clone(), ast.clone());
    let types = [TypeId::of::<Dynamic>(), TypeId::of::<Dynamic>()];
    engine.register_raw_fn("assert_plan", types, move |context: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
        let (ran, wanted) = (args[0].flatten_clone(), args[1].flatten_clone());
        let position = context.call_position();
        assert_plan(&state, &ast, &ran, &wanted, position).map_err(|raised| raised.throw(position))
    });
}

fn ran(value: &Dynamic) -> Result<Ran, Raised> {
    value.clone().try_cast::<Ran>().ok_or_else(|| expected("what `recipe(\"…\")` returned", value).arg(0))
}

fn assert(_: &SharedState, args: &[Dynamic], _: Position) -> Result<Dynamic, Raised> {
    match args[0].as_bool() {
        Ok(true) => Ok(Dynamic::UNIT),
        Ok(false) => {
            let why = args.get(1).map_or_else(|| "it is not so".to_string(), ToString::to_string);
            Err(Fault::new(why).into())
        }
        Err(_) => Err(expected("true or false", &args[0]).arg(0)),
    }
}

/// What was wrong, in one line each.
fn lines(faults: &[Diagnostic]) -> String {
    let line = |one: &Diagnostic| match &one.place {
        Some(place) => format!("{place}: {}", one.fault),
        None => one.fault.to_string(),
    };
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn no_faults(ran: &Ran) -> Result<(), Raised> {
    if ran.faults.is_empty() {
        return Ok(());
    }
    Err(Fault::new(format!("the run of {} failed", ran.recipe.source().name)).hint(lines(&ran.faults)).into())
}

fn assert_error(_: &SharedState, args: &[Dynamic], _: Position) -> Result<Dynamic, Raised> {
    let (ran, wanted) = (ran(&args[0])?, text(&args[1]).map_err(|raised| raised.arg(1))?);
    if ran.faults.iter().any(|one| one.fault.message.contains(&wanted)) {
        return Ok(Dynamic::UNIT);
    }
    let fault = if ran.faults.is_empty() {
        Fault::new(format!("the run of {} went well", ran.recipe.source().name))
    } else {
        Fault::new("the error is another").hint(lines(&ran.faults))
    };
    Err(Raised::from(fault).arg(1))
}

fn assert_clean(_: &SharedState, args: &[Dynamic], _: Position) -> Result<Dynamic, Raised> {
    let ran = ran(&args[0])?;
    no_faults(&ran)?;
    let left = ran.after.left(&ran.before);
    if left.is_empty() { Ok(Dynamic::UNIT) } else { Err(Fault::new("something is left").hint(left.join("\n")).into()) }
}

/// Fails each effect in turn: whichever it is, nothing is left.
fn prove_clean(state: &SharedState, args: &[Dynamic], position: Position) -> Result<Dynamic, Raised> {
    drop(assert_clean(state, args, position)?);
    let ran = ran(&args[0])?;
    for at in 0..ran.taken {
        let failed = ran.failing(at);
        let left = failed.after.left(&failed.before);
        if !left.is_empty() {
            let line = failed.after.log.iter().find(|line| line.ends_with("  # refused"));
            let line = line.map(|line| line.trim_end_matches("  # refused")).unwrap_or_default();
            return Err(Fault::new(format!("something is left when `{line}` fails")).hint(left.join("\n")).into());
        }
    }
    Ok(i64::try_from(ran.taken).unwrap_or(i64::MAX).into())
}

fn assert_plan(
    state: &SharedState,
    ast: &AST,
    value: &Dynamic,
    wanted: &Dynamic,
    at: Position,
) -> Result<Dynamic, Raised> {
    let (ran, wanted) = (ran(value)?, text(wanted).map_err(|raised| raised.arg(1))?);
    no_faults(&ran)?;
    let plan = ran.plan();
    if plan.trim() == wanted.trim() {
        return Ok(Dynamic::UNIT);
    }
    if state.borrow().rewrites
        && let Some(literal) = literal(ast, at)
    {
        state.borrow_mut().blessed.push((literal, written(&plan)));
        return Ok(Dynamic::UNIT);
    }
    let fault = Fault::new(format!("{} does something else", ran.recipe.source().name));
    Err(Raised::from(fault.hint(differences(wanted.trim(), plan.trim()))).arg(1))
}

/// Writes a plan as a text of Rhai: in backticks, where a backtick stands twice and all else is itself. What Rhai would put a value
/// in for, and what no editor shows, stands in double quotes.
fn written(plan: &str) -> String {
    let is_hidden = |c: char| c.is_control() && c != '\n';
    if !plan.contains("${") && !plan.contains(is_hidden) {
        return format!("`\n{}\n`", plan.replace('`', "``"));
    }
    let mut text = String::new();
    for c in plan.chars() {
        match c {
            '\\' | '"' => text.extend(['\\', c]),
            '\n' => text += "\\n",
            c if c.is_control() => text.extend(format!("\\x{:02x}", u32::from(c)).chars()),
            c => text.push(c),
        }
    }
    format!("\"{text}\"")
}

/// Where the plan stands that an assertion was given, if it is written out.
fn literal(ast: &AST, call: Position) -> Option<Position> {
    let mut found = None;
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        let args = match nodes.last() {
            Some(ASTNode::Expr(Expr::FnCall(x, at))) if *at == call => &x.args,
            Some(ASTNode::Stmt(Stmt::FnCall(x, at))) if *at == call => &x.args,
            _ => return true,
        };
        if let Some(Expr::StringConstant(_, at)) = args.get(1) {
            found = Some(*at);
        }
        false
    });
    found
}

/// The lines of which only one of two texts has more, `-` for what was expected.
fn differences(wanted: &str, got: &str) -> String {
    let (wanted, got): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), got.lines().collect());
    let line = |(side, line): (Side, &str)| match side {
        Side::Both => None,
        Side::First => Some(format!("- {line}")),
        Side::Second => Some(format!("+ {line}")),
    };
    let head = "- expected, + done; --bless writes what is done".to_string();
    std::iter::once(head).chain(between(&wanted, &got).into_iter().filter_map(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plan_is_written_as_people_write_it() {
        assert_eq!(written("echo 'a\\n' `b`"), "`\necho 'a\\n' ``b``\n`");
        assert_eq!(written("echo \"${x}\"\n\x1b"), "\"echo \\\"${x}\\\"\\n\\x1b\"");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(plan in "([`$\\{}\\\\\"\n\r\t a-c\u{1b}\u{9b}ä]){0,40}") {
            let engine = Engine::new();
            let read: String = engine.eval(&written(&plan)).unwrap_or_else(|error| format!("{error}: {}", written(&plan)));
            prop_assert_eq!(read.trim(), plan.trim());
        }
    }
}
