//! Search (CONTRACT 4): filters, one sort, pages up to ten thousand results, behind an index that may lag.
//!
//! Always true: with an index delay a record is found in the state that it had that long ago, while a read by id sees
//! every write at once; archived records never appear; a property that is not defined finds nothing. What is asked by
//! id, unique value, linked record or the order of time costs the same however many records there are; other filters
//! look at each.
//! Not here: several languages of tokens: words are split at everything that is no letter and no digit.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;

use dsl::value::{Duration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::definitions::{Kind, created_property, modified_property};
use super::index::Time;
use super::record::{Record, Wanted};
use super::reply::{Answer, error, names, text};
use super::values::instant;

/// Results of one page.
const PAGE: u64 = 200;
/// Results of one query.
const RESULTS: u64 = 10_000;
/// Characters of a body.
const BODY: usize = 3_000;
/// Groups, filters of a group, filters of a query.
const FILTERS: [usize; 3] = [5, 6, 18];

/// What is asked of a search.
struct Asked {
    /// Each holds filters that all fit; one of them fits.
    groups: Vec<Vec<Json>>,
    /// In lower case; empty where none is asked for.
    query: String,
    sort: String,
    descending: bool,
    page: Range<usize>,
}

impl HubSpot {
    /// From now on, search sees a write only after `delay`; reads by id see it at once.
    pub fn delay_index(&mut self, delay: Duration) {
        self.index_delay = delay;
        for table in self.tables.values_mut() {
            table.delay_index(delay);
        }
    }

    pub(super) fn search(&mut self, kind: &str, body: &Json, now: Timestamp) -> Answer {
        self.calls.reads += 1;
        let asked = match asked(kind, body) {
            Ok(asked) => asked,
            Err(message) => return error(400, "VALIDATION_ERROR", &message),
        };
        self.table_mut(kind).index.catch_up(now);
        let (total, ids) = self.found(kind, &asked);
        let wanted = body["properties"].as_array().map(|_| names(&body["properties"]));
        let wanted = wanted.as_deref().map_or(Wanted::Usual, Wanted::Named);
        let seen = |id: &u64| self.table(kind)?.seen(*id);
        let page: Vec<Json> = ids.iter().filter_map(seen).map(|record| self.view(kind, record, wanted)).collect();
        let mut answer = json!({"total": total, "results": page});
        if asked.page.end < total {
            answer["paging"] = json!({"next": {"after": asked.page.end.to_string()}});
        }
        (200, answer)
    }

    /// How many records fit, and the ids of those of the page.
    fn found(&self, kind: &str, asked: &Asked) -> (usize, Vec<u64>) {
        if let Some(found) = self.by_time(kind, asked) {
            return found;
        }
        let Some(table) = self.table(kind) else { return (0, Vec::new()) };
        let fits = |record: &&Record| {
            let all = |filters: &Vec<Json>| filters.iter().all(|filter| self.fits(kind, record, filter));
            let mut values = record.properties.values();
            (asked.query.is_empty() || values.any(|value| value.to_lowercase().contains(&asked.query)))
                && (asked.groups.is_empty() || asked.groups.iter().any(all))
        };
        let few = self.candidates(kind, asked);
        let all = || table.index.ids();
        let ids: Box<dyn Iterator<Item = u64>> = match few {
            Some(few) => Box::new(few.into_iter()),
            None => Box::new(all()),
        };
        let found = ids.filter_map(|id| table.seen(id)).filter(fits);
        let mut found: Vec<(Sorted, u64)> = found
            .map(|record| (self.sortable(kind, &asked.sort, self.value_of(kind, record, &asked.sort)), record.id))
            .collect();
        found.sort();
        if asked.descending {
            found.reverse();
        }
        let page = asked.page.start.min(found.len())..asked.page.end.min(found.len());
        (found.len(), found[page].iter().map(|(_, id)| *id).collect())
    }

    /// What an order by time answers without a look at the records: all of them, or those of a span.
    fn by_time(&self, kind: &str, asked: &Asked) -> Option<(usize, Vec<u64>)> {
        let by = match asked.sort.as_str() {
            name if name == modified_property(kind) => Time::Changed,
            name if name == created_property(kind) => Time::Created,
            _ => return None,
        };
        // Whatever is more than one span of that very time is left to a look at the records.
        let filters = match asked.groups.as_slice() {
            [] => &[],
            [filters] => filters.as_slice(),
            _ => return None,
        };
        let (mut from, mut to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        for filter in filters {
            if !asked.query.is_empty() || text(&filter["propertyName"]) != asked.sort {
                return None;
            }
            let at = instant(&text(&filter["value"]));
            let (first, last) = match filter["operator"].as_str().unwrap_or("EQ") {
                "HAS_PROPERTY" => continue,
                "GTE" => (at?, Timestamp(i64::MAX)),
                "GT" => (at?.plus(Duration(1)), Timestamp(i64::MAX)),
                "LT" => (Timestamp(i64::MIN), at?),
                "LTE" => (Timestamp(i64::MIN), at?.plus(Duration(1))),
                "EQ" => (at?, at?.plus(Duration(1))),
                "BETWEEN" => (at?, instant(&text(&filter["highValue"]))?.plus(Duration(1))),
                _ => return None,
            };
            (from, to) = (from.max(first), to.min(last));
        }
        if !asked.query.is_empty() {
            return None;
        }
        let table = self.table(kind)?;
        Some(table.index.between(by, from, to.max(from), asked.descending, asked.page.clone()))
    }

    /// The few records that can fit, where every group names an id, a unique value or a record that is linked.
    fn candidates(&self, kind: &str, asked: &Asked) -> Option<BTreeSet<u64>> {
        // Behind a delay a record is found by values that it may not hold any more.
        if asked.groups.is_empty() || self.index_delay.0 > 0 {
            return None;
        }
        let mut few = BTreeSet::new();
        for group in &asked.groups {
            few.extend(group.iter().find_map(|filter| self.named(kind, filter))?);
        }
        Some(few)
    }

    /// The few records that a filter can mean; `None` where it can mean any.
    fn named(&self, kind: &str, filter: &Json) -> Option<Vec<u64>> {
        let name = text(&filter["propertyName"]);
        let values = match filter["operator"].as_str().unwrap_or("EQ") {
            "EQ" => vec![text(&filter["value"])],
            "IN" => names(&filter["values"]),
            _ => return None,
        };
        if let Some(to) = name.strip_prefix("associations.") {
            let to = self.type_id(to);
            let ids = values.iter().filter_map(|value| value.parse().ok());
            return Some(
                ids.flat_map(|id: u64| self.links_of(&to, id, kind).map(|link| link.id).collect::<Vec<_>>()).collect(),
            );
        }
        if name == "hs_object_id" {
            return Some(values.iter().filter_map(|value| value.parse().ok()).collect());
        }
        let table = self.table(kind)?;
        let unique = self.definition(kind, &name).is_some_and(|definition| definition.unique);
        unique.then(|| values.iter().flat_map(|value| table.alike(&name, value)).collect())
    }

    fn fits(&self, kind: &str, record: &Record, filter: &Json) -> bool {
        let name = text(&filter["propertyName"]);
        let value = text(&filter["value"]);
        if let Some(to) = name.strip_prefix("associations.") {
            let to = self.type_id(to);
            let linked =
                |id: &String| id.parse().is_ok_and(|id| self.link_between((kind, record.id), (&to, id)).is_some());
            return match filter["operator"].as_str().unwrap_or("EQ") {
                "IN" => names(&filter["values"]).iter().any(linked),
                _ => linked(&value),
            };
        }
        let Some(definition) = self.definition(kind, &name) else { return false };
        let property = definition.kind;
        let held = self.value_of(kind, record, &name).filter(|held| !held.is_empty());
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

/// Reads a request, or says what is wrong with it.
fn asked(kind: &str, body: &Json) -> Result<Asked, String> {
    if body.to_string().chars().count() > BODY {
        return Err(format!("The body has more than {BODY} characters"));
    }
    let limit = body["limit"].as_u64().unwrap_or(10);
    if limit > PAGE {
        return Err(format!("The limit is {limit}, it may be at most {PAGE}"));
    }
    let after = text(&body["after"]);
    let after: u64 = match after.parse() {
        Ok(after) => after,
        Err(_) if after.is_empty() => 0,
        Err(_) => return Err(format!("Cannot deserialize value of type `int` from String \"{after}\"")),
    };
    if after + limit > RESULTS {
        return Err(format!("Paging goes to {RESULTS} results"));
    }
    let groups: Vec<Vec<Json>> = body["filterGroups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| group["filters"].as_array().cloned().unwrap_or_default())
        .collect();
    let total: usize = groups.iter().map(Vec::len).sum();
    if groups.len() > FILTERS[0] || groups.iter().any(|group| group.len() > FILTERS[1]) || total > FILTERS[2] {
        return Err("There are too many filters".to_owned());
    }
    let (sort, descending) = match body["sorts"].as_array().map(Vec::as_slice) {
        None | Some([]) => (created_property(kind).to_owned(), false),
        Some([sort]) => sorted_by(sort),
        Some(_) => return Err("Only one sort is supported".to_owned()),
    };
    // Both lie below ten thousand.
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let page = place(after)..place(after + limit);
    Ok(Asked { groups, query: text(&body["query"]).to_lowercase(), sort, descending, page })
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
