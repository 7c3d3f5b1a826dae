//! Read-only views of the rows, for status pages, commands and tests. Plain structs; nothing is decided here.

mod fields;
mod find;
pub mod liveness;
mod parked;
pub mod start;
mod status;

use dsl::program::{Place, Side};
use serde::{Deserialize, Serialize};

use crate::decide::model::incident::IncidentRow;
use crate::decide::model::key;
use crate::decide::model::link::{LinkRow, LinkState};
use crate::decide::model::row::{all, all_behind};
use crate::decide::model::run::{RunOf, RunRow, RunState};
use crate::decide::model::settings::Programs;
use crate::decide::model::subject::Subject;
use crate::decide::model::work::{CallItem, Owner};
use crate::ids::{CallId, LinkId, RunId};
use crate::ledger::{Error, Rows};

pub use self::fields::{Held, PairLine, lines};
pub use self::find::links_about;
pub use self::parked::{LikeIt, Parked, parked};
pub use self::status::{LinkStatus, RunStatus};

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// `link l12`, `run r7`, `message m3`.
    pub subject: String,
    /// Incidents of one cause share it.
    pub fingerprint: String,
    /// Why, in plain words.
    pub cause: String,
    /// The entity of the record.
    pub entity: String,
    /// The record.
    pub id: String,
    /// The rule line.
    pub place: String,
    /// RFC 3339.
    pub since: String,
    /// A record waits (`true`) or a run has stopped.
    pub parked: bool,
    /// What would mend it.
    pub advice: String,
    /// How many messages it stands for, where it is about one that could not be read: those of one cause and door.
    #[serde(default = "parked::one")]
    pub count: u64,
    /// When the last of them came, where there are several; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// A pair of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `l12`
    pub link: String,
    /// The sync.
    pub sync: String,
    /// Id on the left.
    pub left: Option<String>,
    /// Id on the right.
    pub right: Option<String>,
    /// In which state it is.
    pub state: LinkStatus,
    /// Why it is parked, or which fields are.
    pub detail: String,
}

/// A run of a `when` or a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// `r7`
    pub run: String,
    /// The workflow's name, or `when …`.
    pub rule: String,
    /// In which state it is.
    pub state: RunStatus,
    /// The step it is in.
    pub step: Option<String>,
    /// Steps that are completed.
    pub completed: Vec<String>,
    /// Steps that were undone.
    pub undone: Vec<String>,
    /// What it waits for or why it stopped.
    pub detail: String,
    /// RFC 3339.
    pub started: String,
}

/// Everything that needs a person, oldest first.
///
/// # Errors
/// Where rows cannot be read.
pub fn incidents(rows: &dyn Rows) -> Result<Vec<Incident>, Error> {
    let mut found: Vec<(i64, Incident)> = all::<IncidentRow>(rows)
        .map(|found| {
            let (_, row) = found?;
            let alike = match row.subject {
                Subject::Message(number) => {
                    key::alike(&row.fingerprint).read(rows)?.filter(|alike| alike.first == number)
                }
                _ => None,
            };
            let alike = alike.filter(|alike| alike.count > 1);
            let incident = Incident {
                count: alike.as_ref().map_or(1, |alike| alike.count),
                last: alike.map(|alike| alike.last.to_string()),
                subject: row.subject.to_string(),
                fingerprint: row.fingerprint,
                cause: row.cause,
                entity: row.entity,
                id: row.id,
                place: row.place,
                since: row.since.to_string(),
                parked: row.parked,
                advice: row.advice,
            };
            Ok((row.since.0, incident))
        })
        .collect::<Result<_, Error>>()?;
    found.sort_by(|a, b| (a.0, &a.1.subject).cmp(&(b.0, &b.1.subject)));
    Ok(found.into_iter().map(|(_, incident)| incident).collect())
}

/// All links, in the order in which they were made.
///
/// # Errors
/// Where rows cannot be read.
pub fn links(rows: &dyn Rows) -> Result<Vec<Link>, Error> {
    links_behind(rows, None).collect()
}

/// The same one by one, beginning behind one of them.
pub fn links_behind(rows: &dyn Rows, behind: Option<LinkId>) -> impl Iterator<Item = Result<Link, Error>> + '_ {
    all_behind(rows, behind.map(key::link)).map(|found| {
        let (key, row) = found?;
        Ok(link_of(LinkId(key.number()?), &row))
    })
}

/// One link; `None` where there is none of this number.
///
/// # Errors
/// Where rows cannot be read.
pub fn link(rows: &dyn Rows, id: LinkId) -> Result<Option<Link>, Error> {
    Ok(key::link(id).read(rows)?.map(|row| link_of(id, &row)))
}

