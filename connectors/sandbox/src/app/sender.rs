//! Carries the app's messages to its webhook.
//!
//! In: [`App::due`]. Out: signed posts, and [`App::delivered`] for each.
//! Always true: one post at a time; it waits for a change or for the next retry, and for nothing else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{App, SIGNATURE_HEADER};
use crate::model::{Now, locked};

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Delivers what `app` has to say until `stop`.
///
/// # Errors
/// Where no HTTP client can be made.
pub async fn deliver(app: Arc<Mutex<App>>, now: Now, stop: CancellationToken) -> Result<(), reqwest::Error> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let mut changes = locked(&app).changes();
    loop {
        changes.mark_unchanged();
        let (due, next) = {
            let mut app = locked(&app);
            (app.due(now()), app.next_due())
        };
        if let Some(delivery) = due {
            let post = client
                .post(&delivery.url)
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .header(SIGNATURE_HEADER, &delivery.signature)
                .body(delivery.body.clone());
            let answered = tokio::select! {
                answered = post.send() => answered,
                () = stop.cancelled() => return Ok(()),
            };
            let status = match answered {
                Ok(response) => Some(response.status().as_u16()),
                Err(error) => {
                    tracing::debug!(delivery = delivery.id, attempt = delivery.attempt, %error, "no answer to a delivery");
                    None
                }
            };
            locked(&app).delivered(delivery.id, status, now());
            continue;
        }
        let wait = next.map(|at| Duration::from_millis(u64::try_from(at.since(now()).0).unwrap_or(0)));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            more = changes.changed() => if more.is_err() { return Ok(()) },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => (),
        }
    }
}
