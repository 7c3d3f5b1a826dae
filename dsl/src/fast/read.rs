//! A slot to the value that its field's type says; the pair of [`decode`](crate::decode).
//!
//! Always true: the usual form of a value is read here at once; every other one, and every fault, is what `decode`
//! makes of the slot's JSON.

use rust_decimal::Decimal;

use super::cell::Cell;
use super::instant;
use super::slot::Slot;
use crate::decode;
use crate::eval::Fault;
use crate::program::Program;
use crate::schema::{EntityName, Field, Type};

/// A field that is read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) slot: u16,
    /// Slots of the links that lead to it, the first one first.
    pub(super) links: Vec<u16>,
    /// For messages: `subscription.plan`.
    pub(super) path: String,
    entity: EntityName,
    field: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The id of a record is text, whatever its form.
    Id,
    Text,
    Decimal,
    Integer,
    Flag,
    Time,
    /// Spellings and words of a choice.
    Words(Vec<(String, String)>),
    /// Lists, days and structured values.
    Other,
}

impl Source {
    pub(super) fn new(
        program: &Program,
        slot: u16,
        links: Vec<u16>,
        path: String,
        entity: &EntityName,
        field: &str,
    ) -> Self {
        let declared = program.field(entity, field).map(|field| &field.ty);
        let kind = match (program.choice(entity, field), declared) {
            _ if field == "id" => Kind::Id,
            (Some(_), Some(Type::List(_))) => Kind::Other,
            (Some(choice), _) => {
                let spelled = |word: &crate::program::Word| word.spelling(&entity.system).to_owned();
                Kind::Words(choice.words.iter().map(|word| (spelled(word), word.word.clone())).collect())
            }
            (None, Some(Type::Text | Type::Enum) | None) => Kind::Text,
            (None, Some(Type::Number | Type::Money | Type::Percent)) => Kind::Decimal,
            (None, Some(Type::Integer)) => Kind::Integer,
            (None, Some(Type::Flag)) => Kind::Flag,
            (None, Some(Type::Time)) => Kind::Time,
            (None, Some(Type::Date | Type::Record | Type::List(_))) => Kind::Other,
        };
        Self { slot, links, path, entity: entity.clone(), field: field.to_owned(), kind }
    }

    /// Does every value of it fit a field of this type as it is?
    pub(super) fn fits(&self, ty: &Type) -> bool {
        match self.kind {
            Kind::Id | Kind::Text | Kind::Words(_) => matches!(ty, Type::Text | Type::Enum),
            Kind::Decimal => matches!(ty, Type::Number | Type::Money | Type::Percent),
            Kind::Integer => *ty == Type::Integer,
            Kind::Flag => *ty == Type::Flag,
            Kind::Time => *ty == Type::Time,
            Kind::Other => false,
        }
    }

    /// Is it text that is handed on as it stands?
    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text)
    }

    /// Is it a time?
    pub(super) fn is_time(&self) -> bool {
        matches!(self.kind, Kind::Time)
    }

    /// Spellings and words of its choice.
    pub(super) fn words(&self) -> Option<&[(String, String)]> {
        match &self.kind {
            Kind::Words(words) => Some(words),
            _ => None,
        }
    }

    /// Is it the id of a record?
    pub(super) fn is_id(&self) -> bool {
        matches!(self.kind, Kind::Id)
    }

    /// Reads its slot.
    pub(super) fn read<'s>(&'s self, program: &Program, slot: &'s Slot<'_>) -> Result<Cell<'s>, Fault> {
        match (&self.kind, slot) {
            (_, Slot::Absent | Slot::Null) => Ok(Cell::Empty),
            // Without an escape in the record, none is needed to write it again.
            (Kind::Text | Kind::Id, Slot::Text(text)) => Ok(Cell::plain(text)),
            (Kind::Text | Kind::Id, Slot::Escaped(_)) => Ok(slot.text().map(Cell::from).unwrap_or_default()),
            (Kind::Words(words), Slot::Text(text)) => match words.iter().find(|(spelling, _)| spelling == text) {
                Some((_, word)) => Ok(Cell::text(word)),
                None => self.slow(program, slot),
            },
            (Kind::Decimal, Slot::Text(text)) => match number(text) {
                Some((mantissa, scale)) => Ok(Cell::Decimal(normal(mantissa, scale))),
                None => self.slow(program, slot),
            },
            (Kind::Decimal, Slot::Signed(number)) => Ok(Cell::Decimal(Decimal::from(*number))),
            (Kind::Integer, Slot::Signed(number)) => Ok(Cell::Integer(*number)),
            (Kind::Integer, Slot::Text(text)) => match number(text) {
                Some((number, 0)) => Ok(Cell::Integer(number)),
                _ => self.slow(program, slot),
            },
            (Kind::Flag, Slot::Flag(yes)) => Ok(Cell::Flag(*yes)),
            (Kind::Time, Slot::Text(text)) => match instant::parse(text) {
                Some(time) => Ok(Cell::Time(time)),
                None => self.slow(program, slot),
            },
            _ => self.slow(program, slot),
        }
    }

    #[cold]
    fn slow(&self, program: &Program, slot: &Slot<'_>) -> Result<Cell<'static>, Fault> {
        let wire = slot.to_json();
        let value = match self.kind {
            // Ids are read as texts.
            Kind::Id => decode::decode_field(&Field::of(Type::Text), &wire),
            _ => decode::decode(program, &self.entity, &self.field, &wire),
        };
        value.map(Cell::from)
    }
}

/// A decimal without trailing zeros.
fn normal(mut mantissa: i64, mut scale: u32) -> Decimal {
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal::new(mantissa, scale)
}

/// Digits with or without a point and a sign, as a whole number and how many of its digits stand behind the point.
fn number(text: &str) -> Option<(i64, u32)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    // 18 digits fit whatever they are.
    if digits.len() > 19 {
        return None;
    }
    let mut number = 0_i64;
    let mut point = None;
    let mut count = 0;
    for (at, byte) in digits.bytes().enumerate() {
        match byte {
            b'0'..=b'9' if count < 18 => {
                number = number * 10 + i64::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() && at > 0 => point = Some(at),
            _ => return None,
        }
    }
    let scale = point.map_or(0, |at| digits.len() - at - 1);
    if count == 0 || (point.is_some() && scale == 0) {
        return None;
    }
    Some((if negative { -number } else { number }, u32::try_from(scale).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::number;

    proptest! {
        #[test]
        fn what_is_read_as_a_number_is_that_number(text in "-?[0-9]{0,20}\\.?[0-9]{0,20}") {
            if let Some((mantissa, scale)) = number(&text) {
                let simple: rust_decimal::Decimal = text.parse().expect("a number");
                prop_assert_eq!(rust_decimal::Decimal::new(mantissa, scale), simple);
                let normal = super::normal(mantissa, scale);
                prop_assert_eq!((normal.mantissa(), normal.scale()), (simple.normalize().mantissa(), simple.normalize().scale()));
            }
        }
    }

    #[test]
    fn the_usual_forms_are_read_at_once() {
        assert_eq!(number("4820.50"), Some((482_050, 2)));
        assert_eq!(number("-7"), Some((-7, 0)));
        for other in ["", "-", ".5", "5.", "1.2.3", "1e3", " 1", "+1", "1234567890123456789"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
