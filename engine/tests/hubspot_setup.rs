//! `engine hubspot setup` against the HubSpot twin as an account is handed over: the command as a process, the twin on a
//! port.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dsl::schema::read_lock;
use engine::Builder;
use engine::testing::clock::wall;
use sandbox::app::App;
use sandbox::hubspot::{HubSpot, Settings};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

/// Properties that the shipped rules need and an account does not have.
const NEEDED: [&str; 13] = [
    "Company.engine_link_id",
    "Contact.health_score",
    "Contact.lifetime_value",
    "Contact.signed_up_at",
    "Contact.subscription_plan",
    "Contact.subscription_status",
    "Deal.engine_link_id",
    "Deal.probability",
    "Deal.source_subscription_id",
    "Deal.subscription_plan",
    "Note.engine_link_id",
    "Note.importance",
    "Note.source_id",
];

/// An account, and a folder with the shipped rules and an engine.yaml that leads to it.
struct Account {
    twin: Arc<Mutex<HubSpot>>,
    folder: tempfile::TempDir,
    url: String,
    stop: CancellationToken,
}

impl Drop for Account {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Account {
    async fn empty() -> Self {
        let settings = Settings {
            portal_id: 4_711,
            app_id: 7_700_123,
            client_secret: "client-secret".to_owned(),
            token: "the-token".to_owned(),
            webhook_url: None,
            limit: 1_000,
            seed: 1,
        };
        let twin = Arc::new(Mutex::new(HubSpot::empty(settings)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let stop = CancellationToken::new();
        let served = sandbox::face::serve(Arc::clone(&twin), listener, Arc::new(wall), stop.clone());
        tokio::spawn(served);
        let folder = tempfile::tempdir().expect("a folder can be made");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        let text = std::fs::read_to_string(rules.join("engine.yaml")).expect("the file is there");
        let rules = rules.canonicalize().expect("the folder is there");
        let text =
            text.replace("https://api.hubapi.com", &url).replace("rules: .", &format!("rules: {}", rules.display()));
        std::fs::write(folder.path().join("engine.yaml"), text).expect("a file can be written");
        Self { twin, folder, url, stop }
    }

    /// One whose people took the stage away for which the shipped rules have no word.
    async fn with_the_stages_of_the_rules() -> Self {
        let account = Self::empty().await;
        let url = format!("{}/crm/pipelines/2026-09/deals/default/stages/contractsent", account.url);
        let request = reqwest::Client::new().delete(url).bearer_auth("the-token");
        assert_eq!(request.send().await.expect("it answers").status(), 204);
        account
    }

    /// An app with one user, and an engine between it and the account.
    async fn engine_with_a_user(&self) -> engine::Engine {
        let settings = sandbox::app::Settings { token: "the-token".to_owned(), ..Default::default() };
        let lock = read_lock(include_str!("../../rules/schemas/app.lock")).expect("the lock is sound");
        let app = Arc::new(Mutex::new(App::new(settings, lock)));
        let user = serde_json::json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace",
                                      "lifetimeValue": "12.50", "healthScore": 87});
        app.lock().expect("a sound twin").create("User", user, wall()).expect("the app takes it");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let app_url = format!("http://{}", listener.local_addr().expect("it is bound"));
        tokio::spawn(sandbox::face::serve(app, listener, Arc::new(wall), self.stop.clone()));
        std::fs::write(self.folder.path().join("token"), "the-token").expect("a file can be written");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        let rules = rules.canonicalize().expect("the folder is there");
        let operations = "{ email: { path: /send, body: {} }, survey: { path: /survey, body: {} }, notify: { path: /notify, body: {} } }";
        let text = format!(
            "rules: {}\nstate: state\nlisten: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\nsystems:\n  \
             crm: {{ connector: hubspot, base_url: {}, token_file: token, app_id: 7700123 }}\n  \
             app: {{ connector: rest, base_url: {app_url}, token_file: token }}\n  \
             mail: {{ connector: http, base_url: {app_url}, operations: {operations} }}\nruntime: {{ hold: 20ms }}\n",
            rules.display(),
            self.url
        );
        let path = self.folder.path().join("running.yaml");
        std::fs::write(&path, text).expect("a file can be written");
        Builder::from_config(path).expect("the file is sound").start().await.expect("the engine starts")
    }

