//! A text in which mistakes are mended before the grammar sees it, and the way back to the file.

use std::ops::Range;

/// Changes of a file, in its bytes, in order and apart from each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Patch {
    edits: Vec<(Range<usize>, String)>,
}

impl Patch {
    /// Adds a change; refuses one that overlaps another.
    pub(super) fn add(&mut self, range: Range<usize>, text: &str) -> bool {
        let index = self.edits.partition_point(|(other, _)| other.start < range.start);
        let before = index.checked_sub(1).is_none_or(|index| self.edits[index].0.end <= range.start);
        let fits = before && self.edits.get(index).is_none_or(|(next, _)| range.end <= next.start);
        if fits {
            self.edits.insert(index, (range, text.to_owned()));
        }
        fits
    }

    /// Puts `text` in place of `range`, whatever was changed inside of it.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &str) {
        self.edits.retain(|(edit, _)| edit.end <= range.start || range.end <= edit.start);
        self.add(range, text);
    }

    /// `file[range]` with the changes inside of it.
    pub(super) fn apply(&self, file: &str, range: Range<usize>) -> Patched {
        let mut patched = Patched { text: String::with_capacity(range.len() + 64), marks: Vec::new(), end: range.end };
        let mut at = range.start;
        for (edit, text) in &self.edits {
            if edit.start < at || edit.end > range.end {
                continue;
            }
            patched.push(at, &file[at..edit.start], false);
            patched.push(edit.start, text, true);
            at = edit.end;
        }
        patched.push(at, &file[at..range.end], false);
        patched
    }
}

/// One way to mend a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Replacements in the line, in order.
    pub(super) edits: Vec<(Range<usize>, String)>,
    /// What to do, for people.
    pub(super) help: String,
    /// No other way is as likely.
    pub(super) safe: bool,
}

/// The mended text of an item.
#[derive(Debug, Clone, Default)]
pub(super) struct Patched {
    pub(super) text: String,
    /// Where a piece begins: in the text, in the file, and whether it is ours.
    marks: Vec<(usize, usize, bool)>,
    /// Where the item ends in the file.
    end: usize,
}

impl Patched {
    fn push(&mut self, place: usize, text: &str, ours: bool) {
        self.marks.push((self.text.len(), place, ours));
        self.text.push_str(text);
    }

    /// The place in the file of a byte of the text; what is ours stands where it was put in.
    pub(super) fn place(&self, at: usize) -> usize {
        let index = self.marks.partition_point(|(start, ..)| *start <= at);
        let Some((start, place, ours)) = index.checked_sub(1).map(|index| self.marks[index]) else { return self.end };
        let next = self.marks.get(index).map_or(self.end, |(_, place, _)| *place);
        if ours { place } else { (place + (at - start)).min(next) }
    }

    /// The stretch of the file that is replaced where `range` is.
    pub(super) fn places(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.place(range.start);
        start..if range.is_empty() { start } else { self.place_of_end(range.end).max(start) }
    }

    /// The byte of the text that stands at a place of the file.
    pub(super) fn index_of(&self, place: usize) -> usize {
        let index = self.marks.partition_point(|(_, start, _)| *start <= place);
        match index.checked_sub(1).map(|index| self.marks[index]) {
            Some((start, begin, ours)) => {
                let next = self.marks.get(index).map_or(self.text.len(), |(start, ..)| *start);
                if ours { next } else { (start + (place - begin)).min(next) }
            }
            None => 0,
        }
    }

    /// The place behind a stretch that ends at `at`.
    pub(super) fn place_of_end(&self, at: usize) -> usize {
        match at.checked_sub(1) {
            // The last byte decides to which piece the end belongs.
            Some(last) => {
                let index = self.marks.partition_point(|(start, ..)| *start <= last);
                let next = self.marks.get(index).map_or(self.end, |(_, place, _)| *place);
                match index.checked_sub(1).map(|index| self.marks[index]) {
                    Some((start, place, false)) => (place + (at - start)).min(next),
                    Some(_) => next,
                    None => self.end,
                }
            }
            None => self.place(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_to_the_file() {
        let file = "__ab(cd)ef";
        let mut patch = Patch::default();
        assert!(patch.add(6..8, ""));
        assert!(patch.add(4..5, "<long>"));
        assert!(!patch.add(4..6, "x"), "an overlap is refused");
        assert!(patch.add(10..10, "!"));
        let patched = patch.apply(file, 2..10);
        assert_eq!(patched.text, "ab<long>cef!");
        for (at, place) in [(0, 2), (1, 3), (2, 4), (5, 4), (8, 5), (9, 8), (10, 9), (11, 10)] {
            assert_eq!(patched.place(at), place, "{at}");
        }
        for (place, index) in [(2, 0), (3, 1), (5, 8), (8, 9), (10, 12)] {
            assert_eq!(patched.index_of(place), index, "{place}");
        }
        assert_eq!(patched.place_of_end(2), 4);
        assert_eq!(patched.place_of_end(8), 5, "behind a mended word stands what follows the wrong one");
        assert_eq!(patched.place_of_end(11), 10);
    }
}
