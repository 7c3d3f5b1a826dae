//! `crash`: kills at full load, and what became of what was acknowledged (J4).
//!
//! 64 clients offer events that start workflows of three calls, each until it is acknowledged, and wait for the last
//! call. Meanwhile the engine is killed at random moments and started again. Then: did every step of every acknowledged
//! event come, did any come twice, and how many calls had no answer when the engine died?

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::ack::CLIENTS;
use super::load::Client;
use super::stage::{About, Stage};
use super::{Job, Report, Settings, median, milliseconds};
use crate::decide::unanswered;
use crate::ledger::{Disk, Settings as Sizes};

pub(super) const JOB: Job = Job { name: "crash", about: "kills at full load (J4)", run };

/// How long a client waits before it offers an event again.
const AGAIN: Duration = Duration::from_millis(5);
/// How long the last call of a workflow may take, starts and retries included.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

fn run(settings: &Settings) -> Result<Report, String> {
    super::block_on(measure(settings))
}

/// What the clients and the one who kills share.
struct Scene {
    acknowledged: RefCell<BTreeSet<String>>,
    /// When the engine was started last, until an event is acknowledged.
    started: Cell<Option<Instant>>,
    first_acks: RefCell<Vec<Duration>>,
    over: Cell<bool>,
}

async fn measure(settings: &Settings) -> Result<Report, String> {
    let mut stage = Stage::build(settings, None)?;
    stage.start().await?;
    let seed = settings.seed;
    let scene = Scene {
        acknowledged: RefCell::default(),
        started: Cell::new(None),
        first_acks: RefCell::default(),
        over: Cell::new(false),
    };
    let door = stage.door;
    let Stage { daemon, service, events, .. } = &mut stage;
    let (service, events) = (&*service, &*events);
    let client = async |_| {
        let mut connection = None;
        while !scene.over.get() {
            let subject = format!("k{}", events.number());
            let body = events.one(About::Deal(&subject));
            let last = service.last_step_of(&subject);
            // What was offered is offered until it is acknowledged, whether the end has come meanwhile or not.
            loop {
                if let Err(_away) = offer(&mut connection, door, events, body.clone()).await {
                    connection = None;
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                break;
            }
            if let Some(started) = scene.started.take() {
                scene.first_acks.borrow_mut().push(started.elapsed());
            }
            scene.acknowledged.borrow_mut().insert(subject);
            // That it does not come is found at the end.
            let _ended = tokio::time::timeout(LAST_ANSWER_TIMEOUT, last).await;
        }
    };
    let state = daemon.folder.join("state");
    let killer = async {
        let begin = Instant::now();
        let (mut kills, mut doubt) = (0_u64, 0);
        let mut random = seed;
        let result = loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // The low bits of such a generator come again soon.
            tokio::time::sleep(Duration::from_millis(300 + (random >> 33) % 900)).await;
            if kills > 0 && begin.elapsed() >= settings.time {
                break Ok((kills, doubt));
            }
            if let Err(error) = daemon.kill().await {
                break Err(error.to_string());
            }
            kills += 1;
            match in_doubt(&state) {
                Ok(calls) => doubt += calls,
                Err(error) => break Err(error),
            }
            scene.started.set(Some(Instant::now()));
            if let Err(error) = daemon.start().await {
                break Err(error.to_string());
            }
        };
        scene.over.set(true);
        result
    };
    let (killed, _) = tokio::join!(killer, join_all((0..CLIENTS).map(client)));
    let (kills, in_doubt) = killed?;
    stage.stop().await?;

    let (mut lost, mut repeated) = (0_u64, 0_u64);
    let acknowledged = scene.acknowledged.into_inner();
    for subject in &acknowledged {
        let seen = stage.service.seen(subject);
        lost += u64::from(seen.contains(&0));
        repeated += seen.iter().map(|count| u64::from(count.saturating_sub(1))).sum::<u64>();
    }
    let first = scene.first_acks.into_inner();
    let worst = first.iter().max().copied().unwrap_or_default();
    let mut report = Report::default();
    report.figure("kills", kills);
    report.figure("acknowledged", acknowledged.len());
    report.figure("lost", lost);
    report.figure("repeated", repeated);
    report.figure("in_doubt", in_doubt);
    report.figure("first_ack_ms", milliseconds(worst));
    report.figure("first_ack_p50_ms", if first.is_empty() { 0.0 } else { milliseconds(median(first)) });
    report.figure("seed", seed);
    report.line("kills", kills.to_string(), format!("at random moments, seed {seed}"));
    report.line("acknowledged", acknowledged.len().to_string(), "events, three calls each");
    report.line("lost", lost.to_string(), "of them");
    report.line("repeated", repeated.to_string(), format!("calls, of {in_doubt} that had no answer at a kill"));
    report.line("first ack", format!("{:.0} ms", milliseconds(worst)), "after the slowest start");
    if lost > 0 {
        return Err(format!("{lost} acknowledged events were lost; seed {seed}"));
    }
    // A call without an answer at a kill may be sent again, since nobody knows whether it came; no other may.
    if repeated > in_doubt {
        return Err(format!("{repeated} calls came again, and only {in_doubt} were in doubt; seed {seed}"));
    }
    Ok(report)
}

async fn offer(
    connection: &mut Option<Client>,
    door: std::net::SocketAddr,
    events: &super::stage::Events,
    body: bytes::Bytes,
) -> Result<(), String> {
    let client = match connection {
        Some(client) => client,
        None => connection.insert(Client::connect(door).await?),
    };
    events.send(client, body).await
}

/// Calls without an answer in the state of an engine that was killed; the state itself is left as it is.
fn in_doubt(state: &Path) -> Result<u64, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the state cannot be looked at: {error}");
    let copy = tempfile::tempdir_in(state.parent().unwrap_or(state)).map_err(|error| failed(&error))?;
    copy_folder(state, copy.path()).map_err(|error| failed(&error))?;
    let ledger = Disk::open(copy.path(), Sizes::default(), Box::new(|_| ())).map_err(|error| failed(&error))?;
    let calls = unanswered(&ledger).map_err(|error| failed(&error))?;
    Ok(calls.iter().map(|call| call.inputs as u64).sum())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
