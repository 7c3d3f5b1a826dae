//! The axum door: raw body kept, signature first, answered only when the delivery is durable.
//!
//! In: `POST` requests on the doors' paths. Out: a delivery to the [`Intake`], and its verdict as a status.
//! Always true: the body that is verified, offered and stored is the one that came, byte for byte; nothing of it
//! is looked at before its signature is known to fit; 200 means durable; every other answer is
//! `application/problem+json` and one that the sender repeats; all bodies together of which no signature is known yet
//! stay within a bound, and where there is no more room the sender that holds most of it gives way.
//! Not here: what the events mean (the connector reads them), TLS, header timeouts and numbers of connections
//! (the server that carries the router: `engine/src/runtime/serve.rs`).
//!
//! | answer | when |
//! |---|---|
//! | 200, empty | it would survive a power cut |
//! | 400 | the body is no JSON, no array of objects, or the connector cannot read it |
//! | 401 | the signature is missing or wrong |
//! | 403 | all of it is of another account than ours |
//! | 404, 405 | no door at this path; not `POST` |
//! | 408 | the body did not arrive in time, or its room was needed meanwhile |
//! | 413 | the body is over [`Door::max_body`] |
//! | 429 + `Retry-After` | too much waits already |
//! | 503 + `Retry-After` | nothing can be stored for now, or not in the time that senders wait |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use dsl::value::Timestamp;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Verify;
use super::unverified::{Hold, Unverified};
use crate::problem::Problem;

/// The largest body that is taken where nothing else is said, in bytes: HubSpot sends 100 events at once, and a
/// property holds 65,536 characters.
pub const MAX_BODY: usize = 8 << 20;

/// How long a verdict may take. HubSpot waits 5 s: an answer after that would count as none.
const ANSWER_WITHIN: Duration = Duration::from_millis(4_500);

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes that bodies take together whose signatures are not known yet.
const UNKNOWN_BYTES: usize = 64 << 20;

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It would survive a power cut.
    Durable,
    /// It cannot be read as what this system sends.
    Unreadable(String),
    /// It is of another account than ours.
    OtherAccount(String),
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
    /// Its path, such as `/webhooks/crm`, as [`is_path`] says. Two doors of one router have different paths.
    pub path: String,
    /// The system that sends to it.
    pub system: String,
    /// How its deliveries are verified.
    pub verify: Arc<dyn Verify>,
    /// One object is taken beside an array.
    pub single: bool,
    /// The largest body that is taken, in bytes; usually [`MAX_BODY`].
    pub max_body: usize,
}

impl fmt::Debug for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Door").field("path", &self.path).field("system", &self.system).finish_non_exhaustive()
    }
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A router with every door. It answers every path, so it is merged with no router that does so too.
pub fn router(doors: Vec<Door>, intake: &Arc<dyn Intake>, clock: &Clock) -> Router {
    routes(doors, intake, clock)
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is no webhook at this path", None) })
}

/// It stands for itself in a router: it starts with `/`, and nothing in it is a pattern, a query or a blank.
#[must_use]
pub fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '?' | '#');
    path.starts_with('/') && path.chars().all(plain) && !path.split('/').any(|part| part.starts_with([':', '*']))
}

/// A router with one route for each door, to be part of another router.
///
/// # Panics
/// Where two doors have one path, or one is [no path](is_path).
pub fn routes(doors: Vec<Door>, intake: &Arc<dyn Intake>, clock: &Clock) -> Router {
    let shared = Arc::new(Shared {
        intake: Arc::clone(intake),
        clock: Arc::clone(clock),
        answer_within: ANSWER_WITHIN,
        body_within: BODY_WITHIN,
        bodies: Unverified::default(),
        unknown_bytes: UNKNOWN_BYTES,
    });
    let mut router = Router::new();
    for door in doors {
        let path = door.path.clone();
        let (door, shared) = (Arc::new(door), Arc::clone(&shared));
        let answer = move |request: Request| {
            let (door, shared) = (Arc::clone(&door), Arc::clone(&shared));
            async move { shared.answer(&door, request).await }
        };
        router = router.route(&path, any(answer));
    }
    // Each door has its own.
    router.layer(DefaultBodyLimit::disable())
}

