//! Short names for what is long or must not be guessed: hashes as text.

use sha2::{Digest, Sha256};

/// The first 16 hex digits of a SHA-256.
pub(crate) fn hash(text: &str) -> String {
    hash_of(text.as_bytes())
}

/// The same of bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
