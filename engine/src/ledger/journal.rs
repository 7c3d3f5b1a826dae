//! Append-only segments of frames: the commit of every round.
//!
//! In: frames. Out: the same frames in order, or where they stop being readable.
//! Form of a segment: a header of 64 bytes (magic, first sequence, random number, size, CRC32C, zeros; little
//! endian), then [frames](super::frame), then zeros up to the size. Its room is taken before it is named, so that
//! an append changes neither length nor blocks; the name is the first sequence.
//! Always true: a frame is begun only after the `fdatasync` of the one before it, so at most the last frame of the
//! newest segment can be torn; a segment has its name only once its header is durable.
//! Not here: which rounds go into a frame (see `writer`), what a damaged frame means for a start (see `redo`).

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rustix::fs::{SeekFrom, seek};

use super::files::{Files, Purpose, failed, is_full, sync_folder};
use super::frame::{ALIGN, Frame, HEAD, Head, seed};
use super::{Error, Seq};

/// Where the journal of a state folder lies.
#[must_use]
pub fn journal_folder(state: &Path) -> PathBuf {
    state.join("journal")
}

/// First bytes of a segment; the last one counts the forms of the file.
const MAGIC: &[u8; 8] = b"ENGJRNL1";
/// Bytes before the first frame.
pub(super) const HEADER: u64 = 64;
/// Smallest possible segment: room for some small frames.
pub(super) const MIN_SEGMENT: u64 = 4096;
/// A segment that is being made.
const NEXT: &str = "next.tmp";
/// Bytes of a segment that are read at once.
const BLOCK: usize = 1 << 18;

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Sequence of the first round.
    pub(super) first: Seq,
    /// Differs from segment to segment.
    pub(super) random: u64,
    /// Length of the file in bytes.
    pub(super) size: u64,
}

impl Header {
    fn bytes(self) -> [u8; HEADER as usize] {
        let mut bytes = [0; HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.random.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.size.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..32]);
        bytes[32..36].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; HEADER as usize]) -> Option<Self> {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let header = Self { first: Seq(number(8)), random: number(16), size: number(24) };
        (header.bytes() == *bytes).then_some(header)
    }
}

/// A segment by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: Seq,
    pub(super) path: PathBuf,
}

impl Segment {
    /// The file's name, for messages.
    pub(super) fn name(&self) -> String {
        name(self.first)
    }
}

fn name(first: Seq) -> String {
    format!("{:020}.journal", first.0)
}

/// The segments of a folder, oldest first.
pub(super) fn segments(folder: &Path) -> Result<Vec<Segment>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed("cannot list", folder))? {
        let path = entry.map_err(failed("cannot list", folder))?.path();
        let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (Some(first), true) = (first, path.extension().is_some_and(|extension| extension == "journal")) {
            found.push(Segment { first: Seq(first), path });
        }
    }
    found.sort_by_key(|segment| segment.first);
    Ok(found)
}

/// Why a frame was not appended.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No room; the journal is as before, the same frame may be tried again.
    Full(String),
    /// What is on the disk is unknown: nothing more may be answered.
    Fatal(Error),
}

fn refusal(doing: &'static str, path: &Path, error: io::Error) -> Refusal {
    if is_full(&error) {
        Refusal::Full(format!("{doing} {}: {error}", path.display()))
    } else {
        Refusal::Fatal(failed(doing, path)(error))
    }
}

/// `64 MiB`
fn room(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes.div_ceil(1 << 20)) }
}

/// The open end of the journal.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    files: Arc<dyn Files>,
    segment_size: u64,
    file: File,
    path: PathBuf,
    header: Header,
    end: u64,
    maker: Maker,
}

