//! What is known of an expression that was checked, and of the names that it may use.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Related;
use crate::program::{Compare, Expr, Transform};
use crate::schema::{EntityName, Field, Type};
use crate::source::Span;
use crate::value::Value;

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Something went wrong already; fits everything.
    Any,
    /// A value.
    Value(Type),
    /// A record.
    Record(EntityName),
    /// An event or a result.
    Members(BTreeMap<String, Field>),
    /// A length of time.
    Duration,
    /// `empty`
    Empty,
}

/// A checked expression and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) kind: Kind,
    pub(crate) choice: Option<usize>,
    pub(crate) options: Vec<String>,
    /// It may be missing, and why, in the reader's words.
    pub(crate) missing: Option<Missing>,
    /// It is `empty`, or that is what stands in for a value that is missing.
    pub(crate) empty: bool,
    pub(crate) span: Span,
    /// The field it reads, `app.User.phone`, where it is one.
    pub(crate) field: Option<String>,
}

impl Typed {
    pub(crate) fn any(span: Span) -> Self {
        Self::of(Expr::Literal(Value::Empty), Kind::Any, span)
    }

    pub(crate) fn of(expr: Expr, kind: Kind, span: Span) -> Self {
        Self { expr, kind, choice: None, options: Vec::new(), missing: None, empty: false, span, field: None }
    }
}

/// Why a value may be missing.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    /// In the reader's words.
    pub(crate) why: String,
    /// The part of the path that may lead nowhere.
    pub(crate) span: Option<Span>,
    /// Where the lock says so.
    pub(crate) related: Option<Related>,
    /// An `if` around it has made sure that it is there.
    pub(crate) ruled_out: bool,
    /// It stands behind a `not`: whether that holds is not known, and a condition must not take it for yes.
    pub(crate) negated: Option<Span>,
}

impl Missing {
    pub(crate) fn new(why: impl Into<String>, span: Span) -> Self {
        Self { why: why.into(), span: Some(span), related: None, ruled_out: false, negated: None }
    }

    /// A variable that may be bound to nothing.
    pub(crate) fn variable(why: impl Into<String>) -> Self {
        Self { why: why.into(), span: None, related: None, ruled_out: false, negated: None }
    }
}

/// What a value is wanted for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    pub(crate) ty: Option<Type>,
    pub(crate) choice: Option<usize>,
    pub(crate) options: Vec<String>,
    /// `crm.Deal.dealstage`, for messages.
    pub(crate) name: String,
    /// What it is wanted for went wrong already: a single name may be a word of anything.
    pub(crate) unknown: bool,
    /// It is only printed, so that any type will do.
    pub(crate) printed: bool,
}

/// A variable.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    pub(crate) kind: Kind,
    /// It may be bound to nothing, and why.
    pub(crate) missing: Option<Missing>,
    /// The field whose value it holds, where it holds one: `old` and `new`.
    pub(crate) field: Option<(EntityName, String)>,
    /// It names what the action makes or finds that is being read, and is there only behind it.
    pub(crate) ahead: bool,
}

impl Var {
    /// A variable that is always bound.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, missing: None, field: None, ahead: false }
    }
}

/// The names an expression may use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) vars: BTreeMap<String, Var>,
    /// In a sync: the variable that bare paths belong to, and the entities of both sides.
    pub(crate) bare: Option<(String, EntityName)>,
    pub(crate) sides: Vec<(String, EntityName)>,
    /// Places of which an `if` or `only where` has made sure that something is there, see [`present`].
    pub(crate) present: std::collections::BTreeSet<String>,
}

/// What a name and links lead to, under one name however a path to it is written; nothing for other expressions.
pub(crate) fn place(expr: &Expr) -> Option<String> {
    let (variable, links, field) = match expr {
        Expr::Field { variable, links, field, .. } => (variable, links, field.as_str()),
        Expr::Record { variable, links } | Expr::Reference { variable, links } => (variable, links, ""),
        // What is made of it is a place of its own.
        Expr::Transform(of, Transform { name, args }) => return Some(format!("{} as {name}{args:?}", place(of)?)),
        _ => return None,
    };
    let names = std::iter::once(variable.as_str()).chain(links.iter().map(String::as_str)).chain([field]);
    Some(names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join("."))
}

/// Places that something is at where the condition has the answer `holds`: where `a is not empty and b.c > 5` holds,
/// both and what stands before them on the way.
pub(crate) fn present(condition: &Expr, holds: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match (condition, holds) {
        (Expr::Not(of), _) => return present(of, !holds),
        (Expr::And(left, right), true) | (Expr::Or(left, right), false) => {
            found = present(left, holds);
            found.append(&mut present(right, holds));
        }
        (Expr::And(left, right), false) | (Expr::Or(left, right), true) => {
            let (left, right) = (present(left, holds), present(right, holds));
            return left.intersection(&right).cloned().collect();
        }
        (Expr::IsEmpty(of), false) => not_empty(of, &mut found),
        // An empty value equals only an empty one and is neither less nor greater than anything.
        (Expr::Compare(Compare::Equal, left, right), true) | (Expr::Compare(Compare::NotEqual, left, right), false) => {
            for (of, other) in [(left, right), (right, left)] {
                if written_out(other) {
                    not_empty(of, &mut found);
                }
            }
        }
        (Expr::Compare(Compare::Equal, left, right), false) | (Expr::Compare(Compare::NotEqual, left, right), true) => {
            for (of, other) in [(left, right), (right, left)] {
                if **other == Expr::Literal(Value::Empty) {
                    not_empty(of, &mut found);
                }
            }
        }
        (Expr::Compare(_, left, right), true) => {
            not_empty(left, &mut found);
            not_empty(right, &mut found);
        }
        (Expr::In(of, list), true) => {
            if matches!(&**list, Expr::List(items) if items.iter().all(written_out)) {
                not_empty(of, &mut found);
            }
        }
        (Expr::Field { .. }, true) => not_empty(condition, &mut found),
        _ => {}
    }
    found
}

/// A value of the rules that is not empty?
fn written_out(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value) if !value.is_empty())
}

/// What must be there for this value to be there.
fn not_empty(value: &Expr, found: &mut BTreeSet<String>) {
    match value {
        Expr::Field { .. } | Expr::Record { .. } | Expr::Reference { .. } => {
            let mut place = place(value).unwrap_or_default();
            // What stands before it on the way is there as well.
            while let Some(dot) = place.rfind('.') {
                let before = place[..dot].to_owned();
                found.insert(std::mem::replace(&mut place, before));
            }
            found.insert(place);
        }
        Expr::Transform(of, _) => {
            found.extend(place(value));
            not_empty(of, found);
        }
        Expr::Lookup { of, .. } | Expr::Table { key: of, .. } => not_empty(of, found),
        Expr::Arithmetic(_, left, right) => {
            not_empty(left, found);
            not_empty(right, found);
        }
        _ => {}
    }
}
