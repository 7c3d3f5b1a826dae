//! The documents that the editor has open: their texts are what counts, not the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dsl::source::{FileId, SourceFile};
use lsp_server::ErrorCode;
use lsp_types::{TextDocumentContentChangeEvent, Uri};

use super::Refusal;

/// An open document.
#[derive(Debug)]
pub(super) struct Document {
    /// As the editor writes it.
    pub(super) uri: Uri,
    pub(super) version: i32,
    pub(super) text: String,
}

/// All open documents, by path.
#[derive(Debug, Default)]
pub(super) struct Documents {
    open: BTreeMap<PathBuf, Document>,
}

impl Documents {
    pub(super) fn open(&mut self, path: PathBuf, document: Document) {
        self.open.insert(path, document);
    }

    pub(super) fn close(&mut self, path: &Path) -> bool {
        self.open.remove(path).is_some()
    }

    pub(super) fn get(&self, path: &Path) -> Option<&Document> {
        self.open.get(path)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &Document)> {
        self.open.iter().map(|(path, document)| (path.as_path(), document))
    }

    /// Applies changes one after the other, each to the result of the one before.
    ///
    /// # Errors
    /// Where the document is not open, or a change ends before it begins.
    pub(super) fn change(
        &mut self,
        path: &Path,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) -> Result<(), Refusal> {
        let Some(document) = self.open.get_mut(path) else {
            return Err(Refusal::new(ErrorCode::InvalidParams, format!("{} is not open", path.display())));
        };
        let mut text = document.text.clone();
        for change in changes {
            let Some(range) = change.range else {
                text = change.text;
                continue;
            };
            let file = SourceFile::new(FileId(0), "", &text);
            let start = file.offset(range.start.line, range.start.character) as usize;
            let end = file.offset(range.end.line, range.end.character) as usize;
            if start > end {
                return Err(Refusal::new(ErrorCode::InvalidParams, "a range that ends before it begins"));
            }
            text.replace_range(start..end, &change.text);
        }
        document.text = text;
        document.version = version;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use lsp_types::{Position, Range};

    use super::*;

    fn change(range: Option<[u32; 4]>, text: &str) -> TextDocumentContentChangeEvent {
        let range = range.map(|[l, c, m, d]| Range::new(Position::new(l, c), Position::new(m, d)));
        TextDocumentContentChangeEvent { range, range_length: None, text: text.to_owned() }
    }

    #[test]
    fn changes_apply_one_after_the_other_and_count_utf16_units() {
        let path = PathBuf::from("/a.rules");
        let uri = Uri::from_str("file:///a.rules").expect("a URI");
        let mut documents = Documents::default();
        documents.open(path.clone(), Document { uri, version: 1, text: "# \u{1f600} b\r\nend".to_owned() });
        let changes =
            vec![change(Some([0, 5, 0, 6]), "c"), change(Some([0, 6, 1, 0]), "\n"), change(Some([1, 3, 1, 3]), "!")];
        documents.change(&path, 2, changes).expect("they fit");
        assert_eq!(documents.get(&path).map(|document| document.text.as_str()), Some("# \u{1f600} c\nend!"));
        let backwards = documents.change(&path, 3, vec![change(Some([1, 2, 1, 1]), "")]);
        assert!(backwards.is_err());
        assert_eq!(documents.get(&path).map(|document| document.version), Some(2), "nothing changed");
        documents.change(&path, 4, vec![change(None, "new")]).expect("a whole text");
        assert_eq!(documents.get(&path).map(|document| document.text.as_str()), Some("new"));
        assert!(documents.change(Path::new("/b.rules"), 1, Vec::new()).is_err());
    }
}
