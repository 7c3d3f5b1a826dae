//! The tree as people read it in golden files: printed without its places.

use dsl::ast::Item;

/// What the item says, on one line.
pub(crate) fn printed(item: &Item) -> String {
    let printed = format!("{:?}", item.kind);
    let mut out = String::with_capacity(printed.len() / 2);
    // For every open brace: is it one that is not printed?
    let mut open: Vec<bool> = Vec::new();
    let mut rest = printed.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("Spanned { value: ") {
            open.push(true);
            rest = after;
        } else if let Some(after) = span(rest) {
            // With the name of its field, if it has one.
            for field in [", span: ", ", head: "] {
                if out.ends_with(field) {
                    out.truncate(out.len() - field.len());
                }
            }
            if !out.ends_with(|c: char| c == '"' || c == '}' || c == ']' || c == ')' || c.is_ascii_alphanumeric()) {
                out.push('_');
            }
            rest = after;
        } else if first == '"' {
            let end = text(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            match first {
                '{' => open.push(false),
                '}' if open.pop() == Some(true) => {
                    out.truncate(out.trim_end().len());
                    rest = &rest[1..];
                    continue;
                }
                _ => {}
            }
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// What follows a span that is printed here.
fn span(text: &str) -> Option<&str> {
    let mut rest = text;
    for part in ["Span { file: FileId(", "), start: ", ", end: ", " }"] {
        rest = rest.strip_prefix(part)?.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    Some(rest)
}

/// Behind the printed string that `rest` begins with.
fn text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
