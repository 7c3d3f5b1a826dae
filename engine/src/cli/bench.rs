//! `engine bench`: what this machine can do, each figure beside a floor or a baseline taken in the same run.
//!
//! Always true: what is compared is measured in turns, round by round, so that a busy neighbour slows both; figures
//! are medians of rounds. A job that gives a wrong result is an error, not a figure.

mod ack;
mod crash;
mod decide;
mod floor;
mod growth;
mod idle;
mod intake;
mod load;
mod machine;
mod seed;
mod server;
mod sleepers;
mod stage;
mod steps;
mod validate;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use super::output::could_not_run;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What is measured; everything where nothing is named.
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// How long each job may measure.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// One JSON object instead of the table.
    #[arg(long)]
    json: bool,
    /// Where states are kept meanwhile, on the disk that is to be measured; the system's folder for what is temporary
    /// where nothing is said.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Runs that sleep in `sleepers`. A million take some minutes to be made.
    #[arg(long, value_name = "NUMBER", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(100..))]
    sleepers: u64,
    /// Records in the full ledger of `growth`. A million take some minutes to be made.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    rows: u64,
    /// What decides when `crash` kills; a number that it printed brings the same moments again.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Measures something else beside `ack`: it gets the same bodies by POST and answers 2xx once they are durable.
    #[arg(long, value_name = "URL")]
    rival_ack: Option<String>,
    /// The same beside `steps`: it makes `POST /steps/1/S`, `/steps/2/S` and `/steps/3/S` at `--service`, where S is
    /// the `objectId` of the event.
    #[arg(long, value_name = "URL")]
    rival_steps: Option<String>,
    /// Where the service listens that takes the calls of workflows; a free port of loopback where nothing is said.
    #[arg(long, value_name = "ADDRESS")]
    service: Option<SocketAddr>,
    /// Only answer HTTP, as the floor of other jobs.
    #[arg(long, hide = true)]
    answer: bool,
}

/// What the jobs are told.
#[derive(Debug)]
struct Settings {
    /// How long each may measure.
    time: Duration,
    folder: Option<PathBuf>,
    sleepers: u64,
    rows: u64,
    seed: u64,
    rival_ack: Option<String>,
    rival_steps: Option<String>,
    service: SocketAddr,
}

impl Settings {
    fn new(arguments: &Arguments) -> Self {
        Self {
            time: Duration::from_secs_f64(arguments.seconds),
            folder: arguments.folder.clone(),
            sleepers: arguments.sleepers,
            rows: arguments.rows,
            seed: arguments.seed.unwrap_or_else(|| crate::clock::wall().0.unsigned_abs()),
            rival_ack: arguments.rival_ack.clone(),
            rival_steps: arguments.rival_steps.clone(),
            service: arguments.service.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into()),
        }
    }

    /// A folder of this run, which goes with it.
    fn folder(&self) -> Result<tempfile::TempDir, String> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("engine-bench-");
        let folder = self.folder.as_ref().map_or_else(|| builder.tempdir(), |within| builder.tempdir_in(within));
        folder.map_err(|error| format!("a folder cannot be made: {error}"))
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum Error {
    /// There is no such job.
    #[error("there is no job `{name}`")]
    #[diagnostic(code(bench::unknown_job), help("jobs are {}", jobs()))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The time is no time.
    #[error("{0} seconds are no time to measure in")]
    #[diagnostic(code(bench::no_time), help("give a number above 0 and up to 3600"))]
    NoTime(f64),
    /// A job gave another result than it should: what it measures is not what it says.
    #[error("the job `{job}` cannot be measured: {why}")]
    #[diagnostic(code(bench::wrong))]
    Wrong {
        /// Which.
        job: &'static str,
        /// Why.
        why: String,
    },
}

/// One thing that is measured.
struct Job {
    name: &'static str,
    /// In one line, for people.
    about: &'static str,
    run: fn(&Settings) -> Result<Report, String>,
}

