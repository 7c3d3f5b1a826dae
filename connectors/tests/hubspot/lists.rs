//! Listing everything, and what changed since a time.

use connectors::port::{Answer, Connector, Input, Observed, Request, Verb};
use connectors::testing::script::{Script, Step};
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::{ask, exchange};

fn list(entity: &str, links: &[&str], since: Option<i64>) -> Verb {
    Verb::List {
        entity: entity.into(),
        fields: vec!["email".into()],
        links: links.iter().map(|name| (*name).to_owned()).collect(),
        since: since.map(Timestamp),
    }
}

fn cursor(cursor: Option<&str>) -> Vec<Input> {
    vec![Input { id: cursor.map(str::to_owned), ..Input::default() }]
}

fn page(answers: &[Answer]) -> (&[Observed], Option<&str>) {
    let [Answer::Page { records, next }] = answers else { panic!("{answers:?}") };
    (records, next.as_deref())
}

#[tokio::test]
async fn everything_is_listed_by_pages_of_a_hundred() {
    let step = exchange("set-a-classic-v3/objects", "contact: list page");
    let (answers, script) = ask(vec![step], list("Contact", &[], None), cursor(Some("201000000100"))).await;
    let (records, next) = page(&answers);
    assert_eq!((records[0].id.as_str(), next), ("201000000101", Some("201000000102")));
    assert!(records[0].complete);
    assert_eq!(records[0].fields.keys().collect::<Vec<_>>(), ["email"]);
    let path = "/crm/objects/2026-09/0-1?limit=100&properties=email&after=201000000100";
    assert_eq!(script.sent()[0].path, path);
}

#[tokio::test]
async fn changes_are_searched_by_the_modified_property_of_the_entity() {
    let step = exchange("set-a-classic-v3/objects", "contact: search");
    let (answers, script) = ask(vec![step], list("Contact", &[], Some(1_795_510_800_000)), cursor(None)).await;
    assert_eq!(page(&answers).1, Some("1795510800000:100"));
    let sent = script.sent().remove(0);
    assert_eq!(sent.path, "/crm/objects/2026-09/0-1/search");
    let expected = json!({
        "filterGroups": [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1795510800000"}]}],
        "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
        "properties": ["email", "lastmodifieddate"], "limit": 100,
    });
    assert_eq!(sent.body, expected);

    let empty = Step::json(200, &json!({"total": 0, "results": []}));
    let (answers, script) = ask(vec![empty], list("Deal", &[], Some(5)), cursor(Some("7:300"))).await;
    assert_eq!(page(&answers), (&[][..], None));
    let body = &script.sent()[0].body;
    assert_eq!(body["sorts"][0]["propertyName"], "hs_lastmodifieddate");
    assert_eq!((&body["after"], &body["filterGroups"][0]["filters"][0]["value"]), (&json!("300"), &json!("7")));
}

#[tokio::test]
async fn a_list_of_changes_keeps_its_order_and_has_links() {
    let body = json!({"total": 2, "results": [{"id": "9", "properties": {}}, {"id": "10", "properties": {}}]});
    let links = json!({"results": [{"from": {"id": "10"}, "to": [{"toObjectId": 5, "associationTypes": []}]}]});
    let steps = vec![Step::json(200, &body), Step::json(200, &links)];
    let (answers, _) = ask(steps, list("Contact", &["deal"], Some(1)), cursor(None)).await;
    let (records, _) = page(&answers);
    assert_eq!(records.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["9", "10"]);
    assert_eq!((&records[0].links["deal"], records[1].links["deal"].as_deref()), (&None, Some("5")));
}

/// A search over `times.len()` records, as HubSpot limits it.
fn search(times: &[i64], request: &Json) -> Step {
    let from: i64 = request["filterGroups"][0]["filters"][0]["value"].as_str().expect("text").parse().expect("a time");
    let after: usize = request["after"].as_str().map_or(0, |after| after.parse().expect("an offset"));
    if after + 100 > 10_000 {
        return Step::json(400, &json!({"status": "error", "message": "paging past 10000"}));
    }
    let found: Vec<(usize, i64)> = times.iter().copied().enumerate().filter(|(_, time)| *time >= from).collect();
    let shown = found.iter().skip(after).take(100);
    let record = |(id, time): &(usize, i64)| json!({"id": id.to_string(), "properties": {"hs_lastmodifieddate": Timestamp(*time).to_string()}});
    let mut body = json!({"total": found.len(), "results": shown.map(record).collect::<Vec<_>>()});
    if after + 100 < found.len() {
        body["paging"] = json!({"next": {"after": (after + 100).to_string()}});
    }
    Step::json(200, &body)
}

/// Follows cursors to the end; gives the ids that were seen, or the answer that was no page.
async fn follow(times: &[i64]) -> Result<std::collections::BTreeSet<String>, Answer> {
    let mut seen = std::collections::BTreeSet::new();
    let mut at: Option<String> = None;
    for _ in 0..1_000 {
        // The request is known before it is answered: asked once for its body, once in earnest.
        let inputs = cursor(at.as_deref());
        let request = Request { verb: list("Deal", &[], Some(0)), inputs };
        let probe = Script::new([Step::json(200, &json!({"results": []}))]);
        super::connector("2026-09", &probe).perform(&request).await;
        let script = Script::new([search(times, &probe.sent()[0].body)]);
        let mut answers = super::connector("2026-09", &script).perform(&request).await;
        match answers.remove(0) {
            Answer::Page { records, next } => {
                seen.extend(records.into_iter().map(|record| record.id));
                match next {
                    Some(next) => at = Some(next),
                    None => return Ok(seen),
                }
            }
            other => return Err(other),
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn changes_go_on_behind_the_ten_thousand_results_of_a_search() {
    let times: Vec<i64> = (0..12_050).map(|n| n / 3).collect();
    assert_eq!(follow(&times).await.map(|seen| seen.len()), Ok(12_050));
}

#[tokio::test]
async fn more_changes_in_one_millisecond_than_search_can_give_are_told() {
    let answer = follow(&vec![7; 10_101]).await.expect_err("it cannot be listed");
    // The first query starts at 0 and ends at 7; the next one cannot go on.
    assert!(matches!(&answer, Answer::Refused { reason, .. } if reason.contains("same millisecond")), "{answer:?}");
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_refused() {
    let (answers, _) = ask(Vec::new(), list("Deal", &[], Some(0)), cursor(Some("12"))).await;
    assert!(matches!(answers[0], Answer::Refused { .. }));
}

#[tokio::test]
async fn owners_are_listed_page_by_page() {
    let first = json!({"results": [{"id": "1", "email": "a@crm.example"}], "paging": {"next": {"after": "2"}}});
    let (answers, _) = ask(vec![Step::json(200, &first)], list("Owner", &[], None), cursor(None)).await;
    let (records, next) = page(&answers);
    assert_eq!((records[0].fields["email"].as_str(), next), (Some("a@crm.example"), Some("2")));
    let last = Step::json(200, &json!({"results": []}));
    let (answers, script) = ask(vec![last], list("Owner", &[], None), cursor(Some("2"))).await;
    assert_eq!(page(&answers), (&[][..], None));
    assert_eq!(script.sent()[0].path, "/crm/owners/2026-09?limit=100&after=2");
}
