//! Schedules: zones that exist, and what all schedules together may write inside of a limit.

use super::words::{list, plural};
use super::world::World;
use crate::ast;
use crate::diagnostic::{Code, Problem};
use crate::program::{Limit, Run};
use crate::schema::EntityName;
use crate::source::Span;
use crate::value;

/// What a schedule may write to a system.
#[derive(Debug, Clone)]
pub(super) struct Load {
    sync: String,
    /// The system that is written.
    target: String,
    source: EntityName,
    every: value::Duration,
    /// Records that one run may write.
    each: u64,
    /// `each` is the lock's `records`, not the batch.
    counted: bool,
    span: Span,
}

impl Load {
    /// How many records in a window.
    fn within(&self, every: value::Duration, window: value::Duration) -> u64 {
        runs(every, window).saturating_mul(self.each)
    }
}

/// Intervals to suggest.
const INTERVALS: [value::Duration; 14] = [
    value::Duration::minutes(1),
    value::Duration::minutes(2),
    value::Duration::minutes(5),
    value::Duration::minutes(10),
    value::Duration::minutes(15),
    value::Duration::minutes(30),
    value::Duration::hours(1),
    value::Duration::hours(2),
    value::Duration::hours(3),
    value::Duration::hours(4),
    value::Duration::hours(6),
    value::Duration::hours(12),
    value::Duration::days(1),
    value::Duration::days(7),
];

fn runs(every: value::Duration, window: value::Duration) -> u64 {
    u64::try_from((window.0 / every.0.max(1)).max(1)).unwrap_or(1)
}

