//! The rules language by itself: reads a folder of rules, prints what is wrong with it, and maps one record.
//!
//! In: a folder (the one beside this file where none is given). Out: the findings, and what the sync would write
//! for a made-up customer.
//! Not here: any system, network or engine; `dsl` is pure, so the files are read here.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use dsl::check::{Compiled, compile};
use dsl::decode::{decode, encode};
use dsl::diagnostic::human;
use dsl::eval::{Interrupt, Scope, canonical, eval, written};
use dsl::fault::Fault;
use dsl::program::{Direction, MappingKind, Outcome, Program, Side, Sync};
use dsl::schema::{EntityName, Lookup};
use dsl::value::Value;
use serde_json::{Value as Json, json};

fn main() -> ExitCode {
    let folder =
        std::env::args().nth(1).unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/hello_rule/rules").into());
    match hello(Path::new(&folder), &customer(), &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::from(2)
        }
    }
}

/// A record as the shop's API would show it.
fn customer() -> Json {
    json!({
        "id": "7", "email": "Ada@Example.COM", "firstName": "Ada", "familyName": "Lovelace",
        "grade": "gold", "spent": "49.00", "note": null, "updatedAt": "2026-03-02T09:00:00Z",
    })
}

/// Says what is wrong with the rules in `folder`, or else what they make of `record`; false where an error stands.
fn hello(folder: &Path, record: &Json, out: &mut impl Write) -> io::Result<bool> {
    let Compiled { files, problems, program, .. } = read(folder)?;
    for problem in &problems {
        write!(out, "{}", human(problem, &files, false))?;
    }
    let Some(program) = program else { return Ok(false) };
    for sync in &program.syncs {
        writeln!(out, "sync {}: {} to {}", sync.name, sync.left, sync.right)?;
        for (field, value) in mapped(&program, sync, record) {
            match value {
                Ok(Some(value)) => writeln!(out, "  {field:<8} {value}")?,
                Ok(None) => writeln!(out, "  {field:<8} left as it is")?,
                Err(fault) => writeln!(out, "  {field:<8} a person must look: {fault}")?,
            }
        }
    }
    Ok(true)
}

/// Every `.rules` file of the folder and every lock of its `schemas`, compiled.
fn read(folder: &Path) -> io::Result<Compiled> {
    let rules: Vec<(String, String)> = texts(folder, "", "rules")?.into_iter().collect();
    let locks = texts(&folder.join("schemas"), "schemas/", "lock")?;
    Ok(compile(&rules, &locks, None))
}

fn texts(folder: &Path, prefix: &str, ending: &str) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            found.insert(format!("{prefix}{name}"), std::fs::read_to_string(&path)?);
        }
    }
    Ok(found)
}

/// What the right side is given for a record of the left side: per field a value in the right system's own form, or
/// nothing where the rule leaves the field alone.
fn mapped(program: &Program, sync: &Sync, record: &Json) -> Vec<(String, Result<Option<Json>, Fault>)> {
    let scope = Record { program, entity: &sync.left, record };
    let mut out = Vec::new();
    for mapping in sync.fields.iter().filter(|mapping| mapping.direction != Direction::ToLeft) {
        let (source, target) = match &mapping.kind {
            MappingKind::Computed { source, target } => (eval(program, source, &scope), target),
            MappingKind::Field { left, right, .. } => (scope.field("left", &[], left), right),
            // A link is to a record of another sync; this example has one sync only.
            MappingKind::Link { .. } => continue,
        };
        let value = source.map_err(|interrupt| match interrupt {
            Interrupt::Fault(fault) => fault,
            Interrupt::Need(never) => match never {},
        });
        // A two-way line carries the left side's value, transformed on the way; a one-way line was computed above.
        let side = if matches!(mapping.kind, MappingKind::Field { .. }) { Side::Left } else { Side::Right };
        let given = value.and_then(|value| {
            let common = canonical(program, sync, mapping, side, &value)?;
            let value = written(program, sync, mapping, Side::Right, &common)?;
            let kept = value.is_empty() && mapping.on_empty == Outcome::Keep;
            Ok((!kept).then(|| encode(program, &sync.right, target, &value)))
        });
        out.push((target.clone(), given));
    }
    out
}

/// The one record that the expressions of a mapping can ask about.
struct Record<'a> {
    program: &'a Program,
    entity: &'a EntityName,
    record: &'a Json,
}

/// There is nothing to wait for: the whole record is here.
enum Never {}

impl Scope for Record<'_> {
    type Need = Never;

    fn field(&self, _variable: &str, links: &[String], field: &str) -> Result<Value, Interrupt<Never>> {
        if !links.is_empty() {
            return Ok(Value::Empty);
        }
        decode(self.program, self.entity, field, &self.record[field]).map_err(Interrupt::Fault)
    }

    fn reference(&self, variable: &str, links: &[String]) -> Result<Value, Interrupt<Never>> {
        self.field(variable, links, "id")
    }

    fn record(&self, _variable: &str, _links: &[String]) -> Result<Value, Interrupt<Never>> {
        Ok(Value::Empty)
    }

    fn lookup(&self, _system: &str, _lookup: &Lookup, _value: &Value) -> Result<Value, Interrupt<Never>> {
        Ok(Value::Empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(folder: &Path) -> (bool, String) {
        let mut out = Vec::new();
        let fine = hello(folder, &customer(), &mut out).unwrap();
        (fine, String::from_utf8(out).unwrap())
    }

    fn here(path: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("hello_rule").join(path)
    }

    /// The `n`th block of the README that begins with three backquotes and `text`.
    fn block(n: usize) -> String {
        let readme = std::fs::read_to_string(here("README.md")).unwrap();
        readme.split("```text\n").nth(n).unwrap().split("```").next().unwrap().to_owned()
    }

    #[test]
    fn the_readme_shows_what_is_printed() {
        assert_eq!(printed(&here("rules")), (true, block(1)));
    }

    #[test]
    fn the_readme_shows_the_finding_of_a_misspelt_field() {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("schemas")).unwrap();
        for file in ["hello.rules", "schemas/shop.lock", "schemas/crm.lock"] {
            let text = std::fs::read_to_string(here("rules").join(file)).unwrap();
            std::fs::write(
                copy.path().join(file),
                text.replace("grade                      ->", "grad                       ->"),
            )
            .unwrap();
        }
        assert_eq!(printed(copy.path()), (false, block(2)));
    }
}
