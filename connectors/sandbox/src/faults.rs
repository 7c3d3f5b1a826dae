//! Faults to come: what goes wrong with the requests that a twin is sent.
//!
//! In: what a test or an operator asks for. Out: at most one fault per request, in the order they were asked for, and
//! the requests whose effect is due only now.
//! Always true: a fault is used up by the request it meets, except an answer that holds until a time; a fault for one
//! path waits for a request whose path holds its text, and lets others pass.

use std::collections::VecDeque;

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use http::header::{self, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::sending::{Ending, Sending};

/// Which side of its effect something happens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// The request has no effect.
    Before,
    /// It had its whole effect; only the answer suffers.
    After,
}

/// An answer that a client cannot make sense of, though its status says that all is well.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbling {
    /// The JSON ends in the middle; the length is that of what is there.
    Truncated,
    /// The connection breaks in the middle of the body.
    Cut,
    /// 200 and a page for people.
    Html,
    /// Bytes that are no text, under the type of an archive.
    Binary,
    /// Sound JSON of another shape: a list where an object is expected.
    OtherShape,
    /// JSON with 100,000 brackets inside each other.
    Deep,
    /// The status of a success and no body.
    Empty,
    /// A body that never ends.
    Endless,
    /// A body that comes byte by byte, ten in a second.
    Drip,
    /// A thousand headers of a kilobyte.
    HeaderBomb,
    /// 307 to another host.
    Redirect {
        /// The value of `Location`.
        to: String,
    },
}

/// What becomes of a request that arrives.
#[derive(Debug)]
pub enum Arrival {
    /// It is let in.
    Admitted(Admitted),
    /// It is not, and answered so: the token, the pace, a fault.
    TurnedAway(http::Response<Bytes>),
}

/// A request that was let in, and the fault that meets its answer.
#[derive(Debug, Clone)]
pub struct Admitted(pub(crate) Option<Fault>);

/// What meets one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The answer is this status, with `Retry-After` in seconds where it is given; no effect.
    Status { status: u16, retry_after: Option<u32> },
    /// No answer.
    Drop(When),
    /// An answer that makes no sense.
    Garble(Garbling, When),
    /// The right answer, so much later; the effect is at once.
    Slow(Duration),
    /// No answer now, and the effect so much later.
    Late(Duration),
}

#[derive(Debug, Clone)]
struct Planned {
    fault: Fault,
    /// Meets only requests whose path holds this.
    path: String,
}

/// Faults of one twin.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    next: VecDeque<Planned>,
    until: Option<(u16, Timestamp)>,
    /// Requests whose effect is still to come.
    late: Vec<(Timestamp, http::Request<Bytes>)>,
}

/// What is to become of a request.
pub(crate) enum Met {
    /// It is answered so; nothing else happens.
    Answer(http::Response<Bytes>),
    /// It is answered with this status, in the words of the twin.
    Status { status: u16, retry_after: Option<u32> },
    /// It is carried out, and its answer goes through [`Fault::dress`] where there is a fault.
    CarryOut(Option<Fault>),
}

impl Met {
    /// What becomes of the request; `words` makes the response of a status, which the twin says in its own way.
    pub(crate) fn arrival(self, words: impl FnOnce(u16, Option<u32>) -> http::Response<Bytes>) -> Arrival {
        match self {
            Self::Answer(response) => Arrival::TurnedAway(response),
            Self::Status { status, retry_after } => Arrival::TurnedAway(words(status, retry_after)),
            Self::CarryOut(fault) => Arrival::Admitted(Admitted(fault)),
        }
    }
}

impl Faults {
    /// The next `n` requests are answered with `status` and have no effect.
    pub fn fail_next(&mut self, n: usize, status: u16) {
        self.plan(n, &Fault::Status { status, retry_after: None }, "");
    }

    /// The next `n` requests get no answer.
    pub fn drop_next(&mut self, n: usize, when: When) {
        self.plan(n, &Fault::Drop(when), "");
    }

    /// The next `n` requests get an answer that makes no sense.
    pub fn garble_next(&mut self, n: usize, how: &Garbling, when: When) {
        self.plan(n, &Fault::Garble(how.clone(), when), "");
    }

