//! One writer per field, and a route for every message.

use std::collections::BTreeMap;

use super::world::World;
use crate::diagnostic::Problem;
use crate::schema::EntityName;
use crate::source::Span;

impl World<'_> {
    /// E0401.
    pub(super) fn writers(&mut self) {
        let mut by_field: BTreeMap<(EntityName, String), Vec<super::world::Writer>> = BTreeMap::new();
        for writer in std::mem::take(&mut self.writers) {
            by_field.entry((writer.entity.clone(), writer.field.clone())).or_default().push(writer);
        }
        for ((entity, field), writers) in by_field {
            let Some(first) = writers.iter().find(|w| w.sync) else { continue };
            for other in writers.iter().filter(|w| !std::ptr::eq(*w, first)) {
                if other.sync && other.by != first.by && self.kept_apart(&first.by, &other.by) {
                    continue;
                }
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

    /// Syncs whose `only where` keeps their records apart.
    fn kept_apart(&self, first: &str, second: &str) -> bool {
        [first, second].iter().any(|by| {
            by.strip_prefix("sync ").and_then(|name| self.syncs.get(name)).is_some_and(|sync| sync.only.is_some())
        })
    }

    fn writer_help(
        &self,
        entity: &EntityName,
        field: &str,
        first: &super::world::Writer,
        other: &super::world::Writer,
    ) -> String {
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
            None => "keep one of them".to_owned(),
        }
    }
}
