//! Items: `edition`, `choice`, `entity`, `system`, `table`, `events`; the others have files of their own.

use super::cursor::{Builder, Pair, Rule, has, parts};
use super::limits;
use crate::ast::{
    Choice, ChoiceRow, EntityItem, Events, FieldDecl, Item, ItemKind, Limit, Route, RouteTo, System, Table, TableRow,
    Tombstones,
};
use crate::diagnostic::{Code, Problem};
use crate::source::{Span, Spanned};

pub(super) fn item(b: &mut Builder<'_>, pair: Pair<'_>) -> Option<Item> {
    let span = b.span(&pair);
    let head_end = b.chunk.body().unwrap_or(b.chunk.end).min(span.end as usize);
    let head_text = b.file.text[span.start as usize..head_end.max(span.start as usize)].trim_end();
    let head = Span { end: span.start + head_text.len() as u32, ..span };
    let kind = match pair.as_rule() {
        Rule::edition => {
            let number = parts(pair).into_iter().next().map(|p| b.int(&p))?;
            ItemKind::Edition(Spanned::new(u32::try_from(number.value).unwrap_or(u32::MAX), number.span))
        }
        Rule::choice => ItemKind::Choice(b.choice(pair)),
        Rule::entity => ItemKind::Entity(b.entity(pair)?),
        Rule::system => ItemKind::System(b.system(pair)?),
        Rule::table => ItemKind::Table(b.table(pair)?),
        Rule::sync => ItemKind::Sync(Box::new(b.sync(pair)?)),
        Rule::events => ItemKind::Events(b.events(pair)?),
        Rule::when => ItemKind::When(b.when(pair)?),
        Rule::workflow => ItemKind::Workflow(b.workflow(pair)?),
        Rule::test => ItemKind::Test(b.test(pair)?),
        _ => return None,
    };
    Some(Item { kind, span, head })
}

