//! One line of the history and the log.

use std::fmt;

use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

/// What a line of the log and the history is about. Its name is what people read and count by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A record was made.
    Create,
    /// A record was changed.
    Update,
    /// A record was looked at, and nothing had to be written.
    Unchanged,
    /// The record that was to be made exists; it is taken as it is.
    Adopt,
    /// Two records are the same thing from now on.
    Link,
    /// They are not any more: one was deleted.
    Unlink,
    /// A record is archived because its partner was deleted.
    Archive,
    /// A record was erased for privacy.
    Erased,
    /// A record lives under another id.
    Merged,
    /// Values differed at a first link, and one was written over.
    #[serde(rename = "first link")]
    FirstLink,
    /// Both sides changed, and one was written over.
    Conflict,
    /// The side that does not own a field changed it.
    Drift,
    /// A write may or may not have happened.
    #[serde(rename = "in doubt")]
    InDoubt,
    /// A record, or a message, waits for a person.
    Parked,
    /// A run waits for a person.
    Incident,
    /// A kept message went because of its age.
    Expired,
    /// A run began or is over.
    Run,
    /// A step of a run is done, failed or undone.
    Step,
    /// A run changed the world.
    Effect,
    /// A run tries again.
    Retry,
    /// A sync ran by the clock.
    Schedule,
    /// A message has come before.
    Duplicate,
    /// A message that the lock does not know.
    Foreign,
    /// A Kafka record was decided before.
    #[serde(rename = "passed over")]
    PassedOver,
    /// A system that refused the engine lets it in again.
    Admitted,
    /// A person asked for something.
    Operator,
    /// A rule set is active from now on.
    Rules,
}

impl Action {
    /// Its name, `create`, `first link`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Adopt => "adopt",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::Archive => "archive",
            Self::Erased => "erased",
            Self::Merged => "merged",
            Self::FirstLink => "first link",
            Self::Conflict => "conflict",
            Self::Drift => "drift",
            Self::InDoubt => "in doubt",
            Self::Parked => "parked",
            Self::Incident => "incident",
            Self::Expired => "expired",
            Self::Run => "run",
            Self::Step => "step",
            Self::Effect => "effect",
            Self::Retry => "retry",
            Self::Schedule => "schedule",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
            Self::PassedOver => "passed over",
            Self::Admitted => "admitted",
            Self::Operator => "operator",
            Self::Rules => "rules",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl PartialEq<str> for Action {
    fn eq(&self, name: &str) -> bool {
        self.name() == name
    }
}

impl PartialEq<&str> for Action {
    fn eq(&self, name: &&str) -> bool {
        self.name() == *name
    }
}

/// One line of the log and the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the input's time.
    pub at: Timestamp,
    /// What kind.
    pub action: Action,
    /// The sync, `when` or workflow.
    pub rule: String,
    /// Line of the rules that decided it, `contacts.rules:12`.
    pub place: String,
    /// The entity that was written or looked at, `crm.Contact`.
    pub entity: String,
    /// Id on the left side of a sync, or of the record.
    pub left: Option<String>,
    /// Id on the right side of a sync.
    pub right: Option<String>,
    /// The field, where it is about one.
    pub field: Option<String>,
    /// The link or run, `l12`, `r7`.
    pub subject: String,
    /// The value that stands now, printed.
    pub value: Option<String>,
    /// The value that was displaced, printed.
    pub displaced: Option<String>,
    /// In plain words.
    pub detail: String,
}

impl Event {
    /// A line of this kind, of which nothing else is said yet.
    #[must_use]
    pub fn new(at: Timestamp, action: Action) -> Self {
        Self {
            at,
            action,
            rule: String::new(),
            place: String::new(),
            entity: String::new(),
            left: None,
            right: None,
            field: None,
            subject: String::new(),
            value: None,
            displaced: None,
            detail: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action;

    #[test]
    fn what_is_written_is_the_name() {
        for action in [Action::Create, Action::FirstLink, Action::InDoubt, Action::PassedOver, Action::Rules] {
            let written = serde_json::to_string(&action).expect("plain data");
            assert_eq!(written, format!("\"{}\"", action.name()));
            assert_eq!(serde_json::from_str::<Action>(&written).expect("its own words"), action);
        }
    }
}
