//! Every stage handled, and none twice.

use super::words::quoted;
use super::world::World;
use crate::ast;
use crate::diagnostic::Problem;

impl World<'_> {
    /// E0502, E0509, E0108.
    pub(super) fn stages(&mut self, when: &ast::When, choice: Option<usize>, words: &[String], field: &str) {
        let mut handled: Vec<(&ast::Name, bool)> = Vec::new();
        for branch in &when.branches {
            for name in branch.to.iter().chain(&branch.from) {
                if !words.is_empty() && !words.contains(&name.value) {
                    self.no_option(field, &name.value, name.span, words);
                }
            }
            for name in &branch.to {
                if branch.from.is_none()
                    && let Some((first, _)) = handled.iter().find(|(n, all)| *all && n.value == name.value)
                {
                    let problem = Problem::new(
                        "E0509",
                        format!("stage `{}` is handled twice", name.value),
                        name.span,
                        "again here",
                    );
                    self.problems.push(problem.label(first.span, "first here").help("remove one of them"));
                }
                handled.push((name, branch.from.is_none()));
            }
        }
        let Some(choice) = choice else { return };
        let missing: Vec<String> =
            words.iter().filter(|w| !handled.iter().any(|(n, all)| *all && n.value == **w)).cloned().collect();
        let Some(first) = missing.first() else { return };
        let name = self.choices[choice].name.clone();
        let message = if missing.len() == 1 {
            format!("stage `{first}` is not handled")
        } else {
            format!("stages {} are not handled", quoted(&missing))
        };
        let done = words.len() - missing.len();
        let head = when.entity.span.to(when.trigger.span);
        let note = self
            .word_place(&name, first)
            .map_or_else(String::new, |place| format!("\nnote: `{first}` was added to {name} in {place}"));
        let problem =
            Problem::new("E0502", message, head, format!("{name} has {} stages, {done} are handled", words.len()))
                .help(format!("add `to {} {{ nothing }}`, or say what should happen{note}", missing.join(", ")));
        self.tell(problem);
    }

    pub(super) fn word_place(&self, choice: &str, word: &str) -> Option<crate::program::Place> {
        for file in self.files {
            let Some(at) = file.text.find(&format!("choice {choice} ")) else { continue };
            let offset =
                file.text[at..].lines().skip(1).position(|line| line.trim_start().split(' ').next() == Some(word))?;
            let line = file.position(at as u32).0 + 1 + offset;
            return Some(crate::program::Place { file: file.path.clone(), line: line as u32 });
        }
        None
    }
}
