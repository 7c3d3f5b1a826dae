//! Choices and tables: the words of the business, how systems spell them, and what follows from a value.

use std::collections::{BTreeMap, BTreeSet};

use super::words::{a_thing, list};
use super::world::World;
use crate::ast::{self, Expr, ExprKind, Item, ItemKind, Path};
use crate::diagnostic::Problem;
use crate::near::nearest;
use crate::program::{Choice, Table, Word};
use crate::schema::{EntityName, Field, Type};
use crate::source::{FileId, Span};
use crate::value::Value;

impl World<'_> {
    pub(super) fn vocabulary(&mut self, items: &[(FileId, Item)]) {
        let mut choices: Vec<&ast::Choice> = Vec::new();
        let mut tables: Vec<&ast::Table> = Vec::new();
        for (_, item) in items {
            match &item.kind {
                ItemKind::Choice(choice) => choices.push(choice),
                ItemKind::Table(table) => tables.push(table),
                _ => {}
            }
        }
        choices.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        tables.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        for choice in choices {
            self.choice(choice);
        }
        for table in tables {
            self.table(table);
        }
    }

    /// `system.Entity.field` of an enumeration.
    fn field_path(&mut self, path: &Path) -> Option<(EntityName, String, Field)> {
        let [system, entity, field] = path.names.as_slice() else {
            let problem = Problem::new("E0101", "a field is named in full here", path.span, "not system.Entity.field");
            self.tell(problem.help("write it as `crm.Deal.dealstage`"));
            return None;
        };
        let name = ast::Qualified { system: system.clone(), name: entity.clone(), span: system.span.to(entity.span) };
        let entity = self.has_entity(&name)?;
        match self.entity(&entity).and_then(|e| e.fields.get(&field.value)).cloned() {
            Some(found) => Some((entity, field.value.clone(), found)),
            None => {
                self.no_field(&entity, field);
                None
            }
        }
    }

    fn choice(&mut self, choice: &ast::Choice) {
        let index = self.choices.len();
        let mut words: Vec<Word> = Vec::new();
        let mut spans: BTreeMap<String, Span> = BTreeMap::new();
        for row in &choice.rows {
            if let Some(first) = spans.insert(row.word.value.clone(), row.word.span) {
                let problem = Problem::new(
                    "E0103",
                    format!("the word `{}` stands twice in {}", row.word.value, choice.name.value),
                    row.word.span,
                    "again here",
                );
                self.tell(problem.label(first, "first here").help("remove one of the two rows"));
                continue;
            }
            let mut spelled = BTreeMap::new();
            for (system, text, _) in &row.spelled {
                if self.has_system(system) {
                    spelled.insert(system.value.clone(), text.value.clone());
                }
            }
            let label = row.label.as_ref().map_or_else(|| row.word.value.clone(), |label| label.value.clone());
            words.push(Word { word: row.word.value.clone(), label, spelled, is_final: row.is_final });
        }
        self.ordered.push(choice.ordered);
        self.choices.push(Choice { name: choice.name.value.clone(), words });
        for path in &choice.fields {
            let Some((entity, field, declared)) = self.field_path(path) else { continue };
            if let Some(other) = self.choice_of.insert((entity.clone(), field.clone()), index)
                && other != index
            {
                let problem = Problem::new(
                    "E0214",
                    format!("two choices claim {entity}.{field}"),
                    path.span,
                    format!("{} claims it too", self.choices[other].name),
                );
                self.tell(problem.help("name the field in one of them only"));
            }
            self.spellings(choice, index, path, &entity, &field, &declared);
        }
    }

    fn spellings(
        &mut self,
        choice: &ast::Choice,
        index: usize,
        path: &Path,
        entity: &EntityName,
        field: &str,
        declared: &Field,
    ) {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let system = entity.system.clone();
        let mut used = BTreeSet::new();
        for row in &choice.rows {
            let Some(word) = self.choices[index].row(&row.word.value).cloned() else { continue };
            let spelling = word.spelling(&system).to_owned();
            let span = row.spelled.iter().find(|(s, ..)| s.value == system).map_or(row.word.span, |(_, _, span)| *span);
            used.insert(spelling.clone());
            if let Some(first) = seen.insert(spelling.clone(), span) {
                let options: Vec<String> = declared.options.iter().map(|o| format!("\"{o}\"")).collect();
                let all: BTreeSet<String> =
                    self.choices[index].words.iter().map(|w| w.spelling(&system).to_owned()).collect();
                let unspelled: Vec<String> =
                    declared.options.iter().filter(|o| !all.contains(*o)).map(|o| format!("\"{o}\"")).collect();
                let mut help = "give each row its own spelling.".to_owned();
                if !options.is_empty() {
                    help.push_str(&format!(" {entity}.{field} has {}", list(&options)));
                    if !unspelled.is_empty() {
                        help.push_str(&format!(", and no row is spelled {}", list(&unspelled)));
                    }
                }
                let problem = Problem::new(
                    "E0213",
                    format!("two rows are spelled \"{spelling}\" in {system}"),
                    first,
                    format!("{} in \"{spelling}\" could be this …", a_thing(&entity.entity)),
                )
                .label(span, "… or this")
                .help(help);
                if !self.problems.iter().any(|p| p.code == "E0213" && p.span() == first) {
                    self.tell(problem);
                }
            } else if !declared.options.is_empty() && !declared.options.contains(&spelling) {
                let near = nearest(&spelling, declared.options.iter().map(String::as_str)).map(str::to_owned);
                let mut problem = Problem::new(
                    "E0108",
                    format!("{entity}.{field} has no option \"{spelling}\""),
                    span,
                    format!("`{}` is spelled like this in {system}", row.word.value),
                );
                problem = match near {
                    Some(near) => problem.help(format!("did you mean `in {system} \"{near}\"`?")),
                    None => problem.help(format!("its options are: {}", declared.options.join(", "))),
                };
                if !self.problems.iter().any(|p| p.code == "E0108" && p.span() == span) {
                    self.tell(problem);
                }
            }
        }
        let _ = (path, used);
    }

    fn table(&mut self, table: &ast::Table) {
        let found = self.field_path(&table.by);
        let (entity, field, declared) = match found {
            Some(found) => found,
            None => {
                let any = Field {
                    ty: Type::Text,
                    options: Vec::new(),
                    optional: false,
                    unique: false,
                    read_only: false,
                    custom: false,
                    protect: false,
                };
                (EntityName::new("", ""), String::new(), any)
            }
        };
        let choice = self.choice_of.get(&(entity.clone(), field.clone())).copied();
        let mut rows: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
        let mut spans: BTreeMap<Value, Span> = BTreeMap::new();
        for row in &table.rows {
            if row.cells.len() != table.columns.len() {
                let problem = Problem::new(
                    "E0212",
                    format!("this row has {} cells, the table has {} columns", row.cells.len(), table.columns.len()),
                    row.span,
                    "this row",
                );
                self.tell(problem.help("write one cell for each column, with `|` between them"));
                // It still answers for its key.
                rows.entry(row.cells.first().map(literal).unwrap_or_default()).or_default();
                continue;
            }
            let mut cells: Vec<Value> = row.cells.iter().map(literal).collect();
            let key = cells.remove(0);
            let key = match crate::eval::coerce(key.clone(), &declared) {
                Ok(key) if holds(&declared.ty, &key) => key,
                _ => {
                    let message = format!("this key is no value of {entity}.{field}");
                    let problem = Problem::new("E0212", message, row.cells[0].span, "another type");
                    self.tell(problem.help(format!("write {}", super::types::type_name(&declared.ty))));
                    key
                }
            };
            if let Value::Text(word) = &key {
                let known = match choice {
                    Some(choice) => self.choices[choice].row(word).is_some(),
                    None => declared.options.is_empty() || declared.options.contains(word),
                };
                if !known {
                    let options: Vec<&str> = match choice {
                        Some(choice) => self.choices[choice].words.iter().map(|w| w.word.as_str()).collect(),
                        None => declared.options.iter().map(String::as_str).collect(),
                    };
                    let near = nearest(word, options.iter().copied()).map(str::to_owned);
                    let mut problem = Problem::new(
                        "E0108",
                        format!("{entity}.{field} has no option `{word}`"),
                        row.cells[0].span,
                        "not an option",
                    );
                    problem = match near {
                        Some(near) => super::names::suggest(problem, Some(near), row.cells[0].span),
                        None => problem.help(format!("its options are: {}", options.join(", "))),
                    };
                    self.tell(problem);
                }
            }
            if let Some(first) = spans.insert(key.clone(), row.cells[0].span) {
                let problem =
                    Problem::new("E0211", format!("the table has `{key}` twice"), row.cells[0].span, "again here");
                self.tell(problem.label(first, "first here").help("remove one of the two rows"));
            }
            rows.insert(key, cells);
        }
        // A column holds one type, so that what reads it knows what it gets.
        for column in 1..table.columns.len() {
            let mut kind: Option<(std::mem::Discriminant<ExprKind>, Span)> = None;
            for row in table.rows.iter().filter(|r| r.cells.len() == table.columns.len()) {
                let cell = &row.cells[column];
                let this = std::mem::discriminant(&cell.kind);
                match kind {
                    Some((first, span)) if first != this => {
                        let problem = Problem::new(
                            "E0212",
                            format!("this cell of `{}` has another type", table.columns[column].value),
                            cell.span,
                            "here",
                        );
                        self.tell(
                            problem
                                .label(span, "the first row has this")
                                .help("write the same kind of value in every row"),
                        );
                        break;
                    }
                    Some(_) => {}
                    None => kind = Some((this, cell.span)),
                }
            }
        }
        let all: Vec<String> = match choice {
            Some(choice) => self.choices[choice].words.iter().map(|w| w.word.clone()).collect(),
            None => declared.options.clone(),
        };
        let missing: Vec<String> = all.into_iter().filter(|o| !rows.contains_key(&Value::text(o.as_str()))).collect();
        if !missing.is_empty() && !table.rows.is_empty() {
            let problem = Problem::new(
                "E0210",
                format!("the table leaves out {}", list(&missing)),
                table.name.span,
                format!("{entity}.{field} can have it"),
            );
            self.tell(problem.help(format!("add a row for {}", list(&missing))));
        }
        self.tables.push(Table {
            name: table.name.value.clone(),
            columns: table.columns.iter().skip(1).map(|c| c.value.clone()).collect(),
            rows,
        });
        self.table_by.push((entity, field));
        if let Some(first) = table.rows.first() {
            self.table_cells.insert(table.name.value.clone(), first.cells.clone());
        }
    }
}

/// Is the value one that a field of this type can hold?
fn holds(ty: &Type, value: &Value) -> bool {
    match ty {
        Type::Text | Type::Enum => matches!(value, Value::Text(_)),
        Type::Integer => matches!(value, Value::Integer(_)),
        Type::Number | Type::Money | Type::Percent => matches!(value, Value::Decimal(_)),
        Type::Flag => matches!(value, Value::Flag(_)),
        Type::Date | Type::Time | Type::Record | Type::List(_) => false,
    }
}

/// A cell's value; a bare word is a word of a choice.
fn literal(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Text(parts) => match parts.as_slice() {
            [] => Value::Empty,
            [ast::TextPart::Chars(text)] => Value::text(text.as_str()),
            _ => Value::Empty,
        },
        ExprKind::Number(n) | ExprKind::Percent(n) => Value::decimal(*n),
        ExprKind::Flag(yes) => Value::Flag(*yes),
        ExprKind::Path(path) => Value::text(path.names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(".")),
        _ => Value::Empty,
    }
}
