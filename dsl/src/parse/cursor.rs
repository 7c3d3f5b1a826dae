//! A typed way through pest's pairs: spans in the file, names, literals.

use super::patch::Patched;
use crate::ast::{Name, Path, Qualified};
use crate::diagnostic::{Code, Problem};
use crate::outline::Chunk;
use crate::source::{SourceFile, Span, Spanned};
use crate::value;

pub(super) use super::grammar::Rule;

pub(super) type Pair<'a> = pest::iterators::Pair<'a, Rule>;

pub(super) type Pairs<'a> = pest::iterators::Pairs<'a, Rule>;

/// Builds the tree of one item and collects its problems.
pub(super) struct Builder<'a> {
    pub(super) file: &'a SourceFile,
    patched: &'a Patched,
    pub(super) chunk: &'a Chunk,
    pub(super) problems: &'a mut Vec<Problem>,
    /// Operators and brackets around what is built.
    pub(super) depth: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        file: &'a SourceFile,
        patched: &'a Patched,
        chunk: &'a Chunk,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self { file, patched, chunk, problems, depth: 0 }
    }

    /// Where a pair stands in the file, white space at its end left out.
    pub(super) fn span(&self, pair: &Pair<'_>) -> Span {
        let span = pair.as_span();
        let text = span.as_str().trim_end();
        self.at(span.start(), span.start() + text.len())
    }

    /// Where a stretch of the item's text stands in the file.
    pub(super) fn at(&self, start: usize, end: usize) -> Span {
        let first = self.patched.place(start);
        let last = self.patched.place_of_end(end).max(first);
        Span { file: self.file.id, start: first as u32, end: last as u32 }
    }

    /// Where the first line of a pair stands, without the brace at its end.
    pub(super) fn first_line(&self, pair: &Pair<'_>) -> Span {
        let start = pair.as_span().start();
        let line = pair.as_str().lines().next().unwrap_or("").trim_end_matches(['{', ' ', '\t']);
        self.at(start, start + line.len())
    }

    /// The first word of a pair; no text where it begins with none.
    pub(super) fn first_word(&self, pair: &Pair<'_>) -> Name {
        let start = pair.as_span().start();
        let word = super::recovery::word(pair.as_str());
        Spanned::new(word.to_owned(), self.at(start, start + word.len()))
    }

    /// Is this the first of a statement that may stand only once? Tells of a second one.
    pub(super) fn once<T>(&mut self, before: &Option<T>, what: &str, span: Span) -> bool {
        if before.is_some() {
            let problem = Problem::new(Code::E0001, format!("`{what}` stands here twice"), span, "the second one");
            self.problems.push(problem.help("keep one of them"));
        }
        before.is_none()
    }

    /// Fills what a statement says that may stand only once; the first one stands.
    pub(super) fn fill<T>(
        &mut self,
        slot: &mut Option<T>,
        what: &str,
        span: Span,
        says: impl FnOnce(&mut Self) -> Option<T>,
    ) {
        if self.once(slot, what, span) {
            *slot = says(self);
        }
    }

    pub(super) fn name(&self, pair: &Pair<'_>) -> Name {
        Spanned::new(pair.as_str().trim().trim_matches('`').to_owned(), self.span(pair))
    }

    /// Names joined by dots; backquotes hide dots.
    fn names(&self, pair: &Pair<'_>) -> Vec<Name> {
        let text = pair.as_str();
        let base = pair.as_span().start();
        let mut names = Vec::new();
        let mut start = 0;
        let mut quoted = false;
        for (i, c) in text.char_indices().chain([(text.len(), '.')]) {
            match c {
                '`' => quoted = !quoted,
                '.' if !quoted || i == text.len() => {
                    let name = text[start..i].trim();
                    let begin = base + start;
                    names.push(Spanned::new(name.trim_matches('`').to_owned(), self.at(begin, begin + name.len())));
                    start = i + 1;
                }
                _ => {}
            }
        }
        names
    }

    pub(super) fn path(&self, pair: &Pair<'_>) -> Path {
        Path { names: self.names(pair), span: self.span(pair) }
    }

    pub(super) fn qualified(&self, pair: &Pair<'_>) -> Qualified {
        let mut names = self.names(pair).into_iter();
        let nothing = || Spanned::new(String::new(), self.span(pair));
        Qualified {
            system: names.next().unwrap_or_else(nothing),
            name: names.next().unwrap_or_else(nothing),
            span: self.span(pair),
        }
    }

    pub(super) fn duration(&mut self, pair: &Pair<'_>) -> Spanned<value::Duration> {
        let text = pair.as_str();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_' || c.is_whitespace());
        let size = match unit.get(..2) {
            Some("se") => 1_000,
            Some("mi") => 60_000,
            Some("ho") => 3_600_000,
            Some("da") => 86_400_000,
            _ => 604_800_000,
        };
        let amount: i64 = digits.parse().unwrap_or(i64::MAX);
        Spanned::new(value::Duration(amount.saturating_mul(size)), self.span(pair))
    }

    pub(super) fn int(&self, pair: &Pair<'_>) -> Spanned<u64> {
        let digits: String = pair.as_str().chars().filter(char::is_ascii_digit).collect();
        Spanned::new(digits.parse().unwrap_or(u64::MAX), self.span(pair))
    }

    /// Minutes after midnight of `09:30`.
    pub(super) fn clock(&mut self, pair: &Pair<'_>) -> u32 {
        let (hour, minute) = pair.as_str().trim().split_once(':').unwrap_or(("0", "0"));
        let (hour, minute): (u32, u32) = (hour.parse().unwrap_or(99), minute.parse().unwrap_or(99));
        if hour > 23 || minute > 59 {
            let problem = Problem::new(
                Code::E0001,
                "there is no such time of day",
                self.span(pair),
                "hours go to 23, minutes to 59",
            );
            self.problems.push(problem.help("write it as `09:30`"));
            return 0;
        }
        hour * 60 + minute
    }

    pub(super) fn date(&mut self, pair: &Pair<'_>) -> Option<jiff::civil::Date> {
        match pair.as_str().trim().parse() {
            Ok(date) => Some(date),
            Err(_) => {
                let problem = Problem::new(Code::E0001, "there is no such day", self.span(pair), "not in the calendar");
                self.problems.push(problem.help("write it as `2026-03-02`"));
                None
            }
        }
    }

    /// A text without anything to fill in.
    pub(super) fn plain_text(&mut self, pair: &Pair<'_>) -> Spanned<String> {
        let expr = self.text(pair.clone());
        let mut text = String::new();
        if let crate::ast::ExprKind::Text(parts) = &expr.kind {
            for part in parts {
                match part {
                    crate::ast::TextPart::Chars(chars) => text.push_str(chars),
                    crate::ast::TextPart::Expr(inner) => {
                        let problem = Problem::new(
                            Code::E0001,
                            "nothing can be filled in here",
                            inner.span,
                            "this text is fixed",
                        );
                        self.problems.push(problem.help("write `\\{` for a brace that stands for itself"));
                    }
                }
            }
        }
        Spanned::new(text, expr.span)
    }
}

/// The children of a pair that are no keywords.
pub(super) fn parts(pair: Pair<'_>) -> Vec<Pair<'_>> {
    pair.into_inner().filter(|pair| !is_keyword(pair.as_rule())).collect()
}

/// Does a keyword stand directly in this pair?
pub(super) fn has(pair: &Pair<'_>, rule: Rule) -> bool {
    pair.clone().into_inner().any(|pair| pair.as_rule() == rule)
}

pub(super) fn find(pair: &Pair<'_>, rule: Rule) -> Option<Span2> {
    pair.clone().into_inner().find(|pair| pair.as_rule() == rule).map(|p| (p.as_span().start(), p.as_span().end()))
}

/// Start and end inside the item.
pub(super) type Span2 = (usize, usize);

/// The keywords stand together in the grammar, and rules are ordered as they stand there.
fn is_keyword(rule: Rule) -> bool {
    (Rule::k_about..=Rule::k_workflow).contains(&rule) || rule == Rule::EOI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_the_rules_whose_names_begin_with_k() {
        for rule in Rule::all_rules() {
            assert_eq!(is_keyword(*rule), format!("{rule:?}").starts_with("k_"), "{rule:?}");
        }
    }
}
