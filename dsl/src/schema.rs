//! Schema locks: all that the checker and the engine know of a system.
//!
//! In: the YAML of `schemas/<system>.lock` (form 1, see LANGUAGE.md section 12).
//! Out: [`System`] tables keyed by name, in name order.
//! Always true: a key that the form does not name is an error (E0902), never ignored.

mod lock;
mod text;

pub use lock::{Unreadable, parse_type, read_lock};
pub use text::{differences, write_lock};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An entity of a system, written `crm.Contact` in rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityName {
    /// Name of the system in the rules, such as `crm`.
    pub system: String,
    /// Name of the entity in the system's lock, such as `Contact`.
    pub entity: String,
}

impl EntityName {
    /// The entity `entity` of `system`.
    pub fn new(system: impl Into<String>, entity: impl Into<String>) -> Self {
        Self { system: system.into(), entity: entity.into() }
    }
}

impl std::fmt::Display for EntityName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}", self.system, self.entity)
    }
}

/// What one lock file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Name of the system in the rules.
    pub system: String,
    /// Which connector wrote the lock and serves the system.
    pub connector: String,
    /// How messages call the system, such as `HubSpot`.
    pub product: String,
    /// Day of the pull, `YYYY-MM-DD`.
    pub pulled: String,
    /// Entities by name.
    pub entities: BTreeMap<String, Entity>,
    /// Things that happen and are no records, by name.
    pub events: BTreeMap<String, BTreeMap<String, Field>>,
    /// Operations by name.
    pub operations: BTreeMap<String, Operation>,
    /// Lookups by name, `as owner_id`.
    pub lookups: BTreeMap<String, Lookup>,
    /// What the system sends, where it sends anything.
    pub deliveries: Option<Deliveries>,
    /// Line of each path such as `entities.User.fields.email`, counted from 1, for notes in messages.
    pub lines: BTreeMap<String, usize>,
}

impl Lock {
    /// A lock of `system` that knows nothing: no entity, no operation, no message.
    #[must_use]
    pub fn empty(system: &str, connector: &str) -> Self {
        Self {
            system: system.to_owned(),
            connector: connector.to_owned(),
            product: system.to_owned(),
            pulled: String::new(),
            entities: BTreeMap::new(),
            events: BTreeMap::new(),
            operations: BTreeMap::new(),
            lookups: BTreeMap::new(),
            deliveries: None,
            lines: BTreeMap::new(),
        }
    }
}

/// One kind of record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entity {
    /// The connector's own id of the entity, opaque to everyone else (HubSpot: `objectTypeId`).
    pub remote: Option<String>,
    /// Where a change time is found.
    pub changed_at: ChangedAt,
    /// How many records there were at the pull.
    pub records: Option<u64>,
    /// How many records the system takes in one call; 1 where the lock is silent.
    pub batch: usize,
    /// Fields and links that a new record must be given.
    pub create_needs: Vec<String>,
    /// Fields by name; every entity has `id`.
    pub fields: BTreeMap<String, Field>,
    /// Links to other entities of the same system, by name.
    pub links: BTreeMap<String, Link>,
}

/// Where the time of a change stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ChangedAt {
    /// The system does not say when something changed.
    #[default]
    Unknown,
    /// Every property has its own source time (HubSpot).
    PerField,
    /// One field holds the time of the record's last change.
    Field(String),
}

/// One field, parameter or envelope member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The type as the lock says it.
    pub ty: Type,
    /// The options of an `enum`, in the system's spelling; empty otherwise.
    pub options: Vec<String>,
    /// May be empty when read, or left out of a call.
    pub optional: bool,
    /// No two records share a value, and a record can be read by it.
    pub unique: bool,
    /// The system sets it; nobody may write it.
    pub read_only: bool,
    /// Made by the account, not part of the product.
    pub custom: bool,
    /// A person marks it as one whose history should be read after a write, for an edit that the write covered. It
    /// is kept when the lock is pulled again; the engine does not read histories yet and goes by messages.
    pub protect: bool,
    /// What a number stands for where the system sends times or days as numbers; without it only one that can be
    /// nothing but a count of milliseconds is read.
    pub form: Option<EpochForm>,
    /// The zone in which times without one are meant, and whose days instants fall on: an IANA name such as
    /// `Europe/London`. Without it a time without a zone is refused, as is an instant for a day that is not midnight.
    pub zone: Option<String>,
}

