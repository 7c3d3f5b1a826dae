//! The daemon as a library: real ports, real ledger, twins in the same process.

use std::net::SocketAddr;
use std::time::Duration;

use connectors::secret::Secret;
use engine::Error;
use engine::testing::admin::api::Filter;
use engine::testing::clock::wall;
use engine::testing::decide::OperatorCommand;
use engine::testing::shell::SourceState;
use futures_util::FutureExt as _;
use sandbox::hubspot::CLIENT_ID;
use serde_json::Value as Json;

use crate::stage::{Running, Stage, client};

/// A command to the admin API.
fn commanded(url: &str) -> reqwest::RequestBuilder {
    reqwest::Client::new().post(url).header("content-type", "application/json")
}

pub(crate) async fn get(admin: SocketAddr, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{admin}{path}")).await.expect("the admin API answers");
    (answer.status().as_u16(), answer.text().await.expect("a whole answer"))
}

pub(crate) async fn json(admin: SocketAddr, path: &str) -> Json {
    let (status, text) = get(admin, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("it answers JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_made_in_the_crm_becomes_a_user_over_http() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let contact = [("email", "ada@example.com"), ("firstname", "Ada"), ("lastname", "Lovelace")];
    let id = stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    let statuses = stage.deliver(running.webhooks).await;
    assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let user = stage.user("ada@example.com").await;
    assert_eq!(user["firstName"].clone(), Json::from("Ada"));

    let why = client(running.admin).why(&id.to_string(), None).await.expect("it is told");
    assert_eq!(why.links.len(), 1, "{why:?}");
    assert!(!why.history.is_empty());
    let (status, text) = get(running.admin, "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("engine_deliveries_total"), "{text}");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_found_by_its_address_and_a_field_by_its_name_in_the_rules() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let contact = [("email", "ada@example.com"), ("firstname", "Ada"), ("lastname", "Lovelace")];
    let id = stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    stage.deliver(running.webhooks).await;
    stage.user("ada@example.com").await;
    let engine = client(running.admin);
    // As the two systems compare it, whatever its case.
    let by_key = engine.why("Ada@Example.com", None).await.expect("it is told");
    let by_id = engine.why(&id.to_string(), None).await.expect("it is told");
    assert_eq!(by_key.links, by_id.links);
    assert!(!by_key.links.is_empty() && !by_key.history.is_empty(), "{by_key:?}");
    let filter = Filter { about: Some("ada@example.com".to_owned()), ..Filter::default() };
    let found = engine.links(&filter).await.expect("they are told");
    assert_eq!(found.links, by_id.links, "the pair is listed by the address too");

    // A line of which neither side has told a value is there, by its name on either side and behind a link.
    for (field, line) in
        [("phone", "phone <-> phone"), ("firstname", "firstName"), ("subscription_plan", "plan"), ("plan", "plan")]
    {
        let why = engine.why_field(&id.to_string(), field, None).await.expect("it is told");
        assert!(why.lines.len() == 1 && why.lines[0].line.contains(line), "{field}: {:?}", why.lines);
        let about =
            |event: &engine::testing::decide::Event| event.field.as_ref().is_some_and(|names| !names.is_empty());
        assert!(why.history.iter().all(about), "{:?}", why.history);
    }
    let error = engine.why_field(&id.to_string(), "fax", None).await.expect_err("no line moves it");
    let error = error.to_string();
    assert!(error.contains("no line of") && error.contains("lifetime_value, phone"), "{error}");
    // Of a record that nobody knows, that is what is said.
    let unknown = engine.why_field("no-such-record", "phone", None).await.expect("it is told");
    assert!(unknown.links.is_empty() && unknown.lines.is_empty() && unknown.history.is_empty(), "{unknown:?}");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_viewers_token_one_may_look_and_change_nothing() {
    let stage = Stage::new();
    stage.write("operator", "operator-token\n");
    stage.write("viewer", "viewer-token\n");
    let yaml = stage.yaml(Stage::HOSTS, "");
    let admin = "admin: { listen: 127.0.0.1:0, token_file: operator, viewer_token_file: viewer }";
    let running = stage.start_as(&yaml.replace("admin: { listen: 127.0.0.1:0 }", admin)).await.expect("it starts");
    let ask = async |token: &str, command: bool| {
        let (client, url) = (reqwest::Client::new(), format!("http://{}/api/v1/", running.admin));
        let request = if command {
            let body = r#"{"who": "ada", "command": "backfill", "sync": "Contacts"}"#;
            client.post(format!("{url}operator")).header("content-type", "application/json").body(body)
        } else {
            client.get(format!("{url}links"))
        };
        let answer = request.bearer_auth(token).send().await.expect("it answers");
        (answer.status().as_u16(), answer.text().await.expect("a whole answer"))
    };
    assert_eq!(ask("viewer-token", false).await.0, 200);
    let (status, said) = ask("viewer-token", true).await;
    assert!(status == 403 && said.contains("may look and change nothing"), "{status}: {said}");
    assert_eq!(ask("operator-token", true).await.0, 200);
    for nobody in ["", "viewer-toke", "viewer-token2"] {
        assert_eq!((ask(nobody, false).await.0, ask(nobody, true).await.0), (401, 401), "{nobody}");
    }
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_links_and_asks_nobody_again() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let contact = [("email", "ada@example.com"), ("firstname", "Ada")];
    stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    stage.deliver(running.webhooks).await;
    stage.user("ada@example.com").await;
    running.stop().await.expect("it stops");

    let running = stage.start().await.expect("it starts again");
    let filter = Filter { about: Some("Contacts".to_owned()), ..Filter::default() };
    let links = client(running.admin).links(&filter).await.expect("it is told");
    assert_eq!(links.total, 1, "{links:?}");
    assert_eq!(stage.app.lock().expect("a sound twin").count("User"), 1);
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_goes_on_telling_what_was_told_before_a_restart() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let contact = [("email", "ada@example.com"), ("firstname", "Ada")];
    let id = stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    stage.deliver(running.webhooks).await;
    stage.user("ada@example.com").await;
    let history = async |admin| client(admin).why(&id.to_string(), None).await.expect("it is told").history;
    // The answer of the app is told a moment after the user is there.
    let told = async {
        loop {
            let told = history(running.admin).await;
            if told.iter().any(|line| line.action == "create") {
                return told;
            }
        }
    };
    let before = tokio::time::timeout(Duration::from_secs(20), told).await.expect("the making is told");
    running.stop().await.expect("it stops");

    let running = stage.start().await.expect("it starts again");
    let told_again = async {
        loop {
            if history(running.admin).await.starts_with(&before) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told_again).await.expect("what was told is told again");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_without_its_signature_is_refused() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let url = format!("http://{}/webhooks/crm", running.webhooks);
    let answer = reqwest::Client::new().post(url).body("[]").send().await.expect("the door answers");
    assert_eq!(answer.status().as_u16(), 401);
    let (_, figures) = get(running.admin, "/metrics").await;
    let counted = "engine_deliveries_refused_total{system=\"crm\",reason=\"signature\"} ";
    assert!(figures.lines().any(|line| line.starts_with(counted)), "{figures}");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_tells_how_it_is_and_refuses_in_problem_json() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    assert_eq!(get(running.admin, "/healthz").await.0, 200);
    assert_eq!(get(running.admin, "/readyz").await.0, 200);
    let status = json(running.admin, "/api/v1/status").await;
    assert_eq!(status["schema"], 1);
    assert_eq!(status["rules"]["refused"], Json::Null);
    assert_eq!(status["limits"][0]["limit"], "api");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let page = std::fs::read_to_string(page).expect("the page for operators");
    for field in status.as_object().expect("an object").keys() {
        assert!(page.contains(&format!("`{field}`")), "{field} is not explained to operators");
    }
    assert_eq!(get(running.admin, "/nothing").await.0, 404);
    let url = format!("http://{}/api/v1/operator", running.admin);
    let body = r#"{"who": "", "command": "retry_run", "run": 1}"#;
    let answer = commanded(&url).body(body).send().await.expect("it answers");
    assert_eq!(answer.status().as_u16(), 400);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_about_what_is_not_there_is_refused_with_the_reason_and_kept_in_the_history() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let url = format!("http://{}/api/v1/operator", running.admin);
    let commands = [
        (r#"{"who": "ada", "command": "retry_run", "run": 1}"#, "there is no run r1"),
        (r#"{"who": "ada", "command": "retry_link", "link": 7}"#, "there is no link l7"),
        (r#"{"who": "ada", "command": "backfill", "sync": "Contracts"}"#, "there is no sync `Contracts`"),
    ];
    for (body, reason) in commands {
        let answer = commanded(&url).body(body).send().await.expect("it answers");
        assert_eq!(answer.status().as_u16(), 409, "{body}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Json = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("it is JSON");
        assert_eq!(problem["detail"], reason);
    }
    let filter = Filter { about: Some("operator".to_owned()), ..Filter::default() };
    let history = client(running.admin).history(&filter).await.expect("it is told").history;
    let told: Vec<&str> = history.iter().map(|line| line.detail.as_str()).collect();
    assert_eq!(told, commands.map(|(_, reason)| format!("refused: {reason}")));

    let body = r#"{"who": "ada", "command": "backfill", "sync": "Contacts"}"#;
    let answer = commanded(&url).body(body).send().await.expect("it answers");
    assert_eq!(answer.status().as_u16(), 200);

    // The commands of the shell end as the daemon says.
    let admin = format!("http://{}", running.admin);
    let shell = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(arguments).args(["--admin", &admin, "--who", "ada"]);
        tokio::task::spawn_blocking(move || command.output().expect("it can be run"))
    };
    for (arguments, code, said) in [
        (["resolve", "retry", "r1"].as_slice(), 1, "there is no run r1"),
        (["resolve", "retry", "l7"].as_slice(), 1, "there is no link l7"),
        (["backfill", "Contracts"].as_slice(), 1, "there is no sync `Contracts`"),
        (["backfill", "Contacts"].as_slice(), 0, ""),
    ] {
        let output = shell(arguments).await.expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_replaced_while_it_runs_and_broken_ones_are_refused() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let status = async || client(running.admin).status().await.expect("it is told");
    let before = status().await.rules.hash;
    let file = stage.folder.path().join("rules/words.rules");
    let text = std::fs::read_to_string(&file).expect("the file is there");
    let reload = async || reload(&running).await.0;

    std::fs::write(&file, format!("{text}\nchoice {{\n")).expect("a file can be written");
    assert_eq!(reload().await, 409);
    let refused = status().await;
    assert_eq!((refused.rules.hash, refused.healthy), (before.clone(), false));

    std::fs::write(&file, format!("{text}\n# another comment\n")).expect("a file can be written");
    assert_eq!(reload().await, 200);
    let taken = status().await.rules;
    assert_ne!(taken.hash, before);
    assert_eq!(taken.refused, None);
    running.stop().await.expect("it stops");
}

/// What scripts read: every list under its own name, beside how many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_has_its_name_and_a_query_that_makes_no_sense_is_refused() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    for name in ["incidents", "parked", "runs", "links"] {
        let list = json(running.admin, &format!("/api/v1/{name}")).await;
        assert_eq!(list, serde_json::json!({"schema": 1, "total": 0, name: []}));
    }
    let history = json(running.admin, "/api/v1/history?about=nothing").await;
    assert_eq!(history, serde_json::json!({"schema": 1, "history": []}));
    let why = json(running.admin, "/api/v1/why?about=nothing").await;
    let none = serde_json::json!({
        "schema": 1, "links": [], "lines": [], "runs": [], "incidents": [], "message": null, "history": [],
    });
    assert_eq!(why, none);
    for (path, status) in [("/api/v1/why", 400), ("/api/v1/links?limit=many", 400), ("/api/v1/nothing", 404)] {
        let url = format!("http://{}{path}", running.admin);
        let answer = reqwest::get(url).await.expect("it answers");
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    running.stop().await.expect("it stops");
}

/// What a browser sends for a page of somebody else, on this machine or by a name that was made to lead to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_takes_nothing_from_pages_of_other_addresses() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let (status, operator) = ("/api/v1/status", "/api/v1/operator");
    let json = ("content-type", "application/json");
    let own = format!("http://{}", running.admin);
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, &str, Headers<'_>, u16); 11] = [
        ("GET", status, &[], 200),
        ("GET", status, &[("host", "localhost:8081")], 200),
        ("GET", status, &[("host", "rebound.example.com:8081")], 403),
        ("GET", status, &[("origin", &own)], 200),
        ("GET", status, &[("origin", "https://example.com")], 403),
        ("GET", status, &[("origin", "null")], 403),
        ("GET", status, &[("sec-fetch-site", "cross-site")], 403),
        ("GET", "/metrics", &[("origin", "https://example.com")], 403),
        ("POST", operator, &[("content-type", "text/plain")], 415),
        ("POST", operator, &[json, ("origin", "https://example.com")], 403),
        ("POST", operator, &[json], 409),
    ];
    for (method, path, headers, expected) in cases {
        let method = method.parse().expect("a method");
        let mut request = reqwest::Client::new().request(method, format!("{own}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = r#"{"who": "ada", "command": "retry_run", "run": 1}"#;
        let answer = request.body(body).send().await.expect("it answers");
        assert_eq!(answer.status().as_u16(), expected, "{path} with {headers:?}");
    }
    running.stop().await.expect("it stops");
}

/// Asks for a reload; gives the status and the answer.
async fn reload(running: &Running) -> (u16, Json) {
    let url = format!("http://{}/api/v1/reload", running.admin);
    let answer = commanded(&url).send().await.expect("it answers");
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.expect("a whole answer")).expect("JSON"))
}

/// A reload that fails on Kafka changes nothing, and the next one that fits takes everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_whose_topics_cannot_be_read_are_refused_whole() {
    let stage = Stage::new();
    let password = stage.folder.path().join("kafka-password");
    std::fs::write(&password, "hunter2").expect("a file can be written");
    let kafka = "kafka: { brokers: \"127.0.0.1:1\", security: { protocol: sasl_plaintext, mechanism: PLAIN, \
                 username: engine, password_file: kafka-password } }\n";
    let running = stage.start_with(kafka).await.expect("the engine starts");
    let hash = async || client(running.admin).status().await.expect("it is told").rules.hash;
    let before = hash().await;

    std::fs::remove_file(&password).expect("a file can be removed");
    stage.rewrite("events.rules", "\"biometrics.users\"", "\"biometrics.people\"");
    for _ in 0..2 {
        let (status, answer) = reload(&running).await;
        assert_eq!(status, 409, "{answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains("kafka-password")), "{answer}");
        assert_eq!(hash().await, before, "the old rules go on");
    }

    std::fs::write(&password, "hunter2").expect("a file can be written");
    let (status, answer) = reload(&running).await;
    assert_eq!((status, &answer["changed"]), (200, &Json::from(true)), "{answer}");
    assert_ne!(hash().await, before);
    assert_eq!(reload(&running).await.1["changed"], Json::from(false));
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_comes_to_its_end_when_who_asked_has_gone() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let hash = async || client(running.admin).status().await.expect("it is told").rules.hash;
    let before = hash().await;
    stage.rewrite("words.rules", "choice ", "# changed\nchoice ");
    // Asked, and not waited for.
    assert_eq!(running.engine.reload().now_or_never().map(drop), None);
    let taken = async { while hash().await == before {} };
    tokio::time::timeout(Duration::from_secs(60), taken).await.expect("it is taken");
    assert_eq!(reload(&running).await.1["changed"], Json::from(false), "and taken whole");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_no_more_is_told_no_more() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let status = client(running.admin).status().await.expect("it is told");
    assert_eq!(status.sources["kafka"], SourceState::NotConfigured, "{status:?}");
    assert_eq!(json(running.admin, "/api/v1/status").await["sources"]["kafka"], "not configured");
    let (_, figures) = get(running.admin, "/metrics").await;
    assert!(figures.contains("engine_source_up{source=\"kafka\"} 0\n"), "nothing can arrive: {figures}");
    let file = stage.folder.path().join("rules/events.rules");
    let text = std::fs::read_to_string(&file).expect("the file is there");
    let (before, rest) = text.split_once(" and kafka topic").expect("the app's messages come over Kafka");
    let (_, after) = rest.split_once('{').expect("a block");
    std::fs::write(&file, format!("{before} {{{after}")).expect("it can be written");
    assert_eq!(reload(&running).await.0, 200);
    let status = client(running.admin).status().await.expect("it is told");
    assert!(status.sources.is_empty() && status.healthy, "{status:?}");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_header_that_the_rules_name_anew_is_looked_at_after_a_reload() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let deliver = async |header: &str| {
        let body = "[]";
        let signature = connectors::webhook::hmac::sign(&Secret::new("app-secret"), wall(), body.as_bytes());
        let url = format!("http://{}/webhooks/app", running.webhooks);
        let sent = reqwest::Client::new().post(url).header(header, signature).body(body).send();
        sent.await.expect("the door answers").status().as_u16()
    };
    assert_eq!(deliver("X-App-Signature").await, 200);
    assert_eq!(deliver("X-New-Signature").await, 401);
    stage.rewrite("events.rules", "in header \"X-App-Signature\"", "in header \"X-New-Signature\"");
    assert_eq!(reload(&running).await.0, 200);
    assert_eq!(deliver("X-App-Signature").await, 401);
    assert_eq!(deliver("X-New-Signature").await, 200);
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_with_a_broken_folder_it_runs_what_ran_last() {
    let stage = Stage::new();
    stage.start().await.expect("the engine starts").stop().await.expect("it stops");
    let file = stage.folder.path().join("rules/words.rules");
    std::fs::write(&file, "choice {\n").expect("a file can be written");
    let running = stage.start().await.expect("it starts with what ran last");
    let rules = client(running.admin).status().await.expect("it is told").rules;
    assert!(rules.refused.as_ref().is_some_and(|reason| reason.contains("error")), "{rules:?}");
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_on_one_state_folder_is_refused() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let second = stage.start().await;
    assert!(matches!(second.err(), Some(Error::StateInUse { .. })));
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_told_as_degraded_and_another_one_in_its_file_is_taken_at_once() {
    let stage = Stage::new();
    stage.crm.lock().expect("a sound twin").rotate_token("another-token");
    let running = stage.start().await.expect("the engine starts");
    let now = wall();
    let user =
        serde_json::json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "L", "lifetimeValue": "0"});
    stage.app.lock().expect("a sound twin").create("User", user, now).expect("taken");
    let client = client(running.admin);
    client.operate("eve", OperatorCommand::Backfill { sync: "Contacts".to_owned() }).await.expect("a backfill begins");
    let degraded = async { while get(running.admin, "/readyz").await != (200, "degraded: crm\n".to_owned()) {} };
    tokio::time::timeout(Duration::from_secs(20), degraded).await.expect("it is told");
    let status = json(running.admin, "/api/v1/status").await;
    assert!(status["warnings"].to_string().contains("crm refuses the engine: HTTP 401"), "{status}");
    assert_eq!((status["parked"].clone(), status["incidents"].clone()), (Json::from(0), Json::from(1)), "{status}");
    assert!(get(running.admin, "/metrics").await.1.contains("engine_system_denied{system=\"crm\"} 1"));

    stage.write("crm-token", "another-token\n");
    let made = async {
        while stage.crm.lock().expect("a sound twin").find("Contact", "email", "ada@example.com").is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), made).await.expect("it goes on by itself");
    assert_eq!(get(running.admin, "/readyz").await, (200, "ready\n".to_owned()));
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_oauth_are_got_by_the_engine_and_a_grant_that_is_dead_is_told_and_can_be_replaced() {
    let stage = Stage::new();
    // Nothing but a grant leads into the account.
    stage.crm.lock().expect("a sound twin").rotate_token("nobody-knows");
    stage.write("refresh-token", &stage.connect_app());
    let yaml = stage.yaml(Stage::HOSTS, "");
    let grant = format!(
        "oauth: {{ client_id: {CLIENT_ID}, client_secret_file: client-secret, refresh_token_file: refresh-token }}"
    );
    assert!(yaml.contains("token_file: crm-token"), "{yaml}");
    let running = stage.start_as(&yaml.replace("token_file: crm-token", &grant)).await.expect("the engine starts");
    let client = client(running.admin);
    let backfill = async |email: &str| {
        let user = serde_json::json!({"email": email, "firstName": "Ada", "lastName": "L", "lifetimeValue": "0"});
        stage.app.lock().expect("a sound twin").create("User", user, wall()).expect("taken");
        client.operate("eve", OperatorCommand::Backfill { sync: "Contacts".to_owned() }).await.expect("it begins");
    };
    let until = async |what: &str, holds: &dyn Fn(&Stage, &str) -> bool| {
        let held = async { while !holds(&stage, &get(running.admin, "/api/v1/status").await.1) {} };
        tokio::time::timeout(Duration::from_secs(30), held).await.unwrap_or_else(|_| panic!("{what}"));
    };
    let made = |email: &'static str| {
        move |stage: &Stage, _: &str| stage.crm.lock().expect("a sound twin").find("Contact", "email", email).is_some()
    };
    backfill("ada@example.com").await;
    until("a token is got and sent", &made("ada@example.com")).await;

    {
        let mut crm = stage.crm.lock().expect("a sound twin");
        crm.uninstall();
        crm.expire_tokens(wall());
    }
    backfill("grace@example.com").await;
    until("the dead grant is told", &|_, status| status.contains("connect the app again")).await;
    assert_eq!(get(running.admin, "/readyz").await, (200, "degraded: crm\n".to_owned()));
    let status = json(running.admin, "/api/v1/status").await;
    assert_eq!((status["parked"].clone(), status["incidents"].clone()), (Json::from(0), Json::from(1)), "{status}");

    stage.write("refresh-token", &stage.connect_app());
    until("it goes on by itself", &made("grace@example.com")).await;
    assert_eq!(get(running.admin, "/readyz").await, (200, "ready\n".to_owned()));
    running.stop().await.expect("it stops");
}
