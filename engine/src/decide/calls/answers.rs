//! Takes the answers to a call: every input is accounted for, by its owner.

use connectors::port::{Answer, Request};

use crate::decide::calls::{listing, read};
use crate::decide::isolation;
use crate::decide::links::answer;
use crate::decide::model::instance::Instance;
use crate::decide::model::key::{Key, Kind};
use crate::decide::model::lane::LaneKind;
use crate::decide::model::work::{CallRow, Owner};
use crate::decide::runs::effect;
use crate::decide::store::transaction::Context;
use crate::ids::CallId;
use crate::ledger::Error;

pub(crate) fn take(cx: &mut Context<'_>, call: CallId, answers: &[Answer]) -> Result<(), Error> {
    let key = Key::new(Kind::Call).number(call.0).bytes();
    // A second answer to one call finds no row and changes nothing.
    let Some(row) = cx.get::<CallRow>(&key)? else { return Ok(()) };
    cx.delete(key);
    let silent = Answer::Unknown { cause: "the answer does not mention it".to_owned() };
    let sent: Request = serde_json::from_slice(&row.request)
        .map_err(|error| Error::Row { key: format!("call {}", call.0), reason: error.to_string() })?;
    for (index, item) in row.items.iter().enumerate() {
        let answer = &fitting(&row.lane.kind, answers.get(index).unwrap_or(&silent));
        if let Some(instance) = Instance::of(&item.owner)
            && !isolation::enter(cx, &instance)?
        {
            continue;
        }
        match &item.owner {
            Owner::Link(id, side) => answer::answered(cx, *id, *side, &row.lane, &item.written, answer)?,
            Owner::Run(id) => {
                let key = sent.inputs.get(index).map(|input| input.key.as_str()).unwrap_or_default();
                effect::answered(cx, *id, key, answer)?;
            }
            Owner::Read(entity, by, value) => read::read(cx, entity, by, value, answer)?,
            Owner::Listing(name) => listing::page(cx, name, answer)?,
        }
        cx.isolation.leave();
    }
    Ok(())
}

/// The answer, as far as it fits what was asked. One that does not says nothing of what became of it: it is unknown,
/// and whoever waits for it goes on as with every unknown answer.
fn fitting(asked: &LaneKind, answer: &Answer) -> Answer {
    let fits = match answer {
        Answer::Record(_) => {
            matches!(asked, LaneKind::Read { .. } | LaneKind::Create { .. } | LaneKind::Update { .. })
        }
        // What is gone already is as good as deleted.
        Answer::Missing if matches!(asked, LaneKind::Delete { .. }) => return Answer::Done,
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
    if fits { answer.clone() } else { Answer::Unknown { cause: "the answer does not fit what was asked".to_owned() } }
}
