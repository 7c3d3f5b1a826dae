//! Our own key on records that have no natural one (an idempotency key that the record carries): a create whose answer
//! was lost is found again by it.

use dsl::program::Side;
use dsl::schema::{EntityName, Type};

use crate::decide::model::key;
use crate::decide::model::link::LinkRow;
use crate::decide::model::record::FieldValue;
use crate::decide::model::work::Waiter;
use crate::decide::store::links::ActiveSync;
use crate::decide::store::records;
use crate::decide::store::transaction::Context;
use crate::ids::LinkId;
use crate::ledger::Error;

/// The field that holds our own key of a record that has no natural one.
pub(crate) const OWN_KEY: &str = "engine_link_id";

/// The entity has [`OWN_KEY`], and no unique field that this sync writes can find a lost create again.
pub(crate) fn own_key(rule: &ActiveSync, entity: &EntityName) -> bool {
    let has = rule.program.field(entity, OWN_KEY).is_some_and(|f| f.ty == Type::Text);
    let side = records::side_of(rule, entity);
    let natural = rule.keys.iter().any(|(left, right)| {
        let field = if side == Some(Side::Left) { left } else { right };
        field != "id" && rule.program.field(entity, field).is_some_and(|f| f.unique)
    });
    has && !natural
}

/// Is what a write in doubt may have left behind still being read? Until that is known nothing is planned; the link is
/// woken by the read.
pub(crate) fn is_read_back(cx: &mut Context<'_>, id: LinkId, link: &LinkRow, rule: &ActiveSync) -> Result<bool, Error> {
    if link.attempts == 0 {
        return Ok(false);
    }
    for side in [Side::Left, Side::Right] {
        let entity = rule.entity(side);
        let (by, value) = match link.id(side) {
            Some(record) => ("id", record.clone()),
            None if own_key(rule, entity) => (OWN_KEY, format!("{}-{id}", cx.ledger()?)),
            None => continue,
        };
        let key = key::read(entity, by, &value);
        if let Some(mut row) = cx.get(&key)? {
            if row.waiters.insert(Waiter::Link(id)) {
                cx.put(key, &row);
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
    rule: &ActiveSync,
    side: Side,
    record: &str,
) -> Result<Option<LinkId>, Error> {
    let entity = rule.entity(side);
    if !own_key(rule, entity) {
        return Ok(None);
    }
    let row = cx.record(entity, record)?;
    let Some(FieldValue::Is(value)) = row.and_then(|row| row.fields.get(OWN_KEY).map(|seen| seen.value.clone())) else {
        return Ok(None);
    };
    let prefix = format!("{}-l", cx.ledger()?);
    let number = value.as_text().and_then(|text| text.strip_prefix(&prefix)).and_then(|number| number.parse().ok());
    let Some(id) = number.map(LinkId) else { return Ok(None) };
    let link = cx.get(&key::link(id))?;
    Ok(link.filter(|link| link.sync == rule.name).map(|_| id))
}
