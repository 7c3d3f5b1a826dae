//! How much the engine does: nothing when nothing is left to do, never more than its limits, and no more writes than
//! people's changes account for (P1, P4, P7).

use super::{Kind, Violation};
use crate::evidence::{Evidence, What, Who};

/// Looks at what the engine asked.
pub(super) fn judge(evidence: &Evidence, found: &mut Vec<Violation>) {
    let late = evidence.requests.iter().filter(|request| request.sent >= evidence.quiet_from && request.kind != "list");
    let mut kinds: Vec<String> = late.map(|request| format!("{} of {}", request.kind, request.system)).collect();
    let count = kinds.len();
    kinds.sort();
    kinds.dedup();
    if count > 0 {
        let text = format!("{count} requests in an hour in which nothing is left to do: {}", kinds.join(", "));
        found.push(Violation::new(Kind::BusyWhenQuiet, text));
    }
    if evidence.too_fast > 0 {
        found.push(Violation::new(Kind::LimitExceeded, format!("{} calls came too fast", evidence.too_fast)));
    }
    let is_of_person = |what: &What| !matches!(what, What::Merged { .. });
    let people =
        evidence.changes.iter().filter(|change| change.who == Who::Person && is_of_person(&change.what)).count();
    let written: usize = evidence.requests.iter().map(|request| request.records).sum();
    // Each change reaches one record of the other system; a new one is given its partner's id besides, and a fault may
    // have each of its writes sent again.
    let most = 2 * people + 12 * evidence.faults + 20;
    if written > most {
        let text = format!("{written} records were written for {people} changes and {} faults", evidence.faults);
        found.push(Violation::new(Kind::TooManyWrites, text));
    }
    for stuck in &evidence.stuck {
        found.push(Violation::new(Kind::NothingWakesIt, stuck.clone()));
    }
}
