//! Pipelines of the account's own, and their stages.

use serde_json::{Value as Json, json};

use super::World;

const DEALS: &str = "/crm/v3/pipelines/deals";

fn stage(label: &str, chance: &str) -> Json {
    json!({"label": label, "displayOrder": 1, "metadata": {"probability": chance}})
}

fn renewals(world: &mut World) -> Json {
    let body =
        json!({"label": "Renewals", "displayOrder": 1, "stages": [stage("Due", "0.5"), stage("Renewed", "1.0")]});
    let (status, made) = world.post(DEALS, &body);
    assert_eq!(status, 201, "{made}");
    made
}

/// The status of a deal that is made in a stage.
fn deal(world: &mut World, stage: &Json) -> u16 {
    let body = json!({"properties": {"dealname": "x", "dealstage": stage}});
    world.post("/crm/v3/objects/deals", &body).0
}

#[test]
fn a_pipeline_of_the_accounts_own_has_numbers_for_ids_and_its_stages_are_taken() {
    let mut world = World::new();
    let made = renewals(&mut world);
    let due = &made["stages"][0];
    for id in [&made["id"], &due["id"]] {
        assert!(id.as_str().unwrap().bytes().all(|b| b.is_ascii_digit()), "{id}");
    }
    assert_eq!(due["metadata"], json!({"probability": "0.5", "isClosed": "false"}));
    assert_eq!(made["stages"][1]["metadata"]["isClosed"], "true", "a chance of one is the end");
    let all = world.get(DEALS).1;
    let labels: Vec<&Json> = all["results"].as_array().unwrap().iter().map(|pipeline| &pipeline["label"]).collect();
    assert_eq!(labels, ["Sales Pipeline", "Renewals"]);
    assert_eq!(world.get(&format!("{DEALS}/{}", made["id"].as_str().unwrap())).1, made);
    assert_eq!(deal(&mut world, &due["id"]), 201);
    assert_eq!(deal(&mut world, &json!("Due")), 400, "a label is no value");
    let options = world.get("/crm/v3/properties/deals/dealstage").1["options"].clone();
    assert_eq!(options.as_array().unwrap().len(), 9);
    assert_eq!((&options[7]["value"], &options[7]["label"]), (&due["id"], &json!("Due")));
}

#[test]
fn one_stage_is_read_made_renamed_and_archived() {
    let mut world = World::new();
    let made = renewals(&mut world);
    let stages = format!("/crm/pipelines/2026-09/0-3/{}/stages", made["id"].as_str().unwrap());
    let due = format!("{stages}/{}", made["stages"][0]["id"].as_str().unwrap());
    assert_eq!(world.get(&due).1, made["stages"][0]);
    let (status, asked) = world.post(&stages, &stage("Asked", "0.7"));
    assert_eq!((status, &asked["metadata"]["probability"]), (201, &json!("0.7")));
    assert_eq!(world.get(&stages).1["results"].as_array().unwrap().len(), 3);
    let (status, renamed) = world.call("PATCH", &due, &json!({"label": "Due soon"}));
    assert_eq!(
        (status, &renamed["label"], &renamed["metadata"]),
        (200, &json!("Due soon"), &made["stages"][0]["metadata"])
    );
    let put = json!({"label": "Due", "displayOrder": 4, "metadata": {"probability": 0.0}});
    assert_eq!(world.call("PUT", &due, &put).1["metadata"], json!({"probability": "0.0", "isClosed": "true"}));
    assert_eq!(world.call("DELETE", &due, &Json::Null).0, 204);
    assert_eq!((world.get(&due).0, deal(&mut world, &made["stages"][0]["id"])), (404, 400));
    for wrong in [json!({"label": "x"}), stage("x", "2"), json!({"label": "x", "displayOrder": 1, "metadata": {}})] {
        assert_eq!(world.post(&stages, &wrong).0, 400, "{wrong}");
    }
}

#[test]
fn a_pipeline_is_renamed_audited_and_archived_but_for_the_last() {
    let mut world = World::new();
    let made = renewals(&mut world);
    let path = format!("{DEALS}/{}", made["id"].as_str().unwrap());
    world.later(dsl::value::Duration::seconds(1));
    assert_eq!(world.call("PATCH", &path, &json!({"label": "Renewal"})).1["label"], "Renewal");
    let audit = world.get(&format!("{path}/audit")).1["results"].clone();
    assert_eq!((&audit[0]["action"], &audit[1]["action"]), (&json!("UPDATE"), &json!("CREATE")));
    assert_eq!(world.call("DELETE", &path, &Json::Null).0, 204);
    assert_eq!((world.get(&path).0, deal(&mut world, &made["stages"][0]["id"])), (404, 400));
    assert_eq!(world.call("DELETE", &format!("{DEALS}/default"), &Json::Null).0, 400, "one has to stay");
    assert_eq!(world.get(&format!("{DEALS}/default/stages/closedwon")).1["label"], "Closed Won");
    assert_eq!(world.get("/crm/v3/pipelines/tickets/0/stages/1").1["label"], "New");
}

#[test]
fn a_pipeline_that_is_replaced_has_the_new_stages_and_no_other() {
    let mut world = World::new();
    let made = renewals(&mut world);
    let path = format!("{DEALS}/{}", made["id"].as_str().unwrap());
    let whole = json!({"label": "Repeats", "displayOrder": 2, "stages": [stage("Asked", "0.3")]});
    let (status, replaced) = world.call("PUT", &path, &whole);
    assert_eq!((status, &replaced["id"], &replaced["label"]), (200, &made["id"], &json!("Repeats")));
    assert_eq!(replaced["stages"].as_array().unwrap().len(), 1);
    assert_eq!(deal(&mut world, &replaced["stages"][0]["id"]), 201);
    assert_eq!(deal(&mut world, &made["stages"][0]["id"]), 400, "its stage is gone");
    assert_eq!(world.call("PUT", &path, &json!({"label": "x", "displayOrder": 2})).0, 400, "the whole has stages");
    assert_eq!(world.get(&path).1["label"], "Repeats");
}
