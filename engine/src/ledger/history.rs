//! Reads rounds and their records back from the journal, oldest first: for `why`, the log, and checks.
//!
//! In: a folder of segments, and the first sequence wanted. Out: rounds in order, without gaps, up to a given
//! sequence or to the end of the journal.
//! Always true: rounds that are not durable are never given while the ledger is open; what cannot be read is an
//! error in its place, and nothing follows it.

use std::collections::VecDeque;
use std::path::Path;

use super::frame::decode;
use super::journal::{Frames, Segment, journal_folder, missing_behind, segments};
use super::{Error, Round, Seq};

/// Rounds in order.
#[derive(Debug)]
pub struct Rounds {
    segments: VecDeque<Segment>,
    open: Option<(Segment, Frames)>,
    ready: VecDeque<(Seq, Round)>,
    /// The next sequence to give.
    next: Seq,
    /// The last sequence to give; `None` for all that are there.
    until: Option<Seq>,
}

/// Records in order, each with the sequence of its round.
#[derive(Debug)]
pub struct Records {
    rounds: Rounds,
    ready: VecDeque<(Seq, Vec<u8>)>,
}

/// The records of the journal of a state folder that no engine has open, from round `from` on. Where retention has
/// removed the first rounds, it begins with the oldest that is left.
///
/// # Errors
/// Where the folder cannot be listed.
pub fn records(state: &Path, from: Seq) -> Result<Records, Error> {
    Ok(Records::new(rounds(state, from, None)?))
}

/// The rounds from `from` up to `until`, or to the end of the journal.
pub(super) fn rounds(state: &Path, from: Seq, until: Option<Seq>) -> Result<Rounds, Error> {
    let mut segments: VecDeque<_> = segments(&journal_folder(state))?.into();
    while segments.get(1).is_some_and(|following| following.first <= from) {
        segments.pop_front();
    }
    let oldest = segments.front().map_or(from, |segment| segment.first);
    Ok(Rounds { segments, open: None, ready: VecDeque::new(), next: from.max(oldest), until })
}

/// The last `count` records of the rounds up to `until`, oldest first. Segments are read from the newest one back, and
/// no more of them than it takes.
pub(super) fn last(state: &Path, until: Seq, count: usize) -> Result<VecDeque<Vec<u8>>, Error> {
    let mut found = VecDeque::new();
    let mut until = until;
    for segment in segments(&journal_folder(state))?.into_iter().rev() {
        if segment.first > until {
            continue;
        }
        let room = count - found.len();
        if room == 0 {
            break;
        }
        let mut part = VecDeque::new();
        for record in Records::new(rounds(state, segment.first, Some(until))?) {
            part.push_back(record?.1);
            if part.len() > room {
                part.pop_front();
            }
        }
        part.append(&mut found);
        found = part;
        until = Seq(segment.first.0.saturating_sub(1));
    }
    Ok(found)
}

impl Records {
    pub(super) fn new(rounds: Rounds) -> Self {
        Self { rounds, ready: VecDeque::new() }
    }
}

impl Rounds {
    /// Reads frames until rounds are ready; `false` at the end.
    fn read(&mut self) -> Result<bool, Error> {
        while self.ready.is_empty() {
            if self.until.is_some_and(|until| self.next > until) {
                return Ok(false);
            }
            let (segment, mut frames) = match self.open.take() {
                Some(open) => open,
                None => {
                    let Some(segment) = self.segments.pop_front() else { return Ok(false) };
                    let frames = Frames::open(&segment)?;
                    (segment, frames)
                }
            };
            let Some((first, body)) = frames.next()? else {
                self.leave(&segment, frames)?;
                continue;
            };
            let decoded = decode(body).map(|rounds| {
                let owned = rounds.into_iter().map(|round| Round {
                    changes: round
                        .changes
                        .iter()
                        .map(|(key, value)| (key.0.to_vec(), value.map(|v| v.0.to_vec())))
                        .collect(),
                    records: round.records.iter().map(|record| record.0.to_vec()).collect(),
                });
                (first.0..).map(Seq).zip(owned).collect::<Vec<_>>()
            });
            let rounds = decoded.map_err(|error| frames.damaged(&format!("the rounds cannot be read: {error}")))?;
            // Only a frame whose rounds decode counts: what follows it has to begin where they end.
            frames.accept(rounds.len() as u64);
            self.open = Some((segment, frames));
            let (next, until) = (self.next, self.until);
            self.ready
                .extend(rounds.into_iter().filter(|(seq, _)| *seq >= next && until.is_none_or(|until| *seq <= until)));
            if let Some((last, _)) = self.ready.back() {
                self.next = Seq(last.0 + 1);
            }
        }
        Ok(true)
    }

    /// Looks at the end of a segment: another one follows without a gap, or it is the end of all.
    fn leave(&self, segment: &Segment, frames: Frames) -> Result<(), Error> {
        let end = frames.end()?;
        // Without a bound the newest segment ends where it ends.
        let following = match (self.segments.front(), self.until) {
            (Some(segment), _) => segment.first,
            (None, Some(until)) => Seq(until.0 + 1),
            (None, None) => return Ok(()),
        };
        if end.next < following {
            return Err(missing_behind(segment, &end, following));
        }
        Ok(())
    }
}

impl Iterator for Rounds {
    type Item = Result<(Seq, Round), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(_) => self.ready.pop_front().map(Ok),
            Err(error) => {
                // Nothing behind a damaged place is given as if it followed.
                self.segments.clear();
                self.open = None;
                Some(Err(error))
            }
        }
    }
}

impl Iterator for Records {
    type Item = Result<(Seq, Vec<u8>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            match self.rounds.next()? {
                Ok((seq, round)) => self.ready.extend(round.records.into_iter().map(|record| (seq, record))),
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
