//! Systems of which nothing says what they have.

use crate::check::whole::WholeSet;
use crate::diagnostic::{Code, Problem};

impl WholeSet<'_> {
    /// E0902, once for a system of which something is wanted, though neither a lock nor an item says what it has.
    pub(crate) fn undescribed(&mut self) {
        let declared = self.declared;
        for (system, span) in declared.undescribed.iter().filter(|(system, _)| self.found.wanted.contains(*system)) {
            let message = format!("nothing says what {system} has");
            let problem = Problem::new(Code::E0902, message, *span, "neither a lock nor an `entity`");
            let help = format!("write `schema \"schemas/{system}.lock\"` and run `engine schema pull {system}`");
            self.report(problem.help(help));
        }
    }
}
