//! Actions and the records they hand on.

use super::cursor::{Builder, Pair, Rule, has, parts};
use crate::ast::{Action, ActionKind, Assign, OnEmpty, Outcome, Record};
use crate::source::{Span, Spanned};

impl Builder<'_> {
    pub(super) fn action(&mut self, pair: Pair<'_>) -> Option<Action> {
        let span = self.span(&pair);
        let mut accept = None;
        let mut kind = if has(&pair, Rule::k_nothing) { Some(ActionKind::Nothing) } else { None };
        let mut head = span;
        for part in parts(pair) {
            if part.as_rule() == Rule::accept {
                accept = Some(self.span(&part));
                continue;
            }
            let record = part.clone().into_inner().find(|p| matches!(p.as_rule(), Rule::record | Rule::block));
            head = match record {
                Some(record) => {
                    let from = part.as_span().start();
                    let to = record.as_span().start();
                    let written = &part.as_str()[..to - from];
                    self.at(from, from + written.trim_end().len())
                }
                None => self.span(&part),
            };
            kind = self.action_kind(part);
        }
        Some(Action { kind: kind?, accept, head, span })
    }

    fn action_kind(&mut self, pair: Pair<'_>) -> Option<ActionKind> {
        let rule = pair.as_rule();
        // `else nothing` behind a record consists of keywords alone, which `parts` leaves out.
        let otherwise = self.otherwise(&pair);
        let role = has(&pair, Rule::k_role);
        let inner = parts(pair);
        Some(match rule {
            // Most parts may be left out, and then have no pair: each is known by its rule, not by its position.
            Rule::a_create => {
                let mut entity = None;
                let mut named = None;
                let mut field = None;
                let mut value = None;
                let mut record = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::qual => entity = Some(self.qualified(&part)),
                        Rule::named => named = parts(part).first().map(|p| self.name(p)),
                        Rule::ident => field = Some(self.name(&part)),
                        Rule::expr => value = Some(self.expr(part)),
                        Rule::record => record = Some(self.record(part)),
                        _ => {}
                    }
                }
                ActionKind::Create { entity: entity?, named, key: field.zip(value), record: record? }
            }
            Rule::a_update => {
                let mut entity = None;
                let mut named = None;
                let mut condition = None;
                let mut record = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::qual => entity = Some(self.qualified(&part)),
                        Rule::named => named = parts(part).first().map(|p| self.name(p)),
                        Rule::expr => condition = Some(self.expr(part)),
                        Rule::record => record = Some(self.record(part)),
                        _ => {}
                    }
                }
                ActionKind::Update { entity: entity?, named, condition: condition?, record: record?, otherwise }
            }
            Rule::a_delete => {
                let mut entity = None;
                let mut condition = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::qual => entity = Some(self.qualified(&part)),
                        Rule::expr => condition = Some(self.expr(part)),
                        _ => {}
                    }
                }
                ActionKind::Delete { entity: entity?, condition: condition?, otherwise }
            }
            Rule::a_set => {
                let mut path = None;
                let mut value = None;
                let mut on_empty = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::path => path = Some(self.path(&part)),
                        Rule::expr => value = Some(self.expr(part)),
                        Rule::on_empty => on_empty = Some(self.on_empty(part)),
                        _ => {}
                    }
                }
                ActionKind::Set { path: path?, value: value?, on_empty }
            }
            Rule::a_start => {
                let mut inner = inner.into_iter();
                let workflow = self.name(&inner.next()?);
                ActionKind::Start { workflow, with: self.path(&inner.next()?) }
            }
            Rule::a_call => {
                let mut operation = None;
                let mut named = None;
                let mut record = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::qual => operation = Some(self.qualified(&part)),
                        Rule::named => named = parts(part).first().map(|p| self.name(p)),
                        Rule::record => record = Some(self.record(part)),
                        _ => {}
                    }
                }
                let operation = operation?;
                let record = record.unwrap_or_else(|| empty(operation.span));
                ActionKind::Call { operation, named, record }
            }
            Rule::a_send => {
                let mut system = None;
                let mut operation = None;
                let mut template = None;
                let mut to = None;
                let mut about = None;
                let mut record = None;
                let mut on_empty = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::op => {
                            let Some(name) = part.into_inner().next() else { continue };
                            if name.as_rule() == Rule::qual {
                                let both = self.qualified(&name);
                                system = Some(both.system);
                                operation = Some(both.name);
                            } else {
                                operation = Some(self.name(&name));
                            }
                        }
                        Rule::text => template = Some(self.plain_text(&part)),
                        Rule::expr => to = Some(self.expr(part)),
                        Rule::path => about = Some(self.path(&part)),
                        Rule::record => record = Some(self.record(part)),
                        Rule::on_empty => on_empty = Some(self.on_empty(part)),
                        _ => {}
                    }
                }
                let template: Spanned<String> = template?;
                let record = record.unwrap_or_else(|| empty(template.span));
                ActionKind::Send { system, operation: operation?, template, to: to?, about, record, on_empty }
            }
            Rule::a_notify => {
                let mut to = None;
                let mut about = None;
                let mut text = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::expr => to = Some(self.expr(part)),
                        Rule::path => about = Some(self.path(&part)),
                        Rule::text => text = Some(self.text(part)),
                        _ => {}
                    }
                }
                ActionKind::Notify { role, to: to?, about, text: text? }
            }
            Rule::a_run => ActionKind::RunSync(self.name(inner.first()?)),
            Rule::a_if => {
                let mut inner = inner.into_iter();
                let condition = self.expr(inner.next()?);
                let then = self.block(inner.next()?);
                let otherwise = inner.next().map(|p| self.block(p));
                ActionKind::If { condition, then, otherwise }
            }
            Rule::a_undo => ActionKind::UndoCompleted,
            _ => ActionKind::Nothing,
        })
    }

    fn otherwise(&mut self, pair: &Pair<'_>) -> Option<OnEmpty> {
        let keyword = |rule| pair.clone().into_inner().find(|p| p.as_rule() == rule);
        let start = keyword(Rule::k_else)?;
        let (outcome, end) = match (keyword(Rule::k_nothing), keyword(Rule::k_fail)) {
            (Some(end), _) => (Outcome::Nothing, end),
            (None, Some(end)) => (Outcome::Fail, end),
            (None, None) => return None,
        };
        Some(OnEmpty { outcome, span: self.span(&start).to(self.span(&end)) })
    }

    pub(super) fn record(&mut self, pair: Pair<'_>) -> Record {
        let span = self.span(&pair);
        let (mut lines, mut unread) = (Vec::new(), Vec::new());
        for part in parts(pair) {
            match part.as_rule() {
                Rule::assign => lines.extend(self.assign(part)),
                Rule::bad_assign => unread.push(self.span(&part)),
                _ => {}
            }
        }
        Record { lines, unread, span }
    }

    fn assign(&mut self, pair: Pair<'_>) -> Option<Assign> {
        let span = self.span(&pair);
        let link = pair.clone().into_inner().find(|p| p.as_rule() == Rule::k_link).map(|p| self.span(&p));
        let mut path = None;
        let mut value = None;
        let mut via = None;
        let mut on_empty = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::path => path = Some(self.path(&part)),
                Rule::expr => value = Some(self.expr(part)),
                Rule::via => via = parts(part).first().map(|p| self.name(p)),
                Rule::on_empty => on_empty = Some(self.on_empty(part)),
                _ => {}
            }
        }
        Some(Assign { link, path: path?, value: value?, via, on_empty, span })
    }
}

fn empty(span: Span) -> Record {
    Record { lines: Vec::new(), unread: Vec::new(), span: Span { start: span.end, ..span } }
}
