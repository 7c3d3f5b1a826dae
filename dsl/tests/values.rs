//! Values between systems: decoded, compared in one domain, written and encoded again.

use std::collections::BTreeMap;
use std::path::Path;

use dsl::check::compile;
use dsl::decode::{decode, decode_field, encode, encode_declared, encode_field};
use dsl::eval::{Interrupt, Scope, canonical, coerce, eval, written};
use dsl::fault::{Doubt, Fault};
use dsl::program::{Arithmetic, Compare, Expr, Program, Side};
use dsl::schema::{EntityName, EpochForm, Field, Lookup, Type};
use dsl::value::{Timestamp, Value};
use proptest::prelude::*;
use serde_json::json;

fn program(rules: &str) -> Program {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    let files = [
        ("case.rules".to_owned(), rules.to_owned()),
        ("systems.rules".to_owned(), read("tests/golden/systems.rules")),
        ("words.rules".to_owned(), read("../rules/words.rules")),
    ];
    let locks: BTreeMap<String, String> = ["app", "crm", "mail"]
        .map(|name| (format!("schemas/{name}.lock"), read(&format!("../rules/schemas/{name}.lock"))))
        .into();
    let compiled = compile(&files, &locks, None);
    compiled.program.unwrap_or_else(|| panic!("{:?}", compiled.problems))
}

fn field(ty: Type) -> Field {
    Field { optional: true, ..Field::of(ty) }
}

fn decimal(text: &str) -> Value {
    Value::decimal(text.parse().expect("a number"))
}

#[test]
fn a_word_travels_in_the_spelling_of_each_system() {
    let program = program("");
    let deal = EntityName::new("crm", "Deal");
    let word = decode(&program, &deal, "dealstage", &json!("presentationscheduled")).expect("spelled");
    assert_eq!(word, "proposal".into());
    assert_eq!(encode(&program, &deal, "dealstage", &word), json!("presentationscheduled"));
    assert_eq!(encode(&program, &EntityName::new("app", "Deal"), "stage", &word), json!("proposal"));
    let unspelled = decode(&program, &deal, "dealstage", &json!("contractsent"));
    assert!(matches!(unspelled, Err(Fault::Unspelled { spelling, .. }) if spelling == "contractsent"));
}

#[test]
fn values_are_read_from_text_as_well_as_from_json() {
    let read = |ty: Type, wire: serde_json::Value| decode_field(&field(ty), &wire).expect("read");
    let nine = Value::Time(Timestamp(1_772_442_000_000));
    for wire in [
        json!("2026-03-02T09:00:00Z"),
        json!(1_772_442_000_000_i64),
        json!("1772442000000"),
        json!("2026-03-02T10:00:00+01:00"),
    ] {
        assert_eq!(read(Type::Time, wire), nine);
    }
    for wire in [json!("2026-03-02"), json!("2026-03-02T00:00:00Z"), json!(1_772_409_600_000_i64)] {
        assert_eq!(read(Type::Date, wire), Value::Date(20_514));
    }
    assert_eq!(read(Type::Integer, json!("82")), Value::Integer(82));
    assert_eq!(read(Type::Integer, json!(82.0)), Value::Integer(82));
    assert_eq!(read(Type::Money, json!("49.00")), decimal("49"));
    assert_eq!(read(Type::Flag, json!("true")), Value::Flag(true));
    for empty in [json!(null), json!("")] {
        assert_eq!(read(Type::Money, empty.clone()), Value::Empty);
        assert_eq!(read(Type::Record, empty), Value::Empty);
    }
    assert!(decode_field(&field(Type::Integer), &json!("4.5")).is_err());
    assert!(decode_field(&field(Type::Money), &json!("lots")).is_err());
    assert!(decode_field(&field(Type::Text), &json!({"a": 1})).is_err());
}

/// What a field of this type, form and zone makes of a text or a number.
fn told(ty: Type, form: Option<EpochForm>, zone: Option<&str>, wire: serde_json::Value) -> Result<String, Fault> {
    let declared = Field { form, zone: zone.map(str::to_owned), ..field(ty) };
    decode_field(&declared, &wire).map(|value| value.to_string())
}

fn doubt(told: Result<String, Fault>) -> Doubt {
    match told {
        Err(Fault::Doubtful { doubt, .. }) => doubt,
        other => panic!("no doubt: {other:?}"),
    }
}

