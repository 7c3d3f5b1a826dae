//! Point reads and listings: asked once, answered to all who wait.
//!
//! Always true: a waiter is woken by the answer, whatever it is; a record that a read did not find is a row
//! ([`key::absent`]), never a guess.

use dsl::ast::Priority;
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::LinkState;
use crate::decide::model::need::Need;
use crate::decide::model::task::Task;
use crate::decide::model::work::{ListingRow, Owner, ReadRow, Waiter};
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records};
use crate::ledger::Error;

/// Arranges that `waiter` is woken once the need is met.
pub(crate) fn need(cx: &mut Context<'_>, need: &Need, waiter: Waiter, priority: Priority) -> Result<(), Error> {
    match need {
        Need::Record { entity, by, value, cacheable, .. } => {
            ask(cx, entity, by, value, Some(waiter), *cacheable, priority)
        }
        Need::Listing { entity, .. } => list(cx, entity, waiter),
        Need::Partner { sync, side, id } => {
            cx.put(key::partner_wait(sync, *side, id, waiter), &waiter);
            Ok(())
        }
    }
}

/// Reads a record again; nobody in particular waits.
pub(crate) fn refresh(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    ask(cx, entity, "id", id, None, false, Priority::High)
}

fn ask(
    cx: &mut Context<'_>,
    entity: &EntityName,
    by: &str,
    value: &str,
    waiter: Option<Waiter>,
    cacheable: bool,
    priority: Priority,
) -> Result<(), Error> {
    let key = key::read(entity, by, value);
    let known: Option<ReadRow> = cx.get(&key)?;
    let fresh = known.is_none();
    let mut row = known.unwrap_or(ReadRow { cacheable: true, ..ReadRow::default() });
    row.waiters.extend(waiter);
    row.cacheable &= cacheable;
    if row.in_flight.is_some() {
        row.refetch = true;
    } else if fresh || row.work.is_none() {
        queue_read(cx, entity, by, value, &mut row, Duration(40), priority);
    }
    cx.put(key, &row);
    Ok(())
}

pub(crate) fn queue_read(
    cx: &mut Context<'_>,
    entity: &EntityName,
    by: &str,
    value: &str,
    row: &mut ReadRow,
    hold: Duration,
    priority: Priority,
) {
    let lane = Lane {
        system: entity.system.clone(),
        bulk: false,
        kind: LaneKind::Read { entity: entity.entity.clone(), by: by.to_owned() },
    };
    let owner = Owner::Read(entity.clone(), by.to_owned(), value.to_owned());
    let deadline = cx.now.plus(hold);
    row.work = Some(cx.queue(owner, lane, deadline, priority));
}

fn list(cx: &mut Context<'_>, entity: &EntityName, waiter: Waiter) -> Result<(), Error> {
    let name = key::index_name(entity);
    let known: Option<ListingRow> = cx.get(&key::listing(&name))?;
    let mut row = match known {
        Some(row) if row.done.is_none() => row,
        _ => {
            let row = ListingRow {
                entity: entity.clone(),
                since: None,
                cursor: None,
                waiters: Default::default(),
                sync: None,
                started: cx.now,
                done: None,
                bulk: false,
                count: 0,
                attempts: 0,
            };
            queue_page(cx, &name, &row, Duration(0));
            row
        }
    };
    row.waiters.insert(waiter);
    cx.put(key::listing(&name), &row);
    Ok(())
}

pub(crate) fn queue_page(cx: &mut Context<'_>, name: &str, row: &ListingRow, hold: Duration) {
    let lane = Lane {
        system: row.entity.system.clone(),
        bulk: false,
        kind: LaneKind::List { entity: row.entity.entity.clone() },
    };
    let deadline = cx.now.plus(hold);
    cx.queue(Owner::Listing(name.to_owned()), lane, deadline, Priority::Medium);
}

pub(crate) fn wake(cx: &mut Context<'_>, waiter: Waiter) -> Result<(), Error> {
    match waiter {
        Waiter::Link(link) => cx.task(Task::Link(link)),
        Waiter::Run(run) => cx.task(Task::Run(run)),
    }
    Ok(())
}

/// Wakes those who wait for a record to be paired under a sync.
pub(crate) fn partner_found(cx: &mut Context<'_>, sync: &str, side: dsl::program::Side, id: &str) -> Result<(), Error> {
    let prefix = key::partner_waits(sync, side, id);
    for (key, waiter) in cx.scan(&prefix, usize::MAX)? {
        cx.delete(key);
        wake(cx, waiter)?;
    }
    Ok(())
}

/// The partner of a record under a sync, once the pair is whole.
pub(crate) fn partner(
    cx: &Context<'_>,
    sync: &str,
    side: dsl::program::Side,
    id: &str,
) -> Result<Option<(crate::ids::LinkId, String)>, Error> {
    let Some(link) = cx.get(&key::link_of(sync, side, id))? else {
        return Ok(None);
    };
    let row = links::load(cx, link)?;
    if !matches!(row.state, LinkState::Linked | LinkState::Excluded | LinkState::Parked(_)) {
        return Ok(None);
    }
    Ok(row.id(side.other()).map(|other| (link, other.clone())))
}

/// Id of the record that a unique field finds, a fact that it finds none, or what must be read first.
pub(crate) fn find(
    cx: &Context<'_>,
    entity: &EntityName,
    field: &str,
    value: &Value,
    not_before: Timestamp,
) -> Result<Result<Vec<String>, Need>, Error> {
    let program = cx.program();
    let value = records::normal(&program, entity, field, value);
    let found = cx.indexed(entity, field, &value)?;
    if !found.is_empty() {
        return Ok(Ok(found));
    }
    let unique = field == "id" || program.field(entity, field).is_some_and(|f| f.unique);
    if unique {
        let text = value.to_string();
        return Ok(match cx.absent(entity, field, &text)? {
            Some(at) if at >= not_before => Ok(Vec::new()),
            _ => Err(Need::Record {
                entity: entity.clone(),
                by: field.to_owned(),
                value: text,
                not_before,
                cacheable: false,
            }),
        });
    }
    let listing: Option<ListingRow> = cx.get(&key::listing(&key::index_name(entity)))?;
    Ok(match listing {
        Some(ListingRow { done: Some(_), .. }) => Ok(Vec::new()),
        _ => Err(Need::Listing { entity: entity.clone(), not_before }),
    })
}
