//! `engine explain`: the page of a code.

use dsl::diagnostic::{CODES, entry};
use serde_json::json;

use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A code, such as `E0203`.
    #[arg(required_unless_present = "list")]
    code: Option<String>,
    /// All codes, a line each.
    #[arg(long, conflicts_with = "code")]
    list: bool,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(code) = &arguments.code else {
        return list(arguments.output.json());
    };
    let Some(entry) = entry(code) else {
        return unknown(code);
    };
    if arguments.output.json() {
        let page =
            json!({"schema": 1, "code": entry.code, "title": entry.title, "since": entry.since, "page": entry.page});
        say!("{page}");
    } else {
        say_on!("{}", entry.page);
    }
    0
}

fn list(as_json: bool) -> u8 {
    if as_json {
        let codes: Vec<_> =
            CODES.iter().map(|entry| json!({"code": entry.code, "title": entry.title, "since": entry.since})).collect();
        say!("{}", json!({"schema": 1, "codes": codes}));
    } else {
        for entry in CODES {
            say!("{}  {}", entry.code, entry.title);
        }
    }
    0
}

/// Says that there is no such code.
pub(super) fn unknown(code: &str) -> u8 {
    let near = dsl::near::nearest(&code.to_uppercase(), CODES.iter().map(|entry| entry.code));
    let hint =
        near.map_or_else(|| "`engine explain --list` shows all".to_owned(), |near| format!("did you mean {near}?"));
    eprintln!("engine: there is no code `{code}`\n  help: {hint}");
    2
}
