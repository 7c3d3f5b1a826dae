//! What the engine says about itself: lines of the log and figures for Prometheus, always both together.
//!
//! Always true: no value of a person's record is written to the log, only ids, fields and places in the rules.

use std::io::IsTerminal;
use std::time::Duration;

use connectors::port::{Answer, Request, Verb};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::decide::{Event, Lane};

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
    metrics::counter!("engine_events_total", "action" => event.action.clone(), "rule" => event.rule.clone())
        .increment(1);
    let (left, right) = (event.left.as_deref().unwrap_or_default(), event.right.as_deref().unwrap_or_default());
    let field = event.field.as_deref().unwrap_or_default();
    let Event { action, rule, place, entity, subject, detail, .. } = event;
    match action.as_str() {
        "incident" | "parked" | "expired" | "conflict" => {
            tracing::warn!(action, rule, place, entity, left, right, field, subject, detail, at = %event.at, "event");
        }
        "unchanged" | "duplicate" => {
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
        Verb::Operation { .. } => "operation",
    };
    let system = lane.system.clone();
    metrics::histogram!("engine_call_seconds", "system" => system.clone(), "verb" => verb).record(took.as_secs_f64());
    for answer in answers {
        let outcome = match answer {
            Answer::Record(_) | Answer::Done | Answer::Page { .. } | Answer::Result(_) => "done",
            Answer::Missing => "missing",
            Answer::Refused { .. } => "refused",
            Answer::Retry { .. } | Answer::Split => "retry",
            Answer::RateLimited { .. } => "rate_limited",
            Answer::Unknown { .. } => "unknown",
        };
        metrics::counter!("engine_call_inputs_total", "system" => system.clone(), "verb" => verb, "outcome" => outcome)
            .increment(1);
    }
    if let Some(Answer::Retry { cause, .. } | Answer::Unknown { cause }) =
        answers.iter().find(|answer| matches!(answer, Answer::Retry { .. } | Answer::Unknown { .. }))
    {
        tracing::warn!(system, verb, inputs = request.inputs.len(), cause, "a call did not succeed");
    }
    if let Some(Answer::RateLimited { after, policy }) =
        answers.iter().find(|answer| matches!(answer, Answer::RateLimited { .. }))
    {
        tracing::warn!(system, verb, ?after, ?policy, "asked too fast");
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

/// The ledger takes nothing, or takes again.
pub fn ledger_full(full: bool) {
    metrics::gauge!("engine_ledger_full").set(if full { 1.0 } else { 0.0 });
}
