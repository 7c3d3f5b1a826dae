//! A plan gives what the simple way gives: on random records, random rules, and the rules that are shipped.
//!
//! The simple way is written out here in full: JSON to a tree, `decode` for each field that an expression asks for,
//! `eval`, `canonical`, `written`, `encode`. Proptest prints the seed and the smallest case of whatever differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::check::compile;
use dsl::decode::{decode, decode_field, encode};
use dsl::eval::{Fault, Halt, Scope, canonical, eval, written};
use dsl::fast::{LinkTo, Mapped, NotCovered, Plan, Purpose, Stop};
use dsl::program::{Direction, MappingKind, Outcome, Program, Side};
use dsl::schema::{EntityName, Field, Lookup, Type};
use dsl::value::Value;
use proptest::prelude::*;
use serde_json::Value as Json;

#[path = "support/shipped.rs"]
mod support;

/// A record as the plan sees it, with linked records nested in it.
struct Document<'a> {
    program: &'a Program,
    entity: &'a EntityName,
    variable: &'static str,
    json: &'a Json,
}

impl Document<'_> {
    fn read(&self, variable: &str, links: &[String], field: &str) -> Result<Value, Halt<String>> {
        if variable != self.variable {
            return Ok(Value::Empty);
        }
        let mut entity = self.entity.clone();
        let mut json = self.json;
        for (step, link) in links.iter().enumerate() {
            let to = self.program.entity(&entity).expect("checked").links[link].to.clone();
            entity = EntityName::new(entity.system, to);
            json = &json[link];
            match json {
                Json::Null => return Ok(Value::Empty),
                Json::String(text) if text.is_empty() => return Ok(Value::Empty),
                Json::Object(_) => {}
                id if field == "id" && step + 1 == links.len() => {
                    return Ok(Value::text(id.as_str().map_or_else(|| id.to_string(), str::to_owned)));
                }
                _ => {
                    let path: Vec<&str> = links.iter().map(String::as_str).chain([field]).collect();
                    return Err(Halt::Need(path.join(".")));
                }
            }
        }
        let wire = &json[field];
        match field {
            "id" => decode_field(&self.program.entity(&entity).expect("checked").fields["id"], wire),
            _ => decode(self.program, &entity, field, wire),
        }
        .map_err(Halt::Fault)
    }
}

impl Scope for Document<'_> {
    type Need = String;

    fn field(&self, variable: &str, links: &[String], field: &str) -> Result<Value, Halt<String>> {
        self.read(variable, links, field)
    }

    fn reference(&self, variable: &str, links: &[String]) -> Result<Value, Halt<String>> {
        self.read(variable, links, "id")
    }

    fn record(&self, _: &str, _: &[String]) -> Result<Value, Halt<String>> {
        panic!("a plan does not cover this")
    }

    fn lookup(&self, _: &str, _: &Lookup, _: &Value) -> Result<Value, Halt<String>> {
        panic!("a plan does not cover this")
    }
}

/// Bytes and links, nothing where the record takes no part, or why not.
type Given = Result<Option<(String, Vec<LinkTo>)>, Stop>;

