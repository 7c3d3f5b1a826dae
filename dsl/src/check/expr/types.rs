//! Types that fit and types that do not.

use crate::check::facts::checker::Checker;
use crate::check::facts::phrases;
use crate::check::facts::typed::{Expected, Kind, Typed};
use crate::check::facts::types::{describe, fits, numeric, type_name};
use crate::diagnostic::{Code, Problem};
use crate::program::Expr;
use crate::schema::Type;
use crate::source::Span;

impl Checker<'_> {
    /// Does the value fit what it is wanted for? Tells what does not.
    pub(crate) fn fit(&mut self, typed: &Typed, expected: &Expected, target: Span) {
        let Some(ty) = &expected.ty else { return };
        let found = match &typed.kind {
            Kind::Any | Kind::Empty => return,
            Kind::Value(found) => found.clone(),
            Kind::Record(_) | Kind::Members(_) if *ty == Type::Record => return,
            other => {
                let problem = Problem::new(
                    Code::E0201,
                    format!("{} is {}", expected.name, type_name(ty)),
                    typed.span,
                    describe(other),
                );
                self.report(problem);
                return;
            }
        };
        if *ty == Type::Percent
            && matches!(found, Type::Integer | Type::Number)
            && matches!(typed.expr, Expr::Literal(_))
        {
            let written = self.declared.text(typed.span).to_owned();
            let hundredfold = written.replace('_', "").parse::<rust_decimal::Decimal>().ok();
            let hundredfold = hundredfold.and_then(|n| n.checked_mul(rust_decimal::Decimal::ONE_HUNDRED));
            let stored = hundredfold.map_or_else(|| format!("{written}00"), |n| n.normalize().to_string());
            // Who writes a fraction means it.
            let fraction = hundredfold.is_some_and(|n| !n.is_zero() && n.abs() < rust_decimal::Decimal::ONE_HUNDRED);
            let meant = if fraction { &stored } else { &written }.clone();
            let problem = Problem::new(
                Code::E0205,
                format!("{} is a percent, this is a number", expected.name),
                typed.span,
                "number",
            )
            .help(format!("write {meant}%  (a bare {written} would be stored as {stored}%)"))
            .fix(format!("write {meant}%"), false, vec![(typed.span, format!("{meant}%"))]);
            self.report(problem);
            return;
        }
        if (*ty == Type::Percent) != (found == Type::Percent) && numeric(ty) && numeric(&found) {
            let problem = Problem::new(
                Code::E0205,
                format!("{} is {}, this is {}", expected.name, type_name(ty), type_name(&found)),
                typed.span,
                type_name(&found),
            );
            self.report(problem.help("a percentage is stored as a fraction: 60% is 0.6"));
            return;
        }
        if !fits(&found, ty) {
            let mut problem = Problem::new(
                Code::E0201,
                format!("{} is {}, this is {}", expected.name, type_name(ty), type_name(&found)),
                typed.span,
                type_name(&found),
            );
            if target != typed.span {
                problem = problem.label(target, type_name(ty));
            }
            if (&found, ty) == (&Type::Time, &Type::Date) {
                problem = problem.help("say whose day: `as date in \"Europe/London\"`, or `as date` for that of UTC");
            }
            self.report(problem);
            return;
        }
        self.fit_options(typed, expected, target);
    }

    pub(crate) fn fit_options(&mut self, typed: &Typed, expected: &Expected, target: Span) {
        if expected.ty != Some(Type::Enum) {
            return;
        }
        if typed.kind == Kind::Value(Type::Text) {
            let options = match expected.choice {
                Some(choice) => self.declared.vocabulary.choices[choice].words.len(),
                None => expected.options.len(),
            };
            // A lock may name no options of an enumeration; then any text may be one.
            if options > 0 {
                let message = format!("a text can be anything, and {} takes {options} options", expected.name);
                let problem = Problem::new(Code::E0202, message, typed.span, "any text");
                self.report(problem.help("look the option up in a table, or write it out in an `if`"));
            }
            return;
        }
        if typed.choice.is_some() && typed.choice == expected.choice {
            return;
        }
        let theirs: Vec<String> = match typed.choice {
            Some(choice) => self.declared.words(choice),
            None => typed.options.clone(),
        };
        let ours: Vec<String> = match expected.choice {
            Some(choice) => self.declared.words(choice),
            None => expected.options.clone(),
        };
        if ours.is_empty() || self.declared.may_be_chosen(&ours) {
            return;
        }
        let without: Vec<String> = theirs.into_iter().filter(|o| !ours.contains(o)).collect();
        if let Some(first) = without.first() {
            let mut problem = Problem::new(
                Code::E0202,
                format!("`{first}` has no place in {}", expected.name),
                typed.span,
                format!("can be {}", phrases::list(&without)),
            );
            if target != typed.span {
                problem = problem
                    .label(target, format!("has only {}", ours.iter().take(6).cloned().collect::<Vec<_>>().join(", ")));
            }
            self.report(problem.help("name both fields in one `choice`, which says how each system spells the words"));
        }
    }
}
