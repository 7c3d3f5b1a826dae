//! A system that refuses whoever asks (the token, or what it may do): shown to people once, whatever was asked for.
//!
//! In: the answers to a call. Out: one incident for the system, which is closed by the first answer that shows that it
//! is over. Always true: the owners of what was asked for wait with the system; none is parked or fails for it.
//! Not here: leaving the system alone meanwhile (the gate).

use connectors::port::Answer;

use crate::decide::model::answer::{Denial, denial, lets_in};
use crate::decide::model::event::{Action, Event};
use crate::decide::model::key;
use crate::decide::model::lane::Lane;
use crate::decide::model::subject::Subject;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Takes what the answers to a call of `lane` say of the token that it was sent with.
pub(crate) fn account(cx: &mut Context<'_>, lane: &Lane, answers: &[Answer]) -> Result<(), Error> {
    let subject = Subject::System(lane.system.clone());
    if let Some(Denial { reason, lane_only }) = denial(answers) {
        let what = lane.kind.to_string();
        let (cause, advice, id) = if lane_only {
            let cause = format!("{} does not let the engine {what}: {reason}", lane.system);
            let advice = "grant the token's app what it lacks; calls of the system wait, are tried again by themselves \
                          and go on once they are let in";
            (cause, advice, what)
        } else {
            let cause = format!("{} refuses the engine's token: {reason}", lane.system);
            let advice = "put a valid token where engine.yaml says (a `token_file` is read again at once when it \
                          changes, a variable of the environment at the next start); calls of the system wait, are \
                          tried again by themselves and go on once they are let in";
            (cause, advice, String::new())
        };
        let incident = NewIncident {
            subject,
            rule: lane.system.clone(),
            entity: lane.system.clone(),
            id,
            cause,
            advice: advice.to_owned(),
            ..NewIncident::default()
        };
        return incidents::open(cx, incident);
    }
    if let Some(open) = cx.get(&key::incident(&subject))?
        && lets_in(answers)
        && (open.id.is_empty() || open.id == lane.kind.to_string())
    {
        incidents::settle(cx, &subject)?;
        cx.log(Event {
            rule: lane.system.clone(),
            entity: lane.system.clone(),
            subject: subject.to_string(),
            detail: format!("{} lets the engine in again", lane.system),
            ..Event::new(cx.now, Action::Admitted)
        });
    }
    Ok(())
}