/// The simple way.
fn simple(program: &Program, index: usize, to: Side, purpose: Purpose, json: &Json) -> Given {
    let sync = &program.syncs[index];
    let from = to.other();
    let variable = if from == Side::Left { "left" } else { "right" };
    let scope = Document { program, entity: sync.entity(from), variable, json };
    let stop = |line: Option<usize>| {
        move |halt: Halt<String>| match halt {
            Halt::Need(field) => Stop::Unseen { line, field },
            Halt::Fault(fault) => Stop::Fault { line, fault },
        }
    };
    if let Some(only) = &sync.only
        && eval(program, only, &scope).map_err(stop(None))? != Value::Flag(true)
    {
        return Ok(None);
    }
    let mut properties = BTreeMap::new();
    let mut links = Vec::new();
    for (line, mapping) in sync.fields.iter().enumerate() {
        if !mapping.direction.writes(to) || (mapping.on_create && purpose == Purpose::Change) {
            continue;
        }
        let stop = stop(Some(line));
        let fault = |fault: Fault| Stop::Fault { line: Some(line), fault };
        let value = match &mapping.kind {
            MappingKind::Field { left, right, .. } => {
                let raw = scope.read(variable, &[], if from == Side::Left { left } else { right }).map_err(stop)?;
                canonical(program, sync, mapping, from, &raw).map_err(fault)?
            }
            MappingKind::Computed { source, .. } => {
                let raw = eval(program, source, &scope).map_err(stop)?;
                canonical(program, sync, mapping, from, &raw).map_err(fault)?
            }
            MappingKind::Link { left, right, .. } => {
                scope.reference(variable, if from == Side::Left { left } else { right }).map_err(stop)?
            }
        };
        let link = matches!(mapping.kind, MappingKind::Link { .. });
        if value.is_empty() && mapping.direction != Direction::Both {
            match mapping.on_empty {
                Outcome::Clear => {}
                Outcome::Never if link => {}
                Outcome::Keep | Outcome::Never => continue,
                Outcome::Skip => return Ok(None),
                Outcome::Fail => {
                    let why = "there is no value, and the line says `else fail`";
                    return Err(fault(Fault::Arithmetic(why.to_owned())));
                }
            }
        }
        if link {
            let record = value.as_text().map(str::to_owned);
            if record.is_some() || purpose == Purpose::Change {
                links.push(LinkTo { line, record });
            }
            continue;
        }
        let target = match &mapping.kind {
            MappingKind::Computed { target, .. } => target,
            MappingKind::Field { left, right, .. } => {
                if to == Side::Left {
                    left
                } else {
                    right
                }
            }
            MappingKind::Link { .. } => continue,
        };
        let raw = written(program, sync, mapping, to, &value).map_err(fault)?;
        let optional = program.field(sync.entity(to), target).is_none_or(|field| field.optional);
        if raw.is_empty() && (purpose == Purpose::Create || (!optional && mapping.direction == Direction::Both)) {
            continue;
        }
        properties.insert(target.clone(), encode(program, sync.entity(to), target, &raw));
    }
    Ok(Some((serde_json::to_string(&properties).expect("JSON"), links)))
}

/// The plan.
fn fast(plan: &Plan, record: &[u8]) -> Given {
    let mut out = b"before".to_vec();
    let mapped = plan.map(record, &mut out);
    let written = String::from_utf8(out.split_off(6)).expect("text");
    assert_eq!(out, b"before");
    match mapped? {
        Mapped::Written(links) => Ok(Some((written, links))),
        Mapped::LeftOut => {
            assert_eq!(written, "");
            Ok(None)
        }
    }
}

#[track_caller]
fn agree(program: &Arc<Program>, index: usize, record: &str) -> Result<(), TestCaseError> {
    for to in [Side::Left, Side::Right] {
        for purpose in [Purpose::Create, Purpose::Change] {
            let plan = match Plan::new(program, index, to, purpose) {
                Ok(plan) => plan,
                Err(NotCovered::Target { .. } | NotCovered::Lookup { .. } | NotCovered::TwoLines { .. }) => continue,
                Err(other) => panic!("{other}"),
            };
            let Ok(json) = serde_json::from_str::<Json>(record) else {
                // What no line reads may be a text or number that cannot be held, as long as it is JSON.
                let json = serde_json::from_str::<serde::de::IgnoredAny>(record).is_ok();
                let refused = matches!(fast(&plan, record.as_bytes()), Err(Stop::NoRecord(_)));
                prop_assert!(refused || json, "{}", record);
                continue;
            };
            let expected = simple(program, index, to, purpose, &json);
            prop_assert_eq!(fast(&plan, record.as_bytes()), expected, "{:?} {:?} {}", to, purpose, record);
        }
    }
    Ok(())
}

