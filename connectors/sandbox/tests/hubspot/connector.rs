//! The connector against the twin: what HubSpot's odd answers become.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::hubspot::{HubSpot as Connector, Settings};
use connectors::port::{Answer, Connector as _, Input, LimitWindow, Observed, Refusal, Request, Verb};
use connectors::secret::Secret;
use dsl::value::Timestamp;
use sandbox::InProcess;
use sandbox::hubspot::HubSpot;
use serde_json::{Value as Json, json};

use super::{TOKEN, World, shipped};

struct Between {
    twin: Arc<Mutex<HubSpot>>,
    connector: Connector,
}

impl Between {
    /// A connector that asks the twin of `world`, at the time that `world` has reached.
    fn new(world: World, version: &str) -> Self {
        let World { twin, now } = world;
        let twin = Arc::new(Mutex::new(twin));
        let settings = Settings {
            base_url: "https://api.hubapi.com".into(),
            api_version: version.into(),
            app_id: Some(7_700_123),
            portal_id: None,
        };
        let transport = Arc::new(InProcess::new(Arc::clone(&twin), move || now));
        Self { connector: Connector::new(settings, Secret::new(TOKEN), shipped(), transport), twin }
    }

    async fn ask(&self, verb: Verb, inputs: &[(Option<&str>, Json)]) -> Vec<Answer> {
        let input = |(n, (id, values)): (usize, &(Option<&str>, Json))| {
            let values: BTreeMap<String, Json> = values.as_object().cloned().unwrap_or_default().into_iter().collect();
            Input { key: format!("key-{n}"), id: id.map(str::to_owned), values, ..Input::default() }
        };
        let inputs = inputs.iter().enumerate().map(input).collect();
        self.connector.perform(&Request { verb, inputs }).await
    }

    async fn create(&self, emails: &[&str]) -> Vec<Answer> {
        let inputs: Vec<_> = emails.iter().map(|email| (None, json!({ "email": email }))).collect();
        self.ask(Verb::Create { entity: "Contact".into() }, &inputs).await
    }

    async fn read(&self, by: &str, ids: &[&str]) -> Vec<Answer> {
        let verb = Verb::Read {
            entity: "Contact".into(),
            by: by.into(),
            fields: vec!["email".into(), "firstname".into()],
            links: Vec::new(),
        };
        let inputs: Vec<_> = ids.iter().map(|id| (Some(*id), Json::Null)).collect();
        self.ask(verb, &inputs).await
    }
}

fn record(answer: &Answer) -> &Observed {
    let Answer::Record(record) = answer else { panic!("{answer:?}") };
    record
}

/// Two contacts and the one that they were merged into.
fn merged(world: &mut World) -> [String; 3] {
    let [ada, grace] =
        ["ada", "grace"].map(|name| world.contact(&json!({"email": format!("{name}@example.com"), "firstname": name})));
    let id = world.twin.merge("Contact", ada.parse().unwrap(), grace.parse().unwrap(), world.now).unwrap();
    [ada, grace, id.to_string()]
}

#[tokio::test]
async fn a_merged_record_is_read_under_its_old_ids_alone_and_in_batches() {
    for version in ["v3", "2026-09"] {
        let mut world = World::new();
        let [ada, grace, id] = merged(&mut world);
        let between = Between::new(world, version);
        for old in [&ada, &grace, &id] {
            let answers = between.read("id", &[old]).await;
            assert_eq!(
                (record(&answers[0]).id.as_str(), &record(&answers[0]).fields["firstname"]),
                (id.as_str(), &json!("ada"))
            );
        }
        let answers = between.read("id", &[&ada, "1", &grace]).await;
        assert_eq!(record(&answers[0]).id, id);
        assert_eq!(answers[1], Answer::Missing);
        assert_eq!(record(&answers[2]).id, id);
        let update =
            between.ask(Verb::Update { entity: "Contact".into() }, &[(Some(&ada), json!({"firstname": "A"}))]).await;
        assert!(matches!(update[0], Answer::Unknown { .. }), "a batch is silent about it: {update:?}");
    }
}

