//! Splits a file at the item keywords in column 0. Cannot fail.
//!
//! In: the text of a file. Out: the stretches that hold one item each, and the lines that stand outside any.
//! Always true: an item ends where its braces close, or before the next item keyword in column 0, whichever
//! comes first, so that a broken item never hurts its neighbours. Every byte that is neither blank nor a comment
//! lies in exactly one stretch.

use crate::suggest;
use crate::tokens::{Kind, text_end, tokens};

/// The words that begin an item.
pub(crate) const KEYWORDS: [&str; 10] =
    ["edition", "choice", "entity", "system", "table", "sync", "events", "when", "workflow", "test"];

/// How a stretch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// With an item keyword in column 0.
    Item(&'static str),
    /// With an item keyword that is indented.
    Indented(&'static str),
    /// With a word that looks like this keyword.
    Misspelt(&'static str),
    /// With something else.
    Outside,
}

impl Begins {
    /// The keyword that is written or meant.
    pub(crate) fn keyword(self) -> Option<&'static str> {
        match self {
            Self::Item(keyword) | Self::Indented(keyword) | Self::Misspelt(keyword) => Some(keyword),
            Self::Outside => None,
        }
    }
}

/// One item, or lines outside of any. Positions are bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Its first word.
    pub(crate) start: usize,
    /// First byte behind it, its line end left out.
    pub(crate) end: usize,
    pub(crate) begins: Begins,
    /// Its braces outside of texts and comments; true where one opens.
    pub(crate) braces: Vec<(usize, bool)>,
    /// Braces that nothing closes, outermost first.
    pub(crate) open: Vec<usize>,
    /// A `}` that ends the item before its last lines.
    pub(crate) early: Option<usize>,
    /// Ends of lines that lack their `{`.
    pub(crate) unopened: Vec<usize>,
    /// A `}` whose `{` is missing in its line.
    pub(crate) surplus: Vec<usize>,
    /// Texts that are not closed on their line.
    pub(crate) unclosed_texts: Vec<usize>,
    /// A block text that is never closed.
    pub(crate) unclosed_block: Option<usize>,
    /// The deepest nesting of brackets in it.
    pub(crate) depth: usize,
}

impl Chunk {
    fn new(start: usize, begins: Begins) -> Self {
        Self {
            start,
            end: start,
            begins,
            braces: Vec::new(),
            open: Vec::new(),
            early: None,
            unopened: Vec::new(),
            surplus: Vec::new(),
            unclosed_texts: Vec::new(),
            unclosed_block: None,
            depth: 0,
        }
    }

    /// Where its block begins.
    pub(crate) fn body(&self) -> Option<usize> {
        self.braces.first().filter(|(_, opens)| *opens).map(|(at, _)| *at)
    }

    /// Its block is still to come: a kind of item that needs one, and no brace yet.
    fn headless(&self) -> bool {
        self.braces.is_empty() && self.begins.keyword().is_some_and(|keyword| keyword != "edition")
    }
}

/// What the scanner found.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) chunks: Vec<Chunk>,
    /// Comments: first byte of `#` and first byte of the line end.
    pub(crate) comments: Vec<(usize, usize)>,
}

/// Splits `text`.
pub(crate) fn outline(text: &str) -> Outline {
    let mut best = scanned(text, &Slips::default());
    let mut signs = best.signs();
    if signs == 0 {
        return best;
    }
    // Some brace is missing. Where the layout of a line says that it is this one, and then the others fit, it is.
    let mut slips = Slips::default();
    let tries = (MAX_TRIES_TEXT / text.len().max(1)).min(MAX_TRIES);
    for suspect in suspects(text).into_iter().take(tries) {
        let with = slips.with(suspect);
        let found = scanned(text, &with);
        if found.signs() < signs {
            signs = found.signs();
            (best, slips) = (found, with);
        }
        if signs == 0 {
            break;
        }
    }
    best
}

/// How many slips of the hand are tried on a text that does not fit, and how much text is scanned for it at most.
const MAX_TRIES: usize = 24;
const MAX_TRIES_TEXT: usize = 2 << 20;

