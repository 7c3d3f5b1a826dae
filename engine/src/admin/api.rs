//! What the admin API is asked and what it answers: one type for each body.
//!
//! Always true: the engine writes and its clients read the same type, so that a name that changes does not compile on
//! one side only. A client of another version that lacks what it needs is told so, and prints no empty column.
//! Times are RFC 3339; objects have `"schema": 1`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::decide::views;
pub use crate::decide::views::{Incident, Link, LinkStatus, Parked as KeptMessage, Run, RunStatus};
pub use crate::decide::{Action, Event, OperatorCommand};
pub use crate::gate::Usage;
pub use crate::ledger::{Report, Seq};
pub use crate::shell::{Counts, SourceState};

/// Form of all objects here; another number is another form.
pub const SCHEMA: u32 = 1;

/// How the engine is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Form of this object.
    pub schema: u32,
    /// The engine's version.
    pub version: String,
    /// Its time, RFC 3339.
    pub time: String,
    /// How far the machine's clock is behind that, in milliseconds; more than a moment where it was set back.
    #[serde(default)]
    pub clock_behind_ms: i64,
    /// Since its start.
    pub uptime_seconds: u64,
    /// Everything it needs answers.
    pub healthy: bool,
    /// What is not as it should be, in plain words.
    pub warnings: Vec<String>,
    /// The rules that decide.
    pub rules: RulesView,
    /// The ledger.
    pub ledger: LedgerView,
    /// How the sources are, by name.
    pub sources: BTreeMap<String, SourceState>,
    /// Queues that have work.
    pub lanes: Vec<LaneView>,
    /// How much of each limit is used.
    pub limits: Vec<Usage>,
    /// Systems that asked to be left alone, and until when.
    pub paused: BTreeMap<String, String>,
    /// How the systems of the rules take the engine, by name.
    pub systems: BTreeMap<String, SystemView>,
    /// Requests without an answer yet.
    pub under_way: usize,
    /// Deliveries that wait for their pace.
    pub inbox: u64,
    /// Runs that stopped for a person.
    pub incidents: usize,
    /// Records and messages that wait for a person.
    pub parked: usize,
    /// What was done since the start.
    pub counts: Counts,
    /// Reads that the cache answered, and those it did not.
    pub cache: CacheView,
    /// Memory of the process.
    pub resident_bytes: Option<u64>,
}

/// How a system takes the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemView {
    /// Why it refuses the engine (its token, or what that may do), in its words; nothing where it lets it in.
    pub denied: Option<String>,
}

/// The rules that decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesView {
    /// Hash of the active set.
    pub hash: String,
    /// Its syncs.
    pub syncs: usize,
    /// Its `when`s.
    pub reactions: usize,
    /// Its workflows.
    pub workflows: usize,
    /// Older sets that runs in progress need.
    pub older: usize,
    /// Why the folder was refused; nothing where the folder is what runs.
    pub refused: Option<String>,
}

/// The ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The last round.
    pub last: u64,
    /// The last round that would survive a power cut.
    pub durable: u64,
    /// It takes nothing for now.
    pub full: bool,
    /// Why it takes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses: Option<String>,
    /// Why rows cannot be written beside the journal for now; rounds are taken until too many of them wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_wait: Option<String>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    /// The system.
    pub system: String,
    /// `update Contact`, `read Contact by email` …
    pub what: String,
    /// The `bulk` limit applies.
    pub bulk: bool,
    /// When it will be sent at the latest, RFC 3339.
    pub deadline: String,
    /// How urgent it is.
    pub priority: Urgency,
}

/// How urgent a queue is: the priority of the most urgent item in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// First.
    High,
    /// Then.
    Medium,
    /// Last.
    Low,
}

impl Urgency {
    /// As it is written, `high`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl From<dsl::ast::Priority> for Urgency {
    fn from(priority: dsl::ast::Priority) -> Self {
        match priority {
            dsl::ast::Priority::High => Self::High,
            dsl::ast::Priority::Medium => Self::Medium,
            dsl::ast::Priority::Low => Self::Low,
        }
    }
}

