//! The life cycles of links, runs, reads, listings and schedules, for people: all transitions, and a picture of each.

use std::collections::BTreeMap;
use std::fmt;

use crate::decide::model::lifecycle;
use crate::decide::model::link::LinkRow;
use crate::decide::model::run::RunRow;
use crate::decide::model::work::{ListingRow, ReadRow, ScheduleRow};

/// The life of one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// `link`, `run` …
    pub name: &'static str,
    /// The phases in which it may begin.
    pub begins: Vec<String>,
    /// All that can happen to it, in the order of its table.
    pub transitions: Vec<Transition>,
}

/// In any of these phases this may happen, and it leads to that phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The phases.
    pub from: Vec<String>,
    /// What happens.
    pub event: String,
    /// The phase after it; `None` where there is nothing left.
    pub to: Option<String>,
}

impl fmt::Display for Transition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} -- {} -> {}", self.from.join(", "), self.event, self.to.as_deref().unwrap_or("gone"))
    }
}

/// All life cycles.
#[must_use]
pub fn lifecycles() -> Vec<Lifecycle> {
    vec![of::<LinkRow>(), of::<RunRow>(), of::<ReadRow>(), of::<ListingRow>(), of::<ScheduleRow>()]
}

fn of<L: lifecycle::Lifecycle>() -> Lifecycle {
    let names = |phases: &[L::Phase]| phases.iter().map(|phase| format!("{phase:?}")).collect();
    let transition = |line: &lifecycle::Transition<L::Phase, L::Event>| Transition {
        from: names(line.from),
        event: format!("{:?}", line.event),
        to: line.to.map(|phase| format!("{phase:?}")),
    };
    Lifecycle { name: L::NAME, begins: names(L::BEGINS), transitions: L::TABLE.iter().map(transition).collect() }
}

impl Lifecycle {
    /// A mermaid state diagram. Phases in which the same may happen are drawn as one box, which names them.
    #[must_use]
    pub fn diagram(&self) -> String {
        let mut boxes: BTreeMap<String, String> = BTreeMap::new();
        let mut arrows: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
        for Transition { from, event, to } in &self.transitions {
            let from = match from.as_slice() {
                [one] => one.clone(),
                many => {
                    let number = boxes.len() + 1;
                    boxes.entry(many.join(", ")).or_insert_with(|| format!("any{number}")).clone()
                }
            };
            let to = to.clone().unwrap_or_else(|| "[*]".to_owned());
            arrows.entry((from, to)).or_default().push(event);
        }
        let mut lines = vec!["```mermaid".to_owned(), "stateDiagram-v2".to_owned()];
        lines.extend(boxes.iter().map(|(names, name)| format!("    state \"{}: {names}\" as {name}", self.name)));
        lines.extend(self.begins.iter().map(|phase| format!("    [*] --> {phase}")));
        lines.extend(arrows.iter().map(|((from, to), events)| format!("    {from} --> {to}: {}", events.join(", "))));
        lines.push("```\n".to_owned());
        lines.join("\n")
    }
}
