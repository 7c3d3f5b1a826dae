//! What the machine needs at least: a kilobyte made durable, an HTTP exchange.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::Uri;

use super::load::{Client, Load, closed};
use super::server::Answering;
use super::stage::{About, Events};
use crate::ledger::{Files, System};

/// Bytes of the file, taken ahead of need as the journal takes its own.
const FILE: u64 = 64 << 20;

/// Writes of 1 KiB, one behind the other, each made durable by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fsync {
    pub(super) p50_ms: f64,
    pub(super) per_second: f64,
}

/// Measures it in a folder, which must lie on the disk of the state.
pub(super) fn fsync(folder: &Path, time: Duration) -> Result<Fsync, String> {
    let failed = |error: std::io::Error| format!("the floor of the disk cannot be measured: {error}");
    let path = folder.join("fsync-floor");
    let file = File::create(&path).map_err(failed)?;
    System.allocate(&file, FILE).and_then(|()| file.sync_all()).map_err(failed)?;
    let kilobyte = [7; 1_024];
    let mut times = Vec::new();
    let start = Instant::now();
    for at in (0..FILE).step_by(kilobyte.len()) {
        let begin = Instant::now();
        file.write_all_at(&kilobyte, at).and_then(|()| file.sync_data()).map_err(failed)?;
        times.push(begin.elapsed());
        if start.elapsed() >= time {
            break;
        }
    }
    let per_second = times.len() as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path).map_err(failed)?;
    Ok(Fsync { p50_ms: super::median(times).as_secs_f64() * 1e3, per_second })
}

/// The same events, signed alike, to a process that only answers.
pub(super) struct Http {
    server: Answering,
    path: Uri,
}

impl Http {
    pub(super) fn start() -> Result<Self, String> {
        Ok(Self { server: Answering::start()?, path: Uri::from_static("/") })
    }

    pub(super) async fn clients(&self, count: usize) -> Result<Vec<Client>, String> {
        Client::many(count, self.server.address).await
    }

    /// One exchange for each event.
    pub(super) async fn events(&self, clients: &mut [Client], events: &Events, time: Duration) -> Result<Load, String> {
        closed(clients, time, async |client: &mut Client| {
            events.send_to(client, &self.path, events.one(About::Ticket(1))).await
        })
        .await
    }

    /// Four exchanges for each event: itself and the three calls that follow from it.
    pub(super) async fn workflows(
        &self,
        clients: &mut [Client],
        events: &Events,
        time: Duration,
    ) -> Result<Load, String> {
        closed(clients, time, async |client: &mut Client| {
            events.send_to(client, &self.path, events.one(About::Deal("d1"))).await?;
            for _ in 0..3 {
                client.offer(&self.path, http::HeaderMap::new(), r#"{"about":"d1234567"}"#.into()).await?;
            }
            Ok(())
        })
        .await
    }
}