impl Journal {
    /// Begins with a new segment.
    pub(super) fn create(folder: &Path, files: &Arc<dyn Files>, segment_size: u64, first: Seq) -> Result<Self, Error> {
        let segment_size = segment_size.max(MIN_SEGMENT);
        let refused = |refusal| match refusal {
            Refusal::Full(reason) => Error::Full { reason },
            Refusal::Fatal(error) => error,
        };
        let mut maker = Maker::new(folder, files, segment_size).map_err(failed("cannot start a thread for", folder))?;
        let (file, path, header) = begin(folder, files, &mut maker, first, segment_size).map_err(refused)?;
        Ok(Self {
            folder: folder.into(),
            files: Arc::clone(files),
            segment_size,
            file,
            path,
            header,
            end: HEADER,
            maker,
        })
    }

    /// Goes on behind the last good frame of the newest segment: clears what a torn frame left there, and makes
    /// what was read durable, which it need not have been.
    pub(super) fn resume(folder: &Path, files: &Arc<dyn Files>, segment_size: u64, end: &End) -> Result<Self, Error> {
        let segment_size = segment_size.max(MIN_SEGMENT);
        let path = end.segment.path.clone();
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed("cannot open", &path))?;
        if end.written > end.at {
            let torn = usize::try_from(end.written - end.at).expect("a frame fits into memory");
            files.write(Purpose::Redo, &file, &vec![0; torn], end.at).map_err(failed("cannot write", &path))?;
        }
        files.sync(Purpose::Redo, &file).map_err(failed("cannot sync", &path))?;
        Ok(Self {
            folder: folder.into(),
            files: Arc::clone(files),
            segment_size,
            file,
            path,
            header: end.header,
            end: end.at,
            maker: Maker::new(folder, files, segment_size).map_err(failed("cannot start a thread for", folder))?,
        })
    }

    /// Appends one frame and makes it durable.
    pub(super) fn append(&mut self, frame: &mut Frame) -> Result<(), Refusal> {
        if self.end + frame.size() > self.header.size {
            let size = self.segment_size.max(HEADER + frame.size());
            let begun = begin(&self.folder, &self.files, &mut self.maker, frame.first, size)?;
            (self.file, self.path, self.header) = begun;
            self.end = HEADER;
        }
        let bytes = frame.sealed(seed(self.header.random));
        let written = self.files.write(Purpose::Frame, &self.file, bytes, self.end);
        // What a refused write left behind the end is overwritten by the next try, or cleared by the next start.
        written.map_err(|error| refusal("cannot write", &self.path, error))?;
        let synced = self.files.sync(Purpose::Frame, &self.file);
        synced.map_err(|error| Refusal::Fatal(failed("cannot make durable", &self.path)(error)))?;
        self.end += frame.size();
        if self.end > self.header.size / 2 {
            self.maker.ask();
        }
        Ok(())
    }

    /// First sequence of the newest segment, and the byte behind its last durable frame.
    pub(super) fn end(&self) -> (Seq, u64) {
        (self.header.first, self.end)
    }
}

/// Gives the prepared segment its header and its name. After [`Refusal::Full`] nothing has changed.
fn begin(
    folder: &Path,
    files: &Arc<dyn Files>,
    maker: &mut Maker,
    first: Seq,
    size: u64,
) -> Result<(File, PathBuf, Header), Refusal> {
    let next = folder.join(NEXT);
    let path = folder.join(name(first));
    let file = maker.take(size).map_err(|error| match refusal("cannot make", &next, error) {
        Refusal::Full(reason) => {
            Refusal::Full(format!("{reason}; the journal goes on with {} in one piece", room(size)))
        }
        fatal @ Refusal::Fatal(_) => fatal,
    })?;
    let header = Header { first, random: fastrand::u64(..), size };
    let written = files.write(Purpose::Header, &file, &header.bytes(), 0);
    written.map_err(|error| refusal("cannot write", &next, error))?;
    let fatal = |doing, path| move |error| Refusal::Fatal(failed(doing, path)(error));
    files.sync(Purpose::Header, &file).map_err(fatal("cannot sync", &next))?;
    std::fs::rename(&next, &path).map_err(|error| refusal("cannot rename", &next, error))?;
    sync_folder(&**files, folder).map_err(Refusal::Fatal)?;
    Ok((file, path, header))
}

