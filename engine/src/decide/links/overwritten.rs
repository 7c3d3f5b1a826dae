//! Somebody's edit that a write of ours overwrote before it was seen, a lost update (SYNC-MODEL.md section 5, write-over
//! detection).
//!
//! No system here lets us write on the condition that nothing has changed, so there is always a moment between what
//! we know and what we write. In: an edit that turns out to lie in that moment, by a message that came late or by one
//! that came while the write was on its way. Out: by the line's policy, the edit is put back, or history keeps it.
//! Always true: an edit is never lost in silence; what is to be put back is a row until it has been.

use connectors::planted::{Mutant, planted};
use dsl::eval::canonical;
use dsl::program::{Direction, Mapping, Policy, Side};

use crate::decide::links::answer::move_base;
use crate::decide::links::existence::life;
use crate::decide::links::plan::newest;
use crate::decide::links::sides::{self, Resolution, SideValue, side_value};
use crate::decide::model::canonical::Canonical;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::link::{LinkState, Restore, RestoredBase};
use crate::decide::model::record::Life;
use crate::decide::model::sides::BOTH;
use crate::decide::model::task::{Landed, Overwritten, Task};
use crate::decide::store::links::OpenLink;
use crate::decide::store::records::{links_of, side_of};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// A write of the link took effect, which is seen before its answer or without one: the value is the base of its line,
/// whatever else has been written since.
pub(crate) fn landed(cx: &mut Context<'_>, landed: &Landed) -> Result<(), Error> {
    let Some(mut link) = OpenLink::open(cx, landed.link)? else { return Ok(()) };
    let Some(mapping) = link.sync.fields.iter().find(|mapping| mapping.text == landed.mapping).cloned() else {
        return Ok(());
    };
    let newer = link.base.get(&mapping.text).filter(|base| **base != landed.canonical).cloned();
    move_base(&mut link, &mapping.text, &landed.canonical, landed.restore);
    if let Some(newer) = newer.filter(|_| landed.doubted) {
        let line = link.event(cx, Action::InDoubt);
        cx.log(Event {
            place: mapping.place.to_string(),
            field: Some(landed.field.clone()),
            value: Some(landed.canonical.to_string()),
            displaced: Some(newer.to_string()),
            detail: "a write of which nobody knew what became has taken effect; what has come since stands".to_owned(),
            ..line
        });
    }
    cx.task(Task::Link(link.id));
    link.save(cx);
    Ok(())
}

/// Decides what becomes of the edit, in every pair that writes this field.
pub(crate) fn overwritten(cx: &mut Context<'_>, edit: &Overwritten) -> Result<(), Error> {
    for id in links_of(cx, &edit.entity, &edit.id)? {
        let Some(mut link) = OpenLink::existing(cx, id)? else { continue };
        let sync = link.sync.clone();
        let Some(side) = side_of(&sync, &edit.entity) else { continue };
        if let Some(mapping) = sync.fields.iter().find(|mapping| writes(mapping, side, &edit.field)) {
            in_pair(cx, &mut link, mapping, side, edit)?;
        }
        link.save(cx);
    }
    Ok(())
}

fn in_pair(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    mapping: &Mapping,
    side: Side,
    edit: &Overwritten,
) -> Result<(), Error> {
    let sync = &link.sync;
    // A value that cannot be understood would have parked the field; it is kept as it was told.
    let value = canonical(&sync.program, sync, mapping, side, &edit.value).unwrap_or_else(|_| edit.value.clone());
    let value = Canonical::Value(value);
    let stands = link.base.get(&mapping.text).cloned().unwrap_or_default();
    if value == stands {
        return Ok(());
    }
    // What the other side holds by now comes back with the next merge.
    if let Ok(Resolution::Value(held)) = side_value(cx, link, mapping, side.other())
        && held.value == value
    {
        return Ok(());
    }
    let known = link.restores.get(&mapping.text).is_some_and(|restore| restore.at >= edit.at);
    let over = is_over(cx, link)?;
    let back = !known && !over && mapping.direction == Direction::Both && wins(cx, link, mapping, side, edit);
    if back && !planted(Mutant::RestoreForgotten) {
        let base = match mapping.policy {
            Policy::Review => RestoredBase::Becomes(edit.known.base.clone()),
            Policy::Wins(_) | Policy::Newest { .. } => RestoredBase::Stays,
        };
        let restore = Restore { side, value: value.clone(), at: edit.at, base };
        link.restores.insert(mapping.text.clone(), restore);
        cx.task(Task::Link(link.id));
    }
    let (action, detail) = match (mapping.direction, back) {
        _ if over => {
            (Action::Unchanged, "an edit was written over before it was seen, and a record of the pair is gone")
        }
        (Direction::Both, true) => (Action::Conflict, "an edit was written over before it was seen; it is put back"),
        (Direction::Both, false) => (Action::Conflict, "an edit was written over before it was seen"),
        _ => (Action::Drift, "an edit was written over before it was seen; the other side owns this field"),
    };
    let (value, displaced) = if back { (value, stands) } else { (stands, value) };
    let line = link.event(cx, action);
    cx.log(Event {
        place: mapping.place.to_string(),
        entity: edit.entity.to_string(),
        field: Some(edit.field.clone()),
        value: Some(value.to_string()),
        displaced: Some(displaced.to_string()),
        detail: detail.to_owned(),
        ..line
    });
    Ok(())
}

fn writes(mapping: &Mapping, side: Side, field: &str) -> bool {
    mapping.direction.writes(side) && sides::field(mapping, side).as_deref() == Some(field)
}

/// Nothing is written to a pair that is over, or of which a record is gone.
fn is_over(cx: &Context<'_>, link: &OpenLink) -> Result<bool, Error> {
    for side in BOTH {
        if matches!(life(cx, link, side)?, Some(Life::Deleted(_) | Life::Erased)) {
            return Ok(true);
        }
    }
    Ok(link.state == LinkState::Gone)
}

/// Would the edit of `side` have won, had it been seen in time? What it meets is the other side's change, which is
/// what was written over it.
fn wins(cx: &Context<'_>, link: &OpenLink, mapping: &Mapping, side: Side, edit: &Overwritten) -> bool {
    match mapping.policy {
        Policy::Wins(winner) => winner == side,
        // Put back, so that both values stand when a person chooses.
        Policy::Review => true,
        Policy::Newest { tie } => match side_value(cx, link, mapping, side.other()) {
            Ok(Resolution::Value(held)) => {
                let edit = SideValue { value: Canonical::EMPTY, changed: Some(edit.at), before: edit.after };
                let (left, right) = if side == Side::Left { (&edit, &held) } else { (&held, &edit) };
                newest(cx, left, right).unwrap_or(tie) == side
            }
            _ => tie == side,
        },
    }
}
