//! Runs checked expressions: correct and simple; the oracle for any faster way.
//!
//! In: an expression and a [`Scope`] that answers for variables. Out: a value, or why there is none yet.
//! Always true: the same expression over the same answers gives the same value; there is no clock here.

use rust_decimal::Decimal;

use crate::fault::{Expected, Fault};
use crate::program::{
    Arithmetic, Choice, Compare, Direction, Expr, Mapping, MappingKind, Program, Side, Sync, Transform,
};
use crate::schema::{EntityName, Field, Lookup, Type};
use crate::transforms::{self, Class};
use crate::value::{Duration, Value};

/// What an expression can ask about the world.
pub trait Scope {
    /// What must be fetched before the question can be answered.
    type Need;

    /// The field (or member of an event or result) reached from `variable` over `links`.
    /// [`Value::Empty`] where a link is absent or the variable is bound to nothing.
    ///
    /// # Errors
    /// [`Interrupt::Need`] where it has not been observed, [`Interrupt::Fault`] where it cannot be used.
    fn field(&self, variable: &str, links: &[String], field: &str) -> Result<Value, Interrupt<Self::Need>>;

    /// The id of the record reached from `variable` over `links`, as text.
    ///
    /// # Errors
    /// As for [`Scope::field`].
    fn reference(&self, variable: &str, links: &[String]) -> Result<Value, Interrupt<Self::Need>>;

    /// The record reached from `variable` over `links`, as a [`Value::Record`].
    ///
    /// # Errors
    /// As for [`Scope::field`].
    fn record(&self, variable: &str, links: &[String]) -> Result<Value, Interrupt<Self::Need>>;

    /// What `lookup` of `system` finds for `value`; empty where it finds nothing.
    ///
    /// # Errors
    /// As for [`Scope::field`].
    fn lookup(&self, system: &str, lookup: &Lookup, value: &Value) -> Result<Value, Interrupt<Self::Need>>;

