//! Names that lead nowhere, with the nearest one that exists.

use super::world::{World, entity_name};
use crate::ast::{Name, Qualified};
use crate::diagnostic::{Problem, Related};
use crate::near::nearest;
use crate::schema::EntityName;
use crate::source::Span;

impl World<'_> {
    /// E0102.
    pub(super) fn has_system(&mut self, name: &Name) -> bool {
        if self.systems.contains_key(&name.value) {
            return true;
        }
        let problem = Problem::new("E0102", format!("there is no system `{}`", name.value), name.span, "not declared");
        let near = nearest(&name.value, self.systems.keys().map(String::as_str)).map(str::to_owned);
        let problem = suggest(problem, near, name.span);
        self.tell(problem);
        false
    }

    /// E0104.
    pub(super) fn has_entity(&mut self, name: &Qualified) -> Option<EntityName> {
        if !self.has_system(&name.system) {
            return None;
        }
        let entity = entity_name(name);
        let system = &self.systems[&entity.system];
        if self.unread.contains(&entity.system) && !system.lock.entities.contains_key(&entity.entity) {
            return None;
        }
        if system.lock.entities.contains_key(&entity.entity) {
            return Some(entity);
        }
        let near = nearest(&entity.entity, system.lock.entities.keys().map(String::as_str)).map(str::to_owned);
        let message = format!("{} has no entity `{}`", system.lock.product, entity.entity);
        let problem = Problem::new("E0104", message, name.name.span, format!("not in {}", entity.system));
        let problem = suggest(problem, near, name.name.span);
        self.tell(problem);
        None
    }

    /// E0101: the field or link of an entity, or a message with the nearest name.
    pub(super) fn no_field(&mut self, entity: &EntityName, name: &Name) {
        let Some(lock) = self.entity(entity) else { return };
        let near =
            nearest(&name.value, lock.fields.keys().chain(lock.links.keys()).map(String::as_str)).map(str::to_owned);
        let system = &self.systems[&entity.system];
        let source = match self.lock_paths.get(&entity.system) {
            Some(path) => format!("{entity} comes from {path}, pulled {}", system.lock.pulled),
            None => format!("{entity} is declared in the rules"),
        };
        let mut problem = Problem::new(
            "E0101",
            format!("{entity} has no field `{}`", name.value),
            name.span,
            format!("not in {entity}"),
        );
        problem = match near {
            Some(near) => problem.help(format!("did you mean `{near}`?  {source}")).fix(
                format!("write `{near}`"),
                true,
                vec![(name.span, near)],
            ),
            None => problem.help(source),
        };
        self.tell(problem);
    }

    /// E0106.
    pub(super) fn no_such<'n>(&mut self, what: &str, name: &Name, known: impl Iterator<Item = &'n str>) {
        let known: Vec<&str> = known.collect();
        let near = nearest(&name.value, known.iter().copied()).map(str::to_owned);
        let mut problem =
            Problem::new("E0106", format!("there is no {what} `{}`", name.value), name.span, "not known here");
        problem = match near {
            Some(near) => suggest(problem, Some(near), name.span),
            None if known.is_empty() => problem,
            None => problem.help(format!("there are: {}", known.join(", "))),
        };
        self.tell(problem);
    }

    /// E0108 for a quoted text that is no word of the choice; a system's spelling is answered with its word.
    pub(super) fn no_word(&mut self, choice: usize, field: &str, text: &str, span: Span) {
        let words = &self.choices[choice].words;
        let spelled = words.iter().find(|word| word.spelled.values().any(|spelling| spelling == text));
        if let Some(word) = spelled.map(|word| word.word.clone()) {
            let message = format!("`{text}` is a spelling, and no word of {}", self.choices[choice].name);
            let problem = Problem::new("E0108", message, span, format!("how a system spells `{word}`"))
                .help(format!("write `{word}`"))
                .fix(format!("write `{word}`"), true, vec![(span, word)]);
            self.tell(problem);
            return;
        }
        let words: Vec<String> = words.iter().map(|word| word.word.clone()).collect();
        self.no_option(field, text, span, &words);
    }

    pub(super) fn no_option(&mut self, name: &str, word: &str, span: Span, options: &[String]) {
        let near = nearest(word, options.iter().map(String::as_str)).map(str::to_owned);
        let mut problem = Problem::new("E0108", format!("{name} has no option `{word}`"), span, "not an option");
        problem = match near {
            Some(near) => {
                let quoted = self.text(span).starts_with('"');
                let text = if quoted { format!("\"{near}\"") } else { near.clone() };
                problem.help(format!("did you mean `{near}`?")).fix(format!("write {text}"), true, vec![(span, text)])
            }
            None => problem.help(format!("its options are: {}", options.join(", "))),
        };
        self.tell(problem);
    }

    /// Where a lock says something, for notes.
    pub(super) fn lock_line(&self, system: &str, path: &str) -> Option<Related> {
        let file = self.lock_paths.get(system)?.clone();
        let line = *self.systems.get(system)?.lock.lines.get(path)?;
        Some(Related { file, line, text: path.rsplit('.').next().unwrap_or(path).to_owned() })
    }
}

pub(super) fn suggest(problem: Problem, near: Option<String>, span: Span) -> Problem {
    match near {
        Some(near) => {
            problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), true, vec![(span, near)])
        }
        None => problem,
    }
}
