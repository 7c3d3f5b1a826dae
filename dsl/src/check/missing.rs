//! Values that may be missing: every line says what happens then.

use super::expr::{Expected, Kind, Names, Typed};
use super::world::World;
use crate::ast::{self, Outcome as Written};
use crate::diagnostic::Problem;
use crate::program::{Expr, Outcome, Side, Sync};
use crate::source::Span;

impl World<'_> {
    /// `else …` of a line: the outcome, and the value wrapped where the line gives one.
    pub(super) fn outcome(
        &mut self,
        names: &Names,
        typed: Typed,
        on_empty: Option<&ast::OnEmpty>,
        expected: &Expected,
        new: bool,
        target: Span,
    ) -> (Expr, Outcome) {
        let Some(written) = on_empty else {
            if let Some(why) = &typed.missing {
                self.missing(&typed, why.clone(), expected, new, target);
            }
            return (typed.expr, Outcome::Never);
        };
        if typed.missing.is_none() && typed.kind != Kind::Any {
            let problem =
                Problem::new("W0204", "this `else` never happens", written.span, "the value cannot be missing");
            self.tell(problem.help("remove the `else`"));
        }
        match &written.outcome {
            Written::Clear => (typed.expr, Outcome::Clear),
            Written::Keep if new => {
                let problem = Problem::new(
                    "E0209",
                    "a new record has nothing to keep",
                    written.span,
                    "`keep` leaves the old value",
                );
                self.tell(problem.help("write `else clear` to leave the field out, or a value"));
                (typed.expr, Outcome::Keep)
            }
            Written::Keep => (typed.expr, Outcome::Keep),
            Written::Skip | Written::Nothing => (typed.expr, Outcome::Skip),
            Written::Fail => (typed.expr, Outcome::Fail),
            Written::Value(value) => {
                let value = self.expr(names, value, expected);
                self.fit(&value, expected, target);
                (Expr::Else(Box::new(typed.expr), Box::new(value.expr)), Outcome::Never)
            }
        }
    }

    pub(super) fn missing(&mut self, typed: &Typed, why: String, expected: &Expected, new: bool, target: Span) {
        let mut problem =
            Problem::new("E0203", "this value can be missing, and nothing says what to do then", typed.span, why);
        if target != typed.span {
            problem = problem.label(target, format!("so {} would get no value", expected.name));
        }
        let mut help = String::from("finish the line with one of\n  else clear      ");
        help.push_str(if new { "leave the field out" } else { "blank the field" });
        if !new {
            help.push_str("\n  else keep       leave the field as it is");
        }
        help.push_str("\n  else skip       do not do this at all\n  else fail       stop for a person\n  else \"none\"     write a fixed value");
        let at = Span { start: typed.span.end, ..typed.span };
        self.tell(problem.help(help).fix("leave it empty", false, vec![(at, " else clear".to_owned())]));
    }

    pub(super) fn mapping_outcome(
        &mut self,
        names: &Names,
        typed: super::expr::Typed,
        line: &ast::Mapping,
        expected: &Expected,
        target: Span,
        source_side: Side,
        built: &Sync,
    ) -> (Expr, Outcome) {
        let thing = built.entity(source_side).entity.to_lowercase();
        let Some(written) = &line.on_empty else {
            if let Some(why) = typed.missing.clone() {
                let system = if source_side == Side::Left { &built.right.system } else { &built.left.system };
                let label = if *system == "crm" { "CRM".to_owned() } else { system.clone() };
                let at = Span { start: line.span.end, ..line.span };
                let edits = |word: &str| vec![(at, format!(" else {word}"))];
                let problem = Problem::new("E0203", "this value can be missing, and nothing says what to do then", typed.span, why)
                    .label(target, format!("so {} would get no value", expected.name))
                    .help(format!(
                        "finish the line with one of\n  else clear      blank the {label} field\n  else keep       leave the {label} field as it is\n  else skip       do not sync this {thing} at all\n  else \"none\"     write a fixed value"
                    ))
                    .fix(format!("blank the {label} field"), false, edits("clear"))
                    .fix(format!("leave the {label} field as it is"), false, edits("keep"))
                    .fix(format!("do not sync this {thing} at all"), false, edits("skip"));
                self.tell(problem);
            }
            return (typed.expr, Outcome::Never);
        };
        match &written.outcome {
            Written::Value(value) => {
                let value = self.expr(names, value, expected);
                self.fit(&value, expected, target);
                (Expr::Else(Box::new(typed.expr), Box::new(value.expr)), Outcome::Never)
            }
            other => {
                if typed.missing.is_none() && typed.kind != Kind::Any {
                    let problem =
                        Problem::new("W0204", "this `else` never happens", written.span, "the value cannot be missing");
                    self.tell(problem.help("remove the `else`"));
                }
                let outcome = match other {
                    Written::Clear => Outcome::Clear,
                    Written::Keep => Outcome::Keep,
                    Written::Fail => Outcome::Fail,
                    _ => Outcome::Skip,
                };
                (typed.expr, outcome)
            }
        }
    }
}
