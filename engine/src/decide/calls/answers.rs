//! Takes the answers to a call: every input is accounted for, by its owner.

use std::borrow::Cow;

use connectors::port::{Answer, Request};

use crate::decide::calls::{listing, read};
use crate::decide::links::answer;
use crate::decide::model::key;
use crate::decide::model::lane::LaneKind;
use crate::decide::model::task::{Answered, Task};
use crate::decide::model::work::Owner;
use crate::decide::runs::effect;
use crate::decide::store::transaction::Context;
use crate::ids::CallId;
use crate::ledger::Error;

/// Takes the answers to a call in: each is decided by itself.
pub(crate) fn take<'a>(cx: &mut Context<'a>, call: CallId, answers: &'a [Answer]) -> Result<(), Error> {
    let key = key::call(call);
    // A second answer to one call finds no row and changes nothing.
    let Some(row) = cx.get(&key)? else { return Ok(()) };
    cx.delete(key);
    let sent: Request = serde_json::from_slice(&row.request)
        .map_err(|error| Error::Row { key: format!("call {}", call.0), reason: error.to_string() })?;
    let mut keys = sent.inputs.into_iter().map(|input| input.key);
    for (index, item) in row.items.into_iter().enumerate() {
        let answer = match answers.get(index) {
            Some(answer) => fitting(&row.lane.kind, answer),
            None => unknown("the answer does not mention it"),
        };
        let (lane, key) = (row.lane.clone(), keys.next().unwrap_or_default());
        cx.task(Task::Answer(Answered { lane, item, key, answer }));
    }
    Ok(())
}

/// Accounts for one answer, by the owner of its input.
pub(crate) fn account(cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
    let Answered { lane, item, key, answer } = answered;
    match &item.owner {
        Owner::Link(id, side) => answer::answered(cx, *id, *side, lane, &item.written, answer),
        Owner::Run(id) => effect::answered(cx, *id, key, answer),
        Owner::Read(entity, by, value) => read::read(cx, entity, by, value, answer),
        Owner::Listing(name) => listing::page(cx, name, answer),
    }
}

fn unknown(cause: &str) -> Cow<'static, Answer> {
    Cow::Owned(Answer::Unknown { cause: cause.to_owned() })
}

/// The answer, as far as it fits what was asked. One that does not says nothing of what became of it: it is unknown,
/// and whoever waits for it goes on as with every unknown answer.
fn fitting<'a>(asked: &LaneKind, answer: &'a Answer) -> Cow<'a, Answer> {
    let fits = match answer {
        Answer::Record(_) => {
            matches!(asked, LaneKind::Read { .. } | LaneKind::Create { .. } | LaneKind::Update { .. })
        }
        // What is gone already is as good as deleted.
        Answer::Missing if matches!(asked, LaneKind::Delete { .. }) => return Cow::Owned(Answer::Done),
        Answer::Missing => matches!(asked, LaneKind::Read { .. } | LaneKind::Update { .. }),
        Answer::Done => matches!(asked, LaneKind::Delete { .. } | LaneKind::Operation { .. }),
        Answer::Result(_) => matches!(asked, LaneKind::Operation { .. }),
        Answer::Page { .. } => matches!(asked, LaneKind::List { .. }),
        Answer::Refused { .. }
        | Answer::Retry { .. }
        | Answer::RateLimited { .. }
        | Answer::Split
        | Answer::Unknown { .. } => true,
    };
    if fits { Cow::Borrowed(answer) } else { unknown("the answer does not fit what was asked") }
}
