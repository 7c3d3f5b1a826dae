//! HubSpot's words as answers, one per input (CONTRACT sections 3.4 and 3.5).
//!
//! In: a refusal of a whole request, or the results and errors of a batch, in no order. Out: answers in the order of
//! the inputs. Always true: a result or an error is given to an input by trace id or record id, and only where neither
//! is there by what it says, and then only where exactly one input fits; whatever stays unmentioned is unknown.

use std::collections::{BTreeMap, BTreeSet};

use dsl::schema::Entity;
use http::StatusCode;
use serde_json::Value as Json;

use super::failure::{Failure, with_scopes};
use super::values::{observed, wire};
use crate::http::text;
use crate::planted::{Mutant, planted};
use crate::port::{Answer, Input, LimitWindow, Observed, Refusal};

const NOT_FOUND: &str = "OBJECT_NOT_FOUND";

/// Answers to a call that brought no results.
pub(super) fn whole(failure: &Failure, inputs: &[Input]) -> Vec<Answer> {
    match failure {
        Failure::Same(answer) => vec![answer.clone(); inputs.len()],
        Failure::Words { status, json } => words(*status, json, inputs),
    }
}

/// The answer to a call for a single thing, such as a page.
pub(super) fn alone(failure: &Failure) -> Answer {
    match failure {
        Failure::Same(answer) => answer.clone(),
        Failure::Words { status, json } => refused_with(*status, json),
    }
}

/// A 4xx about a request as a whole: nothing of it was done.
fn words(status: StatusCode, json: &Json, inputs: &[Input]) -> Vec<Answer> {
    let message = json["message"].as_str().unwrap_or_default();
    // An id that stands twice is named, but each of its inputs is fine by itself.
    let duplicate = message.starts_with("Duplicate IDs");
    let mut named = Names::default();
    named.add(json);
    for error in json["errors"].as_array().into_iter().flatten() {
        named.add(error);
    }
    if !duplicate && inputs.iter().any(|input| named.has(input)) {
        let answer = |input: &Input| if named.has(input) { refused_input(json, input) } else { Answer::Split };
        return inputs.iter().map(answer).collect();
    }
    // Not about any record, but about the request, the path or the account: the same for every input.
    let hopeless = message.starts_with("Unable to ") || message.starts_with("Invalid input JSON");
    let about_inputs = matches!(status.as_u16(), 400 | 409 | 413 | 414 | 422);
    if inputs.len() > 1 && about_inputs && !hopeless {
        let answer = |fits| if fits { Answer::Suspect } else { Answer::Split };
        return suspects(json, inputs).into_iter().map(answer).collect();
    }
    vec![refused_with(status, json); inputs.len()]
}

/// Which inputs a refusal that names none may be about: those of which it repeats a value, of the property that it names
/// if it names one. It is a guess, and nothing but the order of the next requests hangs on it.
fn suspects(json: &Json, inputs: &[Input]) -> Vec<bool> {
    let errors = json["errors"].as_array().into_iter().flatten();
    let said = std::iter::once(json).chain(errors).filter_map(|error| error["message"].as_str()).collect::<Vec<_>>();
    let property = field(json);
    let fits = |input: &Input| {
        let meant = |name: &String| property.as_ref().is_none_or(|property| property == name);
        let values = input.values.iter().filter(|(name, _)| meant(name)).map(|(_, value)| wire(value));
        values.filter(|value| value.len() >= SHORTEST_TOLD).any(|value| said.iter().any(|said| repeats(said, &value)))
    };
    inputs.iter().map(fits).collect()
}

/// Shorter values stand in many texts by chance.
const SHORTEST_TOLD: usize = 3;

/// Does a text hold this value, and not as a part of another word?
fn repeats(said: &str, value: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    said.match_indices(value)
        .any(|(at, _)| is_edge(said[..at].chars().next_back()) && is_edge(said[at + value.len()..].chars().next()))
}

/// A refusal of one input. That a record is not there is only believed of one that was asked for by its id.
fn refused_input(json: &Json, input: &Input) -> Answer {
    let not_found = json["category"].as_str() == Some(NOT_FOUND);
    if not_found && input.id.is_some() { Answer::Missing } else { refused(json) }
}

fn refused_with(status: StatusCode, json: &Json) -> Answer {
    if status == StatusCode::BAD_REQUEST || status == StatusCode::CONFLICT || status.as_u16() == 422 {
        return refused(json);
    }
    let said = reason(json);
    Answer::Refused { reason: format!("HTTP {}: {said}", status.as_u16()), refusal: Refusal::Other }
}

