//! A value that does not stand: its system, or somebody there, replaces it each time soon after it was written, and each
//! time it would be written again, for ever.
//!
//! In: the writes of a line that took effect, on both sides, and the one that is planned. Out: whether that would go on
//! like the ones before it. Always true: of a line that goes back and forth so many writes leave and no more; a line
//! that its source alone changes is never one of these, however often.

use dsl::program::{Mapping, Side};
use dsl::value::{Duration, Timestamp};

use crate::decide::links::sides::field;
use crate::decide::model::canonical::Canonical;
use crate::decide::model::expectation::{Content, Expectation};
use crate::decide::model::packed::Packed;
use crate::decide::model::sides::{BOTH, Sides};
use crate::decide::records::expectations::Expected;
use crate::decide::store::links::OpenLink;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Writes that lie closer together than this may answer each other.
const PACE: Duration = Duration::minutes(10);

/// How often the same value is written to the same side before it is held.
const MOST_REPEATS: usize = 3;

/// How often a line goes back and forth with ever new values before it is held.
const MOST_TURNS: usize = 20;

/// A write of a line that took effect: when it was sent, where, and what.
type Turn<V> = (Timestamp, Side, V);

/// Would a write of `value` to `side` go on what the writes of this line before it did?
pub(crate) fn goes_on(
    cx: &Context<'_>,
    link: &OpenLink,
    mapping: &Mapping,
    side: Side,
    value: &Canonical,
) -> Result<bool, Error> {
    let mut turns: Vec<Turn<(Packed<Content>, Side)>> = Vec::new();
    let mut sides: Sides<Option<Expected>> = Sides::default();
    for side in BOTH {
        let (Some(record), Some(field)) = (&link.ids[side], field(mapping, side)) else { continue };
        let expected = Expected::load(cx, link.entity(side), record)?;
        let landed = |write: &&Expectation| write.link == Some(link.id) && write.landed().is_some();
        let writes = expected.of(&field).iter().filter(landed);
        turns.extend(writes.map(|write| (write.sent, side, (write.content.clone(), side))));
        sides[side] = Some(expected);
    }
    turns.sort_by_key(|(sent, ..)| *sent);
    is_one_more(&turns, cx.now, side, |(content, side)| {
        let content = content.unpack().map_err(|reason| match &sides[*side] {
            Some(expected) => expected.unreadable(reason),
            None => Error::Row { key: "expectations".to_owned(), reason },
        })?;
        Ok(content.mapping == mapping.text && content.canonical == *value)
    })
}

/// The newest first, as far as each came soon after the one before it: is it written again though nothing else was
/// written in between, so that it was replaced on the target; or was the other side written in between each time, so
/// that both replace what the other one has?
fn is_one_more<V>(
    turns: &[Turn<V>],
    now: Timestamp,
    side: Side,
    is_value: impl Fn(&V) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let (mut again, mut replaced) = (true, 0);
    let (mut answers, mut answered, mut repeated) = (true, 0, 0);
    let (mut next, mut later) = (side.other(), now);
    for (sent, at, value) in turns.iter().rev() {
        again &= *at == side;
        answers &= *at == next;
        if later.since(*sent) > PACE || !(again || answers) {
            break;
        }
        let is_same = *at == side && is_value(value)?;
        again &= is_same;
        replaced += usize::from(again);
        if answers {
            answered += 1;
            repeated += usize::from(is_same);
        }
        if replaced >= MOST_REPEATS || repeated >= MOST_REPEATS || answered >= MOST_TURNS {
            return Ok(true);
        }
        (next, later) = (at.other(), *sent);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use dsl::value::Value;

    use super::*;

    fn value(text: &str) -> Canonical {
        Canonical::Value(Value::text(text))
    }

    /// Writes that come ten seconds after each other, and whether another one of this value to the right goes on.
    fn held(turns: &[(Side, &str)], next: &str) -> bool {
        let turn =
            |(index, (side, text)): (usize, &(Side, &str))| (Timestamp(10_000 * index as i64), *side, value(text));
        let turns: Vec<Turn<Canonical>> = turns.iter().enumerate().map(turn).collect();
        let now = Timestamp(10_000 * turns.len() as i64);
        is_one_more(&turns, now, Side::Right, |was| Ok(*was == value(next))).expect("readable")
    }

    #[test]
    fn two_systems_that_replace_each_others_value_are_held_after_three_rounds() {
        let round = [(Side::Right, "x"), (Side::Left, "y")];
        assert!(!held(&[round, round].concat(), "x"));
        assert!(held(&[round, round, round].concat(), "x"));
        // Somebody wants another value: it is tried.
        assert!(!held(&[round, round, round].concat(), "z"));
    }

    #[test]
    fn a_value_that_is_replaced_where_it_is_written_is_held_after_three_writes() {
        assert!(!held(&[(Side::Right, "x"); 2], "x"));
        assert!(held(&[(Side::Right, "x"); 3], "x"));
    }

    #[test]
    fn ever_new_values_back_and_forth_are_held_in_the_end() {
        let values: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let side = |n: usize| if n.is_multiple_of(2) { Side::Right } else { Side::Left };
        let turns: Vec<(Side, &str)> = values.iter().enumerate().map(|(n, text)| (side(n), text.as_str())).collect();
        assert!(!held(&turns[2..], "new"));
        assert!(held(&turns, "new"));
    }

    #[test]
    fn a_source_that_changes_its_mind_again_and_again_is_followed() {
        let turns = [(Side::Right, "on"), (Side::Right, "off")].repeat(40);
        assert!(!held(&turns, "on"));
    }

    #[test]
    fn what_comes_after_a_pause_is_new() {
        let turns = [(Timestamp(0), Side::Right, value("x")), (Timestamp(1), Side::Right, value("x"))];
        let turns = [turns.as_slice(), &[(Timestamp(2), Side::Right, value("x"))]].concat();
        let held = |now: i64| is_one_more(&turns, Timestamp(now), Side::Right, |_| Ok(true)).expect("readable");
        assert!(held(3));
        assert!(!held(3 + PACE.0));
    }
}
