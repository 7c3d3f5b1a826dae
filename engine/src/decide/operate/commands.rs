//! What a person asks for: each command is a record, or a refusal with its reason.

use std::collections::BTreeMap;

use dsl::program::Side;

use crate::decide::links::{existence, schedule, sides};
use crate::decide::model::canonical::Canonical;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::freshness::Freshness;
use crate::decide::model::input::OperatorCommand;
use crate::decide::model::key;
use crate::decide::model::link::{LinkEvent, LinkState};
use crate::decide::model::record::Life;
use crate::decide::model::run::{RunEvent, RunRow, RunState};
use crate::decide::model::sides::BOTH;
use crate::decide::model::subject::Subject;
use crate::decide::model::task::Task;
use crate::decide::runs::ending;
use crate::decide::store::incidents;
use crate::decide::store::links::{ActiveSync, OpenLink};
use crate::decide::store::runs::OpenRun;
use crate::decide::store::transaction::Context;
use crate::ids::{LinkId, RunId};
use crate::ledger::Error;

/// Why a command was not carried out.
enum Refused {
    /// What is told to the person.
    Because(String),
    Ledger(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Ledger(error)
    }
}

fn refused<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Because(why.into()))
}

/// Carries out a command; that it was asked for is a record either way.
pub(crate) fn command(cx: &mut Context<'_>, who: &str, command: &OperatorCommand) -> Result<(), Error> {
    let detail = match apply(cx, command) {
        Ok(done) => done,
        Err(Refused::Because(why)) => {
            let detail = format!("refused: {why}");
            cx.refused = Some(why);
            detail
        }
        Err(Refused::Ledger(error)) => return Err(error),
    };
    cx.log(Event { rule: who.to_owned(), subject: describe(command), detail, ..Event::new(cx.now, Action::Operator) });
    Ok(())
}

fn describe(command: &OperatorCommand) -> String {
    match command {
        OperatorCommand::RetryRun { run }
        | OperatorCommand::SkipAction { run, .. }
        | OperatorCommand::CancelRun { run, .. } => RunId(*run).to_string(),
        OperatorCommand::RetryLink { link } | OperatorCommand::Take { link, .. } => LinkId(*link).to_string(),
        OperatorCommand::Dismiss { subject, .. } => subject.clone(),
        OperatorCommand::Backfill { sync } => sync.clone(),
    }
}

/// Gives what was done, for people.
fn apply(cx: &mut Context<'_>, command: &OperatorCommand) -> Result<String, Refused> {
    match command {
        OperatorCommand::RetryRun { run } => {
            resume(cx, RunId(*run), RunRow::reset_tries)?;
            Ok("tried again".to_owned())
        }
        OperatorCommand::SkipAction { run, reason } => {
            resume(cx, RunId(*run), RunRow::go_on)?;
            Ok(format!("goes on behind the action: {reason}"))
        }
        OperatorCommand::CancelRun { run, reason } => {
            let mut run = open_run(cx, RunId(*run))?;
            if run.state.over().is_some() {
                return refused(format!("run {} is over", run.id));
            }
            ending::cancel(cx, &mut run, reason)?;
            run.save(cx);
            Ok(format!("cancelled: {reason}"))
        }
        OperatorCommand::RetryLink { link } => retry_link(cx, LinkId(*link)),
        OperatorCommand::Take { link, system } => take(cx, LinkId(*link), system),
        OperatorCommand::Dismiss { subject, reason } => dismiss(cx, subject, reason),
        OperatorCommand::Backfill { sync } => {
            if ActiveSync::named(cx, sync).is_none() {
                return refused(format!("there is no sync `{sync}`"));
            }
            schedule::everything(cx, sync)?;
            Ok("began".to_owned())
        }
    }
}

fn open_run(cx: &Context<'_>, id: RunId) -> Result<OpenRun, Refused> {
    match OpenRun::open(cx, id)? {
        Some(run) => Ok(run),
        None => refused(format!("there is no run {id}")),
    }
}

