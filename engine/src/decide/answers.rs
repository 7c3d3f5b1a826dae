//! Takes the answers to a call: every input is accounted for, by its owner.

use connectors::port::{Answer, Observed};
use dsl::ast::Priority;
use dsl::schema::EntityName;
use dsl::value::Span;

use super::context::Context;
use super::observe::{How, observe};
use super::rows::{CallRow, Key, Kind, LinkRow, ListingRow, Owner, ReadRow, TimerRow, Waiter};
use super::{Event, action, backoff, identity, reads, schedule, sync};
use crate::ids::CallId;
use crate::ledger::Error;

pub(super) fn take(cx: &mut Context<'_>, call: CallId, answers: &[Answer]) -> Result<(), Error> {
    let key = Key::new(Kind::Call).number(call.0).bytes();
    // A second answer to one call finds no row and changes nothing.
    let Some(row) = cx.get::<CallRow>(&key)? else { return Ok(()) };
    cx.delete(key);
    let silent = Answer::Unknown { cause: "the answer does not mention it".to_owned() };
    for (index, item) in row.items.iter().enumerate() {
        let answer = answers.get(index).unwrap_or(&silent);
        match &item.owner {
            Owner::Link(id, side) => sync::answered(cx, *id, *side, &row.lane, &item.written, answer)?,
            Owner::Run(id) => action::answered(cx, *id, answer)?,
            Owner::Read(entity, by, value) => read(cx, entity, by, value, answer)?,
            Owner::Listing(name) => page(cx, name, answer)?,
        }
    }
    Ok(())
}

fn read(cx: &mut Context<'_>, entity: &EntityName, by: &str, value: &str, answer: &Answer) -> Result<(), Error> {
    let key = reads::read_key(entity, by, value);
    let Some(mut row) = cx.get::<ReadRow>(&key)? else { return Ok(()) };
    row.flight = None;
    match answer {
        Answer::Record(observed) => {
            let mut observed = observed.clone();
            observed.complete = true;
            if by == "id" && observed.id != value {
                super::observe::merged(cx, entity, &observed.id, value, cx.now)?;
            }
            observe(cx, entity, &observed, How::Read, cx.now)?;
            if by == "engine_link_id" {
                sync::found_own(cx, entity, value, &observed.id)?;
            } else if by != "id" {
                found(cx, entity, by, value, &observed)?;
            }
        }
        Answer::Missing | Answer::Done => {
            cx.put(Key::new(Kind::Absent).entity(entity).text(by).text(value).bytes(), &cx.now.clone());
            if by == "id" && cx.record(entity, value)?.is_some() {
                super::observe::deleted(cx, entity, value, cx.now, false)?;
            }
        }
        Answer::Refused { reason, .. } => {
            // Asking again cannot help, but nothing may be guessed: whoever waits is shown the reason.
            cx.log(line(cx, "read refused", entity, value, reason));
            row.attempts += 1;
            return later(cx, entity, by, value, row, Span::minutes(5));
        }
        Answer::Retry { after, cause } => {
            row.attempts += 1;
            let pause = after
                .map(|d| Span(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
                .unwrap_or_else(|| backoff(row.attempts.into(), Span(200), Span::minutes(1), value));
            if row.attempts == 20 {
                cx.log(line(cx, "unreachable", entity, value, cause));
            }
            return later(cx, entity, by, value, row, pause);
        }
        Answer::RateLimited { .. } | Answer::Split => return later(cx, entity, by, value, row, Span(0)),
        Answer::Unknown { .. } => {
            row.attempts += 1;
            let pause = backoff(row.attempts.into(), Span(200), Span::minutes(1), value);
            return later(cx, entity, by, value, row, pause);
        }
        Answer::Page { .. } | Answer::Result(_) => {}
    }
    let again = row.again;
    let waiters = std::mem::take(&mut row.waiters);
    if again {
        row.again = false;
        reads::queue_read(cx, entity, by, value, &mut row, Span(40), Priority::High);
        cx.put(key, &row);
    } else {
        cx.delete(key);
    }
    for waiter in waiters {
        if let Waiter::Link(id) = waiter
            && let Some(mut link) = cx.get::<LinkRow>(&identity::link_key(id))?
            && link.not_before.take().is_some()
        {
            identity::store(cx, id, &link);
        }
        reads::wake(cx, waiter)?;
    }
    Ok(())
}

/// A record was found by a value that it does not show under that field (a second address, another spelling):
/// it is known under the value that found it, too.
fn found(cx: &mut Context<'_>, entity: &EntityName, by: &str, value: &str, observed: &Observed) -> Result<(), Error> {
    let value = dsl::value::Value::text(value);
    let known = cx.indexed(entity, by, &value)?;
    if !known.contains(&observed.id) {
        let text = super::rows::value_key(&value);
        cx.put(Key::new(Kind::Index).entity(entity).text(by).text(&text).text(&observed.id).bytes(), &observed.id);
    }
    Ok(())
}

fn line(cx: &Context<'_>, action: &str, entity: &EntityName, id: &str, detail: &str) -> Event {
    Event {
        at: cx.now,
        action: action.to_owned(),
        rule: String::new(),
        place: String::new(),
        entity: entity.to_string(),
        left: Some(id.to_owned()),
        right: None,
        field: None,
        subject: String::new(),
        value: None,
        displaced: None,
        detail: detail.to_owned(),
    }
}

fn later(
    cx: &mut Context<'_>,
    entity: &EntityName,
    by: &str,
    value: &str,
    mut row: ReadRow,
    pause: Span,
) -> Result<(), Error> {
    reads::queue_read(cx, entity, by, value, &mut row, Span(pause.0.max(40)), Priority::High);
    cx.put(reads::read_key(entity, by, value), &row);
    Ok(())
}

fn page(cx: &mut Context<'_>, name: &str, answer: &Answer) -> Result<(), Error> {
    let key = reads::listing_key(name);
    let Some(mut row) = cx.get::<ListingRow>(&key)? else { return Ok(()) };
    match answer {
        Answer::Page { records, next } => {
            row.attempts = 0;
            row.count += records.len() as u64;
            for observed in records {
                let mut observed = observed.clone();
                observed.complete = true;
                observe(cx, &row.entity.clone(), &observed, How::Read, cx.now)?;
                if let Some(sync) = row.sync.clone() {
                    schedule::listed(cx, &sync, &row.entity.clone(), &observed.id)?;
                }
            }
            row.cursor.clone_from(next);
            if next.is_some() {
                reads::queue_page(cx, name, &row, Span(0));
                cx.put(key, &row);
            } else {
                row.done = Some(cx.now);
                let waiters = std::mem::take(&mut row.waiters);
                cx.put(key, &row);
                if let Some(sync) = row.sync.clone() {
                    schedule::finished(cx, &sync, row.started, row.count)?;
                }
                for waiter in waiters {
                    reads::wake(cx, waiter)?;
                }
            }
        }
        other => {
            // The cursor does not move past a page that failed.
            row.attempts += 1;
            let pause = match other {
                Answer::RateLimited { .. } => Span(0),
                _ => backoff(row.attempts.into(), Span::seconds(1), Span::minutes(5), name),
            };
            if row.attempts == 10 || matches!(other, Answer::Refused { .. }) {
                cx.log(line(cx, "listing failed", &row.entity.clone(), "", &format!("{other:?}")));
            }
            reads::queue_page(cx, name, &row, pause);
            cx.put(key, &row);
        }
    }
    let _: Option<TimerRow> = None;
    Ok(())
}
