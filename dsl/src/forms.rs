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
mod table;
mod test_lines;
mod values;

pub use part::Form;
pub(crate) use part::{For, Given, New, Of, Opens, Says, Slot};
pub use place::Place;
pub(crate) use reading::{Expected, Token, What, read};
pub use table::{WordClass, class, forms, named, of, words};
pub(crate) use table::{is_operator, is_word, opened};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
