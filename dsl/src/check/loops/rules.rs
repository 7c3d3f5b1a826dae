//! Rules as links of a chain: what fires them, and what they do whenever they are fired.

use crate::ast::{self, ActionKind, Arrow, ExprKind, Item, ItemKind, Trigger, WorkflowStatement};
use crate::check::world::World;
use crate::schema::EntityName;
use crate::source::{FileId, Span};

/// A `when`, or one direction of a line of a sync.
pub(super) struct Rule<'a> {
    /// Whose change fires it.
    pub(super) entity: EntityName,
    pub(super) trigger: Trigger,
    /// `app.User changes phone`, or the head of the sync.
    pub(super) head: Span,
    /// What it calls the record.
    pub(super) variable: &'a str,
    /// It looks whether there is something to do.
    pub(super) guarded: bool,
    /// The sync whose line it is.
    pub(super) sync: Option<&'a ast::Sync>,
    pub(super) acts: Vec<Act<'a>>,
}

/// One action that no `if` stands around.
pub(super) struct Act<'a> {
    pub(super) rule: usize,
    /// The words of the branch it stands in; none where it runs for every change.
    pub(super) words: Option<Vec<&'a str>>,
    pub(super) effect: Effect<'a>,
    /// `update crm.Contact`
    pub(super) span: Span,
}

pub(super) enum Effect<'a> {
    /// Writes fields of records of an entity.
    Write(EntityName, Vec<Field<'a>>),
    /// Makes a record with these fields; with its key, where it has one.
    Create(EntityName, Option<(&'a str, &'a ast::Expr)>, Vec<Field<'a>>),
    /// Deletes one.
    Delete(EntityName),
}

impl Effect<'_> {
    pub(super) fn entity(&self) -> &EntityName {
        match self {
            Self::Write(entity, _) | Self::Create(entity, ..) | Self::Delete(entity) => entity,
        }
    }
}

pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    /// The word it is set to, where that is written out.
    pub(super) word: Option<&'a str>,
    pub(super) value: &'a ast::Expr,
}

/// Where actions stand.
struct Around<'a, 'i> {
    items: &'i [(FileId, Item)],
    rule: usize,
    words: Option<Vec<&'i str>>,
    /// The record whose change it is about, and what it is called.
    variable: &'i str,
    entity: EntityName,
    /// Workflows on the way here.
    within: Vec<&'a str>,
}

/// All rules that hand a change on.
pub(super) fn rules<'i>(world: &World<'_>, items: &'i [(FileId, Item)]) -> Vec<Rule<'i>> {
    let mut rules: Vec<Rule<'i>> = Vec::new();
    for (_, item) in items {
        match &item.kind {
            ItemKind::When(when) => {
                let rule = of_when(world, items, when, rules.len());
                rules.push(rule);
            }
            ItemKind::Sync(sync) => of_sync(world, sync, item, &mut rules),
            _ => {}
        }
    }
    rules
}

fn of_when<'i>(world: &World<'_>, items: &'i [(FileId, Item)], when: &'i ast::When, rule: usize) -> Rule<'i> {
    let entity = world.meant(&when.entity);
    let variable = when.named.as_ref().map_or("this", |name| name.value.as_str());
    let mut acts = Vec::new();
    let mut around = Around { items, rule, words: None, variable, entity: entity.clone(), within: Vec::new() };
    for action in when.always.iter().flat_map(|block| &block.actions).chain(&when.actions) {
        act(world, &around, action, &mut acts);
    }
    for branch in &when.branches {
        around.words = Some(branch.to.iter().map(|name| name.value.as_str()).collect());
        for action in &branch.block.actions {
            act(world, &around, action, &mut acts);
        }
    }
    Rule {
        entity,
        trigger: when.trigger.value.clone(),
        head: when.entity.span.to(when.trigger.span),
        variable,
        guarded: !when.only.is_empty(),
        sync: None,
        acts,
    }
}

