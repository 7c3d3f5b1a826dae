//! A problem as a person reads it in a terminal: miette's graphical form, the code on top.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, SourceCode, SourceSpan, SpanContents,
};

use super::{Problem, Severity};
use crate::source::{FileId, SourceFile, Span};

/// Wide enough that nothing wraps: a break inside of a date or a path makes another value of it.
const WIDTH: usize = 400;

/// The problem with its lines, in one file or several. `color` asks for terminal colours.
#[must_use]
pub fn human(problem: &Problem, files: &[SourceFile], color: bool) -> String {
    let mut help = problem.help.clone();
    if problem.fixes.iter().any(|fix| fix.safe) {
        help.push(format!("fix: engine fix --code {}", problem.code));
    }
    let sheets = Sheets::of(problem, files);
    let labels = problem.labels.iter().filter_map(|label| sheets.label(label.span, &label.text)).collect();
    let report = Report {
        severity: problem.severity(),
        message: problem.message.clone(),
        help: (!help.is_empty()).then(|| help.join("\n")),
        labels,
        sheets,
    };
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
    let mut text = String::new();
    if handler.render_report(&mut text, &report).is_err() {
        text = format!("  × {}\n", problem.message);
    }
    format!("{}\n\n{text}", problem.code)
}

/// What miette is told.
#[derive(Debug)]
struct Report {
    severity: Severity,
    message: String,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    sheets: Sheets,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.sheets)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() { None } else { Some(Box::new(self.labels.iter().cloned())) }
    }
}

/// The files that a problem speaks of, laid end to end, the one where it stands first. miette thinks that it
/// reads one source; what reaches over the end of a file is refused, so each file is shown by itself.
#[derive(Debug)]
struct Sheets(Vec<Sheet>);

#[derive(Debug)]
struct Sheet {
    id: FileId,
    path: String,
    text: Arc<str>,
    /// Where it begins among the others. A byte is left free between two.
    base: usize,
}

impl Sheets {
    fn of(problem: &Problem, files: &[SourceFile]) -> Self {
        let mut sheets: Vec<Sheet> = Vec::new();
        let mut base = 0;
        for id in problem.labels.iter().map(|label| label.span.file) {
            if sheets.iter().any(|sheet| sheet.id == id) {
                continue;
            }
            if let Some(file) = files.get(id.0 as usize) {
                sheets.push(Sheet { id, path: file.path.clone(), text: file.text.clone(), base });
                base += file.text.len() + 1;
            }
        }
        Self(sheets)
    }

    /// At least one character wide and inside of its file.
    fn label(&self, span: Span, text: &str) -> Option<LabeledSpan> {
        let sheet = self.find(span.file)?;
        let length = sheet.text.len();
        let end = (span.end as usize).min(length);
        let mut start = (span.start as usize).min(end);
        if start == length {
            // The end of the file: its last character carries the label.
            start = sheet.text.char_indices().next_back().map_or(0, |(at, _)| at);
        }
        let width = end.saturating_sub(start).max(1).min(length - start);
        Some(LabeledSpan::new(Some(text.to_owned()), sheet.base + start, width))
    }

    fn find(&self, id: FileId) -> Option<&Sheet> {
        self.0.iter().find(|sheet| sheet.id == id)
    }
}

impl SourceCode for Sheets {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset() + span.len();
        let sheet = self
            .0
            .iter()
            .find(|sheet| sheet.base <= span.offset() && end <= sheet.base + sheet.text.len())
            .ok_or(MietteError::OutOfBounds)?;
        let inside = SourceSpan::new((span.offset() - sheet.base).into(), span.len());
        let read = sheet.text.as_bytes().read_span(&inside, before, after)?;
        let at = SourceSpan::new((read.span().offset() + sheet.base).into(), read.span().len());
        // Without lines around it, it is asked for its place alone: a column counts characters, as all forms do.
        let column = match sheet.text.get(..inside.offset()).filter(|_| before == 0 && after == 0) {
            Some(text) => text.rsplit('\n').next().unwrap_or_default().chars().count(),
            None => read.column(),
        };
        Ok(Box::new(miette::MietteSpanContents::new_named(
            sheet.path.clone(),
            read.data(),
            at,
            read.line(),
            column,
            read.line_count(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    fn file(id: u32, path: &str, text: &str) -> SourceFile {
        SourceFile::new(FileId(id), path, text)
    }

    fn span(file: u32, start: u32, end: u32) -> Span {
        Span { file: FileId(file), start, end }
    }

    #[test]
    fn a_problem_shows_its_code_its_line_and_what_to_do() {
        let files =
            [file(0, "contacts.rules", "  fields {\n    subscripton.plan -> subscription_plan else clear\n  }\n")];
        let problem =
            Problem::new(Code::E0101, "app.User has no field `subscripton`", span(0, 15, 26), "not in app.User")
                .help("did you mean `subscription`?  app.User comes from schemas/app.lock, pulled 2026-11-20")
                .fix("write `subscription`", true, vec![(span(0, 15, 26), "subscription".to_owned())]);
        let expected = "\
E0101

  × app.User has no field `subscripton`
   ╭─[contacts.rules:2:5]
 1 │   fields {
 2 │     subscripton.plan -> subscription_plan else clear
   ·     ─────┬─────
   ·          ╰── not in app.User
 3 │   }
   ╰────
  help: did you mean `subscription`?  app.User comes from schemas/app.lock, pulled 2026-11-20
        fix: engine fix --code E0101
";
        assert_eq!(human(&problem, &files, false), expected);
    }

    #[test]
    fn a_column_counts_characters() {
        let files = [file(0, "a.rules", "x\n\"zoë 🙂\" nam\n")];
        let at = files[0].text.find("nam").expect("it is there") as u32;
        let shown = human(&Problem::new(Code::E0101, "no `nam`", span(0, at, at + 3), "here"), &files, false);
        let (line, column) = files[0].position(at);
        assert_eq!((line, column), (2, 9));
        assert!(shown.contains("[a.rules:2:9]"), "{shown}");
    }

    #[test]
    fn two_files_are_shown_one_after_the_other_before_the_help() {
        let files = [file(0, "a.rules", "sync A\nx\n"), file(1, "b.rules", "sync B\n")];
        let problem = Problem::new(Code::E0401, "two rules write x", span(1, 0, 6), "here")
            .label(span(0, 0, 6), "and here")
            .help("keep one");
        let expected = "\
E0401

  × two rules write x
   ╭─[b.rules:1:1]
 1 │ sync B
   · ───┬──
   ·    ╰── here
   ╰────
   ╭─[a.rules:1:1]
 1 │ sync A
   · ───┬──
   ·    ╰── and here
 2 │ x
   ╰────
  help: keep one
";
        assert_eq!(human(&problem, &files, false), expected);
    }

    #[test]
    fn a_label_at_the_end_of_a_file_or_in_an_empty_one_is_shown() {
        for text in ["", "é", "sync\n"] {
            let files = [file(0, "a.rules", text)];
            let end = text.len() as u32;
            let shown =
                human(&Problem::new(Code::E0003, "never closed", span(0, end, end), "ends here"), &files, false);
            assert!(shown.contains("never closed"), "{shown}");
            assert!(text.is_empty() || shown.contains("ends here"), "{shown}");
        }
    }
}
