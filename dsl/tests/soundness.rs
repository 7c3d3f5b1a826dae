//! What must be told, because it would otherwise be dropped, never hold or fail at three in the morning.

use std::collections::BTreeMap;
use std::path::Path;

use dsl::check::{Compiled, compile};

fn compiled(rules: &str) -> Compiled {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    let files =
        [("case.rules".to_owned(), rules.to_owned()), ("systems.rules".to_owned(), read("tests/golden/systems.rules"))];
    let locks: BTreeMap<String, String> = ["app", "crm", "mail"]
        .map(|name| (format!("schemas/{name}.lock"), read(&format!("../rules/schemas/{name}.lock"))))
        .into();
    compile(&files, &locks, None)
}

/// Codes and lines of what is told.
#[track_caller]
fn check(rules: &str, expected: &[&str]) {
    let compiled = compiled(rules);
    let told: Vec<String> = compiled
        .problems
        .iter()
        .map(|problem| {
            let file = &compiled.files[problem.span().file.0 as usize];
            format!("{} {} {}", problem.code, file.position(problem.span().start).0, problem.message)
        })
        .collect();
    assert_eq!(told, expected);
    assert_eq!(compiled.program.is_some(), told.iter().all(|one| one.starts_with('W')));
}

const STATUS: &str = r#"choice TicketStatus ordered for crm.Ticket.hs_pipeline_stage {
  new     "New"     in crm "1"
  asked   "Asked"   in crm "2"
  working "Working" in crm "3"
  closed  "Closed"  in crm "4" final
}
"#;

/// A `when` whose body is these lines, with `sub` as its record.
fn when(body: &str) -> String {
    format!("when app.Subscription is created as sub {{\n{body}\n}}\n")
}

/// A sync of users and contacts with these lines, beginning in line 4.
fn contacts(lines: &str) -> String {
    format!("sync Contacts between app.User and crm.Contact {{\n  match by email\n  fields {{\n{lines}\n  }}\n}}\n")
}

#[test]
fn a_part_of_a_plain_value_is_told() {
    let rules =
        "when app.User changes phone as user {\n  notify person new.area about user \"hm\" accept duplicates\n}\n";
    check(rules, &["E0101 2 `new` is a value and has no parts"]);
}

#[test]
fn setting_a_member_of_a_result_is_told() {
    let body = "  call app.activateSubscription as done { subscriptionId = sub.id }\n  set done.status = active";
    check(&when(body), &["E0201 3 this is no record whose fields can be set"]);
}

#[test]
fn being_about_a_value_is_told() {
    let body = "  send email \"welcome\" to sub.user.email about sub.plan";
    check(&when(body), &["E0201 2 a message is about a record"]);
}

#[test]
fn one_message_with_two_routes_is_told() {
    let rules = "events from app over kafka topic \"t\" {\n  \"user.created\", \"user.updated\", \"user.deleted\" -> ignore\n  \"user.logged_in\", \"company.created\", \"company.updated\", \"deal.created\" -> ignore\n  \"deal.updated\", \"deal.deleted\", \"note.created\", \"note.updated\" -> ignore\n  \"subscription.created\", \"subscription.updated\", \"activity.created\" -> ignore\n  \"user.created\" -> event app.User\n}\n";
    check(rules, &["E0103 6 message `user.created` has two routes"]);
}

#[test]
fn a_table_is_asked_with_a_value_of_its_key() {
    let table = "table Facts by app.Subscription.plan {\n  plan       | owner\n  free       | \"a\"\n  starter    | \"b\"\n  pro        | \"c\"\n  enterprise | \"d\"\n}\n";
    let rules =
        format!("{table}{}", when("  notify person Facts[sub.price].owner about sub \"new\" accept duplicates"));
    check(&rules, &["E0201 9 app.Subscription.plan is one of several options, this is money"]);
}

#[test]
fn a_table_by_a_free_text_may_have_no_row() {
    let rules = "table Domains by app.Company.domain {\n  domain        | owner\n  \"example.com\" | \"a\"\n}\nsync Companies from app.Company to crm.Company {\n  match by domain\n  fields {\n    Domains[domain].owner -> name\n  }\n}\n";
    check(rules, &["E0203 8 this value can be missing, and nothing says what to do then"]);
}

