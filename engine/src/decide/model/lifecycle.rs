//! Life cycles: in which phase something is, and what may happen to it there.
//!
//! Always true: all transitions of one kind of thing stand in one table, and nothing changes its phase by another way.
//! A step that is in no table is a defect of the engine.

use std::fmt::Debug;

/// One line of a table: in any of these phases this may happen, and it leads to that phase.
#[derive(Debug)]
pub(crate) struct Transition<P: 'static, E> {
    pub(crate) from: &'static [P],
    pub(crate) event: E,
    /// `None` where there is nothing left of it.
    pub(crate) to: Option<P>,
}

/// A thing that has a life.
pub(crate) trait Lifecycle: 'static {
    /// The state without its data.
    type Phase: Debug + Copy + Eq + 'static;
    /// What happens to it.
    type Event: Debug + Copy + Eq + 'static;
    /// For people.
    const NAME: &'static str;
    /// How it begins.
    const BEGINS: &'static [Self::Phase];
    /// All that can happen.
    const TABLE: &'static [Transition<Self::Phase, Self::Event>];
}

/// What an event leads to: the line of the table, and the phase. `None` where it cannot happen.
pub(crate) fn next<L: Lifecycle>(from: L::Phase, event: L::Event) -> Option<(usize, Option<L::Phase>)> {
    let mut lines = L::TABLE.iter().enumerate();
    lines.find(|(_, line)| line.event == event && line.from.contains(&from)).map(|(index, line)| (index, line.to))
}

/// The line of the table by which an event leads from one phase to another.
///
/// # Panics
/// Where there is none: that is a defect of the engine, and stops the instance that is being decided.
pub(crate) fn step<L: Lifecycle>(from: L::Phase, event: L::Event, to: Option<L::Phase>) -> usize {
    match next::<L>(from, event) {
        Some((line, next)) if next == to => line,
        _ => panic!("a {} that is {from:?} does not become {to:?} by {event:?}", L::NAME),
    }
}
