//! JSON from left to right: where a value ends, without making anything of it.
//!
//! In: text and a position. Out: positions. Always true: it goes on only over what is JSON by RFC 8259, nested no
//! deeper than [`DEPTH`], so that no record can exhaust the stack; sixteen bytes of a text are looked at together.
//! Not here: what escapes and numbers mean. That is rare, and `serde_json` knows it.

use wide::u8x16;

/// How deeply arrays and objects may be nested, as in `serde_json`.
pub(super) const DEPTH: u32 = 127;

/// Why it is no JSON, and where. In a box, so that a position or an error is handed on in two registers.
#[derive(Debug)]
pub(super) struct Wrong(Box<(&'static str, usize)>);

impl Wrong {
    #[cold]
    pub(super) fn new(why: &'static str, at: usize) -> Self {
        Self(Box::new((why, at)))
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (why, at) = *self.0;
        write!(f, "{why} at byte {at}")
    }
}

/// The text that is gone over. All positions are bytes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
}

/// Where a text stands, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted {
    pub(super) start: usize,
    pub(super) end: usize,
    /// It has escapes, so it means something else than it shows.
    pub(super) escaped: bool,
}

impl Quoted {
    /// Behind its closing quote.
    #[inline]
    pub(super) fn behind(self) -> usize {
        self.end + 1
    }
}

/// A key of at most fifteen bytes without escapes, with a colon right behind it, as most keys are.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortKey<'a> {
    /// From its opening quote on.
    pub(super) text: &'a [u8; 20],
    /// Bytes between its quotes.
    pub(super) length: usize,
}

impl<'a> ShortKey<'a> {
    /// What stands behind the opening quote.
    #[inline(always)]
    pub(super) fn head(self) -> &'a [u8; 16] {
        self.text[1..].first_chunk().expect("twenty bytes hold sixteen and one")
    }

    /// How far it is from its opening quote to behind its colon.
    #[inline(always)]
    pub(super) fn behind(self) -> usize {
        self.length + 3
    }
}

/// Does the text stand between quotes as it is, without any escape?
pub(super) fn is_plain(text: &str) -> bool {
    Scan { text }.plain(0) == text.len()
}

/// Where quotes, backslashes and control characters stand among sixteen bytes; a bit for each, the first one lowest.
#[inline(always)]
fn stops(sixteen: [u8; 16]) -> u32 {
    const QUOTE: u8x16 = u8x16::new([b'"'; 16]);
    const BACKSLASH: u8x16 = u8x16::new([b'\\'; 16]);
    const LAST_CONTROL: u8x16 = u8x16::new([b' ' - 1; 16]);
    let sixteen = u8x16::new(sixteen);
    // The smaller of a byte and the last control character is the byte itself only where that is one.
    let control = sixteen.min(LAST_CONTROL).simd_eq(sixteen);
    (sixteen.simd_eq(QUOTE) | sixteen.simd_eq(BACKSLASH) | control).to_bitmask()
}

impl<'a> Scan<'a> {
    /// The byte here; 0 at the end, which stands nowhere in JSON.
    #[inline(always)]
    fn here(self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The next byte that is no white space, and where it stands.
    #[inline(always)]
    pub(super) fn next(self, at: usize) -> (u8, usize) {
        let byte = self.here(at);
        if byte > b' ' { (byte, at) } else { self.behind_white(at) }
    }

    /// What [`next`](Self::next) does where white space stands, or nothing more.
    #[cold]
    fn behind_white(self, mut at: usize) -> (u8, usize) {
        while matches!(self.here(at), b' ' | b'\n' | b'\t' | b'\r') {
            at += 1;
        }
        (self.here(at), at)
    }

    /// Goes over `byte`, with white space before it.
    #[inline(always)]
    pub(super) fn expect(self, at: usize, byte: u8, why: &'static str) -> Result<usize, Wrong> {
        match self.next(at) {
            (found, at) if found == byte => Ok(at + 1),
            (_, at) => Err(Wrong::new(why, at)),
        }
    }

    /// The key whose opening quote stands here, if it is a short one and not at the very end of the record.
    #[inline(always)]
    pub(super) fn short_key(self, at: usize) -> Option<ShortKey<'a>> {
        let text: &[u8; 20] = self.text.as_bytes().get(at..)?.first_chunk()?;
        let key = ShortKey { text, length: 0 };
        // The first stop is the closing quote, or it is no short key.
        let length = stops(*key.head()).trailing_zeros() as usize & 15;
        let short = text[0] == b'"' && [text[1 + length], text[2 + length]] == *b"\":";
        short.then_some(ShortKey { length, ..key })
    }

    /// The text whose opening quote stands here, perhaps behind white space.
    #[inline(always)]
    pub(super) fn quoted(self, at: usize) -> Result<Quoted, Wrong> {
        let start = self.expect(at, b'"', "a text is expected")?;
        self.close(start)
    }

    /// The text whose inside begins here.
    #[inline(always)]
    pub(super) fn close(self, start: usize) -> Result<Quoted, Wrong> {
        let mut at = start;
        while let Some(sixteen) = self.text.as_bytes().get(at..).and_then(<[u8]>::first_chunk) {
            let found = stops(*sixteen);
            if found != 0 {
                let first = found.trailing_zeros() as usize;
                if sixteen.get(first) == Some(&b'"') {
                    return Ok(Quoted { start, end: at + first, escaped: false });
                }
                break;
            }
            at += 16;
        }
        self.close_slowly(start, at)
    }