/// What an error says of inputs, by trace id and by record id.
#[derive(Default)]
struct Names {
    traces: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, error: &Json) {
        let context = &error["context"];
        self.traces.extend(list(&context["objectWriteTraceId"]));
        for name in ["ids", "id"] {
            self.ids.extend(list(&context[name]));
        }
    }

    fn has(&self, input: &Input) -> bool {
        self.traces.contains(&input.key) || input.id.as_ref().is_some_and(|id| self.ids.contains(id))
    }
}

/// Members of a context are lists; a bare value counts as a list of one.
fn list(value: &Json) -> Vec<String> {
    match value {
        Json::Array(values) => values.iter().map(text).collect(),
        Json::Null => Vec::new(),
        other => vec![text(other)],
    }
}

/// A refusal in HubSpot's words: the record that is in the way, or the field, where it names one.
pub(super) fn refused(json: &Json) -> Answer {
    let refusal = match existing(json) {
        Some(id) => Refusal::Exists(id),
        None => Refusal::Invalid(field(json)),
    };
    Answer::Refused { reason: reason(json), refusal }
}

/// `Some` for a conflict of unique values, with the id of the record that holds it, where it is said.
fn existing(json: &Json) -> Option<Option<String>> {
    let message = json["message"].as_str().unwrap_or_default();
    let contexts = std::iter::once(json).chain(json["errors"].as_array().into_iter().flatten());
    let told = contexts.flat_map(|error| list(&error["context"]["existingId"])).find(|id| !id.is_empty());
    if told.is_some() {
        return Some(told);
    }
    // 409: the id is only in the text.
    if let Some((_, rest)) = message.split_once("Existing ID:") {
        let id: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        return Some(Some(id).filter(|id| !id.is_empty()));
    }
    // 400, the race form: "… on <new id>. <owner id> already has that value."; the value before may hold anything.
    if let Some((before, _)) = message.rsplit_once(" already has that value") {
        let owner = before.rsplit(' ').next().filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
        return Some(owner.map(str::to_owned));
    }
    let conflict = matches!(json["category"].as_str(), Some("CONFLICT" | "OBJECT_ALREADY_EXISTS"));
    conflict.then_some(None)
}

/// What is wrong with single properties, as the message lists it behind its first words.
fn listed(json: &Json) -> Vec<Json> {
    let message = json["message"].as_str().unwrap_or_default();
    let list = message.strip_prefix("Property values were not valid:").map(str::trim);
    list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}

fn field(json: &Json) -> Option<String> {
    let errors = json["errors"].as_array().into_iter().flatten();
    let contexts = errors.chain(std::iter::once(json)).map(|error| &error["context"]);
    let named = contexts.flat_map(|context| [list(&context["propertyName"]), list(&context["properties"])]).flatten();
    let in_text = listed(json).into_iter().map(|problem| text(&problem["name"]));
    named.chain(in_text).find(|name| !name.is_empty())
}

/// The reason for people: every problem once, without the JSON around it.
fn reason(json: &Json) -> String {
    let message = json["message"].as_str().unwrap_or_default();
    let errors = json["errors"].as_array().cloned().unwrap_or_default();
    let listed = listed(json);
    let detailed = if listed.is_empty() { &errors } else { &listed };
    let vague = !listed.is_empty() || message.is_empty() || message == "Property values were not valid";
    let mut problems: Vec<&str> = Vec::new();
    if vague {
        problems.extend(detailed.iter().filter_map(|problem| problem["message"].as_str()));
    }
    problems.dedup();
    match (problems.is_empty(), message.is_empty()) {
        (false, _) => problems.join("; "),
        (true, false) => message.to_owned(),
        (true, true) => "HubSpot gives no reason".to_owned(),
    }
}

/// The cursor of the next page.
pub(super) fn next_page(json: &Json) -> Option<String> {
    Some(text(&json["paging"]["next"]["after"])).filter(|after| !after.is_empty())
}

