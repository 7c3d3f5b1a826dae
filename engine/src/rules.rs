//! Rule sets: `.rules` files and the locks that they name, in a folder or as texts.

mod origin;
#[cfg(test)]
mod shipped;
pub mod stored;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use dsl::check::{Compiled, compile};
use dsl::parse::MAX_FILE;
pub use origin::Rules;
#[cfg(test)]
pub(crate) use shipped::{shipped, shipped_with};

/// The shipped integration as it was built in, without its tests: paths in its folder, and texts.
pub const SHIPPED: &[(&str, &str)] = &[
    ("systems.rules", include_str!("../../rules/systems.rules")),
    ("words.rules", include_str!("../../rules/words.rules")),
    ("contacts.rules", include_str!("../../rules/contacts.rules")),
    ("companies.rules", include_str!("../../rules/companies.rules")),
    ("deals.rules", include_str!("../../rules/deals.rules")),
    ("tickets.rules", include_str!("../../rules/tickets.rules")),
    ("notes.rules", include_str!("../../rules/notes.rules")),
    ("activities.rules", include_str!("../../rules/activities.rules")),
    ("onboarding.rules", include_str!("../../rules/onboarding.rules")),
    ("events.rules", include_str!("../../rules/events.rules")),
    ("schemas/app.lock", include_str!("../../rules/schemas/app.lock")),
    ("schemas/crm.lock", include_str!("../../rules/schemas/crm.lock")),
    ("schemas/mail.lock", include_str!("../../rules/schemas/mail.lock")),
];

/// Why a rule set cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A file or folder is missing or not readable.
    #[error("cannot read {path}: {source}")]
    #[diagnostic(
        code(rules::unreadable),
        help("is the path right? It is the folder that holds the rules, `rules` where none is given")
    )]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no text.
    #[error("{path} is no UTF-8 text: line {line} holds other bytes")]
    #[diagnostic(code(rules::no_text), help("save it as UTF-8"))]
    NoText {
        /// Which.
        path: String,
        /// The first line that is none, counted from 1.
        line: usize,
    },
    /// Neither a file nor a folder, or a link to a folder.
    #[error("{path} is {what}, and is not read")]
    #[diagnostic(code(rules::no_file), help("put the files themselves there, or give the path of that folder"))]
    NoFile {
        /// Which.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A file that holds no rules was given.
    #[error("{path} is no .rules file of a rule set")]
    #[diagnostic(
        code(rules::no_rules),
        help("give a file whose name ends with `.rules`, or the folder that holds them")
    )]
    NoRules {
        /// Which.
        path: String,
    },
    /// One path for two texts.
    #[error("{path} was given twice")]
    #[diagnostic(code(rules::twice), help("give every text a path of its own"))]
    Twice {
        /// Which.
        path: String,
    },
    /// There are no rules here, but files that were meant to be some.
    #[error("{path} is not read: the name of a file of rules ends with `.rules`")]
    #[diagnostic(code(rules::no_rules), help("rename it to `{meant}`"))]
    Misnamed {
        /// Which.
        path: String,
        /// What it should be called.
        meant: String,
    },
    /// There are no rules.
    #[error("there are no .rules files in {path}")]
    #[diagnostic(code(rules::empty), help("give the folder that holds them"))]
    Empty {
        /// Where.
        path: String,
    },
    /// More than the engine reads.
    #[error("{path} holds more than {limit}")]
    #[diagnostic(code(rules::too_large), help("a rule set has at most 2,000 files and 16 MiB"))]
    TooLarge {
        /// Where.
        path: String,
        /// What.
        limit: &'static str,
    },
}

/// The texts of a rule set.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Rules by path, relative to the folder.
    pub files: Vec<(String, String)>,
    /// Locks by path, relative to the folder.
    pub locks: BTreeMap<String, String>,
}

impl Texts {
    /// The shipped integration.
    #[must_use]
    pub fn shipped() -> Self {
        let text = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let (locks, files): (Vec<_>, Vec<_>) = SHIPPED.iter().partition(|(path, _)| path.ends_with(".lock"));
        Self { files: files.iter().map(text).collect(), locks: locks.iter().map(text).collect() }
    }

    /// Parses and checks them.
    #[must_use]
    pub fn compile(&self, today: Option<jiff::civil::Date>) -> Compiled {
        compile(&self.files, &self.locks, today)
    }
}

