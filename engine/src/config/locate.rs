//! Finds where a key or value stands in a YAML text, for labels. The parser gives values without places.

/// A stretch of the text.
pub(super) type Place = (usize, usize);

/// Where the key at the end of `path` stands; of a path that is not there, its deepest known parent.
pub(super) fn key(text: &str, path: &[&str]) -> Place {
    walk(text, path).unwrap_or((0, 0))
}

/// Where the value of `path` stands, up to the end of its line or of its braces; its key where it has none.
pub(super) fn value(text: &str, path: &[&str]) -> Place {
    let Some(place) = walk(text, path) else { return (0, 0) };
    let line = text[place.1..].lines().next().unwrap_or_default();
    let Some(after) = line.trim_start_matches(['"', '\'']).strip_prefix(':') else { return place };
    let skipped = line.len() - after.len();
    let value = after.trim_start();
    let start = place.1 + skipped + (after.len() - value.len());
    let line_start = text[..place.0].rfind('\n').map_or(0, |at| at + 1);
    let in_braces = text[line_start..place.0].contains('{');
    let mut end = value.find(" #").unwrap_or(value.len());
    // `${NAME}` closes no mapping.
    let mut depth = 0;
    for (index, letter) in value[..end].char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' if depth > 0 => depth -= 1,
            '}' | ',' if in_braces && depth == 0 => {
                end = index;
                break;
            }
            _ => {}
        }
    }
    let value = value[..end].trim_end();
    if value.is_empty() { place } else { (start, start + value.len()) }
}

/// The line of a byte offset, from 1.
pub(super) fn line(text: &str, offset: usize) -> usize {
    text[..offset.min(text.len())].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Walks down block mappings by indentation, and flow mappings by their words.
fn walk(text: &str, path: &[&str]) -> Option<Place> {
    let mut from = 0;
    let mut end = text.len();
    let mut found: Option<Place> = None;
    for name in path {
        match in_block(text, from, end, name, found.is_some()) {
            Some((place, indent)) => {
                found = Some(place);
                from = place.1;
                end = block_end(text, place.1, indent, end);
            }
            None => match in_flow(text, from, end, name) {
                Some(place) => {
                    found = Some(place);
                    from = place.1;
                }
                None => return found,
            },
        }
    }
    found
}

/// A `name:` at the first indentation that is met; `below` skips the rest of the parent's own line.
fn in_block(text: &str, from: usize, end: usize, name: &str, below: bool) -> Option<(Place, usize)> {
    let mut offset = if below { from + text[from..end].find('\n')? + 1 } else { from };
    let mut level = None;
    for line in text[offset..end].split_inclusive('\n') {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        let start = offset + indent;
        offset += line.len();
        if body.is_empty() || body.starts_with('#') || indent != *level.get_or_insert(indent) {
            continue;
        }
        let bare = body.trim_start_matches(['"', '\'']);
        let start = start + body.len() - bare.len();
        if let Some(rest) = bare.strip_prefix(name)
            && rest.trim_start_matches(['"', '\'']).starts_with(':')
        {
            return Some(((start, start + name.len()), indent));
        }
    }
    None
}

fn in_flow(text: &str, from: usize, end: usize, name: &str) -> Option<Place> {
    let slice = &text[from..end];
    let mut at = slice.find('{')?;
    while let Some(hit) = slice[at..].find(name) {
        let start = at + hit;
        let before = slice[..start].chars().next_back();
        let after = slice[start + name.len()..].trim_start_matches(['"', '\'']).trim_start();
        if before.is_none_or(|c| "{, \n\"'".contains(c)) && after.starts_with(':') {
            return Some((from + start, from + start + name.len()));
        }
        at = start + name.len();
    }
    None
}

fn block_end(text: &str, from: usize, indent: usize, end: usize) -> usize {
    let Some(next) = text[from..end].find('\n') else { return end };
    let mut offset = from + next + 1;
    for line in text[offset..end].split_inclusive('\n') {
        let body = line.trim_start();
        if !body.is_empty() && !body.starts_with('#') && line.len() - body.len() <= indent {
            return offset;
        }
        offset += line.len();
    }
    end
}
