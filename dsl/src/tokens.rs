//! Text to tokens, for what looks at a text without understanding it: limits, recovery, the formatter.
//!
//! In: any text. Out: tokens that cover everything but blanks. Cannot fail: what is no token is [`Kind::Other`].
//! The grammar does not use it; both agree on where texts, comments and names end.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `crm.Contact`, `email`, `` `odd name`.x ``: words joined by dots.
    Name,
    /// `12`, `0.5`, `60%`, `09:30`, `2026-03-02`. Without its sign.
    Number,
    /// `"…"`
    Text,
    /// `"""…"""`
    Block,
    /// A text that is not closed: the rest of its line; of a block text, the rest of all.
    Unclosed,
    /// `<->`, `{`, `=` and the like.
    Symbol,
    /// From `#` to the end of the line.
    Comment,
    /// A line end.
    Line,
    /// A character that begins nothing.
    Other,
}

/// A token, in bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

const SYMBOLS: [&str; 24] = [
    "<->", "->", "<-", "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", "{", "}", ",", "|",
    ":", "?", ".",
];

/// The tokens of `text`.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first == ' ' || first == '\t' {
            at += 1;
            continue;
        }
        let (kind, length) = token(text, at, first);
        found.push(Token { kind, start: at, end: at + length });
        at += length;
    }
    found
}

fn token(text: &str, at: usize, first: char) -> (Kind, usize) {
    let rest = &text[at..];
    let line = || rest.find(['\n', '\r']).unwrap_or(rest.len());
    match first {
        '\n' => (Kind::Line, 1),
        '\r' => (Kind::Line, if rest.starts_with("\r\n") { 2 } else { 1 }),
        '#' => (Kind::Comment, line()),
        '"' if rest.starts_with("\"\"\"") => match block_end(rest) {
            Some(end) => (Kind::Block, end),
            None => (Kind::Unclosed, rest.len()),
        },
        '"' => match text_end(&rest[..line()], 0) {
            Some((end, _)) => (Kind::Text, end),
            None => (Kind::Unclosed, line()),
        },
        '`' | '_' | 'a'..='z' | 'A'..='Z' => match name_end(rest) {
            0 => (Kind::Other, 1),
            length => (Kind::Name, length),
        },
        '0'..='9' => (Kind::Number, number_end(rest)),
        _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => (Kind::Symbol, symbol.len()),
            None => (Kind::Other, first.len_utf8()),
        },
    }
}

/// Behind the closing quotes of the block text that `rest` begins with.
fn block_end(rest: &str) -> Option<usize> {
    let mut at = 3;
    loop {
        let found = at + rest[at..].find(['"', '\\'])?;
        if rest[found..].starts_with('\\') {
            at = found + 1 + rest[found + 1..].chars().next()?.len_utf8();
        } else if rest[found..].starts_with("\"\"\"") {
            return Some(found + 3);
        } else {
            at = found + 1;
        }
    }
}

/// Behind the closing quote of the text that begins at `at`, and how deep its `{…}` are nested; `None` if the line
/// ends first. A text may stand in the `{…}` of another: `"{name else "nobody"}"`.
pub(crate) fn text_end(line: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    // What is open: `"` a text, otherwise a bracket inside of `{…}`.
    let mut open = vec![b'"'];
    let mut deepest = 0;
    let mut i = at + 1;
    while i < bytes.len() {
        let inside_text = open.last() == Some(&b'"');
        match bytes[i] {
            b'\\' if inside_text => i += 1,
            b'"' if inside_text => {
                open.pop();
                if open.is_empty() {
                    return Some((i + 1, deepest));
                }
            }
            b'{' | b'"' => open.push(bytes[i]),
            b'(' | b'[' if !inside_text => open.push(bytes[i]),
            b'}' if !inside_text => {
                // Brackets that are left open end with the braces around them.
                while open.last().is_some_and(|b| matches!(b, b'(' | b'[')) {
                    open.pop();
                }
                open.pop();
            }
            b')' | b']' if open.last().is_some_and(|b| matches!(b, b'(' | b'[')) => {
                open.pop();
            }
            _ => {}
        }
        deepest = deepest.max(open.len());
        i += 1;
    }
    None
}

/// Words joined by dots; a dot without a word behind it stays outside.
fn name_end(rest: &str) -> usize {
    let mut end = 0;
    loop {
        let from = if end == 0 { 0 } else { end + 1 };
        let word = word_end(&rest[from..]);
        if word == 0 {
            return end;
        }
        end = from + word;
        if !rest[end..].starts_with('.') {
            return end;
        }
    }
}

fn word_end(rest: &str) -> usize {
    if let Some(quoted) = rest.strip_prefix('`') {
        let end = quoted.find(['`', '\n', '\r']).unwrap_or(0);
        return if end > 0 && quoted[end..].starts_with('`') { end + 2 } else { 0 };
    }
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len())
}

fn number_end(rest: &str) -> usize {
    let shape = |pattern: &str| {
        let bytes = rest.as_bytes();
        let fits = |(i, p): (usize, u8)| match bytes.get(i) {
            Some(byte) if p == b'0' => byte.is_ascii_digit(),
            Some(byte) => *byte == p,
            None => false,
        };
        pattern.bytes().enumerate().all(fits).then_some(pattern.len())
    };
    if let Some(end) = shape("0000-00-00").or_else(|| shape("00:00")) {
        return end;
    }
    let digits =
        |text: &str, more: bool| text.find(|c: char| !(c.is_ascii_digit() || more && c == '_')).unwrap_or(text.len());
    let mut end = digits(rest, true);
    if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        end += 1 + digits(&rest[end + 1..], false);
    }
    if rest[end..].starts_with('%') { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = tokens(text).iter().map(|token| &text[token.start..token.end]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn names_numbers_and_arrows_are_one_token_each() {
        check("a.b <-> `c d`.e", &["a.b", "<->", "`c d`.e"]);
        check(
            "x<-y 09:30 2026-03-02 10% 1_000.5 3.",
            &["x", "<-", "y", "09:30", "2026-03-02", "10%", "1_000.5", "3", "."],
        );
        check("owner: app.User?", &["owner", ":", "app.User", "?"]);
    }

    #[test]
    fn a_text_may_stand_in_the_braces_of_another() {
        check(r#""{a else "}"} b" c"#, &[r#""{a else "}"} b""#, "c"]);
        check(r#""a \" \{" b"#, &[r#""a \" \{""#, "b"]);
    }

    #[test]
    fn what_is_not_closed_ends_with_its_line_or_with_all() {
        check("\"a b\nc", &["\"a b", "\n", "c"]);
        check("\"\"\"a\nb", &["\"\"\"a\nb"]);
        check("`a b", &["`", "a", "b"]);
    }

    #[test]
    fn a_comment_ends_before_its_line_end() {
        check("a # b\r\nc", &["a", "# b", "\r\n", "c"]);
    }
}
