//! Compiling again after an edit: only what changed is parsed, only locks that changed are read, and of items in files
//! that did not change it is known what their check found, and what their words mean, unless something changed that
//! items declare.
//!
//! Always true: a session gives what [`compile`](super::compile) gives for the same texts, whatever it compiled before.

pub(crate) mod kept;
pub(crate) mod parallel_items;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Compiled, check_with, file_id, read, too_large};
use crate::check::facts::locks::Locks;
use crate::check::session::kept::Kept;
use crate::parse::{Parse, on_known_stack, parse_all};
use crate::schema::Lock;
use crate::source::SourceFile;

/// What the last compilation parsed and read. Cloning one copies no tree and no lock.
#[derive(Debug, Clone, Default)]
pub struct Session {
    files: BTreeMap<String, (SourceFile, Parse)>,
    texts: BTreeMap<String, String>,
    locks: Locks,
    kept: Kept,
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
            let known = self.files.get(path).map(|(file, _)| file).filter(|file| file.id == id && *file.text == **text);
            known.cloned().unwrap_or_else(|| SourceFile::new(id, path.clone(), text))
        };
        let sources: Vec<SourceFile> = files.iter().enumerate().map(source).collect();
        if too_large(&sources) {
            return check_with(
                sources.into_iter().map(|file| (file, Parse::default())).collect(),
                locks,
                &Locks::new(),
                today,
                None,
            );
        }
        // Spans name a file by its position, so a file that has moved is parsed anew.
        let same = |old: &SourceFile, new: &SourceFile| old.id == new.id && Arc::ptr_eq(&old.text, &new.text);
        let mut kept = std::mem::take(&mut self.files);
        let by_path: BTreeMap<&str, &SourceFile> = sources.iter().map(|file| (file.path.as_str(), file)).collect();
        kept.retain(|path, (old, _)| by_path.get(path.as_str()).is_some_and(|new| same(old, new)));
        let new: Vec<SourceFile> = sources.iter().filter(|file| !kept.contains_key(&file.path)).cloned().collect();
        let trees = parse_all(&new);
        for (file, tree) in new.into_iter().zip(trees) {
            kept.insert(file.path.clone(), (file, tree));
        }
        self.files = kept;
        let texts = std::mem::take(&mut self.texts);
        self.locks.retain(|path, _| locks.contains_key(path) && locks.get(path) == texts.get(path));
        let new = locks.iter().filter(|(path, _)| !self.locks.contains_key(*path));
        let new = new.map(|(path, text)| (path.clone(), text.clone())).collect();
        self.locks.extend(read(&new));
        if self.texts != *locks {
            self.texts.clone_from(locks);
        }
        let parsed = sources.into_iter().map(|file| {
            let tree = self.files.get(&file.path).map_or_else(Parse::default, |(_, tree)| tree.clone());
            (file, tree)
        });
        check_with(parsed.collect(), locks, &self.locks, today, Some(&mut self.kept))
    }

    /// What a lock says, as the last compilation read it; `None` where it could not.
    pub(crate) fn lock(&self, path: &str) -> Option<&Arc<Lock>> {
        self.locks.get(path)?.as_ref().ok()
    }
}
