//! Rule sets as the editor sees them: the folder on disk, with the open documents over it.
//!
//! Unlike a command, an editor must show something even where half a set cannot be read: what is wrong with a file is
//! kept beside the texts, and a file that is no UTF-8 is read with its broken letters replaced, so that what it
//! declares is still there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dsl::check::{MAX_FILES, MAX_TEXT};
use dsl::ide::Project;

use super::documents::Documents;
use crate::rules;

/// One rule set.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) folder: PathBuf,
    disk: Disk,
    pub(super) project: Project,
}

/// What stands in the folder.
#[derive(Debug, Default)]
struct Disk {
    rules: BTreeMap<PathBuf, String>,
    locks: BTreeMap<PathBuf, String>,
    /// What is wrong with files, in plain words.
    wrong: BTreeMap<PathBuf, String>,
}

impl Set {
    /// Reads the folder.
    pub(super) fn read(folder: PathBuf, documents: &Documents) -> Self {
        let disk = Disk::read(&folder);
        let mut set = Self { folder, disk, project: Project::new(&[], &BTreeMap::new(), None, None) };
        set.refresh(documents);
        set
    }

    /// Reads the folder again.
    pub(super) fn read_again(&mut self) {
        self.disk = Disk::read(&self.folder);
    }

    /// Checks the set with the documents as they are now.
    pub(super) fn refresh(&mut self, documents: &Documents) {
        let mut rules = self.disk.rules.clone();
        let mut locks = self.disk.locks.clone();
        for (path, document) in documents.iter().filter(|(path, _)| path.starts_with(&self.folder)) {
            match ending(path) {
                "rules" => rules.insert(path.to_path_buf(), document.text.clone()),
                "lock" => locks.insert(path.to_path_buf(), document.text.clone()),
                _ => None,
            };
        }
        let files: Vec<(String, String)> = rules.into_iter().map(|(path, text)| (self.inside(&path), text)).collect();
        let locks = locks.into_iter().map(|(path, text)| (self.inside(&path), text)).collect();
        self.project = Project::new(&files, &locks, None, Some(&self.project));
    }

    /// The path relative to the folder, as the checker names it.
    pub(super) fn inside(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    /// What is wrong with files on disk that are not open.
    pub(super) fn wrong<'s>(&'s self, documents: &'s Documents) -> impl Iterator<Item = (&'s PathBuf, &'s String)> {
        self.disk.wrong.iter().filter(|(path, _)| documents.get(path).is_none())
    }
}

impl Disk {
    fn read(folder: &Path) -> Self {
        let mut disk = Self::default();
        let mut size = 0;
        let mut folders = vec![folder.to_path_buf()];
        while let Some(dir) = folders.pop() {
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) => {
                    disk.wrong.insert(dir, format!("this folder cannot be read: {error}"));
                    continue;
                }
            };
            for entry in entries {
                let (path, kind) = match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                    Ok(found) => found,
                    Err(error) => {
                        disk.wrong.insert(dir.clone(), format!("this folder cannot be read: {error}"));
                        continue;
                    }
                };
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && matches!(ending(&path), "rules" | "lock") {
                    size += disk.file(path);
                }
                // The checker says that this is too much.
                if size > MAX_TEXT || disk.rules.len() > MAX_FILES {
                    return disk;
                }
            }
        }
        disk
    }

    /// Reads a file; gives its size.
    fn file(&mut self, path: PathBuf) -> usize {
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_else(|error| {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                self.wrong.insert(path.clone(), "this file is no UTF-8 text: save it as UTF-8".to_owned());
                text
            }),
            Err(error) => {
                self.wrong.insert(path, format!("this file cannot be read: {error}"));
                return 0;
            }
        };
        // Editors show no byte order mark, and count none.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let size = text.len();
        if ending(&path) == "lock" {
            self.locks.insert(path, text);
        } else {
            self.rules.insert(path, text);
        }
        size
    }
}

/// How many folders above a document are looked at where it lies in no folder of the editor.
const FOLDERS_ABOVE: usize = 3;

/// The folder of the rule set that a document belongs to: the nearest above it that holds an `edition`, otherwise its
/// own. Folders outside of `roots`, the folders that the editor shows, are not searched.
pub(super) fn folder_of(document: &Path, roots: &[PathBuf], documents: &Documents) -> PathBuf {
    let own = document.parent().unwrap_or(Path::new("/"));
    let root = roots.iter().filter(|root| own.starts_with(root)).max_by_key(|root| root.components().count());
    let above = |folder: &&Path| root.is_none_or(|root| folder.starts_with(root));
    let depth = if root.is_some() { usize::MAX } else { FOLDERS_ABOVE };
    let mut candidates = own.ancestors().take_while(above).take(depth);
    candidates.find(|folder| holds_edition(folder, documents)).unwrap_or(own).to_path_buf()
}

fn holds_edition(folder: &Path, documents: &Documents) -> bool {
    let mut open = documents.iter().filter(|(path, _)| path.starts_with(folder) && ending(path) == "rules");
    open.any(|(_, document)| rules::says_edition(&document.text))
        || rules::holds_edition(folder, &|path| documents.get(path).is_some())
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}
