//! One `test` of the rules, from its first line to its last.
//!
//! In: a program, the files it came from, a test. Out: a report.
//! Always true: a test begins in a simulation of its own, so tests can run in any order and side by side; only what its
//! `when` lines start happens, and effects take no time of the test's.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dsl::ast::FaultExtent;
use dsl::diagnostic::{Code, Problem};
use dsl::program::Program;
use dsl::program::test::{Held, Line, Target, Test};
use dsl::schema::{About, Change, EntityName};
use dsl::source::Span;
use dsl::value::{Duration, Timestamp, Value};

use super::expect::{self, Expected};
use super::given::Stage;
use super::simulation::{Simulation, StepFault};
use super::twins::Content;
use super::view::{Record, View, evaluate};
use crate::decide::{Input, OperatorCommand, Reached, Settings, stuck, views};

/// How long requests may wait for their turn while nothing else happens.
const REST: Duration = Duration::seconds(5);

/// What became of a test.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was not as expected; nothing where it passed.
    pub failures: Vec<Failure>,
    /// Parts of the rules that decisions reached.
    pub reached: BTreeSet<Reached>,
    /// Lines of syncs, by index of the sync and of the line, whose value an expectation that held looked at.
    pub looked_at: BTreeSet<(usize, usize)>,
}

/// Something that was not as expected.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What, for people and tools.
    pub problem: Problem,
    /// Rule lines that wrote what was looked at; where none did, those that may.
    pub writers: Vec<Writer>,
}

/// A rule line that a failure is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writer {
    /// File, relative to the rule set.
    pub file: String,
    /// Line from 1.
    pub line: u32,
    /// Its text, where it is a line of a sync or begins a step; otherwise empty.
    pub text: String,
}

/// Runs a test.
#[must_use]
pub fn rehearse(program: &Arc<Program>, test: &Test) -> Report {
    let mut run = match Run::new(program, test) {
        Ok(run) => run,
        Err(why) => return broken(test, test.span, &why),
    };
    let mut report = Report::default();
    for line in &test.lines {
        match run.line(&line.value, line.span) {
            Ok(None) => {}
            Ok(Some(expected)) => {
                report.failures.extend(expected.failures);
                report.looked_at.extend(expected.looked_at);
            }
            Err(why) => {
                report.failures.extend(broken(test, line.span, &why).failures);
                break;
            }
        }
    }
    // What a failed test leaves behind follows from its failure, and is not told besides.
    if report.failures.is_empty() {
        match expect::unexpected(&run.simulation, &run.accepted, test) {
            Ok(failures) => report.failures = failures,
            Err(why) => report.failures.extend(broken(test, test.span, &why).failures),
        }
        match stuck(run.simulation.rows()) {
            Ok(found) => report.failures.extend(found.iter().flat_map(|lacks| {
                broken(test, test.span, &format!("{lacks}, which is a defect of the engine")).failures
            })),
            Err(error) => report.failures.extend(broken(test, test.span, &error.to_string()).failures),
        }
    }
    report.reached = run.simulation.reached().clone();
    report
}

/// Runs tests side by side, on as many threads as there are cores, at most `threads`; the reports stand in the
/// order of the tests. A test in which the engine breaks off has failed, and stops no other.
#[must_use]
pub fn rehearse_all(program: &Arc<Program>, tests: &[&Test], threads: usize) -> Vec<Report> {
    side_by_side(tests, threads, &|test| rehearse(program, test))
}

fn side_by_side(tests: &[&Test], threads: usize, one: &(dyn Fn(&Test) -> Report + Sync)) -> Vec<Report> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = threads.min(cores).min(tests.len()).max(1);
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, Report>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(test) = tests.get(index) else { return };
                    // Nothing of a simulation that broke off is used again.
                    let report = catch_unwind(AssertUnwindSafe(|| one(test))).unwrap_or_else(|panic| {
                        let why = format!("the engine broke off, which is a defect of it: {}", said(&*panic));
                        broken(test, test.span, &why)
                    });
                    done.lock().expect("nothing panics while it holds the reports").insert(index, report);
                }
            });
        }
    });
    done.into_inner().expect("every thread has ended").into_values().collect()
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it gave no reason")
}

