//! The key of every row, and the first parts of keys under which rows are listed.
//!
//! Always true: the first byte of a key is its [`Kind`]; what follows sorts in the order in which it is scanned; a text
//! in a key is short, whatever the systems send. The bytes are part of the form of a state folder.

use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};
use serde::Serialize;

use crate::decide::model::delivery::{AlikeRow, Marks, OffsetRow, ParkedRow, StoredDelivery};
use crate::decide::model::expectation::ExpectationsRow;
use crate::decide::model::hash::{hash, hash_of};
use crate::decide::model::incident::IncidentRow;
use crate::decide::model::kind::Kind;
use crate::decide::model::lane::Lane;
use crate::decide::model::link::{HeldLines, LinkRow};
use crate::decide::model::meta::{FormRow, Meta};
use crate::decide::model::record::RecordRow;
use crate::decide::model::row::{Prefix, RowKey};
use crate::decide::model::run::RunRow;
use crate::decide::model::subject::Subject;
use crate::decide::model::work::{
    CallRow, CatchUpRow, ListingRow, Owner, PointRead, ReadRow, ScheduleRow, TimerRow, Waiter, WorkRow,
};
use crate::ids::{CallId, LinkId, RunId};
use crate::ledger::Error;

/// Builds a key part by part: [`ledger::key::Key`](crate::ledger::key::Key) with the parts that decisions use.
#[derive(Debug, Clone)]
pub(crate) struct Key(crate::ledger::key::Key);

/// The longest text that stands in a key as it is. Ids and keys of systems are shorter; a value that is not must
/// not make a key that the ledger refuses.
const LONGEST: usize = 256;

impl Key {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(crate::ledger::key::Key::new(kind as u8))
    }

    /// A text; a very long one is replaced by its beginning and its hash, which is as unique.
    pub(crate) fn text(self, text: &str) -> Self {
        if text.len() <= LONGEST {
            return Self(self.0.text(text));
        }
        let beginning = text.char_indices().map_while(|(at, c)| (at < LONGEST / 2).then_some(c)).collect::<String>();
        Self(self.0.text(&format!("{beginning}\u{0}#{}", hash(text))))
    }

    pub(crate) fn entity(self, entity: &EntityName) -> Self {
        self.text(&entity.system).text(&entity.entity)
    }

    /// A number, in numeric order.
    pub(crate) fn number(self, number: u64) -> Self {
        Self(self.0.number(number))
    }

    /// A moment, in time order.
    pub(crate) fn moment(self, moment: Timestamp) -> Self {
        Self(self.0.moment(moment))
    }

    /// Whole postcard bytes of a value; no particular order.
    pub(crate) fn encoded<T: Serialize>(self, value: &T) -> Self {
        let bytes = postcard::to_stdvec(value).expect("keys hold plain data");
        if bytes.len() <= 2 * LONGEST {
            return Self(self.0.bytes(&bytes));
        }
        // Only owners of work are this long, where a very long value is read by; their row holds them whole.
        Self(self.0.bytes(hash_of(&bytes).as_bytes()))
    }

    fn side(self, side: Side) -> Self {
        self.number(match side {
            Side::Left => 0,
            Side::Right => 1,
        })
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    fn row<R>(self) -> RowKey<R> {
        RowKey::from_bytes(self.bytes())
    }

    fn prefix<R>(self) -> Prefix<R> {
        Prefix::new(self.bytes())
    }
}

/// A value as a key part: printed, with its type's first letter, so that `"1"` and `1` differ.
pub(crate) fn value_key(value: &Value) -> String {
    let letter = match value {
        Value::Empty => '0',
        Value::Text(_) => 't',
        Value::Integer(_) | Value::Decimal(_) => 'n',
        Value::Flag(_) => 'f',
        Value::Date(_) => 'd',
        Value::Time(_) => 'm',
        Value::List(_) | Value::Record(_) => 'j',
    };
    let mut text = format!("{letter}{value}");
    if text.len() > 200 {
        // Long keys would make long rows; a hash is as unique.
        text = format!("{letter}#{}", hash(&text));
    }
    text
}

