//! How the engine and a connector talk.
//!
//! In: a [`Request`], which the gate has paced and filled. Out: one [`Answer`] per input, in input order.
//! Always true: an input that the response does not mention is [`Answer::Unknown`], never success.
//! Values travel as the JSON of the connector's own system, undecoded: types, choices and spellings are
//! the business of `dsl::decode` in the engine. What a person wrote as a choice's word is already spelled.
//! Not here: retries, pacing, batching (the engine's gate), the meaning of a message (the engine's decide).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dsl::schema::Change;
use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

/// A field's value as its system writes it. Null is empty.
pub type Wire = serde_json::Value;

/// A call to a system: one verb, one or more inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// For whom; never more than [`Connector::max_batch`] of the verb.
    pub inputs: Vec<Input>,
}

/// What is asked of a system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Read records by id or by a unique field. Answers: [`Answer::Record`] or [`Answer::Missing`].
    Read {
        /// The entity's name in the lock.
        entity: String,
        /// `id` or a unique field; [`Input::id`] holds its value.
        by: String,
        /// Fields to read.
        fields: Vec<String>,
        /// Links to read.
        links: Vec<String>,
    },
    /// Make records. [`Input::values`] and [`Input::links`] hold their content. Answers: [`Answer::Record`],
    /// or [`Answer::Refused`] with [`Refusal::Exists`] where a unique value is taken.
    Create {
        /// The entity's name in the lock.
        entity: String,
    },
    /// Change fields and links of records by id. Answers: [`Answer::Record`] with what the system now holds
    /// of the written fields, or [`Answer::Missing`].
    Update {
        /// The entity's name in the lock.
        entity: String,
    },
    /// Delete or archive records by id. Answers: [`Answer::Done`], also where it was gone already.
    Delete {
        /// The entity's name in the lock.
        entity: String,
    },
    /// One page of all records, or of those changed since a time, oldest change first where the system
    /// can. One input; [`Input::id`] is the cursor of the page before. Answer: [`Answer::Page`].
    List {
        /// The entity's name in the lock.
        entity: String,
        /// Fields to read.
        fields: Vec<String>,
        /// Links to read.
        links: Vec<String>,
        /// Only what changed at or after this time.
        since: Option<Timestamp>,
    },
    /// One page of the records that were deleted and that the system still knows of, ids only; one empty page from a
    /// system that forgets what it deletes. One input; [`Input::id`] is the cursor of the page before. Answer:
    /// [`Answer::Page`].
    Archived {
        /// The entity's name in the lock.
        entity: String,
    },
    /// Say who asks. One input. Answer: [`Answer::Result`] with what the system says, such as the account; refused with
    /// [`Refusal::Unauthenticated`] where it does not take the token, or takes it for another account than ours; and
    /// with [`Refusal::Other`] where the system does not tell.
    Identify,
    /// Call an operation of the lock with [`Input::values`] as its parameters. Answer: [`Answer::Result`].
    Operation {
        /// Its name in the lock.
        name: String,
    },
}

/// One record or call within a request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Input {
    /// Idempotency key and trace id: the same after any restart, unique within the system.
    pub key: String,
    /// Record id, value of the key that is read by, or cursor.
    pub id: Option<String>,
    /// Field or parameter values. Null clears.
    pub values: BTreeMap<String, Wire>,
    /// Links to set (`Some(id)`), replacing the one before, or to remove (`None`).
    pub links: BTreeMap<String, LinkChange>,
}

/// A change of one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// The record that is linked now and shall not be any more.
    pub remove: Option<String>,
    /// The record that shall be linked.
    pub add: Option<String>,
}

/// What a system says of a record.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The record's id: not always the one asked for, where records were merged.
    pub id: String,
    /// Fields that the answer or message speaks of; a field that is not here is unobserved.
    pub fields: BTreeMap<String, Wire>,
    /// Links that it speaks of; `None` says that there is none.
    pub links: BTreeMap<String, Option<String>>,
    /// Time of the record's last change, where the system says one.
    pub changed_at: Option<Timestamp>,
    /// Every field and link asked for (or, in a message, every field of the entity) is here.
    pub complete: bool,
}

/// What became of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Read, made or changed.
    Record(Observed),
    /// Done, with nothing to say.
    Done,
    /// There is no such record.
    Missing,
    /// One page of a list.
    Page {
        /// Its records.
        records: Vec<Observed>,
        /// Cursor of the next page; `None` on the last.
        next: Option<String>,
    },
    /// Result of an operation.
    Result(BTreeMap<String, Wire>),
    /// The system understood and refuses: asking again cannot help.
    Refused {
        /// Why, in the system's words.
        reason: String,
        /// What kind of refusal.
        refusal: Refusal,
    },
    /// Nothing happened; ask again.
    Retry {
        /// Not before this.
        after: Option<Duration>,
        /// Why, for people.
        cause: String,
    },
    /// Nothing happened: too fast.
    RateLimited {
        /// Not before this.
        after: Option<Duration>,
        /// Which limit was met.
        window: LimitWindow,
        /// The same in the system's words, for the log.
        policy: Option<String>,
    },
    /// Nothing happened, and the refusal of the whole request names other inputs or none: ask again, in other company.
    Split,
    /// The same, and what the refusal says fits this input: ask it again apart from the others.
    Suspect,
    /// It may or may not have happened.
    Unknown {
        /// Why, for people.
        cause: String,
    },
}

