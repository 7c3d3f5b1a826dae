//! Types that fit and types that do not, and how messages call them.

use crate::check::facts::typed::Kind;
use crate::schema::Type;

pub(crate) fn numeric(ty: &Type) -> bool {
    matches!(ty, Type::Integer | Type::Number | Type::Money | Type::Percent)
}

/// The type of the values of a list; of anything else its own.
pub(crate) fn element(ty: &Type) -> &Type {
    match ty {
        Type::List(inner) => inner,
        ty => ty,
    }
}

/// May a value of `found` stand where `wanted` is wanted?
pub(crate) fn fits(found: &Type, wanted: &Type) -> bool {
    match (found, wanted) {
        (a, b) if a == b => true,
        (Type::Integer, Type::Number | Type::Money)
        | (Type::Number, Type::Money | Type::Integer)
        | (Type::Money, Type::Number) => true,
        (Type::Text, Type::Enum) | (Type::Enum, Type::Text) => true,
        (Type::Date, Type::Time) => true,
        (Type::List(a), b) => fits(a, b),
        _ => false,
    }
}

/// What to do where two fields of this type spell their words differently.
pub(crate) fn one_choice(ty: &Type) -> &'static str {
    match ty {
        Type::List(_) => "no `choice` translates lists: give both fields the same options, or leave the line out",
        _ => "name both fields in one `choice`, which says how each system spells the words",
    }
}

pub(crate) fn type_name(ty: &Type) -> String {
    match ty {
        Type::Text => "text".to_owned(),
        Type::Integer => "a whole number".to_owned(),
        Type::Number => "a number".to_owned(),
        Type::Money => "money".to_owned(),
        Type::Percent => "a percent".to_owned(),
        Type::Flag => "yes or no".to_owned(),
        Type::Date => "a date".to_owned(),
        Type::Time => "a time".to_owned(),
        Type::Enum => "one of several options".to_owned(),
        Type::Record => "a structured value".to_owned(),
        Type::List(inner) => format!("a list of {}", type_name(inner)),
    }
}

pub(crate) fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Any => "unknown".to_owned(),
        Kind::Value(ty) => type_name(ty),
        Kind::Record(entity) => format!("a record of {entity}"),
        Kind::Members(_) => "an event or result".to_owned(),
        Kind::Duration => "a length of time".to_owned(),
        Kind::Empty => "empty".to_owned(),
    }
}
