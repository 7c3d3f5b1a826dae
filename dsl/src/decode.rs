//! Between a system's JSON and typed values.
//!
//! In: a field as its system writes it. Out: a [`Value`] of the type its lock says, or why it cannot be one.
//! Always true: `decode(encode(v)) = v`. A word of a choice is the business's own; a spelling that no row has
//! is a fault, never a guess. Text, numbers and booleans are read from either form, since HubSpot sends text.

use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::program::{Choice, Program};
use crate::schema::{EntityName, Field, Type};
use crate::value::{Timestamp, Value, day, days_of};

/// Reads a field of an entity.
///
/// # Errors
/// [`Fault::Unspelled`] for a spelling that no row of the field's choice has, [`Fault::Malformed`] otherwise.
pub fn decode(program: &Program, entity: &EntityName, field: &str, wire: &Json) -> Result<Value, Fault> {
    let name = || format!("{entity}.{field}");
    let declared = program.field(entity, field);
    if let Some(choice) = program.choice(entity, field) {
        return words(choice, declared.map(|f| &f.ty), &entity.system, &name, wire);
    }
    match declared {
        Some(declared) => typed(&declared.ty, wire, &name),
        None => typed(&Type::Text, wire, &name),
    }
}

/// Reads a member of an event or a parameter of an operation, which have no choices.
///
/// # Errors
/// [`Fault::Malformed`] where it is not of the declared type.
pub fn decode_field(declared: &Field, wire: &Json) -> Result<Value, Fault> {
    typed(&declared.ty, wire, &|| "the value".to_owned())
}

/// Writes a field as its system wants it: a choice's word in the system's spelling, decimals and times as text,
/// integers and flags as JSON, empty as null.
#[must_use]
pub fn encode(program: &Program, entity: &EntityName, field: &str, value: &Value) -> Json {
    if let Some(choice) = program.choice(entity, field) {
        let spelled = |value: &Value| match value {
            Value::Text(word) => choice.row(word).map(|row| Json::from(row.spelling(&entity.system))),
            _ => None,
        };
        match value {
            Value::List(values) => {
                return values.iter().map(|one| spelled(one).unwrap_or_else(|| encode_field(one))).collect();
            }
            one => {
                if let Some(spelling) = spelled(one) {
                    return spelling;
                }
            }
        }
    }
    encode_field(value)
}

/// Writes a member of an event or a parameter of an operation, which have no choices; the pair of [`decode_field`].
#[must_use]
pub fn encode_field(value: &Value) -> Json {
    match value {
        Value::Record(members) => Json::Object(members.iter().map(|(k, v)| (k.clone(), handed_on(v))).collect()),
        Value::List(values) => values.iter().map(encode_field).collect(),
        other => other.to_json(),
    }
}

/// A part of a structured value, as it came: a number is a JSON number again, unless that would change it.
fn handed_on(value: &Value) -> Json {
    match value {
        Value::Record(members) => Json::Object(members.iter().map(|(k, v)| (k.clone(), handed_on(v))).collect()),
        Value::List(values) => values.iter().map(handed_on).collect(),
        Value::Decimal(number) => {
            let text = number.to_string();
            let same = text.parse::<f64>().ok().filter(|float| float.to_string() == text);
            same.and_then(serde_json::Number::from_f64).map_or_else(|| text.into(), Json::Number)
        }
        other => other.to_json(),
    }
}

/// One word, or in a list of options each of them.
fn words(
    choice: &Choice,
    ty: Option<&Type>,
    system: &str,
    name: &dyn Fn() -> String,
    wire: &Json,
) -> Result<Value, Fault> {
    let several: Vec<Json> = match (ty, wire) {
        (Some(Type::List(_)), Json::Array(values)) => values.clone(),
        // HubSpot joins several options of one property with semicolons.
        (Some(Type::List(_)), Json::String(text)) if !text.is_empty() => {
            text.split(';').filter(|part| !part.is_empty()).map(Json::from).collect()
        }
        _ => return word(choice, system, name, wire),
    };
    several.iter().map(|one| word(choice, system, name, one)).collect::<Result<_, _>>().map(Value::List)
}

