//! Carries the twin's deliveries to the receiver, up to ten at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::HubSpot;
use crate::model::{Now, locked};

/// HubSpot waits five seconds for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Delivers until `stop`.
///
/// # Errors
/// Where no HTTP client can be made.
pub async fn deliver(twin: Arc<Mutex<HubSpot>>, now: Now, stop: CancellationToken) -> Result<(), reqwest::Error> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let mut changes = locked(&twin).changes();
    let mut flying = JoinSet::new();
    loop {
        changes.mark_unchanged();
        let (due, next) = {
            let mut twin = locked(&twin);
            (twin.due(now()), twin.next_due())
        };
        for delivery in due {
            let (parts, body) = delivery.request.into_parts();
            let post = client.post(parts.uri.to_string()).headers(parts.headers).body(body);
            flying.spawn(async move {
                let status = post.send().await.ok().map(|response| response.status().as_u16());
                (delivery.id, status)
            });
        }
        let wait = next.map(|at| Duration::from_millis(u64::try_from(at.since(now()).0).unwrap_or(0).max(1)));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(Ok((id, status))) = flying.join_next() => locked(&twin).delivered(id, status, now()),
            more = changes.changed() => if more.is_err() { return Ok(()) },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => (),
        }
    }
}