    /// The next `n` requests are carried out at once and answered so much later.
    pub fn slow_next(&mut self, n: usize, by: Duration) {
        self.plan(n, &Fault::Slow(by), "");
    }

    /// The next `n` requests get no answer and have their effect so much later.
    pub fn late_next(&mut self, n: usize, by: Duration) {
        self.plan(n, &Fault::Late(by), "");
    }

    /// Every request before `until` is answered with `status` and has no effect.
    pub fn answers(&mut self, status: u16, until: Timestamp) {
        self.until = Some((status, until));
    }

    /// Forgets every fault to come. What is to have its effect late still has it.
    pub fn clear(&mut self) {
        self.next.clear();
        self.until = None;
    }

    fn plan(&mut self, n: usize, fault: &Fault, path: &str) {
        let planned = Planned { fault: fault.clone(), path: path.to_owned() };
        self.next.extend(std::iter::repeat_n(planned, n));
    }

    /// What meets `request`, which arrives now.
    pub(crate) fn meet(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> Met {
        match self.until {
            Some((status, until)) if now < until => return Met::Status { status, retry_after: None },
            Some(_) => self.until = None,
            None => (),
        }
        let path = request.uri().path();
        let place = self.next.iter().position(|planned| path.contains(&planned.path));
        let fault = place.and_then(|place| self.next.remove(place)).map(|planned| planned.fault);
        match fault {
            Some(Fault::Status { status, retry_after }) => Met::Status { status, retry_after },
            Some(Fault::Drop(When::Before)) => Met::Answer(lost()),
            Some(Fault::Garble(how, When::Before)) => Met::Answer(garbled(how, http::Response::new(sound()))),
            Some(Fault::Late(by)) => {
                self.late.push((now.plus(by), request.clone()));
                Met::Answer(lost())
            }
            fault => Met::CarryOut(fault),
        }
    }

    /// Takes the requests whose effect is due by `now`, the earliest first, with the time at which it was due.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Vec<(Timestamp, http::Request<Bytes>)> {
        if self.late.iter().all(|(at, _)| *at > now) {
            return Vec::new();
        }
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = later;
        due.sort_by_key(|(at, _)| *at);
        due
    }

    /// When the effect of a request is due next.
    pub(crate) fn next_effect(&self) -> Option<Timestamp> {
        self.late.iter().map(|(at, _)| *at).min()
    }

    /// Adds what an operator asks for.
    pub(crate) fn add(&mut self, asked: Asked, now: Timestamp) {
        if let Some(FailNext { n, status, retry_after, path }) = asked.fail_next {
            self.plan(n, &Fault::Status { status, retry_after }, &path);
        }
        if let Some(DropNext { n, when, path }) = asked.drop_next {
            self.plan(n, &Fault::Drop(when), &path);
        }
        if let Some(GarbleNext { n, how, when, path }) = asked.garble_next {
            self.plan(n, &Fault::Garble(how, when), &path);
        }
        if let Some(Delayed { n, ms, path }) = asked.slow_next {
            self.plan(n, &Fault::Slow(Duration(i64::from(ms))), &path);
        }
        if let Some(Delayed { n, ms, path }) = asked.late_next {
            self.plan(n, &Fault::Late(Duration(i64::from(ms))), &path);
        }
        if let Some(Answers { status, seconds }) = asked.answers {
            self.answers(status, now.plus(Duration::seconds(i64::from(seconds))));
        }
    }
}

impl Fault {
    /// `response`, which was given after the effect, as it leaves.
    pub(crate) fn dress(self, response: http::Response<Bytes>) -> http::Response<Bytes> {
        match self {
            Self::Drop(_) => sent(response, Sending { ending: Ending::Lost, ..Sending::default() }),
            Self::Garble(how, _) => garbled(how, response),
            Self::Slow(after) => sent(response, Sending { after, ..Sending::default() }),
            Self::Status { .. } | Self::Late(_) => response,
        }
    }
}

