//! `when`: what to do after a change.

use super::cursor::{Builder, Pair, Rule, find, has, parts};
use crate::ast::{Block, StageBranch, Trigger, When};
use crate::source::Spanned;

impl Builder<'_> {
    pub(super) fn when(&mut self, pair: Pair<'_>) -> Option<When> {
        let created = has(&pair, Rule::k_created);
        let is = find(&pair, Rule::k_is);
        let done = find(&pair, Rule::k_created).or_else(|| find(&pair, Rule::k_deleted));
        let mut entity = None;
        // `is created` and `is deleted` are keywords without a rule of their own, as `changes` has one.
        let mut trigger = is.zip(done).map(|(is, done)| {
            let kind = if created { Trigger::Created } else { Trigger::Deleted };
            Spanned::new(kind, self.at(is.0, done.1))
        });
        let mut also = Vec::new();
        let mut named = None;
        let mut only = Vec::new();
        let mut always = None;
        let mut branches = Vec::new();
        let mut actions = Vec::new();
        let mut unread = Vec::new();
        for part in parts(pair) {
            match part.as_rule() {
                Rule::bad_stmt => unread.push(self.span(&part)),
                Rule::qual => entity = Some(self.qualified(&part)),
                Rule::w_changes => {
                    let span = self.span(&part);
                    let mut names = parts(part).into_iter().map(|part| self.name(&part));
                    trigger = names.next().map(|name| Spanned::new(Trigger::Changes(name), span));
                    also = names.collect();
                }
                Rule::named => named = parts(part).first().map(|p| self.name(p)),
                Rule::s_only => {
                    if let Some(expr) = parts(part).into_iter().next() {
                        only.push(self.expr(expr));
                    }
                }
                Rule::w_always => {
                    self.fill(&mut always, "always", self.first_line(&part), |this| {
                        parts(part).into_iter().next().map(|p| this.block(p))
                    });
                }
                Rule::w_branch => {
                    if let Some(branch) = self.branch(part) {
                        branches.push(branch);
                    }
                }
                Rule::action => actions.extend(self.action(part)),
                _ => {}
            }
        }
        Some(When { entity: entity?, trigger: trigger?, also, named, only, always, branches, actions, unread })
    }

    fn branch(&mut self, pair: Pair<'_>) -> Option<StageBranch> {
        let start = pair.as_span().start();
        let has_from = has(&pair, Rule::k_from);
        let mut names = Vec::new();
        let mut block = None;
        let mut end = start;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::ident => {
                    end = part.as_span().start() + part.as_str().trim_end().len();
                    names.push(self.name(&part));
                }
                Rule::block => block = Some(self.block(part)),
                _ => {}
            }
        }
        let from = if has_from && !names.is_empty() { Some(names.remove(0)) } else { None };
        Some(StageBranch { from, to: names, block: block?, span: self.at(start, end) })
    }

    pub(super) fn block(&mut self, pair: Pair<'_>) -> Block {
        let span = self.span(&pair);
        let mut actions = Vec::new();
        for part in parts(pair).into_iter().filter(|part| part.as_rule() == Rule::action) {
            actions.extend(self.action(part));
        }
        Block { actions, span }
    }
}
