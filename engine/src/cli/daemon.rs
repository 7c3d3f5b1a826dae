//! The engine as a process of its own: started, asked, killed and stopped like any other daemon.
//!
//! Always true: it is reached through its ports and its admin API alone.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::admin::client::{Client, Error};
use crate::admin::token;
use crate::cli::client::console_address;
use crate::proc::Process;

/// Why nothing can be done with it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(String);

impl Failed {
    fn at(doing: &str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        let doing = doing.to_owned();
        move |error| Self(format!("{doing}: {error}"))
    }
}

/// How long it may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to stop in order.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Daemon {
    /// Where its configuration, state and log are.
    pub(super) folder: PathBuf,
    /// Takes the time from there; otherwise its own machine's.
    pub(super) clock_url: Option<String>,
    pub(super) secrets: Vec<(&'static str, &'static str)>,
    child: Option<Child>,
    admin_url: String,
    client: Client,
    peak_mb: Option<u64>,
}

impl Daemon {
    pub(super) fn new(
        folder: PathBuf,
        clock_url: Option<String>,
        admin_url: String,
        secrets: Vec<(&'static str, &'static str)>,
    ) -> Result<Self, Failed> {
        let client = Client::new(&admin_url, None).map_err(|error| Failed::at("HTTP")(&error))?;
        Ok(Self { folder, clock_url, secrets, child: None, admin_url, client, peak_mb: None })
    }

    /// Starts it and waits until it is ready.
    pub(super) async fn start(&mut self) -> Result<(), Failed> {
        let failed = Failed::at("the engine cannot be started");
        let binary = std::env::current_exe().map_err(|error| failed(&error))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("engine.log"));
        let log = log.map_err(|error| failed(&error))?;
        let errors = log.try_clone().map_err(|error| failed(&error))?;
        let clock = self.clock_url.iter().flat_map(|url| ["--clock", url]);
        let child = Command::new(binary)
            .args(["run", "--config"])
            .arg(self.folder.join("engine.yaml"))
            .args(clock)
            .envs(self.secrets.iter().copied())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;
        self.child = Some(child);
        let began = Instant::now();
        while self.client.ready().await.is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || began.elapsed() > READY_WITHIN {
                return Err(Failed(format!("the engine did not become ready; its last words:\n{}", self.last_words())));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let token = token::find(&self.folder.join("state"));
        self.client = Client::new(&self.admin_url, token).map_err(|error| failed(&error))?;
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("engine.log")).unwrap_or_default();
        let from = log.lines().count().saturating_sub(12);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }

    /// SIGKILL, at once.
    pub(super) async fn kill(&mut self) -> Result<(), Failed> {
        self.note_memory();
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().await.map_err(|error| Failed::at("the engine cannot be killed")(&error))
    }

    /// SIGTERM, and waits for its end.
    pub(super) async fn stop(&mut self) -> Result<(), Failed> {
        self.note_memory();
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let failed = Failed::at("the engine cannot be stopped");
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|error| failed(&error))?;
        }
        match tokio::time::timeout(STOPPED_WITHIN, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(&format!("it ended with {status}"))),
            Ok(Err(error)) => Err(failed(&error)),
            // Dropped, it is killed.
            Err(_) => Err(failed(&format!("it does not end within {} s", STOPPED_WITHIN.as_secs()))),
        }
    }

    /// Where a browser finds its console, with the token that lets it in.
    pub(super) fn console(&self) -> Result<String, Failed> {
        let token = token::find(&self.folder.join("state"));
        let token = token.ok_or_else(|| Failed("the engine has made no admin token".to_owned()))?;
        Ok(console_address(&self.admin_url, Some(&token)))
    }

    /// Asks its admin API.
    pub(super) async fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, Failed> {
        question(&self.client).await.map_err(|error| Failed::at("the engine's admin API does not answer")(&error))
    }

    /// What another command of the engine prints in its folder, with its engine.yaml and its secrets; findings are no
    /// failure.
    pub(super) async fn command(&self, arguments: &[&str]) -> Result<String, Failed> {
        let name = format!("`engine {}`", arguments.join(" "));
        let failed = Failed::at(&name);
        let binary = std::env::current_exe().map_err(|error| failed(&error))?;
        let config = self.folder.join("engine.yaml");
        let mut command = Command::new(binary);
        command.args(arguments).arg("--config").arg(config).envs(self.secrets.iter().copied());
        command.current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|error| failed(&error))?;
        if !matches!(output.status.code(), Some(0 | 1)) {
            return Err(failed(&String::from_utf8_lossy(&output.stderr)));
        }
        String::from_utf8(output.stdout).map_err(|error| failed(&error))
    }

    /// Its process, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// The most memory that it has held, in MB, as far as it was looked at; nothing where the system does not say.
    pub(super) fn peak_mb(&mut self) -> Option<u64> {
        self.note_memory();
        self.peak_mb
    }

    fn note_memory(&mut self) {
        let Some(pid) = self.child.as_ref().and_then(Child::id) else { return };
        let peak = Process::new(pid).peak().ok();
        self.peak_mb = self.peak_mb.max(peak.map(|bytes| bytes.div_ceil(1 << 20)));
    }
}