/// Makes empty segments on a thread of its own, because taking 64 MiB of room can take milliseconds.
#[derive(Debug)]
struct Maker {
    folder: PathBuf,
    files: Arc<dyn Files>,
    size: u64,
    requests: Option<Sender<()>>,
    made: Receiver<io::Result<File>>,
    asked: bool,
    thread: Option<JoinHandle<()>>,
}

impl Maker {
    fn new(folder: &Path, files: &Arc<dyn Files>, size: u64) -> io::Result<Self> {
        let (requests, asked) = channel::<()>();
        let (results, made) = channel();
        let worker = (folder.to_path_buf(), Arc::clone(files));
        let thread = std::thread::Builder::new().name("ledger-segment".into()).spawn(move || {
            for () in asked {
                if results.send(make(&worker.0, &*worker.1, size)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            folder: folder.into(),
            files: Arc::clone(files),
            size,
            requests: Some(requests),
            made,
            asked: false,
            thread: Some(thread),
        })
    }

    /// Begins to make the next segment, unless that is under way or done.
    fn ask(&mut self) {
        if !self.asked
            && let Some(requests) = &self.requests
        {
            self.asked = requests.send(()).is_ok();
        }
    }

    /// The next segment, of at least `size` bytes; waits for it, or makes it now.
    fn take(&mut self, size: u64) -> io::Result<File> {
        if std::mem::take(&mut self.asked)
            && let Ok(Ok(file)) = self.made.recv()
        {
            if size > self.size {
                self.files.allocate(&file, size)?;
                self.files.sync(Purpose::Prepare, &file)?;
            }
            return Ok(file);
        }
        // What failed in the background is tried once more here, so that its error has a caller.
        make(&self.folder, &*self.files, size)
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that makes segments panicked");
        }
    }
}

fn make(folder: &Path, files: &dyn Files, size: u64) -> io::Result<File> {
    let path = folder.join(NEXT);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    let made = files.allocate(&file, size).and_then(|()| files.sync(Purpose::Prepare, &file));
    if let Err(error) = made {
        // The room it took so far is needed by others now. If it cannot go, the next try truncates it.
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "a half-made segment stays");
        }
        return Err(error);
    }
    Ok(file)
}

/// Removes a segment that was being made when the last process ended.
pub(super) fn remove_unfinished(folder: &Path) -> Result<(), Error> {
    let path = folder.join(NEXT);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", &path)(error)),
        _ => Ok(()),
    }
}

/// What a place of damage is called, and what to do about it.
pub(super) fn damaged(segment: &Segment, frame: u64, at: u64, what: &str) -> Error {
    Error::Damaged {
        what: format!("segment {}, frame {frame}, byte {at}: {what}", segment.name()),
        advice: "keep a copy of the state folder as it is, then restore the newest backup".into(),
    }
}

/// What to say where a segment ends before the round that follows it begins.
pub(super) fn missing_behind(segment: &Segment, end: &End, following: Seq) -> Error {
    let what = format!("rounds {} to {} are missing behind it", end.next.0, following.0 - 1);
    damaged(segment, end.frames, end.at, &what)
}

/// Reads the frames of one segment in order.
#[derive(Debug)]
pub(super) struct Frames {
    segment: Segment,
    header: Header,
    file: BufReader<File>,
    /// Where the next frame begins.
    at: u64,
    /// Its number in the segment, from 0.
    number: u64,
    /// Its sequence.
    next: Seq,
    body: Vec<u8>,
}

/// Where the frames of a segment end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) segment: Segment,
    pub(super) header: Header,
    /// The byte behind the last good frame.
    pub(super) at: u64,
    /// The byte behind the last one that is not zero, if that is behind `at`; else `at`.
    pub(super) written: u64,
    /// Sequence of the round that comes next.
    pub(super) next: Seq,
    /// Frames before the end.
    pub(super) frames: u64,
}

