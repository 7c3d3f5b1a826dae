//! Compiling again after an edit: only what changed is parsed, only locks that changed are read, and of items in files
//! that did not change it is known what their check found, and what their words mean, unless something changed that
//! items declare.
//!
//! Always true: a session gives what [`compile`](super::compile) gives for the same texts, whatever it compiled before.

pub(crate) mod cache;
pub(crate) mod item_checks;
pub(crate) mod passes;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::check::facts::locks::{Locks, read_locks};
use crate::check::session::cache::CheckCache;
use crate::check::session::passes::{Compiled, check_set, refused, too_large};
use crate::parse::{Parse, on_known_stack, parse_all};
use crate::schema::Lock;
use crate::source::{FileId, SourceFile};

/// What the last compilation parsed and read. Cloning one copies no tree and no lock.
#[derive(Debug, Clone, Default)]
pub struct Session {
    files: BTreeMap<String, Parsed>,
    /// The number of the last parse.
    revision: u64,
    texts: BTreeMap<String, String>,
    locks: Locks,
    cache: CheckCache,
}

/// A file and its tree.
#[derive(Debug, Clone)]
struct Parsed {
    file: SourceFile,
    tree: Parse,
    /// When it was parsed: greater than whatever was parsed before.
    revision: u64,
}

impl Session {
    /// Parses what is new and checks everything; see [`compile`](super::compile).
    pub fn compile(
        &mut self,
        files: &[(String, String)],
        locks: &BTreeMap<String, String>,
        today: Option<jiff::civil::Date>,
    ) -> Compiled {
        on_known_stack(|| self.compiled(files, locks, today))
    }

    fn compiled(
        &mut self,
        files: &[(String, String)],
        locks: &BTreeMap<String, String>,
        today: Option<jiff::civil::Date>,
    ) -> Compiled {
        let source = |(index, (path, text)): (usize, &(String, String))| {
            let id = file_id(index);
            let known = self.files.get(path).map(|known| &known.file);
            let same = known.filter(|file| file.id == id && *file.text == **text);
            same.cloned().unwrap_or_else(|| SourceFile::new(id, path.clone(), text))
        };
        let sources: Vec<SourceFile> = files.iter().enumerate().map(source).collect();
        if too_large(&sources) {
            return refused(sources);
        }
        self.parse(&sources);
        self.read(locks);
        let mut revisions = Vec::with_capacity(sources.len());
        let mut parsed = Vec::with_capacity(sources.len());
        for file in sources {
            let known = self.files.get(&file.path);
            revisions.push(known.map_or(0, |known| known.revision));
            let tree = known.map_or_else(Parse::default, |known| known.tree.clone());
            parsed.push((file, tree));
        }
        self.cache.of_parses(revisions);
        check_set(parsed, locks, &self.locks, today, Some(&mut self.cache))
    }

    /// Parses the files that are not those of the last time. Spans name a file by its position, so a file that has
    /// moved is parsed anew.
    fn parse(&mut self, sources: &[SourceFile]) {
        let same = |old: &SourceFile, new: &SourceFile| old.id == new.id && Arc::ptr_eq(&old.text, &new.text);
        let by_path: BTreeMap<&str, &SourceFile> = sources.iter().map(|file| (file.path.as_str(), file)).collect();
        self.files.retain(|path, old| by_path.get(path.as_str()).is_some_and(|new| same(&old.file, new)));
        let new: Vec<SourceFile> =
            sources.iter().filter(|file| !self.files.contains_key(&file.path)).cloned().collect();
        self.revision += 1;
        let trees = parse_all(&new);
        for (file, tree) in new.into_iter().zip(trees) {
            self.files.insert(file.path.clone(), Parsed { file, tree, revision: self.revision });
        }
    }

    /// Reads the locks whose text is not that of the last time.
    fn read(&mut self, locks: &BTreeMap<String, String>) {
        self.locks.retain(|path, _| locks.contains_key(path) && locks.get(path) == self.texts.get(path));
        let new: BTreeMap<String, String> = locks
            .iter()
            .filter(|(path, _)| !self.locks.contains_key(*path))
            .map(|(path, text)| (path.clone(), text.clone()))
            .collect();
        self.locks.extend(read_locks(&new));
        if self.texts != *locks {
            self.texts.clone_from(locks);
        }
    }

    /// What a lock says, as the last compilation read it; `None` where it could not.
    pub(crate) fn lock(&self, path: &str) -> Option<&Arc<Lock>> {
        self.locks.get(path)?.as_ref().ok()
    }
}

/// Files of a rule set by path and text; the id of each is its position.
#[must_use]
pub fn sources(files: &[(String, String)]) -> Vec<SourceFile> {
    let file = |(index, (path, text)): (usize, &(String, String))| SourceFile::new(file_id(index), path.clone(), text);
    files.iter().enumerate().map(file).collect()
}

/// The id of the file at a position.
fn file_id(position: usize) -> FileId {
    FileId(u32::try_from(position).unwrap_or(u32::MAX))
}
