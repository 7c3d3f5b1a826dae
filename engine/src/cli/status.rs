//! `engine status`: how the daemon is. Exits 1 where something is not as it should be, 2 where it does not answer.

use super::client::{self, Reach};
use super::output::{Output, print_json};
use crate::admin::api::Status;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only ask whether it is alive (`/healthz`), as a container's health check does: exits 0 where it answers.
    #[arg(long, conflicts_with_all = ["format", "json"])]
    alive: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    if arguments.alive {
        let alive = client::ask(&arguments.reach, async |engine| engine.alive().await);
        return alive.map_or_else(|error| error.exit(), |()| 0);
    }
    let status = match client::ask(&arguments.reach, async |engine| engine.status().await) {
        Ok(status) => status,
        Err(error) => return error.exit(),
    };
    if arguments.output.json() {
        print_json(&status);
    } else {
        say_on!("{}", text(&status));
    }
    u8::from(!status.healthy)
}

fn text(status: &Status) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        out.push_str(&format!("{name:<12} {value}\n"));
    };
    line("engine", format!("{}, up {} s, {}", status.version, status.uptime_seconds, status.time));
    let rules = &status.rules;
    let hash = rules.hash.get(..12).unwrap_or(&rules.hash);
    let (syncs, reactions, workflows) = (rules.syncs, rules.reactions, rules.workflows);
    line("rules", format!("{hash}: {syncs} syncs, {reactions} reactions, {workflows} workflows"));
    let full = if status.ledger.full { ", FULL" } else { "" };
    line("ledger", format!("round {}, durable {}{full}", status.ledger.last, status.ledger.durable));
    for (name, state) in &status.sources {
        line("source", format!("{name}: {state}"));
    }
    for limit in &status.limits {
        let span = dsl::value::Duration(limit.per_ms);
        line("limit", format!("{} {}: {} of {} in {span}", limit.system, limit.limit, limit.used, limit.amount));
    }
    for (name, until) in &status.paused {
        line("paused", format!("{name} until {until}"));
    }
    for lane in &status.lanes {
        let bulk = if lane.bulk { ", bulk" } else { "" };
        let urgency = lane.priority.name();
        line("queued", format!("{}: {} by {} ({urgency}{bulk})", lane.system, lane.what, lane.deadline));
    }
    line("under way", format!("{} calls", status.under_way));
    line("inbox", format!("{} deliveries wait", status.inbox));
    line("incidents", format!("{} stopped runs, {} parked", status.incidents, status.parked));
    let memory = status.resident_bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MB", bytes >> 20));
    line("memory", memory);
    for warning in &status.warnings {
        line("WARNING", warning.clone());
    }
    out
}
