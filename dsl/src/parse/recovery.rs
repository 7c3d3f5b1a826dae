//! Problems of form, in the reader's words, with what may stand there instead.
//!
//! In: a place that the grammar does not understand. Out: a problem and, where one change mends it, that change, so
//! that the rest of the block is read and checked as meant. Always true: pest's own words are never shown; of its
//! error only the position is used.

use std::collections::BTreeSet;
use std::ops::Range;

use pest::error::{ErrorVariant, InputLocation};

use super::grammar::{self, Rule};
use super::patch::{Change, Patched};
use super::repair;
use super::statements::{forms_of, others, rule_of, short};
use crate::diagnostic::{Code, Label, Problem};
use crate::forms::{self, Form, Place};
use crate::outline::{Begins, Chunk, KEYWORDS};
use crate::source::{SourceFile, Span};
use crate::tokens::{Kind, Token, tokens};

/// A problem, and changes of the text that was looked at.
pub(super) struct Report {
    /// None where the check tells of what is mended.
    pub(super) problem: Option<Problem>,
    /// The line would be understood in another block.
    pub(super) misplaced: bool,
    pub(super) edits: Vec<(Range<usize>, String)>,
}

/// A file and the mended text of one item in it.
pub(super) struct Reader<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) patched: &'a Patched,
}

impl Reader<'_> {
    fn span(&self, range: &Range<usize>) -> Span {
        at(self.file, self.patched.place(range.start), self.patched.place_of_end(range.end))
    }

    fn text(&self, range: &Range<usize>) -> &str {
        &self.patched.text[range.clone()]
    }
}

/// At least one character, inside of the file.
pub(super) fn at(file: &SourceFile, start: usize, end: usize) -> Span {
    let start = start.min(file.text.len());
    let end = file.text.ceil_char_boundary(end.max(start + 1));
    Span { file: file.id, start: start as u32, end: end as u32 }
}

fn line_end(text: &str, start: usize) -> usize {
    text[start..].find(['\n', '\r']).map_or(text.len(), |n| start + n)
}

/// The word that a text begins with.
pub(super) fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())]
}

/// Lines that stand outside any item, or an item whose keyword is misspelt or indented.
pub(super) fn outside(file: &SourceFile, chunk: &Chunk) -> Problem {
    let text = &file.text[chunk.start..chunk.end];
    if let Some(rest) = text.strip_prefix('}').map(str::trim) {
        let span = at(file, chunk.start, chunk.start + 1);
        let title = "remove it".to_owned();
        let problem =
            Problem::new(Code::E0005, "this `}` closes nothing", span, "there is no `{` for it").help("remove it");
        return if rest.is_empty() { problem.fix(title, true, vec![(span, String::new())]) } else { problem };
    }
    let first = word(text);
    let end = if first.is_empty() { line_end(&file.text, chunk.start) } else { chunk.start + first.len() };
    let span = at(file, chunk.start, end.min(chunk.end));
    let problem = |label: &str| Problem::new(Code::E0004, "this stands outside any item", span, label);
    match chunk.begins {
        Begins::Indented(keyword) => {
            let line = file.text[..chunk.start].rfind('\n').map_or(0, |n| n + 1);
            let blanks = at(file, line, chunk.start);
            problem(&format!("`{keyword}` begins an item only in the first column"))
                .help("remove the blanks before it")
                .fix("remove the blanks", true, vec![(blanks, String::new())])
        }
        Begins::Misspelt(keyword) => problem("no item begins like this")
            .help(format!("did you mean `{keyword}`?"))
            .fix(format!("write `{keyword}`"), true, vec![(span, keyword.to_owned())]),
        Begins::Item(_) | Begins::Outside => problem("no item begins like this")
            .help(format!("an item begins in the first column with one of: {}", KEYWORDS.join(", "))),
    }
}

/// Does the first line of a stretch begin with blanks, or with the `}` of something?
pub(super) fn is_indented(file: &SourceFile, chunk: &Chunk) -> bool {
    // A byte order mark is no blank.
    !matches!(&file.text[line_start(&file.text, chunk.start)..chunk.start], "" | "\u{feff}")
}