/// The lines of a link that a write cannot settle.
pub(crate) fn held(link: LinkId) -> RowKey<HeldLines> {
    Key::new(Kind::Held).number(link.0).row()
}

/// The facts about the ledger itself.
pub(crate) fn meta() -> RowKey<Meta> {
    Key::new(Kind::Meta).row()
}

/// What is known of a record.
pub(crate) fn record(entity: &EntityName, id: &str) -> RowKey<RecordRow> {
    Key::new(Kind::Record).entity(entity).text(id).row()
}

/// The writes of ours to a record that may still be seen.
pub(crate) fn expectations(entity: &EntityName, id: &str) -> RowKey<ExpectationsRow> {
    Key::new(Kind::Expectations).entity(entity).text(id).row()
}

/// A record that holds a value in an indexed field.
pub(crate) fn index(entity: &EntityName, field: &str, value: &Value, id: &str) -> RowKey<String> {
    Key::new(Kind::Index).entity(entity).text(field).text(&value_key(value)).text(id).row()
}

/// All records that hold a value in an indexed field.
pub(crate) fn indexed(entity: &EntityName, field: &str, value: &Value) -> Prefix<String> {
    Key::new(Kind::Index).entity(entity).text(field).text(&value_key(value)).prefix()
}

/// When a point read found no record with this value.
pub(crate) fn absent(entity: &EntityName, field: &str, value: &str) -> RowKey<Timestamp> {
    Key::new(Kind::Absent).entity(entity).text(field).text(value).row()
}

/// That a record (`from`, `source`) links to another one (`to`, `target`).
pub(crate) fn backlink(to: &EntityName, target: &str, from: &EntityName, source: &str) -> RowKey<(EntityName, String)> {
    Key::new(Kind::Backlink).entity(to).text(target).entity(from).text(source).row()
}

/// All records that link to one.
pub(crate) fn backlinks(to: &EntityName, target: &str) -> Prefix<(EntityName, String)> {
    Key::new(Kind::Backlink).entity(to).text(target).prefix()
}

/// A link.
pub(crate) fn link(id: LinkId) -> RowKey<LinkRow> {
    Key::new(Kind::Link).number(id.0).row()
}

/// Which link a record has under a sync.
pub(crate) fn link_of(sync: &str, side: Side, id: &str) -> RowKey<LinkId> {
    Key::new(Kind::LinkOf).text(sync).side(side).text(id).row()
}

/// Which link may pair or make the record with this value of the sync's match key of this number.
pub(crate) fn claim(sync: &str, number: usize, value: &Value) -> RowKey<LinkId> {
    Key::new(Kind::Claim).text(sync).number(number as u64).text(&value_key(value)).row()
}

/// An item of a lane.
pub(crate) fn work(lane: &Lane, deadline: Timestamp, owner: &Owner) -> RowKey<WorkRow> {
    Key::new(Kind::Work).encoded(lane).moment(deadline).encoded(owner).row()
}

/// All items of a lane, the earliest deadline first.
pub(crate) fn work_of(lane: &Lane) -> Prefix<WorkRow> {
    Key::new(Kind::Work).encoded(lane).prefix()
}

/// A call without an answer.
pub(crate) fn call(id: CallId) -> RowKey<CallRow> {
    Key::new(Kind::Call).number(id.0).row()
}

/// A timer; `number` tells it from others of the same time.
pub(crate) fn timer(at: Timestamp, number: u64) -> RowKey<TimerRow> {
    Key::new(Kind::Timer).moment(at).number(number).row()
}

/// A run.
pub(crate) fn run(id: RunId) -> RowKey<RunRow> {
    Key::new(Kind::Run).number(id.0).row()
}

/// A point read that is queued or in flight.
pub(crate) fn read(read: &PointRead) -> RowKey<ReadRow> {
    Key::new(Kind::Read).entity(&read.entity).text(&read.by).text(&read.value).row()
}

