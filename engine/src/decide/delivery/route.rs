//! What a delivery means: repetitions are dropped, records observed, syncs, reactions and waits notified.
//!
//! Always true: what a delivery leads to is one round with its receipt; nothing of it is dropped without a row or a
//! line. Not here: what counts as a repetition (`dedupe`), what waits for its system's pace (`inbox`), what nobody can
//! read (`parked`), where Kafka is read on (`offsets`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use connectors::planted::{Mutant, planted};
use connectors::port::{Body, Malformed, Message};
use dsl::decode::decode_field;
use dsl::program::{Route, Run};
use dsl::schema::{Change, EntityName};
use dsl::value::Value;

use crate::decide::delivery::{dedupe, inbox, offsets, parked};
use crate::decide::model::event::{Action, Event};
use crate::decide::model::input::Source;
use crate::decide::model::outcome::Command;
use crate::decide::model::run::Var;
use crate::decide::model::task::{Incoming, Task};
use crate::decide::records::ahead;
use crate::decide::records::observe::{How, observe};
use crate::decide::records::removal;
use crate::decide::runs::wake::{self, Happening};
use crate::decide::store::reads;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Takes a delivery in. What of it cannot be read is kept for people, and takes nothing else with it.
pub(crate) fn delivery<'a>(
    cx: &mut Context<'a>,
    system: &str,
    messages: &'a [Message],
    malformed: &[Malformed],
    source: &Source,
) -> Result<(), Error> {
    if !offsets::take(cx, system, source)? {
        return Ok(());
    }
    for malformed in malformed {
        parked::malformed(cx, system, source, malformed)?;
    }
    let echo = messages.iter().all(|message| message.own);
    if *source == Source::Webhook && !echo && inbox::is_busy(cx, system)? && all_known(cx, system, messages)? {
        for message in messages {
            repeated(cx, system, message);
        }
        return Ok(());
    }
    if *source == Source::Webhook && !echo && !inbox::has_room(cx, system)? {
        return inbox::wait(cx, system, messages);
    }
    if *source == Source::Webhook && !echo {
        inbox::spend(cx, system)?;
    }
    list(cx, system, source, 0, messages.iter().map(Cow::Borrowed));
    Ok(())
}

/// Has all of a delivery come before, or does it wait?
fn all_known(cx: &Context<'_>, system: &str, messages: &[Message]) -> Result<bool, Error> {
    let program = cx.program();
    let Some(door) = program.doors.get(system).filter(|_| !messages.is_empty()) else { return Ok(false) };
    for message in messages {
        if !dedupe::known(cx, system, &message.dedupe, door.dedupe_for)? {
            return Ok(false);
        }
    }
    Ok(!planted(Mutant::NoDedupe))
}

fn repeated(cx: &mut Context<'_>, system: &str, message: &Message) {
    let line = event(cx, system, message, Action::Duplicate, "it has come before");
    cx.command(Command::Log(line));
}

/// The pace of a system may have room: stored deliveries are decided, high priority first.
pub(crate) fn due(cx: &mut Context<'_>, system: &str) -> Result<(), Error> {
    let source = Source::Webhook;
    for stored in inbox::take(cx, system)? {
        match stored.messages {
            Ok(messages) => list(cx, system, &source, stored.number, messages.into_iter().map(Cow::Owned)),
            Err(unreadable) => parked::delivery(cx, system, &source, &unreadable.reason, &unreadable.bytes)?,
        }
    }
    Ok(())
}

/// Lists the messages of a delivery to be decided one by one. `delivery` is its number where it was stored.
fn list<'a>(
    cx: &mut Context<'a>,
    system: &str,
    source: &Source,
    delivery: u64,
    messages: impl Iterator<Item = Cow<'a, Message>>,
) {
    for (index, message) in messages.enumerate() {
        let (system, source) = (system.to_owned(), source.clone());
        cx.task(Task::Message(Incoming { system, source, delivery, index, message }));
    }
}

/// A decision about a message broke off: it is kept for people, and the others are decided.
pub(crate) fn broken(cx: &mut Context<'_>, incoming: &Incoming<'_>, why: &str) -> Result<(), Error> {
    let cause = format!("a decision about a message broke off, which is a defect of the engine: {why}");
    keep(cx, incoming, &cause, "report it with the log")
}

fn keep(cx: &mut Context<'_>, incoming: &Incoming<'_>, cause: &str, advice: &str) -> Result<(), Error> {
    let whole = serde_json::to_vec(&*incoming.message).expect("messages are plain data");
    parked::park(cx, &incoming.system, &incoming.source, cause, advice, &whole)
}