    /// A row of a table was read; for whoever counts which rows are used.
    fn row_read(&self, _table: usize, _key: &Value) {}
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt<N> {
    /// Something must be fetched first.
    Need(N),
    /// It can never be computed from what is there; a person must look.
    Fault(Fault),
}

/// Runs `expr`; the program holds its tables and choices.
///
/// # Errors
/// Whatever `scope` interrupts with, or a fault of arithmetic or a transform.
pub fn eval<S: Scope>(program: &Program, expr: &Expr, scope: &S) -> Result<Value, Interrupt<S::Need>> {
    let run = |expr: &Expr| eval(program, expr, scope);
    Ok(match expr {
        Expr::Literal(value) => value.clone(),
        Expr::Field { variable, links, field, .. } => scope.field(variable, links, field)?,
        Expr::Reference { variable, links } => scope.reference(variable, links)?,
        Expr::Record { variable, links } => scope.record(variable, links)?,
        Expr::Join(parts) => {
            let mut text = String::new();
            for (part, choice) in parts {
                let value = run(part)?;
                match (choice, &value) {
                    (Some(choice), Value::Text(word)) => {
                        let label = program.choices[*choice].row(word).map_or(word.as_str(), |row| row.label.as_str());
                        text.push_str(label);
                    }
                    _ => text.push_str(&value.to_string()),
                }
            }
            Value::text(text)
        }
        Expr::Table { table, key, column } => {
            let key = run(key)?;
            let row = program.tables[*table].rows.get(&key);
            if row.is_some() {
                scope.row_read(*table, &key);
            }
            row.and_then(|row| row.get(*column)).cloned().unwrap_or_default()
        }
        // A value that is missing stays so on its way: what happens then is said by the line, not by a transform.
        Expr::Transform(of, transform) => match run(of)? {
            Value::Empty => Value::Empty,
            value => transforms::apply(transform, &value).map_err(Interrupt::Fault)?,
        },
        Expr::Lookup { of, system, lookup } => match run(of)? {
            Value::Empty => Value::Empty,
            value => scope.lookup(system, lookup, &value)?,
        },
        Expr::Else(first, second) => match run(first) {
            // What a transform cannot take is as good as nothing, where the rules say what stands in for nothing.
            Ok(Value::Empty) | Err(Interrupt::Fault(Fault::Transform { .. })) => run(second)?,
            Ok(value) => value,
            Err(interrupt) => return Err(interrupt),
        },
        Expr::Not(of) => match run(of)? {
            Value::Empty => Value::Empty,
            value => Value::Flag(!truth(&value)),
        },
        // What one side settles stays so whatever the other is; else a missing side makes a missing answer.
        Expr::And(left, right) => both(false, run(left)?, || run(right))?,
        Expr::Or(left, right) => both(true, run(left)?, || run(right))?,
        Expr::Compare(op, left, right) => {
            let (left, right) = (run(left)?, run(right)?);
            Value::Flag(compare(program, *op, &left, &right))
        }
        Expr::In(of, list) => {
            let of = run(of)?;
            Value::Flag(is_in(&of, &run(list)?))
        }
        Expr::IsEmpty(of) => Value::Flag(run(of)?.is_empty()),
        Expr::Arithmetic(op, left, right) => arithmetic(*op, run(left)?, run(right)?).map_err(Interrupt::Fault)?,
        Expr::List(values) => Value::List(values.iter().map(run).collect::<Result<_, _>>()?),
    })
}

/// `and`, which a `no` settles, and `or`, which a `yes` settles.
fn both<N>(
    settles: bool,
    left: Value,
    right: impl FnOnce() -> Result<Value, Interrupt<N>>,
) -> Result<Value, Interrupt<N>> {
    let settles = Value::Flag(settles);
    if left == settles {
        return Ok(left);
    }
    let right = right()?;
    Ok(if right == settles || !left.is_empty() { right } else { Value::Empty })
}

fn truth(value: &Value) -> bool {
    *value == Value::Flag(true)
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Integer(n) => Some(Decimal::from(*n)),
        Value::Decimal(n) => Some(*n),
        _ => None,
    }
}

/// Is it one of the list's values?
pub(crate) fn is_in(of: &Value, list: &Value) -> bool {
    matches!(list, Value::List(values) if values.iter().any(|value| same(value, of)))
}

fn both_texts<'v>(left: &'v Value, right: &'v Value) -> Option<(&'v str, &'v str)> {
    Some((left.as_text()?, right.as_text()?))
}

fn same(left: &Value, right: &Value) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// An empty value equals only an empty one, is neither less nor greater than anything and has no parts.
/// Words of one choice compare by the order of its rows.
pub(crate) fn compare(program: &Program, op: Compare, left: &Value, right: &Value) -> bool {
    use std::cmp::Ordering::{Greater, Less};
    match op {
        Compare::Equal => return same(left, right),
        Compare::NotEqual => return !same(left, right),
        _ if left.is_empty() || right.is_empty() => return false,
        Compare::Contains => match (left, right) {
            (Value::List(_), value) => return is_in(value, left),
            (Value::Text(text), Value::Text(part)) => return text.contains(&**part),
            _ => return false,
        },
        Compare::StartsWith => return both_texts(left, right).is_some_and(|(text, part)| text.starts_with(part)),
        Compare::EndsWith => return both_texts(left, right).is_some_and(|(text, part)| text.ends_with(part)),
        _ => {}
    }
    let order = match (number(left), number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => {
            let rank = |choice: &Choice, value: &Value| {
                value.as_text().and_then(|word| choice.words.iter().position(|row| row.word == word))
            };
            let ranked = program.choices.iter().find_map(|c| Some((rank(c, left)?, rank(c, right)?)));
            ranked.map_or_else(|| left.cmp(right), |(left, right)| left.cmp(&right))
        }
    };
    match op {
        Compare::Less => order == Less,
        Compare::LessOrEqual => order != Greater,
        Compare::Greater => order == Greater,
        _ => order != Less,
    }
}

