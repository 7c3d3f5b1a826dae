//! What the checker says of the shipped rules, and of the shipped rules with one mistake in them.

use std::collections::BTreeMap;

use dsl::check::{Compiled, compile};

#[path = "support/shipped.rs"]
mod support;

use support::shipped;

/// The shipped rules with `from` in `file` written as `to`.
fn with(file: &str, from: &str, to: &str) -> Compiled {
    let (mut files, locks) = shipped();
    let (_, text) = files.iter_mut().find(|(name, _)| name == file).expect("the file is there");
    assert!(text.contains(from), "{file} has no `{from}`");
    *text = text.replacen(from, to, 1);
    compile(&files, &locks, None)
}

fn codes(compiled: &Compiled) -> Vec<String> {
    compiled
        .problems
        .iter()
        .map(|p| {
            let file = &compiled.files[p.span().file.0 as usize];
            format!("{} {}:{} {}", p.code, file.path, file.position(p.span().start).0, p.message)
        })
        .collect()
}

#[track_caller]
fn check(file: &str, from: &str, to: &str, expected: &[&str]) {
    assert_eq!(codes(&with(file, from, to)), expected);
}

#[test]
fn the_shipped_rules_have_no_findings() {
    let (files, locks) = shipped();
    let compiled = compile(&files, &locks, None);
    assert_eq!(codes(&compiled), Vec::<String>::new());
    let program = compiled.program.expect("a program");
    assert_eq!(program.syncs.len(), 6);
    assert_eq!(program.whens.len(), 2);
    assert_eq!(program.workflows.len(), 2);
}

#[test]
fn a_misspelt_field_is_named_with_the_one_that_is_meant() {
    let compiled = with("contacts.rules", "subscription.plan ", "subscripton.plan ");
    assert_eq!(codes(&compiled), ["E0101 contacts.rules:18 app.User has no field `subscripton`"]);
    assert_eq!(
        compiled.problems[0].help,
        ["did you mean `subscription`?  app.User comes from schemas/app.lock, pulled 2026-11-20"]
    );
}

#[test]
fn one_of_several_fields_has_no_stages_no_old_and_no_new_and_each_of_them_is_looked_at() {
    let when = |head: &str, body: &str| {
        let rule = format!("when {head} {{\n{body}\n}}\n\nwhen app.Subscription is created");
        codes(&with("deals.rules", "when app.Subscription is created", &rule))
    };
    let notify = "  notify role \"customer-success\" about user \"moved\" accept duplicates";
    assert_eq!(when("app.User changes company, jobTitle as user", notify), Vec::<String>::new());
    let found = when("app.User changes company, jobTitl, company as user", notify);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("app.User has no field `jobTitl`"), "{found:?}");
    assert!(found[1].contains("E0103") && found[1].contains("`company` is named twice"), "{found:?}");
    let old = "  notify role \"customer-success\" about user \"{new else old}\" accept duplicates";
    let found = when("app.User changes company, jobTitle as user", old);
    assert!(found.iter().any(|found| found.contains("there is no variable `new`")), "{found:?}");
    let found = when("crm.Deal changes amount, dealstage as d", "  to closedwon { nothing }");
    assert!(
        found.iter().any(|found| found.contains("E0502") && found.contains("only a change of one field has stages")),
        "{found:?}"
    );
    // A loop through the second field is one.
    let found =
        when("app.User changes company, jobTitle as user", "  set user.jobTitle = \"{user.jobTitle else company}!\"");
    assert!(found.iter().any(|found| found.contains("E0403")), "{found:?}");
}

#[test]
fn a_value_that_may_be_missing_needs_a_word() {
    check(
        "contacts.rules",
        "subscription_plan   else clear",
        "subscription_plan",
        &["E0203 contacts.rules:18 this value can be missing, and nothing says what to do then"],
    );
}

#[test]
fn a_stage_without_a_branch_is_told() {
    check(
        "deals.rules",
        "to appointment, qualification, proposal",
        "to appointment, qualification",
        &["E0502 deals.rules:34 stage `proposal` is not handled"],
    );
}

