//! HubSpot: records in batches by id, associations, owners, and its webhook events.
//!
//! In: requests of the gate. Out: one answer per input, attributed by record id or trace id; a 2xx that does not
//! mention an input is unknown. The facts stand in CONTRACT.md; its section numbers are given where they matter.
//! Always true: a request costs no more calls than [`Connector::calls`] says; what HubSpot refuses as a whole and
//! without naming an input is given back to be asked one by one, never split in here, because that would go past the
//! gate; a record counts as missing only where HubSpot says so of that record.
//! Not here: search to find records (it lags; it only lists what changed since a time), retries, pacing.

pub mod accounts;
mod answer;
mod associations;
mod client;
pub mod events;
mod failure;
mod limits;
mod objects;
mod owners;
mod schema;
pub mod setup;
pub mod signature;
mod values;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use async_trait::async_trait;
use dsl::schema::{Entity, Lock};
use dsl::value::Timestamp;
use serde::Deserialize;

pub use self::schema::known;
pub(crate) use self::values::kept;
use crate::http::Transport;
use crate::port::{Answer, Connector, Delivery, Input, Refusal, Request, Unreadable, Verb};
use crate::token::Token;

/// Where HubSpot is called.
pub const BASE_URL: &str = "https://api.hubapi.com";

/// Where HubSpot is and who we are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://api.hubapi.com`
    pub base_url: String,
    /// A dated version such as `2026-09`, or `v3`.
    #[serde(default = "current_version")]
    pub api_version: String,
    /// Our app, to know our own echoes.
    #[serde(default)]
    pub app_id: Option<u64>,
    /// The account (HubSpot: portal) whose deliveries are taken; of any account where nothing is said.
    #[serde(default)]
    pub portal_id: Option<u64>,
}

/// Versions of the API that there are, the newest first (CONTRACT 1).
pub(crate) const VERSIONS: &[&str] = &["2026-09", "2026-03", "v3"];

/// Where refresh tokens are exchanged, under the address of the API and in its version (CONTRACT 2).
#[must_use]
pub(crate) fn oauth_url(base_url: &str, api_version: Option<&str>) -> String {
    let version = match api_version {
        // Numbered versions of other paths have this one here.
        Some("v4") => "v3".to_owned(),
        Some(version) => version.to_owned(),
        None => current_version(),
    };
    format!("{}/oauth/{version}/token", base_url.trim_end_matches('/'))
}

/// The dated version that is supported longest at the time of writing.
pub(crate) fn current_version() -> String {
    "2026-09".to_owned()
}

/// The connector.
pub struct HubSpot {
    settings: Settings,
    token: Token,
    lock: Lock,
    transport: Arc<dyn Transport>,
    /// How many pages a read of owners may take; grows when the account has more.
    owner_pages: AtomicU32,
    /// How many messages of another account came, and the account of the last one.
    strangers: (AtomicU64, AtomicU64),
    /// The token is of another account than ours, as far as is known: nothing is asked with it.
    elsewhere: AtomicBool,
}

impl std::fmt::Debug for HubSpot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("HubSpot").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl HubSpot {
    /// Takes what it needs; touches no network.
    #[must_use]
    pub fn new(settings: Settings, token: impl Into<Token>, lock: Lock, transport: Arc<dyn Transport>) -> Self {
        let token = token.into();
        Self {
            settings,
            token,
            lock,
            transport,
            owner_pages: AtomicU32::new(1),
            strangers: Default::default(),
            elsewhere: AtomicBool::new(false),
        }
    }

    fn entity(&self, name: &str) -> Option<&Entity> {
        self.lock.entities.get(name)
    }

    /// Whose the token is.
    async fn identify(&self) -> Answer {
        let details = match self.details().await {
            Ok(details) => details,
            Err(failure) => {
                return match answer::alone(&failure) {
                    // A token that may not ask this may do all that it is for.
                    Answer::Refused { reason, refusal: Refusal::Forbidden } => refuse(reason),
                    other => other,
                };
            }
        };
        let Some(found) = details["portalId"].as_u64() else {
            return refuse("HubSpot's account details name no account".to_owned());
        };
        let said = self.settings.portal_id.filter(|said| *said != found);
        self.elsewhere.store(said.is_some(), Ordering::Relaxed);
        if let Some(said) = said {
            let reason = format!("it is of the account {found}, and the settings say {said} (`portal_id`)");
            return Answer::Refused { reason, refusal: Refusal::Unauthenticated };
        }
        let told = [("account", found.into()), ("api_version", self.api_version().into())];
        Answer::Result(told.map(|(name, value)| (name.to_owned(), value)).into())
    }

