//! `engine hubspot setup`: what an account lacks for the rules, and making it.
//!
//! In: engine.yaml, the rules with their locks, the account. Out: what is there, what is missing, what was made.
//! Always true: without an answer or `--yes` nothing is changed; what is told at the end was read from the account after
//! the last change. Not here: what is compared (the connector's `setup::plan`).

mod account;
mod needs;
mod project;
mod report;

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::http::Transport;
use connectors::hubspot::HubSpot;
use connectors::hubspot::setup::plan::{Finding, Need, Plan, plan};
use connectors::hubspot::setup::{Identity, Trouble, subscriptions};
use connectors::registry::{ConnectorKind, Settings};
use dsl::program::Program;
use serde_json::Value as Json;

use self::report::Report;
use super::client;
use super::output::{Output, block_on, could_not_run};
use crate::config::{Config, Connection};
use crate::rules;
use crate::runtime::connect;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Compare an account with the rules and make the properties that it lacks.
    Setup(Arguments),
    /// Write the files of an app that asks for what the rules need and is told what they hear.
    Project(project::Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// engine.yaml; `engine.yaml`, or `rules/engine.yaml` where that is not there.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The system's name in the rules, where several are HubSpot accounts.
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Show what would be made, and change nothing.
    #[arg(long, conflicts_with_all = ["check", "yes"])]
    plan: bool,
    /// Change nothing; exit 1 where anything is missing or differs.
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// The app's `webhooks-hsmeta.json`, whose subscriptions are compared too.
    #[arg(long, value_name = "FILE")]
    webhooks: Option<PathBuf>,
    /// Make what is missing without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: Output,
}

/// Why nothing can be compared or made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] crate::config::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] rules::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Connect(#[from] connect::Error),
    #[error("the rules in {folder} have {count} errors")]
    #[diagnostic(
        code(hubspot::rules),
        help("`engine validate` shows them; what an account needs is read from rules that hold")
    )]
    Unsound { folder: String, count: usize },
    #[error("engine.yaml has no system of the connector hubspot{0}")]
    #[diagnostic(code(hubspot::system), help("add it under `systems`, with `connector: hubspot` and a token"))]
    NoAccount(String),
    #[error("several systems are HubSpot accounts: {0}")]
    #[diagnostic(code(hubspot::several), help("name one with `--system`"))]
    Several(String),
    #[error("the rules have no system `{0}`")]
    #[diagnostic(code(hubspot::unused), help("only what rules use is compared and made"))]
    Unused(String),
    #[error("`systems.{0}` needs a token")]
    #[diagnostic(code(hubspot::token), help("name where it is found with `token_env` or `token_file`"))]
    NoToken(String),
    #[error("`{system}` at {url} does not say whose the token is: {reason}")]
    #[diagnostic(code(hubspot::account), help("{help}"))]
    Account { system: String, url: String, reason: String, help: &'static str },
    #[error("the token of `{system}` is of the HubSpot account {found}, and engine.yaml says {said}")]
    #[diagnostic(
        code(hubspot::other_account),
        help("nothing was changed; take the token of {said}, or another `portal_id` and another `state` for {found}")
    )]
    OtherAccount { system: String, found: u64, said: u64 },
    #[error("{made} of {all} were made, then the account stopped answering: {reason}")]
    #[diagnostic(code(hubspot::broken_off), help("run the same command again: it goes on with what is missing"))]
    BrokenOff { made: usize, all: usize, reason: String },
    #[error("{0} things would be made, and nobody is here to ask")]
    #[diagnostic(code(hubspot::unasked), help("`--yes` makes them without asking, `--plan` only shows them"))]
    Unasked(usize),
    #[error("the app's file of webhooks, {path}, cannot be read: {why}")]
    #[diagnostic(code(hubspot::webhooks), help("give the `webhooks-hsmeta.json` of the app's project"))]
    Webhooks { path: String, why: String },
    #[error("engine.yaml does not say where HubSpot reaches the engine")]
    #[diagnostic(code(hubspot::url), help("write `public_url` under `systems.{0}.webhook`"))]
    NoUrl(String),
    #[error("{path}: {why}")]
    #[diagnostic(code(hubspot::project), help("name another folder, or mend the file; nothing was written"))]
    Project { path: String, why: String },
    #[error("cannot start: {0}")]
    #[diagnostic(code(hubspot::start))]
    Start(String),
}

