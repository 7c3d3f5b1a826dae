//! The comparison and the look-up, over sides that a test has put there by hand.

use sandbox::Model as _;
use serde_json::json;

use super::*;
use crate::cli::demo::truth::compare;

/// A stage on which no engine runs: what is on the two sides is what a test put there.
struct Scene(Stage);

impl Scene {
    async fn new() -> Self {
        let stage = Stage::build(false, false).await.expect("there is a stage");
        stage.equip();
        Self(stage)
    }

    /// A user whom a person made, and the contact that an engine would have made.
    fn pair(&mut self) -> (String, u64) {
        let user = json!({"email": "Ada@Example.com", "firstName": "Ada", "phone": "1", "lifetimeValue": "120.50"});
        let user = self.0.make_in_app("User", user).expect("the app takes it");
        let made = self.0.read("app", "User", &user, "createdAt").to_string();
        let contact = [
            ("email", "ada@example.com"),
            ("firstname", "Ada"),
            ("phone", "1"),
            ("lifetime_value", "120.5"),
            ("signed_up_at", made.as_str()),
        ];
        let now = self.0.now();
        let contact = self.0.crm().create("Contact", &contact, now).expect("HubSpot takes it");
        (user, contact)
    }

    /// As the engine would.
    fn write_in_crm(&self, entity: &str, id: u64, values: &[(&str, &str)]) {
        let now = self.0.now();
        self.0.crm().edit(entity, id, values, now).expect("HubSpot takes it");
    }

    fn compare(&self) -> Vec<Compared> {
        compare(&self.0, &self.made())
    }

    fn made(&self) -> BTreeSet<Record> {
        self.0.written.iter().filter(|w| w.made).map(|w| w.record.clone()).collect()
    }

    fn unequal(&self) -> Vec<String> {
        let all = self.compare();
        let differences = all.iter().flat_map(|sync| &sync.differences).map(|d| d.text.clone());
        differences.chain(all.iter().flat_map(|sync| &sync.lonely).map(|(_, text)| text.clone())).collect()
    }

    fn lost(&self, history: &[Event]) -> Vec<String> {
        fate(&self.0, &self.compare(), history).lost
    }

    fn doubled(&self) -> Vec<String> {
        doubled_records(&self.0, &self.compare(), &self.made())
    }
}

fn written_over(user: &str, displaced: &str) -> Event {
    Event {
        at: Timestamp(0),
        action: crate::decide::Action::Conflict,
        rule: "Contacts".to_owned(),
        place: "contacts.rules:14".to_owned(),
        entity: "app.User".to_owned(),
        left: Some(user.to_owned()),
        right: None,
        field: Some("phone".to_owned()),
        subject: "l1".to_owned(),
        value: Some("3".to_owned()),
        displaced: Some(displaced.to_owned()),
        detail: String::new(),
    }
}

#[tokio::test]
async fn both_sides_are_compared_as_the_rules_spell_them() {
    let mut scene = Scene::new().await;
    let (_, contact) = scene.pair();
    assert_eq!(scene.unequal(), [""; 0], "the address in lower case and 120.50 as 120.5 are the same");
    assert_eq!((scene.lost(&[]), scene.doubled()), (Vec::new(), Vec::new()));
    for (property, old) in [("email", "ada@example.com"), ("lifetime_value", "120.5"), ("signed_up_at", "")] {
        let old = if old.is_empty() {
            scene.0.read("crm", "Contact", &contact.to_string(), property).to_string()
        } else {
            old.to_owned()
        };
        let other = match property {
            "email" => "eve@example.com",
            "lifetime_value" => "120.51",
            _ => "2020-01-01T00:00:00.000Z",
        };
        scene.write_in_crm("Contact", contact, &[(property, other)]);
        assert_eq!(scene.unequal().len(), if property == "email" { 2 } else { 1 }, "{property}: {:?}", scene.unequal());
        scene.write_in_crm("Contact", contact, &[(property, &old)]);
    }
    assert_eq!(scene.unequal(), [""; 0]);
}

