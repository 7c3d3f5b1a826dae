//! What a rule set needs of one system: the fields that it uses, and which entities it writes.
//!
//! In: a checked program. Out: needs by entity of the system's lock. Always true: a field that the engine fills by
//! itself is needed wherever the lock has it. Not here: what the account has.

use std::collections::BTreeMap;

use connectors::hubspot::setup::plan::Need;
use dsl::program::{ActionKind, Code, Expr, MappingKind, Op, Program, Route, Run, Side, Sync};
use dsl::schema::{About, EntityName};

use crate::decide::OWN_KEY;

/// What the rules need of `system`, by entity.
pub(super) fn of(program: &Program, system: &str) -> BTreeMap<String, Need> {
    let mut needs: BTreeMap<String, Need> = BTreeMap::new();
    let ours = |name: &&EntityName| name.system == system;
    for (name, used) in program.used.iter().filter(|(name, _)| ours(name)) {
        let need = needs.entry(name.entity.clone()).or_default();
        need.fields.clone_from(&used.fields);
        need.fields.extend(program.field(name, OWN_KEY).map(|_| OWN_KEY.to_owned()));
        for field in &used.fields {
            let Some(choice) = program.choice(name, field) else { continue };
            let spelled = choice.words.iter().map(|word| word.spelling(system).to_owned()).collect();
            need.spelled.insert(field.clone(), spelled);
        }
    }
    for name in written(program).filter(ours) {
        needs.entry(name.entity.clone()).or_default().writes = true;
    }
    for (name, field) in heard(program).into_iter().filter(|(name, _)| name.system == system) {
        needs.entry(name.entity.clone()).or_default().heard.insert(field);
    }
    let lock = program.systems.get(system).map(|system| &system.lock);
    let deliveries = lock.and_then(|lock| lock.deliveries.as_ref());
    for (name, route) in program.doors.get(system).into_iter().flat_map(|door| &door.routes) {
        let message = deliveries.and_then(|deliveries| deliveries.messages.get(name));
        if let Some(About::Record { entity, .. }) = message.map(|message| &message.about)
            && *route != Route::Ignore
            && let Some(need) = needs.get_mut(entity)
        {
            need.messages.insert(name.clone());
        }
    }
    needs
}

/// Fields whose changes lead to something: sources of syncs on change, and what reactions and waits look at.
fn heard(program: &Program) -> Vec<(EntityName, String)> {
    let mut all = Vec::new();
    for sync in program.syncs.iter().filter(|sync| sync.run == Run::OnChange) {
        synced(sync, &mut all);
    }
    for when in &program.whens {
        all.extend(when.fields().map(|field| (when.entity.clone(), field.clone())));
    }
    for op in codes(program).flat_map(|code| &code.ops) {
        if let Op::WaitFor { what, event: false, field, .. } = op {
            all.push((what.clone(), field.clone()));
        }
    }
    all
}

/// Fields from which a sync takes something. A key is read, and a new one pairs anew.
fn synced(sync: &Sync, all: &mut Vec<(EntityName, String)>) {
    for (left, right) in &sync.keys {
        all.extend([(sync.left.clone(), left.clone()), (sync.right.clone(), right.clone())]);
    }
    let mut own = |expr: &Expr| {
        expr.visit(&mut |part| {
            if let Expr::Field { links, field, entity: Some(entity), .. } = part
                && links.is_empty()
            {
                all.push((entity.clone(), field.clone()));
            }
        });
    };
    sync.only.iter().for_each(&mut own);
    for line in &sync.fields {
        if let MappingKind::Computed { source, .. } = &line.kind {
            own(source);
        }
    }
    for line in &sync.fields {
        if let MappingKind::Field { left, right, .. } = &line.kind {
            for (side, field) in [(Side::Left, left), (Side::Right, right)] {
                all.extend(line.direction.writes(side.other()).then(|| (sync.entity(side).clone(), field.clone())));
            }
        }
    }
}

fn codes(program: &Program) -> impl Iterator<Item = &Code> {
    program.whens.iter().map(|when| &when.code).chain(program.workflows.iter().map(|flow| &flow.code))
}

/// Entities whose records rules make, change or delete.
fn written(program: &Program) -> impl Iterator<Item = &EntityName> {
    let synced = program.syncs.iter().flat_map(|sync| {
        let sides = [Side::Left, Side::Right]
            .into_iter()
            .filter(|side| sync.create.contains(side) || sync.fields.iter().any(|line| line.direction.writes(*side)));
        sides.map(|side| sync.entity(side))
    });
    synced.chain(codes(program).flat_map(acted))
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
        let heard: Vec<&str> = needs["Contact"].heard.iter().map(String::as_str).collect();
        assert_eq!(heard, ["company", "email", "firstname", "lastname", "phone"]);
        assert!(needs["Deal"].spelled["dealstage"].contains("decisionmakerboughtin"), "as this account spells it");
        assert!(needs["Contact"].messages.contains("contact.propertyChange"));
        assert!(of(&crate::rules::shipped(), "nowhere").is_empty());
    }
}