/// What all doors share.
struct Shared {
    intake: Arc<dyn Intake>,
    clock: Clock,
    answer_within: Duration,
    body_within: Duration,
    /// The bodies whose signatures are not known yet.
    bodies: Unverified,
    unknown_bytes: usize,
}

impl Shared {
    async fn answer(&self, door: &Door, request: Request) -> Response {
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
        // What is announced as too large is refused before a byte of it is read.
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > door.max_body as u64) {
            return Err(too_large(door.max_body));
        }
        // Whoever carries this router may say who sends, and wait to hear that it is known.
        let connection = request.extensions().get::<Arc<Hold>>().cloned();
        let hold = self.bodies.enter(connection.as_ref().and_then(|connection| connection.sender()));
        let body = self.arriving(request.into_body(), door.max_body, &hold);
        let body = tokio::time::timeout(self.body_within, body)
            .await
            .map_err(|_| Refusal::plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))??;
        door.verify.verify(&headers, &body, (self.clock)()).map_err(|reason| Refusal {
            status: StatusCode::UNAUTHORIZED,
            detail: "the signature is missing or wrong".to_owned(),
            reason,
        })?;
        drop(hold);
        if let Some(connection) = connection {
            connection.set(0);
        }
        check_shape(&body, door.single).map_err(|reason| Refusal::plain(StatusCode::BAD_REQUEST, &reason))?;
        let verdict = tokio::time::timeout(self.answer_within, self.intake.offer(&door.system, body)).await;
        Ok(verdict.unwrap_or_else(|_| {
            tracing::warn!(system = door.system, "a delivery did not become durable in the time its sender waits");
            Verdict::Unwritable(1)
        }))
    }
}

impl Shared {
    /// The whole body, while `hold` does not have to give way.
    async fn arriving(&self, body: Body, max_body: usize, hold: &Hold) -> Result<Bytes, Refusal> {
        let mut body = Limited::new(body, max_body);
        let mut arrived = BytesMut::new();
        loop {
            let frame = tokio::select! {
                biased;
                () = hold.gives_way() => return Err(given_way()),
                frame = body.frame() => frame,
            };
            let Some(frame) = frame else { return Ok(arrived.freeze()) };
            let frame = frame.map_err(|failure| {
                if failure.is::<LengthLimitError>() {
                    too_large(max_body)
                } else {
                    Refusal::plain(StatusCode::BAD_REQUEST, "the body did not arrive whole")
                }
            })?;
            if let Ok(data) = frame.into_data() {
                arrived.extend_from_slice(&data);
                hold.set(arrived.capacity());
                while self.bodies.amount() > self.unknown_bytes && self.bodies.turn_away() {}
            }
        }
    }
}

fn given_way() -> Refusal {
    Refusal::plain(StatusCode::REQUEST_TIMEOUT, "the room of this body was needed before all of it arrived")
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

fn too_large(max_body: usize) -> Refusal {
    let detail = format!("the body is larger than {max_body} bytes, which is the `max_body` of this webhook");
    Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, &detail)
}

