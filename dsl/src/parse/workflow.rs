//! `workflow`: what to do over days.

use super::cursor::{Builder, Pair, Rule, find, has, parts};
use super::limits::MAX_STEPS;
use crate::ast::{Retry, SecondStart, Step, Undo, WaitFor, Workflow, WorkflowStatement};
use crate::diagnostic::{Code, Problem};
use crate::source::Spanned;

impl Builder<'_> {
    pub(super) fn workflow(&mut self, pair: Pair<'_>) -> Option<Workflow> {
        let mut names = Vec::new();
        let mut entity = None;
        let mut only_one = None;
        let mut give_up = None;
        let mut cancel = Vec::new();
        let mut body = Vec::new();
        let mut on_failure = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => names.push(self.name(&part)),
                Rule::qual => entity = Some(self.qualified(&part)),
                Rule::wf_stmt => {
                    let Some(part) = parts(part).into_iter().next() else { continue };
                    let span = self.span(&part);
                    match part.as_rule() {
                        Rule::wf_one => {
                            let second = if has(&part, Rule::k_newest) {
                                SecondStart::NewestWins
                            } else if has(&part, Rule::k_queue) {
                                SecondStart::Queue
                            } else {
                                SecondStart::KeepFirst
                            };
                            self.fill(&mut only_one, "only one", span, |this| {
                                parts(part).first().map(|p| (this.path(p), Spanned::new(second, span)))
                            });
                        }
                        Rule::wf_limit => {
                            self.fill(&mut give_up, "give up", span, |this| {
                                parts(part).first().map(|p| this.duration(p))
                            });
                        }
                        Rule::wf_cancel => {
                            if let Some(expr) = parts(part).into_iter().next() {
                                cancel.push(self.expr(expr));
                            }
                        }
                        Rule::wf_step => body.extend(self.step(part).map(WorkflowStatement::Step)),
                        Rule::wf_waitfor => body.extend(self.wait_for(part).map(WorkflowStatement::WaitFor)),
                        Rule::wf_wait => {
                            let Some(part) = parts(part).into_iter().next() else { continue };
                            body.push(match part.as_rule() {
                                Rule::duration => WorkflowStatement::Wait(self.duration(&part)),
                                _ => WorkflowStatement::WaitUntil(self.expr(part), span),
                            });
                        }
                        Rule::wf_fail => {
                            // What is told of a second block points at its first line, and not at all of it.
                            self.fill(&mut on_failure, "on failure", self.first_line(&part), |this| {
                                parts(part).into_iter().next().map(|p| this.block(p))
                            });
                        }
                        Rule::action => body.extend(self.action(part).map(WorkflowStatement::Action)),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        let steps = body.iter().filter_map(|statement| match statement {
            WorkflowStatement::Step(step) => Some(step.head),
            _ => None,
        });
        if let Some(head) = steps.into_iter().nth(MAX_STEPS) {
            let problem =
                Problem::new(Code::E0098, "this workflow has more than 500 steps", head, "the first one too many");
            self.problems.push(problem.help("start a second workflow from it"));
        }
        let mut names = names.into_iter();
        Some(Workflow {
            name: names.next()?,
            argument: names.next()?,
            entity: entity?,
            only_one,
            give_up,
            cancel,
            body,
            on_failure,
        })
    }

    fn step(&mut self, pair: Pair<'_>) -> Option<Step> {
        let start = pair.as_span().start();
        let mut name = None;
        let mut end = start;
        let mut step_actions = Vec::new();
        let mut retry = None;
        let mut timeout = None;
        let mut accept = None;
        let mut undo = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => {
                    end = part.as_span().start() + part.as_str().trim_end().len();
                    name = Some(self.name(&part));
                }
                Rule::st_stmt => {
                    let Some(part) = parts(part).into_iter().next() else { continue };
                    let span = self.span(&part);
                    match part.as_rule() {
                        Rule::st_retry => {
                            self.fill(&mut retry, "retry", span, |this| Some(Spanned::new(this.retry(part), span)));
                        }
                        Rule::st_timeout => {
                            self.fill(&mut timeout, "timeout", span, |this| {
                                parts(part).first().map(|p| this.duration(p))
                            });
                        }
                        Rule::accept => {
                            self.fill(&mut accept, "accept duplicates", span, |_| Some(span));
                        }
                        Rule::st_undo => {
                            self.fill(&mut undo, "undo", self.first_line(&part), |this| {
                                parts(part).into_iter().next().map(|p| match p.as_rule() {
                                    Rule::block => Undo::Block(this.block(p)),
                                    _ => Undo::Nothing(this.plain_text(&p)),
                                })
                            });
                        }
                        Rule::action => step_actions.extend(self.action(part)),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        // Ends with the name: of head and actions the hash of a step is made, and not of how it is retried or undone.
        let head = self.at(start, end);
        Some(Step { name: name?, actions: step_actions, retry, timeout, accept, undo, head })
    }

    fn retry(&mut self, pair: Pair<'_>) -> Retry {
        let first_word = has(&pair, Rule::k_first);
        let mut times = 0;
        let mut spans = Vec::new();
        for part in parts(pair) {
            match part.as_rule() {
                Rule::int => times = self.int(&part).value,
                Rule::duration => spans.push(self.duration(&part).value),
                _ => {}
            }
        }
        let mut spans = spans.into_iter();
        let first = if first_word { spans.next() } else { None };
        Retry { times, first, at_most: spans.next() }
    }

    fn wait_for(&mut self, pair: Pair<'_>) -> Option<WaitFor> {
        let start = pair.as_span().start();
        let mut up_to = None;
        let mut what = None;
        let mut named = None;
        let mut condition = None;
        let mut happened = None;
        let mut timed_out = None;
        let mut unread = Vec::new();
        let mut end = find(&pair, Rule::k_where).map_or(start, |span| span.1);
        for part in parts(pair) {
            match part.as_rule() {
                Rule::duration => up_to = Some(self.duration(&part)),
                Rule::qual => what = Some(self.qualified(&part)),
                Rule::named => named = parts(part).first().map(|p| self.name(p)),
                Rule::expr => {
                    end = part.as_span().start() + part.as_str().trim_end().len();
                    condition = Some(self.expr(part));
                }
                Rule::wf_hap => {
                    self.fill(&mut happened, "happened", self.first_line(&part), |this| {
                        parts(part).into_iter().next().map(|p| this.block(p))
                    });
                }
                Rule::bad_stmt => unread.push(self.span(&part)),
                Rule::wf_timed => {
                    self.fill(&mut timed_out, "timed out", self.first_line(&part), |this| {
                        parts(part).into_iter().next().map(|p| this.block(p))
                    });
                }
                _ => {}
            }
        }
        let head = self.at(start, end);
        Some(WaitFor { up_to, what: what?, named, condition: condition?, happened, timed_out, unread, head })
    }
}