/// Empty where one of the two is.
pub(crate) fn arithmetic(op: Arithmetic, left: Value, right: Value) -> Result<Value, Fault> {
    if left.is_empty() || right.is_empty() {
        return Ok(Value::Empty);
    }
    let impossible = || Fault::Operands { left: left.to_string(), right: right.to_string() };
    if let (Value::Time(time), Value::Integer(span)) = (&left, &right) {
        return match op {
            Arithmetic::Add => Ok(Value::Time(time.plus(Duration(*span)))),
            Arithmetic::Subtract => Ok(Value::Time(time.minus(Duration(*span)))),
            _ => Err(impossible()),
        };
    }
    if let (Value::Time(a), Value::Time(b), Arithmetic::Subtract) = (&left, &right, op) {
        return Ok(Value::Integer(a.since(*b).0));
    }
    let (Some(a), Some(b)) = (number(&left), number(&right)) else { return Err(impossible()) };
    let result = match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide if b.is_zero() => return Err(Fault::DivisionByZero),
        Arithmetic::Divide => a.checked_div(b),
    };
    let result = result.ok_or(Fault::TooLarge)?;
    let whole = matches!((&left, &right), (Value::Integer(_), Value::Integer(_))) && op != Arithmetic::Divide;
    match i64::try_from(result) {
        Ok(n) if whole => Ok(Value::Integer(n)),
        _ => Ok(Value::decimal(result)),
    }
}

/// The value as a field of this type holds it: whole numbers as decimals, a number that is whole as an integer.
///
/// # Errors
/// [`Fault::Malformed`] where the field's type cannot hold it.
pub fn coerce(value: Value, field: &Field) -> Result<Value, Fault> {
    let midnight = |days: i32| crate::value::Timestamp(i64::from(days) * 86_400_000);
    Ok(match (&field.ty, value) {
        (_, Value::Empty) => Value::Empty,
        (Type::Number | Type::Money | Type::Percent, Value::Integer(n)) => Value::decimal(Decimal::from(n)),
        (Type::Number | Type::Money | Type::Percent, Value::Decimal(n)) => Value::decimal(n),
        (Type::Integer, Value::Decimal(n)) if n.fract().is_zero() => match i64::try_from(n) {
            Ok(n) => Value::Integer(n),
            Err(_) => return Err(malformed(&field.ty, &Value::Decimal(n))),
        },
        (Type::Text | Type::Enum, value @ (Value::Integer(_) | Value::Decimal(_) | Value::Record(_))) => {
            Value::text(value.to_string())
        }
        (Type::Text | Type::Enum, value @ (Value::Time(_) | Value::Date(_) | Value::Flag(_))) => {
            Value::text(value.to_string())
        }
        (Type::Time, Value::Date(days)) => Value::Time(midnight(days)),
        (Type::Date, Value::Time(time)) => match i32::try_from(time.0.div_euclid(86_400_000)) {
            Ok(days) => Value::Date(days),
            Err(_) => return Err(malformed(&field.ty, &Value::Time(time))),
        },
        // What a structured value holds is not looked into.
        (Type::Record, value) => value,
        (Type::List(inner), Value::List(values)) => {
            let inner = Field { ty: (**inner).clone(), ..field.clone() };
            Value::List(values.into_iter().map(|value| coerce(value, &inner)).collect::<Result<_, _>>()?)
        }
        (Type::Text | Type::Enum, value @ Value::Text(_))
        | (Type::Integer, value @ Value::Integer(_))
        | (Type::Flag, value @ Value::Flag(_))
        | (Type::Date, value @ Value::Date(_))
        | (Type::Time, value @ Value::Time(_)) => value,
        (ty, value) => return Err(malformed(ty, &value)),
    })
}

fn malformed(ty: &Type, value: &Value) -> Fault {
    Fault::Malformed { field: "the value".to_owned(), expected: ty.into(), found: value.to_string() }
}

