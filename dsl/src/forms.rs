//! Everything that may be written: one table of the language's forms.
//!
//! A form is a row: its words, what stands between them, where it may stand, what it says, and an example. Recovery,
//! completion, hover, colours, the page `docs/FORMS.md` and `engine explain` read it; the grammar says how a text is
//! read, and tests hold the two together. A new clause is a row here, a rule of the grammar, its check and its meaning.
//! Always true: every word of the grammar stands in a row, and no other; each example holds where its form may stand.
//! Not here: what a form means.

mod actions;
mod items;
mod lines;
mod part;
mod place;
mod reading;
mod syntax;
mod tests;
mod values;

use std::collections::BTreeSet;
use std::sync::LazyLock;

pub use part::Form;
pub(crate) use part::{For, Given, New, Of, Opens, Part, Says, Slot};
pub use place::Place;
pub(crate) use reading::{Expected, Token, What, read};

/// The table, in the order in which people read it: items, then lines by their places, then what is in a line.
static TABLE: [&[Form]; 5] = [items::FORMS, lines::FORMS, actions::FORMS, tests::FORMS, values::FORMS];

/// Every form of the language.
pub fn forms() -> impl Iterator<Item = &'static Form> {
    TABLE.iter().copied().flatten()
}

/// The forms that may stand in a place, those of its own before actions.
pub fn of(place: Place) -> impl Iterator<Item = &'static Form> {
    forms().filter(move |form| form.within.contains(&place))
}

/// The forms that somebody may mean by these words: the one of this name, otherwise those whose names or lines begin
/// with them, otherwise those that have them inside.
#[must_use]
pub fn named(words: &str) -> Vec<&'static Form> {
    let begins = |text: &str| text.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let exact: Vec<_> = forms().filter(|form| form.name == words).collect();
    let beginning: Vec<_> = forms().filter(|form| begins(form.name) || begins(form.written)).collect();
    let inside = |form: &&Form| form.words().contains(words) || form.written.split(' ').any(|word| word == words);
    match (exact.is_empty() || beginning.len() > exact.len(), beginning.is_empty()) {
        (false, _) => exact,
        (true, false) => beginning,
        (true, true) => forms().filter(inside).collect(),
    }
}

/// The words of the language, in the order of letters.
#[must_use]
pub fn words() -> &'static [&'static str] {
    static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let words: BTreeSet<&str> = forms().flat_map(Form::words).collect();
        words.into_iter().collect()
    });
    &WORDS
}

/// Is this a word of the language?
pub(crate) fn is_word(word: &str) -> bool {
    words().binary_search(&word).is_ok()
}

/// What a word of the language does, for whoever paints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WordClass {
    /// It begins an action.
    Action,
    /// It begins a line of a `when`, a `workflow` or a `test`.
    Statement,
    /// It is one of several, or a value.
    Constant,
    /// It is a unit of time.
    Unit,
    /// It stands between or behind values.
    Operator,
    /// Everything else: it begins an item or another line, or joins what stands in one.
    Other,
}

/// What a word of the language does.
#[must_use]
pub fn class(word: &str) -> WordClass {
    let begins = |places: &[Place]| {
        forms().any(|form| form.first_word() == Some(word) && form.within.iter().any(|place| places.contains(place)))
    };
    if part::UNITS.contains(&word) {
        WordClass::Unit
    } else if is_operator(word) && !matches!(word, "wins" | "where") {
        WordClass::Operator
    } else if begins(&[Place::Actions]) {
        WordClass::Action
    } else if word == "empty" || forms().any(|form| form.chooses(word)) {
        WordClass::Constant
    } else if begins(&[Place::When, Place::Workflow, Place::Step, Place::Wait, Place::Test]) {
        WordClass::Statement
    } else {
        WordClass::Other
    }
}

/// Is this a word that stands between values?
pub(crate) fn is_operator(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in" | "is" | "as" | "else" | "wins" | "where")
}

/// What stands in the block of a statement that begins with this word.
pub(crate) fn opened(place: Place, word: &str) -> Option<Place> {
    of(place).filter(|form| form.first_word() == Some(word)).find_map(|form| form.opens()).map(|opens| opens.place)
}

impl Form {
    /// Its first word, where it begins with one.
    pub(crate) fn first_word(&self) -> Option<&'static str> {
        fn of(parts: &'static [Part]) -> Option<&'static str> {
            match parts.first()? {
                Part::Words(words) => words.split(' ').next(),
                Part::Either(several) => of(several.first()?),
                _ => None,
            }
        }
        of(self.parts)
    }