/// A listing, by its name.
pub(crate) fn listing(name: &str) -> RowKey<ListingRow> {
    Key::new(Kind::Listing).text(name).row()
}

/// Name of the whole listing of an entity, for key indexes and lookups.
pub(crate) fn index_name(entity: &EntityName) -> String {
    format!("index {entity}")
}

/// Name of the listing of what changed, of a sync's sweep.
pub(crate) fn changes_name(sync: &str) -> String {
    format!("changes {sync}")
}

/// Name of the listing of archived records, of a sync's sweep.
pub(crate) fn archived_name(sync: &str) -> String {
    format!("archived {sync}")
}

/// Somebody who waits for the partner of a record under a sync.
pub(crate) fn partner_wait(sync: &str, side: Side, id: &str, waiter: Waiter) -> RowKey<Waiter> {
    Key::new(Kind::PartnerWait).text(sync).side(side).text(id).encoded(&waiter).row()
}

/// All who wait for the partner of a record under a sync.
pub(crate) fn partner_waits(sync: &str, side: Side, id: &str) -> Prefix<Waiter> {
    Key::new(Kind::PartnerWait).text(sync).side(side).text(id).prefix()
}

/// A run that waits, at this position of its code, for something whose field has this value.
pub(crate) fn awaited(what: &EntityName, field: &str, value: &Value, run: RunId, pc: usize) -> RowKey<(RunId, usize)> {
    Key::new(Kind::Await).entity(what).text(field).text(&value_key(value)).number(run.0).number(pc as u64).row()
}

/// All runs that wait for something whose field has this value.
pub(crate) fn awaiting(what: &EntityName, field: &str, value: &Value) -> Prefix<(RunId, usize)> {
    Key::new(Kind::Await).entity(what).text(field).text(&value_key(value)).prefix()
}

/// Unfinished runs of a workflow that exclude each other by `only one per`, in the order of their starts.
pub(crate) fn only_one(workflow: &str, value: &Value) -> RowKey<Vec<RunId>> {
    Key::new(Kind::OnlyOne).text(workflow).text(&value_key(value)).row()
}

/// A run whose `cancel when` looks at a record.
pub(crate) fn watch(entity: &EntityName, id: &str, run: RunId) -> RowKey<RunId> {
    Key::new(Kind::Watch).entity(entity).text(id).number(run.0).row()
}

/// All runs whose `cancel when` looks at a record.
pub(crate) fn watches(entity: &EntityName, id: &str) -> Prefix<RunId> {
    Key::new(Kind::Watch).entity(entity).text(id).prefix()
}

/// A run that begins when another one is over.
pub(crate) fn behind(ahead: RunId, waiting: RunId) -> RowKey<RunId> {
    Key::new(Kind::Behind).number(ahead.0).number(waiting.0).row()
}

/// All runs that begin when this one is over.
pub(crate) fn all_behind(ahead: RunId) -> Prefix<RunId> {
    Key::new(Kind::Behind).number(ahead.0).prefix()
}

/// An incident.
pub(crate) fn incident(subject: &Subject) -> RowKey<IncidentRow> {
    Key::new(Kind::Incident).text(&subject.to_string()).row()
}

/// An incident by its name, as a person may have typed it.
pub(crate) fn incident_named(name: &str) -> RowKey<IncidentRow> {
    Key::new(Kind::Incident).text(name).row()
}

/// Marks of messages of a system that came in an hour and whose first bytes are these.
pub(crate) fn marks(hour: u64, system: &str, bytes: &[u8]) -> RowKey<Marks> {
    let key = Key::new(Kind::Dedupe).number(hour).text(system);
    bytes.iter().fold(key, |key, byte| key.number(u64::from(*byte))).row()
}

/// A stored delivery.
pub(crate) fn stored(system: &str, priority: u64, number: u64) -> RowKey<StoredDelivery> {
    Key::new(Kind::Inbox).text(system).number(priority).number(number).row()
}