/// A head without the colon that opens a block in other languages.
pub(super) fn without_colon(head: &str) -> &str {
    head.strip_suffix(':').unwrap_or(head).trim_end()
}

/// A line that lacks its `{`.
pub(super) fn unopened(file: &SourceFile, end: usize) -> Problem {
    let line = line_start(&file.text, end);
    let start = line + file.text[line..].len() - file.text[line..].trim_start().len();
    let written = &file.text[start.min(end)..end];
    let label = "the lines below are indented, as if it began a block";
    let head = without_colon(written);
    let from = start + head.len();
    Problem::new(Code::E0001, "a `{` is missing at the end of this line", at(file, start, end), label)
        .help(format!("write `{head} {{`"))
        .fix("open the block", true, vec![(Span { end: end as u32, ..at(file, from, end) }, " {".to_owned())])
}

/// A `}` that ends an item before its last lines.
pub(super) fn early(file: &SourceFile, chunk: &Chunk, early: usize) -> Problem {
    let keyword = chunk.begins.keyword().unwrap_or("item");
    let last = chunk.end - 1;
    Problem::new(
        Code::E0005,
        "there is one `}` too many",
        at(file, early, early + 1),
        format!("this ends the {keyword} …"),
    )
    .label(at(file, last, chunk.end), "… so this one closes nothing")
    .help("remove the one that is not meant; the lines between them were checked as part of the item")
}

/// Names that a stretch of text may declare: behind `as`, and the first two words of its lines, in quotes or not.
pub(super) fn declared(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut before = [""; 2];
    for token in tokens(text) {
        let piece = &text[token.start..token.end];
        let line = |piece: &str| matches!(piece, "" | "\n" | "{");
        if matches!(token.kind, Kind::Name | Kind::Text) && (before[1] == "as" || line(before[0]) || line(before[1])) {
            found.insert(piece.trim_matches('"').to_owned());
        }
        before = [before[1], if token.kind == Kind::Line { "\n" } else { piece }];
    }
    found
}

/// A `{` that nothing closes, and where its `}` belongs.
pub(super) struct Unclosed {
    /// The brace.
    open: usize,
    /// Behind the last line that belongs inside.
    at: usize,
    /// The line that shows that it should be closed by then, if it is not the next item.
    because: Option<usize>,
}

/// Finds the braces that should be closed, by indentation where it tells, otherwise at the end of the item.
pub(super) fn unclosed(file: &SourceFile, chunk: &Chunk) -> Vec<Unclosed> {
    let text = &file.text;
    let end = last_code(text, chunk.start, chunk.end);
    let mut found: Vec<Unclosed> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut braces = chunk.braces.iter().peekable();
    for first in line_heads(&text[chunk.start..chunk.end]).map(|at| chunk.start + at).chain([chunk.end]) {
        while let Some((brace, opens)) = braces.next_if(|(brace, _)| *brace < first) {
            if *opens {
                open.push(*brace);
            } else {
                open.pop();
            }
        }
        // A line that is not indented more than the line of a brace stands behind its block. A `}` that begins a
        // line closes the block of a line that is indented as it is.
        let line = line_start(text, first);
        let closes = text[first..chunk.end].starts_with('}');
        let column = first - line;
        let before = |open: &usize| line_start(text, *open) < line;
        let closed_by = open.iter().rposition(|open| indent(text, *open) == column && before(open));
        let left = match (closes, closed_by) {
            (true, Some(meant)) => meant + 1,
            (false, _) if first < chunk.end => {
                open.iter().position(|open| indent(text, *open) >= column && before(open)).unwrap_or(open.len())
            }
            _ => open.len(),
        };
        let at = last_code(text, chunk.start, line);
        let because = closes.then_some(first);
        found.extend(open.drain(left..).rev().map(|open| Unclosed { open, at, because }));
    }
    found.extend(open.into_iter().rev().map(|open| Unclosed { open, at: end, because: None }));
    if found.len() == chunk.open.len() {
        return found;
    }
    // Indentation leads astray: the braces that are left over are the ones that are not closed.
    chunk.open.iter().rev().map(|open| Unclosed { open: *open, at: end, because: None }).collect()
}

