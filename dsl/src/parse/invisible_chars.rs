//! Characters that nobody sees, and that make a text look like another one.
//!
//! In: a file. Out: what is told of them, and the text with blanks or underscores in their place, so that every other
//! place stays where it is.

use super::recovery::{at, line_start};
use crate::diagnostic::{Code, Problem};
use crate::source::SourceFile;

/// Problems, at most one for a line, and the text without them; none where there is nothing to tell.
pub(super) fn invisible(file: &SourceFile) -> Option<(Vec<Problem>, SourceFile)> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut seen: Option<String> = None;
    let mut last = None;
    for (start, letter) in file.text.char_indices() {
        let Some(name) = name(letter) else { continue };
        let mark = start == 0 && letter == '\u{feff}';
        if mark || joins(&file.text, start, letter) {
            continue;
        }
        let end = start + letter.len_utf8();
        // Inside of a name it is not to part it in two.
        let within =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let inside = within(file.text[..start].chars().next_back()) && within(file.text[end..].chars().next());
        let filler = if inside { "_" } else { " " };
        seen.get_or_insert_with(|| file.text.to_string()).replace_range(start..end, &filler.repeat(end - start));
        let line = line_start(&file.text, start);
        if last == Some(line) {
            continue;
        }
        last = Some(line);
        let message = format!("a character that nobody sees: U+{:04X}, {name}", u32::from(letter));
        let span = at(file, start, end);
        let problem = Problem::new(Code::E0001, message, span, "stands here");
        problems.push(problem.help("remove it").fix("remove it", true, vec![(span, String::new())]));
    }
    let clean = SourceFile::new(file.id, file.path.clone(), &seen?);
    Some((problems, clean))
}

/// What a character is called that is not seen; none for all others.
fn name(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\n' | '\r' | '\t' => return None,
        '\0' => "NUL",
        '\u{ad}' => "soft hyphen",
        '\u{61c}' => "Arabic letter mark",
        '\u{200b}' => "zero-width space",
        '\u{200c}' => "zero-width non-joiner",
        '\u{200d}' => "zero-width joiner",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{202a}' => "left-to-right embedding",
        '\u{202b}' => "right-to-left embedding",
        '\u{202c}' => "pop directional formatting",
        '\u{202d}' => "left-to-right override",
        '\u{202e}' => "right-to-left override",
        '\u{2060}' => "word joiner",
        '\u{2066}' => "left-to-right isolate",
        '\u{2067}' => "right-to-left isolate",
        '\u{2068}' => "first strong isolate",
        '\u{2069}' => "pop directional isolate",
        '\u{feff}' => "zero-width no-break space",
        letter if letter.is_control() => "a control character",
        _ => return None,
    })
}

/// Does the character join two others, as it does in some scripts and in pictures of families?
fn joins(text: &str, start: usize, letter: char) -> bool {
    let other = |letter: Option<char>| letter.is_some_and(|letter| !letter.is_ascii() && name(letter).is_none());
    matches!(letter, '\u{200c}' | '\u{200d}')
        && other(text[..start].chars().next_back())
        && other(text[start + letter.len_utf8()..].chars().next())
}
