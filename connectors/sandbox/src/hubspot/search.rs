//! Search (CONTRACT 4): filters, one sort, pages up to ten thousand results, behind an index that may lag.
//!
//! Always true: with an index delay a record is found in the state that it had that long ago, while a read by id sees
//! every write at once; archived records never appear; a property that is not defined finds nothing.
//! Not here: several languages of tokens: words are split at everything that is no letter and no digit.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use dsl::value::{Duration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::properties::{Kind, created_property};
use super::record::{Indexed, Record, State, Wanted};
use super::reply::{Answer, error, names, text};
use super::validate::instant;

/// Results of one page.
const PAGE: u64 = 200;
/// Results of one query.
const RESULTS: u64 = 10_000;
/// Characters of a body.
const BODY: usize = 3_000;
/// Groups, filters of a group, filters of a query.
const FILTERS: [usize; 3] = [5, 6, 18];

impl HubSpot {
    /// From now on, search sees a write only after `delay`; reads by id see it at once.
    pub fn delay_index(&mut self, delay: Duration) {
        self.index_delay = delay;
        for record in self.records.values_mut().flat_map(BTreeMap::values_mut) {
            record.indexed.clear();
            if delay.0 > 0 {
                let state = record.state();
                record.indexed.push(Indexed { at: Timestamp(i64::MIN / 2), state });
            }
        }
    }

    pub(super) fn search(&mut self, kind: &str, body: &Json, now: Timestamp) -> Answer {
        self.calls.reads += 1;
        let invalid = |message: String| error(400, "VALIDATION_ERROR", &message);
        if body.to_string().chars().count() > BODY {
            return invalid(format!("The body has more than {BODY} characters"));
        }
        let limit = body["limit"].as_u64().unwrap_or(10);
        if limit > PAGE {
            return invalid(format!("The limit is {limit}, it may be at most {PAGE}"));
        }
        let after = text(&body["after"]);
        let after: u64 = match after.parse() {
            Ok(after) => after,
            Err(_) if after.is_empty() => 0,
            Err(_) => return invalid(format!("Cannot deserialize value of type `int` from String \"{after}\"")),
        };
        if after + limit > RESULTS {
            return invalid(format!("Paging goes to {RESULTS} results"));
        }
        let groups: Vec<Vec<Json>> = body["filterGroups"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|group| group["filters"].as_array().cloned().unwrap_or_default())
            .collect();
        let total: usize = groups.iter().map(Vec::len).sum();
        if groups.len() > FILTERS[0] || groups.iter().any(|group| group.len() > FILTERS[1]) || total > FILTERS[2] {
            return invalid("There are too many filters".to_owned());
        }
        let sort = match body["sorts"].as_array().map(Vec::as_slice) {
            None | Some([]) => (created_property(kind).to_owned(), false),
            Some([sort]) => sorted_by(sort),
            Some(_) => return invalid("Only one sort is supported".to_owned()),
        };
        let query = text(&body["query"]).to_lowercase();
        let mut found: Vec<(u64, State)> = Vec::new();
        for record in self.records.get(kind).into_iter().flat_map(BTreeMap::values).filter(|r| !r.archived) {
            let Some(state) = self.indexed(record, now) else { continue };
            let all = |filters: &Vec<Json>| filters.iter().all(|filter| self.fits(kind, record, &state, filter));
            let asked =
                query.is_empty() || state.properties.values().any(|value| value.to_lowercase().contains(&query));
            if asked && (groups.is_empty() || groups.iter().any(all)) {
                found.push((record.id, state));
            }
        }
        let (by, descending) = sort;
        let mut keyed: Vec<(Sorted, u64, State)> = found
            .into_iter()
            .map(|(id, state)| {
                let record = self.records.get(kind).and_then(|records| records.get(&id));
                let value =
                    record.and_then(|record| self.value_of(kind, record, &state.properties, state.updated, &by));
                (self.sortable(kind, &by, value), id, state)
            })
            .collect();
        keyed.sort_by(|(a, a_id, _), (b, b_id, _)| {
            let order = a.cmp(b);
            if descending { order.reverse() } else { order }.then(a_id.cmp(b_id))
        });
        let wanted = body["properties"].as_array().map(|_| names(&body["properties"]));
        let wanted = wanted.as_deref().map_or(Wanted::Usual, Wanted::Named);
        let (skip, take) = (usize::try_from(after).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(0));
        let page: Vec<Json> = keyed
            .iter()
            .skip(skip)
            .take(take)
            .filter_map(|(_, id, state)| {
                let record = self.records.get(kind)?.get(id)?;
                Some(self.view(kind, record, &state.properties, state.updated, wanted))
            })
            .collect();
        let mut answer = json!({"total": keyed.len(), "results": page});
        if after + limit < keyed.len() as u64 {
            answer["paging"] = json!({"next": {"after": (after + limit).to_string()}});
        }
        (200, answer)
    }

