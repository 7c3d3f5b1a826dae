//! Keys of rows: several parts in one string of bytes whose order is the order of the parts.
//!
//! In: a kind and parts (texts, numbers, moments). Out: bytes for [`Rows`](super::Rows), the range of all keys
//! that begin with the same parts, and the parts again.
//! Always true: for keys of one shape, comparing the bytes compares the parts from left to right; a key is a
//! prefix of another as bytes exactly when its parts are the first parts of the other.
//! Not here: which kinds there are.

use std::fmt;
use std::ops::RangeInclusive;

use dsl::value::Timestamp;

use super::Error;

/// First bytes that rows may have. 0 is the ledger's own; 255 stays free so that every prefix has an end.
pub const KINDS: RangeInclusive<u8> = 1..=254;

/// The smallest key of a user's row is not below this.
pub(super) const FIRST_KIND: [u8; 1] = [1];

/// Longest key in bytes. Together with the 4 KiB of a value it keeps a leaf of sled far below the size from
/// which sled writes separate files that it never syncs.
pub const MAX_KEY: usize = 2048;

/// Bytes in which most keys fit, so that they are made without growing.
const ROOM: usize = 64;

/// Ends a text. Smaller than anything that can follow inside one: no other byte pair starts with 0 but `0 255`.
const END: [u8; 2] = [0, 1];
/// Stands for the byte 0 inside a text.
const ZERO: [u8; 2] = [0, 255];

/// A key under construction, and the finished key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key that has only a kind.
    ///
    /// # Panics
    /// Where `kind` is not one of [`KINDS`]: kinds are constants of the program.
    #[must_use]
    pub fn new(kind: u8) -> Self {
        assert!(KINDS.contains(&kind), "kind {kind} belongs to the ledger itself");
        let mut key = Vec::with_capacity(ROOM);
        key.push(kind);
        Self(key)
    }

    /// Adds a text; sorts by its UTF-8 bytes, a shorter text before a longer one that begins with it.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes of any length, sorted like texts.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut parts = bytes.split(|byte| *byte == 0);
        self.0.extend_from_slice(parts.next().unwrap_or_default());
        for part in parts {
            self.0.extend_from_slice(&ZERO);
            self.0.extend_from_slice(part);
        }
        self.0.extend_from_slice(&END);
        self
    }

    /// Adds a number; 8 bytes.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a moment, earlier ones first, also before 1970; 8 bytes.
    #[must_use]
    pub fn moment(self, moment: Timestamp) -> Self {
        self.number(moment.0 as u64 ^ SIGN)
    }

    /// Adds one byte, for small enumerations.
    #[must_use]
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// The key as rows know it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as rows know it.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Flips the order of negative and positive numbers into that of unsigned ones.
const SIGN: u64 = 1 << 63;

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Key> for Vec<u8> {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", printable(&self.0))
    }
}

/// `from` and `to` for [`Rows::scan`](super::Rows::scan): all keys that begin with the parts of `key`.
#[must_use]
pub fn prefix(key: &Key) -> (Vec<u8>, Vec<u8>) {
    let from = key.0.clone();
    let mut to = from.clone();
    while to.last() == Some(&u8::MAX) {
        to.pop();
    }
    // The kind is below 255, so at least one byte is left to raise.
    *to.last_mut().expect("a key starts with a kind below 255") += 1;
    (from, to)
}

/// The smallest key after `key`: where to go on after a page that ended with it.
#[must_use]
pub fn after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

/// A key for people: ASCII as it is, other bytes as `\x00`.
#[must_use]
pub fn printable(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// Reads the parts of a key back, from left to right. The caller knows the shape by the kind.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    kind: u8,
}

impl<'a> Parts<'a> {
    /// Starts behind the kind.
    ///
    /// # Errors
    /// [`Error::Row`] where the key is empty.
    pub fn new(key: &'a [u8]) -> Result<Self, Error> {
        match key.split_first() {
            Some((kind, rest)) => Ok(Self { whole: key, rest, kind: *kind }),
            None => Err(Error::Row { key: String::new(), reason: "the key is empty".into() }),
        }
    }

