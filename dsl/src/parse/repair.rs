//! What may have been meant by a line that is not understood: one changed word or sign with which it is.
//!
//! In: the line. Out: changes, tried one after the other by parsing the changed line. Always true: a change is
//! offered only if the whole line is understood with it.

use std::ops::Range;

use pest::Parser;

use super::grammar::{Grammar, Rule};
use super::patch::{Patch, Patched};
use super::statements::Block;
use crate::near;
use crate::tokens::{Kind, Token, tokens};
use crate::transforms;

/// The words of the language.
#[rustfmt::skip]
pub(crate) const WORDS: [&str; 155] = [
    "about", "accept", "after", "always", "and", "answers", "apart", "archive", "arrives", "as", "at", "batches",
    "because", "becomes", "between", "by", "cache", "call", "calls", "cancel", "change", "changed", "changes",
    "choice", "clear", "completed", "conflict", "create", "created", "day", "days", "dedupe", "delete", "deleted",
    "done", "duplicates", "edition", "else", "empty", "entity", "event", "events", "every", "expect", "fail",
    "failed", "fails", "failure", "fields", "final", "finished", "first", "for", "from", "give", "given",
    "happened", "happens", "header", "high", "hour", "hours", "if", "ignore", "in", "is", "kafka", "keep", "key",
    "limit", "link", "list", "low", "match", "medium", "message", "minute", "minutes", "missing", "most", "newest",
    "no", "not", "nothing", "notice", "notify", "of", "on", "once", "one", "only", "or", "ordered", "otherwise",
    "out", "over", "parked", "pass", "passes", "per", "person", "priority", "queue", "read", "reads", "records",
    "requests", "retry", "review", "role", "run", "running", "runs", "schema", "second", "seconds", "send", "set",
    "skip", "skipped", "start", "step", "steps", "sync", "system", "table", "test", "the", "then", "tie", "time",
    "timed", "timeout", "times", "to", "topic", "twice", "undo", "undone", "unique", "until", "up", "update",
    "verify", "via", "wait", "webhook", "week", "weeks", "when", "where", "wins", "with", "workflow", "yes",
];

/// Names that are looked at in one line; more are not worth the time.
const MOST_NAMES: usize = 24;

/// One way to mend a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Replacements in the line, in order.
    pub(super) edits: Vec<(Range<usize>, String)>,
    /// What to do, for people.
    pub(super) help: String,
    /// No other way is as likely.
    pub(super) safe: bool,
}

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
    let Ok(pairs) = Grammar::parse(rule, text) else { return false };
    words.is_empty()
        || !pairs.flatten().any(|pair| {
            let span = pair.as_span();
            matches!(pair.as_rule(), Rule::ident | Rule::path | Rule::qual)
                && words.iter().any(|word| span.start() < word.end && word.start < span.end())
        })
}

