//! `engine resolve`, `backfill`, `reload`: what an operator asks of the daemon.

use serde_json::json;

use super::client::{self, Reach};
use super::output::Output;
use crate::decide::OperatorCommand;

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
        subject: String,
        #[command(flatten)]
        common: Common,
    },
    /// Go on behind the action at which a run stopped.
    Skip {
        /// The run, `r7`.
        run: String,
        /// Why, for the history.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// End a run without undoing anything.
    Cancel {
        /// The run, `r7`.
        run: String,
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
        link: String,
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

pub(super) fn resolve(arguments: Resolve) -> u8 {
    let run = |text: &str| number(text, 'r');
    let link = |text: &str| number(text, 'l');
    let (command, common) = match arguments.what {
        What::Retry { subject, common } => {
            let command = match (run(&subject), link(&subject)) {
                (Some(run), _) => Some(OperatorCommand::RetryRun { run }),
                (None, Some(link)) => Some(OperatorCommand::RetryLink { link }),
                (None, None) => None,
            };
            (command, common)
        }
        What::Skip { run: text, reason, common } => {
            (run(&text).map(|run| OperatorCommand::SkipAction { run, reason }), common)
        }
        What::Cancel { run: text, reason, common } => {
            (run(&text).map(|run| OperatorCommand::CancelRun { run, reason }), common)
        }
        What::Dismiss { subject, reason, common } => (Some(OperatorCommand::Dismiss { subject, reason }), common),
        What::Take { link: text, system, common } => {
            (link(&text).map(|link| OperatorCommand::Take { link, system }), common)
        }
    };
    match command {
        Some(command) => send(&command, &common),
        None => {
            eprintln!("engine: name a run such as r7, or a link such as l12");
            2
        }
    }
}

pub(super) fn backfill(arguments: Backfill) -> u8 {
    send(&OperatorCommand::Backfill { sync: arguments.sync }, &arguments.common)
}

fn number(text: &str, letter: char) -> Option<u64> {
    text.strip_prefix(letter)?.parse().ok()
}

fn send(command: &OperatorCommand, common: &Common) -> u8 {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    let Some(who) = common.who.clone().or_else(user) else {
        eprintln!("engine: say who you are with `--who`: the history names everybody who changes something");
        return 2;
    };
    let mut body = serde_json::to_value(command).expect("a command is plain data");
    body["who"] = json!(who);
    match client::ask(&common.reach, "/api/v1/operator", Some(&body)) {
        Ok(answer) => {
            if common.output.json() {
                say!("{answer}");
            } else {
                say!("accepted; `engine why` shows what became of it");
            }
            0
        }
        Err(error) => error.exit(),
    }
}

pub(super) fn reload(arguments: &Reload) -> u8 {
    match client::ask(&arguments.reach, "/api/v1/reload", Some(&json!({}))) {
        Ok(answer) => {
            if arguments.output.json() {
                say!("{answer}");
            } else if answer["changed"] == json!(true) {
                say!("rules {} are active", answer["rules"].as_str().unwrap_or_default());
            } else {
                say!("nothing changed");
            }
            0
        }
        Err(error) => error.exit(),
    }
}
