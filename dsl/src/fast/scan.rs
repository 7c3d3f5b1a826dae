//! JSON from left to right: where a value ends, without making anything of it.
//!
//! In: text and a position. Out: positions. Always true: it goes on only over what is JSON by RFC 8259, nested no
//! deeper than [`DEPTH`], so that no record can exhaust the stack; eight bytes of a text are looked at together.
//! Not here: what escapes and numbers mean. That is rare, and `serde_json` knows it.

/// How deeply arrays and objects may be nested, as in `serde_json`.
pub(super) const DEPTH: u32 = 127;

/// Why it is no JSON.
pub(super) type Wrong = &'static str;

pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A text between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    /// As it stands.
    pub(super) inside: &'a str,
    /// It has escapes, so it means something else than it shows.
    pub(super) escaped: bool,
}

impl<'a> Scan<'a> {
    /// The byte here; 0 at the end, which stands nowhere in JSON.
    #[inline]
    pub(super) fn here(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The next byte that is no white space.
    #[inline]
    pub(super) fn next(&mut self) -> u8 {
        loop {
            match self.here() {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                other => return other,
            }
        }
    }

    /// Goes over `byte`, with white space before it.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8, wrong: Wrong) -> Result<(), Wrong> {
        if self.next() != byte {
            return Err(wrong);
        }
        self.at += 1;
        Ok(())
    }

    /// Goes over a text, from its opening quote on.
    #[inline]
    pub(super) fn quoted(&mut self) -> Result<Quoted<'a>, Wrong> {
        self.expect(b'"', "a text is expected")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.plain();
            match self.here() {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err("a text is not closed, or holds a control character"),
            }
        }
        // Quotes are bytes of their own in UTF-8, so both ends are the ends of characters.
        let inside = self.text.get(start..self.at).ok_or("a text ends inside of a character")?;
        self.at += 1;
        Ok(Quoted { inside, escaped })
    }

    /// Goes to the next quote, backslash or control character.
    #[inline]
    fn plain(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = ONES << 7;
        // The lowest high bit that is left stands in the first byte that is below `limit`; bits above it may lie.
        let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
        let bytes = self.text.as_bytes();
        while let Some(eight) = bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*eight);
            let quote = below(word ^ (ONES * u64::from(b'"')), 1);
            let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
            let found = quote | backslash | below(word, b' ');
            if found != 0 {
                self.at += found.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = bytes.get(self.at)
            && *byte >= b' '
            && !matches!(byte, b'"' | b'\\')
        {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        let bytes = &self.text.as_bytes()[self.at + 1..];
        match bytes.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if bytes.get(1..5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => {
                self.at += 6
            }
            _ => return Err("there is no such escape"),
        }
        Ok(())
    }

    /// Goes over any value; `depth` is how many arrays and objects it stands in.
    pub(super) fn skip(&mut self, depth: u32) -> Result<(), Wrong> {
        match self.next() {
            b'"' => self.quoted().map(|_| ()),
            b'{' => {
                self.at += 1;
                self.members(depth, b'}', |scan| {
                    scan.quoted()?;
                    scan.expect(b':', "a colon is expected")
                })
            }
            b'[' => {
                self.at += 1;
                self.members(depth, b']', |_| Ok(()))
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(|_| ()),
        }
    }

    /// Goes over members up to `end`; `key` goes over what stands before each value.
    fn members(&mut self, depth: u32, end: u8, key: impl Fn(&mut Self) -> Result<(), Wrong>) -> Result<(), Wrong> {
        if depth >= DEPTH {
            return Err("it is nested too deeply");
        }
        if self.next() == end {
            self.at += 1;
            return Ok(());
        }
        loop {
            key(self)?;
            self.skip(depth + 1)?;
            let byte = self.next();
            self.at += 1;
            if byte == end {
                return Ok(());
            }
            if byte != b',' {
                return Err("a comma or the end is expected");
            }
        }
    }

    /// Goes over a word that stands here.
    pub(super) fn word(&mut self, word: &str) -> Result<(), Wrong> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err("a value is expected");
        }
        self.at += word.len();
        Ok(())
    }

    /// Goes over a number; gives it as it stands, and whether it is whole.
    pub(super) fn number(&mut self) -> Result<(&'a str, bool), Wrong> {
        let start = self.at;
        let mut whole = true;
        if self.here() == b'-' {
            self.at += 1;
        }
        if self.here() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.here() == b'.' {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.here(), b'e' | b'E') {
            whole = false;
            self.at += 1;
            if matches!(self.here(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok((&self.text[start..self.at], whole))
    }

    fn digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while self.here().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err("a value is expected") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn accepted(text: &str) -> bool {
        let mut scan = Scan { text, at: 0 };
        scan.skip(0).is_ok() && scan.next() == 0 && scan.at == text.len()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_json_is_gone_over_and_nothing_else(
            parts in prop::collection::vec(
                prop::sample::select(
                    &["{", "}", "[", "]", ",", ":", "\"a\"", "\"é\\u00e9\\\\ \\\" long enough\"", "\"\u{1}\"", "\"\\x\"", "\"\\u12\"",
                      "\"", "0", "-0", "01", "1.5e-3", "1.", "-", "1e", "true", "tru", "false", "null", " ", "\n", "\u{a0}", "\0"][..],
                ),
                0..12,
            ),
        ) {
            let text = parts.concat();
            prop_assert_eq!(accepted(&text), serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
        }

        #[test]
        fn any_text_is_gone_over_whole(text in any::<String>()) {
            let json = serde_json::json!({ text.as_str(): [text.as_str(), 1.5, -3, null] }).to_string();
            prop_assert!(accepted(&json));
            prop_assert!(!accepted(&json[..json.len() - 1]));
        }
    }

    #[test]
    fn nesting_ends_where_the_simple_way_ends_it() {
        for depth in [1, 126, 127, 128, 129, 100_000] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(accepted(&text), serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{depth}");
        }
    }
}