/// A side's value in the domain in which the two sides of a mapping compare.
///
/// For a two-way field that is the left side's, normalised; for a one-way line the target's.
///
/// # Errors
/// Where the value cannot be transformed or is of another type.
pub fn canonical(program: &Program, sync: &Sync, mapping: &Mapping, side: Side, raw: &Value) -> Result<Value, Fault> {
    if raw.is_empty() {
        return Ok(Value::Empty);
    }
    match &mapping.kind {
        MappingKind::Field { left, transforms: list, .. } => {
            let mut value = raw.clone();
            // From the right they are undone, so the last one comes first.
            let steps: Vec<&Transform> =
                if side == Side::Left { list.iter().collect() } else { list.iter().rev().collect() };
            for transform in steps {
                if value.is_empty() {
                    return Ok(Value::Empty);
                }
                value = match (transforms::class(&transform.name), side) {
                    (Some(Class::Normaliser), _) => transforms::apply(transform, &value)?,
                    (_, Side::Right) => transforms::invert(transform, &value)?,
                    (_, Side::Left) => value,
                };
            }
            match program.field(&sync.left, left) {
                Some(field) => coerce(value, field),
                None => Ok(value),
            }
        }
        MappingKind::Computed { target, .. } => {
            let entity = if mapping.direction == Direction::ToLeft { &sync.left } else { &sync.right };
            match program.field(entity, target) {
                Some(field) => coerce(raw.clone(), field),
                None => Ok(raw.clone()),
            }
        }
        MappingKind::Link { .. } => Ok(raw.clone()),
    }
}

/// What `side` is given so that it holds a canonical value.
///
/// # Errors
/// Where the value cannot be transformed or the field cannot hold it.
pub fn written(
    program: &Program,
    sync: &Sync,
    mapping: &Mapping,
    side: Side,
    canonical: &Value,
) -> Result<Value, Fault> {
    if canonical.is_empty() {
        return Ok(Value::Empty);
    }
    match &mapping.kind {
        MappingKind::Field { left, right, transforms: list } => {
            let mut value = canonical.clone();
            if side == Side::Right {
                for transform in list {
                    if value.is_empty() {
                        return Ok(Value::Empty);
                    }
                    value = transforms::apply(transform, &value)?;
                }
            }
            let (entity, field) = if side == Side::Left { (&sync.left, left) } else { (&sync.right, right) };
            let Some(declared) = program.field(entity, field) else { return Ok(value) };
            held(program, entity, field, declared, coerce(value, declared)?)
        }
        MappingKind::Computed { target, .. } => {
            let entity = sync.entity(side);
            let Some(declared) = program.field(entity, target) else { return Ok(canonical.clone()) };
            held(program, entity, target, declared, coerce(canonical.clone(), declared)?)
        }
        MappingKind::Link { .. } => Ok(canonical.clone()),
    }
}

/// An option that the field does not have is refused here, before the system refuses it.
fn held(program: &Program, entity: &EntityName, name: &str, field: &Field, value: Value) -> Result<Value, Fault> {
    let one = match &field.ty {
        Type::List(one) => one,
        one => one,
    };
    let choice = program.choice(entity, name);
    let known = |text: &str| match choice {
        Some(choice) => choice.row(text).is_some(),
        None => field.options.is_empty() || field.options.iter().any(|option| option == text),
    };
    let several = match &value {
        Value::List(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    let unknown = several.iter().filter_map(Value::as_text).find(|text| !known(text));
    if let (Type::Enum, Some(text)) = (one, unknown) {
        return Err(no_option(entity, name, text));
    }
    Ok(value)
}

/// The fault of a text that is none of a field's options.
pub(crate) fn no_option(entity: &EntityName, name: &str, text: &str) -> Fault {
    Fault::Malformed { field: format!("{entity}.{name}"), expected: Expected::Option, found: text.to_owned() }
}