// ── Rules ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// Both systems hold the same kinds of values, so that any line of one type fits any other one of it.
fn lock(system: &str, connector: &str) -> String {
    let types = [
        ("word", "text"),
        ("note", "text"),
        ("count", "integer"),
        ("size", "number"),
        ("amount", "money"),
        ("share", "percent"),
        ("done", "flag"),
        ("day", "date"),
        ("at", "time"),
        ("extra", "record"),
        ("names", "list of text"),
        ("counts", "list of integer"),
    ];
    let fields: String =
        types.iter().map(|(name, ty)| format!("      {name}: {{ type: {ty}, optional: true }}\n")).collect();
    let thing = format!(
        "    fields:\n      id: {{ type: text, unique: true, read_only: true }}\n      key: {{ type: text, unique: true, optional: true }}\n{fields}      colour: {{ type: enum, options: [r, g, b], optional: true }}\n      level: {{ type: enum, options: [low, high], optional: true }}\n"
    );
    format!(
        "lock: 1\nsystem: {system}\nconnector: {connector}\nproduct: {system}\npulled: 2026-11-20\nentities:\n  Thing:\n{thing}    links:\n      owner: {{ to: Owner, optional: true }}\n  Owner:\n{thing}    links:\n      boss: {{ to: Owner, optional: true }}\n"
    )
}

const WORDS: &str = r#"edition 2026
system one { schema "one.lock" }
system two { schema "two.lock" }
choice Colour ordered for one.Thing.colour, one.Owner.colour, two.Thing.colour, two.Owner.colour {
  red   "Very red" in one "r" in two "r"
  green "Green"    in one "g" in two "g"
  blue  "Blue"     in one "b" in two "b"
}
table Colours by one.Thing.colour {
  colour | amount | text
  red    | 1.50   | "warm \"red\""
  green  | 20     | "cold"
  blue   | 300    | "colder"
}
table Levels by one.Thing.count {
  count | text
  1     | "one"
  2     | "two"
}
sync Owners between one.Owner and two.Owner {
  match by key
  conflict one wins
  fields { key <-> key }
}
"#;

fn built(rules: &str) -> Arc<Program> {
    let files = [("case.rules".to_owned(), rules.to_owned()), ("words.rules".to_owned(), WORDS.to_owned())];
    let locks =
        BTreeMap::from([("one.lock".to_owned(), lock("one", "rest")), ("two.lock".to_owned(), lock("two", "rest"))]);
    let compiled = compile(&files, &locks, None);
    let told: Vec<_> =
        compiled.problems.iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect();
    Arc::new(compiled.program.unwrap_or_else(|| panic!("{rules}\n{told:#?}")))
}

/// A way to the record that fields are read from.
fn path() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(""), 2 => Just("owner."), 1 => Just("owner.boss.")]
}

/// An expression of a type, over the left record.
fn value(ty: &'static str) -> BoxedStrategy<String> {
    let field = |names: &'static [&'static str]| {
        (path(), prop::sample::select(names)).prop_map(|(path, name)| format!("{path}{name}"))
    };
    match ty {
        "text" => prop_oneof![
            3 => field(&["word", "note"]),
            1 => field(&["word", "note"]).prop_map(|of| format!("{of} as lowercase")),
            1 => field(&["word", "note"]).prop_map(|of| format!("{of} as trimmed as uppercase")),
            1 => field(&["word"]).prop_map(|of| format!("{of} as e164")),
            1 => field(&["at"]).prop_map(|of| format!("{of} as \"D MMM YYYY HH:mm:ss\"")),
            1 => Just("id".to_owned()),
            1 => Just("owner.id".to_owned()),
            1 => Just("Colours[colour].text".to_owned()),
            1 => Just("Levels[count].text".to_owned()),
            2 => (path(), printed(), path(), printed()).prop_map(|(first, (a, other), second, (b, another))| {
                format!("\"{{{first}{a} else {other}}}, \\\"{{{second}{b} else {another}}}\\\"\"")
            }),
        ]
        .boxed(),
        "integer" => prop_oneof![
            2 => field(&["count"]),
            1 => field(&["count"]).prop_map(|of| format!("{of} * 3")),
            1 => field(&["count"]).prop_map(|of| format!("{of} + count")),
            1 => field(&["amount"]).prop_map(|of| format!("{of} as cents")),
            1 => field(&["at"]).prop_map(|of| format!("{of} as unix_seconds")),
        ]
        .boxed(),
        "number" => prop_oneof![
            2 => field(&["size"]),
            1 => field(&["count"]),
            1 => field(&["size"]).prop_map(|of| format!("{of} as round(1)")),
            1 => field(&["size"]).prop_map(|of| format!("{of} / 7")),
        ]
        .boxed(),
        "money" => prop_oneof![
            2 => field(&["amount"]),
            1 => field(&["amount"]).prop_map(|of| format!("{of} * 10%")),
            1 => Just("Colours[colour].amount".to_owned()),
        ]
        .boxed(),
        "time" => prop_oneof![2 => field(&["at"]), 1 => field(&["at"]).prop_map(|of| format!("{of} + 3 days"))].boxed(),
        "percent" => field(&["share"]).boxed(),
        "flag" => field(&["done"]).boxed(),
        "date" => field(&["day"]).boxed(),
        "record" => field(&["extra"]).boxed(),
        "list of text" => field(&["names"]).boxed(),
        "list of integer" => field(&["counts"]).boxed(),
        "colour" => field(&["colour"]).boxed(),
        _ => field(&["level"]).boxed(),
    }
}

