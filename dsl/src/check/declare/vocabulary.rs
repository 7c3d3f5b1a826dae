//! Choices and tables: the words of the business, how systems spell them, and what follows from a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{self, Expr, ExprKind, Item, ItemKind, Path};
use crate::check::declare::Declaring;
use crate::check::facts::phrases::{a_thing, list, suggest};
use crate::check::facts::types::type_name;
use crate::diagnostic::{Code, Problem};
use crate::program::{Choice, Table, Word};
use crate::schema::{EntityName, Field, Type};
use crate::source::{FileId, Span};
use crate::suggest::nearest;
use crate::value::Value;

impl Declaring<'_> {
    /// Reads choices and tables. Was there nothing to say of them?
    pub(crate) fn vocabulary(&mut self, items: &[(FileId, Arc<Item>)]) -> bool {
        let before = self.findings.problems.len();
        let mut choices: Vec<&ast::Choice> = Vec::new();
        let mut tables: Vec<&ast::Table> = Vec::new();
        for (_, item) in items {
            match &item.kind {
                ItemKind::Choice(choice) => choices.push(choice),
                ItemKind::Table(table) => tables.push(table),
                _ => {}
            }
        }
        let as_written = choices.clone();
        choices.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        tables.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        for choice in choices {
            self.choice(choice);
        }
        let mut claims = BTreeMap::new();
        for choice in as_written {
            self.claims(choice, &mut claims);
        }
        for table in tables {
            self.table(table);
        }
        self.findings.problems.len() == before
    }

    /// `system.Entity.field` of an enumeration.
    fn field_path(&mut self, path: &Path) -> Option<(EntityName, String, Field)> {
        let [system, entity, field] = path.names.as_slice() else {
            let problem =
                Problem::new(Code::E0101, "a field is named in full here", path.span, "not system.Entity.field");
            self.report(problem.help("write it as `crm.Deal.dealstage`"));
            return None;
        };
        let name = ast::Qualified { system: system.clone(), name: entity.clone(), span: system.span.to(entity.span) };
        let entity = self.checker().has_entity(&name)?;
        match self.declared.entity(&entity).and_then(|e| e.fields.get(&field.value)).cloned() {
            Some(found) => Some((entity, field.value.clone(), found)),
            None => {
                self.checker().no_field(&entity, field);
                let meant = self.declared.meant_field(&entity, field)?;
                let found = self.declared.field(&entity, &meant)?.clone();
                Some((entity, meant, found))
            }
        }
    }

    fn choice(&mut self, choice: &ast::Choice) {
        let mut words: Vec<Word> = Vec::new();
        let mut spans: BTreeMap<String, Span> = BTreeMap::new();
        for row in &choice.rows {
            if let Some(first) = spans.insert(row.word.value.clone(), row.word.span) {
                let problem = Problem::new(
                    Code::E0103,
                    format!("the word `{}` stands twice in {}", row.word.value, choice.name.value),
                    row.word.span,
                    "again here",
                );
                self.report(problem.label(first, "first here").help("remove one of the two rows"));
                continue;
            }
            let mut spelled = BTreeMap::new();
            for (system, text, _) in &row.spelled {
                let Some(system) = self.checker().has_system(system) else { continue };
                if let Some(first) = spelled.insert(system.clone(), text.value.clone()) {
                    let message = format!("`{}` is spelled twice in {system}", row.word.value);
                    let first = format!("\"{first}\" stands before it");
                    let problem = Problem::new(Code::E0103, message, text.span, first);
                    self.report(problem.help("a word has one spelling in each system: remove one of them"));
                }
            }
            let label = row.label.as_ref().map_or_else(|| row.word.value.clone(), |label| label.value.clone());
            let word = self.meant_word(choice, row).unwrap_or_else(|| row.word.value.clone());
            Arc::make_mut(&mut self.declared.vocabulary.word_spans)
                .insert((self.declared.vocabulary.choices.len(), word.clone()), row.word.span);
            words.push(Word { word, label, spelled, is_final: row.is_final });
        }
        Arc::make_mut(&mut self.declared.vocabulary.ordered).push(choice.ordered);
        if !choice.unread.is_empty() {
            Arc::make_mut(&mut self.declared.vocabulary.torn)
                .push(words.iter().map(|word: &Word| word.word.clone()).collect());
        }
        Arc::make_mut(&mut self.declared.vocabulary.choices).push(Choice { name: choice.name.value.clone(), words });
    }

    /// A word that a field does not have, though it has one much like it that no row is for: that one is meant.
    fn meant_word(&self, choice: &ast::Choice, row: &ast::ChoiceRow) -> Option<String> {
        choice.fields.iter().find_map(|path| {
            let [system, entity, field] = path.names.as_slice() else { return None };
            if row.spelled.iter().any(|(other, ..)| other.value == system.value) {
                return None;
            }
            let declared = self.declared.field(&EntityName::new(&system.value, &entity.value), &field.value)?;
            if declared.options.is_empty() || declared.options.contains(&row.word.value) {
                return None;
            }
            let near = nearest(&row.word.value, declared.options.iter().map(String::as_str))?;
            let taken = choice.rows.iter().any(|other| other.word.value == near);
            (!taken).then(|| near.to_owned())
        })
    }

    /// The fields that take the words of a choice. The first choice that claims a field has it.
    fn claims(&mut self, choice: &ast::Choice, claims: &mut BTreeMap<(EntityName, String), Span>) {
        // They stand in the order of their names.
        let by_name = self.declared.vocabulary.choices.binary_search_by(|other| other.name.cmp(&choice.name.value));
        let Ok(index) = by_name else { return };
        for path in &choice.fields {
            let Some((entity, field, declared)) = self.field_path(path) else { continue };
            let claim = (entity.clone(), field.clone());
            if let (Some(other), Some(first)) = (self.declared.vocabulary.choice_of.get(&claim), claims.get(&claim)) {
                let other = self.declared.vocabulary.choices[*other].name.clone();
                let problem = if other == choice.name.value {
                    Problem::new(Code::E0103, format!("{other} names {entity}.{field} twice"), path.span, "again here")
                        .label(*first, "first here")
                        .help("remove one of them")
                } else {
                    Problem::new(Code::E0214, format!("two choices claim {entity}.{field}"), path.span, "claims it too")
                        .label(*first, format!("{other} claims it"))
                        .help("name the field in one of them only")
                };
                self.report(problem);
                continue;
            }
            claims.insert(claim.clone(), path.span);
            let one = match &declared.ty {
                Type::List(one) => one,
                one => one,
            };
            if !matches!(one, Type::Enum | Type::Text) {
                let message = format!("{entity}.{field} takes no words");
                let ty = type_name(&declared.ty);
                let problem = Problem::new(Code::E0201, message, path.span, ty);
                self.report(problem.help("name fields of type `enum` or `text`, or lists of them, or remove this one"));
                continue;
            }
            Arc::make_mut(&mut self.declared.vocabulary.choice_of).insert(claim, index);
            self.spellings(choice, index, &entity, &field, &declared);
        }
    }

    fn spellings(&mut self, choice: &ast::Choice, index: usize, entity: &EntityName, field: &str, declared: &Field) {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let system = entity.system.clone();
        let mut words: BTreeSet<&str> = BTreeSet::new();
        for row in &choice.rows {
            // A word that stands twice was told of.
            if !words.insert(&row.word.value) {
                continue;
            }
            let Some(word) = self.declared.vocabulary.choices[index].row(&row.word.value).cloned() else {
                self.misspelt_word(entity, field, row, declared);
                continue;
            };
            let spelling = word.spelling(&system).to_owned();
            let span = row.spelled.iter().find(|(s, ..)| s.value == system).map_or(row.word.span, |(_, _, span)| *span);
            if let Some(first) = seen.insert(spelling.clone(), span) {
                let options: Vec<String> = declared.options.iter().map(|o| format!("\"{o}\"")).collect();
                let all: BTreeSet<String> = self.declared.vocabulary.choices[index]
                    .words
                    .iter()
                    .map(|w| w.spelling(&system).to_owned())
                    .collect();
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
                    Code::E0213,
                    format!("two rows are spelled \"{spelling}\" in {system}"),
                    first,
                    format!("{} in \"{spelling}\" could be this …", a_thing(&entity.entity)),
                )
                .label(span, "… or this")
                .help(help);
                // A choice may serve several fields of a system; what is wrong with a row is the same for each.
                if !self.findings.problems.iter().any(|p| p.code == Code::E0213 && p.span() == first) {
                    self.report(problem);
                }
            } else if !declared.options.is_empty() && !declared.options.contains(&spelling) {
                let near = nearest(&spelling, declared.options.iter().map(String::as_str)).map(str::to_owned);
                let mut problem = Problem::new(
                    Code::E0108,
                    format!("{entity}.{field} has no option \"{spelling}\""),
                    span,
                    format!("`{}` is spelled like this in {system}", row.word.value),
                );
                problem = match near {
                    Some(near) => problem.help(format!("did you mean `in {system} \"{near}\"`?")),
                    None => problem.help(format!("its options are: {}", declared.options.join(", "))),
                };
                if !self.findings.problems.iter().any(|p| p.code == Code::E0108 && p.span() == span) {
                    self.report(problem);
                }
            }
        }
    }

    /// E0108 for a word for which another one stands, see [`Self::meant_word`].
    fn misspelt_word(&mut self, entity: &EntityName, field: &str, row: &ast::ChoiceRow, declared: &Field) {
        let own = row.spelled.iter().any(|(system, ..)| system.value == entity.system);
        if own
            || declared.options.contains(&row.word.value)
            || self.findings.problems.iter().any(|p| p.span() == row.word.span)
        {
            return;
        }
        self.checker().no_option(&format!("{entity}.{field}"), &row.word.value, row.word.span, &declared.options);
    }

    fn table(&mut self, table: &ast::Table) {
        let found = self.field_path(&table.by);
        let (entity, field, declared) = match found {
            Some(found) => found,
            None => {
                let any = Field::of(Type::Text);
                (EntityName::new("", ""), String::new(), any)
            }
        };
        let choice = self.declared.choice_of(&entity, &field);
        let mut rows: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
        let mut spans: BTreeMap<Value, Span> = BTreeMap::new();
        let mut names: BTreeMap<&str, Span> = BTreeMap::new();
        for column in &table.columns {
            if let Some(first) = names.insert(&column.value, column.span) {
                let message = format!("{} has two columns `{}`", table.name.value, column.value);
                let problem = Problem::new(Code::E0103, message, column.span, "again here");
                self.report(problem.label(first, "first here").help("give one of them another name"));
            }
        }
        for row in &table.rows {
            if row.cells.len() != table.columns.len() {
                let problem = Problem::new(
                    Code::E0212,
                    format!("this row has {} cells, the table has {} columns", row.cells.len(), table.columns.len()),
                    row.span,
                    "this row",
                );
                self.report(problem.help("write one cell for each column, with `|` between them"));
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
                    let problem = Problem::new(Code::E0212, message, row.cells[0].span, "another type");
                    self.report(problem.help(format!("write {}", type_name(&declared.ty))));
                    key
                }
            };
            if let Value::Text(word) = &key {
                let known = match choice {
                    Some(choice) => self.declared.vocabulary.choices[choice].row(word).is_some(),
                    None => declared.options.is_empty() || declared.options.contains(word),
                };
                let options: Vec<String> = match choice {
                    _ if known => Vec::new(),
                    Some(choice) => self.declared.words(choice),
                    None => declared.options.clone(),
                };
                if !known && !self.declared.may_be_torn(word, &options) {
                    let near = nearest(word, options.iter().map(String::as_str)).map(str::to_owned);
                    let mut problem = Problem::new(
                        Code::E0108,
                        format!("{entity}.{field} has no option `{word}`"),
                        row.cells[0].span,
                        "not an option",
                    );
                    problem = match &near {
                        Some(_) => suggest(problem, near.clone(), row.cells[0].span),
                        None => problem.help(format!("its options are: {}", options.join(", "))),
                    };
                    self.report(problem);
                    // It answers for the one that is meant.
                    if let Some(near) = near {
                        rows.entry(Value::text(near)).or_insert(cells);
                        continue;
                    }
                }
            }
            if let Some(first) = spans.insert(key.clone(), row.cells[0].span) {
                let problem =
                    Problem::new(Code::E0211, format!("the table has `{key}` twice"), row.cells[0].span, "again here");
                self.report(problem.label(first, "first here").help("remove one of the two rows"));
            }
            rows.insert(key, cells);
        }
        // A column holds one type, so that what reads it knows what it gets.
        let mut usuals: Vec<ast::Expr> =
            table.rows.first().and_then(|row| row.cells.first()).cloned().into_iter().collect();
        for column in 1..table.columns.len() {
            let whole = || table.rows.iter().filter(|row| row.cells.len() == table.columns.len());
            let cells: Vec<&ast::Expr> = whole().map(|row| &row.cells[column]).collect();
            // What most rows have; of two kinds that are as frequent, the first one.
            let mut kinds: Vec<(&ast::Expr, usize)> = Vec::new();
            for cell in &cells {
                let same = |(of, _): &&mut (&ast::Expr, usize)| {
                    std::mem::discriminant(&of.kind) == std::mem::discriminant(&cell.kind)
                };
                match kinds.iter_mut().find(same) {
                    Some((_, count)) => *count += 1,
                    None => kinds.push((cell, 1)),
                }
            }
            let Some((usual, _)) = kinds.iter().rev().max_by_key(|(_, count)| *count) else { continue };
            usuals.push((*usual).clone());
            let other =
                cells.iter().find(|cell| std::mem::discriminant(&cell.kind) != std::mem::discriminant(&usual.kind));
            if let Some(other) = other {
                let problem = Problem::new(
                    Code::E0212,
                    format!("this cell of `{}` has another type", table.columns[column].value),
                    other.span,
                    "here",
                );
                let first = whole().next().is_some_and(|row| row.cells[column].span == usual.span);
                let label = if first { "the first row has this" } else { "most rows have this" };
                self.report(problem.label(usual.span, label).help("write the same kind of value in every row"));
            }
        }
        let all: Vec<String> = match choice {
            Some(choice) => self.declared.words(choice),
            None => declared.options.clone(),
        };
        let missing: Vec<String> = all.into_iter().filter(|o| !rows.contains_key(&Value::text(o.as_str()))).collect();
        if !missing.is_empty() && !table.rows.is_empty() && table.unread.is_empty() {
            let problem = Problem::new(
                Code::E0210,
                format!("the table leaves out {}", list(&missing)),
                table.name.span,
                format!("{entity}.{field} can have it"),
            );
            self.report(problem.help(format!("add a row for {}", list(&missing))));
        }
        Arc::make_mut(&mut self.declared.vocabulary.tables).push(Table {
            name: table.name.value.clone(),
            columns: table.columns.iter().skip(1).map(|c| c.value.clone()).collect(),
            rows,
        });
        Arc::make_mut(&mut self.declared.vocabulary.table_by).push((entity, field));
        if usuals.len() == table.columns.len() {
            Arc::make_mut(&mut self.declared.vocabulary.table_cells).insert(table.name.value.clone(), usuals);
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
