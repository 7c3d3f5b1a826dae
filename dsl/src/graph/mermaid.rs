//! Mermaid flow charts: <https://mermaid.js.org/syntax/flowchart.html>.
//!
//! Node ids are `n0`, `n1` and so on, so that no name of the rules can be a word of Mermaid; names stand in quoted
//! labels, in which quotes and signs with a meaning are written as entities.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{Graph, Node, NodeKind, Stroke};

pub(super) fn mermaid(graph: &Graph) -> String {
    let ids: BTreeMap<&str, String> =
        graph.nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), format!("n{index}"))).collect();
    let mut out = String::from("flowchart LR\n");
    let systems: BTreeSet<&str> = graph.nodes.iter().filter_map(|node| node.system.as_deref()).collect();
    for (index, system) in systems.iter().enumerate() {
        block(&mut out, &format!("system{index}"), system, graph, &ids, |node| node.system.as_deref() == Some(system));
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        match (node.kind, &node.workflow, &node.system) {
            (NodeKind::Workflow, ..) => {
                let name = node.name.as_str();
                block(&mut out, &format!("workflow{index}"), name, graph, &ids, |part| {
                    part.name == name || part.workflow.as_deref() == Some(name)
                });
            }
            (_, None, None) => line(&mut out, "  ", node, &ids),
            _ => {}
        }
    }
    for arrow in graph.arrows() {
        let (Some(from), Some(to)) = (ids.get(arrow.from), ids.get(arrow.to)) else { continue };
        let line = match arrow.stroke {
            Stroke::Dashed => "-.->",
            Stroke::Solid => "-->",
            Stroke::Bold => "==>",
        };
        let labels: Vec<String> = arrow.labels.iter().map(|label| escape(label)).collect();
        let label = if labels.is_empty() { String::new() } else { format!("|\"{}\"|", labels.join("<br/>")) };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {from} {line}{label} {to}");
    }
    out
}

fn block(
    out: &mut String,
    id: &str,
    title: &str,
    graph: &Graph,
    ids: &BTreeMap<&str, String>,
    belongs: impl Fn(&Node) -> bool,
) {
    let _ = writeln!(out, "  subgraph {id}[\"{}\"]", escape(title));
    for node in graph.nodes.iter().filter(|node| belongs(node)) {
        line(out, "    ", node, ids);
    }
    let _ = writeln!(out, "  end");
}

fn line(out: &mut String, indent: &str, node: &Node, ids: &BTreeMap<&str, String>) {
    let (open, close) = match node.kind {
        NodeKind::Entity => ("[(", ")]"),
        NodeKind::Event => (">", "]"),
        NodeKind::Messages => ("[/", "/]"),
        NodeKind::Operation => ("[[", "]]"),
        NodeKind::Sync => ("{{", "}}"),
        NodeKind::When | NodeKind::Workflow => ("([", "])"),
        NodeKind::Step | NodeKind::OnFailure => ("[", "]"),
        NodeKind::Wait => ("(", ")"),
    };
    let Some(id) = ids.get(node.name.as_str()) else { return };
    let _ = writeln!(out, "{indent}{id}{open}\"{}\"{close}", escape(&node.title));
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '`' => out.push_str("#96;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_mermaid_are_written_as_entities() {
        assert_eq!(escape("a \"b\" <c> #1; `x`\n&"), "a #quot;b#quot; #lt;c#gt; #35;1; #96;x#96; #amp;");
    }
}
