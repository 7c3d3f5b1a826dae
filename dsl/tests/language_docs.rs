//! `docs/LANGUAGE.md` (and the examples of `rules/README.md`): every example is what it says it is, nothing of the
//! language is left out, and what is generated is up to date. `UPDATE_GOLDEN=1 cargo test -p dsl --test language_docs`
//! writes the generated parts.
//!
//! An example is a fenced block of `rules`. A comment in the line above says what it stands on:
//! `<!-- example: with words, contacts -->` adds files of the shipped rules (`with all`: all of them),
//! `<!-- example: says E0203 -->` is a mistake that yields this code and nothing else. Every example stands on the
//! systems of the tests, unless it begins with an edition of its own. `<!-- example: lock schemas/shop.lock -->` above
//! a block of `yaml` is a lock that the examples may name; `<!-- example: told contacts.rules -->` above a block of
//! `text` means that it is what is told of the mistake before it, in a file of this name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dsl::check::{Compiled, compile};
use dsl::diagnostic::{Code, human};
use dsl::graph::{Format, around, graph, render};
use dsl::parse::parse;
use dsl::program::Program;
use dsl::schema::read_lock;
use dsl::source::{FileId, SourceFile};
use dsl::transforms::{Class, registry};

#[path = "support/shipped.rs"]
mod support;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A fenced block.
struct Block {
    /// Its first line, counted from 1.
    line: usize,
    /// The heading of the first level that it stands under.
    part: String,
    language: String,
    text: String,
    /// What `<!-- example: … -->` says: words of a clause behind its first.
    with: Vec<String>,
    says: Option<String>,
    lock: Option<String>,
    told: Option<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut part = String::new();
    let mut lines = page.lines().enumerate();
    let mut before = "";
    while let Some((number, line)) = lines.next() {
        if let Some(title) = line.strip_prefix("# ") {
            part = title.to_owned();
        }
        // A block in a list is indented as a whole.
        let indent = line.len() - line.trim_start().len();
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let text: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line.get(indent..).unwrap_or_default())
                .take_while(|line| *line != "```")
                .collect();
            let (mut with, mut says, mut lock, mut told) = (Vec::new(), None, None, None);
            let about = before.strip_prefix("<!-- example: ").and_then(|rest| rest.strip_suffix(" -->"));
            for clause in about.into_iter().flat_map(|about| about.split("; ")) {
                match clause.split_once(' ') {
                    Some(("with", files)) => with = files.split(", ").map(str::to_owned).collect(),
                    Some(("says", code)) => says = Some(code.to_owned()),
                    Some(("lock", path)) => lock = Some(path.to_owned()),
                    Some(("told", path)) => told = Some(path.to_owned()),
                    _ => panic!("line {number}: `{clause}` is nothing that an example can say"),
                }
            }
            found.push(Block {
                line: number + 1,
                part: part.clone(),
                language: language.to_owned(),
                text: text.join("\n") + "\n",
                with,
                says,
                lock,
                told,
            });
        }
        before = line.trim_start();
    }
    found
}

fn page() -> String {
    read("docs/LANGUAGE.md")
}

fn locks(blocks: &[Block]) -> BTreeMap<String, String> {
    let mut locks = support::shipped().1;
    for block in blocks {
        if let Some(path) = &block.lock {
            locks.insert(path.clone(), block.text.clone());
        }
    }
    locks
}