    /// What [`close`](Self::close) does where something else comes first, and in the last bytes of a record.
    #[cold]
    fn close_slowly(self, start: usize, mut at: usize) -> Result<Quoted, Wrong> {
        let mut escaped = false;
        loop {
            at = self.plain(at);
            match self.here(at) {
                b'"' => return Ok(Quoted { start, end: at, escaped }),
                b'\\' => {
                    at = self.escape(at)?;
                    escaped = true;
                }
                _ => return Err(Wrong::new("a text is not closed, or holds a control character", at)),
            }
        }
    }

    /// The next quote, backslash or control character.
    fn plain(self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(sixteen) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let found = stops(*sixteen);
            if found != 0 {
                return at + found.trailing_zeros() as usize;
            }
            at += 16;
        }
        while let Some(byte) = bytes.get(at)
            && *byte >= b' '
            && !matches!(byte, b'"' | b'\\')
        {
            at += 1;
        }
        at
    }

    fn escape(self, at: usize) -> Result<usize, Wrong> {
        let bytes = &self.text.as_bytes()[at + 1..];
        match bytes.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') if bytes.get(1..5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => Ok(at + 6),
            _ => Err(Wrong::new("there is no such escape", at)),
        }
    }

    /// A text as it stands.
    #[inline(always)]
    pub(super) fn inside(self, quoted: Quoted) -> Result<&'a str, Wrong> {
        // Quotes are bytes of their own in UTF-8, so both ends are the ends of characters.
        let inside = self.text.get(quoted.start..quoted.end);
        inside.ok_or_else(|| Wrong::new("a text ends inside of a character", quoted.start))
    }

    /// Goes over any value; `depth` is how many arrays and objects it stands in.
    #[inline(always)]
    pub(super) fn skip(self, at: usize, depth: u32) -> Result<usize, Wrong> {
        match self.next(at) {
            (b'"', at) => self.close(at + 1).map(Quoted::behind),
            (_, at) => self.skip_other(at, depth),
        }
    }

    /// What [`skip`](Self::skip) does where it is no text.
    fn skip_other(self, mut at: usize, depth: u32) -> Result<usize, Wrong> {
        // A bit for each array and object that is open in here, the innermost lowest; set where it is an object.
        let (mut open, mut count) = (0_u128, 0);
        loop {
            let (begin, here) = self.next(at);
            at = match begin {
                b'"' => self.close(here + 1)?.behind(),
                b'{' | b'[' => {
                    if depth + count >= DEPTH {
                        return Err(Wrong::new("it is nested too deeply", here));
                    }
                    let object = begin == b'{';
                    match self.next(here + 1) {
                        (b'}', end) if object => end + 1,
                        (b']', end) if !object => end + 1,
                        (_, inside) => {
                            open = open << 1 | u128::from(object);
                            count += 1;
                            at = if object { self.key(inside)? } else { inside };
                            continue;
                        }
                    }
                }
                _ => self.scalar(here)?,
            };
            // Behind a value: the next one, or the end of what it stands in.
            loop {
                if count == 0 {
                    return Ok(at);
                }
                let object = open & 1 == 1;
                match self.next(at) {
                    (b',', comma) => {
                        at = if object { self.key(comma + 1)? } else { comma + 1 };
                        break;
                    }
                    (b'}', end) if object => at = end + 1,
                    (b']', end) if !object => at = end + 1,
                    (_, at) => return Err(Wrong::new("a comma or the end is expected", at)),
                }
                open >>= 1;
                count -= 1;
            }
        }
    }

    /// Goes over a word or a number.
    #[inline]
    fn scalar(self, at: usize) -> Result<usize, Wrong> {
        match self.here(at) {
            b't' => self.word(at, "true"),
            b'f' => self.word(at, "false"),
            b'n' => self.word(at, "null"),
            _ => self.number(at).map(|(_, behind)| behind),
        }
    }

    /// Goes over a key and its colon.
    #[inline(always)]
    fn key(self, at: usize) -> Result<usize, Wrong> {
        if let Some(key) = self.short_key(at) {
            return Ok(at + key.behind());
        }
        let key = self.quoted(at)?;
        self.expect(key.behind(), b':', "a colon is expected")
    }

    /// Goes over a word that stands here.
    #[inline]
    pub(super) fn word(self, at: usize, word: &str) -> Result<usize, Wrong> {
        if !self.text.as_bytes()[at..].starts_with(word.as_bytes()) {
            return Err(Wrong::new("a value is expected", at));
        }
        Ok(at + word.len())
    }

    /// Goes over a number; gives too whether it is whole.
    pub(super) fn number(self, start: usize) -> Result<(bool, usize), Wrong> {
        let mut whole = true;
        let mut at = start;
        if self.here(at) == b'-' {
            at += 1;
        }
        at = if self.here(at) == b'0' { at + 1 } else { self.digits(at)? };
        if self.here(at) == b'.' {
            whole = false;
            at = self.digits(at + 1)?;
        }
        if matches!(self.here(at), b'e' | b'E') {
            whole = false;
            at += 1;
            if matches!(self.here(at), b'+' | b'-') {
                at += 1;
            }
            at = self.digits(at)?;
        }
        Ok((whole, at))
    }

    #[inline]
    fn digits(self, start: usize) -> Result<usize, Wrong> {
        let mut at = start;
        while self.here(at).is_ascii_digit() {
            at += 1;
        }
        if at == start { Err(Wrong::new("a value is expected", at)) } else { Ok(at) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn accepted(text: &str) -> bool {
        let scan = Scan { text };
        scan.skip(0, 0).is_ok_and(|at| scan.next(at) == (0, text.len()))
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
