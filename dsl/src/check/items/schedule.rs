//! Schedules: zones that exist, and what all schedules together may write inside of a limit; sweeps, and what they ask.

use crate::ast;
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::{Load, Sweep};
use crate::diagnostic::{Code, Problem};
use crate::program::Run;
use crate::schema::EntityName;
use crate::source::Span;
use crate::value;

/// How often a sync on change looks for changes of which no message came, where its rules do not say.
pub(crate) const USUAL_SWEEP: value::Duration = value::Duration::minutes(15);

/// Nobody sweeps more often.
const SHORTEST_SWEEP: value::Duration = value::Duration::minutes(1);

impl Checker<'_> {
    /// How often the sync sweeps; `None` for never.
    pub(crate) fn sweep(&mut self, sync: &ast::Sync) -> Option<value::Duration> {
        let by_clock = sync.run.as_ref().filter(|run| run.value != ast::Run::OnChange);
        if let Some(run) = by_clock {
            if let Some(sweep) = &sync.sweep {
                let message = "a sync that runs by the clock has no `sweep`";
                let problem = Problem::new(Code::E0805, message, sweep.span, "each run asks for what changed anyway");
                self.report(problem.label(run.span, "it runs by the clock").help("remove this line"));
            }
            return None;
        }
        let every = sync.sweep.as_ref().map_or(Some(USUAL_SWEEP), |sweep| sweep.value)?;
        let span = sync.sweep.as_ref().map_or(sync.name.span, |sweep| sweep.span);
        if every < SHORTEST_SWEEP {
            let message = "a sweep once a minute is the most there is";
            let problem = Problem::new(Code::E0805, message, span, "what changes now comes with its message");
            self.report(problem.help(format!("write a longer interval, such as `sweep every {USUAL_SWEEP}`")));
            return Some(SHORTEST_SWEEP);
        }
        for side in [&sync.left, &sync.right] {
            let (name, system) = (sync.name.value.clone(), side.system.value.clone());
            self.findings.sweeps.push(Sweep { sync: name, system, every, span });
        }
        Some(every)
    }

    pub(crate) fn run(&mut self, sync: &ast::Sync) -> Run {
        let Some(run) = &sync.run else { return Run::OnChange };
        if let ast::Run::Every { batch: Some(size), .. } | ast::Run::DailyAt { batch: Some(size), .. } = &run.value
            && size.value == 0
        {
            let problem = Problem::new(Code::E0801, "a batch of none never ends", size.span, "no record in a batch");
            self.report(problem.help("write `in batches of 100`"));
        }
        let batch = |b: &Option<crate::source::Spanned<u64>>| b.as_ref().map_or(100, |b| b.value);
        match &run.value {
            ast::Run::OnChange => Run::OnChange,
            ast::Run::Every { every, batch: b } => {
                if every.0 <= 0 {
                    let problem =
                        Problem::new(Code::E0801, "this schedule never rests", run.span, "no time between two runs");
                    self.report(problem.help("write an interval, such as `every 1 hour`"));
                    return Run::OnChange;
                }
                self.load(sync, run.span, *every, b.as_ref().map(|b| b.value));
                Run::Every(*every, batch(b))
            }
            ast::Run::DailyAt { minute, zone, batch: b } => {
                // What it writes in a day does not depend on the zone, so E0801 is told beside a wrong one.
                self.load(sync, run.span, value::Duration::days(1), b.as_ref().map(|b| b.value));
                let Some(zone) = zone else {
                    let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
                    let problem =
                        Problem::new(Code::E0804, "a time of day needs a zone", run.span, format!("{clock} where?"));
                    self.report(problem.help("write `in \"Europe/London\"` behind it"));
                    return Run::OnChange;
                };
                if jiff::tz::TimeZone::get(&zone.value).is_err() {
                    let problem = Problem::new(
                        Code::E0802,
                        format!("there is no time zone \"{}\"", zone.value),
                        zone.span,
                        "not a zone",
                    );
                    self.report(problem.help("write a zone of the IANA list, such as \"Europe/London\""));
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
        let skip =
            self.declared.text(span).strip_prefix("run").map_or(0, |rest| 3 + (rest.len() - rest.trim_start().len()));
        let span = Span { start: span.start + skip as u32, ..span };
        for (source, target) in ways {
            let records = self.declared.entity(source).and_then(|e| e.records);
            let Some(each) = records.or(batch) else { continue };
            self.findings.loads.push(Load {
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
}