/// The cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheView {
    /// Reads it answered.
    pub hits: u64,
    /// Reads it did not know.
    pub misses: u64,
    /// Calls that its store did not answer.
    pub errors: u64,
    /// Calls that were not made, because the store failed a moment ago.
    pub skipped: u64,
    /// Its store answered when it was asked last.
    pub up: bool,
}

/// What a list is asked for: the query of its URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Most items; 1,000 where nothing is said.
    pub limit: Option<usize>,
    /// Only what has this text in its names or ids.
    pub about: Option<String>,
    /// Only what is in this state.
    pub state: Option<String>,
    /// Only what comes behind this one: the `next` of an earlier answer.
    pub after: Option<String>,
    /// Only what is about this field, by its name on either side; of `why` alone.
    pub field: Option<String>,
}

/// Runs that stopped and need a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incidents {
    /// Form of this object.
    pub schema: u32,
    /// How many there are, shown or not.
    pub total: usize,
    /// The first of them.
    pub incidents: Vec<views::Incident>,
}

/// Records and messages that wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Form of this object.
    pub schema: u32,
    /// How many there are, shown or not.
    pub total: usize,
    /// The first of them.
    pub parked: Vec<views::Incident>,
}

/// Runs of reactions and workflows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// Form of this object.
    pub schema: u32,
    /// How many there are of those that were looked at: all from `after` on, where there is no `next`.
    pub total: usize,
    /// The first of them.
    pub runs: Vec<views::Run>,
    /// What to ask for `after` to see more; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which records are the same thing on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Form of this object.
    pub schema: u32,
    /// How many there are of those that were looked at: all from `after` on, where there is no `next`.
    pub total: usize,
    /// The first of them.
    pub links: Vec<views::Link>,
    /// What to ask for `after` to see more; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Everything known about one record, link, run or message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// Form of this object.
    pub schema: u32,
    /// Links of this record, or the link of this name.
    pub links: Vec<views::Link>,
    /// What both sides of these links hold, line by line.
    #[serde(default)]
    pub lines: Vec<views::PairLine>,
    /// The run of this name.
    pub runs: Vec<views::Run>,
    /// What about it needs a person.
    pub incidents: Vec<views::Incident>,
    /// The message of this name, where one is kept for people.
    pub message: Option<views::Parked>,
    /// The last lines of history about it, oldest first.
    pub history: Vec<Event>,
}

/// The last lines of history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryLines {
    /// Form of this object.
    pub schema: u32,
    /// Oldest first.
    pub history: Vec<Event>,
}

/// The rules that decide, as they are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RulesText {
    /// Form of this object.
    pub schema: u32,
    /// Hash of the active set.
    pub hash: String,
    /// Its files in the order of their names, tests left out.
    pub files: Vec<RulesFile>,
    /// What it connects, in the form that `engine graph --format json` prints.
    pub graph: serde_json::Value,
}

/// A file of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesFile {
    /// Its path in the folder of the rules.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

/// What a reload led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Form of this object.
    pub schema: u32,
    /// Hash of the active rule set.
    pub rules: String,
    /// It is another one than before.
    pub changed: bool,
}

/// An operator's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRequest {
    /// Who, for the history.
    pub who: String,
    /// What.
    #[serde(flatten)]
    pub command: OperatorCommand,
}

/// A command was carried out, and that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Form of this object.
    pub schema: u32,
    /// Always true: what is not accepted is a problem.
    pub accepted: bool,
}

/// Where a copy of the ledger goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// A folder of the engine's machine that does not exist or is empty, by its absolute path.
    pub to: PathBuf,
}

/// A copy of the ledger was made and read back whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Form of this object.
    pub schema: u32,
    /// The last round in the copy.
    pub round: u64,
}

/// What the ledger holds and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Form of this object.
    pub schema: u32,
    /// Figures and problems.
    #[serde(flatten)]
    pub report: Report,
}