#[tokio::test]
async fn a_contact_is_read_by_its_address_alone_and_in_batches() {
    let mut world = World::new();
    let [ada, grace] = ["ada+1", "grace"]
        .map(|name| world.contact(&json!({"email": format!("{name}@example.com"), "firstname": name})));
    let between = Between::new(world, "2026-09");
    for (asked, found) in [("ada+1@example.com", &ada), ("Grace@example.com", &grace)] {
        assert_eq!(record(&between.read("email", &[asked]).await[0]).id, *found);
    }
    let answers = between.read("email", &["ada+1@example.com", "nobody@example.com", "grace@example.com"]).await;
    assert_eq!([record(&answers[0]).id.as_str(), &record(&answers[2]).id], [&ada, &grace]);
    assert_eq!(answers[1], Answer::Missing);
}

#[tokio::test]
async fn a_taken_address_names_its_owner_in_every_form() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com", "hs_additional_emails": "al@example.com"}));
    world.twin.race_next(1);
    let between = Between::new(world, "2026-09");
    // In turn: the race form, the conflict, and an additional address.
    for email in ["ada@example.com", "ada@example.com", "al@example.com"] {
        let answers = between.create(&[email]).await;
        let Answer::Refused { refusal, .. } = &answers[0] else { panic!("{answers:?}") };
        assert_eq!(*refusal, Refusal::Exists(Some(ada.clone())));
    }
}

#[tokio::test]
async fn of_a_batch_each_input_gets_its_own_answer() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    let between = Between::new(world, "2026-09");
    let answers = between.create(&["new@example.com", "ADA@example.com", "no address", "other@example.com"]).await;
    assert_eq!(record(&answers[0]).fields["email"], json!("new@example.com"));
    assert!(
        matches!(&answers[1], Answer::Refused { refusal: Refusal::Exists(Some(id)), .. } if *id == ada),
        "{answers:?}"
    );
    assert!(matches!(&answers[2], Answer::Refused { refusal: Refusal::Invalid(_), .. }), "{answers:?}");
    assert_eq!(record(&answers[3]).fields["email"], json!("other@example.com"));
    assert_eq!(between.twin.lock().unwrap().records("Contact").count(), 3);
}

#[tokio::test]
async fn the_kinds_of_429_and_of_waiting_are_told_apart() {
    let mut world = World::new();
    world.contact(&json!({"email": "ada@example.com"}));
    let between = Between::new(world, "2026-09");
    let fail = |status| between.twin.lock().unwrap().faults().fail_next(1, status);
    fail(429);
    let general = between.read("email", &["ada@example.com"]).await;
    assert_eq!(
        general[0],
        Answer::RateLimited { after: None, window: LimitWindow::Sliding, policy: Some("TEN_SECONDLY_ROLLING".into()) }
    );
    fail(423);
    let locked = between.read("email", &["ada@example.com"]).await;
    assert!(
        matches!(locked[0], Answer::Retry { after: Some(after), .. } if after == Duration::from_secs(2)),
        "{locked:?}"
    );
    fail(477);
    let moving = between.read("email", &["ada@example.com"]).await;
    assert!(
        matches!(moving[0], Answer::Retry { after: Some(after), .. } if after == Duration::from_secs(3_600)),
        "{moving:?}"
    );
    fail(502);
    let reading = between.read("email", &["ada@example.com"]).await;
    assert!(matches!(reading[0], Answer::Retry { .. }), "{reading:?}");
    let list = || Verb::List {
        entity: "Contact".into(),
        fields: Vec::new(),
        links: Vec::new(),
        since: Some(dsl::value::Timestamp(0)),
    };
    for _ in 0..5 {
        assert!(matches!(between.ask(list(), &[(None, Json::Null)]).await[0], Answer::Page { .. }));
    }
    let search = between.ask(list(), &[(None, Json::Null)]).await;
    assert_eq!(
        search[0],
        Answer::RateLimited {
            after: Some(Duration::from_secs(1)),
            window: LimitWindow::Unknown,
            policy: Some("RATE_LIMITS".into())
        }
    );
    between.twin.lock().unwrap().daily_limit(0);
    let daily = between.read("email", &["ada@example.com"]).await;
    assert!(matches!(&daily[0], Answer::RateLimited { window: LimitWindow::Day, .. }), "{daily:?}");
}

