//! Trees and locks to a checked program: names resolved, types fitted, everything said that cannot work.
//!
//! In: the trees of all files of a rule set and the texts of its locks. Out: a [`Program`] where there is no
//! error, and all problems, in the order of files and lines.
//! Always true: every pass runs; a failed expression has a recovery type, so one mistake gives one message.
//! There is no clock in here: the age of a lock is judged against a day that the caller gives.

mod action;
mod apart;
mod events;
mod expr;
mod limits;
mod links;
mod lints;
mod loops;
mod missing;
mod names;
mod needs;
mod operations;
mod operators;
mod paths;
mod record;
mod roundtrip;
mod scenario;
mod stages;
mod sync;
mod systems;
mod types;
mod undo;
mod vocabulary;
mod when;
mod words;
mod workflow;
mod world;
mod writers;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::ast::{Item, ItemKind};
use crate::diagnostic::{Problem, Severity};
use crate::parse::{Parse, parse};
use crate::program::{Program, Used};
use crate::schema::EntityName;
use crate::source::{FileId, SourceFile};
use world::World;

/// What became of a rule set.
#[derive(Debug)]
pub struct Compiled {
    /// Its files, by [`FileId`].
    pub files: Vec<SourceFile>,
    /// Everything there is to say, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// The program; `None` if any problem is an error.
    pub program: Option<Program>,
    /// Its trees, `test` items included, by file.
    pub items: Vec<(FileId, Item)>,
}

/// Parses and checks a rule set.
///
/// `files` are paths relative to its folder and texts, tests (`*.test.rules`) included; `locks` are the texts of
/// lock files by the path that `schema` names. `today` judges the age of locks.
#[must_use]
pub fn compile(
    files: &[(String, String)],
    locks: &BTreeMap<String, String>,
    today: Option<jiff::civil::Date>,
) -> Compiled {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    let mut items = Vec::new();
    for (index, (path, text)) in files.iter().enumerate() {
        let file = SourceFile::new(FileId(index as u32), path.clone(), text);
        let Parse { items: found, problems: wrong, .. } = parse(&file);
        problems.extend(wrong);
        items.extend(found.into_iter().map(|item| (file.id, item)));
        sources.push(file);
    }
    let broken = problems.iter().any(|p| p.severity() == Severity::Error);
    let hash = hash(files, locks);
    let mut world = World::new(&sources, locks, hash, broken);
    world.declare(&items);
    world.vocabulary(&items);
    world.systems_age(today);
    for (_, item) in &items {
        match &item.kind {
            ItemKind::Sync(sync) => world.sync(sync, item),
            ItemKind::Events(events) => world.events(events, item),
            _ => {}
        }
    }
    for (_, item) in &items {
        match &item.kind {
            ItemKind::When(when) => world.when(when, item),
            ItemKind::Workflow(workflow) => world.workflow(workflow, item),
            ItemKind::Test(test) => world.test(test, item),
            _ => {}
        }
    }
    world.writers();
    world.apart();
    world.limits();
    world.loops(&items);
    world.routes(&items);
    world.lints(&items);
    problems.append(&mut world.problems);
    problems.sort_by_key(|p| (p.span().file, p.span().start, p.code));
    problems.dedup();
    let failed = problems.iter().any(|p| p.severity() == Severity::Error);
    let program = (!failed).then(|| world.finish());
    Compiled { files: sources, problems, program, items }
}

fn hash(files: &[(String, String)], locks: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    let rules: BTreeSet<&(String, String)> = files.iter().filter(|(path, _)| !path.ends_with(".test.rules")).collect();
    for (path, text) in rules.into_iter().map(|(p, t)| (p, t)).chain(locks) {
        digest.update((path.len() as u64).to_be_bytes());
        digest.update(path);
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Notes that a field or link is used.
fn note(used: &mut BTreeMap<EntityName, Used>, entity: &EntityName, name: &str, link: bool) {
    if name == "id" {
        return;
    }
    let entry = used.entry(entity.clone()).or_default();
    if link {
        entry.links.insert(name.to_owned());
    } else {
        entry.fields.insert(name.to_owned());
    }
}
