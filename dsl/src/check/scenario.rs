//! `test`: names that exist and something that is expected.

use super::world::World;
use crate::ast::{self, Expectation, Item, TestStatement};
use crate::diagnostic::Problem;

impl World<'_> {
    pub(super) fn test(&mut self, test: &ast::Test, item: &Item) {
        let mut expects = false;
        for statement in &test.statements {
            match &statement.value {
                TestStatement::GivenRecord { entity, record, .. } => self.test_record(entity, Some(record)),
                TestStatement::SyncRuns(name) if self.sync_index(&name.value).is_none() => {
                    let known: Vec<String> = self.sync_names.iter().map(|(n, ..)| n.clone()).collect();
                    self.no_such("sync", name, known.iter().map(String::as_str));
                }
                TestStatement::Expect(expectation) => {
                    expects = true;
                    match expectation {
                        Expectation::Record { entity, record, .. } | Expectation::Parked { entity, record } => {
                            self.test_record(entity, record.as_ref());
                        }
                        Expectation::Workflow { name, .. } => self.test_workflow(name),
                        Expectation::Step { path, .. } => self.test_workflow(&path.names[0]),
                        Expectation::Sent { .. } => {}
                    }
                }
                _ => {}
            }
        }
        if !expects {
            let problem = Problem::new("E0701", "this test expects nothing", item.head, "it can never fail");
            self.tell(problem.help("add a line that begins with `expect`"));
        }
    }

    fn test_workflow(&mut self, name: &ast::Name) {
        if self.workflow_index(&name.value).is_none() {
            let known: Vec<String> = self.workflow_names.iter().map(|(n, ..)| n.clone()).collect();
            self.no_such("workflow", name, known.iter().map(String::as_str));
        }
    }

    fn test_record(&mut self, entity: &ast::Qualified, record: Option<&ast::Record>) {
        let Some(entity) = self.has_entity(entity) else { return };
        for line in record.iter().flat_map(|r| &r.lines) {
            let name = &line.path.names[0];
            let known = self
                .entity(&entity)
                .is_some_and(|e| e.fields.contains_key(&name.value) || e.links.contains_key(&name.value));
            if !known {
                self.no_field(&entity, name);
            }
        }
    }
}
