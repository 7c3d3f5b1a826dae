//! `as date in "Europe/London"`: the day on which a time falls.

use jiff::tz::TimeZone;

use super::{Builtin, Class};
use crate::schema::Type;
use crate::value::{Value, days_of};

pub(super) const BUILTIN: Builtin = Builtin {
    name: "date",
    written: "date",
    class: Class::Lossy,
    refuses: false,
    lacks: None,
    takes: Type::Time,
    gives: Type::Date,
    doc: "The day on which a time falls, in UTC or, with `in \"Europe/London\"`, in that zone.",
    example: ("2026-03-01T23:30:00Z", "2026-03-01"),
    check: |args| match args {
        [] => Ok(()),
        [Value::Text(zone)] if TimeZone::get(zone).is_ok() => Ok(()),
        _ => Err("it takes a time zone, such as `in \"Europe/London\"`"),
    },
    apply: |value, args| {
        let zone = match args.first() {
            Some(Value::Text(zone)) => TimeZone::get(zone).map_err(|_| "there is no such time zone".to_owned())?,
            _ => TimeZone::UTC,
        };
        match value {
            Value::Date(day) => Ok(Value::Date(*day)),
            Value::Time(time) => {
                let time = time.timestamp().ok_or("it is outside the calendar")?;
                Ok(Value::Date(days_of(time.to_zoned(zone).date())))
            }
            _ => Err("it is no time".to_owned()),
        }
    },
    invert: None,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Timestamp;

    #[test]
    fn a_time_falls_on_the_day_of_its_zone() {
        let day = |text: &str, args: &[Value]| {
            let time = Value::Time(Timestamp::parse(text).expect("a time"));
            (BUILTIN.apply)(&time, args).expect("a day").to_string()
        };
        let zone = |name: &str| [Value::text(name)];
        assert_eq!(day("1990-06-01T23:00:00Z", &[]), "1990-06-01");
        assert_eq!(day("1990-06-01T23:00:00Z", &zone("Europe/London")), "1990-06-02");
        assert_eq!(day("1990-06-02T03:00:00Z", &zone("America/New_York")), "1990-06-01");
        assert!((BUILTIN.check)(&zone("Europe/Lundun")).is_err());
    }
}
