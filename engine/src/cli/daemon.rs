//! The engine as a process of its own: started, asked, killed and stopped like any other daemon.
//!
//! Always true: it is reached through its ports and its admin API alone.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::process::{Child, Command};

use super::demo::Failed;

/// How long it may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to stop in order.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Daemon {
    /// Where its configuration, state and log are.
    pub(super) folder: PathBuf,
    /// Takes the time from there; otherwise its own machine's.
    pub(super) clock_url: Option<String>,
    pub(super) admin_url: String,
    pub(super) secrets: Vec<(&'static str, &'static str)>,
    child: Option<Child>,
    http: reqwest::Client,
    peak_mb: Option<u64>,
}

impl Daemon {
    pub(super) fn new(
        folder: PathBuf,
        clock_url: Option<String>,
        admin_url: String,
        secrets: Vec<(&'static str, &'static str)>,
    ) -> Result<Self, Failed> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        let http = http.map_err(|error| Failed::at("HTTP")(&error))?;
        Ok(Self { folder, clock_url, admin_url, secrets, child: None, http, peak_mb: None })
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
        let url = format!("{}/readyz", self.admin_url);
        while !self.http.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || began.elapsed() > READY_WITHIN {
                return Err(Failed(format!("the engine did not become ready; its last words:\n{}", self.last_words())));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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

    /// Asks `GET path` of its admin API.
    pub(super) async fn ask(&self, path: &str) -> Result<Json, Failed> {
        let failed = Failed::at("the engine's admin API does not answer");
        let response = self.http.get(format!("{}{path}", self.admin_url)).send().await.map_err(|e| failed(&e))?;
        let response = response.error_for_status().map_err(|error| failed(&error))?;
        let bytes = response.bytes().await.map_err(|error| failed(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| failed(&error))
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
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return };
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        self.peak_mb = self.peak_mb.max(peak.map(|kilobytes| kilobytes.div_ceil(1_024)));
    }
}
