//! Why an engine did not start, or did not do what it was asked.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use miette::Diagnostic;

use crate::admin::Refusal;
use crate::rules::stored::{self, Findings};
use crate::runtime::reload;
use crate::{ledger, runtime, shell};

/// Why an engine did not start, or did not do what it was asked. Each variant is something that a caller can act on; what
/// stands behind it, and what to do, is in its message and its help.
///
/// ```
/// # async fn start() -> Result<(), engine::Error> {
/// use engine::{Engine, Error, Rules, State};
///
/// match Engine::builder().rules(Rules::folder("rules")).state(State::folder("state")).start().await {
///     Ok(engine) => engine.stop().await,
///     Err(Error::InvalidRules(findings)) => {
///         eprint!("{}", findings.report());
///         Ok(())
///     }
///     Err(Error::StateInUse { path }) => {
///         eprintln!("another engine runs on {path}");
///         Ok(())
///     }
///     Err(other) => Err(other),
/// }
/// # }
/// ```
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// Something that an engine cannot be without was not given.
    #[error("an engine needs {what}")]
    #[diagnostic(code(embed::incomplete), help("give it to the builder"))]
    Incomplete {
        /// `rules`, `a state`.
        what: &'static str,
    },
    /// engine.yaml cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(Cause),
    /// The rules have errors, and none ran before.
    #[error("{0}")]
    #[diagnostic(code(rules::invalid), help("`engine validate` shows where, and what to do"))]
    InvalidRules(Arc<Findings>),
    /// The rules cannot be read, and none ran before.
    #[error(transparent)]
    #[diagnostic(transparent)]
    UnreadableRules(Cause),
    /// Another engine, of this process or of another one, has the state folder.
    #[error("the state folder {path} is in use by another engine")]
    #[diagnostic(code(ledger::locked), help("stop the other engine, or give this one a state folder of its own"))]
    StateInUse {
        /// The folder.
        path: String,
    },
    /// The state cannot be opened or read, or can no longer be written. What was acknowledged is durable.
    #[error(transparent)]
    #[diagnostic(transparent)]
    State(Cause),
    /// The rules and the systems, services or secrets that were given do not fit together.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Setup(Cause),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {reason}")]
    #[diagnostic(code(engine::listen), help("another program may have the port; listen at another one"))]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// It was started outside of a tokio runtime, or in one without timers.
    #[error("an engine needs a tokio runtime with timers: {reason}")]
    #[diagnostic(
        code(embed::runtime),
        help("call it inside of `#[tokio::main]`, or of a runtime that was built with `enable_all`")
    )]
    Runtime {
        /// What is missing.
        reason: String,
    },
    /// The rules have no such system.
    #[error("the rules have no system `{system}`")]
    #[diagnostic(code(embed::unknown_system), help("name a system of the rules"))]
    UnknownSystem {
        /// The name that was given.
        system: String,
    },
    /// A delivery is not what its system sends; nothing of it was taken.
    #[error("a delivery of `{system}` cannot be read: {reason}")]
    #[diagnostic(code(embed::unreadable))]
    Unreadable {
        /// The system.
        system: String,
        /// Why, in the connector's words.
        reason: String,
    },
    /// Too much waits already, or nothing can be stored for now: nothing was taken, and the same may be given again.
    #[error("not now: {reason}; try again in {} s", retry_after.as_secs())]
    #[diagnostic(code(embed::busy))]
    Busy {
        /// What is in the way.
        reason: String,
        /// When another try makes sense.
        retry_after: Duration,
    },
    /// It was understood and is refused: what is meant is not there, or not in a state for it. The history says so too,
    /// where it was a command.
    #[error("{reason}")]
    #[diagnostic(code(embed::refused))]
    Refused {
        /// Why.
        reason: String,
    },
    /// The engine is stopping or has ended. What was not answered before may have been taken or not.
    #[error("the engine has stopped")]
    #[diagnostic(code(embed::stopped), help("start another one on the same state"))]
    Stopped,
    /// Something that should be readable is not, or the engine broke off: a defect.
    #[error("{reason}")]
    #[diagnostic(code(engine::defect), help("report it with the log"))]
    Defect {
        /// What happened.
        reason: String,
    },
}

/// What stands behind an [`Error`]: its message, code and help are those that people are shown.
#[derive(Clone)]
pub struct Cause(Arc<dyn Diagnostic + Send + Sync>);

impl Cause {
    pub(super) fn new(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    pub(super) fn shared(error: Arc<impl Diagnostic + Send + Sync + 'static>) -> Self {
        Self(error)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Diagnostic for Cause {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.code()
    }

    fn severity(&self) -> Option<miette::Severity> {
        self.0.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help()
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.url()
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.0.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        self.0.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.0.related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.0.diagnostic_source()
    }
}

impl From<stored::Refusal> for Error {
    fn from(refusal: stored::Refusal) -> Self {
        match refusal {
            stored::Refusal::Invalid(findings) => Self::InvalidRules(Arc::new(findings)),
            stored::Refusal::Unreadable(error) => Self::UnreadableRules(Cause::new(error)),
        }
    }
}

impl From<ledger::Error> for Error {
    fn from(error: ledger::Error) -> Self {
        match error {
            ledger::Error::Locked { path } => Self::StateInUse { path },
            other => Self::State(Cause::new(other)),
        }
    }
}

impl From<runtime::Error> for Error {
    fn from(error: runtime::Error) -> Self {
        use runtime::Error as E;
        match error {
            E::Incomplete(what) => Self::Incomplete { what },
            E::Runtime(reason) => Self::Runtime { reason },
            E::Rules(stored::Error::Refused(refusal)) => refusal.into(),
            E::Rules(stored::Error::Ledger(error)) | E::Ledger(error) | E::Loop(shell::Error::Ledger(error)) => {
                error.into()
            }
            E::Loop(shell::Error::Defect(reason)) => Self::Defect { reason },
            E::Connect(error) => Self::Setup(Cause::new(error)),
            E::Secret(missing) => Self::Setup(Cause::new(missing)),
            E::Clock(error) => Self::Setup(Cause::new(error)),
            E::OpenAdmin(address) => Self::Setup(Cause::new(E::OpenAdmin(address))),
            E::Listen { address, source } => Self::Listen { address, reason: source.to_string() },
            E::System(reason) => Self::Defect { reason },
        }
    }
}

impl From<reload::Error> for Error {
    fn from(error: reload::Error) -> Self {
        match error {
            reload::Error::Rules(refusal) => refusal.into(),
            reload::Error::Connect(error) => Self::Setup(Cause::new(error)),
            reload::Error::NotStored(reason) => Self::Busy { reason, retry_after: Duration::from_secs(1) },
            reload::Error::Gone(_) => Self::Stopped,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(reason) | Refusal::Conflict(reason) => Self::Refused { reason },
            Refusal::Unavailable(reason) => Self::Busy { reason, retry_after: Duration::from_secs(1) },
            Refusal::Stopping => Self::Stopped,
            Refusal::Failed(reason) => Self::Defect { reason },
        }
    }
}
