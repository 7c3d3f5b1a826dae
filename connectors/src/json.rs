//! JSON from outside, with every digit of its numbers.
//!
//! In: the bytes of a delivery or an answer. Out: the JSON value of `serde_json`, in which a number that neither 64 bits
//! nor a double hold is a text of its digits.
//! Always true: what a double holds stays a number; nothing else of the text is touched. Fields of locks are read from
//! text as from numbers, so only what would have lost digits is another JSON type, and no digit is lost.
//! Awkward but true: `serde_json` has a feature for this (`arbitrary_precision`), for all who use it in the binary at
//! once: with it, numbers cannot be stored in compact forms, and what flattens structures no longer reads them.

use std::borrow::Cow;

use serde_json::Value as Json;

/// As many digits as every double keeps.
const SURELY_KEPT: usize = 15;

/// Reads a text.
///
/// # Errors
/// Where it is no JSON.
pub(crate) fn read(text: &[u8]) -> serde_json::Result<Json> {
    match quoted(text) {
        Cow::Borrowed(text) => serde_json::from_slice(text),
        // Its places are those of the text as it came, where it is no JSON.
        Cow::Owned(exact) => serde_json::from_slice(&exact).or_else(|_| serde_json::from_slice(text)),
    }
}

/// The text with quotes around each number that would lose digits.
fn quoted(text: &[u8]) -> Cow<'_, [u8]> {
    let mut exact: Vec<u8> = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while at < text.len() {
        match text[at] {
            b'"' => at = after_string(text, at),
            b'-' | b'0'..=b'9' => {
                let end = text[at..]
                    .iter()
                    .position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .map_or(text.len(), |length| at + length);
                if !holds(&text[at..end]) {
                    exact.extend_from_slice(&text[kept..at]);
                    exact.push(b'"');
                    exact.extend_from_slice(&text[at..end]);
                    exact.push(b'"');
                    kept = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    exact.extend_from_slice(&text[kept..]);
    Cow::Owned(exact)
}

/// Where the string that begins at `start` is over.
fn after_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Whether a number is still the same one after `serde_json` has read it. What is no number is left as it is.
fn holds(number: &[u8]) -> bool {
    if number.len() <= SURELY_KEPT && !number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return true;
    }
    let Some(text) = std::str::from_utf8(number).ok().filter(|text| is_number(text)) else { return true };
    let (digits, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    if !text.contains(['.', 'e', 'E']) {
        return text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    }
    let significant = digits.bytes().filter(u8::is_ascii_digit).collect::<Vec<u8>>();
    let significant = std::str::from_utf8(&significant).unwrap_or_default().trim_matches('0').len();
    let range = power.parse::<i32>().is_ok_and(|power| power.abs() < 290) || significant == 0;
    significant <= SURELY_KEPT && range
}

/// A number as JSON writes it.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (base, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let base = base.strip_prefix('-').unwrap_or(base);
    let (whole, fraction) = base.split_once('.').unwrap_or((base, "0"));
    let leads = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && !leads && digits(fraction) && digits(power.strip_prefix(['+', '-']).unwrap_or(power))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Json {
        read(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn no_digit_of_a_number_is_lost() {
        for text in [
            "18446744073709551617",
            "-9223372036854775809",
            "123456789012345678.91",
            "0.1234567890123456789",
            "12345678901234567e3",
            "1e400",
            "-1E-400",
        ] {
            assert_eq!(one(text), json!(text));
            assert_eq!(one(&format!("{{\"a\":[{text}, 1]}}")), json!({"a": [text, 1]}));
        }
    }

    #[test]
    fn a_number_that_a_double_or_64_bits_hold_stays_one() {
        assert_eq!(
            one("[0, -1, 1.5, 1e3, 9223372036854775807, 18446744073709551615]"),
            json!([0, -1, 1.5, 1000.0, i64::MAX, u64::MAX])
        );
        assert_eq!(one("[49.000000000000000000000, 0.10]"), json!([49.0, 0.1]));
        assert_eq!(one("123456789012.345"), json!(123_456_789_012.345));
    }

    #[test]
    fn digits_within_a_text_are_its_own() {
        let text = r#"{"18446744073709551617": "a \" 18446744073709551617 \\", "b": 18446744073709551617}"#;
        let expected = json!({"18446744073709551617": "a \" 18446744073709551617 \\", "b": "18446744073709551617"});
        assert_eq!(one(text), expected);
    }

    #[test]
    fn what_is_no_json_is_refused_at_its_own_place() {
        for text in ["", "[1", "{\"a\": 18446744073709551617", "1844674407370955161-7", "00000000000000000000001"] {
            let refused = read(text.as_bytes()).expect_err(text);
            let theirs = serde_json::from_slice::<Json>(text.as_bytes()).expect_err(text);
            assert_eq!(refused.to_string(), theirs.to_string());
        }
    }
}
