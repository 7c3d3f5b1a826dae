//! The bytes of one frame: the rounds that one `fdatasync` makes durable.
//!
//! Form: length of the body (u32), CRC32C (u32), sequence of the first round (u64), body, zeros up to a multiple
//! of 8; little endian. Body: the number of rounds, then the rounds, in postcard.
//! Always true: the CRC covers length, sequence and body, and is seeded with the random number of its segment, so
//! neither old bytes of the disk nor a value of a user that looks like a frame can pose as one.

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::{Round, Seq};

/// Bytes before the body.
pub(super) const HEAD: usize = 16;
/// A frame takes no further round once its rounds have this many bytes.
pub(super) const FULL_BYTES: usize = 1 << 20;
/// A frame takes no further round once it holds this many.
pub(super) const FULL_ROUNDS: usize = 4_096;
/// Frames begin at multiples of this.
pub(super) const ALIGN: u64 = 8;

/// A round that points into the bytes it was read from. Same form as [`Round`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Borrowed<'a> {
    #[serde(borrow)]
    pub(super) changes: Vec<(Bytes<'a>, Option<Bytes<'a>>)>,
    #[serde(borrow)]
    pub(super) records: Vec<Bytes<'a>>,
}

/// Bytes that serde handles in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(from).map(Self)
    }
}

/// One round as it stands in a body.
pub(super) fn encode(round: &Round) -> Vec<u8> {
    let borrowed = Borrowed {
        changes: round.changes.iter().map(|(key, value)| (Bytes(key), value.as_deref().map(Bytes))).collect(),
        records: round.records.iter().map(|record| Bytes(record)).collect(),
    };
    postcard::to_stdvec(&borrowed).expect("bytes can always be written to memory")
}

/// The rounds of a body.
pub(super) fn decode(body: &[u8]) -> Result<Vec<Borrowed<'_>>, postcard::Error> {
    let (count, mut rest) = postcard::take_from_bytes::<u64>(body)?;
    let mut rounds = Vec::new();
    for _ in 0..count {
        let (round, after) = postcard::take_from_bytes(rest)?;
        rounds.push(round);
        rest = after;
    }
    if rest.is_empty() { Ok(rounds) } else { Err(postcard::Error::DeserializeBadEncoding) }
}

/// A frame on its way to a segment.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) first: Seq,
    pub(super) rounds: u64,
    bytes: Vec<u8>,
}

impl Frame {
    /// Joins encoded rounds; `first` is the sequence of the first one.
    pub(super) fn new(first: Seq, rounds: &[Vec<u8>]) -> Self {
        let count = postcard::to_stdvec(&(rounds.len() as u64)).expect("a number can always be written to memory");
        let length = count.len() + rounds.iter().map(Vec::len).sum::<usize>();
        let mut bytes = Vec::with_capacity(HEAD + length + ALIGN as usize);
        bytes.extend(u32::try_from(length).expect("a round is bounded on validate_round").to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(first.0.to_le_bytes());
        bytes.extend(count);
        for round in rounds {
            bytes.extend(round);
        }
        bytes.resize(bytes.len().next_multiple_of(ALIGN as usize), 0);
        Self { first, rounds: rounds.len() as u64, bytes }
    }

    /// Sequence of the last round.
    pub(super) fn last(&self) -> Seq {
        Seq(self.first.0 + self.rounds - 1)
    }

    /// Bytes it takes in a segment.
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The frame as the segment with this seed must hold it.
    pub(super) fn sealed(&mut self, seed: u32) -> &[u8] {
        let head = Head::read(self.bytes.first_chunk().expect("a frame has a head"));
        let crc = head.checksum(&self.bytes[HEAD..HEAD + head.length as usize], seed);
        self.bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }
}

/// The fields before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the body; 0 where there is no frame.
    pub(super) length: u32,
    pub(super) crc: u32,
    pub(super) first: Seq,
}

impl Head {
    pub(super) fn read(bytes: &[u8; HEAD]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
        Self {
            length: u32::from_le_bytes([a, b, c, d]),
            crc: u32::from_le_bytes([e, f, g, h]),
            first: Seq(u64::from_le_bytes(rest)),
        }
    }

    /// Bytes of the whole frame in a segment.
    pub(super) fn size(self) -> u64 {
        (HEAD as u64 + u64::from(self.length)).next_multiple_of(ALIGN)
    }

    /// What the CRC must be.
    pub(super) fn checksum(self, body: &[u8], seed: u32) -> u32 {
        let crc = crc32c::crc32c_append(seed, &self.length.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &self.first.0.to_le_bytes());
        crc32c::crc32c_append(crc, body)
    }
}

/// The seed of a segment's checksums.
pub(super) fn seed(random: u64) -> u32 {
    crc32c::crc32c(&random.to_le_bytes())
}

#[cfg(test)]
mod tests {

    use super::*;

    fn round() -> Round {
        Round {
            changes: vec![(vec![1, 2], Some(vec![3; 300])), (vec![4], None), (vec![5], Some(vec![]))],
            records: vec![b"why".to_vec(), vec![]],
        }
    }

    #[test]
    fn rounds_come_back_from_a_frame() {
        let mut frame = Frame::new(Seq(7), &[encode(&round()), encode(&Round::default())]);
        assert_eq!(frame.last(), Seq(8));
        let bytes = frame.sealed(seed(9)).to_vec();
        assert_eq!(bytes.len() % 8, 0);
        let head = Head::read(bytes.first_chunk().unwrap());
        assert_eq!((head.first, head.size()), (Seq(7), bytes.len() as u64));
        let body = &bytes[HEAD..HEAD + head.length as usize];
        assert_eq!(head.checksum(body, seed(9)), head.crc);
        let rounds = decode(body).unwrap();
        assert_eq!(rounds.len(), 2);
        let owned: Vec<_> = rounds[0].changes.iter().map(|(k, v)| (k.0.to_vec(), v.map(|v| v.0.to_vec()))).collect();
        assert_eq!(owned, round().changes);
        assert_eq!(rounds[0].records, vec![Bytes(b"why"), Bytes(b"")]);
    }

    #[test]
    fn the_form_is_that_of_the_public_type() {
        assert_eq!(encode(&round()), postcard::to_stdvec(&round()).unwrap());
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_so_is_another_segment() {
        let mut frame = Frame::new(Seq(7), &[encode(&Round { changes: vec![], records: vec![b"abc".to_vec()] })]);
        let bytes = frame.sealed(seed(9)).to_vec();
        let sound = |bytes: &[u8], seed: u32| {
            let head = Head::read(bytes.first_chunk().unwrap());
            bytes.get(HEAD..HEAD + head.length as usize).is_some_and(|body| head.checksum(body, seed) == head.crc)
        };
        assert!(sound(&bytes, seed(9)));
        assert!(!sound(&bytes, seed(10)));
        let covered = HEAD + Head::read(bytes.first_chunk().unwrap()).length as usize;
        for bit in 0..covered * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!sound(&flipped, seed(9)), "bit {bit}");
        }
    }

    #[test]
    fn a_body_with_something_behind_its_rounds_is_refused() {
        let mut body = vec![1];
        body.extend(encode(&round()));
        assert!(decode(&body).is_ok());
        body.push(0);
        assert!(decode(&body).is_err());
    }
}
