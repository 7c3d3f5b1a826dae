//! The rooms of this module know each other in one direction only; a crate could not say so, this test does.
//!
//! In: the source files below `src/decide`. Out: every path to another file that points against the direction, and
//! every circle of files inside a room.
//! Not here: what stands in `#[cfg(test)]`, which may look wherever it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms from the lowest to the highest: each may use those before it. Rooms of one line know nothing of each
/// other. `views` reads beside everything and is used by the door alone.
const ORDER: &[&[&str]] = &[
    &["model"],
    &["store", "views", "forms", "lifecycles"],
    &["records"],
    &["links"],
    &["runs"],
    &["isolation"],
    &["delivery", "calls"],
    &["operate"],
    &["timers"],
    &["decide"],
];

/// What a room may not use although it stands lower.
const BESIDE: &[(&str, &str)] = &[("views", "store"), ("forms", "store"), ("forms", "views"), ("lifecycles", "store")];

/// A file of the module by its path without ending, `links/merge`.
type File = String;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/decide")
}

/// Every file of the module with its text up to its tests.
fn sources() -> BTreeMap<File, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<File, String>) {
        for entry in std::fs::read_dir(folder).expect("the source is there") {
            let path = entry.expect("the source can be listed").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(self::folder()).expect("it was listed there").with_extension("");
                let text = std::fs::read_to_string(&path).expect("the source can be read");
                found.insert(name.to_string_lossy().into_owned(), without_tests(&text));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&folder(), &mut found);
    let door = std::fs::read_to_string(folder().with_extension("rs")).expect("the door is there");
    found.insert("decide".to_owned(), without_tests(&door));
    // These are tests as a whole.
    found.remove("rooms");
    found
}

/// The text without comments, and without what follows `#[cfg(test)]` (an item, or a module of tests at the end).
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let item = lines.next().unwrap_or_default();
            if item.ends_with('{') {
                let end = item.len() - item.trim_start().len();
                lines.by_ref().find(|line| line.len() == end + 1 && line.ends_with('}'));
            }
            continue;
        }
        kept.push_str(line.split("//").next().unwrap_or_default());
        kept.push('\n');
    }
    kept
}

/// Every path that begins with one of `roots`, its `{…}` taken apart: `crate::decide::store::{links, runs::load}` gives
/// two.
fn paths(text: &str, roots: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in roots {
        for (at, _) in text.match_indices(root) {
            let before = text[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                expand(&text[at + root.len()..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Reads one tree of a `use` (or a plain path) and gives what stands behind it.
fn expand<'t>(mut text: &'t str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'t str {
    let depth = prefix.len();
    loop {
        text = text.trim_start();
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
        if end > 0 {
            prefix.push(text[..end].to_owned());
            text = text[end..].trim_start();
        } else if let Some(rest) = text.strip_prefix('{') {
            text = rest;
            loop {
                text = expand(text, &mut prefix.clone(), found).trim_start();
                let more = text.strip_prefix(',').map(str::trim_start);
                match more {
                    Some(rest) if !rest.starts_with('}') => text = rest,
                    Some(rest) => return &rest[1..],
                    None => return text.strip_prefix('}').unwrap_or(text),
                }
            }
        }
        match text.strip_prefix("::") {
            Some(rest) if end > 0 || prefix.len() > depth => text = rest,
            _ => break,
        }
    }
    found.push(prefix.clone());
    text
}

/// Which files a file uses.
fn used(file: &str, text: &str, files: &BTreeSet<&str>) -> BTreeSet<File> {
    let roots: &[&str] = if file == "decide" { &["crate::decide::", "self::"] } else { &["crate::decide::"] };
    let mut used = BTreeSet::new();
    for path in paths(text, roots) {
        let inner = path.iter().take(2).map(String::as_str).collect::<Vec<_>>().join("/");
        let outer = path.first().cloned().unwrap_or_default();
        let to = [inner, outer].into_iter().find(|name| files.contains(name.as_str()));
        // What is no file is a name that the door gives on.
        used.insert(to.unwrap_or_else(|| "decide".to_owned()));
    }
    used.remove(file);
    used
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or_default()
}

fn level(file: &str) -> usize {
    let found = ORDER.iter().position(|rooms| rooms.contains(&room(file)));
    found.unwrap_or_else(|| panic!("`{file}` is in no room: give it its place in ORDER"))
}

/// All arrows between files.
fn arrows() -> BTreeSet<(File, File)> {
    let sources = sources();
    let files: BTreeSet<&str> = sources.keys().map(String::as_str).collect();
    let arrows =
        sources.iter().flat_map(|(file, text)| used(file, text, &files).into_iter().map(|to| (file.clone(), to)));
    arrows.collect()
}

/// Files that can reach themselves over `arrows`.
fn circles<'a>(arrows: impl Iterator<Item = &'a (File, File)>) -> BTreeSet<&'a str> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().insert(to);
    }
    let reaches = |start: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(at) = open.pop() {
            open.extend(next.get(at).into_iter().flatten().copied().filter(|to| seen.insert(*to)));
        }
        seen.contains(start)
    };
    next.keys().copied().filter(|file| reaches(file)).collect()
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let against: Vec<String> = arrows()
        .iter()
        .filter(|(from, to)| room(from) != room(to))
        .filter(|(from, to)| level(to) >= level(from) || BESIDE.contains(&(room(from), room(to))))
        .map(|(from, to)| format!("{from} uses {to}"))
        .collect();
    assert_eq!(against, Vec::<String>::new(), "these stand against the direction");
}

#[test]
fn files_of_a_room_do_not_use_each_other_in_a_circle() {
    let arrows = arrows();
    let inside = arrows.iter().filter(|(from, to)| room(from) == room(to));
    assert_eq!(circles(inside), BTreeSet::new(), "these files form a circle");
}

#[test]
fn no_file_reaches_others_by_their_place() {
    let sources = sources();
    let relative = sources.iter().filter(|(_, text)| !paths(text, &["super::"]).is_empty()).map(|(file, _)| file);
    assert_eq!(relative.collect::<Vec<_>>(), Vec::<&File>::new(), "write `crate::decide::…`, which is read here");
}

#[test]
fn trees_of_uses_are_taken_apart() {
    let text =
        "use crate::decide::store::{\n    links, runs::{load, log},\n};\nlet x = crate::decide::model::key::hash(y);";
    let found: Vec<String> = paths(text, &["crate::decide::"]).iter().map(|path| path.join("/")).collect();
    assert_eq!(found, ["store/links", "store/runs/load", "store/runs/log", "model/key/hash"]);
}
