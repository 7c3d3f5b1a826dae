//! One app in two HubSpot accounts: one address, one secret, and a system of the rules for each account.

use std::time::Duration;

use connectors::hubspot::signature::sign_v3;
use connectors::secret::Secret;
use engine::testing::clock::wall;
use serde_json::{Value as Json, json};

use crate::inside::get;
use crate::stage::{Running, Stage, client};

const SOUTH: &str = r#"
system south {
  schema "schemas/south.lock"
  limit  api 100 calls per 10 seconds
}

events from south over webhook {
  verify hubspot
  dedupe for 24 hours
  "deal.creation" -> event south.Deal
  "company.creation", "company.merge", "company.propertyChange" -> ignore
  "contact.associationChange", "contact.creation", "contact.deletion", "contact.merge" -> ignore
  "contact.privacyDeletion", "contact.propertyChange", "contact.restore" -> ignore
  "deal.associationChange", "deal.deletion", "deal.merge", "deal.propertyChange", "deal.restore" -> ignore
  "note.associationChange", "note.creation", "note.propertyChange" -> ignore
  "ticket.creation", "ticket.merge", "ticket.propertyChange" -> ignore
}

when south.Deal is created as deal {
  notify role "customer-success" about deal "A deal of the south" accept duplicates
}
"#;

/// A stage whose app is in the accounts 1 (`crm`) and 2 (`south`), and its engine.yaml with this webhook of the second.
fn two_accounts(webhook: &str, portal: &str) -> (Stage, String) {
    let stage = Stage::new();
    let lock = std::fs::read_to_string(stage.path("rules/schemas/crm.lock")).expect("the lock is there");
    stage.write("rules/schemas/south.lock", &lock.replacen("system: crm", "system: south", 1));
    stage.write("rules/south.rules", SOUTH);
    let yaml = stage.yaml(Stage::HOSTS, "");
    let yaml = yaml.replacen("    app_id: 7700123\n", "    app_id: 7700123\n    portal_id: 1\n", 1);
    let south = format!(
        "  south:\n    connector: hubspot\n    base_url: http://crm.test\n    token_file: crm-token\n    app_id: 7700123\n    \
         {portal}\n    webhook: {{ {webhook}, public_url: https://engine.test/webhooks/crm, client_secret_file: client-secret }}\n  app:\n"
    );
    (stage, yaml.replacen("  app:\n", &south, 1))
}

/// A deal that was made in an account, as HubSpot tells it.
fn made(portal: Option<u64>, deal: u64) -> Json {
    let mut event = json!({"eventId": deal, "subscriptionId": 1, "appId": 7_700_123, "occurredAt": wall().0,
        "subscriptionType": "deal.creation", "attemptNumber": 0, "objectId": deal, "changeSource": "CRM_UI"});
    if let Some(portal) = portal {
        event["portalId"] = portal.into();
    }
    event
}

async fn deliver(running: &Running, events: &[Json]) -> u16 {
    let body = Json::from(events.to_vec()).to_string();
    let now = wall().0.to_string();
    let secret = Secret::new("client-secret");
    let signature = sign_v3(&secret, "POST", "https://engine.test/webhooks/crm", body.as_bytes(), &now);
    let answer = reqwest::Client::new()
        .post(format!("http://{}/webhooks/crm", running.webhooks))
        .header("x-hubspot-signature-v3", signature)
        .header("x-hubspot-request-timestamp", now)
        .header("content-type", "application/json")
        .body(body);
    answer.send().await.expect("the door answers").status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_two_accounts_at_one_path_go_each_to_its_system() {
    let (stage, yaml) = two_accounts("path: /webhooks/crm", "portal_id: 2");
    let running = stage.start_as(&yaml).await.expect("the engine starts");
    let mixed = [made(Some(1), 101), made(Some(2), 202), made(Some(3), 303), made(Some(2), 203)];
    assert_eq!(deliver(&running, &mixed).await, 200);
    for id in ["202", "203"] {
        let told = async {
            loop {
                let why = client(running.admin).why(id, None).await.expect("it is told");
                if let Some(line) = why.history.first() {
                    return line.entity.clone();
                }
                tokio::task::yield_now().await;
            }
        };
        let entity = tokio::time::timeout(Duration::from_secs(20), told).await.expect("its reaction is told");
        assert_eq!(entity, "south.Deal");
    }
    let first = client(running.admin).why("101", None).await.expect("it is told");
    assert_eq!(first.links.iter().map(|link| link.sync.as_str()).collect::<Vec<_>>(), ["Deals"]);
    let strange = client(running.admin).why("303", None).await.expect("it is told");
    assert!(strange.links.is_empty() && strange.history.is_empty(), "{strange:?}");

    // Nothing but a stranger's, and one of which nobody can tell whose it is.
    assert_eq!(deliver(&running, &[made(Some(3), 304)]).await, 403);
    assert_eq!(deliver(&running, &[made(Some(2), 204), made(None, 205)]).await, 400);
    let (_, figures) = get(running.admin, "/metrics").await;
    assert!(figures.contains("engine_deliveries_refused_total{system=\"crm\",reason=\"account\"} 2"), "{figures}");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_systems_whose_deliveries_cannot_be_told_apart_do_not_share_a_path() {
    for (webhook, portal, wrong) in [
        ("path: /webhooks/crm", "concurrency: 4", "both have a `portal_id`"),
        ("path: /webhooks/crm", "portal_id: 1", "both say `portal_id: 1`"),
    ] {
        let (stage, yaml) = two_accounts(webhook, portal);
        let error = stage.start_as(&yaml).await.err().expect("it is refused");
        assert!(error.to_string().contains(wrong), "{error}");
    }
    let (stage, yaml) = two_accounts("path: /webhooks/crm", "portal_id: 2");
    let other =
        yaml.replacen("public_url: https://engine.test/webhooks/crm", "public_url: https://engine.test/other", 1);
    let error = stage.start_as(&other).await.err().expect("it is refused");
    assert!(error.to_string().contains("which differ here"), "{error}");
}
