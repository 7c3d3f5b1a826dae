//! Takes the answers to a call: every input is accounted for, by its owner.

use std::borrow::Cow;

use connectors::port::{Answer, Request};

use crate::decide::calls::{denied, owners};
use crate::decide::model::key;
use crate::decide::model::task::{Answered, Task};
use crate::decide::model::work::Group;
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
    let mut groups = groups(cx, row.items.len(), answers)?.into_iter();
    let mut inputs = sent.inputs.into_iter();
    for (index, item) in row.items.into_iter().enumerate() {
        let silent = || Cow::Owned(Answer::Unknown { cause: "the answer does not mention it".to_owned() });
        let answer = answers.get(index).map_or_else(silent, Cow::Borrowed);
        let input = inputs.next().unwrap_or_default();
        let (lane, key, asked) = (row.lane.clone(), input.key, input.id);
        let group = groups.next().unwrap_or_default();
        cx.task(Task::Answer(Answered { lane, item, key, asked, sent: row.sent, group, answer }));
    }
    Ok(())
}

/// With whom each item of a call may share its next request. What was refused together is asked again apart: those that
/// the refusal may be about by themselves; half and half where it says nothing of any; and together where others were
/// meant, or where the call had no company that could be parted.
fn groups(cx: &mut Context<'_>, items: usize, answers: &[Answer]) -> Result<Vec<Group>, Error> {
    let mut groups = vec![Group::default(); items];
    let refused: Vec<usize> =
        (0..items).filter(|index| matches!(answers.get(*index), Some(Answer::Split | Answer::Suspect))).collect();
    if items < 2 || refused.is_empty() {
        return Ok(groups);
    }
    let is_suspect = |index: &usize| matches!(answers[*index], Answer::Suspect);
    let (one, other): (Vec<usize>, Vec<usize>) = refused.iter().partition(|index| is_suspect(index));
    let (one, other) = match () {
        () if !one.is_empty() && !other.is_empty() => (one, other),
        () if refused.len() < items => (refused, Vec::new()),
        () => (refused[..items / 2].to_vec(), refused[items / 2..].to_vec()),
    };
    for members in [one, other] {
        let group = Group(cx.next()?);
        members.into_iter().for_each(|index| groups[index] = group);
    }
    Ok(groups)
}

/// Accounts for one answer.
pub(crate) fn account(cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
    owners::of(&answered.item.owner).answered(cx, answered)
}
