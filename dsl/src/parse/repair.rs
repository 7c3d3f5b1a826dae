//! What may have been meant by a line that is not understood: one changed word or sign with which it is.
//!
//! In: the line. Out: changes, tried one after the other by parsing the changed line. Always true: a change is
//! offered only if the whole line is understood with it.

use std::ops::Range;

use super::grammar::{self, Rule};
use super::other_languages::{is_transform, translations};
use super::patch::{Change, Patch, Patched};
use crate::forms::{self, Place};
use crate::suggest;
use crate::tokens::{Kind, Token, tokens};

/// Names that are looked at in one line; more are not worth the time.
const MOST_NAMES: usize = 24;

/// `text` with nothing between its braces: what stands there has problems of its own.
pub(super) fn skeleton(text: &str) -> Patched {
    let mut patch = Patch::default();
    let mut open: Vec<usize> = Vec::new();
    for token in tokens(text) {
        match &text[token.start..token.end] {
            "{" => open.push(token.end),
            "}" => {
                if let Some(start) = open.pop().filter(|_| open.is_empty()) {
                    patch.add(start..token.start, " ");
                }
            }
            _ => {}
        }
    }
    patch.apply(text, 0..text.len())
}

/// Is all of `text` one `rule`, and are the words that stand at `words` words of the language there, not names?
pub(super) fn understood(rule: Rule, text: &str, words: &[Range<usize>]) -> bool {
    // A line that is a comment is a line.
    if text.trim_start().starts_with('#') && !text.trim().contains('\n') {
        return true;
    }
    let Ok(pairs) = grammar::parse(rule, text) else { return false };
    words.is_empty()
        || !pairs.flatten().any(|pair| {
            let span = pair.as_span();
            matches!(pair.as_rule(), Rule::ident | Rule::path | Rule::qual)
                && words.iter().any(|word| span.start() < word.end && word.start < span.end())
        })
}

/// The first change with which `fits` accepts `text`; it is given the changed text and where new words stand in it.
pub(super) fn find(text: &str, block: Option<Place>, fits: impl Fn(&str, &[Range<usize>]) -> bool) -> Option<Change> {
    changes(text, block).into_iter().find(|change| {
        let mut changed = String::with_capacity(text.len() + 16);
        let mut words = Vec::new();
        let mut at = 0;
        for (range, new) in &change.edits {
            let Some(kept) = text.get(at..range.start) else { return false };
            changed.push_str(kept);
            if forms::is_word(new) {
                words.push(changed.len()..changed.len() + new.len());
            }
            changed.push_str(new);
            at = range.end;
        }
        changed.push_str(&text[at..]);
        fits(&changed, &words)
    })
}

/// The first `{…}` of a text that nothing can be filled into, in bytes of `text`.
pub(super) fn bad_interpolation(text: &str) -> Option<Range<usize>> {
    for token in tokens(text).iter().filter(|token| matches!(token.kind, Kind::Text | Kind::Block)) {
        let inner = &text[token.start..token.end];
        let mut at = 1;
        while at < inner.len() {
            match inner.as_bytes()[at] {
                b'\\' => at += 2,
                b'{' => {
                    // `text_end` finds the end of a text; behind a quote of ours, braces are part of it.
                    let end = interpolation_end(inner, at);
                    if grammar::parse(Rule::one_interp, &inner[at..end]).is_err() {
                        return Some(token.start + at..token.start + end);
                    }
                    at = end;
                }
                _ => at += 1,
            }
        }
    }
    None
}

/// Behind the `}` that closes the `{` at `at`, or the end of the line.
fn interpolation_end(text: &str, at: usize) -> usize {
    let line = text[at..].find(['\n', '\r']).map_or(text.len(), |n| at + n);
    let mut depth = 0usize;
    for token in tokens(&text[at..line]) {
        match &text[at + token.start..at + token.end] {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + token.end;
        }
    }
    line
}

fn changes(text: &str, block: Option<Place>) -> Vec<Change> {
    let found = tokens(text);
    let mut all: Vec<Change> = Vec::new();
    let translations = translations(text, &found, block);
    if translations.len() > 1 {
        let edits: Vec<_> = translations.iter().flat_map(|change| change.edits.clone()).collect();
        let mut help: Vec<&str> = translations.iter().map(|change| change.help.as_str()).collect();
        help.dedup();
        let safe = translations.iter().all(|change| change.safe);
        all.push(Change { edits, help: help.join("; "), safe });
    }
    all.extend(translations);
    all.extend((block == Some(Place::Fields)).then(|| behind_the_arrow(text, &found)).flatten());
    all.extend(words(text, &found));
    all
}

