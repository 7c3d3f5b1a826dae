//! `cargo sim`: histories by chance, by hand or all that there are, and what the engine makes of them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use connectors::planted::MUTANTS;
use simulation::crowd::{Effort, Outcome, carry_out};
use simulation::explore::Scope;
use simulation::generate::{Class, Faults, generate};
use simulation::history::History;
use simulation::known::Known;
use simulation::mutants::{self, Trial, by_hand};
use simulation::stage::{Sets, run};
use simulation::worker::serve;

/// Carries histories of people, faults and time out by the real engine between the twins, and tells which promises of a
/// sync were broken.
#[derive(Parser)]
#[command(name = "cargo sim", args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    series: Series,
}

#[derive(Subcommand)]
enum What {
    /// One seed: its history, what it breaks, and the shortest history that breaks the same.
    Seed {
        /// The seed.
        seed: u64,
        #[command(flatten)]
        options: Options,
    },
    /// Histories from files, or from standard input where none is given.
    History {
        /// Files.
        files: Vec<PathBuf>,
        /// Prints what happened to the systems and what the engine says of it.
        #[arg(long)]
        log: bool,
        #[command(flatten)]
        options: Options,
    },
    /// Every history of a small scope, `one-link` or `shared-key`.
    Explore {
        /// The scope.
        scope: String,
        /// The most operations that one history has.
        #[arg(long)]
        most: Option<usize>,
        #[command(flatten)]
        options: Options,
    },
    /// Plants one fault after the other and tells what finds it; wants a build with `--features planted`.
    Mutants {
        /// Only the faults of these names.
        names: Vec<String>,
        /// How many histories by chance are tried on each.
        #[arg(long, default_value_t = 500)]
        count: usize,
        /// The tests of the crates are tried on what no history finds.
        #[arg(long)]
        suites: bool,
        #[command(flatten)]
        options: Options,
    },
    /// Answers histories on standard input.
    #[command(hide = true)]
    Worker,
}

/// A series of seeds.
#[derive(Args)]
struct Series {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many histories.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// A million histories.
    #[arg(long)]
    full: bool,
    /// A file with how often each kind of promise may be broken in this series; more is a failure.
    #[arg(long)]
    known: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Classes of faults, separated by commas, or `mixed`, or `none`.
    #[arg(long, default_value = "mixed")]
    faults: String,
    /// Processes at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Seconds that one history may take.
    #[arg(long, default_value_t = 10)]
    patience: u64,
    /// How often a history is tried while it is made shorter; 0 leaves it as it is.
    #[arg(long, default_value_t = 400)]
    tries: usize,
}

impl Options {
    fn faults(&self) -> Result<Faults, String> {
        match self.faults.as_str() {
            "mixed" => Ok(Faults::Mixed),
            "none" => Ok(Faults::Only(Vec::new())),
            classes => classes.split(',').map(str::parse).collect::<Result<Vec<Class>, _>>().map(Faults::Only),
        }
    }

    fn effort(&self) -> Result<Effort, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        Ok(Effort { program, jobs: self.jobs, patience: Duration::from_secs(self.patience), tries: self.tries })
    }
}

fn main() -> ExitCode {
    match carry() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn carry() -> Result<ExitCode, String> {
    let command = Command::parse();
    match command.what {
        Some(What::Worker) => serve().map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string()),
        Some(What::Seed { seed, options }) => {
            let history = generate(seed, &options.faults()?);
            print!("{history}");
            single(&history, &options)
        }
        Some(What::History { files, log, options }) => {
            let mut code = ExitCode::SUCCESS;
            let texts: Vec<String> = if files.is_empty() {
                vec![std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string())?]
            } else {
                let read = |file: &PathBuf| {
                    println!("{}", file.display());
                    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
                };
                files.iter().map(read).collect::<Result<_, _>>()?
            };
            for text in texts {
                let history: History = text.parse().map_err(|error| format!("{error}"))?;
                if log {
                    println!("{}", run(&history, &mut Sets::default())?);
                }
                if single(&history, &options)? != ExitCode::SUCCESS {
                    code = ExitCode::FAILURE;
                }
            }
            Ok(code)
        }
        Some(What::Mutants { names, count, suites, options }) => mutants(&names, count, suites, &options),
        Some(What::Explore { scope, most, options }) => explore(&scope, most, &options),
        None => series(&command.series),
    }
}

