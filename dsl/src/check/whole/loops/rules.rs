//! Rules as links of a chain: what fires them, and what they do whenever they are fired.
//!
//! A workflow does what it does for whatever starts it: a `when`, or a message that a route leads to it. What it does
//! behind its first wait is left out, because it takes its time and may be meant; so are `undo` and `on failure`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{self, ActionKind, Arrow, ExprKind, Item, ItemKind, RouteTo, WorkflowStatement};
use crate::check::facts::declared::Declared;
use crate::check::whole::conditions::{Fact, Known, Reads, Scope};
use crate::diagnostic::Problem;
use crate::schema::{About, Change, EntityName};
use crate::source::{FileId, Span};

/// What fires a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trigger {
    /// A record is made.
    Created,
    /// One is deleted.
    Deleted,
    /// This field changes.
    Changes(String),
    /// Anything of it changes: a message says so.
    Written,
}

/// A `when`, a route to a workflow, or one direction of a line of a sync.
pub(crate) struct Rule<'a> {
    /// Whose change fires it.
    pub(crate) entity: EntityName,
    pub(crate) trigger: Trigger,
    /// `app.User changes phone`, the message of a route, or the head of the sync.
    pub(crate) head: Span,
    /// What it calls the record.
    pub(crate) variable: &'a str,
    /// It is a route: messages start it.
    pub(crate) route: bool,
    /// What its `only where` look at. One that looks at nothing is none.
    pub(crate) guards: Vec<Reads>,
    /// Where the `only where` of a `when` stand.
    pub(crate) asked: Vec<Span>,
    /// What its `only where` say; they hold where all of this does. Nothing is said of those of a sync.
    pub(crate) conditions: Vec<Fact>,
    /// Something of it was not understood, perhaps what stops a chain.
    pub(crate) unsure: bool,
    /// The sync whose line it is.
    pub(crate) sync: Option<&'a ast::Sync>,
    pub(crate) acts: Vec<Act<'a>>,
}

/// One action.
pub(crate) struct Act<'a> {
    pub(crate) rule: usize,
    /// The words of the branch it stands in; none where it runs for every change.
    pub(crate) words: Option<Vec<&'a str>>,
    pub(crate) effect: Effect<'a>,
    /// `update crm.Contact`
    pub(crate) span: Span,
    /// The record that it is about.
    pub(crate) whose: Known,
    /// Its key, `where f = v` or `key f = v`, with the value under its common name.
    pub(crate) key: Option<(String, String)>,
    /// Workflows on the way to it.
    pub(crate) within: Vec<&'a str>,
    /// What the `if` around it look at.
    pub(crate) guards: Vec<Reads>,
    /// What holds where it is done: by its rule, its branch and the `if` around it.
    pub(crate) facts: Vec<Fact>,
}

pub(crate) enum Effect<'a> {
    /// Writes fields of records of an entity.
    Write(EntityName, Vec<Field<'a>>),
    /// Makes a record with these fields; with the name of its key, where it has one.
    Create(EntityName, Option<&'a str>, Vec<Field<'a>>),
    /// Deletes one.
    Delete(EntityName),
}

impl Effect<'_> {
    pub(crate) fn entity(&self) -> &EntityName {
        match self {
            Self::Write(entity, _) | Self::Create(entity, ..) | Self::Delete(entity) => entity,
        }
    }
}

pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    /// The word it is set to, where that is written out.
    pub(crate) word: Option<&'a str>,
    pub(crate) value: &'a ast::Expr,
    /// Its value, where that is written out.
    pub(crate) constant: Option<String>,
    /// Where it is named.
    pub(crate) span: Span,
}

/// Where actions stand.
#[derive(Clone)]
struct Around<'w, 'i> {
    workflows: &'w BTreeMap<&'i str, &'i ast::Workflow>,
    rule: usize,
    words: Option<Vec<&'i str>>,
    scope: Scope<'i>,
    within: Vec<&'i str>,
    guards: Vec<Reads>,
    facts: Vec<Fact>,
}

impl<'i> Around<'_, 'i> {
    /// Inside of an `if`, or of its `otherwise`.
    fn where_it(&self, condition: &'i ast::Expr, holds: bool) -> Self {
        let mut inner = self.clone();
        inner.guards.extend(guard(&self.scope, condition));
        self.scope.facts(condition, holds, &mut inner.facts);
        inner
    }
}

/// What a condition looks at, if it looks at anything.
fn guard(scope: &Scope<'_>, condition: &ast::Expr) -> Option<Reads> {
    let mut reads = Reads::default();
    scope.reads(condition, &mut reads);
    (reads != Reads::default()).then_some(reads)
}

