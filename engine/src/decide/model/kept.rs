//! Values in the form in which those keep them who hold them, so that what a system does to a value by itself is no
//! difference.
//!
//! In: a value, its field, the rules. Out: the value that compares. Always true: two values that one of the two systems
//! cannot tell apart are one.

use connectors::registry::ConnectorKind;
use dsl::program::{Direction, Mapping, MappingKind, Program, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::Value;

/// A value in the form in which its system keeps it.
fn kept(program: &Program, entity: &EntityName, field: &str, value: Value) -> Value {
    // This is asked of every value that is compared: most have one form everywhere.
    if !ConnectorKind::has_forms(&value) {
        return value;
    }
    let Some(system) = program.systems.get(&entity.system) else { return value };
    let kind = system.lock.connector.parse::<ConnectorKind>();
    match (kind, system.lock.entities.get(&entity.entity)) {
        (Ok(kind), Some(declared)) => kind.kept(declared, field, value),
        _ => value,
    }
}

/// A value of a line in the form in which those keep it who hold it: what either side does to a value by itself is no
/// difference between the two.
pub(crate) fn kept_by_both(program: &Program, sync: &Sync, mapping: &Mapping, value: Value) -> Value {
    match &mapping.kind {
        MappingKind::Field { left, right, .. } => {
            let value = kept(program, &sync.left, left, value);
            kept(program, &sync.right, right, value)
        }
        MappingKind::Computed { target, .. } => {
            let side = if mapping.direction == Direction::ToLeft { Side::Left } else { Side::Right };
            kept(program, sync.entity(side), target, value)
        }
        MappingKind::Link { .. } => value,
    }
}

/// The value of a match key in the domain in which keys are compared.
pub(crate) fn normal(program: &Program, entity: &EntityName, field: &str, value: &Value) -> Value {
    for rule in &program.syncs {
        for (left, right) in &rule.keys {
            let side = if rule.left == *entity && left == field {
                Side::Left
            } else if rule.right == *entity && right == field {
                Side::Right
            } else {
                continue;
            };
            let mapping = rule.fields.iter().find(|mapping| {
                matches!(&mapping.kind, MappingKind::Field { left: l, right: r, .. } if l == left && r == right)
            });
            let value = match mapping {
                Some(mapping) => match dsl::eval::canonical(program, rule, mapping, side, value) {
                    Ok(value) => value,
                    Err(_) => continue,
                },
                None => value.clone(),
            };
            // As both systems compare it: one of them may keep another form than the other.
            return kept(program, &rule.right, right, kept(program, &rule.left, left, value));
        }
    }
    kept(program, entity, field, value.clone())
}