/// One history, by itself.
fn single(history: &History, options: &Options) -> Result<ExitCode, String> {
    let outcome = carry_out(1, |_| (0, history.clone()), &options.effort()?).map_err(|error| error.to_string())?;
    for (kind, failure) in &outcome.shortest {
        for violation in failure.violations.iter().filter(|violation| violation.kind == *kind) {
            println!("{kind}: {}", violation.text);
        }
        if options.tries > 0 && failure.history != *history {
            println!("the shortest history of it:\n{}", failure.history);
        }
    }
    Ok(if outcome.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn series(series: &Series) -> Result<ExitCode, String> {
    let faults = series.options.faults()?;
    let count = if series.full { 1_000_000 } else { series.count };
    let history = |index: usize| {
        let seed = series.from + index as u64;
        (seed, generate(seed, &faults))
    };
    let outcome = carry_out(count, history, &series.options.effort()?).map_err(|error| error.to_string())?;
    let last = series.from + count as u64 - 1;
    println!("seeds {} to {last}, faults {}", series.from, series.options.faults);
    tell(&outcome, &series.options);
    let known = match &series.known {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?.parse()?,
        None => Known::default(),
    };
    let more = known.exceeded(&outcome.kinds);
    for line in &more {
        println!("{line}");
    }
    Ok(if more.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All histories of a scope.
fn explore(name: &str, most: Option<usize>, options: &Options) -> Result<ExitCode, String> {
    let scope = Scope::named(name).ok_or_else(|| format!("there is no scope `{name}`"))?;
    let most = most.unwrap_or(scope.most);
    let all = scope.all(most);
    println!("{name}: {} histories of up to {most} operations", all.len());
    let history = |index: usize| (index as u64, scope.history(&all[index]));
    let outcome = carry_out(all.len(), history, &options.effort()?).map_err(|error| error.to_string())?;
    tell(&outcome, options);
    Ok(if outcome.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plants faults, and prints a line for each.
fn mutants(names: &[String], count: usize, suites: bool, options: &Options) -> Result<ExitCode, String> {
    if !cfg!(feature = "planted") {
        return Err("nothing can be planted in this build: it wants `--features planted`".to_owned());
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let faults: Vec<(String, String)> = MUTANTS
        .iter()
        .filter(|(_, name, _)| wanted(name))
        .map(|(_, name, text)| ((*name).to_owned(), text.trim().to_owned()))
        .collect();
    let chance = options.faults()?;
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut histories = by_hand(&here.join("histories"))?;
    histories.extend(by_hand(&here.join("failing"))?);
    histories.extend((1..=count as u64).map(|seed| (format!("seed {seed}"), generate(seed, &chance))));
    let Effort { program, jobs, patience, .. } = options.effort()?;
    let effort = mutants::Effort { program, jobs, patience, suites };
    let trials = mutants::try_all(&faults, &histories, &effort).map_err(|error| error.to_string())?;
    for Trial { fault, text, found_by } in &trials {
        println!(
            "{} | {fault} | {text} | {}",
            if found_by.is_some() { "found" } else { "SURVIVED" },
            found_by.as_deref().unwrap_or("")
        );
    }
    let survived = trials.iter().filter(|trial| trial.found_by.is_none()).count();
    println!("{} faults, {survived} survived", trials.len());
    Ok(if survived == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many of the histories that broke a promise are named.
const MOST_NAMED: usize = 100;

fn tell(outcome: &Outcome, options: &Options) {
    let seconds = outcome.took.as_secs_f64();
    let pace = outcome.histories as f64 / seconds;
    println!("{} histories in {seconds:.0} s, {pace:.0} a second on {} processes", outcome.histories, options.jobs);
    println!(
        "{} failed, {} of them by something else than a clear of what a system requires alone",
        outcome.failed, outcome.failed_otherwise
    );
    let mut kinds: Vec<_> = outcome.kinds.iter().collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), **kind));
    for (kind, count) in kinds {
        println!("{count:>7}  {kind}");
    }
    for (number, kinds) in outcome.broken.iter().take(MOST_NAMED) {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        println!("number {number}: {}", kinds.join(", "));
    }
    for (kind, failure) in &outcome.shortest {
        println!("\n{kind}, number {}:", failure.number);
        print!("{}", failure.history);
        for violation in failure.violations.iter().filter(|violation| violation.kind == *kind) {
            println!("  {}", violation.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sound() {
        use clap::CommandFactory;
        Command::command().debug_assert();
    }

    #[test]
    fn classes_are_chosen_by_their_words() {
        let options = |faults: &str| Options { faults: faults.to_owned(), jobs: 1, patience: 1, tries: 0 };
        assert_eq!(options("slow,late").faults(), Ok(Faults::Only(vec![Class::Slow, Class::Late])));
        assert!(options("fast").faults().is_err());
    }
}