#[test]
fn a_table_by_a_whole_number_is_found_by_one() {
    let rules = "table Sizes by app.Company.employeeCount {\n  count | name\n  1     | \"alone\"\n}\nsync Companies from app.Company to crm.Company {\n  match by domain\n  fields {\n    Sizes[employeeCount].name -> name else keep\n  }\n}\n";
    let program = compiled(rules).program.expect("a program");
    assert!(program.tables[0].rows.contains_key(&dsl::value::Value::Integer(1)), "{:?}", program.tables[0].rows);
}

#[test]
fn an_else_is_of_the_type_of_what_it_stands_for() {
    check(
        &contacts("    email <-> email app wins\n    healthScore -> health_score else \"none\""),
        &["E0201 5 crm.Contact.health_score is a whole number, this is text"],
    );
    // In a text everything is printed, so anything may stand there.
    let body =
        "  notify person \"boss@example.com\" about sub \"{sub.user.healthScore else \"none\"}\" accept duplicates";
    check(&when(body), &[]);
    let rules = when("  only where (sub.user.phone else 3) = \"x\"\n  nothing");
    check(&rules, &["E0201 2 the value before this `else` is text"]);
}

#[test]
fn a_word_is_compared_with_words_of_its_choice() {
    let rules = format!(
        "{STATUS}when crm.Ticket changes hs_pipeline_stage as ticket {{\n  only where old = closd\n  to new, asked, working, closed {{ nothing }}\n}}\n"
    );
    check(&rules, &["E0108 8 crm.Ticket.hs_pipeline_stage has no option `closd`"]);
}

#[test]
fn an_order_needs_an_ordered_choice() {
    let rules = format!(
        "{}when crm.Ticket changes hs_pipeline_stage as ticket {{\n  only where old < closed\n  to new, asked, working, closed {{ nothing }}\n}}\n",
        STATUS.replace(" ordered", "")
    );
    check(&rules, &["E0201 8 TicketStatus has no order"]);
}

#[test]
fn being_in_something_needs_a_list() {
    check(&when("  only where sub.plan in pro\n  nothing"), &["E0201 2 `in` needs a list"]);
}

#[test]
fn only_what_adds_up_is_added() {
    for (sum, message) in [
        ("sub.startDate + 3", "a time and a whole number cannot be added"),
        ("sub.price + 10%", "money and a percent cannot be added"),
        ("sub.startDate * 2", "a time and a whole number cannot be multiplied"),
    ] {
        let rules = when(&format!("  only where {sum} = empty\n  nothing"));
        check(&rules, &[&format!("E0201 2 {message}")]);
    }
    let rules = when(
        "  create crm.Deal key source_subscription_id = sub.id {\n    dealname = \"{sub.plan}\"\n    dealstage = qualifiedtobuy\n    amount = sub.price * 80%\n    closedate = sub.startDate + 30 days\n  }",
    );
    check(&rules, &[]);
}

#[test]
fn a_text_that_can_be_anything_fits_no_options() {
    check(
        &contacts("    email <-> email app wins\n    lastName -> subscription_plan"),
        &["E0202 5 a text can be anything, and crm.Contact.subscription_plan takes 4 options"],
    );
}

#[test]
fn what_a_new_record_needs_is_not_cleared() {
    let body = "  create app.Account key subscriptionId = sub.id {\n    email = sub.user.email\n    name  = sub.user.company else clear\n  }";
    check(&when(body), &["E0206 4 the new app.Account lacks `name` where this value is missing"]);
}

#[test]
fn a_step_has_a_name_of_its_own() {
    let rules = "workflow Hello with sub: app.Subscription {\n  step one { send email \"welcome\" to sub.user.email }\n  step one { send email \"welcome\" to sub.user.email }\n}\nwhen app.Subscription is created as sub { start Hello with sub }\n";
    check(rules, &["E0103 3 the step `one` stands twice in Hello"]);
}

#[test]
fn whatever_a_step_does_is_undone_or_left_on_purpose() {
    let rules = "workflow Hello with sub: app.Subscription {\n  step first { call app.activateSubscription { subscriptionId = sub.id } }\n  step second { send email \"welcome\" to sub.user.email }\n  on failure { undo completed steps }\n}\nwhen app.Subscription is created as sub { start Hello with sub }\n";
    check(rules, &["E0604 2 `undo completed steps` cannot undo step `first`"]);
    check(&rules.replace("sub.id } }", "sub.id }\n    undo nothing because \"it stays\" }"), &[]);
}

