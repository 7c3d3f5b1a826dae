//! Rules that set each other off, and chains of creates that come back to where they began.
//!
//! Trusted as a stop: an `only where` of a `when` or a sync, an `if` around the action, and a wait of a workflow. A
//! condition is not trusted where it looks at nothing, or where a circle of writes comes back to the record it began
//! with and writes nothing that the condition looks at: what let it pass once lets it pass again. Whether a chain of
//! creates passes a condition depends on the new record, so there it is trusted.
//! A `when` that looks at stages is only entered at the branches that the written word leads to. A sync hands a change
//! to the other side, and knows its own echo: no chain goes from one line of a sync to another. A workflow that a
//! message of a change starts is set off by every write but one of what is written out, which changes nothing again.
//! Each circle and each chain is told once, by its shortest way.

pub(super) mod rules;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::words::{self, thing};
use super::world::World;
use crate::ast::ExprKind;
use crate::diagnostic::Problem;
use crate::schema::EntityName;
use crate::source::Span;
use rules::{Act, Effect, Rule, Trigger};

/// An action, by its place in the list of all, and the word that it writes, where that is known.
type State<'a> = (usize, Option<&'a str>);

/// Actions by the entity whose change leads to them, in the order of the list of all.
type Followers<'r> = BTreeMap<&'r EntityName, Vec<usize>>;

/// Which conditions stop a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// All of them.
    All,
    /// Those that look at more than fields of the record whose change fires their rule.
    More,
}