/// The window of a limit that was met, which says how long to leave the system alone where it names no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LimitWindow {
    /// The sliding window that the rules name as the limit `api`: it has room again once it has passed.
    Sliding,
    /// A count of many hours, such as calls per day: it has no room for a long time.
    Day,
    /// The system does not say, or it is another one: a moment is enough.
    #[default]
    Unknown,
}

/// Kinds of refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// A record with this unique value exists; its id, where the system says it.
    Exists(Option<String>),
    /// A value is not accepted; the field, where the system says it.
    Invalid(Option<String>),
    /// The token is missing, wrong or too old: nothing that is asked with it is answered, whatever it is about.
    Unauthenticated,
    /// The token may not do this: it is about who asks, not about the record.
    Forbidden,
    /// Anything else.
    Other,
}

/// What a system told us, decoded as far as the connector knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The message's name in the lock, such as `contact.propertyChange`; generic names are mapped already.
    pub name: String,
    /// The time of the change, as the sender says.
    pub at: Timestamp,
    /// What marks a repetition of it: the values of the lock's `dedupe`, joined.
    pub dedupe: String,
    /// It reports a write of our own (by its source, not by its value).
    pub own: bool,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// A record was made, changed, deleted, restored or erased.
    Record {
        /// The entity's name in the lock.
        entity: String,
        /// What happened.
        change: Change,
        /// What is said of it; its id always.
        observed: Observed,
    },
    /// Records became one.
    Merged {
        /// The entity's name in the lock.
        entity: String,
        /// The living record.
        into: String,
        /// All ids that are no longer its own name; where one record had precedence, its id comes first.
        gone: Vec<String>,
    },
    /// A link of a record was made or removed; the record should be read.
    Linked {
        /// The entity's name in the lock.
        entity: String,
        /// The record.
        id: String,
    },
    /// Something that is no record.
    Event {
        /// The event's name in the lock.
        event: String,
        /// Its members.
        fields: BTreeMap<String, Wire>,
    },
    /// A message whose name the lock does not have.
    Foreign,
}

/// What one delivery holds. One message that cannot be read takes none of the others with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Delivery {
    /// What can be read, in the order of the delivery.
    pub messages: Vec<Message>,
    /// What cannot.
    pub malformed: Vec<Malformed>,
    /// What was left out, because it is of another account than ours.
    pub strangers: Option<Strangers>,
}

/// Messages of another account than the one that a connector is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strangers {
    /// How many.
    pub messages: u64,
    /// The account of the last one.
    pub account: u64,
    /// Ours.
    pub ours: u64,
}

/// One message of a delivery that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Why, with its place in the delivery.
    pub reason: String,
    /// The whole of it, as JSON.
    pub text: String,
}

/// A delivery that is none: nothing in it can be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The whole delivery is not what the system sends.
    #[error("{0}")]
    Delivery(String),
    /// All of it is of another account.
    #[error("this is of the account {}, and the settings say {} (`portal_id`)", .0.account, .0.ours)]
    OtherAccount(Strangers),
}

/// A system that can be asked.
#[async_trait]
pub trait Connector: Send + Sync {
    /// How many inputs one request of this verb may carry; at least 1.
    fn max_batch(&self, verb: &Verb) -> usize;

    /// How many calls of the system's `api` limit this request costs at most.
    fn calls(&self, request: &Request) -> u32;

    /// Asks. One answer per input, in the order of the inputs. Never fails as a whole: a fault of the
    /// transport is an answer for every input.
    async fn perform(&self, request: &Request) -> Vec<Answer>;

    /// What will stop working unless somebody acts, in plain words; nothing where all is well. `now` is the engine's
    /// time. Touches no network.
    fn notices(&self, now: Timestamp) -> Vec<String> {
        let _ = now;
        Vec::new()
    }

    /// Reads the body of one delivery (webhook) or record (Kafka).
    ///
    /// # Errors
    /// Where the body as a whole is not what this system sends; a message within it that is not is
    /// [`Delivery::malformed`].
    fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable>;
}

/// A connector that its owner keeps a hand on.
#[async_trait]
impl<C: Connector + ?Sized> Connector for Arc<C> {
    fn max_batch(&self, verb: &Verb) -> usize {
        (**self).max_batch(verb)
    }

    fn calls(&self, request: &Request) -> u32 {
        (**self).calls(request)
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        (**self).perform(request).await
    }

    fn notices(&self, now: Timestamp) -> Vec<String> {
        (**self).notices(now)
    }

    fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable> {
        (**self).read(body)
    }
}
