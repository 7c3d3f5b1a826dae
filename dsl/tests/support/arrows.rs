//! Which file uses which: the arrows between the files of a folder, and the rings that they form.
//!
//! In: a folder of sources of one crate. Out: its files with those of the same folder that they use, by `use` lines
//! and by paths such as `super::patch::Change`; or those whose methods they call on themselves, where the methods of
//! one type stand in many files. Tests inside of a file do not count: they may look at anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of a folder by their module paths (`parse::cursor`), each with the files that it uses.
pub(crate) struct Arrows {
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Arrows {
    /// Reads the files of `source`, the `src` of a crate, whose module paths begin with `root` (`parse`); all of them
    /// where it is empty.
    pub(crate) fn read(source: &Path, root: &str) -> Self {
        let mut texts = BTreeMap::new();
        collect(source, &[], &mut texts);
        let inside = |module: &String| {
            root.is_empty() || module == root || module.strip_prefix(root).is_some_and(|rest| rest.starts_with("::"))
        };
        let modules: BTreeSet<String> = texts.keys().filter(|module| inside(module)).cloned().collect();
        let uses = modules.iter().map(|module| (module.clone(), used(module, &texts[module], &modules))).collect();
        Self { uses }
    }

    /// The same by calls such as `self.method(…)` and `checker.method(…)`, of methods whose name one file alone defines.
    pub(crate) fn of_methods(source: &Path, root: &str, receivers: &[&str]) -> Self {
        let mut texts = BTreeMap::new();
        collect(source, &[], &mut texts);
        texts.retain(|module, _| {
            module.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        let texts: BTreeMap<String, String> = texts.into_iter().map(|(module, text)| (module, code(&text))).collect();
        let mut defined: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (module, text) in &texts {
            for rest in text.split("fn ").skip(1) {
                let parameters = rest.split_once('(').map_or("", |(_, parameters)| parameters.trim_start());
                if ["&self", "&mut self", "self", "mut self"].iter().any(|first| parameters.starts_with(first)) {
                    defined.entry(word(rest)).or_default().insert(module);
                }
            }
        }
        let called = |text: &str| -> BTreeSet<String> {
            let on_receiver = |before: &str| {
                receivers.iter().any(|receiver| {
                    let before = before.strip_suffix(receiver).map(|before| before.chars().next_back());
                    before.is_some_and(|letter| !letter.is_some_and(|c| c.is_alphanumeric() || c == '_'))
                })
            };
            let behind =
                text.match_indices('.').filter(|(at, _)| on_receiver(&text[..*at])).map(|(at, _)| &text[at + 1..]);
            behind.filter(|rest| rest[word(rest).len()..].starts_with('(')).map(word).map(str::to_owned).collect()
        };
        let uses = texts.iter().map(|(module, text)| {
            // A line that is too long is broken before the point.
            let begins = |line: &str| if line.trim_start().starts_with('.') { "" } else { "\n" };
            let joined: String = text.lines().flat_map(|line| [begins(line), line.trim()]).collect();
            let names = called(&joined);
            let files = names.iter().filter_map(|name| defined.get(name.as_str())).filter(|files| files.len() == 1);
            let others = files.flatten().filter(|file| *file != module).map(|file| (*file).to_owned());
            (module.clone(), others.collect())
        });
        Self { uses: uses.collect() }
    }

    /// How many arrows there are.
    pub(crate) fn arrows(&self) -> usize {
        self.uses.values().map(BTreeSet::len).sum()
    }

    /// Arrows from a file to one of a room above its own. `order` names the rooms from the lowest to the highest, by the
    /// module paths with which those of their files begin.
    pub(crate) fn against(&self, order: &[&str]) -> Vec<String> {
        let level = |file: &str| {
            let inside = |room: &&str| file.strip_prefix(*room).is_some_and(|r| r.is_empty() || r.starts_with("::"));
            let found = order.iter().position(inside);
            found.unwrap_or_else(|| panic!("{file} is in no room: give it its place in the order"))
        };
        let arrows = self.uses.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
        arrows.filter(|(from, to)| level(to) > level(from)).map(|(from, to)| format!("{from} uses {to}")).collect()
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.uses.len()
    }

    /// Files that lead to themselves over others, each set of them once, in the order of names.
    pub(crate) fn rings(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&String, BTreeSet<&String>> =
            self.uses.keys().map(|module| (module, self.reached(module))).collect();
        let mut rings: BTreeSet<Vec<String>> = BTreeSet::new();
        for (module, from_it) in &reach {
            let ring: Vec<String> =
                from_it.iter().filter(|other| reach[**other].contains(*module)).map(|name| (*name).clone()).collect();
            if ring.len() > 1 {
                rings.insert(ring);
            }
        }
        rings.into_iter().collect()
    }

    fn reached(&self, module: &String) -> BTreeSet<&String> {
        let mut found = BTreeSet::new();
        let mut next: Vec<&String> = self.uses[module].iter().collect();
        while let Some(module) = next.pop() {
            if found.insert(module) {
                next.extend(&self.uses[module]);
            }
        }
        found
    }
}

/// Texts of all files below a folder, by module path.
fn collect(folder: &Path, above: &[String], texts: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let module: Vec<String> = above.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            collect(&path, &module, texts);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !matches!(name.as_str(), "lib" | "main") {
            texts.insert(module.join("::"), std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// A text without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let own = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    own.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The word with which a text begins.
fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(text.len());
    &text[..end]
}

/// The modules that a file uses.
fn used(module: &str, text: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let code = code(text);
    let mut paths = Vec::new();
    let here: Vec<&str> = module.split("::").collect();
    for (at, _) in code.match_indices("::") {
        let word = code[..at].rsplit(|letter: char| !(letter.is_alphanumeric() || letter == '_')).next().unwrap_or("");
        let before = &code[..at - word.len()];
        if word.is_empty() || before.ends_with("::") || before.ends_with('>') {
            // A part of a longer path, which was taken at its beginning.
            continue;
        }
        expand(&[word], &code[at + 2..], &mut paths);
    }
    let mut found = BTreeSet::new();
    for path in paths {
        let mut full: Vec<&str> = match path[0].as_str() {
            "crate" => Vec::new(),
            "self" => here.clone(),
            "super" => here[..here.len() - 1].to_vec(),
            // A module of its own.
            child if modules.contains(&format!("{module}::{child}")) => [here.as_slice(), &[child]].concat(),
            _ => continue,
        };
        for name in &path[1..] {
            if name == "super" {
                full.pop();
            } else {
                full.push(name);
            }
        }
        // The longest part of the path that is a file holds what is used.
        let file = (1..=full.len()).rev().map(|length| full[..length].join("::")).find(|name| modules.contains(name));
        found.extend(file.filter(|file| file != module));
    }
    found
}

/// The paths that stand behind `so_far`: one, or several between braces.
fn expand(so_far: &[&str], rest: &str, paths: &mut Vec<Vec<String>>) {
    let rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        let mut depth = 1;
        let mut start = 0;
        for (at, letter) in inner.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || depth == 1 && letter == ',' {
                expand(so_far, &inner[start..at], paths);
                start = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
        return;
    }
    let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(rest.len());
    let path: Vec<&str> = so_far.iter().copied().chain([&rest[..end]]).collect();
    match rest[end..].strip_prefix("::") {
        Some(more) if end > 0 => expand(&path, more, paths),
        _ => paths.push(path.into_iter().map(str::to_owned).collect()),
    }
}
