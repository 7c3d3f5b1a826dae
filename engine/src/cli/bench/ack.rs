//! `ack`: how fast a signed event of a kilobyte is acknowledged that would survive a power cut (J1).
//!
//! 64 clients and one, each as soon as it has its answer; then 64 at seven tenths of that rate, where the time counts
//! from the moment at which an event was due. Floors: the same exchanges with a process that only answers, and a
//! kilobyte appended and made durable.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Uri;

use super::floor::{self, Fsync, Http};
use super::load::{Client, Load, closed, open};
use super::stage::{About, Events, Stage};
use super::{Job, Report, Settings, megabytes, middle, rounded};

pub(super) const JOB: Job =
    Job { name: "ack", about: "a signed event of a kilobyte, until it would survive a power cut (J1)", run };

/// Clients at once.
pub(super) const CLIENTS: usize = 64;
/// Tickets that the events are about.
const TICKETS: u64 = 2_000;
/// Rounds in which everything takes its turn.
pub(super) const ROUNDS: u32 = 5;
/// Share of the closed loop's rate at which the open loop runs.
const OPEN: f64 = 0.7;

fn run(settings: &Settings) -> Result<Report, String> {
    super::block_on(measure(settings))
}

/// Acknowledged events, by the clients' number.
pub(super) async fn events(clients: &mut [Client], events: &Events, time: Duration) -> Result<Load, String> {
    closed(clients, time, async |client: &mut Client| events.send(client, next(events)).await).await
}

fn next(events: &Events) -> bytes::Bytes {
    // A stride that shares no factor with the number of tickets: each comes as often as any other.
    events.one(About::Ticket(events.number().wrapping_mul(7_919) % TICKETS))
}

async fn measure(settings: &Settings) -> Result<Report, String> {
    let mut stage = Stage::build(settings, None)?;
    let http = Http::start()?;
    // Seven measurements a round, those of a rival among them.
    let slice = settings.time / (ROUNDS * 7);
    let mut found = Found { fsync: vec![floor::fsync(&stage.rules(), slice)?], ..Found::default() };
    stage.start().await?;
    let (mut many, mut floor_many) = (stage.clients(CLIENTS).await?, http.clients(CLIENTS).await?);
    let (mut one, mut floor_one) = (stage.clients(1).await?, http.clients(1).await?);
    let mut rival = match &settings.rival_ack {
        Some(url) => Some(Rival::connect(url).await?),
        None => None,
    };
    // What happens once only, such as the first segment, is no part of it.
    events(&mut many, &stage.events, slice).await?;
    http.events(&mut floor_many, &stage.events, slice).await?;

    let process = stage.process()?;
    // In turns, so that what else the machine does meets the engine and what it is compared with alike.
    for _ in 0..ROUNDS {
        found.floor_many.push(http.events(&mut floor_many, &stage.events, slice).await?);
        let before = process.processor_time()?;
        found.many.push(events(&mut many, &stage.events, slice).await?);
        found.processor += process.processor_time()? - before;
        if let Some(rival) = &mut rival {
            found.rival_many.push(rival.events(CLIENTS, &stage.events, slice).await?);
        }
        found.floor_one.push(http.events(&mut floor_one, &stage.events, slice).await?);
        found.one.push(events(&mut one, &stage.events, slice).await?);
        if let Some(rival) = &mut rival {
            found.rival_one.push(rival.events(1, &stage.events, slice).await?);
        }
        let rate = (middle(&found.many, Load::per_second) * OPEN).max(1.0);
        let send = async |client: &mut Client| stage.events.send(client, next(&stage.events)).await;
        found.open.push(open(&mut many, rate, slice, send).await?);
        found.open_rate = rate;
        found.fsync.push(floor::fsync(&stage.rules(), slice)?);
    }
    let process = stage.process()?;
    let resident = megabytes(process.peak()?);
    stage.stop().await?;

    let mut report = Report::default();
    let ms = |loads: &[Load], share: f64| middle(loads, |load| load.within(share));
    let per_second = middle(&found.many, Load::per_second);
    let floor = middle(&found.floor_many, Load::per_second);
    let (p50, p99) = (ms(&found.many, 0.5), ms(&found.many, 0.99));
    let (one, fsync) = (ms(&found.one, 0.5), found.fsync_p50_ms());
    let durable = |fsync: Option<&Fsync>| fsync.map_or(0.0, |fsync| fsync.per_second.round());
    let durable = [durable(found.fsync.first()), durable(found.fsync.last())];
    report.figure("per_second_64", per_second.round());
    report.figure("p50_ms_64", rounded(p50));
    report.figure("p99_ms_64", rounded(p99));
    report.figure("p50_ms_1", rounded(one));
    report.figure("p99_ms_1", rounded(ms(&found.one, 0.99)));
    report.figure("open_per_second", found.open_rate.round());
    report.figure("open_p50_ms_64", rounded(ms(&found.open, 0.5)));
    report.figure("open_p99_ms_64", rounded(ms(&found.open, 0.99)));
    report.figure("ratio", rounded(per_second / floor));
    report.figure("p99_ratio_64", rounded(p99 / ms(&found.floor_many, 0.99)));
    report.figure("p50_to_fsync_1", rounded(one / fsync));
    let each = found.processor.as_secs_f64() * 1e6 / found.many.iter().map(Load::done).sum::<usize>() as f64;
    report.figure("processor_us_64", rounded(each));
    report.figure("resident_mb", resident);
    report.floor("http_per_second_64", floor.round());
    report.floor("http_p50_ms_64", rounded(ms(&found.floor_many, 0.5)));
    report.floor("http_p99_ms_64", rounded(ms(&found.floor_many, 0.99)));
    report.floor("http_p50_ms_1", rounded(ms(&found.floor_one, 0.5)));
    report.floor("fsync_p50_ms", rounded(fsync));
    report.floor("fsync_per_second", durable);
    report.line("64 clients", format!("{per_second:.0}/s"), format!("p50 {p50:.1} ms, p99 {p99:.1} ms"));
    report.line(
        "  floor: HTTP",
        format!("{floor:.0}/s"),
        format!("ratio {:.2}; p99 {:.1} times its own", per_second / floor, p99 / ms(&found.floor_many, 0.99)),
    );
    report.line(
        "  at a fixed rate",
        format!("{:.0}/s", found.open_rate),
        format!("p50 {:.1} ms, p99 {:.1} ms from when each was due", ms(&found.open, 0.5), ms(&found.open, 0.99)),
    );
    report.line("one client", format!("{one:.2} ms"), format!("p50; p99 {:.2} ms", ms(&found.one, 0.99)));
    report.line(
        "  floor: fsync",
        format!("{fsync:.2} ms"),
        format!("ratio {:.1}; {:.0}/s before, {:.0}/s after", one / fsync, durable[0], durable[1]),
    );
    report.line("processor time", format!("{each:.0} µs"), "of the engine for each, with 64 clients");
    report.line("most memory", format!("{resident:.0} MB"), "of the engine");
    if rival.is_some() {
        let rival = middle(&found.rival_many, Load::per_second);
        let rival_one = ms(&found.rival_one, 0.5);
        report.figure("rival_per_second_64", rival.round());
        report.figure("rival_p50_ms_64", rounded(ms(&found.rival_many, 0.5)));
        report.figure("rival_p99_ms_64", rounded(ms(&found.rival_many, 0.99)));
        report.figure("rival_p50_ms_1", rounded(rival_one));
        report.figure("to_rival", rounded(per_second / rival));
        report.line(
            "rival, 64 clients",
            format!("{rival:.0}/s"),
            format!(
                "p50 {:.1} ms, p99 {:.1} ms; this engine {:.1} times as many",
                ms(&found.rival_many, 0.5),
                ms(&found.rival_many, 0.99),
                per_second / rival
            ),
        );
        report.line("rival, one client", format!("{rival_one:.2} ms"), "p50");
    }
    Ok(report)
}