#[test]
fn one_sync_writes_a_field_once() {
    check(
        &contacts("    email <-> email app wins\n    firstName -> firstname\n    lastName -> firstname"),
        &["E0401 5 two rules write crm.Contact.firstname"],
    );
}

#[test]
fn two_syncs_do_not_write_one_link() {
    let rules = format!(
        "{}sync Notes from app.Note to crm.Note {{\n  match by id = source_id\n  fields {{\n    link user -> contact via Contacts\n  }}\n}}\nsync Activities from app.Activity to crm.Note {{\n  match by id = source_id\n  fields {{\n    link user -> contact via Contacts\n  }}\n}}\n",
        contacts("    email <-> email app wins")
    );
    check(&rules, &["E0401 10 two rules write crm.Note.contact"]);
}

#[test]
fn a_link_is_written_on_the_record_itself() {
    let rules = format!(
        "{}sync Deals from app.Deal to crm.Deal {{\n  match by crmId = id\n  fields {{\n    link user -> company.contact via Contacts\n  }}\n}}\n",
        contacts("    email <-> email app wins")
    );
    check(&rules, &["E0301 10 a link of another record cannot be written here"]);
}

#[test]
fn a_message_is_sent_by_an_operation_that_takes_one() {
    check(
        &when("  send activateSubscription \"welcome\" to sub.user.email"),
        &["E0101 2 app.activateSubscription takes no `template` and no `to`"],
    );
}

#[test]
fn keys_that_are_matched_are_of_one_type() {
    check(
        "sync Contacts from app.User to crm.Contact {\n  match by healthScore = email\n  fields {\n    email -> email\n  }\n}\n",
        &["E0201 2 healthScore and email hold different kinds of values"],
    );
}

#[test]
fn a_spelling_is_no_word() {
    let rules = format!(
        "{STATUS}when crm.Ticket changes hs_pipeline_stage as ticket {{\n  only where new = \"3\"\n  to new, asked, working, closed {{ nothing }}\n}}\n"
    );
    check(&rules, &["E0108 8 `3` is a spelling, and no word of TicketStatus"]);
}

#[test]
fn a_gap_in_a_text_is_told() {
    let body = "  notify person \"boss@example.com\" about sub \"call {sub.user.phone}\" accept duplicates";
    check(&when(body), &["E0203 2 this value can be missing, and nothing says what to do then"]);
}

#[test]
fn one_mistake_gives_one_message() {
    check(&when("  only where sub.plam = pro\n  nothing"), &["E0101 2 app.Subscription has no field `plam`"]);
    check(
        &when("  notify person sub.usr.phone about sub \"{sub.usr.firstName else 3}\" accept duplicates"),
        &["E0101 2 app.Subscription has no field `usr`", "E0101 2 app.Subscription has no field `usr`"],
    );
}

#[test]
fn a_field_is_given_once() {
    let body = "  create crm.Note key source_id = sub.id {\n    hs_timestamp = sub.startDate\n    hs_timestamp = sub.updatedAt\n  }";
    check(&when(body), &["E0103 4 `hs_timestamp` is given twice"]);
}

#[test]
fn a_record_writes_its_own_fields_only() {
    let body = "  create crm.Note key source_id = sub.id {\n    hs_timestamp = sub.startDate\n    contact.email = sub.user.email\n  }";
    check(&when(body), &["E0301 4 a field of another record cannot be written here"]);
    check(
        &when(&body.replace("contact.email", "hs_note_body.html")),
        &["E0101 4 `hs_note_body` is a value and has no parts"],
    );
}

#[test]
fn a_line_that_is_written_on_create_needs_a_value_and_keeps_nothing() {
    let sync = |end: &str| {
        format!(
            "sync Contacts from app.User to crm.Contact {{\n  match by email\n  create missing in crm\n  fields {{\n    email -> email\n    jobTitle -> jobtitle {end}\n  }}\n}}\n"
        )
    };
    check(&sync("on create"), &["E0203 6 this value can be missing, and nothing says what to do then"]);
    check(&sync("else keep on create"), &["E0209 6 a new record has nothing to keep"]);
    check(&sync("else clear on create"), &[]);
}

