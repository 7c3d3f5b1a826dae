//! What a decision is given beside its input: the rule sets in use, and settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::program::Program;
use dsl::value::Duration;

/// The rule sets in use.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The one that decides what begins now.
    pub active: Arc<Program>,
    /// Every version that a run in progress still needs, the active one included, by hash.
    pub by_hash: BTreeMap<String, Arc<Program>>,
}

impl Programs {
    /// Only `program`.
    #[must_use]
    pub fn new(program: Arc<Program>) -> Self {
        Self { by_hash: BTreeMap::from([(program.hash.clone(), Arc::clone(&program))]), active: program }
    }
}

/// Settings of the decisions, from `runtime:` in engine.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Two outside changes closer than this count as simultaneous.
    pub clock_skew: Duration,
    /// A time from outside that is further ahead of the input's own time than this is taken as now.
    pub clock_ahead: Duration,
    /// How long a real-time change may wait for company in its batch while little goes on; under pressure the gate
    /// holds it up to four times as long.
    pub linger: Duration,
    /// How long a change of a scheduled run or a backfill may wait for company.
    pub linger_bulk: Duration,
    /// A sync that runs at intervals runs first when it is set up, not an interval later.
    pub run_at_start: bool,
    /// Every system is asked at the start who the engine is to it.
    pub identify: bool,
    /// Syncs on change sweep as their rules say.
    pub sweeps: bool,
    /// How long runs of workflows that are over are kept for people.
    pub retention: Duration,
    /// Tell which parts of the rules were reached, for coverage.
    pub trace: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock_skew: Duration::seconds(2),
            clock_ahead: Duration::minutes(5),
            linger: Duration(100),
            linger_bulk: Duration::seconds(2),
            run_at_start: true,
            identify: false,
            sweeps: false,
            retention: Duration::days(30),
            trace: false,
        }
    }
}
