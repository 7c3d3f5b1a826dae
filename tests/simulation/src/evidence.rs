//! What a run left behind, as plain data: what people and the engine did to the systems, what the engine asked, said and
//! shows, and how all ends. The oracle judges by this alone.
//!
//! Always true: times are the simulation's own unless said otherwise; nothing in here is the engine's opinion but
//! [`Evidence::audit`], [`Evidence::pairs`], [`Evidence::incidents`] and [`Evidence::stuck`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsl::program::Program;
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

/// A record of a system.
pub type Record = (EntityName, String);

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A person, or an automation of the system: for the engine they are the same.
    Person,
    /// A request of the engine.
    Engine,
    /// Nobody by itself: a link is gone or back because its target is.
    Nobody,
}

/// Something that happened to a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub who: Who,
    /// The record.
    pub record: Record,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It was made.
    Made,
    /// A field holds another value; the one before, and this one. What a record is made with is told as a change of
    /// each field from empty.
    Field(String, Value, Value),
    /// A link leads elsewhere: the ids before, and these, in the order of the system.
    Link(String, Vec<String>, Vec<String>),
    /// It was deleted or archived.
    Gone,
    /// It was erased for privacy.
    Erased,
    /// It came back.
    Back,
    /// It lives on as another record, which keeps its values; or gives way to it.
    Merged {
        /// The record that lives from then on.
        into: String,
        /// Its values are this record's.
        primary: bool,
    },
}

/// A record as it is at the end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Held {
    /// Fields that are not empty.
    pub fields: BTreeMap<String, Value>,
    /// Links, as ids in the order of the system.
    pub links: BTreeMap<String, Vec<String>>,
}

/// A line of the engine's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub action: String,
    /// The sync.
    pub rule: String,
    /// Ids that it names.
    pub ids: Vec<String>,
    /// The field.
    pub field: Option<String>,
    /// The value that stands.
    pub value: Option<String>,
    /// The value that was displaced.
    pub displaced: Option<String>,
}

/// A pair, as the engine shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Its name, `l12`.
    pub name: String,
    /// The sync.
    pub sync: String,
    /// The record on each side.
    pub ids: [Option<String>; 2],
    /// The state in the engine's word.
    pub state: String,
    /// Its fields that wait for a person, by the text of their lines, or why all of it does.
    pub detail: String,
}

/// Something that people are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// What it is about: `link l12`, `run r7`.
    pub subject: String,
    /// The record.
    pub id: String,
    /// Why.
    pub cause: String,
}

/// A request of the engine, when it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// When it left.
    pub sent: Timestamp,
    /// The system.
    pub system: String,
    /// `read`, `create`, `update`, `delete`, `link`, `list` or `call`.
    pub kind: &'static str,
    /// How many records it writes.
    pub records: usize,
}

/// An e-mail, a survey or a notice that was really sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// What it is, with its template and whom it goes to.
    pub what: String,
}

/// All of it.
pub struct Evidence {
    /// The rules at the end.
    pub program: Arc<Program>,
    /// What happened, in order.
    pub changes: Vec<Change>,
    /// Names of things that records are, by record.
    pub names: BTreeMap<Record, String>,
    /// Records that live at the end.
    pub end: BTreeMap<Record, Held>,
    /// The engine's history.
    pub audit: Vec<Line>,
    /// The pairs at the end.
    pub pairs: Vec<Pair>,
    /// What people are shown at the end.
    pub incidents: Vec<Incident>,
    /// What nothing will ever wake.
    pub stuck: Vec<String>,
    /// What the engine asked.
    pub requests: Vec<Request>,
    /// Requests that a system turned away because they came too fast.
    pub too_fast: u64,
    /// From then on nobody did anything, nothing was on its way, and every retry had had its time.
    pub quiet_from: Timestamp,
    /// What was sent to people.
    pub sent: Vec<Sent>,
    /// Values of erased records that rows of the engine still hold, and the kind of row.
    pub kept: Vec<(String, String)>,
    /// Faults that a request met, crashes, and changes of rules.
    pub faults: usize,
    /// How far clocks are ahead.
    pub ahead: BTreeMap<String, Duration>,
    /// Changes closer than this count as simultaneous.
    pub skew_guard: Duration,
    /// What was expected besides, and is otherwise.
    pub unexpected: Vec<String>,
    /// Rule sets were changed under way.
    pub reloaded: bool,
    /// Systems of which a message was lost for good.
    pub lost: BTreeSet<String>,
}

impl std::fmt::Display for Evidence {
    /// What happened, in the order of time, and what there is in the end.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines: Vec<(Timestamp, String)> = Vec::new();
        for Change { at, who, record: (entity, id), what } in &self.changes {
            lines.push((*at, format!("{who:?} {entity} {id}: {what:?}")));
        }
        for Line { at, action, ids, field, value, displaced, .. } in &self.audit {
            let part =
                |name: &str, part: &Option<String>| part.as_ref().map_or_else(String::new, |p| format!(" {name} {p}"));
            let text = format!("{}{}{}", part("of", field), part("is", value), part("was", displaced));
            lines.push((*at, format!("  history: {action} {}{text}", ids.join(" "))));
        }
        for Request { sent, system, kind, records } in self.requests.iter().filter(|request| request.kind != "list") {
            lines.push((*sent, format!("  request: {kind} to {system}, {records} records")));
        }
        lines.sort_by_key(|(at, _)| *at);
        for (at, line) in lines {
            writeln!(out, "{at} {line}")?;
        }
        for Pair { name, sync, ids, state, detail } in &self.pairs {
            writeln!(out, "{name} of {sync}: {ids:?} {state} {detail}")?;
        }
        for Incident { subject, id, cause } in &self.incidents {
            writeln!(out, "incident of {subject} ({id}): {cause}")?;
        }
        Ok(())
    }
}
