//! What a first mapping between two systems may look like.
//!
//! In: two locks. Out: the files of a rule set that holds, in which every line that cannot stand is a comment with the
//! reason. Always true: a line is proposed where names and types agree, and nothing else is guessed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use connectors::registry::ConnectorKind;
use dsl::check::compile;
use dsl::diagnostic::Severity;
use dsl::format::format;
use dsl::schema::{About, Entity, Field, Lock, Type};

/// Two entities that are the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    left: String,
    right: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((left, right)) if !left.is_empty() && !right.is_empty() => {
                Ok(Self { left: left.to_owned(), right: right.to_owned() })
            }
            _ => Err(format!("`{text}` does not name two entities: such as User=Contact")),
        }
    }
}

/// A first rule set.
#[derive(Debug)]
pub(super) struct Proposal {
    /// The sync.
    pub(super) name: String,
    /// Its file, without its ending.
    pub(super) file: String,
    /// Lines that move something.
    pub(super) taken: usize,
    /// Lines that are comments.
    pub(super) left_out: usize,
    /// All files, by their paths in the folder; the locks are not among them.
    pub(super) files: BTreeMap<String, String>,
}

/// A line of the mapping: as it moves something, or why it does not.
struct Line {
    text: String,
    why_not: Option<String>,
}

impl Proposal {
    /// Proposes a sync of `pair`, or of the two entities that have most in common. Each lock comes with its text.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn of(app: (&str, &Lock), crm: (&str, &Lock), pair: Option<&Pair>) -> Result<Self, String> {
        let (left, right) = (app.1, crm.1);
        let pair = match pair {
            Some(pair) => pair.clone(),
            None => best(left, right).ok_or_else(|| {
                format!("no entity of {} and {} shares a field that identifies a record", left.system, right.system)
            })?,
        };
        let entity = |lock: &'_ Lock, name: &str| {
            lock.entities.get(name).cloned().ok_or_else(|| {
                let names = lock.entities.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                format!("{} has no entity `{name}`; it has {names}", lock.system)
            })
        };
        let (mine, theirs) = (entity(left, &pair.left)?, entity(right, &pair.right)?);
        let key = shared(&mine, &theirs).into_iter().find(|(l, r)| identifies(&mine, &theirs, l, r));
        let (key, other) = key.ok_or_else(|| {
            format!(
                "{}.{} and {}.{} share no field that identifies a record",
                left.system, pair.left, right.system, pair.right
            )
        })?;
        let name = plural(&pair.right);
        let mut lines = lines(&mine, &theirs, &right.system, &pair.right, &key);
        let locks: BTreeMap<String, String> = [(left, app.0), (right, crm.0)]
            .into_iter()
            .map(|(lock, text)| (format!("schemas/{}.lock", lock.system), text.to_owned()))
            .collect();
        let file = name.to_lowercase();
        // A line that the checker does not take becomes a comment with what it says; the others stand.
        for _ in 0..=lines.len() {
            let rules = rules(left, right, &pair, &name, (&key, &other), &lines);
            let path = format!("{file}.rules");
            let files =
                [(path.clone(), rules.clone()), ("systems.rules".to_owned(), systems(left, right, &pair, &name))];
            let compiled = compile(&files, &locks, None);
            let wrong =
                compiled.problems.iter().filter(|problem| problem.severity() == Severity::Error).find_map(|problem| {
                    let found = &compiled.files[problem.span().file.0 as usize];
                    let (line, _) = found.position(problem.span().start);
                    let text = found.text.lines().nth(line - 1)?.trim().to_owned();
                    let index = lines.iter().position(|one| one.why_not.is_none() && one.text == text)?;
                    (found.path == path).then(|| (index, problem.message.clone()))
                });
            let Some((index, why)) = wrong else {
                let left_out = lines.iter().filter(|line| line.why_not.is_some()).count();
                return Ok(Self {
                    taken: lines.len() - left_out,
                    left_out,
                    files: folder(left, right, &pair, &name, (&key, &other), files),
                    name,
                    file,
                });
            };
            lines[index].why_not = Some(why);
        }
        Err(format!("no mapping of {} holds", pair.left))
    }
}

