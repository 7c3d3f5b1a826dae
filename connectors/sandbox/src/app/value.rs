//! Which JSON a field takes, and the one form in which it is kept.
//!
//! In: a value from a request and the field's type in the lock. Out: the kept form, or what is wrong with it.
//! Always true: numbers, money and percentages are kept as decimal text with the scale they were given, times
//! as RFC 3339 in UTC with milliseconds; null and `""` are both empty.
//! Written apart from `dsl::decode` on purpose: a twin that shared the engine's decoder would share its faults.

use std::str::FromStr;

use dsl::schema::{Field, Type};
use dsl::value::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};

/// True for null and `""`.
pub(super) fn is_empty(value: &Json) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// The kept form of `value`; null where it is empty and may be.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn accept(field: &Field, value: &Json) -> Result<Json, String> {
    if is_empty(value) {
        return if field.optional { Ok(Json::Null) } else { Err("may not be empty".to_owned()) };
    }
    typed(&field.ty, &field.options, value)
}

fn typed(ty: &Type, options: &[String], value: &Json) -> Result<Json, String> {
    let kept = match ty {
        Type::Text => value.as_str().map(Json::from),
        Type::Integer => value.as_i64().map(Json::from),
        Type::Number | Type::Money | Type::Percent => decimal(value).map(|number| Json::from(number.to_string())),
        Type::Flag => value.as_bool().map(Json::from),
        Type::Date => value.as_str().filter(|text| is_date(text)).map(Json::from),
        Type::Time => value.as_str().and_then(Timestamp::parse).map(|time| Json::from(time.to_string())),
        Type::Enum => {
            let word = value.as_str().filter(|word| options.iter().any(|option| option == word));
            return word.map(Json::from).ok_or_else(|| format!("must be one of {}, not {value}", options.join(", ")));
        }
        Type::Record => value.as_object().cloned().map(Json::Object),
        Type::List(of) => {
            let items = value.as_array().ok_or_else(|| format!("must be a list, not {value}"))?;
            return items.iter().map(|item| typed(of, options, item)).collect::<Result<Vec<_>, _>>().map(Json::Array);
        }
    };
    kept.ok_or_else(|| format!("must be {}, not {value}", expected(ty)))
}

fn expected(ty: &Type) -> &'static str {
    match ty {
        Type::Text | Type::Enum => "text",
        Type::Integer => "a whole number",
        Type::Number | Type::Money | Type::Percent => "a decimal number",
        Type::Flag => "true or false",
        Type::Date => "a day such as 2026-03-02",
        Type::Time => "a time such as 2026-03-02T09:00:00.000Z",
        Type::Record => "an object",
        Type::List(_) => "a list",
    }
}

/// The value of a decimal text or of a JSON number as it was written, never through a float.
fn decimal(value: &Json) -> Option<Decimal> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => return None,
    };
    Decimal::from_str(&text).ok().or_else(|| Decimal::from_scientific(&text).ok())
}

fn is_date(text: &str) -> bool {
    // A moment at the day's start is readable exactly where the day exists.
    text.len() == 10 && Timestamp::parse(&format!("{text}T00:00:00Z")).is_some()
}

/// True where two kept values say the same: `"49.00"` and `"49"` are one amount.
pub(super) fn same(field: &Field, left: &Json, right: &Json) -> bool {
    match field.ty {
        Type::Number | Type::Money | Type::Percent => match (decimal(left), decimal(right)) {
            (Some(left), Some(right)) => left == right,
            _ => left == right,
        },
        _ => left == right,
    }
}

/// What a new record holds in a field that nobody gave.
pub(super) fn initial(field: &Field, now: Timestamp) -> Json {
    if field.optional {
        return Json::Null;
    }
    match field.ty {
        Type::Text => Json::from(""),
        Type::Integer => Json::from(0),
        Type::Number | Type::Money | Type::Percent => Json::from("0"),
        Type::Flag => Json::from(false),
        Type::Date => Json::from(now.to_string().chars().take(10).collect::<String>()),
        Type::Time => Json::from(now.to_string()),
        Type::Enum => field.options.first().map_or(Json::Null, |word| Json::from(word.as_str())),
        Type::Record => Json::Object(Map::new()),
        Type::List(_) => Json::Array(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(ty: Type) -> Field {
        Field { options: vec!["a".into(), "b".into()], ..Field::of(ty) }
    }

    #[test]
    fn each_type_takes_its_own_form_and_refuses_others() {
        let cases = [
            (Type::Text, json!("x"), Some(json!("x"))),
            (Type::Text, json!(1), None),
            (Type::Integer, json!(82), Some(json!(82))),
            (Type::Integer, json!("82"), None),
            (Type::Integer, json!(8.2), None),
            (Type::Money, json!("49.00"), Some(json!("49.00"))),
            (Type::Money, json!(49.5), Some(json!("49.5"))),
            (Type::Money, json!("a lot"), None),
            (Type::Percent, json!("0.6"), Some(json!("0.6"))),
            (Type::Flag, json!(true), Some(json!(true))),
            (Type::Flag, json!("true"), None),
            (Type::Date, json!("2026-02-28"), Some(json!("2026-02-28"))),
            (Type::Date, json!("2026-02-30"), None),
            (Type::Time, json!("2026-03-02T10:00:00+01:00"), Some(json!("2026-03-02T09:00:00.000Z"))),
            (Type::Time, json!("tomorrow"), None),
            (Type::Enum, json!("a"), Some(json!("a"))),
            (Type::Enum, json!("A"), None),
            (Type::Record, json!({"k": 1}), Some(json!({"k": 1}))),
            (Type::Record, json!([1]), None),
            (Type::List(Box::new(Type::Integer)), json!([1, 2]), Some(json!([1, 2]))),
            (Type::List(Box::new(Type::Integer)), json!([1, "2"]), None),
            (Type::Text, json!(null), None),
            (Type::Text, json!(""), None),
        ];
        for (ty, given, kept) in cases {
            assert_eq!(accept(&field(ty.clone()), &given).ok(), kept, "{ty:?} of {given}");
        }
    }

    #[test]
    fn null_and_an_empty_text_both_empty_an_optional_field() {
        let optional = Field { optional: true, ..field(Type::Money) };
        assert_eq!(accept(&optional, &json!("")), Ok(Json::Null));
        assert_eq!(accept(&optional, &json!(null)), Ok(Json::Null));
    }

    #[test]
    fn amounts_are_compared_as_amounts() {
        assert!(same(&field(Type::Money), &json!("49.00"), &json!("49")));
        assert!(!same(&field(Type::Money), &json!("49.00"), &json!("49.01")));
        assert!(!same(&field(Type::Text), &json!("49.00"), &json!("49")));
    }
}
