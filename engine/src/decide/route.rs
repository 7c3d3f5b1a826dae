//! What a delivery means: repetitions are dropped, records observed, syncs, reactions and waits told.
//!
//! Always true: what a delivery leads to is one round with its receipt; nothing of it is dropped without a row or a
//! line. Not here: what waits for its system's pace (see `inbox`), what nobody can read (see `parked`), where Kafka is
//! read on (see `position`).

use std::collections::BTreeMap;

use connectors::port::{Body, Message, Spoilt};
use dsl::decode::decode_field;
use dsl::program::{Door, Program, Route, Run};
use dsl::schema::{Change, EntityName};
use dsl::value::{Moment, Span, Value};
use sha2::{Digest, Sha256};

use super::context::Context;
use super::identity::{self, Rule};
use super::observe::{self, How, observe};
use super::rows::{Key, Kind, Var};
use super::{Event, Instance, Source, existence, guard, inbox, parked, position, runs};
use crate::ledger::Error;

/// Takes a delivery in. What of it cannot be read is kept for people, and takes nothing else with it.
pub(super) fn delivery(
    cx: &mut Context<'_>,
    system: &str,
    messages: &[Message],
    spoilt: &[Spoilt],
    source: &Source,
) -> Result<(), Error> {
    if !position::take(cx, system, source)? {
        return Ok(());
    }
    for spoilt in spoilt {
        parked::spoilt(cx, system, source, spoilt)?;
    }
    let echo = messages.iter().all(|message| message.own);
    if *source == Source::Webhook && !echo {
        return inbox::deliver(cx, system, messages);
    }
    decided(cx, system, source, 0, messages)
}

/// Has this message come before? Remembers it either way, as 16 bytes, packed by the hour.
fn repeated(cx: &mut Context<'_>, system: &str, message: &Message, keep: Span) -> Result<bool, Error> {
    let digest = Sha256::digest(format!("{system} {}", message.dedupe).as_bytes());
    let mark: [u8; 16] = digest[..16].try_into().expect("a SHA-256 has 32 bytes");
    let hour = |at: Moment| at.0.div_euclid(3_600_000) as u64;
    let row = |hour: u64| Key::new(Kind::Seen).number(hour).text(system).number(u64::from(mark[0])).bytes();
    // Whole hours, rounded up: a repetition is known for at least as long as the rules say.
    let hours = u64::try_from(keep.0.saturating_add(3_599_999) / 3_600_000).unwrap_or_default();
    let now = hour(cx.now);
    for back in 0..=hours {
        let key = row(now.saturating_sub(back));
        if let Some(bytes) = cx.raw(&key)?
            && bytes.chunks_exact(16).any(|seen| seen == mark)
        {
            return Ok(true);
        }
    }
    let key = row(now);
    let mut bytes = cx.raw(&key)?.unwrap_or_default();
    bytes.extend(mark);
    cx.put_raw(key, bytes);
    Ok(false)
}

/// Makes of messages what the rules say. `number` is that of their stored delivery, 0 where they just came.
pub(super) fn decided(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    number: u64,
    messages: &[Message],
) -> Result<(), Error> {
    let program = cx.program();
    let Some(door) = program.doors.get(system) else {
        // Their rules are gone since these came: stored deliveries, or records that were on their way.
        let cause = format!("the rules have no `events from {system}` any more");
        for message in messages {
            let whole = serde_json::to_vec(message).expect("messages are plain data");
            parked::park(cx, system, source, &cause, "let the rules take these messages again", &whole)?;
        }
        return Ok(());
    };
    let mut after = After::default();
    for (index, message) in messages.iter().enumerate() {
        if let Some(why) = guard::begin(cx, &Instance::Message(number, index)) {
            let whole = serde_json::to_vec(message).expect("messages are plain data");
            let cause = format!("a decision about a message broke off, which is a defect of the engine: {why}");
            parked::park(cx, system, source, &cause, "report it with the log", &whole)?;
            continue;
        }
        one(cx, &program, system, door, source, message, &mut after)?;
        cx.guard.leave();
    }
    for ((entity, id), syncs) in after.touched {
        if !guard::enter(cx, &Instance::Record(entity.clone(), id.clone()))? {
            continue;
        }
        for index in syncs {
            let rule = Rule { program: cx.program(), index };
            if let Some(side) = observe::side_of(&rule, &entity) {
                identity::ensure(cx, &rule, side, &id, false)?;
            }
        }
        cx.guard.leave();
    }
    for (index, entity, id, at) in after.starts {
        if !guard::enter(cx, &Instance::Record(entity.clone(), id.clone()))? {
            continue;
        }
        // A workflow whose key cannot be read yet begins without one: its first step will read what it needs.
        if let Err(super::scope::Stop::Ledger(error)) = runs::start(cx, &program, index, &entity, &id, at)? {
            return Err(error);
        }
        cx.guard.leave();
    }
    Ok(())
}

/// What follows once all messages of a delivery are observed.
#[derive(Default)]
struct After {
    /// Syncs of the records that it speaks of.
    touched: BTreeMap<(EntityName, String), Vec<usize>>,
    /// Workflows that it starts, each for a record as of a time.
    starts: Vec<(usize, EntityName, String, Moment)>,
}

