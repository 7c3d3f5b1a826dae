//! The app's signature: `t=<ms>,v1=<hex HMAC-SHA256 of "t.body">`, valid for five minutes in both directions.

use dsl::value::Timestamp;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::Verify;
use crate::secret::Secret;

/// How old, or how far ahead, a delivery may be.
pub const WINDOW_MS: i64 = 300_000;

/// The header that carries the signature where the rules name no other.
pub const HEADER: &str = "X-App-Signature";

/// Verifies `X-App-Signature`, or another header that the rules name.
#[derive(Debug, Clone)]
pub struct Hmac256 {
    /// Name of the header.
    pub header: String,
    /// The shared secret.
    pub secret: Secret,
}

/// HMAC-SHA256 of the parts, one after the other.
#[must_use]
pub fn digest(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The signature of a body sent at `at`.
#[must_use]
pub fn sign(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    let time = at.0.to_string();
    let digest = digest(secret.expose().as_bytes(), &[time.as_bytes(), b".", body]);
    format!("t={time},v1={}", hex::encode(digest))
}

impl Verify for Hmac256 {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), String> {
        let mut values = headers.get_all(&self.header).iter();
        let value = values.next().ok_or("the signature header is missing")?;
        if values.next().is_some() {
            return Err("the signature header stands twice".to_owned());
        }
        let value = value.to_str().map_err(|_| "the signature header is no text")?;
        let mut time = None;
        let mut given = None;
        for part in value.split(',') {
            match part.trim().split_once('=') {
                Some(("t", t)) if time.is_none() => time = Some(t),
                Some(("v1", v)) if given.is_none() => given = Some(v),
                Some(("t" | "v1", _)) => return Err("the signature has `t` or `v1` twice".to_owned()),
                _ => {}
            }
        }
        let (Some(time), Some(given)) = (time, given) else {
            return Err("the signature has no `t` and `v1`".to_owned());
        };
        // Digits only: a sign would let one time be written in several ways, and a negative one overflow below.
        if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("the time is no number".to_owned());
        }
        let at: i64 = time.parse().map_err(|_| "the time is too large")?;
        if now.0.saturating_sub(at).saturating_abs() > WINDOW_MS {
            return Err("it was signed more than five minutes from now".to_owned());
        }
        let expected = hex::encode(digest(self.secret.expose().as_bytes(), &[time.as_bytes(), b".", body]));
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
            Ok(())
        } else {
            Err("the signature does not fit the body".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_511_400_120);

    fn verdict(header: &str, body: &[u8], now: Timestamp) -> Result<(), String> {
        let verifier = Hmac256 { header: "X-App-Signature".to_owned(), secret: Secret::new("s3cret") };
        let mut headers = HeaderMap::new();
        headers.insert("x-app-signature", header.parse().expect("a header value"));
        verifier.verify(&headers, body, now)
    }

    #[test]
    fn what_was_signed_is_accepted_for_five_minutes_in_both_directions() {
        let header = sign(&Secret::new("s3cret"), NOW, b"[]");
        for offset in [-WINDOW_MS, 0, WINDOW_MS] {
            assert_eq!(verdict(&header, b"[]", Timestamp(NOW.0 + offset)), Ok(()), "{offset}");
        }
        for offset in [-WINDOW_MS - 1, WINDOW_MS + 1] {
            assert!(verdict(&header, b"[]", Timestamp(NOW.0 + offset)).is_err(), "{offset}");
        }
    }

    #[test]
    fn another_body_secret_or_time_is_refused() {
        let header = sign(&Secret::new("s3cret"), NOW, b"[]");
        assert!(verdict(&header, b"[ ]", NOW).is_err());
        assert!(verdict(&sign(&Secret::new("other"), NOW, b"[]"), b"[]", NOW).is_err());
        assert!(verdict(&header.replace("120,", "121,"), b"[]", NOW).is_err());
        assert!(verdict(&header[..header.len() - 1], b"[]", NOW).is_err());
    }

    #[test]
    fn a_malformed_header_is_refused_and_breaks_nothing() {
        let good = sign(&Secret::new("s3cret"), NOW, b"[]");
        for header in [
            "",
            "t=1",
            "v1=00",
            "t=,v1=",
            "t=-9223372036854775808,v1=00",
            "t=+1795511400120,v1=00",
            "t=9223372036854775807,v1=00",
            "t=99999999999999999999,v1=00",
            "t=1795511400120,v1=zz",
            &format!("{good},t=1"),
            &format!("v1=00,{good}"),
        ] {
            assert!(verdict(header, b"[]", NOW).is_err(), "{header}");
        }
    }
}