impl World<'_> {
    pub(super) fn run(&mut self, sync: &ast::Sync) -> Run {
        let Some(run) = &sync.run else { return Run::OnChange };
        if let ast::Run::Every { batch: Some(size), .. } | ast::Run::DailyAt { batch: Some(size), .. } = &run.value
            && size.value == 0
        {
            let problem = Problem::new(Code::E0801, "a batch of none never ends", size.span, "no record in a batch");
            self.tell(problem.help("write `in batches of 100`"));
        }
        let batch = |b: &Option<crate::source::Spanned<u64>>| b.as_ref().map_or(100, |b| b.value);
        match &run.value {
            ast::Run::OnChange => Run::OnChange,
            ast::Run::Every { every, batch: b } => {
                if every.0 <= 0 {
                    let problem =
                        Problem::new(Code::E0801, "this schedule never rests", run.span, "no time between two runs");
                    self.tell(problem.help("write an interval, such as `every 1 hour`"));
                    return Run::OnChange;
                }
                self.load(sync, run.span, *every, b.as_ref().map(|b| b.value));
                Run::Every(*every, batch(b))
            }
            ast::Run::DailyAt { minute, zone, batch: b } => {
                self.load(sync, run.span, value::Duration::days(1), b.as_ref().map(|b| b.value));
                let Some(zone) = zone else {
                    let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
                    let problem =
                        Problem::new(Code::E0804, "a time of day needs a zone", run.span, format!("{clock} where?"));
                    self.tell(problem.help("write `in \"Europe/London\"` behind it"));
                    return Run::OnChange;
                };
                if jiff::tz::TimeZone::get(&zone.value).is_err() {
                    let problem = Problem::new(
                        Code::E0802,
                        format!("there is no time zone \"{}\"", zone.value),
                        zone.span,
                        "not a zone",
                    );
                    self.tell(problem.help("write a zone of the IANA list, such as \"Europe/London\""));
                    return Run::OnChange;
                }
                Run::DailyAt { minute: *minute, zone: zone.value.clone(), batch: batch(b) }
            }
        }
    }

    fn load(&mut self, sync: &ast::Sync, span: Span, every: value::Duration, batch: Option<u64>) {
        let left = EntityName::new(&sync.left.system.value, &sync.left.name.value);
        let right = EntityName::new(&sync.right.system.value, &sync.right.name.value);
        let mut ways = vec![(&left, &right)];
        if sync.two_way {
            ways.push((&right, &left));
        }
        // What is said is about the schedule; the word `run` before it is not.
        let skip = self.text(span).strip_prefix("run").map_or(0, |rest| 3 + (rest.len() - rest.trim_start().len()));
        let span = Span { start: span.start + skip as u32, ..span };
        for (source, target) in ways {
            let records = self.entity(source).and_then(|e| e.records);
            let Some(each) = records.or(batch) else { continue };
            self.found.loads.push(Load {
                sync: sync.name.value.clone(),
                target: target.system.clone(),
                source: source.clone(),
                every,
                each,
                counted: records.is_some(),
                span,
            });
        }
    }

    /// E0801: what the schedules may write in a window of the `bulk` limit.
    pub(super) fn limits(&mut self) {
        let loads = std::mem::take(&mut self.found.loads);
        let limits: Vec<(String, Limit)> =
            self.systems.iter().filter_map(|(name, s)| Some((name.clone(), *s.limits.get("bulk")?))).collect();
        for (system, limit) in limits {
            let mut here: Vec<&Load> = loads.iter().filter(|load| load.target == system).collect();
            let total = here.iter().fold(0u64, |sum, l| sum.saturating_add(l.within(l.every, limit.per)));
            if total <= limit.amount {
                continue;
            }
            // The one that writes most is the one to change.
            here.sort_by_key(|load| std::cmp::Reverse(load.within(load.every, limit.per)));
            if let [most, others @ ..] = here.as_slice() {
                self.overload(&system, limit, most, others);
            }
        }
    }

    fn overload(&mut self, system: &str, limit: Limit, most: &Load, others: &[&Load]) {
        let what = if most.counted {
            let note = self
                .lock_line(&most.source.system, &format!("entities.{}.records", most.source.entity))
                .map(|r| format!(" ({}:{})", r.file, r.line))
                .unwrap_or_default();
            format!("up to {} {} each{note}", most.each, plural(&most.source.entity))
        } else {
            format!("{} records each", most.each)
        };
        let window =
            if limit.per == value::Duration::hours(1) { "an hour".to_owned() } else { format!("in {}", limit.per) };
        let count = runs(most.every, limit.per);
        let runs = if count == 1 { "1 run".to_owned() } else { format!("{count} runs") };
        let place = self
            .limit_spans
            .get(&(system.to_owned(), "bulk".to_owned()))
            .map(|span| format!(" ({})", self.place(*span)));
        let needs: Vec<String> =
            others.iter().map(|l| format!("{} needs {}", l.sync, l.within(l.every, limit.per))).collect();
        let and = if needs.is_empty() { String::new() } else { format!(", and {}", list(&needs)) };
        let mut help = format!(
            "{system} allows {} bulk records per {}{}, this is up to {}{and}",
            limit.amount,
            limit.per,
            place.unwrap_or_default(),
            most.within(most.every, limit.per)
        );
        let rest = others.iter().fold(0u64, |sum, l| sum.saturating_add(l.within(l.every, limit.per)));
        let fitting = INTERVALS
            .into_iter()
            .find(|every| *every > most.every && most.within(*every, limit.per).saturating_add(rest) <= limit.amount);
        match fitting {
            Some(every) => {
                let mut sums = vec![most.within(every, limit.per).to_string()];
                sums.extend(others.iter().map(|l| l.within(l.every, limit.per).to_string()));
                help.push_str(&format!("\n`every {every}` fits: {}", list(&sums)));
            }
            None => help.push_str("\nno longer interval fits: raise the limit, or let `only where` take fewer records"),
        }
        let problem = Problem::new(
            Code::E0801,
            format!("this schedule cannot fit inside the {system} limit"),
            most.span,
            format!("{runs} {window}, {what}"),
        );
        self.tell(problem.help(help));
    }
}
