//! The axum door: raw body kept, signature first, answered only when the delivery is durable.
//!
//! In: `POST` requests on the doors' paths. Out: a delivery to the [`Intake`], and its verdict as a status.
//! Always true: the body that is verified, offered and stored is the one that came, byte for byte; nothing of it
//! is looked at before its signature is known to fit; 200 means durable; every other answer is
//! `application/problem+json` and one that the sender repeats.
//! Not here: what the events mean (the connector reads them), TLS, header timeouts and numbers of connections
//! (the server that carries the router: `engine/src/runtime/serve.rs`).
//!
//! | answer | when |
//! |---|---|
//! | 200, empty | it would survive a power cut |
//! | 400 | the body is no JSON, no array of objects, or the connector cannot read it |
//! | 401 | the signature is missing or wrong |
//! | 404, 405 | no door at this path; not `POST` |
//! | 408 | the body did not arrive in time |
//! | 413 | the body is over [`MAX_BODY`] |
//! | 429 + `Retry-After` | too much waits already |
//! | 503 + `Retry-After` | nothing can be stored for now, or not in the time that senders wait |

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dsl::value::Timestamp;
use http::{HeaderValue, Method, StatusCode, header};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Verify;
use crate::problem::Problem;

/// The largest body that is taken, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// How long a verdict may take. HubSpot waits 5 s: an answer after that would count as none.
const ANSWER_WITHIN: Duration = Duration::from_millis(4_500);

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It would survive a power cut.
    Durable,
    /// It cannot be read as what this system sends.
    Unreadable(String),
    /// Too much waits already; the sender keeps it and tries again after so many seconds (at least 1 is said).
    Full(u64),
    /// The ledger cannot be written for now; after so many seconds (at least 1 is said).
    Unwritable(u64),
}

/// Takes deliveries in.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Gives a verified delivery of `system`; the verdict comes when it is known.
    ///
    /// The future may be dropped before it ends (the sender hung up, or it took too long): the delivery may then
    /// be taken or not, and comes again.
    async fn offer(&self, system: &str, body: Bytes) -> Verdict;

    /// A delivery of `system` was refused with `status` before it was offered: for the counts.
    fn refused(&self, system: &str, status: StatusCode) {
        let _ = (system, status);
    }
}

/// One webhook path.
pub struct Door {
    /// Its path, such as `/webhooks/crm`. Two doors of one router have different paths.
    pub path: String,
    /// The system that sends to it.
    pub system: String,
    /// How its deliveries are verified.
    pub verify: Arc<dyn Verify>,
    /// One object is taken beside an array.
    pub single: bool,
}

impl fmt::Debug for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Door").field("path", &self.path).field("system", &self.system).finish_non_exhaustive()
    }
}

/// A router with every door. It answers every path, so it is merged with no router that does so too.
pub fn router(doors: Vec<Door>, intake: &Arc<dyn Intake>, clock: &Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Router {
    let doors = Doors {
        doors: doors.into_iter().map(|door| (door.path.clone(), door)).collect(),
        intake: Arc::clone(intake),
        clock: Arc::clone(clock),
        answer_within: ANSWER_WITHIN,
        body_within: BODY_WITHIN,
    };
    doors.router()
}

/// All doors, and what they share.
struct Doors {
    /// Paths are compared as they are: what looks like a pattern in a configured path is none.
    doors: BTreeMap<String, Door>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    answer_within: Duration,
    body_within: Duration,
}

impl Doors {
    fn router(self) -> Router {
        let doors = Arc::new(self);
        Router::new()
            .fallback(move |request: Request| {
                let doors = Arc::clone(&doors);
                async move { doors.answer(request).await }
            })
            .layer(DefaultBodyLimit::max(MAX_BODY))
    }

    async fn answer(&self, request: Request) -> Response {
        let Some(door) = self.doors.get(request.uri().path()) else {
            return problem(StatusCode::NOT_FOUND, "there is no webhook at this path", None);
        };
        match self.deliver(door, request).await {
            Ok(verdict) => answer_to(verdict),
            Err(refusal) => {
                // Why a signature does not fit is for us, not for who may be trying one.
                let Refusal { status, detail, reason } = refusal;
                tracing::warn!(system = door.system, status = status.as_u16(), reason, "delivery refused");
                self.intake.refused(&door.system, status);
                let mut response = problem(status, &detail, None);
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
                }
                response
            }
        }
    }

    async fn deliver(&self, door: &Door, request: Request) -> Result<Verdict, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, "deliveries are sent by POST"));
        }
        let headers = request.headers().clone();
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > MAX_BODY as u64) {
            return Err(too_large());
        }
        let body = tokio::time::timeout(self.body_within, Bytes::from_request(request, &()))
            .await
            .map_err(|_| Refusal::plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?
            .map_err(|failure| match failure.status() {
                StatusCode::PAYLOAD_TOO_LARGE => too_large(),
                _ => Refusal::plain(StatusCode::BAD_REQUEST, "the body did not arrive whole"),
            })?;
        door.verify.verify(&headers, &body, (self.clock)()).map_err(|reason| Refusal {
            status: StatusCode::UNAUTHORIZED,
            detail: "the signature is missing or wrong".to_owned(),
            reason,
        })?;
        check_shape(&body, door.single).map_err(|reason| Refusal::plain(StatusCode::BAD_REQUEST, &reason))?;
        let verdict = tokio::time::timeout(self.answer_within, self.intake.offer(&door.system, body)).await;
        Ok(verdict.unwrap_or_else(|_| {
            tracing::warn!(system = door.system, "a delivery did not become durable in the time its sender waits");
            Verdict::Unwritable(1)
        }))
    }
}

