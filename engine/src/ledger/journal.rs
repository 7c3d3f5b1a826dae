//! Append-only segments of checksummed frames: the commit of every round (STORAGE.md section 10).
//!
//! A segment is a 64-byte header (magic, first sequence, random number, CRC32C) and frames: length, CRC32C seeded
//! with the segment's random number, first sequence, payload, padded to 8 bytes. One frame holds the rounds that had
//! queued up and is made durable by one `fdatasync`, so at most one frame can be torn.
//! Always true: frames are read back in order, without a gap; the first bad frame is the torn end only if nothing
//! good follows it, otherwise the journal is refused with segment, frame and byte.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Error, Round, Seq};

const MAGIC: &[u8; 8] = b"ENGJRNL1";
const HEADER: u64 = 64;
const FRAME: usize = 16;

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| match source.kind() {
        std::io::ErrorKind::StorageFull => Error::Full { reason: format!("the disk of {path} is full") },
        _ => Error::Io { doing, path, source },
    }
}

/// The open end of the journal.
pub(super) struct Journal {
    dir: PathBuf,
    file: File,
    path: PathBuf,
    random: u64,
    /// Where the next frame goes.
    end: u64,
    segment_size: u64,
}

/// One segment as found.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) first: Seq,
}

fn name(first: Seq) -> String {
    format!("{:020}.journal", first.0)
}

/// Segments of a folder, oldest first.
pub(super) fn segments(dir: &Path) -> Result<Vec<Segment>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io("cannot list", dir))? {
        let path = entry.map_err(io("cannot list", dir))?.path();
        let first = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
        if path.extension().is_some_and(|e| e == "journal")
            && let Some(first) = first
        {
            found.push(Segment { path, first: Seq(first) });
        }
    }
    found.sort_by_key(|segment| segment.first);
    Ok(found)
}

impl Journal {
    /// Makes a segment that begins with `first`: written whole, synced, renamed, the folder synced.
    pub(super) fn create(dir: &Path, first: Seq, random: u64, segment_size: u64) -> Result<Self, Error> {
        let temporary = dir.join("next.tmp");
        let path = dir.join(name(first));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary);
        let mut file = file.map_err(io("cannot create", &temporary))?;
        let mut header = Vec::with_capacity(HEADER as usize);
        header.extend(MAGIC);
        header.extend(first.0.to_le_bytes());
        header.extend(random.to_le_bytes());
        let crc = crc32c::crc32c(&header);
        header.extend(crc.to_le_bytes());
        header.resize(HEADER as usize, 0);
        file.write_all(&header).map_err(io("cannot write", &temporary))?;
        // Room is taken before it is needed, so that an append changes no file size.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, segment_size)
            .map_err(|error| io("cannot allocate", &temporary)(error.into()))?;
        file.sync_all().map_err(io("cannot sync", &temporary))?;
        std::fs::rename(&temporary, &path).map_err(io("cannot rename", &temporary))?;
        sync_folder(dir)?;
        Ok(Self { dir: dir.to_path_buf(), file, path, random, end: HEADER, segment_size })
    }

    /// Appends one frame and makes it durable. After [`Error::Full`] the journal is as before.
    pub(super) fn append(&mut self, first: Seq, rounds: &[Round], random: u64) -> Result<(), Error> {
        let payload = postcard::to_stdvec(rounds).expect("rounds hold plain data");
        let mut frame = frame(first, &payload, self.random);
        if self.end + frame.len() as u64 > self.segment_size && self.end > HEADER {
            *self = Self::create(&self.dir, first, random, self.segment_size)?;
            frame = self::frame(first, &payload, self.random);
        }
        let write = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(&frame));
        write.map_err(io("cannot write", &self.path))?;
        self.file.sync_data().map_err(|source| Error::Io {
            doing: "cannot make durable",
            path: self.path.display().to_string(),
            source,
        })?;
        self.end += frame.len() as u64;
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn frame(first: Seq, payload: &[u8], random: u64) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME + payload.len() + 8);
    frame.extend((payload.len() as u32).to_le_bytes());
    frame.extend(checksum(first, payload, random).to_le_bytes());
    frame.extend(first.0.to_le_bytes());
    frame.extend(payload);
    frame.resize(frame.len().next_multiple_of(8), 0);
    frame
}

