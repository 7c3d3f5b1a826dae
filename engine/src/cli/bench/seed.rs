//! An engine in this process, over a ledger on disk: to fill a state, and to see what one decision costs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connectors::port::{
    Answer, Body, Connector, Delivery, Input as Item, Message, Observed, Request, Unreadable, Verb,
};
use dsl::schema::Change;
use dsl::value::Timestamp;

use crate::clock::{Now, wall};
use crate::decide::{Input, Programs, Settings, Source};
use crate::ledger::key::after;
use crate::ledger::{Disk, Settings as Sizes};
use crate::rules::{Rules, stored};
use crate::shell::{Connectors, Core, Release};

/// How long the ledger is left alone when its checkpoints are behind.
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// Rows that are read at once.
const PAGE: usize = 1_000;

/// The rules of the bench over a ledger of their own.
pub(super) struct Seeded {
    core: Core,
    number: u64,
    /// It moves only to what is due next, so that nothing has to be waited for.
    now: Timestamp,
}

/// What one delivery is about.
pub(super) enum Kind<'a> {
    Ticket,
    Deal,
    /// A contact, whose run sleeps until then.
    Contact(&'a dyn Fn(u64) -> Timestamp),
}

impl Seeded {
    /// Opens the state beside its rules.
    pub(super) fn open(rules: &Path, state: &Path) -> Result<Self, String> {
        let set = stored::load(&Rules::folder(rules)).map_err(|error| error.to_string())?;
        let ledger = Disk::open(state, Sizes::default(), Box::new(|_| ())).map_err(|error| error.to_string())?;
        let connectors: Connectors = ["crm", "service"].map(|name| (name.to_owned(), Arc::new(One) as _)).into();
        let programs = Programs::new(set.program);
        let now = wall();
        let core = Core::start(Box::new(ledger), programs, connectors, Settings::default(), Now::same(now));
        Ok(Self { core: core.map_err(|error| error.to_string())?, number: 0, now })
    }

    /// Decides a delivery of these subjects.
    pub(super) fn deliver(&mut self, kind: &Kind<'_>, subjects: impl IntoIterator<Item = u64>) -> Result<(), String> {
        if matches!(kind, Kind::Ticket) {
            // Two texts of one moment would make the engine ask which of them stands.
            self.now = self.now.plus(dsl::value::Duration(1));
        }
        let now = self.now;
        let messages = subjects.into_iter().map(|subject| self.message(kind, subject, now)).collect();
        let (system, source) = ("crm".to_owned(), Source::Webhook);
        self.input(&Input::Delivery { system, messages, malformed: Vec::new(), source })
    }

    fn message(&mut self, kind: &Kind<'_>, subject: u64, at: Timestamp) -> Message {
        self.number += 1;
        let (name, entity, change, prefix) = match kind {
            Kind::Ticket => ("ticket.propertyChange", "Ticket", Change::Updated, "t"),
            Kind::Deal => ("deal.creation", "Deal", Change::Created, "d"),
            Kind::Contact(_) => ("contact.propertyChange", "Contact", Change::Updated, "c"),
        };
        let field = match kind {
            Kind::Ticket => Some(("content", format!("text {} {}", self.number, "x".repeat(80)))),
            Kind::Deal => None,
            Kind::Contact(wakes) => Some(("wakes_at", wakes(subject).0.to_string())),
        };
        let fields = field.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
        let observed = Observed { id: format!("{prefix}{subject}"), fields, ..Observed::default() };
        let dedupe = format!("{name} {subject} {}", self.number);
        let body = Body::Record { entity: entity.to_owned(), change, observed };
        Message { name: name.to_owned(), at, dedupe, own: false, body }
    }

    /// Waits where the ledger takes nothing for now.
    fn input(&mut self, input: &Input) -> Result<(), String> {
        loop {
            match self.core.input(input, Now::same(self.now)) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_full() => std::thread::sleep(FULL_PAUSE),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Does what is due within a second and answers every call, until nothing is left to do; gives the calls.
    pub(super) fn work_off(&mut self) -> Result<usize, String> {
        let mut calls = 0;
        loop {
            while self.step()? {}
            self.flush()?;
            let mut sent = self.core.released();
            sent.retain(|release| matches!(release, Release::Send(_)));
            if sent.is_empty() {
                let (at, pace) = self.core.next(Now::same(self.now));
                match at.into_iter().chain(pace).min() {
                    Some(due) if due <= self.now.plus(dsl::value::Duration::seconds(1)) => self.now = due.max(self.now),
                    _ => return Ok(calls),
                }
            }
            for release in sent {
                let Release::Send(outgoing) = release else { continue };
                calls += 1;
                let answers = vec![Answer::Result(BTreeMap::new()); outgoing.request.inputs.len()];
                self.input(&Input::Answers { call: outgoing.call, answers })?;
            }
        }
    }

    fn step(&mut self) -> Result<bool, String> {
        loop {
            match self.core.step(Now::same(self.now)) {
                Ok(more) => return Ok(more),
                Err(error) if error.is_full() => std::thread::sleep(FULL_PAUSE),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Blocks until all of it is durable.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        self.core.flush().map(drop).map_err(|error| error.to_string())
    }

    /// How many rows there are, and their bytes, keys included.
    pub(super) fn rows(&self) -> Result<(u64, u64), String> {
        let (mut count, mut bytes) = (0, 0);
        let mut from = vec![1];
        loop {
            let page = self.core.rows().scan(&from, &[u8::MAX], PAGE).map_err(|error| error.to_string())?;
            let Some((last, _)) = page.last() else { return Ok((count, bytes)) };
            from = after(last);
            count += page.len() as u64;
            bytes += page.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
        }
    }
}

/// A system that takes one input in a call, and is never really asked.
struct One;

#[async_trait::async_trait]
impl Connector for One {
    fn max_batch(&self, _verb: &Verb) -> usize {
        1
    }

    fn calls(&self, _request: &Request) -> u32 {
        1
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        request.inputs.iter().map(|_: &Item| Answer::Done).collect()
    }

    fn read(&self, _payload: &[u8]) -> Result<Delivery, Unreadable> {
        Ok(Delivery::default())
    }
}
