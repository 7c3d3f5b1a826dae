//! Reaches the running daemon through its admin API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use connectors::secret::Secret;
use serde_json::Value as Json;

use super::output::{block_on, could_not_run};
use crate::config::Config;

/// How long an answer may take where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);

/// How to find the daemon.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Reach {
    /// Its engine.yaml, which says where it listens.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Its admin API, such as http://127.0.0.1:8081; otherwise as engine.yaml says.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// The environment variable that holds the admin token, where `--admin` is given.
    #[arg(long, value_name = "NAME", default_value = "ENGINE_ADMIN_TOKEN")]
    token_env: String,
}

impl Reach {
    /// The engine.yaml that was named.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// A daemon was named by its address, so engine.yaml here may not be its own.
    pub(super) fn elsewhere(&self) -> bool {
        self.admin.is_some()
    }
}

/// The file that is meant where none is named: `engine.yaml` here, or in `rules/`.
pub(super) fn config_path(given: Option<&Path>) -> PathBuf {
    let here = Path::new("engine.yaml");
    let shipped = Path::new("rules/engine.yaml");
    match given {
        Some(path) => path.to_path_buf(),
        None if !here.exists() && shipped.exists() => shipped.to_path_buf(),
        None => here.to_path_buf(),
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] crate::config::Error),
    #[error("the engine does not answer at {url}: {reason}")]
    #[diagnostic(code(admin::away), help("is it running? `engine run` starts it; `--admin` names another address"))]
    Away { url: String, reason: String },
    /// The daemon understood and refuses.
    #[error("{0}")]
    #[diagnostic(code(admin::refused))]
    Refused(String),
}

impl Error {
    /// 1 where the daemon refused, 2 where it could not be asked; said on stderr.
    pub(super) fn exit(&self) -> u8 {
        match self {
            Self::Refused(reason) => {
                eprintln!("engine: refused: {reason}");
                1
            }
            other => could_not_run(other),
        }
    }
}

/// Asks `GET path` or, with a body, `POST path`.
pub(super) fn ask(reach: &Reach, path: &str, body: Option<&Json>) -> Result<Json, Error> {
    ask_within(reach, path, body, PATIENCE)
}

/// The same for what may take the daemon long.
pub(super) fn ask_within(reach: &Reach, path: &str, body: Option<&Json>, patience: Duration) -> Result<Json, Error> {
    let (base, status, bytes) = call(reach, path, body, patience)?;
    let away = |reason: String| Error::Away { url: base, reason };
    let json: Json = serde_json::from_slice(&bytes).map_err(|error| away(format!("it answers no JSON: {error}")))?;
    if status.is_success() {
        return Ok(json);
    }
    let detail = json["detail"].as_str().unwrap_or("it gives no reason").to_owned();
    Err(Error::Refused(detail))
}

/// Asks whether it is alive; that needs no token.
pub(super) fn alive(reach: &Reach) -> Result<(), Error> {
    let (url, status, _) = call(reach, "/healthz", None, PATIENCE)?;
    if status.is_success() { Ok(()) } else { Err(Error::Away { url, reason: format!("HTTP {status}") }) }
}

/// Calls the API; gives its address, the status and the body.
fn call(
    reach: &Reach,
    path: &str,
    body: Option<&Json>,
    patience: Duration,
) -> Result<(String, http::StatusCode, bytes::Bytes), Error> {
    let (base, token) = address(reach)?;
    let url = format!("{base}{path}");
    let away = |reason: String| Error::Away { url: base.clone(), reason };
    let asked = async {
        let client = reqwest::Client::builder().timeout(patience).no_proxy().build()?;
        let mut request = match body {
            Some(body) => {
                client.post(&url).header(http::header::CONTENT_TYPE, "application/json").body(body.to_string())
            }
            None => client.get(&url),
        };
        if let Some(token) = token {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let response = request.send().await?;
        let status = response.status();
        Ok::<_, reqwest::Error>((status, response.bytes().await?))
    };
    let (status, bytes) =
        block_on(1, asked).map_err(|error| away(error.to_string()))?.map_err(|error| away(said(&error)))?;
    Ok((base, status, bytes))
}

fn said(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(cause) = source.source() {
        source = cause;
    }
    source.to_string()
}

fn address(reach: &Reach) -> Result<(String, Option<Secret>), Error> {
    if let Some(admin) = &reach.admin {
        let token = std::env::var(&reach.token_env).ok().filter(|token| !token.is_empty());
        return Ok((admin.trim_end_matches('/').to_owned(), token.map(|token| Secret::new(&token))));
    }
    let config = Config::read(&config_path(reach.config.as_deref()))?;
    // A token that this shell lacks is the daemon's to miss: it says so.
    let token = config.admin.token.and_then(|at| at.read().ok());
    Ok((format!("http://{}", config.admin.listen), token))
}

/// Text as a value in a query (RFC 3986).
pub(super) fn escape(text: &str) -> String {
    connectors::http::escape(text)
}