#[test]
fn a_create_needs_a_key() {
    check(
        "deals.rules",
        " key source_subscription_id = sub.id",
        "",
        &["E0503 deals.rules:19 a repeated event would create the deal twice"],
    );
}

#[test]
fn a_wait_needs_a_limit() {
    check(
        "onboarding.rules",
        "wait up to 7 days for",
        "wait for",
        &["E0602 onboarding.rules:20 this wait may never end"],
    );
}

#[test]
fn two_writers_of_one_field_are_told() {
    check(
        "deals.rules",
        "{ nothing }\n}",
        "{ set deal.amount = 0 }\n}",
        &["E0401 deals.rules:11 two rules write crm.Deal.amount"],
    );
}

#[test]
fn a_wrong_event_name_is_told_and_stands_for_the_right_one() {
    check(
        "events.rules",
        "\"contact.creation\"",
        "\"contact.create\"",
        &["E0105 events.rules:4 HubSpot sends no message `contact.create`"],
    );
}

#[test]
fn a_name_used_twice_is_told() {
    let compiled = with("tickets.rules", "sync Tickets from", "sync Deals from");
    assert!(codes(&compiled).contains(&"E0103 tickets.rules:1 the name `Deals` is used twice".to_owned()));
}

#[test]
fn a_percent_is_no_number() {
    check(
        "deals.rules",
        "PlanFacts[sub.plan].probability",
        "60",
        &[
            "E0205 deals.rules:25 crm.Deal.probability is a percent, this is a number",
            "W0110 words.rules:34 nothing uses the table PlanFacts",
        ],
    );
}

#[test]
fn an_operation_needs_its_parameters() {
    check(
        "deals.rules",
        "{ subscriptionId = sub.id else skip }",
        "{ reason = \"deal lost\" }",
        &["E0208 deals.rules:49 app.cancelSubscription needs a `subscriptionId`"],
    );
}

#[test]
fn two_rows_with_one_spelling_are_told() {
    check("words.rules", "in crm \"3\"", "in crm \"2\"", &["E0213 words.rules:15 two rows are spelled \"2\" in crm"]);
}

#[test]
fn a_lossy_transform_cannot_go_both_ways() {
    check(
        "deals.rules",
        "closeDate   <-> closedate                            crm wins",
        "closeDate <-> closedate as \"YYYY-MM-DD\" crm wins",
        &["E0304 deals.rules:13 a two-way field needs a transform that can be undone"],
    );
}

#[test]
fn a_link_needs_a_sync_that_pairs_its_records() {
    check(
        "activities.rules",
        "via Contacts",
        "via Companies",
        &["E0307 activities.rules:18 sync Companies does not pair users with contacts"],
    );
}

#[test]
fn a_step_that_leaves_something_behind_needs_an_undo() {
    check(
        "onboarding.rules",
        "    undo { delete app.Account where subscriptionId = sub.id }\n",
        "",
        &["E0604 onboarding.rules:11 `undo completed steps` cannot undo step `account`"],
    );
}

#[test]
fn what_may_happen_twice_must_be_accepted() {
    check(
        "deals.rules",
        " accept duplicates",
        "",
        &["E0505 deals.rules:53 this may happen twice, and nothing accepts that"],
    );
}

#[test]
fn a_schedule_must_fit_inside_the_limit() {
    check(
        "companies.rules",
        "every 1 hour",
        "every 1 minute",
        &["E0801 companies.rules:2 this schedule cannot fit inside the crm limit"],
    );
}

#[test]
fn a_block_that_is_never_closed_leaves_its_neighbours_checked() {
    let compiled = with("tickets.rules", "else clear\n  }\n}", "else clear\n}\n");
    assert_eq!(codes(&compiled), ["E0003 tickets.rules:7 this block is never closed"]);
    assert!(compiled.items.len() > 30);
}

