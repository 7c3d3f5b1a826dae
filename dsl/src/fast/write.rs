//! A cell to the bytes that the target's system wants; the pair of [`encode`](crate::decode::encode).

use super::cell::Cell;
use super::{instant, scan};
use crate::decode;
use crate::program::Program;
use crate::schema::EntityName;

/// A property that is written.
#[derive(Debug)]
pub(super) struct Target {
    /// `,"email":`, escaped.
    pub(super) key: Vec<u8>,
    entity: EntityName,
    field: String,
    /// Words of its choice and their spellings as JSON; empty where it has none.
    words: Vec<(String, Vec<u8>)>,
}

impl Target {
    pub(super) fn new(program: &Program, entity: &EntityName, field: &str) -> Self {
        let mut key = vec![b','];
        text(field, &mut key);
        key.push(b':');
        let words = program.choice(entity, field).map_or_else(Vec::new, |choice| {
            let spelled = |word: &crate::program::Word| {
                let mut bytes = Vec::new();
                text(word.spelling(&entity.system), &mut bytes);
                (word.word.clone(), bytes)
            };
            choice.words.iter().map(spelled).collect()
        });
        Self { key, entity: entity.clone(), field: field.to_owned(), words }
    }

    /// Are its values words that its system may spell in another way?
    pub(super) fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// Appends the value.
    pub(super) fn write(&self, program: &Program, cell: &Cell<'_>, out: &mut Vec<u8>) {
        if let (false, Some(word)) = (self.words.is_empty(), cell.as_text()) {
            return match self.words.iter().find(|(known, _)| known == word) {
                Some((_, spelling)) => out.extend_from_slice(spelling),
                None => text(word, out),
            };
        }
        match cell {
            Cell::Empty => out.extend_from_slice(b"null"),
            Cell::Plain(text) => plain(text, out),
            Cell::Text(value) => text(value, out),
            Cell::Owned(value) => text(value, out),
            Cell::Integer(number) => integer(*number, out),
            Cell::Decimal(number) => {
                out.push(b'"');
                decimal(number, out);
                out.push(b'"');
            }
            Cell::Flag(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
            Cell::Time(time) => {
                out.push(b'"');
                if !instant::print(*time, out) {
                    out.extend_from_slice(time.to_string().as_bytes());
                }
                out.push(b'"');
            }
            Cell::Date(_) | Cell::Other(_) => {
                let json = decode::encode(program, &self.entity, &self.field, &cell.clone().into_value());
                out.extend_from_slice(json.to_string().as_bytes());
            }
        }
    }
}

/// Text in quotes that needs no escape.
pub(super) fn plain(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    append(value.as_bytes(), out);
    out.push(b'"');
}

/// The same in lower case, of ASCII only.
pub(super) fn plain_lowercase(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    append(value.as_bytes(), out);
    out[start..].make_ascii_lowercase();
    out.push(b'"');
}

/// Appends bytes. Up to 32 of them are copied by two moves of a fixed size, which may overlap; a call takes longer.
#[inline(always)]
pub(super) fn append(bytes: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + bytes.len();
    if let (true, Some(first), Some(last)) = (bytes.len() <= 32, bytes.first_chunk::<16>(), bytes.last_chunk()) {
        out.extend_from_slice(first);
        out.truncate(end - 16);
        out.extend_from_slice(last as &[u8; 16]);
    } else if let (true, Some(first), Some(last)) = (bytes.len() <= 16, bytes.first_chunk::<8>(), bytes.last_chunk()) {
        out.extend_from_slice(first);
        out.truncate(end - 8);
        out.extend_from_slice(last as &[u8; 8]);
    } else {
        out.extend_from_slice(bytes);
    }
}

/// Text in quotes, escaped where it must be.
fn text(value: &str, out: &mut Vec<u8>) {
    if scan::is_plain(value) {
        plain(value, out);
    } else {
        serde_json::to_writer(out, value).expect("text is JSON, and memory takes it");
    }
}

/// As `Decimal` prints itself.
pub(super) fn decimal(number: &rust_decimal::Decimal, out: &mut Vec<u8>) {
    let scale = number.scale() as usize;
    let Ok(mut digits) = u64::try_from(number.mantissa().unsigned_abs()) else {
        out.extend_from_slice(number.to_string().as_bytes());
        return;
    };
    // 28 digits behind the point, the point, and one digit before it.
    let mut text = [b'0'; 32];
    let mut at = text.len();
    let mut written = 0;
    while digits > 0 || written <= scale {
        at -= 1;
        if written == scale && scale > 0 {
            text[at] = b'.';
            at -= 1;
        }
        text[at] = b'0' + (digits % 10) as u8;
        digits /= 10;
        written += 1;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(&text[at..]);
}

pub(super) fn integer(number: i64, out: &mut Vec<u8>) {
    let mut text = [0; 20];
    let mut at = text.len();
    let mut digits = number.unsigned_abs();
    loop {
        at -= 1;
        text[at] = b'0' + (digits % 10) as u8;
        digits /= 10;
        if digits == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    fn printed(print: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).expect("text")
    }

    proptest! {
        #[test]
        fn numbers_and_texts_are_written_as_ever(
            number in any::<i64>(),
            shift in 0_u32..63,
            scale in 0_u32..=28,
            value in any::<String>(),
        ) {
            let number = number >> shift;
            prop_assert_eq!(printed(|out| integer(number, out)), number.to_string());
            let amount = Decimal::new(number, scale).normalize();
            prop_assert_eq!(printed(|out| decimal(&amount, out)), amount.to_string());
            prop_assert_eq!(printed(|out| text(&value, out)), serde_json::json!(value).to_string());
        }
    }

    #[test]
    fn the_largest_numbers_are_written_whole() {
        for number in [i64::MIN, i64::MAX, 0, -1] {
            assert_eq!(printed(|out| integer(number, out)), number.to_string());
        }
        for number in [Decimal::MAX, Decimal::MIN, Decimal::ZERO, Decimal::new(1, 28), Decimal::new(i64::MIN, 28)] {
            assert_eq!(printed(|out| decimal(&number, out)), number.to_string());
        }
    }
}