/// All rules that hand a change on. They go by what items declare, and not by what was found of others.
pub(crate) fn rules<'i>(declared: &Declared<'_>, items: &'i [(FileId, Arc<Item>)]) -> Vec<Rule<'i>> {
    let mut workflows: BTreeMap<&str, &ast::Workflow> = BTreeMap::new();
    for (_, item) in items {
        if let ItemKind::Workflow(workflow) = &item.kind {
            workflows.entry(&workflow.name.value).or_insert(workflow);
        }
    }
    let mut rules: Vec<Rule<'i>> = Vec::new();
    for (_, item) in items {
        match &item.kind {
            ItemKind::When(when) => {
                let first = match &when.trigger.value {
                    ast::Trigger::Changes(field) => Some(field),
                    ast::Trigger::Created | ast::Trigger::Deleted => None,
                };
                rules.push(of_when(declared, &workflows, when, first, rules.len()));
                // Each of several fields sets it off.
                for field in &when.also {
                    rules.push(of_when(declared, &workflows, when, Some(field), rules.len()));
                }
            }
            ItemKind::Sync(sync) => of_sync(declared, sync, item, &mut rules),
            ItemKind::Events(events) => of_routes(declared, &workflows, events, &mut rules),
            _ => {}
        }
    }
    rules
}

fn of_when<'i>(
    declared: &Declared<'_>,
    workflows: &BTreeMap<&'i str, &'i ast::Workflow>,
    when: &'i ast::When,
    changed: Option<&'i ast::Name>,
    rule: usize,
) -> Rule<'i> {
    let entity = declared.meant(&when.entity);
    let variable = when.named.as_ref().map_or("this", |name| name.value.as_str());
    let mut scope = Scope::default();
    scope.bind(variable, Known::at(entity.clone(), String::new()));
    let (trigger, changed) = match &when.trigger.value {
        ast::Trigger::Created => (Trigger::Created, None),
        ast::Trigger::Deleted => (Trigger::Deleted, None),
        ast::Trigger::Changes(first) => {
            let field = changed.unwrap_or(first);
            (Trigger::Changes(field.value.clone()), Some(field.value.as_str()))
        }
    };
    scope.changed = changed;
    let guards = when.only.iter().filter_map(|condition| guard(&scope, condition)).collect();
    let mut facts = Vec::new();
    for condition in &when.only {
        scope.facts(condition, true, &mut facts);
    }
    let conditions = facts.clone();
    let mut acts = Vec::new();
    let mut around = Around { workflows, rule, words: None, scope, within: Vec::new(), guards: Vec::new(), facts };
    if let Some(always) = &when.always {
        block(declared, &mut around, &always.actions, &mut acts);
    }
    // Branches see the names that `always` binds, and not those that the actions beside them bind.
    let mut everywhere = around.clone();
    block(declared, &mut everywhere, &when.actions, &mut acts);
    for branch in &when.branches {
        let mut inner = around.clone();
        let words: Vec<&str> = branch.to.iter().map(|name| name.value.as_str()).collect();
        if let Some(field) = changed {
            inner.facts.push(Fact::one_of(format!(".{field}"), &words));
            if let Some(from) = &branch.from {
                inner.facts.push(Fact::one_of(format!("old.{field}"), &[&from.value]));
            }
        }
        inner.words = Some(words);
        block(declared, &mut inner, &branch.block.actions, &mut acts);
    }
    let head = when.entity.span.to(when.trigger.span);
    let asked = when.only.iter().map(|condition| condition.span).collect();
    let unsure = !when.unread.is_empty();
    Rule { entity, trigger, head, variable, route: false, guards, asked, conditions, unsure, sync: None, acts }
}

