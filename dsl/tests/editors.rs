//! The grammar for colours in `editors/` and the words of the language do not drift apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dsl::ide::{item_words, words};
use serde_json::Value;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words between which a pattern chooses in its first group that has several.
fn alternatives(pattern: &str) -> Vec<&str> {
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    pattern
        .split(['(', ')'])
        .map(|group| group.trim_start_matches("?:").split('|').collect::<Vec<_>>())
        .find(|parts| parts.len() > 1 && parts.iter().all(word))
        .unwrap_or_default()
}

#[test]
fn the_colours_name_every_word_once_and_no_other() {
    let grammar = json("../editors/vscode/syntaxes/rules.tmLanguage.json");
    let patterns = grammar["repository"]["words"]["patterns"].as_array().expect("groups of words");
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for pattern in patterns {
        let found = alternatives(pattern["match"].as_str().expect("a pattern"));
        assert!(!found.is_empty(), "{pattern}");
        found.into_iter().for_each(|word| *named.entry(word).or_default() += 1);
    }
    let twice: Vec<&&str> = named.iter().filter(|(_, times)| **times > 1).map(|(word, _)| word).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let known: BTreeSet<&str> = words().iter().copied().collect();
    assert_eq!(named.into_keys().collect::<BTreeSet<_>>(), known);
    let items = alternatives(grammar["repository"]["item"]["match"].as_str().expect("a pattern"));
    let begin: BTreeSet<&str> = item_words().iter().copied().collect();
    assert_eq!(items.into_iter().collect::<BTreeSet<_>>(), begin);
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
