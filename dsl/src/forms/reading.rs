//! What may follow the words of a statement that need not be whole, by the forms of its place.
//!
//! In: words of one statement, in order; a block that is closed counts as the word `}`. Out: a [`Reading`]. Always
//! true: it ends, whatever the words are, and it gives up where there are too many ways to read them. Not here:
//! projects and names; what a slot stands for is for whoever asks.

use super::part::{Form, Opens, Part, Slot, UNITS};
use super::place::Place;
use super::table;
use crate::tokens::Kind;

/// A word of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: Kind,
}

/// Slots that were filled, with the word of the statement that did.
pub(crate) type Filled = Vec<(Slot, usize)>;

/// How a statement may be read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// What may follow its last word, likeliest first.
    pub(crate) expected: Vec<Expected>,
    /// The first form that it is as it stands.
    pub(crate) whole: Option<(&'static Form, Filled)>,
    /// Up to which word it was read at most, by which form, and what was filled by then.
    pub(crate) furthest: Option<(usize, &'static Form, Filled)>,
}

/// Something that may follow.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) what: What,
    pub(crate) form: &'static Form,
    pub(crate) filled: Filled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The rest of words that stand behind each other.
    Words(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these names.
    Names(&'static [&'static str]),
    /// This slot begins here.
    Slot(Slot),
    /// This slot goes on, an expression that began with the word at the index.
    Inside(Slot, usize),
    /// A block.
    Opens(Opens),
}

/// So many steps are taken at most; a line that people write takes a few hundred.
const MAX_STEPS: usize = 20_000;

/// So many steps lie inside of each other at most, about six for each word: deeper ones would not fit into the stack of
/// a thread of 2 MiB, where a step takes 1 KiB in a build that is not optimised.
const MAX_DEPTH: usize = 1_000;

/// Reads the words of a statement that stands in `place`. With `tolerant`, words of the language behind the first one
/// may be misspelt or missing.
pub(crate) fn read(place: Place, words: &[Token<'_>], tolerant: bool) -> Reading {
    let mut reader =
        Reader { words, tolerant, steps: 0, depth: 0, filled: Vec::new(), form: None, reading: Reading::default() };
    for form in table::of(place) {
        reader.form = Some(form);
        reader.go(form.parts, None, 0);
    }
    reader.reading
}

impl Reading {
    /// The block that may follow, and what was filled by then.
    pub(crate) fn opens(self) -> Option<(Opens, Filled)> {
        self.expected.into_iter().find_map(|expected| match expected.what {
            What::Opens(opens) => Some((opens, expected.filled)),
            _ => None,
        })
    }
}

/// Parts that follow when those in hand are used up.
struct Then<'t> {
    parts: &'static [Part],
    then: Option<&'t Then<'t>>,
    /// Where the turn of what is repeated began; a turn that took no word, as words that may be missing allow, is not
    /// followed by another one.
    turn: Option<usize>,
}

struct Reader<'w> {
    words: &'w [Token<'w>],
    tolerant: bool,
    steps: usize,
    depth: usize,
    filled: Filled,
    form: Option<&'static Form>,
    reading: Reading,
}

