//! What all schedules together may write inside of a limit, and what all sweeps together may ask.

use crate::check::facts::findings::{Load, Sweep};
use crate::check::facts::phrases::{list, plural};
use crate::check::whole::WholeSet;
use crate::diagnostic::{Code, Problem};
use crate::program::Limit;
use crate::value;

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

impl WholeSet<'_> {
    /// E0801: what the schedules may write in a window of the `bulk` limit.
    pub(crate) fn limits(&mut self) {
        let (declared, found) = (self.declared, self.found);
        for (system, limit) in declared.systems.iter().filter_map(|(name, s)| Some((name, *s.limits.get("bulk")?))) {
            let mut here: Vec<&Load> = found.loads.iter().filter(|load| load.target == *system).collect();
            let total = here.iter().fold(0u64, |sum, load| sum.saturating_add(within(load, load.every, limit.per)));
            if total <= limit.amount {
                continue;
            }
            // The one that writes most is the one to change.
            here.sort_by_key(|load| std::cmp::Reverse(within(load, load.every, limit.per)));
            if let [most, others @ ..] = here.as_slice() {
                self.overload(system, limit, most, others);
            }
        }
    }

    /// E0805: what the sweeps ask of a system, of its `api` limit.
    pub(crate) fn sweeps(&mut self) {
        let (declared, found) = (self.declared, self.found);
        for (system, limit) in declared.systems.iter().filter_map(|(name, s)| Some((name, *s.limits.get("api")?))) {
            let mut here: Vec<&Sweep> = found.sweeps.iter().filter(|sweep| sweep.system == *system).collect();
            let asked = here.iter().fold(0u64, |sum, sweep| sum.saturating_add(calls(sweep.every)));
            let hour = value::Duration::hours(1).0.unsigned_abs();
            let allowed = limit.amount.saturating_mul(hour) / limit.per.0.unsigned_abs().max(1);
            if asked.saturating_mul(SHARE_OF_SWEEPS) <= allowed {
                continue;
            }
            here.sort_by_key(|sweep| sweep.every);
            let Some(most) = here.first() else { continue };
            let message = format!("the sweeps take more than a tenth of the {system} limit");
            let label =
                format!("{} asks at least {} times an hour, all sweeps {asked} times", most.sync, calls(most.every));
            let problem = Problem::new(Code::E0805, message, most.span, label);
            let help = format!(
                "{system} allows {} calls per {}, which is {allowed} an hour\nwrite a longer interval, or `sweep never`",
                limit.amount, limit.per
            );
            self.report(problem.help(help));
        }
    }

    fn overload(&mut self, system: &str, limit: Limit, most: &Load, others: &[&Load]) {
        // Where the lock counts the records, one run may write all of them; elsewhere only a batch is known.
        let what = if most.counted {
            let note = self
                .declared
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
            .declared
            .limit_spans
            .get(&(system.to_owned(), "bulk".to_owned()))
            .map(|span| format!(" ({})", self.declared.place(*span)));
        let needs: Vec<String> =
            others.iter().map(|l| format!("{} needs {}", l.sync, within(l, l.every, limit.per))).collect();
        let and = if needs.is_empty() { String::new() } else { format!(", and {}", list(&needs)) };
        let mut help = format!(
            "{system} allows {} bulk records per {}{}, this is up to {}{and}",
            limit.amount,
            limit.per,
            place.unwrap_or_default(),
            within(most, most.every, limit.per)
        );
        let rest = others.iter().fold(0u64, |sum, l| sum.saturating_add(within(l, l.every, limit.per)));
        let fitting = INTERVALS
            .into_iter()
            .find(|every| *every > most.every && within(most, *every, limit.per).saturating_add(rest) <= limit.amount);
        match fitting {
            Some(every) => {
                let mut sums = vec![within(most, every, limit.per).to_string()];
                sums.extend(others.iter().map(|l| within(l, l.every, limit.per).to_string()));
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
        self.report(problem.help(help));
    }
}

/// Of the calls that a system allows, sweeps may take one in so many.
const SHARE_OF_SWEEPS: u64 = 10;

/// How many calls an hour a sweep makes at one side at least: for what changed, and for what was deleted.
fn calls(every: value::Duration) -> u64 {
    2 * runs(every, value::Duration::hours(1))
}

/// How many records a schedule may write in a window, if it ran at this interval.
fn within(load: &Load, every: value::Duration, window: value::Duration) -> u64 {
    runs(every, window).saturating_mul(load.each)
}

/// How often a schedule runs in a window.
fn runs(every: value::Duration, window: value::Duration) -> u64 {
    u64::try_from((window.0 / every.0.max(1)).max(1)).unwrap_or(1)
}
