//! The commands. Exit codes everywhere: 0 fine, 1 findings or a refused operation, 2 could not run.

mod demo;
mod run;
mod validate;

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
    /// Run the daemon.
    Run(run::Arguments),
    /// Play the whole integration on this machine and tell the story.
    Demo(demo::Arguments),
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
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
    }
}

/// Says on stderr why a command could not run.
fn could_not_run(error: &(dyn miette::Diagnostic + 'static)) -> u8 {
    eprintln!("engine: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    if let Some(help) = error.help() {
        eprintln!("  help: {help}");
    }
    2
}