/// Where the first token of each line stands; lines inside of a block text have none.
fn line_heads(text: &str) -> impl Iterator<Item = usize> {
    let mut fresh = true;
    tokens(text).into_iter().filter_map(move |token| {
        let first = fresh && !matches!(token.kind, Kind::Line | Kind::Comment);
        fresh = token.kind == Kind::Line || fresh && !first;
        first.then_some(token.start)
    })
}

/// The changes that close them.
pub(super) fn closings(unclosed: &[Unclosed]) -> Vec<(Range<usize>, String)> {
    let mut places: Vec<usize> = unclosed.iter().map(|unclosed| unclosed.at).collect();
    places.sort_unstable();
    places.dedup();
    let braces = |place: usize| "\n}".repeat(unclosed.iter().filter(|unclosed| unclosed.at == place).count());
    places.into_iter().map(|place| (place..place, braces(place))).collect()
}

/// A block that is never closed: shown at its opening and where that comes to light.
pub(super) fn never_closed(
    file: &SourceFile,
    chunk: &Chunk,
    unclosed: &[Unclosed],
    next: Option<&Chunk>,
    items: usize,
) -> Option<Problem> {
    let text = &file.text;
    let first = unclosed.first()?;
    let line = line_start(text, first.open).max(chunk.start);
    let start = line + text[line..].len() - text[line..].trim_start_matches([' ', '\t']).len();
    let span = at(file, start.min(first.open), first.open + 1);
    let mut problem = Problem::new(Code::E0003, "this block is never closed", span, "opened here");
    if let Some(brace) = first.because {
        problem = problem.label(at(file, brace, brace + 1), "this closes another block, so a `}` is missing above");
    } else if let Some(next) = next {
        // The keyword and the name of the item are enough to find it.
        let line = &text[next.start..line_end(text, next.start)];
        let words: usize = line.split_inclusive(' ').take(2).map(str::len).sum();
        let end = next.start + line[..words].trim_end_matches([' ', '{']).len();
        problem =
            problem.label(at(file, next.start, end), "a new item starts here, so the `}` belongs above this line");
    }
    let here: Vec<&Unclosed> = unclosed.iter().filter(|unclosed| unclosed.at == first.at).collect();
    let closer = |unclosed: &&Unclosed| format!("{}}}", " ".repeat(indent(text, unclosed.open)));
    let shown: Vec<String> = here.iter().map(|unclosed| format!("`{}`", closer(unclosed))).collect();
    let last = text[line_start(text, first.at)..first.at].trim();
    // Nobody finds one brace among others by what stands there.
    let after = if last.contains(char::is_alphanumeric) {
        format!("the line `{last}`")
    } else {
        format!("line {}", file.position(u32::try_from(first.at).unwrap_or(u32::MAX)).0)
    };
    let note = match items.saturating_sub(1) {
        0 => String::new(),
        1 => "  The other item in this file was checked as usual".to_owned(),
        n => format!("  The other {n} items in this file were checked as usual"),
    };
    let lines: String = here.iter().map(|unclosed| format!("\n{}", closer(unclosed))).collect();
    Some(problem.help(format!("add {} after {after}.{note}", shown.join(" and "))).fix(
        "close the block",
        false,
        vec![(Span { end: first.at as u32, ..at(file, first.at, first.at) }, lines)],
    ))
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |n| n + 1)
}

