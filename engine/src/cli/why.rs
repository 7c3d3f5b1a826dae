//! `engine why`: everything the daemon knows about one record, link or run.

use serde_json::Value as Json;

use super::client::{self, Reach, escape};
use super::lists;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A record's id, a link (`l12`), a run (`r7`) or a message that is kept (`m3`).
    about: String,
    /// Most lines of history.
    #[arg(long, default_value_t = 200)]
    limit: usize,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let path = format!("/api/v1/why?limit={}&about={}", arguments.limit, escape(&arguments.about));
    let found = match client::ask(&arguments.reach, &path, None) {
        Ok(found) => found,
        Err(error) => return error.exit(),
    };
    let items = |name: &str| found[name].as_array().cloned().unwrap_or_default();
    let known = ["links", "runs", "incidents", "history"].iter().any(|name| !items(name).is_empty());
    if arguments.output.json() {
        say!("{found}");
        return u8::from(!known);
    }
    for link in items("links") {
        say!("link  {}", lists::link_line(&link));
    }
    for run in items("runs") {
        say!("run   {}", lists::run_line(&run));
    }
    for line in lists::incidents(&items("incidents")) {
        say!("{line}");
    }
    let message = &found["message"];
    if let Some(payload) = message["payload"].as_str() {
        say!("came by {}:", message["source"].as_str().unwrap_or_default());
        say!("{payload}");
    }
    for event in items("history") {
        say!("{}", event_line(&event));
    }
    if !known {
        say!("nothing is known of {}", arguments.about);
    }
    u8::from(!known)
}

fn event_line(event: &Json) -> String {
    let word = |name: &str| event[name].as_str().unwrap_or_default();
    let at = dsl::value::Timestamp(event["at"].as_i64().unwrap_or_default());
    let ids: Vec<&str> = [word("left"), word("right")].into_iter().filter(|id| !id.is_empty()).collect();
    let field = event["field"].as_str().map_or_else(String::new, |field| format!(".{field}"));
    let value = match (event["displaced"].as_str(), event["value"].as_str()) {
        (Some(displaced), Some(value)) => format!("  {displaced:?} -> {value:?}"),
        (None, Some(value)) => format!("  {value:?}"),
        _ => String::new(),
    };
    format!(
        "{at}  {:<10} {}{field} {}{value}  {}  {}",
        word("action"),
        word("entity"),
        ids.join(" = "),
        word("place"),
        word("detail")
    )
}