impl Frames {
    /// Opens a segment and looks at its header.
    pub(super) fn open(segment: &Segment) -> Result<Self, Error> {
        let file = File::open(&segment.path).map_err(failed("cannot open", &segment.path))?;
        let length = file.metadata().map_err(failed("cannot read", &segment.path))?.len();
        let mut bytes = [0; HEADER as usize];
        if length < HEADER {
            return Err(damaged(segment, 0, length, "the file ends inside its header"));
        }
        file.read_exact_at(&mut bytes, 0).map_err(failed("cannot read", &segment.path))?;
        let header = Header::read(&bytes).ok_or_else(|| damaged(segment, 0, 0, "the header is damaged"))?;
        if header.first != segment.first {
            let what = format!("the header belongs to segment {}", name(header.first));
            return Err(damaged(segment, 0, 0, &what));
        }
        if length < header.size {
            let what = format!("the file is shorter than the {} bytes that its header says", header.size);
            return Err(damaged(segment, 0, length, &what));
        }
        let mut frames = Self {
            segment: segment.clone(),
            header,
            file: BufReader::with_capacity(BLOCK, file),
            at: HEADER,
            number: 0,
            next: header.first,
            body: Vec::new(),
        };
        frames.seek()?;
        Ok(frames)
    }

    fn seek(&mut self) -> Result<(), Error> {
        let to = io::SeekFrom::Start(self.at);
        io::Seek::seek(&mut self.file, to).map_err(failed("cannot read", &self.segment.path))?;
        Ok(())
    }

    /// Number of the frame that [`Frames::next`] gave last, and the byte at which it begins, for messages.
    pub(super) fn damaged(&self, what: &str) -> Error {
        damaged(&self.segment, self.number, self.at, what)
    }

    /// The next frame: sequence of its first round, and its body. `None` where no good frame begins; see
    /// [`Frames::end`] for what that means.
    ///
    /// # Errors
    /// A frame with good checksum that is out of sequence; what the operating system says.
    pub(super) fn next(&mut self) -> Result<Option<(Seq, &[u8])>, Error> {
        let path = &self.segment.path;
        if self.at + HEAD as u64 > self.header.size {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head).map_err(failed("cannot read", path))?;
        let head = Head::read(&head);
        if head.length == 0 || self.at + head.size() > self.header.size {
            return Ok(None);
        }
        let whole = usize::try_from(head.size()).expect("a frame fits into memory") - HEAD;
        self.body.resize(whole, 0);
        self.file.read_exact(&mut self.body).map_err(failed("cannot read", path))?;
        self.body.truncate(head.length as usize);
        if head.checksum(&self.body, seed(self.header.random)) != head.crc {
            return Ok(None);
        }
        if head.first != self.next {
            let what = format!("rounds {} to {} are missing before it", self.next.0, head.first.0.saturating_sub(1));
            return Err(self.damaged(&what));
        }
        Ok(Some((head.first, &self.body)))
    }

    /// Goes behind the frame that [`Frames::next`] gave, which had so many rounds.
    pub(super) fn accept(&mut self, rounds: u64) {
        self.at += (HEAD + self.body.len()).next_multiple_of(ALIGN as usize) as u64;
        self.number += 1;
        self.next = Seq(self.next.0 + rounds);
    }

    /// Looks at what is behind the last good frame.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a good frame follows: then this is no torn end, but a hole in the journal.
    pub(super) fn end(mut self) -> Result<End, Error> {
        let mut written = self.at;
        // Room that was taken but never written is a hole to the file system, and is skipped without reading it.
        let mut data = Vec::new();
        let mut block = vec![0; BLOCK];
        let mut from = self.at;
        while from < self.header.size {
            from = match seek(self.file.get_ref(), SeekFrom::Data(from)) {
                Ok(data) => data.max(from),
                Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(failed("cannot read", &self.segment.path)(error.into())),
            };
            let hole = seek(self.file.get_ref(), SeekFrom::Hole(from));
            let to = hole.map_err(|error| failed("cannot read", &self.segment.path)(error.into()))?;
            let to = to.min(self.header.size);
            if to <= from {
                break;
            }
            // A part may be a whole segment of zeros: what is behind the last byte that counts is not kept.
            while from < to {
                let size = (to - from).min(block.len() as u64);
                let block = &mut block[..usize::try_from(size).expect("a block fits into memory")];
                self.file.get_ref().read_exact_at(block, from).map_err(failed("cannot read", &self.segment.path))?;
                let length = significant(block);
                if length > 0 {
                    data.resize(usize::try_from(from - self.at).expect("a segment fits into memory"), 0);
                    data.extend_from_slice(&block[..length]);
                }
                from += size;
            }
        }
        written += data.len() as u64;
        if let Some(later) = self.good_frame(&data) {
            let what =
                format!("no good frame, but the one at byte {} is good: not the torn end of a write", self.at + later);
            return Err(self.damaged(&what));
        }
        self.body = Vec::new();
        Ok(End {
            header: self.header,
            at: self.at,
            written,
            next: self.next,
            frames: self.number,
            segment: self.segment,
        })
    }