/// All jobs, in the order in which they run.
const JOBS: &[Job] =
    &[validate::JOB, decide::JOB, ack::JOB, steps::JOB, sleepers::JOB, crash::JOB, idle::JOB, intake::JOB, growth::JOB];

/// What a job found.
#[derive(Debug, Default)]
struct Report {
    /// Figures by the names that scripts read; the unit ends the name.
    figures: Map<String, Json>,
    /// What the machine needs at least, measured beside them.
    floor: Map<String, Json>,
    /// What people read: a name, a figure with its unit, and a remark.
    lines: Vec<[String; 3]>,
}

impl Report {
    /// Notes a figure for scripts.
    fn figure(&mut self, name: &str, value: impl Into<Json>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// Notes what the machine needs at least, for scripts.
    fn floor(&mut self, name: &str, value: impl Into<Json>) {
        self.floor.insert(name.to_owned(), value.into());
    }

    /// Notes a line for people.
    fn line(&mut self, name: &str, figure: String, remark: impl Into<String>) {
        self.lines.push([name.to_owned(), figure, remark.into()]);
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    if arguments.answer {
        return match server::answer() {
            Ok(()) => 0,
            Err(error) => could_not_run(&Error::Wrong { job: "floor", why: error.to_string() }),
        };
    }
    match measure(arguments) {
        Ok(()) => 0,
        Err(error) => could_not_run(&error),
    }
}

fn measure(arguments: &Arguments) -> Result<(), Error> {
    if !(arguments.seconds > 0.0 && arguments.seconds <= 3_600.0) {
        return Err(Error::NoTime(arguments.seconds));
    }
    let settings = Settings::new(arguments);
    // All names are looked up first: a misspelt one is told of before the others have taken their time.
    let mut chosen = Vec::new();
    for name in &arguments.jobs {
        let job = JOBS.iter().find(|job| job.name == name).ok_or_else(|| Error::Unknown { name: name.clone() })?;
        chosen.push(job);
    }
    if chosen.is_empty() {
        chosen.extend(JOBS);
    }
    let machine = machine::describe();
    if !arguments.json {
        say!("{}", machine::line(&machine));
    }
    let mut found = Vec::new();
    for job in chosen {
        let report = (job.run)(&settings).map_err(|why| Error::Wrong { job: job.name, why })?;
        if arguments.json {
            found.push(serde_json::json!({"job": job.name, "figures": report.figures, "floor": report.floor}));
        } else {
            say!("\n{}: {}", job.name, job.about);
            for [name, figure, remark] in &report.lines {
                say!("{}", format!("  {name:<22} {figure:>12}  {remark}").trim_end());
            }
        }
    }
    if arguments.json {
        say!("{}", serde_json::json!({"schema": 1, "machine": machine, "jobs": found}));
    }
    Ok(())
}

fn jobs() -> String {
    JOBS.iter().map(|job| job.name).collect::<Vec<_>>().join(", ")
}

/// Runs each of `work` in turns until the time is used up, at least once; gives the median time of each.
fn in_turns<const N: usize>(time: Duration, mut work: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut rounds: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    let begin = Instant::now();
    loop {
        for (work, times) in work.iter_mut().zip(&mut rounds) {
            let start = Instant::now();
            work();
            times.push(start.elapsed());
        }
        if begin.elapsed() >= time {
            break;
        }
    }
    rounds.map(median)
}

/// Runs what waits for sockets, on this thread.
fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    super::output::block_on(1, work).map_err(|error| error.to_string())?
}

/// The middle of a figure over all rounds; 0 of none.
fn middle(loads: &[load::Load], figure: impl Fn(&load::Load) -> f64) -> f64 {
    let mut figures: Vec<f64> = loads.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The middle of at least one time.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Two digits behind the point are what a measurement is worth.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Bytes in megabytes of 2^20.
fn megabytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / f64::from(1 << 20))
}

fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1_000.0)
}