/// Lets a run that stopped go on, changed.
fn resume(cx: &mut Context<'_>, id: RunId, change: impl FnOnce(&mut RunRow)) -> Result<(), Refused> {
    let mut run = open_run(cx, id)?;
    if !matches!(run.state, RunState::Stopped(_)) {
        return refused(format!("run {id} is not stopped"));
    }
    if run.definition.is_none() {
        return refused("the rules it began with are not here any more");
    }
    change(&mut run);
    run.turn(cx, RunEvent::Resume, RunState::Ready);
    run.fresh = Freshness::AsOf(cx.now);
    run.settle_incident(cx)?;
    run.save(cx);
    cx.task(Task::Run(id));
    Ok(())
}

fn open_link(cx: &Context<'_>, id: LinkId) -> Result<OpenLink, Refused> {
    if !cx.has(&key::link(id))? {
        return refused(format!("there is no link {id}"));
    }
    match OpenLink::open(cx, id)? {
        Some(link) => Ok(link),
        None => refused("its sync is not in the rules"),
    }
}

fn retry_link(cx: &mut Context<'_>, id: LinkId) -> Result<String, Refused> {
    let mut link = open_link(cx, id)?;
    if link.state == LinkState::Gone {
        return refused("its records are gone");
    }
    for side in BOTH {
        match existence::life(cx, &link, side)? {
            Some(Life::Merged(into)) => {
                let (gone, system) = (link.record(side), &link.entity(side).system);
                return refused(format!("{gone} was merged into {into} in {system}, which has a pair of its own"));
            }
            Some(Life::Deleted(_) | Life::Erased) => {
                // The other record is kept as it is.
                link.withdraw(cx);
                link.turn(cx, LinkEvent::End, LinkState::Gone);
                link.settle_incident(cx)?;
                link.save(cx);
                return Ok("the other record is kept as it is".to_owned());
            }
            Some(Life::Live) | None => {}
        }
    }
    existence::revive(cx, &mut link);
    link.let_go_all(cx);
    link.parked.clear();
    link.went_through();
    link.settle_incident(cx)?;
    link.save(cx);
    cx.task(Task::Link(id));
    Ok("merged again".to_owned())
}

fn take(cx: &mut Context<'_>, id: LinkId, system: &str) -> Result<String, Refused> {
    let mut link = open_link(cx, id)?;
    let (left, right) = (link.sync.left.system.clone(), link.sync.right.system.clone());
    let winner = match system {
        system if system == left => Side::Left,
        system if system == right => Side::Right,
        _ => return refused(format!("`{system}` is neither `{left}` nor `{right}`")),
    };
    let winning: BTreeMap<String, Canonical> = sides::values(cx, &link, winner)?.into_iter().collect();
    // With the loser's value as the base, only the winner has changed.
    for (mapping, value) in sides::values(cx, &link, winner.other())? {
        if !link.parked.contains_key(&mapping) {
            continue;
        }
        if let Some(line) = link.sync.fields.iter().find(|line| line.text == mapping) {
            let loser = winner.other();
            let event = link.event(cx, Action::Operator);
            cx.log(Event {
                place: line.place.to_string(),
                entity: link.entity(loser).to_string(),
                field: sides::field(line, loser),
                value: winning.get(&mapping).map(ToString::to_string),
                displaced: Some(value.to_string()),
                detail: format!("a person takes the value of {system}"),
                ..event
            });
        }
        link.base.insert(mapping, value);
    }
    link.let_go_all(cx);
    link.save(cx);
    cx.task(Task::Link(id));
    Ok(format!("the value of {system} is taken"))
}

/// A person closes an incident that nothing else closes, and what was kept for it goes. `name` is the incident's, or
/// its last word (`m3`).
fn dismiss(cx: &mut Context<'_>, name: &str, reason: &str) -> Result<String, Refused> {
    for kind in ["", "message ", "topic ", "run ", "link ", "system "] {
        let Some(incident) = cx.get(&key::incident_named(&format!("{kind}{name}")))? else { continue };
        if incident.subject.is_waited_for() {
            return refused(format!("`{}` waits for it: retry, settle or cancel it instead", incident.subject));
        }
        if let Subject::Message(number) = incident.subject {
            cx.delete(key::parked(number));
            cx.delete(key::alike(&incident.fingerprint));
        }
        incidents::settle(cx, &incident.subject)?;
        return Ok(format!("dismissed: {reason}"));
    }
    refused(format!("there is no incident about `{name}`"))
}
