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
        let at: i64 = time.parse().map_err(|_| "the time is no number")?;
        if (now.0 - at).abs() > WINDOW_MS {
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