pub(super) fn run(command: &Command) -> u8 {
    let arguments = match command {
        Command::Setup(arguments) => arguments,
        Command::Project(arguments) => return project::run(arguments),
    };
    match block_on(1, setup(arguments)).map_err(|error| Error::Start(error.to_string())) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) | Err(error) => could_not_run(&error),
    }
}

/// The account, and what the rules need of it.
struct Subject {
    system: String,
    hubspot: HubSpot,
    program: Program,
    needs: BTreeMap<String, Need>,
    identity: Identity,
    /// engine.yaml says which account it is.
    portal_said: bool,
    /// The app's file of webhooks, and where deliveries have to go.
    webhooks: Option<(Json, Option<String>)>,
}

impl Subject {
    /// What the account lacks now.
    async fn plan(&self) -> Result<Plan, Trouble> {
        let found = account::read(&self.hubspot, self.needs.keys(), &self.identity).await?;
        let lock = &self.program.systems[&self.system].lock;
        let mut plan = plan(lock, &self.needs, &found);
        if let Some((file, url)) = &self.webhooks {
            plan.findings.extend(subscriptions::missing(lock, &self.needs, file, url.as_deref()));
        }
        Ok(plan)
    }
}

async fn setup(arguments: &Arguments) -> Result<u8, Error> {
    let config = Config::read(&client::config_path(arguments.config.as_deref()))?;
    let program = program(&config)?;
    let subject = subject(arguments, &config, program).await?;
    let broken = |trouble: Trouble| Error::BrokenOff { made: 0, all: 0, reason: trouble.to_string() };
    let mut report =
        Report::new(&subject.system, &subject.identity, subject.hubspot.api_version(), arguments.output.json());
    report.whose();
    report.said(subject.portal_said);
    let first = subject.plan().await.map_err(broken)?;
    report.missing(&first);
    report.compared(subject.webhooks.is_some());
    if arguments.plan || arguments.check {
        let code = u8::from(!first.findings.is_empty() || (arguments.check && !first.steps.is_empty()));
        report.end(&first.findings, if arguments.check { "--check" } else { "--plan" });
        return Ok(code);
    }
    if first.steps.is_empty() {
        report.end(&first.findings, "");
        return Ok(u8::from(!first.findings.is_empty()));
    }
    if !arguments.yes && !agreed(first.steps.len())? {
        report.end(&first.findings, "nothing was made");
        return Ok(1);
    }
    let refused = made(&subject.hubspot, &first, &mut report).await?;
    // What is there now is what the account says, not what was sent.
    let last = subject.plan().await.map_err(broken)?;
    let mut findings = last.findings;
    for step in &last.steps {
        let reason = refused.get(&step.name()).map_or("HubSpot took it and does not show it yet", String::as_str);
        findings.push(Finding {
            about: step.name(),
            what: format!("it could not be made: {reason}"),
            help: format!("make it by hand as {}, or run this again", step.detail()),
        });
    }
    report.end(&findings, "");
    Ok(u8::from(!findings.is_empty()))
}

/// The rules of engine.yaml, where they hold.
fn program(config: &Config) -> Result<Program, Error> {
    let compiled = rules::read(&config.rules)?.compile(None);
    let errors = compiled.problems.iter().filter(|problem| problem.severity() == dsl::diagnostic::Severity::Error);
    let count = errors.count();
    let folder = config.rules.display().to_string();
    compiled.program.ok_or(Error::Unsound { folder, count })
}