    /// Waits until the account has a contact of this address; gives one of its values.
    async fn contact(&self, email: &str, property: &str) -> String {
        let mut changes = self.twin.lock().expect("a sound twin").changes();
        let found = async {
            loop {
                if let Some(contact) = self.twin.lock().expect("a sound twin").find("Contact", "email", email) {
                    return contact.properties.get(property).cloned().unwrap_or_default();
                }
                changes.changed().await.expect("the twin lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("the contact is made")
    }

    async fn setup(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.setup_as("the-token", arguments).await
    }

    /// Exit code, stdout and stderr of the command with this token.
    async fn setup_as(&self, token: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(["hubspot", "setup", "--config"]).arg(self.folder.path().join("engine.yaml")).args(arguments);
        command.env("HUBSPOT_TOKEN", token).stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().await.expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (out, err) = (text(stdout), text(stderr));
        assert!(!format!("{out}{err}").contains(token), "a token is shown: {out}{err}");
        (status.code(), out, err)
    }

    /// The report, with the exit code.
    async fn report(&self, arguments: &[&str]) -> (Option<i32>, Json) {
        let (code, out, err) = self.setup(&[arguments, &["--json"]].concat()).await;
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
    }

    /// A property as the account shows it; `None` where there is none.
    async fn property(&self, kind: &str, name: &str) -> Option<Json> {
        let url = format!("{}/crm/properties/2026-09/{kind}/{name}", self.url);
        let answer = reqwest::Client::new().get(url).bearer_auth("the-token").send().await.expect("it answers");
        if answer.status() == 404 {
            return None;
        }
        Some(serde_json::from_slice(&answer.bytes().await.expect("a whole answer")).expect("JSON"))
    }

    async fn make(&self, kind: &str, property: &Json) {
        let url = format!("{}/crm/properties/2026-09/{kind}", self.url);
        let request = reqwest::Client::new().post(url).bearer_auth("the-token").body(property.to_string());
        assert_eq!(request.send().await.expect("it answers").status(), 201);
    }

    fn writes(&self) -> u64 {
        let twin = self.twin.lock().expect("a sound twin");
        twin.calls().total - twin.calls().reads
    }
}

/// Names of the steps with this result, groups left out.
fn steps(report: &Json, result: &str) -> Vec<String> {
    let steps = report["steps"].as_array().expect("a list").iter().filter(|step| step["result"] == result);
    let names = steps.map(|step| step["name"].as_str().expect("a name").to_owned());
    names.filter(|name| !name.contains("group")).collect()
}

fn findings(report: &Json) -> Vec<String> {
    let said = |finding: &Json| format!("{}: {}", finding["about"], finding["what"]).replace('"', "");
    report["findings"].as_array().expect("a list").iter().map(said).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_account_gets_what_the_rules_need_and_a_second_run_changes_nothing() {
    let account = Account::with_the_stages_of_the_rules().await;
    let (code, planned) = account.report(&["--plan"]).await;
    assert_eq!((code, steps(&planned, "missing")), (Some(0), NEEDED.map(str::to_owned).to_vec()));
    assert_eq!(planned["account"]["id"], 4_711);
    assert_eq!(planned["api_version"], "2026-09");
    let (code, checked) = account.report(&["--check"]).await;
    assert_eq!((code, steps(&checked, "missing").len()), (Some(1), NEEDED.len()));
    let (code, out, err) = account.setup(&[]).await;
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(err.contains("--yes"), "{err}");
    assert_eq!(account.property("contacts", "signed_up_at").await, None, "nobody was asked");

    let (code, made) = account.report(&["--yes"]).await;
    assert_eq!((code, findings(&made)), (Some(0), vec![]));
    assert_eq!(steps(&made, "made"), NEEDED);
    let source = account.property("0-46", "source_id").await.expect("it was made");
    assert_eq!(
        (&source["type"], &source["hasUniqueValue"], &source["groupName"]),
        (&"string".into(), &true.into(), &"engine".into())
    );
    let plan = account.property("contacts", "subscription_plan").await.expect("it was made");
    let options: Vec<&str> =
        plan["options"].as_array().expect("options").iter().filter_map(|o| o["value"].as_str()).collect();
    assert_eq!(options, ["free", "starter", "pro", "enterprise"]);

    let before = account.twin.lock().expect("a sound twin").calls().clone();
    let (code, again) = account.report(&["--yes"]).await;
    assert_eq!((code, again["steps"].as_array().map(Vec::len)), (Some(0), Some(0)));
    let (code, _) = account.report(&["--check"]).await;
    assert_eq!(code, Some(0));
    let after = account.twin.lock().expect("a sound twin").calls().clone();
    assert_eq!(after.writes, before.writes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_no_row_spells_is_told_with_its_pipeline_and_fails_the_check() {
    let account = Account::empty().await;
    let (code, made) = account.report(&["--yes"]).await;
    let told = "Deal.dealstage: no row of the rules spells the stage `contractsent` (Contract Sent, in the pipeline Sales Pipeline)";
    assert_eq!((code, findings(&made)), (Some(1), vec![told.to_owned()]));
    assert_eq!(steps(&made, "made"), NEEDED, "it holds up nothing else");
    let (code, checked) = account.report(&["--check"]).await;
    assert_eq!((code, findings(&checked)), (Some(1), vec![told.to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_may_not_make_properties_is_told_the_scope_and_the_rest_is_made() {
    let account = Account::with_the_stages_of_the_rules().await;
    let may = [
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.schemas.contacts.read",
        "crm.objects.companies.read",
        "crm.objects.companies.write",
        "crm.schemas.companies.read",
        "crm.schemas.companies.write",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
        "crm.schemas.deals.read",
        "crm.schemas.deals.write",
        "tickets",
        "crm.objects.owners.read",
    ];
    account.twin.lock().expect("a sound twin").allow(Some(&may));
    let (code, made) = account.report(&["--yes"]).await;
    assert_eq!(code, Some(1));
    assert!(account.property("deals", "probability").await.is_some());
    assert!(account.property("contacts", "health_score").await.is_none());
    let told = findings(&made);
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert!(one.starts_with("Contact: ") && one.ends_with("lacks the scope crm.schemas.contacts.write"), "{one}");

    account.twin.lock().expect("a sound twin").allow(Some(&["crm.schemas.contacts.read"]));
    let (code, out, _) = account.setup(&["--check"]).await;
    assert_eq!(code, Some(1));
    assert!(out.contains("lacks the scope crm.objects.deals.read"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_property_of_another_type_stays_as_it_is_and_is_told() {
    let account = Account::with_the_stages_of_the_rules().await;
    let text = serde_json::json!({"name": "health_score", "label": "Health", "type": "string", "fieldType": "text",
                                  "groupName": "contactinformation"});
    account.make("contacts", &text).await;
    let (code, made) = account.report(&["--yes"]).await;
    assert_eq!(code, Some(1));
    let told = findings(&made);
    assert_eq!(told, ["Contact.health_score: it is integer in the lock, the account has string (text)"]);
    assert_eq!(account.property("contacts", "health_score").await.expect("it is there")["label"], "Health");
    assert_eq!(steps(&made, "made").len(), NEEDED.len() - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setup_that_broke_off_goes_on_where_it_stopped() {
    let account = Account::with_the_stages_of_the_rules().await;
    let limit = |calls| account.twin.lock().expect("a sound twin").daily_limit(calls);
    // Enough to read what is there and to make some of it; nobody waits for the next day.
    limit(20);
    let (code, out, err) = account.setup(&["--yes"]).await;
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(
        err.contains(" were made, then the account stopped answering") && err.contains("run the same command again"),
        "{err}"
    );
    limit(1_000);
    let (code, rest) = account.report(&["--plan"]).await;
    let left = steps(&rest, "missing").len();
    assert!(code == Some(0) && (1..NEEDED.len()).contains(&left), "{left} are left");
    let (code, made) = account.report(&["--yes"]).await;
    assert_eq!((code, steps(&made, "made").len(), findings(&made)), (Some(0), left, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_told_before_anything_else() {
    let account = Account::empty().await;
    let (code, out, err) = account.setup_as("another-token", &["--yes"]).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("does not say whose the token is") && err.contains("401"), "{err}");
    assert_eq!(account.writes(), 1, "the one question");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_account_than_the_one_of_engine_yaml_changes_nothing() {
    let account = Account::with_the_stages_of_the_rules().await;
    let (_, out, _) = account.setup(&["--plan"]).await;
    assert!(out.contains("`portal_id: 4711` under `systems.crm`"), "{out}");
    let path = account.folder.path().join("engine.yaml");
    let text = std::fs::read_to_string(&path).expect("the file is there");
    let with =
        |portal: u64| text.replace("connector: hubspot\n", &format!("connector: hubspot\n    portal_id: {portal}\n"));
    std::fs::write(&path, with(555)).expect("a file can be written");
    let before = account.twin.lock().expect("a sound twin").calls().total;
    let (code, out, err) = account.setup(&["--yes"]).await;
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(err.contains("is of the HubSpot account 4711, and engine.yaml says 555"), "{err}");
    // Whose the token is, and what it may do: nothing else was asked.
    assert!(account.twin.lock().expect("a sound twin").calls().total <= before + 2);
    std::fs::write(&path, with(4_711)).expect("a file can be written");
    let (code, out, err) = account.setup(&["--yes"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!out.contains("portal_id"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_property_whose_change_nobody_subscribed_fails_the_check() {
    let account = Account::with_the_stages_of_the_rules().await;
    assert_eq!(account.setup(&["--yes"]).await.0, Some(0));
    let file = account.folder.path().join("webhooks-hsmeta.json");
    let webhooks = ["--check", "--webhooks", file.to_str().expect("a path")];
    let (code, _, err) = account.setup(&webhooks).await;
    assert!(code == Some(2) && err.contains("webhooks-hsmeta.json"), "{err}");
    let nothing = serde_json::json!({"type": "webhooks", "config": {"subscriptions": {}, "settings": {
        "targetUrl": "https://engine.example.com/webhooks/crm"}}});
    std::fs::write(&file, nothing.to_string()).expect("a file can be written");
    let (code, checked) = account.report(&webhooks).await;
    assert_eq!((code, &checked["subscriptions_compared"]), (Some(1), &true.into()));
    let told = findings(&checked);
    let phone = "Contact.phone: its changes stay unheard: nobody subscribed to contact.propertyChange of phone";
    assert!(told.iter().any(|line| line == phone), "{told:?}");
    assert!(told.iter().all(|line| !line.contains("health_score")), "the CRM is only written there: {told:?}");
    let (code, checked) = account.report(&["--check"]).await;
    assert_eq!((code, &checked["subscriptions_compared"]), (Some(0), &false.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_it_the_first_contact_is_in_step() {
    let account = Account::with_the_stages_of_the_rules().await;
    assert_eq!(account.setup(&["--yes"]).await.0, Some(0));
    let engine = account.engine_with_a_user().await;
    engine.backfill("a test", "Contacts").await.expect("it is taken");
    assert_eq!(account.contact("ada@example.com", "health_score").await, "87");
    assert!(!account.contact("ada@example.com", "signed_up_at").await.is_empty());
    engine.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_project_that_is_written_has_every_subscription_and_scope_that_the_check_asks_for() {
    let account = Account::with_the_stages_of_the_rules().await;
    let project = async |name: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(["hubspot", "project", "--config"]).arg(account.folder.path().join("engine.yaml"));
        let Output { status, stdout, stderr } =
            command.arg(account.folder.path().join(name)).stdin(Stdio::null()).output().await.expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (status.code(), text(stdout), text(stderr))
    };
    let (code, out, err) = project("app").await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("hs project upload") && out.matches("written").count() == 3, "{out}");
    let file = |name: &str| account.folder.path().join("app").join(name);
    let webhooks = file("src/app/webhooks/webhooks-hsmeta.json");
    let app: Json = serde_json::from_slice(&std::fs::read(file("src/app/app-hsmeta.json")).expect("it was written"))
        .expect("it is JSON");
    let scopes: Vec<&str> =
        app["config"]["auth"]["requiredScopes"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();

    // A token with these scopes and no others makes what is missing, and the check has nothing more to say.
    account.twin.lock().expect("a sound twin").allow(Some(&scopes));
    let (code, made) = account.report(&["--yes"]).await;
    assert_eq!((code, findings(&made)), (Some(0), vec![]));
    let (code, checked) = account.report(&["--check", "--webhooks", webhooks.to_str().expect("UTF-8")]).await;
    assert_eq!((code, findings(&checked)), (Some(0), vec![]));

    let before = std::fs::read(&webhooks).expect("it is there");
    let (code, out, _) = project("app").await;
    assert_eq!((code, out.matches("as it is").count()), (Some(0), 3), "{out}");
    assert_eq!(std::fs::read(&webhooks).expect("it is there"), before);

    let theirs = account.folder.path().join("theirs/src/app");
    std::fs::create_dir_all(&theirs).expect("a folder can be made");
    std::fs::write(theirs.join("app-hsmeta.json"), r#"{"uid": "x", "type": "theme"}"#).expect("it can be written");
    let (code, out, err) = project("theirs").await;
    assert_eq!(code, Some(2), "{out}");
    assert!(err.contains("its `type` is `theme`, not `app`"), "{err}");
    assert!(!account.folder.path().join("theirs/hsproject.json").exists(), "nothing was written");
}
