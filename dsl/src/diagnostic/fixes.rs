//! Applies the changes that problems offer.
//!
//! In: problems and the texts they speak of. Out: new texts. Always true: a change is made as a whole or not at
//! all, and two changes that touch the same place are not made together; a second run makes the other.
//! Whether a change mends anything is for [`apply_tried`] to find out, by whatever compiles the new texts.

use std::collections::BTreeMap;

use super::{Code, Fix, Problem, Severity};
use crate::source::{FileId, SourceFile, Span};

/// What became of the safe changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The new text of each file that changed.
    pub texts: BTreeMap<FileId, String>,
    /// Code, place and title of each change that was made, in the order of `problems`.
    pub made: Vec<(Code, Span, String)>,
    /// Changes that would touch a place which another one changes.
    pub left: usize,
}

/// Makes the first safe change of every problem, or only of problems with this `code`.
#[must_use]
pub fn apply_fixes(problems: &[Problem], files: &[SourceFile], code: Option<Code>) -> Fixed {
    let mut fixed = Fixed::default();
    let mut edits: Vec<&(Span, String)> = Vec::new();
    for problem in problems.iter().filter(|problem| code.is_none_or(|code| code == problem.code)) {
        let Some(fix) = problem.fixes.iter().find(|fix| fix.safe && fits(&fix.edits, files)) else { continue };
        // Two problems that ask for the same change are both mended by it.
        if !fix.edits.iter().all(|edit| edits.contains(&edit)) {
            if fix.edits.iter().any(|(span, _)| edits.iter().any(|(taken, _)| touch(*span, *taken))) {
                fixed.left += 1;
                continue;
            }
            edits.extend(&fix.edits);
        }
        fixed.made.push((problem.code, problem.span(), fix.title.clone()));
    }
    edits.sort_by_key(|(span, _)| (span.file, span.start, span.end));
    // From the end, so that the places of earlier edits stay true.
    for (span, text) in edits.into_iter().rev() {
        let Some(file) = files.get(span.file.0 as usize) else { continue };
        let new = fixed.texts.entry(span.file).or_insert_with(|| file.text.to_string());
        new.replace_range(span.start as usize..span.end as usize, text);
    }
    fixed
}

/// As [`apply_fixes`], but only with changes behind which fewer findings are left. `told` gives the findings of the
/// texts as they would be; it is asked once where all changes are right, and else for halves of them.
///
/// A name that is told of once and stands in several places is told of at the next one when the first is mended: so a
/// change is right, too, where as many findings of every code are left and none of its own in its lines. And where an
/// error is gone, warnings may come of what could not be looked at before.
pub fn apply_tried(
    problems: &[Problem],
    files: &[SourceFile],
    code: Option<Code>,
    told: &dyn Fn(&BTreeMap<FileId, String>) -> Vec<Problem>,
) -> Fixed {
    let offered =
        |problem: &&Problem| code.is_none_or(|code| code == problem.code) && problem.fixes.iter().any(|fix| fix.safe);
    let offering: Vec<&Problem> = problems.iter().filter(offered).collect();
    let trial = Trial { problems, files, told };
    let mut right = Vec::new();
    trial.right(&offering, &mut right);
    apply_fixes(&right, files, None)
}

/// Are fewer findings left behind this change of the problem, as [`apply_tried`] counts them?
pub fn mends(
    problem: &Problem,
    fix: &Fix,
    problems: &[Problem],
    files: &[SourceFile],
    told: &dyn Fn(&BTreeMap<FileId, String>) -> Vec<Problem>,
) -> bool {
    let alone = Problem { fixes: vec![Fix { safe: true, ..fix.clone() }], ..problem.clone() };
    let mut right = Vec::new();
    Trial { problems, files, told }.right(&[&alone], &mut right);
    !right.is_empty()
}

struct Trial<'a> {
    problems: &'a [Problem],
    files: &'a [SourceFile],
    told: &'a dyn Fn(&BTreeMap<FileId, String>) -> Vec<Problem>,
}

impl Trial<'_> {
    /// Adds those of the problems whose changes are right.
    fn right(&self, offering: &[&Problem], right: &mut Vec<Problem>) {
        if offering.is_empty() {
            return;
        }
        let some: Vec<Problem> = offering.iter().map(|problem| (*problem).clone()).collect();
        let fixed = apply_fixes(&some, self.files, None);
        if fixed.texts.is_empty() {
            return;
        }
        let after = (self.told)(&fixed.texts);
        let mended = match offering {
            [one] => {
                after.len() < self.problems.len()
                    || errors(&after) < errors(self.problems)
                    || self.moved_on(one, &after)
            }
            // Each has mended itself at least.
            _ => after.len() + fixed.made.len() <= self.problems.len(),
        };
        match offering {
            _ if mended => right.extend(some),
            [_] => {}
            _ => {
                let (first, second) = offering.split_at(offering.len() / 2);
                self.right(first, right);
                self.right(second, right);
            }
        }
    }

    /// Is what was told of this place told of another one now, and nothing else?
    fn moved_on(&self, mended: &Problem, after: &[Problem]) -> bool {
        let codes = |problems: &[Problem]| {
            let mut codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
            codes.sort();
            codes
        };
        let start = mended.span().start;
        let place = |problem: &&Problem| {
            problem.code == mended.code && problem.span().file == mended.span().file && problem.span().start == start
        };
        codes(after) == codes(self.problems) && !after.iter().any(|problem| place(&problem))
    }
}

fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.severity() == Severity::Error).count()
}

/// All edits lie inside of their files, between characters, and do not touch each other.
fn fits(edits: &[(Span, String)], files: &[SourceFile]) -> bool {
    let inside = |span: &Span| {
        files
            .get(span.file.0 as usize)
            .is_some_and(|file| file.text.get(span.start as usize..span.end as usize).is_some())
    };
    !edits.is_empty()
        && edits.iter().all(|(span, _)| inside(span))
        && edits.iter().enumerate().all(|(i, (a, _))| edits[i + 1..].iter().all(|(b, _)| !touch(*a, *b)))
}

/// Overlapping, or both inserting at one place.
fn touch(a: Span, b: Span) -> bool {
    a.file == b.file && (a.start < b.end && b.start < a.end || a.start == b.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u32, end: u32) -> Span {
        Span { file: FileId(0), start, end }
    }

    fn problem(code: Code, safe: bool, start: u32, end: u32, text: &str) -> Problem {
        Problem::new(code, "wrong", span(start, end), "here").fix(
            "mend",
            safe,
            vec![(span(start, end), text.to_owned())],
        )
    }

    #[track_caller]
    fn check(problems: &[Problem], code: Option<Code>, text: &str, made: usize, left: usize) {
        let files = [SourceFile::new(FileId(0), "a.rules", "one two three")];
        let fixed = apply_fixes(problems, &files, code);
        assert_eq!(fixed.texts.get(&FileId(0)).map_or("one two three", String::as_str), text);
        assert_eq!((fixed.made.len(), fixed.left), (made, left));
    }

    #[test]
    fn changes_of_different_lengths_do_not_move_each_other() {
        let problems = [problem(Code::E0101, true, 0, 3, "first"), problem(Code::E0101, true, 8, 13, "3")];
        check(&problems, None, "first two 3", 2, 0);
    }

    #[test]
    fn only_safe_changes_of_the_code_are_made() {
        let problems = [
            problem(Code::E0101, false, 0, 3, "x"),
            problem(Code::E0105, true, 4, 7, "y"),
            problem(Code::E0101, true, 8, 13, "z"),
        ];
        check(&problems, Some(Code::E0101), "one two z", 1, 0);
        check(&problems, None, "one y z", 2, 0);
    }

    #[test]
    fn overlapping_changes_are_not_made_together() {
        let problems = [problem(Code::E0101, true, 0, 7, "x"), problem(Code::E0101, true, 4, 13, "y")];
        check(&problems, None, "x three", 1, 1);
    }

    #[test]
    fn the_same_change_twice_is_made_once() {
        let problems = [problem(Code::E0101, true, 0, 3, "x"), problem(Code::E0101, true, 0, 3, "x")];
        check(&problems, None, "x two three", 2, 0);
    }

    #[test]
    fn a_change_behind_which_as_much_is_wrong_is_not_made() {
        let files = [SourceFile::new(FileId(0), "a.rules", "one two three")];
        let problems = [
            problem(Code::E0101, true, 0, 3, "right"),
            problem(Code::E0001, true, 4, 7, "worse"),
            problem(Code::E0105, true, 8, 13, "right"),
        ];
        // Every word but `right` is a finding.
        let told = |texts: &BTreeMap<FileId, String>| -> Vec<Problem> {
            let words = texts[&FileId(0)].split(' ').filter(|word| *word != "right").count() as u32;
            (0..words).map(|at| problem(Code::E0102, false, at, at, "")).collect()
        };
        let fixed = apply_tried(&problems, &files, None, &told);
        assert_eq!(fixed.texts[&FileId(0)], "right two right");
        assert_eq!(fixed.made.len(), 2);
    }

    #[test]
    fn a_name_that_is_told_of_at_its_next_place_then_was_mended() {
        let files = [SourceFile::new(FileId(0), "a.rules", "nam x nam")];
        let first = [problem(Code::E0101, true, 0, 3, "name")];
        let next = |_: &BTreeMap<FileId, String>| vec![problem(Code::E0101, true, 7, 10, "name")];
        assert_eq!(apply_tried(&first, &files, None, &next).made.len(), 1);
        let same = |_: &BTreeMap<FileId, String>| vec![problem(Code::E0101, true, 0, 3, "name")];
        assert_eq!(apply_tried(&first, &files, None, &same), Fixed::default());
    }

    #[test]
    fn a_change_outside_of_the_file_is_not_made() {
        check(&[problem(Code::E0101, true, 9, 99, "x")], None, "one two three", 0, 0);
    }
}
