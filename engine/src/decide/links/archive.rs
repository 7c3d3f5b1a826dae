//! Archiving a record because its partner was deleted: tried until its system says that it is gone, or refuses.
//!
//! Always true: until then its work is a row; archiving twice is archiving once, so a try in doubt is repeated. A
//! record whose partner came back meanwhile is left alone.

use connectors::port::Answer;
use dsl::ast::Priority;
use dsl::program::Side;
use dsl::value::Duration;

use crate::decide::model::lane::Lane;
use crate::decide::model::link::{LinkRow, LinkState, slot};
use crate::decide::model::task::Task;
use crate::decide::model::work::Owner;
use crate::decide::store::links::{ActiveSync, park, span, tried, went_through};
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, links};
use crate::ids::LinkId;
use crate::ledger::Error;

/// Takes the answer to an archiving.
pub(crate) fn answered(
    cx: &mut Context<'_>,
    id: LinkId,
    mut link: LinkRow,
    rule: &ActiveSync,
    side: Side,
    lane: &Lane,
    answer: &Answer,
) -> Result<(), Error> {
    let entity = rule.entity(side);
    let pause = match answer {
        Answer::Done => {
            went_through(&mut link);
            incidents::settle(cx, &format!("link {id}"))?;
            links::log(cx, id, &link, "archive", format!("archived in {}", entity.system));
            None
        }
        Answer::Refused { reason, .. } => {
            let why = format!("{} does not archive the record: {reason}", entity.system);
            park(cx, id, &mut link, rule, why)?;
            None
        }
        Answer::RateLimited { after, .. } => Some(after.map_or(Duration(0), span)),
        Answer::Split => Some(Duration(0)),
        Answer::Retry { after, cause } => Some(tried(cx, id, &mut link, rule, entity, after.map(links::span), cause)?),
        Answer::Unknown { cause } => Some(tried(cx, id, &mut link, rule, entity, None, cause)?),
        other => {
            let cause = format!("its answer does not fit: {other:?}");
            Some(tried(cx, id, &mut link, rule, entity, None, &cause)?)
        }
    };
    if link.state != LinkState::Gone {
        // It lives again, or a person looks.
        cx.task(Task::Link(id));
    } else if let Some(pause) = pause {
        let at = cx.now.plus(Duration(pause.0.max(50)));
        link.queued[slot(side)] = Some(cx.queue(Owner::Link(id, side), lane.clone(), at, Priority::High));
    }
    links::store(cx, id, &link);
    Ok(())
}
