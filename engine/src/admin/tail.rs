//! History as it happens, as server-sent events (WHATWG HTML, section 9.2).
//!
//! In: a request that stays open. Out: each line of history from then on, as one JSON object in an event `line`; an event
//! `missed` with their number where lines came faster than they were read.
//! Always true: nothing is sent while nothing happens but a comment each half minute, by which a reader that is gone is
//! noticed; it ends when the engine stops.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast::error::RecvError;

use super::Admin;

/// How often a comment is sent while nothing happens.
const STILL_THERE: Duration = Duration::from_secs(30);

pub(super) async fn events(State(admin): State<Admin>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let following = admin.follow();
    let lines = unfold(following, |(mut lines, stop)| async move {
        let received = tokio::select! {
            () = stop.cancelled() => return None,
            received = lines.recv() => received,
        };
        let event = match received {
            Ok(line) => Event::default().event("line").json_data(&line).expect("lines are plain data"),
            Err(RecvError::Lagged(missed)) => Event::default().event("missed").data(missed.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), (lines, stop)))
    });
    Sse::new(lines).keep_alive(KeepAlive::new().interval(STILL_THERE))
}