#[tokio::test]
async fn a_value_that_is_nowhere_is_lost_unless_history_names_it() {
    let mut scene = Scene::new().await;
    let (user, contact) = scene.pair();
    scene.0.edit_in_app("User", &user, json!({"phone": "2"})).unwrap();
    let lost = scene.lost(&[]);
    assert!(lost.len() == 1 && lost[0].contains("somebody wrote `2` in the app"), "{lost:?}");
    // It has arrived.
    scene.write_in_crm("Contact", contact, &[("phone", "2")]);
    assert_eq!(scene.lost(&[]), [""; 0]);
    // Somebody in HubSpot replaces what had arrived.
    scene.0.edit_in_crm("Contact", contact, &[("phone", "3")]).unwrap();
    scene.0.app().edit("User", &user, json!({"phone": "3"}), Timestamp(i64::MAX / 2)).unwrap();
    assert_eq!(scene.lost(&[]), [""; 0]);
}

#[tokio::test]
async fn a_value_that_never_arrived_needs_its_line_of_history() {
    let mut scene = Scene::new().await;
    let (user, contact) = scene.pair();
    scene.0.edit_in_app("User", &user, json!({"phone": "2"})).unwrap();
    scene.0.edit_in_crm("Contact", contact, &[("phone", "3")]).unwrap();
    let now = scene.0.now();
    scene.0.app().edit("User", &user, json!({"phone": "3"}), now).unwrap();
    assert_eq!(scene.unequal(), [""; 0]);
    assert_eq!(scene.lost(&[]).len(), 1);
    assert_eq!(scene.lost(&[written_over(&user, "7"), written_over("user-9", "2")]).len(), 1);
    assert_eq!(scene.lost(&[written_over(&user, "2")]), [""; 0]);
}

#[tokio::test]
async fn a_record_without_a_partner_and_one_too_many_are_told() {
    let mut scene = Scene::new().await;
    let note = scene.0.make_in_app("Note", json!({"body": "Called"})).unwrap();
    assert!(scene.unequal()[0].contains("has no Note in HubSpot"), "{:?}", scene.unequal());
    assert_eq!(scene.lost(&[]).len(), 1, "its text is nowhere in HubSpot");
    let now = scene.0.now();
    let values = [("hs_note_body", "Called"), ("hs_timestamp", "2026-03-02T09:00:00.000Z")];
    let made = scene.0.crm().create("Note", &values, now).unwrap();
    scene.0.app().edit("Note", &note, json!({"crmNoteId": made.to_string()}), now).unwrap();
    assert_eq!(scene.doubled(), [""; 0]);
    scene.0.crm().create("Note", &values, now).unwrap();
    let doubled = scene.doubled();
    assert!(doubled.len() == 1 && doubled[0].contains("in HubSpot is one too many"), "{doubled:?}");
}

#[tokio::test]
async fn an_effect_that_nobody_asked_for_is_one_too_many() {
    let mut scene = Scene::new().await;
    scene.0.expect("/send", "welcome", "ada@example.com");
    let send = |scene: &Scene, path: &str, body: serde_json::Value| {
        let now = scene.0.now();
        let request = http::Request::post(path).header("authorization", "Bearer demo-token");
        let request = request.body(bytes::Bytes::from(body.to_string())).unwrap();
        assert_eq!(scene.0.mail().handle(&request, now).status(), 200);
    };
    let welcome = json!({"template": "welcome", "to": "ada@example.com"});
    send(&scene, "/send", welcome.clone());
    assert_eq!(doubled_effects(&scene.0), [""; 0]);
    send(&scene, "/send", welcome);
    assert_eq!(doubled_effects(&scene.0), ["send welcome to ada@example.com happened 2 times instead of 1"]);
    // A notice may come again after a kill.
    scene.0.expect("/notify", "sales-manager", "lead@example.com");
    let notice = json!({"role": "sales-manager", "to": "lead@example.com"});
    send(&scene, "/notify", notice.clone());
    let now = scene.0.now();
    scene.0.kills.push(now);
    send(&scene, "/notify", notice.clone());
    assert_eq!(doubled_effects(&scene.0).len(), 1);
    scene.0.kills.clear();
    assert_eq!(doubled_effects(&scene.0).len(), 2);
}
