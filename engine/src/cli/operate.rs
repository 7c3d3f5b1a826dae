//! `engine resolve`, `backfill`, `reload`: what an operator asks of the daemon.

use std::str::FromStr;

use super::client::{self, Reach};
use super::output::{Output, print_json};
use crate::decide::OperatorCommand;
use crate::ids::{LinkId, RunId};

#[derive(Debug, clap::Args)]
pub(super) struct Resolve {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Try a stopped run (`r7`) or a parked link (`l12`) again.
    Retry {
        /// The run or link.
        subject: Subject,
        #[command(flatten)]
        common: Common,
    },
    /// Go on behind the action at which a run stopped.
    Skip {
        /// The run, `r7`.
        run: RunId,
        /// Why, for the history.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// End a run without undoing anything.
    Cancel {
        /// The run, `r7`.
        run: RunId,
        /// Why, for the history.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// Close an incident that nothing else closes, and drop what is kept for it: a message (`m3`), lost records
    /// (`topic users/0`).
    Dismiss {
        /// What the incident is about.
        subject: String,
        /// Why, for the history.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// Settle a field that two people edited: take the value of a system.
    Take {
        /// The link, `l12`.
        link: LinkId,
        /// The system whose value is taken.
        system: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Who you are, for the history; the user of this shell where it is not given.
    #[arg(long)]
    who: Option<String>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Backfill {
    /// The sync.
    sync: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

/// What can be tried again.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Run(RunId),
    Link(LinkId),
}

impl FromStr for Subject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let run = text.parse().map(Self::Run).ok();
        run.or_else(|| text.parse().map(Self::Link).ok()).ok_or("name a run such as r7, or a link such as l12")
    }
}

pub(super) fn resolve(arguments: Resolve) -> u8 {
    match arguments.what {
        What::Retry { subject: Subject::Run(run), common } => send(OperatorCommand::RetryRun { run: run.0 }, &common),
        What::Retry { subject: Subject::Link(link), common } => {
            send(OperatorCommand::RetryLink { link: link.0 }, &common)
        }
        What::Skip { run, reason, common } => send(OperatorCommand::SkipAction { run: run.0, reason }, &common),
        What::Cancel { run, reason, common } => send(OperatorCommand::CancelRun { run: run.0, reason }, &common),
        What::Dismiss { subject, reason, common } => send(OperatorCommand::Dismiss { subject, reason }, &common),
        What::Take { link, system, common } => send(OperatorCommand::Take { link: link.0, system }, &common),
    }
}

pub(super) fn backfill(arguments: Backfill) -> u8 {
    send(OperatorCommand::Backfill { sync: arguments.sync }, &arguments.common)
}

fn send(command: OperatorCommand, common: &Common) -> u8 {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    let Some(who) = common.who.clone().or_else(user) else {
        eprintln!("engine: say who you are with `--who`: the history names everybody who changes something");
        return 2;
    };
    match client::ask(&common.reach, async |engine| engine.operate(&who, command).await) {
        Ok(accepted) => {
            if common.output.json() {
                print_json(&accepted);
            } else {
                say!("accepted; `engine why` shows what became of it");
            }
            0
        }
        Err(error) => error.exit(),
    }
}

pub(super) fn reload(arguments: &Reload) -> u8 {
    match client::ask(&arguments.reach, async |engine| engine.reload().await) {
        Ok(done) => {
            if arguments.output.json() {
                print_json(&done);
            } else if done.changed {
                say!("rules {} are active", done.rules);
            } else {
                say!("nothing changed");
            }
            0
        }
        Err(error) => error.exit(),
    }
}
