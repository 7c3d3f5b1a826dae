//! `as round`, `as round(2)`: a number with fewer digits behind the point.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Builtin, Class};
use crate::schema::Type;
use crate::value::Value;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "round",
    written: "round",
    class: Class::Lossy,
    refuses: false,
    lacks: None,
    takes: Type::Number,
    gives: Type::Number,
    doc: "A number with as many digits behind the point as the argument says, without one none; a half away from zero.",
    example: ("2.5", "3"),
    check: |args| match args {
        [] | [Value::Integer(0..=28)] => Ok(()),
        _ => Err("it takes one whole number of digits, from 0 to 28"),
    },
    apply: |value, args| {
        let digits = match args.first() {
            Some(Value::Integer(digits)) => u32::try_from(*digits).map_err(|_| "it cannot have so many digits")?,
            _ => 0,
        };
        let number = match value {
            Value::Decimal(number) => *number,
            Value::Integer(number) => Decimal::from(*number),
            _ => return Err("it is no number".to_owned()),
        };
        Ok(Value::decimal(number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)))
    },
    invert: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_behind_the_point_are_counted_from_the_argument() {
        let round = |text: &str, digits| {
            let number = Value::decimal(text.parse().expect("a number"));
            (BUILTIN.apply)(&number, &[Value::Integer(digits)]).expect("rounded").to_string()
        };
        assert_eq!([round("49.055", 2), round("-0.5", 0), round("1200", 1)], ["49.06", "-1", "1200"]);
    }
}
