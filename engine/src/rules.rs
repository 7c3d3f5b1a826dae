//! Rule sets on disk: a folder of `.rules` files and the locks that they name.

pub mod stored;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dsl::check::{Compiled, compile};

/// Why a rule set cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A file or folder is missing or not readable.
    #[error("cannot read {path}: {source}")]
    #[diagnostic(code(rules::unreadable))]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no text.
    #[error("{path} is no UTF-8 text")]
    #[diagnostic(code(rules::no_text), help("save it as UTF-8"))]
    NoText {
        /// Which.
        path: String,
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
    /// Parses and checks them.
    #[must_use]
    pub fn compile(&self, today: Option<jiff::civil::Date>) -> Compiled {
        compile(&self.files, &self.locks, today)
    }
}

/// Reads all `.rules` and `.lock` files below `folder`, in the order of their paths. Links are not followed.
///
/// # Errors
/// [`Error`] where something cannot be read; half a rule set is never given.
pub fn read(folder: &Path) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    let mut size = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(dir) = folders.pop() {
        let unreadable = |source| Error::Unreadable { path: dir.display().to_string(), source };
        for entry in std::fs::read_dir(&dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if !kind.is_file() || !matches!(ending, "rules" | "lock") {
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            let bytes = std::fs::read(&path).map_err(|source| Error::Unreadable { path: name.clone(), source })?;
            size += bytes.len();
            if size > 16 << 20 {
                return Err(Error::TooLarge { path: folder.display().to_string(), limit: "16 MiB" });
            }
            let text = String::from_utf8(bytes).map_err(|_| Error::NoText { path: name.clone() })?;
            if ending == "lock" {
                texts.locks.insert(name, text);
            } else {
                texts.files.push((name, text));
            }
            if texts.files.len() > 2_000 {
                return Err(Error::TooLarge { path: folder.display().to_string(), limit: "2,000 files" });
            }
        }
    }
    texts.files.sort();
    if texts.files.is_empty() {
        return Err(Error::Empty { path: folder.display().to_string() });
    }
    Ok(texts)
}

/// The rule set that a path belongs to: itself if it is a folder, otherwise the nearest folder above that holds
/// an `edition`; with the file's path inside it.
///
/// # Errors
/// Where the path cannot be read.
pub fn set_of(path: &Path) -> Result<(PathBuf, Option<String>), Error> {
    let kind =
        std::fs::metadata(path).map_err(|source| Error::Unreadable { path: path.display().to_string(), source })?;
    if kind.is_dir() {
        return Ok((path.to_path_buf(), None));
    }
    let mut folder = path.parent().unwrap_or(Path::new("."));
    if folder.as_os_str().is_empty() {
        folder = Path::new(".");
    }
    let first = folder;
    loop {
        let texts = read(folder)?;
        if texts.files.iter().any(|(_, text)| text.lines().any(|line| line.starts_with("edition "))) {
            let inside = path.strip_prefix(folder).unwrap_or(path).display().to_string();
            return Ok((folder.to_path_buf(), Some(inside)));
        }
        match folder.parent().filter(|p| !p.as_os_str().is_empty()) {
            Some(parent) => folder = parent,
            None => return Ok((first.to_path_buf(), path.file_name().map(|n| n.to_string_lossy().into_owned()))),
        }
    }
}
