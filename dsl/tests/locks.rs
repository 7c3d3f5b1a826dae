//! Locks as text: what is written reads back, in the order it had, and two locks are told apart.

use std::path::Path;

use dsl::schema::{EpochForm, Field, Lock, Type, differences, read_lock, write_lock};

fn shipped(name: &str) -> (String, Lock) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/schemas").join(name);
    let text = std::fs::read_to_string(path).expect("a shipped lock");
    let lock = read_lock(&text).expect("it is sound");
    (text, lock)
}

#[test]
fn what_is_written_reads_back_as_the_same_lock_in_the_same_order() {
    for name in ["app.lock", "crm.lock", "mail.lock"] {
        let (text, lock) = shipped(name);
        let written = write_lock(&lock);
        let again = read_lock(&written).unwrap_or_else(|error| panic!("{name}: {error:?}\n{written}"));
        assert_eq!(Lock { lines: Default::default(), ..again.clone() }, Lock { lines: Default::default(), ..lock });
        assert_eq!(write_lock(&again), written, "{name}");
        assert_eq!(differences(&again, &read_lock(&text).expect("sound")), Vec::<String>::new());
        // Fields stand where they stood: apart from blanks and remarks, the shipped text is this form.
        let names = |text: &str| {
            let line = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
            let entities =
                text.lines().take_while(|line| !line.starts_with("events") && !line.starts_with("operations"));
            let names = entities.map(line).filter(|line| !line.is_empty());
            names.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&written), names(&text), "{name}");
    }
}

#[test]
fn names_that_yaml_takes_for_something_else_are_quoted() {
    let (_, mut lock) = shipped("app.lock");
    let user = lock.entities.get_mut("User").expect("a user");
    let region = user.fields.get_mut("region").expect("a region");
    region.options = ["no", "1", "a: b", "emea", "-", "é", "\"quoted\""].map(str::to_owned).to_vec();
    let text = write_lock(&lock);
    let again = read_lock(&text).expect("it is sound");
    assert_eq!(again.entities["User"].fields["region"].options, lock.entities["User"].fields["region"].options);
    assert!(text.contains(r#"options: ["no", "1", "a: b", emea, "-", "é", "\"quoted\""]"#), "{text}");
}

#[test]
fn what_changed_in_a_system_is_a_line_each() {
    let (_, old) = shipped("crm.lock");
    let mut new = old.clone();
    let contact = new.entities.get_mut("Contact").expect("contacts");
    contact.fields.remove("jobtitle");
    contact.fields.get_mut("health_score").expect("a score").ty = Type::Number;
    let mut added = contact.fields["phone"].clone();
    added.custom = true;
    contact.fields.insert("shoe_size".to_owned(), added);
    new.entities.remove("Ticket");
    new.pulled = "2027-01-01".to_owned();
    assert_eq!(
        differences(&old, &new),
        [
            "~ crm.Contact.health_score  { type: integer, optional: true, custom: true }, now { type: number, optional: true, custom: true }",
            "- crm.Contact.jobtitle",
            "+ crm.Contact.shoe_size  { type: text, optional: true, custom: true }",
            "- crm.Ticket",
        ]
    );
}

#[test]
fn a_form_and_a_zone_of_times_are_kept_and_of_nothing_else_taken() {
    let (_, mut lock) = shipped("app.lock");
    let user = lock.entities.get_mut("User").expect("a user");
    let created = user.fields.get_mut("createdAt").expect("a time");
    (created.form, created.zone) = (Some(EpochForm::Seconds), Some("Europe/London".to_owned()));
    let text = write_lock(&lock);
    let line = text.lines().find(|line| line.trim_start().starts_with("createdAt:")).expect("its line");
    assert!(line.ends_with(r#"form: seconds, zone: "Europe/London" }"#), "{line}");
    assert_eq!(read_lock(&text).expect("it is sound").entities["User"].fields["createdAt"], *created_of(&lock));
    for (from, to, why) in [
        ("form: seconds", "form: days", "possible are: seconds, milliseconds"),
        ("Europe/London", "Europe/Lundun", "names the zone `Europe/Lundun`"),
        ("email:", "email: { type: text, zone: UTC }\n      mail:", "only a time or a date"),
    ] {
        let wrong = read_lock(&text.replacen(from, to, 1)).expect_err(to);
        assert!(wrong.reason.contains(why), "{to}: {wrong}");
    }
}

fn created_of(lock: &Lock) -> &Field {
    &lock.entities["User"].fields["createdAt"]
}