    async fn ask(&self, request: &Request, inputs: &[Input]) -> Vec<Answer> {
        match &request.verb {
            Verb::Read { entity, by, .. } if limits::is_owner(entity) => self.read_owners(by, inputs).await,
            Verb::Read { entity, by, fields, links } => self.read_records(entity, by, fields, links, inputs).await,
            Verb::Create { entity } => self.create(entity, inputs).await,
            Verb::Update { entity } => self.update(entity, inputs).await,
            Verb::Delete { entity } => self.delete(entity, inputs).await,
            Verb::List { .. } | Verb::Archived { .. } | Verb::Identify | Verb::Operation { .. } => Vec::new(),
        }
    }
}

#[async_trait]
impl Connector for HubSpot {
    fn max_batch(&self, verb: &Verb) -> usize {
        limits::max_batch(verb)
    }

    fn calls(&self, request: &Request) -> u32 {
        limits::calls(self, request)
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        let refused = |reason: String| vec![refuse(reason); request.inputs.len()];
        let identifies = request.verb == Verb::Identify;
        if identifies || self.elsewhere.load(Ordering::Relaxed) {
            let said = self.identify().await;
            if identifies || self.elsewhere.load(Ordering::Relaxed) {
                return vec![said; request.inputs.len()];
            }
        }
        let entity = match &request.verb {
            Verb::Identify => return Vec::new(),
            Verb::Read { entity, .. } | Verb::Create { entity } | Verb::Update { entity } => entity,
            Verb::Delete { entity } | Verb::List { entity, .. } | Verb::Archived { entity } => entity,
            Verb::Operation { name } => return refused(format!("HubSpot has no operation `{name}`")),
        };
        if self.entity(entity).is_none() {
            return refused(format!("the lock has no entity `{entity}`"));
        }
        let writes = matches!(request.verb, Verb::Create { .. } | Verb::Update { .. } | Verb::Delete { .. });
        if limits::is_owner(entity) && writes {
            return refused("owners are read only: they are the account's users".to_owned());
        }
        if let Verb::List { entity, fields, links, since } = &request.verb {
            let mut answers = Vec::with_capacity(request.inputs.len());
            for input in &request.inputs {
                answers.push(self.list(entity, fields, links, *since, input.id.as_deref()).await);
            }
            return answers;
        }
        if let Verb::Archived { entity } = &request.verb {
            let mut answers = Vec::with_capacity(request.inputs.len());
            for input in &request.inputs {
                answers.push(self.list_archived(entity, input.id.as_deref()).await);
            }
            return answers;
        }
        // An input without an id would ask for the whole list; it never leaves.
        let needs_id = !matches!(request.verb, Verb::Create { .. });
        let (asked, kept): (Vec<Input>, Vec<bool>) = {
            let fit = |input: &Input| !needs_id || input.id.as_ref().is_some_and(|id| !id.is_empty());
            let kept: Vec<bool> = request.inputs.iter().map(fit).collect();
            (request.inputs.iter().filter(|input| fit(input)).cloned().collect(), kept)
        };
        let mut answers = if asked.is_empty() { Vec::new() } else { self.ask(request, &asked).await }.into_iter();
        let silent = || Answer::Unknown { cause: "no answer was made for it".to_owned() };
        kept.into_iter()
            .map(|kept| if kept { answers.next().unwrap_or_else(silent) } else { refuse("it has no id".to_owned()) })
            .collect()
    }

    fn notices(&self, now: Timestamp) -> Vec<String> {
        let mut notices: Vec<String> = versions::ending(&self.settings.api_version, now).into_iter().collect();
        let (count, account) = (self.strangers.0.load(Ordering::Relaxed), self.strangers.1.load(Ordering::Relaxed));
        if let (1.., Some(ours)) = (count, self.settings.portal_id) {
            notices.push(format!(
                "{count} messages of the HubSpot account {account} were refused since the start: `portal_id` says {ours}"
            ));
        }
        notices
    }

    fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable> {
        let read = events::read(&self.lock, self.settings.app_id, self.settings.portal_id, body);
        let strangers = match &read {
            Ok(delivery) => delivery.strangers,
            Err(Unreadable::OtherAccount(strangers)) => Some(*strangers),
            Err(Unreadable::Delivery(_)) => None,
        };
        if let Some(strangers) = strangers {
            self.strangers.0.fetch_add(strangers.messages, Ordering::Relaxed);
            self.strangers.1.store(strangers.account, Ordering::Relaxed);
        }
        read
    }
}

/// A refusal of our own: it never left.
fn refuse(reason: String) -> Answer {
    Answer::Refused { reason, refusal: Refusal::Other }
}