/// The entities that have most fields in common, among those that can be matched.
fn best(left: &Lock, right: &Lock) -> Option<Pair> {
    let mut found: Option<(usize, Pair)> = None;
    for (mine, one) in &left.entities {
        for (theirs, other) in &right.entities {
            let shared = shared(one, other);
            let matched = shared.iter().any(|(l, r)| identifies(one, other, l, r));
            if matched && found.as_ref().is_none_or(|(count, _)| shared.len() > *count) {
                found = Some((shared.len(), Pair { left: mine.clone(), right: theirs.clone() }));
            }
        }
    }
    found.map(|(_, pair)| pair)
}

/// Fields of one name, whatever their spelling, and of one type.
fn shared(left: &Entity, right: &Entity) -> Vec<(String, String)> {
    let same = |name: &String, field: &Field| {
        let found = right.fields.iter().find(|(other, theirs)| plain(other) == plain(name) && theirs.ty == field.ty);
        found.map(|(other, _)| (name.clone(), other.clone()))
    };
    left.fields.iter().filter(|(name, _)| *name != "id").filter_map(|(name, field)| same(name, field)).collect()
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Whether records can be matched by these fields: both are there to be written, and one of the systems allows no two
/// records with one value.
fn identifies(left: &Entity, right: &Entity, mine: &str, theirs: &str) -> bool {
    let (Some(mine), Some(theirs)) = (left.fields.get(mine), right.fields.get(theirs)) else { return false };
    let fits = |field: &Field| !field.read_only && field.ty == Type::Text;
    fits(mine) && fits(theirs) && (mine.unique || theirs.unique)
}

/// The system is a service whose address and ways are known, and not an application of the reader's.
fn is_known(lock: &Lock) -> bool {
    lock.connector.parse::<ConnectorKind>().is_ok_and(|kind| kind.base_url().is_some())
}

fn plural(name: &str) -> String {
    match name.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{name}s"),
    }
}

/// A line for each field of the left side.
fn lines(left: &Entity, right: &Entity, system: &str, entity: &str, key: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, field) in left.fields.iter().filter(|(name, _)| *name != "id") {
        let other = right.fields.iter().find(|(other, _)| plain(other) == plain(name));
        let Some((other, theirs)) = other else {
            let why = format!("{system}.{entity} has no field of this name");
            lines.push(Line { text: name.clone(), why_not: Some(why) });
            continue;
        };
        let (arrow, else_keep) = match (field.read_only, theirs.read_only) {
            (true, true) => ("->", false),
            (true, false) => ("->", field.optional),
            (false, true) => ("<-", theirs.optional),
            (false, false) => ("<->", false),
        };
        let mut text = format!("{name} {arrow} {other}");
        if name == key && field.ty == Type::Text && plain(name) == "email" {
            text.push_str(" as lowercase");
        }
        if else_keep {
            text.push_str(" else keep");
        }
        let why_not = if field.read_only && theirs.read_only {
            Some("both systems set it themselves".to_owned())
        } else if field.ty == theirs.ty {
            None
        } else {
            Some(format!("it is {} here and {} there", field.ty, theirs.ty))
        };
        lines.push(Line { text, why_not });
    }
    lines
}

fn rules(left: &Lock, right: &Lock, pair: &Pair, name: &str, (key, other): (&str, &str), lines: &[Line]) -> String {
    let by = if key == other { key.to_owned() } else { format!("{key} = {other}") };
    let mut text = format!(
        "sync {name} between {}.{} and {}.{} {{\n  run      on change\n  match    by {by}\n  create   missing in both\n  conflict newest wins, tie {}\n\n  fields {{\n",
        left.system, pair.left, right.system, pair.right, right.system
    );
    for Line { text: line, why_not } in lines {
        // INVARIANT: writing to a text cannot fail.
        let _written = match why_not {
            None => writeln!(text, "    {line}"),
            Some(why) => writeln!(text, "    # {line}: {why}"),
        };
    }
    text.push_str("  }\n}\n");
    text
}

