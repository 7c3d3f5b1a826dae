//! Records that are gone, or that live under another id now.
//!
//! Always true: what is gone is in no index any more; what hangs on it learns of it by tasks of the same round.

use std::sync::Arc;

use connectors::planted::{Mutant, planted};
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::decide::model::key;
use crate::decide::model::outcome::Command;
use crate::decide::model::record::{FieldState, FieldValue, Life, RecordRow};
use crate::decide::model::task::{Task, Transition, TransitionKind};
use crate::decide::records::{ahead, expectations};
use crate::decide::store::transaction::Context;
use crate::decide::store::{reads, records};
use crate::ledger::Error;

/// A record is gone.
pub(crate) fn deleted(
    cx: &mut Context<'_>,
    entity: &EntityName,
    id: &str,
    at: Timestamp,
    erased: bool,
) -> Result<(), Error> {
    let mut row = cx.record(entity, id)?.map(Arc::unwrap_or_clone).unwrap_or_default();
    let at = ahead::bounded(cx, &entity.system, at)?;
    ahead::forget(cx, &mut row);
    // Nothing comes after an erasure, however late it is told.
    let older = row.latest > at && !erased && !planted(Mutant::OldDeletionCounts);
    if older || matches!(row.life, Life::Erased) || (matches!(row.life, Life::Deleted(_)) && !erased) {
        return Ok(());
    }
    records::unindex(cx, entity, id, &row);
    ahead::settle(cx, entity, id);
    let latest = row.latest.max(at);
    row.latest = latest;
    if erased {
        forget_keys(cx, entity, &row);
        let kept = if planted(Mutant::ErasureKeepsRow) {
            row
        } else {
            cx.delete(key::expectations(entity, id));
            RecordRow::default()
        };
        row = RecordRow { life: Life::Erased, latest, ..kept };
    } else {
        row.life = Life::Deleted(at);
    }
    cx.learn(entity, id, Arc::new(row));
    cx.command(Command::Invalidate { system: entity.system.clone(), entity: entity.entity.clone(), id: id.to_owned() });
    cx.task(Task::React(Transition { entity: entity.clone(), id: id.to_owned(), kind: TransitionKind::Deleted, at }));
    cx.task(Task::Deleted { entity: entity.clone(), id: id.to_owned(), erased });
    cx.task(Task::Changed { entity: entity.clone(), id: id.to_owned() });
    Ok(())
}

/// A record came back. False where what told that it is gone bears a newer time: it is looked at, since an answer that
/// there is none has our time and not that of its system.
pub(crate) fn restored(cx: &mut Context<'_>, entity: &EntityName, id: &str, at: Timestamp) -> Result<bool, Error> {
    let Some(known) = cx.record(entity, id)? else { return Ok(true) };
    match known.life {
        Life::Deleted(deleted) if at < deleted => {
            reads::refresh(cx, entity, id)?;
            Ok(false)
        }
        Life::Deleted(_) => {
            let mut row = Arc::unwrap_or_clone(known);
            row.life = Life::Live;
            row.heard = cx.now;
            records::index(cx, entity, id, &row);
            cx.learn(entity, id, Arc::new(row));
            Ok(true)
        }
        Life::Live | Life::Merged(_) | Life::Erased => Ok(true),
    }
}

/// That its partner was looked for by its keys, and not found, tells the keys of a record that is erased.
fn forget_keys(cx: &mut Context<'_>, entity: &EntityName, row: &RecordRow) {
    let program = cx.program();
    for (index, side) in program.syncs_of(entity) {
        let sync = &program.syncs[index];
        let other = if side == Side::Left { &sync.right } else { &sync.left };
        for (left, right) in &sync.keys {
            let (mine, theirs) = if side == Side::Left { (left, right) } else { (right, left) };
            let Some(FieldState { value: FieldValue::Is(value), .. }) = row.fields.get(mine) else { continue };
            for (entity, field) in [(entity, mine), (other, theirs)] {
                let value = records::normal(&program, entity, field, value);
                records::forget_absence(cx, entity, field, &value.to_string());
            }
        }
    }
}

/// There is no such record, says the answer to a question of this time. Where it has been heard of since, it is asked
/// again.
pub(crate) fn missing(cx: &mut Context<'_>, entity: &EntityName, id: &str, asked: Timestamp) -> Result<(), Error> {
    let Some(row) = cx.record(entity, id)? else { return Ok(()) };
    if row.heard > asked {
        return reads::refresh(cx, entity, id);
    }
    // By the clock of its system, which may be ahead of ours.
    deleted(cx, entity, id, asked.max(row.latest), false)
}

/// A record lives under another id now.
pub(crate) fn merged(
    cx: &mut Context<'_>,
    entity: &EntityName,
    into: &str,
    gone: &str,
    at: Timestamp,
) -> Result<(), Error> {
    if into == gone {
        return Ok(());
    }
    let mut row = cx.record(entity, gone)?.map(Arc::unwrap_or_clone).unwrap_or_default();
    let at = ahead::bounded(cx, &entity.system, at)?;
    ahead::forget(cx, &mut row);
    records::unindex(cx, entity, gone, &row);
    row.life = Life::Merged(into.to_owned());
    row.latest = row.latest.max(at);
    cx.learn(entity, gone, Arc::new(row));
    expectations::follow(cx, entity, gone, into)?;
    cx.task(Task::Merged { entity: entity.clone(), into: into.to_owned(), gone: gone.to_owned() });
    reads::refresh(cx, entity, into)
}
