//! The engine inside of a program: what a caller may do wrong, and what a connector may.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::connector::{
    Answer, Body, Change, Connector, Delivery, Message, Observed, Request, Timestamp, Unreadable, Verb, async_trait,
};
use engine::{Builder, Engine, Error, Rules, State};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Long enough for a machine under load; nothing waits for it where all is well.
const SOON: Duration = Duration::from_secs(60);

/// What the warehouse does when a label is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Prints,
    Panics,
    Hangs,
    AnswersNothing,
}

struct Inner {
    does: Mutex<Does>,
    asked: Notify,
    printed: Notify,
    labels: Mutex<BTreeSet<String>>,
}

/// Prints labels of pallets; each delivery is the name of one that has arrived.
#[derive(Clone)]
struct Warehouse(Arc<Inner>);

impl Warehouse {
    fn new(does: Does) -> Self {
        let (does, labels) = (Mutex::new(does), Mutex::default());
        Self(Arc::new(Inner { does, asked: Notify::new(), printed: Notify::new(), labels }))
    }

    fn labels(&self) -> Vec<String> {
        self.0.labels.lock().expect("a sound lock").iter().cloned().collect()
    }

    fn now_prints(&self) {
        *self.0.does.lock().expect("a sound lock") = Does::Prints;
    }
}

#[async_trait]
impl Connector for Warehouse {
    fn max_batch(&self, _: &Verb) -> usize {
        1
    }

    fn calls(&self, _: &Request) -> u32 {
        1
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        self.0.asked.notify_one();
        let does = *self.0.does.lock().expect("a sound lock");
        match does {
            Does::Prints => {
                let pallet = request.inputs[0].values["pallet"].as_str().expect("a text").to_owned();
                self.0.labels.lock().expect("a sound lock").insert(pallet);
                self.0.printed.notify_one();
                vec![Answer::Result([("label".to_owned(), "L".into())].into())]
            }
            Does::Panics => panic!("a defect of the connector"),
            Does::Hangs => std::future::pending().await,
            Does::AnswersNothing => Vec::new(),
        }
    }

    fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable> {
        let pallet = String::from_utf8_lossy(body).into_owned();
        if pallet.is_empty() {
            return Err(Unreadable::Delivery("it is empty".to_owned()));
        }
        let observed = Observed {
            id: pallet.clone(),
            fields: [("place".to_owned(), "A3".into())].into(),
            changed_at: Some(Timestamp(1_772_442_000_000)),
            ..Observed::default()
        };
        let message = Message {
            name: "pallet.arrived".to_owned(),
            at: Timestamp(1_772_442_000_000),
            dedupe: pallet,
            own: false,
            body: Body::Record { entity: "Pallet".to_owned(), change: Change::Created, observed },
        };
        Ok(Delivery { messages: vec![message], ..Delivery::default() })
    }
}

/// Every pallet that arrives gets a label.
fn rules() -> Rules {
    Rules::texts([
        ("warehouse.rules", include_str!("../../examples/custom_connector/rules/warehouse.rules")),
        ("schemas/warehouse.lock", include_str!("../../examples/custom_connector/rules/schemas/warehouse.lock")),
    ])
}

fn builder(state: State, warehouse: &Warehouse) -> Builder {
    Engine::builder().rules(rules()).state(state).system("warehouse", warehouse.clone())
}

async fn start(folder: &Path, warehouse: &Warehouse) -> Engine {
    let state = State::folder(folder);
    builder(state, warehouse).grace(Duration::from_millis(20)).start().await.expect("it starts")
}