#[test]
fn a_time_without_a_zone_is_read_by_the_zone_of_its_lock_or_not_at_all() {
    let local = ["2026-03-01T10:30:00", "2026-03-01 10:30:00", "2026-03-01T10:30", "2026-03-01T10:30:00.000456"];
    for text in local {
        assert_eq!(doubt(told(Type::Time, None, None, json!(text))), Doubt::NoZone, "{text}");
        assert_eq!(told(Type::Time, None, Some("UTC"), json!(text)).expect("read"), "2026-03-01T10:30:00.000Z");
    }
    assert_eq!(doubt(told(Type::Time, None, None, json!("2026-03-01"))), Doubt::NoZone);
    let london = |text: &str| told(Type::Time, None, Some("Europe/London"), json!(text));
    assert_eq!(london("2026-07-01T10:30:00").expect("read"), "2026-07-01T09:30:00.000Z");
    assert_eq!(london("2026-07-01").expect("read"), "2026-06-30T23:00:00.000Z");
    // A zone of its own counts.
    assert_eq!(london("2026-07-01T10:30:00Z").expect("read"), "2026-07-01T10:30:00.000Z");
    // The clocks skip this hour, and show that one twice.
    assert_eq!(doubt(london("2026-03-29T01:30:00")), Doubt::NotOnce);
    assert_eq!(doubt(london("2026-10-25T01:30:00")), Doubt::NotOnce);
    for no in ["10:30", "soon", "2026-13-01T10:30:00", "01/03/2026 10:30"] {
        assert!(matches!(london(no), Err(Fault::Malformed { .. })), "{no}");
    }
}

#[test]
fn a_number_is_a_time_where_it_can_be_milliseconds_only_or_where_the_lock_says_what_it_counts() {
    let seconds = Some(EpochForm::Seconds);
    let milliseconds = Some(EpochForm::Milliseconds);
    let nine = "2026-03-02T09:00:00.000Z";
    for wire in [json!(1_772_442_000), json!("1772442000"), json!(1_772_442_000.0), json!(0), json!(-1)] {
        assert_eq!(doubt(told(Type::Time, None, None, wire.clone())), Doubt::NoForm, "{wire}");
        assert!(told(Type::Time, seconds, None, wire).is_ok());
    }
    assert_eq!(told(Type::Time, None, None, json!(1_772_442_000_000_i64)).expect("read"), nine);
    assert_eq!(told(Type::Time, seconds, None, json!(1_772_442_000)).expect("read"), nine);
    assert_eq!(told(Type::Time, seconds, None, json!("1772442000.25")).expect("read"), "2026-03-02T09:00:00.250Z");
    assert_eq!(told(Type::Time, milliseconds, None, json!(1_000)).expect("read"), "1970-01-01T00:00:01.000Z");
    // Microseconds, or no time at all.
    for wire in [json!(1_772_442_000_000_000_i64), json!("99999999999999999999")] {
        assert_eq!(doubt(told(Type::Time, None, None, wire.clone())), Doubt::NoForm, "{wire}");
        assert!(told(Type::Time, milliseconds, None, wire).is_err());
    }
}

#[test]
fn an_instant_is_a_day_where_it_is_a_midnight_or_where_the_lock_says_whose_day() {
    let plain = |wire: serde_json::Value| told(Type::Date, None, None, wire);
    let london = |wire: serde_json::Value| told(Type::Date, None, Some("Europe/London"), wire);
    for midnight in [json!("1990-06-02T00:00:00.000Z"), json!("1990-06-02T00:00:00"), json!(644_284_800_000_i64)] {
        assert_eq!(plain(midnight).expect("read"), "1990-06-02");
    }
    let summer = json!("1990-06-01T23:00:00.000Z");
    assert_eq!(doubt(plain(summer.clone())), Doubt::Instant);
    assert_eq!(london(summer).expect("read"), "1990-06-02");
    assert_eq!(doubt(plain(json!("1990-06-02T00:00:00+01:00"))), Doubt::Instant);
    assert_eq!(doubt(plain(json!("1990-06-02T10:30:00"))), Doubt::NoZone);
    assert_eq!(doubt(plain(json!(644_281_200_000_i64))), Doubt::Instant);
    assert_eq!(london(json!(644_281_200_000_i64)).expect("read"), "1990-06-02");
    assert_eq!(doubt(plain(json!(644_281_200))), Doubt::NoForm);
    let seconds = |zone| told(Type::Date, Some(EpochForm::Seconds), zone, json!(644_281_200));
    assert_eq!(doubt(seconds(None)), Doubt::Instant);
    assert_eq!(seconds(Some("Europe/London")).expect("read"), "1990-06-02");
    // Born in the first days that a count knows.
    assert_eq!(plain(json!(86_400_000)).expect("read"), "1970-01-02");
    for no in [json!("19900602x"), json!("02.06.1990"), json!("1990-06-31"), json!(true)] {
        assert!(matches!(plain(no.clone()), Err(Fault::Malformed { .. })), "{no}");
    }
    assert_eq!(doubt(plain(json!(19_900_602))), Doubt::NoForm);
}

