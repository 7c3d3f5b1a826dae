//! Bytes of a record to slots, guided by the trie: what no line reads is gone over without making anything of it.
//!
//! Always true: the record is gone over once; what stands in a slot is what `serde_json` would make of it.

use super::Stop;
use super::scan::{DEPTH, Quoted, Scan, Wrong};
use super::slot::{self, Slot};
use super::trie::{Child, Trie};

/// The slots of a record.
pub(super) fn fill<'a>(trie: &Trie, count: usize, record: &'a [u8]) -> Result<Vec<Slot<'a>>, Stop> {
    let text = match simdutf8::basic::from_utf8(record) {
        Ok(text) => text,
        // It knows nothing of the place.
        Err(_) => std::str::from_utf8(record).map_err(|error| Stop::NoRecord(error.to_string()))?,
    };
    let scan = Scan { text };
    let mut fill = Fill { trie, scan, slots: vec![Slot::Absent; count] };
    let end = |at| match scan.next(at) {
        (_, at) if at == text.len() => Ok(()),
        (_, at) => Err(Wrong::new("something stands behind it", at)),
    };
    match fill.object(0, 0, 0).and_then(end) {
        Ok(()) => Ok(fill.slots),
        Err(wrong) => Err(Stop::NoRecord(wrong.to_string())),
    }
}

struct Fill<'t, 'a> {
    trie: &'t Trie,
    scan: Scan<'a>,
    slots: Vec<Slot<'a>>,
}

impl<'a> Fill<'_, 'a> {
    /// Goes over an object whose members go into the slots of a node.
    fn object(&mut self, at: usize, node: u16, depth: u32) -> Result<usize, Wrong> {
        let scan = self.scan;
        let text = scan.text.as_bytes();
        let node = self.trie.node(node);
        let mut at = scan.expect(at, b'{', "an object is expected")?;
        if depth >= DEPTH {
            return Err(Wrong::new("it is nested too deeply", at));
        }
        if let (b'}', end) = scan.next(at) {
            return Ok(end + 1);
        }
        loop {
            let child;
            (child, at) = match scan.short_key(at) {
                Some(key) => (node.short(key), at + key.behind()),
                None => {
                    let key = scan.quoted(at)?;
                    let child = if key.escaped {
                        node.child(unescaped(scan, key)?.as_bytes())
                    } else {
                        node.child(&text[key.start..key.end])
                    };
                    (child, scan.expect(key.behind(), b':', "a colon is expected")?)
                }
            };
            at = match child {
                None => scan.skip(at, depth + 1)?,
                Some(Child { slot, node: None, .. }) => self.value(slot, at, depth + 1)?,
                Some(Child { slot, behind, node: Some(node) }) => {
                    // A key that stands twice counts the second time, with nothing left of the first.
                    self.slots[usize::from(slot)..usize::from(behind)].fill(Slot::Absent);
                    match scan.next(at) {
                        (b'{', at) => {
                            self.slots[usize::from(slot)] = Slot::Record;
                            self.object(at, node.get(), depth + 1)?
                        }
                        (_, at) => self.value(slot, at, depth + 1)?,
                    }
                }
            };
            match scan.next(at) {
                (b',', comma) => at = comma + 1,
                (b'}', end) => return Ok(end + 1),
                (_, at) => return Err(Wrong::new("a comma or the end of an object is expected", at)),
            }
        }
    }

    /// Takes a field's value and goes over it. It is put into its slot at once: handed on, it would be put together
    /// in memory first, and the processor waits for that.
    #[inline(always)]
    fn value(&mut self, slot: u16, at: usize, depth: u32) -> Result<usize, Wrong> {
        let scan = self.scan;
        match scan.next(at) {
            (b'"', at) => {
                let quoted = scan.close(at + 1)?;
                let inside = scan.inside(quoted)?;
                self.slots[usize::from(slot)] = if quoted.escaped {
                    unescaped(scan, quoted)?;
                    Slot::Escaped(inside)
                } else {
                    Slot::Text(inside)
                };
                Ok(quoted.behind())
            }
            (begin, at) => {
                let (value, behind) = other(scan, begin, at, depth)?;
                self.slots[usize::from(slot)] = value;
                Ok(behind)
            }
        }
    }
}

/// A value that is no text.
fn other(scan: Scan<'_>, begin: u8, at: usize, depth: u32) -> Result<(Slot<'_>, usize), Wrong> {
    Ok(match begin {
        b't' => (Slot::Flag(true), scan.word(at, "true")?),
        b'f' => (Slot::Flag(false), scan.word(at, "false")?),
        b'n' => (Slot::Null, scan.word(at, "null")?),
        b'{' | b'[' => {
            let behind = scan.skip(at, depth)?;
            let tree = &scan.text[at..behind];
            serde_json::from_str::<serde_json::Value>(tree)
                .map_err(|_| Wrong::new("a text or number in a structured value cannot be held", at))?;
            (Slot::Tree(tree), behind)
        }
        _ => {
            let (whole, behind) = scan.number(at)?;
            let number = &scan.text[at..behind];
            let value = match number.parse::<i64>() {
                // A negative zero is no whole number.
                Ok(number) if whole && number != 0 => Slot::Signed(number),
                Ok(_) if whole && number == "0" => Slot::Signed(0),
                _ => rare(number).ok_or_else(|| Wrong::new("a number is too large", at))?,
            };
            (value, behind)
        }
    })
}

/// What a text with escapes means.
#[cold]
fn unescaped(scan: Scan<'_>, quoted: Quoted) -> Result<String, Wrong> {
    slot::unescaped(scan.inside(quoted)?).map_err(|_| Wrong::new("half a character is escaped", quoted.start))
}

/// A number with a fraction, with an exponent, or too large for 64 bits; `None` if it is larger than any of them.
#[cold]
fn rare(number: &str) -> Option<Slot<'static>> {
    let number: serde_json::Number = serde_json::from_str(number).ok()?;
    match number.as_u64() {
        Some(number) => Some(Slot::Unsigned(number)),
        None => number.as_f64().map(Slot::Float),
    }
}
