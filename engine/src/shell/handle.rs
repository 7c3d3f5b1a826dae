//! A cheap way to reach the loop from anywhere. The loop owns the channel; nobody passes raw senders around.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use connectors::port::Delivery;
use connectors::webhook::door::Verdict;
use tokio::sync::oneshot;

use super::core::Connectors;
use super::source::SourceState;
use super::wake::{Activation, Gone, NotDone, Snapshot, SourceNews, Wake};
use crate::decide::OperatorCommand;
use crate::rules::stored::Set;

/// Webhook deliveries that may wait for the disk at once.
const DELIVERIES: usize = 4_096;

/// Reaches the loop.
#[derive(Clone)]
pub struct Handle {
    wakes: Sender<Wake>,
    deliveries: Arc<AtomicUsize>,
}

/// A handle, and what the loop listens to.
#[must_use]
pub fn handle() -> (Handle, Receiver<Wake>) {
    // Unbounded, but every kind of wake is bounded at its door: deliveries here, records by their room, answers by
    // the gate, the rest by people.
    let (wakes, receiver) = channel();
    (Handle { wakes, deliveries: Arc::default() }, receiver)
}

impl Handle {
    /// Wakes the loop.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn wake(&self, wake: Wake) -> Result<(), Gone> {
        self.wakes.send(wake).map_err(|_| Gone)
    }

    /// Gives a webhook delivery; the verdict comes when it is durable.
    pub async fn deliver(&self, system: &str, delivery: Delivery, payload: Bytes) -> Verdict {
        let _counted = match Counted::new(&self.deliveries) {
            Some(counted) => counted,
            None => return Verdict::Full(1),
        };
        let (receipt, verdict) = oneshot::channel();
        let wake = Wake::Delivery { system: system.to_owned(), delivery, payload, receipt };
        if self.wake(wake).is_err() {
            return Verdict::Unwritable(5);
        }
        verdict.await.unwrap_or(Verdict::Unwritable(5))
    }

    /// Carries out an operator's command; returns when it is durable.
    ///
    /// # Errors
    /// [`NotDone`].
    pub async fn operate(&self, who: &str, command: OperatorCommand) -> Result<(), NotDone> {
        let (reply, done) = oneshot::channel();
        self.wake(Wake::Operator { who: who.to_owned(), command, reply })?;
        done.await.unwrap_or(Err(NotDone::Gone(Gone)))
    }

    /// Makes another rule set the active one; returns when that is durable.
    ///
    /// # Errors
    /// [`NotDone`].
    pub async fn activate(&self, set: Set, connectors: Connectors) -> Result<(), NotDone> {
        let (reply, done) = oneshot::channel();
        self.wake(Wake::Activate(Activation { set, connectors, reply }))?;
        done.await.unwrap_or(Err(NotDone::Gone(Gone)))
    }

    /// Looks at the loop's state. Keep it short: nothing else happens meanwhile.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn inspect<T: Send + 'static>(
        &self,
        inspect: impl FnOnce(&Snapshot<'_>) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (reply, seen) = oneshot::channel();
        let inspect = Box::new(move |snapshot: &Snapshot<'_>| {
            let _gone = reply.send(inspect(snapshot));
        });
        self.wake(Wake::Inspect(inspect))?;
        seen.await.map_err(|_| Gone)
    }

    /// Waits until nothing is under way.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn idle(&self) -> Result<(), Gone> {
        let (reply, idle) = oneshot::channel();
        self.wake(Wake::Idle(reply))?;
        idle.await.map_err(|_| Gone)
    }

    /// Says how a source is.
    pub fn source(&self, name: &str, state: SourceState) {
        // Nobody reads the status of an engine that has ended.
        let _gone = self.wake(Wake::Source(SourceNews { name: name.to_owned(), state }));
    }

    /// Forgets how sources were: other ones, or none, are read from now on.
    pub fn forget_sources(&self) {
        // As above.
        let _gone = self.wake(Wake::SourcesGone);
    }

    /// Stops the loop; it ends when nothing is under way, at the latest after `grace`.
    pub fn stop(&self, grace: Duration) {
        // It may have ended by itself.
        let _gone = self.wake(Wake::Stop { grace });
    }
}

/// One delivery that waits, counted.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) < DELIVERIES {
            return Some(Self(count));
        }
        count.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn too_many_deliveries_that_wait_for_the_disk_are_429() {
        let (handle, wakes) = handle();
        let deliver = || Box::pin(handle.deliver("crm", Delivery::default(), Bytes::new()));
        let mut waiting: Vec<_> = (0..DELIVERIES).map(|_| deliver()).collect();
        for delivery in &mut waiting {
            assert_eq!(delivery.now_or_never(), None);
        }
        assert_eq!(deliver().await, Verdict::Full(1));
        // One that is answered makes room for another.
        let Ok(Wake::Delivery { receipt, .. }) = wakes.recv() else { panic!("a delivery") };
        assert_eq!(receipt.send(Verdict::Durable), Ok(()));
        assert_eq!(waiting.remove(0).await, Verdict::Durable);
        assert_eq!(deliver().now_or_never(), None);
    }
}