fn scanned(text: &str, slips: &Slips) -> Outline {
    let mut found = Scanner::scan(text, false, slips);
    if found.chunks.last().is_some_and(|chunk| chunk.unclosed_block.is_some()) {
        // It would swallow the rest of the file: this time it ends before the next item.
        found = Scanner::scan(text, true, slips);
    }
    join_early(text, &mut found.chunks);
    found
}

impl Outline {
    /// How much in it shows that a brace is missing.
    fn signs(&self) -> usize {
        let sign = |chunk: &Chunk| {
            let outside = matches!(chunk.begins, Begins::Outside | Begins::Indented(_));
            chunk.open.len() + usize::from(chunk.early.is_some()) + usize::from(outside)
        };
        self.chunks.iter().map(sign).sum()
    }
}

/// What may be missing in a line.
#[derive(Debug, Clone, Copy)]
enum Slip {
    /// The `{` at its end, which is here.
    Open(usize),
    /// The `{` to the `}` that is here.
    Close(usize),
}

#[derive(Debug, Clone, Default)]
struct Slips {
    opens: Vec<usize>,
    closes: Vec<usize>,
}

impl Slips {
    fn with(&self, slip: Slip) -> Self {
        let mut slips = self.clone();
        match slip {
            Slip::Open(at) => slips.opens.push(at),
            Slip::Close(at) => slips.closes.push(at),
        }
        slips
    }
}

/// Lines that are followed by one that is indented more, though they open no block; and lines that close one, though
/// they begin with something else.
fn suspects(text: &str) -> Vec<Slip> {
    struct Line {
        indent: usize,
        end: usize,
        start: usize,
        closes: bool,
        goes_on: bool,
        opened: Vec<usize>,
        closing: Option<usize>,
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut fresh = true;
    for token in tokens(text) {
        let piece = &text[token.start..token.end];
        match token.kind {
            Kind::Line => fresh = true,
            Kind::Comment => {}
            _ => {
                if std::mem::take(&mut fresh) {
                    let line = text[..token.start].rfind('\n').map_or(0, |n| n + 1);
                    lines.push(Line {
                        indent: token.start - line,
                        end: token.end,
                        closes: piece == "}",
                        start: token.start,
                        goes_on: false,
                        opened: Vec::new(),
                        closing: None,
                    });
                }
                let Some(line) = lines.last_mut() else { continue };
                line.end = token.end;
                line.goes_on = matches!(piece, "{" | ",");
                match piece {
                    "{" => line.opened.push(token.start),
                    "}" if line.opened.pop().is_none() => line.closing = Some(token.start),
                    _ => {}
                }
            }
        }
    }
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        // A statement that goes on behind a comma is indented too, and lacks no brace.
        let deeper = lines.get(index + 1).is_some_and(|next| next.indent > line.indent);
        if deeper && !line.goes_on && opens_a_block(&text[line.start..line.end]) {
            found.push(Slip::Open(line.end));
        }
        if let (Some(at), false) = (line.closing, line.closes) {
            found.push(Slip::Close(at));
        }
    }
    found
}

/// How far a text probably goes that is not closed in its line; `text` is what stands behind its opening quote. Where
/// a quote follows, a `}` in it is missing. Otherwise it goes to the end of its last `{…}`: other braces are more
/// likely meant to be outside of it, a `{` at the end of the line, a `}` that closes something else.
fn unclosed_end(text: &str) -> usize {
    let end = text.trim_end().len();
    let mut behind = 0;
    let mut open = 0_usize;
    let mut outside = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return at + 1,
            b'{' if at + 1 < end && !outside => {
                open += 1;
                behind = at + 1;
            }
            b'}' if open > 0 && !outside => {
                open -= 1;
                behind = at + 1;
            }
            b'{' | b'}' => outside = true,
            _ => {}
        }
    }
    behind
}

/// May a `{` stand at the end of this line?
pub(crate) fn opens_a_block(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["fields" | "always" | "otherwise" | "happened" | "undo"] | ["timed", "out"] | ["on", "failure"] => true,
        ["create", "missing", ..] | ["edition", ..] => false,
        ["wait", "up" | "for", ..] => true,
        ["to" | "from" | "if" | "step" | "create" | "update" | "call" | "given" | "expect", ..] => true,
        [first, ..] => KEYWORDS.contains(first),
        [] => false,
    }
}

