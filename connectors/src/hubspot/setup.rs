//! What an account has of what rules need, and making what it lacks: properties, their groups and options
//! (CONTRACT 2, 3.8).
//!
//! In: the lock, and one thing to ask or to make at a time. Out: what the account says, as [`plan`] compares it.
//! Always true: a call that makes something can be repeated, because what is there already is [`Trouble::Exists`]; no
//! error holds the token. Not here: what is needed (see [`plan`]), asking a person, waiting and trying again.

pub mod plan;
pub mod project;
pub mod subscriptions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dsl::schema::Field;
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use self::plan::Step;
use super::HubSpot;
use super::failure::Failure;
use super::limits::is_owner;
use super::schema::{field, stage_property};
use crate::http::text;
use crate::port::{Answer, LimitWindow};

/// The group that properties are made in.
pub const GROUP: &str = "engine";
/// How people read [`GROUP`].
const GROUP_LABEL: &str = "Engine";
/// The longest that a limit of calls in a day lasts.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DESCRIPTION: &str = "Needed by the rules that keep this account in step with an application.";

/// Why the account does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It is there already.
    #[error("{0}")]
    Exists(String),
    /// Asking again would not help.
    #[error("{0}")]
    Refused(String),
    /// Asking again may help.
    #[error("{reason}")]
    Later {
        /// How long HubSpot asks to wait.
        after: Option<Duration>,
        /// What came instead of an answer.
        reason: String,
    },
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Words { status: StatusCode::CONFLICT, json } => Self::Exists(text(&json["message"])),
            Failure::Words { status, json } => Self::Refused(match text(&json["message"]) {
                said if said.is_empty() => format!("HTTP {status}"),
                said => format!("HTTP {status}: {said}"),
            }),
            Failure::Same(Answer::Refused { reason, .. }) => Self::Refused(reason),
            Failure::Same(Answer::RateLimited { after, window, policy }) => {
                let policy = policy.as_deref().unwrap_or("no policy is named");
                // Until tomorrow, and HubSpot does not say when that is.
                let tomorrow = (window == LimitWindow::Day).then_some(DAY);
                Self::Later { after: after.or(tomorrow), reason: format!("too many calls ({policy})") }
            }
            Failure::Same(Answer::Retry { after, cause }) => Self::Later { after, reason: cause },
            Failure::Same(Answer::Unknown { cause }) => Self::Later { after: None, reason: cause },
            Failure::Same(other) => Self::Refused(format!("an answer that fits no question: {other:?}")),
        }
    }
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account (HubSpot: portal).
    pub portal: u64,
    /// `STANDARD`, `DEVELOPER_TEST`, `SANDBOX` and others.
    pub kind: String,
    /// The account's time zone.
    pub time_zone: String,
    /// The app that the token belongs to, where HubSpot says so.
    pub app: Option<u64>,
    /// What the token may do; `None` where HubSpot does not say: it tells only of tokens that do not expire.
    pub scopes: Option<BTreeSet<String>>,
}

/// One property of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// As a lock would hold it.
    pub field: Field,
    /// HubSpot's words for type and input: `enumeration`, `select`.
    pub kind: (String, String),
    /// Options as HubSpot keeps them, with labels and order.
    pub options: Vec<Json>,
    /// Its options cannot be changed over the API.
    pub fixed_options: bool,
}

/// What the account has of one entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holding {
    /// Properties that are not archived, by name.
    pub properties: BTreeMap<String, Property>,
    /// Names of groups of properties.
    pub groups: BTreeSet<String>,
    /// The property whose options are stages, and the stages of all pipelines.
    pub stages: Option<(String, Vec<Stage>)>,
}

/// A stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What stands in records.
    pub id: String,
    /// How people read it.
    pub label: String,
    /// How people read its pipeline.
    pub pipeline: String,
    /// Records may be in it, and nobody can move one there.
    pub archived: bool,
}