/// A test that cannot go on.
fn broken(test: &Test, span: Span, why: &str) -> Report {
    let problem = Problem::new(Code::T0001, format!("test \"{}\" cannot go on", test.title), span, why);
    Report { failures: vec![Failure { problem, writers: Vec::new() }], ..Report::default() }
}

pub(super) struct Run<'a> {
    pub(super) program: &'a Arc<Program>,
    pub(super) test: &'a Test,
    pub(super) simulation: Simulation,
    pub(super) stage: Stage,
    midnight: jiff::Zoned,
    begun: bool,
    /// Subjects of what was expected to wait for a person.
    pub(super) accepted: BTreeSet<String>,
    /// What the test itself changed, in order.
    pub(super) edits: Vec<Edit>,
}

/// A field or link that the test itself changed.
pub(super) struct Edit {
    pub(super) record: Record,
    pub(super) field: String,
    /// How much systems had taken from the engine by then.
    pub(super) after: usize,
}

impl<'a> Run<'a> {
    fn new(program: &'a Arc<Program>, test: &'a Test) -> Result<Self, String> {
        let given = test.lines.iter().find_map(|line| match &line.value {
            Line::Time { date, minute, zone } => Some((*date, *minute, zone.clone())),
            _ => None,
        });
        let (date, minute, zone) = given.unwrap_or((jiff::civil::date(2026, 1, 5), 9 * 60, None));
        let zone = zone.unwrap_or_else(|| "UTC".to_owned());
        let midnight = date.in_tz(&zone).map_err(|error| error.to_string())?;
        let start = moment(&midnight, minute)?;
        let settings = Settings {
            linger: Duration(0),
            linger_bulk: Duration(0),
            run_at_start: false,
            trace: true,
            // A test dates its changes as it likes: no clock of its systems is wrong.
            clock_ahead: Duration(i64::MAX / 2),
            // However long it lasts, what is over can be asked for at its end.
            retention: Duration(i64::MAX / 2),
            ..Settings::default()
        };
        let simulation = Simulation::with(Arc::clone(program), start, settings).map_err(|error| error.to_string())?;
        Ok(Self {
            program,
            test,
            simulation,
            stage: Stage::new(start),
            midnight,
            begun: false,
            accepted: BTreeSet::new(),
            edits: Vec::new(),
        })
    }

    fn line(&mut self, line: &Line, span: Span) -> Result<Option<Expected>, String> {
        match line {
            Line::Time { .. } => return Ok(None),
            Line::Given { variable, entity, changed_at, values } => {
                let changed = changed_at.map(|minute| moment(&self.midnight, minute)).transpose()?;
                self.stage.given(&self.simulation, variable.as_ref(), entity, changed, values)?;
                // What is given later is there before the next thing happens.
                self.begun = false;
                return Ok(None);
            }
            _ => {}
        }
        if !self.begun && !matches!(line, Line::Fault { .. }) {
            self.stage.begin(&mut self.simulation)?;
            self.begun = true;
        }
        match line {
            Line::Time { .. } | Line::Given { .. } => {}
            Line::Fault { target, status, extent } => self.fault(target, *status, *extent),
            Line::Pass(span) => {
                // A wait that includes its last instant is over right after it.
                self.simulation.pass(Duration(span.0 + 1)).map_err(|error| error.to_string())?;
                self.rest()?;
            }
            Line::SyncRuns(sync) => {
                let command = OperatorCommand::Backfill { sync: self.program.syncs[*sync].name.clone() };
                self.simulation
                    .input(&Input::Operator { who: "test".to_owned(), command })
                    .map_err(|error| error.to_string())?;
                self.rest()?;
            }
            Line::Becomes { variable, held } => self.becomes(variable, held)?,
            Line::Happens { what, event: true, values } => self.event(what, values, 1)?,
            Line::Happens { what, event: false, values } => {
                let (id, content) = self.stage.content(&self.simulation, what, values)?;
                self.create(what, id.as_deref(), &content, 1)?;
            }
            Line::Message { system, message, times, values } => self.message(system, message, *times, values)?,
            Line::Expect(expectation) => return expect::check(self, expectation, span).map(Some),
        }
        Ok(None)
    }

