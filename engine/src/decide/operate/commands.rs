//! What a person asks for: each command is a record, or a refusal with its reason.

use dsl::program::Side;

use crate::decide::delivery::parked;
use crate::decide::links::{schedule, sides};
use crate::decide::model::event::Event;
use crate::decide::model::input::OperatorCommand;
use crate::decide::model::key;
use crate::decide::model::link::LinkState;
use crate::decide::model::run::{RunRow, RunState};
use crate::decide::model::task::Task;
use crate::decide::runs::ending;
use crate::decide::store::runs::RunDefinition;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, links};
use crate::ids::{LinkId, RunId};
use crate::ledger::Error;

pub(crate) fn command(cx: &mut Context<'_>, who: &str, command: &OperatorCommand) -> Result<(), Error> {
    let result = apply(cx, command)?;
    let subject = describe(command);
    let detail = match result {
        Ok(done) => done,
        Err(why) => {
            let detail = format!("refused: {why}");
            cx.refused = Some(why);
            detail
        }
    };
    cx.log(Event {
        at: cx.now,
        action: "operator".to_owned(),
        rule: who.to_owned(),
        subject,
        detail,
        ..Event::default()
    });
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

fn apply(cx: &mut Context<'_>, command: &OperatorCommand) -> Result<Result<String, String>, Error> {
    match command {
        OperatorCommand::RetryRun { run } => stopped(cx, RunId(*run), |run| {
            run.attempts = 0;
            run.first_try = None;
            "tried again".to_owned()
        }),
        OperatorCommand::SkipAction { run, reason } => stopped(cx, RunId(*run), |run| {
            run.pc += 1;
            run.pending = None;
            run.attempts = 0;
            format!("goes on behind the action: {reason}")
        }),
        OperatorCommand::CancelRun { run, reason } => {
            let id = RunId(*run);
            let Some(mut row) = cx.get(&key::run(id))? else {
                return Ok(Err(format!("there is no run {id}")));
            };
            ending::end(cx, id, &mut row, RunState::Cancelled, reason)?;
            Ok(Ok(format!("cancelled: {reason}")))
        }
        OperatorCommand::RetryLink { link } => {
            let id = LinkId(*link);
            let Some(mut row) = cx.get(&key::link(id))? else {
                return Ok(Err(format!("there is no link {id}")));
            };
            if row.state == LinkState::Gone {
                return Ok(Err("its records are gone".to_owned()));
            }
            row.state = if row.left.is_some() && row.right.is_some() { LinkState::Linked } else { LinkState::Matching };
            row.unstable.clear();
            row.parked.clear();
            row.not_before = None;
            row.attempts = 0;
            incidents::settle(cx, &format!("link {id}"))?;
            links::store(cx, id, &row);
            cx.task(Task::Link(id));
            Ok(Ok("merged again".to_owned()))
        }
        OperatorCommand::Take { link, system } => {
            let id = LinkId(*link);
            let Some(mut row) = cx.get(&key::link(id))? else {
                return Ok(Err(format!("there is no link {id}")));
            };
            let Some(rule) = links::rule(cx, &row) else {
                return Ok(Err("its sync is not in the rules".to_owned()));
            };
            let side = if rule.left.system == *system {
                Side::Left
            } else if rule.right.system == *system {
                Side::Right
            } else {
                return Ok(Err(format!("`{system}` is neither `{}` nor `{}`", rule.left.system, rule.right.system)));
            };
            // With the loser's value as the base, only the winner has changed.
            let losers = sides::values(cx, &row, &rule, side.other())?;
            for (mapping, value) in losers {
                if row.parked.contains_key(&mapping) {
                    row.base.insert(mapping, value);
                }
            }
            row.unstable.clear();
            links::store(cx, id, &row);
            cx.task(Task::Link(id));
            Ok(Ok(format!("the value of {system} is taken")))
        }
        OperatorCommand::Dismiss { subject, reason } => dismiss(cx, subject, reason),
        OperatorCommand::Backfill { sync } => {
            if links::rule_named(cx, sync).is_none() {
                return Ok(Err(format!("there is no sync `{sync}`")));
            }
            schedule::everything(cx, sync)?;
            Ok(Ok("began".to_owned()))
        }
    }
}

fn stopped(
    cx: &mut Context<'_>,
    id: RunId,
    change: impl FnOnce(&mut RunRow) -> String,
) -> Result<Result<String, String>, Error> {
    let Some(mut run) = cx.get(&key::run(id))? else { return Ok(Err(format!("there is no run {id}"))) };
    if !matches!(run.state, RunState::Stopped(_)) {
        return Ok(Err(format!("run {id} is not stopped")));
    }
    if RunDefinition::of(cx, &run).is_none() {
        return Ok(Err("the rules it began with are not here any more".to_owned()));
    }
    let done = change(&mut run);
    run.state = RunState::Ready;
    run.fresh = cx.now;
    incidents::settle(cx, &format!("run {id}"))?;
    cx.put(key::run(id), &run);
    cx.task(Task::Run(id));
    Ok(Ok(done))
}

/// A person closes an incident that nothing else closes, and what was kept for it goes. `subject` is the incident's, or
/// its last word (`m3`).
pub(crate) fn dismiss(cx: &mut Context<'_>, subject: &str, reason: &str) -> Result<Result<String, String>, Error> {
    let names = ["", "message ", "topic ", "run ", "link "].map(|kind| format!("{kind}{subject}"));
    for name in names {
        if !cx.has(&key::incident(&name))? {
            continue;
        }
        if name.starts_with("link ") || name.starts_with("run ") {
            return Ok(Err(format!("`{name}` waits for it: retry, settle or cancel it instead")));
        }
        parked::dismissed(cx, &name);
        incidents::settle(cx, &name)?;
        return Ok(Ok(format!("dismissed: {reason}")));
    }
    Ok(Err(format!("there is no incident about `{subject}`")))
}
