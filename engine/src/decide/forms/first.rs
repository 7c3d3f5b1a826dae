//! Rows of the first form, as they stood before life cycles owned their data; they become rows of the second one.

use std::collections::{BTreeMap, BTreeSet};

use dsl::ast::Priority;
use dsl::fault::Fault;
use dsl::program::{MappingKind, Place, Program, Side};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::decide::forms::second::{SecondExpectation, SecondRecord};
use crate::decide::model::canonical::Canonical;
use crate::decide::model::expectation::{Planned, WriteOutcome};
use crate::decide::model::freshness::Freshness;
use crate::decide::model::incident::IncidentRow;
use crate::decide::model::kind::Kind;
use crate::decide::model::lane::Lane;
use crate::decide::model::link::{LinkRow, LinkState, Restore, RestoredBase, WriteState};
use crate::decide::model::record::{FieldState, FieldValue, Life, LinkFieldState};
use crate::decide::model::row::{Row, RowKey};
use crate::decide::model::run::{ChangedLink, Effect, Frame, RunOf, RunRow, RunState, StepFailure, Var};
use crate::decide::model::sides::Sides;
use crate::decide::model::subject::Subject;
use crate::decide::model::work::{
    CallItem, CallRow, Group, ListingRow, ListingState, Owner, PointRead, ReadRow, ReadState, ScheduleRow,
    ScheduleState, Tries, Waiter, WorkRow,
};
use crate::decide::model::written::Written;
use crate::ids::{CallId, LinkId, RunId};
use crate::ledger::Error;
use crate::ledger::key::{Parts, printable};

/// What becomes of a row: `None` where it stays, `Some(None)` where it goes.
pub(super) fn migrated(key: &[u8], bytes: &[u8], program: Option<&Program>) -> Result<Option<Option<Vec<u8>>>, Error> {
    let is = |kind: Kind| key.first() == Some(&(kind as u8));
    let row = if is(Kind::Record) {
        let mut parts = Parts::new(key)?;
        let entity = EntityName::new(&parts.text()?, parts.text()?);
        Some(decode::<OldRecord>(key, bytes)?.migrated(&entity).encode())
    } else if is(Kind::Link) {
        Some(decode::<OldLink>(key, bytes)?.migrated(program).encode())
    } else if is(Kind::Call) {
        Some(decode::<OldCall>(key, bytes)?.migrated().encode())
    } else if is(Kind::Run) {
        Some(decode::<OldRun>(key, bytes)?.migrated().encode())
    } else if is(Kind::Read) {
        // One that is neither queued nor in flight would never be answered; whoever waits asks again.
        decode::<OldRead>(key, bytes)?.migrated().map(|row| row.encode())
    } else if is(Kind::Listing) {
        Some(decode::<OldListing>(key, bytes)?.migrated().encode())
    } else if is(Kind::Schedule) {
        Some(decode::<OldSchedule>(key, bytes)?.migrated().encode())
    } else if is(Kind::Incident) {
        let unknown = || Error::Row { key: printable(key), reason: "nobody knows what it is about".to_owned() };
        Some(decode::<OldIncident>(key, bytes)?.migrated().ok_or_else(unknown)?.encode())
    } else {
        return Ok(None);
    };
    Ok(Some(row))
}