    fn rest(&mut self) -> Result<(), String> {
        self.simulation.come_to_rest(REST).map_err(|error| error.to_string())
    }

    fn fault(&mut self, target: &Target, status: Option<u16>, extent: FaultExtent) {
        let until = |span: Duration| self.simulation.now().plus(span);
        match (target, extent) {
            (Target::Step(workflow, step), FaultExtent::Times(n)) => {
                self.simulation.fail_step(*workflow, *step, StepFault::Times(n));
            }
            (Target::Step(workflow, step), FaultExtent::For(span)) => {
                let until = until(span);
                self.simulation.fail_step(*workflow, *step, StepFault::Until(until));
            }
            (Target::System(system), extent) => {
                let status = status.unwrap_or(503);
                let Some(twin) = self.simulation.twins.get(system) else { return };
                match extent {
                    FaultExtent::Times(n) => twin.fail_next(usize::try_from(n).unwrap_or(usize::MAX), status),
                    FaultExtent::For(span) => twin.answers(status, until(span)),
                }
            }
        }
    }

    fn becomes(&mut self, variable: &str, held: &Held) -> Result<(), String> {
        let view = self.view();
        let record = self.stage.vars.get(variable).ok_or_else(|| format!("`{variable}` is no record"))?;
        let (entity, id) = view.follow_all(record, &held.links).ok_or("this leads to no record")?;
        let value = Held { links: Vec::new(), ..held.clone() };
        let (_, content) = self.stage.content(&self.simulation, &entity, &[value])?;
        self.edit(&(entity, id), &content)?;
        self.rest()
    }

