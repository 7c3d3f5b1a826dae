//! An engine that is not asked for it takes nothing of its process. By itself, because it looks at the whole of it.

use std::collections::BTreeSet;
use std::fs;

use engine::{Engine, HubSpot, Rest, Rules, State};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hello_rule/rules");
/// Nobody answers there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Sockets of this process at which it listens.
fn listeners() -> usize {
    let own: BTreeSet<String> = fs::read_dir("/proc/self/fd")
        .expect("Linux")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default());
    let sockets = tables.iter().flat_map(|table| table.lines().skip(1));
    let columns = sockets.map(|line| line.split_whitespace().collect::<Vec<_>>());
    // The fourth column is the state, 0A for LISTEN; the tenth the inode.
    columns.filter(|columns| columns[3] == "0A" && own.contains(columns[9])).count()
}

/// Signals that this process catches.
fn caught() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    status.lines().find(|line| line.starts_with("SigCgt")).expect("it is there").to_owned()
}

fn builder() -> engine::Builder {
    Engine::builder()
        .rules(Rules::folder(RULES))
        .state(State::memory())
        .system("crm", HubSpot::new("token").base_url(NOWHERE))
        .system("shop", Rest::new(NOWHERE, "token"))
}

#[tokio::test]
async fn an_engine_listens_catches_logs_and_records_only_where_it_is_asked_to() {
    let before = caught();
    let engine = builder().start().await.expect("it starts");
    engine.backfill("ada", "Customers").await.expect("it is durable");
    assert_eq!((engine.webhook_address(), engine.admin_address(), listeners()), (None, None, 0));
    assert_eq!(caught(), before);
    engine.stop().await.expect("it stops in order");

    let asked = builder().listen("127.0.0.1:0".parse().ok()).admin("127.0.0.1:0".parse().ok());
    let engine = asked.start().await.expect("it starts");
    assert_eq!(listeners(), 2, "this test does not see listeners");
    engine.stop().await.expect("it stops in order");

    // A process has one of each: these fail where the engine has set one up.
    metrics::set_global_recorder(metrics::NoopRecorder).expect("no recorder of figures");
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::default()).expect("no log");
}
