//! Rules that set each other off, and chains of creates that come back to where they began.
//!
//! Trusted as a stop: an `only where` of a `when`, and an `if` around the action. A `when` that looks at stages is
//! only entered at the branches that the written word leads to. Workflows and syncs are no part of these chains:
//! a sync knows its own echoes, and a workflow takes its time.

use std::collections::BTreeSet;

use super::words::{self, thing};
use super::world::{World, entity_name};
use crate::ast::{self, ActionKind, ExprKind, Item, ItemKind, Trigger};
use crate::diagnostic::Problem;
use crate::schema::EntityName;
use crate::source::{FileId, Span};

/// A `when` as links of a chain see it.
struct Rule<'a> {
    when: &'a ast::When,
    entity: EntityName,
    /// `app.User changes phone`
    head: Span,
    guarded: bool,
    acts: Vec<Act<'a>>,
}

/// One unconditional action of a `when`.
struct Act<'a> {
    rule: usize,
    /// The words of the branch it stands in; none where it runs for every change.
    words: Option<Vec<&'a str>>,
    effect: Effect<'a>,
    /// `update crm.Contact`
    span: Span,
}

enum Effect<'a> {
    /// Writes fields of records of an entity.
    Write(EntityName, Vec<Field<'a>>),
    /// Makes a record, with the name of its key.
    Create(EntityName, Option<&'a str>),
    /// Deletes one.
    Delete(EntityName),
}

struct Field<'a> {
    name: &'a str,
    /// The word it is set to, where that is written out.
    word: Option<&'a str>,
    value: &'a ast::Expr,
}

