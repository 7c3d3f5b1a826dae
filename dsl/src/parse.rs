//! Text to tree: never fails, never panics; what is not understood is a problem and left out of the tree.
//!
//! In: one file. Out: its items, problems in the order of the text, and its comments.
//! Always true: a broken item or line costs no neighbour. Where one change mends a line, the tree holds the line as
//! it was meant, so that one mistake gives one message. The messages are ours: of pest's error only the position is
//! used.

mod action;
mod cursor;
mod expr;
mod grammar;
mod invisible_chars;
mod item;
mod limits;
mod other_languages;
mod patch;
mod recovery;
mod repair;
mod statements;
mod sync;
mod test;
mod when;
mod workflow;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use crate::stack::on_known_stack;
pub use limits::MAX_FILE;

use crate::ast;
use crate::diagnostic::{Code, Problem};
use crate::forms::Place;
use crate::outline::{self, Begins, Chunk};
use crate::parallel;
use crate::source::{SourceFile, Span};
use cursor::{Builder, Pair, Pairs};
use grammar::Rule;
use patch::{Patch, Patched};
use recovery::{Reader, at};
use statements::place_of;

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Parse {
    /// Its items, in order.
    pub items: Vec<Arc<ast::Item>>,
    /// What is wrong with its text.
    pub problems: Vec<Problem>,
    /// Its comments, `#` included.
    pub comments: Vec<Span>,
    /// Names that stand where a name may be declared, in items and lines that are not in the tree. Whoever looks
    /// for one of them finds nothing, and it is not that place that is wrong.
    pub unparsed_names: BTreeSet<String>,
}

/// Parses one file, on a thread of known stack.
#[must_use]
pub fn parse(file: &SourceFile) -> Parse {
    parse_all(std::slice::from_ref(file)).pop().unwrap_or_default()
}

/// Parses files, their items on all cores; the trees do not depend on how many there are.
#[must_use]
pub fn parse_all(files: &[SourceFile]) -> Vec<Parse> {
    on_known_stack(|| read(files))
}

fn read(files: &[SourceFile]) -> Vec<Parse> {
    // The setting is one for the whole process; every call sets the same.
    pest::set_call_limit(NonZeroUsize::new(limits::MAX_CALLS));
    let large = files.iter().map(|file| file.text.len()).sum::<usize>() >= MANY;
    let outlined = each(large, files, Outlined::new);
    let chunks: Vec<(&Outlined, usize)> =
        outlined.iter().flat_map(|file| (0..file.chunks.len()).map(move |chunk| (file, chunk))).collect();
    let mut parts = each(large, &chunks, |(file, chunk)| file.read(*chunk)).into_iter();
    let whole = |file: &Outlined| file.whole(parts.by_ref().take(file.chunks.len()));
    outlined.iter().map(whole).collect()
}

/// From how many bytes on other cores are asked to help: below, starting them takes longer than the work.
const MANY: usize = 16 << 10;

fn each<T: Sync, R: Send>(large: bool, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if large { parallel::map(items, work) } else { items.iter().map(work).collect() }
}

/// A file taken apart into what can be read by itself.
struct Outlined {
    /// Without characters that nobody sees.
    file: SourceFile,
    /// What is told of those characters.
    invisible: Vec<Problem>,
    /// What is known of the file before any item is read.
    parse: Parse,
    chunks: Vec<Chunk>,
    /// Of each chunk: it is the inside of something whose head is not there.
    inside: Vec<bool>,
    /// How many of its chunks begin an item.
    items: usize,
}