/// Small words that are easily left out.
const SMALL: [&str; 16] =
    ["by", "in", "for", "to", "of", "with", "on", "per", "from", "where", "times", "after", "at", "as", "wins", "and"];

/// A small word that is missing at `position`.
pub(super) fn missing(
    text: &str,
    block: Option<Place>,
    position: usize,
    fits: impl Fn(&str, &[Range<usize>]) -> bool,
) -> Option<Change> {
    // A name and a bracket are a function of another language.
    if text[position..].starts_with('(') && text[..position].ends_with(|before: char| before.is_alphanumeric()) {
        return None;
    }
    let blank = if text[..position].ends_with([' ', '\t']) { "" } else { " " };
    let (before, behind) = (text[..position].trim_end(), text[position..].trim_start());
    let next = &behind[..behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(behind.len())];
    let value = in_a_value(before, block);
    let possible = |word: &str| match word {
        "as" if value => is_transform(next),
        // A name stands behind these, and no word of the language.
        "as" | "to" => !forms::is_word(next),
        // In a row of a choice, `in` stands behind the label.
        "in" if block == Some(Place::Choice) => before.ends_with('"'),
        // In a value, it would make a condition of it, of which a list is a part.
        "in" if value => behind.starts_with('['),
        "and" if matches!(block, Some(Place::Record | Place::Fields | Place::Table)) => false,
        // Two numbers are one that was not written as one, two names are one with a blank: a condition compares.
        "and" if value => ends_a_condition(before) && begins_a_condition(behind),
        _ => true,
    };
    SMALL.into_iter().filter(|word| possible(word)).find_map(|word| {
        let new = format!("{blank}{word} ");
        let start = position + blank.len();
        let changed = format!("{}{new}{}", &text[..position], &text[position..]);
        fits(&changed, std::slice::from_ref(&(start..start + word.len()))).then(|| Change {
            edits: vec![(position..position, new)],
            help: format!("a `{word}` is missing here"),
            safe: true,
        })
    })
}

/// A field whose name has blanks in it, as one name between backquotes: which field is meant, the check knows.
pub(super) fn blanks_in_a_name(
    text: &str,
    block: Place,
    fits: impl Fn(&str, &[Range<usize>]) -> bool,
) -> Option<Vec<(Range<usize>, String)>> {
    let found = tokens(text);
    let piece = |token: &Token| &text[token.start..token.end];
    let signs = match block {
        Place::Fields => ["<->", "->", "<-"].as_slice(),
        Place::Record => ["="].as_slice(),
        _ => ["=", "!=", "<", "<=", ">", ">=", "is", "in"].as_slice(),
    };
    // Many names end in `date`, and outside of `fields` hardly anybody means the transform.
    let transformed = |word: &str| is_transform(word) && (block == Place::Fields || word != "date");
    let opens = ["set", "where", "if", "and", "or", "not", "("];
    let mut edits = Vec::new();
    let mut first = 0;
    while first < found.len() {
        let names = found[first..].iter().take_while(|token| is_named(text, token)).count();
        let before = first.checked_sub(1).map(|before| piece(&found[before]));
        let behind = found.get(first + names).map_or("", piece);
        let (start, end) = match (block, before) {
            (Place::Fields | Place::Record, None) => (first, first + names),
            // A system stands before `wins`.
            (Place::Fields, Some(sign)) if signs.contains(&sign) => {
                (first, first + names - usize::from(behind == "wins" && names > 0))
            }
            (Place::Fields | Place::Record, _) => (first, first),
            (_, Some(word)) if opens.contains(&word) => (first, first + names),
            _ => (first, first),
        };
        let in_place = signs.contains(&behind) || block == Place::Fields && before.is_some();
        if let ([one, more @ .., last], true) = (&found[start..end], in_place)
            && !more.iter().chain([last]).any(|token| transformed(piece(token)) || piece(token).contains('.'))
        {
            let from = one.start + piece(one).rfind('.').map_or(0, |dot| dot + 1);
            edits.push((from..from, "`".to_owned()));
            edits.push((last.end..last.end, "`".to_owned()));
        }
        first += names.max(1);
    }
    let mut quoted = text.to_owned();
    for (range, new) in edits.iter().rev() {
        quoted.insert_str(range.start, new);
    }
    (!edits.is_empty() && fits(&quoted, &[])).then_some(edits)
}