/// The most text of a rule set, in bytes.
const MAX_TEXT: u64 = 16 << 20;
/// The most files of a rule set.
const MAX_FILES: usize = 2_000;

/// Reads all `.rules` and `.lock` files below `folder`, in the order of their paths. Links to files are followed,
/// links to folders are refused: they may lead in a circle. What begins with a dot is left alone.
///
/// # Errors
/// [`Error`] where something cannot be read; half a rule set is never given.
pub fn read(folder: &Path) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    let mut left = MAX_TEXT;
    for path in walk(folder, &["rules", "lock"])? {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        // One that is too large by itself is named, otherwise it is all of them.
        let alone = std::fs::metadata(&path).is_ok_and(|file| file.len() > MAX_TEXT);
        let text = text_within(&path, left)?.ok_or_else(|| too_large(if alone { &path } else { folder }, "16 MiB"))?;
        left -= text.len() as u64;
        if path.extension().is_some_and(|ending| ending == "lock") {
            texts.locks.insert(name, text);
        } else {
            texts.files.push((name, text));
        }
    }
    if texts.files.is_empty() {
        return Err(Error::Empty { path: folder.display().to_string() });
    }
    Ok(texts)
}

/// The files of rules that a path means: itself, or all `.rules` files below a folder, in order.
///
/// # Errors
/// Where the path cannot be read, or is a folder without rules.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let path = from_here(path);
    let kind = std::fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !kind.is_dir() {
        return named(path, &kind).map(|()| vec![path.to_path_buf()]);
    }
    let files = walk(path, &["rules"])?;
    if files.is_empty() {
        return Err(Error::Empty { path: path.display().to_string() });
    }
    Ok(files)
}

/// A path that was given and is no folder must be a file of rules: anything else would be read in vain, or for ever.
fn named(path: &Path, kind: &std::fs::Metadata) -> Result<(), Error> {
    if !kind.is_file() {
        return Err(Error::NoFile { path: path.display().to_string(), what: "no file" });
    } else if path.extension().is_none_or(|ending| ending != "rules") {
        return Err(Error::NoRules { path: path.display().to_string() });
    }
    Ok(())
}

/// The text of one file.
///
/// # Errors
/// Where it cannot be read, is no text, or is larger than a rule set may be.
pub fn text(path: &Path) -> Result<String, Error> {
    text_within(path, MAX_TEXT)?.ok_or_else(|| too_large(path, "16 MiB"))
}

/// All that `reader` gives, as [`text`] does; `name` stands in messages.
///
/// # Errors
/// Where it cannot be read, is no text, or is larger than a rule set may be.
pub fn text_from(reader: impl Read, name: &str) -> Result<String, Error> {
    let path = Path::new(name);
    let bytes = within(reader, path, MAX_TEXT)?.ok_or_else(|| too_large(path, "16 MiB"))?;
    utf8(bytes, path)
}

/// All files below `folder` with one of these endings, in order. Links to files are followed, links to folders are
/// refused: they may lead in a circle. What begins with a dot is left alone.
fn walk(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(dir) = folders.pop() {
        for entry in std::fs::read_dir(&dir).map_err(|source| unreadable(&dir, source))? {
            let entry = entry.map_err(|source| unreadable(&dir, source))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|source| unreadable(&path, source))?;
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let wanted = endings.contains(&ending);
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            } else if kind.is_dir() {
                folders.push(path);
            } else if let Some(meant) = misnamed(&path) {
                // Nobody would be told that these rules never run.
                return Err(Error::Misnamed { path: path.display().to_string(), meant });
            } else if wanted || kind.is_symlink() {
                // Behind a link stands what it leads to. One that leads nowhere matters where rules are expected.
                let behind = match std::fs::metadata(&path) {
                    Ok(behind) => behind,
                    Err(_) if !wanted => continue,
                    Err(source) => return Err(unreadable(&path, source)),
                };
                let path_of = || path.display().to_string();
                if behind.is_dir() {
                    return Err(Error::NoFile { path: path_of(), what: "a link to a folder" });
                } else if wanted && !behind.is_file() {
                    return Err(Error::NoFile { path: path_of(), what: "no file" });
                } else if wanted {
                    files.push(path);
                }
            }
            if files.len() > MAX_FILES {
                return Err(too_large(folder, "2,000 files"));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What a file should be called that was meant to hold rules: Windows adds `.txt` and hides it.
fn misnamed(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".rules.txt").or_else(|| name.strip_suffix(".rule"))?;
    Some(format!("{stem}.rules"))
}

/// The path, or `.` for a `rules` that is not there in a folder that holds rules itself.
fn from_here(path: &Path) -> &Path {
    let here = Path::new(".");
    let holds_rules = || {
        let entries = std::fs::read_dir(here).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|ending| ending == "rules"))
    };
    if path == Path::new("rules") && !path.exists() && holds_rules() { here } else { path }
}

