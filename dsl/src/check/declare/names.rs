//! Names that lead nowhere, with the nearest one that exists.

use crate::ast::{Name, Qualified};
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::{Named, Unresolved};
use crate::check::facts::phrases::suggest;
use crate::diagnostic::{Code, Problem};
use crate::schema::EntityName;
use crate::source::Span;
use crate::suggest::nearest;

/// What other languages call a value that is not there.
const NOTHING: [&str; 8] = ["blank", "null", "nil", "none", "nothing", "undefined", "missing", "na"];

impl Checker<'_> {
    /// E0102. The system, or the one that is meant.
    pub(crate) fn has_system(&mut self, name: &Name) -> Option<String> {
        if self.declared.systems.contains_key(&name.value) {
            return Some(name.value.clone());
        }
        if self.declared.unparsed_names.contains(&name.value) {
            return None;
        }
        let problem =
            Problem::new(Code::E0102, format!("there is no system `{}`", name.value), name.span, "not declared");
        let near = self.declared.near_system(&name.value);
        if near.is_none() && self.findings.told_before(Unresolved::System(name.value.clone()), name.span) {
            return None;
        }
        let problem = match (&near, self.declared.systems.is_empty()) {
            (None, false) => {
                let known: Vec<&str> = self.declared.systems.keys().map(String::as_str).collect();
                problem.help(format!("there are: {}", known.join(", ")))
            }
            (None, true) => problem.help(format!("declare it: `system {} {{`", name.value)),
            (Some(_), _) => suggest(problem, near.clone(), name.span),
        };
        self.report(problem);
        near
    }

    /// Something is wanted of a system, of which perhaps nothing says what it has.
    pub(crate) fn wants(&mut self, system: &str) {
        if self.declared.undescribed.contains_key(system) {
            self.findings.wanted.insert(system.to_owned());
        }
    }

    /// E0104. The entity, or the one that is meant.
    pub(crate) fn has_entity(&mut self, name: &Qualified) -> Option<EntityName> {
        self.has_entity_or(name, "entity", &[])
    }

    /// The same where an event may stand as well: `others` are their names.
    pub(crate) fn has_entity_or(&mut self, name: &Qualified, what: &str, others: &[String]) -> Option<EntityName> {
        let entity = EntityName::new(self.has_system(&name.system)?, &name.name.value);
        self.wants(&entity.system);
        let system = &self.declared.systems[&entity.system];
        if system.lock.entities.contains_key(&entity.entity) {
            return Some(entity);
        }
        if self.declared.unknown.contains(&entity.system) || self.declared.unparsed_names.contains(&entity.to_string())
        {
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
        self.report(problem);
        near.filter(|near| !others.contains(near)).map(|near| EntityName::new(entity.system, near))
    }

    /// E0101: the field or link of an entity, or a message with the nearest name.
    pub(crate) fn no_field(&mut self, entity: &EntityName, name: &Name) {
        let Some(lock) = self.declared.entity(entity) else { return };
        let near =
            nearest(&name.value, lock.fields.keys().chain(lock.links.keys()).map(String::as_str)).map(str::to_owned);
        let system = &self.declared.systems[&entity.system];
        // An `entity` item may add to a system that has a lock; only what stands in the lock comes from it.
        let pulled = system.lock.lines.contains_key(&format!("entities.{}", entity.entity));
        let source = match self.declared.lock_paths.get(&entity.system).filter(|_| pulled) {
            Some(path) => format!("{entity} comes from {path}, pulled {}", system.lock.pulled),
            None => format!("{entity} is declared in the rules"),
        };
        if lock.links.contains_key(&name.value) {
            let message = format!("{entity}.{} is a link and holds no value", name.value);
            let problem = Problem::new(Code::E0101, message, name.span, "leads to a record");
            let fields = lock.fields.keys().map(String::as_str).filter(|field| *field != "engine_link_id");
            let fields: Vec<&str> = fields.collect();
            let help = format!("name a field of {entity}: {}", fields.join(", "));
            self.report(problem.help(help));
            return;
        }
        // `PlanFacts.probability` is a natural way to write what is `PlanFacts[plan].probability`.
        if let Some(table) = self.declared.vocabulary.tables.iter().find(|table| table.name == name.value) {
            let column = table.columns.first().map_or("column", String::as_str);
            let help = format!("write `{}[field].{column}`, the field whose value is a key of the table", name.value);
            let message = format!("a row of the table {} is looked up by its key", name.value);
            self.report(Problem::new(Code::E0101, message, name.span, "a table, and no field").help(help));
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
            None if NOTHING.contains(&name.value.to_lowercase().as_str()) => problem.help(
                "no value is `empty`; behind `else`, `clear` empties the field, `keep` leaves it as it is and `skip` \
                 leaves the record out",
            ),
            None => {
                let known: Vec<&str> = lock.fields.keys().chain(lock.links.keys()).map(String::as_str).collect();
                problem.help(format!("it has: {}\n{source}", known.join(", ")))
            }
        };
        self.report(problem);
    }

    /// E0207: a field that the system or the engine keeps.
    pub(crate) fn own_field(&mut self, entity: &EntityName, span: Span, help: &str) {
        let name = self.declared.text(span).rsplit('.').next().unwrap_or_default().trim_matches('`').to_owned();
        let (who, label) = if name == "engine_link_id" {
            ("the engine", "not for rules")
        } else {
            (self.declared.product(&entity.system), "cannot be written")
        };
        let problem = Problem::new(Code::E0207, format!("{who} sets {entity}.{name} itself"), span, label);
        self.report(problem.help(help));
    }

    /// E0106.
    pub(crate) fn no_such<'n>(&mut self, what: Named, name: &Name, known: impl Iterator<Item = &'n str>) {
        if self.declared.unparsed_names.contains(&name.value) {
            return;
        }
        let known: Vec<&str> = known.collect();
        let near = nearest(&name.value, known.iter().copied()).map(str::to_owned);
        // Of an item, it may be the declaration that is misspelt.
        if what.is_item() && self.findings.told_before(Unresolved::Name(what, name.value.clone()), name.span) {
            return;
        }
        let mut problem =
            Problem::new(Code::E0106, format!("there is no {what} `{}`", name.value), name.span, "not known here");
        problem = match near {
            Some(near) => {
                // It is used, under a misspelt name.
                self.findings.mentioned.insert(near.clone());
                suggest(problem, Some(near), name.span)
            }
            None if known.is_empty() => problem,
            None => problem.help(format!("there are: {}", known.join(", "))),
        };
        self.report(problem);
    }

    /// The index of a sync, or E0106.
    pub(crate) fn has_sync(&mut self, name: &Name) -> Option<usize> {
        let index = self.declared.sync_index(&name.value);
        if index.is_none() {
            self.no_such(Named::Sync, name, self.declared.sync_names());
        }
        index
    }

    /// The index of a workflow, or E0106.
    pub(crate) fn has_workflow(&mut self, name: &Name) -> Option<usize> {
        let index = self.declared.workflow_index(&name.value);
        if index.is_none() {
            self.no_such(Named::Workflow, name, self.declared.workflow_names());
        }
        index
    }

    /// E0108 for a quoted text that is no word of the choice; a system's spelling is answered with its word.
    pub(crate) fn no_word(&mut self, choice: usize, field: &str, text: &str, span: Span) {
        let words = &self.declared.vocabulary.choices[choice].words;
        let spelled = words.iter().find(|word| word.spelled.values().any(|spelling| spelling == text));
        if let Some(word) = spelled.map(|word| word.word.clone()) {
            let message =
                format!("`{text}` is a spelling, and no word of {}", self.declared.vocabulary.choices[choice].name);
            let problem = Problem::new(Code::E0108, message, span, format!("how a system spells `{word}`"))
                .help(format!("write `{word}`"))
                .fix(format!("write `{word}`"), true, vec![(span, word)]);
            self.report(problem);
            return;
        }
        let words: Vec<String> = words.iter().map(|word| word.word.clone()).collect();
        self.no_option(field, text, span, &words);
    }

    pub(crate) fn no_option(&mut self, name: &str, word: &str, span: Span, options: &[String]) {
        if self.declared.unparsed_names.contains(word) || self.declared.may_be_torn(word, options) {
            return;
        }
        let near = nearest(word, options.iter().map(String::as_str)).map(str::to_owned);
        let unresolved = || Unresolved::Option(options.to_vec(), word.to_owned());
        if near.is_none() && self.findings.told_before(unresolved(), span) {
            return;
        }
        let mut problem = Problem::new(Code::E0108, format!("{name} has no option `{word}`"), span, "not an option");
        problem = match near {
            Some(near) => {
                let quoted = self.declared.text(span).starts_with('"');
                let text = if quoted { format!("\"{near}\"") } else { near.clone() };
                problem.help(format!("did you mean `{near}`?")).fix(format!("write {text}"), true, vec![(span, text)])
            }
            None => problem.help(format!("its options are: {}", options.join(", "))),
        };
        self.report(problem);
    }
}