/// Is it a name that is neither a word of a value nor, as `lnk` and `nto`, one that is misspelt?
fn is_named(text: &str, token: &Token) -> bool {
    const WORDS: [&str; 11] = ["link", "where", "not", "and", "or", "is", "in", "as", "else", "on", "empty"];
    let word = &text[token.start..token.end];
    let near = suggest::all_near(word, WORDS);
    let kept = matches!(word, "wins" | "clear" | "keep" | "skip" | "fail" | "review" | "newest" | "set" | "if");
    token.kind == Kind::Name && !word.contains('`') && !kept && near.is_empty()
}

/// Does a line stand in the middle of a value behind `before`? Elsewhere small words are parts of its form.
fn in_a_value(before: &str, block: Option<Place>) -> bool {
    const OPENS: [&str; 8] = ["where", "if", "until", "key", "cancel", "=", "->", "<-"];
    matches!(block, Some(Place::Record | Place::Fields | Place::Table))
        || tokens(before).iter().any(|token| OPENS.contains(&&before[token.start..token.end]))
}

/// Something that is compared, or `empty`, and no name alone.
fn ends_a_condition(text: &str) -> bool {
    let found = tokens(text);
    let piece = |token: &Token| &text[token.start..token.end];
    let mut back = found.iter().rev();
    let last = back.next().is_some_and(|last| last.kind != Kind::Name || piece(last) == "empty");
    last || back.next().is_some_and(|sign| !matches!(piece(sign), "where" | "if" | "and" | "or" | "not" | "("))
}

/// A name, or what stands before one, and then something that compares it.
fn begins_a_condition(text: &str) -> bool {
    let found = tokens(text);
    let piece = |token: &Token| &text[token.start..token.end];
    let mut rest = found.iter().skip_while(|token| matches!(piece(token), "not" | "("));
    rest.next().is_some_and(|first| first.kind == Kind::Name)
        && rest
            .next()
            .is_some_and(|sign| matches!(piece(sign), "=" | "!=" | "<" | "<=" | ">" | ">=" | "is" | "in" | "as"))
}

/// Words that are nearly words of the language, the nearest first.
fn words(text: &str, found: &[Token]) -> Vec<Change> {
    let mut near_words: Vec<(bool, usize, usize, Change)> = Vec::new();
    for token in found.iter().filter(|token| token.kind == Kind::Name).take(MOST_NAMES) {
        let word = &text[token.start..token.end];
        for (distance, meant) in suggest::all_near(word, forms::words().iter().copied()) {
            // A short word is near to everything: it stands only for one that is hardly longer.
            let longest = match meant {
                "not" => 3,
                _ if meant.len() <= 3 => meant.len() + 1,
                _ => usize::MAX,
            };
            let short = word.len() > longest;
            if meant == word || short {
                continue;
            }
            let edits = vec![(token.start..token.end, meant.to_owned())];
            // `change` may stand for `changes`, but who writes `is` does not mean `as`.
            let mut known = word.len() <= 3 && forms::is_word(word);
            // Who writes `has value` means no transform.
            let next = text[token.end..].trim_start();
            let next = &next[..next.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(next.len())];
            known |= meant == "as" && in_a_value(&text[..token.start], None) && !is_transform(next);
            let change = Change { edits, help: format!("did you mean `{meant}`?"), safe: !known };
            near_words.push((known, distance, token.start, change));
        }
    }
    near_words.sort_by_key(|(known, distance, start, _)| (*known, *distance, *start));
    near_words.into_iter().map(|(.., change)| change).collect()
}