/// The text of a file, or nothing where it has more than `limit` bytes; no more than that is read.
fn text_within(path: &Path, limit: u64) -> Result<Option<String>, Error> {
    // Opening a pipe would wait for somebody who writes.
    let kind = std::fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !kind.is_file() {
        return Err(Error::NoFile { path: path.display().to_string(), what: "no file" });
    }
    let file = std::fs::File::open(path).map_err(|source| unreadable(path, source))?;
    within(file, path, limit)?.map(|bytes| utf8(bytes, path)).transpose()
}

fn within(reader: impl Read, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn utf8(bytes: Vec<u8>, path: &Path) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::NoText { path: path.display().to_string(), line }
    })
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::Unreadable { path: path.display().to_string(), source }
}

fn too_large(path: &Path, limit: &'static str) -> Error {
    Error::TooLarge { path: path.display().to_string(), limit }
}

/// The rule set that a path belongs to: itself if it is a folder, otherwise the nearest folder above that holds
/// an `edition`; with the file's path inside it.
///
/// # Errors
/// Where the path cannot be read, or is neither a folder nor a file of rules.
pub fn set_of(path: &Path) -> Result<(PathBuf, Option<String>), Error> {
    let path = from_here(path);
    let kind = std::fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if kind.is_dir() {
        return Ok((path.to_path_buf(), None));
    }
    named(path, &kind)?;
    let mut folder = path.parent().unwrap_or(Path::new("."));
    if folder.as_os_str().is_empty() {
        folder = Path::new(".");
    }
    let own = folder;
    for _ in 0..FOLDERS_ABOVE {
        if holds_edition(folder, &|_| false) {
            let inside = path.strip_prefix(folder).unwrap_or(path).display().to_string();
            return Ok((folder.to_path_buf(), Some(inside)));
        }
        match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => folder = parent,
            None => break,
        }
    }
    Ok((own.to_path_buf(), path.file_name().map(|name| name.to_string_lossy().into_owned())))
}

/// How many folders, its own included, are looked at for the rule set of a file.
const FOLDERS_ABOVE: usize = 4;
/// How many entries are looked at in one folder and those below, in the search for an `edition`.
const ENTRIES: usize = 5_000;

/// Does a `.rules` file in this folder or below say `edition`? Files for which `but` holds are not looked at. The
/// search is bounded: nobody wants a whole disk read because a file lies in no rule set. What cannot be read is told
/// when the set is read.
pub(crate) fn holds_edition(folder: &Path, but: &dyn Fn(&Path) -> bool) -> bool {
    let (mut left, mut left_bytes) = (ENTRIES, MAX_TEXT);
    let mut folders = vec![folder.to_path_buf()];
    while let Some(dir) = folders.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            left -= 1;
            if left == 0 {
                return false;
            }
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            } else if kind.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rules")
                && !but(&path)
                && let Ok(bytes) = beginning(&path, left_bytes)
            {
                left_bytes -= bytes.len() as u64;
                if says_edition(&String::from_utf8_lossy(&bytes)) {
                    return true;
                }
            }
        }
    }
    false
}

/// As much of a file as a file of rules may hold, and no more than `left` bytes.
fn beginning(path: &Path, left: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if std::fs::metadata(path)?.is_file() {
        std::fs::File::open(path)?.take(left.min(MAX_FILE as u64)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

pub(crate) fn says_edition(text: &str) -> bool {
    text.lines().any(|line| line.trim_start_matches('\u{feff}').starts_with("edition "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_for_an_edition_reads_no_more_of_a_file_than_it_may_hold() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("huge.rules");
        let behind_the_limit = format!("{}\nedition 2026\n", "#".repeat(MAX_FILE));
        std::fs::write(&path, behind_the_limit).expect("a file can be written");
        assert!(!holds_edition(folder.path(), &|_| false));
        std::fs::write(folder.path().join("a.rules"), "edition 2026\n").expect("a file can be written");
        assert!(holds_edition(folder.path(), &|_| false));
    }
}
