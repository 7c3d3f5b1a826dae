//! Schedules: zones that exist, and what a schedule may write inside of a limit.

use super::world::World;
use crate::ast;
use crate::diagnostic::Problem;
use crate::program::Run;
use crate::schema::EntityName;
use crate::source::Span;

impl World<'_> {
    pub(super) fn run(&mut self, sync: &ast::Sync) -> Run {
        let Some(run) = &sync.run else { return Run::OnChange };
        let batch = |b: &Option<crate::source::Spanned<u64>>| b.as_ref().map_or(100, |b| b.value);
        match &run.value {
            ast::Run::OnChange => Run::OnChange,
            ast::Run::Every { every, batch: b } => {
                self.fits_limit(sync, run.span, *every, b.as_ref().map(|b| b.value));
                Run::Every(*every, batch(b))
            }
            ast::Run::DailyAt { minute, zone, batch: b } => {
                let Some(zone) = zone else {
                    let problem = Problem::new("E0804", "a time of day needs a zone", run.span, "02:00 where?");
                    self.tell(problem.help("write `in \"Europe/London\"` behind it"));
                    return Run::OnChange;
                };
                if jiff::tz::TimeZone::get(&zone.value).is_err() {
                    let problem = Problem::new(
                        "E0802",
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

    /// E0801: what a schedule may write in a window of the `bulk` limit.
    pub(super) fn fits_limit(&mut self, sync: &ast::Sync, span: Span, every: crate::value::Span, batch: Option<u64>) {
        let target = &sync.right.system.value;
        let Some(limit) = self.systems.get(target).and_then(|s| s.limits.get("bulk")).copied() else { return };
        let source = EntityName::new(&sync.left.system.value, &sync.left.name.value);
        let records = self.entity(&source).and_then(|e| e.records);
        let Some(each) = records.or(batch) else { return };
        if every.0 <= 0 {
            return;
        }
        let runs = u64::try_from((limit.per.0 / every.0).max(1)).unwrap_or(1);
        let total = runs.saturating_mul(each);
        if total > limit.amount {
            let what = if records.is_some() {
                format!("up to {each} {}s each", sync.left.name.value.to_lowercase())
            } else {
                format!("{each} records each")
            };
            let note = self
                .lock_line(&source.system, &format!("entities.{}.records", source.entity))
                .map(|r| format!(" ({}:{})", r.file, r.line))
                .unwrap_or_default();
            let problem = Problem::new(
                "E0801",
                format!("this schedule cannot fit inside the {target} limit"),
                span,
                format!("{runs} runs in {}, {what}{note}", limit.per),
            );
            self.tell(problem.help(format!(
                "{target} allows {} bulk records per {}, this is up to {total}",
                limit.amount, limit.per
            )));
        }
    }
}
