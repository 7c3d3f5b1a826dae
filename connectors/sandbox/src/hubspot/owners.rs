//! Owners: the people of the account, to whom records can be given, and `/crm/v3/owners` (CONTRACT 3.7).
//!
//! In: people whom a test adds or deactivates. Out: owners as HubSpot shows them.
//! Always true: an account has at least one, the person who installed the app; records are given to an owner's id, never
//! to the id of the user; a deactivated owner shows no `userId` and is listed only where archived ones are asked for.

use dsl::value::Timestamp;
use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::reply::{Answer, error, no_route};
use super::target::Query;

/// Owners of one page.
const PAGE: usize = 500;

/// The user whom HubSpot names as the source of what a person does.
pub(super) const FIRST_USER: u64 = 55_500_011;

/// One owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What records hold in `hubspot_owner_id`.
    pub id: String,
    /// The address that the person logs in with.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// The user that the owner is; not what records hold.
    pub user_id: u64,
    /// Deactivated: no record can be given to them, and those that have been keep them.
    pub archived: bool,
    created: Timestamp,
    updated: Timestamp,
}

impl Owner {
    fn shown(&self) -> Json {
        json!({
            "id": self.id, "email": self.email, "type": "PERSON", "firstName": self.first_name,
            "lastName": self.last_name, "userId": (!self.archived).then_some(self.user_id),
            "userIdIncludingInactive": self.user_id, "createdAt": self.created.to_string(),
            "updatedAt": self.updated.to_string(), "archived": self.archived, "teams": [],
        })
    }
}

/// The person who installed the app.
pub(super) fn first() -> Owner {
    let installed = Timestamp(1_738_396_800_000);
    Owner {
        id: "41000077".to_owned(),
        email: "rep@crm.example".to_owned(),
        first_name: "Rita".to_owned(),
        last_name: "Reps".to_owned(),
        user_id: FIRST_USER,
        archived: false,
        created: installed,
        updated: installed,
    }
}

/// `ada.byron@example.com` is Ada Byron.
fn name_of(email: &str) -> (String, String) {
    let name = email.split('@').next().unwrap_or_default();
    let mut words = name.split(['.', '-', '_']).filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    (words.next().unwrap_or_default(), words.collect::<Vec<_>>().join(" "))
}

impl HubSpot {
    /// Adds an owner, whose name is read from the address.
    pub fn owner(&mut self, id: &str, email: &str) {
        let (first_name, last_name) = name_of(email);
        let (user_id, at) = (FIRST_USER + self.owners.len() as u64, first().created);
        let (id, email) = (id.to_owned(), email.to_owned());
        self.owners.push(Owner {
            id,
            email,
            first_name,
            last_name,
            user_id,
            archived: false,
            created: at,
            updated: at,
        });
    }

    /// Deactivates an owner; false where there is none with this id.
    pub fn deactivate_owner(&mut self, id: &str, now: Timestamp) -> bool {
        match self.owners.iter_mut().find(|owner| owner.id == id) {
            Some(owner) => {
                (owner.archived, owner.updated) = (true, now);
                true
            }
            None => false,
        }
    }

    /// Owners in the order in which they came, the person who installed the app first.
    #[must_use]
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// `/crm/v3/owners…`
    pub(super) fn owner_routes(&mut self, method: &Method, rest: &[&str], query: &Query) -> Answer {
        if method != Method::GET {
            return no_route();
        }
        self.calls.reads += 1;
        let archived = query.flag("archived");
        let mut listed = self.owners.iter().filter(|owner| owner.archived == archived);
        match rest {
            [] => {
                let email = query.one("email").map(str::to_lowercase);
                let fits = |owner: &&Owner| email.as_ref().is_none_or(|email| owner.email.to_lowercase() == *email);
                let (after, limit) = (query.number("after", 0), query.number("limit", 100).clamp(1, PAGE));
                let mut listed = listed.filter(fits).skip(after);
                let results = listed.by_ref().take(limit).map(Owner::shown).collect();
                let next = listed.next().map(|_| (after + limit) as u64);
                (200, self.paged(results, next, query))
            }
            [id] => {
                let by_user = query.one("idProperty") == Some("userId");
                let named = |owner: &Owner| if by_user { owner.user_id.to_string() == *id } else { owner.id == *id };
                match listed.find(|owner| named(owner)) {
                    Some(owner) => (200, owner.shown()),
                    None => error(404, "OBJECT_NOT_FOUND", "resource not found"),
                }
            }
            _ => no_route(),
        }
    }
}