#[test]
fn a_branch_with_a_beginning_is_looked_at_first() {
    use dsl::program::{Compare, Expr, Op};
    let rules = format!(
        "{STATUS}when crm.Ticket changes hs_pipeline_stage as ticket {{\n  to closed {{ send email \"welcome\" to \"a\" }}\n  from new to closed {{ send email \"welcome\" to \"b\" }}\n  to new, asked, working {{ nothing }}\n}}\n"
    );
    let compiled = compiled(&rules);
    assert_eq!(compiled.problems, []);
    let program = compiled.program.expect("a program");
    let Some(Op::JumpUnless(Expr::And(from, _), _)) = program.whens[0].code.ops.first() else {
        panic!("{:?}", program.whens[0].code.ops.first());
    };
    assert!(
        matches!(&**from, Expr::Compare(Compare::Equal, left, _) if matches!(&**left, Expr::Field { variable, .. } if variable == "old"))
    );
}

#[test]
fn less_than_a_word_is_the_list_of_the_words_before_it() {
    use dsl::program::Expr;
    let rules = format!(
        "{STATUS}when crm.Ticket changes hs_pipeline_stage as ticket {{\n  only where working > new\n  to new, asked, working, closed {{ nothing }}\n}}\n"
    );
    let program = compiled(&rules).program.expect("a program");
    let Some(Expr::In(of, list)) = &program.whens[0].only else { panic!("{:?}", program.whens[0].only) };
    assert!(matches!(&**of, Expr::Field { variable, .. } if variable == "new"));
    let words = ["new", "asked"].map(|word| Expr::Literal(word.into())).to_vec();
    assert_eq!(**list, Expr::List(words));
}

#[test]
fn a_day_compares_with_a_time_as_its_first_moment() {
    let rules = when("  only where sub.startDate >= 2026-03-01\n  nothing");
    let program = compiled(&rules).program.expect("a program");
    assert!(
        format!("{:?}", program.whens[0].only).contains("Time(Timestamp(1772323200000))"),
        "{:?}",
        program.whens[0].only
    );
}

#[test]
fn an_undo_knows_only_what_was_bound_before_it() {
    let rules = "workflow Hello with sub: app.Subscription {\n  step first {\n    send email \"welcome\" to sub.user.email\n    undo { send email \"welcome\" to done.status }\n  }\n  step second { call app.activateSubscription as done { subscriptionId = sub.id } }\n  on failure { undo completed steps }\n}\nwhen app.Subscription is created as sub { start Hello with sub }\n";
    check(rules, &["E0106 4 there is no variable `done`"]);
    let late = rules.replace("undo { send email \"welcome\" to done.status }", "undo nothing because \"sent\"");
    let failing =
        late.replace("undo completed steps }", "undo completed steps\n    send email \"welcome\" to done.status\n  }");
    check(&failing, &["E0203 8 this value can be missing, and nothing says what to do then"]);
}

#[test]
fn moving_a_step_to_other_lines_is_no_other_step() {
    let rules = "workflow Hello with sub: app.Subscription {\n  step first { call app.activateSubscription { subscriptionId = sub.id } }\n}\nwhen app.Subscription is created as sub { start Hello with sub }\n";
    let hash = |rules: &str| compiled(rules).program.expect("a program").workflows[0].code.steps[0].hash.clone();
    let moved = rules
        .replace("{ call app.activateSubscription { ", "{\n    call app.activateSubscription {   ")
        .replace("sub.id } }", "sub.id }\n  }");
    assert_eq!(hash(rules), hash(&moved));
    assert_ne!(hash(rules), hash(&rules.replace("activateSubscription", "cancelSubscription")));
}

#[test]
fn the_events_of_a_system_stand_once() {
    let events = "events from mail over kafka topic \"t\" {\n}\n";
    check(
        &format!("{events}{events}"),
        &["E0104 1 the mail service sends no messages", "E0103 3 the events of mail stand twice"],
    );
}

/// A test with these lines, beginning in line 8, beside a sync and a workflow.
fn test(lines: &str) -> String {
    let sync = "sync Contacts from app.User to crm.Contact { match by email\n  fields { email -> email } }\n";
    let workflow = "workflow Hello with sub: app.Subscription {\n  step one { send email \"welcome\" to sub.user.email }\n}\nwhen app.Subscription is created as sub { start Hello with sub }\n";
    format!("{sync}{workflow}test \"t\" {{\n{lines}\n}}\n")
}

