//! A link as the owner of work: the write of one of its records.

use dsl::program::Side;

use crate::decide::links::{answer, archive, write};
use crate::decide::model::answer as answers;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkState, WriteState};
use crate::decide::model::task::Answered;
use crate::decide::store::links::OpenLink;
use crate::decide::store::reads;
use crate::decide::store::transaction::Context;
use crate::decide::store::work::{Composed, Outlook, WorkOwner};
use crate::ids::{CallId, LinkId};
use crate::ledger::Error;

/// The write of one record of a link.
pub(crate) struct LinkWrite {
    pub(crate) link: LinkId,
    pub(crate) side: Side,
}

impl WorkOwner for LinkWrite {
    fn outlook(&self, cx: &Context<'_>, lane: &Lane) -> Result<Outlook, Error> {
        let Some(row) = cx.get(&key::link(self.link))? else { return Ok(Outlook::default()) };
        let creates = matches!(lane.kind, LaneKind::Create { .. });
        let deletes = matches!(lane.kind, LaneKind::Delete { .. });
        Ok(Outlook {
            record: row.ids[self.side].clone().filter(|_| !creates),
            group: row.tries.group,
            failed_before: deletes && row.tries.attempts > 0,
        })
    }

    fn compose(&self, cx: &mut Context<'_>, lane: &Lane, call: CallId) -> Result<Option<Composed>, Error> {
        write::compose(cx, self.link, self.side, lane, call)
    }

    fn answered(&self, cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
        let Some(mut link) = OpenLink::open(cx, self.link)? else { return Ok(()) };
        let Answered { lane, item, asked, sent, group, answer, .. } = answered;
        link.writes[self.side] = WriteState::Idle;
        link.tries.group = *group;
        match &lane.kind {
            LaneKind::Create { .. } => {
                answer::created(cx, &mut link, self.side, &item.written, answers::create(answer))?;
                if link.state == LinkState::Gone {
                    // Whoever waited for what it would make goes on without it.
                    let side = self.side.other();
                    reads::partner_found(cx, &link.sync.name, side, &link.record(side))?;
                }
            }
            LaneKind::Update { .. } => {
                let asked = asked.clone().unwrap_or_else(|| link.record(self.side));
                answer::updated(cx, &mut link, self.side, (&asked, *sent), &item.written, answers::update(answer))?;
            }
            LaneKind::Delete { .. } => archive::answered(cx, &mut link, self.side, lane, answers::delete(answer))?,
            LaneKind::Read { .. } | LaneKind::List { .. } | LaneKind::Archived { .. } => {}
            LaneKind::Identify | LaneKind::Operation { .. } => {}
        }
        link.save(cx);
        Ok(())
    }
}
