//! Signs, words and forms of other languages, and what stands for them here.
//!
//! In: the tokens of a line that is not understood. Out: changes, in the order of the line. Always true: nothing here
//! knows whether the line is understood with a change; [`repair`](super::repair) tries that.

use std::ops::Range;

use rust_decimal::Decimal;

use super::patch::Change;
use crate::forms::Place;
use crate::tokens::{Kind, Token, tokens};
use crate::transforms;

/// Signs and what stands for them; of two that begin alike, the longer one first.
const SIGNS: [(&str, &str); 28] = [
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

/// Words of other languages for a value that is not there.
const NOTHING: [&str; 9] = ["null", "NULL", "nil", "None", "none", "undefined", "blank", "missing", "nothing"];

/// Words of other languages for whether there is a value, which may be options of a field as well.
const SET: [(&str, bool); 11] = [
    ("there", true),
    ("set", true),
    ("known", true),
    ("defined", true),
    ("filled", true),
    ("given", true),
    ("present", true),
    ("unset", false),
    ("unknown", false),
    ("absent", false),
    ("unfilled", false),
];

/// Whether there is a value, where a word says so, see [`SET`].
fn set(word: &str) -> Option<bool> {
    SET.iter().find(|(other, _)| *other == word).map(|(_, set)| *set)
}

/// All changes of a line that stands in `block`, if that is known.
pub(super) fn translations(text: &str, found: &[Token], block: Option<Place>) -> Vec<Change> {
    let mut line = Line { text, found, block, changes: Vec::new() };
    let mut index = 0;
    while index < found.len() {
        let whole = line.sign(index).or_else(|| line.quote_or_comment(index)).or_else(|| line.spelling(index));
        if let Some(next) = whole {
            index = next;
            continue;
        }
        let _ = line.value(index) || line.condition(index) || line.punctuation(index) || line.statement(index);
        index += 1;
    }
    line.changes
}

/// Words before a condition.
fn is_condition(word: &str) -> bool {
    matches!(word, "where" | "if" | "until" | "and" | "or" | "when")
}

/// `31.12.2026` and, where only one order makes a day of it, `12/31/2026`, as days are written here.
fn day(written: &str) -> Option<String> {
    let sign = if written.contains('/') { '/' } else { '.' };
    let parts: Vec<&str> = written.split(sign).collect();
    let [first, second, year] = parts.as_slice() else { return None };
    if year.len() != 4 || first.len() > 2 || second.len() > 2 {
        return None;
    }
    let number = |text: &str| text.parse::<i8>().ok();
    let (first, second, year) = (number(first)?, number(second)?, year.parse::<i16>().ok()?);
    let of = |month, day| jiff::civil::Date::new(year, month, day).ok();
    let day = match (sign, of(second, first), of(first, second)) {
        ('.', day, _) => day,
        // Of 03/04 nobody knows which is the month.
        (_, Some(one), Some(other)) if one != other => None,
        (_, one, other) => one.or(other),
    };
    day.map(|day| day.to_string())
}

/// `1.000,50` and `1.000.000`, as numbers are written here.
fn amount(written: &str) -> Option<String> {
    let (whole, cents) = written.split_once(',').map_or((written, None), |(whole, cents)| (whole, Some(cents)));
    let groups: Vec<&str> = whole.split('.').collect();
    let digits = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let [first, rest @ ..] = groups.as_slice() else { return None };
    let grouped = first.len() <= 3 && !rest.is_empty() && rest.iter().all(|group| group.len() == 3);
    // `1.000` alone is a number of ours.
    let foreign = cents.is_some() || rest.len() > 1;
    if !grouped || !foreign || !groups.iter().all(digits) || cents.is_some_and(|cents| !digits(&cents)) {
        return None;
    }
    let whole = groups.concat();
    Some(cents.map_or_else(|| whole.clone(), |cents| format!("{whole}.{cents}")))
}

struct Line<'t> {
    text: &'t str,
    found: &'t [Token],
    block: Option<Place>,
    changes: Vec<Change>,
}