#[test]
fn a_lock_grows_old_only_where_a_day_is_given() {
    let (files, locks) = shipped();
    let told = |today| codes(&compile(&files, &locks, today));
    assert_eq!(told(Some(jiff::civil::date(2026, 12, 20))), Vec::<String>::new());
    assert_eq!(
        told(Some(jiff::civil::date(2026, 12, 21))),
        [
            "W0901 systems.rules:6 the lock of app is older than 30 days",
            "W0901 systems.rules:12 the lock of crm is older than 30 days",
            "W0901 systems.rules:20 the lock of mail is older than 30 days",
        ]
    );
    assert!(compile(&files, &locks, Some(jiff::civil::date(2026, 12, 21))).program.is_some());
}

#[test]
fn the_hash_is_of_rules_and_locks_but_not_of_tests_or_their_order() {
    let (files, locks) = shipped();
    let hash = |files: &[(String, String)], locks: &BTreeMap<String, String>| {
        compile(files, locks, None).program.expect("a program").hash
    };
    let before = hash(&files, &locks);
    let turned: Vec<_> = files.iter().rev().cloned().collect();
    assert_eq!(hash(&turned, &locks), before);
    let untested: Vec<_> = files.iter().filter(|(path, _)| !path.ends_with(".test.rules")).cloned().collect();
    assert_eq!(hash(&untested, &locks), before);
    let mut commented = files.clone();
    commented[0].1.push_str("# a comment\n");
    assert_eq!(hash(&commented, &locks) == before, commented[0].0.ends_with(".test.rules"));
    let mut pulled = locks.clone();
    pulled.get_mut("schemas/crm.lock").expect("the lock").push_str("# pulled again\n");
    assert_ne!(hash(&files, &pulled), before);
}

#[test]
fn a_test_may_stand_before_the_workflow_that_it_names() {
    let (mut files, locks) = shipped();
    let test = "test \"a step\" {\n  expect step Onboarding.acount done\n}\n";
    files.insert(0, ("a.test.rules".to_owned(), test.to_owned()));
    assert_eq!(codes(&compile(&files, &locks, None)), ["E0106 a.test.rules:2 there is no step `acount`"]);
}

#[test]
fn a_folder_that_is_no_rule_set_is_refused_before_it_is_read() {
    let many: Vec<(String, String)> = (0..2_001).map(|n| (format!("{n}.rules"), String::new())).collect();
    assert_eq!(codes(&compile(&many, &BTreeMap::new(), None)), ["E0090 0.rules:1 this rule set is too large"]);
    let large = vec![("a.rules".to_owned(), "#".repeat((16 << 20) + 1))];
    assert_eq!(codes(&compile(&large, &BTreeMap::new(), None)), ["E0090 a.rules:1 this rule set is too large"]);
}

/// So many that other cores help.
#[test]
fn a_name_that_many_items_have_wrong_is_told_of_the_first_and_counted_of_the_others() {
    let (mut files, locks) = shipped();
    let rule = |n: usize| {
        format!("when app.User is created as user{n} {{\n  only where user{n}.age is empty\n  run sync Nowhere\n}}\n")
    };
    files.push(("many.rules".to_owned(), (0..150).map(rule).collect()));
    let compiled = compile(&files, &locks, None);
    let (unresolved, others): (Vec<_>, Vec<_>) =
        codes(&compiled).into_iter().partition(|told| told.contains("there is no sync"));
    assert_eq!(unresolved, ["E0106 many.rules:3 there is no sync `Nowhere`"]);
    let told = compiled.problems.iter().find(|problem| problem.message.contains("Nowhere")).expect("it is told");
    assert_eq!(told.help.last().map(String::as_str), Some("149 other places name it too"));
    // What each of them has wrong by itself is told of each.
    let lines: Vec<String> =
        (0..150).map(|n| format!("E0101 many.rules:{} app.User has no field `age`", n * 4 + 2)).collect();
    assert_eq!(others, lines);
}
