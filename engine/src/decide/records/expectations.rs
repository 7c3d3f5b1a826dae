//! Writes of ours against what is seen of their field: whose value it is, and what a write of ours overwrote before
//! anybody had looked at it (SYNC-MODEL.md sections 5 and 6).
//!
//! In: the writes of one field that may still be seen, and what a message, a read or an answer says of it, with its
//! version. Out: that it is one of them, or an outside change that one of them covers.
//! Always true: a write is known from the frame that sends it until its request cannot take effect any more and no
//! message of that time can come any more; each takes effect once; versions are compared with versions of the same
//! system only. Not here: what becomes of what is covered (`links::overwritten`), and of the base (`links::landed`).

use dsl::eval::canonical;
use dsl::program::{MappingKind, Program, Side};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::expectation::{Content, Expectation, ExpectationsRow, WriteOutcome};
use crate::decide::model::key;
use crate::decide::model::packed::Packed;
use crate::decide::model::record::{Life, RecordRow};
use crate::decide::model::row::RowKey;
use crate::decide::model::written::Written;
use crate::decide::store::transaction::Context;
use crate::ids::LinkId;
use crate::ledger::Error;

/// How long a request may still take effect after it was sent, with room for clocks that differ.
pub(crate) const LONGEST_LIFE: Duration = Duration::minutes(30);

/// How late a message may come: HubSpot repeats a delivery for a day.
const LONGEST_DELAY: Duration = Duration::hours(24);

/// Writes that are kept of one field; of more than these the oldest are forgotten.
const MOST: usize = 32;

/// Are two values of a field the same for us?
pub(crate) type Alike<'a> = &'a dyn Fn(&Value, &Value) -> bool;

/// Whether two values of a field are the same to every line that compares it: a system may keep an address or a date in
/// another spelling than it was sent.
pub(crate) fn alike(program: &Program, entity: &EntityName, field: &str, one: &Value, other: &Value) -> bool {
    if one == other {
        return true;
    }
    program.syncs_of(entity).into_iter().any(|(index, side)| {
        let sync = &program.syncs[index];
        sync.fields.iter().any(|mapping| {
            let name = match &mapping.kind {
                MappingKind::Field { left, .. } if side == Side::Left => left,
                MappingKind::Field { right, .. } => right,
                MappingKind::Computed { target, .. } if mapping.direction.writes(side) => target,
                MappingKind::Computed { .. } | MappingKind::Link { .. } => return false,
            };
            let common = |value| canonical(program, sync, mapping, side, value).ok();
            name == field && common(one).is_some_and(|one| Some(one) == common(other))
        })
    })
}