impl Field {
    /// A field that is always there, and of which nothing else is said.
    pub fn of(ty: Type) -> Self {
        Self {
            ty,
            options: Vec::new(),
            optional: false,
            unique: false,
            read_only: false,
            custom: false,
            protect: false,
            form: None,
            zone: None,
        }
    }
}

/// What a number counts from 1970-01-01T00:00:00Z on, where a field holds an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpochForm {
    /// Seconds; a fraction is read down to the millisecond.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// A link to a record of another entity of the same system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The entity it leads to.
    pub to: String,
    /// The connector's own id of the link (HubSpot: association type id).
    pub remote: Option<i64>,
    /// May be absent.
    pub optional: bool,
}

/// The types of fields and values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A decimal number.
    Number,
    /// An amount of money, as a decimal.
    Money,
    /// A fraction, written `60%`.
    Percent,
    /// Yes or no.
    Flag,
    /// A calendar day.
    Date,
    /// An instant.
    Time,
    /// One of the field's options.
    Enum,
    /// A structured value.
    Record,
    /// A list of one type.
    List(Box<Type>),
}

impl std::fmt::Display for Type {
    /// As locks name it.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Money => "money",
            Self::Percent => "percent",
            Self::Flag => "flag",
            Self::Date => "date",
            Self::Time => "time",
            Self::Enum => "enum",
            Self::Record => "record",
            Self::List(inner) => return write!(out, "list of {inner}"),
        })
    }
}

/// Something a system can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Parameters by name.
    pub params: BTreeMap<String, Field>,
    /// Members of the result by name.
    pub result: BTreeMap<String, Field>,
    /// How it may be repeated.
    pub delivery: Delivery,
}

/// How an operation may be repeated (RUNTIME.md section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Repeating changes nothing.
    ByNature,
    /// The receiver honours a key: repeated with the same key it has the effect of once.
    ByKey,
    /// It can be looked up whether it happened. Nothing says how, so where it is in doubt a person does.
    ByCheck,
    /// Every repetition is a further effect.
    None,
}

/// `as owner_id`: find the `entity` whose `from` is the value, give its `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The entity that is searched, such as `Owner`.
    pub entity: String,
    /// The field compared with the value.
    pub from: String,
    /// The field that is the result.
    pub to: String,
}

/// What a system sends and how a receiver reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliveries {
    /// Members of the envelope; a dotted name looks inside.
    pub envelope: BTreeMap<String, Field>,
    /// The member that names the message.
    pub name: String,
    /// The member that holds the time of the change.
    pub time: String,
    /// The members that make the connector's own deduplication key.
    pub dedupe: Vec<String>,
    /// The member that orders messages.
    pub order: String,
    /// Ways to verify a delivery.
    pub verify: Vec<String>,
    /// Messages by name.
    pub messages: BTreeMap<String, Message>,
}

/// One kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub about: About,
    /// Other spellings that people write by mistake.
    pub also_written: Vec<String>,
    /// Arrives only as `object.*` with an `objectTypeId`.
    pub generic: bool,
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A record changed.
    Record {
        /// The entity of the record.
        entity: String,
        /// What happened to it.
        change: Change,
    },
    /// Something happened that is no record.
    Event(String),
}

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was made.
    Created,
    /// Fields of it changed.
    Updated,
    /// It was deleted or archived.
    Deleted,
    /// It was merged with another one.
    Merged,
    /// It came back from the archive.
    Restored,
    /// It was deleted for privacy.
    Erased,
    /// A link of it was made or removed.
    Linked,
}