struct Scanner<'s> {
    slips: &'s Slips,
    found: Outline,
    current: Option<Chunk>,
    /// A block text that is open.
    block: Option<usize>,
    /// Round and square brackets that are open in this statement.
    brackets: usize,
    /// Item keywords end block texts.
    items_end_blocks: bool,
}

impl<'s> Scanner<'s> {
    fn scan(text: &str, items_end_blocks: bool, slips: &'s Slips) -> Outline {
        let found = Outline::default();
        let mut scanner = Self { slips, found, current: None, block: None, brackets: 0, items_end_blocks };
        // A byte order mark is no part of the first line.
        let mut offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut lines = text[offset..].split_inclusive('\n').peekable();
        while let Some(line) = lines.next() {
            let body = line.trim_end_matches(['\n', '\r']);
            scanner.begin(body, offset);
            scanner.line(body, offset);
            scanner.unopened(body, offset);
            let next_opens = lines.peek().is_some_and(|next| next.trim_start().starts_with('{'));
            scanner.end(body, offset, next_opens);
            offset += line.len();
        }
        scanner.close();
        scanner.found
    }

    /// Looks at the first word of a line.
    fn begin(&mut self, body: &str, start: usize) {
        let word = body.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or("");
        let keyword = KEYWORDS.into_iter().find(|keyword| *keyword == word);
        if self.block.is_some() {
            if !(self.items_end_blocks && keyword.is_some() && body.trim_end().ends_with('{')) {
                return;
            }
            if let Some(chunk) = &mut self.current {
                chunk.unclosed_block = self.block;
            }
            self.block = None;
        }
        let Some(keyword) = keyword else {
            let stray_lines = self.current.as_ref().is_some_and(|c| c.begins == Begins::Outside && c.open.is_empty());
            if stray_lines && (body.trim().is_empty() || begins(body) != Begins::Outside) {
                self.close();
            }
            return;
        };
        // In a test whose lines are not indented, `when` begins a line of the test.
        let line_of_test = keyword == "when"
            && !body.trim_end().ends_with('{')
            && self.current.as_ref().is_some_and(|c| c.begins == Begins::Item("test") && !c.open.is_empty());
        if !line_of_test {
            self.close();
            self.current = Some(Chunk::new(start, Begins::Item(keyword)));
        }
    }

    /// Looks at braces, texts and comments of a line.
    fn line(&mut self, body: &str, start: usize) {
        let mut at = 0;
        while at < body.len() {
            if self.block.is_some() {
                at += self.block_text(&body[at..]);
                continue;
            }
            let rest = &body[at..];
            let Some(first) = rest.chars().next() else { return };
            if first == '#' {
                self.found.comments.push((start + at, start + body.len()));
                return;
            }
            if first.is_whitespace() {
                at += first.len_utf8();
                continue;
            }
            let Self { current, brackets, .. } = self;
            let chunk = current.get_or_insert_with(|| {
                *brackets = 0;
                Chunk::new(
                    start + at,
                    if at == body.len() - body.trim_start().len() { begins(body) } else { Begins::Outside },
                )
            });
            match first {
                '"' if rest.starts_with("\"\"\"") => {
                    self.block = Some(start + at);
                    at += 3;
                }
                '"' => match text_end(body, at) {
                    Some((end, depth)) => {
                        chunk.depth = chunk.depth.max(chunk.open.len() + self.brackets + depth);
                        at = end;
                    }
                    None => {
                        // How far it goes is a guess, so another quote on this line may be no second mistake.
                        if chunk.unclosed_texts.last().is_none_or(|last| *last < start) {
                            chunk.unclosed_texts.push(start + at);
                        }
                        at += 1 + unclosed_end(&rest[1..]);
                    }
                },
                '{' => {
                    chunk.braces.push((start + at, true));
                    chunk.open.push(start + at);
                    chunk.depth = chunk.depth.max(chunk.open.len() + self.brackets);
                    at += 1;
                }
                '}' if self.slips.closes.contains(&(start + at)) => {
                    chunk.surplus.push(start + at);
                    at += 1;
                }
                '}' => {
                    chunk.braces.push((start + at, false));
                    at += 1;
                    chunk.end = start + at;
                    if chunk.open.pop().is_some() && chunk.open.is_empty() && chunk.begins != Begins::Outside {
                        self.close();
                    }
                }
                '(' | '[' => {
                    self.brackets += 1;
                    chunk.depth = chunk.depth.max(chunk.open.len() + self.brackets);
                    at += 1;
                }
                ')' | ']' => {
                    self.brackets = self.brackets.saturating_sub(1);
                    at += 1;
                }
                other => at += other.len_utf8(),
            }
        }
    }

