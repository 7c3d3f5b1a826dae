//! Keys of rows.
//!
//! Always true: the first byte of a key is its [`Kind`]; what follows sorts in the order in which it is scanned; a text
//! in a key is short, whatever the systems send.

use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::decide::model::link::slot;
use crate::decide::model::work::Waiter;
use crate::ids::{LinkId, RunId};

/// Row kinds. The number is the first byte of the key and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// [`Meta`], one row.
    Meta = 1,
    /// [`RecordRow`] by system, entity, id.
    Record = 2,
    /// Empty row by system, entity, field, value, id: which records hold a value of a key.
    Index = 3,
    /// [`Timestamp`] by system, entity, field, value: a point read found no such record then.
    Absent = 4,
    /// Empty row by target system, entity, id, source system, entity, id: who links to a record.
    Backlink = 5,
    /// [`LinkRow`] by id.
    Link = 6,
    /// [`LinkId`] by sync, side, record id.
    LinkOf = 7,
    /// [`LinkId`] by sync, key number, value: who may pair or make the record with this key.
    Claim = 8,
    /// [`WorkRow`] by lane, deadline, owner.
    Work = 9,
    /// [`CallRow`] by id.
    Call = 10,
    /// [`TimerRow`] by due time, number.
    Timer = 11,
    /// [`RunRow`] by id.
    Run = 12,
    /// [`ReadRow`] by system, entity, by, value.
    Read = 13,
    /// [`ListingRow`] by name.
    Listing = 14,
    /// Empty row by sync, side, record id, waiter: who waits for a link of that record.
    PartnerWait = 15,
    /// Awaited op position by system, entity or event, field, value, run.
    Await = 16,
    /// [`RunId`] list by workflow, key: unfinished runs that exclude each other.
    OnlyOne = 17,
    /// Empty row by system, entity, id, run: whose `cancel when` looks at a record.
    Watch = 18,
    /// Empty row by run, waiting run.
    Behind = 19,
    /// [`IncidentRow`] by subject.
    Incident = 20,
    /// Hashes of seen messages by hour, system, first byte or bytes.
    Dedupe = 21,
    /// Stored delivery by system, priority, number.
    Inbox = 22,
    /// Start times of paced deliveries, by system.
    Pace = 23,
    /// Next offset by topic, partition.
    Offset = 24,
    /// [`ScheduleRow`] by sync.
    Schedule = 25,
    /// Unfinished `when` runs that made or wrote a record: system, entity, id, run.
    Busy = 26,
    /// What could not be read, by number.
    Unreadable = 27,
    /// What was spent of a system's limits (the gate), by system.
    Spent = 28,
    /// Texts of a rule set, by hash.
    Rules = 29,
    /// Hash of the active rule set, one row.
    Active = 30,
    /// Time of the last round, one row: the engine's time never runs back.
    Time = 31,
    /// When old rows are next looked through, one row; and where the look at runs stopped, one row.
    Sweep = 32,
    /// [`Timestamp`] by system: the timer for stored deliveries that counts.
    Armed = 33,
    /// Id of the Kafka cluster that the offsets are of, one row.
    Cluster = 34,
}

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

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_bytes()
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

/// The first 16 hex digits of a SHA-256.
pub(crate) fn hash(text: &str) -> String {
    hash_of(text.as_bytes())
}

/// The same of bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Key of the row of a record.
pub(crate) fn record_key(entity: &EntityName, id: &str) -> Vec<u8> {
    Key::new(Kind::Record).entity(entity).text(id).bytes()
}

pub(crate) fn link_key(id: LinkId) -> Vec<u8> {
    Key::new(Kind::Link).number(id.0).bytes()
}

pub(crate) fn link_of(sync: &str, side: Side, id: &str) -> Vec<u8> {
    Key::new(Kind::LinkOf).text(sync).number(slot(side) as u64).text(id).bytes()
}

pub(crate) fn read_key(entity: &EntityName, by: &str, value: &str) -> Vec<u8> {
    Key::new(Kind::Read).entity(entity).text(by).text(value).bytes()
}

/// Whole listing of an entity, for key indexes and lookups.
pub(crate) fn index_name(entity: &EntityName) -> String {
    format!("index {entity}")
}

pub(crate) fn listing_key(name: &str) -> Vec<u8> {
    Key::new(Kind::Listing).text(name).bytes()
}

pub(crate) fn partner_wait(sync: &str, side: dsl::program::Side, id: &str, waiter: Waiter) -> Vec<u8> {
    Key::new(Kind::PartnerWait).text(sync).number(slot(side) as u64).text(id).encoded(&waiter).bytes()
}

pub(crate) fn timer_moment(key: &[u8]) -> Option<Timestamp> {
    let bytes: [u8; 8] = key.get(1..9)?.try_into().ok()?;
    Some(Timestamp((u64::from_be_bytes(bytes) ^ (1 << 63)) as i64))
}

pub(crate) fn run_key(id: RunId) -> Vec<u8> {
    Key::new(Kind::Run).number(id.0).bytes()
}

pub(crate) fn incident_key(subject: &str) -> Vec<u8> {
    Key::new(Kind::Incident).text(subject).bytes()
}

pub(crate) fn cluster_key() -> Vec<u8> {
    Key::new(Kind::Cluster).bytes()
}

pub(crate) fn parked_key(number: u64) -> Vec<u8> {
    Key::new(Kind::Unreadable).number(number).bytes()
}
