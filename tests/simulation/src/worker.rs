//! Carries histories out one after the other in a process of their own, so that one that never ends, or takes the whole
//! process with it, is an answer like any other.
//!
//! In and out: a line of JSON each, on standard input and output.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::history::History;
use crate::oracle::{Kind, Violation, judge};
use crate::stage::{Sets, run};

/// What came of a history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The promises that it breaks.
    pub violations: Vec<Violation>,
    /// What there is in the end, by what people call it.
    pub end: BTreeMap<String, BTreeMap<String, String>>,
    /// All that happened, as people read it.
    pub log: String,
}

/// What a worker says of a history.
#[derive(Serialize, Deserialize)]
enum Answer {
    Report(Report),
    Broke(String),
}

/// Answers one history after the other until there are no more.
///
/// # Errors
/// Where standard input or output fails.
pub fn serve() -> std::io::Result<()> {
    let mut sets = Sets::default();
    for line in std::io::stdin().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let answer = match text.parse::<History>() {
            Ok(history) => match run(&history, &mut sets) {
                Ok(evidence) => Answer::Report(Report {
                    violations: judge(&evidence),
                    end: end(&evidence),
                    log: evidence.to_string(),
                }),
                Err(error) => Answer::Broke(error),
            },
            Err(error) => Answer::Broke(error.to_string()),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    Ok(())
}

/// What there is in the end, by what people call it.
fn end(evidence: &Evidence) -> BTreeMap<String, BTreeMap<String, String>> {
    let named = evidence.end.iter().filter_map(|(record, held)| {
        let name = format!("{} {}", record.0, evidence.names.get(record)?);
        Some((name, held.fields.iter().map(|(field, value)| (field.clone(), value.to_string())).collect()))
    });
    named.collect()
}

/// A process that answers.
struct Process {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

/// A worker; its process is started anew whenever it had to be ended.
pub struct Worker {
    program: PathBuf,
    patience: Duration,
    /// The fault that is planted.
    planted: Option<String>,
    process: Option<Process>,
}

impl Worker {
    /// A worker that runs `program`, which is this crate's, and gives a history so much time of the wall clock.
    #[must_use]
    pub fn new(program: &Path, patience: Duration) -> Self {
        Self { program: program.to_owned(), patience, planted: None, process: None }
    }

    /// A worker of a program into which this fault is planted; its build must have the feature `planted`.
    #[must_use]
    pub fn planted(program: &Path, patience: Duration, fault: &str) -> Self {
        Self { program: program.to_owned(), patience, planted: Some(fault.to_owned()), process: None }
    }

    fn start(program: &Path, planted: Option<&str>) -> std::io::Result<Process> {
        let mut child = Command::new(program)
            .arg("worker")
            .env_remove("PLANTED")
            .envs(planted.map(|fault| ("PLANTED", fault)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (send, answers) = channel();
        // It ends with the process, whose output ends then.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Process { child, input, answers })
    }

    /// The promises that a history breaks.
    ///
    /// # Errors
    /// Where no process can be started.
    pub fn ask(&mut self, history: &History) -> std::io::Result<Vec<Violation>> {
        Ok(self.report(history)?.violations)
    }

    /// What comes of a history.
    ///
    /// # Errors
    /// Where no process can be started.
    pub fn report(&mut self, history: &History) -> std::io::Result<Report> {
        let process = match &mut self.process {
            Some(process) => process,
            None => self.process.insert(Self::start(&self.program, self.planted.as_deref())?),
        };
        let line = serde_json::to_string(&history.to_string())?;
        let sent = writeln!(process.input, "{line}").and_then(|()| process.input.flush());
        let answer = match sent {
            Ok(()) => process.answers.recv_timeout(self.patience),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        let never_ends =
            |text: String| Report { violations: vec![Violation { kind: Kind::NeverEnds, text }], ..Report::default() };
        Ok(match answer {
            Ok(line) => match serde_json::from_str(&line)? {
                Answer::Report(report) => report,
                Answer::Broke(error) => never_ends(error),
            },
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                never_ends(format!("no end within {} s", self.patience.as_secs()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.end();
                never_ends("the engine took its process with it".to_owned())
            }
        })
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Where it has ended already, that is what is wanted.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
