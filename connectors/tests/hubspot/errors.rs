//! Every kind of error response of the samples, for reads and writes.

use std::time::Duration;

use connectors::port::{Answer, LimitWindow, Refusal};
use connectors::testing::script::Step;
use serde_json::json;

use super::{ask, asked, create, exchange, input, read, response, sample, update};

/// The answer to creating one contact that meets `step`.
async fn making(step: Step) -> Answer {
    let inputs = vec![input("k1", None, &json!({"email": "ada@x.example"}))];
    ask(vec![step], create("Contact"), inputs).await.0.remove(0)
}

/// The answer to reading one contact that meets `step`.
async fn reading(step: Step) -> Answer {
    ask(vec![step], read("Contact", "id", &[], &[]), vec![asked("1")]).await.0.remove(0)
}

fn error(name: &str) -> Step {
    exchange("set-a-classic-v3/errors", name)
}

#[tokio::test]
async fn every_error_of_the_samples_is_an_answer_and_none_is_a_success() {
    for set in ["set-a-classic-v3/errors", "set-a-classic-v3/objects", "set-b-generic-2026-09/objects"] {
        for exchange in sample(set)["exchanges"].as_array().expect("exchanges") {
            if exchange["response"]["status"].as_u64() < Some(400) {
                continue;
            }
            for answer in
                [making(response(&exchange["response"])).await, reading(response(&exchange["response"])).await]
            {
                let success = matches!(answer, Answer::Record(_) | Answer::Done | Answer::Page { .. });
                assert!(!success, "{}: {answer:?}", exchange["name"]);
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_known_is_told_from_one_that_may_not() {
    for name in ["401 no or wrong token", "401 expired access token"] {
        for answer in [making(error(name)).await, reading(error(name)).await] {
            assert!(matches!(answer, Answer::Refused { refusal: Refusal::Unauthenticated, .. }), "{name}: {answer:?}");
        }
    }
    for answer in [making(error("403 missing scope")).await, reading(error("403 missing scope")).await] {
        assert!(matches!(answer, Answer::Refused { refusal: Refusal::Forbidden, .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let refused = json!({"status": "error", "category": "MISSING_SCOPES", "message": "This app hasn't been granted …",
        "errors": [{"message": "One or more …", "context": {"requiredGranularScopes": ["crm.objects.deals.write"]}}]});
    for response in [
        Step::json(403, &refused),
        Step::json(
            403,
            &json!({"message": "no",
        "context": {"requiredScopes": ["crm.objects.deals.write"]}}),
        ),
    ] {
        let Answer::Refused { reason, refusal } = making(response).await else { panic!("a refusal") };
        assert_eq!(refusal, Refusal::Forbidden);
        assert!(reason.contains("it needs crm.objects.deals.write"), "{reason}");
    }
}

#[tokio::test]
async fn a_taken_address_names_the_record_that_holds_it() {
    for name in ["409 duplicate e-mail", "400 duplicate e-mail, race or additional e-mail of another contact"] {
        let Answer::Refused { refusal, .. } = making(error(name)).await else { panic!("{name}") };
        assert_eq!(refusal, Refusal::Exists(Some("201000000101".into())), "{name}");
    }
}

#[tokio::test]
async fn the_owner_of_a_value_is_found_whatever_the_value_holds() {
    let message = |value: &str, owner: &str| {
        let text = format!(
            "Cannot set PropertyValueCoordinates{{propertyName=source_id, value={value}}} on 5. {owner} already has that value."
        );
        Step::json(400, &json!({"status": "error", "message": text, "category": "VALIDATION_ERROR"}))
    };
    for value in ["a", "Dr. A. B on 7. 8 has it", "x} on 9. 10 already has that value"] {
        let Answer::Refused { refusal, .. } = making(message(value, "42")).await else { panic!("{value}") };
        assert_eq!(refusal, Refusal::Exists(Some("42".into())), "{value}");
    }
    let Answer::Refused { refusal, .. } = making(message("a", "somebody")).await else { panic!("no refusal") };
    assert_eq!(refusal, Refusal::Exists(None));
}

#[tokio::test]
async fn a_bad_value_names_its_field_and_says_every_reason_once() {
    let check = |answer: Answer, field: &str, words: &[&str]| {
        let Answer::Refused { reason, refusal } = answer else { panic!("{answer:?}") };
        assert_eq!(refusal, Refusal::Invalid(Some(field.into())), "{reason}");
        for word in words {
            assert_eq!(reason.matches(word).count(), 1, "{word} in: {reason}");
        }
        assert!(!reason.contains("isValid"), "no JSON for people: {reason}");
    };
    check(making(error("400 unknown property")).await, "testproperty", &["does not exist"]);
    let all = making(error("400 bad option, bad e-mail, bad number: all listed")).await;
    check(all, "hs_lead_status", &["Very Hot", "Email address nope is invalid", "12,5 was not a valid number"]);
    check(making(error("400 date not at midnight UTC")).await, "date_of_birth_at", &["not midnight"]);
    check(making(error("400 required property missing")).await, "hs_timestamp", &["required properties"]);
    let rule = "deal: update refused by an admin rule (new in 2026-09)";
    let rule = making(exchange("set-b-generic-2026-09/objects", rule)).await;
    check(rule, "closed_lost_reason", &["closed_lost_reason is required"]);
    let form = "ticket: create refused by a create-form rule (new in 2026-09)";
    let form = making(exchange("set-b-generic-2026-09/objects", form)).await;
    check(form, "site_code", &["must be provided"]);
}

#[tokio::test]
async fn both_kinds_of_429_name_their_policy_and_its_window() {
    let limited = |answer: Answer| {
        let Answer::RateLimited { after, window, policy } = answer else { panic!("{answer:?}") };
        (after, window, policy.unwrap_or_default())
    };
    for answer in [making(error("429 burst (ten seconds)")).await, reading(error("429 burst (ten seconds)")).await] {
        assert_eq!(limited(answer), (None, LimitWindow::Sliding, "TEN_SECONDLY_ROLLING".to_owned()));
    }
    assert_eq!(limited(making(error("429 daily")).await), (None, LimitWindow::Day, "DAILY".to_owned()));
    let search = limited(reading(error("429 search (5 per second)")).await);
    assert_eq!(search, (Some(Duration::from_secs(1)), LimitWindow::Unknown, "RATE_LIMITS".to_owned()));
    let told = Step::raw(429, &[("Retry-After", "12")], "not JSON");
    assert_eq!(limited(making(told).await), (Some(Duration::from_secs(12)), LimitWindow::Unknown, String::new()));
}

#[tokio::test]
async fn what_did_not_happen_is_tried_again_in_its_time() {
    let waits = |answer: Answer| {
        let Answer::Retry { after, .. } = answer else { panic!("{answer:?}") };
        after
    };
    assert_eq!(waits(making(error("423 locked")).await), Some(Duration::from_secs(2)));
    assert_eq!(waits(reading(error("423 locked")).await), Some(Duration::from_secs(2)));
    assert_eq!(waits(making(error("477 account migrating")).await), Some(Duration::from_secs(3600)));
    for status in [503, 521, 523] {
        assert_eq!(waits(making(Step::raw(status, &[], "<html>")).await), None, "{status}");
    }
    assert_eq!(waits(making(Step::not_sent()).await), None);
}

#[tokio::test]
async fn a_write_that_may_have_happened_is_unknown_and_a_read_is_tried_again() {
    let steps = [500, 502, 504, 520, 524].map(|status| Step::raw(status, &[("Content-Type", "text/html")], "<html>"));
    for step in steps.into_iter().chain([error("502 gateway"), Step::no_answer()]) {
        assert!(matches!(making(step.clone()).await, Answer::Unknown { .. }), "{step:?}");
        assert!(matches!(reading(step.clone()).await, Answer::Retry { .. }), "{step:?}");
        let inputs =
            vec![input("k1", Some("1"), &json!({"phone": "1"})), input("k2", Some("2"), &json!({"phone": "1"}))];
        let (answers, _) = ask(vec![step.clone()], update("Contact"), inputs).await;
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Unknown { .. })), "{step:?}");
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_none() {
    for body in ["<html>welcome</html>", "{\"results\": [", "[]", "{}", "\"\""] {
        assert!(matches!(making(Step::raw(201, &[], body)).await, Answer::Unknown { .. }), "{body}");
        let read = reading(Step::raw(200, &[], body)).await;
        assert!(matches!(read, Answer::Unknown { .. } | Answer::Retry { .. }), "{body}: {read:?}");
    }
}

/// Of a gateway or a content network, before HubSpot; the truncated and the empty one of a connection that broke off.
#[tokio::test]
async fn a_read_that_meets_a_page_of_somebody_else_is_tried_again() {
    for (status, body) in [(302, ""), (404, "<html>no</html>"), (404, "{\"status\": \"err"), (404, ""), (410, "<p>")] {
        let answer = reading(Step::raw(status, &[], body)).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{status} {body:?}: {answer:?}");
    }
}

#[tokio::test]
async fn what_no_split_can_help_is_refused_for_all() {
    let two = || {
        vec![input("k1", None, &json!({"email": "a@b.example"})), input("k2", None, &json!({"email": "c@d.example"}))]
    };
    for name in ["400 unknown object type", "400 malformed JSON body"] {
        let (answers, _) = ask(vec![error(name)], create("Contact"), two()).await;
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Refused { .. })), "{name}: {answers:?}");
    }
    for status in [302, 404, 405, 410] {
        let (answers, _) = ask(vec![Step::raw(status, &[], "<html>")], create("Contact"), two()).await;
        let refused = |answer: &Answer| matches!(answer, Answer::Refused { refusal: Refusal::Other, .. });
        assert!(answers.iter().all(refused), "{status}: {answers:?}");
    }
}
