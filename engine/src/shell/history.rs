//! The last lines of history, in memory, for people who ask why or look on. All of it stands in the journal, from which
//! a start takes what earlier epochs left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::decide::Event;

/// How many lines are kept.
pub const LINES: usize = 10_000;

/// So many lines may wait for somebody who looks on and reads slowly; what is more, they miss, and are told so.
const BEHIND: usize = 1_024;

/// The last lines; clones are the same.
#[derive(Debug, Clone)]
pub struct History(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: Mutex<VecDeque<Event>>,
    onlookers: broadcast::Sender<Event>,
}

impl Default for History {
    fn default() -> Self {
        Self(Arc::new(Inner { lines: Mutex::default(), onlookers: broadcast::Sender::new(BEHIND) }))
    }
}

impl History {
    /// Adds a line.
    pub fn push(&self, event: Event) {
        if self.0.onlookers.receiver_count() > 0 {
            // The last of them may have gone in this moment.
            let _gone = self.0.onlookers.send(event.clone());
        }
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(event);
    }

    /// Gives each line from now on, as it is added.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.0.onlookers.subscribe()
    }

    /// Puts lines of earlier epochs before those of this one, as far as there is room.
    pub fn before(&self, earlier: Vec<Event>) {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let room = LINES - lines.len();
        for event in earlier.into_iter().rev().take(room) {
            lines.push_front(event);
        }
    }

    /// The last `limit` lines for which `wanted` holds, oldest first.
    pub fn last(&self, limit: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn who_looks_on_hears_what_comes_and_how_much_was_missed() {
        let history = History::default();
        history.push(event("l0".to_owned()));
        let mut following = history.follow();
        history.push(event("l1".to_owned()));
        assert_eq!(following.try_recv().map(|event| event.subject), Ok("l1".to_owned()));
        for number in 0..BEHIND + 3 {
            history.push(event(format!("l{number}")));
        }
        assert_eq!(following.try_recv(), Err(broadcast::error::TryRecvError::Lagged(3)));
        assert_eq!(following.try_recv().map(|event| event.subject), Ok("l3".to_owned()));
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
