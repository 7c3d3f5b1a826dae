//! The axum door: raw body kept, signature first, answered only when the delivery is durable.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use dsl::value::Moment;
use http::{StatusCode, header};

use super::Verify;

/// The largest body that is taken.
pub const MAX_BODY: usize = 1 << 20;

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It would survive a power cut.
    Durable,
    /// It cannot be read as what this system sends.
    Unreadable(String),
    /// Too much waits already; the sender keeps it and tries again after so many seconds.
    Full(u64),
    /// The ledger cannot be written for now.
    Unwritable(u64),
}

/// Takes deliveries in.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Gives a verified delivery of `system`; the verdict comes when it is known.
    async fn offer(&self, system: &str, body: Bytes) -> Verdict;
}

/// One webhook path.
pub struct Door {
    /// Its path.
    pub path: String,
    /// The system that sends to it.
    pub system: String,
    /// How its deliveries are verified.
    pub verify: Arc<dyn Verify>,
    /// One object is taken beside an array.
    pub single: bool,
}

struct Room {
    door: Door,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Fn() -> Moment + Send + Sync>,
}

/// A router with every door.
pub fn router(doors: Vec<Door>, intake: &Arc<dyn Intake>, clock: &Arc<dyn Fn() -> Moment + Send + Sync>) -> Router {
    doors.into_iter().fold(Router::new(), |router, door| {
        let path = door.path.clone();
        let room = Arc::new(Room { door, intake: Arc::clone(intake), clock: Arc::clone(clock) });
        router.route(&path, post(deliver).with_state(room))
    })
}

async fn deliver(State(room): State<Arc<Room>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB, or did not arrive whole", None);
    };
    if let Err(reason) = room.door.verify.verify(&parts.headers, &body, (room.clock)()) {
        tracing::warn!(system = room.door.system, %reason, "delivery refused");
        return problem(StatusCode::UNAUTHORIZED, "the signature is missing or wrong", None);
    }
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(value) if value.is_array() || (room.door.single && value.is_object()) => {}
        Ok(_) => return problem(StatusCode::BAD_REQUEST, "the body is no array of events", None),
        Err(error) => return problem(StatusCode::BAD_REQUEST, &format!("the body is no JSON: {error}"), None),
    }
    match room.intake.offer(&room.door.system, body).await {
        Verdict::Durable => Response::new(Body::empty()),
        Verdict::Unreadable(reason) => problem(StatusCode::BAD_REQUEST, &reason, None),
        Verdict::Full(seconds) => problem(StatusCode::TOO_MANY_REQUESTS, "too much is waiting already", Some(seconds)),
        Verdict::Unwritable(seconds) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "nothing can be stored for now", Some(seconds))
        }
    }
}

/// `application/problem+json` (RFC 9457).
fn problem(status: StatusCode, detail: &str, retry_after: Option<u64>) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = serde_json::json!({"title": title, "status": status.as_u16(), "detail": detail}).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, http::HeaderValue::from(seconds));
    }
    response
}