/// A field that is printed in a text, and what stands for it where it is missing.
fn printed() -> impl Strategy<Value = (&'static str, &'static str)> {
    let names = ["word", "note", "count", "size", "amount", "share", "done", "day", "at", "extra", "names"];
    prop_oneof![
        5 => prop::sample::select(names.map(|name| (name, "\"none\"")).to_vec()),
        1 => Just(("colour", "red")),
        1 => Just(("level", "low")),
    ]
}

/// A line that writes a field of the right record, or both.
fn line((name, ty): (&'static str, &'static str)) -> impl Strategy<Value = Option<String>> {
    let end = prop_oneof![Just("clear"), Just("keep"), Just("skip"), Just("fail"), Just("clear on create")].boxed();
    let two_way = match ty {
        "text" => prop_oneof![Just(""), Just("as lowercase"), Just("as trimmed as lowercase")].boxed(),
        _ => Just("").boxed(),
    };
    let policy = prop_oneof![Just(""), Just("two wins")];
    prop_oneof![
        1 => Just(None),
        3 => (value(ty), end.clone()).prop_map(move |(value, end)| Some(format!("    {value} -> {name} else {end}\n"))),
        1 => (value(ty), value(ty), end.clone()).prop_map(move |(first, second, end)| {
            Some(format!("    ({first}) else ({second}) -> {name} else {end}\n"))
        }),
        1 => (path(), path(), two_way.clone()).prop_map(move |(first, second, transforms)| {
            Some(format!("    {first}{name} else {second}{name} {transforms} -> {name} else keep\n"))
        }),
        3 => (two_way, policy).prop_map(move |(as_, policy)| Some(format!("    {name} <-> {name} {as_} {policy}\n"))),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let simple = prop::sample::select(
        &[
            "one.Thing.count > 2",
            "one.Thing.colour >= green",
            "one.Thing.colour in [red, blue]",
            "one.Thing.owner.word is empty",
            "one.Thing.amount <= 10.50",
            "one.Thing.day < 2026-03-02",
            "one.Thing.word = one.Thing.note",
            "not one.Thing.done",
            "two.Thing.word is empty",
        ][..],
    );
    let joined = prop_oneof![Just("and"), Just("or")];
    (simple.clone(), joined, simple).prop_map(|(a, word, b)| format!("  only where {a} {word} {b}\n"))
}

const TARGETS: [(&str, &str); 14] = [
    ("word", "text"),
    ("note", "text"),
    ("count", "integer"),
    ("size", "number"),
    ("amount", "money"),
    ("share", "percent"),
    ("done", "flag"),
    ("day", "date"),
    ("at", "time"),
    ("extra", "record"),
    ("names", "list of text"),
    ("counts", "list of integer"),
    ("colour", "colour"),
    ("level", "level"),
];

fn rules() -> impl Strategy<Value = String> {
    let lines: Vec<_> = TARGETS.into_iter().map(line).collect();
    let link = prop_oneof![
        Just(""),
        Just("    link owner <-> owner via Owners\n"),
        Just("    link owner -> owner via Owners else clear\n"),
        Just("    link owner -> owner via Owners else skip\n"),
        Just("    link owner.boss -> owner via Owners else keep\n"),
    ];
    (lines, link, prop::option::weighted(0.3, condition())).prop_map(|(lines, link, only)| {
        let lines: String = lines.into_iter().flatten().collect();
        let only = only.unwrap_or_default();
        format!(
            "sync Things between one.Thing and two.Thing {{\n  match by key\n  create missing in both\n  conflict one wins\n{only}  fields {{\n    key <-> key\n{lines}{link}  }}\n}}\n"
        )
    })
}

// ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// JSON of anything, sometimes of what is wanted.
fn json() -> impl Strategy<Value = String> {
    let text = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(str::to_owned);
    prop_oneof![
        1 => text(&["null", "\"\"", "true", "false", "[]", "{}", "0", "-0", "-1", "1", "2", "7"]),
        1 => text(&["1.5", "0.10", "1e3", "-2.5E-3", "1e30", "9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775809", "12345678901234567890123456789"]),
        2 => text(&["\"1.50\"", "\"4820.5\"", "\"-3\"", "\"1e3\"", "\" 12 \"", "\"007\"", "\"0.10\"", "\".5\"", "\"5.\"", "\"1234567890123456789012345678901\"", "\"9223372036854775807\""]),
        2 => text(&["\"2026-03-02T09:00:00Z\"", "\"2026-03-02T09:00:00.120Z\"", "\"2026-03-02T10:00:00+01:00\"", "\"2026-03-02\"", "\"1772442000000\"", "\"2026-02-30T09:00:00Z\"", "\"0000-01-01T00:00:00Z\"", "\"9999-12-31T23:59:59.999Z\"", "\"2026-03-02T23:59:60Z\"", "1772442000123"]),
        2 => text(&["\"r\"", "\"g\"", "\"b\"", "\"red\"", "\"low\"", "\"high\"", "\"yes\"", "\"no\"", "\"true\"", "\"a;b\"", "\"1;2;;3\"", "\"r;g\""]),
        2 => text(&["\"Ada@Example.COM\"", "\"  Ada  \"", "\"+44 (20) 7946-0958\"", "\"\\u0041\\n\\\"x\\\\\"", "\"\\ud83d\\ude00 É\"", "\"İstanbul\"", "\"\\u0000\"", "\"\\ud800\"", "\"\u{7f}\"", "\"\\/\""]),
        1 => text(&["[1, 2]", "[\"a\", \"\", null]", "[\"1\", 2.0]", "{\"b\": 1.50, \"a\": [null, {\"c\": 9223372036854775808}]}", "{\"a\": \"x\", \"a\": \"y\"}", "[[[]]]"]),
        1 => any::<String>().prop_map(|text| Json::from(text).to_string()),
        1 => any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(|number| Json::from(number).to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

/// A value that the field's type usually has.
fn usual(name: &'static str) -> BoxedStrategy<String> {
    let of = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(str::to_owned).boxed();
    match name {
        "count" => of(&["1", "2", "\"3\""]),
        "size" | "amount" | "share" => of(&["\"12.50\"", "3", "0.25"]),
        "done" => of(&["true", "false"]),
        "day" => of(&["\"2026-03-01\"", "\"2026-03-02\""]),
        "at" => of(&["\"2026-03-02T09:00:00.120Z\"", "\"2026-03-02T09:00:00Z\""]),
        "extra" => of(&["{\"report\": \"sleep\"}"]),
        "names" => of(&["[\"a\", \"b\"]", "\"a;b\""]),
        "counts" => of(&["[1, 2]"]),
        "colour" => of(&["\"r\"", "\"g\"", "\"b\""]),
        "level" => of(&["\"low\"", "\"high\""]),
        _ => of(&["\"x\"", "\"Ada\"", "\"a \\\"b\\\"\""]),
    }
}

/// Members of an object: usual ones, odd ones, unknown ones, some of them twice, in any order.
fn object(below: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let known: Vec<_> = TARGETS
        .into_iter()
        .map(|(name, _)| name)
        .chain(["id", "key"])
        .map(|name| {
            let value = prop_oneof![1 => Just(None), 5 => usual(name).prop_map(Some), 1 => json().prop_map(Some)];
            value.prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    let odd = prop::collection::vec(
        (
            prop_oneof![
                Just("wor"),
                Just("words"),
                Just("n\\u006fte"),
                Just("x"),
                Just(""),
                Just("word"),
                Just("owner"),
                Just("boss"),
                Just("at")
            ],
            json(),
        ),
        0..3,
    );
    let links = prop::collection::vec((prop_oneof![Just("owner"), Just("boss")], below), 0..3);
    (known, odd, links, any::<bool>())
        .prop_map(|(known, odd, links, space)| {
            let own = |(name, value): (&str, String)| (name.to_owned(), value);
            let members = known.into_iter().flatten().chain(odd.into_iter().map(own)).chain(links.into_iter().map(own));
            (members.collect::<Vec<_>>(), space)
        })
        .prop_flat_map(|(members, space)| (Just(members).prop_shuffle(), Just(space)))
        .prop_map(|(members, space)| {
            let space = if space { " \n\t" } else { "" };
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{space}\"{name}\"{space}:{space}{value}{space}"))
                .collect();
            format!("{{{}}}", members.join(","))
        })
        .boxed()
}

fn record() -> impl Strategy<Value = String> {
    let link = |object: BoxedStrategy<String>| {
        prop_oneof![4 => object, 1 => Just("null".to_owned()), 1 => Just("\"o7\"".to_owned()), 1 => json()].boxed()
    };
    let leaf = object(json().boxed());
    object(link(object(link(leaf))))
}

/// Sometimes no JSON any more.
fn damaged() -> impl Strategy<Value = String> {
    (record(), prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<char>()))).prop_map(
        |(record, damage)| {
            let Some((at, with)) = damage else { return record };
            let places: Vec<usize> = record.char_indices().map(|(place, _)| place).collect();
            let at = places[at.index(places.len())];
            format!("{}{with}{}", &record[..at], &record[at..])
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_plan_gives_what_the_simple_way_gives(rules in rules(), records in prop::collection::vec(damaged(), 1..6)) {
        let program = built(&rules);
        let index = program.syncs.iter().position(|sync| sync.name == "Things").expect("it is there");
        for record in records {
            agree(&program, index, &record)?;
        }
    }
}

// ── What is shipped ─────────────────────────────────────────────────────────────────────────────────────────────

fn shipped() -> Arc<Program> {
    let (files, locks) = support::shipped();
    let compiled = compile(&files, &locks, None);
    Arc::new(compiled.program.unwrap_or_else(|| panic!("{:?}", compiled.problems)))
}

/// A record of an entity: values of its types, odd ones, linked records nested.
fn of_entity(program: &Program, entity: &EntityName, depth: u32) -> BoxedStrategy<String> {
    let lock = program.entity(entity).expect("an entity").clone();
    let fields: Vec<_> = lock
        .fields
        .into_iter()
        .map(|(name, field)| {
            let usual = usual_of(program, entity, &name, &field);
            let value = prop_oneof![1 => Just(None), 12 => usual.prop_map(Some), 1 => json().prop_map(Some)];
            value.prop_map(move |value| value.map(|value| format!("{}:{value}", Json::from(name.as_str()))))
        })
        .collect();
    let links: Vec<_> = lock
        .links
        .into_iter()
        .map(|(name, link)| {
            let value = if depth == 0 {
                Just("null".to_owned()).boxed()
            } else {
                let nested = of_entity(program, &EntityName::new(&entity.system, &link.to), depth - 1);
                prop_oneof![8 => nested, 1 => Just("null".to_owned()), 1 => Just("\"7\"".to_owned())].boxed()
            };
            value.prop_map(move |value| format!("\"{name}\":{value}"))
        })
        .collect();
    (fields, links)
        .prop_map(|(fields, links)| {
            format!("{{{}}}", fields.into_iter().flatten().chain(links).collect::<Vec<_>>().join(","))
        })
        .boxed()
}

fn usual_of(program: &Program, entity: &EntityName, name: &str, field: &Field) -> BoxedStrategy<String> {
    let spellings: Vec<String> = match program.choice(entity, name) {
        Some(choice) => choice.words.iter().map(|word| word.spelling(&entity.system).to_owned()).collect(),
        None => field.options.clone(),
    };
    if !spellings.is_empty() {
        return prop::sample::select(spellings).prop_map(|word| Json::from(word).to_string()).boxed();
    }
    let name = match field.ty {
        Type::Text | Type::Enum => "word",
        Type::Integer => "count",
        Type::Number | Type::Money | Type::Percent => "amount",
        Type::Flag => "done",
        Type::Date => "day",
        Type::Time => "at",
        Type::Record => "extra",
        Type::List(_) => "names",
    };
    usual(name)
}

#[test]
fn a_plan_of_every_shipped_sync_gives_what_the_simple_way_gives() {
    let program = shipped();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    for (index, sync) in program.syncs.iter().enumerate() {
        for side in [Side::Left, Side::Right] {
            let records = of_entity(&program, sync.entity(side), 2);
            runner.run(&records, |record| agree(&program, index, &record)).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn what_needs_more_than_the_record_is_said_before_anything_runs() {
    let program = shipped();
    let plan = |name: &str, to, purpose| {
        let index = program.syncs.iter().position(|sync| sync.name == name).expect("it is shipped");
        Plan::new(&program, index, to, purpose).map(|plan| plan.properties())
    };
    assert_eq!(plan("Contacts", Side::Right, Purpose::Create), Ok(11));
    assert_eq!(plan("Contacts", Side::Right, Purpose::Change), Ok(10));
    assert_eq!(plan("Deals", Side::Right, Purpose::Change), Ok(6));
    assert!(matches!(plan("Deals", Side::Left, Purpose::Create), Err(NotCovered::Lookup { .. })));
    assert!(matches!(plan("Notes", Side::Right, Purpose::Change), Err(NotCovered::Target { .. })));
    assert!(plan("Notes", Side::Right, Purpose::Create).is_ok());
}

#[test]
fn two_lines_for_one_property_are_not_covered() {
    let program = built(
        "sync Things from one.Thing to two.Thing {\n  match by key\n  create missing in two\n  fields {\n    key -> key else keep\n    word -> note else keep\n    note -> word else keep\n    id -> word on create\n  }\n}\n",
    );
    let index = program.syncs.iter().position(|sync| sync.name == "Things").expect("it is there");
    let expected = NotCovered::TwoLines { property: "word".to_owned() };
    assert_eq!(Plan::new(&program, index, Side::Right, Purpose::Create).map(|_| ()), Err(expected));
    assert!(Plan::new(&program, index, Side::Right, Purpose::Change).is_ok());
}

#[test]
fn a_contact_is_written_with_its_properties_in_order() {
    let program = shipped();
    let index = program.syncs.iter().position(|sync| sync.name == "Contacts").expect("it is shipped");
    let plan = Plan::new(&program, index, Side::Right, Purpose::Create).expect("covered");
    let record = r#"{"id":"u1","email":"Ada@Example.COM","firstName":"Ada \"A\"","lastName":"Byron","phone":"","company":null,
        "createdAt":"2026-03-02T09:00:00Z","lifetimeValue":"120.50","healthScore":87,"unknown":{"email":"x"},
        "subscription":{"id":"s1","plan":"pro","status":"active"}}"#;
    let expected = r#"{"createdate":"2026-03-02T09:00:00.000Z","email":"ada@example.com","firstname":"Ada \"A\"","health_score":87,"lastname":"Byron","lifetime_value":"120.5","subscription_plan":"pro","subscription_status":"active"}"#;
    assert_eq!(fast(&plan, record.as_bytes()), Ok(Some((expected.to_owned(), Vec::new()))));
    let only_the_id = record.replace(r#"{"id":"s1","plan":"pro","status":"active"}"#, r#""s1""#);
    let line = program.syncs[index].fields.iter().position(|line| line.text.starts_with("subscription.plan"));
    assert_eq!(fast(&plan, only_the_id.as_bytes()), Err(Stop::Unseen { line, field: "subscription.plan".to_owned() }));
}
