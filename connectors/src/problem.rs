//! Why a request is refused, as every door of ours says it: `application/problem+json` (RFC 9457).
//!
//! Always true: what is written here can be read back by whoever asked.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

/// The media type of RFC 9457.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The status in words, such as `Conflict`.
    pub title: String,
    /// The status, 400 to 599.
    pub status: u16,
    /// What is wrong with this very request, for people.
    pub detail: String,
}

impl Problem {
    /// A refusal with this status.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default().to_owned();
        Self { title, status: status.as_u16(), detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).expect("a problem is plain data");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_it_is_in_head_and_body() {
        let response = Problem::new(StatusCode::CONFLICT, "it is stopped").into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let json = serde_json::to_value(Problem::new(StatusCode::CONFLICT, "it is stopped")).expect("plain data");
        let expected = serde_json::json!({"title": "Conflict", "status": 409, "detail": "it is stopped"});
        assert_eq!(json, expected);
    }
}
