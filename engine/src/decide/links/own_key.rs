//! Our own key on records that have no natural one (an idempotency key that the record carries): a create whose answer
//! was lost is found again by it.

use dsl::program::Side;
use dsl::schema::{EntityName, Type};

use crate::decide::model::key;
use crate::decide::model::record::FieldValue;
use crate::decide::model::sides::BOTH;
use crate::decide::model::work::{PointRead, Waiter};
use crate::decide::store::links::{ActiveSync, OpenLink};
use crate::decide::store::reads::OpenRead;
use crate::decide::store::records;
use crate::decide::store::transaction::Context;
use crate::ids::LinkId;
use crate::ledger::Error;

/// The field that holds our own key of a record that has no natural one.
pub(crate) const OWN_KEY: &str = "engine_link_id";

/// The entity has [`OWN_KEY`], and no unique field that this sync writes can find a lost create again.
pub(crate) fn carries(sync: &ActiveSync, entity: &EntityName) -> bool {
    let has = sync.program.field(entity, OWN_KEY).is_some_and(|f| f.ty == Type::Text);
    let side = records::side_of(sync, entity);
    let natural = sync.keys.iter().any(|(left, right)| {
        let field = if side == Some(Side::Left) { left } else { right };
        field != "id" && sync.program.field(entity, field).is_some_and(|f| f.unique)
    });
    has && !natural
}

/// Our own key of the record that a link makes.
pub(crate) fn of(cx: &mut Context<'_>, link: LinkId) -> Result<String, Error> {
    Ok(format!("{}-{link}", cx.ledger()?))
}

/// The link that a record was made for, by our own key; nothing where the key is of another ledger, or none of ours.
pub(crate) fn link_of(cx: &mut Context<'_>, own_key: &str) -> Result<Option<LinkId>, Error> {
    let rest = own_key.strip_prefix(&cx.ledger()?).and_then(|rest| rest.strip_prefix('-'));
    Ok(rest.and_then(|link| link.parse().ok()))
}

/// The read that finds a record which a link may have made.
pub(crate) fn read_back(cx: &mut Context<'_>, link: &OpenLink, side: Side) -> Result<Option<PointRead>, Error> {
    let entity = link.entity(side);
    if !carries(&link.sync, entity) {
        return Ok(None);
    }
    Ok(Some(PointRead { entity: entity.clone(), by: OWN_KEY.to_owned(), value: of(cx, link.id)? }))
}

/// Is what a write in doubt may have left behind still being read? Until that is known nothing is planned; the link is
/// woken by the read.
pub(crate) fn is_being_read_back(cx: &mut Context<'_>, link: &OpenLink) -> Result<bool, Error> {
    if link.tries.attempts == 0 {
        return Ok(false);
    }
    for side in BOTH {
        let read = match &link.ids[side] {
            Some(record) => Some(PointRead::by_id(link.entity(side), record)),
            None => read_back(cx, link, side)?,
        };
        let Some(read) = read else { continue };
        if let Some(mut open) = OpenRead::open(cx, &read)? {
            if open.row.waiters.insert(Waiter::Link(link.id)) {
                open.save(cx);
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// The pair for which a record was made whose making is not known to have succeeded yet: the record carries our own
/// key, and a message about it may come before its answer.
pub(crate) fn made_for(
    cx: &mut Context<'_>,
    sync: &ActiveSync,
    side: Side,
    record: &str,
) -> Result<Option<LinkId>, Error> {
    let entity = sync.entity(side);
    if !carries(sync, entity) {
        return Ok(None);
    }
    let row = cx.record(entity, record)?;
    let own = row.as_ref().and_then(|row| row.fields.get(OWN_KEY)).map(|field| &field.value);
    let Some(FieldValue::Is(own)) = own else { return Ok(None) };
    let Some(own) = own.as_text() else { return Ok(None) };
    let Some(id) = link_of(cx, own)? else { return Ok(None) };
    let link = cx.get(&key::link(id))?;
    Ok(link.filter(|link| link.sync == sync.name).map(|_| id))
}