/// Makes of one message what the rules say.
fn one(
    cx: &mut Context<'_>,
    program: &Program,
    system: &str,
    door: &Door,
    source: &Source,
    message: &Message,
    after: &mut After,
) -> Result<(), Error> {
    if repeated(cx, system, message, door.dedupe_for)? {
        let line = event(cx, system, message, "duplicate", "it has come before");
        cx.command(super::Command::Log(line));
        return Ok(());
    }
    let route = door.routes.get(&message.name);
    if route.is_none() || matches!(message.body, Body::Foreign) {
        let line = event(cx, system, message, "foreign", "the lock has no message of this name");
        cx.log(line);
        return Ok(());
    }
    match &message.body {
        Body::Record { entity, change, observed } => {
            let entity = EntityName::new(system, entity);
            match change {
                Change::Deleted => observe::deleted(cx, &entity, &observed.id, message.at, false)?,
                Change::Erased => observe::deleted(cx, &entity, &observed.id, message.at, true)?,
                Change::Restored => {
                    observe(cx, &entity, observed, How::Message(*change), message.at)?;
                    existence::restored(cx, &entity, &observed.id)?;
                }
                _ => {
                    observe(cx, &entity, observed, How::Message(*change), message.at)?;
                    let syncs = after.touched.entry((entity.clone(), observed.id.clone())).or_default();
                    match route {
                        Some(Route::Sync(index)) if program.syncs[*index].run == Run::OnChange => syncs.push(*index),
                        Some(Route::Workflow(index)) => {
                            after.starts.push((*index, entity, observed.id.clone(), message.at))
                        }
                        _ => {}
                    }
                }
            }
        }
        Body::Merged { entity, into, gone } => {
            let entity = EntityName::new(system, entity);
            for gone in gone {
                observe::merged(cx, &entity, into, gone, message.at)?;
            }
        }
        Body::Linked { entity, id } => {
            let entity = EntityName::new(system, entity);
            if !message.own && program.used.get(&entity).is_some_and(|used| !used.links.is_empty()) {
                super::reads::refresh(cx, &entity, id)?;
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
                    runs::happened(cx, &what, field, value, Var::Members(members.clone()), message.at)?;
                }
            }
        }
        Body::Foreign => {}
    }
    Ok(())
}

fn event(cx: &Context<'_>, system: &str, message: &Message, action: &str, detail: &str) -> Event {
    let (entity, left) = match &message.body {
        Body::Record { entity, observed, .. } => (format!("{system}.{entity}"), Some(observed.id.clone())),
        Body::Linked { entity, id } => (format!("{system}.{entity}"), Some(id.clone())),
        Body::Merged { entity, into, .. } => (format!("{system}.{entity}"), Some(into.clone())),
        Body::Event { event, .. } => (format!("{system}.{event}"), None),
        Body::Foreign => (system.to_owned(), None),
    };
    Event {
        at: cx.now,
        action: action.to_owned(),
        rule: message.name.clone(),
        place: String::new(),
        entity,
        left,
        right: None,
        field: None,
        subject: String::new(),
        value: None,
        displaced: None,
        detail: detail.to_owned(),
    }
}

/// A delivery of which nothing could be read is kept for people; its source goes on.
pub(super) fn unreadable(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    reason: &str,
    payload: &[u8],
) -> Result<(), Error> {
    if position::take(cx, system, source)? { parked::delivery(cx, system, source, reason, payload) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::decide::{Command, Input, Knobs, Programs, decide};
    use crate::ledger::{Ledger, Memory};

    /// The shipped rules with another line about repetitions, and a ledger.
    struct Remembering {
        ledger: Memory,
        programs: Programs,
    }

    impl Remembering {
        fn new(dedupe: &str) -> Self {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
            let mut texts = crate::rules::read(&folder).expect("the shipped rules");
            for (_, text) in &mut texts.files {
                *text = text.replace("dedupe for 24 hours", dedupe);
            }
            let program = texts.compile(None).program.expect("they are sound");
            Self { ledger: Memory::default(), programs: Programs::new(Arc::new(program)) }
        }

        /// True where the message is known.
        fn repeated(&mut self, at: Moment) -> bool {
            let (name, dedupe) = ("no.such".to_owned(), "1".to_owned());
            let messages = vec![Message { name, at, dedupe, own: false, body: Body::Foreign }];
            let (system, source) = ("crm".to_owned(), Source::Webhook);
            let input = Input::Delivery { system, messages, spoilt: Vec::new(), source };
            let outcome = decide(&self.ledger, &self.programs, &Knobs::default(), &input, at).expect("decided");
            self.ledger.append(outcome.round).expect("there is room");
            outcome.commands.iter().any(|command| matches!(command, Command::Log(line) if line.action == "duplicate"))
        }
    }

    fn check(dedupe: &str, known: Span, new: Span) {
        for (wait, repeated) in [(known, true), (new, false)] {
            let mut engine = Remembering::new(dedupe);
            let first = Moment(1_772_445_599_000);
            assert!(!engine.repeated(first));
            assert_eq!(engine.repeated(first.plus(wait)), repeated, "{dedupe}, {wait:?}");
        }
    }

    #[test]
    fn a_repetition_is_known_for_as_long_as_the_rules_say() {
        check("dedupe for 24 hours", Span::hours(24), Span::hours(26));
        check("dedupe for 90 minutes", Span::minutes(90), Span::minutes(180));
        check("dedupe for 10 days", Span::days(10), Span::hours(10 * 24 + 2));
    }
}
