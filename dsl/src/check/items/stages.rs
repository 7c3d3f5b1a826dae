//! Every stage handled, and none twice.

use crate::ast;
use crate::check::facts::checker::Checker;
use crate::check::facts::phrases::quoted;
use crate::diagnostic::{Code, Problem};
use crate::source::Span;
use crate::suggest::nearest;

impl Checker<'_> {
    /// E0502, E0509, E0108.
    pub(crate) fn stages(&mut self, when: &ast::When, choice: Option<usize>, words: &[String], field: &str) {
        // A misspelt word stands for the one that is meant, perhaps.
        let meant = |checker: &mut Self, name: &ast::Name| {
            if words.is_empty() || words.contains(&name.value) || checker.declared.may_be_torn(&name.value, words) {
                return (name.value.clone(), true);
            }
            checker.no_option(field, &name.value, name.span, words);
            (nearest(&name.value, words.iter().map(String::as_str)).unwrap_or(&name.value).to_owned(), false)
        };
        // Each with the word it comes from, where that is said.
        let mut handled: Vec<(String, Option<String>, Span)> = Vec::new();
        for branch in &when.branches {
            let from = branch.from.as_ref().map(|name| meant(self, name).0);
            for name in &branch.to {
                let (word, certain) = meant(self, name);
                let before = handled.iter().find(|(other, others, _)| *other == word && *others == from);
                if let (Some((.., first)), true) = (before, certain) {
                    let message = match &from {
                        Some(from) => format!("the change from `{from}` to `{word}` is handled twice"),
                        None => format!("stage `{word}` is handled twice"),
                    };
                    let problem = Problem::new(Code::E0509, message, name.span, "again here");
                    let problem = problem.label(*first, "first here").help("remove one of them");
                    self.report(problem);
                }
                handled.push((word, from.clone(), name.span));
            }
        }
        let missing: Vec<String> = words
            .iter()
            .filter(|word| !handled.iter().any(|(name, from, _)| from.is_none() && name == *word))
            .filter(|word| !self.declared.unparsed_names.contains(*word))
            .cloned()
            .collect();
        // A branch for a stage that there is not is the one that is missing.
        let strange = handled.iter().any(|(word, ..)| !words.is_empty() && !words.contains(word));
        let Some(first) = missing.first().filter(|_| when.unread.is_empty() && !strange) else { return };
        let (name, one, several) = match choice {
            Some(choice) => (self.declared.vocabulary.choices[choice].name.clone(), "stage", "stages"),
            None => (field.to_owned(), "value", "values"),
        };
        let message = match missing.as_slice() {
            [_] => format!("{one} `{first}` is not handled"),
            _ => format!("{several} {} are not handled", quoted(&missing)),
        };
        let done = words.len() - missing.len();
        let head = when.entity.span.to(when.trigger.span);
        let note = choice
            .and_then(|choice| self.declared.vocabulary.word_spans.get(&(choice, first.clone())))
            .map(|span| self.declared.place(*span))
            .map_or_else(String::new, |place| format!("\nnote: `{first}` was added to {name} in {place}"));
        let are = if done == 1 { "is" } else { "are" };
        let label = format!("{name} has {} {several}, {done} {are} handled", words.len());
        let problem = Problem::new(Code::E0502, message, head, label)
            .help(format!("add `to {} {{ nothing }}`, or say what should happen{note}", missing.join(", ")));
        self.report(problem);
    }
}
