//! `test`: how we know.

use super::cursor::{Builder, Pair, Rule, has, parts};
use crate::ast::{Expectation, FaultExtent, RecordCount, SentWhat, StepState, Test, TestStatement, WorkflowState};
use crate::source::Spanned;

impl Builder<'_> {
    pub(super) fn test(&mut self, pair: Pair<'_>) -> Option<Test> {
        let mut title = None;
        let mut statements = Vec::new();
        for part in parts(pair) {
            match part.as_rule() {
                Rule::text => title = Some(self.plain_text(&part)),
                Rule::t_stmt => {
                    let Some(part) = parts(part).into_iter().next() else { continue };
                    let span = self.span(&part);
                    let rule = part.as_rule();
                    let Some(inner) = parts(part).into_iter().next() else { continue };
                    let statement = match rule {
                        Rule::t_given => self.given(inner),
                        Rule::t_when => self.test_when(inner),
                        _ => self.expectation(inner).map(TestStatement::Expect),
                    };
                    statements.extend(statement.map(|s| Spanned::new(s, span)));
                }
                _ => {}
            }
        }
        Some(Test { title: title?, statements })
    }

    fn given(&mut self, pair: Pair<'_>) -> Option<TestStatement> {
        match pair.as_rule() {
            Rule::t_time => {
                let mut date = None;
                let mut minute = 0;
                let mut zone = None;
                for part in parts(pair) {
                    match part.as_rule() {
                        Rule::date => date = self.date(&part),
                        Rule::clock => minute = self.clock(&part),
                        Rule::zone => zone = parts(part).first().map(|p| self.plain_text(p)),
                        _ => {}
                    }
                }
                Some(TestStatement::GivenTime { date: date?, minute, zone })
            }
            Rule::t_fault => {
                let step = has(&pair, Rule::k_step);
                let answers = has(&pair, Rule::k_answers);
                let mut target = None;
                let mut numbers = Vec::new();
                let mut span = None;
                for part in parts(pair) {
                    match part.as_rule() {
                        Rule::path | Rule::ident => target = Some(self.path(&part)),
                        Rule::int => numbers.push(self.int(&part).value),
                        Rule::duration => span = Some(self.duration(&part).value),
                        _ => {}
                    }
                }
                // `answers 503 2 times`: the status stands first; `fails 2 times` has none.
                let mut numbers = numbers.into_iter();
                let status = if answers { numbers.next().map(|n| u16::try_from(n).unwrap_or(u16::MAX)) } else { None };
                let extent = span.map_or_else(|| FaultExtent::Times(numbers.next().unwrap_or(1)), FaultExtent::For);
                Some(TestStatement::GivenFault { target: target?, step, status, extent })
            }
            _ => {
                let mut named = None;
                let mut entity = None;
                let mut changed_at = None;
                let mut record = None;
                for part in parts(pair) {
                    match part.as_rule() {
                        Rule::ident => named = Some(self.name(&part)),
                        Rule::qual => entity = Some(self.qualified(&part)),
                        Rule::clock => changed_at = Some(self.clock(&part)),
                        Rule::record => record = Some(self.record(part)),
                        _ => {}
                    }
                }
                Some(TestStatement::GivenRecord { named, entity: entity?, changed_at, record: record? })
            }
        }
    }

    fn test_when(&mut self, pair: Pair<'_>) -> Option<TestStatement> {
        let twice = has(&pair, Rule::k_twice);
        let rule = pair.as_rule();
        let inner = parts(pair);
        Some(match rule {
            Rule::t_pass => TestStatement::Pass(self.duration(inner.first()?).value),
            Rule::t_sync => TestStatement::SyncRuns(self.name(inner.first()?)),
            Rule::t_becomes => {
                let mut inner = inner.into_iter();
                let path = self.path(&inner.next()?);
                TestStatement::Becomes { path, value: self.expr(inner.next()?) }
            }
            Rule::t_event => {
                let mut inner = inner.into_iter();
                let event = self.qualified(&inner.next()?);
                TestStatement::Happens { event, record: self.record(inner.next()?) }
            }
            _ => {
                let mut system = None;
                let mut message = None;
                let mut record = None;
                for part in inner {
                    match part.as_rule() {
                        Rule::ident => system = Some(self.name(&part)),
                        Rule::text => message = Some(self.plain_text(&part)),
                        Rule::record => record = Some(self.record(part)),
                        _ => {}
                    }
                }
                TestStatement::Message { system: system?, message: message?, times: if twice { 2 } else { 1 }, record }
            }
        })
    }

    fn expectation(&mut self, pair: Pair<'_>) -> Option<Expectation> {
        let rule = pair.as_rule();
        match rule {
            // `no` stands before what is sent and before records alike: its first part tells which of the two is meant.
            Rule::x_none => {
                let inner = parts(pair);
                if inner.first()?.as_rule() == Rule::x_what {
                    let what = self.sent(inner.into_iter().next()?)?;
                    return Some(Expectation::Sent { what, times: Some(0) });
                }
                let (entity, record) = self.entity_and_record(inner)?;
                Some(Expectation::Record { count: RecordCount::None, entity, record })
            }
            Rule::x_parked => {
                let (entity, record) = self.entity_and_record(parts(pair))?;
                Some(Expectation::Parked { entity, record })
            }
            Rule::x_sent => {
                let once = has(&pair, Rule::k_once);
                let twice = has(&pair, Rule::k_twice);
                let inner = parts(pair);
                let number = inner.iter().find(|p| p.as_rule() == Rule::int).map(|p| self.int(p).value);
                let times = if once {
                    Some(1)
                } else if twice {
                    Some(2)
                } else {
                    number
                };
                let what = self.sent(inner.into_iter().next()?)?;
                Some(Expectation::Sent { what, times })
            }
            Rule::x_wf => {
                let state = if has(&pair, Rule::k_running) {
                    WorkflowState::Running
                } else if has(&pair, Rule::k_finished) {
                    WorkflowState::Finished
                } else {
                    WorkflowState::Failed
                };
                Some(Expectation::Workflow { name: self.name(parts(pair).first()?), state })
            }
            Rule::x_step => {
                let state = if has(&pair, Rule::k_done) {
                    StepState::Done
                } else if has(&pair, Rule::k_undone) {
                    StepState::Undone
                } else {
                    StepState::Skipped
                };
                Some(Expectation::Step { path: self.path(parts(pair).first()?), state })
            }
            _ => {
                let one = has(&pair, Rule::k_one);
                let (entity, record) = self.entity_and_record(parts(pair))?;
                let count = if one { RecordCount::One } else { RecordCount::Some };
                Some(Expectation::Record { count, entity, record })
            }
        }
    }

    fn entity_and_record(
        &mut self,
        parts: Vec<Pair<'_>>,
    ) -> Option<(crate::ast::Qualified, Option<crate::ast::Record>)> {
        let mut entity = None;
        let mut record = None;
        for part in parts {
            match part.as_rule() {
                Rule::qual => entity = Some(self.qualified(&part)),
                Rule::record => record = Some(self.record(part)),
                _ => {}
            }
        }
        Some((entity?, record))
    }

    fn sent(&mut self, pair: Pair<'_>) -> Option<SentWhat> {
        let notice = has(&pair, Rule::k_notice);
        let call = has(&pair, Rule::k_call);
        let role = has(&pair, Rule::k_role);
        let inner = parts(pair);
        if notice {
            let to = inner.iter().find(|p| p.as_rule() == Rule::text).map(|p| self.plain_text(p))?;
            return Some(SentWhat::Notice { role, to });
        }
        if call {
            let (operation, record) = self.entity_and_record(inner)?;
            return Some(SentWhat::Call { operation, record });
        }
        let mut system = None;
        let mut operation = None;
        let mut template = None;
        let mut to = None;
        for part in inner {
            match part.as_rule() {
                Rule::op => {
                    let name = part.into_inner().next()?;
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
                _ => {}
            }
        }
        Some(SentWhat::Message { system, operation: operation?, template: template?, to })
    }
}
