//! One writer per field.
//!
//! A sync keeps a field as its source says, so everything else that writes it is told of. Rules that are set off by
//! changes may write one field on different occasions: the last one stands, and that is what they say. Two of them on
//! one occasion do not agree on who is the last, unless what they look at keeps them apart, or both write the same.
//! What a workflow writes is written on the occasion that starts it; behind its first wait it is an occasion of its
//! own. A workflow goes on where the rule that starts it ends, so these two are one.

use std::collections::{BTreeMap, BTreeSet};

use super::loops::rules::{Act, Effect, Field, Rule, Trigger};
use crate::check::facts::findings::{By, Writer};
use crate::check::whole::WholeSet;
use crate::check::whole::conditions::exclude;
use crate::diagnostic::{Code, Problem};
use crate::schema::EntityName;
use crate::source::Span;

impl WholeSet<'_> {
    /// E0401.
    pub(crate) fn writers(&mut self, rules: &[Rule<'_>]) {
        let mut all: Vec<&Writer> = self.found.writers.iter().collect();
        all.sort_by_key(|writer| (&writer.entity, &writer.field));
        // Fields that a sync keeps, sorted.
        let mut kept = Vec::new();
        for writers in all.chunk_by(|a, b| (&a.entity, &a.field) == (&b.entity, &b.field)) {
            let Some(Writer { entity, field, .. }) = writers.first() else { continue };
            let syncs: Vec<&Writer> = writers.iter().filter(|writer| writer.by.is_sync()).copied().collect();
            if !syncs.is_empty() {
                kept.push((entity, field.as_str()));
            }
            let mut before = 0;
            for other in writers {
                // Syncs are held against those that stand before them, whatever else against all.
                let held = if other.by.is_sync() { before } else { syncs.len() };
                before += usize::from(other.by.is_sync());
                let Some(first) = syncs[..held].iter().find(|first| !self.agree(first, other)) else { continue };
                let By::Sync { wins, .. } = &first.by else { continue };
                let message = format!("two rules write {entity}.{field}");
                let label = format!("`{}` writes it, {wins}", first.by);
                let problem = Problem::new(Code::E0401, message, first.span, label)
                    .label(other.span, "this writes it too, and the next sync would put it back");
                let help = self.writer_help(entity, field, first, other);
                self.report(problem.help(help));
            }
        }
        self.occasions(rules, &kept);
    }

    /// E0401 for rules that write one field of one record on one occasion.
    fn occasions(&mut self, rules: &[Rule<'_>], kept: &[(&EntityName, &str)]) {
        type Written<'r, 'i> = Vec<(&'r Act<'i>, &'r Field<'i>)>;
        let mut occasions: BTreeMap<(&EntityName, &str, &EntityName, &Trigger, &str), Written<'_, '_>> =
            BTreeMap::new();
        for rule in rules.iter().filter(|rule| rule.sync.is_none()) {
            for act in &rule.acts {
                let Effect::Write(entity, fields) = &act.effect else { continue };
                for field in fields {
                    let occasion = (entity, field.name, &rule.entity, &rule.trigger, act.whose.way.as_str());
                    occasions.entry(occasion).or_default().push((act, field));
                }
            }
        }
        let mut told = BTreeSet::new();
        for ((entity, name, ..), written) in occasions {
            if written.len() < 2 || kept.binary_search(&(entity, name)).is_ok() {
                continue;
            }
            for (index, (act, field)) in written.iter().enumerate() {
                let fights = |(other, by): &&(&Act<'_>, &Field<'_>)| {
                    !one_writer(other, act)
                        && (by.constant.is_none() || by.constant != field.constant)
                        && !exclude(&other.facts, &act.facts)
                };
                let Some((first, by)) = written[..index].iter().find(fights) else { continue };
                // A line of a workflow is met once for every rule that starts the workflow.
                if !told.insert((by.span, field.span)) {
                    continue;
                }
                let writer = |act: &Act<'_>| match act.within.last() {
                    Some(workflow) => format!("workflow {workflow}"),
                    None => format!("when {}", self.declared.text(rules[act.rule].head)),
                };
                let message = format!("two rules write {entity}.{name}");
                let problem = Problem::new(Code::E0401, message, by.span, format!("`{}` writes it", writer(first)))
                    .label(field.span, "this writes it too, on the same occasion, and nothing says which one stands");
                let help = "let one rule decide, with `if … { … } otherwise { … }`, or say in the `only where` of both when each of them writes";
                self.report(problem.help(help));
            }
        }
    }

    /// Can both write without undoing each other? Two syncs can, if their `only where` keeps their records apart, or if
    /// both fill in the same key.
    fn agree(&self, first: &Writer, second: &Writer) -> bool {
        let (By::Sync { name: a, fills: one, .. }, By::Sync { name: b, fills: other, .. }) = (&first.by, &second.by)
        else {
            return false;
        };
        // What was not understood of a sync may have been its condition.
        if a != b && (self.found.suppressed.contains(a) || self.found.suppressed.contains(b)) {
            return true;
        }
        let same = one.is_some() && one == other;
        a != b && (same || self.are_disjoint(a, b, &first.entity))
    }

    fn writer_help(&self, entity: &EntityName, field: &str, first: &Writer, other: &Writer) -> String {
        let By::Sync { name, fills, .. } = &first.by else { return String::new() };
        let pair = self.found.syncs.get(name).and_then(|sync| {
            let right = sync.right == *entity;
            let source = if right { &sync.left } else { &sync.right };
            let mine = sync.fields.iter().find_map(|m| match &m.kind {
                crate::program::MappingKind::Field { left, right: r, .. } if right && r == field => Some(left.clone()),
                crate::program::MappingKind::Field { left, right: r, .. } if !right && left == field => Some(r.clone()),
                _ => None,
            })?;
            Some((source.clone(), mine))
        });
        match pair {
            Some((source, mine)) => {
                let written = self.declared.text(Span { end: other.span.end, ..other.span });
                let variable = written.split('.').next().unwrap_or("record");
                let file = &self.declared.files[other.span.file.0 as usize];
                let after = &file.text[other.span.end as usize..];
                let value = after
                    .trim_start()
                    .strip_prefix('=')
                    .map(|v| v.trim_start())
                    .and_then(|v| v.split(['}', '\n']).next())
                    .unwrap_or("…")
                    .trim();
                // The field that holds the id of the other system tends to be named after it, as `crmId` is.
                let key = self
                    .declared
                    .entity(&source)
                    .and_then(|e| {
                        e.fields
                            .iter()
                            .find(|(n, f)| f.unique && n.to_lowercase().contains(&entity.system))
                            .map(|(n, _)| n.clone())
                    })
                    .unwrap_or_else(|| "key".to_owned());
                format!(
                    "keep one writer: `update {source} where {key} = {variable}.id {{ {mine} = {value} }}`, or make the field `{} wins` in sync {name}",
                    entity.system
                )
            }
            None if fills.is_some() => "remove the other: the engine fills in the key of a sync".to_owned(),
            None => "keep one of them".to_owned(),
        }
    }
}

/// Do both stand in one item, or does one start the other?
fn one_writer(a: &Act<'_>, b: &Act<'_>) -> bool {
    let same = a.within.last() == b.within.last() && (a.rule == b.rule || !a.within.is_empty());
    same || a.rule == b.rule && (a.within.starts_with(&b.within) || b.within.starts_with(&a.within))
}
