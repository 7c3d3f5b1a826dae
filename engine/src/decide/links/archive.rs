//! Archiving a record because its partner was deleted: tried until its system says that it is gone, or refuses.
//!
//! Always true: until then its work is a row; archiving twice is archiving once, so a try in doubt is repeated. A
//! record whose partner came back meanwhile is left alone.

use dsl::ast::Priority;
use dsl::program::Side;
use dsl::value::Duration;

use crate::decide::model::answer::{DeleteAnswer, Failure, NotDone};
use crate::decide::model::event::Action;
use crate::decide::model::lane::Lane;
use crate::decide::model::link::LinkState;
use crate::decide::model::task::Task;
use crate::decide::store::links::OpenLink;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Takes the answer to an archiving.
pub(crate) fn answered(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    lane: &Lane,
    answer: DeleteAnswer<'_>,
) -> Result<(), Error> {
    let system = link.entity(side).system.clone();
    let pause = match answer {
        Ok(()) => {
            link.went_through();
            // One that a person must look at for another cause is shown still.
            if link.state == LinkState::Gone {
                link.settle_incident(cx)?;
            }
            link.log(cx, Action::Archive, format!("archived in {system}"));
            None
        }
        Err(Failure::NotDone(NotDone::Refused { reason, .. })) => {
            link.park(cx, format!("{system} does not archive the record: {reason}"))?;
            None
        }
        Err(Failure::NotDone(NotDone::RateLimited { after })) => Some(after.unwrap_or_default()),
        Err(Failure::NotDone(NotDone::Split | NotDone::Denied)) => Some(Duration(0)),
        Err(Failure::NotDone(NotDone::Retry { after, cause })) => Some(link.tried(cx, &system, after, cause)?),
        Err(Failure::Unknown { cause }) => Some(link.tried(cx, &system, None, cause)?),
    };
    if link.state != LinkState::Gone {
        // It lives again, or a person looks.
        cx.task(Task::Link(link.id));
    } else if let Some(pause) = pause {
        link.queue_in(cx, side, lane.clone(), pause.max(Duration(50)), Priority::High);
    }
    Ok(())
}