/// The first change with which `fits` accepts `text`; it is given the changed text and where new words stand in it.
pub(super) fn find(text: &str, block: Option<Block>, fits: impl Fn(&str, &[Range<usize>]) -> bool) -> Option<Change> {
    changes(text, block).into_iter().find(|change| {
        let mut changed = String::with_capacity(text.len() + 16);
        let mut words = Vec::new();
        let mut at = 0;
        for (range, new) in &change.edits {
            let Some(kept) = text.get(at..range.start) else { return false };
            changed.push_str(kept);
            if WORDS.contains(&new.as_str()) {
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
                    if Grammar::parse(Rule::one_interp, &inner[at..end]).is_err() {
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

fn changes(text: &str, block: Option<Block>) -> Vec<Change> {
    let found = tokens(text);
    let mut all: Vec<Change> = Vec::new();
    let foreign = foreign(text, &found, block);
    if foreign.len() > 1 {
        let edits: Vec<_> = foreign.iter().flat_map(|change| change.edits.clone()).collect();
        let mut help: Vec<&str> = foreign.iter().map(|change| change.help.as_str()).collect();
        help.dedup();
        let safe = foreign.iter().all(|change| change.safe);
        all.push(Change { edits, help: help.join("; "), safe });
    }
    all.extend(foreign);
    all.extend((block == Some(Block::Fields)).then(|| behind_the_arrow(text, &found)).flatten());
    all.extend(words(text, &found));
    all
}

/// Small words that are easily left out.
const SMALL: [&str; 16] =
    ["by", "in", "for", "to", "of", "with", "on", "per", "from", "where", "times", "after", "at", "as", "wins", "and"];

/// A small word that is missing at `position`.
pub(super) fn missing(text: &str, position: usize, fits: impl Fn(&str, &[Range<usize>]) -> bool) -> Option<Change> {
    // A name and a bracket are a function of another language.
    if text[position..].starts_with('(') && text[..position].ends_with(|before: char| before.is_alphanumeric()) {
        return None;
    }
    let blank = if text[..position].ends_with([' ', '\t']) { "" } else { " " };
    SMALL.into_iter().find_map(|word| {
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

/// Words that are nearly words of the language, the nearest first.
fn words(text: &str, found: &[Token]) -> Vec<Change> {
    let mut near_words: Vec<(bool, usize, usize, Change)> = Vec::new();
    for token in found.iter().filter(|token| token.kind == Kind::Name).take(MOST_NAMES) {
        let word = &text[token.start..token.end];
        for (distance, meant) in near::all_near(word, WORDS) {
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
            let known = word.len() <= 3 && WORDS.contains(&word);
            let change = Change { edits, help: format!("did you mean `{meant}`?"), safe: !known };
            near_words.push((known, distance, token.start, change));
        }
    }
    near_words.sort_by_key(|(known, distance, start, _)| (*known, *distance, *start));
    near_words.into_iter().map(|(.., change)| change).collect()
}

/// Signs and words of other languages.
fn foreign(text: &str, found: &[Token], block: Option<Block>) -> Vec<Change> {
    let mut changes = Vec::new();
    let piece = |token: &Token| &text[token.start..token.end];
    // The token some places further on; nothing where there is none.
    let beside = |index: usize, by: isize| {
        index.checked_add_signed(by).and_then(|at| found.get(at)).map_or("", |token| &text[token.start..token.end])
    };
    let number = |index: usize| found.get(index).filter(|token| token.kind == Kind::Number).map(piece);
    let mut push = |range: Range<usize>, new: &str, help: String, safe: bool| {
        changes.push(Change { edits: vec![(range, new.to_owned())], help, safe });
    };
    let mut index = 0;
    while let Some(token) = found.get(index) {
        let rest = &text[token.start..];
        let signs = [
            ("<=>", "<->"),
            ("<-->", "<->"),
            ("==>", "->"),
            ("-->", "->"),
            ("=>", "->"),
            ("<--", "<-"),
            ("===", "="),
            ("==", "="),
            (":=", "="),
            ("!==", "!="),
            ("<>", "!="),
            ("&&", "and"),
            ("||", "or"),
            // What word processors make of ours.
            ("<–>", "<->"),
            ("<—>", "<->"),
            ("↔", "<->"),
            ("⇔", "<->"),
            ("–>", "->"),
            ("—>", "->"),
            ("→", "->"),
            ("⇒", "->"),
            ("<–", "<-"),
            ("<—", "<-"),
            ("←", "<-"),
            ("⇐", "<-"),
            ("≠", "!="),
            ("≤", "<="),
            ("≥", ">="),
        ];
        if matches!(token.kind, Kind::Symbol | Kind::Other)
            && let Some((sign, ours)) = signs.iter().find(|(sign, _)| rest.starts_with(sign))
        {
            push(token.start..token.start + sign.len(), ours, format!("write `{ours}` for `{sign}`"), true);
            while found.get(index).is_some_and(|next| next.start < token.start + sign.len()) {
                index += 1;
            }
            continue;
        }
        let last = found[index + 1..].iter().all(|token| matches!(token.kind, Kind::Line | Kind::Comment));
        match (token.kind, piece(token)) {
            (Kind::Other, ";") if last => {
                push(token.start..token.end, "", "a line ends by itself: leave out the `;`".to_owned(), true);
            }
            (Kind::Symbol, ",") if last => {
                push(token.start..token.end, "", "a line ends by itself: leave out the `,`".to_owned(), true);
            }
            (Kind::Other, "!") => push(token.start..token.end, "not ", "write `not` for `!`".to_owned(), true),
            (Kind::Other, "\u{a0}") => {
                push(
                    token.start..token.end,
                    " ",
                    "a blank here is a no-break space: write a plain one".to_owned(),
                    true,
                );
            }
            (Kind::Other, quote @ ("'" | "“" | "”" | "„" | "‘" | "’")) => {
                let close = found[index + 1..]
                    .iter()
                    .position(|other| other.kind == Kind::Other && matches!(piece(other), "'" | "“" | "”" | "‘" | "’"));
                if let Some(close) = close {
                    let close = &found[index + 1 + close];
                    let inner = &text[token.end..close.start];
                    if !inner.contains(['"', '\n']) {
                        let help = format!("a text stands between `\"`, not `{quote}`");
                        push(token.start..close.end, &format!("\"{inner}\""), help, true);
                    }
                    index = found.iter().position(|other| other.start >= close.end).unwrap_or(found.len());
                    continue;
                }
            }
            (Kind::Symbol, "/") if rest.starts_with("//") => {
                let end = rest.find(['\n', '\r']).map_or(text.len(), |n| token.start + n);
                push(token.start..token.start + 2, "#", "a comment begins with `#`".to_owned(), true);
                index = found.iter().position(|other| other.start >= end).unwrap_or(found.len());
                continue;
            }
            (Kind::Symbol, ":") if block == Some(Block::Record) => {
                push(token.start..token.end, " =", "write `=` for `:`".to_owned(), true);
            }
            (Kind::Symbol, "=") if block == Some(Block::Entity) => {
                push(token.start..token.end, ":", "write `:` for `=`".to_owned(), true);
            }
            (Kind::Symbol, "=") if block == Some(Block::Fields) => {
                let help = "say which way the value goes: `->`, `<-` or `<->`".to_owned();
                push(token.start..token.end, "->", help, false);
            }
            (Kind::Symbol, ",") if is_transform(beside(index, -1)) && is_transform(beside(index, 1)) => {
                push(token.start..token.end, " as", "write `as` before every transform".to_owned(), true);
            }
            (Kind::Name, name) if beside(index, -1) == "as" && is_transform(name) => {
                if let Some(number) = found.get(index + 1).filter(|next| next.kind == Kind::Number) {
                    let args = format!("({})", piece(number));
                    push(token.end..number.end, &args, format!("write `{name}{args}`"), true);
                }
            }
            (Kind::Name, name) if beside(index, 1) == "(" && found[index + 1].start == token.end => {
                if let Some((inner, end)) = in_brackets(text, &found[index + 1..])
                    && let Some(ours) = as_a_function(name)
                {
                    // Behind more than one word, it would be about the last one only.
                    let new =
                        if tokens(inner).len() == 1 { format!("{inner} {ours}") } else { format!("({inner}) {ours}") };
                    push(token.start..end, &new, format!("write `{new}`"), true);
                }
            }
            (Kind::Symbol, "-") if is_name(found, index, -1, token.start) && is_name(found, index, 1, token.end) => {
                let name = format!("{}_{}", beside(index, -1), beside(index, 1));
                push(token.start..token.end, "_", format!("a name has no `-`: write `{name}`"), true);
            }
            (Kind::Text, quoted) if beside(index, -1) == "step" && is_identifier(quoted.trim_matches('"')) => {
                let name = quoted.trim_matches('"');
                push(token.start..token.end, name, format!("write the name without quotes: `{name}`"), true);
            }
            (Kind::Name, "timeout" | "timedout") if block == Some(Block::Wait) && index == 0 => {
                push(token.start..token.end, "timed out", "write `timed out`".to_owned(), true);
            }
            (Kind::Name, other @ ("error" | "fail" | "failed")) if beside(index, -1) == "on" => {
                let help = format!("write `on failure` for `on {other}`");
                push(token.start..token.end, "failure", help, true);
            }
            (Kind::Name, "if") if beside(index, -1) == "cancel" => {
                push(token.start..token.end, "when", "write `cancel when`".to_owned(), true);
            }
            (Kind::Name, "for") if beside(index, -1) == "wait" && number(index + 1).is_some() => {
                push(token.start..found[index + 1].start, "", "leave out the `for`".to_owned(), true);
            }
            (Kind::Number, digits) if digits.len() == 1 && beside(index, 1) == ":" => {
                if let Some(minutes) = number(index + 2).filter(|minutes| minutes.len() == 2) {
                    let help = format!("write `0{digits}:{minutes}`");
                    push(token.start..token.start, "0", help, true);
                }
            }
            (Kind::Number, count) if is_name(found, index, 1, token.end) => {
                let unit = match beside(index, 1) {
                    "s" | "sec" | "secs" => "second",
                    "min" | "mins" => "minute",
                    "h" | "hr" | "hrs" => "hour",
                    "d" => "day",
                    "w" => "week",
                    _ => "",
                };
                if !unit.is_empty() {
                    let several = if count == "1" { "" } else { "s" };
                    let new = format!(" {unit}{several}");
                    push(token.end..found[index + 1].end, &new, format!("write `{count}{new}`"), true);
                }
            }
            (Kind::Name, name) if beside(index, 1) == "not" && beside(index, 2) == "in" && name != "is" => {
                let new = format!("not {name} in");
                push(token.start..found[index + 2].end, &new, format!("write `{new} ...`"), true);
            }
            (Kind::Name, name) if beside(index, 1) == "is" && beside(index, 2) == "not" && beside(index, 3) == "in" => {
                let new = format!("not {name} in");
                push(token.start..found[index + 3].end, &new, format!("write `{new} ...`"), true);
            }
            (Kind::Name, "is") => match (beside(index, 1), beside(index, 2)) {
                ("empty" | "created" | "deleted" | "", _) | ("not", "empty" | "in" | "") => {}
                ("in", _) => {
                    push(token.start..found[index + 1].start, "", "leave out the `is` before `in`".to_owned(), true);
                }
                ("not", word) if NOTHING.contains(&word) => {
                    let word = &found[index + 2];
                    let help = format!("write `is not empty` for `is not {}`", piece(word));
                    push(word.start..word.end, "empty", help, true);
                }
                ("not", _) => {
                    push(token.start..found[index + 1].end, "!=", "write `!=` for `is not`".to_owned(), true);
                }
                (word, _) if NOTHING.contains(&word) => {
                    let word = &found[index + 1];
                    let help = format!("write `is empty` for `is {}`", piece(word));
                    push(word.start..word.end, "empty", help, true);
                }
                _ => push(token.start..token.end, "=", "write `=` for `is`".to_owned(), true),
            },
            (Kind::Name, "true" | "True" | "TRUE") => {
                push(token.start..token.end, "yes", "write `yes` for `true`".to_owned(), true);
            }
            (Kind::Name, "false" | "False" | "FALSE") => {
                push(token.start..token.end, "no", "write `no` for `false`".to_owned(), true);
            }
            _ => {}
        }
        index += 1;
    }
    changes
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

/// Words of other languages for a value that is not there.
const NOTHING: [&str; 9] = ["null", "NULL", "nil", "None", "none", "undefined", "blank", "missing", "nothing"];

fn is_transform(name: &str) -> bool {
    transforms::named(name).is_some()
}

/// How we write what other languages write as a function of one value.
fn as_a_function(name: &str) -> Option<String> {
    match name.to_ascii_lowercase().as_str() {
        "empty" | "isempty" | "is_empty" | "isblank" | "is_blank" | "isnull" | "is_null" => Some("is empty".to_owned()),
        name if is_transform(name) => Some(format!("as {name}")),
        name => transforms::elsewhere(name).map(|ours| format!("as {ours}")),
    }
}

/// Does a name stand some places further on, with nothing between it and `at`?
fn is_name(found: &[Token], index: usize, by: isize, at: usize) -> bool {
    let token = index.checked_add_signed(by).and_then(|index| found.get(index));
    token.is_some_and(|token| token.kind == Kind::Name && (token.end == at || token.start == at))
}

fn is_identifier(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// What stands in the brackets that open with the first token, and where they end.
fn in_brackets<'t>(text: &'t str, found: &[Token]) -> Option<(&'t str, usize)> {
    let mut depth = 0_usize;
    for token in found {
        match &text[token.start..token.end] {
            "(" => depth += 1,
            ")" if depth == 1 => return Some((text[found[0].end..token.start].trim(), token.end)),
            ")" => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(block: Block, text: &str, mended: &str) {
        let found = find(text, Some(block), |text, words| understood(block.rule(), text, words));
        let Some(change) = found else { panic!("nothing found for `{text}`") };
        let mut patch = Patch::default();
        for (range, new) in &change.edits {
            assert!(patch.add(range.clone(), new));
        }
        assert_eq!(patch.apply(text, 0..text.len()).text, mended);
    }

    #[test]
    fn a_misspelt_word_is_found_wherever_it_stands() {
        check(Block::Sync, "rn on change", "run on change");
        check(Block::Sync, "run every 1 hour in bathces of 100", "run every 1 hour in batches of 100");
        check(Block::Sync, "feilds { }", "fields { }");
        check(Block::Step, "retry 5 times, frist after 1 minute", "retry 5 times, first after 1 minute");
        check(Block::When, "alwyas { }", "always { }");
        check(Block::Test, "expct no crm.Note", "expect no crm.Note");
    }
    #[test]
    fn a_small_word_that_is_left_out_is_found() {
        for (text, position, mended) in [
            ("match email", 6, "match by email"),
            ("create missing both", 15, "create missing in both"),
            ("on delete app review", 10, "on delete in app review"),
        ] {
            let change = missing(text, position, |text, words| understood(Rule::one_sync, text, words));
            let change = change.expect("a word");
            assert_eq!(format!("{}{}{}", &text[..position], change.edits[0].1, &text[position..]), mended);
        }
        let name = missing("a -> ", 5, |text, words| understood(Rule::one_fields, text, words));
        assert_eq!(name, None, "a name is missing, which nobody can guess");
    }

    #[test]
    fn signs_of_other_languages_are_read() {
        check(Block::Fields, "a => b else clear", "a -> b else clear");
        check(Block::Fields, "a <=> b", "a <-> b");
        check(Block::Record, "name: 'Ada'", "name = \"Ada\"");
        check(Block::Record, "active = true,", "active = yes");
        check(Block::Sync, "only where a == 1 && !(b == 2);", "only where a = 1 and not (b = 2)");
        check(Block::Sync, "priority high // urgent", "priority high # urgent");
        check(Block::Sync, "only where a is 1 and b is not pro", "only where a = 1 and b != pro");
        check(Block::Sync, "only where a is in [b, c]", "only where a in [b, c]");
        check(Block::Sync, "only where a = 1 and b.c is not in [d, e]", "only where a = 1 and not b.c in [d, e]");
        check(Block::Sync, "only where a.b not in [c, d]", "only where not a.b in [c, d]");
        check(Block::Sync, "only where a is null or b is not blank", "only where a is empty or b is not empty");
        check(Block::Sync, "only where not ISBLANK(a.b) and c = 1", "only where not a.b is empty and c = 1");
        check(Block::Workflow, "wait for 3 days", "wait 3 days");
        check(Block::Workflow, "wait 3d", "wait 3 days");
        check(Block::Workflow, "give up after 1h", "give up after 1 hour");
        check(Block::Workflow, "cancel if a != b", "cancel when a != b");
        check(Block::Workflow, "on error { undo completed steps }", "on failure { undo completed steps }");
        check(Block::Workflow, "step check-in { nothing }", "step check_in { nothing }");
        check(Block::Workflow, "step \"welcome\" { nothing }", "step welcome { nothing }");
        check(Block::Wait, "timeout { nothing }", "timed out { nothing }");
        check(Block::Test, "given time 2026-03-02 9:00 in \"UTC\"", "given time 2026-03-02 09:00 in \"UTC\"");
        check(Block::Record, "name = lower(a.b)", "name = a.b as lowercase");
        check(Block::Record, "name = lower(a.b else a.c)", "name = (a.b else a.c) as lowercase");
        check(Block::Fields, "a ↔ b as trimmed, lowercase", "a <-> b as trimmed as lowercase");
        check(Block::Fields, "a → b else keep", "a -> b else keep");
        check(Block::Fields, "a <– b as round 2", "a <- b as round(2)");
        check(Block::Fields, "a -> b as round(2) else keep  # c", "a as round(2) -> b else keep  # c");
        check(Block::Fields, "a -> b as trimmed, round 2", "a as trimmed as round(2) -> b");
        check(Block::Fields, "a else c -> b as lowercase", "(a else c) as lowercase -> b");
    }

    #[test]
    fn a_small_word_is_replaced_by_another_one_only_by_hand() {
        let fits = |text: &str, words: &[Range<usize>]| understood(Rule::one_sync, text, words);
        let change = find("only there a = 1", Some(Block::Sync), fits).expect("a change");
        assert!(change.safe, "{change:?}");
        let change = find("on delete is app keep", Some(Block::Sync), fits).expect("a change");
        assert!(!change.safe, "{change:?}");
    }

    #[test]
    fn a_line_that_nothing_mends_stays_as_it_is() {
        for text in ["hello world", "run", "", "-> ->"] {
            assert_eq!(
                find(text, Some(Block::Sync), |text, words| understood(Rule::one_sync, text, words)),
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
