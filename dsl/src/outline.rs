//! Splits a file at the item keywords in column 0. Cannot fail.
//!
//! In: the text of a file. Out: the stretches that hold one item each, and the lines that stand outside any.
//! Always true: an item ends where its braces close, or before the next item keyword in column 0, whichever
//! comes first, so that a broken item never hurts its neighbours.

/// The words that begin an item.
pub(crate) const KEYWORDS: [&str; 10] =
    ["edition", "choice", "entity", "system", "table", "sync", "events", "when", "workflow", "test"];

/// One item, or a line outside of any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// First byte.
    pub(crate) start: usize,
    /// First byte behind it, its line end left out.
    pub(crate) end: usize,
    /// It begins with an item keyword.
    pub(crate) item: bool,
    /// Positions of `{` that nothing closes, outermost first.
    pub(crate) open: Vec<usize>,
    /// Position of a `}` that closes nothing.
    pub(crate) stray: Option<usize>,
    /// A text that is never closed begins here.
    pub(crate) unclosed_text: Option<usize>,
    /// The deepest nesting of brackets in it.
    pub(crate) depth: usize,
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
    let mut found = Outline::default();
    let mut current: Option<Chunk> = None;
    let mut brackets = 0usize;
    let mut block_text: Option<usize> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let body = line.trim_end_matches(['\n', '\r']);
        if block_text.is_none() {
            let first: &str = body.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or("");
            let begins = KEYWORDS.contains(&first);
            if begins {
                close(&mut found, current.take(), start);
                current = Some(chunk(start, true));
                brackets = 0;
            } else if current.is_none() && !body.trim().is_empty() && !body.trim_start().starts_with('#') {
                current = Some(chunk(start, false));
                brackets = 0;
            }
        }
        let Some(item) = &mut current else {
            if let Some(at) = body.find('#') {
                found.comments.push((start + at, start + body.len()));
            }
            continue;
        };
        scan(text, start, body, item, &mut block_text, &mut brackets, &mut found.comments);
        let continued = body.trim_end().ends_with(',') || {
            let code = body.split('#').next().unwrap_or("").trim_end();
            code.ends_with(',')
        };
        if block_text.is_none() && item.open.is_empty() && !continued {
            let end = start + body.len();
            if let Some(mut done) = current.take() {
                done.end = end;
                found.chunks.push(done);
            }
        }
    }
    close(&mut found, current.take(), text.len());
    if let (Some(at), Some(last)) = (block_text, found.chunks.last_mut()) {
        last.unclosed_text.get_or_insert(at);
    }
    found
}

fn chunk(start: usize, item: bool) -> Chunk {
    Chunk { start, end: start, item, open: Vec::new(), stray: None, unclosed_text: None, depth: 0 }
}

fn close(found: &mut Outline, chunk: Option<Chunk>, end: usize) {
    if let Some(mut chunk) = chunk {
        chunk.end = end;
        found.chunks.push(chunk);
    }
}

fn scan(
    text: &str,
    start: usize,
    body: &str,
    item: &mut Chunk,
    block_text: &mut Option<usize>,
    brackets: &mut usize,
    comments: &mut Vec<(usize, usize)>,
) {
    let bytes = body.as_bytes();
    let mut at = 0;
    // Depth of `{` inside the interpolation of a text on this line.
    while at < bytes.len() {
        if block_text.is_some() {
            if bytes[at] == b'\\' {
                at += 2;
            } else if body[at..].starts_with("\"\"\"") {
                *block_text = None;
                at += 3;
            } else {
                at += utf8(body, at);
            }
            continue;
        }
        match bytes[at] {
            b'#' => {
                comments.push((start + at, start + body.len()));
                return;
            }
            b'"' if body[at..].starts_with("\"\"\"") => {
                *block_text = Some(start + at);
                at += 3;
            }
            b'"' => match text_end(body, at) {
                Some(end) => at = end,
                None => {
                    item.unclosed_text.get_or_insert(start + at);
                    return;
                }
            },
            b'{' => {
                item.open.push(start + at);
                item.depth = item.depth.max(item.open.len() + *brackets);
                at += 1;
            }
            b'}' => {
                if item.open.pop().is_none() {
                    item.stray.get_or_insert(start + at);
                }
                at += 1;
            }
            b'(' | b'[' => {
                *brackets += 1;
                item.depth = item.depth.max(item.open.len() + *brackets);
                at += 1;
            }
            b')' | b']' => {
                *brackets = brackets.saturating_sub(1);
                at += 1;
            }
            _ => at += utf8(body, at),
        }
    }
    let _ = text;
}

fn utf8(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

/// End of the text that begins at `at`: behind its closing quote, outside of `{…}`.
fn text_end(line: &str, at: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut i = at + 1;
    let mut depth = 0usize;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 1,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'"' if depth == 0 => return Some(i + 1),
            // A text inside of an interpolation, `{x else "none"}`.
            b'"' => i = text_end(line, i)? - 1,
            _ => {}
        }
        i += 1;
    }
    None
}
