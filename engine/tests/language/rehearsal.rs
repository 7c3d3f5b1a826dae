//! `engine test`: what a person sees of tests that pass, fail, or are missing.

use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use crate::folder::Folder;

fn with(test: &str) -> Folder {
    let folder = Folder::new();
    std::fs::write(folder.rules.join("mine.test.rules"), test).expect("written");
    folder
}

#[track_caller]
fn passes(test: &str) {
    let text = with(test).run(&["test", "rules/mine.test.rules"], 0);
    assert!(text.contains("1 passed, 0 failed"), "{text}");
}

/// The text of a test that fails.
#[track_caller]
fn fails(test: &str) -> String {
    with(test).run(&["test", "rules/mine.test.rules"], 1)
}

#[test]
fn the_shipped_tests_have_seen_nearly_all_of_the_shipped_rules() {
    let folder = Folder::new();
    let text = folder.run(&["test", "--coverage=90"], 0);
    assert!(text.contains("0 failed") && text.contains("lines of syncs 34 of 34"), "{text}");
}

#[test]
fn a_failing_expectation_shows_what_was_there_and_which_line_wrote_it() {
    let folder = with(
        "test \"first names are in lower case on the way to the CRM\" {\n  given app.User { email = \"a@example.com\", firstName = \"Ada\", healthScore = 82 }\n  when sync Contacts runs\n  expect one crm.Contact { firstname = \"ada\", health_score = 82 }\n}\n",
    );
    let git = |arguments: &[&str]| {
        let done = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(&folder.rules)
            .output()
            .expect("git runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    git(&["init", "-q"]);
    folder.spoil("contacts.rules", "<-> firstname\n", "<-> firstname  as lowercase\n");
    git(&["add", "."]);
    git(&["commit", "-qm", "rules"]);
    folder.spoil("contacts.rules", "<-> firstname  as lowercase\n", "<-> firstname\n");
    git(&["commit", "-qam", "names as they are"]);
    let commit = git(&["rev-parse", "--short=7", "HEAD"]);
    let text = folder.run(&["test", "--filter", "first names"], 1);
    for part in [
        "T0001",
        "test \"first names are in lower case on the way to the CRM\" failed",
        "[mine.test.rules:4:28]",
        "was \"Ada\"",
        "written by contacts.rules:12  `firstName <-> firstname`",
        &format!("contacts.rules:12 had the transform `as lowercase` until commit {commit} ("),
        "0 passed, 1 failed",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    assert!(!text.contains("was 82"), "only what is wrong is shown:\n{text}");
}

#[test]
fn a_record_too_many_and_one_too_few_are_named() {
    let text = fails(
        "test \"one\" {\n  given app.User { email = \"a@example.com\" }\n  given app.User { email = \"b@example.com\" }\n  when sync Contacts runs\n  expect one crm.Contact { subscription_plan = empty }\n}\n",
    );
    assert!(text.contains("there are 2: crm.Contact "), "{text}");
    let text =
        fails("test \"none\" {\n  when 1 day passes\n  expect one crm.Contact { email = \"a@example.com\" }\n}\n");
    assert!(text.contains("there is no crm.Contact"), "{text}");
}

/// A won deal and a user, and what is expected of them.
fn won(expect: &str) -> String {
    format!(
        "test \"won\" {{\n  given app.User {{ email = \"a@example.com\" }}\n  given deal = crm.Deal {{ dealname = \"A\", dealstage = negotiation, amount = 49.00, contact.email = \"a@example.com\" }}\n  when deal.dealstage becomes closedwon\n  expect {expect}\n}}\n"
    )
}

#[test]
fn only_the_line_that_wrote_a_value_is_named() {
    // A sync writes the stage of a subscription's deal as well, and did not here.
    let text = fails(&won("one app.Subscription { price = 50.00 }"));
    assert!(text.contains("was 49") && text.contains("written by deals.rules:42\n"), "{text}");
    let text = fails(&won("one app.Subscription { stage = proposal }"));
    assert!(text.contains("written by deals.rules:43\n") && !text.contains("deals.rules:36"), "{text}");
    let text = fails(&won("no app.Subscription"));
    assert!(text.contains("made by deals.rules:39\n"), "{text}");
}

#[test]
fn where_no_line_wrote_a_value_those_that_may_are_named_as_such() {
    let given = "test \"still\" {\n  given app.User { email = \"a@example.com\" }\n  given contact = crm.Contact { email = \"a@example.com\", phone = \"1\" }\n";
    let text = fails(&format!("{given}  when 1 day passes\n  expect one crm.Contact {{ phone = \"2\" }}\n}}\n"));
    assert!(
        text.contains("no rule wrote crm.Contact.phone; this line may: contacts.rules:14  `phone <-> phone`")
            && !text.contains("written by"),
        "{text}"
    );
    // What the test itself changes is nobody's line, even where a line wrote it before.
    let text = fails(
        "test \"mine\" {\n  given user = app.User { email = \"a@example.com\", firstName = \"Ada\" }\n  when sync Contacts runs\n  when user.firstName becomes \"Eve\"\n  expect one app.User { firstName = \"Ada\" }\n}\n",
    );
    assert!(text.contains("no rule wrote app.User.firstName after the test changed it"), "{text}");
    let text = fails("test \"none\" {\n  when 1 day passes\n  expect one crm.Note { source_id = \"x\" }\n}\n");
    assert!(text.contains("no rule made a crm.Note; these lines may: "), "{text}");
}

#[test]
fn a_call_that_was_or_was_not_sent_names_its_line() {
    let text = fails(&won("call app.activateSubscription 2 times"));
    assert!(text.contains("was sent once") && text.contains("sent by deals.rules:45\n"), "{text}");
    let text = fails(&won("call app.activateSubscription { subscriptionId = \"other\" } once"));
    assert!(text.contains("was not sent") && text.contains("sent by deals.rules:45\n"), "{text}");
    let text = fails(&won("call app.cancelSubscription once"));
    assert!(text.contains("no rule sent app.cancelSubscription; this line may: deals.rules:49\n"), "{text}");
}

#[test]
fn a_workflow_or_step_that_is_not_as_expected_names_its_line() {
    let text = fails(&won("workflow FeedbackSurvey finished"));
    assert!(
        text.contains("it never began")
            && text.contains("no rule started FeedbackSurvey; this line may: deals.rules:50"),
        "{text}"
    );
    let text = fails(&won("workflow Onboarding finished"));
    assert!(text.contains("see onboarding.rules:") && text.contains("until "), "{text}");
    let text = fails(&won("step Onboarding.check_in done"));
    assert!(text.contains("see onboarding.rules:"), "{text}");
    let text = fails(&won("step Onboarding.welcome undone"));
    assert!(text.contains("`step welcome`"), "{text}");
}

#[test]
fn what_waits_for_a_person_unexpectedly_fails_the_test() {
    let test = |expect: &str| {
        format!(
            "test \"odd\" {{\n  given deal = crm.Deal {{ dealname = \"Ada\", dealstage = proposal }}\n  when deal.dealstage becomes \"contractsent\"\n  expect {expect}\n}}\n"
        )
    };
    let text = fails(&test("no app.Deal"));
    assert!(
        text.contains("T0003") && text.contains("contractsent") && text.contains("expect parked crm.Deal"),
        "{text}"
    );
    passes(&test("parked crm.Deal { dealname = \"Ada\" }"));
    let text = fails(&test("parked crm.Deal { dealname = \"Eve\" }"));
    assert!(text.contains("T0001") && text.contains("waits"), "{text}");
}

#[test]
fn a_system_that_answers_429_is_waited_for() {
    let test = |until: &str, expect: &str| {
        format!(
            "test \"busy\" {{\n  given crm answers 429 for 2 minutes\n  given app.User {{ email = \"a@example.com\" }}\n  when sync Contacts runs\n  when {until}\n  expect {expect} crm.Contact {{ email = \"a@example.com\" }}\n}}\n"
        )
    };
    passes(&test("1 minute passes", "no"));
    passes(&test("5 minutes pass", "one"));
}

#[test]
fn a_system_that_is_down_for_some_calls_is_asked_again() {
    passes(
        "test \"down\" {\n  given crm fails 3 times\n  given app.User { email = \"a@example.com\" }\n  when sync Contacts runs\n  when 10 minutes pass\n  expect one crm.Contact { email = \"a@example.com\" }\n}\n",
    );
}

#[test]
fn what_is_given_is_known_however_busy_its_system_is() {
    passes(
        "test \"busy\" {\n  given app.User { email = \"a@example.com\" }\n  given deal = crm.Deal { dealname = \"Ada\", dealstage = negotiation, amount = 49.00, contact.email = \"a@example.com\" }\n  given app answers 500 2 times\n  given crm answers 429 for 2 minutes\n  when deal.dealstage becomes closedwon\n  when 1 hour passes\n  expect one app.Subscription { price = 49.00 }\n}\n",
    );
}

#[test]
fn times_stand_in_the_zone_of_the_test() {
    // 02:00 in London is 01:00 UTC in summer, when activities are written.
    let test = |span: &str, expect: &str| {
        format!(
            "test \"night\" {{\n  given time 2026-07-01 01:00 in \"Europe/London\"\n  given user = app.User {{ email = \"a@example.com\" }}\n  given crm.Contact {{ email = \"a@example.com\" }}\n  given app.Activity {{ id = \"a1\", user = user, kind = \"Feature usage\" }}\n  when {span}\n  expect {expect}\n}}\n"
        )
    };
    passes(&test("59 minutes pass", "no crm.Note"));
    passes(&test("60 minutes pass", "one crm.Note { source_id = \"a1\" }"));
}

#[test]
fn a_message_that_comes_twice_has_one_effect_and_the_test_can_say_so() {
    passes(
        "test \"twice\" {\n  given deal = crm.Deal { dealname = \"Ada\", dealstage = proposal }\n  when deal.dealstage becomes negotiation\n  when message crm \"deal.propertyChange\" arrives twice with { id = \"1\", dealname = \"x\" }\n  expect notice to role \"sales-manager\" once\n}\n"
            .replace("{ dealname = \"Ada\",", "{ id = \"1\", dealname = \"Ada\",")
            .as_str(),
    );
}

#[test]
fn too_little_coverage_fails_and_says_how_much_there_is() {
    let folder = Folder::new();
    for entry in std::fs::read_dir(&folder.rules).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().ends_with(".test.rules") && !path.ends_with("tickets.test.rules") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    folder.run(&["test", "--coverage"], 0);
    for odd in ["101", "-1", "most", "NaN"] {
        let told = folder.run(&["test", &format!("--coverage={odd}")], 2);
        assert!(told.contains("write a number from 0 to 100"), "{told}");
    }
    let output = folder.command(&["test", "--coverage=90"]).output().expect("the engine runs");
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.starts_with("T0002 the tests of rules have seen ") && err.contains("90 % are asked for"), "{err}");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("not seen: contacts.rules:12  sync Contacts: firstName <-> firstname"), "{out}");
}

/// Parts that no test has seen, of the reactions in `rules` with `test` as the only test.
fn not_seen(rules: &str, test: &str) -> Vec<String> {
    let folder = with(test);
    std::fs::write(folder.rules.join("mine.rules"), rules).expect("written");
    let report = folder.run(&["test", "--filter", "mine", "--coverage", "--json"], 0);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let parts = report["coverage"]["not_seen"].as_array().expect("a list");
    let mine = parts.iter().filter(|part| part["file"] == "mine.rules");
    mine.map(|part| part["text"].as_str().expect("a text").rsplit(": ").next().expect("a part").to_owned()).collect()
}

#[test]
fn two_blocks_on_one_line_are_seen_one_by_one() {
    let notify = |text: &str| format!("notify role \"sales-manager\" \"{text}\" accept duplicates");
    let rules = format!(
        "when app.User changes phone as user {{\n  if user.company is empty {{ {} }} otherwise {{ {} }}\n}}\n",
        notify("a"),
        notify("b")
    );
    let test = |company: &str| {
        format!(
            "test \"mine\" {{\n  given user = app.User {{ email = \"a@example.com\", company = {company} }}\n  when user.phone becomes \"1\"\n  expect notice to role \"sales-manager\" once\n}}\n"
        )
    };
    assert_eq!(not_seen(&rules, &test("empty")), ["otherwise"]);
    assert_eq!(not_seen(&rules, &test("\"Acme\"")), ["if"]);
}

#[test]
fn a_branch_has_a_part_for_each_word_and_sees_only_its_own_changes() {
    let notify = |text: &str| format!("notify role \"customer-success\" \"{text}\" accept duplicates");
    let rules = format!(
        "when crm.Deal changes dealstage as moved {{\n  from proposal to negotiation {{ {} }}\n  to negotiation {{ {} }}\n  to appointment, qualification, proposal, closedwon, closedlost {{ nothing }}\n}}\n",
        notify("up"),
        notify("other")
    );
    let test = |stage: &str| {
        format!(
            "test \"mine\" {{\n  given deal = crm.Deal {{ dealname = \"A\", dealstage = {stage} }}\n  when deal.dealstage becomes negotiation\n  when deal.dealstage becomes qualification\n  expect notice to role \"customer-success\" once\n}}\n"
        )
    };
    let others = ["to appointment", "to closedlost", "to closedwon", "to proposal"];
    let seen = |stage: &str| {
        let mut parts = not_seen(&rules, &test(stage));
        parts.sort();
        parts
    };
    // The block of a branch counts beside its words, under the name of the reaction.
    let of = |branch: &str| {
        let mut all: Vec<String> = others.iter().map(|part| (*part).to_owned()).collect();
        all.push(branch.to_owned());
        all.sort();
        all
    };
    assert_eq!(seen("appointment"), of("from proposal to negotiation"));
    assert_eq!(seen("proposal"), of("to negotiation"));
}

#[test]
fn too_little_coverage_stands_in_every_report() {
    let folder = Folder::new();
    let arguments = ["test", "--filter", "ticket", "--coverage=90"];
    let report: Value = serde_json::from_str(&folder.run(&[&arguments[..], &["--json"]].concat(), 1)).expect("JSON");
    assert_eq!((&report["failed"], &report["findings"][0]["code"]), (&0.into(), &"T0002".into()), "{report}");
    assert_eq!(report["findings"][0]["file"], "activities.rules");
    let text = folder.run(&[&arguments[..], &["--format", "junit"]].concat(), 1);
    let case = text.split_once("<testcase name=\"rules\" classname=\"coverage\">").map(|(_, rest)| rest.trim_start());
    assert!(text.contains("failures=\"1\"") && case.is_some_and(|case| case.starts_with("<failure")), "{text}");
}

#[test]
fn rules_that_do_not_hold_stand_in_every_report() {
    let folder = Folder::new();
    folder.spoil("contacts.rules", "firstName ", "fristName ");
    let report: Value = serde_json::from_str(&folder.run(&["test", "--json"], 1)).expect("JSON");
    assert_eq!((&report["schema"], &report["passed"], &report["tests"]), (&1.into(), &0.into(), &Value::Array(vec![])));
    assert_eq!(
        (&report["findings"][0]["code"], &report["findings"][0]["file"]),
        (&"E0101".into(), &"contacts.rules".into())
    );
    let text = folder.run(&["test", "--format", "junit"], 1);
    assert!(text.starts_with("<?xml") && text.contains("E0101"), "{text}");
}

#[test]
fn reports_for_tools_hold_every_test() {
    let folder = with(
        "test \"wrong\" {\n  given app.User { email = \"a@example.com\" }\n  when sync Contacts runs\n  expect no crm.Contact\n}\n",
    );
    let report: Value = serde_json::from_str(&folder.run(&["test", "--json", "--coverage"], 1)).expect("JSON");
    assert_eq!(report["schema"], 1);
    assert_eq!(report["failed"], 1);
    let tests = report["tests"].as_array().expect("a list");
    assert_eq!(report["passed"].as_u64(), Some(tests.len() as u64 - 1));
    let wrong = tests.iter().find(|test| test["title"] == "wrong").expect("it is there");
    assert_eq!(
        (&wrong["file"], &wrong["line"], &wrong["passed"]),
        (&"mine.test.rules".into(), &1.into(), &false.into())
    );
    assert_eq!(wrong["findings"][0]["code"], "T0001");
    assert!(report["coverage"]["percent"].as_f64().is_some_and(|percent| percent > 90.0));
    let text = folder.run(&["test", "--format", "junit"], 1);
    assert_eq!(text.matches("<testcase ").count(), tests.len());
    assert_eq!(text.matches("<failure ").count(), 1);
}

#[test]
fn no_test_and_wrong_rules_are_no_success() {
    let folder = Folder::new();
    let text = folder.run(&["test", "--filter", "nothing like it"], 1);
    assert!(text.contains("0 passed"), "{text}");
    folder.spoil("contacts.rules", "firstName ", "fristName ");
    let text = folder.run(&["test"], 1);
    assert!(text.contains("E0101") && text.contains("cannot be tested"), "{text}");
}

#[test]
fn side_by_side_and_in_any_order_tests_end_alike() {
    let folder = Folder::new();
    let compiled = engine::testing::rules::read(&folder.rules).expect("the rules").compile(None);
    let program = Arc::new(compiled.program.expect("they are sound"));
    let tests: Vec<_> = compiled.tests.iter().collect();
    let told = |tests: &[_], threads| {
        let reports = engine::testing::rehearse::rehearse_all(&program, tests, threads);
        reports.iter().map(|report| format!("{report:?}")).collect::<Vec<_>>()
    };
    let alone = told(&tests, 1);
    assert_eq!(told(&tests, 4), alone);
    let backwards: Vec<_> = tests.iter().rev().copied().collect();
    let mut reports = told(&backwards, 3);
    reports.reverse();
    assert_eq!(reports, alone);
}

#[test]
fn a_step_that_takes_longer_than_its_timeout_has_failed() {
    let test = |timeout: &str, expect: &str| {
        let folder = with(&format!(
            "test \"slow\" {{\n  given step Onboarding.account fails 1000 times\n  given app.User {{ email = \"a@example.com\" }}\n  given deal = crm.Deal {{ dealname = \"A\", dealstage = negotiation, amount = 49.00, contact.email = \"a@example.com\" }}\n  when deal.dealstage becomes closedwon\n  when 10 minutes pass\n  expect workflow Onboarding {expect}\n  expect step Onboarding.welcome done\n}}\n"
        ));
        let retry = "    retry 10 times, first after 10 seconds, at most 5 minutes apart\n";
        folder.spoil("onboarding.rules", retry, &format!("{retry}{timeout}"));
        folder.run(&["test", "rules/mine.test.rules"], 0);
    };
    test("    timeout 30 minutes\n", "is running");
    test("    timeout 2 minutes\n", "failed");
}

#[test]
fn repetitions_are_known_by_the_member_that_the_rules_name() {
    let twice = "test \"twice\" {\n  given user = app.User { email = \"a@example.com\" }\n  given crm.Contact { email = \"a@example.com\" }\n  given app.Activity { user = user, kind = \"Login\" }\n  when message app \"user.logged_in\" arrives twice with { id = \"1\", email = \"a@example.com\" }\n  expect no crm.Note\n}\n";
    let folder = with(twice);
    folder.spoil("events.rules", "dedupe by id for 24 hours", "dedupe by data.id for 24 hours");
    folder.run(&["test", "rules/mine.test.rules"], 0);
    let compiled = engine::testing::rules::read(&folder.rules).expect("the rules").compile(None);
    let lock = &compiled.program.expect("they are sound").systems["app"].lock;
    assert_eq!(lock.deliveries.as_ref().expect("it sends messages").dedupe, ["data.id"]);
}

/// A first set of rules often has one sync on a schedule and no `events` at all: nobody subscribed to anything.
#[test]
fn what_a_system_tells_without_events_from_it_troubles_nobody() {
    let folder = Folder::new();
    for entry in std::fs::read_dir(&folder.rules).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "rules") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let rules = "edition 2026\n\nsystem app { schema \"schemas/app.lock\" }\n\nsystem crm { schema \"schemas/crm.lock\" }\n\nsync Contacts from app.User to crm.Contact {\n  run    every 1 hour\n  match  by email\n  create missing in crm\n  fields {\n    email as lowercase -> email\n  }\n}\n";
    let test = "test \"a user arrives within the hour\" {\n  given app.User { email = \"a@example.com\" }\n  when  1 hour passes\n  expect one crm.Contact { email = \"a@example.com\" }\n}\n";
    std::fs::write(folder.rules.join("first.rules"), rules).expect("written");
    std::fs::write(folder.rules.join("first.test.rules"), test).expect("written");
    let text = folder.run(&["test", "rules"], 0);
    assert!(text.contains("1 passed, 0 failed"), "{text}");
}

