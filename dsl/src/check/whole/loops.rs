//! Rules that set each other off, and chains of creates that come back to where they began.
//!
//! Trusted as a stop: an `only where` of a `when` or a sync, an `if` around the action, and a wait of a workflow. A
//! condition is not trusted where it looks at nothing, or where a circle of writes comes back to the record it began
//! with and writes nothing that the condition looks at: what let it pass once lets it pass again. In a chain of
//! creates it is not trusted where it holds by what the new record is made with; otherwise it is.
//! A `when` that looks at stages is only entered at the branches that the written word leads to. A sync hands a change
//! to the other side, and knows its own echo: no chain goes from one line of a sync to another. A workflow that a
//! message of a change starts is set off by every write but one of what is written out, which changes nothing again.
//! Each circle and each chain is told once, by its shortest way.

pub(crate) mod restarts;
pub(crate) mod rules;
mod search;

use std::collections::BTreeSet;

use rules::{Act, Effect, Rule, Trigger};
use search::{Followers, Trust, chain, circle, guarded, passed_again};

use crate::ast::ExprKind;
use crate::check::facts::phrases::{self, thing};
use crate::check::whole::WholeSet;
use crate::diagnostic::{Code, Problem};
use crate::schema::EntityName;
use crate::source::Span;

impl WholeSet<'_> {
    /// E0403 and E0404.
    pub(crate) fn loops(&mut self, rules: &[Rule<'_>]) {
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
        let sure = |start: usize, path: &[&Act<'_>]| {
            !rules[acts[start].rule].unsure && path.iter().all(|act| !rules[act.rule].unsure)
        };
        // What begins is always a rule that somebody wrote for it: syncs alone are stable.
        let starts: Vec<usize> = (0..acts.len()).filter(|act| rules[acts[*act].rule].sync.is_none()).collect();
        for start in &starts {
            if let Some(path) = chain(rules, &acts, &followers, *start)
                && sure(*start, &path)
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
                && sure(*start, &path)
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
                format!("{} {done} {kind} would create a second {kind}", phrases::article(done))
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
            Problem::new(Code::E0404, message, rule.head, "1. fires for every one …")
                .label(last.span, format!("2. … and creates another {kind}, for which it fires again"))
        } else {
            let steps = path.len();
            Problem::new(Code::E0404, message, rule.head, format!("{}. … which {} …", 2 * steps - 2, fires(rule)))
                .label(last.span, format!("{}. … which creates another {kind}{key}", 2 * steps - 1))
        };
        for (index, act) in path.iter().enumerate().take(path.len() - 1) {
            let Effect::Create(made, ..) = &act.effect else { continue };
            let made = phrases::a_thing(&made.entity);
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
            self.report(problem.help(help));
            return;
        }
        if rule.route {
            let help = "let a `when` start the workflow, and say in its `only where` when there is nothing to do";
            self.report(problem.help(help));
            return;
        }
        let variable = rule.variable;
        let help = format!(
            "stop the chain where it starts again, for example\n  when {} as {variable} {{\n    only where {variable}.{mark} is empty\nseen in: engine graph --around {}",
            self.declared.text(rule.head),
            rules[start].entity,
        );
        self.report(problem.help(help));
    }

    /// How a thing in a stage is called, and what brings it there.
    fn spoken(&self, rule: &Rule<'_>, word: &str) -> Option<(String, String)> {
        let Trigger::Changes(field) = &rule.trigger else { return None };
        let choice = self.declared.vocabulary.choice_of.get(&(rule.entity.clone(), field.clone()))?;
        phrases::participle(&self.declared.vocabulary.choices[*choice].row(word)?.label)
    }

    fn circled(&mut self, rules: &[Rule<'_>], path: &[&Act<'_>]) {
        let system = |entity: &EntityName| format!("the {}", phrases::system(&entity.system));
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
            Problem::new(Code::E0403, message, begin.head, format!("1. {what} in {} …", system(&begin.entity)));
        let mut step = 1;
        for (index, act) in path.iter().enumerate() {
            let entity = act.effect.entity();
            // The line of a sync is fired and acts at one place, so it is one step; a rule is fired and acts at two.
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
        self.report(problem.help(help));
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
                    transforms = format!(" {}{transforms}", self.declared.text(transform.span));
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