/// Faults as an operator asks for them; any of the members may be left out, and they are added in this order. `path`
/// is a part of the path of the requests that are meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `{"n": 2, "status": 503, "retry_after"?: 7, "path"?}`: the next two requests.
    fail_next: Option<FailNext>,
    /// `{"n": 1, "when": "before", "path"?}` or `"after"`: the next request gets no answer.
    drop_next: Option<DropNext>,
    /// `{"n": 1, "how": "html", "when"?: "after", "path"?}`: see [`Garbling`].
    garble_next: Option<GarbleNext>,
    /// `{"n": 1, "ms": 2000, "path"?}`: the right answer later.
    slow_next: Option<Delayed>,
    /// `{"n": 1, "ms": 2000, "path"?}`: no answer, and the effect later.
    late_next: Option<Delayed>,
    /// `{"status": 503, "seconds": 10}`: every request for ten seconds of the twin's clock.
    answers: Option<Answers>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailNext {
    n: usize,
    status: u16,
    retry_after: Option<u32>,
    #[serde(default)]
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DropNext {
    n: usize,
    when: When,
    #[serde(default)]
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GarbleNext {
    n: usize,
    how: Garbling,
    #[serde(default = "after")]
    when: When,
    #[serde(default)]
    path: String,
}

fn after() -> When {
    When::After
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delayed {
    n: usize,
    ms: u32,
    #[serde(default)]
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    status: u16,
    seconds: u32,
}

fn sent(mut response: http::Response<Bytes>, sending: Sending) -> http::Response<Bytes> {
    response.extensions_mut().insert(sending);
    response
}

/// No answer at all.
fn lost() -> http::Response<Bytes> {
    sent(http::Response::new(Bytes::new()), Sending { ending: Ending::Lost, ..Sending::default() })
}

/// What is garbled where the request was not carried out.
fn sound() -> Bytes {
    Bytes::from_static(br#"{"results": [{"id": "1", "properties": {}}]}"#)
}

fn garbled(how: Garbling, mut response: http::Response<Bytes>) -> http::Response<Bytes> {
    let body = std::mem::take(response.body_mut());
    // A deletion is answered without a body, which cannot be garbled: it looks like a success with one.
    let body = if body.is_empty() { sound() } else { body };
    if *response.status_mut() == http::StatusCode::NO_CONTENT {
        *response.status_mut() = http::StatusCode::OK;
    }
    let ends = |ending| Sending { ending, ..Sending::default() };
    let of_type = |response: &mut http::Response<Bytes>, name: &'static str| {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(name));
    };
    let (body, sending) = match how {
        Garbling::Truncated => (body.slice(..body.len() / 2), Sending::default()),
        Garbling::Cut => (body, ends(Ending::Cut)),
        Garbling::Html => {
            of_type(&mut response, "text/html;charset=utf-8");
            let page = "<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>";
            (Bytes::from_static(page.as_bytes()), Sending::default())
        }
        Garbling::Binary => {
            of_type(&mut response, "application/octet-stream");
            (Bytes::from_static(b"\x1f\x8b\x08\x00\xff\xfe\x00\xc3\x28\xa0\xa1"), Sending::default())
        }
        Garbling::OtherShape => (Bytes::from_static(b"[[], null, 7]"), Sending::default()),
        Garbling::Deep => (Bytes::from("[".repeat(100_000) + &"]".repeat(100_000)), Sending::default()),
        Garbling::Empty => (Bytes::new(), Sending::default()),
        Garbling::Endless => (body, ends(Ending::Endless)),
        Garbling::Drip => (body, ends(Ending::Drip)),
        Garbling::HeaderBomb => {
            let kilobyte = HeaderValue::try_from("x".repeat(1_024)).expect("letters may stand in a header");
            for n in 0..1_000 {
                let name = HeaderName::try_from(format!("x-twin-{n}")).expect("letters and digits name a header");
                response.headers_mut().insert(name, kilobyte.clone());
            }
            (body, Sending::default())
        }
        Garbling::Redirect { to } => {
            *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
            if let Ok(to) = HeaderValue::try_from(to) {
                response.headers_mut().insert(header::LOCATION, to);
            }
            (Bytes::new(), Sending::default())
        }
    };
    *response.body_mut() = body;
    sent(response, sending)
}
