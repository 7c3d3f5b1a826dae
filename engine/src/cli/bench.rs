//! `engine bench`: what this machine can do, each figure beside a floor or a baseline taken in the same run.
//!
//! Always true: what is compared is measured in turns, round by round, so that a busy neighbour slows both; figures
//! are medians of rounds. A job that gives a wrong result is an error, not a figure.

mod decide;
mod machine;
mod validate;

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
    run: fn(Duration) -> Result<Report, String>,
}

/// All jobs, in the order in which they run.
const JOBS: &[Job] = &[validate::JOB, decide::JOB];

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

    /// Notes a line for people.
    fn line(&mut self, name: &str, figure: String, remark: impl Into<String>) {
        self.lines.push([name.to_owned(), figure, remark.into()]);
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match measure(arguments) {
        Ok(()) => 0,
        Err(error) => could_not_run(&error),
    }
}

fn measure(arguments: &Arguments) -> Result<(), Error> {
    if !(arguments.seconds > 0.0 && arguments.seconds <= 3_600.0) {
        return Err(Error::NoTime(arguments.seconds));
    }
    let time = Duration::from_secs_f64(arguments.seconds);
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
        let report = (job.run)(time).map_err(|why| Error::Wrong { job: job.name, why })?;
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

/// The middle of at least one time.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Two digits behind the point are what a measurement is worth.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1_000.0)
}