    /// The first block that it opens.
    pub(crate) fn opens(&self) -> Option<Opens> {
        fn of(parts: &'static [Part]) -> Option<Opens> {
            parts.iter().find_map(|part| match part {
                Part::Opens(opens) => Some(*opens),
                Part::Maybe(parts) | Part::Asked(parts) | Part::Many(parts) => of(parts),
                Part::Either(several) => several.iter().find_map(|parts| of(parts)),
                _ => None,
            })
        }
        of(self.parts)
    }

    /// The word is one of several between which the author chooses.
    fn chooses(&self, word: &str) -> bool {
        fn any(parts: &'static [Part], word: &str) -> bool {
            parts.iter().any(|part| match part {
                Part::OneOf(several) => several.contains(&word),
                Part::Maybe(parts) | Part::Asked(parts) | Part::Many(parts) => any(parts, word),
                Part::Either(several) => several.iter().any(|parts| any(parts, word)),
                _ => false,
            })
        }
        any(self.parts, word)
    }

    /// The words of the language in it.
    #[must_use]
    pub fn words(&self) -> BTreeSet<&'static str> {
        fn add(parts: &'static [Part], words: &mut BTreeSet<&'static str>) {
            for part in parts {
                match part {
                    Part::Words(several) => words.extend(several.split(' ')),
                    Part::OneOf(several) => words.extend(several.iter()),
                    Part::Maybe(parts) | Part::Asked(parts) | Part::Many(parts) => add(parts, words),
                    Part::Either(several) => several.iter().for_each(|parts| add(parts, words)),
                    Part::Names(_) | Part::Sign(_) | Part::Slot(_) | Part::Opens(_) => {}
                }
            }
        }
        let mut words = BTreeSet::new();
        add(self.parts, &mut words);
        words
    }

    /// The words that it begins with, as completion offers them at the beginning of a line.
    pub(crate) fn lead(&self) -> String {
        // What stands in for a name is no word of the form; behind a comma something else begins.
        let first = self.written.split(',').next().unwrap_or(self.written);
        let word = |(index, word): &(usize, &str)| is_word(word) && (*index == 0 || *word != "system");
        first.split(' ').enumerate().take_while(word).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod table {
    use super::*;
    use crate::outline::{KEYWORDS, opens_a_block};

    #[test]
    fn every_form_is_known_by_a_name_of_its_own_and_says_something() {
        let mut names = BTreeSet::new();
        for form in forms() {
            assert!(names.insert(form.name), "two forms are called `{}`", form.name);
            assert!(!form.within.is_empty() && !form.example.is_empty(), "{}", form.name);
            let says = form.says;
            assert!(says.len() > 10 && !says.ends_with('.') && says.starts_with(char::is_lowercase), "{}", form.name);
            assert!(named(form.name).contains(&form), "{}", form.name);
        }
        assert!(names.len() > 90);
        for place in Place::ALL {
            assert!(of(place).next().is_some(), "nothing stands in {}", place.name());
        }
    }

    #[test]
    fn the_outline_knows_what_begins_an_item_and_what_opens_a_block() {
        let items: BTreeSet<&str> = of(Place::File).filter_map(Form::first_word).collect();
        assert_eq!(items, KEYWORDS.into_iter().collect());
        for form in forms() {
            let lines = form.within.iter().any(|place| *place == Place::File || place.has_lines());
            if let (true, Some((head, _))) = (lines, form.written.split_once(" {")) {
                assert!(opens_a_block(head), "`{head}` opens a block");
            } else if let Some(word) = form.first_word().filter(|_| lines)
                && Place::ALL.iter().all(|place| opened(*place, word).is_none())
            {
                assert!(!opens_a_block(form.written), "`{}` opens none", form.written);
            }
        }
    }

    #[test]
    fn a_form_is_found_by_its_name_by_how_it_begins_and_by_a_word_of_it() {
        let names = |words: &str| named(words).iter().map(|form| form.name).collect::<Vec<_>>();
        assert_eq!(names("wait until"), ["wait until"]);
        assert_eq!(names("wait"), ["wait", "wait until", "wait up to"]);
        assert_eq!(names("sync"), ["sync between", "sync from"]);
        assert_eq!(names("tie"), ["conflict", "left <-> right", "link in fields", "newest wins"]);
        assert_eq!(names("<->"), ["left <-> right"]);
        assert_eq!(names("nonsense"), Vec::<&str>::new());
        assert!(names("only").starts_with(&["only where"]));
    }
}
