//! `engine status`: how the daemon is. Exits 1 where something is not as it should be, 2 where it does not answer.

use serde_json::Value as Json;

use super::client::{self, Reach};
use super::output::Output;

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
        return client::alive(&arguments.reach).map_or_else(|error| error.exit(), |()| 0);
    }
    let status = match client::ask(&arguments.reach, "/api/v1/status", None) {
        Ok(status) => status,
        Err(error) => return error.exit(),
    };
    if arguments.output.json() {
        say!("{status}");
    } else {
        say_on!("{}", text(&status));
    }
    u8::from(status["healthy"] != Json::Bool(true))
}

fn text(status: &Json) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        out.push_str(&format!("{name:<12} {value}\n"));
    };
    let word = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    line(
        "engine",
        format!("{}, up {} s, {}", word(&status["version"]), status["uptime_seconds"], word(&status["time"])),
    );
    let rules = &status["rules"];
    let hash = word(&rules["hash"]);
    line(
        "rules",
        format!(
            "{}: {} syncs, {} reactions, {} workflows",
            hash.get(..12).unwrap_or(&hash),
            rules["syncs"],
            rules["reactions"],
            rules["workflows"]
        ),
    );
    let ledger = &status["ledger"];
    let full = if ledger["full"] == Json::Bool(true) { ", FULL" } else { "" };
    line("ledger", format!("round {}, durable {}{full}", ledger["last"], ledger["durable"]));
    for (name, state) in status["sources"].as_object().into_iter().flatten() {
        line("source", format!("{name}: {}", word(state)));
    }
    for limit in status["limits"].as_array().into_iter().flatten() {
        let span = dsl::value::Duration(limit["per_ms"].as_i64().unwrap_or_default());
        line(
            "limit",
            format!(
                "{} {}: {} of {} in {span}",
                word(&limit["system"]),
                word(&limit["limit"]),
                limit["used"],
                limit["amount"]
            ),
        );
    }
    for (name, until) in status["paused"].as_object().into_iter().flatten() {
        line("paused", format!("{name} until {}", word(until)));
    }
    for lane in status["lanes"].as_array().into_iter().flatten() {
        let bulk = if lane["bulk"] == Json::Bool(true) { ", bulk" } else { "" };
        line(
            "queued",
            format!(
                "{}: {} by {} ({}{bulk})",
                word(&lane["system"]),
                word(&lane["what"]),
                word(&lane["deadline"]),
                word(&lane["priority"])
            ),
        );
    }
    line("under way", format!("{} calls", status["under_way"]));
    line("inbox", format!("{} deliveries wait", status["inbox"]));
    line("incidents", format!("{} stopped runs, {} parked", status["incidents"], status["parked"]));
    let memory = status["resident_bytes"].as_u64().map_or_else(|| "unknown".to_owned(), |b| format!("{} MB", b >> 20));
    line("memory", memory);
    for warning in status["warnings"].as_array().into_iter().flatten() {
        line("WARNING", word(warning));
    }
    out
}
