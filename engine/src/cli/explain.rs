//! `engine explain`: the page of a code.

use dsl::diagnostic::Code;
use serde_json::{Value, json};

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
    let Ok(code) = code.parse::<Code>() else {
        return unknown(code);
    };
    if arguments.output.json() {
        let mut page = entry(code);
        page["schema"] = 1.into();
        page["page"] = code.page().into();
        say!("{page}");
    } else {
        say_on!("{}", code.page());
    }
    0
}

fn list(as_json: bool) -> u8 {
    if as_json {
        let codes: Vec<_> = Code::ALL.iter().copied().map(entry).collect();
        say!("{}", json!({"schema": 1, "codes": codes}));
    } else {
        for code in Code::ALL {
            say!("{code}  {}", code.title());
        }
    }
    0
}

fn entry(code: Code) -> Value {
    json!({"code": code, "title": code.title(), "since": code.since()})
}

/// Says that there is no such code.
pub(super) fn unknown(code: &str) -> u8 {
    let near = dsl::near::nearest(&code.to_uppercase(), Code::ALL.iter().map(|code| code.name()));
    let hint =
        near.map_or_else(|| "`engine explain --list` shows all".to_owned(), |near| format!("did you mean {near}?"));
    eprintln!("engine: there is no code `{code}`\n  help: {hint}");
    2
}
