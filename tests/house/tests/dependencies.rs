//! Every dependency is used, and what only tests use is a dependency of tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use house::source::{Source, attributes, is_for_tests};
use house::workspace::{Kind, Package, packages};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

/// Dependencies that no code names, and what they are there for.
const UNNAMED: &[(&str, &str)] = &[("serde_sarif", "brings the schema of SARIF as a file")];

/// Every word of code.
fn words(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => drop(found.insert(word.to_string())),
            TokenTree::Group(group) => words(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // A package inside of this one has a manifest of its own.
            if !path.join("Cargo.toml").exists() && path.file_name().is_some_and(|name| name != "target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Words of what is shipped, and of everything.
fn words_of(package: &Package) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut shipped, mut all) = (BTreeSet::new(), BTreeSet::new());
    let mut files = Vec::new();
    rust_files(&package.folder, &mut files);
    assert!(!files.is_empty(), "{} has no files", package.name);
    let tests: Vec<&PathBuf> = package.targets.iter().filter(|t| t.kind == Kind::Test).map(|t| &t.path).collect();
    let for_tests = |path: &Path| {
        tests.iter().any(|test| {
            *test == path || (test.ends_with("main.rs") && test.parent().is_some_and(|folder| path.starts_with(folder)))
        })
    };
    for path in files {
        let source = Source::read(&path).expect("Rust");
        for item in &source.tree.items {
            words(item.to_token_stream(), &mut all);
            if !for_tests(&path) && !is_for_tests(attributes(item)) {
                words(item.to_token_stream(), &mut shipped);
            }
        }
    }
    (shipped, all)
}

#[test]
fn every_dependency_is_used_where_it_is_asked_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut wrong = Vec::new();
    for package in packages(&folder).expect("cargo describes this workspace") {
        let (shipped, all) = words_of(&package);
        assert!(!package.dependencies.is_empty(), "{} has no dependencies", package.name);
        for dependency in &package.dependencies {
            if UNNAMED.iter().any(|(name, _)| *name == dependency.name) {
                continue;
            }
            let (used, where_) = if dependency.dev { (&all, "no code") } else { (&shipped, "no code that is shipped") };
            if !used.contains(&dependency.name) {
                wrong.push(format!("{} needs `{}`, which {where_} names", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names in `[workspace.dependencies]`, which are lines of their own there.
fn shared(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_"))).collect()
}

#[test]
fn every_version_that_is_set_for_all_is_asked_for_by_somebody() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest is there");
    let packages = packages(&folder).expect("cargo describes this workspace");
    let asked: BTreeSet<&str> =
        packages.iter().flat_map(|package| &package.dependencies).map(|one| one.name.as_str()).collect();
    let shared = shared(&manifest);
    assert!(shared.len() > 30, "{shared:?}");
    let idle: Vec<&String> = shared.iter().filter(|name| !asked.contains(name.as_str())).collect();
    assert!(idle.is_empty(), "nobody asks for {idle:?}");
}
