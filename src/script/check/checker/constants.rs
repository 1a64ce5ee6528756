//! What is written out: constants, and what words say of them.

use super::Checker;
use crate::script::check::Rule;
use crate::script::words::{self, Row};
use crate::script::{habits, source};
use rhai::{Dynamic, Expr, FnCallExpr, Position};

impl Checker<'_> {
    /// A literal that is set as a key of a machine.
    pub(super) fn set_of_machine(&mut self, name: &str, value: &Expr, position: Position) {
        let value = self.constant(value);
        let (Some(deep), Some(value)) = (&self.deep, value) else { return };
        self.found.extend(deep.trial.key(name, &value, position));
    }

    /// A text that is written out.
    pub(super) fn text(&mut self, position: Position) {
        if self.deep.is_none() {
            return;
        }
        let place = source::token(self.source, position);
        let facts = || words::variables().iter().map(|(name, _)| *name);
        let is_known = |name: &str| self.scope.iter().any(|local| local.name == name) || facts().any(|of| of == name);
        let written = source::slice(self.source, place.span);
        if let Some(fault) = habits::literal(written, &is_known) {
            // What was to be put in was to be read.
            let named = habits::interpolated(written).chain(habits::of_shell(written));
            let named: Vec<String> = named.map(String::from).collect();
            named.iter().for_each(|name| drop(self.read(name)));
            self.report(Rule::Text, fault, position);
        }
    }

    /// The keys of a map that is written out as a word's argument.
    pub(super) fn literal_keys(&mut self, rows: &[Row], call: &FnCallExpr) {
        let Some(Expr::Map(map, _)) = call.args.last() else { return };
        let Some(known) = rows.iter().map(|row| row.option_names()).find(|names| !names.is_empty()) else { return };
        for (key, _) in map.0.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            let raised = words::unknown_key(&key.name, &known);
            self.report(Rule::UnknownKey, raised.fault, key.pos);
        }
    }

    /// Returns what an expression always is, if that is known.
    pub(super) fn constant(&self, expression: &Expr) -> Option<Dynamic> {
        self.evaluated(expression, false)
    }

    /// Returns what is known of an expression: what is not is `()`, in lists and maps as well.
    pub(super) fn partial(&self, expression: &Expr) -> Dynamic {
        self.evaluated(expression, true).unwrap_or(Dynamic::UNIT)
    }

    fn evaluated(&self, expression: &Expr, partly: bool) -> Option<Dynamic> {
        let inner = |e: &Expr| if partly { Some(self.partial(e)) } else { self.constant(e) };
        Some(match expression {
            Expr::BoolConstant(value, _) => (*value).into(),
            Expr::IntegerConstant(value, _) => (*value).into(),
            Expr::FloatConstant(value, _) => (**value).into(),
            Expr::CharConstant(value, _) => (*value).into(),
            Expr::StringConstant(value, _) => value.clone().into(),
            Expr::Unit(_) => Dynamic::UNIT,
            Expr::Array(all, _) => all.iter().map(inner).collect::<Option<rhai::Array>>()?.into(),
            Expr::Map(map, _) => {
                let pair = |(key, value): &(rhai::Ident, Expr)| Some((key.name.as_str().into(), inner(value)?));
                map.0.iter().map(pair).collect::<Option<rhai::Map>>()?.into()
            }
            Expr::Dot(both, ..) => match (&both.lhs, &both.rhs) {
                (Expr::IntegerConstant(number, _), Expr::Property(unit, _)) => {
                    let (_, shift) = words::UNITS.iter().find(|(name, _)| *name == unit.2.as_str())?;
                    number.checked_mul(1 << shift)?.into()
                }
                _ => return None,
            },
            Expr::Variable(x, ..) if x.2.is_empty() => {
                let local = self.scope.iter().rfind(|known| known.name == x.1)?;
                local.value.clone()?
            }
            _ => return None,
        })
    }
}
