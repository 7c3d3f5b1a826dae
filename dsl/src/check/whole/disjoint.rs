//! Syncs that make records of one entity, and what keeps their records apart.

use crate::check::facts::phrases::an_entity;
use crate::check::whole::WholeSet;
use crate::diagnostic::{Code, Problem};
use crate::program::{Expr, Side, Sync};
use crate::schema::EntityName;

impl WholeSet<'_> {
    /// Does an `only where` of either sync tell apart the records of this entity that both take? By a field of that
    /// entity, or, where both pair them with records of one entity, by a field of that one.
    pub(crate) fn are_disjoint(&self, first: &str, second: &str, entity: &EntityName) -> bool {
        let (Some(first), Some(second)) = (self.found.syncs.get(first), self.found.syncs.get(second)) else {
            return false;
        };
        let side = |sync: &Sync| if sync.left == *entity { Side::Left } else { Side::Right };
        let same_source = first.entity(side(first).other()) == second.entity(side(second).other());
        [first, second].into_iter().any(|sync| {
            let Some(only) = &sync.only else { return false };
            let own = side(sync);
            reads(only, variable(own)) || (same_source && reads(only, variable(own.other())))
        })
    }

    /// E0405.
    pub(crate) fn disjoint(&mut self) {
        let makers: Vec<(String, EntityName)> = self
            .found
            .syncs
            .values()
            .flat_map(|sync| sync.create.iter().map(|side| (sync.name.clone(), sync.entity(*side).clone())))
            .collect();
        for (index, (first, made)) in makers.iter().enumerate() {
            for (second, other_made) in &makers[index + 1..] {
                if made != other_made || first == second {
                    continue;
                }
                let suppressed = [first, second].iter().any(|name| self.found.suppressed.contains(*name));
                if suppressed || self.are_disjoint(first, second, made) {
                    continue;
                }
                let span = |name| self.declared.sync_index(name).map(|index| self.declared.syncs[index].span);
                let (Some(a), Some(b)) = (span(first), span(second)) else { continue };
                let (earlier, later) = if (a.file, a.start) <= (b.file, b.start) { (a, b) } else { (b, a) };
                let problem = Problem::new(
                    Code::E0405,
                    format!("two syncs make records of {made}, and nothing keeps them apart"),
                    earlier,
                    format!("makes {}", an_entity(made)),
                )
                .label(later, "makes them too, and each would take up the other's")
                .help(format!(
                    "tell them apart by a field that only one of them fills, in one of the two:\n  only where {made}.… is empty"
                ));
                self.report(problem);
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
pub(crate) fn reads(expr: &Expr, variable: &str) -> bool {
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
