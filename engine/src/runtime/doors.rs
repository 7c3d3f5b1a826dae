//! Webhook doors whose verification follows the rules.
//!
//! Paths and systems are those of the start and stay; the header of a signature stands in the rules, and a reload may
//! change it. Always true: a delivery is verified as the active set says.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use connectors::webhook::Verify;
use connectors::webhook::door::{self, Door, Intake};
use dsl::value::Timestamp;
use http::HeaderMap;

use super::system::{System, Webhook};
use crate::clock::Clock;
use crate::intake::webhooks::Webhooks;

/// How deliveries are verified, by system.
pub(super) type Verifiers = BTreeMap<String, Arc<dyn Verify>>;

/// The verifiers of the active rules; clones are the same.
#[derive(Clone)]
pub(super) struct Doors(Arc<RwLock<Verifiers>>);

impl Doors {
    pub(super) fn new(verifiers: Verifiers) -> Self {
        Self(Arc::new(RwLock::new(verifiers)))
    }

    /// Verifies by these from now on.
    pub(super) fn follow(&self, verifiers: Verifiers) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = verifiers;
    }
}

/// The paths at which deliveries arrive, and who takes them.
pub(super) struct Opened {
    doors: Doors,
    /// What is taken, with the system that it is from.
    webhooks: Vec<(String, Webhook)>,
    intake: Arc<dyn Intake>,
    clock: door::Clock,
}

impl Opened {
    pub(super) fn new(
        doors: &Doors,
        systems: &BTreeMap<String, System>,
        webhooks: &Arc<Webhooks>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        // Systems that share a path have one door, which the first of them stands for.
        let mut taken: Vec<(String, Webhook)> = Vec::new();
        for (name, system) in systems {
            let Some(webhook) = &system.webhook else { continue };
            if taken.iter().all(|(_, other)| other.path != webhook.path) {
                taken.push((name.clone(), webhook.clone()));
            }
        }
        let (intake, clock): (Arc<dyn Intake>, _) = (Arc::clone(webhooks) as _, Arc::clone(clock));
        Self { doors: doors.clone(), webhooks: taken, intake, clock: Arc::new(move || clock.wall()) }
    }

    /// A router of its own.
    pub(super) fn router(&self) -> Router {
        door::router(self.doors(), &self.intake, &self.clock)
    }

    /// A route each, to be part of another router.
    pub(super) fn routes(&self) -> Router {
        door::routes(self.doors(), &self.intake, &self.clock)
    }

    fn doors(&self) -> Vec<Door> {
        let door = |(system, webhook): &(String, Webhook)| Door {
            path: webhook.path.clone(),
            system: system.clone(),
            verify: Arc::new(Current { system: system.clone(), doors: self.doors.clone() }),
            single: webhook.single,
            max_body: webhook.max_body,
        };
        self.webhooks.iter().map(door).collect()
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