impl Outlined {
    fn new(file: &SourceFile) -> Self {
        let mut parse = Parse::default();
        let empty = |file: &SourceFile, parse| Self {
            file: file.clone(),
            invisible: Vec::new(),
            parse,
            chunks: Vec::new(),
            inside: Vec::new(),
            items: 0,
        };
        if let Some(problem) = limits::file(file) {
            parse.problems.push(problem);
            return empty(file, parse);
        }
        let (invisible, file) = invisible_chars::invisible(file).unwrap_or_else(|| (Vec::new(), file.clone()));
        let outline = outline::outline(&file.text);
        let comment = |(start, end): &(usize, usize)| Span { file: file.id, start: *start as u32, end: *end as u32 };
        parse.comments = outline.comments.iter().map(comment).collect();
        if let Some(problem) = limits::items(&file, &outline) {
            parse.problems.push(problem);
            return Self { invisible, ..empty(&file, parse) };
        }
        // What is indented behind a head that is not there is its inside, and is told of by the head alone.
        let mut headless = false;
        let mut inside = Vec::new();
        for chunk in &outline.chunks {
            let headed = match chunk.begins {
                Begins::Item(_) | Begins::Misspelt(_) => true,
                Begins::Indented(_) => !headless,
                Begins::Outside => !headless || !recovery::is_indented(&file, chunk),
            };
            inside.push(!headed);
            if headed {
                headless = chunk.begins == Begins::Outside && recovery::is_indented(&file, chunk);
            }
        }
        let items = outline.chunks.iter().filter(|chunk| chunk.begins.keyword().is_some()).count();
        Self { file, invisible, parse, chunks: outline.chunks, inside, items }
    }

    /// What one of its chunks holds.
    fn read(&self, index: usize) -> Parse {
        let chunk = &self.chunks[index];
        let mut parse = Parse::default();
        if !self.inside[index] {
            let next = self.chunks.get(index + 1).filter(|chunk| chunk.begins.keyword().is_some());
            item(&self.file, chunk, next, self.items, &mut parse);
        }
        if parse.items.is_empty() {
            parse.unparsed_names.extend(recovery::declared(&self.file.text[chunk.start..chunk.end]));
        }
        parse
    }

    /// All of it, from what its chunks hold.
    fn whole(&self, parts: impl Iterator<Item = Parse>) -> Parse {
        let mut parse = self.parse.clone();
        for part in parts {
            parse.items.extend(part.items);
            parse.problems.extend(part.problems);
            parse.unparsed_names.extend(part.unparsed_names);
        }
        parse.problems.sort_by_key(|problem| problem.span().start);
        let more = parse.problems.len().saturating_sub(limits::MAX_PROBLEMS);
        parse.problems.truncate(limits::MAX_PROBLEMS);
        if let (true, Some(last)) = (more > 0, parse.problems.last_mut()) {
            last.help.push(format!("and {more} more problems in this file"));
        }
        if !self.invisible.is_empty() {
            // What else is told of these lines is told for these characters.
            let line = |problem: &Problem| self.file.position(problem.span().start).0;
            let lines: BTreeSet<usize> = self.invisible.iter().map(line).collect();
            parse.problems.retain(|problem| !lines.contains(&line(problem)));
            parse.problems.extend(self.invisible.iter().cloned());
            parse.problems.sort_by_key(|problem| problem.span().start);
            parse.problems.truncate(limits::MAX_PROBLEMS);
        }
        parse
    }
}

/// One item, or lines outside of any.
fn item(file: &SourceFile, chunk: &Chunk, next: Option<&Chunk>, items: usize, parse: &mut Parse) {
    if let Some(problem) = limits::unread(file, chunk) {
        parse.problems.push(problem);
        return;
    }
    let Some(keyword) = chunk.begins.keyword() else {
        parse.problems.push(recovery::outside(file, chunk));
        return;
    };
    parse.problems.extend(limits::words(file, chunk));
    let mut patch = Patch::default();
    if !matches!(chunk.begins, Begins::Item(_)) {
        parse.problems.push(recovery::outside(file, chunk));
        let written = file.text[chunk.start..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        patch.add(chunk.start..written.map_or(chunk.end, |length| chunk.start + length), keyword);
    }
    parse.problems.extend(chunk.unclosed_texts.iter().map(|start| recovery::unclosed_text(file, *start, false)));
    // All that follows stands inside of that text: nothing is left that could be read.
    if let Some(start) = chunk.unclosed_block {
        parse.problems.push(recovery::unclosed_text(file, start, true));
        return;
    }
    for at in &chunk.unopened {
        parse.problems.push(recovery::unopened(file, *at));
        let head = recovery::without_colon(&file.text[chunk.start..*at]);
        patch.add(chunk.start + head.len()..*at, " {");
    }
    for at in &chunk.surplus {
        patch.add(*at..at + 1, " ");
    }
    if let Some(brace) = chunk.early {
        parse.problems.push(recovery::early(file, chunk, brace));
        patch.add(brace..brace + 1, " ");
    }
    if !chunk.open.is_empty() {
        let unclosed = recovery::unclosed(file, chunk);
        parse.problems.extend(recovery::never_closed(file, chunk, &unclosed, next, items));
        for (range, text) in recovery::closings(&unclosed) {
            patch.add(range, &text);
        }
    }
    Item { file, chunk, keyword, patch, reported: BTreeSet::new(), misplaced: None, plain: false, parse }.read();
}

/// One item on its way to the tree.
struct Item<'a> {
    file: &'a SourceFile,
    chunk: &'a Chunk,
    keyword: &'static str,
    /// What was mended so far.
    patch: Patch,
    /// Where lines begin that a problem was told of.
    reported: BTreeSet<usize>,
    /// Where a line ends that belongs in another block, and of which that was told.
    misplaced: Option<usize>,
    /// Its head was not understood and another one stands for it, so that its lines can be read.
    plain: bool,
    parse: &'a mut Parse,
}