fn decode<R: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<R, Error> {
    postcard::from_bytes(bytes).map_err(|error| Error::Row { key: printable(key), reason: error.to_string() })
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldRecord {
    fields: BTreeMap<String, OldField>,
    links: BTreeMap<String, LinkFieldState>,
    life: Life,
    complete_at: Option<Timestamp>,
    latest: Timestamp,
    created: bool,
    told: BTreeMap<String, Value>,
    doubtful: BTreeMap<String, (Value, OldPlanned)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldField {
    value: OldValue,
    at: Timestamp,
    changed: Timestamp,
    before: Option<Timestamp>,
    wrote: Option<OldPlanned>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum OldValue {
    Is(Value),
    /// What arrived, and the text of the fault.
    Bad(String, String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldPlanned {
    at: Option<Timestamp>,
    value: Value,
    base: Option<Value>,
}

impl OldRecord {
    fn migrated(self, entity: &EntityName) -> SecondRecord {
        let field = |(name, old): (String, OldField)| {
            let value = match old.value {
                OldValue::Is(value) => FieldValue::Is(value),
                OldValue::Bad(found, why) => FieldValue::Malformed(fault(entity, &name, found, why)),
            };
            (name, FieldState { value, at: old.at, changed: old.changed, before: old.before })
        };
        let expectations = self.expectations();
        SecondRecord {
            fields: self.fields.into_iter().map(field).collect(),
            links: self.links,
            life: self.life,
            complete_at: self.complete_at,
            latest: self.latest,
            heard: Timestamp::default(),
            created: self.created,
            notified: self.told,
            expectations,
        }
    }

    /// Values that were known to be ours, and writes of which nobody knew whether they happened.
    fn expectations(&self) -> BTreeMap<String, Vec<SecondExpectation>> {
        let expectation = |value: &Value, known: &OldPlanned, sent, outcome| SecondExpectation {
            link: None,
            mapping: String::new(),
            value: value.clone(),
            canonical: Canonical::Value(value.clone()),
            restore: false,
            known: known.clone().migrated(),
            sent,
            outcome,
            covered: None,
        };
        let mut expectations: BTreeMap<String, Vec<SecondExpectation>> = BTreeMap::new();
        for (name, field) in &self.fields {
            if let (OldValue::Is(value), Some(known)) = (&field.value, &field.wrote) {
                let written = expectation(value, known, field.changed, WriteOutcome::Landed(field.changed));
                expectations.entry(name.clone()).or_default().push(written);
            }
        }
        for (name, (value, known)) in &self.doubtful {
            let doubted = expectation(value, known, self.latest, WriteOutcome::InDoubt);
            expectations.entry(name.clone()).or_default().push(doubted);
        }
        expectations
    }
}

/// The first form kept the text of a fault; which kind it was decides whether the whole record waits.
fn fault(entity: &EntityName, field: &str, found: String, why: String) -> Fault {
    let choice = why.rsplit_once(", which no row of ").and_then(|(_, rest)| rest.strip_suffix(" spells"));
    match choice {
        Some(choice) => {
            Fault::Unspelled { field: format!("{entity}.{field}"), choice: choice.to_owned(), spelling: found }
        }
        None => Fault::Transform { transform: format!("as {entity}.{field}"), value: found, reason: why },
    }
}

impl OldPlanned {
    fn migrated(self) -> Planned {
        Planned { at: self.at, value: self.value, base: self.base.map(Canonical::Value) }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldLink {
    sync: String,
    left: Option<String>,
    right: Option<String>,
    state: OldLinkState,
    base: BTreeMap<String, Value>,
    parked: BTreeMap<String, String>,
    unstable: BTreeMap<String, u8>,
    flight: [Option<CallId>; 2],
    queued: [Option<RowKey<WorkRow>>; 2],
    claims: BTreeSet<RowKey<LinkId>>,
    bulk: bool,
    since: Timestamp,
    attempts: u32,
    not_before: Option<Timestamp>,
    alone: bool,
    restores: BTreeMap<String, OldRestore>,
    creates: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum OldLinkState {
    Looking,
    WaitingForKey,
    Creating(Side),
    Alone,
    LeftOut,
    Linked,
    Parked(String),
    Gone,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldRestore {
    side: Side,
    value: Value,
    at: Timestamp,
    base: Option<Option<Value>>,
}

impl OldLink {
    fn migrated(self, program: Option<&Program>) -> LinkRow {
        let sync = program.and_then(|program| program.syncs.iter().find(|sync| sync.name == self.sync));
        let holds_link = |text: &String| {
            let mapping = sync.and_then(|sync| sync.fields.iter().find(|mapping| mapping.text == *text));
            mapping.is_some_and(|mapping| matches!(mapping.kind, MappingKind::Link { .. }))
        };
        let base = |(text, value): (String, Value)| {
            let value = if holds_link(&text) { pair(value) } else { Canonical::Value(value) };
            (text, value)
        };
        let restore = |(text, old): (String, OldRestore)| {
            let base = match old.base {
                None => RestoredBase::Stays,
                Some(base) => RestoredBase::Becomes(base.map(Canonical::Value)),
            };
            (text, Restore { side: old.side, value: Canonical::Value(old.value), at: old.at, base })
        };
        let ([left_flight, right_flight], [left_queued, right_queued]) = (self.flight, self.queued);
        let writes = Sides::new(write_state(left_flight, left_queued), write_state(right_flight, right_queued));
        LinkRow {
            sync: self.sync,
            ids: Sides::new(self.left, self.right),
            state: match self.state {
                OldLinkState::Looking => LinkState::Matching,
                OldLinkState::WaitingForKey => LinkState::WaitingForKey,
                OldLinkState::Creating(side) => LinkState::Creating(side),
                OldLinkState::Alone => LinkState::Alone,
                OldLinkState::LeftOut => LinkState::Excluded,
                OldLinkState::Linked => LinkState::Linked,
                OldLinkState::Parked(why) => LinkState::Parked(why),
                OldLinkState::Gone => LinkState::Gone,
            },
            since: self.since,
            base: self.base.into_iter().map(base).collect(),
            parked: self.parked,
            unstable: self.unstable,
            restores: self.restores.into_iter().map(restore).collect(),
            writes,
            tries: Tries { attempts: self.attempts, not_before: self.not_before, group: Group(self.alone.into()) },
            claims: self.claims,
            bulk: self.bulk,
            creates: self.creates,
            attempted: None,
        }
    }
}

fn write_state(flight: Option<CallId>, queued: Option<RowKey<WorkRow>>) -> WriteState {
    match (flight, queued) {
        (Some(call), _) => WriteState::InFlight(call),
        (None, Some(work)) => WriteState::Queued(work),
        (None, None) => WriteState::Idle,
    }
}

/// The first form kept a pair as its text.
fn pair(value: Value) -> Canonical {
    match value.as_text().and_then(|text| text.parse().ok()) {
        Some(pair) => Canonical::Pair(pair),
        None => Canonical::Value(value),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldCall {
    lane: Lane,
    sent: Timestamp,
    request: Vec<u8>,
    items: Vec<OldItem>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldItem {
    owner: OldOwner,
    written: Vec<OldWritten>,
    priority: Priority,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum OldOwner {
    Link(LinkId, Side),
    Run(RunId),
    Read(EntityName, String, String),
    Listing(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldWritten {
    mapping: String,
    canonical: Value,
    field: String,
    value: Value,
    link: bool,
    known: OldPlanned,
    restore: bool,
}

impl OldCall {
    fn migrated(self) -> CallRow {
        let written = |old: OldWritten| Written {
            mapping: old.mapping,
            canonical: if old.link { pair(old.canonical) } else { Canonical::Value(old.canonical) },
            field: old.field,
            value: old.value,
            link: old.link,
            known: old.known.migrated(),
            restore: old.restore,
        };
        let item = |old: OldItem| CallItem {
            owner: match old.owner {
                OldOwner::Link(link, side) => Owner::Link(link, side),
                OldOwner::Run(run) => Owner::Run(run),
                OldOwner::Read(entity, by, value) => Owner::Read(PointRead { entity, by, value }),
                OldOwner::Listing(name) => Owner::Listing(name),
            },
            written: old.written.into_iter().map(written).collect(),
            priority: old.priority,
        };
        let items = self.items.into_iter().map(item).collect();
        CallRow { lane: self.lane, sent: self.sent, request: self.request, items }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldRun {
    program: String,
    what: RunOf,
    pc: usize,
    vars: BTreeMap<String, Var>,
    state: OldRunState,
    fresh: Timestamp,
    started: Timestamp,
    step: Option<usize>,
    completed: Vec<usize>,
    undone: BTreeSet<usize>,
    stack: Vec<Frame>,
    failing: bool,
    attempts: u64,
    first_try: Option<Timestamp>,
    effects: u64,
    pending: Option<OldEffect>,
    token: u64,
    early: BTreeMap<usize, Var>,
    touched: BTreeSet<(EntityName, String)>,
    only_one: Option<String>,
    awaits: BTreeSet<RowKey<(RunId, usize)>>,
    watches: BTreeSet<RowKey<RunId>>,
    wait_until: Option<Timestamp>,
    failure: Option<(String, String)>,
    asked: BTreeMap<String, Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum OldRunState {
    Ready,
    Calling,
    Reading,
    Sleeping,
    Awaiting,
    Behind(RunId),
    Stopped(String),
    Finished,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldEffect {
    lane: Lane,
    key: String,
    id: Option<String>,
    values: BTreeMap<String, Value>,
    links: BTreeMap<String, (Option<String>, Option<String>)>,
    work: Option<RowKey<WorkRow>>,
    place: Place,
    in_doubt: bool,
    alone: bool,
}

impl OldRun {
    fn migrated(self) -> RunRow {
        let failure = self.failure.map(|(step, message)| StepFailure { step, message });
        let until = self.wait_until.unwrap_or(self.fresh);
        let at = self.fresh;
        let state = match (self.state, self.pending.map(OldEffect::migrated)) {
            (OldRunState::Ready, _) | (OldRunState::Calling, None) => RunState::Ready,
            (OldRunState::Calling, Some(effect)) => RunState::Calling(effect),
            (OldRunState::Reading, _) => RunState::Reading,
            (OldRunState::Sleeping, Some(effect)) => RunState::Retrying { effect, until },
            // A `wait` has no tries behind it; what is decided again after a pause has one.
            (OldRunState::Sleeping, None) if self.attempts > 0 => RunState::Rechecking { until },
            (OldRunState::Sleeping, None) => RunState::Sleeping { until },
            (OldRunState::Awaiting, _) => RunState::Awaiting { until },
            (OldRunState::Behind(ahead), _) => RunState::Behind(ahead),
            (OldRunState::Stopped(why), _) => RunState::Stopped(why),
            (OldRunState::Finished, _) => RunState::Finished { at },
            (OldRunState::Failed, _) => RunState::Failed { at, failure: failure.clone() },
            (OldRunState::Cancelled, _) => RunState::Cancelled { at },
        };
        RunRow {
            program: self.program,
            what: self.what,
            state,
            pc: self.pc,
            vars: self.vars,
            fresh: Freshness::AsOf(self.fresh),
            started: self.started,
            step: self.step,
            completed: self.completed,
            undone: self.undone,
            stack: self.stack,
            failure: failure.filter(|_| self.failing),
            attempts: self.attempts,
            first_try: self.first_try,
            effects: self.effects,
            token: self.token,
            early: self.early,
            touched: self.touched,
            only_one: self.only_one.map(|name| RowKey::from_bytes(unhex(&name))),
            awaits: self.awaits,
            watches: self.watches,
        }
    }
}

impl OldEffect {
    fn migrated(self) -> Effect {
        let link = |(name, (remove, add))| (name, ChangedLink { remove, add });
        Effect {
            lane: self.lane,
            key: self.key,
            id: self.id,
            values: self.values,
            links: self.links.into_iter().map(link).collect(),
            work: self.work,
            place: self.place,
            in_doubt: self.in_doubt,
            group: Group(self.alone.into()),
        }
    }
}

/// The first form kept the bytes of a key as text.
fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldRead {
    waiters: BTreeSet<Waiter>,
    work: Option<RowKey<WorkRow>>,
    flight: Option<CallId>,
    again: bool,
    cacheable: bool,
    attempts: u32,
    alone: bool,
}

impl OldRead {
    fn migrated(self) -> Option<ReadRow> {
        let state = match (self.flight, self.work) {
            (Some(call), _) if self.again => ReadState::Outdated(call),
            (Some(call), _) => ReadState::InFlight(call),
            (None, Some(work)) => ReadState::Queued(work),
            (None, None) => return None,
        };
        let Self { waiters, cacheable, attempts, alone, .. } = self;
        Some(ReadRow { state, waiters, cacheable, attempts, group: Group(alone.into()) })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldListing {
    entity: EntityName,
    since: Option<Timestamp>,
    cursor: Option<String>,
    waiters: BTreeSet<Waiter>,
    sync: Option<String>,
    started: Timestamp,
    done: Option<Timestamp>,
    bulk: bool,
    count: u64,
    attempts: u32,
}

impl OldListing {
    fn migrated(self) -> ListingRow {
        let state = match self.done {
            Some(at) => ListingState::Listed { at },
            None => ListingState::Listing { cursor: self.cursor, count: self.count, attempts: self.attempts },
        };
        let Self { entity, since, waiters, sync, started, .. } = self;
        ListingRow { entity, since, state, waiters, sync, started }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldSchedule {
    next: Timestamp,
    last_good: Option<Timestamp>,
    running: bool,
    other_side: bool,
}

impl OldSchedule {
    fn migrated(self) -> ScheduleRow {
        let state = match (self.running, self.other_side) {
            (false, _) => ScheduleState::Waiting,
            (true, false) => ScheduleState::Running,
            (true, true) => ScheduleState::RunningBothSides,
        };
        ScheduleRow { next: self.next, last_good: self.last_good, state }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OldIncident {
    subject: String,
    fingerprint: String,
    cause: String,
    entity: String,
    id: String,
    place: String,
    since: Timestamp,
    parked: bool,
    advice: String,
}

impl OldIncident {
    fn migrated(self) -> Option<IncidentRow> {
        let Self { fingerprint, cause, entity, id, place, since, parked, advice, .. } = self;
        let subject = subject(&self.subject)?;
        Some(IncidentRow { subject, fingerprint, cause, entity, id, place, since, parked, advice })
    }
}

/// The first form kept what an incident is about as the name by which people know it.
fn subject(name: &str) -> Option<Subject> {
    let (kind, rest) = name.split_once(' ')?;
    let record = |rest: &str| {
        let (entity, rest) = rest.split_once(' ')?;
        let (system, entity) = entity.split_once('.')?;
        Some((EntityName::new(system, entity), rest.to_owned()))
    };
    Some(match kind {
        "link" => Subject::Link(rest.parse().ok()?),
        "run" => match rest.split_once(" undo ") {
            Some((run, step)) => Subject::Undo { run: run.parse().ok()?, step: step.to_owned() },
            None => Subject::Run(rest.parse().ok()?),
        },
        "message" => Subject::Message(rest.strip_prefix('m')?.parse().ok()?),
        "topic" => {
            let (topic, partition) = rest.rsplit_once('/')?;
            Subject::Topic { topic: topic.to_owned(), partition: partition.parse().ok()? }
        }
        "kafka" => Subject::Cluster,
        "read" => {
            let (entity, rest) = record(rest)?;
            let (by, value) = rest.split_once(' ')?;
            Subject::Read(PointRead { entity, by: by.to_owned(), value: value.to_owned() })
        }
        "list" => Subject::Listing(rest.to_owned()),
        "record" => {
            let (entity, id) = record(rest)?;
            Subject::Record { entity, id }
        }
        "timer" => Subject::Timer(rest.to_owned()),
        "lane" => Subject::Lane(rest.to_owned()),
        "call" => Subject::Call(rest.parse().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_incident_is_about_keeps_its_name() {
        for name in [
            "link l12",
            "run r7",
            "run r7 undo welcome",
            "message m3",
            "topic biometrics.users/0",
            "kafka cluster",
            "read crm.Contact email ada lovelace@example.com",
            "list run Companies",
            "record crm.Deal 7",
            "timer Pace(\"crm\")",
            "lane crm Update { entity: \"Contact\" } bulk",
            "call c9",
        ] {
            assert_eq!(subject(name).map(|subject| subject.to_string()).as_deref(), Some(name));
        }
        assert_eq!(subject("something else"), None);
    }

    #[test]
    fn a_spelling_that_no_row_has_is_told_from_other_faults() {
        let entity = EntityName::new("crm", "Deal");
        let why = "crm.Deal.dealstage holds `x, which no row of y spells`, which no row of DealStage spells";
        let unspelled = fault(&entity, "dealstage", "x".to_owned(), why.to_owned());
        assert!(matches!(unspelled, Fault::Unspelled { choice, .. } if choice == "DealStage"));
        let other = fault(&entity, "amount", "x".to_owned(), "crm.Deal.amount should be a number".to_owned());
        assert_eq!(other.to_string(), "`x` cannot be used as crm.Deal.amount: crm.Deal.amount should be a number");
    }

    #[test]
    fn bytes_of_a_key_come_back_from_their_text() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(unhex(&text), bytes);
    }
}
