//! What the twin says: statuses and bodies, and why a write is refused (CONTRACT 3.4).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// Status and body; a body of text is HTML, null is none.
pub(super) type Answer = (u16, Json);

/// An error with a category, where `category` is not empty.
pub(super) fn error(status: u16, category: &'static str, message: &str) -> Answer {
    Refusal::new(status, category, message.to_owned()).answer()
}

/// What an unknown route answers.
pub(super) fn no_route() -> Answer {
    (404, "<html><body><h2>HTTP ERROR 404 Not Found</h2></body></html>".into())
}

/// Why a write is refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: Box<str>,
    /// Empty where HubSpot gives none.
    pub(super) category: &'static str,
    pub(super) sub_category: &'static str,
    /// An object; empty where there is nothing to add.
    pub(super) context: Json,
    /// The record that is in the way. Only a batch says it outside of the text.
    pub(super) existing: Option<u64>,
    /// One for each thing that is wrong.
    pub(super) errors: Box<[Json]>,
}

impl Refusal {
    pub(super) fn new(status: u16, category: &'static str, message: String) -> Self {
        let message = message.into_boxed_str();
        Self { status, message, category, sub_category: "", context: json!({}), existing: None, errors: Box::default() }
    }

    /// No record has this id. A numeric one gets few words.
    pub(super) fn no_record(id: &str) -> Self {
        if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) {
            Self::new(404, "", "resource not found".to_owned())
        } else {
            Self::new(404, "OBJECT_NOT_FOUND", "Object not found.  objectId are usually numeric.".to_owned())
        }
    }

    /// As the body of a whole answer, and as one of the errors of a batch.
    pub(super) fn body(&self) -> Json {
        let mut body = json!({"status": "error", "message": self.message});
        if !self.category.is_empty() {
            body["category"] = self.category.into();
        }
        if !self.sub_category.is_empty() {
            body["subCategory"] = self.sub_category.into();
        }
        if self.context.as_object().is_some_and(|context| !context.is_empty()) {
            body["context"] = self.context.clone();
        }
        if !self.errors.is_empty() {
            body["errors"] = self.errors.to_vec().into();
        }
        body
    }

    pub(super) fn answer(&self) -> Answer {
        (self.status, self.body())
    }
}

/// A value as text; numbers and flags are read as text, null as empty.
pub(super) fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

pub(super) fn values(json: &Json) -> BTreeMap<String, String> {
    json.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

pub(super) fn names(json: &Json) -> Vec<String> {
    json.as_array().into_iter().flatten().map(text).collect()
}
