//! What is shown: plain structures, in the words of the people who read them.

use std::collections::BTreeMap;

use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

use super::Inner;
use crate::decide::{self, LaneKind, views};
use crate::gate::Usage;
use crate::shell::{Counts, Peek, SourceState};

/// How the engine is.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Form of this object.
    pub schema: u32,
    /// The engine's version.
    pub version: &'static str,
    /// Its time, RFC 3339.
    pub time: String,
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
    /// What the sources say of themselves.
    pub sources: BTreeMap<String, SourceState>,
    /// Queues that have work.
    pub lanes: Vec<LaneView>,
    /// How much of each limit is used.
    pub limits: Vec<Usage>,
    /// Systems that asked to be left alone, and until when.
    pub paused: BTreeMap<String, String>,
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

/// The rules that decide.
#[derive(Debug, Clone, Serialize)]
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
#[derive(Debug, Clone, Serialize)]
pub struct LedgerView {
    /// The last round.
    pub last: u64,
    /// The last round that would survive a power cut.
    pub durable: u64,
    /// It takes nothing for now.
    pub full: bool,
}

/// A queue.
#[derive(Debug, Clone, Serialize)]
pub struct LaneView {
    /// The system.
    pub system: String,
    /// `update Contact`, `read Contact by email` …
    pub what: String,
    /// The `bulk` limit applies.
    pub bulk: bool,
    /// When it will be sent at the latest, RFC 3339.
    pub deadline: String,
    /// `high`, `medium`, `low`.
    pub priority: String,
}

/// The cache.
#[derive(Debug, Clone, Serialize)]
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

/// What the loop shows of itself.
pub(super) struct Seen {
    time: Timestamp,
    rules: RulesView,
    ledger: LedgerView,
    sources: BTreeMap<String, SourceState>,
    lanes: Vec<LaneView>,
    limits: Vec<Usage>,
    paused: BTreeMap<String, String>,
    under_way: usize,
    inbox: Result<u64, String>,
    counts: Counts,
}

/// Takes the loop's figures, between two inputs.
pub(super) fn see(peek: &Peek<'_>) -> Seen {
    let core = peek.core;
    let program = &core.programs().active;
    let gate = core.gate();
    Seen {
        time: core.at().max(peek.now.at),
        rules: RulesView {
            hash: program.hash.clone(),
            syncs: program.syncs.len(),
            reactions: program.whens.len(),
            workflows: program.workflows.len(),
            older: core.programs().by_hash.len().saturating_sub(1),
            refused: None,
        },
        ledger: LedgerView { last: core.last().0, durable: core.durable().0, full: peek.full },
        sources: peek.sources.clone(),
        lanes: gate
            .lanes()
            .map(|(lane, deadline, priority)| LaneView {
                system: lane.system.clone(),
                what: what(&lane.kind),
                bulk: lane.bulk,
                deadline: deadline.to_string(),
                priority: format!("{priority:?}").to_lowercase(),
            })
            .collect(),
        limits: gate.usage(peek.now.pace),
        paused: gate.paused(peek.now.pace).into_iter().map(|(name, until)| (name, until.to_string())).collect(),
        under_way: gate.under_way(),
        inbox: decide::waiting_deliveries(core.rows()).map_err(|error| error.to_string()),
        counts: core.counts(),
    }
}

fn what(kind: &LaneKind) -> String {
    match kind {
        LaneKind::Read { entity, by } => format!("read {entity} by {by}"),
        LaneKind::Create { entity } => format!("create {entity}"),
        LaneKind::Update { entity } => format!("update {entity}"),
        LaneKind::Delete { entity } => format!("delete {entity}"),
        LaneKind::List { entity } => format!("list {entity}"),
        LaneKind::Operation { name } => format!("call {name}"),
    }
}

/// The whole status.
pub(super) fn status(inner: &Inner, mut seen: Seen) -> Result<Status, crate::ledger::Error> {
    let open = views::incidents(&inner.reader)?;
    let parked = open.iter().filter(|incident| incident.parked).count();
    seen.rules.refused = inner.reloader.refused();
    let (cache, up) = (inner.reads.counts(), inner.reads.is_up());
    let warnings = warnings(&seen, &inner.versions, up);
    let healthy = warnings.is_empty();
    Ok(Status {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        time: seen.time.to_string(),
        uptime_seconds: inner.started.elapsed().as_secs(),
        healthy,
        warnings,
        rules: seen.rules,
        ledger: seen.ledger,
        sources: seen.sources,
        lanes: seen.lanes,
        limits: seen.limits,
        paused: seen.paused,
        under_way: seen.under_way,
        inbox: seen.inbox.unwrap_or_default(),
        incidents: open.len() - parked,
        parked,
        counts: seen.counts,
        cache: CacheView { hits: cache.hits, misses: cache.misses, errors: cache.errors, skipped: cache.skipped, up },
        resident_bytes: resident(),
    })
}