/// Answers of a batch of creates or, `by_id`, of updates.
pub(super) fn batch(json: &Json, inputs: &[Input], entity: &Entity, by_id: bool) -> Vec<Answer> {
    let results: Vec<&Json> = json["results"].as_array().map(|list| list.iter().collect()).unwrap_or_default();
    let errors: Vec<&Json> = json["errors"].as_array().map(|list| list.iter().collect()).unwrap_or_default();
    let mut taken = vec![false; results.len()];
    let mut answers: Vec<Option<Answer>> = vec![None; inputs.len()];

    // By trace id, which HubSpot repeats on most results, and by record id.
    let traces: BTreeMap<&str, usize> =
        results.iter().enumerate().filter_map(|(n, r)| Some((r["objectWriteTraceId"].as_str()?, n))).collect();
    let ids: BTreeMap<String, usize> = results.iter().enumerate().map(|(n, result)| (text(&result["id"]), n)).collect();
    for (input, answer) in inputs.iter().zip(&mut answers) {
        let by_record = || input.id.as_ref().filter(|_| by_id).and_then(|id| ids.get(id));
        if let Some(index) = traces.get(input.key.as_str()).or_else(by_record) {
            taken[*index] = true;
            *answer = Some(Answer::Record(observed(results[*index], None)));
        }
    }

    let mut unnamed: Vec<&Json> = Vec::new();
    for error in errors {
        let mut names = Names::default();
        names.add(error);
        let mut used = false;
        for (input, answer) in inputs.iter().zip(&mut answers) {
            if names.has(input) {
                used = true;
                let done = planted(Mutant::PartFailureIsDone).then(|| as_asked(input));
                answer.get_or_insert_with(|| done.unwrap_or_else(|| failed(error, input)));
            }
        }
        if !used {
            unnamed.push(error);
        }
    }

    // What is left is told by what it says: first by unique values, then because nothing else is left.
    let free = |answers: &[Option<Answer>]| -> Vec<usize> {
        answers.iter().enumerate().filter(|(_, answer)| answer.is_none()).map(|(n, _)| n).collect()
    };
    if !by_id {
        let open = free(&answers);
        let fits = |input: usize, result: usize| !taken[result] && same_unique(&inputs[input], results[result], entity);
        let pairs: Vec<(usize, usize)> = open
            .iter()
            .filter_map(|input| {
                let mut fitting = (0..results.len()).filter(|result| fits(*input, *result));
                let result = fitting.next().filter(|_| fitting.next().is_none())?;
                (open.iter().filter(|other| fits(**other, result)).count() == 1).then_some((*input, result))
            })
            .collect();
        for (input, result) in pairs {
            taken[result] = true;
            answers[input] = Some(Answer::Record(observed(results[result], None)));
        }
        if let ([input], Some(result)) = (free(&answers).as_slice(), taken.iter().position(|taken| !taken))
            && taken.iter().filter(|taken| !**taken).count() == 1
        {
            answers[*input] = Some(Answer::Record(observed(results[result], None)));
        }
    }
    if let ([input], [error]) = (free(&answers).as_slice(), unnamed.as_slice()) {
        answers[*input] = Some(failed(error, &inputs[*input]));
        unnamed.clear();
    }

    let mut cause = "HubSpot's answer does not mention it".to_owned();
    for error in unnamed {
        cause.push_str("; it says of something: ");
        cause.push_str(&reason(error));
    }
    let unmentioned = |input: &Input| {
        if planted(Mutant::UnmentionedIsDone) { as_asked(input) } else { Answer::Unknown { cause: cause.clone() } }
    };
    answers.into_iter().zip(inputs).map(|(answer, input)| answer.unwrap_or_else(|| unmentioned(input))).collect()
}

/// An answer that says nothing but that it was done, for faults that are planted.
fn as_asked(input: &Input) -> Answer {
    Answer::Record(Observed { id: input.id.clone().unwrap_or_default(), ..Observed::default() })
}

/// The error of a batch that names an input, as its answer.
pub(super) fn named(json: &Json, input: &Input) -> Option<Answer> {
    json["errors"].as_array()?.iter().find_map(|error| {
        let mut names = Names::default();
        names.add(error);
        names.has(input).then(|| failed(error, input))
    })
}

/// An error inside of a batch: this input was not done.
fn failed(error: &Json, input: &Input) -> Answer {
    match error["category"].as_str() {
        Some("RATE_LIMIT" | "RATE_LIMITS") => {
            Answer::RateLimited { after: None, window: LimitWindow::Unknown, policy: None }
        }
        // About whoever asks and not about the record, as in a 401 or 403 of a whole request.
        Some("MISSING_SCOPES") => {
            let reason = with_scopes(&reason(error), error);
            Answer::Refused { reason, refusal: Refusal::Forbidden }
        }
        Some("INVALID_AUTHENTICATION" | "EXPIRED_AUTHENTICATION") => {
            Answer::Refused { reason: reason(error), refusal: Refusal::Unauthenticated }
        }
        _ => refused_input(error, input),
    }
}

/// True where a record shows every unique value that an input sets, and it sets one.
fn same_unique(input: &Input, result: &Json, entity: &Entity) -> bool {
    let unique = |name: &String| entity.fields.get(name).is_some_and(|field| field.unique);
    let mut sent = input.values.iter().filter(|(name, value)| unique(name) && !wire(value).is_empty()).peekable();
    sent.peek().is_some()
        && sent.all(|(name, value)| {
            let shown = text(&result["properties"][name.as_str()]);
            shown.to_lowercase() == wire(value).trim().to_lowercase()
        })
}
