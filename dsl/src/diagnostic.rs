//! What a reader of rules is told: one problem, where, and what to do.
//!
//! In: problems found by any pass. Out: text for people (miette), for tools (JSON, SARIF, reports of build servers),
//! and texts in which problems are mended.
//! Always true: a problem stands at its first label, and how bad it is stands in the table of codes.

mod codes;
mod concise;
mod fixes;
mod format;
mod github;
mod gitlab;
mod human;
mod json;
mod junit;
mod place;
mod sarif;

pub use codes::{Area, Code, NoSuchCode};
pub use concise::concise;
pub use fixes::{Fixed, apply_fixes, apply_tried, mends};
pub use format::{Format, render};
pub use github::github;
pub use gitlab::gitlab;
pub use human::human;
pub use json::finding;
pub use junit::{junit, junit_cases};
pub use sarif::sarif;

use crate::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Stops the load.
    Error,
    /// Does not.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which finding it is.
    pub code: Code,
    /// What is wrong, in the reader's words: lower case, no final period.
    pub message: String,
    /// Where; the first is where the finding stands.
    pub labels: Vec<Label>,
    /// What to do, a paragraph each; further lines are indented when shown.
    pub help: Vec<String>,
    /// Changes that mend it.
    pub fixes: Vec<Fix>,
    /// Other places, in locks or rules.
    pub related: Vec<Related>,
}

/// A place and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What, in fewer than 70 characters.
    pub text: String,
}

/// A change of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does.
    pub title: String,
    /// `engine fix` may apply it without asking.
    pub safe: bool,
    /// Replacements: what stands at the span becomes the text.
    pub edits: Vec<(Span, String)>,
}

/// Another place that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// File, relative to the rule set.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// What is there.
    pub text: String,
}

impl Problem {
    /// A problem with its first label.
    pub fn new(code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            labels: vec![Label { span, text: label.into() }],
            help: Vec::new(),
            fixes: Vec::new(),
            related: Vec::new(),
        }
    }

    /// A further label.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// A paragraph of help.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// A change that mends it.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, safe: bool, edits: Vec<(Span, String)>) -> Self {
        self.fixes.push(Fix { title: title.into(), safe, edits });
        self
    }

    /// Where the finding stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.labels.first().map(|label| label.span).unwrap_or_default()
    }

    /// As its code says.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}