impl World<'_> {
    /// E0403 and E0404.
    pub(super) fn loops(&mut self, rules: &[Rule<'_>]) {
        let acts: Vec<&Act<'_>> = rules.iter().flat_map(|rule| &rule.acts).collect();
        let mut followers = Followers::new();
        for (index, act) in acts.iter().enumerate() {
            followers.entry(&rules[act.rule].entity).or_default().push(index);
        }
        let mut told = BTreeSet::new();
        let mut known = |path: &[&Act<'_>]| {
            let mut spans: Vec<Span> = path.iter().map(|act| act.span).collect();
            spans.sort();
            !told.insert(spans)
        };
        // What begins is always a rule that somebody wrote for it: syncs alone are stable.
        let starts: Vec<usize> = (0..acts.len()).filter(|act| rules[acts[*act].rule].sync.is_none()).collect();
        for start in &starts {
            if let Some(path) = chain(rules, &acts, &followers, *start)
                && !known(&path)
            {
                self.chained(rules, acts[*start].rule, &path);
            }
        }
        let doubted = acts.iter().any(|act| guarded(rules, act, Trust::All) && !guarded(rules, act, Trust::More));
        for start in &starts {
            let found = circle(rules, &acts, &followers, *start, Trust::All).or_else(|| {
                let path = if doubted { circle(rules, &acts, &followers, *start, Trust::More) } else { None }?;
                passed_again(rules, &path).then_some(path)
            });
            if let Some(path) = found
                && !known(&path)
            {
                self.circled(rules, &path);
            }
        }
    }

    fn chained(&mut self, rules: &[Rule<'_>], start: usize, path: &[&Act<'_>]) {
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return };
        let Effect::Create(kind, key, _) = &last.effect else { return };
        let kind = thing(&kind.entity);
        let rule = &rules[last.rule];
        let stage = first.words.as_ref().and_then(|words| words.first());
        let spoken = stage.and_then(|word| self.spoken(&rules[start], word));
        let beginning = match (&rules[start].trigger, stage) {
            (_, Some(word)) => match &spoken {
                Some((_, doing)) => format!("{doing} a {kind}"),
                None => format!("`{word}`"),
            },
            (Trigger::Created, None) => format!("a new {kind}"),
            (Trigger::Deleted, None) => format!("a deleted {kind}"),
            (Trigger::Changes(field), None) => format!("a change of {field}"),
            (Trigger::Written, None) => format!("a change of a {}", thing(&rules[start].entity.entity)),
        };
        let message = match stage {
            Some(_) if let Some((done, _)) = &spoken => {
                format!("{} {done} {kind} would create a second {kind}", words::article(done))
            }
            Some(word) => format!("a {kind} in `{word}` would create a second {kind}"),
            None => format!("{beginning} would create a second {kind}"),
        };
        let key = match key {
            Some(_) if path.len() > 1 => {
                let Effect::Create(made, ..) = &path[path.len() - 2].effect else { return };
                format!("; its key is the new {}, so it is not recognised as the same {kind}", thing(&made.entity))
            }
            _ => String::new(),
        };
        let mut problem = if path.len() == 1 {
            Problem::new("E0404", message, rule.head, "1. fires for every one …")
                .label(last.span, format!("2. … and creates another {kind}, for which it fires again"))
        } else {
            let steps = path.len();
            Problem::new("E0404", message, rule.head, format!("{}. … which {} …", 2 * steps - 2, fires(rule)))
                .label(last.span, format!("{}. … which creates another {kind}{key}", 2 * steps - 1))
        };
        for (index, act) in path.iter().enumerate().take(path.len() - 1) {
            let Effect::Create(made, ..) = &act.effect else { continue };
            let made = words::a_thing(&made.entity);
            problem = if index == 0 {
                problem.label(act.span, format!("1. {beginning} creates {made} …"))
            } else {
                problem
                    .label(rules[act.rule].head, format!("{}. … which {} …", 2 * index, fires(&rules[act.rule])))
                    .label(act.span, format!("{}. … which creates {made} …", 2 * index + 1))
            };
        }
        // The key of the step before tells the records that this chain made from all others.
        let mark = path.len().checked_sub(2).and_then(|before| match path[before].effect {
            Effect::Create(_, key, _) => key,
            _ => None,
        });
        let mark = mark.unwrap_or("…");
        if rule.sync.is_some() {
            let help = "create it with the key that the sync matches by, or say in `only where` of the sync what is no record of its own";
            self.tell(problem.help(help));
            return;
        }
        if rule.route {
            let help = "let a `when` start the workflow, and say in its `only where` when there is nothing to do";
            self.tell(problem.help(help));
            return;
        }
        let variable = rule.variable;
        let help = format!(
            "stop the chain where it starts again, for example\n  when {} as {variable} {{\n    only where {variable}.{mark} is empty\nseen in: engine graph --around {}",
            self.text(rule.head),
            rules[start].entity,
        );
        self.tell(problem.help(help));
    }

    /// How a thing in a stage is called, and what brings it there.
    fn spoken(&self, rule: &Rule<'_>, word: &str) -> Option<(String, String)> {
        let Trigger::Changes(field) = &rule.trigger else { return None };
        let choice = self.choice_of.get(&(rule.entity.clone(), field.clone()))?;
        words::participle(&self.choices[*choice].row(word)?.label)
    }

    fn circled(&mut self, rules: &[Rule<'_>], path: &[&Act<'_>]) {
        let system = |entity: &EntityName| format!("the {}", words::system(&entity.system));
        let Some(first) = path.first() else { return };
        let begin = &rules[first.rule];
        let what = match &begin.trigger {
            Trigger::Changes(field) => format!("a {field} change"),
            Trigger::Written => format!("a changed {}", thing(&begin.entity.entity)),
            Trigger::Created => format!("a new {}", thing(&begin.entity.entity)),
            Trigger::Deleted => format!("a deleted {}", thing(&begin.entity.entity)),
        };
        let message = if path.len() == 1 {
            "this rule sets itself off"
        } else if path.len() == 2 && path.iter().all(|act| rules[act.rule].sync.is_none()) {
            "these two rules set each other off"
        } else {
            "these rules set each other off"
        };
        let mut problem =
            Problem::new("E0403", message, begin.head, format!("1. {what} in {} …", system(&begin.entity)));
        let mut step = 1;
        for (index, act) in path.iter().enumerate() {
            let entity = act.effect.entity();
            if rules[act.rule].sync.is_some() {
                step += 1;
                problem = problem.label(act.span, format!("{step}. … which this line carries to {}", system(entity)));
                continue;
            }
            if index > 0 {
                step += 1;
                problem = problem.label(rules[act.rule].head, format!("{step}. … which fires this rule"));
            }
            step += 1;
            let again = if index + 1 == path.len() { " again" } else { "" };
            let which = if index == 0 { "" } else { "which " };
            problem = problem.label(act.span, format!("{step}. … {which}changes {}{again}", system(entity)));
        }
        let help = self
            .instead(rules, path)
            .unwrap_or_else(|| "say in one of them when it has nothing to do:  only where …".to_owned());
        self.tell(problem.help(help));
    }

    /// Two rules that copy one field each way are a two-way field.
    fn instead(&self, rules: &[Rule<'_>], path: &[&Act<'_>]) -> Option<String> {
        let [there, back] = path else { return None };
        let (Trigger::Changes(left), Trigger::Changes(right)) = (&rules[there.rule].trigger, &rules[back.rule].trigger)
        else {
            return None;
        };
        if rules[there.rule].sync.or(rules[back.rule].sync).is_some() {
            return None;
        }
        if rules[there.rule].entity.system == rules[back.rule].entity.system {
            return None;
        }
        let mut transforms = String::new();
        for act in [there, back] {
            let Effect::Write(_, fields) = &act.effect else { return None };
            for field in fields {
                let mut value = field.value;
                while let ExprKind::As(of, transform) = &value.kind {
                    transforms = format!(" {}{transforms}", self.text(transform.span));
                    value = of;
                }
            }
        }
        Some(format!(
            "use one two-way field instead; the engine ignores its own echoes there:\n{left} <-> {right}{transforms} {} wins",
            rules[back.rule].entity.system
        ))
    }
}

/// How a rule comes into a chain.
fn fires(rule: &Rule<'_>) -> &'static str {
    if rule.sync.is_some() { "reaches this sync" } else { "fires this rule" }
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
fn chain<'r, 'i>(
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
        if *act.effect.entity() == begin.entity && begin.guards.is_empty() {
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
            if guarded(rules, follower, Trust::All)
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

/// E0403: the shortest way of writes and deletes back to the action that began.
fn circle<'r, 'i>(
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
fn guarded(rules: &[Rule<'_>], act: &Act<'_>, trust: Trust) -> bool {
    rules[act.rule].guards.iter().chain(&act.guards).any(|guard| trust == Trust::All || guard.more)
}

/// Does a circle come back to the record that it began with, and write nothing that its conditions look at?
fn passed_again(rules: &[Rule<'_>], path: &[&Act<'_>]) -> bool {
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