#[test]
fn every_example_compiles_and_every_mistake_yields_its_code() {
    let of_language = blocks(&page());
    let locks = locks(&of_language);
    // What a newcomer reads first is held to the same.
    let of_rules = blocks(&read("../rules/README.md"));
    assert!(of_rules.iter().filter(|block| block.language == "rules").count() >= 2);
    let pages = [("dsl/docs/LANGUAGE.md", of_language), ("rules/README.md", of_rules)];
    let all = pages.iter().flat_map(|(page, blocks)| blocks.iter().map(move |block| (page, block)));
    let (mut right, mut mistakes, mut wrong) = (0, 0, Vec::new());
    for (page, block) in all.filter(|(_, block)| block.language == "rules") {
        let compiled = compiled(block, "example.rules", &locks);
        let told: Vec<String> = compiled
            .problems
            .iter()
            // What an example stands on may be unused in it.
            .filter(|problem| problem.span().file.0 == 0 || problem.severity() == dsl::diagnostic::Severity::Error)
            .map(|problem| format!("{} {}", problem.code, problem.message))
            .collect();
        let expected = match &block.says {
            None => {
                right += 1;
                told.is_empty()
            }
            Some(code) => {
                mistakes += 1;
                !told.is_empty() && told.iter().all(|one| one.split(' ').next() == Some(code.as_str()))
            }
        };
        if let Some(program) = &compiled.program {
            drawn(program);
        }
        if !expected {
            wrong.push(format!("{page}:{} yields {told:#?}", block.line));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right >= 25 && mistakes >= 6, "{right} examples and {mistakes} mistakes");
}

/// The examples use everything there is, so whatever can be drawn is drawn here once.
fn drawn(program: &Program) {
    let whole = graph(program);
    let names: BTreeSet<&str> = whole.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names.len(), whole.nodes.len(), "no two nodes share a name");
    for edge in &whole.edges {
        assert!(names.contains(edge.from.as_str()) && names.contains(edge.to.as_str()), "{edge:?}");
    }
    for name in &names {
        let part = around(&whole, program, name).expect("a node is known by its name");
        assert!(part.node(name).is_some() && part.edges.iter().all(|edge| whole.edges.contains(edge)), "{name}");
    }
}

/// The example in a file of this name, which is the first.
fn compiled(block: &Block, name: &str, locks: &BTreeMap<String, String>) -> Compiled {
    let mut files = Vec::new();
    if block.with == ["all"] {
        files = support::shipped().0;
    } else {
        if !block.text.starts_with("edition") {
            files.push(("systems.rules".to_owned(), read("tests/golden/systems.rules")));
        }
        for name in &block.with {
            files.push((format!("{name}.rules"), read(&format!("../rules/{name}.rules"))));
        }
    }
    files.insert(0, (name.to_owned(), block.text.clone()));
    compile(&files, locks, Some(jiff::civil::date(2026, 12, 1)))
}

#[test]
fn what_is_told_of_a_mistake_is_shown_as_it_is_told() {
    let page = page();
    let blocks = blocks(&page);
    let locks = locks(&blocks);
    let mut shown = 0;
    for (index, block) in blocks.iter().enumerate() {
        let Some(name) = &block.told else { continue };
        let mistake = blocks[..index].iter().rev().find(|block| block.says.is_some()).expect("a mistake before it");
        let compiled = compiled(mistake, name, &locks);
        let told: Vec<String> =
            compiled.problems.iter().map(|problem| human(problem, &compiled.files, false)).collect();
        let told: Vec<&str> = told.iter().flat_map(|text| text.lines().map(str::trim_end)).collect();
        assert_eq!(block.text.trim_end(), told.join("\n"), "docs/LANGUAGE.md:{}", block.line);
        shown += 1;
    }
    assert!(shown > 0);
}

#[test]
fn every_lock_that_is_shown_can_be_read() {
    let page = page();
    let shown: Vec<Block> = blocks(&page).into_iter().filter(|block| block.language == "yaml").collect();
    assert!(!shown.is_empty());
    for block in shown {
        read_lock(&block.text).unwrap_or_else(|error| panic!("docs/LANGUAGE.md:{}: {}", block.line, error.reason));
    }
}

/// Words of rules outside of comments and texts, and everything between blanks outside of comments.
fn words(text: &str) -> (BTreeSet<String>, String) {
    let mut rest = text;
    let (mut words, mut signs) = (BTreeSet::new(), String::new());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' if rest.starts_with("\"\"\"") => {
                signs.push_str(" \"\"\" ");
                3 + rest[3..].find("\"\"\"").map_or(rest.len() - 3, |at| at + 3)
            }
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|sign| {
                    let ends = sign == '"' && !escaped;
                    escaped = sign == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |at| at + 2)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_')).unwrap_or(rest.len());
                words.insert(rest[..end].to_owned());
                signs.push(' ');
                end
            }
            _ => {
                signs.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    (words, signs)
}

