//! The tasks of a round, in the order in which they are taken.
//!
//! Always true: the parts of the input come first, so that what follows sees all of it. Then, each only when nothing
//! before it is left: writes that took effect, and edits that they overwrote; deletions, merges and restores in the order in which they happened;
//! changes; records that a delivery spoke of; starts of workflows; links and runs, first in first out; reactions last,
//! so that a value that a merge is about to write over fires nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dsl::schema::EntityName;

use crate::decide::model::task::{Task, Transition, TransitionKind};
use crate::ids::{LinkId, RunId};

/// What is left to do in a round.
#[derive(Debug, Default)]
pub(crate) struct Agenda<'a> {
    input: VecDeque<Task<'a>>,
    writes: VecDeque<Task<'a>>,
    existence: VecDeque<Task<'a>>,
    changed: VecDeque<Task<'a>>,
    /// Syncs that look at a record, once however many messages speak of it.
    touched: BTreeMap<(EntityName, String), BTreeSet<usize>>,
    starts: VecDeque<Task<'a>>,
    instances: VecDeque<Task<'a>>,
    links: BTreeSet<LinkId>,
    runs: BTreeSet<RunId>,
    reactions: VecDeque<Task<'a>>,
}

impl<'a> Agenda<'a> {
    /// Adds a task. A link or run that is listed already, and a reaction to the same change, is not listed twice.
    pub(crate) fn add(&mut self, task: Task<'a>) {
        match task {
            Task::Message(_) | Task::Timer { .. } | Task::Answer(_) => self.input.push_back(task),
            Task::Landed(_) | Task::Overwritten(_) => self.writes.push_back(task),
            Task::Deleted { .. } | Task::Merged { .. } | Task::Restored { .. } => self.existence.push_back(task),
            Task::Changed { .. } | Task::Moved { .. } => self.changed.push_back(task),
            Task::Touched { entity, id, syncs } => self.touched.entry((entity, id)).or_default().extend(syncs),
            Task::Start { .. } => self.starts.push_back(task),
            Task::Link(link) => {
                if self.links.insert(link) {
                    self.instances.push_back(task);
                }
            }
            Task::Run(run) => {
                if self.runs.insert(run) {
                    self.instances.push_back(task);
                }
            }
            Task::React(_) => {
                if !self.reactions.contains(&task) {
                    self.reactions.push_back(task);
                }
            }
        }
    }

    /// A reaction to a change of this field is listed.
    pub(crate) fn reacts(&self, entity: &EntityName, id: &str, field: &str) -> bool {
        self.reactions.iter().any(|task| {
            matches!(task, Task::React(Transition { entity: of, id: its, kind: TransitionKind::Changes { field: its_field, .. }, .. })
                if of == entity && its == id && its_field == field)
        })
    }

    /// Takes the next task.
    pub(crate) fn next(&mut self) -> Option<Task<'a>> {
        let early = [&mut self.input, &mut self.writes, &mut self.existence, &mut self.changed];
        if let Some(task) = early.into_iter().find_map(VecDeque::pop_front) {
            return Some(task);
        }
        if let Some(((entity, id), syncs)) = self.touched.pop_first() {
            return Some(Task::Touched { entity, id, syncs });
        }
        let late = [&mut self.starts, &mut self.instances, &mut self.reactions];
        let task = late.into_iter().find_map(VecDeque::pop_front)?;
        match &task {
            Task::Link(link) => self.links.remove(link),
            Task::Run(run) => self.runs.remove(run),
            _ => false,
        };
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use dsl::value::Timestamp;

    use super::*;

    fn contact() -> (EntityName, String) {
        (EntityName::new("crm", "Contact"), "1".to_owned())
    }

    fn changed() -> Task<'static> {
        let (entity, id) = contact();
        Task::Changed { entity, id }
    }

    fn deleted() -> Task<'static> {
        let (entity, id) = contact();
        Task::Deleted { entity, id, erased: false }
    }

    fn restored() -> Task<'static> {
        let (entity, id) = contact();
        Task::Restored { entity, id }
    }

    fn react() -> Task<'static> {
        let (entity, id) = contact();
        Task::React(Transition { entity, id, kind: TransitionKind::Created, at: Timestamp(1) })
    }

    fn touched(sync: usize) -> Task<'static> {
        let (entity, id) = contact();
        Task::Touched { entity, id, syncs: [sync].into() }
    }

    fn taken(tasks: &[Task<'static>]) -> Vec<Task<'static>> {
        let mut agenda = Agenda::default();
        for task in tasks {
            agenda.add(task.clone());
        }
        std::iter::from_fn(|| agenda.next()).collect()
    }

    #[test]
    fn reactions_come_last_and_existence_before_what_hangs_on_it() {
        let link = Task::Link(LinkId(1));
        let order = [deleted(), restored(), changed(), link.clone(), react()];
        assert_eq!(taken(&[react(), link, changed(), deleted(), restored()]), order);
    }

    #[test]
    fn a_delete_and_a_restore_keep_their_order() {
        assert_eq!(taken(&[restored(), deleted()]), [restored(), deleted()]);
    }

    #[test]
    fn a_link_is_listed_once_until_it_is_taken() {
        let (one, two) = (Task::Link(LinkId(1)), Task::Link(LinkId(2)));
        assert_eq!(taken(&[one.clone(), two.clone(), one.clone()]), [one.clone(), two]);
        let mut agenda = Agenda::default();
        for _ in 0..2 {
            agenda.add(one.clone());
            assert_eq!(agenda.next(), Some(one.clone()));
        }
    }

    #[test]
    fn one_record_is_looked_at_once_for_all_messages_that_speak_of_it() {
        let (entity, id) = contact();
        assert_eq!(taken(&[touched(2), touched(0), touched(2)]), [Task::Touched { entity, id, syncs: [0, 2].into() }]);
        assert_eq!(taken(&[react(), react()]), [react()]);
    }
}
