//! Files, places in them, and the only code that counts lines.

use std::sync::Arc;

/// A file of a rule set, by its position in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u32);

/// A stretch of a file in bytes from 0, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// First byte after the stretch.
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `other`, which stands in the same file.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start, end: other.end }
    }
}

/// A thing and where it stands. Equal to the same thing at another place.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    /// The thing.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, which stands at `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

/// One file of a rule set.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its id.
    pub id: FileId,
    /// Path relative to the rule set's folder, with `/`.
    pub path: String,
    /// The text.
    pub text: Arc<str>,
    line_starts: Arc<[u32]>,
}

impl SourceFile {
    /// Takes the text of `path`.
    #[must_use]
    pub fn new(id: FileId, path: impl Into<String>, text: &str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1))
            .collect();
        Self { id, path: path.into(), text: text.into(), line_starts }
    }

    /// Line and column of a byte offset, both counted in characters from 1.
    #[must_use]
    pub fn position(&self, offset: u32) -> (usize, usize) {
        let offset = (offset as usize).min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start as usize <= offset) - 1;
        // A byte order mark is no character of the first line.
        let mark = if line == 0 && self.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let start = (self.line_starts[line] as usize + mark).min(offset);
        let column = self.text.get(start..offset).map_or(offset - start, |t| t.chars().count());
        (line + 1, column + 1)
    }

    /// Line and column of a byte offset as editors count them: both from 0, the column in UTF-16 units. An offset
    /// inside of a character is taken for its beginning.
    #[must_use]
    pub fn utf16(&self, offset: u32) -> (u32, u32) {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start as usize <= offset) - 1;
        let start = self.line_starts[line] as usize;
        (line as u32, self.text[start..offset].encode_utf16().count() as u32)
    }

    /// The byte offset of such a position. A column behind the line's end is its end, one inside of a surrogate pair
    /// is the beginning of its character, a line behind the last is the end of the text.
    #[must_use]
    pub fn offset(&self, line: u32, column: u32) -> u32 {
        let Some(start) = self.line_starts.get(line as usize) else { return self.text.len() as u32 };
        let body = self.line(line as usize + 1);
        let mut units = 0;
        for (at, character) in body.char_indices() {
            units += character.len_utf16() as u32;
            if units > column {
                return start + at as u32;
            }
        }
        start + body.len() as u32
    }

    /// The text of a line counted from 1, without its line end.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let start = self.line_starts.get(line - 1).map_or(self.text.len(), |s| *s as usize);
        let end = self.line_starts.get(line).map_or(self.text.len(), |s| *s as usize);
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// How many lines the file has.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.line_starts.len()
    }

    /// It holds tests, by its name: the daemon does not read it, and no program depends on it.
    #[must_use]
    pub fn holds_tests(&self) -> bool {
        self.path.ends_with(".test.rules")
    }

    /// The text at `span`.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_counts_utf16_units_and_comes_back() {
        let file = SourceFile::new(FileId(0), "a.rules", "a\u{e9}\u{1f600}b\r\nz");
        for (offset, position) in [(0, (0, 0)), (1, (0, 1)), (3, (0, 2)), (7, (0, 4)), (8, (0, 5)), (10, (1, 0))] {
            assert_eq!(file.utf16(offset), position);
            assert_eq!(file.offset(position.0, position.1), offset);
        }
        assert_eq!(file.utf16(4), (0, 2), "inside of the face");
        assert_eq!(file.offset(0, 3), 3, "between its halves");
        assert_eq!((file.offset(0, 99), file.offset(1, 99), file.offset(9, 0)), (8, 11, 11));
        assert_eq!(file.utf16(99), (1, 1));
    }
}
