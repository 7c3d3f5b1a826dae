//! Values that may be missing: every line says what happens then.

use crate::ast::{self, Outcome as Written};
use crate::check::facts::checker::Checker;
use crate::check::facts::phrases;
use crate::check::facts::typed::{Expected, Kind, Missing, Names, Typed};
use crate::diagnostic::{Code, Problem};
use crate::program::{Expr, Outcome, Side, Sync};
use crate::schema::{EntityName, Type};
use crate::source::Span;
use crate::transforms;

/// What `else …` is about, for the words of its help.
pub(crate) struct Receiver {
    /// `the CRM field`, or `the field`.
    pub(crate) field: String,
    /// What `skip` leaves out: `do not sync this user at all`.
    pub(crate) skip: String,
    /// A new record, or a call: there is nothing to keep.
    pub(crate) new: bool,
    /// `else fail` is worth a line.
    pub(crate) fail: bool,
    /// Where `else …` would be written.
    pub(crate) at: Span,
}

impl Checker<'_> {
    /// `else …` of an action's line: the outcome, and the value wrapped where the line gives one.
    pub(crate) fn outcome(
        &mut self,
        names: &Names,
        typed: Typed,
        on_empty: Option<&ast::OnEmpty>,
        expected: &Expected,
        new: bool,
        target: Span,
    ) -> (Expr, Outcome) {
        let receiver = Receiver {
            field: "the field".to_owned(),
            skip: "do not do this at all".to_owned(),
            new,
            fail: true,
            at: Span { start: typed.span.end, ..typed.span },
        };
        self.decided(names, typed, on_empty, expected, &receiver, target)
    }

    /// `else …` of a one-way line of a sync.
    #[expect(clippy::too_many_arguments, reason = "a line, its two ends and its value")]
    pub(crate) fn mapping_outcome(
        &mut self,
        names: &Names,
        typed: Typed,
        line: &ast::Mapping,
        expected: &Expected,
        target: Span,
        source: Side,
        built: &Sync,
    ) -> (Expr, Outcome) {
        let receiver = Receiver {
            field: format!("the {} field", phrases::system(&built.entity(source.other()).system)),
            skip: format!("do not sync this {} at all", phrases::thing(&built.entity(source).entity)),
            new: line.on_create.is_some(),
            fail: line.on_create.is_some(),
            at: Span { start: line.right.span.end, end: line.right.span.end, ..line.span },
        };
        self.decided(names, typed, line.on_empty.as_ref(), expected, &receiver, target)
    }

    fn decided(
        &mut self,
        names: &Names,
        typed: Typed,
        on_empty: Option<&ast::OnEmpty>,
        expected: &Expected,
        receiver: &Receiver,
        target: Span,
    ) -> (Expr, Outcome) {
        let Some(written) = on_empty else {
            if let Some(missing) = typed.missing.clone().filter(|missing| !missing.ruled_out) {
                self.undecided(&typed, missing, expected, receiver, target);
            }
            return (typed.expr, Outcome::Never);
        };
        if typed.missing.is_none()
            && !transforms::may_refuse(&typed.expr)
            && !matches!(typed.kind, Kind::Any | Kind::Empty)
        {
            let problem =
                Problem::new(Code::W0204, "this `else` never happens", written.span, "the value cannot be missing");
            self.report(problem.help("remove the `else`").fix("remove it", true, vec![(written.span, String::new())]));
        }
        match &written.outcome {
            Written::Keep if receiver.new => {
                let problem = Problem::new(
                    Code::E0209,
                    "a new record has nothing to keep",
                    written.span,
                    "`keep` leaves the old value",
                );
                self.report(problem.help("write `else clear` to leave the field out, or a value"));
                (typed.expr, Outcome::Keep)
            }
            Written::Value(value) => {
                let value = self.expr(names, value, expected);
                self.fit(&value, expected, target);
                if let Some(missing) = value.missing.clone().filter(|missing| !missing.ruled_out) {
                    self.undecided(&value, missing, expected, receiver, target);
                }
                // `else empty` says what `else clear` says, and is as wrong where the field is never empty.
                let outcome = if value.empty { Outcome::Clear } else { Outcome::Never };
                (Expr::Else(Box::new(typed.expr), Box::new(value.expr)), outcome)
            }
            Written::Clear => (typed.expr, Outcome::Clear),
            Written::Keep => (typed.expr, Outcome::Keep),
            Written::Skip | Written::Nothing => (typed.expr, Outcome::Skip),
            Written::Fail => (typed.expr, Outcome::Fail),
        }
    }

    /// E0209 for `else clear` where the field or link is never empty.
    pub(crate) fn clears(&mut self, entity: &EntityName, name: &str, outcome: &Outcome, written: Option<Span>) {
        let (Outcome::Clear, Some(written), Some(lock)) = (outcome, written, self.declared.entity(entity)) else {
            return;
        };
        let field = lock.fields.get(name).map(|field| field.optional);
        if field.or_else(|| lock.links.get(name).map(|link| link.optional)) != Some(false) {
            return;
        }
        let message = format!("{entity}.{name} is never empty, so it cannot be cleared");
        let problem = Problem::new(Code::E0209, message, written, "does not belong here");
        self.report(problem.help("write `else keep`, `else skip`, `else fail` or a value"));
    }

    /// E0203.
    fn undecided(&mut self, typed: &Typed, missing: Missing, expected: &Expected, receiver: &Receiver, target: Span) {
        let Receiver { field, skip, new, fail, at } = receiver;
        let span = missing.span.unwrap_or(typed.span);
        let message = "this value can be missing, and nothing says what to do then";
        let mut problem = Problem::new(Code::E0203, message, span, missing.why);
        if target != typed.span {
            problem = problem.label(target, format!("so {} would get no value", expected.name));
        }
        let clear = if *new { format!("leave {field} out") } else { format!("blank {field}") };
        let mut choices = vec![("clear", clear)];
        if !new {
            choices.push(("keep", format!("leave {field} as it is")));
        }
        choices.push(("skip", skip.clone()));
        if *fail {
            choices.push(("fail", "stop for a person".to_owned()));
        }
        let mut help = "finish the line with one of".to_owned();
        for (word, says) in &choices {
            help.push_str(&format!("\n  else {word:<10} {says}"));
        }
        help.push_str("\n  else \"none\"     write a fixed value");
        problem = problem.help(help);
        for (word, says) in choices {
            problem = problem.fix(says, false, vec![(*at, format!(" else {word}"))]);
        }
        problem.related.extend(missing.related);
        self.report(problem);
    }

    /// E0203 for a value that has no line of its own: the time of a wait, what it waits for.
    pub(crate) fn needed(&mut self, typed: &Typed, so: &str) {
        let help = format!("write a value for that case behind it: `else {}`", example(&typed.kind));
        self.decided_by(typed, so, help);
    }

    /// E0203 for the key of a new record: any value in its place would be one key for all that have none.
    pub(crate) fn needed_key(&mut self, typed: &Typed) {
        let written = self.declared.text(typed.span);
        let help =
            format!("write `if {written} is not empty {{ create … }}`: with a fixed value all would share one record");
        self.decided_by(typed, "and a record without a key could be made twice", help);
    }

    /// E0203 for a part of a text, where any value will do.
    pub(crate) fn printed(&mut self, typed: &Typed, so: &str) {
        self.decided_by(typed, so, "write a value for that case behind it: `else \"none\"`".to_owned());
    }

    fn decided_by(&mut self, typed: &Typed, so: &str, help: String) {
        let empty = typed.empty.then(|| Missing::new("`empty` is no value", typed.span));
        let Some(missing) = typed.missing.clone().or(empty).filter(|missing| !missing.ruled_out) else { return };
        let span = missing.span.unwrap_or(typed.span);
        let message = "this value can be missing, and nothing says what to do then";
        let mut problem = Problem::new(Code::E0203, message, span, format!("{}, {so}", missing.why)).help(help);
        problem.related.extend(missing.related);
        self.report(problem);
    }
}

/// A value of this kind, as somebody would write it.
fn example(kind: &Kind) -> &'static str {
    match kind {
        Kind::Value(Type::Time | Type::Date) => "2026-12-31",
        Kind::Value(Type::Integer | Type::Number | Type::Money) => "0",
        Kind::Value(Type::Percent) => "0%",
        Kind::Value(Type::Flag) => "no",
        _ => "\"none\"",
    }
}
