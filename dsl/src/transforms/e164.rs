//! `as e164`, `as e164 in GB`: telephone numbers in the form of ITU-T E.164, `+` and at most 15 digits.
//!
//! Always true: what is given is a number of a numbering plan that is in use, by the tables of Google's libphonenumber;
//! twice is once. An extension has no place in this form, so a number with one is refused.

use std::str::FromStr;

use phonenumber::Mode;
use phonenumber::country::Id;

use super::{Builtin, Class};
use crate::schema::Type;
use crate::value::Value;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "e164",
    written: "e164",
    class: Class::Normaliser,
    refuses: true,
    lacks: None,
    takes: Type::Text,
    gives: Type::Text,
    doc: "A telephone number as `+` and digits; one that does not exist is refused, and so is one without a country \
          code, unless a country is named, as in `e164 in GB`.",
    example: ("+44 (0)20 7946-0958", "+442079460958"),
    check: |args| match args {
        [] => Ok(()),
        [Value::Text(country)] if Id::from_str(country).is_ok() => Ok(()),
        _ => Err("it takes a country of two letters, such as `in GB`"),
    },
    apply: |value, args| {
        let Value::Text(text) = value else { return Err("it is no text".to_owned()) };
        let country = match args.first() {
            Some(Value::Text(country)) => {
                Some(Id::from_str(country).map_err(|_| "there is no such country".to_owned())?)
            }
            _ => None,
        };
        let text = text.trim();
        // As it is dialled from most countries.
        let text = text.strip_prefix("00").map_or_else(|| text.to_owned(), |rest| format!("+{rest}"));
        let no = || match country {
            _ if text.starts_with('+') => "there is no such telephone number".to_owned(),
            Some(country) => format!("it is no telephone number of {}", country.as_ref()),
            None => "it has no country code, as +442079460958 has; name the country, as in `e164 in GB`".to_owned(),
        };
        // The library takes letters for digits, as on a telephone's keys.
        if text.chars().any(char::is_alphabetic) {
            return Err("it has letters in it".to_owned());
        }
        let number = phonenumber::parse(country, &text).map_err(|_| no())?;
        if number.extension().is_some() {
            return Err("it has an extension, which this form does not hold".to_owned());
        }
        if !number.is_valid() {
            return Err(no());
        }
        Ok(Value::text(number.format().mode(Mode::E164).to_string()))
    },
    invert: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn e164(text: &str, country: Option<&str>) -> Result<String, String> {
        let args: Vec<Value> = country.into_iter().map(Value::text).collect();
        (BUILTIN.apply)(&Value::text(text), &args).map(|value| value.to_string())
    }

    #[test]
    fn a_zero_in_brackets_is_no_part_of_a_number() {
        for text in ["+44 (0)20 7946 0958", "+44 (0) 20-7946-0958", "0044 20 7946 0958", "+44 020 7946 0958"] {
            assert_eq!(e164(text, None).as_deref(), Ok("+442079460958"), "{text}");
        }
        assert_eq!(e164("+49 (0) 209 123456", None).as_deref(), Ok("+49209123456"));
        // Of an Italian number the zero is a part.
        assert_eq!(e164("+39 06 1234 5678", None).as_deref(), Ok("+390612345678"));
    }

    #[test]
    fn a_national_number_needs_its_country() {
        assert_eq!(e164("020 7946 0958", Some("GB")).as_deref(), Ok("+442079460958"));
        assert_eq!(e164("030 901820", Some("DE")).as_deref(), Ok("+4930901820"));
        assert_eq!(e164("(212) 555-0100", Some("US")).as_deref(), Ok("+12125550100"));
        // A country code of its own counts.
        assert_eq!(e164("+49 30 901820", Some("GB")).as_deref(), Ok("+4930901820"));
        assert!(e164("020 7946 0958", None).is_err_and(|why| why.contains("no country code")));
        assert!(e164("020 7946 0958", Some("US")).is_err());
        assert!((BUILTIN.check)(&[Value::text("XX")]).is_err());
        assert!((BUILTIN.check)(&[Value::text("gb")]).is_err());
    }

    #[test]
    fn a_number_that_does_not_exist_is_refused() {
        for text in [
            "+4402079460958000",
            "+1 555 0100",
            "+999 123456789",
            "+44 20",
            "+0 123456789",
            "+",
            "12",
            "",
            "+44 20 7946 0958 ext. 12",
            "+44 20 7946 0958 x12",
            "+44 20 7946 0958;ext=12",
            "+44 20 7946 0958 #12",
            "+1-800-FLOWERS",
            "call me",
            "+44 20 7946 0958 / +44 20 7946 0959",
        ] {
            assert!(e164(text, None).is_err(), "{text}: {:?}", e164(text, None));
        }
    }

    #[test]
    fn twice_is_once() {
        for (text, country) in
            [("020 7946 0958", Some("GB")), ("+39 06 1234 5678", None), ("011 4951 5555", Some("AR"))]
        {
            if let Ok(once) = e164(text, country) {
                assert_eq!(e164(&once, country), Ok(once.clone()), "{text}");
            }
        }
    }
}
