//! `sync`: directions, types of both sides, round trips, policies, keys and what a new record needs.

use std::collections::{BTreeMap, BTreeSet};

use super::expr::{Expected, Kind, Names, Var, fits, type_name};
use super::note;
use super::world::{World, Writer};
use crate::ast::{self, Arrow, ExprKind, Item, Outcome as Written, TransformName};
use crate::diagnostic::Problem;
use crate::program::{Direction, Expr, Mapping, MappingKind, Outcome, Policy, Run, Side, Sync, Transform};
use crate::schema::{ChangedAt, EntityName, Field, Type};
use crate::source::Span;
use crate::transforms::{self, Class};

impl World<'_> {
    pub(super) fn sync(&mut self, sync: &ast::Sync, item: &Item) {
        let (Some(left), Some(right)) = (self.has_entity(&sync.left), self.has_entity(&sync.right)) else { return };
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
            priority: sync.priority.as_ref().map_or(ast::Priority::Medium, |p| p.value),
            keys: Vec::new(),
            create: BTreeSet::new(),
            on_delete: BTreeMap::new(),
            only: None,
            fields: Vec::new(),
            place: self.place(item.span),
        };
        for key in &sync.keys {
            let mut sound = true;
            for (entity, name) in [(&left, &key.left), (&right, &key.right)] {
                if self.entity(entity).is_some_and(|e| e.fields.contains_key(&name.value)) {
                    note(&mut self.used, entity, &name.value, false);
                } else {
                    self.no_field(entity, name);
                    sound = false;
                }
            }
            if sound {
                built.keys.push((key.left.value.clone(), key.right.value.clone()));
            }
        }
        if let Some(create) = &sync.create {
            match (create.value.as_str(), side_of(create)) {
                ("both", _) => built.create.extend([Side::Left, Side::Right]),
                (_, Some(side)) => {
                    built.create.insert(side);
                }
                _ => self.no_such("side", create, [left.system.as_str(), right.system.as_str(), "both"].into_iter()),
            }
        }
        for (system, what) in &sync.on_delete {
            match side_of(system) {
                Some(side) => {
                    built.on_delete.insert(side, what.value);
                }
                None => self.no_such("side", system, [left.system.as_str(), right.system.as_str()].into_iter()),
            }
        }
        let names = Names {
            vars: BTreeMap::new(),
            bare: Some(("left".to_owned(), left.clone())),
            sides: vec![("left".to_owned(), left.clone()), ("right".to_owned(), right.clone())],
        };
        built.only = sync
            .only
            .iter()
            .map(|expr| self.condition(&names, expr))
            .reduce(|a, b| Expr::And(Box::new(a), Box::new(b)));
        for mapping in &sync.mappings {
            if let Some(mapping) = self.mapping(sync, &built, mapping) {
                built.fields.push(mapping);
            }
        }
        self.implicit(&mut built, sync);
        self.create_needs(sync, &built, item);
        self.syncs.insert(built.name.clone(), built);
    }

    fn run(&mut self, sync: &ast::Sync) -> Run {
        let Some(run) = &sync.run else { return Run::OnChange };
        let batch = |b: &Option<crate::source::Spanned<u64>>| b.as_ref().map_or(100, |b| b.value);
        match &run.value {
            ast::Run::OnChange => Run::OnChange,
            ast::Run::Every { every, batch: b } => {
                self.fits_limit(sync, run.span, *every, b.as_ref().map(|b| b.value));
                Run::Every(*every, batch(b))
            }
            ast::Run::DailyAt { minute, zone, batch: b } => {
                let Some(zone) = zone else {
                    let problem = Problem::new("E0804", "a time of day needs a zone", run.span, "02:00 where?");
                    self.tell(problem.help("write `in \"Europe/London\"` behind it"));
                    return Run::OnChange;
                };
                if jiff::tz::TimeZone::get(&zone.value).is_err() {
                    let problem = Problem::new(
                        "E0802",
                        format!("there is no time zone \"{}\"", zone.value),
                        zone.span,
                        "not a zone",
                    );
                    self.tell(problem.help("write a zone of the IANA list, such as \"Europe/London\""));
                    return Run::OnChange;
                }
                Run::DailyAt { minute: *minute, zone: zone.value.clone(), batch: batch(b) }
            }
        }
    }

    /// E0801: what a schedule may write in a window of the `bulk` limit.
    fn fits_limit(&mut self, sync: &ast::Sync, span: Span, every: crate::value::Span, batch: Option<u64>) {
        let target = &sync.right.system.value;
        let Some(limit) = self.systems.get(target).and_then(|s| s.limits.get("bulk")).copied() else { return };
        let source = EntityName::new(&sync.left.system.value, &sync.left.name.value);
        let records = self.entity(&source).and_then(|e| e.records);
        let Some(each) = records.or(batch) else { return };
        if every.0 <= 0 {
            return;
        }
        let runs = u64::try_from((limit.per.0 / every.0).max(1)).unwrap_or(1);
        let total = runs.saturating_mul(each);
        if total > limit.amount {
            let what = if records.is_some() {
                format!("up to {each} {}s each", sync.left.name.value.to_lowercase())
            } else {
                format!("{each} records each")
            };
            let note = self
                .lock_line(&source.system, &format!("entities.{}.records", source.entity))
                .map(|r| format!(" ({}:{})", r.file, r.line))
                .unwrap_or_default();
            let problem = Problem::new(
                "E0801",
                format!("this schedule cannot fit inside the {target} limit"),
                span,
                format!("{runs} runs in {}, {what}{note}", limit.per),
            );
            self.tell(problem.help(format!(
                "{target} allows {} bulk records per {}, this is up to {total}",
                limit.amount, limit.per
            )));
        }
    }

    fn field_of(&mut self, entity: &EntityName, expr: &ast::Expr) -> Option<(ast::Name, Field)> {
        let ExprKind::Path(path) = &expr.kind else {
            let problem = Problem::new("E0201", "a field stands here", expr.span, "not a field");
            self.tell(problem);
            return None;
        };
        let [name] = path.names.as_slice() else {
            // A path through a link can be read, never written.
            let lock = self.entity(entity)?;
            if lock.links.contains_key(&path.names[0].value) {
                let problem = Problem::new(
                    "E0301",
                    "a field of another record cannot be written here",
                    expr.span,
                    format!("belongs to the {}", path.names[0].value),
                );
                self.tell(problem.help("use `->`, or a sync of that entity"));
            } else {
                self.no_field(entity, &path.names[0]);
            }
            return None;
        };
        match self.entity(entity)?.fields.get(&name.value).cloned() {
            Some(field) => {
                note(&mut self.used, entity, &name.value, false);
                Some((name.clone(), field))
            }
            None => {
                self.no_field(entity, name);
                None
            }
        }
    }

    fn mapping(&mut self, sync: &ast::Sync, built: &Sync, line: &ast::Mapping) -> Option<Mapping> {
        let direction = match line.arrow.value {
            Arrow::Both => Direction::Both,
            Arrow::Right => Direction::ToRight,
            Arrow::Left => Direction::ToLeft,
        };
        if !sync.two_way && direction != Direction::ToRight {
            let problem = Problem::new(
                "E0301",
                "this arrow points against the header of the sync",
                line.arrow.span,
                format!("the sync goes from {} to {}", built.left.system, built.right.system),
            );
            self.tell(problem.help("write `->`, or `sync … between … and …`"));
            return None;
        }
        let text = {
            let end = line.right.span.end.max(line.left.span.end);
            self.text(Span { end, ..line.span }).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let place = self.place(line.span);
        let policy = self.policy(sync, built, line, direction);
        if let (Some(at), Direction::Both) = (line.on_create, direction) {
            let problem =
                Problem::new("E0209", "`on create` belongs to a one-way line", at, "this line goes both ways");
            self.tell(problem.help("use `->` or `<-`"));
        }
        if let (Some(on_empty), Direction::Both) = (&line.on_empty, direction) {
            let problem = Problem::new(
                "E0209",
                "a two-way field has no `else`",
                on_empty.span,
                "empty is a value like any other here",
            );
            self.tell(problem.help("remove it, or use `->` or `<-`"));
        }
        if line.link.is_some() {
            return self.link_mapping(built, line, direction, policy, place, text);
        }
        if direction == Direction::Both {
            return self.two_way(sync, built, line, policy, place, text);
        }
        let (source_side, target_side) =
            if direction == Direction::ToRight { (Side::Left, Side::Right) } else { (Side::Right, Side::Left) };
        let (source_expr, target_expr) =
            if direction == Direction::ToRight { (&line.left, &line.right) } else { (&line.right, &line.left) };
        let variable = if source_side == Side::Left { "left" } else { "right" };
        let names = Names {
            vars: BTreeMap::<String, Var>::new(),
            bare: Some((variable.to_owned(), built.entity(source_side).clone())),
            sides: vec![("left".to_owned(), built.left.clone()), ("right".to_owned(), built.right.clone())],
        };
        let target_entity = built.entity(target_side).clone();
        let target = self.field_of(&target_entity, target_expr);
        let expected = match &target {
            Some((name, field)) => Expected {
                ty: Some(field.ty.clone()),
                choice: self.choice_of.get(&(target_entity.clone(), name.value.clone())).copied(),
                options: field.options.clone(),
                name: format!("{target_entity}.{}", name.value),
            },
            None => Expected::default(),
        };
        let mut typed =
            self.expr(&names, source_expr, &Expected { name: expected.name.clone(), ..Expected::default() });
        if let (Some((name, field)), Kind::Any) = (&target, &typed.kind) {
            let _ = (name, field);
        }
        let (name, field) = target?;
        if field.read_only || name.value == "engine_link_id" {
            let product = self.systems[&target_entity.system].lock.product.clone();
            let problem = Problem::new(
                "E0207",
                format!("{product} sets {target_entity}.{} itself", name.value),
                name.span,
                "cannot be written",
            );
            self.tell(problem.help("remove the line"));
            return None;
        }
        self.fit(&typed, &expected, target_expr.span);
        let create_only = line.on_create.is_some();
        if let Some(at) = line.on_create {
            if !built.create.contains(&target_side) {
                let problem = Problem::new(
                    "W0204",
                    "`on create` never happens",
                    at,
                    format!("this sync makes no {target_entity}"),
                );
                self.tell(problem.help("remove the line, or write `create missing in …`"));
            }
            // It fills what a create needs; a record that is there keeps what it has.
            typed.missing = None;
        }
        let (source, on_empty) =
            self.mapping_outcome(&names, typed, line, &expected, target_expr.span, source_side, built);
        if !create_only {
            self.writers.push(Writer {
                entity: target_entity.clone(),
                field: name.value.clone(),
                span: name.span,
                by: format!("sync {}", built.name),
                sync: true,
                wins: format!("and {} owns it", built.entity(source_side).system),
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

    fn mapping_outcome(
        &mut self,
        names: &Names,
        typed: super::expr::Typed,
        line: &ast::Mapping,
        expected: &Expected,
        target: Span,
        source_side: Side,
        built: &Sync,
    ) -> (Expr, Outcome) {
        let thing = built.entity(source_side).entity.to_lowercase();
        let Some(written) = &line.on_empty else {
            if let Some(why) = typed.missing.clone() {
                let system = if source_side == Side::Left { &built.right.system } else { &built.left.system };
                let label = if *system == "crm" { "CRM".to_owned() } else { system.clone() };
                let at = Span { start: line.span.end, ..line.span };
                let edits = |word: &str| vec![(at, format!(" else {word}"))];
                let problem = Problem::new("E0203", "this value can be missing, and nothing says what to do then", typed.span, why)
                    .label(target, format!("so {} would get no value", expected.name))
                    .help(format!(
                        "finish the line with one of\n  else clear      blank the {label} field\n  else keep       leave the {label} field as it is\n  else skip       do not sync this {thing} at all\n  else \"none\"     write a fixed value"
                    ))
                    .fix(format!("blank the {label} field"), false, edits("clear"))
                    .fix(format!("leave the {label} field as it is"), false, edits("keep"))
                    .fix(format!("do not sync this {thing} at all"), false, edits("skip"));
                self.tell(problem);
            }
            return (typed.expr, Outcome::Never);
        };
        match &written.outcome {
            Written::Value(value) => {
                let value = self.expr(names, value, expected);
                self.fit(&value, expected, target);
                (Expr::Else(Box::new(typed.expr), Box::new(value.expr)), Outcome::Never)
            }
            other => {
                if typed.missing.is_none() && typed.kind != Kind::Any {
                    let problem =
                        Problem::new("W0204", "this `else` never happens", written.span, "the value cannot be missing");
                    self.tell(problem.help("remove the `else`"));
                }
                let outcome = match other {
                    Written::Clear => Outcome::Clear,
                    Written::Keep => Outcome::Keep,
                    Written::Fail => Outcome::Fail,
                    _ => Outcome::Skip,
                };
                (typed.expr, outcome)
            }
        }
    }

    fn policy(&mut self, sync: &ast::Sync, built: &Sync, line: &ast::Mapping, direction: Direction) -> Policy {
        let written = line.policy.as_ref().or(sync.conflict.as_ref());
        if direction != Direction::Both {
            return Policy::Wins(if direction == Direction::ToRight { Side::Left } else { Side::Right });
        }
        let Some(written) = written else {
            let problem = Problem::new(
                "E0402",
                "nothing says who wins when both sides changed this field",
                line.arrow.span,
                "goes both ways",
            );
            self.tell(problem.help(format!(
                "end the line with `{} wins`, `{} wins`, `newest wins` or `review`, or give the sync a `conflict` line",
                built.left.system, built.right.system
            )));
            return Policy::Review;
        };
        let side = |name: &ast::Name| {
            if name.value == built.left.system {
                Some(Side::Left)
            } else if name.value == built.right.system {
                Some(Side::Right)
            } else {
                None
            }
        };
        match &written.value {
            ast::Policy::Review => Policy::Review,
            ast::Policy::Wins(name) => match side(name) {
                Some(side) => Policy::Wins(side),
                None => {
                    self.no_such("side", name, [built.left.system.as_str(), built.right.system.as_str()].into_iter());
                    Policy::Review
                }
            },
            ast::Policy::Newest { tie } => {
                for entity in [&built.left, &built.right] {
                    if self.entity(entity).is_some_and(|e| e.changed_at == ChangedAt::Unknown) {
                        let problem = Problem::new(
                            "E0306",
                            "`newest wins` needs a change time that this side does not have",
                            written.span,
                            format!("{entity} has no change time"),
                        );
                        self.tell(problem.help(format!("write `{} wins` or `review`", entity.system)));
                        break;
                    }
                }
                let tie = match tie {
                    Some(name) => side(name).unwrap_or_else(|| {
                        self.no_such(
                            "side",
                            name,
                            [built.left.system.as_str(), built.right.system.as_str()].into_iter(),
                        );
                        Side::Left
                    }),
                    None => Side::Left,
                };
                Policy::Newest { tie }
            }
        }
    }

    fn two_way(
        &mut self,
        sync: &ast::Sync,
        built: &Sync,
        line: &ast::Mapping,
        policy: Policy,
        place: crate::program::Place,
        text: String,
    ) -> Option<Mapping> {
        let _ = sync;
        let left = self.field_of(&built.left.clone(), &line.left);
        let right = self.field_of(&built.right.clone(), &line.right);
        let (left, right) = (left?, right?);
        for (entity, (name, field)) in [(&built.left, &left), (&built.right, &right)] {
            if field.read_only {
                let product = self.systems[&entity.system].lock.product.clone();
                let problem = Problem::new(
                    "E0207",
                    format!("{product} sets {entity}.{} itself", name.value),
                    name.span,
                    "cannot be written",
                );
                self.tell(problem.help("use `->` or `<-`"));
                return None;
            }
        }
        let mut list = Vec::new();
        let mut ty = left.1.ty.clone();
        for transform in &line.transforms {
            let TransformName::Named(name) = &transform.name else {
                self.lossy(line, transform, "drops the time of day; 2026-03-02 cannot become 2026-03-02 09:10 again");
                return None;
            };
            match transforms::named(&name.value) {
                Some(builtin) if builtin.class != Class::Lossy => {
                    if !fits(&ty, &builtin.takes) {
                        let problem = Problem::new(
                            "E0201",
                            format!("`as {}` needs {}", name.value, type_name(&builtin.takes)),
                            line.left.span,
                            type_name(&ty),
                        );
                        self.tell(problem.label(transform.span, builtin.doc));
                        return None;
                    }
                    ty = builtin.gives.clone();
                    list.push(Transform { name: name.value.clone(), args: Vec::new() });
                }
                Some(_) => {
                    self.lossy(line, transform, "cannot be undone");
                    return None;
                }
                None if self.systems.values().any(|s| s.lock.lookups.contains_key(&name.value)) => {
                    self.lossy(line, transform, "a lookup can miss and cannot be undone");
                    return None;
                }
                None => {
                    let known: Vec<&str> =
                        transforms::registry().iter().filter(|b| b.class != Class::Lossy).map(|b| b.name).collect();
                    let near = crate::near::nearest(&name.value, known.iter().copied()).map(str::to_owned);
                    let problem = Problem::new(
                        "E0109",
                        format!("there is no transform `{}`", name.value),
                        name.span,
                        "not known",
                    );
                    let problem = match near {
                        Some(near) => super::world::suggest(problem, Some(near), name.span),
                        None => problem.help(format!("two-way transforms are: {}", known.join(", "))),
                    };
                    self.tell(problem);
                    return None;
                }
            }
        }
        self.types_of_both(built, line, &left, &right, &ty);
        let wins = match policy {
            Policy::Wins(side) => format!("and the {} wins", built.entity(side).system),
            Policy::Newest { .. } => "and the newest wins".to_owned(),
            Policy::Review => "and a person decides conflicts".to_owned(),
        };
        for (entity, (name, _), owner) in [(&built.left, &left, Side::Left), (&built.right, &right, Side::Right)] {
            // The side that wins may be written by rules: its value goes to the other side.
            let owns = policy == Policy::Wins(owner);
            if !owns {
                self.writers.push(Writer {
                    entity: entity.clone(),
                    field: name.value.clone(),
                    span: name.span,
                    by: format!("sync {}", built.name),
                    sync: true,
                    wins: wins.clone(),
                });
            }
        }
        Some(Mapping {
            direction: Direction::Both,
            kind: MappingKind::Field { left: left.0.value, right: right.0.value, transforms: list },
            on_empty: Outcome::Clear,
            on_create: false,
            policy,
            implicit: false,
            place,
            text,
        })
    }

    fn types_of_both(
        &mut self,
        built: &Sync,
        line: &ast::Mapping,
        left: &(ast::Name, Field),
        right: &(ast::Name, Field),
        after: &Type,
    ) {
        let percent = (*after == Type::Percent) != (right.1.ty == Type::Percent);
        let stable = fits(after, &right.1.ty) && (fits(&right.1.ty, after) || !line.transforms.is_empty());
        if percent || !stable {
            let code = if percent { "E0205" } else { "E0201" };
            let problem = Problem::new(
                code,
                format!("{} and {} hold different kinds of values", left.0.value, right.0.value),
                line.left.span,
                type_name(after),
            )
            .label(line.right.span, type_name(&right.1.ty));
            self.tell(problem.help("use `->` with a transform, or change one of the fields"));
            return;
        }
        let left_choice = self.choice_of.get(&(built.left.clone(), left.0.value.clone())).copied();
        let right_choice = self.choice_of.get(&(built.right.clone(), right.0.value.clone())).copied();
        if left_choice.is_some() && left_choice == right_choice {
            return;
        }
        if left.1.ty == Type::Enum || right.1.ty == Type::Enum {
            let (a, b): (BTreeSet<&String>, BTreeSet<&String>) =
                (left.1.options.iter().collect(), right.1.options.iter().collect());
            if left_choice.is_some() || right_choice.is_some() || a != b {
                let problem = Problem::new(
                    "E0202",
                    format!("the options of {} and {} are not the same", left.0.value, right.0.value),
                    line.left.span,
                    left.1.options.join(", "),
                )
                .label(line.right.span, right.1.options.join(", "));
                self.tell(
                    problem.help("name both fields in one `choice`, which says how each system spells the words"),
                );
            }
        }
    }

    fn lossy(&mut self, line: &ast::Mapping, transform: &ast::Transform, why: &str) {
        let problem = Problem::new("E0304", "a two-way field needs a transform that can be undone", line.arrow.span, "goes both ways")
            .label(transform.span, why)
            .help("use `->` if the app owns this field, or a two-way transform (lowercase, trimmed, e164, cents, unix_seconds)");
        self.tell(problem);
    }

    fn link_mapping(
        &mut self,
        built: &Sync,
        line: &ast::Mapping,
        direction: Direction,
        policy: Policy,
        place: crate::program::Place,
        text: String,
    ) -> Option<Mapping> {
        let left = self.links(&built.left.clone(), &line.left);
        let right = self.links(&built.right.clone(), &line.right);
        let ((left, left_to), (right, right_to)) = (left?, right?);
        let via = line.via.as_ref()?;
        let found = self.sync_names.iter().position(|(n, l, r, _)| {
            *n == via.value && ((*l == left_to && *r == right_to) || (*l == right_to && *r == left_to))
        });
        let Some(index) = found else {
            let pairs: Vec<String> = self
                .sync_names
                .iter()
                .filter(|(_, l, r, _)| (*l == left_to && *r == right_to) || (*l == right_to && *r == left_to))
                .map(|(n, ..)| n.clone())
                .collect();
            self.wrong_link(&left_to, &right_to, via, line, &pairs);
            return None;
        };
        let straight = self.sync_names[index].1 == left_to;
        let on_empty = match line.on_empty.as_ref().map(|e| &e.outcome) {
            None => Outcome::Never,
            Some(Written::Clear | Written::Value(_)) => Outcome::Clear,
            Some(Written::Keep) => Outcome::Keep,
            Some(Written::Skip | Written::Nothing) => Outcome::Skip,
            Some(Written::Fail) => Outcome::Fail,
        };
        Some(Mapping {
            direction,
            kind: MappingKind::Link { left, right, via: index, straight },
            on_empty,
            on_create: line.on_create.is_some(),
            policy,
            implicit: false,
            place,
            text,
        })
    }

    fn wrong_link(
        &mut self,
        left: &EntityName,
        right: &EntityName,
        via: &ast::Name,
        line: &ast::Mapping,
        pairs: &[String],
    ) {
        let Some((_, l, r, _)) = self.sync_names.iter().find(|(n, ..)| *n == via.value).cloned() else {
            let names: Vec<String> = self.sync_names.iter().map(|(n, ..)| n.clone()).collect();
            self.no_such("sync", via, names.iter().map(String::as_str));
            return;
        };
        let plural = |e: &EntityName| format!("{}s", e.entity.to_lowercase());
        let a = |e: &EntityName| format!("{} {e}", super::vocabulary::article(&e.system));
        let mut problem = Problem::new(
            "E0307",
            format!("sync {} does not pair {} with {}", via.value, plural(left), plural(right)),
            line.left.span,
            a(left),
        )
        .label(line.right.span, a(right))
        .label(via.span, format!("pairs {l} with {r}"));
        if let Some(name) = pairs.first() {
            let place = self.sync_names.iter().find(|(n, ..)| n == name).map(|(.., span)| self.place(*span));
            let at = place.map_or_else(String::new, |p| format!(" ({p})"));
            problem = problem.help(format!("write `via {name}`, which pairs {left} with {right}{at}"));
        }
        self.tell(problem);
    }

    /// Links from an entity; the entity they lead to.
    fn links(&mut self, entity: &EntityName, expr: &ast::Expr) -> Option<(Vec<String>, EntityName)> {
        let ExprKind::Path(path) = &expr.kind else {
            let problem = Problem::new("E0201", "a link stands here", expr.span, "not a link");
            self.tell(problem);
            return None;
        };
        let mut at = entity.clone();
        let mut names = Vec::new();
        for name in &path.names {
            let Some(link) = self.entity(&at).and_then(|e| e.links.get(&name.value)).cloned() else {
                if self.entity(&at).is_some_and(|e| e.fields.contains_key(&name.value)) {
                    let problem = Problem::new(
                        "E0101",
                        format!("{at}.{} is a value and links nothing", name.value),
                        name.span,
                        "no link",
                    );
                    let links: Vec<String> =
                        self.entity(&at).map(|e| e.links.keys().cloned().collect()).unwrap_or_default();
                    self.tell(problem.help(format!("links of {at} are: {}", links.join(", "))));
                } else {
                    self.no_field(&at, name);
                }
                return None;
            };
            note(&mut self.used, &at, &name.value, true);
            names.push(name.value.clone());
            at = EntityName::new(&at.system, &link.to);
        }
        Some((names, at))
    }

    /// A key that is the other system's id is filled by the engine.
    fn implicit(&mut self, built: &mut Sync, sync: &ast::Sync) {
        for (key, written) in built.keys.clone().iter().zip(&sync.keys) {
            let (source, target, side) = match (key.0.as_str(), key.1.as_str()) {
                ("id", "id") => continue,
                ("id", field) => ("left", field, Side::Right),
                (field, "id") => ("right", field, Side::Left),
                _ => continue,
            };
            let entity = built.entity(side.other()).clone();
            note(&mut self.used, built.entity(side), target, false);
            let place = self.place(written.span);
            built.fields.push(Mapping {
                direction: if side == Side::Right { Direction::ToRight } else { Direction::ToLeft },
                kind: MappingKind::Computed {
                    source: Expr::Field {
                        variable: source.to_owned(),
                        links: Vec::new(),
                        field: "id".to_owned(),
                        entity: Some(entity),
                    },
                    target: target.to_owned(),
                },
                on_empty: Outcome::Keep,
                on_create: false,
                policy: Policy::Wins(side.other()),
                implicit: true,
                place,
                text: format!("match by {} = {}", key.0, key.1),
            });
        }
    }

    /// E0206 for what a sync makes.
    fn create_needs(&mut self, sync: &ast::Sync, built: &Sync, item: &Item) {
        for side in &built.create {
            let entity = built.entity(*side);
            let Some(lock) = self.entity(entity) else { continue };
            let given: BTreeSet<&str> = built
                .fields
                .iter()
                .filter(|m| m.direction.writes(*side))
                .filter_map(|m| match &m.kind {
                    MappingKind::Field { left, right, .. } => {
                        Some(if *side == Side::Left { left.as_str() } else { right.as_str() })
                    }
                    MappingKind::Computed { target, .. } => Some(target.as_str()),
                    MappingKind::Link { left, right, .. } => {
                        (if *side == Side::Left { left } else { right }).last().map(String::as_str)
                    }
                })
                .collect();
            let missing: Vec<String> = lock
                .create_needs
                .iter()
                .filter(|n| n.as_str() != "pipeline" && !given.contains(n.as_str()))
                .map(|n| format!("`{n}`"))
                .collect();
            // A line that was not understood may have been the one.
            let whole = built.fields.iter().filter(|m| !m.implicit).count() == sync.mappings.len();
            if !missing.is_empty() && whole && !self.broken {
                let span = sync.create.as_ref().map_or(item.head, |c| c.span);
                let message = format!("the new {entity} lacks {}", super::vocabulary::list(&missing));
                let product = self.systems[&entity.system].lock.product.clone();
                let problem = Problem::new("E0206", message, span, format!("{product} makes none without it"));
                self.tell(problem.help("map it in `fields`, or write `… on create`"));
            }
        }
    }
}