impl HubSpot {
    /// The version that paths name.
    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.settings.api_version
    }

    /// What HubSpot says of the account.
    pub(super) async fn details(&self) -> Result<Json, Failure> {
        let version = if self.numbered() { "v3" } else { self.api_version() };
        let path = |version: &str| format!("/account-info/{version}/details");
        match self.call(Method::GET, &path(version), None, false).await {
            // Not every dated version has these routes.
            Err(Failure::Words { status: StatusCode::NOT_FOUND, .. }) if version != "v3" => {
                self.call(Method::GET, &path("v3"), None, false).await
            }
            answered => answered,
        }
    }

    /// Whose the token is, and what it may do.
    ///
    /// # Errors
    /// Where HubSpot does not say; a token that is refused is [`Trouble::Refused`].
    pub async fn identity(&self) -> Result<Identity, Trouble> {
        let details = self.details().await?;
        let bearer = self.token.bearer().await.map_err(Failure::Same)?;
        let asked = json!({"tokenKey": bearer.expose()});
        let path = "/oauth/v2/private-apps/get/access-token-info";
        let (app, scopes) = match self.call(Method::POST, path, Some(&asked), false).await {
            Ok(info) => {
                let scopes = info["scopes"].as_array().map(|scopes| scopes.iter().map(text).collect());
                (info["appId"].as_u64(), scopes)
            }
            Err(Failure::Words { .. }) => (None, None),
            Err(failure) => return Err(failure.into()),
        };
        let portal = details["portalId"].as_u64();
        let portal = portal.ok_or_else(|| Trouble::Refused("HubSpot's account details name no account".to_owned()))?;
        Ok(Identity { portal, kind: text(&details["accountType"]), time_zone: text(&details["timeZone"]), app, scopes })
    }

    /// What the account has of an entity of the lock; `None` where the entity has no properties of its own.
    ///
    /// # Errors
    /// Where HubSpot does not say.
    pub async fn holding(&self, entity: &str) -> Result<Option<Holding>, Trouble> {
        let Some(known) = self.entity(entity).filter(|_| !is_owner(entity)) else { return Ok(None) };
        let path = self.definitions_path("properties", entity);
        let mut properties = BTreeMap::new();
        for property in self.results(&path).await? {
            if property["archived"] == true {
                continue;
            }
            let name = text(&property["name"]);
            let kept = Property {
                field: field(&property, known.fields.get(&name)),
                kind: (text(&property["type"]), text(&property["fieldType"])),
                options: property["options"].as_array().cloned().unwrap_or_default(),
                fixed_options: property["modificationMetadata"]["readOnlyOptions"] == true,
            };
            properties.insert(name, kept);
        }
        let groups = self.results(&format!("{path}/groups")).await?;
        let stages = match stage_property(entity) {
            Some(property) => {
                let pipelines = self.results(&self.definitions_path("pipelines", entity)).await?;
                Some((property.to_owned(), labelled(&pipelines)))
            }
            None => None,
        };
        let groups = groups.iter().filter(|group| group["archived"] != true).map(|group| text(&group["name"]));
        Ok(Some(Holding { properties, groups: groups.collect(), stages }))
    }

    /// Makes what a step of a plan makes.
    ///
    /// # Errors
    /// Where HubSpot does not; what is there already is [`Trouble::Exists`].
    pub async fn make(&self, step: &Step) -> Result<(), Trouble> {
        let path = self.definitions_path("properties", step.entity());
        let (method, path, body) = match step {
            Step::Group { .. } => (
                Method::POST,
                format!("{path}/groups"),
                json!({"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1}),
            ),
            Step::Property { name, shape, options, unique, .. } => {
                let (ty, input) = *shape;
                let body = json!({"name": name, "label": label(name), "type": ty, "fieldType": input, "groupName": GROUP,
                                  "description": DESCRIPTION, "hasUniqueValue": unique, "options": shown(options, 0)});
                (Method::POST, path, body)
            }
            Step::Options { property, there, added, .. } => {
                // The whole list at once: what is left out would be gone.
                let mut all = there.clone();
                all.extend(shown(added, there.len()));
                (Method::PATCH, format!("{path}/{property}"), json!({"options": all}))
            }
        };
        self.call(method, &path, Some(&body), true).await?;
        Ok(())
    }

    async fn results(&self, path: &str) -> Result<Vec<Json>, Trouble> {
        let json = self.call(Method::GET, path, None, false).await?;
        let results = json["results"].as_array().cloned();
        results.ok_or_else(|| Trouble::Refused(format!("HubSpot's answer to {path} has no results")))
    }
}

/// The stages of pipelines, in the order in which they are shown.
fn labelled(pipelines: &[Json]) -> Vec<Stage> {
    let stage = |pipeline: &Json, stage: &Json| Stage {
        id: text(&stage["id"]),
        label: text(&stage["label"]),
        pipeline: text(&pipeline["label"]),
        archived: stage["archived"] == true || pipeline["archived"] == true,
    };
    let stages = |pipeline: &Json| -> Vec<Stage> {
        pipeline["stages"].as_array().into_iter().flatten().map(|one| stage(pipeline, one)).collect()
    };
    pipelines.iter().flat_map(stages).collect()
}

/// Options as HubSpot takes them, in this order after `first` others.
fn shown(options: &[String], first: usize) -> Vec<Json> {
    let option = |(order, value): (usize, &String)| json!({"value": value, "label": label(value), "displayOrder": first + order, "hidden": false});
    options.iter().enumerate().map(option).collect()
}

/// A name as people read it: `signed_up_at` is `Signed up at`. Capitals stay: `LOW` is a word of somebody's.
fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