/// The two systems, and what their messages mean.
fn systems(left: &Lock, right: &Lock, pair: &Pair, name: &str) -> String {
    let mut text = "edition 2026\n".to_owned();
    for (lock, entity) in [(left, &pair.left), (right, &pair.right)] {
        let known = is_known(lock);
        let limit = if known { "  limit  api 100 calls per 10 seconds\n" } else { "" };
        let system = &lock.system;
        let _written = write!(text, "\nsystem {system} {{\n  schema \"schemas/{system}.lock\"\n{limit}}}\n");
        let Some(deliveries) = &lock.deliveries else { continue };
        let Some(scheme) = deliveries.verify.first() else { continue };
        let header = if known { "" } else { " in header \"X-Signature\"" };
        let order = if known { String::new() } else { format!("  key by {}\n", deliveries.order) };
        let _written = write!(
            text,
            "\nevents from {system} over webhook {{\n  verify {scheme}{header}\n  dedupe for 24 hours\n{order}"
        );
        for (message, declared) in &deliveries.messages {
            let ours = matches!(&declared.about, About::Record { entity: of, .. } if of == entity);
            let route = if ours { format!("sync {name}") } else { "ignore".to_owned() };
            let _written = writeln!(text, "  \"{message}\" -> {route}");
        }
        text.push_str("}\n");
    }
    text
}

/// Everything but the locks.
fn folder(
    left: &Lock,
    right: &Lock,
    pair: &Pair,
    name: &str,
    (key, other): (&str, &str),
    rules: [(String, String); 2],
) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> =
        rules.into_iter().map(|(path, text)| (format!("rules/{path}"), format(&text).text)).collect();
    let (app, crm) = (&left.system, &right.system);
    let value = if plain(key) == "email" { "ada@example.com" } else { "a-1" };
    files.insert(
        format!("rules/{}.test.rules", name.to_lowercase()),
        format(&format!(
            "test \"what is new in {app} arrives in {crm}\" {{\n  given {app}.{} {{ {key} = \"{value}\" }}\n  when  sync {name} runs\n  expect one {crm}.{} {{ {other} = \"{value}\" }}\n}}\n",
            pair.left, pair.right
        ))
        .text,
    );
    let mut systems = String::new();
    for lock in [left, right] {
        let upper = lock.system.to_uppercase();
        let known = is_known(lock);
        let (address, secret) = if known {
            (
                "".to_owned(),
                format!(
                    "      public_url: https://engine.example.com/webhooks/{0}   # as {1} calls it\n      client_secret_env: {upper}_CLIENT_SECRET\n",
                    lock.system, lock.product
                ),
            )
        } else {
            (
                "    base_url: http://127.0.0.1:8070      # where it is called\n".to_owned(),
                format!("      secret_env: {upper}_WEBHOOK_SECRET\n"),
            )
        };
        let _written = write!(
            systems,
            "  {0}:\n    connector: {1}\n{address}    token_env: {upper}_TOKEN\n    webhook:\n      path: /webhooks/{0}\n{secret}",
            lock.system, lock.connector
        );
    }
    files.insert(
        "engine.yaml".to_owned(),
        format!(
            "# Where things are; what should happen stands in rules. `engine config schema` describes every key.\nrules: rules\nstate: state\nlisten: 127.0.0.1:8080\nadmin:\n  listen: 127.0.0.1:8081\nsystems:\n{systems}"
        ),
    );
    files.insert(
        ".github/workflows/rules.yml".to_owned(),
        "name: rules\non: [push, pull_request]\njobs:\n  rules:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: actions/checkout@v4\n      # `engine` on the path; see the engine's page on installing it.\n      - run: engine validate rules\n      - run: engine test rules\n"
            .to_owned(),
    );
    files.insert(".gitignore".to_owned(), "/state\n".to_owned());
    files.insert(
        "README.md".to_owned(),
        format!(
            "# {name}\n\nKeeps {app}.{} and {crm}.{} in step.\n\n1. `rules/{}.rules`: the proposed mapping. Lines that are comments could not be proposed; each says why.\n2. `engine validate rules` and `engine test rules` after every change.\n3. `engine.yaml`: where the systems are. `engine config check engine.yaml` names the secrets that are missing.\n4. `engine schema pull {app}` and `engine schema pull {crm}` bring what the systems really have into `rules/schemas`.\n5. `engine run`, then `engine backfill {name}` once.\n",
            pair.left,
            pair.right,
            name.to_lowercase()
        ),
    );
    files
}
