//! Where a scan finds nothing in what lies below the active changes.
//!
//! In: ranges of keys in which every row of the base (see [`overlay`](super::overlay)) is hidden by an active change.
//! Out: where a scan may go on at once. A queue that is worked off leaves its dead rows in the base until the next
//! checkpoint; without this every look at the queue would go through all of them again.
//! Always true: in no gap can a row of the base be seen. What is put later is an active change, which a scan has beside
//! the base; so a gap ends to hold only where changes become part of the base, and is clipped then.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Gaps that are kept. A scan that finds more begins anew: which ranges are walked through changes with the work.
const MANY: usize = 1_024;

/// Ranges of keys, apart from each other.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Gaps(BTreeMap<Vec<u8>, Vec<u8>>);

impl Gaps {
    /// The end of the gap that holds `key`; `None` where it is in none.
    pub(super) fn end_around(&self, key: &[u8]) -> Option<&[u8]> {
        let (_, end) = self.0.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        (key < end.as_slice()).then_some(end)
    }

    /// Where the next gap within `from..to` begins.
    pub(super) fn next(&self, from: &[u8], to: &[u8]) -> Option<&[u8]> {
        if from >= to {
            return None;
        }
        let (start, _) = self.0.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))).next()?;
        Some(start)
    }

    /// No row of the base can be seen in `from..to`.
    pub(super) fn note(&mut self, mut from: Vec<u8>, mut to: Vec<u8>) {
        if from >= to {
            return;
        }
        // Those that it meets or touches become one with it.
        loop {
            let met = self.0.range::<[u8], _>((Bound::Unbounded, Bound::Included(to.as_slice()))).next_back();
            let Some((start, end)) = met.filter(|(_, end)| **end >= from) else { break };
            let start = start.clone();
            to = to.max(end.clone());
            self.0.remove(&start);
            from = from.min(start);
        }
        if self.0.len() >= MANY {
            self.0.clear();
        }
        self.0.insert(from, to);
    }

    /// Ends each gap before the first key in it that `first` gives.
    pub(super) fn clip(&mut self, first: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>) {
        self.0.retain(|from, to| {
            if let Some(key) = first(from, to) {
                *to = key;
            }
            from < to
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(list: &[(u8, u8)]) -> Gaps {
        let mut gaps = Gaps::default();
        for (from, to) in list {
            gaps.note(vec![*from], vec![*to]);
        }
        gaps
    }

    #[test]
    fn gaps_that_meet_or_touch_are_one() {
        for (list, joined) in [
            (&[(1, 3), (5, 7)][..], &[(1, 3), (5, 7)][..]),
            (&[(1, 3), (3, 5)], &[(1, 5)]),
            (&[(3, 5), (1, 3)], &[(1, 5)]),
            (&[(1, 3), (5, 7), (8, 9), (2, 8)], &[(1, 9)]),
            (&[(1, 9), (3, 4)], &[(1, 9)]),
            (&[(4, 4), (5, 2)], &[]),
        ] {
            let found: Vec<_> = gaps(list).0.iter().map(|(from, to)| (from[0], to[0])).collect();
            assert_eq!(found, joined, "{list:?}");
        }
    }

    #[test]
    fn a_scan_is_told_where_to_go_on() {
        let gaps = gaps(&[(3, 5), (8, 9)]);
        let end = |key: u8| gaps.end_around(&[key]).map(|end| end[0]);
        assert_eq!([2, 3, 4, 5, 8].map(end), [None, Some(5), Some(5), None, Some(9)]);
        let next = |from: u8, to: u8| gaps.next(&[from], &[to]).map(|start| start[0]);
        assert_eq!([next(1, 9), next(4, 9), next(4, 8), next(9, 9), next(9, 1)], [Some(3), Some(8), None, None, None]);
    }

    #[test]
    fn a_gap_is_clipped_before_the_first_row_in_it() {
        let mut gaps = gaps(&[(1, 4), (5, 9), (10, 12)]);
        gaps.clip(|from, to| [7u8, 10].iter().map(|key| vec![*key]).find(|key| from <= &key[..] && &key[..] < to));
        assert_eq!(gaps, self::gaps(&[(1, 4), (5, 7)]));
    }

    #[test]
    fn there_are_never_too_many() {
        let mut gaps = Gaps::default();
        for number in 0..3 * MANY as u32 {
            gaps.note((2 * number).to_be_bytes().to_vec(), (2 * number + 1).to_be_bytes().to_vec());
            assert!(gaps.0.len() <= MANY);
        }
    }
}