impl Reader<'_> {
    /// Takes `parts`, then what follows, from the word at `at` on.
    fn go(&mut self, parts: &'static [Part], then: Option<&Then<'_>>, at: usize) {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.depth == MAX_DEPTH {
            return;
        }
        self.depth += 1;
        self.step(parts, then, at);
        self.depth -= 1;
    }

    fn step(&mut self, parts: &'static [Part], then: Option<&Then<'_>>, at: usize) {
        let Some((part, rest)) = parts.split_first() else {
            match then {
                Some(then) if then.turn == Some(at) => {}
                Some(then) => self.go(then.parts, then.then, at),
                None => self.end(at),
            }
            return;
        };
        let behind = Then { parts: rest, then, turn: None };
        match *part {
            Part::Maybe(inner) | Part::Asked(inner) => {
                self.go(inner, Some(&behind), at);
                self.go(rest, then, at);
            }
            Part::Many(inner) => {
                self.go(inner, Some(&Then { parts, then, turn: Some(at) }), at);
                self.go(rest, then, at);
            }
            Part::Either(several) => several.iter().for_each(|inner| self.go(inner, Some(&behind), at)),
            Part::Words(words) => self.take_words(words, rest, then, at),
            Part::OneOf(words) => match self.words.get(at) {
                None => self.expect(What::OneOf(words)),
                Some(word) if words.contains(&word.text) || self.passes(word) => self.go(rest, then, at + 1),
                Some(_) => self.stop(at),
            },
            Part::Names(names) => match self.words.get(at) {
                None => self.expect(What::Names(names)),
                Some(word) if matches!(word.kind, Kind::Name | Kind::Number) => self.go(rest, then, at + 1),
                Some(_) => self.stop(at),
            },
            Part::Sign(sign) => match self.words.get(at) {
                None => {}
                Some(word) if word.text == sign => self.go(rest, then, at + 1),
                Some(_) => self.stop(at),
            },
            Part::Opens(opens) => match self.words.get(at) {
                None => self.expect(What::Opens(opens)),
                Some(word) if word.text == "}" => self.go(rest, then, at + 1),
                Some(_) => self.stop(at),
            },
            Part::Slot(slot) => self.take_slot(slot, rest, then, at),
        }
    }

    fn take_words(&mut self, words: &'static str, rest: &'static [Part], then: Option<&Then<'_>>, at: usize) {
        if words.is_empty() {
            return self.go(rest, then, at);
        }
        let (word, more) = words.split_once(' ').unwrap_or((words, ""));
        match self.words.get(at) {
            None => self.expect(What::Words(words)),
            Some(found) if found.text == word => self.take_words(more, rest, then, at + 1),
            Some(found) if self.tolerant && at > 0 => {
                self.take_words(more, rest, then, at);
                if self.passes(found) {
                    self.take_words(more, rest, then, at + 1);
                }
            }
            Some(_) => self.stop(at),
        }
    }

    /// A word that may be misspelt.
    fn passes(&self, word: &Token<'_>) -> bool {
        self.tolerant && word.kind == Kind::Name && !word.text.contains('.')
    }

    fn take_slot(&mut self, slot: Slot, rest: &'static [Part], then: Option<&Then<'_>>, at: usize) {
        let Some(word) = self.words.get(at) else { return self.expect(What::Slot(slot)) };
        if matches!(slot, Slot::Value(..) | Slot::Condition) {
            // An expression may be over in several places: all are followed, since what comes next tells which it is.
            let (ends, open) = expression(self.words, at);
            if open {
                self.expect(What::Inside(slot, at));
            }
            self.filled.push((slot, at));
            for end in &ends {
                self.go(rest, then, *end);
            }
            self.filled.pop();
            if ends.is_empty() && !open {
                self.stop(at);
            }
            return;
        }
        let next = self.words.get(at + 1);
        let name = word.kind == Kind::Name;
        let dots = word.text.matches('.').count();
        let taken = match slot {
            Slot::Entity | Slot::EntityOrEvent | Slot::Operation | Slot::Sent | Slot::Step => name && dots == 1,
            Slot::System | Slot::Side | Slot::Winner => name && dots == 0,
            Slot::GlobalField => name && dots == 2,
            Slot::Number | Slot::Clock | Slot::Date => word.kind == Kind::Number,
            Slot::Text(_) => matches!(word.kind, Kind::Text | Kind::Block),
            Slot::Key | Slot::Cell => {
                if word.text == "-" && next.is_some_and(|next| next.kind == Kind::Number) {
                    return self.fill(slot, rest, then, at, 2);
                }
                matches!(word.kind, Kind::Name | Kind::Number | Kind::Text)
            }
            Slot::Duration => {
                return match next {
                    _ if word.kind != Kind::Number => self.stop(at),
                    None => self.expect(What::OneOf(&UNITS)),
                    Some(unit) if UNITS.contains(&unit.text) => self.fill(slot, rest, then, at, 2),
                    Some(_) => self.stop(at + 1),
                };
            }
            Slot::Transform => return self.fill(slot, rest, then, at, transform(self.words, at)),
            _ => name,
        };
        if taken { self.fill(slot, rest, then, at, 1) } else { self.stop(at) }
    }

    /// The slot is filled by so many words.
    fn fill(&mut self, slot: Slot, rest: &'static [Part], then: Option<&Then<'_>>, at: usize, count: usize) {
        self.filled.push((slot, at));
        self.go(rest, then, at + count);
        self.filled.pop();
    }

    fn expect(&mut self, what: What) {
        let Some(form) = self.form else { return };
        self.stop(self.words.len());
        self.reading.expected.push(Expected { what, form, filled: self.filled.clone() });
    }

    fn end(&mut self, at: usize) {
        self.stop(at);
        if at == self.words.len() && self.reading.whole.is_none() {
            self.reading.whole = self.form.map(|form| (form, self.filled.clone()));
        }
    }

    /// So far it was read.
    fn stop(&mut self, at: usize) {
        let Some(form) = self.form else { return };
        if at > 0 && self.reading.furthest.as_ref().is_none_or(|(furthest, ..)| *furthest < at) {
            self.reading.furthest = Some((at, form, self.filled.clone()));
        }
    }
}

