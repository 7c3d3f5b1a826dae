//! What is known of an expression that was checked, and of the names that it may use.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{self, ExprKind};
use crate::diagnostic::Related;
use crate::program::Expr;
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
}

impl Missing {
    pub(crate) fn new(why: impl Into<String>, span: Span) -> Self {
        Self { why: why.into(), span: Some(span), related: None, ruled_out: false }
    }

    /// A variable that may be bound to nothing.
    pub(crate) fn variable(why: impl Into<String>) -> Self {
        Self { why: why.into(), span: None, related: None, ruled_out: false }
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
}

impl Var {
    /// A variable that is always bound.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, missing: None, field: None }
    }
}

/// The names an expression may use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) vars: BTreeMap<String, Var>,
    /// In a sync: the variable that bare paths belong to, and the entities of both sides.
    pub(crate) bare: Option<(String, EntityName)>,
    pub(crate) sides: Vec<(String, EntityName)>,
    /// Paths of which an `if` has made sure that they lead somewhere.
    pub(crate) present: std::collections::BTreeSet<String>,
}

/// A path as it is written, blanks and backquotes left out.
pub(crate) fn dotted(path: &ast::Path) -> String {
    path.names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".")
}

/// Paths that lead somewhere where the condition holds: of `a is not empty and b.c is not empty`, both.
pub(crate) fn present(condition: &ast::Expr, found: &mut BTreeSet<String>) {
    match &condition.kind {
        ExprKind::IsEmpty { of, negated: true } => {
            if let ExprKind::Path(path) = &of.kind {
                // What stands before it on the way is there as well.
                let mut names: Vec<&str> = path.names.iter().map(|name| name.value.as_str()).collect();
                while !names.is_empty() {
                    found.insert(names.join("."));
                    names.pop();
                }
            }
        }
        ExprKind::Binary(left, op, right) if op.value == ast::BinaryOp::And => {
            present(left, found);
            present(right, found);
        }
        _ => {}
    }
}
