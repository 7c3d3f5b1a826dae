//! Reading by id and by a unique value.

use connectors::port::{Answer, Refusal};
use connectors::testing::script::Step;
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::{ask, asked, exchange, read, record};

fn contact(id: &str, properties: Json) -> Json {
    json!({"id": id, "properties": properties, "updatedAt": "2026-11-24T09:10:00.120Z", "archived": false})
}

#[tokio::test]
async fn many_are_read_by_one_call_and_told_apart_in_any_order() {
    let body = json!({"status": "COMPLETE", "results": [
        contact("2", json!({"firstname": "Bo", "jobtitle": null, "hs_object_id": "2"})),
        contact("1", json!({"firstname": "Ada", "jobtitle": "", "hs_object_id": "1"})),
    ]});
    let verb = read("Contact", "id", &["firstname", "jobtitle"], &[]);
    let (answers, script) = ask(vec![Step::json(200, &body)], verb, vec![asked("1"), asked("2")]).await;
    let ada = record(&answers[0]);
    assert_eq!((ada.id.as_str(), &ada.fields["firstname"], &ada.fields["jobtitle"]), ("1", &json!("Ada"), &json!("")));
    assert!(ada.complete && !ada.fields.contains_key("hs_object_id"));
    assert_eq!(ada.changed_at, Timestamp::parse("2026-11-24T09:10:00.120Z"));
    assert_eq!(record(&answers[1]).fields["firstname"], "Bo");

    let sent = script.sent().remove(0);
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/crm/objects/2026-09/0-1/batch/read"));
    assert_eq!(sent.headers["authorization"], "Bearer pat-1");
    assert_eq!(sent.body["inputs"], json!([{"id": "1"}, {"id": "2"}]));
    assert!(sent.body.get("idProperty").is_none());
    assert!(sent.body["properties"].as_array().expect("a list").contains(&json!("hs_merged_object_ids")));
}

#[tokio::test]
async fn numbered_paths_serve_the_same_requests() {
    let script = connectors::testing::script::Script::new([
        Step::json(200, &json!({"results": [contact("1", json!({})), contact("2", json!({}))]})),
        Step::json(200, &json!({"results": []})),
    ]);
    let hubspot = super::connector("v3", &script);
    let verb = read("Contact", "id", &[], &["deal"]);
    let inputs = vec![asked("1"), asked("2")];
    connectors::port::Connector::perform(&hubspot, &connectors::port::Request { verb, inputs }).await;
    let paths: Vec<String> = script.sent().into_iter().map(|sent| sent.path).collect();
    assert_eq!(paths, ["/crm/v3/objects/0-1/batch/read", "/crm/v4/associations/0-1/0-3/batch/read"]);
}

#[tokio::test]
async fn a_record_is_missing_only_where_hubspot_says_so() {
    let verb = || read("Contact", "email", &["email"], &[]);
    let both = vec![asked("ada.byron@lab-nord.example"), asked("nobody@nowhere.example")];
    let step = exchange("set-a-classic-v3/objects", "contact: batch read, one missing");
    let (answers, script) = ask(vec![step], verb(), both.clone()).await;
    assert_eq!(record(&answers[0]).id, "201000000101");
    assert_eq!(answers[1], Answer::Missing);
    assert_eq!(script.sent()[0].body["idProperty"], "email");

    let silent = Step::json(200, &json!({"status": "COMPLETE", "results": []}));
    let (answers, _) = ask(vec![silent], verb(), both).await;
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Unknown { .. })), "{answers:?}");
}

