//! What the shipped rules compile to, as a listing that people can read: `golden/program/shipped.txt`.
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test lowering` writes it anew.

use std::fmt::Write;
use std::path::Path;

use dsl::check::compile;
use dsl::program::{
    Action, ActionKind, Assign, Code, Compare, Expr, LinkValue, MappingKind, Op, Outcome, Program, Transform,
};
use dsl::value::Value;

#[path = "support/shipped.rs"]
mod support;

fn shipped() -> Program {
    let (files, locks) = support::shipped();
    compile(&files, &locks, None).program.expect("the shipped rules are sound")
}

fn path(variable: &str, links: &[String], field: &str) -> String {
    let mut names = vec![variable];
    names.extend(links.iter().map(String::as_str));
    if !field.is_empty() {
        names.push(field);
    }
    names.join(".")
}

fn transform(t: &Transform) -> String {
    let args: Vec<String> = t.args.iter().map(|arg| format!("{arg:?}")).collect();
    if args.is_empty() { t.name.clone() } else { format!("{}({})", t.name, args.join(", ")) }
}

fn expr(program: &Program, e: &Expr) -> String {
    let show = |e: &Expr| expr(program, e);
    match e {
        Expr::Literal(Value::Text(text)) => format!("{text:?}"),
        Expr::Literal(Value::Empty) => "empty".to_owned(),
        Expr::Literal(value) => value.to_string(),
        Expr::Field { variable, links, field, .. } => path(variable, links, field),
        Expr::Reference { variable, links } => format!("&{}", path(variable, links, "")),
        Expr::Record { variable, links } => format!("record {}", path(variable, links, "")),
        Expr::Join(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(part, choice)| match choice {
                    Some(choice) => format!("label of {} {}", program.choices[*choice].name, show(part)),
                    None => show(part),
                })
                .collect();
            format!("join({})", parts.join(", "))
        }
        Expr::Table { table, key, column } => {
            let table = &program.tables[*table];
            format!("{}[{}].{}", table.name, show(key), table.columns[*column])
        }
        Expr::Transform(of, t) => format!("{} as {}", show(of), transform(t)),
        Expr::Lookup { of, system, lookup } => {
            format!("({} looked up in {system}.{}: {} -> {})", show(of), lookup.entity, lookup.from, lookup.to)
        }
        Expr::Else(a, b) => format!("({} else {})", show(a), show(b)),
        Expr::Not(of) => format!("not {}", show(of)),
        Expr::And(a, b) => format!("({} and {})", show(a), show(b)),
        Expr::Or(a, b) => format!("({} or {})", show(a), show(b)),
        Expr::Compare(op, a, b) => {
            let op = match op {
                Compare::Equal => "=",
                Compare::NotEqual => "!=",
                Compare::Less => "<",
                Compare::LessOrEqual => "<=",
                Compare::Greater => ">",
                Compare::GreaterOrEqual => ">=",
                Compare::Contains => "contains",
                Compare::StartsWith => "starts with",
                Compare::EndsWith => "ends with",
            };
            format!("{} {op} {}", show(a), show(b))
        }
        Expr::In(a, b) => format!("{} in {}", show(a), show(b)),
        Expr::IsEmpty(of) => format!("{} is empty", show(of)),
        Expr::Arithmetic(op, a, b) => format!("{op:?}({}, {})", show(a), show(b)),
        Expr::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Clear => " else clear",
        Outcome::Keep => " else keep",
        Outcome::Skip => " else skip",
        Outcome::Fail => " else fail",
        Outcome::Never => "",
    }
}

fn assigns(program: &Program, assigns: &[Assign], out: &mut String) {
    for assign in assigns {
        let link = match &assign.link {
            None => String::new(),
            Some(LinkValue::Same) => " (same system)".to_owned(),
            Some(LinkValue::Via(sync, side)) => format!(" (via {}, {side:?})", program.syncs[*sync].name),
        };
        let value = expr(program, &assign.value);
        writeln!(out, "         {} = {value}{link}{}", assign.name, outcome(&assign.on_empty)).expect("text");
    }
}

fn action(program: &Program, action: &Action, out: &mut String) {
    let named = |variable: &Option<String>| variable.as_ref().map_or_else(String::new, |v| format!(" as {v}"));
    let show = |e: &Expr| expr(program, e);
    let accept = if action.accept_duplicates { " (duplicates accepted)" } else { "" };
    match &action.kind {
        ActionKind::Create { entity, variable, key, values } => {
            writeln!(out, "create {entity}{} key {} = {}{accept}", named(variable), key.0, show(&key.1)).expect("text");
            assigns(program, values, out);
        }
        ActionKind::Update { entity, variable, key, values, or_nothing } => {
            let end = if *or_nothing { " or nothing" } else { "" };
            writeln!(out, "update {entity}{} where {} = {}{end}", named(variable), key.0, show(&key.1)).expect("text");
            assigns(program, values, out);
        }
        ActionKind::Set { variable, links, entity, assign } => {
            writeln!(out, "set {} ({entity})", path(variable, links, "")).expect("text");
            assigns(program, std::slice::from_ref(assign), out);
        }
        ActionKind::Delete { entity, key, or_nothing } => {
            let end = if *or_nothing { " or nothing" } else { "" };
            writeln!(out, "delete {entity} where {} = {}{end}", key.0, show(&key.1)).expect("text");
        }
        ActionKind::Start { workflow, variable, links } => {
            let name = &program.workflows[*workflow].name;
            writeln!(out, "start {name} with {}", path(variable, links, "")).expect("text");
        }
        ActionKind::Call { system, operation, variable, params, delivery } => {
            writeln!(out, "call {system}.{operation}{} ({delivery:?}){accept}", named(variable)).expect("text");
            assigns(program, params, out);
        }
        ActionKind::RunSync(sync) => writeln!(out, "run {}", program.syncs[*sync].name).expect("text"),
    }
}

fn code(program: &Program, code: &Code, out: &mut String) {
    for (index, step) in code.steps.iter().enumerate() {
        let retry =
            step.retry.map_or_else(String::new, |r| format!(", {} retries from {} to {}", r.times, r.first, r.at_most));
        let undo = step.undo.map_or_else(String::new, |at| format!(", undo at {at}"));
        writeln!(out, "  step {index} {}{retry}{undo}", step.name).expect("text");
    }
    if let Some(at) = code.on_failure {
        writeln!(out, "  on failure at {at}").expect("text");
    }
    for (index, op) in code.ops.iter().enumerate() {
        write!(out, "  {index:>3}  ").expect("text");
        match op {
            Op::Act(act) => {
                action(program, act, out);
                continue;
            }
            Op::Step(step) => write!(out, "step {step}"),
            Op::EndStep(step) => write!(out, "end of step {step}"),
            Op::JumpUnless(condition, to) => write!(out, "unless {} go to {to}", expr(program, condition)),
            Op::Jump(to) => write!(out, "go to {to}"),
            Op::Wait(span) => write!(out, "wait {span}"),
            Op::WaitUntil(at) => write!(out, "wait until {}", expr(program, at)),
            Op::WaitFor { what, event, variable, field, equals, up_to, timed_out } => write!(
                out,
                "wait up to {up_to} for {}{what}{} where {field} = {}, otherwise go to {timed_out}",
                if *event { "event " } else { "" },
                variable.as_ref().map_or_else(String::new, |v| format!(" as {v}")),
                expr(program, equals)
            ),
            Op::UndoCompleted => write!(out, "undo completed steps"),
            Op::Return => write!(out, "return"),
            Op::Finish => write!(out, "finish"),
        }
        .expect("text");
        out.push('\n');
    }
}

fn listing(program: &Program) -> String {
    let mut out = String::new();
    for sync in &program.syncs {
        writeln!(out, "sync {} {} {}", sync.name, sync.left, sync.right).expect("text");
        writeln!(out, "  {:?}, {:?}", sync.run, sync.priority).expect("text");
        writeln!(out, "  keys {:?}, create {:?}, on delete {:?}", sync.keys, sync.create, sync.on_delete)
            .expect("text");
        if let Some(only) = &sync.only {
            writeln!(out, "  only where {}", expr(program, only)).expect("text");
        }
        for mapping in &sync.fields {
            let what = match &mapping.kind {
                MappingKind::Field { left, right, transforms } => {
                    let list: String = transforms.iter().map(|t| format!(" as {}", transform(t))).collect();
                    format!("{left} <-> {right}{list}")
                }
                MappingKind::Computed { source, target } => format!("{target} := {}", expr(program, source)),
                MappingKind::Link { left, right, via, straight } => {
                    let turned = if *straight { "" } else { " turned" };
                    format!("link {} {} via {}{turned}", left.join("."), right.join("."), program.syncs[*via].name)
                }
            };
            let on_create = if mapping.on_create { " on create" } else { "" };
            let implicit = if mapping.implicit { " (the engine's own)" } else { "" };
            writeln!(
                out,
                "  {:?} {what}{}{on_create}, {:?}{implicit}",
                mapping.direction,
                outcome(&mapping.on_empty),
                mapping.policy
            )
            .expect("text");
        }
        out.push('\n');
    }
    for when in &program.whens {
        writeln!(out, "when {} {:?} as {}", when.entity, when.trigger, when.variable).expect("text");
        if let Some(only) = &when.only {
            writeln!(out, "  only where {}", expr(program, only)).expect("text");
        }
        code(program, &when.code, &mut out);
        out.push('\n');
    }
    for workflow in &program.workflows {
        writeln!(out, "workflow {} with {}: {}", workflow.name, workflow.variable, workflow.entity).expect("text");
        if let Some((key, second)) = &workflow.only_one {
            writeln!(out, "  only one per {}, {second:?}", expr(program, key)).expect("text");
        }
        if let Some(span) = workflow.give_up {
            writeln!(out, "  give up after {span}").expect("text");
        }
        if let Some(cancel) = &workflow.cancel {
            writeln!(out, "  cancel when {}", expr(program, cancel)).expect("text");
        }
        code(program, &workflow.code, &mut out);
        out.push('\n');
    }
    for (system, door) in &program.doors {
        writeln!(out, "door {system}: webhook {}, topics {:?}, verify {:?}", door.webhook, door.topics, door.verify)
            .expect("text");
        writeln!(out, "  dedupe by {:?} for {}", door.dedupe_by, door.dedupe_for).expect("text");
        for (message, route) in &door.routes {
            writeln!(out, "  {message} -> {route:?}").expect("text");
        }
        out.push('\n');
    }
    for (entity, used) in &program.used {
        writeln!(out, "used {entity}: {:?}, links {:?}", used.fields, used.links).expect("text");
    }
    out
}

#[test]
fn the_shipped_rules_compile_to_what_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/program/shipped.txt");
    let now = listing(&shipped());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).expect("the listing is written");
    }
    let written = std::fs::read_to_string(&path).expect("the listing");
    assert_eq!(now, written);
}

/// Targets of jumps exist, entries end with a return, steps are entered and left.
#[test]
fn every_target_in_the_code_is_there() {
    let program = shipped();
    let codes = program.whens.iter().map(|w| &w.code).chain(program.workflows.iter().map(|w| &w.code));
    for code in codes {
        for op in &code.ops {
            if let Op::Jump(to) | Op::JumpUnless(_, to) | Op::WaitFor { timed_out: to, .. } = op {
                assert!(*to < code.ops.len());
            }
        }
        for entry in code.steps.iter().filter_map(|step| step.undo).chain(code.on_failure) {
            assert!(code.ops[entry..].iter().any(|op| matches!(op, Op::Return)));
            assert!(matches!(code.ops[entry - 1], Op::Return | Op::Finish));
        }
        for index in 0..code.steps.len() {
            assert_eq!(code.ops.iter().filter(|op| matches!(op, Op::Step(step) if *step == index)).count(), 1);
            assert_eq!(code.ops.iter().filter(|op| matches!(op, Op::EndStep(step) if *step == index)).count(), 1);
        }
    }
}