/// What is not as it should be, in plain words; nothing where all is well.
fn warnings(seen: &Seen, versions: &BTreeMap<String, String>, cache_up: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(reason) = &seen.rules.refused {
        warnings.push(format!("the rules folder was refused, older rules run: {reason}"));
    }
    if seen.ledger.full {
        warnings.push("the ledger takes nothing for now: free space on the disk".to_owned());
    }
    for (name, state) in &seen.sources {
        if !state.is_up() {
            warnings.push(format!("{name}: {state}"));
        }
    }
    if !cache_up {
        warnings.push("the cache does not answer: what it would know is read from its system".to_owned());
    }
    for (system, version) in versions {
        warnings.extend(sunset(system, version, seen.time));
    }
    if let Err(reason) = &seen.inbox {
        warnings.push(format!("the inbox cannot be counted: {reason}"));
    }
    warnings
}

/// A warning from 180 days before HubSpot ends an API version. Date versions are supported for 18 months; `v3` ends
/// in September 2027.
fn sunset(system: &str, version: &str, now: Timestamp) -> Option<String> {
    let end = match version.split_once('-') {
        Some((year, month)) => {
            let first = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
            first.checked_add(jiff::Span::new().months(18)).ok()?
        }
        None => jiff::civil::date(2027, 9, 1),
    };
    let today = now.timestamp()?.to_zoned(jiff::tz::TimeZone::UTC).date();
    let warned = end.checked_sub(jiff::Span::new().days(180)).ok()?;
    (today >= warned)
        .then(|| format!("{system}: HubSpot ends API version {version} about {end}; set a newer `api_version`"))
}

/// Memory of this process in bytes, where the system says it.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

/// Where a copy of the ledger goes.
#[derive(Debug, Deserialize)]
pub(super) struct BackupRequest {
    /// A folder that does not exist or is empty, by its absolute path.
    pub(super) to: std::path::PathBuf,
}

/// What the ledger holds.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    /// Form of this answer.
    pub(super) schema: u32,
    /// Figures and problems.
    #[serde(flatten)]
    pub(super) report: crate::ledger::Report,
}

/// An operator's command over HTTP.
#[derive(Debug, Deserialize)]
pub(super) struct OperatorRequest {
    /// Who.
    pub(super) who: String,
    /// What.
    #[serde(flatten)]
    pub(super) command: decide::OperatorCommand,
}

/// Everything known about one record, link or run.
#[derive(Debug, Serialize)]
pub(super) struct Why {
    pub(super) schema: u32,
    pub(super) links: Vec<views::Link>,
    pub(super) runs: Vec<views::Run>,
    pub(super) incidents: Vec<views::Incident>,
    /// The message of this name, where one is kept for people.
    pub(super) message: Option<decide::views::Parked>,
    /// The last lines of history about it, oldest first.
    pub(super) history: Vec<decide::Event>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_that_cannot_be_counted_is_not_healthy() {
        let seen = |inbox| Seen {
            time: Timestamp(0),
            rules: RulesView { hash: String::new(), syncs: 0, reactions: 0, workflows: 0, older: 0, refused: None },
            ledger: LedgerView { last: 0, durable: 0, full: false },
            sources: BTreeMap::new(),
            lanes: Vec::new(),
            limits: Vec::new(),
            paused: BTreeMap::new(),
            under_way: 0,
            inbox,
            counts: Counts::default(),
        };
        assert_eq!(warnings(&seen(Ok(0)), &BTreeMap::new(), true), Vec::<String>::new());
        let warned = warnings(&seen(Err("a torn row".to_owned())), &BTreeMap::new(), true);
        assert_eq!(warned, ["the inbox cannot be counted: a torn row"]);
    }

    #[test]
    fn a_version_is_warned_of_180_days_before_its_end() {
        let day = |text: &str| Timestamp::parse(text).expect("a time");
        assert_eq!(sunset("crm", "2026-09", day("2027-09-01T00:00:00Z")), None);
        let warned = sunset("crm", "2026-09", day("2027-09-04T00:00:00Z")).expect("it ends on 1 March 2028");
        assert!(warned.contains("2028-03-01"), "{warned}");
        assert!(sunset("crm", "v3", day("2027-04-01T00:00:00Z")).is_some());
        assert_eq!(sunset("crm", "v3", day("2026-11-25T00:00:00Z")), None);
    }
}
