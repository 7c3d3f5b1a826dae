//! What only all items together can have wrong.
//!
//! In: what is declared, and the findings of all items. Out: further problems.
//! Always true: a pass changes nothing that was found; it says nothing about a sync that was not understood well
//! enough.

pub(crate) mod conditions;
pub(crate) mod disjoint;
pub(crate) mod limits;
pub(crate) mod lints;
pub(crate) mod loops;
pub(crate) mod messages;
pub(crate) mod undescribed;
pub(crate) mod writers;

use std::sync::Arc;

use loops::rules::Rule;

use crate::ast::Item;
use crate::check::facts::declared::Declared;
use crate::check::facts::findings::Findings;
use crate::diagnostic::Problem;
use crate::source::FileId;

/// All items of a rule set, and what is wrong with them as a whole.
pub(crate) struct WholeSet<'a> {
    declared: &'a Declared<'a>,
    /// What was found of all items.
    found: &'a Findings,
    /// What is found here.
    problems: Vec<Problem>,
}

impl<'a> WholeSet<'a> {
    /// Everything that is wrong with the set as a whole. `items` are those that were checked, `again` those whose name
    /// is taken.
    pub(crate) fn problems(
        declared: &'a Declared<'a>,
        found: &'a Findings,
        rules: &[Rule<'_>],
        items: &[(FileId, Arc<Item>)],
        again: &[(FileId, Arc<Item>)],
    ) -> Vec<Problem> {
        let mut whole = Self { declared, found, problems: Vec::new() };
        whole.writers(rules);
        whole.disjoint();
        whole.limits();
        whole.sweeps();
        whole.loops(rules);
        whole.restarts(items);
        whole.routes(items, again);
        whole.unheard();
        whole.untold(rules);
        whole.undescribed();
        // Last, because it goes by whether anything is wrong.
        whole.lints(items);
        whole.problems
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}
