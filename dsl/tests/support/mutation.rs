//! Texts with a few random edits.

use proptest::prelude::*;

/// What is put in: every sign of the language and some that are none.
const PIECES: [&str; 40] = [
    "{", "}", "\"", "\"\"\"", "#", "\\", "\n", "\n\n", "\r\n", " ", "\t", ",", "|", ":", "=", "->", "<-", "<->", "(",
    ")", "[", "]", "`", ".", "%", "?", "-", "é", "\u{feff}", "\u{a0}", "else", "sync ", "\nwhen ", "as ", "not ",
    "where ", "1", "x", "'", ";",
];

/// As many cases as are usual for a law, or as `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), ..ProptestConfig::default() }
}

/// One of `texts` with one to five edits: a piece put in, characters taken out, lines doubled, swapped or cut off.
pub(crate) fn mutations(texts: Vec<(String, String)>) -> impl Strategy<Value = String> {
    let edit = (0..6usize, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..PIECES.len());
    (prop::sample::select(texts), prop::collection::vec(edit, 1..6)).prop_map(|((_, mut text), edits)| {
        for (kind, first, second, piece) in edits {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = *first.get(&places);
            match kind {
                0 | 1 => text.insert_str(at, PIECES[piece]),
                2 => {
                    let end = (at + 1..=at + 5).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
                    text.replace_range(at..end.min(text.len()), "");
                }
                3 | 4 => {
                    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
                    if !lines.is_empty() {
                        let (a, b) = (first.index(lines.len()), second.index(lines.len()));
                        if kind == 3 {
                            lines.swap(a, b);
                        } else {
                            let line = lines[a].clone();
                            lines.insert(b, line);
                        }
                    }
                    text = lines.concat();
                }
                _ => text.truncate(at),
            }
        }
        text
    })
}
