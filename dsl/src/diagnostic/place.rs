//! A span as people and tools name it: path, lines and columns from 1.

use crate::source::{SourceFile, Span};

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) path: &'a str,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    /// Behind the last character.
    pub(super) end_column: usize,
}

impl<'a> Place<'a> {
    /// A file that is not among `files` is shown by an empty path, line 1.
    pub(super) fn of(span: Span, files: &'a [SourceFile]) -> Self {
        let Some(file) = files.get(span.file.0 as usize) else {
            return Self { path: "", line: 1, column: 1, end_line: 1, end_column: 1 };
        };
        let (line, column) = file.position(span.start);
        let (end_line, end_column) = file.position(span.end.max(span.start));
        Self { path: &file.path, line, column, end_line, end_column }
    }
}
