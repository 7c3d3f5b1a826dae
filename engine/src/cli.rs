//! The commands. Exit codes everywhere: 0 fine, 1 findings or a refused operation, 2 could not run.

// First, because all others use its macros.
#[macro_use]
mod output;

mod bench;
mod blame;
mod client;
mod completions;
mod config;
mod console;
mod daemon;
mod demo;
mod explain;
mod files;
mod findings;
mod fix;
mod fmt;
mod graph;
mod hubspot;
mod init;
mod ledger;
mod lists;
mod lsp;
mod man;
mod operate;
mod run;
mod sandbox;
mod schema;
mod status;
mod test;
mod validate;
mod webhook;
mod why;

use clap::{CommandFactory, Parser, Subcommand};

/// Keeps an application and HubSpot in step, by rules.
#[derive(Debug, Parser)]
#[command(name = "engine", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a working folder for a first integration of one's own.
    Init(init::Arguments),
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
    /// Where a browser finds the daemon's console.
    Console(console::Arguments),
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
    /// Make a HubSpot account ready for the rules.
    #[command(subcommand)]
    Hubspot(hubspot::Command),
    /// Measure what this machine can do.
    Bench(bench::Arguments),
    /// Run a twin alone.
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// What a shell needs to complete these commands.
    Completions(completions::Arguments),
    /// Write a page of the manual for each command.
    Man(man::Arguments),
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
        Command::Init(arguments) => init::run(&arguments),
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
        Command::Console(arguments) => console::run(&arguments),
        Command::Incidents(arguments) => lists::incidents(&arguments),
        Command::Parked(arguments) => lists::parked(&arguments),
        Command::Runs(arguments) => lists::runs(&arguments),
        Command::Links(arguments) => lists::links(&arguments),
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
        Command::Hubspot(command) => hubspot::run(&command),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Sandbox(command) => sandbox::run(command),
        Command::Completions(arguments) => completions::run(&arguments, &mut Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    }
}
