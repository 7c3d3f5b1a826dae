//! `as cents`: money as a whole number of hundredths.

use rust_decimal::Decimal;

use super::{Builtin, Class, no_arguments};
use crate::schema::Type;
use crate::value::Value;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "cents",
    written: "cents",
    class: Class::Invertible,
    refuses: true,
    lacks: None,
    takes: Type::Money,
    gives: Type::Integer,
    doc: "Money as a whole number of hundredths; an amount with a finer fraction is refused.",
    example: ("49.05", "4905"),
    check: no_arguments,
    apply: |value, _| match value {
        Value::Decimal(amount) => {
            let cents = amount.checked_mul(Decimal::ONE_HUNDRED).ok_or("it is too large")?;
            if !cents.fract().is_zero() {
                return Err("it has a fraction of a cent".to_owned());
            }
            i64::try_from(cents).map(Value::Integer).map_err(|_| "it is too large".to_owned())
        }
        _ => Err("it is no amount of money".to_owned()),
    },
    invert: Some(|value| match value {
        Value::Integer(cents) => Ok(Value::decimal(Decimal::new(*cents, 2))),
        _ => Err("it is no whole number".to_owned()),
    }),
};