    /// The state of a record that the index holds.
    fn indexed(&self, record: &Record, now: Timestamp) -> Option<State> {
        if self.index_delay.0 == 0 {
            return Some(record.state());
        }
        let seen = record.indexed.iter().rev().find(|state| state.at.plus(self.index_delay) <= now)?;
        Some(seen.state.clone())
    }

    fn fits(&self, kind: &str, record: &Record, state: &State, filter: &Json) -> bool {
        let name = text(&filter["propertyName"]);
        let value = text(&filter["value"]);
        if let Some(to) = name.strip_prefix("associations.") {
            let to = self.type_id(to);
            return self.links_of(kind, record.id, &to).any(|link| link.id.to_string() == value);
        }
        let Some(definition) = self.definition(kind, &name) else { return false };
        let property = definition.kind;
        let held = self.value_of(kind, record, &state.properties, state.updated, &name).filter(|held| !held.is_empty());
        let operator = filter["operator"].as_str().unwrap_or("EQ");
        let list = || -> Vec<String> { names(&filter["values"]) };
        let Some(held) = held else {
            return matches!(operator, "NOT_HAS_PROPERTY" | "NEQ" | "NOT_IN" | "NOT_CONTAINS_TOKEN");
        };
        let compared = |to: &str| compare(property, &held, to);
        let same = |to: &str| compared(to) == Some(Ordering::Equal);
        // `IN` takes texts as they are: send lower case.
        let one_of = |values: &[String]| {
            values.iter().any(|value| *value == held.to_lowercase() || (property != Kind::Text && same(value)))
        };
        match operator {
            "EQ" => same(&value),
            "NEQ" => !same(&value),
            "LT" => compared(&value) == Some(Ordering::Less),
            "LTE" => matches!(compared(&value), Some(Ordering::Less | Ordering::Equal)),
            "GT" => compared(&value) == Some(Ordering::Greater),
            "GTE" => matches!(compared(&value), Some(Ordering::Greater | Ordering::Equal)),
            "BETWEEN" => {
                let high = text(&filter["highValue"]);
                !matches!(compared(&value), Some(Ordering::Less) | None)
                    && !matches!(compared(&high), Some(Ordering::Greater) | None)
            }
            "IN" => one_of(&list()),
            "NOT_IN" => !one_of(&list()),
            "HAS_PROPERTY" => true,
            "CONTAINS_TOKEN" => has_token(&held, &value),
            "NOT_CONTAINS_TOKEN" => !has_token(&held, &value),
            _ => false,
        }
    }

    fn sortable(&self, kind: &str, name: &str, value: Option<String>) -> Sorted {
        let Some(value) = value else { return Sorted::Nothing };
        match self.definition(kind, name).map(|definition| definition.kind) {
            Some(Kind::Number) => value.parse().map_or(Sorted::Text(value), Sorted::Number),
            Some(Kind::Date | Kind::Time) => instant(&value).map_or(Sorted::Text(value), |at| Sorted::Time(at.0)),
            _ => Sorted::Text(value.to_lowercase()),
        }
    }
}

/// A value in its order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sorted {
    Nothing,
    Number(Decimal),
    Time(i64),
    Text(String),
}

/// `{propertyName, direction}` or `"-createdate"`; true where the order is descending.
fn sorted_by(sort: &Json) -> (String, bool) {
    match sort.as_str() {
        Some(name) => (name.trim_start_matches('-').to_owned(), name.starts_with('-')),
        None => (text(&sort["propertyName"]), sort["direction"] == "DESCENDING"),
    }
}

/// Without regard to case, except options.
fn compare(kind: Kind, held: &str, to: &str) -> Option<Ordering> {
    match kind {
        Kind::Number => Some(held.parse::<Decimal>().ok()?.cmp(&to.parse().ok()?)),
        Kind::Date | Kind::Time => Some(instant(held)?.cmp(&instant(to)?)),
        Kind::Enumeration => Some(held.cmp(to)),
        Kind::Text | Kind::Flag => Some(held.to_lowercase().cmp(&to.to_lowercase())),
    }
}

fn has_token(held: &str, wanted: &str) -> bool {
    let (held, wanted) = (held.to_lowercase(), wanted.to_lowercase());
    let words = held.split_whitespace();
    let tokens: BTreeSet<&str> = words.chain(held.split(|c: char| !c.is_alphanumeric())).collect();
    tokens.into_iter().filter(|token| !token.is_empty()).any(|token| matches_pattern(token, &wanted))
}

/// `*` stands for any text.
fn matches_pattern(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, rest)) => match text.strip_prefix(start) {
            Some(left) => {
                left.char_indices().map(|(at, _)| &left[at..]).chain([""]).any(|left| matches_pattern(left, rest))
            }
            None => false,
        },
    }
}