fn act<'i>(world: &World<'_>, around: &Around<'_, 'i>, action: &'i ast::Action, acts: &mut Vec<Act<'i>>) {
    let fields = |record: &'i ast::Record| -> Vec<Field<'i>> {
        record.lines.iter().map(|line| field(&line.path.names[0].value, &line.value)).collect()
    };
    let (effect, end) = match &action.kind {
        ActionKind::Create { entity, key, record, .. } => {
            let key = key.as_ref().map(|(name, value)| (name.value.as_str(), value));
            (Effect::Create(world.meant(entity), key, fields(record)), entity.span)
        }
        ActionKind::Update { entity, record, .. } => (Effect::Write(world.meant(entity), fields(record)), entity.span),
        ActionKind::Delete { entity, .. } => (Effect::Delete(world.meant(entity)), entity.span),
        ActionKind::Set { path, value, .. } => {
            let Some(entity) = led_to(world, around, path) else { return };
            let Some(name) = path.names.last() else { return };
            (Effect::Write(entity, vec![field(&name.value, value)]), path.span)
        }
        ActionKind::Start { workflow, .. } => return started(world, around, &workflow.value, acts),
        _ => return,
    };
    acts.push(Act { rule: around.rule, words: around.words.clone(), effect, span: action.head.to(end) });
}

/// What a workflow does before it waits for anything. What comes later takes its time, and may be meant.
fn started<'i>(world: &World<'_>, around: &Around<'_, 'i>, name: &str, acts: &mut Vec<Act<'i>>) {
    let workflow = around.items.iter().find_map(|(_, item)| match &item.kind {
        ItemKind::Workflow(workflow) if workflow.name.value == name => Some(workflow),
        _ => None,
    });
    let Some(workflow) = workflow.filter(|_| !around.within.contains(&name)) else { return };
    let mut within = around.within.clone();
    within.push(name);
    let around = Around {
        items: around.items,
        rule: around.rule,
        words: around.words.clone(),
        variable: &workflow.argument.value,
        entity: world.meant(&workflow.entity),
        within,
    };
    for statement in &workflow.body {
        match statement {
            WorkflowStatement::Step(step) => step.actions.iter().for_each(|action| act(world, &around, action, acts)),
            WorkflowStatement::Action(action) => act(world, &around, action, acts),
            WorkflowStatement::Wait(_) | WorkflowStatement::WaitUntil(..) | WorkflowStatement::WaitFor(_) => return,
        }
    }
}

/// The entity of the record whose field `set` writes: from the record the rule is about over links.
fn led_to(world: &World<'_>, around: &Around<'_, '_>, path: &ast::Path) -> Option<EntityName> {
    let (first, rest) = path.names.split_first()?;
    let (_, links) = rest.split_last()?;
    if around.variable != first.value {
        return None;
    }
    let mut entity = around.entity.clone();
    for link in links {
        let to = world.entity(&entity)?.links.get(&link.value)?.to.clone();
        entity = EntityName::new(entity.system, to);
    }
    Some(entity)
}

/// Every line of a sync in every direction it goes, and the records it makes.
fn of_sync<'i>(world: &World<'_>, sync: &'i ast::Sync, item: &Item, rules: &mut Vec<Rule<'i>>) {
    let (left, right) = (world.meant(&sync.left), world.meant(&sync.right));
    let guarded = !sync.only.is_empty();
    let mut push = |entity: &EntityName, trigger, effect, span| {
        let rule = rules.len();
        let acts = vec![Act { rule, words: None, effect, span }];
        let entity = entity.clone();
        rules.push(Rule { entity, trigger, head: item.head, variable: "this", guarded, sync: Some(sync), acts });
    };
    for line in sync.mappings.iter().filter(|line| line.link.is_none() && line.on_create.is_none()) {
        let ways: &[(&EntityName, &ast::Expr, &EntityName, &ast::Expr)] = match line.arrow.value {
            Arrow::Both => &[(&left, &line.left, &right, &line.right), (&right, &line.right, &left, &line.left)],
            Arrow::Right => &[(&left, &line.left, &right, &line.right)],
            Arrow::Left => &[(&right, &line.right, &left, &line.left)],
        };
        for (from, source, to, target) in ways {
            let (Some(read), Some(written)) = (own(source), own(target)) else { continue };
            let written = Field { name: &written.value, word: None, value: source };
            let effect = Effect::Write((*to).clone(), vec![written]);
            push(from, Trigger::Changes(read.clone()), effect, line.span);
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
