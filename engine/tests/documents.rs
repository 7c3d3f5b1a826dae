//! The pages for people: every command that they name is there, with the options that they show, and the tests that
//! they show hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const PAGES: [&str; 8] = [
    "CONTRIBUTING.md",
    "README.md",
    "rules/README.md",
    "engine/docs/operating.md",
    "engine/docs/first-contact.md",
    "dsl/docs/LANGUAGE.md",
    "dsl/docs/five-mistakes.md",
    "examples/slack/README.md",
];

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_engine")).args(arguments).arg("--help").output().expect("it runs");
    assert!(output.status.success(), "engine {arguments:?} --help");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Names of the commands that this help lists.
fn commands(help: &str) -> BTreeSet<String> {
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// What stands in backquotes, and the lines of fenced blocks without their prompt.
fn code(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let line = line.trim_start();
            found.push(line.strip_prefix("$ ").unwrap_or(line).to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_command_that_a_page_names_is_there_with_its_options() {
    let known = commands(&help(&[]));
    assert!(known.len() > 10, "{known:?}");
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
        for code in code(&std::fs::read_to_string(path).expect("a page")) {
            let mut words = code.split_whitespace();
            if words.next() != Some("engine") {
                continue;
            }
            let Some(command) = words.next() else { continue };
            // A sentence in a message may begin with `engine:`.
            seen += 1;
            if !known.contains(command) {
                wrong.push(format!("{page}: `{code}`: there is no such command"));
                continue;
            }
            let mut words = words.peekable();
            let mut path = vec![command];
            let mut shown = helps.entry(command.to_owned()).or_insert_with(|| help(&path)).clone();
            if let Some(below) = words.next_if(|word| commands(&shown).contains(*word)) {
                path.push(below);
                shown = helps.entry(path.join(" ")).or_insert_with(|| help(&path)).clone();
            }
            for option in words.filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or(option);
                if !shown.contains(option) {
                    wrong.push(format!("{page}: `{code}`: {} has no {option}", path.join(" ")));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} commands are named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every key of this schema.
fn keys(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(key.clone());
        keys(value, found);
        keys(&value["additionalProperties"], found);
    }
}

/// Names of figures in the sources under `folder`.
fn figures(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            figures(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(path).expect("a text");
        for part in text.split("!(").skip(1) {
            let name = part.trim_start().strip_prefix("\"engine_").and_then(|rest| rest.split('"').next());
            found.extend(name.map(|name| format!("engine_{name}")));
        }
    }
}

#[test]
fn operators_are_told_of_every_key_and_every_figure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/operating.md")).expect("a page");
    let schema = Command::new(env!("CARGO_BIN_EXE_engine")).args(["config", "schema"]).output().expect("it runs");
    let schema = serde_json::from_slice(&schema.stdout).expect("JSON");
    let (mut wanted, mut names) = (BTreeSet::new(), BTreeSet::new());
    keys(&schema, &mut wanted);
    figures(&root.join("src"), &mut names);
    assert!(wanted.len() > 30 && names.len() > 20, "{wanted:?} {names:?}");
    let told: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|code| code.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
        .collect();
    let untold: Vec<&String> = wanted.iter().chain(&names).filter(|name| !told.contains(name.as_str())).collect();
    assert!(untold.is_empty(), "{untold:?} do not stand in engine/docs/operating.md");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the rules are there") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, to).expect("copied");
        }
    }
}

/// Without the time that it took.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(", ") {
        Some((before, time)) if before.ends_with(" failed") && time.ends_with(" ms") => before.to_owned(),
        _ => line.trim_end().to_owned(),
    };
    text.trim().lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_page_of_a_test_code_shows_is_what_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (code, arguments) in [("T0001", &["test"][..]), ("T0002", &["test", "--coverage=50"]), ("T0003", &["test"])] {
        let path = root.join(format!("dsl/src/diagnostic/pages/{code}.md"));
        let page = std::fs::read_to_string(&path).expect("a page");
        let blocks: Vec<&str> =
            page.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
        let [test, shown] = blocks[..] else { panic!("{code} shows a test and what is told") };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rules = folder.path().join("rules");
        copy(&root.join("dsl/docs/five-mistakes"), &rules);
        std::fs::write(rules.join("a.test.rules"), test).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("the engine runs");
        assert_eq!(output.status.code(), Some(1), "{code}");
        let told = [output.stdout, output.stderr].concat();
        let told = timeless(&String::from_utf8_lossy(&told));
        assert!(told.contains(code), "{told}");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, page.replace(shown, &format!("{told}\n"))).expect("the page is written");
        } else {
            assert_eq!(shown.trim_end(), told, "{code}");
        }
    }
}

/// The texts of blocks of rules that hold tests of the shipped rules: those that stand on all of them.
fn tests(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in page.split("<!-- example: with all -->\n").skip(1) {
        let mut lines = part.lines();
        let first = lines.next().unwrap_or_default();
        let indent = first.len() - first.trim_start().len();
        assert_eq!(first.trim(), "```rules");
        let text: Vec<&str> =
            lines.map(|line| line.get(indent..).unwrap_or_default()).take_while(|line| *line != "```").collect();
        found.push(text.join("\n") + "\n");
    }
    found
}

#[test]
fn tests_that_a_page_shows_hold() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rules = folder.path().join("rules");
    copy(&root.join("rules"), &rules);
    let mut shown = 0;
    for (number, page) in PAGES.iter().enumerate() {
        for (index, text) in tests(&std::fs::read_to_string(root.join(page)).expect("a page")).into_iter().enumerate() {
            shown += text.matches("\ntest \"").count() + usize::from(text.starts_with("test \""));
            // The names of tests that the shipped rules have too.
            let text = text.replace("test \"", &format!("test \"shown by page {number}, block {index}: "));
            std::fs::write(rules.join(format!("page{number}block{index}.test.rules")), text).expect("written");
        }
    }
    assert!(shown >= 7, "{shown}");
    let output = Command::new(env!("CARGO_BIN_EXE_engine"))
        .args(["test", "rules", "--filter", "shown by page "])
        .current_dir(folder.path())
        .output()
        .expect("the engine runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains(&format!("{shown} passed")), "{told}");
}

#[test]
fn what_the_recipe_for_slack_shows_is_what_is_told() {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/slack");
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&recipe, folder.path());
    let page = std::fs::read_to_string(recipe.join("README.md")).expect("a page");
    let mut shown = 0;
    for block in page.split("```text\n$ engine ").skip(1) {
        let (command, told) = block.split("```").next().unwrap_or_default().split_once('\n').expect("a command");
        let mut engine = Command::new(env!("CARGO_BIN_EXE_engine"));
        engine.args(command.split(' ')).current_dir(folder.path());
        for secret in ["SLACK_HOOK", "HUBSPOT_TOKEN", "HUBSPOT_CLIENT_SECRET"] {
            engine.env(secret, "T0/B0/secret");
        }
        let output = engine.output().expect("the engine runs");
        assert_eq!(timeless(&String::from_utf8_lossy(&output.stdout)), timeless(told), "engine {command}");
        shown += 1;
    }
    assert_eq!(shown, 3);
}