/// The last write of this value that may take effect at this version and is not known to have. Of two that sent the
/// same, the other one may still come.
pub(crate) fn landing(
    writes: &[Expectation],
    value: &Value,
    at: Timestamp,
    seen: Timestamp,
    alike: Alike<'_>,
) -> Result<Option<usize>, String> {
    for (index, write) in writes.iter().enumerate().rev() {
        // By their clock or by ours: the two may differ.
        let lives = at.since(write.sent) <= LONGEST_LIFE || seen.since(write.sent) <= LONGEST_LIFE;
        if write.landed().is_some() || !lives {
            continue;
        }
        let content = write.content.unpack()?;
        if content.known.at.is_none_or(|known| at >= known) && alike(&content.value, value) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// The write that took effect last by this version.
fn last_landed(writes: &[Expectation], at: Timestamp) -> Option<&Expectation> {
    let landed = writes.iter().filter(|write| write.landed().is_some_and(|landed| landed <= at));
    landed.max_by_key(|write| write.landed())
}

/// Is this value, which the field had at this version, there by a write of ours?
pub(crate) fn is_ours(writes: &[Expectation], value: &Value, at: Timestamp, alike: Alike<'_>) -> Result<bool, String> {
    let Some(write) = last_landed(writes, at) else { return Ok(false) };
    Ok(alike(&write.content.unpack()?.value, value))
}

/// Does this write, which takes effect now, replace an outside change that nobody knew of when it was planned? `value`
/// is what stood, and `at` its version.
pub(crate) fn replaces(
    writes: &[Expectation],
    write: &Content,
    value: &Value,
    at: Timestamp,
    alike: Alike<'_>,
) -> Result<bool, String> {
    let unknown = write.known.at.is_none_or(|known| at > known)
        && !alike(&write.known.value, value)
        && !alike(&write.value, value);
    Ok(unknown && !is_ours(writes, value, at, alike)?)
}

/// The write that overwrote a change which is told only now: the first one that took effect after it, unless it was
/// planned on something newer, or somebody has changed the field since. `stands` is the value that the field has by
/// now, and its version.
pub(crate) fn covering(
    writes: &[Expectation],
    value: &Value,
    at: Timestamp,
    stands: (&Value, Timestamp),
    alike: Alike<'_>,
) -> Result<Option<usize>, String> {
    if is_ours(writes, value, at, alike)? {
        return Ok(None);
    }
    let mut first = None;
    for (index, write) in writes.iter().enumerate() {
        let effect = match write.outcome {
            WriteOutcome::Landed(landed) => landed,
            // One in doubt that sent what stands may have taken effect without a trace.
            WriteOutcome::InDoubt if alike(&write.content.unpack()?.value, stands.0) => stands.1,
            WriteOutcome::InDoubt | WriteOutcome::InFlight => continue,
        };
        if effect >= at && first.is_none_or(|first| (effect, index) < first) {
            first = Some((effect, index));
        }
    }
    let Some((landed, index)) = first else { return Ok(None) };
    let write = writes[index].content.unpack()?;
    let covered = writes[index].covered.is_some_and(|covered| covered >= at);
    let known = covered || write.known.at.is_some_and(|known| known >= at);
    if known || alike(&write.known.value, value) || alike(&write.value, value) {
        return Ok(None);
    }
    let outside = |value: &Value, at: Timestamp| Ok::<_, String>(at > landed && !is_ours(writes, value, at, alike)?);
    if outside(stands.0, stands.1)? && !alike(&write.value, stands.0) {
        return Ok(None);
    }
    for later in &writes[index + 1..] {
        let later = later.content.unpack()?.known;
        if let Some(known) = later.at
            && outside(&later.value, known)?
        {
            return Ok(None);
        }
    }
    Ok(Some(index))
}

/// The expectations of one record while a decision works on them.
pub(crate) struct Expected {
    key: RowKey<ExpectationsRow>,
    row: ExpectationsRow,
    changed: bool,
}

impl Expected {
    /// Those that are not over.
    pub(crate) fn load(cx: &Context<'_>, entity: &EntityName, record: &str) -> Result<Self, Error> {
        let key = key::expectations(entity, record);
        let mut row = cx.get(&key)?.unwrap_or_default();
        let changed = forget(&mut row, cx.now);
        Ok(Self { key, row, changed })
    }

    pub(crate) fn of(&self, field: &str) -> &[Expectation] {
        self.row.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// To change one of a field, by its place among them.
    pub(crate) fn change(&mut self, field: &str, index: usize) -> Option<&mut Expectation> {
        self.changed = true;
        self.row.0.get_mut(field)?.get_mut(index)
    }

    /// Keeps those for which this holds.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Expectation) -> bool) {
        self.changed |= retain(&mut self.row, keep);
    }

    /// Adds some of a field; of too many the oldest are forgotten.
    fn add(&mut self, field: String, writes: impl IntoIterator<Item = Expectation>) {
        let list = self.row.0.entry(field).or_default();
        list.extend(writes);
        list.sort_by_key(|write| write.sent);
        list.drain(..list.len().saturating_sub(MOST));
        self.changed = true;
    }

    pub(crate) fn save(self, cx: &mut Context<'_>) {
        match self.changed {
            true if self.row.0.is_empty() => cx.delete(self.key),
            true => cx.put(self.key, &self.row),
            false => {}
        }
    }

    /// A write of theirs is none.
    pub(crate) fn unreadable(&self, reason: String) -> Error {
        self.key.unreadable(reason)
    }
}

/// What is sent is expected from now on.
pub(crate) fn intend(
    cx: &mut Context<'_>,
    entity: &EntityName,
    record: &str,
    link: LinkId,
    writes: &[Written],
) -> Result<(), Error> {
    let mut expected = Expected::load(cx, entity, record)?;
    for write in writes.iter().filter(|write| !write.link) {
        let content = Content {
            mapping: write.mapping.clone(),
            value: write.value.clone(),
            canonical: write.canonical.clone(),
            restore: write.restore,
            known: write.known.clone(),
        };
        let sent = Expectation {
            link: Some(link),
            sent: cx.now,
            outcome: WriteOutcome::InFlight,
            covered: None,
            content: Packed::pack(&content),
        };
        expected.add(write.field.clone(), [sent]);
    }
    expected.save(cx);
    Ok(())
}

/// What became of the writes of a link that are on their way to a record: they took effect, may still, or did not.
pub(crate) fn settle(
    cx: &mut Context<'_>,
    entity: &EntityName,
    record: &str,
    link: LinkId,
    outcome: Option<WriteOutcome>,
) -> Result<(), Error> {
    let mut expected = Expected::load(cx, entity, record)?;
    let is_open = |write: &Expectation| write.link == Some(link) && write.outcome == WriteOutcome::InFlight;
    match outcome {
        Some(outcome) => {
            for write in expected.row.0.values_mut().flatten().filter(|write| is_open(write)) {
                write.outcome = outcome;
                expected.changed = true;
            }
        }
        None => expected.retain(|write| !is_open(write)),
    }
    expected.save(cx);
    Ok(())
}

/// An answer shows what became of values on their way: a system may have kept them in a form of its own. `held` are
/// the fields that hold another value than was sent.
pub(crate) fn shown(
    cx: &mut Context<'_>,
    entity: &EntityName,
    record: &str,
    link: LinkId,
    held: Vec<(&str, Value)>,
) -> Result<(), Error> {
    if held.is_empty() {
        return Ok(());
    }
    let mut expected = Expected::load(cx, entity, record)?;
    for (field, value) in held {
        let list = expected.row.0.get_mut(field).into_iter().flatten();
        for write in list.filter(|write| write.link == Some(link) && write.outcome == WriteOutcome::InFlight) {
            let content = write.content.unpack().map_err(|reason| expected.key.unreadable(reason))?;
            write.content = Packed::pack(&Content { value: value.clone(), ..content });
            expected.changed = true;
        }
    }
    expected.save(cx);
    Ok(())
}

/// What a link has sent to a record is forgotten.
pub(crate) fn disown(cx: &mut Context<'_>, entity: &EntityName, record: &str, link: LinkId) -> Result<(), Error> {
    let mut expected = Expected::load(cx, entity, record)?;
    expected.retain(|write| write.link != Some(link));
    expected.save(cx);
    Ok(())
}

/// What was sent to a record takes effect on the one that it was merged into.
pub(crate) fn follow(cx: &mut Context<'_>, entity: &EntityName, gone: &str, into: &str) -> Result<(), Error> {
    let mut moved = Expected::load(cx, entity, gone)?;
    if moved.row.0.is_empty() {
        return Ok(());
    }
    let mut expected = Expected::load(cx, entity, into)?;
    for (field, writes) in std::mem::take(&mut moved.row.0) {
        expected.add(field, writes);
    }
    moved.changed = true;
    moved.save(cx);
    expected.save(cx);
    Ok(())
}

/// Takes away what cannot be seen any more. Gives true if there was any.
pub(crate) fn forget(row: &mut ExpectationsRow, now: Timestamp) -> bool {
    retain(row, |write| now.since(write.sent).0 <= LONGEST_LIFE.0 + LONGEST_DELAY.0)
}

/// Keeps those for which this holds. Gives true if there was another one.
fn retain(row: &mut ExpectationsRow, keep: impl Fn(&Expectation) -> bool) -> bool {
    if row.0.values().flatten().all(&keep) {
        return false;
    }
    row.0.retain(|_, list| {
        list.retain(&keep);
        !list.is_empty()
    });
    true
}

/// The id that a record has by now, where it was merged into another one.
pub(crate) fn living(cx: &Context<'_>, entity: &EntityName, id: &str) -> Result<String, Error> {
    let mut id = id.to_owned();
    for _ in 0..8 {
        match cx.record(entity, &id)?.as_deref() {
            Some(RecordRow { life: Life::Merged(into), .. }) => id.clone_from(into),
            _ => break,
        }
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::model::canonical::Canonical;
    use crate::decide::model::expectation::Planned;

    fn text(value: &str) -> Value {
        Value::text(value)
    }

    /// A write of `value` that was planned when the field had `known` since `at`.
    fn write(value: &str, (known, at): (&str, i64), outcome: WriteOutcome) -> Expectation {
        let content = Content {
            mapping: "phone <-> phone".to_owned(),
            value: text(value),
            canonical: Canonical::Value(text(value)),
            restore: false,
            known: Planned { at: Some(Timestamp(at)), value: text(known), base: None },
        };
        Expectation {
            link: Some(LinkId(1)),
            sent: Timestamp(at + 1),
            outcome,
            covered: None,
            content: Packed::pack(&content),
        }
    }

    fn landed(at: i64) -> WriteOutcome {
        WriteOutcome::Landed(Timestamp(at))
    }

    fn same(one: &Value, other: &Value) -> bool {
        one == other
    }

    fn covered(writes: &[Expectation], value: &str, at: i64, stands: (&str, i64)) -> Option<usize> {
        covering(writes, &text(value), Timestamp(at), (&text(stands.0), Timestamp(stands.1)), &same).expect("readable")
    }

    #[test]
    fn a_change_told_after_two_writes_was_covered_by_the_first_of_them() {
        let writes = [write("111", ("100", 1), landed(5)), write("333", ("111", 5), landed(9))];
        assert_eq!(covered(&writes, "222", 3, ("333", 9)), Some(0));
        assert_eq!(covered(&writes, "222", 7, ("333", 9)), Some(1));
    }

    #[test]
    fn what_we_wrote_and_what_we_knew_is_nobody_elses_change() {
        let writes = [write("111", ("100", 1), landed(5)), write("333", ("111", 5), landed(9))];
        // The echo of each, and records told whole for the sake of another field.
        for (value, at) in [("100", 3), ("111", 5), ("111", 7), ("333", 9)] {
            assert_eq!(covered(&writes, value, at, ("333", 9)), None, "{value} at {at}");
        }
    }

    #[test]
    fn a_change_that_its_own_side_replaced_is_not_covered() {
        // Somebody set 444 after our write, and 555 was planned on that.
        let writes = [write("111", ("100", 1), landed(5)), write("555", ("444", 7), landed(9))];
        assert_eq!(covered(&writes, "222", 3, ("555", 9)), None);
        assert_eq!(covered(&writes[..1], "222", 3, ("444", 7)), None);
        // It was planned on something newer than what is told.
        assert_eq!(covered(&writes[1..], "222", 3, ("555", 9)), None);
    }

    #[test]
    fn an_older_change_than_the_one_that_is_known_to_be_covered_is_not_put_back() {
        let mut writes = [write("111", ("100", 1), landed(5))];
        writes[0].covered = Some(Timestamp(4));
        assert_eq!(covered(&writes, "222", 3, ("111", 5)), None);
    }

    #[test]
    fn a_write_in_doubt_that_sent_what_stands_may_have_covered_something() {
        let writes = [write("111", ("100", 1), WriteOutcome::InDoubt), write("111", ("100", 1), landed(2))];
        assert_eq!(covered(&writes, "222", 3, ("111", 5)), Some(0));
        assert_eq!(covered(&writes, "222", 3, ("999", 5)), None);
    }

    #[test]
    fn each_write_takes_effect_once_and_not_after_its_life() {
        let found = |writes: &[Expectation], value: &str, at: i64| {
            landing(writes, &text(value), Timestamp(at), Timestamp(at), &same).expect("readable")
        };
        let writes = [
            write("111", ("100", 10), WriteOutcome::InDoubt),
            write("222", ("100", 10), landed(20)),
            write("111", ("100", 10), WriteOutcome::InFlight),
        ];
        assert_eq!(found(&writes, "111", 15), Some(2));
        assert_eq!(found(&writes[..2], "111", 30), Some(0));
        assert_eq!(found(&writes, "222", 30), None);
        assert_eq!(found(&writes, "111", 9), None);
        assert_eq!(found(&writes, "111", LONGEST_LIFE.0 + 12), None);
    }

    #[test]
    fn only_an_outside_change_that_was_not_known_is_replaced() {
        let ours = write("111", ("100", 5), WriteOutcome::InFlight).content.unpack().expect("packed above");
        let found = |writes: &[Expectation], value: &str, at: i64| {
            replaces(writes, &ours, &text(value), Timestamp(at), &same).expect("readable")
        };
        let replaced = |value: &str, at: i64| found(&[], value, at);
        assert!(replaced("222", 7));
        assert!(!replaced("222", 5));
        assert!(!replaced("100", 7));
        assert!(!replaced("111", 7));
        let earlier = write("222", ("100", 5), landed(7));
        assert!(!found(&[earlier], "222", 7));
    }
}
