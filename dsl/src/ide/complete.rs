//! What may be written at a place.

use super::candidate::CandidateKind;
use super::candidates::{candidates, plain_name};
use super::context::{Context, Inside};
use super::project::Project;
use super::resolve::word;
use crate::source::{FileId, Span};

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is shown, and compared with what is written already.
    pub label: String,
    /// What it is.
    pub kind: CandidateKind,
    /// More about it, in a few words; may be empty.
    pub detail: String,
    /// What the text takes the place of: the word up to the offset, or what is written between quotes.
    pub replace: Span,
    /// The text.
    pub insert: String,
    /// The whole line or item that begins with it, as help shows it: words of the language, signs, names that stand
    /// in for others, and `…` for what is in a block. Proposals of one label differ in it.
    pub form: Option<&'static str>,
}

/// Everything that may be written at an offset, likeliest first. Empty in comments, in texts of no known words, and
/// where a new name is made up.
#[must_use]
pub fn complete(project: &Project, file: FileId, offset: u32) -> Vec<Completion> {
    let text = project.text(file);
    let mut offset = (offset as usize).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let (start, _) = word(text, offset);
    let context = Context::at(project, file, start);
    let start = if let Inside::Text(begin) = context.inside { begin } else { start };
    let replace = Span { file, start: start as u32, end: offset as u32 };
    let (found, _) = candidates(project, &context);
    let mut seen = std::collections::BTreeSet::new();
    found
        .into_iter()
        .filter(|candidate| seen.insert((candidate.label.clone(), candidate.form)))
        .map(|candidate| {
            let quoted = context.inside == Inside::Code
                && !matches!(candidate.kind, CandidateKind::Keyword | CandidateKind::Word)
                && !plain_name(&candidate.label)
                && !candidate.label.contains('.');
            let plain = if quoted { format!("`{}`", candidate.label) } else { candidate.label.clone() };
            Completion {
                insert: candidate.insert.unwrap_or(plain),
                label: candidate.label,
                kind: candidate.kind,
                detail: candidate.detail,
                replace,
                form: candidate.form,
            }
        })
        .collect()
}
