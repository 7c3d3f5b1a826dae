//! Search: filters, sorts, pages, and an index that lags.

use dsl::value::Duration;
use serde_json::{Value as Json, json};

use super::{CONTACTS, World};

fn filter(property: &str, operator: &str, value: &str) -> Json {
    json!({"propertyName": property, "operator": operator, "value": value})
}

/// First names that a search finds, in its order.
fn found(world: &mut World, body: &Json) -> Vec<String> {
    world.later(Duration::seconds(1));
    let mut body = body.clone();
    body["properties"] = json!(["firstname"]);
    let (status, answer) = world.post(&format!("{CONTACTS}/search"), &body);
    assert_eq!(status, 200, "{answer}");
    let name = |result: &Json| result["properties"]["firstname"].as_str().unwrap_or_default().to_owned();
    answer["results"].as_array().unwrap().iter().map(name).collect()
}

fn people(world: &mut World) {
    for (name, score, company) in [("Ada", "9", "Analytical Engines"), ("Grace", "10", "Navy"), ("Mary", "", "")] {
        let email = format!("{name}@example.com");
        world.contact(&json!({"firstname": name, "email": email, "health_score": score, "company": company}));
        world.later(Duration::seconds(1));
    }
}

#[test]
fn groups_are_alternatives_and_filters_of_a_group_hold_together() {
    let mut world = World::new();
    people(&mut world);
    let cases = [
        (json!([[filter("firstname", "EQ", "ADA")]]), vec!["Ada"]),
        (json!([[filter("firstname", "NEQ", "ada")]]), vec!["Grace", "Mary"]),
        (json!([[filter("health_score", "GT", "9")]]), vec!["Grace"]),
        (json!([[filter("health_score", "LTE", "9.0")]]), vec!["Ada"]),
        (json!([[filter("health_score", "HAS_PROPERTY", "")]]), vec!["Ada", "Grace"]),
        (json!([[filter("health_score", "NOT_HAS_PROPERTY", "")]]), vec!["Mary"]),
        (json!([[filter("company", "CONTAINS_TOKEN", "engines")]]), vec!["Ada"]),
        (json!([[filter("email", "CONTAINS_TOKEN", "*@example.com")]]), vec!["Ada", "Grace", "Mary"]),
        (json!([[filter("company", "NOT_CONTAINS_TOKEN", "navy")]]), vec!["Ada", "Mary"]),
        (
            json!([[
                json!({"propertyName": "email", "operator": "IN", "values": ["ada@example.com", "MARY@example.com"]})
            ]]),
            vec!["Ada"],
        ),
        (
            json!([[json!({"propertyName": "health_score", "operator": "BETWEEN", "value": "9", "highValue": "10"})]]),
            vec!["Ada", "Grace"],
        ),
        (
            json!([
                [filter("firstname", "EQ", "ada"), filter("company", "EQ", "navy")],
                [filter("firstname", "EQ", "mary")]
            ]),
            vec!["Mary"],
        ),
        (json!([[filter("createdate", "GTE", "1772442001000")]]), vec!["Grace", "Mary"]),
        (json!([[filter("hs_lastmodifieddate", "GTE", "0")]]), vec![]),
        (json!([[filter("subscription_plan", "EQ", "PRO")]]), vec![]),
    ];
    for (groups, expected) in cases {
        let groups: Vec<Json> =
            groups.as_array().unwrap().iter().map(|filters| json!({ "filters": filters })).collect();
        let body = json!({ "filterGroups": groups });
        assert_eq!(found(&mut world, &body), expected, "{body}");
    }
    assert_eq!(found(&mut world, &json!({"query": "navy"})), ["Grace"]);
}

