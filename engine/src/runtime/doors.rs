//! Webhook doors whose verification follows the rules.
//!
//! Paths and systems stand in engine.yaml and stay; the header of a signature stands in the rules, and a reload may
//! change it. Always true: a delivery is verified as the active set says.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use connectors::webhook::Verify;
use connectors::webhook::door::Door;
use dsl::value::Timestamp;
use http::HeaderMap;

use crate::config::Config;

/// How deliveries are verified, by system.
pub(super) type Verifiers = BTreeMap<String, Arc<dyn Verify>>;

/// The verifiers of the active rules; clones are the same.
#[derive(Clone)]
pub(super) struct Doors(Arc<RwLock<Verifiers>>);

impl Doors {
    pub(super) fn new(verifiers: Verifiers) -> Self {
        Self(Arc::new(RwLock::new(verifiers)))
    }

    /// A door for every webhook of the file.
    pub(super) fn open(&self, config: &Config) -> Vec<Door> {
        let webhooks =
            config.systems.iter().filter_map(|(name, system)| Some((name, system, system.webhook.as_ref()?)));
        webhooks
            .map(|(name, system, webhook)| Door {
                path: webhook.path.clone(),
                system: name.clone(),
                verify: Arc::new(Current { system: name.clone(), doors: self.clone() }),
                single: system.connector.webhook().single,
            })
            .collect()
    }

    /// Verifies by these from now on.
    pub(super) fn follow(&self, verifiers: Verifiers) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = verifiers;
    }
}

/// Verifies the deliveries of one system as the active rules say.
struct Current {
    system: String,
    doors: Doors,
}

impl Verify for Current {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), String> {
        let verifiers = self.doors.0.read().unwrap_or_else(PoisonError::into_inner);
        let verify = verifiers.get(&self.system).map(Arc::clone);
        drop(verifiers);
        verify.ok_or_else(|| format!("nothing says how `{}` signs", self.system))?.verify(headers, body, now)
    }
}
