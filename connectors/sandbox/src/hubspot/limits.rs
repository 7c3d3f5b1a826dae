//! Before a request is looked at: the token, the pace, and faults that a test asks for; after it: the headers of every
//! answer (CONTRACT 2, 3.4, 5).
//!
//! Always true: every answer has a correlation id, in its header and, where it is an error, in its body; search has a
//! budget of its own and does not count in the ten seconds; the day ends at midnight in UTC.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::access::unknown_token;
use super::reply::{Answer, error};
use super::scopes::{lacking, needed};
use super::target::segments;
use crate::faults::Arrival;
use crate::model::Model as _;

/// The window of the general limit.
const WINDOW: Duration = Duration(10_000);
/// The window of search, and how many searches go into it.
const SEARCHES: (Duration, usize) = (Duration(1_000), 5);
pub(super) const DAY: i64 = 86_400_000;

/// What was asked lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    calls: VecDeque<Timestamp>,
    searches: VecDeque<Timestamp>,
    /// The day since 1970, and calls in it.
    day: (i64, u64),
}

impl Pace {
    fn at(&mut self, now: Timestamp) {
        let older = |at: &Timestamp, window: Duration| now.since(*at) >= window;
        while self.calls.front().is_some_and(|at| older(at, WINDOW)) {
            self.calls.pop_front();
        }
        while self.searches.front().is_some_and(|at| older(at, SEARCHES.0)) {
            self.searches.pop_front();
        }
        let day = now.0.div_euclid(DAY);
        if self.day.0 != day {
            self.day = (day, 0);
        }
    }
}

/// Search has a budget of its own.
fn is_search(request: &http::Request<Bytes>) -> bool {
    request.uri().path().ends_with("/search")
}

impl HubSpot {
    /// Calls that the account may make in a day; a million at first.
    pub fn daily_limit(&mut self, calls: u64) {
        self.daily = calls;
    }

    /// A request arrives: token, pace and faults.
    pub(super) fn admit(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> Arrival {
        self.advance(now);
        self.calls.total += 1;
        self.pace.at(now);
        let search = is_search(request);
        let path = segments(request.uri().path());
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let door = path.first().copied().unwrap_or_default();
        // These have doors of their own and count for nothing.
        if !matches!(door, "oauth" | "webhooks" | "app-webhooks") {
            let needed = needed(&self.types, request.method(), &path);
            match self.caller(request, now).map(|scopes| lacking(&needed, &scopes)) {
                Ok(None) => (),
                Ok(Some(answer)) | Err(answer) => return Arrival::TurnedAway(self.reply(&answer, search)),
            }
            if let Some(answer) = self.counted(search, now) {
                return Arrival::TurnedAway(self.reply(&answer, search));
            }
        }
        let met = self.faults.meet(request, now);
        met.arrival(|status, retry_after| {
            let failure = match status {
                // In the words of this very route.
                403 => lacking(&needed(&self.types, request.method(), &path), &Some(BTreeSet::new())),
                _ => None,
            };
            let mut response = self.reply(&failure.unwrap_or_else(|| self::failure(status)), search);
            // In seconds; a move to another data centre takes up to a day. 429 says no time.
            if let Some(seconds) = retry_after.or_else(|| (status == 477).then_some(3_600)) {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response
        })
    }

    /// A request that was let in takes its route.
    pub(super) fn respond(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes> {
        let answer = self.route(request, now);
        self.reply(&answer, is_search(request))
    }

    /// Counts a request that keeps the limits, and refuses one that does not.
    fn counted(&mut self, search: bool, now: Timestamp) -> Option<Answer> {
        if let Some(answer) = self.too_fast(search) {
            self.calls.limited += 1;
            return Some(answer);
        }
        if search {
            self.pace.searches.push_back(now);
        } else {
            self.pace.calls.push_back(now);
        }
        self.pace.day.1 += 1;
        None
    }

    /// Calls of this day.
    pub(super) fn calls_today(&self) -> u64 {
        self.pace.day.1
    }

    fn too_fast(&self, search: bool) -> Option<Answer> {
        if self.pace.day.1 >= self.daily {
            return Some(limited("You have reached your daily limit.", "DAILY"));
        }
        if search {
            let over = self.pace.searches.len() >= SEARCHES.1;
            return over.then(|| error(429, "RATE_LIMITS", "You have reached your secondly limit."));
        }
        (self.pace.calls.len() >= self.settings.limit).then(ten_secondly)
    }

    /// The response to an answer, with what every response of HubSpot has.
    pub(super) fn reply(&mut self, (status, body): &Answer, search: bool) -> http::Response<Bytes> {
        let correlation = self.correlation();
        let mut body = body.clone();
        if *status >= 400
            && let Some(members) = body.as_object_mut()
        {
            members.insert("correlationId".to_owned(), correlation.as_str().into());
        }
        // A body of text is a page for people.
        let (content, text) = match &body {
            Json::Null => ("application/json;charset=utf-8", Bytes::new()),
            Json::String(page) => ("text/html;charset=utf-8", Bytes::from(page.clone())),
            body => ("application/json;charset=utf-8", Bytes::from(body.to_string())),
        };
        let mut response = http::Response::builder()
            .status(*status)
            .header(CONTENT_TYPE, content)
            .header("X-HubSpot-Correlation-Id", correlation)
            .header("X-HubSpot-RateLimit-Daily", self.daily)
            .header("X-HubSpot-RateLimit-Daily-Remaining", self.daily.saturating_sub(self.pace.day.1));
        // Answers to a search say nothing of the ten seconds.
        if !search {
            response = response
                .header("X-HubSpot-RateLimit-Max", self.settings.limit)
                .header("X-HubSpot-RateLimit-Remaining", self.settings.limit.saturating_sub(self.pace.calls.len()))
                .header("X-HubSpot-RateLimit-Interval-Milliseconds", WINDOW.0);
        }
        response.body(text).expect("the parts of a response are fixed")
    }

    fn correlation(&mut self) -> String {
        let (high, low) = (self.roll(), self.roll());
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

fn limited(message: &str, policy: &str) -> Answer {
    (
        429,
        json!({"status": "error", "message": message, "errorType": "RATE_LIMIT", "policyName": policy, "requestId": "0"}),
    )
}

fn ten_secondly() -> Answer {
    limited("You have reached your ten_secondly_rolling limit.", "TEN_SECONDLY_ROLLING")
}

/// What a fault answers. The bodies of 423 and 477 are not known.
fn failure(status: u16) -> Answer {
    match status {
        401 => unknown_token(),
        429 => ten_secondly(),
        423 => error(423, "", "The record is locked. Wait two seconds before the next request."),
        477 => error(477, "MIGRATION_IN_PROGRESS", "The account is being moved to another data centre."),
        502 => (502, "<html><body><h1>502 Bad Gateway</h1></body></html>".into()),
        status => error(status, "", "a fault of the twin"),
    }
}