impl Item<'_> {
    /// Mends and parses until there is nothing new to tell.
    fn read(mut self) {
        loop {
            let patched = self.patch.apply(&self.file.text, self.chunk.start..self.chunk.end);
            match grammar::parse(Rule::only_item, &patched.text) {
                Ok(pairs) => {
                    let mut bad = Vec::new();
                    bad_lines(pairs.clone(), Place::Actions, &mut bad);
                    let mended = bad.into_iter().fold(false, |mended, (pair, place)| {
                        self.report(&Reader { file: self.file, patched: &patched }, &pair, place) || mended
                    });
                    if !mended {
                        return self.build(&patched, pairs);
                    }
                }
                Err(error) if recovery::gave_up(&error) => {
                    let span = at(self.file, self.chunk.start, self.chunk.start + self.keyword.len());
                    let problem = Problem::new(Code::E0099, "this is too complex to read", span, "in this item");
                    self.parse.problems.push(problem.help("take it apart"));
                    return;
                }
                Err(error) => {
                    if !self.mend_head(&patched, recovery::position(&error)) {
                        return;
                    }
                }
            }
        }
    }

    fn build(self, patched: &Patched, pairs: Pairs<'_>) {
        // With a head that is not its own, an item would say what nobody wrote.
        if self.plain {
            return;
        }
        let mut builder = Builder::new(self.file, patched, self.chunk, &mut self.parse.problems);
        if let Some(item) = pairs.into_iter().next().and_then(|pair| item::item(&mut builder, pair)) {
            self.parse.items.push(Arc::new(item));
        }
    }

    /// Tells of a line that is not understood, once. Is it mended?
    fn report(&mut self, reader: &Reader<'_>, pair: &Pair<'_>, place: Place) -> bool {
        let range = pair.as_span().start()..pair.as_span().end();
        let start = reader.patched.place(range.start);
        let first_line = pair.as_str().lines().next().unwrap_or("");
        if pair.as_str().trim().is_empty() || !self.reported.insert(start) {
            return false;
        }
        let end = reader.patched.place_of_end(range.start + first_line.len());
        let line = recovery::line_start(&self.file.text, start);
        if self.chunk.unclosed_texts.iter().any(|text| line <= *text && *text < end) {
            // That a text is not closed was told already.
            self.parse.unparsed_names.extend(recovery::declared(pair.as_str()));
            return false;
        }
        let told = recovery::statement(reader, place, range.clone());
        if told.misplaced {
            // Lines of one block that stand in another one lack its head: that is one mistake.
            // In a later round, lines may be told of that stand before the last one.
            let between = |end: usize| self.file.text.get(end..start).is_some_and(|text| text.trim().is_empty());
            let goes_on = self.misplaced.is_some_and(between);
            self.misplaced = Some(reader.patched.place_of_end(range.start + pair.as_str().trim_end().len()));
            if goes_on {
                self.parse.unparsed_names.extend(recovery::declared(pair.as_str()));
                return false;
            }
        }
        if told.edits.is_empty() {
            self.parse.unparsed_names.extend(recovery::declared(pair.as_str()));
        }
        self.parse.problems.extend(told.problem);
        self.mend(reader.patched, told.edits)
    }

    fn mend(&mut self, patched: &Patched, edits: Vec<(Range<usize>, String)>) -> bool {
        edits.into_iter().fold(false, |mended, (range, text)| self.patch.add(patched.places(&range), &text) || mended)
    }

    /// The item is no item at all, usually for its head. May it be tried again?
    fn mend_head(&mut self, patched: &Patched, position: usize) -> bool {
        let body = self.chunk.body();
        let head = 0..patched.index_of(body.unwrap_or(self.chunk.end));
        let head_unclosed = self.chunk.unclosed_texts.iter().any(|text| body.is_none_or(|body| *text < body));
        let reader = Reader { file: self.file, patched };
        if self.plain || recovery::head_understood(self.keyword, &patched.text[head.clone()]) {
            let told = self.parse.problems.iter().any(|problem| {
                let start = problem.span().start as usize;
                self.chunk.start <= start && start < self.chunk.end
            });
            if !told {
                self.parse.problems.push(recovery::beyond(&reader, position));
            }
            return false;
        }
        if matches!(self.chunk.begins, Begins::Misspelt(_)) {
            // What was meant is not known well enough to say more.
            return false;
        }
        let told = recovery::head(&reader, self.keyword, head);
        if !head_unclosed {
            self.parse.problems.extend(told.problem);
            if self.mend(patched, told.edits) {
                return true;
            }
        }
        let Some(body) = body else { return false };
        self.plain = true;
        self.patch.replace(self.chunk.start..body, recovery::plain_head(self.keyword));
        true
    }
}

