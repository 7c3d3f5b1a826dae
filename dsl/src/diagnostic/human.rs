//! A problem as a person reads it in a terminal: miette's graphical form, the code on top.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::Problem;
use crate::source::{FileId, SourceFile};

/// One file's part of a problem.
#[derive(Debug)]
struct Report {
    message: String,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    source: NamedSource<String>,
    others: Vec<Report>,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.others.is_empty() {
            return None;
        }
        Some(Box::new(self.others.iter().map(|other| other as &dyn Diagnostic)))
    }
}

/// The problem with its lines. Wide, so that nothing wraps inside a value.
#[must_use]
pub fn human(problem: &Problem, files: &[SourceFile], color: bool) -> String {
    let first = problem.span().file;
    let mut help = problem.help.clone();
    if problem.fixes.iter().any(|fix| fix.safe) {
        help.push(format!("fix: engine fix --code {}", problem.code));
    }
    let mut others: Vec<FileId> = problem.labels.iter().map(|l| l.span.file).filter(|f| *f != first).collect();
    others.dedup();
    let mut report = part(problem, files, first, problem.message.clone());
    report.help = (!help.is_empty()).then(|| help.join("\n"));
    report.others = others.into_iter().map(|file| part(problem, files, file, "and here".to_owned())).collect();
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = format!("{}\n\n", problem.code);
    let handler = GraphicalReportHandler::new_themed(theme).with_width(400).with_links(false);
    if handler.render_report(&mut text, &report).is_err() {
        text.push_str(&problem.message);
    }
    text
}

fn part(problem: &Problem, files: &[SourceFile], file: FileId, message: String) -> Report {
    let source = files.get(file.0 as usize);
    let labels = problem
        .labels
        .iter()
        .filter(|label| label.span.file == file)
        .map(|label| {
            let length = label.span.end.saturating_sub(label.span.start).max(1) as usize;
            LabeledSpan::new(Some(label.text.clone()), label.span.start as usize, length)
        })
        .collect();
    let (path, text) = source.map_or_else(Default::default, |s| (s.path.clone(), s.text.to_string()));
    Report { message, help: None, labels, source: NamedSource::new(path, text), others: Vec::new() }
}
