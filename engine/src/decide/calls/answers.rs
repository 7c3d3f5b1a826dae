//! Takes the answers to a call: every input is accounted for, by its owner.

use std::borrow::Cow;

use connectors::port::{Answer, Request};

use crate::decide::calls::{denied, owners};
use crate::decide::model::key;
use crate::decide::model::task::{Answered, Task};
use crate::decide::store::transaction::Context;
use crate::ids::CallId;
use crate::ledger::Error;

/// Takes the answers to a call in: each is decided by itself.
pub(crate) fn take<'a>(cx: &mut Context<'a>, call: CallId, answers: &'a [Answer]) -> Result<(), Error> {
    // A second answer to one call finds no row and changes nothing.
    let Some(row) = cx.get(&key::call(call))? else { return Ok(()) };
    cx.delete(key::call(call));
    denied::account(cx, &row.lane, answers)?;
    let sent: Request = serde_json::from_slice(&row.request)
        .map_err(|error| Error::Row { key: format!("call {}", call.0), reason: error.to_string() })?;
    let mut inputs = sent.inputs.into_iter();
    for (index, item) in row.items.into_iter().enumerate() {
        let silent = || Cow::Owned(Answer::Unknown { cause: "the answer does not mention it".to_owned() });
        let answer = answers.get(index).map_or_else(silent, Cow::Borrowed);
        let input = inputs.next().unwrap_or_default();
        let (lane, key, asked) = (row.lane.clone(), input.key, input.id);
        cx.task(Task::Answer(Answered { lane, item, key, asked, sent: row.sent, answer }));
    }
    Ok(())
}

/// Accounts for one answer.
pub(crate) fn account(cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
    owners::of(&answered.item.owner).answered(cx, answered)
}
