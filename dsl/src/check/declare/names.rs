//! Names that lead nowhere, with the nearest one that exists.

use crate::ast::{Name, Qualified};
use crate::check::facts::phrases::suggest;
use crate::check::facts::world::{World, entity_name};
use crate::diagnostic::{Code, Problem, Related};
use crate::near::nearest;
use crate::schema::EntityName;
use crate::source::Span;

impl World<'_> {
    /// E0102. The system, or the one that is meant.
    pub(crate) fn has_system(&mut self, name: &Name) -> Option<String> {
        if self.systems.contains_key(&name.value) {
            return Some(name.value.clone());
        }
        if self.lost.contains(&name.value) {
            return None;
        }
        let problem =
            Problem::new(Code::E0102, format!("there is no system `{}`", name.value), name.span, "not declared");
        let near = self.near_system(&name.value);
        if near.is_none() && self.told_before("system", name) {
            return None;
        }
        let problem = match (&near, self.systems.is_empty()) {
            (None, false) => {
                let known: Vec<&str> = self.systems.keys().map(String::as_str).collect();
                problem.help(format!("there are: {}", known.join(", ")))
            }
            (None, true) => problem.help(format!("declare it: `system {} {{`", name.value)),
            (Some(_), _) => suggest(problem, near.clone(), name.span),
        };
        self.tell(problem);
        near
    }

    /// Was this name told of already? What is declared nowhere is one mistake, however often it is named.
    pub(crate) fn told_before(&mut self, what: &str, name: &Name) -> bool {
        let before = self.nowhere.get_mut(&(what.to_owned(), name.value.clone()));
        if let Some((_, more)) = before {
            *more += 1;
            return true;
        }
        self.nowhere.insert((what.to_owned(), name.value.clone()), (name.span, 0));
        false
    }

    /// Says of names that are declared nowhere in how many places more they stand.
    pub(crate) fn count_names(&mut self) {
        for (span, more) in std::mem::take(&mut self.nowhere).into_values().filter(|(_, more)| *more > 0) {
            let told = self.found.problems.iter_mut().find(|problem| {
                problem.span() == span && matches!(problem.code, Code::E0102 | Code::E0104 | Code::E0106 | Code::E0108)
            });
            if let Some(problem) = told {
                let places =
                    if more == 1 { "one other place names".to_owned() } else { format!("{more} other places name") };
                problem.help.push(format!("{places} it too"));
            }
        }
    }

    fn near_system(&self, name: &str) -> Option<String> {
        nearest(name, self.systems.keys().map(String::as_str)).map(str::to_owned)
    }

    /// The entity that a name means, misspelt or not.
    pub(crate) fn meant(&self, name: &Qualified) -> EntityName {
        let mut entity = entity_name(name);
        if !self.systems.contains_key(&entity.system)
            && let Some(near) = self.near_system(&entity.system)
        {
            entity.system = near;
        }
        if self.entity(&entity).is_none()
            && let Some(near) = self.near_entity(&entity)
        {
            entity.entity = near;
        }
        entity
    }

    fn near_entity(&self, name: &EntityName) -> Option<String> {
        let lock = &self.systems.get(&name.system)?.lock;
        nearest(&name.entity, lock.entities.keys().map(String::as_str)).map(str::to_owned)
    }

    /// E0104. The entity, or the one that is meant.
    pub(crate) fn has_entity(&mut self, name: &Qualified) -> Option<EntityName> {
        self.has_entity_or(name, "entity", &[])
    }

    /// The same where an event may stand as well: `others` are their names.
    pub(crate) fn has_entity_or(&mut self, name: &Qualified, what: &str, others: &[String]) -> Option<EntityName> {
        let entity = EntityName::new(self.has_system(&name.system)?, &name.name.value);
        self.wanted_of(&entity.system);
        let system = &self.systems[&entity.system];
        if system.lock.entities.contains_key(&entity.entity) {
            return Some(entity);
        }
        if self.unread.contains(&entity.system) || self.lost.contains(&entity.to_string()) {
            return None;
        }
        let known = || system.lock.entities.keys().map(String::as_str).chain(others.iter().map(String::as_str));
        let near = nearest(&entity.entity, known()).map(str::to_owned);
        let message = format!("{} has no {what} `{}`", system.lock.product, entity.entity);
        let problem = Problem::new(Code::E0104, message, name.name.span, format!("not in {}", entity.system));
        let problem = match &near {
            Some(_) => suggest(problem, near.clone(), name.name.span),
            None => problem.help(format!("it has: {}", known().collect::<Vec<_>>().join(", "))),
        };
        self.tell(problem);
        near.filter(|near| !others.contains(near)).map(|near| EntityName::new(entity.system, near))
    }

    /// E0101: the field or link of an entity, or a message with the nearest name.
    pub(crate) fn no_field(&mut self, entity: &EntityName, name: &Name) {
        let Some(lock) = self.entity(entity) else { return };
        let near =
            nearest(&name.value, lock.fields.keys().chain(lock.links.keys()).map(String::as_str)).map(str::to_owned);
        let system = &self.systems[&entity.system];
        let pulled = system.lock.lines.contains_key(&format!("entities.{}", entity.entity));
        let source = match self.lock_paths.get(&entity.system).filter(|_| pulled) {
            Some(path) => format!("{entity} comes from {path}, pulled {}", system.lock.pulled),
            None => format!("{entity} is declared in the rules"),
        };
        if lock.links.contains_key(&name.value) {
            let message = format!("{entity}.{} is a link and holds no value", name.value);
            let problem = Problem::new(Code::E0101, message, name.span, "leads to a record");
            let fields = lock.fields.keys().map(String::as_str).filter(|field| *field != "engine_link_id");
            let fields: Vec<&str> = fields.collect();
            let help = format!("name a field of {entity}: {}", fields.join(", "));
            self.tell(problem.help(help));
            return;
        }
        if let Some(table) = self.words.tables.iter().find(|table| table.name == name.value) {
            let column = table.columns.first().map_or("column", String::as_str);
            let help = format!("write `{}[field].{column}`, the field whose value is a key of the table", name.value);
            let message = format!("a row of the table {} is looked up by its key", name.value);
            self.tell(Problem::new(Code::E0101, message, name.span, "a table, and no field").help(help));
            return;
        }
        let mut problem = Problem::new(
            Code::E0101,
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
            None => {
                let known: Vec<&str> = lock.fields.keys().chain(lock.links.keys()).map(String::as_str).collect();
                problem.help(format!("it has: {}\n{source}", known.join(", ")))
            }
        };
        self.tell(problem);
    }

    /// The field that a name means, misspelt or not.
    pub(crate) fn meant_field(&self, entity: &EntityName, name: &Name) -> Option<String> {
        let lock = self.entity(entity)?;
        match lock.fields.contains_key(&name.value) {
            true => Some(name.value.clone()),
            false => nearest(&name.value, lock.fields.keys().map(String::as_str)).map(str::to_owned),
        }
    }

    /// E0106.
    pub(crate) fn no_such<'n>(&mut self, what: &str, name: &Name, known: impl Iterator<Item = &'n str>) {
        if self.lost.contains(&name.value) {
            return;
        }
        let known: Vec<&str> = known.collect();
        let near = nearest(&name.value, known.iter().copied()).map(str::to_owned);
        // Of an item, it may be the declaration that is misspelt.
        let once = match what {
            "sync" | "workflow" | "table" => true,
            "variable" | "side" | "column" | "step" => false,
            _ => near.is_none(),
        };
        if once && self.told_before(what, name) {
            return;
        }
        let mut problem =
            Problem::new(Code::E0106, format!("there is no {what} `{}`", name.value), name.span, "not known here");
        problem = match near {
            Some(near) => {
                // It is used, under a misspelt name.
                self.found.mentioned.insert(near.clone());
                suggest(problem, Some(near), name.span)
            }
            None if known.is_empty() => problem,
            None => problem.help(format!("there are: {}", known.join(", "))),
        };
        self.tell(problem);
    }

    /// E0108 for a quoted text that is no word of the choice; a system's spelling is answered with its word.
    pub(crate) fn no_word(&mut self, choice: usize, field: &str, text: &str, span: Span) {
        let words = &self.words.choices[choice].words;
        let spelled = words.iter().find(|word| word.spelled.values().any(|spelling| spelling == text));
        if let Some(word) = spelled.map(|word| word.word.clone()) {
            let message = format!("`{text}` is a spelling, and no word of {}", self.words.choices[choice].name);
            let problem = Problem::new(Code::E0108, message, span, format!("how a system spells `{word}`"))
                .help(format!("write `{word}`"))
                .fix(format!("write `{word}`"), true, vec![(span, word)]);
            self.tell(problem);
            return;
        }
        let words: Vec<String> = words.iter().map(|word| word.word.clone()).collect();
        self.no_option(field, text, span, &words);
    }

    pub(crate) fn no_option(&mut self, name: &str, word: &str, span: Span, options: &[String]) {
        if self.lost.contains(word) || self.may_be_torn(word, options) {
            return;
        }
        let near = nearest(word, options.iter().map(String::as_str)).map(str::to_owned);
        if near.is_none() && self.told_before(&options.join(","), &Name::new(word.to_owned(), span)) {
            return;
        }
        let mut problem = Problem::new(Code::E0108, format!("{name} has no option `{word}`"), span, "not an option");
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
    pub(crate) fn lock_line(&self, system: &str, path: &str) -> Option<Related> {
        let file = self.lock_paths.get(system)?.clone();
        let line = *self.systems.get(system)?.lock.lines.get(path)?;
        Some(Related { file, line, text: path.rsplit('.').next().unwrap_or(path).to_owned() })
    }
}
