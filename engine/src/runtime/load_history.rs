//! What earlier epochs of the engine reported, from the journal into the history that people ask.
//!
//! In: a reader of the ledger, and the last round of earlier epochs. Out: their last lines, before those of this one.
//! Always true: nobody waits for it; where it cannot be read, the log says so and history begins with this start.

use crate::decide::Event;
use crate::ledger::{Seq, StateReader};
use crate::shell::{HISTORY_LINES, History};
use crate::tasks::Tasks;

/// Puts the last lines of the rounds up to `reported` before those of this one, beside everything else.
pub(super) fn load(tasks: &Tasks, reader: &StateReader, reported: Seq, history: &History) {
    let (reader, history) = (reader.clone(), history.clone());
    let read = move || {
        let records = match reader.last_records(reported, HISTORY_LINES) {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "the history of earlier epochs cannot be read; `engine why` begins with this start");
                return;
            }
        };
        let count = records.len();
        let lines: Vec<Event> = records.iter().filter_map(|record| serde_json::from_slice(record).ok()).collect();
        if lines.len() < count {
            tracing::warn!(
                lines = count - lines.len(),
                "lines of history are of another engine and stay in the journal"
            );
        }
        history.before(lines);
    };
    tasks.spawn("history", |_stop| async {
        if let Err(error) = tokio::task::spawn_blocking(read).await {
            tracing::error!(%error, "the history of earlier epochs was not read");
        }
    });
}