    /// The first byte of the key.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The next part, added by [`Key::bytes`].
    ///
    /// # Errors
    /// [`Error::Row`] where it has no end or a wrong escape.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let mut rest = self.rest;
        loop {
            match rest {
                [0, 1, after @ ..] => {
                    self.rest = after;
                    return Ok(out);
                }
                [0, 255, after @ ..] => {
                    out.push(0);
                    rest = after;
                }
                [] | [0, ..] => return Err(self.wrong("a text has no end")),
                [byte, after @ ..] => {
                    out.push(*byte);
                    rest = after;
                }
            }
        }
    }

    /// The next part, added by [`Key::text`].
    ///
    /// # Errors
    /// [`Error::Row`] where it has no end or is not UTF-8.
    pub fn text(&mut self) -> Result<String, Error> {
        String::from_utf8(self.bytes()?).map_err(|_| self.wrong("a text is not UTF-8"))
    }

    /// The next part, added by [`Key::number`].
    ///
    /// # Errors
    /// [`Error::Row`] where fewer than 8 bytes are left.
    pub fn number(&mut self) -> Result<u64, Error> {
        let Some((number, rest)) = self.rest.split_first_chunk() else {
            return Err(self.wrong("a number is cut off"));
        };
        self.rest = rest;
        Ok(u64::from_be_bytes(*number))
    }

    /// The next part, added by [`Key::moment`].
    ///
    /// # Errors
    /// [`Error::Row`] where fewer than 8 bytes are left.
    pub fn moment(&mut self) -> Result<Timestamp, Error> {
        Ok(Timestamp((self.number()? ^ SIGN) as i64))
    }

    /// The next part, added by [`Key::byte`].
    ///
    /// # Errors
    /// [`Error::Row`] where nothing is left.
    pub fn byte(&mut self) -> Result<u8, Error> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(self.wrong("a byte is missing"));
        };
        self.rest = rest;
        Ok(*byte)
    }

    /// Confirms that no part is left.
    ///
    /// # Errors
    /// [`Error::Row`] where something follows.
    pub fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong("more parts than expected")) }
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::Row { key: printable(self.whole), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    /// Texts full of the bytes that escapes are made of.
    fn nasty() -> impl Strategy<Value = String> {
        prop_oneof!["[\0\u{1}a\u{ff}]{0,4}", ".{0,6}"]
    }

    fn key(parts: &(String, u64, i64, String)) -> Key {
        Key::new(7).text(&parts.0).number(parts.1).moment(Timestamp(parts.2)).text(&parts.3)
    }

    proptest! {
        #[test]
        fn bytes_sort_as_the_parts_do(
            a in (nasty(), any::<u64>(), any::<i64>(), nasty()),
            b in (nasty(), any::<u64>(), any::<i64>(), nasty()),
        ) {
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }

        #[test]
        fn parts_come_back(a in (nasty(), any::<u64>(), any::<i64>(), nasty()), raw: Vec<u8>, byte: u8) {
            let key = key(&a).bytes(&raw).byte(byte);
            let mut parts = Parts::new(key.as_bytes()).unwrap();
            prop_assert_eq!(parts.kind(), 7);
            prop_assert_eq!((parts.text().unwrap(), parts.number().unwrap(), parts.moment().unwrap().0, parts.text().unwrap()), a);
            prop_assert_eq!(parts.bytes().unwrap(), raw);
            prop_assert_eq!(parts.byte().unwrap(), byte);
            parts.end().unwrap();
        }

        #[test]
        fn a_prefix_range_holds_exactly_the_keys_with_these_first_parts(a in nasty(), b in nasty(), n in prop_oneof![Just(u64::MAX), any::<u64>()]) {
            let (from, to) = prefix(&Key::new(7).text(&a));
            let other = Key::new(7).text(&b).number(n).into_bytes();
            prop_assert_eq!(from <= other && other < to, a == b);
            let (from, to) = prefix(&Key::new(254).number(n));
            let inside = Key::new(254).number(n).text(&b).into_bytes();
            prop_assert!(from <= inside && inside < to);
        }

        #[test]
        fn reading_any_bytes_never_panics(raw: Vec<u8>) {
            if let Ok(mut parts) = Parts::new(&raw) {
                let read = (parts.text().is_ok(), parts.number().is_ok(), parts.moment().is_ok(), parts.end().is_ok());
                prop_assert!(!(read.3 && read.0 && raw.len() < 3), "a text takes at least its end: {read:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "belongs to the ledger itself")]
    fn kind_zero_is_refused() {
        let _ = Key::new(0);
    }
}
