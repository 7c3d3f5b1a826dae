//! The few file operations on which durability rests, behind a trait, so that a test can count and fail them.
//!
//! Not here: reading, listing, renaming; and what sled does with its own files.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::Error;

/// What a write or a sync is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A frame of the journal: the commit.
    Frame,
    /// The header of a segment that is about to begin.
    Header,
    /// An empty segment, made ahead of need.
    Prepare,
    /// The end of the newest segment, cleaned and confirmed at a start.
    Redo,
    /// Rows, in the file of sled.
    Rows,
    /// The names in a folder.
    Folder,
    /// The mark of the last durable sequence.
    HighWaterMark,
}

/// Writes and syncs. [`System`] is the real one.
pub trait Files: Send + Sync + fmt::Debug {
    /// Takes room for a file of `size` bytes ahead of need.
    ///
    /// # Errors
    /// As the operating system says.
    fn allocate(&self, file: &File, size: u64) -> io::Result<()>;

    /// Writes all of `bytes` at the byte `at`.
    ///
    /// # Errors
    /// As the operating system says; part of the bytes may have been written.
    fn write(&self, purpose: Purpose, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes what was written to `file` survive a power cut.
    ///
    /// # Errors
    /// As the operating system says; what is on the disk is unknown then.
    fn sync(&self, purpose: Purpose, file: &File) -> io::Result<()>;

    /// Bytes that are free on the disk that holds `path`.
    ///
    /// # Errors
    /// As the operating system says.
    fn free(&self, path: &Path) -> io::Result<u64>;
}

/// The operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Files for System {
    fn allocate(&self, file: &File, size: u64) -> io::Result<()> {
        match fallocate(file, FallocateFlags::empty(), 0, size) {
            // A file system without the call: the file gets its length, its blocks come as they are written.
            Err(Errno::OPNOTSUPP) => file.set_len(size),
            other => Ok(other?),
        }
    }

    fn write(&self, _purpose: Purpose, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&self, purpose: Purpose, file: &File) -> io::Result<()> {
        match purpose {
            Purpose::Frame | Purpose::Header | Purpose::Redo | Purpose::Rows => file.sync_data(),
            Purpose::Prepare | Purpose::Folder | Purpose::HighWaterMark => file.sync_all(),
        }
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// Makes new and removed names in a folder survive a power cut.
pub(super) fn sync_folder(files: &dyn Files, folder: &Path) -> Result<(), Error> {
    let open = File::open(folder).map_err(failed("cannot open", folder))?;
    files.sync(Purpose::Folder, &open).map_err(failed("cannot sync", folder))
}

/// For `map_err`: an [`Error::Io`] that says what was done to which file.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Io { doing, path, source }
}

/// The write failed for lack of room, by disk or by quota; it can work later.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
