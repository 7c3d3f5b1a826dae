//! Many histories at once, and what came of them by kind.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::history::History;
use crate::oracle::{Kind, Violation};
use crate::shrink::shrink;
use crate::worker::Worker;

/// A history that broke promises.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its number in the series.
    pub number: u64,
    /// The history.
    pub history: History,
    /// The promises.
    pub violations: Vec<Violation>,
}

/// What came of a series.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Histories that were carried out.
    pub histories: usize,
    /// How many of them broke a promise.
    pub failed: usize,
    /// How many did, of a kind other than clearing what a system requires.
    pub failed_otherwise: usize,
    /// How many broke each kind of promise.
    pub kinds: BTreeMap<Kind, usize>,
    /// For each kind, a history of few steps that broke it.
    pub shortest: BTreeMap<Kind, Failure>,
    /// The number of each history that broke a promise, with the kinds.
    pub broken: BTreeMap<u64, Vec<Kind>>,
    /// How long it took.
    pub took: Duration,
}

/// How a series is carried out.
#[derive(Debug, Clone)]
pub struct Effort {
    /// The program that carries histories out.
    pub program: PathBuf,
    /// Processes.
    pub jobs: usize,
    /// How long one history may take.
    pub patience: Duration,
    /// How often a history of each kind may be tried while it is made shorter; 0 leaves it as it is.
    pub tries: usize,
}

/// Carries out as many histories as there are.
///
/// # Errors
/// Where no process can be started.
pub fn carry_out(
    count: usize,
    history: impl Fn(usize) -> (u64, History) + Sync,
    effort: &Effort,
) -> std::io::Result<Outcome> {
    let begin = Instant::now();
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Outcome::default());
    let told = Mutex::new(Instant::now());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..effort.jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    // A process for each thread: one that does not come to an end holds up no other.
                    let mut worker = Worker::new(&effort.program, effort.patience);
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count {
                            return Ok(());
                        }
                        let (number, history) = history(index);
                        let violations = worker.ask(&history)?;
                        let mut outcome = outcome.lock().expect("no other thread panics");
                        outcome.take(Failure { number, history, violations });
                        let mut told = told.lock().expect("no other thread panics");
                        if told.elapsed() > Duration::from_secs(30) {
                            *told = Instant::now();
                            eprintln!("{} of {count}, {} failed", outcome.histories, outcome.failed);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })
    .map_err(|error: std::io::Error| error)?;
    let mut outcome = outcome.into_inner().expect("no thread panics");
    outcome.took = begin.elapsed();
    if effort.tries > 0 {
        outcome.shorten(effort)?;
    }
    Ok(outcome)
}

impl Outcome {
    fn take(&mut self, failure: Failure) {
        self.histories += 1;
        let mut kinds: Vec<Kind> = failure.violations.iter().map(|violation| violation.kind).collect();
        kinds.sort();
        kinds.dedup();
        self.failed += usize::from(!kinds.is_empty());
        if !kinds.is_empty() {
            self.broken.insert(failure.number, kinds.clone());
        }
        self.failed_otherwise += usize::from(kinds.iter().any(|kind| *kind != Kind::ClearOfRequired));
        for kind in kinds {
            *self.kinds.entry(kind).or_default() += 1;
            let size = |failure: &Failure| (failure.history.steps.len(), failure.number);
            let shorter = self.shortest.get(&kind).is_none_or(|known| size(&failure) < size(known));
            if shorter {
                self.shortest.insert(kind, failure.clone());
            }
        }
    }

    fn shorten(&mut self, effort: &Effort) -> std::io::Result<()> {
        let mut worker = Worker::new(&effort.program, effort.patience);
        let mut failed = None;
        for (kind, failure) in &mut self.shortest {
            let mut last = failure.violations.clone();
            let history = shrink(&failure.history, effort.tries, |candidate| {
                let violations = worker.ask(candidate).unwrap_or_else(|error| {
                    failed = Some(error);
                    Vec::new()
                });
                let same = violations.iter().any(|violation| violation.kind == *kind);
                if same {
                    last = violations;
                }
                same
            });
            failure.history = history;
            failure.violations = last.into_iter().filter(|violation| violation.kind == *kind).collect();
        }
        failed.map_or(Ok(()), Err)
    }
}
