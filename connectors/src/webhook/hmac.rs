//! The app's signature: `t=<ms>,v1=<hex HMAC-SHA256 of "t.body">`, valid for five minutes in both directions.

use dsl::value::Moment;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::Verify;
use crate::secret::Secret;

/// How old, or how far ahead, a delivery may be.
pub const WINDOW_MS: i64 = 300_000;

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
pub fn sign(secret: &Secret, at: Moment, body: &[u8]) -> String {
    let time = at.0.to_string();
    let digest = digest(secret.expose().as_bytes(), &[time.as_bytes(), b".", body]);
    format!("t={time},v1={}", hex(&digest))
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Verify for Hmac256 {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Moment) -> Result<(), String> {
        let value = headers.get(&self.header).ok_or("the signature header is missing")?;
        let value = value.to_str().map_err(|_| "the signature header is no text")?;
        let mut time = None;
        let mut given = None;
        for part in value.split(',') {
            match part.trim().split_once('=') {
                Some(("t", t)) => time = Some(t),
                Some(("v1", v)) => given = Some(v),
                _ => {}
            }
        }
        let (Some(time), Some(given)) = (time, given) else {
            return Err("the signature has no `t` and `v1`".to_owned());
        };
        if !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("the time is no number".to_owned());
        }
        let at: i64 = time.parse().map_err(|_| "the time is no number")?;
        if now.since(Moment(at)).0.unsigned_abs() > WINDOW_MS.unsigned_abs() {
            return Err("it was signed more than five minutes from now".to_owned());
        }
        let expected = hex(&digest(self.secret.expose().as_bytes(), &[time.as_bytes(), b".", body]));
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
            Ok(())
        } else {
            Err("the signature does not fit the body".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hmac256, Moment, Secret, Verify, WINDOW_MS, sign};

    fn verify(signature: &str, now: i64) -> Result<(), String> {
        let door = Hmac256 { header: "X-App-Signature".into(), secret: Secret::new("s3cret") };
        let headers = [(http::HeaderName::from_static("x-app-signature"), signature.parse().expect("a header"))];
        door.verify(&headers.into_iter().collect(), b"[]", Moment(now))
    }

    #[test]
    fn a_signature_is_valid_for_five_minutes_both_ways() {
        let signature = sign(&Secret::new("s3cret"), Moment(1_000_000), b"[]");
        for (now, fine) in
            [(0, true), (WINDOW_MS, true), (-WINDOW_MS, true), (WINDOW_MS + 1, false), (-WINDOW_MS - 1, false)]
        {
            assert_eq!(verify(&signature, 1_000_000 + now).is_ok(), fine, "{now} ms later");
        }
    }

    #[test]
    fn a_signature_that_is_none_is_refused_whatever_it_holds() {
        for strange in [
            "",
            "t=,v1=",
            "t=1",
            "v1=00",
            "t=+1,v1=00",
            "t=-9223372036854775808,v1=00",
            "t=9223372036854775807,v1=00",
            "t=99999999999999999999,v1=00",
            "t=1,v1=zz",
        ] {
            assert!(verify(strange, 1).is_err(), "{strange}");
        }
        let other = sign(&Secret::new("another"), Moment(1), b"[]");
        assert!(verify(&other, 1).is_err());
    }
}