/// Of rules whose `only where` something is told, it is not known what they ask.
pub(crate) fn doubt(rules: &mut [Rule<'_>], problems: &[Problem]) {
    let wrong = |asked: &Span| {
        let inside = |at: Span| at.file == asked.file && (asked.start..asked.end).contains(&at.start);
        problems.iter().any(|problem| inside(problem.span()))
    };
    for rule in rules {
        rule.unsure |= rule.asked.iter().any(wrong);
    }
}

/// Workflows that messages about a record start: one rule for its creation, one for its change.
fn of_routes<'i>(
    declared: &Declared<'_>,
    workflows: &BTreeMap<&'i str, &'i ast::Workflow>,
    events: &'i ast::Events,
    rules: &mut Vec<Rule<'i>>,
) {
    let messages = declared.systems.get(&events.from.value).and_then(|system| system.lock.deliveries.as_ref());
    let Some(messages) = messages.map(|deliveries| &deliveries.messages) else { return };
    for route in &events.routes {
        let RouteTo::Workflow(name) = &route.to.value else { continue };
        let Some(workflow) = workflows.get(name.value.as_str()) else { continue };
        for message in &route.messages {
            let Some(About::Record { entity, change, .. }) = messages.get(&message.value).map(|found| &found.about)
            else {
                continue;
            };
            let trigger = match change {
                Change::Created => Trigger::Created,
                // A message of a change does not say of which field: any write of the record may have brought it.
                Change::Updated => Trigger::Written,
                _ => continue,
            };
            let entity = EntityName::new(&events.from.value, entity);
            let known = Known::at(entity.clone(), String::new());
            let rule = rules.len();
            let around = Around {
                workflows,
                rule,
                words: None,
                scope: Scope::default(),
                within: Vec::new(),
                guards: Vec::new(),
                facts: Vec::new(),
            };
            let mut acts = Vec::new();
            started(declared, &around, &name.value, known, &mut acts);
            let variable = workflow.argument.value.as_str();
            let head = message.span;
            rules.push(Rule {
                entity,
                trigger,
                head,
                variable,
                route: true,
                guards: Vec::new(),
                asked: Vec::new(),
                conditions: Vec::new(),
                unsure: false,
                sync: None,
                acts,
            });
        }
    }
}

fn block<'i>(
    declared: &Declared<'_>,
    around: &mut Around<'_, 'i>,
    actions: &'i [ast::Action],
    acts: &mut Vec<Act<'i>>,
) {
    for action in actions {
        act(declared, around, action, acts);
    }
}

fn act<'i>(declared: &Declared<'_>, around: &mut Around<'_, 'i>, action: &'i ast::Action, acts: &mut Vec<Act<'i>>) {
    let fields = |scope: &Scope<'i>, record: &'i ast::Record| -> Vec<Field<'i>> {
        record.lines.iter().map(|line| field(scope, &line.path, &line.value)).collect()
    };
    let (effect, whose, key, end, bound) = match &action.kind {
        ActionKind::Create { entity, named, key, record } => {
            let made = declared.meant(entity);
            let name = key.as_ref().map(|(name, _)| name.value.as_str());
            let (key, whose) = match key {
                Some((name, value)) => (
                    Some((name.value.clone(), around.scope.term(value))),
                    around.scope.by_key(declared, made.clone(), &name.value, value),
                ),
                None => (None, Known::at(made.clone(), format!("[new {made}]"))),
            };
            (Effect::Create(made, name, fields(&around.scope, record)), whose, key, entity.span, named)
        }
        ActionKind::Update { entity, named, condition, record, .. } => {
            let changed = declared.meant(entity);
            let (key, whose) = condition_of(declared, &around.scope, &changed, condition);
            (Effect::Write(changed, fields(&around.scope, record)), whose, key, entity.span, named)
        }
        ActionKind::Delete { entity, condition, .. } => {
            let gone = declared.meant(entity);
            let (key, whose) = condition_of(declared, &around.scope, &gone, condition);
            (Effect::Delete(gone), whose, key, entity.span, &None)
        }
        ActionKind::Set { path, value, .. } => {
            let Some((_, front)) = path.names.split_last() else { return };
            let Some(whose) = around.scope.record(declared, front) else { return };
            let written = field(&around.scope, path, value);
            let key = whose.key.clone();
            (Effect::Write(whose.entity.clone(), vec![written]), whose, key, path.span, &None)
        }
        ActionKind::Start { workflow, with } => {
            let Some(known) = around.scope.record(declared, &with.names) else { return };
            return started(declared, around, &workflow.value, known, acts);
        }
        ActionKind::If { condition, then, otherwise } => {
            block(declared, &mut around.where_it(condition, true), &then.actions, acts);
            if let Some(otherwise) = otherwise {
                block(declared, &mut around.where_it(condition, false), &otherwise.actions, acts);
            }
            return;
        }
        ActionKind::Call { named, .. } => {
            if let Some(name) = named {
                around.scope.other(&name.value);
            }
            return;
        }
        _ => return,
    };
    // Bound behind the action, before which the name has no record.
    if let Some(name) = bound {
        around.scope.bind(&name.value, whose.clone());
    }
    acts.push(Act {
        rule: around.rule,
        words: around.words.clone(),
        effect,
        span: action.head.to(end),
        whose,
        key,
        within: around.within.clone(),
        guards: around.guards.clone(),
        facts: around.facts.clone(),
    });
}