/// Seeded with the segment's random number, so that old bytes or user data cannot pose as a frame.
fn checksum(first: Seq, payload: &[u8], random: u64) -> u32 {
    let seed = crc32c::crc32c(&random.to_le_bytes());
    let crc = crc32c::crc32c_append(seed, &(payload.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &first.0.to_le_bytes());
    crc32c::crc32c_append(crc, payload)
}

pub(super) fn sync_folder(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(io("cannot sync", dir))
}

/// Reads every frame of one segment; gives the journal positioned behind the last good one where it is the newest.
pub(super) fn replay(
    dir: &Path,
    segment: &Segment,
    newest: bool,
    segment_size: u64,
    mut take: impl FnMut(Seq, Vec<Round>) -> Result<(), Error>,
) -> Result<Option<Journal>, Error> {
    let damaged = |what: String| Error::Damaged {
        what,
        advice: "keep the state folder as it is, and restore the newest backup beside it".to_owned(),
    };
    let name = segment.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file =
        OpenOptions::new().read(true).write(newest).open(&segment.path).map_err(io("cannot open", &segment.path))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io("cannot read", &segment.path))?;
    let header =
        bytes.get(..HEADER as usize).ok_or_else(|| damaged(format!("segment {name} is cut inside its header")))?;
    let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let crc = u32::from_le_bytes(header[24..28].try_into().expect("four bytes"));
    if &header[..8] != MAGIC || crc32c::crc32c(&header[..24]) != crc || word(8) != segment.first.0 {
        return Err(damaged(format!("segment {name} has no sound header")));
    }
    let random = word(16);
    let mut at = HEADER as usize;
    let mut number = 0usize;
    let mut expected = segment.first;
    loop {
        match sound(&bytes, at, random) {
            Some((first, payload, next)) => {
                if first != expected {
                    return Err(damaged(format!("segment {name} has a gap before frame {number}")));
                }
                let rounds: Vec<Round> = postcard::from_bytes(payload)
                    .map_err(|error| damaged(format!("segment {name}, frame {number}, byte {at}: {error}")))?;
                expected = Seq(first.0 + rounds.len() as u64);
                take(first, rounds)?;
                at = next;
                number += 1;
            }
            None => {
                // The torn end is followed by nothing good; anything else is damage.
                let good_behind = (at + 8..bytes.len()).step_by(8).any(|later| sound(&bytes, later, random).is_some());
                let written = bytes.get(at..).is_some_and(|rest| rest.iter().any(|byte| *byte != 0));
                if good_behind || (written && !newest) {
                    return Err(damaged(format!("segment {name}, frame {number}, byte {at} is damaged")));
                }
                break;
            }
        }
    }
    if !newest {
        return Ok(None);
    }
    if (bytes.len() as u64) < segment_size && bytes.len() < at {
        return Err(damaged(format!("segment {name} is shorter than it was made")));
    }
    // The torn end is wiped, and what was read back is made durable before anything is answered by it.
    file.seek(SeekFrom::Start(at as u64)).map_err(io("cannot seek", &segment.path))?;
    let torn = bytes.get(at..).map_or(0, |rest| rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    file.write_all(&vec![0; torn]).map_err(io("cannot write", &segment.path))?;
    file.sync_data().map_err(io("cannot sync", &segment.path))?;
    Ok(Some(Journal { dir: dir.to_path_buf(), file, path: segment.path.clone(), random, end: at as u64, segment_size }))
}

fn sound(bytes: &[u8], at: usize, random: u64) -> Option<(Seq, &[u8], usize)> {
    let head = bytes.get(at..at + FRAME)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(head[4..8].try_into().ok()?);
    let first = Seq(u64::from_le_bytes(head[8..16].try_into().ok()?));
    if length == 0 || first.0 == 0 {
        return None;
    }
    let payload = bytes.get(at + FRAME..at + FRAME + length)?;
    (checksum(first, payload, random) == crc).then(|| (first, payload, (at + FRAME + length).next_multiple_of(8)))
}
