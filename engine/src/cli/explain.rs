//! `engine explain`: the page of a code, or what a form of the language says.

use dsl::diagnostic::Code;
use dsl::forms::{self, Form, Place};
use serde_json::{Value, json};

use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A code, such as `E0203`, or words of the language, such as `wait until`.
    #[arg(value_name = "CODE|WORDS", required_unless_present_any = ["list", "forms"])]
    words: Vec<String>,
    /// All codes, a line each.
    #[arg(long, conflicts_with = "words")]
    list: bool,
    /// All forms of the language, a line each.
    #[arg(long, conflicts_with_all = ["words", "list"])]
    forms: bool,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let as_json = arguments.output.json();
    if arguments.list {
        return list(as_json);
    }
    if arguments.forms {
        return all(as_json);
    }
    // Quoted as one or not, blanks part words.
    let words = arguments.words.iter().flat_map(|words| words.split_whitespace()).collect::<Vec<_>>().join(" ");
    if let Ok(code) = words.parse::<Code>() {
        return page(code, as_json);
    }
    let found = forms::named(&words);
    if found.is_empty() { neither(&words) } else { show(&found, as_json) }
}

fn page(code: Code, as_json: bool) -> u8 {
    if as_json {
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

fn all(as_json: bool) -> u8 {
    if as_json {
        say!("{}", json!({"schema": 1, "forms": forms::forms().map(row).collect::<Vec<_>>()}));
    } else {
        for form in forms::forms() {
            say!("{:<26}  {}", form.name, form.says);
        }
    }
    0
}

fn show(found: &[&Form], as_json: bool) -> u8 {
    if as_json {
        say!("{}", json!({"schema": 1, "forms": found.iter().copied().map(row).collect::<Vec<_>>()}));
    } else {
        for (index, form) in found.iter().enumerate() {
            say_on!("{}{}", if index > 0 { "\n" } else { "" }, about(form));
        }
    }
    0
}

fn row(form: &Form) -> Value {
    json!({
        "name": form.name, "form": form.syntax(), "says": form.says, "example": form.example,
        "within": form.within.iter().copied().map(Place::name).collect::<Vec<_>>(),
    })
}

/// What a form says, for people.
fn about(form: &Form) -> String {
    let places = form.within.iter().copied().map(Place::name).collect::<Vec<_>>().join(", ");
    let example = form.example.replace('\n', "\n    ");
    format!("{}\n\n  It {}.\n  It stands in {places}.\n\n    {example}\n", form.syntax(), form.says)
}

/// Says that there is neither a code nor a form of this name.
fn neither(words: &str) -> u8 {
    if words.chars().nth(1).is_some_and(|second| second.is_ascii_digit()) {
        return unknown(words);
    }
    let near = dsl::suggest::nearest(words, forms::forms().map(|form| form.name).chain(forms::words().iter().copied()));
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    let hint = hint.unwrap_or_else(|| "`engine explain --list` shows all codes, `--forms` all forms".to_owned());
    eprintln!("engine: there is neither a code nor a form `{words}`\n  help: {hint}");
    2
}

/// Says that there is no such code.
pub(super) fn unknown(code: &str) -> u8 {
    let near = dsl::suggest::nearest(&code.to_uppercase(), Code::ALL.iter().map(|code| code.name()));
    let hint =
        near.map_or_else(|| "`engine explain --list` shows all".to_owned(), |near| format!("did you mean {near}?"));
    eprintln!("engine: there is no code `{code}`\n  help: {hint}");
    2
}
