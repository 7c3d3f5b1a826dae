//! `idle`: what the engine costs while nothing happens (J5).

use std::time::Duration;

use super::ack;
use super::stage::Stage;
use super::{Job, Report, Settings, megabytes, rounded};

pub(super) const JOB: Job = Job { name: "idle", about: "an engine that has worked and has nothing to do (J5)", run };

/// By then a checkpoint has taken the rows of what was done before, which may be five seconds away, and rests.
const SETTLE: Duration = Duration::from_secs(8);

fn run(settings: &Settings) -> Result<Report, String> {
    super::block_on(measure(settings))
}

async fn measure(settings: &Settings) -> Result<Report, String> {
    let mut stage = Stage::build(settings, None)?;
    stage.start().await?;
    let mut clients = stage.clients(8).await?;
    ack::events(&mut clients, &stage.events, Duration::from_millis(500)).await?;
    drop(clients);
    tokio::time::sleep(SETTLE).await;
    let process = stage.process()?;
    let (written, processor) = (process.bytes_written()?, process.processor_time()?);
    tokio::time::sleep(settings.time).await;
    let written = process.bytes_written()? - written;
    let share = (process.processor_time()? - processor).as_secs_f64() / settings.time.as_secs_f64() * 100.0;
    let resident = megabytes(process.resident()?);
    stage.stop().await?;
    let mut report = Report::default();
    report.figure("seconds", rounded(settings.time.as_secs_f64()));
    report.figure("bytes_written", written);
    report.figure("cpu_percent", rounded(share));
    report.figure("resident_mb", resident);
    report.line("written", format!("{written} bytes"), format!("in {:.0} s", settings.time.as_secs_f64()));
    report.line("processor", format!("{share:.2} %"), "of one core; the system counts in 10 ms");
    report.line("memory", format!("{resident:.0} MB"), "");
    Ok(report)
}