/// `where f = v`: the key, and the record that has it.
fn condition_of(
    declared: &Declared<'_>,
    scope: &Scope<'_>,
    entity: &EntityName,
    condition: &ast::Expr,
) -> (Option<(String, String)>, Known) {
    if let ExprKind::Binary(left, op, value) = &condition.kind
        && op.value == ast::BinaryOp::Equal
        && let ExprKind::Path(path) = &left.kind
        && let [field] = path.names.as_slice()
    {
        let whose = scope.by_key(declared, entity.clone(), &field.value, value);
        return (Some((field.value.clone(), scope.term(value))), whose);
    }
    (None, Known::at(entity.clone(), format!("[{}]", scope.term(condition))))
}

/// What a workflow does before it waits for anything.
fn started<'i>(declared: &Declared<'_>, around: &Around<'_, 'i>, name: &str, with: Known, acts: &mut Vec<Act<'i>>) {
    let Some(workflow) = around.workflows.get(name).filter(|_| !around.within.contains(&name)) else { return };
    let mut inner = around.clone();
    inner.within.push(&workflow.name.value);
    inner.scope = Scope::default();
    inner.scope.bind(&workflow.argument.value, with);
    for statement in &workflow.body {
        match statement {
            WorkflowStatement::Step(step) => block(declared, &mut inner, &step.actions, acts),
            WorkflowStatement::Action(action) => act(declared, &mut inner, action, acts),
            WorkflowStatement::Wait(_) | WorkflowStatement::WaitUntil(..) | WorkflowStatement::WaitFor(_) => return,
        }
    }
}

/// Every line of a sync in every direction it goes, and the records it makes.
fn of_sync<'i>(declared: &Declared<'_>, sync: &'i ast::Sync, item: &Item, rules: &mut Vec<Rule<'i>>) {
    let (left, right) = (declared.meant(&sync.left), declared.meant(&sync.right));
    // What an `only where` of a sync looks at may be on either side: it is trusted as a whole.
    let guards: Vec<Reads> = sync.only.iter().map(|_| Reads { more: true, ..Reads::default() }).collect();
    let mut push = |entity: &EntityName, trigger, effect: Effect<'i>, span| {
        let rule = rules.len();
        let act = Act {
            rule,
            words: None,
            span,
            whose: Known::at(effect.entity().clone(), "[partner]".to_owned()),
            key: None,
            within: Vec::new(),
            guards: Vec::new(),
            facts: Vec::new(),
            effect,
        };
        rules.push(Rule {
            entity: entity.clone(),
            trigger,
            head: item.head,
            variable: "this",
            route: false,
            guards: guards.clone(),
            asked: Vec::new(),
            conditions: Vec::new(),
            unsure: false,
            sync: Some(sync),
            acts: vec![act],
        });
    };
    for line in sync.mappings.iter().filter(|line| line.link.is_none() && line.on_create.is_none()) {
        let ways: &[(&EntityName, &ast::Expr, &EntityName, &ast::Expr)] = match line.arrow.value {
            Arrow::Both => &[(&left, &line.left, &right, &line.right), (&right, &line.right, &left, &line.left)],
            Arrow::Right => &[(&left, &line.left, &right, &line.right)],
            Arrow::Left => &[(&right, &line.right, &left, &line.left)],
        };
        for (from, source, to, target) in ways {
            let (Some(read), Some(written)) = (own(source), own(target)) else { continue };
            let span = written.span;
            let written = Field { name: &written.value, word: None, value: source, constant: None, span };
            let effect = Effect::Write((*to).clone(), vec![written]);
            push(from, Trigger::Changes(read.value.clone()), effect, line.span);
        }
    }
    if let Some(create) = &sync.create {
        for (from, to) in [(&left, &right), (&right, &left)] {
            if create.value == "both" || create.value == to.system {
                push(from, Trigger::Created, Effect::Create(to.clone(), None, Vec::new()), create.span);
            }
        }
    }
}

/// The field that an expression is, with or without transforms.
fn own(expr: &ast::Expr) -> Option<&ast::Name> {
    match &expr.kind {
        ExprKind::Path(path) if path.names.len() == 1 => path.names.first(),
        ExprKind::As(of, _) => own(of),
        _ => None,
    }
}

/// `f = v`, where `path` ends with the field.
fn field<'i>(scope: &Scope<'i>, path: &'i ast::Path, value: &'i ast::Expr) -> Field<'i> {
    let word = match &value.kind {
        ExprKind::Path(path) if path.names.len() == 1 => Some(path.names[0].value.as_str()),
        ExprKind::Text(parts) => match parts.as_slice() {
            [ast::TextPart::Chars(text)] => Some(text.as_str()),
            _ => None,
        },
        _ => None,
    };
    let constant = scope.constant(value).then(|| scope.term(value));
    let name = path.names.last().map_or("", |name| name.value.as_str());
    Field { name, word, value, constant, span: path.span }
}