impl<'t> Line<'t> {
    fn piece(&self, token: &Token) -> &'t str {
        &self.text[token.start..token.end]
    }

    /// The token some places further on; nothing where there is none.
    fn beside(&self, index: usize, by: isize) -> &'t str {
        index.checked_add_signed(by).and_then(|at| self.found.get(at)).map_or("", |token| self.piece(token))
    }

    /// The number at this place.
    fn number(&self, index: usize) -> Option<&'t str> {
        self.found.get(index).filter(|token| token.kind == Kind::Number).map(|token| self.piece(token))
    }

    /// How many groups of three digits follow the number at this place, each behind a blank.
    fn groups(&self, index: usize) -> usize {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match self.number(index) {
            Some(first) if first.len() <= 3 && digits(first) => (1..)
                .take_while(|more| self.number(index + more).is_some_and(|group| group.len() == 3 && digits(group)))
                .count(),
            _ => 0,
        }
    }

    /// Does a name stand some places further on, with nothing between it and `at`?
    fn is_name(&self, index: usize, by: isize, at: usize) -> bool {
        let token = index.checked_add_signed(by).and_then(|index| self.found.get(index));
        token.is_some_and(|token| token.kind == Kind::Name && (token.end == at || token.start == at))
    }

    /// Offers a change that nothing else is as likely as. Gives true.
    fn put(&mut self, range: Range<usize>, new: &str, help: impl Into<String>) -> bool {
        self.changes.push(Change { edits: vec![(range, new.to_owned())], help: help.into(), safe: true });
        true
    }

    /// Offers a change that a person must decide on. Gives true.
    fn propose(&mut self, range: Range<usize>, new: &str, help: impl Into<String>) -> bool {
        self.changes.push(Change { edits: vec![(range, new.to_owned())], help: help.into(), safe: false });
        true
    }

    /// A sign of another language; gives the place behind it.
    fn sign(&mut self, index: usize) -> Option<usize> {
        let token = &self.found[index];
        let rest = &self.text[token.start..];
        if !matches!(token.kind, Kind::Symbol | Kind::Other) {
            return None;
        }
        let (sign, ours) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign))?;
        // Between two values it compares them.
        let compares = *sign == "=>" && self.found[..index].iter().any(|token| is_condition(self.piece(token)));
        let ours = if compares { ">=" } else { ours };
        let end = token.start + sign.len();
        self.put(token.start..end, ours, format!("write `{ours}` for `{sign}`"));
        Some(index + self.found[index..].iter().take_while(|next| next.start < end).count())
    }

    /// Days and amounts as other countries write them, and a stage by its label; gives the place behind it.
    fn spelling(&mut self, index: usize) -> Option<usize> {
        let (found, text) = (self.found, self.text);
        let token = &found[index];
        let behind = |end: usize| found.iter().position(|other| other.start >= end).unwrap_or(found.len());
        match (token.kind, self.piece(token)) {
            (Kind::Number, _) => {
                let rest = &text[token.start..];
                let length =
                    rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '/' | ','))).unwrap_or(rest.len());
                let written = rest[..length].trim_end_matches(['.', ',', '/']);
                let end = token.start + written.len();
                let (new, help) = if let Some(day) = day(written) {
                    (day.clone(), format!("a day is written `{day}`"))
                } else {
                    let amount = amount(written)?;
                    (amount.clone(), format!("a number is written `{amount}`"))
                };
                self.propose(token.start..end, &new, help);
                Some(behind(end))
            }
            (Kind::Other, sign @ ("€" | "$" | "£")) => {
                let number =
                    found.get(index + 1).filter(|next| next.kind == Kind::Number && next.start == token.end)?;
                let help = format!("an amount is written without `{sign}`: `{}`", self.piece(number));
                self.propose(token.start..token.end, "", help);
                Some(index + 1)
            }
            (Kind::Name, "to") if self.block == Some(Place::When) => {
                let words: Vec<&Token> = found[index + 1..].iter().take_while(|next| self.piece(next) != "{").collect();
                let plain = match words.as_slice() {
                    [label] => label.kind == Kind::Text && !is_identifier(self.piece(label).trim_matches('"')),
                    [_, _, ..] => words.iter().all(|word| {
                        word.kind == Kind::Name && !matches!(self.piece(word), "and" | "or" | "from" | "to" | "as")
                    }),
                    _ => false,
                };
                let (first, last) = (words.first()?, words.last()?);
                let label = &text[first.start..last.end];
                let word: String = label.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
                if !plain || word.is_empty() {
                    return None;
                }
                let help = format!("a stage is named by its word and not by its label: `to {word} {{`");
                self.propose(first.start..last.end, &word, help);
                Some(behind(last.end))
            }
            _ => None,
        }
    }

    /// A text between other quotes, a comment behind another sign; gives the place behind it.
    fn quote_or_comment(&mut self, index: usize) -> Option<usize> {
        let (found, text) = (self.found, self.text);
        let token = &found[index];
        let behind = |end: usize| found.iter().position(|other| other.start >= end).unwrap_or(found.len());
        match (token.kind, self.piece(token)) {
            (Kind::Other, quote @ ("'" | "“" | "”" | "„" | "‘" | "’")) => {
                let closes = |other: &&Token| {
                    other.kind == Kind::Other && matches!(&text[other.start..other.end], "'" | "“" | "”" | "‘" | "’")
                };
                let close = found[index + 1..].iter().find(closes)?;
                let inner = &text[token.end..close.start];
                if !inner.contains(['"', '\n']) {
                    let help = format!("a text stands between `\"`, not `{quote}`");
                    self.put(token.start..close.end, &format!("\"{inner}\""), help);
                }
                Some(behind(close.end))
            }
            (Kind::Symbol, "/" | "-")
                if text[token.start..].starts_with("//") || (index == 0 && text[token.start..].starts_with("-- ")) =>
            {
                let line = text[token.start..].find(['\n', '\r']);
                self.put(token.start..token.start + 2, "#", "a comment begins with `#`");
                Some(behind(line.map_or(text.len(), |length| token.start + length)))
            }
            _ => None,
        }
    }

    /// Numbers, times, lengths of time, flags, functions.
    fn value(&mut self, index: usize) -> bool {
        let token = &self.found[index];
        let (start, end) = (token.start, token.end);
        let next = self.found.get(index + 1);
        match (token.kind, self.piece(token)) {
            (Kind::Number, digits) if digits.len() == 1 && self.beside(index, 1) == ":" => {
                let Some(minutes) = self.number(index + 2).filter(|minutes| minutes.len() == 2) else { return false };
                self.put(start..start, "0", format!("write `0{digits}:{minutes}`"))
            }
            (Kind::Number, count) if calendar_unit(self.beside(index, 1)).is_some() => {
                let (Some((unit, days)), Some(next)) = (calendar_unit(self.beside(index, 1)), next) else {
                    return false;
                };
                let Some(days) = count.parse::<u64>().ok().and_then(|count| count.checked_mul(days)) else {
                    return false;
                };
                let help = format!("a {unit} has no fixed length: write it in days");
                self.propose(start..next.end, &format!("{days} days"), help)
            }
            (Kind::Number, count) if self.beside(index, 1) == "%" => {
                let behind = next.map_or(end, |sign| sign.end);
                self.put(end..behind, "%", format!("write `{count}%`"))
            }
            (Kind::Number, count) if self.beside(index, 1) == "," => {
                let more = self.number(index + 2);
                let adjacent = next.is_some_and(|comma| comma.start == end)
                    && self.found.get(index + 2).is_some_and(|more| more.start == end + 1);
                // Three digits behind a comma are thousands, other counts are what others write behind a point.
                match more.filter(|_| adjacent) {
                    Some(more) if more.len() == 3 => {
                        self.put(end..end + 1, "", format!("a number is written without commas: `{count}{more}`"))
                    }
                    Some(cents) => self.put(end..end + 1, ".", format!("write `{count}.{cents}`")),
                    None => false,
                }
            }
            (Kind::Number, count) if self.groups(index) > 0 => {
                let groups = self.groups(index);
                let digits: String = (0..=groups).filter_map(|more| self.number(index + more)).collect();
                let behind = self.found[index + groups].end;
                let help = format!("a number is written without blanks: `{digits}`");
                self.propose(start..behind, &digits, help) && !count.is_empty()
            }
            (Kind::Number, count) if self.is_name(index, 1, end) && thousands(self.beside(index, 1)).is_some() => {
                let (Some(times), Some(next)) = (thousands(self.beside(index, 1)), next) else { return false };
                let Some(number) = count.parse::<Decimal>().ok().and_then(|n| n.checked_mul(times)) else {
                    return false;
                };
                let digits = number.normalize().to_string();
                let help = format!("a number is written out: `{digits}`");
                self.propose(start..next.end, &digits, help)
            }
            (Kind::Number, count) if self.is_name(index, 1, end) => {
                let unit = match self.beside(index, 1) {
                    "s" | "sec" | "secs" => "second",
                    "min" | "mins" => "minute",
                    "h" | "hr" | "hrs" => "hour",
                    "d" => "day",
                    "w" => "week",
                    _ => return false,
                };
                let new = format!(" {unit}{}", if count == "1" { "" } else { "s" });
                let behind = next.map_or(end, |name| name.end);
                self.put(end..behind, &new, format!("write `{count}{new}`"))
            }
            (Kind::Name, "true" | "True" | "TRUE") => self.put(start..end, "yes", "write `yes` for `true`"),
            (Kind::Name, "false" | "False" | "FALSE") => self.put(start..end, "no", "write `no` for `false`"),
            (Kind::Name, name) if self.beside(index, -1) == "as" && is_transform(name) => {
                let Some(number) = next.filter(|next| next.kind == Kind::Number) else { return false };
                let args = format!("({})", self.piece(number));
                self.put(end..number.end, &args, format!("write `{name}{args}`"))
            }
            (Kind::Name, name) if next.is_some_and(|next| next.start == end && self.piece(next) == "(") => {
                let Some((inner, behind)) = in_brackets(self.text, &self.found[index + 1..]) else { return false };
                if self.text[behind..].starts_with('.') {
                    return self.put(end..behind, &format!("[{inner}]"), format!("write `{name}[{inner}]`"));
                }
                let Some(ours) = as_a_function(name) else { return false };
                // Behind more than one word, it would be about the last one only.
                let new =
                    if tokens(inner).len() == 1 { format!("{inner} {ours}") } else { format!("({inner}) {ours}") };
                self.put(start..behind, &new, format!("write `{new}`"))
            }
            (Kind::Symbol, ",") if is_transform(self.beside(index, -1)) && is_transform(self.beside(index, 1)) => {
                self.put(start..end, " as", "write `as` before every transform")
            }
            _ => false,
        }
    }

    /// `is`, `not in`, `!`.
    fn condition(&mut self, index: usize) -> bool {
        let token = &self.found[index];
        let (start, end) = (token.start, token.end);
        let (one, two, three) = (self.beside(index, 1), self.beside(index, 2), self.beside(index, 3));
        match (token.kind, self.piece(token)) {
            (Kind::Other, "!") => self.put(start..end, "not ", "write `not` for `!`"),
            (Kind::Name, name) if name != "is" && (one, two) == ("not", "in") => {
                let new = format!("not {name} in");
                self.put(start..self.found[index + 2].end, &new, format!("write `{new} …`"))
            }
            (Kind::Name, name) if (one, two, three) == ("is", "not", "in") => {
                let new = format!("not {name} in");
                self.put(start..self.found[index + 3].end, &new, format!("write `{new} …`"))
            }
            (Kind::Name, "not") if index > 0 && self.is_operand(index - 1) && one != "in" => {
                if one == "empty" || NOTHING.contains(&one) {
                    let new = "is not empty";
                    let help = format!("write `{new}` for `not {one}`");
                    return self.put(start..self.found[index + 1].end, new, help);
                }
                set(one).is_some_and(|set| self.is_set(index, 1, !set))
            }
            (Kind::Name, "exists") if index > 0 && self.is_operand(index - 1) => self.is_set(index, 0, true),
            (Kind::Name, "is") => match (one, two) {
                ("empty" | "created" | "deleted" | "", _) | ("not", "empty" | "in" | "") => false,
                ("in", _) => self.put(start..self.found[index + 1].start, "", "leave out the `is` before `in`"),
                ("not", word) if NOTHING.contains(&word) => {
                    let place = &self.found[index + 2];
                    self.put(place.start..place.end, "empty", format!("write `is not empty` for `is not {word}`"))
                }
                ("not", word) if set(word).is_some() => self.is_set(index, 2, set(word) == Some(false)),
                ("not", _) => self.put(start..self.found[index + 1].end, "!=", "write `!=` for `is not`"),
                (word, _) if NOTHING.contains(&word) => {
                    let place = &self.found[index + 1];
                    self.put(place.start..place.end, "empty", format!("write `is empty` for `is {word}`"))
                }
                (word, _) if set(word).is_some() => self.is_set(index, 1, set(word) == Some(true)),
                _ => self.put(start..end, "=", "write `=` for `is`"),
            },
            _ => false,
        }
    }

    /// Proposes `is empty` or `is not empty` for the words up to the one that stands `last` places further on.
    fn is_set(&mut self, index: usize, last: usize, set: bool) -> bool {
        let range = self.found[index].start..self.found[index + last].end;
        let new = if set { "is not empty" } else { "is empty" };
        let help = format!("write `{new}` for `{}`", &self.text[range.clone()]);
        self.propose(range, new, help)
    }

    /// Does `|` stand anywhere but at the ends of the line?
    fn has_cells(&self) -> bool {
        let code = self.found.iter().filter(|token| !matches!(token.kind, Kind::Line | Kind::Comment));
        let code: Vec<&str> = code.map(|token| self.piece(token)).collect();
        code.iter().skip(1).rev().skip(1).any(|piece| *piece == "|")
    }

    /// Is it a name that a value may have?
    fn is_operand(&self, index: usize) -> bool {
        let token = &self.found[index];
        token.kind == Kind::Name && !crate::forms::is_word(self.piece(token))
    }

    /// What stands between and behind the parts of a line.
    fn punctuation(&mut self, index: usize) -> bool {
        let token = &self.found[index];
        let (start, end) = (token.start, token.end);
        let rest = &self.found[index + 1..];
        let last = || rest.iter().all(|token| matches!(token.kind, Kind::Line | Kind::Comment));
        match (token.kind, self.piece(token), self.block) {
            (Kind::Other, ";", _) if last() => self.put(start..end, "", "a line ends by itself: leave out the `;`"),
            (Kind::Symbol, ",", _) if last() => self.put(start..end, "", "a line ends by itself: leave out the `,`"),
            (Kind::Other, "\u{a0}", _) => {
                self.put(start..end, " ", "a blank here is a no-break space: write a plain one")
            }
            (Kind::Symbol, "|", Some(Place::Table | Place::TableHead)) if index == 0 || last() => {
                self.put(start..end, "", "`|` stands between cells only")
            }
            (Kind::Symbol, ",", Some(Place::Fields)) if self.beside(index, 2) == "wins" => {
                self.put(start..end, "", "leave out the `,`")
            }
            (Kind::Symbol, ",", Some(Place::Sync)) if self.beside(0, 0) == "match" => {
                self.propose(start..end, " then by", "write `then by` before a second key")
            }
            // Between commas alone, it is a row of another format; between `|`, several values stand in one cell.
            (Kind::Symbol, ",", Some(Place::Table)) if !self.has_cells() => {
                self.put(start..end, "|", "write `|` between the cells")
            }
            (Kind::Text, _, Some(Place::Events)) if rest.first().is_some_and(|next| next.kind == Kind::Text) => {
                self.put(end..end, ",", "write a `,` between the messages")
            }
            (Kind::Symbol, ":", Some(Place::Record)) => self.put(start..end, " =", "write `=` for `:`"),
            (Kind::Symbol, ":", Some(Place::System | Place::Sync | Place::Step | Place::When)) if index == 1 => {
                self.put(start..end, "", "leave out the `:`")
            }
            (Kind::Symbol, "=", Some(Place::Choice)) => self.put(start..end, "", "leave out the `=`"),
            (Kind::Symbol, "=", Some(Place::Entity)) => self.put(start..end, ":", "write `:` for `=`"),
            (Kind::Symbol, "=", Some(Place::Fields)) => {
                self.propose(start..end, "->", "say which way the value goes: `->`, `<-` or `<->`")
            }
            // A word of a choice is a value of the systems, which may have another form altogether.
            (Kind::Symbol, "-", block) if block != Some(Place::Choice) => {
                if !self.is_name(index, -1, start) || !self.is_name(index, 1, end) {
                    return false;
                }
                let name = format!("{}_{}", self.beside(index, -1), self.beside(index, 1));
                self.put(start..end, "_", format!("a name has no `-`: write `{name}`"))
            }
            _ => false,
        }
    }

    /// Words that begin a line or a part of it.
    fn statement(&mut self, index: usize) -> bool {
        let token = &self.found[index];
        let (start, end) = (token.start, token.end);
        let (before, next) = (self.beside(index, -1), self.beside(index, 1));
        match (token.kind, self.piece(token), self.block) {
            (Kind::Text, quoted, _) if before == "step" && is_identifier(quoted.trim_matches('"')) => {
                let name = quoted.trim_matches('"');
                self.put(start..end, name, format!("write the name without quotes: `{name}`"))
            }
            (Kind::Symbol | Kind::Name, other @ ("/" | "in"), Some(Place::System)) => {
                self.put(start..end, "per", format!("write `per` for `{other}`"))
            }
            (Kind::Name, "per", _) if matches!(next, "second" | "minute" | "hour" | "day") => {
                self.put(end..end, " 1", format!("write `per 1 {next}`"))
            }
            (Kind::Name, "timeout" | "timedout", Some(Place::Wait)) if index == 0 => {
                self.put(start..end, "timed out", "write `timed out`")
            }
            (Kind::Name, other @ ("error" | "fail" | "failed"), _) if before == "on" => {
                self.put(start..end, "failure", format!("write `on failure` for `on {other}`"))
            }
            (Kind::Name, "if", _) if before == "cancel" => self.put(start..end, "when", "write `cancel when`"),
            (Kind::Name, "for", _) if before == "wait" && self.number(index + 1).is_some() => {
                self.put(start..self.found[index + 1].start, "", "leave out the `for`")
            }
            (Kind::Name, "on" | "using" | "with", _) if before == "match" => {
                self.put(start..end, "by", "write `match by`")
            }
            (Kind::Name, "missing", _) if next == "in" && self.beside(index, 3) == "and" => {
                let Some(behind) = self.found.get(index + 4).map(|system| system.end) else { return false };
                self.propose(self.found[index + 2].start..behind, "both", "write `create missing in both`")
            }
            (Kind::Name, "or", Some(Place::Sync)) if self.beside(0, 0) == "match" => {
                self.put(start..end, "then by", "write `then by` before a second key")
            }
            (Kind::Name, "and" | "or", Some(Place::When)) if self.beside(0, 0) == "to" => {
                self.put(start..end, ",", "write a `,` between stages")
            }
            (Kind::Text, quoted, Some(Place::When)) if before == "to" && is_identifier(quoted.trim_matches('"')) => {
                let stage = quoted.trim_matches('"');
                self.put(start..end, stage, format!("write the stage without quotes: `{stage}`"))
            }
            (Kind::Name, "otherwise", Some(Place::Fields)) => self.put(start..end, "else", "write `else`"),
            (Kind::Name, name, Some(Place::Fields))
                if index > 0 && is_transform(name) && !matches!(before, "as" | ",") =>
            {
                self.put(start..start, "as ", format!("write `as {name}`"))
            }
            (Kind::Name, name, Some(Place::When | Place::Actions | Place::Step | Place::Workflow))
                if index == 0 && next == "=" && name.contains('.') =>
            {
                let new = format!("set {name}");
                self.put(start..end, &new, "write `set` before a field that is given a value")
            }
            (Kind::Name, "to", _) if index == 2 && self.beside(0, 0) == "set" => {
                self.put(start..end, "=", "write `=` for `to`")
            }
            (Kind::Name, "for", _) if index == 2 && self.beside(0, 0) == "start" => {
                self.put(start..end, "with", "write `start … with`")
            }
            (Kind::Name, "run", _) if index == 0 && self.beside(0, 2) == "with" => {
                self.put(start..end, "start", "write `start` for a workflow")
            }
            (Kind::Name, "daily", _) => self.put(start..end, "every day", "write `every day`"),
            (Kind::Name, "hourly", _) => self.put(start..end, "every 1 hour", "write `every 1 hour`"),
            (Kind::Name, other @ ("latest" | "last" | "recent"), _) if before == "conflict" => {
                self.put(start..end, "newest", format!("write `newest` for `{other}`"))
            }
            // What begins with a small letter is a word of the language, or one that is misspelt.
            (Kind::Name, name, Some(Place::Events))
                if before == "->" && name.starts_with(|first: char| first.is_uppercase()) =>
            {
                let new = format!("sync {name}");
                self.put(start..end, &new, format!("write `{new}`"))
            }
            (Kind::Name, word, Some(Place::Fields)) if index == 0 && word != "link" => {
                self.found.iter().any(|other| self.piece(other) == "via")
                    && self.put(start..end, &format!("link {word}"), "a line that follows a link begins with `link`")
            }
            _ => false,
        }
    }
}

/// What a number is multiplied by where this stands directly behind it.
fn thousands(sign: &str) -> Option<Decimal> {
    match sign {
        "k" | "K" => Some(Decimal::ONE_THOUSAND),
        "M" => Some(Decimal::from(1_000_000)),
        _ => None,
    }
}

/// A unit that has no fixed length, and about how many days it has.
fn calendar_unit(word: &str) -> Option<(&'static str, u64)> {
    match word {
        "month" | "months" => Some(("month", 30)),
        "year" | "years" => Some(("year", 365)),
        _ => None,
    }
}

pub(super) fn is_transform(name: &str) -> bool {
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