/// How far the line of `at` is indented.
fn indent(text: &str, at: usize) -> usize {
    let line = &text[line_start(text, at)..];
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// The end of the last line before `end` that is neither blank nor a comment alone.
fn last_code(text: &str, start: usize, end: usize) -> usize {
    let mut last = end;
    let mut at = end;
    while at > start {
        let line = line_start(text, at).max(start);
        let body = text[line..at].trim_end();
        if !body.trim_start().is_empty() && !body.trim_start().starts_with('#') {
            return line + body.len();
        }
        last = line;
        at = line.saturating_sub(1);
    }
    last
}

/// A text that is not closed on its line, or a block text that is never closed.
pub(super) fn unclosed_text(file: &SourceFile, start: usize, block: bool) -> Problem {
    let end = line_end(&file.text, start);
    let line = file.text[start..end].trim_end();
    let problem =
        Problem::new(Code::E0002, "this text is never closed", at(file, start, start + line.len()), "begins here");
    if block {
        return problem.help("close it with `\"\"\"` on a line of its own");
    }
    let help = match line.find('{') {
        // Behind a brace, the quote that should close the text begins another one.
        Some(brace) if line[brace..].contains('"') => "a `{` fills something in: close it with `}`, or write `\\{`",
        _ => "add the closing `\"`; a text that goes over several lines stands between `\"\"\"`",
    };
    problem.help(help)
}

/// The head of an item is not understood. `head` ends before its `{`.
pub(super) fn head(reader: &Reader<'_>, keyword: &str, head: Range<usize>) -> Report {
    let text = reader.text(&head);
    let line = text.trim_end().len();
    if text[line..].contains('\n') && head_understood(keyword, &text[..line]) {
        let change = Change {
            edits: vec![(line..text.len(), " ".to_owned())],
            help: "the `{` belongs at the end of the line above it".to_owned(),
            safe: true,
        };
        let told = offered(reader, head.start, change, "its `{` does not stand in this line");
        let whole = reader.span(&(head.start..head.start + line));
        let problem = told.problem.map(|problem| {
            let labels = vec![Label { span: whole, ..problem.labels[0].clone() }];
            Problem { labels, ..problem }
        });
        return Report { problem, ..told };
    }
    if let Some(change) =
        repair::find(text, None, |text, words| repair::understood(Rule::only_item, &with_body(keyword, text), words))
    {
        return offered(reader, head.start, change, "not understood here");
    }
    let probe = with_body(keyword, text);
    let position = grammar::parse(Rule::only_item, &probe).err().map_or(0, |error| position(&error));
    let end = line_end(text, position.min(line)).min(line);
    let (range, label) = match narrow(text, position, end) {
        Some(range) if range.start > 0 => (range, "not understood from here"),
        _ => (0..end, "not understood"),
    };
    let span = reader.span(&(head.start + range.start..head.start + range.end));
    let problem = Problem::new(Code::E0001, "this line is not understood here", span, label).help(form(keyword));
    Report { problem: Some(problem), edits: Vec::new(), misplaced: false }
}

/// Is this a head of an item?
pub(super) fn head_understood(keyword: &str, head: &str) -> bool {
    grammar::parse(Rule::only_item, &with_body(keyword, head)).is_ok()
}

/// The item is not understood although its head is.
pub(super) fn beyond(reader: &Reader<'_>, position: usize) -> Problem {
    let text = &reader.patched.text;
    let position = position.min(text.len());
    let line = line_start(text, position);
    let start = line + text[line..].len() - text[line..].trim_start_matches([' ', '\t']).len();
    let span = reader.span(&(start.min(position)..line_end(text, position)));
    Problem::new(Code::E0001, "this line is not understood here", span, "not understood")
        .help("look at the braces and quotes in it")
}

/// The forms of items that begin with this keyword.
fn items(keyword: &str) -> impl Iterator<Item = &'static Form> {
    forms::of(Place::File).filter(move |form| form.first_word() == Some(keyword))
}

/// The smallest item with this head.
fn with_body(keyword: &str, head: &str) -> String {
    match forms::opened(Place::File, keyword) {
        None => head.to_owned(),
        Some(Place::Table) => format!("{head}{{\na | b\n}}"),
        Some(_) => format!("{head}{{\n}}"),
    }
}

