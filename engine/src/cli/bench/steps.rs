//! `steps`: an event that starts a workflow of three calls, until the last of them has come (J2).
//!
//! 64 clients and one, each with its next event once the last call of its workflow has come. Then 64 that wait for the
//! acknowledgement alone, so that work piles up: how many events and workflows a second, beside `ack` as it is on the
//! same engine. Floor: the same four exchanges with a process that only answers.

use std::time::{Duration, Instant};

use super::ack::{self, CLIENTS, ROUNDS, Rival};
use super::floor::Http;
use super::load::{Client, Load, closed};
use super::stage::{About, Stage};
use super::{Job, Report, Settings, megabytes, middle, rounded};

pub(super) const JOB: Job =
    Job { name: "steps", about: "an event and the three calls of its workflow, one after the other (J2)", run };

/// How long the last call of a workflow may take.
const LAST_CALL_TIMEOUT: Duration = Duration::from_secs(60);

fn run(settings: &Settings) -> Result<Report, String> {
    super::block_on(measure(settings))
}

/// Whole workflows, one after the other on each client.
async fn workflows(clients: &mut [Client], stage: &Stage, time: Duration) -> Result<Load, String> {
    closed(clients, time, async |client: &mut Client| {
        let subject = format!("d{}", stage.events.number());
        let last = stage.service.last_step_of(&subject);
        stage.events.send(client, stage.events.one(About::Deal(&subject))).await?;
        ended(last, &subject).await
    })
    .await
}

async fn ended(last: tokio::sync::oneshot::Receiver<()>, subject: &str) -> Result<(), String> {
    match tokio::time::timeout(LAST_CALL_TIMEOUT, last).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(format!("the last call of {subject} did not come within {} s", LAST_CALL_TIMEOUT.as_secs())),
    }
}

impl Rival {
    /// The same with a rival, which has to call the same service.
    async fn workflows(&mut self, clients: usize, stage: &Stage, time: Duration) -> Result<Load, String> {
        let mut clients = self.clients.iter_mut().take(clients).collect::<Vec<_>>();
        closed(&mut clients, time, async |client: &mut &mut Client| {
            let subject = format!("r{}", stage.events.number());
            let last = stage.service.last_step_of(&subject);
            stage.events.send_to(client, &self.path, stage.events.one(About::Deal(&subject))).await?;
            ended(last, &subject).await
        })
        .await
    }
}

