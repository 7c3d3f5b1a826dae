//! What an item says, wherever it stands.
//!
//! In: an item. Out: a text that is equal for two items exactly if they differ in nothing but places and comments.
//! It is the printed tree without its spans; nobody but people and comparisons reads it.

use super::Item;

/// What the item says, on one line.
#[must_use]
pub fn meaning(item: &Item) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;
    use crate::source::{FileId, SourceFile};

    #[track_caller]
    fn read(text: &str) -> String {
        let parse = parse(&SourceFile::new(FileId(7), "a.rules", text));
        assert_eq!(parse.problems, []);
        meaning(&parse.items[0])
    }

    #[test]
    fn places_and_comments_mean_nothing_and_everything_else_does() {
        let text = "test \"a Span \\{ file\" {\n  when app.Login happens { link user = x, at = \"{a.b}\" }\n}\n";
        let moved = "# first\n\ntest   \"a Span \\{ file\"   {  # then\n when app.Login happens {\n link user = x\nat = \"{a.b}\"\n}\n}";
        assert_eq!(read(text), read(moved));
        assert!(!read(text).contains("start:"), "{}", read(text));
        for (from, to) in [("Login", "Logout"), ("link user", "user"), ("a.b", "a.c"), ("a Span", "a  Span")] {
            assert_ne!(read(text), read(&text.replace(from, to)), "{from}");
        }
    }
}
