//! What a system says of itself, as a lock: the twins' schema is that of the lock they were made with, and what an
//! account adds is found.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use connectors::hubspot::{self, HubSpot as Connector};
use connectors::registry::{self, Settings};
use connectors::secret::Secret;
use dsl::schema::{Lock, Type, differences, read_lock};
use dsl::value::Timestamp;
use sandbox::app::App;
use sandbox::hubspot::HubSpot;
use sandbox::{InProcess, Model};
use serde_json::json;

const NOW: Timestamp = Timestamp(1_772_442_000_000);

fn crm() -> Lock {
    read_lock(include_str!("../../../rules/schemas/crm.lock")).expect("the shipped lock")
}

fn twin() -> Arc<Mutex<HubSpot>> {
    let settings = sandbox::hubspot::Settings {
        portal_id: 1,
        app_id: 2,
        client_secret: "s".to_owned(),
        token: "t".to_owned(),
        webhook_url: None,
        limit: 100,
        seed: 1,
    };
    Arc::new(Mutex::new(HubSpot::new(settings, crm())))
}

async fn pull(twin: &Arc<Mutex<HubSpot>>, known: Lock, version: &str, token: &str) -> Result<Lock, String> {
    let settings = hubspot::Settings {
        base_url: "https://api.hubapi.com".to_owned(),
        api_version: version.to_owned(),
        app_id: None,
        portal_id: None,
    };
    let transport = Arc::new(InProcess::new(Arc::clone(twin), || NOW));
    Connector::new(settings, Secret::new(token), known, transport).pull("2026-11-25").await
}

fn define(twin: &Arc<Mutex<HubSpot>>, property: &serde_json::Value) {
    let request = http::Request::post("https://api.hubapi.com/crm/v3/properties/0-1")
        .header("authorization", "Bearer t")
        .header("content-type", "application/json")
        .body(Bytes::from(property.to_string()))
        .expect("a request");
    let answer = twin.lock().expect("a sound twin").handle(&request, NOW);
    assert_eq!(answer.status(), 201, "{}", String::from_utf8_lossy(answer.body()));
}

#[tokio::test]
async fn an_account_that_is_as_its_lock_says_gives_the_same_lock_by_either_version() {
    for version in ["2026-09", "v3"] {
        let lock = pull(&twin(), crm(), version, "t").await.expect("it tells");
        let told = differences(&crm(), &lock);
        // Every object of HubSpot has more properties than a lock must name; none is gone and none is another.
        assert!(told.iter().all(|line| line.starts_with("+ ")), "{told:#?}");
        assert_eq!(lock.pulled, "2026-11-25");
        assert_eq!(
            lock.entities["Deal"].fields["dealstage"].options,
            crm().entities["Deal"].fields["dealstage"].options
        );
    }
}

#[tokio::test]
async fn what_the_account_made_is_found_with_its_type_and_options() {
    let twin = twin();
    define(
        &twin,
        &json!({"name": "shoe_size", "label": "Shoe size", "type": "enumeration", "fieldType": "select",
        "groupName": "contactinformation", "options": [{"label": "41", "value": "41"}, {"label": "42", "value": "42"}]}),
    );
    define(
        &twin,
        &json!({"name": "member_no", "label": "Member number", "type": "string", "fieldType": "text",
        "groupName": "contactinformation", "hasUniqueValue": true}),
    );
    let lock = pull(&twin, crm(), "2026-09", "t").await.expect("it tells");
    let contact = &lock.entities["Contact"];
    assert_eq!(
        (&contact.fields["shoe_size"].ty, contact.fields["shoe_size"].options.as_slice()),
        (&Type::Enum, ["41", "42"].map(str::to_owned).as_slice())
    );
    assert!(
        contact.fields["member_no"].unique
            && contact.fields["member_no"].custom
            && contact.fields["member_no"].optional
    );
}

#[tokio::test]
async fn what_a_person_knows_of_a_field_stays_and_what_is_gone_goes() {
    let mut known = crm();
    let contact = known.entities.get_mut("Contact").expect("contacts");
    contact.fields.get_mut("phone").expect("a phone").protect = true;
    let gone = contact.fields["phone"].clone();
    contact.fields.insert("fax".to_owned(), gone);
    let lock = pull(&twin(), known.clone(), "2026-09", "t").await.expect("it tells");
    assert!(lock.entities["Contact"].fields["phone"].protect);
    assert_eq!(lock.entities["Contact"].fields["lifetime_value"].ty, Type::Money);
    assert!(!lock.entities["Contact"].fields.contains_key("fax"));
    assert!(differences(&known, &lock).contains(&"- crm.Contact.fax".to_owned()));
}

#[tokio::test]
async fn an_account_that_does_not_let_us_in_says_so() {
    let why = pull(&twin(), crm(), "2026-09", "wrong").await.expect_err("it does not");
    assert!(why.contains("401") || why.contains("token") || why.contains("credentials"), "{why}");
}

#[tokio::test]
async fn the_app_publishes_its_lock_itself() {
    let lock = read_lock(include_str!("../../../rules/schemas/app.lock")).expect("the shipped lock");
    let app = App::new(sandbox::app::Settings { token: "t".to_owned(), ..Default::default() }, lock.clone());
    let transport = Arc::new(InProcess::new(Arc::new(Mutex::new(app)), || NOW));
    let settings = || Settings::Rest { base_url: "http://app.example.com".to_owned() };
    let known = read_lock("lock: 1\nsystem: biometrics\nconnector: rest\npulled: 2026-01-01\n").expect("sound");
    let pulled =
        registry::pull("biometrics", settings(), Some(Secret::new("t").into()), known, "2026-11-25", transport).await;
    let pulled = pulled.expect("it tells");
    assert_eq!((pulled.system.as_str(), pulled.pulled.as_str()), ("biometrics", "2026-11-25"));
    assert_eq!((pulled.entities, pulled.operations), (lock.entities, lock.operations));
}
