//! The commands. Exit codes everywhere: 0 fine, 1 findings or a refused operation, 2 could not run.

/// Prints a line. `println!` would panic where the reader has gone, as `head` does once it has enough.
macro_rules! say {
    () => { $crate::cli::put(format_args!("\n")) };
    ($($what:tt)*) => { $crate::cli::put(format_args!("{}\n", format_args!($($what)*))) };
}

/// Prints without ending the line.
macro_rules! say_on {
    ($($what:tt)*) => { $crate::cli::put(format_args!($($what)*)) };
}

mod bench;
mod blame;
mod client;
mod config;
mod demo;
mod explain;
mod files;
mod findings;
mod fix;
mod fmt;
mod graph;
mod ledger;
mod lists;
mod lsp;
mod operate;
mod run;
mod sandbox;
mod schema;
mod status;
mod test;
mod validate;
mod webhook;
mod why;

use std::io::{IsTerminal, Write};

use clap::{Parser, Subcommand};

/// Keeps an application and HubSpot in step, by rules.
#[derive(Debug, Parser)]
#[command(name = "engine", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check rules: everything that can be known without running them.
    Validate(validate::Arguments),
    /// Bring rules into their canonical form.
    Fmt(fmt::Arguments),
    /// Make the changes that findings offer and that need nobody's choice.
    Fix(fix::Arguments),
    /// Run the tests in the rules, on a virtual clock.
    Test(test::Arguments),
    /// What a code means, and how to mend it.
    Explain(explain::Arguments),
    /// Draw what the rules connect: syncs, reactions, workflows, messages.
    Graph(graph::Arguments),
    /// Serve an editor: findings, completion and more, over standard input and output.
    Lsp(lsp::Arguments),
    /// Run the daemon.
    Run(run::Arguments),
    /// Play the whole integration on this machine and tell the story.
    Demo(demo::Arguments),
    /// How the running daemon is.
    Status(status::Arguments),
    /// Runs that stopped and need a person.
    Incidents(lists::Arguments),
    /// Records and messages that wait for a person.
    Parked(lists::Arguments),
    /// Runs of reactions and workflows.
    Runs(lists::Arguments),
    /// Which records are the same thing on both sides.
    Links(lists::Arguments),
    /// Everything known about a record, a link or a run.
    Why(why::Arguments),
    /// Repair what stopped: try again, skip, cancel, settle.
    Resolve(operate::Resolve),
    /// Run a sync over all records of its source now.
    Backfill(operate::Backfill),
    /// Load the rules again; a set that does not hold is refused.
    Reload(operate::Reload),
    /// Copy all durable state, while the daemon runs or not.
    Backup(ledger::Backup),
    /// Put a copy where there is no state.
    Restore(ledger::Restore),
    /// Look into the durable state.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Look into webhook deliveries.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Look into engine.yaml.
    #[command(subcommand)]
    Config(config::Command),
    /// The lock of a system, from the system itself.
    #[command(subcommand)]
    Schema(schema::Command),
    /// Measure what this machine can do.
    Bench(bench::Arguments),
    /// Run a twin alone.
    #[command(subcommand)]
    Sandbox(sandbox::Command),
}

/// Runs the command line; gives the exit code.
#[must_use]
pub fn main() -> u8 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let fine = !error.use_stderr();
            // The message is all there is to say; a closed pipe cannot be told.
            let _ = error.print();
            return if fine { 0 } else { 2 };
        }
    };
    match arguments.command {
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Fmt(arguments) => fmt::run(&arguments),
        Command::Fix(arguments) => fix::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Lsp(arguments) => lsp::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Incidents(arguments) => lists::run("incidents", &arguments),
        Command::Parked(arguments) => lists::run("parked", &arguments),
        Command::Runs(arguments) => lists::run("runs", &arguments),
        Command::Links(arguments) => lists::run("links", &arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Resolve(arguments) => operate::resolve(arguments),
        Command::Backfill(arguments) => operate::backfill(arguments),
        Command::Reload(arguments) => operate::reload(&arguments),
        Command::Backup(arguments) => ledger::backup(&arguments),
        Command::Restore(arguments) => ledger::bring_back(&arguments),
        Command::Ledger(command) => ledger::run(&command),
        Command::Webhook(command) => webhook::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Schema(command) => schema::run(&command),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Sandbox(command) => sandbox::run(command),
    }
}

/// How a command reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

/// `--format` and `--json` of every command that reports.
#[derive(Debug, Clone, clap::Args)]
struct Output {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
}

impl Output {
    fn json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// Says on stderr why a command could not run.
fn could_not_run(error: &(dyn miette::Diagnostic + 'static)) -> u8 {
    if error.source_code().is_some() || error.related().is_some() {
        eprint!("{}", pictured(error));
        return 2;
    }
    let mut said = error.to_string();
    eprintln!("engine: {said}");
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            eprintln!("  because: {cause_said}");
            said = cause_said;
        }
        source = cause.source();
    }
    if let Some(help) = error.help() {
        eprintln!("  help: {help}");
    }
    2
}

/// Writes to stdout, and ends the process where that takes no more: what was asked for cannot be told. A reader that
/// went away is no failure worth a word.
fn put(text: std::fmt::Arguments<'_>) {
    if let Err(error) = std::io::stdout().write_fmt(text) {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            eprintln!("engine: cannot write to stdout: {error}");
        }
        std::process::exit(2);
    }
}

/// With its places in the file.
fn pictured(error: &(dyn miette::Diagnostic + 'static)) -> String {
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if color { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(160).with_links(false);
    let mut text = String::new();
    match handler.render_report(&mut text, error) {
        Ok(()) => text,
        Err(_) => format!("engine: {error}\n"),
    }
}

/// Runs async work of a command; `threads` of 1 for what only waits.
fn block_on<T>(threads: usize, work: impl Future<Output = T>) -> std::io::Result<T> {
    let mut builder = if threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    Ok(builder.enable_all().build()?.block_on(work))
}
