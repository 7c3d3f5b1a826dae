//! One writer per field, and a route for every message.

use std::collections::BTreeMap;

use super::world::{World, Writer};
use crate::diagnostic::Problem;
use crate::schema::EntityName;
use crate::source::Span;

impl World<'_> {
    /// E0401.
    pub(super) fn writers(&mut self) {
        let mut by_field: BTreeMap<(EntityName, String), Vec<Writer>> = BTreeMap::new();
        for writer in std::mem::take(&mut self.writers) {
            by_field.entry((writer.entity.clone(), writer.field.clone())).or_default().push(writer);
        }
        for ((entity, field), writers) in by_field {
            let syncs: Vec<&Writer> = writers.iter().filter(|writer| writer.sync).collect();
            let mut before = 0;
            for other in &writers {
                // Syncs are held against those that stand before them, whatever else against all.
                let held = if other.sync { before } else { syncs.len() };
                before += usize::from(other.sync);
                let Some(first) = syncs[..held].iter().find(|first| !self.agree(first, other)) else { continue };
                let problem = Problem::new(
                    "E0401",
                    format!("two rules write {entity}.{field}"),
                    first.span,
                    format!("`{}` writes it, {}", first.by, first.wins),
                )
                .label(other.span, "this writes it too, and the next sync would put it back");
                let help = self.writer_help(&entity, &field, first, other);
                self.tell(problem.help(help));
            }
        }
    }

    /// Can both write without undoing each other? Two syncs can, if their `only where` keeps their records apart, or if
    /// both fill in the same key.
    fn agree(&self, first: &Writer, second: &Writer) -> bool {
        let (Some(a), Some(b)) = (first.by.strip_prefix("sync "), second.by.strip_prefix("sync ")) else {
            return false;
        };
        // What was not understood of a sync may have been its condition.
        if a != b && (self.unsure.contains(a) || self.unsure.contains(b)) {
            return true;
        }
        let same = first.fills.is_some() && first.fills == second.fills;
        a != b && (same || self.told_apart(a, b, &first.entity))
    }

    fn writer_help(&self, entity: &EntityName, field: &str, first: &Writer, other: &Writer) -> String {
        let name = first.by.strip_prefix("sync ").unwrap_or_default();
        let sync = self.syncs.get(name);
        let pair = sync.and_then(|sync| {
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
                let written = self.text(Span { end: other.span.end, ..other.span });
                let variable = written.split('.').next().unwrap_or("record");
                let file = &self.files[other.span.file.0 as usize];
                let after = &file.text[other.span.end as usize..];
                let value = after
                    .trim_start()
                    .strip_prefix('=')
                    .map(|v| v.trim_start())
                    .and_then(|v| v.split(['}', '\n']).next())
                    .unwrap_or("…")
                    .trim();
                let key = self
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
            None if first.fills.is_some() => "remove the other: the engine fills in the key of a sync".to_owned(),
            None => "keep one of them".to_owned(),
        }
    }
}