/// All stored deliveries of a system, high priority first, then in the order in which they came.
pub(crate) fn stored_of(system: &str) -> Prefix<StoredDelivery> {
    Key::new(Kind::Inbox).text(system).prefix()
}

/// When deliveries of a system were last decided, as far as its pace looks back.
pub(crate) fn pace(system: &str) -> RowKey<Vec<Timestamp>> {
    Key::new(Kind::Pace).text(system).row()
}

/// When the timer for stored deliveries of a system is due, the only one that counts.
pub(crate) fn armed(system: &str) -> RowKey<Timestamp> {
    Key::new(Kind::Armed).text(system).row()
}

/// Where a partition is read on.
pub(crate) fn offset(topic: &str, partition: i32) -> RowKey<OffsetRow> {
    Key::new(Kind::Offset).text(topic).number(u64::try_from(partition).unwrap_or_default()).row()
}

/// Id of the Kafka cluster that the offsets are of.
pub(crate) fn cluster() -> RowKey<String> {
    Key::new(Kind::Cluster).row()
}

/// When a sync runs by the clock.
pub(crate) fn schedule(sync: &str) -> RowKey<ScheduleRow> {
    Key::new(Kind::Schedule).text(sync).row()
}

/// When a sync on change sweeps, and where the next sweep begins.
pub(crate) fn catch_up(sync: &str) -> RowKey<CatchUpRow> {
    Key::new(Kind::CatchUp).text(sync).row()
}

/// An unfinished run of a `when` that made or wrote a record.
pub(crate) fn busy(entity: &EntityName, id: &str, run: RunId) -> RowKey<RunId> {
    Key::new(Kind::Busy).entity(entity).text(id).number(run.0).row()
}

/// All unfinished runs of `when` that made or wrote a record.
pub(crate) fn busy_with(entity: &EntityName, id: &str) -> Prefix<RunId> {
    Key::new(Kind::Busy).entity(entity).text(id).prefix()
}

/// A message that nobody could read.
pub(crate) fn parked(number: u64) -> RowKey<ParkedRow> {
    Key::new(Kind::Unreadable).number(number).row()
}

/// Messages that nobody could read and that are of one cause and door, by the fingerprint of their incident.
pub(crate) fn alike(fingerprint: &str) -> RowKey<AlikeRow> {
    Key::new(Kind::Alike).text(fingerprint).row()
}

/// When old rows are next looked through.
pub(crate) fn sweep() -> RowKey<Timestamp> {
    Key::new(Kind::Sweep).row()
}

/// Where the look at old rows of this kind stopped: bytes of the key to go on at.
pub(crate) fn sweep_position(of: Swept) -> RowKey<Vec<u8>> {
    let of = match of {
        Swept::Runs => "runs",
        Swept::Expectations => "expectations",
    };
    Key::new(Kind::Sweep).text(of).row()
}

/// Rows that are looked through now and then, from where the last look stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swept {
    Runs,
    Expectations,
}

/// How many unfinished runs began by the rule set with this hash; no row where none did.
pub(crate) fn unfinished(hash: &str) -> RowKey<u64> {
    Key::new(Kind::Unfinished).text(hash).row()
}

/// The counts of all rule sets. The first one, of an empty hash, says that they are there.
pub(crate) fn all_unfinished() -> Prefix<u64> {
    Key::new(Kind::Unfinished).prefix()
}

/// The rule set that a count of unfinished runs is of.
pub(crate) fn unfinished_of(count: &RowKey<u64>) -> Result<String, Error> {
    count.parts()?.text()
}

/// When a timer is due.
pub(crate) fn due(timer: &RowKey<TimerRow>) -> Result<Timestamp, Error> {
    timer.parts()?.moment()
}

/// The version of a record that counts as now, because the time that was said of it was ahead.
pub(crate) fn ahead(entity: &EntityName, id: &str) -> RowKey<Timestamp> {
    Key::new(Kind::Ahead).entity(entity).text(id).row()
}

/// In which form the rows are.
pub(crate) fn form() -> RowKey<FormRow> {
    Key::new(Kind::Form).row()
}
