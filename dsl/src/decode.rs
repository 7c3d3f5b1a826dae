//! Between a system's JSON and typed values.
//!
//! In: a field as its system writes it. Out: a [`Value`] of the type its lock says, or why it cannot be one.
//! Always true: `decode(encode(v)) = v`. A word of a choice is the business's own; a spelling that no row has
//! is a fault, never a guess, and so is a value whose form is not known: a time without a zone, a number that may be
//! seconds. Text, numbers and booleans are read from either form, since HubSpot sends text.

mod moment;

use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::fault::{Doubt, Fault};
use crate::program::{Choice, Program};
use crate::schema::{EntityName, EpochForm, Field, Type};
use crate::value::{Timestamp, Value, day};

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
        Some(declared) => typed(declared, &declared.ty, wire, &name),
        None => typed(&Field::of(Type::Text), &Type::Text, wire, &name),
    }
}

/// Reads a member of an event or a parameter of an operation, which have no choices.
///
/// # Errors
/// [`Fault::Malformed`] where it is not of the declared type.
pub fn decode_field(declared: &Field, wire: &Json) -> Result<Value, Fault> {
    typed(declared, &declared.ty, wire, &|| "the value".to_owned())
}

/// Reads a time of which only the instant counts: when a message was sent, when a record changed. `declared` is the
/// member of the lock that holds it; what the lock says of its `form` and `zone` holds.
///
/// # Errors
/// [`Fault::Malformed`] where it is no time, [`Fault::Doubtful`] where it may be several.
pub fn instant(declared: Option<&Field>, wire: &Json) -> Result<Option<Timestamp>, Fault> {
    let time = Field { ty: Type::Time, ..declared.cloned().unwrap_or_else(|| Field::of(Type::Time)) };
    match decode_field(&time, wire)? {
        Value::Time(time) => Ok(Some(time)),
        _ => Ok(None),
    }
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
    match program.field(entity, field) {
        Some(declared) => encode_declared(declared, value),
        None => encode_field(value),
    }
}

/// Writes a value as its field declares it, without regard to choices: a time that is a number of seconds there is one
/// again.
#[must_use]
pub fn encode_declared(declared: &Field, value: &Value) -> Json {
    match (declared.form, value) {
        (Some(form), Value::Time(time)) => match form {
            EpochForm::Milliseconds => Json::from(time.0),
            EpochForm::Seconds if time.0 % 1_000 == 0 => Json::from(time.0 / 1_000),
            EpochForm::Seconds => handed_on(&Value::decimal(Decimal::new(time.0, 3))),
        },
        (Some(_), Value::List(values)) => values.iter().map(|one| encode_declared(declared, one)).collect(),
        _ => encode_field(value),
    }
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

/// Reads a value of type `ty`: that of the field, or of what is in its list.
fn typed(declared: &Field, ty: &Type, wire: &Json, name: &dyn Fn() -> String) -> Result<Value, Fault> {
    let found = || wire.as_str().map_or_else(|| wire.to_string(), str::to_owned);
    let malformed = || Fault::Malformed { field: name(), expected: ty.into(), found: found() };
    let no = |no: moment::No| match no {
        moment::No::Kind => malformed(),
        moment::No::Doubt(doubt) => Fault::Doubtful { field: name(), found: found(), doubt },
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
            let number = number(&text).map_err(no)?;
            if number.is_integer() {
                i64::try_from(number.trunc()).map(Value::Integer).map_err(|_| no(moment::No::Doubt(Doubt::Digits)))
            } else {
                Err(malformed())
            }
        }
        Type::Number | Type::Money | Type::Percent => number(&text).map(Value::decimal).map_err(no),
        Type::Flag => match text.as_str() {
            "true" | "yes" => Ok(Value::Flag(true)),
            "false" | "no" => Ok(Value::Flag(false)),
            _ => Err(malformed()),
        },
        Type::Date => {
            let days = moment::date(declared, text.trim()).map_err(no)?;
            day(days).map(|_| Value::Date(days)).ok_or_else(malformed)
        }
        Type::Time => moment::time(declared, text.trim()).map(Value::Time).map_err(no),
        Type::Record => Ok(structured(wire)),
        Type::List(inner) => match wire {
            Json::Array(values) => {
                values.iter().map(|v| typed(declared, inner, v, name)).collect::<Result<_, _>>().map(Value::List)
            }
            // HubSpot joins several options of one property with semicolons.
            _ => text
                .split(';')
                .filter(|part| !part.is_empty())
                .map(|part| typed(declared, inner, &Json::from(part), name))
                .collect::<Result<_, _>>()
                .map(Value::List),
        },
    }
}

/// A number with all of its digits.
fn number(text: &str) -> Result<Decimal, moment::No> {
    let text = text.trim();
    match Decimal::from_str_exact(text) {
        Ok(number) => Ok(number),
        Err(_) => {
            let (digits, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            // What is a number of another length is told apart from what is none.
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if !plain(digits.trim_start_matches(['-', '+'])) || power.parse::<i32>().is_err() {
                return Err(moment::No::Kind);
            }
            let too_long = moment::No::Doubt(Doubt::Digits);
            let digits = Decimal::from_str_exact(digits).map_err(|_| too_long)?;
            let number = Decimal::from_scientific(text).map_err(|_| too_long)?;
            // The exponent may have pushed digits out.
            let kept = number.is_zero() == digits.is_zero()
                && number.normalize().mantissa().unsigned_abs().to_string().trim_end_matches('0')
                    == digits.normalize().mantissa().unsigned_abs().to_string().trim_end_matches('0');
            if kept { Ok(number) } else { Err(too_long) }
        }
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