/// Collects lines that are not understood, with the blocks in which they stand.
fn bad_lines<'a>(pairs: Pairs<'a>, place: Place, found: &mut Vec<(Pair<'a>, Place)>) {
    for pair in pairs {
        match pair.as_rule() {
            Rule::bad_stmt | Rule::bad_assign => found.push((pair, place)),
            // No lines in these, and they may be nested deeply, or there are very many of them.
            Rule::expr | Rule::text | Rule::path | Rule::qual | Rule::assign => {}
            Rule::choice_row | Rule::table_row | Rule::sync_stmt | Rule::mapping | Rule::ev_stmt => {}
            rule => bad_lines(pair.into_inner(), place_of(rule).unwrap_or(place), found),
        }
    }
}

#[cfg(test)]
mod tests {
    use pest::Parser;

    use super::*;

    /// Two rules of the grammar as one would write them down, were there no hurry.
    mod plain {
        #[derive(pest_derive::Parser)]
        #[grammar_inline = r#"
            w        = _{ !(ASCII_ALPHANUMERIC | "_") }
            reserved = @{ ("else" | "as" | "and" | "or" | "not" | "in" | "is" | "wins" | "where" | "yes" | "no" | "empty") ~ w }
            chars    = @{ ("\\" ~ !NEWLINE ~ ANY | !("\"" | "{" | "\\" | NEWLINE) ~ ANY)+ }
        "#]
        pub(super) struct Plain;
    }

    /// How much of a text the rule takes; `None` where it takes none of it.
    fn taken<R: pest::RuleType>(pairs: Result<pest::iterators::Pairs<'_, R>, pest::error::Error<R>>) -> Option<usize> {
        pairs.ok().map(|pairs| pairs.as_str().len())
    }

    #[test]
    fn letters_and_words_are_taken_as_by_the_plain_rules() {
        let mut texts = vec![String::new()];
        for length in 0..6 {
            let longest: Vec<String> = texts.iter().filter(|text| text.chars().count() == length).cloned().collect();
            texts.extend(
                longest
                    .iter()
                    .flat_map(|text| ["a", "\u{e9}", "\\", "\"", "{", "\n", "\r"].map(|c| format!("{text}{c}"))),
            );
        }
        for text in &texts {
            let plain = taken(plain::Plain::parse(plain::Rule::chars, text));
            assert_eq!(taken(grammar::parse(Rule::chars, text)), plain, "{text:?}");
        }
        let words =
            ["else", "as", "and", "or", "not", "in", "is", "wins", "where", "yes", "no", "empty", "a", "nor", "e"];
        for word in words {
            for end in ["", " ", "s", "t", "_", "9", "(", "\u{e9}"] {
                for length in 0..=word.len() {
                    let text = format!("{}{end}", &word[..length]);
                    let plain = taken(plain::Plain::parse(plain::Rule::reserved, &text));
                    assert_eq!(taken(grammar::parse(Rule::reserved, &text)), plain, "{text:?}");
                }
            }
        }
    }
}
