//! Where rules come from: a folder, or texts that a program holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Error, MAX_FILES, MAX_TEXT, Texts, read, too_large};

/// Where an engine's rules come from.
///
/// ```
/// use engine::Rules;
///
/// let folder = Rules::folder("rules");
/// // A program holds its own with `include_str!`.
/// let texts = Rules::texts([("orders.rules", "edition 2026\n"), ("schemas/shop.lock", "{}")]);
/// # drop((folder, texts));
/// ```
#[derive(Debug, Clone)]
pub struct Rules(Origin);

#[derive(Debug, Clone)]
enum Origin {
    Folder(PathBuf),
    Texts(Vec<(String, String)>),
}

impl Rules {
    /// All `.rules` and `.lock` files below a folder. They are read at the start and at every reload.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self(Origin::Folder(path.into()))
    }

    /// Texts by their paths, as they would stand in a folder: `orders.rules`, `schemas/shop.lock`.
    pub fn texts<P: Into<String>, T: Into<String>>(texts: impl IntoIterator<Item = (P, T)>) -> Self {
        Self(Origin::Texts(texts.into_iter().map(|(path, text)| (path.into(), text.into())).collect()))
    }

    /// The texts, as they are now.
    ///
    /// # Errors
    /// Where one cannot be read, or there are none; half a rule set is never given.
    pub(crate) fn read(&self) -> Result<Texts, Error> {
        let given = match &self.0 {
            Origin::Folder(folder) => return read(folder),
            Origin::Texts(texts) => texts,
        };
        let all = Path::new("the rules that were given");
        if given.len() > MAX_FILES {
            return Err(too_large(all, "2,000 files"));
        }
        if given.iter().map(|(_, text)| text.len() as u64).sum::<u64>() > MAX_TEXT {
            return Err(too_large(all, "16 MiB"));
        }
        let (mut texts, mut paths) = (Texts::default(), BTreeSet::new());
        for (path, text) in given {
            if !paths.insert(path) {
                return Err(Error::Twice { path: path.clone() });
            }
            match Path::new(path).extension().and_then(|ending| ending.to_str()) {
                Some("lock") => drop(texts.locks.insert(path.clone(), text.clone())),
                Some("rules") => texts.files.push((path.clone(), text.clone())),
                _ => return Err(Error::NoRules { path: path.clone() }),
            }
        }
        // In the order of a folder, so that both give one program with one hash.
        texts.files.sort();
        if texts.files.is_empty() {
            return Err(Error::Empty { path: all.display().to_string() });
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_its_texts_are_one_rule_set() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        let folder = Rules::folder(&shipped).read().expect("the shipped rules");
        let (files, locks) = (folder.files.iter().rev(), folder.locks.iter());
        let texts = files.map(|(path, text)| (path, text)).chain(locks);
        let texts = Rules::texts(texts.map(|(path, text)| (path.clone(), text.clone()))).read().expect("the same");
        let hash = |texts: &Texts| texts.compile(None).program.expect("they are sound").hash;
        assert_eq!(hash(&folder), hash(&texts));
    }

    #[test]
    fn texts_that_are_no_rule_set_are_refused() {
        let none: [(&str, &str); 0] = [];
        assert!(matches!(Rules::texts(none).read(), Err(Error::Empty { .. })));
        assert!(matches!(Rules::texts([("a.lock", "")]).read(), Err(Error::Empty { .. })));
        let other = Rules::texts([("a.rules", ""), ("notes.txt", "")]).read();
        assert!(matches!(other, Err(Error::NoRules { path }) if path == "notes.txt"));
        let twice = Rules::texts([("a.rules", ""), ("a.rules", "edition 2026")]).read();
        assert!(matches!(twice, Err(Error::Twice { .. })));
        let large = " ".repeat(MAX_TEXT as usize);
        assert!(matches!(
            Rules::texts([("a.rules", large.as_str()), ("b.rules", " ")]).read(),
            Err(Error::TooLarge { .. })
        ));
    }
}