    pub(super) fn view(&self) -> View<'_> {
        View { program: self.program, twins: &self.simulation.twins, vars: &self.stage.vars }
    }

    fn edit(&mut self, (entity, id): &Record, content: &Content) -> Result<(), String> {
        let now = self.simulation.now();
        let after = self.simulation.wrote().len();
        for field in content.values.keys().chain(content.links.keys()) {
            self.edits.push(Edit { record: (entity.clone(), id.clone()), field: field.clone(), after });
        }
        let system = &self.program.systems[&entity.system];
        self.simulation.twins[&entity.system].edit(&system.lock, &entity.entity, id, content, now)
    }

    fn create(&mut self, entity: &EntityName, id: Option<&str>, content: &Content, times: u32) -> Result<(), String> {
        let now = self.simulation.now();
        let system = &self.program.systems[&entity.system];
        let twin = self.simulation.twins[&entity.system].clone();
        match id {
            // With an id of the test's own it is put there, and then told of.
            Some(id) => {
                twin.place(&system.lock, &entity.entity, Some(id), content, now)?;
                twin.tell_made(&system.lock, &entity.entity, id, now)?;
            }
            None => {
                twin.create(&system.lock, &entity.entity, content, now)?;
            }
        }
        twin.repeat(times);
        self.rest()?;
        twin.repeat(1);
        Ok(())
    }

    fn event(&mut self, event: &EntityName, values: &[Held], times: u32) -> Result<(), String> {
        let now = self.simulation.now();
        let lock = &self.program.systems[&event.system].lock;
        let view = self.view();
        let mut data = std::collections::BTreeMap::new();
        for held in values {
            let value = evaluate(&view, &held.value).map_err(|fault| fault.to_string())?;
            let name = held.field.clone().unwrap_or_default();
            super::given::put(&mut data, &name, &held.inside, dsl::decode::encode_field(&value));
        }
        for (name, field) in lock.events.get(&event.entity).into_iter().flatten() {
            if field.ty == dsl::schema::Type::Time {
                data.entry(name.clone()).or_insert_with(|| now.to_string().into());
            }
        }
        let twin = self.simulation.twins[&event.system].clone();
        for _ in 0..times {
            twin.tell(lock, &event.entity, &data, now)?;
        }
        self.rest()
    }

    fn message(&mut self, system: &str, message: &str, times: u32, values: &[Held]) -> Result<(), String> {
        if !self.program.doors.contains_key(system) {
            return Err(format!("the rules have no `events from {system}`, so nothing hears this message"));
        }
        let lock = &self.program.systems[system].lock;
        let about = lock.deliveries.as_ref().and_then(|d| d.messages.get(message)).map(|message| message.about.clone());
        let (entity, change) = match about {
            Some(About::Record { entity, change }) => (EntityName::new(system, entity), change),
            Some(About::Event(event)) => return self.event(&EntityName::new(system, event), values, times),
            None => return Err(format!("{} sends no message `{message}`", lock.product)),
        };
        let (id, content) = self.stage.content(&self.simulation, &entity, values)?;
        let there = self.meant(&entity, id.as_deref(), &content);
        let now = self.simulation.now();
        let twin = self.simulation.twins[system].clone();
        match (change, there) {
            (Change::Created, None) => return self.create(&entity, id.as_deref(), &content, times),
            (Change::Created, Some(record)) => twin.tell_again(lock, &entity.entity, &record.1, change, now)?,
            (Change::Deleted | Change::Erased, Some(record)) => twin.delete(&entity.entity, &record.1, now)?,
            (Change::Merged | Change::Restored | Change::Linked, _) => {
                return Err(format!("a test cannot send `{message}`: change the records themselves"));
            }
            (_, Some(record)) => {
                self.edit(&record, &content)?;
                if !twin.has_news() {
                    twin.tell_again(lock, &entity.entity, &record.1, change, now)?;
                }
            }
            (_, None) => return Err(format!("no such {entity} is given")),
        }
        twin.repeat(times);
        self.rest()?;
        twin.repeat(1);
        Ok(())
    }

    /// The record that a message is about: by its id, or by a unique value.
    fn meant(&self, entity: &EntityName, id: Option<&str>, content: &Content) -> Option<Record> {
        let view = self.view();
        if let Some(id) = id {
            return view.ids(entity).into_iter().find(|known| known == id).map(|id| (entity.clone(), id));
        }
        let shape = self.program.entity(entity)?;
        content.values.iter().find_map(|(name, wire)| {
            shape.fields.get(name).filter(|field| field.unique)?;
            let value = dsl::decode::decode(self.program, entity, name, wire).ok()?;
            view.find(entity, name, &value)
        })
    }

    /// Runs of workflows that are kept.
    pub(super) fn runs(&self) -> Result<Vec<views::Run>, String> {
        views::runs(self.simulation.rows(), self.simulation.programs()).map_err(|error| error.to_string())
    }

    pub(super) fn evaluate(&self, held: &Held) -> Result<Value, String> {
        evaluate(&self.view(), &held.value).map_err(|fault| fault.to_string())
    }
}

fn moment(midnight: &jiff::Zoned, minute: u32) -> Result<Timestamp, String> {
    let time = i8::try_from(minute / 60).and_then(|hour| Ok((hour, i8::try_from(minute % 60)?)));
    let (hour, minute) = time.map_err(|error| error.to_string())?;
    let at = midnight.with().hour(hour).minute(minute).build().map_err(|error| error.to_string())?;
    Ok(Timestamp(at.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_in_which_the_engine_breaks_off_fails_and_the_others_go_on() {
        let test = |title: &str| Test {
            title: title.to_owned(),
            lines: Vec::new(),
            place: Default::default(),
            span: Default::default(),
        };
        let (one, two, three) = (test("one"), test("two"), test("three"));
        let reports = side_by_side(&[&one, &two, &three], 2, &|test| {
            assert_ne!(test.title, "two", "broken on purpose");
            Report::default()
        });
        let failures: Vec<usize> = reports.iter().map(|report| report.failures.len()).collect();
        assert_eq!(failures, [0, 1, 0]);
        let problem = &reports[1].failures[0].problem;
        assert_eq!(problem.code, Code::T0001);
        assert!(problem.labels[0].text.contains("broken on purpose"), "{problem:?}");
    }
}