#[tokio::test]
async fn an_archived_and_an_erased_contact_are_missing() {
    let mut world = World::new();
    let [ada, grace] = ["ada", "grace"].map(|name| world.contact(&json!({"email": format!("{name}@example.com")})));
    world.twin.archive("Contact", ada.parse().unwrap(), world.now);
    world.twin.privacy_delete(grace.parse().unwrap(), world.now);
    let between = Between::new(world, "2026-09");
    assert_eq!(between.read("id", &[&ada, &grace]).await, [Answer::Missing, Answer::Missing]);
    assert_eq!(between.read("id", &[&ada]).await, [Answer::Missing]);
    assert_eq!(between.read("email", &["ada@example.com"]).await, [Answer::Missing]);
}

#[tokio::test]
async fn what_changed_lately_is_listed_once_the_index_has_it() {
    let mut world = World::new();
    world.twin.delay_index(dsl::value::Duration::seconds(5));
    let since = world.now;
    world.contact(&json!({"email": "ada@example.com"}));
    world.later(dsl::value::Duration::seconds(5));
    world.contact(&json!({"email": "grace@example.com"}));
    let between = Between::new(world, "2026-09");
    let verb =
        Verb::List { entity: "Contact".into(), fields: vec!["email".into()], links: Vec::new(), since: Some(since) };
    let answers = between.ask(verb, &[(None, Json::Null)]).await;
    let Answer::Page { records, next: None } = &answers[0] else { panic!("{answers:?}") };
    let emails: Vec<&Json> = records.iter().map(|record| &record.fields["email"]).collect();
    assert_eq!(emails, [&json!("ada@example.com")]);
}

#[tokio::test]
async fn more_than_ten_thousand_changes_of_one_millisecond_are_listed() {
    let mut world = World::new();
    let since = world.now;
    for _ in 0..10_150 {
        world.twin.place("Note", None, [("hs_note_body".to_owned(), "n".to_owned())].into(), since).expect("taken");
    }
    let World { twin, now } = world;
    let settings = Settings {
        base_url: "https://api.hubapi.com".into(),
        api_version: "2026-09".into(),
        app_id: None,
        portal_id: None,
    };
    // A search may be asked five times a second.
    let clock = AtomicI64::new(now.0 + 1_000);
    let transport = Arc::new(InProcess::new(Arc::new(Mutex::new(twin)), move || {
        Timestamp(clock.fetch_add(250, Ordering::Relaxed))
    }));
    let connector = Connector::new(settings, Secret::new(TOKEN), shipped(), transport);
    let verb = Verb::List { entity: "Note".into(), fields: Vec::new(), links: Vec::new(), since: Some(since) };
    let mut seen = BTreeSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let input = Input { key: "k".to_owned(), id: cursor.clone(), ..Input::default() };
        let answers = connector.perform(&Request { verb: verb.clone(), inputs: vec![input] }).await;
        let [Answer::Page { records, next }] = &answers[..] else { panic!("{answers:?}") };
        seen.extend(records.iter().map(|record| record.id.clone()));
        cursor.clone_from(next);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 10_150);
}

#[tokio::test]
async fn archived_contacts_are_listed_and_live_ones_are_not() {
    let mut world = World::new();
    let [ada, _] = ["ada", "grace"].map(|name| world.contact(&json!({"email": format!("{name}@example.com")})));
    world.twin.archive("Contact", ada.parse().unwrap(), world.now);
    let between = Between::new(world, "2026-09");
    let answers = between.ask(Verb::Archived { entity: "Contact".into() }, &[(None, Json::Null)]).await;
    let Answer::Page { records, next: None } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), [ada.as_str()]);
}