#[test]
fn what_a_test_names_exists_and_is_of_its_type() {
    for (lines, message) in [
        ("  expect one crm.Deal { probability = 60 }", "E0205 8 crm.Deal.probability is a percent, this is a number"),
        ("  expect one crm.Contact { contct = 1 }", "E0101 8 crm.Contact has no field `contct`"),
        ("  given app.User { region = emae }\n  expect no crm.Contact", "E0108 8 app.User.region has no option `emae`"),
        ("  when usr.email becomes \"a\"\n  expect no crm.Contact", "E0106 8 there is no variable `usr`"),
        (
            "  when message app \"user.crated\" arrives\n  expect no crm.Contact",
            "E0105 8 BIOMETRICS sends no message `user.crated`",
        ),
        ("  expect step Hello.two done", "E0106 8 there is no step `two`"),
        ("  expect email \"wellcome\" once", "E0108 8 mail.email has no option `wellcome`"),
        (
            "  expect call app.activateSubscription { subscription = \"s1\" } once",
            "E0101 8 app.activateSubscription has no `subscription`",
        ),
        (
            "  given time 2026-03-02 09:00 in \"Europe/Londn\"\n  expect no crm.Contact",
            "E0802 8 there is no time zone \"Europe/Londn\"",
        ),
        ("  expect one crm.Contact { email.domain = \"a\" }", "E0101 8 `email` is a value and has no parts"),
        (
            "  given sub = app.Subscription { user = \"ada\" }\n  expect no crm.Contact",
            "E0201 8 this leads to a record of app.User",
        ),
        ("  given crn answers 429 for 2 minutes\n  expect no crm.Contact", "E0102 8 there is no system `crn`"),
    ] {
        check(&test(lines), &[message]);
    }
}

#[test]
fn what_only_a_test_reads_is_read_from_no_system() {
    let program =
        compiled(&test("  given user = app.User { phone = \"1\" }\n  expect one crm.Contact { phone = user.phone }"))
            .program;
    let used = program.expect("a program").used;
    assert!(!used.values().any(|used| used.fields.contains("phone")), "{used:?}");
}

/// A sync of activities and notes with these lines before its fields, beside one of notes.
fn notes_twice(notes: &str, activities: &str) -> String {
    format!(
        "sync Notes between app.Note and crm.Note {{\n  match by crmNoteId = id\n{notes}  fields {{\n    body -> hs_note_body\n  }}\n}}\nsync Activities from app.Activity to crm.Note {{\n  match by id = source_id\n{activities}  fields {{\n    kind -> hs_note_body\n  }}\n}}\n"
    )
}

#[test]
fn an_only_where_keeps_two_syncs_apart_by_what_both_can_look_at() {
    let told = ["E0401 4 two rules write crm.Note.hs_note_body"];
    check(&notes_twice("", ""), &told);
    // The body of an app's note says nothing about an activity.
    let told = ["E0401 5 two rules write crm.Note.hs_note_body"];
    check(&notes_twice("  only where body != \"x\"\n", ""), &told);
    check(&notes_twice("  only where crm.Note.source_id is empty\n", ""), &[]);
    check(&notes_twice("", "  only where crm.Note.source_id is not empty\n"), &[]);
}

#[test]
fn a_key_that_the_engine_fills_in_can_be_written_and_has_no_other_writer() {
    let sync = |keys: &str, create: &str| {
        format!(
            "sync Companies between app.Company and paper.Firm {{\n  match by {keys}\n{create}  fields {{\n    name -> name\n  }}\n}}\n"
        )
    };
    let paper = |flag: &str| {
        format!(
            "system paper {{}}\nentity paper.Firm {{\n  name: text\n  ours: text unique{flag}\n  domain: text unique\n}}\n"
        )
    };
    let create = "  create missing in paper\n";
    let readable = |keys: &str, create: &str| format!("{}{}", sync(keys, create), paper(" read only"));
    check(&readable("id = ours", create), &["E0207 2 paper sets paper.Firm.ours itself"]);
    check(&readable("id = ours then by domain", ""), &["E0207 2 paper sets paper.Firm.ours itself"]);
    check(&readable("id = ours", ""), &[]);
    let whole = format!("{}{}", sync("id = ours", create), paper(""));
    check(&whole, &[]);
    let set = "when app.Company is created as company {\n  update paper.Firm where domain = company.domain { ours = \"x\" }\n}\n";
    check(&format!("{whole}{set}"), &["E0401 2 two rules write paper.Firm.ours"]);
    // Both fill in the same.
    let again = sync("id = ours", create).replace("Companies", "Firms").replace("name -> name", "domain -> domain");
    let apart = sync("id = ours", &format!("{create}  only where name = \"x\"\n"));
    check(&format!("{apart}{again}{}", paper("")), &[]);
}