/// A delivery that is not offered.
struct Refusal {
    status: StatusCode,
    /// What the sender is told.
    detail: String,
    /// What the log is told.
    reason: String,
}

impl Refusal {
    fn plain(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: detail.to_owned(), reason: detail.to_owned() }
    }
}

fn too_large() -> Refusal {
    Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB")
}

fn answer_to(verdict: Verdict) -> Response {
    match verdict {
        Verdict::Durable => Response::new(Body::empty()),
        Verdict::Unreadable(reason) => problem(StatusCode::BAD_REQUEST, &reason, None),
        Verdict::Full(after) => problem(StatusCode::TOO_MANY_REQUESTS, "too much is waiting already", Some(after)),
        Verdict::Unwritable(after) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "nothing can be stored for now", Some(after))
        }
    }
}

fn problem(status: StatusCode, detail: &str, retry_after: Option<u64>) -> Response {
    let mut response = Problem::new(status, detail).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// Checks that the body is an array of objects, or one object where `single`; builds nothing.
fn check_shape(body: &[u8], single: bool) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is no JSON: it is not UTF-8")?;
    let shape: Shape = serde_json::from_str(text).map_err(|error| format!("the body is no JSON: {error}"))?;
    match shape {
        Shape::Objects => Ok(()),
        Shape::Object if single => Ok(()),
        Shape::Object | Shape::Other => Err("the body is no array of events".to_owned()),
    }
}

/// What a JSON text is, as far as a door cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Object,
    /// An array of nothing but objects.
    Objects,
    Other,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Look;

        impl<'de> Visitor<'de> for Look {
            type Value = Shape;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Shape::Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
                let mut shape = Shape::Objects;
                while let Some(item) = items.next_element::<Shape>()? {
                    if item != Shape::Object {
                        shape = Shape::Other;
                    }
                }
                Ok(shape)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Other)
            }
        }

        // Not into a tree of values: a body of 1 MiB becomes many times that, and all of it is read again by the connector.
        json.deserialize_any(Look)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(body: &str, array: bool, single: bool) {
        assert_eq!(check_shape(body.as_bytes(), false).is_ok(), array, "{body}");
        assert_eq!(check_shape(body.as_bytes(), true).is_ok(), single, "{body}");
    }

    #[test]
    fn a_delivery_is_an_array_of_objects_or_where_allowed_one_object() {
        check("[]", true, true);
        check(r#" [{"eventId": 1}, {"a": {"b": [1, "x", null, true, 1.5, -3]}}] "#, true, true);
        check(r#"{"id": "1"}"#, false, true);
        for neither in
            ["", "x", "7", "-7", "1.5", "\"[]\"", "null", "true", "[1]", "[{}, []]", "[[{}]]", "[{}", "[{}] x"]
        {
            check(neither, false, false);
        }
        assert!(check_shape(b"[{\"a\": \"\xff\"}]", true).is_err());
        // Nested deeper than any reader would follow: refused, and the stack holds.
        assert!(check_shape("[".repeat(500_000).as_bytes(), true).is_err());
    }

    struct Always;

    impl Verify for Always {
        fn verify(&self, _: &http::HeaderMap, _: &[u8], _: Timestamp) -> Result<(), String> {
            Ok(())
        }
    }

    /// An intake whose ledger hangs.
    struct Hangs;

    #[async_trait]
    impl Intake for Hangs {
        async fn offer(&self, _: &str, _: Bytes) -> Verdict {
            std::future::pending().await
        }
    }

    fn doors(answer_within: Duration, body_within: Duration) -> Doors {
        let door = Door { path: "/hook".into(), system: "crm".into(), verify: Arc::new(Always), single: false };
        Doors {
            doors: [(door.path.clone(), door)].into(),
            intake: Arc::new(Hangs),
            clock: Arc::new(|| Timestamp(0)),
            answer_within,
            body_within,
        }
    }

    #[tokio::test]
    async fn a_verdict_that_does_not_come_in_time_is_503() {
        let doors = doors(Duration::from_millis(10), Duration::from_secs(60));
        let request = Request::post("/hook").body(Body::from("[]")).expect("a request");
        let response = doors.answer(request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_in_time_is_408() {
        let doors = doors(Duration::from_secs(60), Duration::from_millis(10));
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::post("/hook").body(Body::from_stream(never)).expect("a request");
        assert_eq!(doors.answer(request).await.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