#[test]
fn a_time_is_written_in_the_form_in_which_it_is_read() {
    for (form, wire) in
        [(EpochForm::Seconds, json!(1_772_442_000)), (EpochForm::Milliseconds, json!(1_772_442_000_000_i64))]
    {
        let declared = Field { form: Some(form), ..field(Type::Time) };
        assert_eq!(encode_declared(&declared, &Value::Time(Timestamp(1_772_442_000_000))), wire);
        assert_eq!(decode_field(&declared, &wire), Ok(Value::Time(Timestamp(1_772_442_000_000))));
    }
}

#[test]
fn a_number_keeps_all_of_its_digits_or_is_refused() {
    let read = |ty: Type, text: &str| told(ty, None, None, json!(text));
    for text in ["123456789012345678.91", "0.0000000000000000000000000001", "1234567890123456789012345678"] {
        assert_eq!(read(Type::Money, text).expect("read"), text);
    }
    assert_eq!(read(Type::Number, "1.5e3").expect("read"), "1500");
    assert_eq!(read(Type::Number, "-2E-2").expect("read"), "-0.02");
    for text in [
        "0.12345678901234567890123456789012345",
        "0.99999999999999999999999999999999",
        "123456789012345678901234567890",
        "1e400",
        "1.2345678901e-25",
    ] {
        assert_eq!(doubt(read(Type::Number, text)), Doubt::Digits, "{text}");
    }
    assert_eq!(doubt(read(Type::Integer, "9223372036854775808")), Doubt::Digits);
    assert_eq!(read(Type::Integer, "1e3").expect("read"), "1000");
    for text in ["", "e5", "1e", "0x10", "1,5", "NaN", "1.5"] {
        assert!(!matches!(read(Type::Integer, text), Err(Fault::Doubtful { .. })), "{text}");
    }
}

#[test]
fn a_structured_value_comes_out_as_it_went_in() {
    let wire = json!({"report": "sleep", "score": 1.5, "times": [1, 2], "done": true, "note": null});
    let value = decode_field(&field(Type::Record), &wire).expect("read");
    assert_eq!(encode_field(&value), wire);
}

#[test]
fn a_field_holds_values_of_its_type_only() {
    assert_eq!(coerce(Value::Integer(3), &field(Type::Money)), Ok(decimal("3")));
    assert_eq!(coerce(decimal("3"), &field(Type::Integer)), Ok(Value::Integer(3)));
    assert!(coerce(decimal("3.5"), &field(Type::Integer)).is_err());
    assert!(coerce(Value::text("lots"), &field(Type::Money)).is_err());
    assert!(coerce(Value::Flag(true), &field(Type::Time)).is_err());
}

const TWO_WAY: &str = "sync Contacts between app.User and crm.Contact {\n  match by email\n  fields {\n    email <-> email as trimmed as lowercase app wins\n  }\n}\nsync Deals between app.Deal and crm.Deal {\n  match by crmId = id\n  fields {\n    stage <-> dealstage crm wins\n    amount <-> amount app wins\n  }\n}\n";

#[test]
fn both_sides_compare_in_the_normalised_domain_of_the_left() {
    let program = program(TWO_WAY);
    let sync = &program.syncs[0];
    let both = |side, text: &str| canonical(&program, sync, &sync.fields[0], side, &text.into()).expect("canonical");
    assert_eq!(both(Side::Left, " Ada@Example.COM "), both(Side::Right, "ada@example.com"));
    let deals = &program.syncs[1];
    let stage = canonical(&program, deals, &deals.fields[0], Side::Right, &"proposal".into());
    assert_eq!(stage, Ok("proposal".into()));
}

#[test]
fn a_change_of_unit_is_undone_on_the_right() {
    // As if a lock had a whole number of cents on the right.
    let program = program(TWO_WAY);
    let sync = &program.syncs[1];
    let mut mapping = sync.fields[1].clone();
    let dsl::program::MappingKind::Field { transforms, .. } = &mut mapping.kind else { panic!("a field") };
    transforms.push(dsl::program::Transform { name: "cents".to_owned(), args: Vec::new() });
    let left = canonical(&program, sync, &mapping, Side::Left, &decimal("49.05")).expect("left");
    let right = canonical(&program, sync, &mapping, Side::Right, &Value::Integer(4905)).expect("right");
    assert_eq!(left, right);
    assert_eq!(left, decimal("49.05"));
}

struct Nothing;

impl Scope for Nothing {
    type Need = String;
    fn field(&self, variable: &str, _: &[String], _: &str) -> Result<Value, Interrupt<String>> {
        Err(Interrupt::Need(variable.to_owned()))
    }
    fn reference(&self, variable: &str, _: &[String]) -> Result<Value, Interrupt<String>> {
        Err(Interrupt::Need(variable.to_owned()))
    }
    fn record(&self, variable: &str, _: &[String]) -> Result<Value, Interrupt<String>> {
        Err(Interrupt::Need(variable.to_owned()))
    }
    fn lookup(&self, system: &str, _: &Lookup, _: &Value) -> Result<Value, Interrupt<String>> {
        Err(Interrupt::Need(system.to_owned()))
    }
}

