//! Webhooks: the doors that deliveries come through, and the ways to know their sender.

pub mod door;
pub mod hmac;
pub mod unverified;

use dsl::value::Timestamp;
use http::HeaderMap;

/// Knows whether a delivery comes from whom it says.
pub trait Verify: Send + Sync {
    /// Checks the raw body and headers of a `POST` as it came.
    ///
    /// # Errors
    /// Why it is refused, for the log; never told to the sender.
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), String>;
}