#[tokio::test]
async fn a_single_record_is_read_by_itself() {
    let steps = vec![exchange("set-b-generic-2026-09/objects", "contact: read an id that was merged away")];
    let (answers, script) = ask(steps, read("Contact", "id", &[], &[]), vec![asked("110338030001")]).await;
    assert_eq!(record(&answers[0]).id, "110338039999", "an old id answers with the living record");
    let sent = script.sent().remove(0);
    assert_eq!(sent.method, "GET");
    assert_eq!(sent.path, "/crm/objects/2026-09/0-1/110338030001?properties=hs_merged_object_ids");

    let steps = vec![exchange("set-a-classic-v3/objects", "contact: read by e-mail, chosen properties, company ids")];
    let verb = read("Contact", "email", &["phone"], &[]);
    let (answers, script) = ask(steps, verb, vec![asked("Ada.Byron@lab-nord.example")]).await;
    assert_eq!(record(&answers[0]).fields["phone"], "+4520001122");
    let path = "/crm/objects/2026-09/0-1/Ada.Byron%40lab-nord.example\
                ?properties=email%2Chs_additional_emails%2Cphone&idProperty=email";
    assert_eq!(script.sent()[0].path, path);
}

#[tokio::test]
async fn a_404_in_hubspots_words_is_a_missing_record_and_any_other_is_not() {
    let verb = || read("Contact", "id", &[], &[]);
    for name in ["404 numeric id", "404 non-numeric id"] {
        let (answers, _) = ask(vec![exchange("set-a-classic-v3/errors", name)], verb(), vec![asked("999")]).await;
        assert_eq!(answers, [Answer::Missing], "{name}");
    }
    // A wrong base URL, or a page of a gateway, must not look as if every record were gone.
    for step in [Step::raw(404, &[], "<html>not here</html>"), Step::json(404, &json!({"error": "no route"}))] {
        for inputs in [vec![asked("1")], vec![asked("1"), asked("2")]] {
            let (answers, _) = ask(vec![step.clone()], verb(), inputs).await;
            let no_record = |answer: &Answer| matches!(answer, Answer::Refused { .. } | Answer::Retry { .. });
            assert!(answers.iter().all(no_record), "{answers:?}");
        }
    }
    let batch = Step::json(404, &json!({"status": "error", "message": "resource not found"}));
    let (answers, _) = ask(vec![batch], verb(), vec![asked("1"), asked("2")]).await;
    assert!(answers.iter().all(|a| matches!(a, Answer::Refused { refusal: Refusal::Other, .. })), "{answers:?}");
}

#[tokio::test]
async fn old_ids_and_further_addresses_find_the_living_record_in_a_batch() {
    let merged = contact("777", json!({"hs_merged_object_ids": "101;102", "email": "ada@x.example"}));
    let other = contact("5", json!({"hs_merged_object_ids": null}));
    let body = json!({"results": [merged, other]});
    let inputs = vec![asked("101"), asked("102"), asked("777"), asked("5")];
    let (answers, _) = ask(vec![Step::json(200, &body)], read("Contact", "id", &["email"], &[]), inputs).await;
    let ids: Vec<&str> = answers.iter().map(|answer| record(answer).id.as_str()).collect();
    assert_eq!(ids, ["777", "777", "777", "5"]);

    let further = json!({"results": [
        contact("1", json!({"email": "ada@x.example", "hs_additional_emails": "ada@old.example;a@b.example"})),
        contact("2", json!({"email": "bo@x.example", "hs_additional_emails": null})),
    ]});
    let inputs = vec![asked("ADA@old.example"), asked("Bo@x.example")];
    let (answers, _) = ask(vec![Step::json(200, &further)], read("Contact", "email", &["email"], &[]), inputs).await;
    assert_eq!((record(&answers[0]).id.as_str(), record(&answers[1]).id.as_str()), ("1", "2"));
}

#[tokio::test]
async fn an_id_that_is_asked_for_twice_stands_once_in_the_request() {
    let body = json!({"results": [contact("1", json!({})), contact("2", json!({}))]});
    let inputs = vec![asked("1"), asked("2"), asked("1")];
    let (answers, script) = ask(vec![Step::json(200, &body)], read("Contact", "id", &[], &[]), inputs).await;
    assert_eq!(script.sent()[0].body["inputs"], json!([{"id": "1"}, {"id": "2"}]));
    let ids: Vec<&str> = answers.iter().map(|answer| record(answer).id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "1"]);
}

