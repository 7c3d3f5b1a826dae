//! A copy of the ledger of a daemon that runs, made and checked by that daemon.

use engine::testing::admin::api::Filter;
use engine::testing::clock::wall;
use serde_json::Value as Json;

use crate::stage::{Stage, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_copies_and_checks_its_ledger_while_it_runs() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let contact = [("email", "ada@example.com"), ("firstname", "Ada")];
    stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    stage.deliver(running.webhooks).await;
    stage.user("ada@example.com").await;
    let copy = stage.folder.path().join("copy");
    let admin = format!("http://{}", running.admin);
    let engine = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(arguments)
            .args(["--json", "--admin", &admin])
            .current_dir(stage.folder.path())
            .output()
            .expect("the engine runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = engine(&["ledger", "check"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) = engine(&["backup", "copy"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let told: Json = serde_json::from_str(&out).expect("JSON");
    let (code, out, err) = engine(&["backup", "copy"]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("the folder is not empty"), "{err}");
    running.stop().await.expect("it stops");

    let report = engine::testing::ledger::check(&copy).expect("the copy is free");
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(told["round"], report.last.0);
    std::fs::remove_dir_all(stage.folder.path().join("state")).expect("the state is lost");
    engine::testing::ledger::restore(&copy, &stage.folder.path().join("state")).expect("it comes back");
    let running = stage.start().await.expect("it goes on from the copy");
    let filter = Filter { about: Some("Contacts".to_owned()), ..Filter::default() };
    assert_eq!(client(running.admin).links(&filter).await.expect("it is told").total, 1);
    running.stop().await.expect("it stops");
}