fn literal(value: impl Into<Value>) -> Box<Expr> {
    Box::new(Expr::Literal(value.into()))
}

#[test]
fn empty_equals_empty_only_and_has_no_order() {
    let program = program("");
    let holds = |op, a: Value, b: Value| {
        eval(&program, &Expr::Compare(op, literal(a), literal(b)), &Nothing) == Ok(Value::Flag(true))
    };
    assert!(holds(Compare::Equal, Value::Empty, Value::Empty));
    assert!(!holds(Compare::Equal, Value::Empty, Value::Integer(0)));
    assert!(holds(Compare::NotEqual, Value::Empty, "a".into()));
    for op in [Compare::Less, Compare::LessOrEqual, Compare::Greater, Compare::GreaterOrEqual] {
        assert!(!holds(op, Value::Empty, Value::Integer(0)));
        assert!(!holds(op, Value::Empty, Value::Empty));
    }
    assert!(holds(Compare::Equal, Value::Integer(3), decimal("3.0")));
}

#[test]
fn calculations_end_in_a_fault_and_never_in_a_wrong_number() {
    let program = program("");
    let run = |op, a: Value, b: Value| eval(&program, &Expr::Arithmetic(op, literal(a), literal(b)), &Nothing);
    assert_eq!(run(Arithmetic::Multiply, decimal("49"), decimal("0.8")), Ok(decimal("39.2")));
    assert_eq!(run(Arithmetic::Divide, decimal("1"), decimal("0")), Err(Interrupt::Fault(Fault::DivisionByZero)));
    let huge = decimal("79228162514264337593543950335");
    assert_eq!(run(Arithmetic::Add, huge.clone(), huge), Err(Interrupt::Fault(Fault::TooLarge)));
    assert!(matches!(
        run(Arithmetic::Multiply, Value::Integer(i64::MAX), Value::Integer(2)),
        Ok(Value::Decimal(_)) | Err(_)
    ));
    assert_eq!(run(Arithmetic::Add, Value::Empty, decimal("1")), Ok(Value::Empty));
}

#[test]
fn a_choice_prints_its_label_and_nothing_is_looked_up_for_nothing() {
    let program = program("");
    let stage = program.choices.iter().position(|c| c.name == "DealStage").expect("the choice");
    let text = Expr::Join(vec![(*literal("now: "), None), (*literal("proposal"), Some(stage))]);
    assert_eq!(eval(&program, &text, &Nothing), Ok("now: Proposal sent".into()));
    let lookup = program.systems["crm"].lock.lookups["owner_id"].clone();
    let find = |of: Value| Expr::Lookup { of: literal(of), system: "crm".to_owned(), lookup: lookup.clone() };
    assert_eq!(eval(&program, &find(Value::Empty), &Nothing), Ok(Value::Empty));
    assert_eq!(eval(&program, &find("a@example.com".into()), &Nothing), Err(Interrupt::Need("crm".to_owned())));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(number in -1_000_000_000_000_i64..1_000_000_000_000, scale in 0_u32..6, at in -62_000_000_000_000_i64..250_000_000_000_000) {
        for (ty, value) in [
            (Type::Money, Value::decimal(rust_decimal::Decimal::new(number, scale))),
            (Type::Integer, Value::Integer(number)),
            (Type::Time, Value::Time(Timestamp(at))),
            (Type::Date, Value::Date(i32::try_from(at / 86_400_000).expect("a day"))),
            (Type::Flag, Value::Flag(number % 2 == 0)),
        ] {
            prop_assert_eq!(decode_field(&field(ty), &encode_field(&value)), Ok(value));
        }
    }

    #[test]
    fn what_one_side_is_given_is_what_it_is_compared_with(email in "[ a-zA-Z@.]{1,20}", number in -1_000_000_i64..1_000_000) {
        let program = program(TWO_WAY);
        let sync = &program.syncs[0];
        let mapping = &sync.fields[0];
        let common = canonical(&program, sync, mapping, Side::Left, &Value::text(email)).expect("canonical");
        for side in [Side::Left, Side::Right] {
            let given = written(&program, sync, mapping, side, &common).expect("written");
            prop_assert_eq!(canonical(&program, sync, mapping, side, &given), Ok(common.clone()));
        }
        let deals = &program.syncs[1];
        let amount = Value::decimal(rust_decimal::Decimal::new(number, 2));
        let given = written(&program, deals, &deals.fields[1], Side::Right, &amount).expect("written");
        prop_assert_eq!(canonical(&program, deals, &deals.fields[1], Side::Right, &given), Ok(amount));
    }
}
