//! Messages as signed webhook deliveries.
//!
//! In: envelopes, and what became of each delivery. Out: the delivery that is due.
//! Always true: envelopes leave in the order of their changes, at most 50 in a delivery, one delivery at a time;
//! a delivery is repeated, signed anew, until it is answered 2xx.
//! Not here: the network (see `sender`).

use std::collections::VecDeque;

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use hmac::{Hmac, Mac};
use serde_json::Value as Json;
use sha2::Sha256;

use super::App;
use crate::model::Model as _;

/// Name of the header that carries the signature.
pub const SIGNATURE_HEADER: &str = "X-App-Signature";

/// How many envelopes one delivery carries at most.
const LARGEST: usize = 50;
const FIRST_RETRY: Duration = Duration::seconds(1);
const LAST_RETRY: Duration = Duration::seconds(60);

/// One delivery to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Names it in [`App::delivered`].
    pub id: u64,
    /// Where it is posted.
    pub url: String,
    /// Value of the header [`SIGNATURE_HEADER`].
    pub signature: String,
    /// A JSON array of envelopes.
    pub body: Bytes,
    /// 1 at the first try.
    pub attempt: u32,
}

/// What waits to be delivered.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Json>,
    head: Option<Head>,
    last_id: u64,
}

/// The delivery that is being made or repeated.
#[derive(Debug)]
struct Head {
    id: u64,
    body: Bytes,
    envelopes: usize,
    attempt: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Due(Timestamp),
    InFlight,
}

impl Queue {
    pub(super) fn push(&mut self, envelope: Json) {
        self.waiting.push_back(envelope);
    }

    /// An empty queue whose delivery ids go on.
    pub(super) fn emptied(self) -> Self {
        Self { last_id: self.last_id, ..Self::default() }
    }
}

impl App {
    /// The delivery to post now, signed with `now`; in flight until [`App::delivered`] says what became of it.
    pub fn due(&mut self, now: Timestamp) -> Option<Delivery> {
        self.advance(now);
        let target = self.settings.webhook.as_ref()?;
        let queue = &mut self.webhook;
        if queue.head.is_none() && !queue.waiting.is_empty() {
            let take = queue.waiting.len().min(LARGEST);
            let envelopes: Vec<Json> = queue.waiting.drain(..take).collect();
            queue.last_id += 1;
            let body = Bytes::from(Json::Array(envelopes).to_string());
            queue.head = Some(Head { id: queue.last_id, body, envelopes: take, attempt: 0, state: State::Due(now) });
        }
        let head = queue.head.as_mut()?;
        if !matches!(head.state, State::Due(at) if at <= now) {
            return None;
        }
        head.state = State::InFlight;
        head.attempt += 1;
        let signature = sign(target.secret.as_bytes(), now, &head.body);
        Some(Delivery {
            id: head.id,
            url: target.url.clone(),
            signature,
            body: head.body.clone(),
            attempt: head.attempt,
        })
    }

    /// Says what became of a delivery: the status that answered it, or `None` where nothing did.
    pub fn delivered(&mut self, id: u64, status: Option<u16>, now: Timestamp) {
        let Some(head) = self.webhook.head.as_mut().filter(|head| head.id == id) else { return };
        if status.is_some_and(|status| (200..300).contains(&status)) {
            self.webhook.head = None;
        } else {
            // 1 s, 2 s, 4 s, …, 60 s.
            let wait = Duration(FIRST_RETRY.0 << (head.attempt.saturating_sub(1)).min(6));
            head.state = State::Due(now.plus(wait.min(LAST_RETRY)));
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// When [`App::due`] next has something to say without a further change, the past where it has now; `None`
    /// where nothing waits, or where a delivery is in flight.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let delivery = match self.webhook.head.as_ref().map(|head| head.state) {
            Some(State::Due(at)) => Some(at),
            Some(State::InFlight) => None,
            None if self.webhook.waiting.is_empty() => None,
            None => Some(Timestamp::default()),
        };
        delivery.into_iter().chain(self.faults.next_effect()).min()
    }

    /// How many messages have not been delivered yet, those in flight included.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.webhook.waiting.len() + self.webhook.head.as_ref().map_or(0, |head| head.envelopes)
    }
}

/// The value of [`SIGNATURE_HEADER`]: `t=<ms>,v1=<hex HMAC-SHA256 of "<ms>.<body>">`.
#[must_use]
pub fn sign(secret: &[u8], at: Timestamp, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{}.", at.0).as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={},v1={hex}", at.0)
}