    /// The place of the first good frame in `data`, not counting its start. Zeros follow `data`.
    fn good_frame(&self, data: &[u8]) -> Option<u64> {
        let seed = seed(self.header.random);
        (ALIGN as usize..data.len().saturating_sub(HEAD)).step_by(ALIGN as usize).find_map(|at| {
            let head = Head::read(data[at..].first_chunk()?);
            // A frame that follows has a later sequence; comparing that first spares most checksums.
            if head.length == 0 || head.first <= self.next || head.first.0 - self.next.0 > 1 << 32 {
                return None;
            }
            let length = head.length as usize;
            if head.size() > self.header.size - self.at - at as u64 {
                return None;
            }
            // Its last bytes may be zeros, and those at the end of `data` were cut off.
            let body = &data[at + HEAD..data.len().min(at + HEAD + length)];
            let whole: Vec<u8>;
            let body = if body.len() < length {
                whole = [body, vec![0; length - body.len()].as_slice()].concat();
                &whole
            } else {
                body
            };
            (head.checksum(body, seed) == head.crc).then_some(at as u64)
        })
    }
}

/// Length of `data` without the zeros at its end.
fn significant(data: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut length = data.len();
    // Whole blocks are compared at once; a byte at a time would cost a debug build seconds.
    while length >= ZEROS.len() && data[length - ZEROS.len()..length] == ZEROS {
        length -= ZEROS.len();
    }
    data[..length].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::ledger::Round;
    use crate::ledger::files::System;
    use crate::ledger::frame::{decode, encode};

    fn round(n: u64, size: usize) -> Vec<u8> {
        encode(&Round { changes: vec![], records: vec![vec![n as u8 | 1; size]] })
    }

    fn files() -> Arc<dyn Files> {
        Arc::new(System)
    }

    /// A journal with frames of the given sizes, one round each.
    fn write(folder: &Path, sizes: &[usize]) -> Journal {
        let mut journal = Journal::create(folder, &files(), MIN_SEGMENT, Seq(1)).unwrap();
        for (n, size) in (1..).zip(sizes) {
            journal.append(&mut Frame::new(Seq(n), &[round(n, *size)])).unwrap();
        }
        journal
    }

    /// Sizes of the records of one segment, and its end.
    fn read(segment: &Segment) -> Result<(Vec<usize>, End), Error> {
        let mut frames = Frames::open(segment)?;
        let mut sizes = Vec::new();
        while let Some((_, body)) = frames.next()? {
            let rounds = decode(body).unwrap();
            sizes.extend(rounds.iter().map(|round| round.records[0].0.len()));
            let count = rounds.len() as u64;
            frames.accept(count);
        }
        Ok((sizes, frames.end()?))
    }

    #[test]
    fn frames_come_back_in_order_over_several_segments() {
        let folder = tempfile::tempdir().unwrap();
        let sizes: Vec<usize> = (0..40).map(|n| n * 37 % 700).chain([9_000, 5]).collect();
        let journal = write(folder.path(), &sizes);
        let segments = segments(folder.path()).unwrap();
        assert!(segments.len() > 3);
        let mut found = Vec::new();
        for segment in &segments {
            let (more, end) = read(segment).unwrap();
            assert_eq!(segment.first, Seq(found.len() as u64 + 1));
            assert_eq!(end.written, end.at);
            found.extend(more);
        }
        assert_eq!(found, sizes);
        assert_eq!(journal.end().0, segments.last().unwrap().first);
    }

    #[test]
    fn a_torn_frame_is_cleared_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (_, at) = write(folder.path(), &[100, 200]).end();
        let segment = segments(folder.path()).unwrap().remove(0);
        let mut torn = Frame::new(Seq(3), &[round(3, 300)]);
        let bytes = torn.sealed(0)[..180].to_vec();
        OpenOptions::new().write(true).open(&segment.path).unwrap().write_all_at(&bytes, at).unwrap();
        let (sizes, end) = read(&segment).unwrap();
        assert_eq!((sizes.as_slice(), end.at, end.next), ([100, 200].as_slice(), at, Seq(3)));
        assert!(end.written > at);
        let mut journal = Journal::resume(folder.path(), &files(), MIN_SEGMENT, &end).unwrap();
        let (_, clean) = read(&segment).unwrap();
        assert_eq!(clean.written, at);
        journal.append(&mut Frame::new(Seq(3), &[round(3, 30)])).unwrap();
        assert_eq!(read(&segment).unwrap().0, [100, 200, 30]);
    }

    #[test]
    fn every_bit_before_the_last_frame_is_refused_by_its_place() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[20, 20, 20]);
        let segment = segments(folder.path()).unwrap().remove(0);
        let sound = std::fs::read(&segment.path).unwrap();
        let frame = Frame::new(Seq(1), &[round(1, 20)]).size() as usize;
        assert_eq!(frame, 40, "no padding, whose bits are covered by nothing");
        for bit in (0..36 * 8).chain(64 * 8..(64 + 2 * frame) * 8) {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&segment.path, &bytes).unwrap();
            match read(&segment) {
                Err(Error::Damaged { what, .. }) if bit / 8 >= 64 => {
                    let number = (bit / 8 - 64) / frame;
                    let place = format!("segment {}, frame {number}, byte {}:", segment.name(), 64 + number * frame);
                    assert!(what.starts_with(&place), "bit {bit}: {what}");
                }
                Err(Error::Damaged { .. }) => (),
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_good_frame_is_found_however_far_behind_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let size = (4 * BLOCK) as u64;
        let mut journal = Journal::create(folder.path(), &files(), size, Seq(1)).unwrap();
        let long = vec![0; 2 * BLOCK + 7];
        let long = encode(&Round { changes: vec![], records: vec![long] });
        journal.append(&mut Frame::new(Seq(1), &[long])).unwrap();
        let (_, at) = journal.end();
        let segment = segments(folder.path()).unwrap().remove(0);
        let flip = |byte: u8| {
            OpenOptions::new().write(true).open(&segment.path).unwrap().write_all_at(&[byte], HEADER + 4).unwrap();
        };
        let crc = std::fs::read(&segment.path).unwrap()[HEADER as usize + 4];
        flip(!crc);
        // Nothing follows: the end was torn, and what is left of it counts to its last byte.
        let (sizes, end) = read(&segment).unwrap();
        assert_eq!((sizes.as_slice(), end.at), ([].as_slice(), HEADER));
        assert!((HEADER..HEADER + BLOCK as u64).contains(&end.written), "the record is all zeros");
        flip(crc);
        journal.append(&mut Frame::new(Seq(2), &[round(2, 20)])).unwrap();
        flip(!crc);
        match read(&segment) {
            Err(Error::Damaged { what, .. }) => assert!(what.contains(&format!("at byte {at} is good")), "{what}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_that_lost_its_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[20]);
        let segment = segments(folder.path()).unwrap().remove(0);
        for length in [0, 10, 64, 200, MIN_SEGMENT - 1] {
            OpenOptions::new().write(true).open(&segment.path).unwrap().set_len(length).unwrap();
            assert!(matches!(read(&segment), Err(Error::Damaged { .. })), "{length}");
        }
    }
}
