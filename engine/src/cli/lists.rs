//! `engine incidents`, `parked`, `runs`, `links`: what the daemon knows, one line each.

use serde_json::Value as Json;

use super::client::{self, Reach, escape};
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only what is about this record, link, run, sync or rule.
    about: Option<String>,
    /// Only what is in this state, such as `stopped` or `parked`.
    #[arg(long)]
    state: Option<String>,
    /// Most lines.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(what: &str, arguments: &Arguments) -> u8 {
    let mut path = format!("/api/v1/{what}?limit={}", arguments.limit);
    for (name, value) in [("about", &arguments.about), ("state", &arguments.state)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escape(value)));
        }
    }
    let found = match client::ask(&arguments.reach, &path, None) {
        Ok(found) => found,
        Err(error) => return error.exit(),
    };
    if arguments.output.json() {
        say!("{found}");
        return 0;
    }
    let items = found[what].as_array().cloned().unwrap_or_default();
    let lines = match what {
        "incidents" | "parked" => incidents(&items),
        "runs" => items.iter().map(run_line).collect(),
        _ => items.iter().map(link_line).collect(),
    };
    for line in &lines {
        say!("{line}");
    }
    let total = found["total"].as_u64().unwrap_or_default();
    match total {
        0 => say!("none"),
        _ if items.len() as u64 == total => {}
        _ => say!("{} of {total}; `--limit` shows more", items.len()),
    }
    0
}

fn word(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

/// Grouped by fingerprint: one line for 800 failures of one cause.
pub(super) fn incidents(items: &[Json]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&Json>)> = Vec::new();
    for item in items {
        let fingerprint = word(&item["fingerprint"]);
        match groups.iter_mut().find(|(known, _)| *known == fingerprint) {
            Some((_, group)) => group.push(item),
            None => groups.push((fingerprint, vec![item])),
        }
    }
    let mut lines = Vec::new();
    for (_, group) in groups {
        let first = group[0];
        lines.push(format!("{}  since {}  {}", word(&first["cause"]), word(&first["since"]), word(&first["place"])));
        let names: Vec<&str> = group.iter().take(5).map(|item| word(&item["subject"])).collect();
        let more = if group.len() > 5 { format!(", +{}", group.len() - 5) } else { String::new() };
        lines.push(format!("    {} × {}: {}{more}", group.len(), word(&first["entity"]), names.join(", ")));
        lines.push(format!("    {}", word(&first["advice"])));
    }
    lines
}

pub(super) fn run_line(run: &Json) -> String {
    let step = run["step"].as_str().map_or_else(String::new, |step| format!("  in {step}"));
    format!(
        "{:<8} {:<10} {}{step}  {}",
        word(&run["run"]),
        word(&run["state"]),
        word(&run["rule"]),
        word(&run["detail"])
    )
}

pub(super) fn link_line(link: &Json) -> String {
    let id = |json: &Json| json.as_str().unwrap_or("-").to_owned();
    format!(
        "{:<8} {:<18} {}  {} = {}  {}",
        word(&link["link"]),
        word(&link["state"]),
        word(&link["sync"]),
        id(&link["left"]),
        id(&link["right"]),
        word(&link["detail"])
    )
}
