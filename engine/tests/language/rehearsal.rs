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
        "test \"first names are trimmed on the way to the CRM\" {\n  given app.User { email = \"a@example.com\", firstName = \" Ada\", healthScore = 82 }\n  when sync Contacts runs\n  expect one crm.Contact { firstname = \"Ada\", health_score = 82 }\n}\n",
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
    git(&["add", "."]);
    git(&["commit", "-qm", "rules"]);
    let commit = git(&["rev-parse", "--short=7", "HEAD"]);
    let text = folder.run(&["test", "--filter", "trimmed"], 1);
    for part in [
        "T0001",
        "test \"first names are trimmed on the way to the CRM\" failed",
        "[mine.test.rules:4:28]",
        "was \" Ada\"",
        "written by contacts.rules:12  `firstName <-> firstname`",
        &format!("contacts.rules:12 was last changed in commit {commit} ("),
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
    let output = folder.command(&["test", "--coverage=90"]).output().expect("the engine runs");
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.starts_with("T0002 the tests of rules have seen ") && err.contains("90 % are asked for"), "{err}");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("not seen: contacts.rules:12  sync Contacts: firstName <-> firstname"), "{out}");
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
    let compiled = engine::rules::read(&folder.rules).expect("the rules").compile(None);
    let program = Arc::new(compiled.program.expect("they are sound"));
    let tests: Vec<_> = compiled.tests.iter().collect();
    let told = |tests: &[_], threads| {
        let reports = engine::rehearse::rehearse_all(&program, tests, threads);
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
    let compiled = engine::rules::read(&folder.rules).expect("the rules").compile(None);
    let lock = &compiled.program.expect("they are sound").systems["app"].lock;
    assert_eq!(lock.deliveries.as_ref().expect("it sends messages").dedupe, ["data.id"]);
}
