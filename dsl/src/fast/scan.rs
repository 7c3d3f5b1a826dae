//! JSON from left to right: where a value ends, without making anything of it.
//!
//! In: text and a position. Out: positions. Always true: it goes on only over what is JSON by RFC 8259, nested no
//! deeper than [`DEPTH`], so that no record can exhaust the stack; sixteen bytes of a text are looked at together.
//! Not here: what escapes and numbers mean. That is rare, and `serde_json` knows it.

use wide::u8x16;

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
        let byte = self.here();
        if byte > b' ' { byte } else { self.behind_white() }
    }

    /// What [`next`](Self::next) does where white space stands, or nothing more.
    fn behind_white(&mut self) -> u8 {
        while matches!(self.here(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
        self.here()
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
        let escaped = self.close()?;
        // Quotes are bytes of their own in UTF-8, so both ends are the ends of characters.
        let inside = self.text.get(start..self.at).ok_or("a text ends inside of a character")?;
        self.at += 1;
        Ok(Quoted { inside, escaped })
    }

    /// Goes from the inside of a text to its closing quote. Are there escapes on the way?
    #[inline]
    fn close(&mut self) -> Result<bool, Wrong> {
        self.plain();
        if self.here() == b'"' { Ok(false) } else { self.over_escapes().map(|()| true) }
    }

    /// What [`close`](Self::close) does where something else comes first.
    #[cold]
    fn over_escapes(&mut self) -> Result<(), Wrong> {
        loop {
            match self.here() {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return Err("a text is not closed, or holds a control character"),
            }
            self.plain();
        }
    }

    /// Goes to the next quote, backslash or control character.
    #[inline]
    fn plain(&mut self) {
        const QUOTE: u8x16 = u8x16::new([b'"'; 16]);
        const BACKSLASH: u8x16 = u8x16::new([b'\\'; 16]);
        const LAST_CONTROL: u8x16 = u8x16::new([b' ' - 1; 16]);
        let bytes = self.text.as_bytes();
        while let Some(sixteen) = bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let sixteen = u8x16::new(*sixteen);
            // The smaller of a byte and the last control character is the byte itself only where that is one.
            let control = sixteen.min(LAST_CONTROL).simd_eq(sixteen);
            let found = (sixteen.simd_eq(QUOTE) | sixteen.simd_eq(BACKSLASH) | control).to_bitmask();
            if found != 0 {
                self.at += found.trailing_zeros() as usize;
                return;
            }
            self.at += 16;
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
        // A bit for each array and object that is open in here, the innermost lowest; set where it is an object.
        let (mut open, mut count) = (0_u128, 0);
        loop {
            match self.next() {
                b'"' => {
                    self.at += 1;
                    self.close()?;
                    self.at += 1;
                }
                begin @ (b'{' | b'[') => {
                    if depth + count >= DEPTH {
                        return Err("it is nested too deeply");
                    }
                    self.at += 1;
                    let object = begin == b'{';
                    if self.next() == if object { b'}' } else { b']' } {
                        self.at += 1;
                    } else {
                        open = open << 1 | u128::from(object);
                        count += 1;
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => {
                    self.number()?;
                }
            }
            // Behind a value: the next one, or the end of what it stands in.
            loop {
                if count == 0 {
                    return Ok(());
                }
                let object = open & 1 == 1;
                let byte = self.next();
                self.at += 1;
                if byte == b',' {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                if byte != if object { b'}' } else { b']' } {
                    return Err("a comma or the end is expected");
                }
                open >>= 1;
                count -= 1;
            }
        }
    }

    /// Goes over a key and its colon.
    #[inline]
    fn key(&mut self) -> Result<(), Wrong> {
        self.expect(b'"', "a text is expected")?;
        self.close()?;
        self.at += 1;
        self.expect(b':', "a colon is expected")
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
