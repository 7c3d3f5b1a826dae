//! The high-water mark: the last durable sequence, in a file beside the journal.
//!
//! A journal whose end was overwritten with zeros looks like one that ended there. The mark is synced at the start
//! alone, and written after each commit without a sync, so after a power cut it may be older than the journal or
//! unreadable; newer than the journal it can only be where the journal lost something.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Purpose, failed};
use super::{Error, Seq};

/// Name of the file in the state folder.
pub(super) const NAME: &str = "mark";
const SIZE: usize = 12;

/// The open file.
#[derive(Debug)]
pub(super) struct HighWaterMark {
    path: PathBuf,
    file: File,
    files: Arc<dyn Files>,
    failing: bool,
}

/// What the mark of a state folder says; `None` where there is none or it cannot be read.
pub(super) fn read(state: &Path) -> Result<Option<Seq>, Error> {
    let path = state.join(NAME);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("cannot read", &path)(error)),
    };
    let Some([a, b, c, d, e, f, g, h, ..]) = bytes.get(..SIZE) else { return Ok(None) };
    let seq = Seq(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
    Ok((encode(seq) == bytes[..SIZE]).then_some(seq))
}

fn encode(seq: Seq) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&seq.0.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..8]);
    bytes[8..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

impl HighWaterMark {
    /// Opens or makes the file and writes what the start has found.
    pub(super) fn open(state: &Path, files: &Arc<dyn Files>, last: Seq) -> Result<Self, Error> {
        let path = state.join(NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(failed("cannot open", &path))?;
        files.write(Purpose::HighWaterMark, &file, &encode(last), 0).map_err(failed("cannot write", &path))?;
        files.sync(Purpose::HighWaterMark, &file).map_err(failed("cannot sync", &path))?;
        Ok(Self { path, file, files: Arc::clone(files), failing: false })
    }

    /// Notes a durable sequence. A failure costs a check at the next start and nothing else; it is told once.
    pub(super) fn set(&mut self, seq: Seq) {
        let written = self.files.write(Purpose::HighWaterMark, &self.file, &encode(seq), 0);
        if let Err(error) = &written
            && !self.failing
        {
            tracing::warn!(%error, path = %self.path.display(), "the mark of the last durable round cannot be written");
        }
        self.failing = written.is_err();
    }
}
