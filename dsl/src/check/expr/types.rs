//! Types that fit and types that do not.

use crate::check::facts::checker::Checker;
use crate::check::facts::phrases;
use crate::check::facts::typed::{Expected, Kind, Typed};
use crate::check::facts::types::{describe, element, fits, numeric, one_choice, type_name};
use crate::diagnostic::{Code, Problem};
use crate::program::{Arithmetic, Expr};
use crate::schema::Type;
use crate::source::Span;
use crate::value::Value;

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
        if self.percent_and_number(typed, &found, ty, &expected.name) {
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
        if *element(ty) == Type::Integer && self.may_have_a_fraction(&typed.expr) {
            let message = format!("{} is a whole number, this may have a fraction", expected.name);
            let mut problem = Problem::new(Code::E0201, message, typed.span, "not always whole");
            if target != typed.span {
                problem = problem.label(target, type_name(ty));
            }
            self.report(problem.help("write a whole number, or round the value: `(…) as round`"));
            return;
        }
        self.fit_options(typed, expected, target);
    }

    /// Can it be seen from what is written that the value need not be whole? A field of numbers is taken as it comes.
    fn may_have_a_fraction(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Literal(Value::Decimal(number)) => !number.fract().is_zero(),
            Expr::List(items) => items.iter().any(|item| self.may_have_a_fraction(item)),
            Expr::Else(value, otherwise) => self.may_have_a_fraction(value) || self.may_have_a_fraction(otherwise),
            Expr::Arithmetic(Arithmetic::Divide, ..) => true,
            Expr::Arithmetic(_, left, right) => self.may_have_a_fraction(left) || self.may_have_a_fraction(right),
            Expr::Transform(_, transform) if transform.name == "round" => {
                transform.args.first().is_some_and(|digits| *digits != Value::Integer(0))
            }
            Expr::Table { table, column, .. } => {
                let rows = self.declared.vocabulary.tables[*table].rows.values();
                rows.filter_map(|row| row.get(*column))
                    .any(|cell| matches!(cell, Value::Decimal(number) if !number.fract().is_zero()))
            }
            _ => false,
        }
    }

    /// E0205 for a number where a percentage is wanted, or the other way round. Was it one of these?
    pub(crate) fn percent_and_number(&mut self, typed: &Typed, found: &Type, ty: &Type, name: &str) -> bool {
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
            let problem =
                Problem::new(Code::E0205, format!("{} is a percent, this is a number", name), typed.span, "number")
                    .help(format!("write {meant}%  (a bare {written} would be stored as {stored}%)"))
                    .fix(format!("write {meant}%"), false, vec![(typed.span, format!("{meant}%"))]);
            self.report(problem);
            return true;
        }
        if (*ty == Type::Percent) != (*found == Type::Percent) && numeric(ty) && numeric(found) {
            let problem = Problem::new(
                Code::E0205,
                format!("{} is {}, this is {}", name, type_name(ty), type_name(found)),
                typed.span,
                type_name(found),
            );
            self.report(problem.help("a percentage is stored as a fraction: 60% is 0.6"));
            return true;
        }
        false
    }

    pub(crate) fn fit_options(&mut self, typed: &Typed, expected: &Expected, target: Span) {
        // A list takes its values one by one.
        let Some(ty) = expected.ty.as_ref().filter(|ty| *element(ty) == Type::Enum) else { return };
        if matches!(&typed.kind, Kind::Value(ty) if *element(ty) == Type::Text) {
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
        if ours.is_empty() || self.declared.may_be_chosen(&ours) || self.declared.is_torn(&ours) {
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
            self.report(problem.help(one_choice(ty)));
        }
    }
}
