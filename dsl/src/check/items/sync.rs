//! `sync`: directions, types of both sides, round trips, policies, keys and what a new record needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{self, Arrow, ExprKind, Item};
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::{By, Named, Writer};
use crate::check::facts::phrases;
use crate::check::facts::typed::{Expected, Names, Var, present};
use crate::check::facts::types::{fits, type_name};
use crate::diagnostic::{Code, Problem};
use crate::program::{Direction, Expr, Mapping, MappingKind, Outcome, Policy, Side, Sync};
use crate::schema::{EntityName, Field};
use crate::source::{Span, Spanned};

/// Was a line that begins with this word not understood?
pub(crate) fn unread(sync: &ast::Sync, word: &str) -> bool {
    sync.unread.iter().any(|line| line.value == word)
}

impl Checker<'_> {
    pub(crate) fn sync(&mut self, sync: &ast::Sync, item: &Item) {
        let (Some(left), Some(right)) = (self.has_entity(&sync.left), self.has_entity(&sync.right)) else { return };
        if left.system == right.system {
            let message = format!("both sides of this sync are of {}", left.system);
            let problem = Problem::new(Code::E0301, message, sync.right.span, "there is nothing to keep in step");
            self.report(
                problem.label(sync.left.span, "the other side").help("name two systems: `between app.X and crm.Y`"),
            );
            self.findings.suppressed.insert(sync.name.value.clone());
            return;
        }
        let meant = self.two_way_after_all(sync);
        let sync = meant.as_ref().unwrap_or(sync);
        let side_of = |name: &ast::Name| {
            if name.value == left.system {
                Some(Side::Left)
            } else if name.value == right.system {
                Some(Side::Right)
            } else {
                None
            }
        };
        let mut built = Sync {
            name: sync.name.value.clone(),
            left: left.clone(),
            right: right.clone(),
            run: self.run(sync),
            sweep: self.sweep(sync),
            priority: sync.priority.as_ref().map_or(ast::Priority::Medium, |p| p.value),
            keys: Vec::new(),
            create: BTreeSet::new(),
            on_delete: BTreeMap::new(),
            only: None,
            fields: Vec::new(),
            place: self.declared.place(item.span),
        };
        for key in &sync.keys {
            let mut sound = true;
            for (entity, name) in [(&left, &key.left), (&right, &key.right)] {
                if name.value == "engine_link_id" {
                    self.own_field(entity, name.span, "remove this key: the engine uses it where there is no other");
                    sound = false;
                } else if self.declared.entity(entity).is_some_and(|e| e.fields.contains_key(&name.value)) {
                    self.findings.uses_field(entity, &name.value);
                } else {
                    // A key that is written once for both sides is one mistake.
                    if sound || key.left.span != key.right.span {
                        self.no_field(entity, name);
                    }
                    sound = false;
                }
            }
            if sound {
                self.key_types(&left, &right, key);
                built.keys.push((key.left.value.clone(), key.right.value.clone()));
            }
        }
        if let Some(create) = &sync.create {
            match (create.value.as_str(), side_of(create)) {
                ("both", _) => built.create.extend([Side::Left, Side::Right]),
                (_, Some(side)) => {
                    built.create.insert(side);
                }
                _ => {
                    self.no_such(
                        Named::Side,
                        create,
                        [left.system.as_str(), right.system.as_str(), "both"].into_iter(),
                    );
                    self.findings.suppressed.insert(sync.name.value.clone());
                }
            }
        }
        if let (false, Some(create), true) = (sync.two_way, &sync.create, built.create.contains(&Side::Left)) {
            let message = format!("this sync goes from {} to {}, and makes records in {0}", left.system, right.system);
            let problem = Problem::new(Code::E0301, message, create.span, "against the header");
            let help = format!("write `create missing in {}`, or `sync … between … and …`", right.system);
            self.report(problem.help(help));
            built.create.remove(&Side::Left);
            self.findings.suppressed.insert(sync.name.value.clone());
        }
        for (system, what) in &sync.on_delete {
            match side_of(system) {
                Some(Side::Right) if !sync.two_way && what.value == ast::OnDelete::Archive => {
                    let message = format!(
                        "this sync goes from {} to {}, and this archives records in {0}",
                        left.system, right.system
                    );
                    let problem = Problem::new(Code::E0301, message, what.span, "against the header");
                    self.report(problem.help("write `keep` or `review`, or `sync … between … and …`"));
                }
                Some(side) => {
                    built.on_delete.insert(side, what.value);
                }
                None => self.no_such(Named::Side, system, [left.system.as_str(), right.system.as_str()].into_iter()),
            }
        }
        let names = Names {
            vars: BTreeMap::new(),
            bare: Some(("left".to_owned(), left.clone())),
            sides: vec![("left".to_owned(), left.clone()), ("right".to_owned(), right.clone())],
            ..Names::default()
        };
        let before = self.findings.problems.len();
        built.only = sync
            .only
            .iter()
            .map(|expr| self.condition(&names, expr))
            .reduce(|a, b| Expr::And(Box::new(a), Box::new(b)));
        // What was not understood may be what keeps this sync and others apart.
        if self.findings.problems.len() > before {
            self.findings.suppressed.insert(sync.name.value.clone());
        }
        if let (Some(create), true) = (&sync.create, sync.keys.is_empty() && !unread(sync, "match")) {
            self.keyless(&left, &right, create.span);
        }
        for mapping in &sync.mappings {
            if let Some(mapping) = self.mapping(sync, &built, mapping) {
                built.fields.push(mapping);
            }
        }
        // Behind the lines, of which one may fill in a key; before `create_needs`, for which it counts as given.
        self.implicit(&mut built, sync);
        self.create_needs(sync, &built, item);
        self.findings.syncs.insert(built.name.clone(), Arc::new(built));
    }

    /// E0503 for a sync that makes records and cannot tell which are there already.
    fn keyless(&mut self, left: &EntityName, right: &EntityName, span: Span) {
        let same = self.declared.entity(left).and_then(|lock| {
            let theirs = self.declared.entity(right)?;
            let both = |name: &&String| {
                let unique = |fields: &BTreeMap<String, Field>| fields.get(*name).is_some_and(|field| field.unique);
                name.as_str() != "id" && (unique(&lock.fields) || unique(&theirs.fields))
            };
            lock.fields.keys().filter(|name| theirs.fields.contains_key(*name)).find(both).cloned()
        });
        let message = "nothing says which records are the same, so every one would be made anew";
        let problem =
            Problem::new(Code::E0503, message, span, format!("what {left} and {right} have in common is not said"));
        let help = match same {
            Some(name) => format!("add `match by {name}`"),
            None => "add `match by left = right`, with a field of each side".to_owned(),
        };
        self.report(problem.help(help));
    }

    /// E0201 for a pair of keys that can never be equal.
    fn key_types(&mut self, left: &EntityName, right: &EntityName, key: &ast::MatchKey) {
        let ty = |entity, name: &ast::Name| self.declared.field(entity, &name.value).map(|f| f.ty.clone());
        let (Some(a), Some(b)) = (ty(left, &key.left), ty(right, &key.right)) else { return };
        if !fits(&a, &b) && !fits(&b, &a) {
            let message = format!("{} and {} hold different kinds of values", key.left.value, key.right.value);
            let problem = Problem::new(Code::E0201, message, key.left.span, type_name(&a));
            self.report(problem.label(key.right.span, type_name(&b)).help("match by fields of one type"));
        }
    }

    pub(crate) fn field_of(&mut self, entity: &EntityName, expr: &ast::Expr) -> Option<(ast::Name, Field)> {
        let ExprKind::Path(path) = &expr.kind else {
            let problem = Problem::new(Code::E0201, "a field stands here", expr.span, "not a field");
            self.report(problem);
            return None;
        };
        let [name] = path.names.as_slice() else {
            // A path through a link can be read, never written.
            let lock = self.declared.entity(entity)?;
            if lock.links.contains_key(&path.names[0].value) {
                let problem = Problem::new(
                    Code::E0301,
                    "a field of another record cannot be written here",
                    expr.span,
                    format!("belongs to the {}", path.names[0].value),
                );
                self.report(problem.help("use `->`, or a sync of that entity"));
            } else {
                self.no_field(entity, &path.names[0]);
            }
            return None;
        };
        match self.declared.entity(entity)?.fields.get(&name.value).cloned() {
            Some(field) => {
                self.quoted(name);
                self.findings.uses_field(entity, &name.value);
                Some((name.clone(), field))
            }
            None => {
                self.no_field(entity, name);
                None
            }
        }
    }

    /// Many arrows against the header are one mistake, in the header. Gives the sync that is meant.
    fn two_way_after_all(&mut self, sync: &ast::Sync) -> Option<ast::Sync> {
        let mut against = sync.mappings.iter().map(|line| &line.arrow).filter(|arrow| arrow.value != Arrow::Right);
        let (false, Some(first), Some(_)) = (sync.two_way, against.next(), against.next()) else { return None };
        let (from, to) =
            (self.declared.text(sync.left.span).to_owned(), self.declared.text(sync.right.span).to_owned());
        let problem = Problem::new(
            Code::E0301,
            "the arrows of this sync point against its header",
            sync.left.span.to(sync.right.span),
            format!("goes from {} to {} only", sync.left.system.value, sync.right.system.value),
        )
        .label(first.span, format!("the first of {} that do not", 2 + against.count()));
        self.report(
            problem.help(format!("write `sync {} between {from} and {to}`, or turn the arrows", sync.name.value)),
        );
        let conflict = sync.conflict.clone().or(Some(Spanned::new(ast::Policy::Review, sync.name.span)));
        Some(ast::Sync { two_way: true, conflict, ..sync.clone() })
    }

    /// E0101, once, for a line whose ends stand with their systems.
    fn prefixed(&mut self, built: &Sync, line: &ast::Mapping) -> bool {
        let mut without = Vec::new();
        for (expr, entity) in [(&line.left, &built.left), (&line.right, &built.right)] {
            let ExprKind::Path(path) = &expr.kind else { continue };
            let [system, rest @ ..] = path.names.as_slice() else { continue };
            let known = self.declared.entity(entity).is_some_and(|known| {
                known.fields.contains_key(&system.value) || known.links.contains_key(&system.value)
            });
            let named = [&built.left, &built.right].into_iter().find(|side| side.system == system.value);
            let (false, Some(named)) = (known, named) else { continue };
            let rest = if rest.first().is_some_and(|name| name.value == named.entity) { &rest[1..] } else { rest };
            let Some(first) = rest.first() else { continue };
            without.push(Span { end: first.span.start, ..system.span });
        }
        let Some((first, others)) = without.split_first() else { return false };
        let message = "the ends of a line stand without their systems, which the header names";
        let label = format!("from {} on the left to {} on the right", built.left, built.right);
        let mut problem = Problem::new(Code::E0101, message, *first, label);
        for other in others {
            problem = problem.label(*other, "here too");
        }
        let edits = without.iter().map(|span| (*span, String::new())).collect();
        let help = "write the names of the fields only";
        self.report(problem.help(help).fix(help, true, edits));
        true
    }

    /// E0101, once, for a line of which each end is a field of the other side.
    fn turned_round(&mut self, built: &Sync, line: &ast::Mapping) -> bool {
        let name = |expr: &ast::Expr| match &expr.kind {
            ExprKind::Path(path) if path.names.len() == 1 => Some(path.names[0].value.clone()),
            _ => None,
        };
        let (None, Some(left), Some(right)) = (&line.link, name(&line.left), name(&line.right)) else { return false };
        let has =
            |entity: &EntityName, name: &str| self.declared.entity(entity).is_some_and(|e| e.fields.contains_key(name));
        let round = has(&built.left, &right)
            && has(&built.right, &left)
            && !has(&built.left, &left)
            && !has(&built.right, &right);
        if round {
            let label = format!("a field of {}, which stands on the right", built.right);
            let problem =
                Problem::new(Code::E0101, "the two ends of this line are the wrong way round", line.left.span, label);
            let problem = problem.label(line.right.span, format!("a field of {}", built.left));
            let arrow = self.declared.text(line.arrow.span);
            let help = format!("write `{right} {arrow} {left}`");
            let ends = vec![(line.left.span, right), (line.right.span, left)];
            self.report(problem.help(help.clone()).fix(help, false, ends));
        }
        round
    }

    fn mapping(&mut self, sync: &ast::Sync, built: &Sync, line: &ast::Mapping) -> Option<Mapping> {
        let direction = match line.arrow.value {
            Arrow::Both => Direction::Both,
            Arrow::Right => Direction::ToRight,
            Arrow::Left => Direction::ToLeft,
        };
        if !sync.two_way && direction != Direction::ToRight {
            let problem = Problem::new(
                Code::E0301,
                "this arrow points against the header of the sync",
                line.arrow.span,
                format!("the sync goes from {} to {}", built.left.system, built.right.system),
            );
            self.report(problem.help("write `->`, or `sync … between … and …`"));
            return None;
        }
        if self.prefixed(built, line) || self.turned_round(built, line) {
            return None;
        }
        let text = {
            let end = line.right.span.end.max(line.left.span.end);
            self.declared.text(Span { end, ..line.span }).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let place = self.declared.place(line.span);
        let policy = self.policy(sync, built, line, direction);
        if let (Some(at), Direction::Both) = (line.on_create, direction) {
            let problem =
                Problem::new(Code::E0209, "`on create` belongs to a one-way line", at, "this line goes both ways");
            self.report(problem.help("use `->` or `<-`"));
        }
        if let (Some(on_empty), Direction::Both) = (&line.on_empty, direction) {
            let problem = Problem::new(
                Code::E0209,
                "a two-way field has no `else`",
                on_empty.span,
                "empty is a value like any other here",
            );
            self.report(problem.help("remove it, or use `->` or `<-`"));
        }
        if let (Some(at), Some(target)) = (line.on_create, direction.target())
            && !built.create.contains(&target)
            && !unread(sync, "create")
            && !self.findings.suppressed.contains(&built.name)
        {
            let label = format!("this sync makes no {}", built.entity(target));
            let problem = Problem::new(Code::W0204, "`on create` never happens", at, label);
            self.report(problem.help("remove the line, or write `create missing in …`"));
        }
        if line.link.is_some() {
            return self.link_mapping(built, line, direction, policy, place, text);
        }
        if direction == Direction::Both {
            return self.two_way(built, line, policy, place, text);
        }
        let (source_side, target_side) =
            if direction == Direction::ToRight { (Side::Left, Side::Right) } else { (Side::Right, Side::Left) };
        let (source_expr, target_expr) =
            if direction == Direction::ToRight { (&line.left, &line.right) } else { (&line.right, &line.left) };
        // Bare names are the source's; a field of the other side stands with its system.
        let variable = if source_side == Side::Left { "left" } else { "right" };
        let names = Names {
            vars: BTreeMap::<String, Var>::new(),
            bare: Some((variable.to_owned(), built.entity(source_side).clone())),
            sides: vec![("left".to_owned(), built.left.clone()), ("right".to_owned(), built.right.clone())],
            present: built.only.as_ref().map(|only| present(only, true)).unwrap_or_default(),
        };
        let target_entity = built.entity(target_side).clone();
        let target = self.field_of(&target_entity, target_expr);
        let expected = match &target {
            Some((name, field)) => Expected {
                ty: Some(field.ty.clone()),
                choice: self.declared.choice_of(&target_entity, &name.value),
                options: field.options.clone(),
                name: format!("{target_entity}.{}", name.value),
                ..Expected::default()
            },
            None => Expected::default(),
        };
        let typed = self.expr(&names, source_expr, &Expected { name: expected.name.clone(), ..Expected::default() });
        self.quoted_field(built.entity(source_side), source_expr);
        let (name, field) = target?;
        if field.read_only || name.value == "engine_link_id" {
            self.own_field(&target_entity, name.span, "remove the line");
            return None;
        }
        self.fit(&typed, &expected, target_expr.span);
        let create_only = line.on_create.is_some();
        let may_lack = typed.missing.is_some();
        // `empty` as the last word on the value itself says what `else clear` says.
        if typed.empty && line.on_empty.is_none() {
            let written = typed.span;
            if built.create.contains(&target_side) {
                self.lacks(&target_entity, &name.value, written);
            }
            if !create_only {
                self.clears(&target_entity, &name.value, &Outcome::Clear, Some(written));
            }
        }
        let (source, on_empty) =
            self.mapping_outcome(&names, typed, line, &expected, target_expr.span, source_side, built);
        if !create_only {
            self.clears(&target_entity, &name.value, &on_empty, line.on_empty.as_ref().map(|written| written.span));
        }
        if let (true, true, Outcome::Clear | Outcome::Keep, Some(written)) =
            (built.create.contains(&target_side), may_lack, &on_empty, &line.on_empty)
        {
            self.lacks(&target_entity, &name.value, written.span);
        }
        if !create_only {
            self.findings.writers.push(Writer {
                entity: target_entity.clone(),
                field: name.value.clone(),
                span: name.span,
                by: By::Sync {
                    name: built.name.clone(),
                    wins: format!("and the {} owns it", phrases::system(&built.entity(source_side).system)),
                    // A line may say what the engine does for a key.
                    fills: matches!(&source, Expr::Field { links, field, .. } if links.is_empty() && field == "id")
                        .then(|| built.entity(source_side).clone()),
                },
            });
        }
        Some(Mapping {
            direction,
            kind: MappingKind::Computed { source, target: name.value },
            on_empty,
            on_create: create_only,
            policy: Policy::Wins(source_side),
            implicit: false,
            place,
            text,
        })
    }

    /// W0215 for a text that is a field of the side that is read, but for blanks, signs and capitals.
    fn quoted_field(&mut self, source: &EntityName, written: &ast::Expr) {
        let ExprKind::Text(parts) = &written.kind else { return };
        let [ast::TextPart::Chars(text)] = parts.as_slice() else { return };
        let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
        let Some(lock) = self.declared.entity(source) else { return };
        let wanted = plain(text);
        let Some(field) = lock.fields.keys().find(|name| plain(name) == wanted).cloned() else { return };
        let thing = phrases::thing(&source.entity);
        let message = format!("every {thing} would be given the words \"{text}\"");
        let problem = Problem::new(Code::W0215, message, written.span, "a text, and no field");
        let problem = problem.help(format!("the field is `{field}`: write it without quotes"));
        self.report(problem.fix(format!("write `{field}`"), false, vec![(written.span, field)]));
    }

    /// A key that is the other system's id is filled in by the engine, as soon as there is a pair.
    fn implicit(&mut self, built: &mut Sync, sync: &ast::Sync) {
        for written in &sync.keys {
            let (source, target, side) = match (written.left.value.as_str(), written.right.value.as_str()) {
                ("id", "id") => continue,
                ("id", _) => ("left", &written.right, Side::Right),
                (_, "id") => ("right", &written.left, Side::Left),
                _ => continue,
            };
            let (own, other) = (built.entity(side).clone(), built.entity(side.other()).clone());
            // A key that does not hold was told of.
            let sound = |key: &(String, String)| key.0 == written.left.value && key.1 == written.right.value;
            let Some(field) = self.declared.field(&own, &target.value).filter(|_| built.keys.iter().any(sound)) else {
                continue;
            };
            // With no other way to a partner, both are equal before there is a pair.
            let fills = !built.create.is_empty() || sync.keys.len() > 1;
            if field.read_only {
                if fills {
                    let help = "the engine must write this key: match by a field that can be written";
                    self.own_field(&own, target.span, help);
                }
                continue;
            }
            let target = target.value.clone();
            self.findings.uses_field(&own, &target);
            // A line of this sync may say the same.
            let same = |line: &Writer| {
                let fills = matches!(&line.by, By::Sync { fills: Some(filled), .. } if *filled == other);
                fills && line.entity == own && line.field == target
            };
            if fills && !self.findings.writers.iter().any(same) {
                let wins = "and the engine fills it in".to_owned();
                let by = By::Sync { name: built.name.clone(), wins, fills: Some(other.clone()) };
                self.findings.writers.push(Writer { entity: own, field: target.clone(), span: written.span, by });
            }
            let place = self.declared.place(written.span);
            built.fields.push(Mapping {
                direction: if side == Side::Right { Direction::ToRight } else { Direction::ToLeft },
                text: format!("match by {} = {}", written.left.value, written.right.value),
                kind: MappingKind::Computed {
                    source: Expr::Field {
                        variable: source.to_owned(),
                        links: Vec::new(),
                        field: "id".to_owned(),
                        entity: Some(other),
                    },
                    target,
                },
                on_empty: Outcome::Keep,
                on_create: false,
                policy: Policy::Wins(side.other()),
                implicit: true,
                place,
            });
        }
    }
}
