//! The check of one item: what it goes by, and what it leaves.
//!
//! The passes over expressions and items are methods of [`Checker`], each in the file of what it checks. Names are
//! resolved here, because everything names something.

use crate::check::facts::declared::Declared;
use crate::check::facts::findings::Findings;
use crate::diagnostic::Problem;

/// What the check of an item goes by, and where it leaves what it finds.
pub(crate) struct Checker<'a> {
    pub(crate) declared: &'a Declared<'a>,
    pub(crate) findings: &'a mut Findings,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(declared: &'a Declared<'a>, findings: &'a mut Findings) -> Self {
        Self { declared, findings }
    }

    pub(crate) fn report(&mut self, problem: Problem) {
        self.findings.report(problem);
    }
}
