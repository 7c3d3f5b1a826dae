//! What a rule set connects, as a picture: records, syncs, reactions, workflows and messages, and what runs between them.
//!
//! In: a checked program. Out: nodes and edges with names that people know from the rules, and texts that drawing
//! programs read.
//! Always true: the same program gives the same graph in the same order; an edge joins nodes of its graph.
//! Not here: what a rule computes. A line of `fields` is an edge's name, not its expression.

mod around;
mod build;
mod dot;
mod json;
mod mermaid;

pub use around::{Unknown, around};
pub use build::graph;
pub use json::json;

use crate::program::Place;

/// Nodes and what joins them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// In the order in which they are drawn; no two share a name.
    pub nodes: Vec<Node>,
    /// In the order of their nodes.
    pub edges: Vec<Edge>,
}

/// Something that rules name, or a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// How `--around` calls it: `crm.Deal`, `Deals`, `Onboarding.welcome`.
    pub name: String,
    /// How people read it: `sync Deals`.
    pub title: String,
    /// What it is.
    pub kind: NodeKind,
    /// The system it belongs to; none for rules.
    pub system: Option<String>,
    /// The workflow that it is a part of.
    pub workflow: Option<String>,
    /// Where it stands in the rules; none for what locks say.
    pub place: Option<Place>,
}

/// What a node is, in the order in which nodes are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// The door by which a system's messages come.
    Messages,
    /// Records of one kind.
    Entity,
    /// Something that happens and is no record.
    Event,
    /// Something a system can be asked to do.
    Operation,
    /// A `sync`.
    Sync,
    /// A `when`.
    When,
    /// A `workflow`.
    Workflow,
    /// A `step`.
    Step,
    /// A `wait`.
    Wait,
    /// `on failure`.
    OnFailure,
}

impl NodeKind {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Entity => "entity",
            Self::Event => "event",
            Self::Operation => "operation",
            Self::Sync => "sync",
            Self::When => "when",
            Self::Workflow => "workflow",
            Self::Step => "step",
            Self::Wait => "wait",
            Self::OnFailure => "on_failure",
        }
    }
}

/// What runs from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Name of the node it begins at.
    pub from: String,
    /// Name of the node it ends at.
    pub to: String,
    /// What it is.
    pub kind: EdgeKind,
    /// Where in the rule: `to closedwon`, `undo`, `timed out`. Empty where the rule does it every time.
    pub branch: String,
    /// The fields, links or messages that it is about, in the order of the alphabet.
    pub fields: Vec<String>,
}

/// What an edge is. The direction is that of the information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// Messages to what they are led to.
    Routes,
    /// A change to the rule that it fires.
    Fires,
    /// A record to the rule that reads it.
    Reads,
    /// A rule to the record it writes.
    Writes,
    /// A rule to the record it makes.
    Creates,
    /// A rule to the record it deletes or archives.
    Deletes,
    /// A rule to the operation it calls.
    Calls,
    /// A rule to the workflow or sync it starts.
    Starts,
    /// A sync to another that finds its partners through it.
    Pairs,
    /// What is waited for to the wait.
    Awaits,
    /// A part of a workflow to the next.
    Then,
    /// A failure to the step that is undone.
    Undoes,
}

impl EdgeKind {
    /// Its word in pictures and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Fires => "fires",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Creates => "creates",
            Self::Deletes => "deletes",
            Self::Calls => "calls",
            Self::Starts => "starts",
            Self::Pairs => "pairs",
            Self::Awaits => "awaits",
            Self::Then => "then",
            Self::Undoes => "undoes",
        }
    }
}

impl Edge {
    /// What people read beside it; long lists are cut.
    #[must_use]
    pub fn label(&self) -> String {
        const SHOWN: usize = 4;
        let mut label = match self.kind {
            EdgeKind::Fires if self.fields.is_empty() => return format!("fires when {}", self.branch),
            EdgeKind::Fires => return format!("fires when {} changes", self.fields.join(", ")),
            EdgeKind::Then => String::new(),
            EdgeKind::Pairs => "pairs the links of".to_owned(),
            kind => kind.name().to_owned(),
        };
        if !self.branch.is_empty() {
            let space = if label.is_empty() { "" } else { ": " };
            label = format!("{}{space}{label}", self.branch);
        }
        if !self.fields.is_empty() {
            // One name more is shorter than "and 1 more".
            let shown = if self.fields.len() > SHOWN + 1 { SHOWN } else { self.fields.len() };
            label = format!("{label} {}", self.fields[..shown].join(", "));
            if shown < self.fields.len() {
                label = format!("{label} and {} more", self.fields.len() - shown);
            }
        }
        label
    }
}

/// How the line of an edge is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stroke {
    Dashed,
    Solid,
    Bold,
}

/// All edges from one node to another as one arrow, because several arrows between two nodes cannot be read.
#[derive(Debug, PartialEq, Eq)]
struct Arrow<'g> {
    from: &'g str,
    to: &'g str,
    stroke: Stroke,
    labels: Vec<String>,
}

impl Graph {
    fn arrows(&self) -> Vec<Arrow<'_>> {
        let same = |a: &Edge, b: &Edge| a.from == b.from && a.to == b.to;
        let arrow = |edges: &'_ [Edge]| {
            let stroke = edges.iter().map(|edge| match edge.kind {
                EdgeKind::Reads | EdgeKind::Pairs | EdgeKind::Undoes => Stroke::Dashed,
                EdgeKind::Fires | EdgeKind::Starts | EdgeKind::Awaits => Stroke::Bold,
                _ => Stroke::Solid,
            });
            let stroke = stroke.max().unwrap_or(Stroke::Solid);
            (stroke, edges.iter().map(Edge::label).filter(|label| !label.is_empty()).collect())
        };
        let groups = self.edges.chunk_by(same).filter_map(|edges| Some((edges.first()?, arrow(edges))));
        groups.map(|(first, (stroke, labels))| Arrow { from: &first.from, to: &first.to, stroke, labels }).collect()
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// The forms in which a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A Mermaid flow chart, which GitHub and GitLab draw in Markdown.
    Mermaid,
    /// Graphviz.
    Dot,
    /// One JSON object, with every field of every edge.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mermaid, Self::Dot, Self::Json];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
            Self::Json => "json",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("no such format `{text}`; there are mermaid, dot, json"))
    }
}

/// The graph as a text that ends with a line end.
#[must_use]
pub fn render(format: Format, graph: &Graph) -> String {
    match format {
        Format::Mermaid => mermaid::mermaid(graph),
        Format::Dot => dot::dot(graph),
        Format::Json => json::json(graph).to_string() + "\n",
    }
}
