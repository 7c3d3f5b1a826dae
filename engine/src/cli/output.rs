//! What all commands share: how they print, how they say that they could not run, and how they wait.
//!
//! Always true: results go to stdout, everything else to stderr; a reader that went away ends the command in silence.
//! Not here: what a command prints.

use std::io::{IsTerminal, Write};

/// Prints a line. `println!` would panic where the reader has gone, as `head` does once it has enough.
macro_rules! say {
    () => { $crate::cli::output::put(format_args!("\n")) };
    ($($what:tt)*) => { $crate::cli::output::put(format_args!("{}\n", format_args!($($what)*))) };
}

/// Prints without ending the line.
macro_rules! say_on {
    ($($what:tt)*) => { $crate::cli::output::put(format_args!($($what)*)) };
}

/// How a command reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Human,
    Json,
}

/// `--format` and `--json` of every command that reports.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Output {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
}

impl Output {
    pub(super) fn json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// Prints an answer as one line of JSON.
pub(super) fn print_json(answer: &impl serde::Serialize) {
    say!("{}", serde_json::to_string(answer).expect("answers are plain data"));
}

/// Says on stderr why a command could not run.
pub(super) fn could_not_run(error: &(dyn miette::Diagnostic + 'static)) -> u8 {
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
pub(super) fn put(text: std::fmt::Arguments<'_>) {
    if let Err(error) = std::io::stdout().write_fmt(text) {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            eprintln!("engine: cannot write to stdout: {error}");
        }
        std::process::exit(2);
    }
}

/// Whether what is written there is read by somebody on a terminal who wants colours (<https://no-color.org>).
pub(super) fn colored(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// With its places in the file.
pub(super) fn pictured(error: &(dyn miette::Diagnostic + 'static)) -> String {
    let theme = if colored(&std::io::stderr()) {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    };
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(160).with_links(false);
    let mut text = String::new();
    match handler.render_report(&mut text, error) {
        Ok(()) => text,
        Err(_) => format!("engine: {error}\n"),
    }
}

/// Runs async work of a command; `threads` of 1 for what only waits.
pub(super) fn block_on<T>(threads: usize, work: impl Future<Output = T>) -> std::io::Result<T> {
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
