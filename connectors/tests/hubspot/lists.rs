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
    assert!(page(&answers).1.is_some());
    let sent = script.sent().remove(0);
    assert_eq!(sent.path, "/crm/objects/2026-09/0-1/search");
    let expected = json!({
        "filterGroups": [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1795510800000"}]}],
        "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
        "properties": ["email", "lastmodifieddate"], "limit": 100,
    });
    assert_eq!(sent.body, expected);

    let empty = || Step::json(200, &json!({"total": 0, "results": []}));
    let (answers, script) = ask(vec![empty()], list("Deal", &[], Some(5)), cursor(Some("7"))).await;
    assert_eq!(page(&answers), (&[][..], None));
    let body = &script.sent()[0].body;
    assert_eq!(body["sorts"][0]["propertyName"], "hs_lastmodifieddate");
    assert_eq!((body.get("after"), &body["filterGroups"][0]["filters"][0]["value"]), (None, &json!("7")));

    // Behind the last one of a millisecond begins the next millisecond.
    let (answers, script) = ask(vec![empty()], list("Deal", &[], Some(5)), cursor(Some("7#512"))).await;
    assert_eq!(page(&answers), (&[][..], Some("8")));
    let expected = json!([
        {"propertyName": "hs_lastmodifieddate", "operator": "EQ", "value": "7"},
        {"propertyName": "hs_object_id", "operator": "GT", "value": "512"},
    ]);
    let body = &script.sent()[0].body;
    assert_eq!(
        (&body["filterGroups"][0]["filters"], &body["sorts"][0]["propertyName"]),
        (&expected, &json!("hs_object_id"))
    );
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

/// A search over records with these ids and times, as HubSpot answers it: a hundred of those that fit, in order.
fn search(records: &[(u64, i64)], request: &Json) -> Step {
    assert!(request.get("after").is_none(), "an offset leaves out what moves: {request}");
    let filters = request["filterGroups"][0]["filters"].as_array().expect("filters");
    let fits = |(id, time): &(u64, i64)| {
        filters.iter().all(|filter| {
            let value: i64 = filter["value"].as_str().expect("text").parse().expect("a number");
            match (filter["propertyName"].as_str(), filter["operator"].as_str()) {
                (Some("hs_lastmodifieddate"), Some("GTE")) => *time >= value,
                (Some("hs_lastmodifieddate"), Some("EQ")) => *time == value,
                (Some("hs_object_id"), Some("GT")) => i64::try_from(*id).expect("small") > value,
                other => panic!("{other:?}"),
            }
        })
    };
    let mut found: Vec<(u64, i64)> = records.iter().copied().filter(fits).collect();
    if request["sorts"][0]["propertyName"] == "hs_object_id" {
        found.sort_unstable();
    } else {
        // Of one time in any order.
        found.sort_by_key(|(id, time)| (*time, id.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    }
    let record = |(id, time): &(u64, i64)| json!({"id": id.to_string(), "properties": {"hs_lastmodifieddate": Timestamp(*time).to_string()}});
    let shown: Vec<Json> = found.iter().take(100).map(record).collect();
    let mut body = json!({"total": found.len(), "results": shown});
    if found.len() > 100 {
        body["paging"] = json!({"next": {"after": "100"}});
    }
    Step::json(200, &body)
}

/// Follows cursors to the end; gives the ids that were seen, or the answer that was no page. `moves` changes records
/// before each page but the first.
async fn follow(
    records: &[(u64, i64)],
    moves: impl Fn(usize, &mut Vec<(u64, i64)>),
) -> Result<std::collections::BTreeSet<String>, Answer> {
    let mut seen = std::collections::BTreeSet::new();
    let mut at: Option<String> = None;
    let mut records = records.to_vec();
    for number in 0..1_000 {
        if number > 0 {
            moves(number, &mut records);
        }
        // The request is known before it is answered: asked once for its body, once in earnest.
        let inputs = cursor(at.as_deref());
        let request = Request { verb: list("Deal", &[], Some(0)), inputs };
        let probe = Script::new([Step::json(200, &json!({"results": []}))]);
        super::connector("2026-09", &probe).perform(&request).await;
        let script = Script::new([search(&records, &probe.sent()[0].body)]);
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

/// Records 1, 2, … with these times.
fn numbered(times: impl IntoIterator<Item = i64>) -> Vec<(u64, i64)> {
    (1..).zip(times).collect()
}

#[tokio::test]
async fn changes_go_on_behind_the_ten_thousand_results_of_a_search() {
    let records = numbered((0..12_050).map(|n| n / 3));
    assert_eq!(follow(&records, |_, _| {}).await.map(|seen| seen.len()), Ok(12_050));
}

#[tokio::test]
async fn more_changes_in_one_millisecond_than_a_search_can_give_are_all_listed_and_those_behind_them_too() {
    let records = numbered((0..12_050).map(|n| if n < 20 { n } else { 500.max(n - 11_500) }));
    assert_eq!(follow(&records, |_, _| {}).await.map(|seen| seen.len()), Ok(12_050));
}

#[tokio::test]
async fn what_changes_while_the_pages_are_read_keeps_nothing_else_from_being_seen() {
    let records = numbered((0..1_000).map(|n| n * 2));
    // Before each page somebody edits a record that was seen, so that all others move up by one.
    let edit = |page: usize, records: &mut Vec<(u64, i64)>| records[page - 1].1 = 10_000 + page as i64;
    assert_eq!(follow(&records, edit).await.map(|seen| seen.len()), Ok(1_000));
}

#[tokio::test]
async fn a_search_that_does_not_keep_the_order_of_time_is_told() {
    let result = |id: u64| json!({"id": id.to_string(), "properties": {}});
    let body = json!({"results": (1..=100).map(result).collect::<Vec<_>>(), "paging": {"next": {"after": "100"}}});
    let (answers, _) = ask(vec![Step::json(200, &body)], list("Deal", &[], Some(5)), cursor(None)).await;
    let [Answer::Refused { reason, .. }] = &answers[..] else { panic!("{answers:?}") };
    assert!(reason.contains("order of time"), "{reason}");
}

#[tokio::test]
async fn archived_records_are_listed_by_their_ids_alone() {
    let body = json!({"results": [{"id": "7", "archived": true, "properties": {"hs_object_id": "7"}}], "paging": {"next": {"after": "8"}}});
    let verb = Verb::Archived { entity: "Contact".into() };
    let (answers, script) = ask(vec![Step::json(200, &body)], verb.clone(), cursor(Some("5"))).await;
    let (records, next) = page(&answers);
    assert_eq!((records, next), (&[Observed { id: "7".to_owned(), ..Observed::default() }][..], Some("8")));
    assert_eq!(
        script.sent()[0].path,
        "/crm/objects/2026-09/0-1?limit=100&archived=true&properties=hs_object_id&after=5"
    );
    // No page is no empty list.
    let (answers, _) = ask(vec![Step::json(200, &json!({}))], verb, cursor(None)).await;
    assert!(matches!(answers[0], Answer::Retry { .. }), "{answers:?}");
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_refused() {
    let (answers, _) = ask(Vec::new(), list("Deal", &[], Some(0)), cursor(Some("12:100"))).await;
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
