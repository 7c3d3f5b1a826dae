//! The built-in transforms: `as lowercase`, `as cents`, `as "D MMM YYYY"`.
//!
//! Always true: a normaliser applied twice is applied once; an invertible one inverted gives the value back.
//! Everything else is lossy and may not stand on a two-way line.

mod cents;
mod date;
mod e164;
mod format;
mod round;
mod text;
mod unix_seconds;
mod words;

use crate::fault::Fault;
use crate::program::{Expr, Transform};
use crate::schema::Type;
use crate::value::Value;

/// What a transform does to information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Applying it twice changes nothing: allowed on two-way lines.
    Normaliser,
    /// It can be undone: allowed on two-way lines.
    Invertible,
    /// It drops something.
    Lossy,
}

/// The way back from a result.
type Inverse = fn(&Value) -> Result<Value, String>;

/// One entry of the registry.
#[derive(Debug)]
pub struct Builtin {
    /// What rules call it.
    pub name: &'static str,
    /// How rules write it behind `as`, with the arguments of the example.
    pub written: &'static str,
    /// What it does to information.
    pub class: Class,
    /// It takes not every value of its type; what it refuses counts as missing before an `else`.
    pub refuses: bool,
    /// Why a value may give nothing at all, in fewer than 70 characters; what happens then is for the rules to say.
    pub lacks: Option<&'static str>,
    /// The type it takes.
    pub takes: Type,
    /// The type it gives.
    pub gives: Type,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Input and output, as rules would print them.
    pub example: (&'static str, &'static str),
    /// Why these arguments cannot be used; none where they can.
    check: fn(&[Value]) -> Result<(), &'static str>,
    apply: fn(&Value, &[Value]) -> Result<Value, String>,
    invert: Option<Inverse>,
}

impl Builtin {
    /// Whether rules may give it these arguments.
    ///
    /// # Errors
    /// Why not, in fewer than 70 characters.
    pub fn accepts(&self, args: &[Value]) -> Result<(), &'static str> {
        (self.check)(args)
    }
}

/// Most transforms take no arguments.
fn no_arguments(args: &[Value]) -> Result<(), &'static str> {
    if args.is_empty() { Ok(()) } else { Err("it takes no arguments") }
}

/// Every transform: two-way ones first, in the order in which help lists them.
#[must_use]
pub fn registry() -> &'static [Builtin] {
    const ALL: &[Builtin] = &[
        text::LOWERCASE,
        text::UPPERCASE,
        text::TRIMMED,
        e164::BUILTIN,
        cents::BUILTIN,
        unix_seconds::BUILTIN,
        date::BUILTIN,
        round::BUILTIN,
        format::BUILTIN,
        words::FIRST_WORD,
        words::LAST_WORD,
        words::REST,
        words::DOMAIN,
        words::COMPANY_DOMAIN,
        words::REPLACED,
        words::SHORTENED,
        words::LENGTH,
    ];
    ALL
}

/// The one transform that gives a number of a number.
pub(crate) const ROUND: &str = round::BUILTIN.name;

/// The transform that rules write like this.
#[must_use]
pub fn named(name: &str) -> Option<&'static Builtin> {
    registry().iter().find(|builtin| builtin.name == name)
}

/// Whether a transform in this expression may refuse what it is given.
pub(crate) fn may_refuse(expr: &Expr) -> bool {
    let mut refuses = false;
    expr.visit(&mut |part| {
        if let Expr::Transform(_, transform) = part {
            refuses |= named(&transform.name).is_some_and(|builtin| builtin.refuses);
        }
    });
    refuses
}

/// The transform that other languages call like this, where it has another name here.
#[must_use]
pub fn elsewhere(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "lower" => Some(text::LOWERCASE.name),
        "upper" => Some(text::UPPERCASE.name),
        "trim" => Some(text::TRIMMED.name),
        "firstname" | "first" => Some(words::FIRST_WORD.name),
        "lastname" | "last" => Some(words::LAST_WORD.name),
        "extractdomain" | "host" | "hostname" => Some(words::DOMAIN.name),
        "replace" | "substitute" => Some(words::REPLACED.name),
        "truncate" | "truncated" | "left" | "shorten" => Some(words::SHORTENED.name),
        "len" | "size" | "count" => Some(words::LENGTH.name),
        _ => None,
    }
}

/// The class of a transform, where there is one of this name.
#[must_use]
pub fn class(name: &str) -> Option<Class> {
    named(name).map(|builtin| builtin.class)
}

/// Applies a transform to a value that is not empty.
///
/// # Errors
/// [`Fault::Transform`] where it cannot take the value.
pub fn apply(transform: &Transform, value: &Value) -> Result<Value, Fault> {
    let fault =
        |reason| Fault::Transform { transform: format!("as {}", transform.name), value: value.to_string(), reason };
    let builtin = named(&transform.name).ok_or_else(|| fault("there is no such transform".to_owned()))?;
    (builtin.apply)(value, &transform.args).map_err(fault)
}

/// Undoes a transform.
///
/// # Errors
/// [`Fault::Transform`] where it cannot be undone for this value.
pub fn invert(transform: &Transform, value: &Value) -> Result<Value, Fault> {
    let fault =
        |reason| Fault::Transform { transform: format!("as {}", transform.name), value: value.to_string(), reason };
    match named(&transform.name).and_then(|builtin| builtin.invert) {
        Some(invert) => invert(value).map_err(fault),
        None => Err(fault("it cannot be undone".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(ty: &Type, text: &str) -> Value {
        let field = crate::schema::Field::of(ty.clone());
        crate::decode::decode_field(&field, &text.into()).expect("examples are of their type")
    }

    proptest::proptest! {
        #[test]
        fn normalisers_settle_and_invertible_ones_come_back(text in ".{0,24}", number in i64::MIN / 4..i64::MAX / 4) {
            for builtin in registry().iter().filter(|builtin| builtin.class != Class::Lossy) {
                let value = match builtin.takes {
                    Type::Text => Value::text(text.as_str()),
                    Type::Time => Value::Time(crate::value::Timestamp(number / 1_000_000)),
                    _ => Value::decimal(rust_decimal::Decimal::new(number, 2)),
                };
                let transform = Transform { name: builtin.name.to_owned(), args: Vec::new() };
                let Ok(once) = apply(&transform, &value) else { continue };
                if once.is_empty() {
                    continue;
                }
                match builtin.class {
                    Class::Normaliser => proptest::prop_assert_eq!(apply(&transform, &once), Ok(once)),
                    _ => proptest::prop_assert_eq!(invert(&transform, &once), Ok(value)),
                }
            }
        }
    }

    #[test]
    fn every_example_holds() {
        for builtin in registry() {
            let args = match builtin.name {
                "format" => vec![Value::text("D MMM YYYY HH:mm")],
                "replaced" => vec![Value::text("-"), Value::text(" ")],
                "shortened" => vec![Value::Integer(10)],
                _ => Vec::new(),
            };
            let transform = Transform { name: builtin.name.to_owned(), args };
            let given = parse(&builtin.takes, builtin.example.0);
            let result = apply(&transform, &given).expect("an example can be applied");
            assert_eq!(result, parse(&builtin.gives, builtin.example.1), "as {}", builtin.name);
            match builtin.class {
                Class::Normaliser => {
                    assert_eq!(apply(&transform, &result).expect("twice"), result, "as {}", builtin.name)
                }
                Class::Invertible => {
                    assert_eq!(invert(&transform, &result).expect("undone"), given, "as {}", builtin.name)
                }
                Class::Lossy => assert!(invert(&transform, &result).is_err()),
            }
        }
    }
}