/// The shipped rules with a workflow of their own that waits for an answer in a ticket.
fn with_question(test: &str) -> Folder {
    let folder = with(test);
    let rules = "workflow Question with ticket: crm.Ticket {\n  only one per ticket.id\n  step ask {\n    set ticket.hs_ticket_priority = high\n    undo nothing because \"it is a mark\"\n  }\n  wait up to 3 days for crm.Ticket as answer where id = ticket.id {\n    happened { notify role \"sales-manager\" about ticket \"answered\" accept duplicates }\n    timed out { nothing }\n  }\n}\n\nwhen crm.Ticket changes content as ticket { start Question with ticket }\n";
    std::fs::write(folder.rules.join("mine.rules"), rules).expect("written");
    folder
}

const ASKED: &str = "  given ticket = crm.Ticket { subject = \"help\", content = \"a\" }\n  when ticket.content becomes \"b\"\n  when 1 day passes\n";

#[test]
fn a_wait_for_a_record_wakes_at_its_next_change_and_not_at_what_its_own_run_wrote() {
    let marked = "  expect crm.Ticket { hs_ticket_priority = high }\n  expect no notice to role \"sales-manager\"\n";
    let answered = format!(
        "test \"an answer\" {{\n{ASKED}{marked}  when ticket.subject becomes \"thanks\"\n  expect notice to role \"sales-manager\" once\n  expect workflow Question finished\n}}\n"
    );
    with_question(&answered).run(&["test", "rules/mine.test.rules"], 0);
    let silence = format!(
        "test \"silence\" {{\n{ASKED}{marked}  when 3 days pass\n  expect no notice to role \"sales-manager\"\n  when 60 days pass\n  expect workflow Question finished\n}}\n"
    );
    with_question(&silence).run(&["test", "rules/mine.test.rules"], 0);
}

#[test]
fn an_ignored_message_sets_nothing_off() {
    let test = format!("test \"a ticket\" {{\n{ASKED}  expect no crm.Ticket {{ hs_ticket_priority = high }}\n}}\n");
    let folder = with_question(&test);
    let text = folder.run(&["test", "rules/mine.test.rules"], 1);
    assert!(text.contains("T0001"), "{text}");
    let messages = "\"ticket.creation\", \"ticket.propertyChange\", \"ticket.merge\"       -> ";
    folder.spoil("events.rules", &format!("{messages}sync Tickets"), &format!("{messages}ignore"));
    folder.run(&["test", "rules/mine.test.rules"], 0);
}
