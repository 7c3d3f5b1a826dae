//! What a start does with the journal: it brings the rounds that sled lacks back into the overlay.
//!
//! In: the journal, and how far sled is. Out: the overlay, and the journal's open end, cleaned and synced.
//! Always true: it never decides anything again; a deletion stays a deletion even of a row that is not known to
//! exist, because a checkpoint that was cut off may have written that row; whatever cannot be explained by a
//! crash is refused, with segment, frame and byte.

use std::path::Path;

use super::files::{Files, Purpose, failed};
use super::frame::decode;
use super::journal::{End, Frames, Journal, Segment, damaged, missing_behind, remove_unfinished, segments};
use super::overlay::Overlay;
use super::settings::Settings;
use super::store::{Fault, Store};
use super::{Error, Seq};

/// What a start found.
pub(super) struct Redone {
    pub(super) overlay: Overlay,
    pub(super) journal: Journal,
}

/// Reads the journal in `folder` from where sled ends. `mark` is the last sequence known to have been durable.
pub(super) fn redo(folder: &Path, store: &Store, mark: Option<Seq>, settings: &Settings) -> Result<Redone, Error> {
    let (applied, target) = store.applied()?;
    let must_reach = target.max(mark.unwrap_or_default());
    remove_unfinished(folder)?;
    let found = segments(folder)?;
    let Some(newest) = found.last() else {
        if must_reach > Seq(0) {
            return Err(lost(Seq(0), must_reach));
        }
        let journal = Journal::create(folder, &settings.files, settings.segment, Seq(1))?;
        return Ok(Redone { overlay: Overlay::new(Seq(0)), journal });
    };
    // A frame that was read back need not have been synced by the process that wrote it.
    sync(newest, &*settings.files)?;
    let start = found.iter().rposition(|segment| segment.first.0 <= applied.0 + 1).ok_or_else(|| {
        let what = format!("rounds {} to {} are missing before it", applied.0 + 1, found[0].first.0 - 1);
        damaged(&found[0], 0, 0, &what)
    })?;
    let mut reader = Reader { store, settings, applied, overlay: Overlay::new(applied) };
    let mut end = None;
    for (at, segment) in found.iter().enumerate().skip(start) {
        let read = reader.read(segment)?;
        if let Some(following) = found.get(at + 1)
            && following.first != read.next
        {
            return Err(missing_behind(segment, &read, following.first));
        }
        end = Some(read);
    }
    let end = end.expect("the newest segment was read");
    let last = Seq(end.next.0 - 1);
    if last < must_reach {
        return Err(lost(last, must_reach));
    }
    let journal = Journal::resume(folder, &settings.files, settings.segment, &end)?;
    let overlay = reader.overlay;
    assert_eq!(overlay.last(), last, "every round behind the applied ones was taken");
    tracing::info!(applied = applied.0, last = last.0, rows = overlay.active_rows(), "the journal was redone");
    Ok(Redone { overlay, journal })
}

fn lost(last: Seq, must_reach: Seq) -> Error {
    Error::Damaged {
        what: format!(
            "the journal ends after round {}, but round {} was durable: {} rounds are missing",
            last.0,
            must_reach.0,
            must_reach.0 - last.0
        ),
        advice: "put the missing segment back if it was moved; otherwise restore the newest backup".into(),
    }
}

fn sync(segment: &Segment, files: &dyn Files) -> Result<(), Error> {
    let open = std::fs::OpenOptions::new().read(true).write(true).open(&segment.path);
    let file = open.map_err(failed("cannot open", &segment.path))?;
    files.sync(Purpose::Redo, &file).map_err(failed("cannot sync", &segment.path))
}

struct Reader<'a> {
    store: &'a Store,
    settings: &'a Settings,
    applied: Seq,
    overlay: Overlay,
}

impl Reader<'_> {
    fn read(&mut self, segment: &Segment) -> Result<End, Error> {
        let mut frames = Frames::open(segment)?;
        while let Some((first, body)) = frames.next()? {
            let rounds = match decode(body) {
                Ok(rounds) => rounds,
                Err(error) => {
                    let what = format!("the checksum is right, the rounds are not: {error}");
                    return Err(frames.damaged(&what));
                }
            };
            let count = rounds.len() as u64;
            let bytes = body.len() as u64 / count.max(1);
            for (seq, round) in (first.0..).zip(rounds) {
                if seq <= self.applied.0 {
                    continue;
                }
                let changes = round.changes.into_iter();
                self.overlay
                    .take(changes.map(|(key, value)| (key.0.to_vec(), value.map(|value| value.0.to_vec()))), bytes);
            }
            frames.accept(count);
            self.relieve()?;
        }
        frames.end()
    }

    /// Where there is more than an overlay may hold (sled is being made again from the journal), writes it to sled.
    fn relieve(&mut self) -> Result<(), Error> {
        if self.overlay.active_rows() < self.settings.full_rows {
            return Ok(());
        }
        let frozen = self.overlay.freeze();
        let applied = self.store.apply(&frozen.changes, frozen.last, &mut |_| true);
        applied.map_err(|fault| match fault {
            Fault::Full(reason) => Error::Full { reason },
            Fault::Sync(error) | Fault::Broken(error) => error,
            Fault::Stopped => unreachable!("nobody asks a start to stop"),
        })?;
        self.overlay.thaw();
        self.applied = frozen.last;
        Ok(())
    }
}