/// The system that is a HubSpot account: the one that is named, or the only one.
fn account_of<'a>(config: &'a Config, named: Option<&String>) -> Result<(&'a String, &'a Connection), Error> {
    let accounts = config.systems.iter().filter(|(_, system)| system.connector == ConnectorKind::HubSpot);
    let accounts: Vec<_> = accounts.filter(|(name, _)| named.is_none_or(|wanted| wanted == *name)).collect();
    match accounts.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::NoAccount(named.map(|name| format!(" and the name `{name}`")).unwrap_or_default())),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(Error::Several(names.join(", ")))
        }
    }
}

/// Finds the account that is meant, and asks whose it is.
async fn subject(arguments: &Arguments, config: &Config, program: Program) -> Result<Subject, Error> {
    let (system, connection) = account_of(config, arguments.system.as_ref())?;
    let system = system.clone();
    let lock = program.systems.get(&system).ok_or_else(|| Error::Unused(system.clone()))?.lock.as_ref().clone();
    let transport: Arc<dyn Transport> = Arc::new(connect::client(config.proxy.as_ref())?);
    let (settings, token) = connect::settings(&system, connection, &transport)?;
    let token = token.ok_or_else(|| Error::NoToken(system.clone()))?;
    let Settings::HubSpot(settings) = settings else { return Err(Error::NoAccount(String::new())) };
    let url = settings.base_url.clone();
    let hubspot = HubSpot::new(settings, token, lock, transport);
    let identity = account::patiently(async || hubspot.identity().await).await.map_err(|trouble| {
        let help = match trouble {
            Trouble::Later { .. } => "is the address right, and is there a way to it?",
            _ => "is the token of this account, and is it still valid? The app's page in HubSpot shows it",
        };
        Error::Account { system: system.clone(), url, reason: trouble.to_string(), help }
    })?;
    if let Some(said) = connection.portal_id.filter(|said| *said != identity.portal) {
        return Err(Error::OtherAccount { system, found: identity.portal, said });
    }
    let needs = needs::of(&program, &system);
    let url = connection.webhook.as_ref().and_then(|webhook| webhook.public_url.clone());
    let webhooks = arguments.webhooks.as_deref().map(webhooks).transpose()?.map(|file| (file, url));
    let portal_said = connection.portal_id.is_some();
    Ok(Subject { system, hubspot, program, needs, identity, portal_said, webhooks })
}

fn webhooks(path: &Path) -> Result<Json, Error> {
    let wrong = |why: String| Error::Webhooks { path: path.display().to_string(), why };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let file: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file["type"] != "webhooks" {
        return Err(wrong("its `type` is not `webhooks`".to_owned()));
    }
    Ok(file)
}

/// Asks the person at the terminal.
fn agreed(count: usize) -> Result<bool, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Unasked(count));
    }
    eprint!("Make them? [y/N] ");
    let mut answer = String::new();
    // Where nothing can be read nobody has agreed.
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Makes the steps of a plan; what HubSpot refuses, by the step's name.
async fn made(hubspot: &HubSpot, plan: &Plan, report: &mut Report) -> Result<BTreeMap<String, String>, Error> {
    let mut refused = BTreeMap::new();
    let all = plan.steps.len();
    for (index, step) in plan.steps.iter().enumerate() {
        match account::patiently(async || hubspot.make(step).await).await {
            Ok(()) => report.made(index + 1, all, step, "made"),
            Err(Trouble::Exists(_)) => report.made(index + 1, all, step, "there already"),
            Err(Trouble::Refused(reason)) => {
                report.made(index + 1, all, step, "refused");
                refused.insert(step.name(), reason);
            }
            Err(Trouble::Later { reason, .. }) => return Err(Error::BrokenOff { made: index, all, reason }),
        }
    }
    Ok(refused)
}