fn answer_to(verdict: Verdict) -> Response {
    match verdict {
        Verdict::Durable => Response::new(Body::empty()),
        Verdict::Unreadable(reason) => problem(StatusCode::BAD_REQUEST, &reason, None),
        Verdict::OtherAccount(reason) => problem(StatusCode::FORBIDDEN, &reason, None),
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

    use tower::ServiceExt as _;

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

    async fn answer(answer_within: Duration, body_within: Duration, request: Request) -> Response {
        let door = Door {
            path: "/hook".into(),
            system: "crm".into(),
            verify: Arc::new(Always),
            single: false,
            max_body: MAX_BODY,
        };
        let shared = Shared {
            intake: Arc::new(Hangs),
            clock: Arc::new(|| Timestamp(0)),
            answer_within,
            body_within,
            bodies: Unverified::default(),
            unknown_bytes: UNKNOWN_BYTES,
        };
        shared.answer(&door, request).await
    }

    #[tokio::test]
    async fn routes_stand_beside_those_of_another_router() {
        struct Takes;

        #[async_trait]
        impl Intake for Takes {
            async fn offer(&self, _: &str, _: Bytes) -> Verdict {
                Verdict::Durable
            }
        }

        let door = |path: &str| Door {
            path: path.to_owned(),
            system: "crm".to_owned(),
            verify: Arc::new(Always),
            single: false,
            max_body: MAX_BODY,
        };
        let (intake, clock): (Arc<dyn Intake>, Clock) = (Arc::new(Takes), Arc::new(|| Timestamp(0)));
        let routes = routes(vec![door("/a"), door("/b/c")], &intake, &clock);
        let mine = || Router::new().route("/mine", axum::routing::get(|| async { "mine" }));
        let status = async |router: Router, path: &str| {
            let request = Request::post(path).body(Body::from("[]")).expect("a request");
            router.oneshot(request).await.expect("a router answers").status()
        };
        let merged = mine().merge(routes.clone());
        assert_eq!(status(merged.clone(), "/b/c").await, StatusCode::OK);
        assert_eq!(status(merged.clone(), "/b").await, StatusCode::NOT_FOUND);
        assert_eq!(status(merged, "/mine").await, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(status(mine().nest("/in", routes), "/in/a").await, StatusCode::OK);
    }

    #[test]
    fn a_path_stands_for_itself() {
        for path in ["/", "/a", "/webhooks/crm", "/a:b/c*d", "/%7Ba%7D"] {
            assert!(is_path(path), "{path}");
        }
        for other in ["", "a", "/{id}", "/:id", "/a/*rest", "/a?b", "/a#b", "/a b", "/ä"] {
            assert!(!is_path(other), "{other}");
        }
    }

    #[tokio::test]
    async fn a_verdict_that_does_not_come_in_time_is_503() {
        let request = Request::post("/hook").body(Body::from("[]")).expect("a request");
        let response = answer(Duration::from_millis(10), Duration::from_secs(60), request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_in_time_is_408() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::post("/hook").body(Body::from_stream(never)).expect("a request");
        let response = answer(Duration::from_secs(60), Duration::from_millis(10), request).await;
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn bodies_that_are_not_known_yet_stay_within_their_bound_and_the_oldest_gives_way() {
        let shared = Shared {
            intake: Arc::new(Hangs),
            clock: Arc::new(|| Timestamp(0)),
            answer_within: Duration::from_secs(60),
            body_within: Duration::from_secs(60),
            bodies: Unverified::default(),
            unknown_bytes: 3 << 10,
        };
        let kilobyte = || Body::from_stream(begun(&[b'x'; 1 << 10]));
        let holds = [(); 4].map(|()| shared.bodies.enter(None));
        let mut slow: Vec<_> = holds.iter().map(|hold| Box::pin(shared.arriving(kilobyte(), MAX_BODY, hold))).collect();
        for body in &mut slow {
            assert!(futures_util::poll!(body).is_pending());
        }
        assert!(shared.bodies.amount() <= 3 << 10, "{}", shared.bodies.amount());
        let away: Vec<bool> = holds.iter().map(Hold::has_to_give_way).collect();
        assert!(away[0] && !away[3], "the oldest, and never the one that came last: {away:?}");
        let Err(refusal) = slow.swap_remove(0).await else { panic!("it gives way") };
        assert_eq!(refusal.status, StatusCode::REQUEST_TIMEOUT);
        drop(slow);
        // One that is whole at once is not in the way of anybody, and is taken among them.
        let hold = shared.bodies.enter(None);
        let whole = shared.arriving(Body::from("[]"), MAX_BODY, &hold).await;
        assert_eq!(whole.map_err(|refusal| refusal.detail), Ok(Bytes::from_static(b"[]")));
    }

    /// The beginning of a body whose rest never comes.
    fn begun(text: &'static [u8]) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
        let begun = futures_util::stream::iter([Ok(Bytes::from_static(text))]);
        futures_util::StreamExt::chain(begun, futures_util::stream::pending())
    }
}
