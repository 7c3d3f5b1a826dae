//! What the engine says about itself: lines of the log and figures for Prometheus, always both together.
//!
//! Always true: no value of a person's record is written to the log, only ids, fields and places in the rules.

use std::io::IsTerminal;
use std::time::Duration;

use connectors::port::{Answer, Refusal, Request, Verb};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::decide::{Action, Event, Lane};

/// Sets the log up: for people on a terminal, JSON lines elsewhere. `ENGINE_LOG` filters (`info`, `engine=debug`).
/// A second call changes nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env("ENGINE_LOG").unwrap_or_else(|_| EnvFilter::new("info,sled=warn"));
    let registry = tracing_subscriber::registry().with(filter);
    let terminal = std::io::stderr().is_terminal();
    let color = terminal && std::env::var_os("NO_COLOR").is_none();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // An embedding program may have set up its own log.
    let _set = if terminal {
        registry.with(layer.with_ansi(color).with_target(false)).try_init()
    } else {
        registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
    };
}

/// Sets the figures up. `None` where this process has a recorder already, of ours or of somebody else.
#[must_use]
pub fn figures() -> Option<PrometheusHandle> {
    static FIGURES: std::sync::OnceLock<Option<PrometheusHandle>> = std::sync::OnceLock::new();
    FIGURES.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).clone()
}

/// Something happened to a record, run or rule set.
pub fn event(event: &Event) {
    metrics::counter!("engine_events_total", "action" => event.action.name(), "rule" => event.rule.clone())
        .increment(1);
    let (left, right) = (event.left.as_deref().unwrap_or_default(), event.right.as_deref().unwrap_or_default());
    let field = event.field.as_deref().unwrap_or_default();
    let Event { action, rule, place, entity, subject, detail, .. } = event;
    let (kind, action) = (*action, action.name());
    match kind {
        Action::Incident | Action::Parked | Action::Expired | Action::Conflict => {
            tracing::warn!(action, rule, place, entity, left, right, field, subject, detail, at = %event.at, "event");
        }
        Action::Duplicate => {
            tracing::debug!(action, rule, place, entity, left, right, field, subject, detail, at = %event.at, "event");
        }
        _ => tracing::info!(action, rule, place, entity, left, right, field, subject, detail, at = %event.at, "event"),
    }
}

/// A request was answered.
pub fn call(lane: &Lane, request: &Request, answers: &[Answer], took: Duration) {
    let verb = match &request.verb {
        Verb::Read { .. } => "read",
        Verb::Create { .. } => "create",
        Verb::Update { .. } => "update",
        Verb::Delete { .. } => "delete",
        Verb::List { .. } => "list",
        Verb::Identify => "identify",
        Verb::Archived { .. } => "list_archived",
        Verb::Operation { .. } => "operation",
    };
    let system = lane.system.clone();
    metrics::histogram!("engine_call_seconds", "system" => system.clone(), "verb" => verb).record(took.as_secs_f64());
    for answer in answers {
        let outcome = match answer {
            Answer::Record(_) | Answer::Done | Answer::Page { .. } | Answer::Result(_) => "done",
            Answer::Missing => "missing",
            Answer::Refused { refusal: Refusal::Unauthenticated | Refusal::Forbidden, .. } => "denied",
            Answer::Refused { .. } => "refused",
            Answer::Retry { .. } | Answer::Split | Answer::Suspect => "retry",
            Answer::RateLimited { .. } => "rate_limited",
            Answer::Unknown { .. } => "unknown",
        };
        metrics::counter!("engine_call_inputs_total", "system" => system.clone(), "verb" => verb, "outcome" => outcome)
            .increment(1);
    }
    // A line for the call, not for each input: what they lack has one cause as a rule.
    if let Some(Answer::Retry { cause, .. } | Answer::Unknown { cause }) =
        answers.iter().find(|answer| matches!(answer, Answer::Retry { .. } | Answer::Unknown { .. }))
    {
        tracing::warn!(system, verb, inputs = request.inputs.len(), cause, "a call did not succeed");
    }
    if let Some(Answer::RateLimited { after, window, policy }) =
        answers.iter().find(|answer| matches!(answer, Answer::RateLimited { .. }))
    {
        tracing::warn!(system, verb, ?after, ?window, ?policy, "asked too fast");
    }
}

/// A delivery was turned away.
pub fn refused(system: &str, reason: &'static str) {
    metrics::counter!("engine_deliveries_refused_total", "system" => system.to_owned(), "reason" => reason)
        .increment(1);
}

/// A delivery arrived.
pub fn delivery(system: &str, door: &'static str, readable: bool) {
    let readable = if readable { "yes" } else { "no" };
    metrics::counter!(
        "engine_deliveries_total", "system" => system.to_owned(), "door" => door, "readable" => readable
    )
    .increment(1);
}

/// So many records of a partition are there and not read yet.
pub fn lag(topic: &str, partition: i32, records: u64) {
    // INVARIANT: a figure; beyond 2^53 records nobody counts.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    metrics::gauge!("engine_source_lag", "topic" => topic.to_owned(), "partition" => partition.to_string())
        .set(records as f64);
}

/// The ledger takes nothing, or takes again.
pub fn ledger_full(full: bool) {
    metrics::gauge!("engine_ledger_full").set(if full { 1.0 } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use dsl::value::Timestamp;
    use serde_json::Value as Json;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no test panics in here").extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_sync_is_a_line_of_the_usual_log_with_entity_action_ids_and_place() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        let log = tracing_subscriber::registry().with(EnvFilter::new("info")).with(layer);
        let actions = [Action::Create, Action::Update, Action::Unchanged, Action::Parked];
        tracing::subscriber::with_default(log, || {
            for action in actions {
                event(&Event {
                    rule: "Contacts".to_owned(),
                    place: "contacts.rules:1".to_owned(),
                    entity: "crm.Contact".to_owned(),
                    left: Some("u1".to_owned()),
                    right: Some("512".to_owned()),
                    subject: "l1".to_owned(),
                    value: Some("a person's value".to_owned()),
                    ..Event::new(Timestamp(0), action)
                });
            }
        });
        let text = String::from_utf8(lines.0.lock().expect("no test panics in here").clone()).expect("JSON is text");
        let found: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        assert_eq!(
            found.iter().map(|line| line["action"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
            actions.map(Action::name)
        );
        for line in found {
            assert_eq!(
                [&line["entity"], &line["left"], &line["right"], &line["place"]],
                ["crm.Contact", "u1", "512", "contacts.rules:1"],
                "{line}"
            );
        }
        assert!(!text.contains("a person's value"), "{text}");
    }
}
