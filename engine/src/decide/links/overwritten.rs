//! Somebody's edit that a write of ours covered before it was seen (SYNC-MODEL.md section 5, write-over detection).
//!
//! No system here lets us write on the condition that nothing has changed, so there is always a moment between what
//! we know and what we write. In: an edit that turns out to lie in that moment, by a message that came late or by one
//! that came while the write was on its way. Out: by the line's policy, the edit is put back, or history keeps it.
//! Always true: an edit is never lost in silence; what is to be put back is a row until it has been.

use dsl::eval::canonical;
use dsl::program::{Direction, Mapping, MappingKind, Policy, Side};
use dsl::value::Timestamp;

use crate::decide::links::sides::{Resolution, side_value};
use crate::decide::model::event::Event;
use crate::decide::model::link::{LinkRow, Restore};
use crate::decide::model::task::{Overwritten, Task};
use crate::decide::store::links;
use crate::decide::store::links::ActiveSync;
use crate::decide::store::records::{links_of, side_of};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Decides what becomes of the edit, in every pair that writes this field.
pub(crate) fn overwritten(cx: &mut Context<'_>, edit: &Overwritten) -> Result<(), Error> {
    for id in links_of(cx, &edit.entity, &edit.id)? {
        let mut link = links::load(cx, id)?;
        let Some(rule) = links::rule(cx, &link) else { continue };
        let Some(side) = side_of(&rule, &edit.entity) else { continue };
        let Some(mapping) = rule.fields.iter().find(|mapping| writes(mapping, side, &edit.field)) else { continue };
        // A value that cannot be understood would have parked the field; it is kept as it was told.
        let value = canonical(&rule.program, &rule, mapping, side, &edit.value).unwrap_or_else(|_| edit.value.clone());
        let stands = link.base.get(&mapping.text).cloned().unwrap_or_default();
        if value == stands {
            continue;
        }
        let back = mapping.direction == Direction::Both && wins(cx, &link, &rule, mapping, side, edit.at);
        let known = link.restores.get(&mapping.text).is_some_and(|restore| restore.at >= edit.at);
        if back && !known {
            let base = (mapping.policy == Policy::Review).then(|| edit.known.base.clone());
            let restore = Restore { side, value: value.clone(), at: edit.at, base };
            link.restores.insert(mapping.text.clone(), restore);
            links::store(cx, id, &link);
            cx.task(Task::Link(id));
        }
        let (action, detail) = match (mapping.direction, back && !known) {
            (Direction::Both, true) => ("conflict", "an edit was written over before it was seen; it is put back"),
            (Direction::Both, false) => ("conflict", "an edit was written over before it was seen"),
            _ => ("drift", "an edit was written over before it was seen; the other side owns this field"),
        };
        let (value, displaced) = if back && !known { (value, stands) } else { (stands, value) };
        cx.log(Event {
            at: cx.now,
            action: action.to_owned(),
            rule: rule.name.clone(),
            place: mapping.place.to_string(),
            entity: edit.entity.to_string(),
            left: link.left.clone(),
            right: link.right.clone(),
            field: Some(edit.field.clone()),
            subject: id.to_string(),
            value: Some(value.to_string()),
            displaced: Some(displaced.to_string()),
            detail: detail.to_owned(),
        });
    }
    Ok(())
}

fn writes(mapping: &Mapping, side: Side, field: &str) -> bool {
    let name = match &mapping.kind {
        MappingKind::Field { left, right, .. } => {
            if side == Side::Left {
                left
            } else {
                right
            }
        }
        MappingKind::Computed { target, .. } => target,
        MappingKind::Link { .. } => return false,
    };
    mapping.direction.writes(side) && name == field
}

/// Would the edit of `side` have won, had it been seen in time? What it meets is the other side's change, which is
/// what was written over it.
fn wins(cx: &Context<'_>, link: &LinkRow, rule: &ActiveSync, mapping: &Mapping, side: Side, at: Timestamp) -> bool {
    match mapping.policy {
        Policy::Wins(winner) => winner == side,
        // Put back, so that both values stand when a person chooses.
        Policy::Review => true,
        Policy::Newest { tie } => match side_value(cx, link, rule, mapping, side.other()) {
            Ok(Resolution::Value(held)) => match held.changed {
                Some(other) if at.since(other).0.abs() > cx.settings.clock_skew.0 => at > other,
                _ => tie == side,
            },
            _ => tie == side,
        },
    }
}