impl Builder<'_> {
    fn choice(&mut self, pair: Pair<'_>) -> Choice {
        let mut choice = Choice {
            name: Spanned::new(String::new(), self.span(&pair)),
            ordered: has(&pair, Rule::k_ordered),
            fields: Vec::new(),
            rows: Vec::new(),
            unread: Vec::new(),
        };
        let mut named = false;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident if !named => {
                    choice.name = self.name(&part);
                    named = true;
                }
                Rule::path => choice.fields.push(self.path(&part)),
                Rule::choice_row => {
                    if let Some(row) = self.choice_row(part) {
                        choice.rows.push(row);
                    }
                }
                Rule::bad_stmt => choice.unread.push(self.span(&part)),
                _ => {}
            }
        }
        choice
    }

    fn choice_row(&mut self, pair: Pair<'_>) -> Option<ChoiceRow> {
        let span = self.span(&pair);
        let is_final = has(&pair, Rule::k_final);
        let mut word = None;
        let mut label = None;
        let mut spelled = Vec::new();
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => word = Some(self.name(&part)),
                Rule::text => label = Some(self.plain_text(&part)),
                Rule::spelled => {
                    let whole = self.span(&part);
                    let mut inner = parts(part).into_iter();
                    if let (Some(system), Some(text)) = (inner.next(), inner.next()) {
                        let system = self.name(&system);
                        spelled.push((system, self.plain_text(&text), whole));
                    }
                }
                _ => {}
            }
        }
        Some(ChoiceRow { word: word?, label, spelled, is_final, span })
    }

    fn entity(&mut self, pair: Pair<'_>) -> Option<EntityItem> {
        let mut name = None;
        let mut changed_at = None;
        let mut fields = Vec::new();
        for part in parts(pair) {
            match part.as_rule() {
                Rule::qual => name = Some(self.qualified(&part)),
                Rule::en_time => {
                    self.fill(&mut changed_at, "changed at", self.span(&part), |this| {
                        parts(part).first().map(|p| this.name(p))
                    });
                }
                Rule::field_decl => {
                    let span = self.span(&part);
                    let unique = has(&part, Rule::k_unique);
                    let read_only = has(&part, Rule::k_read);
                    let mut inner = parts(part).into_iter();
                    if let (Some(field), Some(ty)) = (inner.next(), inner.next()) {
                        let list = has(&ty, Rule::k_list);
                        let optional = ty.as_str().trim_end().ends_with('?');
                        let field = self.name(&field);
                        if let Some(ty) = parts(ty).into_iter().next() {
                            let ty = self.path(&ty);
                            fields.push(FieldDecl { name: field, list, ty, optional, unique, read_only, span });
                        }
                    }
                }
                _ => {}
            }
        }
        Some(EntityItem { name: name?, changed_at, fields })
    }

    fn system(&mut self, pair: Pair<'_>) -> Option<System> {
        let mut name = None;
        let mut system = System {
            name: Spanned::new(String::new(), self.span(&pair)),
            schema: None,
            limits: Vec::new(),
            cache: None,
            unread: Vec::new(),
        };
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::bad_stmt => system.unread.push(self.first_word(&part)),
                Rule::sys_stmt => {
                    let Some(part) = parts(part).into_iter().next() else { continue };
                    let span = self.span(&part);
                    match part.as_rule() {
                        Rule::sys_schema => {
                            self.fill(&mut system.schema, "schema", span, |this| {
                                parts(part).first().map(|p| this.plain_text(p))
                            });
                        }
                        Rule::sys_cache => {
                            self.fill(&mut system.cache, "cache", span, |this| {
                                parts(part).first().map(|p| this.duration(p))
                            });
                        }
                        _ => {
                            // The unit is a keyword that may be left out, and no part: it is looked for by itself.
                            let unit = part
                                .clone()
                                .into_inner()
                                .find(|p| matches!(p.as_rule(), Rule::k_calls | Rule::k_records | Rule::k_requests));
                            let unit = unit.map(|p| self.name(&p));
                            let mut inner = parts(part).into_iter();
                            if let (Some(n), Some(amount), Some(per)) = (inner.next(), inner.next(), inner.next()) {
                                let limit = Limit {
                                    name: self.name(&n),
                                    amount: self.int(&amount),
                                    unit,
                                    per: self.duration(&per),
                                    span,
                                };
                                let before = system.limits.iter().find(|other| other.name.value == limit.name.value);
                                if self.once(&before, &format!("limit {}", limit.name.value), span) {
                                    system.limits.push(limit);
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        system.name = name?;
        Some(system)
    }

    fn table(&mut self, pair: Pair<'_>) -> Option<Table> {
        let mut name = None;
        let mut by = None;
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        let mut unread = Vec::new();
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::path => by = Some(self.path(&part)),
                Rule::table_top => {
                    let head = parts(part).into_iter().find(|p| p.as_rule() == Rule::table_head);
                    columns = head.map_or_else(Vec::new, |head| parts(head).iter().map(|p| self.name(p)).collect());
                }
                Rule::table_row => {
                    let span = self.span(&part);
                    let cells = parts(part)
                        .into_iter()
                        .filter(|p| p.as_rule() == Rule::cell)
                        .map(|p| self.literal(p))
                        .collect();
                    rows.push(TableRow { cells, span });
                }
                Rule::bad_stmt => unread.push(self.span(&part)),
                _ => {}
            }
        }
        if let Some(row) = rows.get(limits::MAX_ROWS) {
            let problem =
                Problem::new(Code::E0096, "this table has more than 10000 rows", row.span, "the first row too many");
            self.problems.push(problem.help("use a data file"));
        }
        if columns.is_empty() {
            // Without names of columns, every row would be a mistake of its own.
            return None;
        }
        Some(Table { name: name?, by: by?, columns, rows, unread })
    }

    fn events(&mut self, pair: Pair<'_>) -> Option<Events> {
        let mut events = Events {
            from: Spanned::new(String::new(), self.span(&pair)),
            webhook: None,
            topics: Vec::new(),
            verify: None,
            dedupe: None,
            key: None,
            tombstones: Vec::new(),
            routes: Vec::new(),
        };
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => events.from = self.name(&part),
                Rule::door => {
                    if let Some(word) = part.clone().into_inner().find(|p| p.as_rule() == Rule::k_webhook) {
                        events.webhook = Some(self.span(&word));
                    }
                    for text in parts(part).iter().filter(|p| p.as_rule() == Rule::text) {
                        let topic = self.plain_text(text);
                        events.topics.push(topic);
                    }
                }
                Rule::ev_stmt => {
                    let Some(part) = parts(part).into_iter().next() else { continue };
                    self.event_statement(part, &mut events);
                }
                _ => {}
            }
        }
        Some(events)
    }

    fn event_statement(&mut self, part: Pair<'_>, events: &mut Events) {
        let span = self.span(&part);
        match part.as_rule() {
            Rule::ev_verify => {
                if !self.once(&events.verify, "verify", span) {
                    return;
                }
                let mut inner = parts(part).into_iter();
                if let Some(name) = inner.next() {
                    let name = self.name(&name);
                    events.verify = Some((name, inner.next().map(|text| self.plain_text(&text))));
                }
            }
            Rule::ev_dedupe => {
                if !self.once(&events.dedupe, "dedupe", span) {
                    return;
                }
                let mut by = None;
                let mut window = None;
                for p in parts(part) {
                    match p.as_rule() {
                        Rule::path => by = Some(self.path(&p)),
                        _ => window = Some(self.duration(&p)),
                    }
                }
                events.dedupe = window.map(|window| (by, window));
            }
            Rule::ev_key => {
                self.fill(&mut events.key, "key", span, |this| parts(part).first().map(|p| this.path(p)));
            }
            Rule::ev_stones => {
                let (mut delete, mut topic) = (None, None);
                for p in parts(part) {
                    match p.as_rule() {
                        Rule::qual => delete = Some(self.qualified(&p)),
                        _ => topic = Some(self.plain_text(&p)),
                    }
                }
                events.tombstones.push(Tombstones { delete, topic, span });
            }
            _ => {
                // Where a route leads is said by a keyword, and behind `ignore` no name follows.
                let which = part
                    .clone()
                    .into_inner()
                    .find(|p| matches!(p.as_rule(), Rule::k_sync | Rule::k_event | Rule::k_workflow | Rule::k_ignore));
                let Some(which) = which else { return };
                let which_span = self.span(&which);
                let mut messages = Vec::new();
                let mut target = None;
                for p in parts(part) {
                    match p.as_rule() {
                        Rule::text => {
                            let message = self.plain_text(&p);
                            messages.push(message);
                        }
                        Rule::ident | Rule::qual => target = Some(p),
                        _ => {}
                    }
                }
                let end = target.as_ref().map_or(which_span, |p| self.span(p));
                let to = match (which.as_rule(), target) {
                    (Rule::k_sync, Some(p)) => RouteTo::Sync(self.name(&p)),
                    (Rule::k_event, Some(p)) => RouteTo::Event(self.qualified(&p)),
                    (Rule::k_workflow, Some(p)) => RouteTo::Workflow(self.name(&p)),
                    _ => RouteTo::Ignore,
                };
                events.routes.push(Route { messages, to: Spanned::new(to, which_span.to(end)), span });
            }
        }
    }
}