impl World<'_> {
    /// E0403 and E0404.
    pub(super) fn loops(&mut self, items: &[(FileId, Item)]) {
        let mut rules: Vec<Rule<'_>> = Vec::new();
        for (_, item) in items {
            if let ItemKind::When(when) = &item.kind {
                let rule = self.rule(when, rules.len());
                rules.push(rule);
            }
        }
        self.chains(&rules);
        self.circles(&rules);
    }

    fn rule<'i>(&self, when: &'i ast::When, index: usize) -> Rule<'i> {
        let entity = entity_name(&when.entity);
        let mut acts = Vec::new();
        for action in when.always.iter().flat_map(|block| &block.actions).chain(&when.actions) {
            self.act(when, index, action, None, &mut acts);
        }
        for branch in &when.branches {
            let words: Vec<&str> = branch.to.iter().map(|name| name.value.as_str()).collect();
            for action in &branch.block.actions {
                self.act(when, index, action, Some(&words), &mut acts);
            }
        }
        Rule { when, entity, head: when.entity.span.to(when.trigger.span), guarded: !when.only.is_empty(), acts }
    }

    fn act<'i>(
        &self,
        when: &'i ast::When,
        rule: usize,
        action: &'i ast::Action,
        words: Option<&[&'i str]>,
        acts: &mut Vec<Act<'i>>,
    ) {
        let fields = |record: &'i ast::Record| -> Vec<Field<'i>> {
            record.lines.iter().map(|line| field(&line.path.names[0].value, &line.value)).collect()
        };
        let (effect, end) = match &action.kind {
            ActionKind::Create { entity, key, .. } => {
                (Effect::Create(entity_name(entity), key.as_ref().map(|(name, _)| name.value.as_str())), entity.span)
            }
            ActionKind::Update { entity, record, .. } => {
                (Effect::Write(entity_name(entity), fields(record)), entity.span)
            }
            ActionKind::Delete { entity, .. } => (Effect::Delete(entity_name(entity)), entity.span),
            ActionKind::Set { path, value, .. } => {
                let Some(entity) = self.led_to(when, path) else { return };
                let Some(name) = path.names.last() else { return };
                (Effect::Write(entity, vec![field(&name.value, value)]), path.span)
            }
            _ => return,
        };
        let span = action.head.to(end);
        acts.push(Act { rule, words: words.map(<[&str]>::to_vec), effect, span });
    }

    /// The entity of the record whose field `set` writes: from the `when`'s own variable over links.
    fn led_to(&self, when: &ast::When, path: &ast::Path) -> Option<EntityName> {
        let (first, rest) = path.names.split_first()?;
        let (_, links) = rest.split_last()?;
        if when.named.as_ref().map_or("this", |n| n.value.as_str()) != first.value {
            return None;
        }
        let mut entity = entity_name(&when.entity);
        for link in links {
            let to = self.entity(&entity)?.links.get(&link.value)?.to.clone();
            entity = EntityName::new(entity.system, to);
        }
        Some(entity)
    }

    /// E0404: a chain of creates that ends with another record of the kind it began with.
    fn chains(&mut self, rules: &[Rule<'_>]) {
        let mut told = BTreeSet::new();
        for start in 0..rules.len() {
            for act in &rules[start].acts {
                let mut path = vec![act];
                self.chain(rules, start, &mut path, &mut told);
            }
        }
    }

    fn chain<'r, 'i>(
        &mut self,
        rules: &'r [Rule<'i>],
        start: usize,
        path: &mut Vec<&'r Act<'i>>,
        told: &mut BTreeSet<Vec<Span>>,
    ) {
        let Some(last) = path.last() else { return };
        let Effect::Create(made, _) = &last.effect else { return };
        // Alone, only `is created` fires again for what it makes; a deletion is never followed by a create.
        let again = match rules[start].when.trigger.value {
            Trigger::Created => true,
            Trigger::Changes(_) => path.len() > 1,
            Trigger::Deleted => false,
        };
        if *made == rules[start].entity && !rules[start].guarded {
            if !again {
                return;
            }
            let mut circle: Vec<Span> = path.iter().map(|act| act.span).collect();
            circle.sort();
            if told.insert(circle) {
                self.chained(rules, start, path);
            }
            return;
        }
        if path.len() > rules.len() {
            return;
        }
        for (index, rule) in rules.iter().enumerate() {
            let begins = rule.entity == *made && matches!(rule.when.trigger.value, Trigger::Created) && !rule.guarded;
            if !begins || path.iter().any(|act| act.rule == index) {
                continue;
            }
            for act in &rule.acts {
                path.push(act);
                self.chain(rules, start, path, told);
                path.pop();
            }
        }
    }

    fn chained(&mut self, rules: &[Rule<'_>], start: usize, path: &[&Act<'_>]) {
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return };
        let Effect::Create(kind, key) = &last.effect else { return };
        let kind = thing(&kind.entity);
        let rule = &rules[last.rule];
        let stage = first.words.as_ref().and_then(|words| words.first());
        let spoken = stage.and_then(|word| self.spoken(rules[start].when, word));
        let beginning = match (&rules[start].when.trigger.value, stage) {
            (_, Some(word)) => match &spoken {
                Some((_, doing)) => format!("{doing} a {kind}"),
                None => format!("`{word}`"),
            },
            (Trigger::Created, None) => format!("a new {kind}"),
            (Trigger::Deleted, None) => format!("a deleted {kind}"),
            (Trigger::Changes(field), None) => format!("a change of {}", field.value),
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
                let Effect::Create(made, _) = &path[path.len() - 2].effect else { return };
                format!("; its key is the new {}, so it is not recognised as the same {kind}", thing(&made.entity))
            }
            _ => String::new(),
        };
        let mut problem = if path.len() == 1 {
            Problem::new("E0404", message, rule.head, "1. fires for every one …")
                .label(last.span, format!("2. … and creates another {kind}, for which it fires again"))
        } else {
            let steps = path.len();
            Problem::new("E0404", message, rule.head, format!("{}. … which fires this rule …", 2 * steps - 2))
                .label(last.span, format!("{}. … which creates another {kind}{key}", 2 * steps - 1))
        };
        for (index, act) in path.iter().enumerate().take(path.len() - 1) {
            let Effect::Create(made, _) = &act.effect else { continue };
            let made = words::a_thing(&made.entity);
            problem = if index == 0 {
                problem.label(act.span, format!("1. {beginning} creates {made} …"))
            } else {
                problem
                    .label(rules[act.rule].head, format!("{}. … which fires this rule …", 2 * index))
                    .label(act.span, format!("{}. … which creates {made} …", 2 * index + 1))
            };
        }
        let variable = rule.when.named.as_ref().map_or("this", |n| n.value.as_str());
        // The key of the step before tells the records that this chain made from all others.
        let mark = path.len().checked_sub(2).and_then(|before| match path[before].effect {
            Effect::Create(_, key) => key,
            _ => None,
        });
        let mark = mark.unwrap_or("…");
        let help = format!(
            "stop the chain where it starts again, for example\n  when {} as {variable} {{\n    only where {variable}.{mark} is empty\nseen in: engine graph --around {}",
            self.text(rule.head),
            rules[start].entity,
        );
        self.tell(problem.help(help));
    }

    /// How a thing in a stage is called, and what brings it there.
    fn spoken(&self, when: &ast::When, word: &str) -> Option<(String, String)> {
        let Trigger::Changes(field) = &when.trigger.value else { return None };
        let choice = self.choice_of.get(&(self.meant(&when.entity), field.value.clone()))?;
        words::participle(&self.choices[*choice].row(word)?.label)
    }

    /// E0403: writes and deletes that come back to the rule that began.
    fn circles(&mut self, rules: &[Rule<'_>]) {
        let acts: Vec<&Act<'_>> = rules.iter().flat_map(|rule| &rule.acts).collect();
        let mut told = BTreeSet::new();
        for start in &acts {
            let mut path = vec![*start];
            self.circle(rules, &mut path, &mut told);
        }
    }

    fn circle<'r, 'i>(&mut self, rules: &'r [Rule<'i>], path: &mut Vec<&'r Act<'i>>, told: &mut BTreeSet<Vec<Span>>) {
        let (Some(first), Some(last)) = (path.first().copied(), path.last().copied()) else { return };
        for (index, rule) in rules.iter().enumerate() {
            if rule.guarded {
                continue;
            }
            let Some(word) = fires(last, rule) else { continue };
            for act in &rule.acts {
                let entered = match (&act.words, word) {
                    (None, _) | (Some(_), None) => true,
                    // Writing the word that is there already is no change.
                    (Some(words), Some(word)) => {
                        words.contains(&word)
                            && !(path.len() == 1 && words.len() == 1 && last.rule == index && std::ptr::eq(act, last))
                    }
                };
                if !entered {
                    continue;
                }
                if std::ptr::eq(act, first) {
                    let mut spans: Vec<Span> = path.iter().map(|act| act.span).collect();
                    spans.sort();
                    if told.insert(spans) {
                        self.circled(rules, path);
                    }
                } else if path.len() <= rules.len() && !path.iter().any(|seen| std::ptr::eq(*seen, act)) {
                    path.push(act);
                    self.circle(rules, path, told);
                    path.pop();
                }
            }
        }
    }

    fn circled(&mut self, rules: &[Rule<'_>], path: &[&Act<'_>]) {
        let system = |entity: &EntityName| format!("the {}", words::system(&entity.system));
        let Some(first) = path.first() else { return };
        let begin = &rules[first.rule];
        let what = match &begin.when.trigger.value {
            Trigger::Changes(field) => format!("a {} change", field.value),
            Trigger::Created => format!("a new {}", thing(&begin.entity.entity)),
            Trigger::Deleted => format!("a deleted {}", thing(&begin.entity.entity)),
        };
        let message = if path.len() == 1 {
            "this rule sets itself off"
        } else if path.len() == 2 {
            "these two rules set each other off"
        } else {
            "these rules set each other off"
        };
        let mut problem =
            Problem::new("E0403", message, begin.head, format!("1. {what} in {} …", system(&begin.entity)));
        for (index, act) in path.iter().enumerate() {
            if index > 0 {
                problem = problem.label(rules[act.rule].head, format!("{}. … which fires this rule", 2 * index + 1));
            }
            let entity = match &act.effect {
                Effect::Write(entity, _) | Effect::Create(entity, _) | Effect::Delete(entity) => entity,
            };
            let again = if index + 1 == path.len() { " again" } else { "" };
            let which = if index == 0 { "" } else { "which " };
            problem = problem.label(act.span, format!("{}. … {which}changes {}{again}", 2 * index + 2, system(entity)));
        }
        let help = self
            .instead(rules, path)
            .unwrap_or_else(|| "say in one of them when it has nothing to do:  only where …".to_owned());
        self.tell(problem.help(help));
    }

    /// Two rules that copy one field each way are a two-way field.
    fn instead(&self, rules: &[Rule<'_>], path: &[&Act<'_>]) -> Option<String> {
        let [there, back] = path else { return None };
        let (Trigger::Changes(left), Trigger::Changes(right)) =
            (&rules[there.rule].when.trigger.value, &rules[back.rule].when.trigger.value)
        else {
            return None;
        };
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
            "use one two-way field instead; the engine ignores its own echoes there:\n{} <-> {}{transforms} {} wins",
            left.value, right.value, rules[back.rule].entity.system
        ))
    }
}

fn field<'i>(name: &'i str, value: &'i ast::Expr) -> Field<'i> {
    let word = match &value.kind {
        ExprKind::Path(path) if path.names.len() == 1 => Some(path.names[0].value.as_str()),
        ExprKind::Text(parts) => match parts.as_slice() {
            [ast::TextPart::Chars(text)] => Some(text.as_str()),
            _ => None,
        },
        _ => None,
    };
    Field { name, word, value }
}

/// Does the action fire the rule? Then the word that is written, where it is known.
fn fires<'i>(act: &Act<'i>, rule: &Rule<'_>) -> Option<Option<&'i str>> {
    match (&act.effect, &rule.when.trigger.value) {
        (Effect::Write(entity, fields), Trigger::Changes(changed)) if *entity == rule.entity => {
            fields.iter().find(|field| field.name == changed.value).map(|field| field.word)
        }
        (Effect::Delete(entity), Trigger::Deleted) if *entity == rule.entity => Some(None),
        _ => None,
    }
}
