//! When two nodes of the tree are equal: where they say the same, whatever stands around them.
//!
//! Always true: places do not count, nor do comments and blanks, which are not in the tree. That an optional word is
//! written counts, though only its place is kept; of lines that were not understood, how many there are.
//! Every field is named here, so that one that is added to a node has to be added here too.

use super::{
    Action, Assign, Block, Choice, ChoiceRow, Events, Expr, FieldDecl, Item, Limit, Mapping, MatchKey, Name, OnEmpty,
    Path, Qualified, Record, Route, StageBranch, Step, Table, TableRow, Tombstones, Transform, WaitFor, When,
    WorkflowStatement,
};
use crate::source::{Span, Spanned};

/// Implements equality of a struct: `says` are compared, of `written` only whether there is a place, of `unread` how
/// many places there are; `places` do not count.
macro_rules! equal {
    ($($node:ident says($($says:ident),+) written($($written:ident),*) unread($($unread:ident)?) places($($place:ident),*);)+) => {
        $(
            impl PartialEq for $node {
                fn eq(&self, other: &Self) -> bool {
                    let Self { $($says,)+ $($written,)* $($unread,)? $($place: _,)* } = self;
                    $(*$says == other.$says)&&+
                        $(&& is_written(*$written) == is_written(other.$written))*
                        $(&& $unread.len() == other.$unread.len())?
                }
            }
        )+
    };
}

equal! {
    Qualified says(system, name) written() unread() places(span);
    Path says(names) written() unread() places(span);
    Item says(kind) written() unread() places(span, head);
    Choice says(name, ordered, fields, rows) written() unread(unread) places();
    FieldDecl says(name, list, ty, optional, unique, read_only) written() unread() places(span);
    Limit says(name, amount, unit, per) written() unread() places(span);
    Table says(name, by, columns, rows) written() unread(unread) places();
    TableRow says(cells) written() unread() places(span);
    MatchKey says(left, right) written() unread() places(span);
    Mapping says(left, right, arrow, via, transforms, on_empty, policy) written(link, on_create) unread() places(span);
    OnEmpty says(outcome) written() unread() places(span);
    Events says(from, topics, verify, dedupe, key, tombstones, routes) written(webhook) unread() places();
    Tombstones says(delete, topic) written() unread() places(span);
    Route says(messages, to) written() unread() places(span);
    When says(entity, trigger, also, named, only, always, branches, actions) written() unread(unread) places();
    StageBranch says(from, to, block) written() unread() places(span);
    Block says(actions) written() unread() places(span);
    Action says(kind) written(accept) unread() places(head, span);
    Record says(lines) written() unread(unread) places(span);
    Assign says(path, value, via, on_empty) written(link) unread() places(span);
    Step says(name, actions, retry, timeout, undo) written(accept) unread() places(head);
    WaitFor says(up_to, what, named, condition, happened, timed_out) written() unread(unread) places(head);
    Transform says(name, args) written() unread() places(span);
    Expr says(kind) written() unread() places(span);
}

fn is_written(word: Option<Span>) -> bool {
    word.is_some()
}

impl PartialEq for ChoiceRow {
    fn eq(&self, other: &Self) -> bool {
        let Self { word, label, spelled, is_final, span: _ } = self;
        fn spelling((system, text, _): &(Name, Spanned<String>, Span)) -> (&Name, &Spanned<String>) {
            (system, text)
        }
        *word == other.word
            && *label == other.label
            && *is_final == other.is_final
            && spelled.iter().map(spelling).eq(other.spelled.iter().map(spelling))
    }
}

impl PartialEq for WorkflowStatement {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Step(one), Self::Step(other)) => one == other,
            (Self::Wait(one), Self::Wait(other)) => one == other,
            (Self::WaitUntil(one, _), Self::WaitUntil(other, _)) => one == other,
            (Self::WaitFor(one), Self::WaitFor(other)) => one == other,
            (Self::Action(one), Self::Action(other)) => one == other,
            (Self::Step(_) | Self::Wait(_) | Self::WaitUntil(..) | Self::WaitFor(_) | Self::Action(_), _) => false,
        }
    }
}
