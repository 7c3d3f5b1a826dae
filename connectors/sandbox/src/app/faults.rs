//! Faults to come: what a twin answers instead of doing its work.
//!
//! In: what a test or an operator asks for. Out: at most one fault per request, in the order they were asked for.
//! Always true: a fault is used up by the request it meets, except an answer that holds until a time.

use std::collections::VecDeque;

use bytes::Bytes;
use dsl::value::Timestamp;

/// Name of the response header that asks the face of a twin to break the connection instead of answering.
pub const DROP_HEADER: &str = "x-twin-drop";

/// When the connection breaks, seen from the twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropWhen {
    /// Before the request has any effect.
    Before,
    /// After it had its whole effect; only the answer is lost.
    After,
}

/// What meets one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Status(u16),
    Drop(DropWhen),
}

/// Faults of one twin.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    next: VecDeque<Fault>,
    until: Option<(u16, Timestamp)>,
}

impl Faults {
    /// The next `n` requests are answered with `status` and have no effect.
    pub fn fail_next(&mut self, n: usize, status: u16) {
        self.next.extend(std::iter::repeat_n(Fault::Status(status), n));
    }

    /// The next `n` requests get no answer.
    pub fn drop_next(&mut self, n: usize, when: DropWhen) {
        self.next.extend(std::iter::repeat_n(Fault::Drop(when), n));
    }

    /// Every request before `until` is answered with `status` and has no effect.
    pub fn answers(&mut self, status: u16, until: Timestamp) {
        self.until = Some((status, until));
    }

    /// Forgets every fault to come.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault that the request of this moment meets.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Fault> {
        match self.until {
            Some((status, until)) if now < until => return Some(Fault::Status(status)),
            Some(_) => self.until = None,
            None => (),
        }
        self.next.pop_front()
    }
}

/// The answer of a request that meets `fault` before it has an effect; `None` where it is to be carried out.
pub(crate) fn instead(fault: Option<Fault>) -> Option<http::Response<Bytes>> {
    match fault? {
        Fault::Status(status) => {
            let mut response = super::answer(status, &serde_json::json!({ "error": "a fault of the twin" }));
            if matches!(status, 429 | 503) {
                response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
            }
            Some(response)
        }
        Fault::Drop(DropWhen::Before) => {
            Some(dropped(super::answer(503, &serde_json::json!({ "error": "dropped before" })), "before"))
        }
        Fault::Drop(DropWhen::After) => None,
    }
}

/// `response` as it leaves where `fault` met the request after its effect.
pub(crate) fn afterwards(fault: Option<Fault>, response: http::Response<Bytes>) -> http::Response<Bytes> {
    if fault == Some(Fault::Drop(DropWhen::After)) { dropped(response, "after") } else { response }
}

fn dropped(mut response: http::Response<Bytes>, when: &'static str) -> http::Response<Bytes> {
    response.headers_mut().insert(DROP_HEADER, http::HeaderValue::from_static(when));
    response
}
