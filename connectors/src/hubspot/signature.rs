//! HubSpot's request signatures (CONTRACT section 7): who sent a delivery, and when.
//!
//! In: a request as it came, with its raw body; the app's client secret; the time. Out: accepted, or why not.
//! Always true: where a v3 header is present it decides alone, because v1 and v2 say nothing about when the request
//! was made; the URI is the configured one, never taken from `Host`; comparisons take the same time whatever differs.
//! A receiver that expects v3 on everything, as CRM webhooks carry it, uses [`verify_v3`].

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dsl::value::Timestamp;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret::Secret;
use crate::webhook::Verify;
use crate::webhook::hmac::{WINDOW_MS, digest};

const V3: &str = "x-hubspot-signature-v3";
const TIMESTAMP: &str = "x-hubspot-request-timestamp";
const OLD: &str = "x-hubspot-signature";
const OLD_VERSION: &str = "x-hubspot-signature-version";

/// Verifies deliveries to one configured public URL. CRM webhooks carry v3 always, so one without it is refused:
/// the older signatures have no time in them, and whoever saw one delivery could send it again.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The app's client secret.
    pub secret: Secret,
    /// The target URL as it is configured in HubSpot; never taken from the request.
    pub public_url: String,
}

impl Verify for Signature {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), String> {
        verify_v3("POST", &self.public_url, headers, body, &self.secret, now).map_err(|rejection| rejection.to_string())
    }
}

/// Why a delivery is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A header that must be there is not.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// A header stands twice, or is no text.
    #[error("the header `{0}` stands twice or is no text")]
    Malformed(&'static str),
    /// The timestamp is not digits only, or too large for a time.
    #[error("the timestamp is no number of milliseconds")]
    Timestamp,
    /// It was signed more than five minutes before now: a replay, or a clock that is wrong.
    #[error("it was signed {} s ago, more than five minutes", .0 / 1000)]
    Stale(i64),
    /// It was signed more than five minutes after now: a clock that is wrong.
    #[error("it was signed {} s in the future, more than five minutes", .0 / 1000)]
    Future(i64),
    /// `X-HubSpot-Signature-Version` is neither `v1` nor `v2`.
    #[error("signature version `{0}` is not known")]
    Version(String),
    /// Another secret, body, method or URI was signed.
    #[error("the {0} signature does not fit: another secret, body, method or URI was signed")]
    Mismatch(&'static str),
}

/// Checks a request. A v3 header decides alone; without one v1 or v2 is looked at, as its version header says.
///
/// # Errors
/// Why it is refused.
pub fn verify(
    method: &str,
    uri: &str,
    headers: &HeaderMap,
    body: &[u8],
    secret: &Secret,
    now: Timestamp,
) -> Result<(), Rejection> {
    if headers.contains_key(V3) {
        return verify_v3(method, uri, headers, body, secret, now);
    }
    let given = needed(headers, OLD)?;
    match needed(headers, OLD_VERSION)? {
        "v1" => equal("v1", &sign_v1(secret, body), given),
        "v2" => equal("v2", &sign_v2(secret, method, uri, body), given),
        other => Err(Rejection::Version(other.to_owned())),
    }
}

/// Checks a request by its v3 signature only: without one it is refused, whatever else it carries.
///
/// # Errors
/// Why it is refused.
pub fn verify_v3(
    method: &str,
    uri: &str,
    headers: &HeaderMap,
    body: &[u8],
    secret: &Secret,
    now: Timestamp,
) -> Result<(), Rejection> {
    let given = needed(headers, V3)?;
    let time = needed(headers, TIMESTAMP)?;
    if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Rejection::Timestamp);
    }
    let at: i64 = time.parse().map_err(|_| Rejection::Timestamp)?;
    let age = now.0.saturating_sub(at);
    if age > WINDOW_MS {
        return Err(Rejection::Stale(age));
    }
    if age < -WINDOW_MS {
        return Err(Rejection::Future(age.saturating_neg()));
    }
    equal("v3", &sign_v3(secret, method, uri, body, time), given)
}

fn needed<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().ok_or(Rejection::Missing(name))?;
    if values.next().is_some() {
        return Err(Rejection::Malformed(name));
    }
    first.to_str().map_err(|_| Rejection::Malformed(name))
}

fn equal(version: &'static str, expected: &str, given: &str) -> Result<(), Rejection> {
    let same = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
    if same { Ok(()) } else { Err(Rejection::Mismatch(version)) }
}

/// v1: lower-case hex of SHA-256 over secret and body.
#[must_use]
pub fn sign_v1(secret: &Secret, body: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update(secret.expose()).chain_update(body).finalize())
}

/// v2: lower-case hex of SHA-256 over secret, method, URI and body.
#[must_use]
pub fn sign_v2(secret: &Secret, method: &str, uri: &str, body: &[u8]) -> String {
    hex::encode(
        Sha256::new()
            .chain_update(secret.expose())
            .chain_update(method)
            .chain_update(uri)
            .chain_update(body)
            .finalize(),
    )
}

/// v3: base64 of HMAC-SHA256 over method, decoded URI, body and timestamp.
#[must_use]
pub fn sign_v3(secret: &Secret, method: &str, uri: &str, body: &[u8], timestamp: &str) -> String {
    let uri = decode(uri);
    let parts = [method.as_bytes(), uri.as_bytes(), body, timestamp.as_bytes()];
    BASE64_STANDARD.encode(digest(secret.expose().as_bytes(), &parts))
}

/// The twelve escapes that HubSpot decodes before signing; all others stay.
fn decode(uri: &str) -> String {
    const TABLE: [(&str, &str); 12] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    let mut text = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some(next) = rest.chars().next() {
        let escape = rest.get(..3).and_then(|head| TABLE.iter().find(|(code, _)| *code == head));
        match escape {
            Some((code, plain)) => {
                text.push_str(plain);
                rest = &rest[code.len()..];
            }
            None => {
                text.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    text
}