#[tokio::test]
async fn an_input_without_an_id_never_leaves() {
    let inputs = vec![asked(""), super::input("k", None, &Json::Null)];
    let (answers, script) = ask(Vec::new(), read("Contact", "id", &[], &[]), inputs).await;
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Refused { .. })), "{answers:?}");
    assert!(script.sent().is_empty());
    let step = Step::json(200, &contact("1", json!({})));
    let (answers, _) = ask(vec![step], read("Contact", "id", &[], &[]), vec![asked(""), asked("1")]).await;
    assert!(matches!(answers[0], Answer::Refused { .. }));
    assert_eq!(record(&answers[1]).id, "1");
}

#[tokio::test]
async fn an_entity_that_the_lock_does_not_have_never_leaves() {
    let (answers, _) = ask(Vec::new(), read("Invoice", "id", &[], &[]), vec![asked("1")]).await;
    assert!(matches!(&answers[0], Answer::Refused { reason, .. } if reason.contains("Invoice")));
}

#[tokio::test]
async fn owners_are_found_by_address_and_by_id() {
    let step = || exchange("set-a-classic-v3/metadata", "owners");
    let inputs = vec![asked("Rep@crm.example"), asked("nobody@crm.example")];
    let (answers, script) = ask(vec![step()], read("Owner", "email", &["email"], &[]), inputs).await;
    assert_eq!(record(&answers[0]).id, "41000077", "never the user id");
    assert_eq!(answers[1], Answer::Missing);
    assert_eq!(script.sent()[0].path, "/crm/owners/2026-09?limit=100");
    let (answers, _) = ask(vec![step()], read("Owner", "id", &["email"], &[]), vec![asked("41000077")]).await;
    assert_eq!(record(&answers[0]).fields["email"], "rep@crm.example");
}

#[tokio::test]
async fn owners_behind_the_pages_that_were_counted_are_asked_for_again() {
    use connectors::port::{Connector, Request};
    let page = |id: &str, next: Option<&str>| {
        let mut body = json!({"results": [{"id": id, "email": format!("{id}@crm.example")}]});
        if let Some(next) = next {
            body["paging"] = json!({"next": {"after": next}});
        }
        Step::json(200, &body)
    };
    let script =
        connectors::testing::script::Script::new([page("1", Some("p2")), page("1", Some("p2")), page("2", None)]);
    let hubspot = super::connector("v3", &script);
    let request = Request {
        verb: read("Owner", "email", &[], &[]),
        inputs: vec![asked("1@crm.example"), asked("2@crm.example")],
    };
    assert_eq!(hubspot.calls(&request), 1);
    let answers = hubspot.perform(&request).await;
    assert_eq!(record(&answers[0]).id, "1");
    assert!(matches!(answers[1], Answer::Retry { .. }), "not missing: only one page was read");
    assert_eq!(hubspot.calls(&request), 2);
    let answers = hubspot.perform(&request).await;
    assert_eq!(record(&answers[1]).id, "2");
    assert_eq!(script.sent()[2].path, "/crm/v3/owners?limit=100&after=p2");
}

#[tokio::test]
async fn an_owner_who_was_deactivated_is_found_by_id_and_given_nothing_any_more() {
    use connectors::port::{Connector, Request};
    let page = |id: &str| Step::json(200, &json!({"results": [{"id": id, "email": format!("{id}@crm.example")}]}));
    let script = connectors::testing::script::Script::new([page("1"), page("1"), page("2"), page("1")]);
    let hubspot = super::connector("v3", &script);
    let by_id = Request { verb: read("Owner", "id", &["email"], &[]), inputs: vec![asked("1"), asked("2")] };
    let answers = hubspot.perform(&by_id).await;
    assert_eq!(record(&answers[0]).id, "1");
    assert!(matches!(answers[1], Answer::Retry { .. }), "those who were deactivated are a page of their own");
    let answers = hubspot.perform(&by_id).await;
    assert_eq!(record(&answers[1]).fields["email"], "2@crm.example");
    assert_eq!(script.sent()[2].path, "/crm/v3/owners?limit=100&archived=true");
    let by_address = Request { verb: read("Owner", "email", &[], &[]), inputs: vec![asked("2@crm.example")] };
    assert_eq!(hubspot.perform(&by_address).await, [Answer::Missing]);
    assert_eq!(script.sent().len(), 4);
}