/// `a -> b as t`: one way, transforms are part of the value, as in `a as t -> b`.
fn behind_the_arrow(text: &str, found: &[Token]) -> Option<Change> {
    let piece = |token: &Token| &text[token.start..token.end];
    let arrow = found.iter().find(|token| piece(token) == "->")?;
    let first = found.iter().position(|token| token.start > arrow.start && piece(token) == "as")?;
    let (start, mut at) = (found[first - 1].end, found[first].start);
    let mut written = String::new();
    let mut before = "";
    for token in &found[first..] {
        if matches!(token.kind, Kind::Line | Kind::Comment) || matches!(piece(token), "else" | "on") {
            break;
        }
        match piece(token) {
            "," if is_transform(before) => written.push_str(" as"),
            number if token.kind == Kind::Number && is_transform(before) => written.push_str(&format!("({number})")),
            _ => written.push_str(&text[at..token.end]),
        }
        (at, before) = (token.end, piece(token));
    }
    // Behind more than one word, it would be about the last one only.
    let single = found.iter().take_while(|token| token.start < arrow.start).count() == 1;
    let mut edits = vec![(arrow.start..arrow.end, format!("{written} ->")), (start..at, String::new())];
    if !single {
        let source = found[0].start..text[..arrow.start].trim_end().len();
        edits.insert(0, (source.clone(), format!("({})", &text[source])));
    }
    Some(Change {
        edits,
        help: format!("one way, a transform stands before the arrow: `… {written} -> …`"),
        safe: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::statements::rule_of;

    #[track_caller]
    fn check(place: Place, text: &str, mended: &str) {
        let found = find(text, Some(place), |text, words| understood(rule_of(place), text, words));
        let Some(change) = found else { panic!("nothing found for `{text}`") };
        let mut patch = Patch::default();
        for (range, new) in &change.edits {
            assert!(patch.add(range.clone(), new));
        }
        assert_eq!(patch.apply(text, 0..text.len()).text, mended);
    }

    #[test]
    fn a_misspelt_word_is_found_wherever_it_stands() {
        check(Place::Sync, "rn on change", "run on change");
        check(Place::Sync, "run every 1 hour in bathces of 100", "run every 1 hour in batches of 100");
        check(Place::Sync, "feilds { }", "fields { }");
        check(Place::Step, "retry 5 times, frist after 1 minute", "retry 5 times, first after 1 minute");
        check(Place::When, "alwyas { }", "always { }");
        check(Place::Test, "expct no crm.Note", "expect no crm.Note");
    }
    #[test]
    fn a_small_word_that_is_left_out_is_found() {
        for (text, position, mended) in [
            ("match email", 6, "match by email"),
            ("create missing both", 15, "create missing in both"),
            ("on delete app review", 10, "on delete in app review"),
        ] {
            let change =
                missing(text, Some(Place::Sync), position, |text, words| understood(Rule::one_sync, text, words));
            let change = change.expect("a word");
            assert_eq!(format!("{}{}{}", &text[..position], change.edits[0].1, &text[position..]), mended);
        }
        let name = missing("a -> ", Some(Place::Fields), 5, |text, words| understood(Rule::one_fields, text, words));
        assert_eq!(name, None, "a name is missing, which nobody can guess");
    }

    #[test]
    fn signs_of_other_languages_are_read() {
        check(Place::Fields, "a => b else clear", "a -> b else clear");
        check(Place::Fields, "a <=> b", "a <-> b");
        check(Place::Record, "name: 'Ada'", "name = \"Ada\"");
        check(Place::Record, "active = true,", "active = yes");
        check(Place::Sync, "only where a == 1 && !(b == 2);", "only where a = 1 and not (b = 2)");
        check(Place::Sync, "priority high // urgent", "priority high # urgent");
        check(Place::Sync, "only where a is 1 and b is not pro", "only where a = 1 and b != pro");
        check(Place::Sync, "only where a is in [b, c]", "only where a in [b, c]");
        check(Place::Sync, "only where a = 1 and b.c is not in [d, e]", "only where a = 1 and not b.c in [d, e]");
        check(Place::Sync, "only where a.b not in [c, d]", "only where not a.b in [c, d]");
        check(Place::Sync, "only where a is null or b is not blank", "only where a is empty or b is not empty");
        check(Place::Sync, "only where not ISBLANK(a.b) and c = 1", "only where not a.b is empty and c = 1");
        check(Place::Workflow, "wait for 3 days", "wait 3 days");
        check(Place::Workflow, "wait 3d", "wait 3 days");
        check(Place::Workflow, "give up after 1h", "give up after 1 hour");
        check(Place::Workflow, "cancel if a != b", "cancel when a != b");
        check(Place::Workflow, "on error { undo completed steps }", "on failure { undo completed steps }");
        check(Place::Workflow, "step check-in { nothing }", "step check_in { nothing }");
        check(Place::Workflow, "step \"welcome\" { nothing }", "step welcome { nothing }");
        check(Place::System, "limit api 10,000 calls in 10 seconds", "limit api 10000 calls per 10 seconds");
        check(Place::System, "limit bulk 100 records per hour", "limit bulk 100 records per 1 hour");
        check(Place::System, "schema: \"a.lock\"", "schema \"a.lock\"");
        check(Place::Choice, "won = \"Won\" final", "won  \"Won\" final");
        check(Place::Table, "| free , 10 % |", " free | 10% ");
        check(Place::Sync, "match on a = b", "match by a = b");
        check(Place::Sync, "create missing in app and crm", "create missing in both");
        check(Place::Sync, "run daily at 2:00", "run every day at 02:00");
        check(Place::Sync, "conflict latest wins, tie crm", "conflict newest wins, tie crm");
        check(Place::Sync, "only where T(kind).sync = yes", "only where T[kind].sync = yes");
        check(Place::Events, "\"a.b\" \"a.c\" -> Deals", "\"a.b\", \"a.c\" -> sync Deals");
        check(Place::Fields, "user -> contact via Contacts", "link user -> contact via Contacts");
        check(Place::Record, "closedate = a.b + 1 month", "closedate = a.b + 30 days");
        check(Place::Sync, "priority: high", "priority high");
        check(Place::Sync, "match by email, phone", "match by email then by phone");
        check(Place::Sync, "match by email or phone", "match by email then by phone");
        check(Place::Fields, "a <-> b lowercase, crm wins", "a <-> b as lowercase crm wins");
        check(Place::Fields, "a -> b otherwise keep", "a -> b else keep");
        check(Place::When, "to \"won\" and lost { nothing }", "to won , lost { nothing }");
        check(Place::Fields, "// a -> b", "# a -> b");
        check(Place::Fields, "-- a -> b", "# a -> b");
        check(Place::When, "sub.dealId = deal.id", "set sub.dealId = deal.id");
        check(Place::When, "set sub.dealId to deal.id", "set sub.dealId = deal.id");
        check(Place::When, "start Onboarding for won", "start Onboarding with won");
        check(Place::When, "run Onboarding with won", "start Onboarding with won");
        check(Place::Record, "amount = 49,00", "amount = 49.00");
        check(Place::Wait, "timeout { nothing }", "timed out { nothing }");
        check(Place::Test, "given time 2026-03-02 9:00 in \"UTC\"", "given time 2026-03-02 09:00 in \"UTC\"");
        check(Place::Record, "name = lower(a.b)", "name = a.b as lowercase");
        check(Place::Record, "name = lower(a.b else a.c)", "name = (a.b else a.c) as lowercase");
        check(Place::Fields, "a ↔ b as trimmed, lowercase", "a <-> b as trimmed as lowercase");
        check(Place::Fields, "a → b else keep", "a -> b else keep");
        check(Place::Fields, "a <– b as round 2", "a <- b as round(2)");
        check(Place::Fields, "a -> b as round(2) else keep  # c", "a as round(2) -> b else keep  # c");
        check(Place::Fields, "a -> b as trimmed, round 2", "a as trimmed as round(2) -> b");
        check(Place::Fields, "a else c -> b as lowercase", "(a else c) as lowercase -> b");
    }

    #[test]
    fn a_small_word_is_replaced_by_another_one_only_by_hand() {
        let fits = |text: &str, words: &[Range<usize>]| understood(Rule::one_sync, text, words);
        let change = find("only there a = 1", Some(Place::Sync), fits).expect("a change");
        assert!(change.safe, "{change:?}");
        let change = find("on delete is app keep", Some(Place::Sync), fits).expect("a change");
        assert!(!change.safe, "{change:?}");
    }

    #[test]
    fn a_line_that_nothing_mends_stays_as_it_is() {
        for text in ["hello world", "run", "", "-> ->"] {
            assert_eq!(
                find(text, Some(Place::Sync), |text, words| understood(Rule::one_sync, text, words)),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_found() {
        assert_eq!(bad_interpolation(r#"set a.b = "Call {sub.}: {x}""#), Some(16..22));
        assert_eq!(bad_interpolation(r#"set a.b = "Call {sub.x else "you"}: \{""#), None);
    }
}
