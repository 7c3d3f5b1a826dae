//! The grammar for colours in `editors/` and the words of the language do not drift apart.
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test editors` writes the words into it.

use std::collections::BTreeSet;
use std::path::Path;

use dsl::forms::{WordClass, words};
use dsl::ide::item_words;
use serde_json::Value;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const COLOURS: &str = "../editors/vscode/syntaxes/rules.tmLanguage.json";

/// Which words an editor paints in one way, by the name of the colour.
fn colours() -> Vec<(&'static str, Vec<&'static str>)> {
    let of = |class: WordClass| words().iter().copied().filter(|word| dsl::forms::class(word) == class).collect();
    vec![
        ("keyword.control.rules", of(WordClass::Statement)),
        ("support.function.action.rules", of(WordClass::Action)),
        ("constant.language.rules", of(WordClass::Constant)),
        ("keyword.other.unit.rules", of(WordClass::Unit)),
        ("keyword.operator.word.rules", of(WordClass::Operator)),
        ("keyword.other.rules", of(WordClass::Other)),
    ]
}

/// The grammar for colours, with the words that there are.
fn painted(text: &str) -> String {
    let mut text = text.to_owned();
    let mut put = |before: &str, between: [&str; 2], words: &[&str]| {
        let from = text.find(before).unwrap_or_else(|| panic!("no {before}"));
        let start = from + text[from..].find(between[0]).expect("a group of words") + between[0].len();
        let end = start + text[start..].find(between[1]).expect("its end");
        text.replace_range(start..end, &words.join("|"));
    };
    for (name, words) in colours() {
        put(&format!("\"name\": \"{name}\""), ["`])(?:", ")(?!"], &words);
    }
    put("\"item\": {", ["\"^(", ")"], item_words());
    text
}

#[test]
fn the_colours_name_every_word_of_the_table_once_and_no_other() {
    let text = read(COLOURS);
    let painted = painted(&text);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(COLOURS), painted).expect("it is written");
    } else {
        assert!(text == painted, "the colours are stale: run UPDATE_GOLDEN=1 cargo test -p dsl --test editors");
    }
    let named: Vec<&str> = colours().into_iter().flat_map(|(_, words)| words).collect();
    assert_eq!(named.len(), words().len());
    assert!(colours().iter().all(|(_, words)| words.len() > 5), "{:?}", colours());
}

#[test]
fn the_words_are_those_of_the_grammar() {
    let pest = read("src/grammar/rules.pest");
    let mut found = BTreeSet::new();
    // `k_about = @{ "about" ~ w }`, `level = @{ ("high" | "medium" | "low") ~ w }`
    for rule in pest.split("@{").skip(1).filter_map(|rest| rest.split('}').next()) {
        if !rule.trim_end().ends_with("~ w") {
            continue;
        }
        let several = if rule.contains("\"s\"?") { &["", "s"][..] } else { &[""] };
        for word in rule.split('"').skip(1).step_by(2).filter(|word| word.len() > 1) {
            found.extend(several.iter().map(|ending| format!("{word}{ending}")));
        }
    }
    let known: BTreeSet<String> = words().iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(found, known);
}

#[test]
fn every_included_pattern_is_there() {
    let grammar = json("../editors/vscode/syntaxes/rules.tmLanguage.json");
    let text = grammar.to_string();
    for include in text.split("\"include\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(grammar["repository"].get(include).is_some(), "{include}");
    }
    assert_eq!(grammar["scopeName"], "source.rules");
}

#[test]
fn the_extension_names_files_that_are_there() {
    let folder = "../editors/vscode";
    let package = json(&format!("{folder}/package.json"));
    let contributes = &package["contributes"];
    let named = [&package["main"], &contributes["languages"][0]["configuration"], &contributes["grammars"][0]["path"]];
    for path in named {
        let path = path.as_str().expect("a path");
        assert!(!read(&format!("{folder}/{path}")).is_empty());
    }
    assert_eq!(contributes["grammars"][0]["scopeName"], "source.rules");
    assert_eq!(contributes["languages"][0]["extensions"][0], ".rules");
    json(&format!("{folder}/language-configuration.json"));
}