/// How many words the transform at `at` has, with what stands in its brackets.
fn transform(words: &[Token<'_>], at: usize) -> usize {
    let args = words.get(at + 1).is_some_and(|next| next.text == "(");
    let close = words[at..].iter().position(|word| word.text == ")");
    if args { close.map_or(words.len() - at, |close| close + 1) } else { 1 }
}

/// Where the expression that begins at `at` may end, each behind its last word; and whether its words go to the end
/// of all, so that it may go on.
fn expression(words: &[Token<'_>], at: usize) -> (Vec<usize>, bool) {
    let mut ends = Vec::new();
    let (mut depth, mut wanted) = (0_usize, true);
    for index in at.. {
        if !wanted && depth == 0 && index > at {
            ends.push(index);
        }
        let Some(word) = words.get(index) else { return (ends, true) };
        match word.text {
            "(" | "[" => (depth, wanted) = (depth + 1, true),
            ")" | "]" if depth > 0 => (depth, wanted) = (depth - 1, false),
            _ if depth > 0 => {}
            "and" | "or" | "in" | "is" | "as" | "else" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "+" | "*" | "/"
            | "."
                if !wanted =>
            {
                wanted = true;
            }
            "contains" if !wanted => wanted = true,
            // The only operators of two words.
            "starts" | "ends" if !wanted && words.get(index + 1).is_none_or(|next| next.text == "with") => {
                wanted = true;
            }
            "with" if wanted && index > 0 && matches!(words[index - 1].text, "starts" | "ends") => {}
            "-" => wanted = true,
            "not" if wanted => {}
            "and" | "or" | "in" | "is" | "as" | "else" | "wins" | "where" => return (ends, false),
            // The unit of a length of time, the time of a day.
            _ if !wanted => {
                let before = index.checked_sub(1).and_then(|before| words.get(before)).map(|before| before.kind);
                let joins = before == Some(Kind::Number) && (UNITS.contains(&word.text) || word.kind == Kind::Number);
                if !joins {
                    return (ends, false);
                }
            }
            _ if matches!(word.kind, Kind::Name | Kind::Number | Kind::Text | Kind::Block) => wanted = false,
            _ => return (ends, false),
        }
    }
    (ends, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::forms;

    /// Words that may be missing repeat nothing; a statement of thousands of words is given up, not read to its end.
    #[test]
    fn every_statement_is_read_on_a_small_stack() {
        let words = |texts: &[&'static str], count: usize| {
            let kind =
                |text: &str| if text.starts_with(|c: char| c.is_alphabetic()) { Kind::Name } else { Kind::Symbol };
            let token = |text: &&'static str| Token { text, kind: kind(text) };
            texts.iter().map(token).cycle().take(count).collect::<Vec<_>>()
        };
        let read_all = move || {
            for place in Place::ALL {
                for first in table::of(place).filter_map(|form| form.written.split(' ').next()) {
                    for then in [&["x"][..], &["}"], &[","], &["x", ","], &["as", "x"], &["|", "x"], &["(", "x"]] {
                        for count in [3, 30, 3_000] {
                            let kind = Kind::Name;
                            let statement = [vec![Token { text: first, kind }], words(then, count)].concat();
                            let _ = read(place, &statement, true);
                        }
                    }
                }
            }
        };
        assert!(forms().count() > 50);
        let small = std::thread::Builder::new().stack_size(1 << 20).spawn(read_all).expect("a thread is started");
        small.join().expect("it does not panic");
    }
}
