//! HubSpot's request signatures (CONTRACT section 7): v3 decides wherever it is present.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dsl::value::Moment;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret::Secret;
use crate::webhook::Verify;
use crate::webhook::hmac::{WINDOW_MS, digest, hex};

/// Verifies deliveries to one configured public URL.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The app's client secret.
    pub secret: Secret,
    /// The target URL as it is configured in HubSpot; never taken from the request.
    pub public_url: String,
}

impl Verify for Signature {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Moment) -> Result<(), String> {
        verify("POST", &self.public_url, headers, body, &self.secret, now)
    }
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
    now: Moment,
) -> Result<(), String> {
    if let Some(given) = one(headers, "x-hubspot-signature-v3")? {
        let time = one(headers, "x-hubspot-request-timestamp")?.ok_or("the timestamp is missing")?;
        if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("the timestamp is no number".to_owned());
        }
        let at: i64 = time.parse().map_err(|_| "the timestamp is too large")?;
        if (now.0 - at).abs() > WINDOW_MS {
            return Err("it was signed more than five minutes from now".to_owned());
        }
        let expected = sign_v3(secret, method, uri, body, time);
        return equal(&expected, given);
    }
    let given = one(headers, "x-hubspot-signature")?.ok_or("the signature header is missing")?;
    match one(headers, "x-hubspot-signature-version")? {
        Some("v1") => equal(&sign_v1(secret, body), given),
        Some("v2") => equal(&sign_v2(secret, method, uri, body), given),
        Some(other) => Err(format!("signature version `{other}` is not known")),
        None => Err("the signature version is missing".to_owned()),
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(format!("{name} stands twice"));
    }
    first.map(|value| value.to_str().map_err(|_| format!("{name} is no text"))).transpose()
}

fn equal(expected: &str, given: &str) -> Result<(), String> {
    if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
        Ok(())
    } else {
        Err("the signature does not fit".to_owned())
    }
}

/// v1: lower-case hex of SHA-256 over secret and body.
#[must_use]
pub fn sign_v1(secret: &Secret, body: &[u8]) -> String {
    hex(&Sha256::new().chain_update(secret.expose()).chain_update(body).finalize())
}

/// v2: lower-case hex of SHA-256 over secret, method, URI and body.
#[must_use]
pub fn sign_v2(secret: &Secret, method: &str, uri: &str, body: &[u8]) -> String {
    hex(&Sha256::new()
        .chain_update(secret.expose())
        .chain_update(method)
        .chain_update(uri)
        .chain_update(body)
        .finalize())
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