    /// The `{` that a line lacks.
    fn unopened(&mut self, body: &str, start: usize) {
        let at = self.slips.opens.iter().find(|at| (start + 1..=start + body.len()).contains(*at));
        if let (Some(at), Some(chunk), None) = (at, &mut self.current, self.block) {
            chunk.unopened.push(*at);
            chunk.braces.push((*at, true));
            chunk.open.push(*at);
        }
    }

    /// One step inside of a block text; gives how many bytes were passed.
    fn block_text(&mut self, rest: &str) -> usize {
        let Some(found) = rest.find(['"', '\\']) else { return rest.len() };
        if rest[found..].starts_with("\"\"\"") {
            self.block = None;
            return found + 3;
        }
        let escaped = if rest[found..].starts_with('\\') { rest[found + 1..].chars().next() } else { None };
        found + 1 + escaped.map_or(0, char::len_utf8)
    }

    /// Decides whether the item ends with the line.
    fn end(&mut self, body: &str, start: usize, next_opens: bool) {
        let Some(chunk) = &mut self.current else { return };
        if !body.trim().is_empty() {
            chunk.end = start + body.len();
        }
        let code = match self.found.comments.last() {
            Some((comment, _)) if *comment >= start => &body[..comment - start],
            _ => body,
        };
        let continued = code.trim_end().ends_with(',');
        if !continued {
            self.brackets = 0;
        }
        let goes_on = self.block.is_some()
            || !chunk.open.is_empty()
            || continued
            || chunk.begins == Begins::Outside
            || chunk.headless() && next_opens;
        if !goes_on {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(mut chunk) = self.current.take() {
            if let Some(block) = self.block.take() {
                chunk.unclosed_block = Some(block);
            }
            self.found.chunks.push(chunk);
        }
        self.brackets = 0;
    }
}

/// How a line outside of any item begins.
fn begins(body: &str) -> Begins {
    let trimmed = body.trim_start();
    let word = trimmed.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or("");
    match suggest::nearest(word, KEYWORDS) {
        Some(keyword) if keyword == word && trimmed.len() == body.len() => Begins::Item(keyword),
        Some(keyword) if keyword == word => Begins::Indented(keyword),
        Some(keyword) => Begins::Misspelt(keyword),
        None => Begins::Outside,
    }
}

/// An item that ends with an indented `}`, then lines outside of any item, then a `}` in column 0: there is one `}`
/// too many in the item, and the lines belong to it.
fn join_early(text: &str, chunks: &mut Vec<Chunk>) {
    let mut index = 0;
    while index + 1 < chunks.len() {
        let (item, lines) = (&chunks[index], &chunks[index + 1]);
        let item_closed = item.begins.keyword().is_some() && item.open.is_empty() && item.unclosed_block.is_none();
        let closing = item.braces.last().map_or(0, |(at, _)| *at);
        let indented = line_before(text, closing);
        let last = lines.braces.last().map_or(0, |(at, _)| *at);
        let fits = item_closed
            && lines.begins == Begins::Outside
            && !indented.is_empty()
            && indented.trim().is_empty()
            && text[closing + 1..lines.start].trim().is_empty()
            && text[lines.start..lines.end].len() > 1
            && last + 1 == lines.end
            && line_before(text, last).is_empty()
            && lines.braces.iter().filter(|(_, opens)| !opens).count()
                == lines.braces.iter().filter(|(_, opens)| *opens).count() + 1;
        if fits {
            let lines = chunks.remove(index + 1);
            let item = &mut chunks[index];
            item.early = Some(closing);
            item.braces.retain(|(at, _)| *at != closing);
            item.braces.extend(lines.braces);
            item.unclosed_texts.extend(lines.unclosed_texts);
            item.depth = item.depth.max(lines.depth + 1);
            item.end = lines.end;
        }
        index += 1;
    }
}

/// What stands before `at` in its line.
fn line_before(text: &str, at: usize) -> &str {
    &text[text[..at].rfind('\n').map_or(0, |n| n + 1)..at]
}