/// All rounds.
#[derive(Default)]
struct Found {
    fsync: Vec<Fsync>,
    many: Vec<Load>,
    one: Vec<Load>,
    open: Vec<Load>,
    open_rate: f64,
    /// Of the engine, while 64 clients sent.
    processor: Duration,
    floor_many: Vec<Load>,
    floor_one: Vec<Load>,
    rival_many: Vec<Load>,
    rival_one: Vec<Load>,
}

impl Found {
    fn fsync_p50_ms(&self) -> f64 {
        let mut times: Vec<f64> = self.fsync.iter().map(|fsync| fsync.p50_ms).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }
}

/// Something else that acknowledges the same bodies, by a 2xx once they are durable.
pub(super) struct Rival {
    pub(super) path: Uri,
    pub(super) clients: Vec<Client>,
}

impl Rival {
    /// Connects as many clients as it will ever need.
    pub(super) async fn connect(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url} is no URL: {error}"))?;
        let address = match (uri.scheme_str(), uri.host(), uri.port_u16()) {
            (Some("http"), Some(host), Some(port)) => host.parse().ok().map(|host| SocketAddr::new(host, port)),
            _ => None,
        };
        let address = address.ok_or_else(|| format!("{url} is not of the form http://127.0.0.1:8080/path"))?;
        let path = uri.path().parse().map_err(|error| format!("{url}: {error}"))?;
        Ok(Self { path, clients: Client::many(CLIENTS, address).await? })
    }

    async fn events(&mut self, clients: usize, events: &Events, time: Duration) -> Result<Load, String> {
        let mut clients = self.clients.iter_mut().take(clients).collect::<Vec<_>>();
        closed(&mut clients, time, async |client: &mut &mut Client| {
            events.send_to(client, &self.path, next(events)).await
        })
        .await
    }
}
