//! One way out over HTTP: a [`Transport`] that adapters are given, so that tests own the network.

use async_trait::async_trait;
use bytes::Bytes;

/// Sends one request and gives the whole response.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`, whose URI is absolute.
    ///
    /// # Errors
    /// Where no response came; says whether the request may have arrived.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError>;
}

/// No response came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request never left: connection refused, name not found.
    #[error("could not connect: {0}")]
    NotSent(String),
    /// The request may have arrived: timeout, connection lost.
    #[error("no answer: {0}")]
    NoAnswer(String),
}
