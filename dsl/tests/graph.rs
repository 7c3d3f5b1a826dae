//! `engine graph`: pictures of the shipped rules as written in `golden/graph`, and what lies around one thing.
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test graph` writes what is drawn now.

use std::collections::BTreeSet;
use std::path::Path;

use dsl::check::compile;
use dsl::graph::{Edge, EdgeKind, Format, Graph, NodeKind, around, graph, render};
use dsl::program::Program;
use proptest::prelude::*;

#[path = "support/mutation.rs"]
mod mutation;
#[path = "support/shipped.rs"]
mod support;

fn shipped() -> Program {
    let (files, locks) = support::shipped();
    compile(&files, &locks, None).program.expect("the shipped rules hold")
}

/// The shipped vocabulary and systems with other rules.
fn with(rules: &str) -> Program {
    let (mut files, locks) = support::shipped();
    files.retain(|(name, _)| matches!(name.as_str(), "systems.rules" | "words.rules"));
    files.push(("other.rules".to_owned(), rules.to_owned()));
    let compiled = compile(&files, &locks, None);
    let told: Vec<&String> = compiled.problems.iter().map(|problem| &problem.message).collect();
    compiled.program.unwrap_or_else(|| panic!("{told:?}"))
}

fn edge<'g>(graph: &'g Graph, from: &str, to: &str, kind: EdgeKind, branch: &str) -> &'g Edge {
    graph
        .edges
        .iter()
        .find(|edge| edge.from == from && edge.to == to && edge.kind == kind && edge.branch == branch)
        .unwrap_or_else(|| panic!("no edge {from} {kind:?} {branch:?} {to} in {:#?}", graph.edges))
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.name.as_str()).collect()
}

#[test]
fn the_shipped_rules_are_drawn_as_written() {
    let program = shipped();
    let whole = graph(&program);
    let mut drawn = vec![("shipped".to_owned(), whole.clone())];
    for name in ["crm.Deal", "crm.Deal.dealstage", "Onboarding"] {
        drawn.push((format!("around_{name}"), around(&whole, &program, name).expect("it is there")));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/graph");
    let mut wrong = Vec::new();
    for (name, graph) in &drawn {
        for (format, ending) in [(Format::Mermaid, "mmd"), (Format::Dot, "dot"), (Format::Json, "json")] {
            if name != "shipped" && format != Format::Mermaid {
                continue;
            }
            let path = folder.join(format!("{name}.{ending}"));
            let now = render(format, graph);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(&folder).expect("a folder");
                std::fs::write(&path, now).expect("the picture is written");
            } else if std::fs::read_to_string(&path).expect("a picture") != now {
                wrong.push(format!("{}\n{now}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_edge_joins_nodes_and_every_rule_is_drawn_once() {
    let program = shipped();
    let graph = graph(&program);
    let known: BTreeSet<&str> = names(&graph).into_iter().collect();
    assert_eq!(known.len(), graph.nodes.len());
    for edge in &graph.edges {
        assert!(known.contains(edge.from.as_str()) && known.contains(edge.to.as_str()), "{edge:?}");
    }
    let count = |kind| graph.nodes.iter().filter(|node| node.kind == kind).count();
    assert_eq!(
        [count(NodeKind::Sync), count(NodeKind::When), count(NodeKind::Workflow), count(NodeKind::Step)],
        [program.syncs.len(), program.whens.len(), program.workflows.len(), 4]
    );
}

#[test]
fn a_sync_reads_and_writes_by_the_direction_of_its_lines() {
    let graph = graph(&shipped());
    assert_eq!(
        edge(&graph, "Companies", "crm.Company", EdgeKind::Writes, "").fields,
        ["domain", "industry", "name", "numberofemployees"]
    );
    assert!(!graph.edges.iter().any(|edge| edge.from == "Companies" && edge.to == "app.Company"));
    let both = edge(&graph, "Deals", "app.Deal", EdgeKind::Writes, "");
    assert!(both.fields.contains(&"ownerEmail".to_owned()) && !both.fields.contains(&"probability".to_owned()));
    assert_eq!(edge(&graph, "app.Subscription", "Contacts", EdgeKind::Reads, "").fields, ["plan", "status"]);
    assert_eq!(edge(&graph, "crm.Owner", "Deals", EdgeKind::Reads, "").fields, ["email"]);
    edge(&graph, "Contacts", "Deals", EdgeKind::Pairs, "");
}

#[test]
fn a_branch_stands_at_what_it_does() {
    let graph = graph(&shipped());
    let when = "when crm.Deal changes dealstage";
    assert_eq!(edge(&graph, "crm.Deal", when, EdgeKind::Fires, "").fields, ["dealstage"]);
    edge(&graph, when, "Onboarding", EdgeKind::Starts, "to closedwon");
    edge(&graph, when, "FeedbackSurvey", EdgeKind::Starts, "to closedlost");
    edge(&graph, when, "app.cancelSubscription", EdgeKind::Calls, "to closedlost");
    assert_eq!(edge(&graph, when, "mail.notify", EdgeKind::Calls, "to negotiation").fields, ["\"sales-manager\""]);
}

#[test]
fn a_workflow_is_a_chain_with_its_undo_and_its_exits() {
    let graph = graph(&shipped());
    for (from, to) in [
        ("Onboarding", "Onboarding.welcome"),
        ("Onboarding.welcome", "Onboarding.account"),
        ("Onboarding.account", "Onboarding.wait 1"),
        ("Onboarding.wait 1", "Onboarding.wait 2"),
        ("Onboarding.wait 2", "Onboarding.check_in"),
    ] {
        edge(&graph, from, to, EdgeKind::Then, "");
    }
    edge(&graph, "app.Login", "Onboarding.wait 1", EdgeKind::Awaits, "");
    edge(&graph, "Onboarding.wait 1", "crm.Note", EdgeKind::Creates, "happened");
    edge(&graph, "Onboarding.wait 1", "mail.email", EdgeKind::Calls, "timed out");
    edge(&graph, "Onboarding.account", "app.Account", EdgeKind::Deletes, "undo");
    edge(&graph, "Onboarding.on failure", "Onboarding.account", EdgeKind::Undoes, "");
}

#[test]
fn conditions_and_several_reactions_are_told_apart() {
    let program = with(
        r#"
when app.User is created as user {
  if user.phone is empty {
    notify role "sales-manager" about user "no phone" accept duplicates
  } otherwise {
    create crm.Note key source_id = "call {user.id}" { hs_note_body = "Call", hs_timestamp = user.createdAt }
  }
}
when app.User is created as user {
  run sync Users
}
sync Users from app.User to crm.Contact {
  match by email
  on delete in app archive
  fields { email -> email }
}
"#,
    );
    let graph = graph(&program);
    let when = "when app.User is created";
    edge(&graph, when, "mail.notify", EdgeKind::Calls, "if");
    edge(&graph, when, "crm.Note", EdgeKind::Creates, "otherwise");
    edge(&graph, "when app.User is created (other.rules:9)", "Users", EdgeKind::Starts, "");
    edge(&graph, "Users", "crm.Contact", EdgeKind::Deletes, "");
}

#[test]
fn around_a_field_is_only_what_touches_it() {
    let program = shipped();
    let whole = graph(&program);
    let stage = around(&whole, &program, "crm.Deal.dealstage").expect("it is there");
    assert_eq!(edge(&stage, "crm.Deal", "Deals", EdgeKind::Reads, "").fields, ["dealstage"]);
    assert!(names(&stage).contains(&"FeedbackSurvey"));
    assert!(!names(&stage).contains(&"Companies"));
    let closing = around(&whole, &program, "crm.Deal.closedate").expect("it is there");
    assert!(names(&closing).contains(&"Deals") && !names(&closing).contains(&"FeedbackSurvey"));
    let untouched = around(&whole, &program, "crm.Deal.pipeline").expect("it is there");
    assert_eq!((names(&untouched), untouched.edges.len()), (vec!["crm.Deal"], 0));
}

#[test]
fn around_a_rule_are_the_rules_that_touch_the_same_records() {
    let program = shipped();
    let whole = graph(&program);
    let around = |name: &str| around(&whole, &program, name).expect("it is there");
    let companies = around("Companies");
    assert_eq!(names(&companies), ["messages from crm", "app.Company", "crm.Company", "Companies"]);
    assert_eq!(around("sync Companies"), companies);
    assert_eq!(around("crm.Company"), companies);
    let tickets = around("Tickets");
    assert!(names(&tickets).contains(&"Contacts"));
    assert_eq!(around("Onboarding.welcome"), around("Onboarding"));
}

#[test]
fn an_unknown_name_is_told_with_the_nearest() {
    let program = shipped();
    let whole = graph(&program);
    for (asked, near) in [
        ("crm.Dael", Some("crm.Deal")),
        ("crm.Deal.dealstag", Some("crm.Deal.dealstage")),
        ("Onbording", Some("Onboarding")),
        ("nowhere", None),
    ] {
        let unknown = around(&whole, &program, asked).expect_err(asked);
        assert_eq!(unknown.nearest.as_deref(), near, "{asked}");
        assert_eq!(unknown.to_string(), format!("nothing in these rules is called `{asked}`"));
    }
}

proptest! {
    #![proptest_config(mutation::cases(64))]
    /// Most edits are mistakes; what still holds can be drawn, whatever it says.
    #[test]
    fn whatever_holds_can_be_drawn(
        (at, edited) in (0..support::shipped().0.len())
            .prop_flat_map(|at| (Just(at), mutation::mutations(vec![support::shipped().0[at].clone()]))),
    ) {
        let (mut files, locks) = support::shipped();
        files[at].1 = edited;
        if let Some(program) = compile(&files, &locks, None).program {
            let whole = graph(&program);
            for node in &whole.nodes {
                let part = around(&whole, &program, &node.name).expect("a node is known by its name");
                prop_assert!(part.node(&node.name).is_some());
            }
            for format in Format::ALL {
                prop_assert!(render(format, &whole).ends_with('\n'));
            }
        }
    }
}