#[test]
fn a_link_is_written_on_create_like_a_field() {
    let deals = |head: &str, line: &str| {
        format!(
            "{}sync Deals from app.Deal to crm.Deal {{\n  match by crmId = id\n{head}  fields {{\n    name -> dealname\n    stage -> dealname on create\n    link user -> contact via Contacts {line}\n  }}\n}}\n",
            contacts("    email <-> email app wins")
        )
        .replace("    stage -> dealname on create\n", "")
    };
    let create = "  create missing in crm\n";
    let stage = "choice S for app.Deal.stage, crm.Deal.dealstage {\n  appointment in crm \"appointmentscheduled\"\n  qualification in crm \"qualifiedtobuy\"\n  proposal in crm \"presentationscheduled\"\n  negotiation in crm \"decisionmakerboughtin\"\n  closedwon\n  closedlost\n}\n";
    let staged = |line: &str| {
        format!("{}{stage}", deals(create, line).replace("dealname\n", "dealname\n    stage -> dealstage\n"))
    };
    check(&staged("else keep on create"), &["E0209 13 a new record has nothing to keep"]);
    check(&staged("else clear on create"), &[]);
    check(&deals("", "on create"), &["W0204 11 `on create` never happens"]);
    // What is written on create only may be changed by a rule.
    let set = "when app.Deal changes amount as deal {\n  update crm.Deal where id = deal.crmId { link contact = deal.user }\n}\n";
    check(&format!("{}{set}", staged("else clear on create")), &[]);
}

#[test]
fn what_an_exit_of_a_wait_does_can_fail_like_a_step() {
    let workflow = |rest: &str| {
        format!(
            "workflow Hello with sub: app.Subscription {{\n  step first {{ call app.activateSubscription {{ subscriptionId = sub.id }} }}\n{rest}\n  on failure {{ undo completed steps }}\n}}\nwhen app.Subscription is created as sub {{ start Hello with sub }}\n"
        )
    };
    let wait = |happened: &str| {
        format!(
            "  wait up to 1 day for app.Login where email = sub.user.email {{\n    happened {{ {happened} }}\n    timed out {{ nothing }}\n  }}"
        )
    };
    let told = ["E0604 2 `undo completed steps` cannot undo step `first`"];
    check(&workflow(&wait("send email \"welcome\" to sub.user.email")), &told);
    check(&workflow("  send email \"welcome\" to sub.user.email"), &told);
    check(&workflow(&wait("nothing")), &[]);
    check(&workflow("  wait 3 days\n  step rest { nothing }"), &[]);
}

#[test]
fn a_wait_for_nothing_can_only_time_out() {
    let workflow = |value: &str| {
        format!(
            "workflow Hello with sub: app.Subscription {{\n  wait up to 1 day for app.Login where email = {value} {{\n    happened {{ nothing }}\n    timed out {{ nothing }}\n  }}\n}}\nwhen app.Subscription is created as sub {{ start Hello with sub }}\n"
        )
    };
    check(&workflow("sub.user.phone"), &["E0203 2 this value can be missing, and nothing says what to do then"]);
    check(&workflow("sub.user.phone else sub.user.email"), &[]);
}

#[test]
fn what_is_never_empty_is_not_cleared() {
    let user = |line: &str| {
        format!(
            "when crm.Contact changes jobtitle as contact {{\n  update app.User where email = contact.email {{ {line} }}\n}}\n"
        )
    };
    let told = "E0209 2 app.User.firstName is never empty, so it cannot be cleared";
    check(&user("firstName = contact.firstname else clear"), &[told]);
    check(&user("firstName = empty"), &["E0201 2 app.User.firstName is never empty"]);
    check(&user("firstName = contact.firstname else keep"), &[]);
    check(&user("jobTitle = contact.jobtitle else clear"), &[]);
    check(&user("jobTitle = empty"), &[]);
    let sync = |line: &str| contacts(&format!("    email <-> email app wins\n    {line}"));
    check(&sync("firstName <- firstname else clear"), &[told.replace("2 app", "5 app").as_str()]);
    check(&sync("firstName <- firstname else skip"), &[]);
    check(&sync("jobTitle <- jobtitle else clear"), &[]);
    // A subscription has a user, whatever becomes of it.
    let link = |otherwise: &str| {
        format!(
            "when app.User changes phone as user {{\n  update app.Subscription where id = user.id {{ link user = user.subscription.user {otherwise} }}\n}}\n"
        )
    };
    check(&link("else clear"), &["E0209 2 app.Subscription.user is never empty, so it cannot be cleared"]);
    check(&link("else keep"), &[]);
}