/// Makes of one message what the rules say.
pub(crate) fn message(cx: &mut Context<'_>, incoming: &Incoming<'_>) -> Result<(), Error> {
    let Incoming { system, source, message, .. } = incoming;
    let program = cx.program();
    let Some(door) = program.doors.get(system) else {
        // Their rules are gone since these came: stored deliveries, or records that were on their way.
        let cause = format!("the rules have no `events from {system}` any more");
        return keep(cx, incoming, &cause, "let the rules take these messages again");
    };
    if dedupe::before(cx, system, &message.dedupe, door.dedupe_for)? && !planted(Mutant::NoDedupe) {
        repeated(cx, system, message);
        return Ok(());
    }
    let route = door.routes.get(&message.name);
    if route.is_none() || matches!(message.body, Body::Foreign) {
        let line = event(cx, system, message, Action::Foreign, "the lock has no message of this name");
        cx.log(line);
        return Ok(());
    }
    if route == Some(&Route::Ignore) {
        return Ok(());
    }
    let at = ahead::bounded(cx, system, message.at)?;
    match &message.body {
        Body::Record { entity, change, observed } => {
            let entity = EntityName::new(system, entity);
            match change {
                Change::Deleted => removal::deleted(cx, &entity, &observed.id, at, false)?,
                Change::Erased => removal::deleted(cx, &entity, &observed.id, at, true)?,
                Change::Restored => {
                    observe(cx, &entity, observed, How::Message(*change), message.at)?;
                    if removal::restored(cx, &entity, &observed.id, at)? {
                        cx.task(Task::Restored { entity, id: observed.id.clone() });
                    }
                }
                _ => {
                    let before = cx.record(&entity, &observed.id)?.map(|row| row.latest);
                    observe(cx, &entity, observed, How::Message(*change), message.at)?;
                    let id = observed.id.clone();
                    // What is not newer than what is known has been told already, or is an echo.
                    let latest = cx.record(&entity, &id)?.map(|row| row.latest);
                    if let Some(at) = latest.filter(|latest| before.is_none_or(|before| *latest > before)) {
                        cx.task(Task::Moved { entity: entity.clone(), id: id.clone(), at, own: message.own });
                    }
                    match route {
                        Some(Route::Sync(index)) if program.syncs[*index].run == Run::OnChange => {
                            cx.task(Task::Touched { entity, id, syncs: [*index].into() });
                        }
                        Some(Route::Workflow(index)) => {
                            cx.task(Task::Start { workflow: *index, entity, id, at });
                        }
                        _ => {}
                    }
                }
            }
        }
        Body::Merged { entity, into, gone } => {
            let entity = EntityName::new(system, entity);
            for gone in gone {
                removal::merged(cx, &entity, into, gone, at)?;
            }
        }
        Body::Linked { entity, id } => {
            let entity = EntityName::new(system, entity);
            if !message.own && program.used.get(&entity).is_some_and(|used| !used.links.is_empty()) {
                reads::refresh(cx, &entity, id)?;
            }
        }
        Body::Event { event: name, fields } => {
            let what = EntityName::new(system, name);
            let declared =
                program.systems.get(system).and_then(|s| s.lock.events.get(name)).cloned().unwrap_or_default();
            let mut members = BTreeMap::new();
            for (field, wire) in fields {
                let Some(ty) = declared.get(field) else { continue };
                match decode_field(ty, wire) {
                    Ok(value) => {
                        members.insert(field.clone(), value);
                    }
                    Err(fault) => {
                        let whole = serde_json::to_vec(fields).expect("members are plain data");
                        parked::member(cx, system, source, &what, field, &fault.to_string(), &whole)?;
                    }
                }
            }
            for (field, value) in &members {
                if *value != Value::Empty {
                    let happening = Happening { var: Var::Members(members.clone()), at, own: false };
                    wake::happened(cx, (&what, field), value, &happening)?;
                }
            }
        }
        Body::Foreign => {}
    }
    Ok(())
}

fn event(cx: &Context<'_>, system: &str, message: &Message, action: Action, detail: &str) -> Event {
    let (entity, left) = match &message.body {
        Body::Record { entity, observed, .. } => (format!("{system}.{entity}"), Some(observed.id.clone())),
        Body::Linked { entity, id } => (format!("{system}.{entity}"), Some(id.clone())),
        Body::Merged { entity, into, .. } => (format!("{system}.{entity}"), Some(into.clone())),
        Body::Event { event, .. } => (format!("{system}.{event}"), None),
        Body::Foreign => (system.to_owned(), None),
    };
    Event { rule: message.name.clone(), entity, left, detail: detail.to_owned(), ..Event::new(cx.now, action) }
}

/// A delivery of which nothing could be read is kept for people; its source goes on.
pub(crate) fn unreadable(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    reason: &str,
    payload: &[u8],
) -> Result<(), Error> {
    if offsets::take(cx, system, source)? { parked::delivery(cx, system, source, reason, payload) } else { Ok(()) }
}