async fn measure(settings: &Settings) -> Result<Report, String> {
    let mut stage = Stage::build(settings, None)?;
    let http = Http::start()?;
    let slice = settings.time / (ROUNDS * 6);
    stage.start().await?;
    let (mut many, mut floor_many) = (stage.clients(CLIENTS).await?, http.clients(CLIENTS).await?);
    let (mut one, mut floor_one) = (stage.clients(1).await?, http.clients(1).await?);
    let mut rival = match &settings.rival_steps {
        Some(url) => Some(Rival::connect(url).await?),
        None => None,
    };
    workflows(&mut many, &stage, slice).await?;
    http.workflows(&mut floor_many, &stage.events, slice).await?;

    let [mut acks, mut whole, mut alone, mut floor, mut floor_alone, mut other, mut other_alone] =
        std::array::from_fn(|_| Vec::new());
    let (process, mut processor) = (stage.process()?, Duration::ZERO);
    // In turns, so that what else the machine does meets the engine and what it is compared with alike.
    for _ in 0..ROUNDS {
        floor.push(http.workflows(&mut floor_many, &stage.events, slice).await?);
        let before = process.processor_time()?;
        whole.push(workflows(&mut many, &stage, slice).await?);
        processor += process.processor_time()? - before;
        if let Some(rival) = &mut rival {
            other.push(rival.workflows(CLIENTS, &stage, slice).await?);
        }
        floor_alone.push(http.workflows(&mut floor_one, &stage.events, slice).await?);
        alone.push(workflows(&mut one, &stage, slice).await?);
        if let Some(rival) = &mut rival {
            other_alone.push(rival.workflows(1, &stage, slice).await?);
        }
        acks.push(ack::events(&mut many, &stage.events, slice).await?);
    }
    // At the end, because what has piled up by then is not waited for.
    let (begin, before) = (Instant::now(), stage.service.ended());
    let beside = closed(&mut many, slice * 4, async |client: &mut Client| {
        let subject = format!("b{}", stage.events.number());
        stage.events.send(client, stage.events.one(About::Deal(&subject))).await
    });
    let beside = beside.await?;
    let piled = (stage.service.ended() - before) as f64 / begin.elapsed().as_secs_f64();
    let resident = megabytes(stage.process()?.peak()?);
    stage.kill().await?;

    let mut report = Report::default();
    let ms = |loads: &[Load], share: f64| middle(loads, |load| load.within(share));
    let rate = |loads: &[Load]| middle(loads, Load::per_second);
    let (per_second, floor_rate, ack) = (rate(&whole), rate(&floor), rate(&acks));
    report.figure("workflows_per_second_64", per_second.round());
    report.figure("p50_ms_64", rounded(ms(&whole, 0.5)));
    report.figure("p99_ms_64", rounded(ms(&whole, 0.99)));
    report.figure("p50_ms_1", rounded(ms(&alone, 0.5)));
    report.figure("ratio", rounded(per_second / floor_rate));
    report.figure("acks_beside_per_second", beside.per_second().round());
    report.figure("acks_beside_p99_ms", rounded(beside.within(0.99)));
    report.figure("acks_alone_per_second", ack.round());
    report.figure("acks_beside_ratio", rounded(beside.per_second() / ack));
    report.figure("workflows_beside_per_second", piled.round());
    let each = processor.as_secs_f64() * 1e6 / whole.iter().map(Load::done).sum::<usize>() as f64;
    report.figure("processor_us_64", rounded(each));
    report.figure("resident_mb", resident);
    report.floor("http_floor_per_second", floor_rate.round());
    report.floor("http_p99_ms_64", rounded(ms(&floor, 0.99)));
    report.floor("http_p50_ms_1", rounded(ms(&floor_alone, 0.5)));
    let (p50, p99) = (ms(&whole, 0.5), ms(&whole, 0.99));
    report.line(
        "64 clients",
        format!("{per_second:.0}/s"),
        format!("whole workflows; p50 {p50:.1} ms, p99 {p99:.1} ms"),
    );
    report.line("  floor: HTTP", format!("{floor_rate:.0}/s"), format!("ratio {:.2}", per_second / floor_rate));
    report.line(
        "one client",
        format!("{:.2} ms", ms(&alone, 0.5)),
        format!("p50; the four exchanges alone {:.2} ms", ms(&floor_alone, 0.5)),
    );
    report.line(
        "acks while it piles up",
        format!("{:.0}/s", beside.per_second()),
        format!(
            "{:.2} of {ack:.0}/s that start nothing; p99 {:.1} ms; {piled:.0} workflows/s meanwhile",
            beside.per_second() / ack,
            beside.within(0.99)
        ),
    );
    report.line("processor time", format!("{each:.0} µs"), "of the engine for each workflow, with 64 clients");
    report.line("most memory", format!("{resident:.0} MB"), "of the engine");
    if rival.is_some() {
        let rival = rate(&other);
        report.figure("rival_workflows_per_second_64", rival.round());
        report.figure("rival_p50_ms_64", rounded(ms(&other, 0.5)));
        report.figure("rival_p99_ms_64", rounded(ms(&other, 0.99)));
        report.figure("rival_p50_ms_1", rounded(ms(&other_alone, 0.5)));
        report.figure("to_rival", rounded(per_second / rival));
        report.line(
            "rival, 64 clients",
            format!("{rival:.0}/s"),
            format!(
                "p50 {:.1} ms, p99 {:.1} ms; this engine {:.1} times as many",
                ms(&other, 0.5),
                ms(&other, 0.99),
                per_second / rival
            ),
        );
        report.line("rival, one client", format!("{:.2} ms", ms(&other_alone, 0.5)), "p50");
    }
    Ok(report)
}
