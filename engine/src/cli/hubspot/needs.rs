//! What a rule set needs of one system: the fields that it uses, and which entities it writes.
//!
//! In: a checked program. Out: needs by entity of the system's lock. Always true: a field that the engine fills by
//! itself is needed wherever the lock has it. Not here: what the account has.

use std::collections::BTreeMap;

use connectors::hubspot::setup::plan::Need;
use dsl::program::{ActionKind, Code, Op, Program, Side};
use dsl::schema::EntityName;

use crate::decide::OWN_KEY;

/// What the rules need of `system`, by entity.
pub(super) fn of(program: &Program, system: &str) -> BTreeMap<String, Need> {
    let mut needs: BTreeMap<String, Need> = BTreeMap::new();
    let ours = |name: &&EntityName| name.system == system;
    for (name, used) in program.used.iter().filter(|(name, _)| ours(name)) {
        let need = needs.entry(name.entity.clone()).or_default();
        need.fields.clone_from(&used.fields);
        need.fields.extend(program.field(name, OWN_KEY).map(|_| OWN_KEY.to_owned()));
    }
    for name in written(program).filter(ours) {
        needs.entry(name.entity.clone()).or_default().writes = true;
    }
    needs
}

/// Entities whose records rules make, change or delete.
fn written(program: &Program) -> impl Iterator<Item = &EntityName> {
    let synced = program.syncs.iter().flat_map(|sync| {
        let sides = [Side::Left, Side::Right]
            .into_iter()
            .filter(|side| sync.create.contains(side) || sync.fields.iter().any(|line| line.direction.writes(*side)));
        sides.map(|side| sync.entity(side))
    });
    let codes = program.whens.iter().map(|when| &when.code).chain(program.workflows.iter().map(|flow| &flow.code));
    synced.chain(codes.flat_map(acted))
}

fn acted(code: &Code) -> impl Iterator<Item = &EntityName> {
    code.ops.iter().filter_map(|op| match op {
        Op::Act(action) => match &action.kind {
            ActionKind::Create { entity, .. }
            | ActionKind::Update { entity, .. }
            | ActionKind::Set { entity, .. }
            | ActionKind::Delete { entity, .. } => Some(entity),
            ActionKind::Start { .. } | ActionKind::Call { .. } | ActionKind::RunSync(_) => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rules_need_what_they_use_and_the_engines_own_keys() {
        let needs = of(&crate::rules::shipped(), "crm");
        let custom = |entity: &str| -> Vec<String> {
            let lock = &crate::rules::shipped().systems["crm"].lock;
            let fields = needs[entity].fields.iter().filter(|field| lock.entities[entity].fields[*field].custom);
            fields.cloned().collect()
        };
        let contact = ["health_score", "lifetime_value", "signed_up_at", "subscription_plan", "subscription_status"];
        assert_eq!(custom("Contact"), contact);
        assert_eq!(custom("Company"), ["engine_link_id"]);
        assert_eq!(custom("Deal"), ["engine_link_id", "probability", "source_subscription_id", "subscription_plan"]);
        assert_eq!(custom("Note"), ["engine_link_id", "importance", "source_id"]);
        let written: Vec<&str> = needs.iter().filter(|(_, need)| need.writes).map(|(name, _)| name.as_str()).collect();
        assert_eq!(written, ["Company", "Contact", "Deal", "Note"]);
        assert!(of(&crate::rules::shipped(), "nowhere").is_empty());
    }
}