#[test]
fn one_sort_orders_numbers_as_numbers_and_the_default_is_oldest_first() {
    let mut world = World::new();
    people(&mut world);
    assert_eq!(found(&mut world, &json!({})), ["Ada", "Grace", "Mary"]);
    assert_eq!(found(&mut world, &json!({"sorts": ["-createdate"]})), ["Mary", "Grace", "Ada"]);
    let by_score = json!({"sorts": [{"propertyName": "health_score", "direction": "DESCENDING"}]});
    assert_eq!(found(&mut world, &by_score), ["Grace", "Ada", "Mary"]);
    assert_eq!(world.post(&format!("{CONTACTS}/search"), &json!({"sorts": ["email", "firstname"]})).0, 400);
}

#[test]
fn a_linked_record_is_found_by_its_association() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let note = json!({"properties": {"hs_timestamp": 0}, "associations": [{"to": {"id": ada}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]}]});
    let note = world.post("/crm/v3/objects/notes", &note).1["id"].clone();
    let body = json!({"filterGroups": [{"filters": [filter("associations.contact", "EQ", &ada)]}]});
    assert_eq!(world.post("/crm/v3/objects/notes/search", &body).1["results"][0]["id"], note);
}

#[test]
fn a_write_is_searched_after_the_delay_and_read_at_once() {
    let mut world = World::new();
    world.twin.delay_index(Duration::seconds(5));
    let ada = world.contact(&json!({"firstname": "Ada"}));
    assert_eq!(world.get(&format!("{CONTACTS}/{ada}")).0, 200);
    assert!(found(&mut world, &json!({})).is_empty());
    world.later(Duration::seconds(4));
    assert_eq!(found(&mut world, &json!({})), ["Ada"]);
    let change = json!({"properties": {"firstname": "Augusta"}});
    assert_eq!(world.call("PATCH", &format!("{CONTACTS}/{ada}"), &change).0, 200);
    assert_eq!(world.get(&format!("{CONTACTS}/{ada}")).1["properties"]["firstname"], "Augusta");
    assert_eq!(found(&mut world, &json!({})), ["Ada"], "the index still has the old state");
    world.later(Duration::seconds(5));
    assert_eq!(found(&mut world, &json!({})), ["Augusta"]);
    world.call("DELETE", &format!("{CONTACTS}/{ada}"), &Json::Null);
    assert!(found(&mut world, &json!({})).is_empty(), "archived records never appear");
}

#[test]
fn pages_hold_two_hundred_and_end_at_ten_thousand() {
    let mut world = World::new();
    for n in 0..10_050 {
        let values = [("firstname".to_owned(), format!("{n}"))].into();
        world.twin.place("Contact", None, values, world.now).unwrap();
    }
    let search = |world: &mut World, limit: u64, after: u64| {
        world.later(Duration::seconds(1));
        world.post(&format!("{CONTACTS}/search"), &json!({"limit": limit, "after": after.to_string()}))
    };
    let (status, body) = search(&mut world, 200, 0);
    assert_eq!((status, body["total"].as_u64(), body["results"].as_array().unwrap().len()), (200, Some(10_050), 200));
    assert_eq!(body["paging"]["next"]["after"], "200");
    assert_eq!(search(&mut world, 201, 0).0, 400);
    let (status, last) = search(&mut world, 200, 9_800);
    assert_eq!((status, &last["paging"]["next"]["after"]), (200, &json!("10000")));
    assert_eq!(search(&mut world, 200, 10_000).0, 400);
    assert_eq!(world.post(&format!("{CONTACTS}/search"), &json!({"after": "x"})).0, 400);
}

#[test]
fn a_search_that_asks_too_much_is_refused() {
    let mut world = World::new();
    let one = filter("firstname", "EQ", "a");
    let groups = |groups: usize, filters: usize| json!({"filterGroups": vec![json!({"filters": vec![one.clone(); filters]}); groups]});
    for (body, status) in [(groups(5, 3), 200), (groups(6, 1), 400), (groups(1, 7), 400), (groups(4, 5), 400)] {
        world.later(Duration::seconds(1));
        assert_eq!(world.post(&format!("{CONTACTS}/search"), &body).0, status, "{body}");
    }
    assert_eq!(world.post(&format!("{CONTACTS}/search"), &json!({"query": "a".repeat(3_000)})).0, 400);
}
