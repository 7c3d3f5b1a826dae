//! Bytes of a record to slots, guided by the trie: what no line reads is gone over without making anything of it.
//!
//! Always true: the record is gone over once; what stands in a slot is what `serde_json` would make of it.

use std::borrow::Cow;

use super::Stop;
use super::scan::{DEPTH, Quoted, Scan, Wrong};
use super::slot::Slot;
use super::trie::{Child, Trie};

/// The slots of a record.
pub(super) fn fill<'a>(trie: &Trie, count: usize, record: &'a [u8]) -> Result<Vec<Slot<'a>>, Stop> {
    let text = std::str::from_utf8(record).map_err(|error| Stop::NoRecord(error.to_string()))?;
    let mut fill =
        Fill { trie, scan: Scan { text, at: 0 }, slots: std::iter::repeat_with(Slot::default).take(count).collect() };
    let whole = fill.object(0, 0).and_then(|()| match (fill.scan.next(), fill.scan.at == text.len()) {
        (_, true) => Ok(()),
        (_, false) => Err("something stands behind it"),
    });
    match whole {
        Ok(()) => Ok(fill.slots),
        Err(wrong) => Err(Stop::NoRecord(format!("{wrong} at byte {}", fill.scan.at))),
    }
}

struct Fill<'t, 'a> {
    trie: &'t Trie,
    scan: Scan<'a>,
    slots: Vec<Slot<'a>>,
}

impl<'a> Fill<'_, 'a> {
    /// An object whose members go into the slots of a node.
    fn object(&mut self, node: u16, depth: u32) -> Result<(), Wrong> {
        self.scan.expect(b'{', "an object is expected")?;
        if depth >= DEPTH {
            return Err("it is nested too deeply");
        }
        if self.scan.next() == b'}' {
            self.scan.at += 1;
            return Ok(());
        }
        loop {
            let key = self.scan.quoted()?;
            let child =
                if key.escaped { self.trie.child(node, &unescaped(key)?) } else { self.trie.child(node, key.inside) };
            self.scan.expect(b':', "a colon is expected")?;
            match child {
                None => self.scan.skip(depth + 1)?,
                Some(Child::Field(slot)) => {
                    let value = self.value(depth + 1)?;
                    self.slots[usize::from(slot)] = value;
                }
                Some(Child::Link { slot, behind, node }) => {
                    // A key that stands twice counts the second time, with nothing left of the first.
                    self.slots[usize::from(slot)..usize::from(behind)].fill(Slot::Absent);
                    let value = if self.scan.next() == b'{' {
                        self.object(node, depth + 1)?;
                        Slot::Record
                    } else {
                        self.value(depth + 1)?
                    };
                    self.slots[usize::from(slot)] = value;
                }
            }
            let byte = self.scan.next();
            self.scan.at += 1;
            match byte {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err("a comma or the end of an object is expected"),
            }
        }
    }

    /// A field's value.
    fn value(&mut self, depth: u32) -> Result<Slot<'a>, Wrong> {
        let scan = &mut self.scan;
        Ok(match scan.next() {
            b'"' => {
                let quoted = scan.quoted()?;
                Slot::Text(if quoted.escaped { unescaped(quoted)?.into() } else { Cow::Borrowed(quoted.inside) })
            }
            b't' => {
                scan.word("true")?;
                Slot::Flag(true)
            }
            b'f' => {
                scan.word("false")?;
                Slot::Flag(false)
            }
            b'n' => {
                scan.word("null")?;
                Slot::Null
            }
            b'{' | b'[' => {
                let start = scan.at;
                scan.skip(depth)?;
                let tree = serde_json::from_str(&scan.text[start..scan.at]);
                Slot::Tree(Box::new(tree.map_err(|_| "a text or number in a structured value cannot be held")?))
            }
            _ => {
                let (number, whole) = scan.number()?;
                match number.parse::<i64>() {
                    // A negative zero is no whole number.
                    Ok(number) if whole && number != 0 => Slot::Signed(number),
                    Ok(_) if whole && number == "0" => Slot::Signed(0),
                    _ => rare(number)?,
                }
            }
        })
    }
}

/// What escapes mean.
#[cold]
fn unescaped(quoted: Quoted<'_>) -> Result<String, Wrong> {
    serde_json::from_str(&format!("\"{}\"", quoted.inside)).map_err(|_| "half a character is escaped")
}

/// A number with a fraction, with an exponent, or too large for 64 bits.
#[cold]
fn rare(number: &str) -> Result<Slot<'static>, Wrong> {
    let number: serde_json::Number = serde_json::from_str(number).map_err(|_| "a number is too large")?;
    Ok(match (number.as_u64(), number.as_f64()) {
        (Some(number), _) => Slot::Unsigned(number),
        (None, Some(number)) => Slot::Float(number),
        (None, None) => return Err("a number is too large"),
    })
}
