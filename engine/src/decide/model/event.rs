//! One line of the history and the log.

use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of the log and the history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the input's time.
    pub at: Timestamp,
    /// What kind: `create`, `update`, `unchanged`, `parked`, `drift`, `conflict`, `first link`, `fill`, `link`,
    /// `unlink`, `duplicate`, `run`, `step`, `effect`, `incident`, `operator`, `rules`, `foreign` …
    pub action: String,
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
