//! `sync`: which records are the same thing, and what moves between them.

use super::cursor::{Builder, Pair, Rule, has, parts};
use crate::ast::{Arrow, Expr, ExprKind, Mapping, MatchKey, OnDelete, Path, Policy, Priority, Run, Sync};
use crate::source::{Span, Spanned};
use crate::value;

impl Builder<'_> {
    pub(super) fn sync(&mut self, pair: Pair<'_>) -> Option<Sync> {
        let mut name = None;
        let mut sync: Option<Sync> = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::ends_two | Rule::ends_one => {
                    let two_way = part.as_rule() == Rule::ends_two;
                    let mut ends = parts(part).into_iter();
                    if let (Some(name), Some(left), Some(right)) = (name.take(), ends.next(), ends.next()) {
                        sync = Some(Sync {
                            name,
                            two_way,
                            left: self.qualified(&left),
                            right: self.qualified(&right),
                            run: None,
                            sweep: None,
                            priority: None,
                            keys: Vec::new(),
                            unread: Vec::new(),
                            create: None,
                            on_delete: Vec::new(),
                            conflict: None,
                            only: Vec::new(),
                            mappings: Vec::new(),
                        });
                    }
                }
                Rule::sync_stmt => {
                    if let (Some(sync), Some(part)) = (&mut sync, parts(part).into_iter().next()) {
                        self.sync_statement(part, sync);
                    }
                }
                Rule::bad_stmt => {
                    if let Some(sync) = &mut sync {
                        // What a line that is not understood began with: the checks do not miss what it may have said.
                        sync.unread.push(self.first_word(&part));
                    }
                }
                Rule::fields => {
                    for line in parts(part).into_iter().filter(|line| line.as_rule() == Rule::mapping) {
                        if let (Some(sync), Some(mapping)) = (&mut sync, self.mapping(line)) {
                            sync.mappings.push(mapping);
                        }
                    }
                }
                _ => {}
            }
        }
        sync
    }

    fn sync_statement(&mut self, part: Pair<'_>, sync: &mut Sync) {
        let span = self.span(&part);
        match part.as_rule() {
            Rule::s_run => {
                self.fill(&mut sync.run, "run", span, |this| Some(Spanned::new(this.run(part), span)));
            }
            Rule::s_sweep => {
                self.fill(&mut sync.sweep, "sweep", span, |this| {
                    let never = has(&part, Rule::k_never);
                    let written = parts(part).into_iter().find(|p| p.as_rule() == Rule::duration);
                    let every = written.map_or(value::Duration::hours(1), |p| this.duration(&p).value);
                    Some(Spanned::new((!never).then_some(every), span))
                });
            }
            Rule::s_prio => {
                if self.once(&sync.priority, "priority", span)
                    && let Some(level) = parts(part).first()
                {
                    let priority = match level.as_str().trim() {
                        "high" => Priority::High,
                        "medium" => Priority::Medium,
                        _ => Priority::Low,
                    };
                    sync.priority = Some(Spanned::new(priority, self.span(level)));
                }
            }
            Rule::s_match => {
                let keys = if self.once(&sync.keys.first(), "match", span) { parts(part) } else { Vec::new() };
                for key in keys {
                    let span = self.span(&key);
                    let mut names = parts(key).into_iter();
                    if let Some(left) = names.next() {
                        let left = self.name(&left);
                        // `match by email` names the field of both sides at one place: a wrong one is told of once.
                        let right = names.next().map_or_else(|| left.clone(), |p| self.name(&p));
                        sync.keys.push(MatchKey { left, right, span });
                    }
                }
            }
            Rule::s_missing => {
                self.fill(&mut sync.create, "create", span, |this| parts(part).first().map(|p| this.name(p)));
            }
            Rule::s_delete => {
                let mut inner = parts(part).into_iter();
                if let (Some(system), Some(what)) = (inner.next(), inner.next()) {
                    let gone = match what.as_str().trim() {
                        "archive" => OnDelete::Archive,
                        "keep" => OnDelete::Keep,
                        _ => OnDelete::Review,
                    };
                    let system = self.name(&system);
                    let before = sync.on_delete.iter().find(|(other, _)| other.value == system.value);
                    if self.once(&before, &format!("on delete in {}", system.value), span) {
                        sync.on_delete.push((system, Spanned::new(gone, self.span(&what))));
                    }
                }
            }
            Rule::s_conflict => {
                self.fill(&mut sync.conflict, "conflict", span, |this| {
                    parts(part).into_iter().next().map(|p| this.policy(p))
                });
            }
            Rule::s_only => {
                if let Some(expr) = parts(part).into_iter().next() {
                    let expr = self.expr(expr);
                    sync.only.push(expr);
                }
            }
            _ => {}
        }
    }

    fn run(&mut self, pair: Pair<'_>) -> Run {
        let hour = has(&pair, Rule::k_hour);
        let day = has(&pair, Rule::k_day);
        let change = has(&pair, Rule::k_change);
        let mut every = None;
        let mut minute = 0;
        let mut zone = None;
        let mut batch = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::clock => minute = self.clock(&part),
                Rule::zone => zone = parts(part).first().map(|p| self.plain_text(p)),
                Rule::duration => every = Some(self.duration(&part).value),
                Rule::batches => batch = parts(part).first().map(|p| self.int(p)),
                _ => {}
            }
        }
        if change {
            Run::OnChange
        } else if day {
            Run::DailyAt { minute, zone, batch }
        } else {
            Run::Every {
                every: every.unwrap_or(if hour { value::Duration::hours(1) } else { value::Duration(0) }),
                batch,
            }
        }
    }

    pub(super) fn policy(&mut self, pair: Pair<'_>) -> Spanned<Policy> {
        let span = self.span(&pair);
        let newest = has(&pair, Rule::k_newest);
        let review = has(&pair, Rule::k_review);
        let name = parts(pair).into_iter().find(|p| p.as_rule() == Rule::ident).map(|p| self.name(&p));
        let policy = match (newest, review, name) {
            (true, _, tie) => Policy::Newest { tie },
            (_, false, Some(system)) => Policy::Wins(system),
            _ => Policy::Review,
        };
        Spanned::new(policy, span)
    }

    fn mapping(&mut self, pair: Pair<'_>) -> Option<Mapping> {
        let span = self.span(&pair);
        let line = parts(pair).into_iter().next()?;
        let rule = line.as_rule();
        let text = line.as_str();
        let base = line.as_span().start();
        let link = line.clone().into_inner().find(|p| p.as_rule() == Rule::k_link).map(|p| self.span(&p));
        let mut sides: Vec<Expr> = Vec::new();
        let mut ends: Vec<usize> = Vec::new();
        let mut starts: Vec<usize> = Vec::new();
        let mut mapping = Mapping {
            left: Expr { kind: ExprKind::Empty, span },
            right: Expr { kind: ExprKind::Empty, span },
            arrow: Spanned::new(Arrow::Both, span),
            link,
            via: None,
            transforms: Vec::new(),
            on_empty: None,
            policy: None,
            on_create: None,
            span,
        };
        let mut arrow = match rule {
            Rule::map_out => Arrow::Right,
            Rule::map_in => Arrow::Left,
            _ => Arrow::Both,
        };
        for part in parts(line) {
            let part_span = self.span(&part);
            match part.as_rule() {
                Rule::path | Rule::expr => {
                    starts.push(part.as_span().start());
                    ends.push(part.as_span().start() + part.as_str().trim_end().len());
                    let expr = if part.as_rule() == Rule::path {
                        let path: Path = self.path(&part);
                        Expr { kind: ExprKind::Path(path), span: part_span }
                    } else {
                        self.expr(part)
                    };
                    sides.push(expr);
                }
                Rule::arrow => {
                    arrow = match part.as_str().trim() {
                        "->" => Arrow::Right,
                        "<-" => Arrow::Left,
                        _ => Arrow::Both,
                    };
                }
                Rule::via => mapping.via = parts(part).first().map(|p| self.name(p)),
                Rule::as_xf => {
                    let transform = self.transform(part);
                    mapping.transforms.push(transform);
                }
                Rule::on_empty => mapping.on_empty = Some(self.on_empty(part)),
                Rule::policy => mapping.policy = Some(self.policy(part)),
                Rule::on_create => mapping.on_create = Some(part_span),
                _ => {}
            }
        }
        let mut sides = sides.into_iter();
        mapping.left = sides.next()?;
        mapping.right = sides.next()?;
        // Only lines with `link` have a pair for their arrow; elsewhere it is a symbol between the two ends.
        let between = &text[ends[0] - base..starts[1] - base];
        let symbol = match arrow {
            Arrow::Both => "<->",
            Arrow::Right => "->",
            Arrow::Left => "<-",
        };
        let at = ends[0] + between.find(symbol).unwrap_or(0);
        let arrow_span: Span = self.at(at, at + symbol.len());
        mapping.arrow = Spanned::new(arrow, arrow_span);
        Some(mapping)
    }
}
