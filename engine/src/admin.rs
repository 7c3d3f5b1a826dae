//! The admin API: what the engine does and what needs a person; reload and repairs.
//!
//! In: questions and commands, over HTTP ([`router`]) or from this process ([`Admin`]). Out: the types of [`api`], or
//! a [`Refusal`].
//! Always true: it reads beside the loop, or between two inputs for a moment; it writes nothing but inputs, and copies
//! of the ledger where it is asked for one.
//! The console is pages of this address that ask the same paths.
//! Over HTTP and without a token it listens on loopback only (the configuration refuses anything else), and pages of
//! browsers reach nothing; errors are `application/problem+json` (RFC 9457).

mod answers;
pub mod api;
pub mod client;
mod console;
mod page;
mod routes;
mod tail;
pub(crate) mod token;

pub use routes::{Keys, Token, router, routes};

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::ledger::StateReader;
use crate::shell::{Handle, History, Reads};
use crate::tasks::Tasks;

/// What the API reaches; clones are the same.
#[derive(Clone)]
pub struct Admin {
    parts: Arc<Parts>,
    started: Instant,
}

/// What the API is made of.
pub(crate) struct Parts {
    /// Reaches the loop.
    pub(crate) handle: Handle,
    /// Reads rows beside the loop.
    pub(crate) reader: StateReader,
    /// Has threads that may block.
    pub(crate) tasks: Tasks,
    /// The last lines of history.
    pub(crate) history: History,
    /// The cache of reads.
    pub(crate) reads: Reads,
    /// Loads the rules again.
    pub(crate) reload: Arc<dyn Reload>,
    /// Figures, where this process records them.
    pub(crate) figures: Option<PrometheusHandle>,
    /// What is wrong with the rows, once all of them were read after the start.
    pub(crate) rows: Arc<std::sync::OnceLock<Vec<String>>>,
}

impl Admin {
    /// An API over a running engine.
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), started: Instant::now() }
    }
}

/// Loads the rules again.
#[async_trait]
pub trait Reload: Send + Sync {
    /// Reads the folder and makes it the active set.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] with why it was refused, and the like; the old set goes on.
    async fn reload(&self) -> Result<api::Reloaded, Refusal>;

    /// Why the folder was refused last; `None` where the folder is what runs.
    fn refused(&self) -> Option<String>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The question makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// It was understood and is refused: what is meant is not there, or not in a state for it.
    #[error("{0}")]
    Conflict(String),
    /// Nothing can be stored for now; the same may be asked again later.
    #[error("{0}")]
    Unavailable(String),
    /// The engine is stopping, or has ended.
    #[error("the engine is stopping")]
    Stopping,
    /// Something that should be readable is not.
    #[error("{0}")]
    Failed(String),
}
