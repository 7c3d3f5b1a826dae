//! Where the running daemon is found, and how a command asks it.

use std::path::{Path, PathBuf};

use connectors::secret::Secret;

use super::output::{block_on, could_not_run};
use crate::admin::client::{self, Client};
use crate::admin::token;
use crate::config::{Config, SecretAt};

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

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        match error {
            client::Error::Away { url, reason } => Self::Away { url, reason },
            client::Error::Refused { detail, .. } => Self::Refused(detail),
        }
    }
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

/// Asks the daemon that `reach` names, and waits for its answer.
pub(super) fn ask<T>(
    reach: &Reach,
    question: impl AsyncFnOnce(Client) -> Result<T, client::Error>,
) -> Result<T, Error> {
    let (url, token) = address(reach)?;
    let engine = Client::new(&url, token)?;
    let answer = block_on(1, question(engine)).map_err(|error| Error::Away { url, reason: error.to_string() })?;
    Ok(answer?)
}

/// Where a browser finds the console of the engine whose admin API is at `url`. The token stands behind `#`, which
/// browsers keep to themselves.
pub(super) fn console_address(url: &str, token: Option<&Secret>) -> String {
    let url = url.trim_end_matches('/');
    token.map_or_else(|| format!("{url}/"), |token| format!("{url}/#token={}", token.expose()))
}

/// Where the daemon that `reach` names is, and the token that it asks for.
///
/// # Errors
/// engine.yaml cannot be read.
pub(super) fn address(reach: &Reach) -> Result<(String, Option<Secret>), Error> {
    if let Some(admin) = &reach.admin {
        return Ok((admin.clone(), SecretAt::Environment(reach.token_env.clone()).read().ok()));
    }
    let config = Config::read(&config_path(reach.config.as_deref()))?;
    // A token that this shell lacks is the daemon's to miss: it says so.
    let token = match config.admin.token {
        Some(at) => at.read().ok(),
        None => token::find(&config.state),
    };
    Ok((format!("http://{}", config.admin.listen), token))
}
