//! The only place that starts tasks and threads. Every one has a name, a stop token and somebody who waits for it.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Starts tasks and waits for them.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    runtime: Handle,
}

impl Tasks {
    /// Tasks on the current runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Handle::current())
    }

    /// Tasks on this runtime.
    #[must_use]
    pub fn on(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), runtime }
    }

    /// Starts a task. It ends soon after its token is cancelled.
    pub fn spawn<F, Fut>(&self, name: &'static str, body: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let span = tracing::info_span!("task", name);
        self.tracker.spawn_on(body(self.stop.child_token()).instrument(span), &self.runtime);
    }

    /// Does work that its caller waits for, on any executor, and that nobody else does.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn(work)
    }

    /// Does work that may block, on a thread of the runtime's; its caller waits for it, on any executor.
    pub fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn_blocking(work)
    }

    /// Starts a thread that may block; gives its result when it ends.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn thread<T: Send + 'static>(
        name: &str,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<tokio::sync::oneshot::Receiver<T>> {
        let (sender, result) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Whoever started it may have given up waiting.
            let _gone = sender.send(body());
        })?;
        Ok(result)
    }

    /// Is cancelled when the tasks are to end.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Asks all tasks to end and waits for them.
    ///
    /// # Errors
    /// Where some are still there after `grace`.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), tokio::time::error::Elapsed> {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}
