//! One call: paths by version, token, and what it means that it failed.
//!
//! In: method, path and body. Out: the JSON of a success, or a [`Failure`].
//! Always true: a success whose body cannot be read is not a success; only 4xx words come back to be looked at.

use http::{Method, StatusCode};
use serde_json::Value as Json;

use super::failure::{Failure, trouble};
use super::{HubSpot, refuse};
use crate::http::{lost, request};
use crate::port::Answer;

/// A response whose body is not HubSpot's.
fn unread<B>(response: &http::Response<B>, write: bool, error: &serde_json::Error) -> Failure {
    let cause = format!("HTTP {} with a body that is no JSON: {error}", response.status());
    Failure::Same(if write { Answer::Unknown { cause } } else { Answer::Retry { after: None, cause } })
}

impl HubSpot {
    /// Sends one call. `write`: it may change something.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        write: bool,
    ) -> Result<Json, Failure> {
        let url = format!("{}{path}", self.settings.base_url.trim_end_matches('/'));
        let token = self.token.bearer().await.map_err(Failure::Same)?;
        let request = request(method, &url, Some(&token), None, body)
            .map_err(|error| Failure::Same(refuse(format!("the request cannot be made: {error}"))))?;
        let response = self.transport.send(request).await.map_err(|error| Failure::Same(lost(&error, write)))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.token.refused(&token).await;
        }
        let parsed = crate::json::read(response.body());
        if response.status().is_success() {
            if response.body().is_empty() {
                return Ok(Json::Null);
            }
            return parsed.map_err(|error| unread(&response, write, &error));
        }
        // 5xx and unknown routes may answer HTML (CONTRACT 3.4).
        if let Some(answer) = trouble(&response, parsed.as_ref().unwrap_or(&Json::Null), write) {
            return Err(Failure::Same(answer));
        }
        match parsed {
            // HubSpot's own words are JSON: this is a page of somebody on the way, and says nothing of the record.
            Err(error) if !write => Err(unread(&response, write, &error)),
            parsed => Err(Failure::Words { status: response.status(), json: parsed.unwrap_or(Json::Null) }),
        }
    }

    /// The version with numbered paths, where the settings name one.
    pub(super) fn numbered(&self) -> bool {
        matches!(self.settings.api_version.as_str(), "v3" | "v4")
    }

    /// What HubSpot calls an entity: the type id of the lock.
    fn kind(&self, entity: &str) -> String {
        self.entity(entity).and_then(|known| known.remote.clone()).unwrap_or_else(|| entity.to_lowercase())
    }

    /// Path of an entity's objects.
    pub(super) fn objects_path(&self, entity: &str) -> String {
        let kind = self.kind(entity);
        if self.numbered() {
            format!("/crm/v3/objects/{kind}")
        } else {
            format!("/crm/objects/{}/{kind}", self.settings.api_version)
        }
    }

    /// Path of a batch call on the associations between two entities.
    pub(super) fn associations_path(&self, from: &str, to: &str, tail: &str) -> String {
        let (from, to) = (self.kind(from), self.kind(to));
        if self.numbered() {
            format!("/crm/v4/associations/{from}/{to}/batch/{tail}")
        } else {
            format!("/crm/associations/{}/{from}/{to}/batch/{tail}", self.settings.api_version)
        }
    }

    /// Path of what defines an entity: its `properties` or `pipelines`.
    pub(super) fn definitions_path(&self, what: &str, entity: &str) -> String {
        let kind = self.kind(entity);
        if self.numbered() {
            format!("/crm/v3/{what}/{kind}")
        } else {
            format!("/crm/{what}/{}/{kind}", self.settings.api_version)
        }
    }

    /// Path of the owners.
    pub(super) fn owners_path(&self) -> String {
        if self.numbered() { "/crm/v3/owners".to_owned() } else { format!("/crm/owners/{}", self.settings.api_version) }
    }
}
