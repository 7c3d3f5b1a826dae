//! Syncs that make records of one entity, and what keeps their records apart.

use super::words::an_entity;
use super::world::World;
use crate::diagnostic::Problem;
use crate::program::{Expr, Side};
use crate::schema::EntityName;

impl World<'_> {
    /// E0405. Kept apart is what an `only where` of either sync tells apart by a field of that entity, or, where
    /// both take their records from one entity, by a field of that one.
    pub(super) fn apart(&mut self) {
        let makers: Vec<(String, EntityName, EntityName, Side)> = self
            .syncs
            .values()
            .flat_map(|sync| {
                sync.create.iter().map(|side| {
                    (sync.name.clone(), sync.entity(*side).clone(), sync.entity(side.other()).clone(), *side)
                })
            })
            .collect();
        for (index, (first, made, source, side)) in makers.iter().enumerate() {
            for (second, other_made, other_source, other_side) in &makers[index + 1..] {
                if made != other_made || first == second {
                    continue;
                }
                let same_source = source == other_source;
                let told_apart = [(first, *side), (second, *other_side)].into_iter().any(|(name, side)| {
                    let Some(only) = self.syncs.get(name).and_then(|sync| sync.only.as_ref()) else { return false };
                    reads(only, variable(side)) || (same_source && reads(only, variable(side.other())))
                });
                if told_apart || self.unsure.contains(first) || self.unsure.contains(second) {
                    continue;
                }
                let span = |name: &str| self.sync_names.iter().find(|(n, ..)| n == name).map(|(.., span)| *span);
                let (Some(a), Some(b)) = (span(first), span(second)) else { continue };
                let (earlier, later) = if (a.file, a.start) <= (b.file, b.start) { (a, b) } else { (b, a) };
                let problem = Problem::new(
                    "E0405",
                    format!("two syncs make records of {made}, and nothing keeps them apart"),
                    earlier,
                    format!("makes {}", an_entity(made)),
                )
                .label(later, "makes them too, and each would take up the other's")
                .help(format!(
                    "tell them apart by a field that only one of them fills, in one of the two:\n  only where {made}.… is empty"
                ));
                self.tell(problem);
            }
        }
    }
}

fn variable(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

/// Does the expression look at this variable?
pub(super) fn reads(expr: &Expr, variable: &str) -> bool {
    let mut found = false;
    expr.visit(&mut |part| {
        if let Expr::Field { variable: v, .. }
        | Expr::Reference { variable: v, .. }
        | Expr::Record { variable: v, .. } = part
        {
            found |= v == variable;
        }
    });
    found
}