fn link_of(id: LinkId, row: &LinkRow) -> Link {
    let fields = || row.parked.iter().map(|(m, why)| format!("{m}: {why}")).collect::<Vec<_>>().join("; ");
    let (state, detail) = match &row.state {
        LinkState::Matching | LinkState::ReadingBack => (LinkStatus::Looking, String::new()),
        LinkState::WaitingForKey => (LinkStatus::WaitingForKey, String::new()),
        LinkState::Creating(_) => (LinkStatus::BeingMade, String::new()),
        LinkState::Alone => (LinkStatus::Alone, String::new()),
        LinkState::Excluded => (LinkStatus::LeftOut, String::new()),
        LinkState::Linked => (LinkStatus::Linked, fields()),
        LinkState::Parked(why) => (LinkStatus::Parked, why.clone()),
        LinkState::Gone => (LinkStatus::Gone, String::new()),
    };
    Link {
        link: id.to_string(),
        sync: row.sync.clone(),
        left: row.ids[Side::Left].clone(),
        right: row.ids[Side::Right].clone(),
        state,
        detail,
    }
}

/// All runs that are kept, in the order in which they began.
///
/// # Errors
/// Where rows cannot be read.
pub fn runs(rows: &dyn Rows, programs: &Programs) -> Result<Vec<Run>, Error> {
    runs_behind(rows, programs, None).collect()
}

/// The same one by one, beginning behind one of them.
pub fn runs_behind<'a>(
    rows: &'a dyn Rows,
    programs: &'a Programs,
    behind: Option<RunId>,
) -> impl Iterator<Item = Result<Run, Error>> + 'a {
    all_behind(rows, behind.map(key::run)).map(|found| {
        let (key, row) = found?;
        Ok(run_of(RunId(key.number()?), &row, programs))
    })
}

/// One run; `None` where none of this number is kept.
///
/// # Errors
/// Where rows cannot be read.
pub fn run(rows: &dyn Rows, programs: &Programs, id: RunId) -> Result<Option<Run>, Error> {
    Ok(key::run(id).read(rows)?.map(|row| run_of(id, &row, programs)))
}

fn run_of(id: RunId, row: &RunRow, programs: &Programs) -> Run {
    let program = programs.by_hash.get(&row.program);
    let (rule, code) = match (&row.what, program) {
        (RunOf::Workflow(index), Some(program)) => {
            let workflow = program.workflows.get(*index);
            (workflow.map_or_else(String::new, |w| w.name.clone()), workflow.map(|w| &w.code))
        }
        (RunOf::When(index), Some(program)) => {
            let when = program.whens.get(*index);
            (when.map_or_else(String::new, |w| format!("when {} ({})", w.entity, w.place)), when.map(|w| &w.code))
        }
        (_, None) => (format!("rules {}", row.program), None),
    };
    let step = |index: usize| {
        code.and_then(|c| c.steps.get(index)).map_or_else(|| index.to_string(), |step| step.name.clone())
    };
    let (state, detail) = match &row.state {
        RunState::Ready | RunState::Starting => (RunStatus::Running, String::new()),
        RunState::Calling(_) => (RunStatus::Running, "a call is on its way".to_owned()),
        RunState::Reading => (RunStatus::Waiting, "for a record to be read or paired".to_owned()),
        RunState::Sleeping { until }
        | RunState::Awaiting { until }
        | RunState::Retrying { until, .. }
        | RunState::Rechecking { until } => (RunStatus::Waiting, format!("until {until}")),
        RunState::Behind(other) => (RunStatus::Waiting, format!("behind {other}")),
        RunState::Stopped(why) => (RunStatus::Stopped, why.clone()),
        RunState::Finished { .. } => (RunStatus::Finished, String::new()),
        RunState::Failed { failure, .. } => {
            (RunStatus::Failed, failure.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        RunState::Cancelled { .. } => (RunStatus::Cancelled, String::new()),
    };
    Run {
        run: id.to_string(),
        rule,
        state,
        step: row.step.map(step),
        completed: row.completed.iter().map(|index| step(*index)).collect(),
        undone: row.undone.iter().map(|index| step(*index)).collect(),
        detail,
        started: row.started.to_string(),
    }
}

/// The step, as indexes of its workflow and of itself, for which each input of a call was sent; none where no
/// workflow is behind it, or an `undo`.
///
/// # Errors
/// Where rows cannot be read.
pub fn steps_of(rows: &dyn Rows, call: CallId) -> Result<Vec<Option<(usize, usize)>>, Error> {
    let step = |run: RunRow| match run.what {
        RunOf::Workflow(workflow) if run.stack.is_empty() => run.step.map(|step| (workflow, step)),
        _ => None,
    };
    Ok(runs_of(rows, call)?.into_iter().map(|run| run.and_then(step)).collect())
}

/// The line of the rules for which each input of a call was sent; none where no run is behind it.
///
/// # Errors
/// Where rows cannot be read.
pub fn places_of(rows: &dyn Rows, call: CallId) -> Result<Vec<Option<Place>>, Error> {
    let place = |run: RunRow| run.state.effect().map(|effect| effect.place.clone());
    Ok(runs_of(rows, call)?.into_iter().map(|run| run.and_then(place)).collect())
}

/// The run behind each input of a call.
fn runs_of(rows: &dyn Rows, call: CallId) -> Result<Vec<Option<RunRow>>, Error> {
    let Some(row) = key::call(call).read(rows)? else { return Ok(Vec::new()) };
    let run = |item: &CallItem| {
        let Owner::Run(id) = item.owner else { return Ok(None) };
        key::run(id).read(rows)
    };
    row.items.iter().map(run).collect()
}
