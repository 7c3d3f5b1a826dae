//! The shortest ways from an action back to where it began.
//!
//! In: all rules and their actions. Out: a path of actions, each of which fires the rule of the next.
//! Always true: a path holds no action twice with the same word, so that the search ends.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::rules::{Act, Effect, Rule, Trigger};
use crate::check::whole::conditions::Given;
use crate::schema::EntityName;

/// An action, by its place in the list of all, and the word that it writes, where that is known.
type State<'a> = (usize, Option<&'a str>);

/// Actions by the entity whose change leads to them, in the order of the list of all.
pub(crate) type Followers<'r> = BTreeMap<&'r EntityName, Vec<usize>>;

/// Which conditions stop a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// All of them.
    All,
    /// Those that look at more than fields of the record whose change fires their rule.
    More,
}

/// The way back from a state to the first.
fn way<'r, 'i>(
    acts: &[&'r Act<'i>],
    from: &BTreeMap<State<'i>, Option<State<'i>>>,
    last: State<'i>,
) -> Vec<&'r Act<'i>> {
    let mut path = Vec::new();
    let mut at = Some(last);
    while let Some(state) = at {
        path.push(acts[state.0]);
        at = from.get(&state).copied().flatten();
    }
    path.reverse();
    path
}

/// E0404: the shortest chain of creates that ends with another record of the kind it began with.
pub(crate) fn chain<'r, 'i>(
    rules: &[Rule<'i>],
    acts: &[&'r Act<'i>],
    followers: &Followers<'_>,
    start: usize,
) -> Option<Vec<&'r Act<'i>>> {
    let Effect::Create(..) = &acts[start].effect else { return None };
    if !acts[start].guards.is_empty() {
        return None;
    }
    let begin = &rules[acts[start].rule];
    let mut from: BTreeMap<State<'i>, Option<State<'i>>> = BTreeMap::from([((start, None), None)]);
    let mut queue = VecDeque::from([(start, None)]);
    while let Some(state) = queue.pop_front() {
        let act = acts[state.0];
        let alone = state.0 == start;
        if *act.effect.entity() == begin.entity && !stopped(act, begin) {
            // Alone, what it makes must fire the same rule again; a deletion is never followed by a create.
            let again = match &begin.trigger {
                Trigger::Created => true,
                Trigger::Deleted => false,
                Trigger::Changes(_) if alone => reached(act, None, begin).is_some_and(|word| entered(act, word)),
                Trigger::Changes(_) | Trigger::Written => true,
            };
            if again {
                return Some(way(acts, &from, state));
            }
            continue;
        }
        for next in followers.get(act.effect.entity()).into_iter().flatten().copied() {
            let follower = acts[next];
            let rule = &rules[follower.rule];
            if stopped(act, rule)
                || !follower.guards.is_empty()
                || !matches!(follower.effect, Effect::Create(..))
                || from.contains_key(&(next, None))
            {
                continue;
            }
            let Some(word) = reached(act, None, rule) else { continue };
            let sync = rules[act.rule].sync.is_some() && rule.sync.is_some();
            if sync || !entered(follower, word) || recognised(act, rule) {
                continue;
            }
            from.insert((next, None), Some(state));
            queue.push_back((next, None));
        }
    }
    None
}

/// May a condition of the rule stop it for the record that the action makes? Not where the record is made so that all
/// of them hold.
fn stopped(made: &Act<'_>, rule: &Rule<'_>) -> bool {
    let Effect::Create(_, key, fields) = &made.effect else { return !rule.guards.is_empty() };
    let given = |name: &str| {
        // Nothing is made with an empty key.
        let something = if *key == Some(name) { Given::Something } else { Given::Unknown };
        let written = fields.iter().find(|field| field.name == name).and_then(|field| field.constant.as_deref());
        written.map_or(something, Given::Constant)
    };
    !rule.guards.is_empty() && (rule.conditions.is_empty() || !rule.conditions.iter().all(|fact| fact.holds(&given)))
}

/// E0403: the shortest way of writes and deletes back to the action that began.
pub(crate) fn circle<'r, 'i>(
    rules: &[Rule<'i>],
    acts: &[&'r Act<'i>],
    followers: &Followers<'_>,
    start: usize,
    trust: Trust,
) -> Option<Vec<&'r Act<'i>>> {
    if matches!(acts[start].effect, Effect::Create(..)) {
        return None;
    }
    let mut from: BTreeMap<State<'i>, Option<State<'i>>> = BTreeMap::from([((start, None), None)]);
    let mut queue = VecDeque::from([(start, None)]);
    while let Some(state) = queue.pop_front() {
        let (index, word) = state;
        let act = acts[index];
        for next in followers.get(act.effect.entity()).into_iter().flatten().copied() {
            let follower = acts[next];
            let rule = &rules[follower.rule];
            if guarded(rules, follower, trust) || matches!(follower.effect, Effect::Create(..)) {
                continue;
            }
            // A sync knows its own echo.
            if rules[act.rule].sync.is_some() && rule.sync.is_some() {
                continue;
            }
            let Some(word) = reached(act, word, rule) else { continue };
            // Writing the word that is there already is no change.
            let same = index == next && word.is_some() && follower.words.as_ref().is_some_and(|words| words.len() == 1);
            if !entered(follower, word) || same {
                continue;
            }
            if next == start {
                return Some(way(acts, &from, state));
            }
            // A sync hands on what it was given.
            let state_of = (next, word.filter(|_| rule.sync.is_some()));
            if let Entry::Vacant(vacant) = from.entry(state_of) {
                vacant.insert(Some(state));
                queue.push_back(state_of);
            }
        }
    }
    None
}

/// Does a condition that is trusted stand before the action?
pub(crate) fn guarded(rules: &[Rule<'_>], act: &Act<'_>, trust: Trust) -> bool {
    rules[act.rule].guards.iter().chain(&act.guards).any(|guard| trust == Trust::All || guard.more)
}

/// Does a circle come back to the record that it began with, and write nothing that its conditions look at?
pub(crate) fn passed_again(rules: &[Rule<'_>], path: &[&Act<'_>]) -> bool {
    let writes = |entity: &EntityName, name: &String| {
        path.iter().any(|act| match &act.effect {
            Effect::Write(written, fields) => written == entity && fields.iter().any(|field| field.name == name),
            Effect::Create(..) | Effect::Delete(_) => true,
        })
    };
    // The field of the record at hand that holds what a field of the first record holds; none for that record itself.
    let mut held: Option<(&str, String)> = None;
    let Some(first) = path.first().map(|act| &rules[act.rule].entity) else { return false };
    for act in path {
        let rule = &rules[act.rule];
        if rule.guards.iter().chain(&act.guards).any(|guard| guard.own.iter().any(|name| writes(&rule.entity, name))) {
            return false;
        }
        if act.whose.way.is_empty() {
            continue;
        }
        let Some((field, value)) = &act.key else { return false };
        // A plain field of the record at hand.
        let Some(value) = value.strip_prefix('.').filter(|value| !value.contains(['.', ' ', '('])) else {
            return false;
        };
        held = match held {
            None => Some((field, value.to_owned())),
            Some((known, of)) if known == value => Some((field, of)),
            Some(_) => return false,
        };
        if act.whose.entity == *first && held.as_ref().is_some_and(|(field, of)| field == of) {
            held = None;
        }
    }
    held.is_none()
}

/// Does the action stand in a branch for this word?
fn entered(act: &Act<'_>, word: Option<&str>) -> bool {
    match (&act.words, word) {
        (None, _) | (Some(_), None) => true,
        (Some(words), Some(word)) => words.contains(&word),
    }
}

/// Does the action fire the rule? Then the word that is written, where it is known. `given` is the word that a line
/// of a sync was given.
fn reached<'i>(act: &Act<'i>, given: Option<&'i str>, rule: &Rule<'_>) -> Option<Option<&'i str>> {
    if *act.effect.entity() != rule.entity {
        return None;
    }
    match (&act.effect, &rule.trigger) {
        // A record that is made changes from empty.
        (Effect::Write(_, fields) | Effect::Create(_, _, fields), Trigger::Changes(changed)) => {
            fields.iter().find(|field| field.name == changed).map(|field| field.word.or(given))
        }
        (Effect::Create(..), Trigger::Created) | (Effect::Delete(_), Trigger::Deleted) => Some(None),
        (Effect::Write(_, fields), Trigger::Written) => {
            fields.iter().any(|field| field.constant.is_none()).then_some(None)
        }
        _ => None,
    }
}

/// Does the sync know the record that was made as the partner of the one it was made for? That is so where its key
/// is the one that the sync matches by.
fn recognised(act: &Act<'_>, rule: &Rule<'_>) -> bool {
    let (Some(sync), Effect::Create(made, ..), Some((key, value))) = (rule.sync, &act.effect, &act.key) else {
        return false;
    };
    let Some(field) = value.strip_prefix('.') else { return false };
    let left = sync.left.system.value == made.system;
    sync.keys.iter().any(|pair| {
        let (own, other) = if left { (&pair.left, &pair.right) } else { (&pair.right, &pair.left) };
        own.value == *key && other.value == field
    })
}