fn word(choice: &Choice, system: &str, name: &dyn Fn() -> String, wire: &Json) -> Result<Value, Fault> {
    let spelling = match wire {
        Json::Null => return Ok(Value::Empty),
        Json::String(text) if text.is_empty() => return Ok(Value::Empty),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match choice.word_of(system, &spelling) {
        Some(row) => Ok(Value::Text(row.word.clone())),
        None => Err(Fault::Unspelled { field: name(), spelling, choice: choice.name.clone() }),
    }
}

fn typed(ty: &Type, wire: &Json, name: &dyn Fn() -> String) -> Result<Value, Fault> {
    let malformed = || Fault::Malformed {
        field: name(),
        expected: ty.into(),
        found: wire.as_str().map_or_else(|| wire.to_string(), str::to_owned),
    };
    let text = match wire {
        Json::Null => return Ok(Value::Empty),
        Json::String(text) if text.is_empty() => return Ok(Value::Empty),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match ty {
        Type::Text | Type::Enum => match wire {
            Json::Object(_) | Json::Array(_) => Err(malformed()),
            _ => Ok(Value::Text(text)),
        },
        Type::Integer => {
            let number: Decimal = text.trim().parse().map_err(|_| malformed())?;
            if number.fract().is_zero() {
                i64::try_from(number.trunc()).map(Value::Integer).map_err(|_| malformed())
            } else {
                Err(malformed())
            }
        }
        Type::Number | Type::Money | Type::Percent => {
            let number = text.trim().parse().or_else(|_| Decimal::from_scientific(text.trim()));
            number.map(Value::decimal).map_err(|_| malformed())
        }
        Type::Flag => match text.as_str() {
            "true" | "yes" => Ok(Value::Flag(true)),
            "false" | "no" => Ok(Value::Flag(false)),
            _ => Err(malformed()),
        },
        Type::Date => {
            let date = text.parse::<jiff::civil::Date>().ok().map(days_of);
            let midnight = || text.parse::<i64>().ok().and_then(|ms| i32::try_from(ms.div_euclid(86_400_000)).ok());
            let instant = || Timestamp::parse(&text).and_then(|at| i32::try_from(at.0.div_euclid(86_400_000)).ok());
            date.or_else(midnight)
                .or_else(instant)
                .filter(|days| day(*days).is_some())
                .map(Value::Date)
                .ok_or_else(malformed)
        }
        Type::Time => {
            let epoch = || text.parse::<i64>().ok().map(Timestamp);
            let date = || {
                let date = text.parse::<jiff::civil::Date>().ok()?;
                Some(Timestamp(i64::from(days_of(date)) * 86_400_000))
            };
            Timestamp::parse(&text).or_else(epoch).or_else(date).map(Value::Time).ok_or_else(malformed)
        }
        Type::Record => Ok(structured(wire)),
        Type::List(inner) => match wire {
            Json::Array(values) => {
                values.iter().map(|v| typed(inner, v, name)).collect::<Result<_, _>>().map(Value::List)
            }
            // HubSpot joins several options of one property with semicolons.
            _ => text
                .split(';')
                .filter(|part| !part.is_empty())
                .map(|part| typed(inner, &Json::from(part), name))
                .collect::<Result<_, _>>()
                .map(Value::List),
        },
    }
}

fn structured(wire: &Json) -> Value {
    match wire {
        Json::Null => Value::Empty,
        Json::Bool(yes) => Value::Flag(*yes),
        Json::Number(n) => match n.as_i64() {
            Some(n) => Value::Integer(n),
            None => n.to_string().parse().map_or_else(|_| Value::text(n.to_string()), Value::decimal),
        },
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::List(values.iter().map(structured).collect()),
        Json::Object(members) => Value::Record(members.iter().map(|(k, v)| (k.clone(), structured(v))).collect()),
    }
}
