//! Lines by where they stand: the rule of one line in each place, and what help says of the lines that may stand there.

use super::grammar::Rule;
use crate::forms::{self, Form, Place};

/// The place of the lines that stand directly in a pair of this rule.
pub(super) fn place_of(rule: Rule) -> Option<Place> {
    Some(match rule {
        Rule::choice => Place::Choice,
        Rule::entity => Place::Entity,
        Rule::system => Place::System,
        Rule::table_top => Place::TableHead,
        Rule::table => Place::Table,
        Rule::sync => Place::Sync,
        Rule::fields => Place::Fields,
        Rule::events => Place::Events,
        Rule::when => Place::When,
        Rule::workflow => Place::Workflow,
        Rule::wf_step => Place::Step,
        Rule::wf_waitfor => Place::Wait,
        Rule::test => Place::Test,
        Rule::record => Place::Record,
        Rule::block => Place::Actions,
        _ => return None,
    })
}

/// The rule of one whole line, item or value that stands in a place.
pub(super) fn rule_of(place: Place) -> Rule {
    match place {
        Place::File => Rule::only_item,
        Place::Choice => Rule::one_choice,
        Place::Entity => Rule::one_entity,
        Place::System => Rule::one_system,
        Place::TableHead => Rule::one_table_head,
        Place::Table => Rule::one_table,
        Place::Sync => Rule::one_sync,
        Place::Fields => Rule::one_fields,
        Place::Events => Rule::one_events,
        Place::When => Rule::one_when,
        Place::Workflow => Rule::one_workflow,
        Place::Step => Rule::one_step,
        Place::Wait => Rule::one_wait,
        Place::Test => Rule::one_test,
        Place::Record => Rule::one_record,
        Place::Actions => Rule::one_action,
        Place::Ending => Rule::one_ending,
        Place::Value => Rule::one_value,
    }
}

/// The forms of lines that may stand in a place and begin with `word`.
pub(super) fn forms_of(place: Place, word: &str) -> Vec<&'static str> {
    let written = forms::of(place).flat_map(|form| std::iter::once(form.written).chain(form.also.iter().copied()));
    written.filter(|written| first(written) == word).collect()
}

/// What may stand in a place, short: the first words of forms that begin with a keyword, other forms as they are.
pub(super) fn short(place: Place) -> String {
    let is_action = |form: &Form| form.within.contains(&Place::Actions);
    let own: Vec<&Form> = forms::of(place).filter(|form| !is_action(form)).collect();
    let mut shown: Vec<String> = Vec::new();
    for form in &own {
        let word = first(form.written);
        let alike = own.iter().filter(|other| first(other.written) == word).count();
        let keyword = forms::is_word(word) && alike > 1;
        let form = format!("`{}`", if keyword { word } else { form.written });
        if !shown.contains(&form) {
            shown.push(form);
        }
    }
    if place.takes_actions() {
        let actions = forms::of(place).filter(|form| is_action(form));
        let words: Vec<String> = actions.map(|form| format!("`{}`", first(form.written))).collect();
        let lead = if shown.is_empty() { "" } else { "the actions " };
        shown.push(format!("{lead}{}", words.join(", ")));
    }
    shown.join(", ")
}

fn first(written: &'static str) -> &'static str {
    written.split([' ', ':']).next().unwrap_or(written)
}

/// Other places, by name, in whose lines a text may be understood.
pub(super) fn others(place: Place) -> impl Iterator<Item = Place> {
    // Nearly everything fits into some of them: that says nothing.
    let telling = |place: &Place| {
        place.has_lines()
            && !matches!(place, Place::Choice | Place::Entity | Place::TableHead | Place::Table | Place::Actions)
    };
    Place::ALL.into_iter().filter(move |other| *other != place && telling(&place) && telling(other))
}

/// The grammar and the table of forms hold together.
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pest::RuleType;
    use pest::iterators::Pairs;

    use super::*;
    use crate::forms::forms;
    use crate::parse::grammar;

    /// What a form is written like, as a text of the language.
    fn written(form: &Form) -> impl Iterator<Item = String> {
        let table = form.opens().is_some_and(|opens| opens.place == Place::Table);
        let block = if table { "{\nkey | column\n}" } else { "{ }" };
        let also = form.also.iter().copied();
        std::iter::once(form.written).chain(also).map(move |written| written.replace("{ … }", block))
    }

    fn takes(place: Place, text: &str) -> bool {
        grammar::parse(rule_of(place), text).is_ok()
    }

    #[test]
    fn the_grammar_takes_every_form_as_it_is_written_where_it_may_stand() {
        for form in forms() {
            for place in form.within {
                for text in written(form) {
                    assert!(takes(*place, &text), "`{text}`, {}", place.phrase());
                }
                // The end of a line is shown on a line.
                let shown =
                    if *place == Place::Ending { &[Place::Fields, Place::Record, Place::When][..] } else { &[*place] };
                assert!(
                    shown.iter().any(|place| takes(*place, form.example)),
                    "`{}`, {}",
                    form.example,
                    place.phrase()
                );
            }
        }
    }

    fn used<R: RuleType>(pairs: Pairs<'_, R>, rules: &mut BTreeSet<R>) {
        for pair in pairs {
            rules.insert(pair.as_rule());
            used(pair.into_inner(), rules);
        }
    }

    /// A rule that no form of the table leads to is a clause without a row.
    #[test]
    fn every_rule_of_the_grammar_is_used_by_a_form_of_the_table() {
        let mut rules = BTreeSet::new();
        for form in forms() {
            let texts: Vec<String> = written(form).chain([form.example.to_owned()]).collect();
            for (place, text) in form.within.iter().flat_map(|place| texts.iter().map(move |text| (*place, text))) {
                if let Ok(pairs) = grammar::parse(rule_of(place), text) {
                    used(pairs, &mut rules);
                }
            }
        }
        let grammar = include_str!("../grammar/rules.pest");
        // Rules that leave no trace, or that are for what is no part of the language.
        let silent: BTreeSet<&str> =
            grammar.lines().filter_map(|line| line.split_once("= _{")).map(|(name, _)| name.trim()).collect();
        let left: Vec<&Rule> = Rule::all_rules()
            .iter()
            .filter(|rule| {
                let name = format!("{rule:?}");
                let aside = name.starts_with("bad_") || name.ends_with("_skip") || name == "reserved";
                !rules.contains(rule) && !aside && !silent.contains(name.as_str())
            })
            .collect();
        assert!(silent.len() > 15, "{silent:?}");
        assert_eq!(left, Vec::<&Rule>::new());
    }
}
