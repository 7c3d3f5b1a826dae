//! The admin API: what the engine does and what needs a person, as JSON and as figures; reload and repairs.
//!
//! Always true: it reads beside the loop, or between two inputs for a moment; it writes nothing but inputs, and copies
//! of the ledger where it is asked for one.
//! Without a token it listens on loopback only (the configuration refuses anything else). Errors are
//! `application/problem+json` (RFC 9457).

mod routes;
mod views;

pub use routes::router;
pub use views::{RulesView, Status};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use connectors::secret::Secret;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::ledger::Reader;
use crate::runtime::reload::Reloader;
use crate::shell::{Handle, History, Reads};

/// What the routes reach; clones are the same.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    handle: Handle,
    reader: Reader,
    history: History,
    reads: Reads,
    reloader: Reloader,
    token: Option<Secret>,
    /// API versions by system.
    versions: BTreeMap<String, String>,
    figures: Option<PrometheusHandle>,
    started: Instant,
}

impl Admin {
    /// An API over a running engine.
    pub(crate) fn new(
        handle: Handle,
        reader: Reader,
        history: History,
        reads: Reads,
        reloader: Reloader,
        token: Option<Secret>,
        versions: BTreeMap<String, String>,
        figures: Option<PrometheusHandle>,
    ) -> Self {
        let started = Instant::now();
        Self(Arc::new(Inner { handle, reader, history, reads, reloader, token, versions, figures, started }))
    }
}