/// Every word that the grammar knows: `"about"` in `k_about = @{ "about" ~ w }` and in other lists of words.
fn grammar_words() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("src/grammar"))
        .expect("the grammar")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "pest"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(file).expect("the grammar");
        for line in text.lines().filter(|line| !line.starts_with("//")) {
            for quoted in line.split('"').skip(1).step_by(2) {
                if quoted.len() > 1 && quoted.bytes().all(|byte| byte.is_ascii_lowercase()) {
                    found.insert(quoted.to_owned());
                }
            }
        }
    }
    // `"s"?` makes plurals of units and is no word of its own; it is one letter and was not taken.
    found
}

#[test]
fn every_word_sign_and_transform_stands_in_an_example_of_the_reference() {
    let page = page();
    let (mut shown, mut signs) = (BTreeSet::new(), String::new());
    let mut reference = String::new();
    for block in blocks(&page) {
        if block.language == "rules"
            && (block.part.starts_with("Part 2") || block.part.starts_with("Part 3"))
            && block.says.is_none()
        {
            let (words, more) = words(&block.text);
            shown.extend(words);
            signs.push_str(&more);
            reference.push_str(&block.text);
        }
    }
    let known = grammar_words();
    assert!(known.len() > 140, "{known:?}");
    for kind in ["edition", "choice", "entity", "system", "table", "sync", "events", "when", "workflow", "test"] {
        assert!(known.contains(kind), "{kind} is a kind of item");
    }
    let mut missing: Vec<String> = known
        .into_iter()
        .filter(|word| !shown.contains(word) && !shown.contains(&format!("{word}s")))
        .map(|word| format!("`{word}`"))
        .collect();
    let tokens = read("src/tokens.rs");
    let list = tokens.split("const SYMBOLS").nth(1).and_then(|rest| rest.split(';').nth(1)).expect("a list of signs");
    let known: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(known.len() >= 20, "{known:?}");
    for sign in known.iter().chain(&["%", "\"\"\"", "`"]) {
        // A sign that is a part of another one is looked for between blanks.
        let alone = known.iter().any(|other| other != sign && other.contains(sign));
        let found = if alone { signs.split_whitespace().any(|part| part == *sign) } else { signs.contains(sign) };
        if !found {
            missing.push(format!("`{sign}`"));
        }
    }
    for builtin in registry() {
        let written = if builtin.name == "format" { "as \"".to_owned() } else { format!("as {}", builtin.name) };
        if !reference.contains(&written) {
            missing.push(written);
        }
    }
    assert!(missing.is_empty(), "no example of the reference shows {}", missing.join(", "));
}

/// What the tree of the language can hold, from its source: variants, `name: Some(` for what may be left out and
/// `name: true` for what may be added.
fn tree_parts() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_enum = false;
    for line in read("src/ast.rs").lines() {
        in_enum = (in_enum || line.starts_with("pub enum ")) && line != "}";
        let word = line.trim().trim_start_matches("pub ");
        if let Some(variant) = line.strip_prefix("    ").filter(|rest| in_enum && rest.starts_with(char::is_uppercase))
        {
            let end = variant.find(|sign: char| !sign.is_alphanumeric()).unwrap_or(variant.len());
            found.insert(variant[..end].to_owned());
        } else if let Some((name, _)) = word.split_once(": Option<") {
            found.insert(format!("{name}: Some("));
        } else if let Some(name) = word.strip_suffix(": bool,") {
            found.insert(format!("{name}: true"));
        }
    }
    found
}

#[test]
fn every_construct_stands_in_an_example_of_the_reference() {
    let page = page();
    let mut shown = String::new();
    for block in blocks(&page).iter().filter(|block| block.language == "rules" && block.says.is_none()) {
        if block.part.starts_with("Part 2") || block.part.starts_with("Part 3") {
            let parsed = parse(&SourceFile::new(FileId(0), "example.rules", block.text.as_str()));
            shown.extend(parsed.items.iter().map(|item| format!("{:?}\n", item.kind)));
        }
    }
    let parts = tree_parts();
    assert!(parts.len() > 120, "{parts:?}");
    let whole_word = |part: &str| {
        shown.match_indices(part).any(|(at, _)| {
            let before = shown[..at].chars().next_back();
            let after = shown[at + part.len()..].chars().next();
            let inside = |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || sign == '_');
            !inside(before) && (part.ends_with('(') || !inside(after))
        })
    };
    let missing: Vec<&String> = parts.iter().filter(|part| !whole_word(part)).collect();
    assert!(missing.is_empty(), "no example of the reference shows {missing:?}");
}