#[tokio::test]
async fn a_connector_that_panics_hangs_or_answers_too_few_holds_nothing_else_up() {
    for does in [Does::Panics, Does::Hangs, Does::AnswersNothing] {
        let warehouse = Warehouse::new(does);
        let engine = builder(State::memory(), &warehouse).call_timeout(Duration::from_millis(20));
        let engine = engine.start().await.expect("it starts");
        engine.deliver("warehouse", "p1").await.expect("it is durable");
        timeout(SOON, engine.idle()).await.unwrap_or_else(|_| panic!("{does:?}: it hangs")).expect("it runs");
        assert!(warehouse.labels().is_empty(), "{does:?}");
        // Nobody knows whether it happened: the run goes on by itself, later.
        let runs = engine.runs(&Default::default()).await.expect("runs").runs;
        assert!(
            runs.iter().any(|run| !matches!(run.state.as_str(), "finished" | "failed" | "stopped")),
            "{does:?}: {runs:?}"
        );
        warehouse.now_prints();
        engine.deliver("warehouse", "p2").await.expect("it is durable");
        timeout(SOON, async {
            while !warehouse.labels().contains(&"p2".to_owned()) {
                warehouse.0.printed.notified().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{does:?}: the second one waits for the first"));
        engine.stop().await.expect("it stops in order");
    }
}

#[tokio::test]
async fn stopped_with_a_call_under_way_it_ends_in_time_and_the_next_start_takes_the_call_up() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let warehouse = Warehouse::new(Does::Hangs);
    let engine = start(folder.path(), &warehouse).await;
    engine.deliver("warehouse", "p1").await.expect("it is durable");
    warehouse.0.asked.notified().await;
    timeout(SOON, engine.stop()).await.expect("it ends in time").expect("it stops in order");
    engine.stop().await.expect("to stop it again is no error");
    assert!(matches!(engine.deliver("warehouse", "p2").await, Err(Error::Stopped)));
    assert!(matches!(engine.idle().await, Err(Error::Stopped)));

    warehouse.now_prints();
    let engine = start(folder.path(), &warehouse).await;
    timeout(SOON, warehouse.0.printed.notified()).await.expect("the call is made");
    assert_eq!(warehouse.labels(), ["p1"]);
    engine.stop().await.expect("it stops in order");
}

#[tokio::test]
async fn dropped_with_a_call_under_way_it_frees_the_folder_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let warehouse = Warehouse::new(Does::Hangs);
    let engine = start(folder.path(), &warehouse).await;
    engine.deliver("warehouse", "p1").await.expect("it is durable");
    warehouse.0.asked.notified().await;
    drop(engine);

    warehouse.now_prints();
    let again = async {
        loop {
            match builder(State::folder(folder.path()), &warehouse).start().await {
                Ok(engine) => return engine,
                Err(Error::StateInUse { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    let engine = timeout(SOON, again).await.expect("the folder becomes free");
    timeout(SOON, warehouse.0.printed.notified()).await.expect("the call is made");
    assert_eq!(warehouse.labels(), ["p1"]);
    engine.stop().await.expect("it stops in order");
}

#[tokio::test]
async fn two_engines_of_one_process_share_nothing_and_one_folder_has_one_engine() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (first, second) = (Warehouse::new(Does::Prints), Warehouse::new(Does::Prints));
    let one = start(folder.path(), &first).await;
    let other = builder(State::memory(), &second).start().await.expect("it starts");
    one.deliver("warehouse", "p1").await.expect("it is durable");
    one.idle().await.expect("it runs");
    other.idle().await.expect("it runs");
    assert_eq!((first.labels(), second.labels()), (vec!["p1".to_owned()], vec![]));
    let third = builder(State::folder(folder.path()), &second).start().await;
    assert!(matches!(third, Err(Error::StateInUse { .. })), "{third:?}");
    one.stop().await.expect("it stops in order");
    other.deliver("warehouse", "p2").await.expect("the other one goes on");
    other.stop().await.expect("it stops in order");
}

#[tokio::test]
async fn what_a_caller_does_wrong_is_an_error_that_says_what() {
    let warehouse = Warehouse::new(Does::Prints);
    let none = Engine::builder().state(State::memory()).start().await;
    assert!(matches!(none, Err(Error::Incomplete { what: "rules" })), "{none:?}");
    let stateless = Engine::builder().rules(rules()).start().await;
    assert!(matches!(stateless, Err(Error::Incomplete { what: "a state" })), "{stateless:?}");
    let unreached = Engine::builder().rules(rules()).state(State::memory()).start().await;
    assert!(
        matches!(&unreached, Err(Error::Setup(cause)) if cause.to_string().contains("`warehouse`")),
        "{unreached:?}"
    );
    let wrong = builder(State::memory(), &warehouse).rules(Rules::texts([("a.rules", "edition 2026\nsynk A\n")]));
    match wrong.start().await {
        Err(Error::InvalidRules(findings)) => assert!(findings.report().contains("synk"), "{}", findings.report()),
        other => panic!("{other:?}"),
    }

    let engine = builder(State::memory(), &warehouse).start().await.expect("it starts");
    let delivered = async |system: &str, body: &'static str| engine.deliver(system, body).await;
    assert!(matches!(delivered("shop", "p1").await, Err(Error::UnknownSystem { system }) if system == "shop"));
    assert!(matches!(delivered("warehouse", "").await, Err(Error::Unreadable { .. })));
    assert!(matches!(engine.retry("ada", "r9").await, Err(Error::Refused { .. })));
    assert!(matches!(engine.retry("ada", "nine").await, Err(Error::Refused { .. })));
    assert!(matches!(engine.backup("/nowhere").await, Err(Error::Refused { .. })));
    let broken = engine.use_rules(Rules::texts([("a.rules", "edition 2026\nsynk A\n")])).await;
    assert!(matches!(broken, Err(Error::InvalidRules(_))), "{broken:?}");
    delivered("warehouse", "p1").await.expect("the old rules go on");
    engine.idle().await.expect("it runs");
    assert_eq!(warehouse.labels(), ["p1"]);
    engine.stop().await.expect("it stops in order");
}

#[test]
fn without_a_runtime_that_can_carry_it_it_does_not_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without timers");
    let started = runtime.block_on(builder(State::memory(), &Warehouse::new(Does::Prints)).start());
    assert!(matches!(started, Err(Error::Runtime { .. })), "{started:?}");
}
