//! The rows, and what is asked of them: by place, by name, by word.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::part::{Form, Opens, Part, UNITS};
use super::place::Place;
use super::{actions, items, lines, test_lines, values};

/// The table, in the order in which people read it: items, then lines by their places, then what is in a line.
static TABLE: [&[Form]; 5] = [items::FORMS, lines::FORMS, actions::FORMS, test_lines::FORMS, values::FORMS];

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
    if UNITS.contains(&word) {
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
