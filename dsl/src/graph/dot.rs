//! Graphviz: <https://graphviz.org/doc/info/lang.html>.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Graph, Node, NodeKind, Stroke};

pub(super) fn dot(graph: &Graph) -> String {
    let mut out = String::from(
        "digraph rules {\n  rankdir=LR\n  node [fontname=\"sans-serif\"]\n  edge [fontname=\"sans-serif\" fontsize=10]\n",
    );
    let systems: BTreeSet<&str> = graph.nodes.iter().filter_map(|node| node.system.as_deref()).collect();
    for (index, system) in systems.iter().enumerate() {
        cluster(&mut out, &format!("cluster_system{index}"), system, graph, |node| {
            node.system.as_deref() == Some(system)
        });
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        match (node.kind, &node.workflow, &node.system) {
            (NodeKind::Workflow, ..) => {
                let name = node.name.as_str();
                cluster(&mut out, &format!("cluster_workflow{index}"), name, graph, |part| {
                    part.name == name || part.workflow.as_deref() == Some(name)
                });
            }
            (_, None, None) => line(&mut out, "  ", node),
            _ => {}
        }
    }
    for arrow in graph.arrows() {
        let style = match arrow.stroke {
            Stroke::Dashed => " style=dashed",
            Stroke::Solid => "",
            Stroke::Bold => " style=bold",
        };
        let label = quoted(&arrow.labels.join("\n"));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {} -> {} [label={label}{style}]", quoted(arrow.from), quoted(arrow.to));
    }
    out.push_str("}\n");
    out
}

fn cluster(out: &mut String, id: &str, title: &str, graph: &Graph, belongs: impl Fn(&Node) -> bool) {
    let _ = writeln!(out, "  subgraph {id} {{\n    label={}", quoted(title));
    for node in graph.nodes.iter().filter(|node| belongs(node)) {
        line(out, "    ", node);
    }
    out.push_str("  }\n");
}

fn line(out: &mut String, indent: &str, node: &Node) {
    let shape = match node.kind {
        NodeKind::Entity => "cylinder",
        NodeKind::Event => "cds",
        NodeKind::Messages => "parallelogram",
        NodeKind::Operation => "component",
        NodeKind::Sync => "hexagon",
        NodeKind::When | NodeKind::Workflow => "oval",
        NodeKind::Step | NodeKind::OnFailure => "box",
        NodeKind::Wait => "note",
    };
    let _ = writeln!(out, "{indent}{} [shape={shape} label={}]", quoted(&node.name), quoted(&node.title));
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
