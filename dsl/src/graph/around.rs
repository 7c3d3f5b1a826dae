//! The part of a graph that lies around one thing.

use std::collections::{BTreeMap, BTreeSet};

use super::{EdgeKind, Graph, Node, NodeKind};
use crate::program::Program;
use crate::schema::EntityName;
use crate::suggest::nearest;

/// Nothing in the rules or locks has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing in these rules is called `{name}`")]
pub struct Unknown {
    /// What was asked for.
    pub name: String,
    /// The name that may have been meant.
    pub nearest: Option<String>,
}

/// What is within one rule of `name`: the rules that touch it and all that these touch; for a rule also the rules
/// that touch the same records. A workflow is one rule with all its parts. `name` is an entity, one of its fields or
/// links (`crm.Deal.dealstage`), an event, an operation, a system, or a rule by its name.
///
/// # Errors
/// [`Unknown`] where there is nothing of this name, with the nearest.
pub fn around(graph: &Graph, program: &Program, name: &str) -> Result<Graph, Unknown> {
    let mut graph = graph.clone();
    let mut field = None;
    let mut begin: BTreeSet<String> = BTreeSet::new();
    if let Some(node) = graph.nodes.iter().find(|node| node.name == name || node.title == name) {
        begin.insert(node.name.clone());
    } else if program.systems.contains_key(name) {
        begin.extend(graph.nodes.iter().filter(|n| n.system.as_deref() == Some(name)).map(|n| n.name.clone()));
    } else if let Some(entity) = entity(program, name) {
        // No rule touches it, so it stands alone.
        graph.nodes.insert(0, alone(&entity));
        begin.insert(entity.to_string());
    } else if let Some((entity, member)) = name.rsplit_once('.').and_then(|(of, member)| {
        let entity = entity(program, of)?;
        let found = program.entity(&entity)?;
        (found.fields.contains_key(member) || found.links.contains_key(member)).then_some((entity, member))
    }) {
        if graph.node(&entity.to_string()).is_none() {
            graph.nodes.insert(0, alone(&entity));
        }
        begin.insert(entity.to_string());
        field = Some(member.to_owned());
    } else {
        return Err(Unknown { name: name.to_owned(), nearest: near(&graph, program, name) });
    }
    Ok(cut(&graph, &begin, field.as_deref()))
}

fn entity(program: &Program, name: &str) -> Option<EntityName> {
    let (system, entity) = name.split_once('.')?;
    let entity = EntityName::new(system, entity);
    program.entity(&entity).is_some().then_some(entity)
}

fn alone(entity: &EntityName) -> Node {
    Node {
        name: entity.to_string(),
        title: entity.to_string(),
        kind: NodeKind::Entity,
        system: Some(entity.system.clone()),
        workflow: None,
        place: None,
    }
}

fn near(graph: &Graph, program: &Program, name: &str) -> Option<String> {
    let mut known: Vec<String> = graph.nodes.iter().flat_map(|node| [node.name.clone(), node.title.clone()]).collect();
    for (system, declared) in &program.systems {
        known.push(system.clone());
        for entity in declared.lock.entities.keys() {
            known.push(format!("{system}.{entity}"));
        }
    }
    // Fields only of what is named before the last dot: there are hundreds.
    if let Some((of, _)) = name.rsplit_once('.') {
        let names: Vec<String> = known.clone();
        let of = nearest(of, names.iter().map(String::as_str)).and_then(|of| Some((of, entity(program, of)?)));
        if let Some((of, entity)) = of
            && let Some(entity) = program.entity(&entity)
        {
            known.extend(entity.fields.keys().chain(entity.links.keys()).map(|member| format!("{of}.{member}")));
        }
    }
    nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
}

/// What is reached from `begin` by one edge, and all edges of that; of the edges at `begin` only those about `field`,
/// if one is named.
fn cut(graph: &Graph, begin: &BTreeSet<String>, field: Option<&str>) -> Graph {
    let kinds: BTreeMap<&str, &Node> = graph.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    // A part of a workflow stands for the whole of it.
    let unit = |name: &str| -> String {
        kinds.get(name).and_then(|node| node.workflow.clone()).unwrap_or_else(|| name.to_owned())
    };
    let mut edges: Vec<super::Edge> = graph.edges.clone();
    if let Some(field) = field {
        edges.retain_mut(|edge| {
            let touches = begin.contains(&edge.from) || begin.contains(&edge.to);
            let about = edge.fields.iter().any(|one| one == field);
            if touches && about && edge.kind != EdgeKind::Routes {
                edge.fields.retain(|one| one == field);
            }
            !touches || about
        });
    }
    // Doors and operations lead to everything: one that was not asked for is not passed through.
    let passed = |name: &str| {
        let hub = kinds.get(name).is_some_and(|node| matches!(node.kind, NodeKind::Messages | NodeKind::Operation));
        !hub || begin.contains(name)
    };
    let mut near: BTreeSet<String> = begin.iter().map(|name| unit(name)).collect();
    let step = |from: &BTreeSet<String>| -> BTreeSet<String> {
        let mut to = BTreeSet::new();
        for edge in &edges {
            let (a, b) = (unit(&edge.from), unit(&edge.to));
            for (one, other) in [(&a, &b), (&b, &a)] {
                if from.contains(one) && passed(one) {
                    to.insert(other.clone());
                }
            }
        }
        to
    };
    near.extend(step(&near));
    // Every edge of what is near is shown, with what stands at its other end.
    let shown: Vec<super::Edge> = edges
        .iter()
        .filter(|edge| [unit(&edge.from), unit(&edge.to)].iter().any(|end| near.contains(end) && passed(end)))
        .cloned()
        .collect();
    let mut kept: BTreeSet<String> = begin.clone();
    for edge in &shown {
        for end in [&edge.from, &edge.to] {
            kept.extend([end.clone(), unit(end)]);
        }
    }
    let nodes = graph.nodes.iter().filter(|node| kept.contains(&node.name)).cloned().collect();
    Graph { nodes, edges: shown }
}
