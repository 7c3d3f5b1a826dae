//! A shorter history that breaks the same promise.
//!
//! Always true: what comes out was seen to break it; a step that is left cannot be left out by itself.

use crate::history::{Deed, History, Step};

/// Leaves out of a history what it does not need to stay `bad`; asks at most `tries` times.
pub fn shrink(history: &History, mut tries: usize, mut bad: impl FnMut(&History) -> bool) -> History {
    let mut best = history.clone();
    let mut ask = |candidate: &History| {
        if tries == 0 {
            return false;
        }
        tries -= 1;
        bad(candidate)
    };
    loop {
        // A step may be needed only for one that is left out later, so all are tried again until nothing changes.
        let before = best.clone();
        // Long stretches first: every try is a run, and most steps have nothing to do with what broke.
        let mut size = (best.steps.len() / 2).max(1);
        loop {
            let mut at = 0;
            while at < best.steps.len() {
                let mut candidate = best.clone();
                candidate.steps.drain(at..(at + size).min(candidate.steps.len()));
                if ask(&candidate) {
                    best = candidate;
                } else {
                    at += size;
                }
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
        if !best.clocks.is_empty() {
            let candidate = History { clocks: Vec::new(), ..best.clone() };
            if ask(&candidate) {
                best = candidate;
            }
        }
        for at in 0..best.steps.len() {
            for simpler in simpler(&best.steps[at]) {
                let mut candidate = best.clone();
                candidate.steps[at] = simpler;
                if ask(&candidate) {
                    best = candidate;
                    break;
                }
            }
        }
        if best == before {
            return best;
        }
    }
}

/// The same step with less in it.
fn simpler(step: &Step) -> Vec<Step> {
    match step {
        Step::Person(entity, thing, Deed::Make(values)) => (0..values.len())
            .map(|left_out| {
                let mut values = values.clone();
                values.remove(left_out);
                Step::Person(entity.clone(), thing.clone(), Deed::Make(values))
            })
            .collect(),
        Step::Request(wanted, fate) if wanted.times > 1 => {
            vec![Step::Request(crate::history::Wanted { times: 1, ..wanted.clone() }, fate.clone())]
        }
        Step::Message(wanted, delay) if wanted.times > 1 => {
            vec![Step::Message(crate::history::Wanted { times: 1, ..wanted.clone() }, delay.clone())]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_left() {
        let text = "rules shipped\napp.User p1 is made with phone 1, company A\n20 s pass\n\
                    app.User p1 phone becomes 2\n1 s pass\ncrm.Contact p1 phone becomes 3\n";
        let history: History = text.parse().expect("understood");
        let bad = |history: &History| {
            let text = history.to_string();
            text.contains("phone 1") && text.contains("becomes 3")
        };
        let short = shrink(&history, 1_000, bad);
        assert_eq!(
            short.to_string(),
            "rules shipped\napp.User p1 is made with phone 1\ncrm.Contact p1 phone becomes 3\n"
        );
    }
}
