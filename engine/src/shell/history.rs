//! The last lines of history, in memory, for people who ask why. All of it stands in the journal, from which a start
//! takes what earlier epochs left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::decide::Event;

/// How many lines are kept.
pub const LINES: usize = 10_000;

/// The last lines; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<VecDeque<Event>>>);

impl History {
    /// Adds a line.
    pub fn push(&self, event: Event) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(event);
    }

    /// Puts lines of earlier epochs before those of this one, as far as there is room.
    pub fn before(&self, earlier: Vec<Event>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = LINES - lines.len();
        for event in earlier.into_iter().rev().take(room) {
            lines.push_front(event);
        }
    }

    /// The last `limit` lines for which `wanted` holds, oldest first.
    pub fn last(&self, limit: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Event> = lines.iter().rev().filter(|event| wanted(event)).take(limit).cloned().collect();
        found.reverse();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(subject: String) -> Event {
        Event { subject, ..Event::new(dsl::value::Timestamp(0), crate::decide::Action::Update) }
    }

    #[test]
    fn the_oldest_lines_go_first() {
        let history = History::default();
        for number in 0..=LINES {
            history.push(event(format!("l{number}")));
        }
        assert!(history.last(1, |event| event.subject == "l0").is_empty());
        let last: Vec<String> = history.last(2, |_| true).into_iter().map(|event| event.subject).collect();
        assert_eq!(last, [format!("l{}", LINES - 1), format!("l{LINES}")]);
    }

    #[test]
    fn earlier_epochs_stand_before_this_one_as_far_as_there_is_room() {
        let history = History::default();
        for number in 0..LINES - 2 {
            history.push(event(format!("l{number}")));
        }
        history.before(["a", "b", "c"].map(|subject| event(subject.to_owned())).into());
        let all = history.last(usize::MAX, |_| true);
        assert_eq!(all.len(), LINES);
        assert_eq!([0, 1, 2].map(|at| all[at].subject.clone()), ["b", "c", "l0"]);
    }
}
