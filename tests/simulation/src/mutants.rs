//! Do the tests find faults that are planted on purpose? Each one is planted alone, and what finds it first is told.
//!
//! In: the faults, histories by hand and by chance, tests of the crates. Out: a line for each fault.
//! Always true: a fault counts as found only where a history breaks a promise that it keeps without the fault, or a
//! test fails that passes without it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::history::History;
use crate::oracle::Kind;
use crate::worker::Worker;

/// A history and what people call it.
pub type Named = (String, History);

/// What became of a planted fault.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its name.
    pub fault: String,
    /// What goes wrong.
    pub text: String,
    /// What found it, where anything did.
    pub found_by: Option<String>,
}

/// How faults are tried.
pub struct Effort {
    /// A program with the feature `planted`.
    pub program: PathBuf,
    /// Faults at once.
    pub jobs: usize,
    /// How long one history may take.
    pub patience: Duration,
    /// The tests of the crates are tried too, on what no history finds; cargo builds them with the feature `planted`.
    pub suites: bool,
}

/// Tries every fault of `faults`, by name and text, on histories in their order.
///
/// # Errors
/// Where no process can be started.
pub fn try_all(faults: &[(String, String)], histories: &[Named], effort: &Effort) -> std::io::Result<Vec<Trial>> {
    let sound = sound(histories, effort)?;
    let next = AtomicUsize::new(0);
    let trials = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..effort.jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some((fault, text)) = faults.get(index) else { return Ok(()) };
                        let found_by = found(fault, histories, &sound, effort)?;
                        let trial = Trial { fault: fault.clone(), text: text.clone(), found_by };
                        trials.lock().expect("no other thread panics").push((index, trial));
                    }
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })
    .map_err(|error: std::io::Error| error)?;
    let mut trials = trials.into_inner().expect("no thread panics");
    trials.sort_by_key(|(index, _)| *index);
    let mut trials: Vec<Trial> = trials.into_iter().map(|(_, trial)| trial).collect();
    if effort.suites {
        for trial in trials.iter_mut().filter(|trial| trial.found_by.is_none()) {
            trial.found_by = suites(&trial.fault)?;
        }
    }
    Ok(trials)
}

/// What each history breaks without any fault; nothing where it does not end.
fn sound(histories: &[Named], effort: &Effort) -> std::io::Result<Vec<Option<BTreeSet<Kind>>>> {
    let next = AtomicUsize::new(0);
    let sound = Mutex::new(vec![None; histories.len()]);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..effort.jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    let mut worker = Worker::new(&effort.program, effort.patience);
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some((_, history)) = histories.get(index) else { return Ok(()) };
                        let kinds = kinds(&mut worker, history)?;
                        let kinds = Some(kinds).filter(|kinds| !kinds.contains(&Kind::NeverEnds));
                        sound.lock().expect("no other thread panics")[index] = kinds;
                    }
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })
    .map_err(|error: std::io::Error| error)?;
    Ok(sound.into_inner().expect("no thread panics"))
}

fn kinds(worker: &mut Worker, history: &History) -> std::io::Result<BTreeSet<Kind>> {
    Ok(worker.ask(history)?.into_iter().map(|violation| violation.kind).collect())
}

/// The first history that breaks more than it does without the fault.
fn found(
    fault: &str,
    histories: &[Named],
    sound: &[Option<BTreeSet<Kind>>],
    effort: &Effort,
) -> std::io::Result<Option<String>> {
    let mut worker = Worker::planted(&effort.program, effort.patience, fault);
    for ((name, history), sound) in histories.iter().zip(sound) {
        let Some(sound) = sound else { continue };
        if let Some(kind) = kinds(&mut worker, history)?.difference(sound).next() {
            return Ok(Some(format!("{name}: {kind}")));
        }
    }
    Ok(None)
}

/// Tests besides the histories, with what they want of cargo.
const SUITES: [(&str, &[&str]); 3] = [
    ("connectors", &["--package", "connectors", "--features", "planted"]),
    ("engine", &["--package", "engine", "--lib", "--features", "connectors/planted"]),
    ("scenario", &["--package", "scenarios", "--features", "planted"]),
];

/// The first test of the suites that fails.
fn suites(fault: &str) -> std::io::Result<Option<String>> {
    for (suite, arguments) in SUITES {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["test", "--quiet"])
            .args(arguments)
            .env("PLANTED", fault)
            .output()?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            let failed = text.lines().find_map(|line| line.strip_prefix("---- ")?.strip_suffix(" stdout ----"));
            return Ok(Some(format!("{suite} {}", failed.unwrap_or("that does not build"))));
        }
    }
    Ok(None)
}

/// The histories of a folder, by the names of their files.
///
/// # Errors
/// Where the folder cannot be read, or a history is not understood.
pub fn by_hand(folder: &Path) -> Result<Vec<Named>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut files =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "history"));
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
        let history = text.parse().map_err(|error| format!("{name}: {error}"))?;
        Ok((name, history))
    };
    files.iter().map(read).collect()
}