/// A head of an item of this kind: what is inside of a broken one is read with it.
pub(super) fn plain_head(keyword: &str) -> &'static str {
    let written = items(keyword).next().map_or("", |form| form.written);
    written.split('{').next().unwrap_or(written)
}

/// How the head of an item of this kind is written.
fn form(keyword: &str) -> String {
    let heads = items(keyword).flat_map(|form| std::iter::once(form.written).chain(form.also.iter().copied()));
    let heads = heads.map(|written| format!("`{}`", written.split(" …").next().unwrap_or(written)));
    format!("write {}", heads.collect::<Vec<_>>().join(" or "))
}

/// A line that is not understood inside of a block.
pub(super) fn statement(reader: &Reader<'_>, place: Place, range: Range<usize>) -> Report {
    let text = reader.text(&range).trim_end();
    let skeleton = repair::skeleton(text);
    let fits = |text: &str, words: &[Range<usize>]| repair::understood(rule_of(place), text, words);
    let parsed = grammar::parse(rule_of(place), &skeleton.text);
    let stopped = parsed.as_ref().err().map(position);
    if let Some(edits) = repair::blanks_in_a_name(&skeleton.text, place, fits) {
        let file = |(inside, new): (Range<usize>, String)| {
            let inside = skeleton.places(&inside);
            (range.start + inside.start..range.start + inside.end, new)
        };
        return Report { problem: None, misplaced: false, edits: edits.into_iter().map(file).collect() };
    }
    let change = repair::find(&skeleton.text, Some(place), fits)
        .or_else(|| stopped.and_then(|position| repair::missing(&skeleton.text, Some(place), position, fits)));
    if let Some(change) = change {
        // The change was found in the skeleton; it is made in the line itself.
        let edits = change.edits.into_iter();
        let edits = edits.map(|(range, new)| (skeleton.places(&range), new)).collect();
        return offered(reader, range.start, Change { edits, ..change }, &format!("not understood {}", place.phrase()));
    }
    let first_line = line_end(text, 0);
    let whole = code(text, first_line).last().map_or(1, |token| token.end);
    let span = |inside: Range<usize>| reader.span(&(range.start + inside.start..range.start + inside.end));
    let problem = |inside: Range<usize>, label: String| {
        Problem::new(Code::E0001, "this line is not understood here", span(inside), label)
    };
    let done = |problem: Problem| Report { problem: Some(problem), edits: Vec::new(), misplaced: false };
    if let Some(inside) = repair::bad_interpolation(text) {
        let told = problem(inside, "nothing can be filled in from this".to_owned());
        return done(told.help("write `{name.field}`, or `\\{` for a brace that stands for itself"));
    }
    if let Some(other) = others(place).find(|other| repair::understood(rule_of(*other), &skeleton.text, &[])) {
        let told = problem(0..whole, format!("this belongs in {}", other.name()));
        let told = told.help(format!("here may stand: {}", short(place)));
        return Report { misplaced: true, ..done(told) };
    }
    if let Some((inside, values)) = (place == Place::Table).then(|| several_in_a_cell(text)).flatten() {
        let told = problem(inside, "more than one value".to_owned());
        return done(told.help(format!("a cell holds one value: write a row for each of {values}")));
    }
    let forms = forms_of(place, word(text));
    let position = match stopped {
        Some(position) => skeleton.place(position),
        // The mistake is inside of the braces.
        None => grammar::parse(rule_of(place), text).err().map_or(0, |error| position(&error)),
    };
    let line = text[position.min(text.len())..].find(['\n', '\r']).map_or(text.len(), |n| position + n);
    let narrow = narrow(text, position, line).filter(|narrow| narrow.start > 0);
    match (narrow, forms.is_empty() && place != Place::Fields && place != Place::Record) {
        (Some(inside), false) => {
            let label =
                if inside.start < position { "something is missing behind this" } else { "not understood from here" };
            let told = problem(inside.clone(), label.to_owned());
            done(told.help(if let (Place::Fields, Some(more)) = (place, behind_ends(&text[..inside.start])) {
                format!("behind the two fields may stand: {more}")
            } else if forms.is_empty() {
                format!("here may stand: {}", short(place))
            } else {
                format!("write {}", forms.iter().map(|form| format!("`{form}`")).collect::<Vec<_>>().join(" or "))
            }))
        }
        _ => {
            let told = problem(0..whole, format!("not understood {}", place.phrase()));
            done(told.help(format!("here may stand: {}", short(place))))
        }
    }
}