#[test]
fn a_signature_stands_in_a_header_that_somebody_knows() {
    let events = |verify: &str| {
        format!(
            "events from app over webhook {{\n  verify {verify}\n  \"user.created\", \"user.updated\", \"user.deleted\", \"user.logged_in\", \"company.created\", \"company.updated\" -> ignore\n  \"deal.created\", \"deal.updated\", \"deal.deleted\", \"note.created\", \"note.updated\", \"subscription.created\" -> ignore\n  \"subscription.updated\", \"activity.created\" -> ignore\n}}\n"
        )
    };
    check(&events("hmac_sha256 in header \"X-App-Signature\""), &[]);
    check(&events("hmac_sha256"), &["E0506 2 nothing says which header holds the signature"]);
}

#[test]
fn a_test_names_systems_whole_and_looks_into_structured_values_only() {
    for (lines, told) in [
        ("  given crm.Contact fails 3 times\n  expect no crm.Contact", "E0001 8 this line is not understood here"),
        (
            "  when app.Login happens { email.domain = \"example.com\" }\n  expect no crm.Contact",
            "E0101 8 `email` is a value and has no parts",
        ),
        (
            "  expect call app.cancelSubscription { reason.why = \"x\" } once",
            "E0101 8 `reason` is a value and has no parts",
        ),
    ] {
        check(&test(lines), &[told]);
    }
    check(&test("  given crm fails 3 times\n  expect no crm.Contact"), &[]);
    check(&test("  given app.Activity { details.report = \"sleep\" }\n  expect no crm.Contact"), &[]);
}

#[test]
fn places_are_those_of_the_items_and_no_remark_is_taken_for_one() {
    let rules = format!(
        "# choice TicketStatus is not here:\n# working\n{STATUS}when crm.Ticket changes hs_pipeline_stage as ticket {{\n  to new, asked, closed {{ nothing }}\n}}\n"
    );
    let told = compiled(&rules).problems;
    assert!(told[0].help[0].contains("`working` was added to TicketStatus in case.rules:6"), "{:?}", told[0].help);
}

#[test]
fn two_rules_on_one_change_are_kept_apart_only_by_what_no_record_fits_both_of() {
    let rules = |first: &str, second: &str| {
        let rule = |condition: &str, title: &str| {
            format!(
                "when app.User changes company as user {{\n  only where {condition}\n  set user.jobTitle = \"{title}\"\n}}\n"
            )
        };
        rule(first, "a") + &rule(second, "b").replace("user", "u")
    };
    for (first, second) in [
        ("user.region = emea", "user.region != emea"),
        ("user.region in [emea, amer]", "user.region = apac"),
        ("user.phone is empty", "user.phone = \"1\""),
        ("user.lifetimeValue > 5", "user.lifetimeValue < 3"),
        ("user.healthScore > 5", "user.healthScore is empty"),
        ("user.createdAt < user.updatedAt", "user.createdAt >= user.updatedAt"),
        ("old = \"x\"", "not old = \"x\""),
        ("new = \"x\"", "user.company = \"y\""),
        ("user.phone is empty or user.region = emea", "user.phone is not empty and user.region = apac"),
        ("not (user.phone is empty and user.region = emea)", "user.phone is empty and user.region = emea"),
    ] {
        check(&rules(first, second), &[]);
        check(&rules(second, first), &[]);
    }
    for (first, second) in [
        ("user.region = emea", "user.phone is empty"),
        ("user.region != emea", "user.region != apac"),
        ("user.lifetimeValue >= 5", "user.lifetimeValue <= 5"),
        // A user without a score fits both.
        ("not user.healthScore > 5", "not user.healthScore <= 5"),
        ("not user.healthScore > 5", "user.healthScore is empty"),
        ("user.phone is empty or user.region = emea", "user.region = emea"),
        ("user.region = emea", "user.subscription.plan = pro"),
    ] {
        check(&rules(first, second), &["E0401 3 two rules write app.User.jobTitle"]);
    }
}
