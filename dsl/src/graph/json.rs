//! Graphs as JSON, for programs: nothing is cut.

use serde_json::{Value, json};

use super::Graph;

/// A graph as one object: `nodes` and `edges`, with every field of every edge.
#[must_use]
pub fn json(graph: &Graph) -> Value {
    let nodes: Vec<Value> = graph
        .nodes
        .iter()
        .map(|node| {
            json!({
                "name": node.name,
                "title": node.title,
                "kind": node.kind.name(),
                "system": node.system,
                "workflow": node.workflow,
                "place": node.place.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    let edges: Vec<Value> = graph
        .edges
        .iter()
        .map(|edge| {
            json!({
                "from": edge.from,
                "to": edge.to,
                "kind": edge.kind.name(),
                "branch": edge.branch,
                "fields": edge.fields,
            })
        })
        .collect();
    json!({"schema": 1, "nodes": nodes, "edges": edges})
}