fn transforms_table() -> String {
    let mut table =
        "| you write | takes | gives | on `<->` | what it does | example |\n|---|---|---|---|---|---|\n".to_owned();
    for builtin in registry() {
        let written = format!("as {}", builtin.written);
        let two_way = match builtin.class {
            Class::Normaliser => "yes: twice is once",
            Class::Invertible => "yes: it can be undone",
            Class::Lossy => "no: it drops something",
        };
        let (from, to) = builtin.example;
        table.push_str(&format!(
            "| `{written}` | {} | {} | {two_way} | {} | `{from}` becomes `{to}` |\n",
            builtin.takes, builtin.gives, builtin.doc
        ));
    }
    table
}

fn codes_table() -> String {
    let mut table = "| code | it says |\n|---|---|\n".to_owned();
    for code in Code::ALL {
        table.push_str(&format!(
            "| [{0}](../src/diagnostic/pages/{0}.md) | {1} |\n",
            code,
            code.title().replace('|', "\\|")
        ));
    }
    table
}

/// What `engine graph --around crm.Deal` draws of the rules of the recording.
fn picture() -> String {
    let folder = root().join("docs/five-mistakes");
    let named = |dir: &str, ending: &str| -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = std::fs::read_dir(folder.join(dir))
            .expect("the rules of the recording")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == ending))
            .map(|path| {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (format!("{dir}{name}"), std::fs::read_to_string(path).expect("a text"))
            })
            .collect();
        found.sort();
        found
    };
    let compiled = compile(&named("", "rules"), &named("schemas/", "lock").into_iter().collect(), None);
    assert_eq!(compiled.problems, []);
    let program = compiled.program.expect("they hold");
    let part = around(&graph(&program), &program, "crm.Deal").expect("there are deals");
    format!("```mermaid\n{}```\n", render(Format::Mermaid, &part))
}

#[test]
fn generated_parts_are_up_to_date() {
    let mut page = page();
    let mut stale = Vec::new();
    for (name, table) in [("transforms", transforms_table()), ("codes", codes_table()), ("picture", picture())] {
        let (open, close) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end: {name} -->\n"));
        let start = page.find(&open).unwrap_or_else(|| panic!("no {open}")) + open.len();
        let end = page.find(&close).unwrap_or_else(|| panic!("no {close}"));
        if page[start..end] != table {
            stale.push(name);
            page.replace_range(start..end, &table);
        }
    }
    // Nobody who copies an example should have it changed by `engine fmt`.
    for block in blocks(&page).into_iter().filter(|block| block.language == "rules") {
        let formatted = dsl::format::format(&block.text).text;
        if formatted != block.text {
            stale.push("an example");
            page = page.replace(&format!("```rules\n{}```", block.text), &format!("```rules\n{formatted}```"));
        }
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(root().join("docs/LANGUAGE.md"), page).expect("the page is written");
    } else {
        assert!(stale.is_empty(), "{stale:?}: run UPDATE_GOLDEN=1 cargo test -p dsl --test language_docs");
    }
}

/// How GitHub and GitLab call a heading in a link.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'))
        .map(|sign| if sign == ' ' { '-' } else { sign })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let page = page();
    let mut inside = false;
    let mut anchors = BTreeSet::new();
    let mut links = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        if inside {
            continue;
        }
        if line.starts_with('#') {
            assert!(anchors.insert(anchor(line)), "two headings are called {line}");
        }
        links.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    }
    assert!(links.len() > 50);
    for link in links {
        match link.strip_prefix('#') {
            Some(heading) => assert!(anchors.contains(heading), "no heading {link}"),
            None => {
                let path = link.split('#').next().unwrap_or(link);
                assert!(root().join("docs").join(path).exists(), "no file {path}");
            }
        }
    }
}
