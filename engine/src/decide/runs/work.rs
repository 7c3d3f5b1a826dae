//! A run as the owner of work: the effect that it waits for.

use crate::decide::model::answer;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::run::{Effect, RunState};
use crate::decide::model::task::Answered;
use crate::decide::runs::effect::{self, Sent};
use crate::decide::store::runs::OpenRun;
use crate::decide::store::transaction::Context;
use crate::decide::store::work::{Composed, Outlook, WorkOwner};
use crate::ids::{CallId, RunId};
use crate::ledger::Error;

/// The effect of a run.
pub(crate) struct RunEffect {
    pub(crate) run: RunId,
}

impl WorkOwner for RunEffect {
    fn outlook(&self, cx: &Context<'_>, _: &Lane) -> Result<Outlook, Error> {
        let run = cx.get(&key::run(self.run))?;
        Ok(match run.as_ref().and_then(|run| run.state.effect()) {
            Some(effect) => Outlook { record: effect.id.clone(), group: effect.group, failed_before: false },
            None => Outlook::default(),
        })
    }

    fn compose(&self, cx: &mut Context<'_>, _: &Lane, _: CallId) -> Result<Option<Composed>, Error> {
        let Some(mut run) = OpenRun::open(cx, self.run)? else { return Ok(None) };
        let Some(definition) = run.definition.clone() else { return Ok(None) };
        let composed = effect::compose(&mut run, &definition);
        run.save(cx);
        Ok(composed)
    }

    /// Only of the effect at hand: one whose step ran out of time may be answered when the run is elsewhere.
    fn answered(&self, cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
        let Some(mut run) = OpenRun::open(cx, self.run)? else { return Ok(()) };
        let RunState::Calling(effect) = run.state.clone() else { return Ok(()) };
        let Some(definition) = run.definition.clone().filter(|_| effect.key == answered.key) else { return Ok(()) };
        let effect = Effect { group: answered.group, ..effect };
        let sent = Sent { run: &mut run, definition, effect };
        let answer = &answered.answer;
        match &answered.lane.kind {
            LaneKind::Create { .. } => effect::created(cx, sent, answer::create(answer))?,
            LaneKind::Update { .. } => effect::updated(cx, sent, answer::update(answer))?,
            LaneKind::Delete { .. } => effect::deleted(cx, sent, answer::delete(answer))?,
            LaneKind::Operation { .. } => effect::operated(cx, sent, answer::operation(answer))?,
            LaneKind::Read { .. } | LaneKind::List { .. } | LaneKind::Archived { .. } | LaneKind::Identify => {}
        }
        run.save(cx);
        Ok(())
    }
}
