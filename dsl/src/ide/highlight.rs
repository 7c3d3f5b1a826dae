//! The colours of a file, by its tokens alone.
//!
//! Always true: stretches are in order, do not overlap, and none goes over a line's end. A word of the language that
//! plainly is a name, because a dot, `=`, `:` or an arrow stands beside it, is coloured as one.

use super::project::Project;
use super::words::parts;
use crate::forms;
use crate::source::{FileId, Span};
use crate::tokens::{Kind, Token, tokens};

/// What a stretch is coloured as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Colour {
    /// From `#` to the end of the line.
    Comment,
    /// A word of the language.
    Keyword,
    /// A text, what is filled in left out.
    Text,
    /// A number, date or time.
    Number,
    /// An arrow or another sign.
    Operator,
    /// The system in `crm.Deal`.
    System,
    /// The entity, event or operation in `crm.Deal`.
    Type,
    /// Another name.
    Name,
}

/// The coloured stretches of a file.
#[must_use]
pub fn highlight(project: &Project, file: FileId) -> Vec<(Span, Colour)> {
    let mut painter = Painter { project, file, found: Vec::new() };
    let text = project.text(file);
    painter.code(text, 0);
    painter.found
}

struct Painter<'p> {
    project: &'p Project,
    file: FileId,
    found: Vec<(Span, Colour)>,
}

impl Painter<'_> {
    /// Tokens of `text`, which begins at `at` of the file.
    fn code(&mut self, text: &str, at: usize) {
        let found = tokens(text);
        let piece = |token: Option<&Token>| token.map_or("", |token| &text[token.start..token.end]);
        for (index, token) in found.iter().enumerate() {
            let said = piece(Some(token));
            let start = at + token.start;
            match token.kind {
                Kind::Comment => self.paint(said, start, Colour::Comment),
                Kind::Number => self.paint(said, start, Colour::Number),
                Kind::Text | Kind::Block | Kind::Unclosed => self.text(said, start),
                Kind::Symbol if !matches!(said, "{" | "}" | "(" | ")" | "[" | "]" | "," | "." | ":") => {
                    self.paint(said, start, Colour::Operator);
                }
                Kind::Name => {
                    let before = index.checked_sub(1).map_or("", |before| piece(found.get(before)));
                    let after = piece(found.get(index + 1));
                    let named = before == "." || matches!(after, "." | "=" | ":" | "->" | "<-" | "<->");
                    if forms::is_word(said) && !named {
                        self.paint(said, start, Colour::Keyword);
                    } else {
                        self.name(said, start);
                    }
                }
                Kind::Symbol | Kind::Line | Kind::Other => {}
            }
        }
    }

    /// `crm.Deal`, or names joined by dots.
    fn name(&mut self, path: &str, start: usize) {
        let parts = parts(path);
        let end = |index: usize| parts.get(index + 1).map_or(path.len(), |(next, _)| next - 1);
        let system = parts.len() > 1 && self.project.systems.contains_key(&parts[0].1);
        for (index, (from, _)) in parts.iter().enumerate() {
            let colour = match (system, index) {
                (true, 0) => Colour::System,
                (true, 1) => Colour::Type,
                _ => Colour::Name,
            };
            self.paint(&path[*from..end(index)], start + from, colour);
        }
    }

    /// A text with what is filled in.
    fn text(&mut self, text: &str, start: usize) {
        let mut at = 0;
        for (from, to) in filled(text) {
            self.paint(&text[at..from], start + at, Colour::Text);
            self.code(&text[from..to], start + from);
            at = to;
        }
        self.paint(&text[at..], start + at, Colour::Text);
    }

    fn paint(&mut self, text: &str, start: usize, colour: Colour) {
        let mut at = start;
        for line in text.split_inclusive('\n') {
            let body = line.trim_end_matches(['\n', '\r']);
            if !body.is_empty() {
                let span = Span { file: self.file, start: at as u32, end: (at + body.len()) as u32 };
                self.found.push((span, colour));
            }
            at += line.len();
        }
    }
}

/// What stands between the outermost braces of a text, the braces left out.
fn filled(text: &str) -> Vec<(usize, usize)> {
    let quotes = if text.starts_with("\"\"\"") { 3 } else { 1 };
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    // What is open: `"` a text, otherwise a brace.
    let mut open: Vec<u8> = vec![b'"'];
    let (mut at, mut begin) = (quotes, 0);
    while at < bytes.len() {
        let inside_text = open.last() == Some(&b'"');
        match bytes[at] {
            b'\\' if inside_text => at += 1,
            b'"' if inside_text && open.len() > 1 => drop(open.pop()),
            b'"' if inside_text => {}
            byte @ (b'"' | b'{') => {
                if open.len() == 1 {
                    begin = at + 1;
                }
                open.push(byte);
            }
            b'}' if !inside_text => {
                open.pop();
                if open.len() == 1 {
                    found.push((begin, at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    if open.len() > 1 {
        found.push((begin, text.len()));
    }
    found
}
