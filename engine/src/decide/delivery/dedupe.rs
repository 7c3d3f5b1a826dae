//! Which messages have come before.
//!
//! In: what marks a repetition of a message, and for how long its door promises to know it. Out: whether it came.
//! Always true: a mark is 16 bytes; marks are packed by hour, system and their own first bytes into rows of at most
//! 4 KiB, so that remembering one costs the same however many come (RUNTIME law 13). A row that is full stays as it
//! is, and further marks go to the row that is named by one more of their bytes.

use dsl::value::{Duration, Timestamp};
use sha2::{Digest, Sha256};

use crate::decide::model::delivery::Marks;
use crate::decide::model::key;
use crate::decide::model::row::RowKey;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

const MARK: usize = 16;

/// Marks in one row: with the byte that the ledger puts before a value they stay below 4 KiB.
const FULL: usize = 255;

/// Has a message with this mark come before? Remembers it either way.
pub(crate) fn before(cx: &mut Context<'_>, system: &str, mark: &str, keep: Duration) -> Result<bool, Error> {
    remember(cx, system, digest(system, mark), keep)
}

/// Has a message with this mark come before, or does it wait to be decided? Remembers nothing.
pub(crate) fn known(cx: &Context<'_>, system: &str, mark: &str, keep: Duration) -> Result<bool, Error> {
    for mark in [digest(system, mark), waiting(system, mark)] {
        for back in 0..=hours(keep) {
            if let Place::Known = find(cx, hour(cx.now).saturating_sub(back), system, &mark)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A message with this mark waits to be decided from now on.
pub(crate) fn waits(cx: &mut Context<'_>, system: &str, mark: &str, keep: Duration) -> Result<(), Error> {
    remember(cx, system, waiting(system, mark), keep).map(drop)
}

fn digest(system: &str, mark: &str) -> [u8; MARK] {
    cut(&format!("{system} {mark}"))
}

/// No system has a name with two blanks, so it is no other message's.
fn waiting(system: &str, mark: &str) -> [u8; MARK] {
    cut(&format!("{system}  {mark}"))
}

fn cut(text: &str) -> [u8; MARK] {
    Sha256::digest(text.as_bytes())[..MARK].try_into().expect("a SHA-256 has 32 bytes")
}

/// Whole hours, rounded up: a repetition is known for at least as long as the rules say.
fn hours(keep: Duration) -> u64 {
    u64::try_from(keep.0.saturating_add(3_599_999) / 3_600_000).unwrap_or_default()
}

fn remember(cx: &mut Context<'_>, system: &str, mark: [u8; MARK], keep: Duration) -> Result<bool, Error> {
    let now = hour(cx.now);
    for back in 1..=hours(keep) {
        if let Place::Known = find(cx, now.saturating_sub(back), system, &mark)? {
            return Ok(true);
        }
    }
    match find(cx, now, system, &mark)? {
        Place::Known => Ok(true),
        Place::Free(key, mut marks) => {
            marks.0.extend(mark);
            cx.put(key, &marks);
            Ok(false)
        }
    }
}

fn hour(at: Timestamp) -> u64 {
    at.0.div_euclid(3_600_000) as u64
}

/// Where a mark stands, or would stand.
enum Place {
    Known,
    /// The first row on its way that is not full.
    Free(RowKey<Marks>, Marks),
}

fn find(cx: &Context<'_>, hour: u64, system: &str, mark: &[u8; MARK]) -> Result<Place, Error> {
    for bytes in 1..=MARK {
        let key = key::marks(hour, system, &mark[..bytes]);
        let marks = cx.get(&key)?.unwrap_or_default();
        if marks.0.chunks_exact(MARK).any(|seen| seen == mark) {
            return Ok(Place::Known);
        }
        // The last row has as many marks as there are last bytes: it cannot overflow.
        if marks.0.len() < FULL * MARK || bytes == MARK {
            return Ok(Place::Free(key, marks));
        }
    }
    unreachable!("the last row takes the mark")
}

#[cfg(test)]
mod tests {
    use connectors::port::{Body, Message};

    use super::*;
    use crate::decide::model::row::Prefix;
    use crate::decide::{Command, Input, Isolation, Programs, Settings, Source, decide};
    use crate::ledger::{Ledger, Memory, Rows};

    /// The shipped rules with another line about repetitions, and a ledger.
    struct Remembering {
        ledger: Memory,
        programs: Programs,
    }

    impl Remembering {
        fn new(dedupe: &str) -> Self {
            let program = crate::rules::shipped_with("dedupe for 24 hours", dedupe);
            Self { ledger: Memory::default(), programs: Programs::new(program) }
        }

        /// True where the message is known.
        fn repeated(&mut self, at: Timestamp) -> bool {
            let (name, dedupe) = ("no.such".to_owned(), "1".to_owned());
            let messages = vec![Message { name, at, dedupe, own: false, body: Body::Foreign }];
            let (system, source) = ("crm".to_owned(), Source::Webhook);
            let input = Input::Delivery { system, messages, malformed: Vec::new(), source };
            let outcome = decide(&self.ledger, &self.programs, &Settings::default(), &input, at).expect("decided");
            self.ledger.append(outcome.round).expect("there is room");
            outcome.commands.iter().any(|command| matches!(command, Command::Log(line) if line.action == "duplicate"))
        }
    }

    fn check(dedupe: &str, known: Duration, new: Duration) {
        for (wait, repeated) in [(known, true), (new, false)] {
            let mut engine = Remembering::new(dedupe);
            let first = Timestamp(1_772_445_599_000);
            assert!(!engine.repeated(first));
            assert_eq!(engine.repeated(first.plus(wait)), repeated, "{dedupe}, {wait:?}");
        }
    }

    #[test]
    fn a_repetition_is_known_for_as_long_as_the_rules_say() {
        check("dedupe for 24 hours", Duration::hours(24), Duration::hours(26));
        check("dedupe for 90 minutes", Duration::minutes(90), Duration::minutes(180));
        check("dedupe for 10 days", Duration::days(10), Duration::hours(10 * 24 + 2));
    }

    #[test]
    fn marks_stand_in_rows_of_a_bounded_size_however_many_come_in_an_hour() {
        let mut engine = Remembering::new("dedupe for 24 hours");
        let now = Timestamp(1_772_445_599_000);
        // All of one bucket, most of them of one bucket within it.
        let mark = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let mut mark = [0; 16];
            mark[..4].copy_from_slice(&[7, u8::from(number.is_multiple_of(10)), high, low]);
            mark
        };
        let settings = Settings::default();
        let mut take = |numbers: std::ops::Range<u16>| {
            let isolation = Isolation::default();
            let mut cx = Context::new(&engine.ledger, &engine.programs, &settings, &isolation, now);
            let known =
                numbers.filter(|number| remember(&mut cx, "crm", mark(*number), Duration::hours(24)).expect("rows"));
            let known = known.count();
            let round = cx.finish().round;
            engine.ledger.append(round).expect("there is room");
            known
        };
        assert_eq!(take(0..900), 0);
        assert_eq!(take(0..1_000), 900);
        let (from, to) = Prefix::<Marks>::all().range();
        let rows = engine.ledger.scan(&from, &to, usize::MAX).expect("readable");
        assert!(rows.iter().all(|(_, bytes)| bytes.len() <= 4_095), "{:?}", rows.iter().map(|r| r.1.len()).max());
        assert_eq!(rows.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), 1_000 * 16);
    }
}