/// The first cell of a row in which values stand between commas, and these values.
fn several_in_a_cell(text: &str) -> Option<(Range<usize>, String)> {
    let code = code(text, line_end(text, 0));
    let piece = |token: &Token| &text[token.start..token.end];
    code.iter().find(|token| piece(token) == "|")?;
    let cell = code.split(|token| piece(token) == "|").find(|cell| cell.iter().any(|token| piece(token) == ","))?;
    let inside = cell.first()?.start..cell.last()?.end;
    Some((inside.clone(), text[inside].to_owned()))
}

/// What may stand behind the two ends of a line of `fields`, where both stand in `text`.
fn behind_ends(text: &str) -> Option<&'static str> {
    if word(text) == "link" {
        return None;
    }
    let arrow = ["<->", "->", "<-"].into_iter().find_map(|arrow| text.find(arrow).map(|at| (arrow, at + arrow.len())));
    match arrow {
        Some((_, end)) if text[end..].trim().is_empty() => None,
        Some(("<->", _)) => {
            Some("`as transform`, then `system wins`, `newest wins`, `review` or `else clear`, then `on create`")
        }
        Some(("->", _)) => {
            Some("`else keep`, `else clear`, `else skip`, `else fail` or `else \"a value\"`, then `on create`")
        }
        _ => None,
    }
}

/// From the token at `position` to the end of its line; the last token, where the line is understood to its end.
fn narrow(text: &str, position: usize, line: usize) -> Option<Range<usize>> {
    let code = code(text, line);
    let last = code.last()?;
    match code.iter().find(|token| token.end > position) {
        Some(token) => Some(token.start.max(position.min(token.end - 1))..last.end)
            .map(|range| if text.is_char_boundary(range.start) { range } else { token.start..range.end }),
        None => Some(last.start..last.end),
    }
}

/// The tokens before `line` that are no comments.
fn code(text: &str, line: usize) -> Vec<Token> {
    tokens(&text[..line]).into_iter().filter(|token| !matches!(token.kind, Kind::Comment | Kind::Line)).collect()
}

/// A change as a problem that offers it.
fn offered(reader: &Reader<'_>, base: usize, change: Change, label: &str) -> Report {
    let shifted: Vec<(Range<usize>, String)> =
        change.edits.into_iter().map(|(range, new)| (base + range.start..base + range.end, new)).collect();
    let spans: Vec<(Span, String)> = shifted
        .iter()
        .map(|(range, new)| {
            let span = reader.span(range);
            // Nothing is replaced where something is only put in.
            let end = if range.is_empty() { span.start } else { span.end };
            (Span { end, ..span }, new.clone())
        })
        .collect();
    let first = shifted.first().map_or(base..base + 1, |(range, _)| range.clone());
    let title = match spans.as_slice() {
        [(_, new)] if !new.trim().is_empty() => format!("write `{}`", new.trim()),
        _ => "mend the line".to_owned(),
    };
    let mut problem =
        Problem::new(Code::E0001, "this line is not understood here", reader.span(&first), label).help(change.help);
    problem = problem.fix(title, change.safe, spans);
    Report { problem: Some(problem), misplaced: false, edits: if change.safe { shifted } else { Vec::new() } }
}

/// Where pest stopped.
pub(super) fn position(error: &pest::error::Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// pest gave up: calls or stack are used up.
pub(super) fn gave_up(error: &pest::error::Error<Rule>) -> bool {
    matches!(error.variant, ErrorVariant::CustomError { .. })
}
