//! `engine console`: where a browser finds the running daemon's console.

use super::client::{self, Reach, console_address};
use super::output::could_not_run;

/// What `--help` says at its end.
const KEYS: &str = "\
The address holds the admin token behind `#`, which browsers send to nobody; the page keeps it until its tab is closed.
Give it to nobody who may not retry, skip and dismiss. Nothing is asked of the daemon: it need not run.";

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(super) struct Arguments {
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match client::address(&arguments.reach) {
        Ok((url, token)) => {
            say!("{}", console_address(&url, token.as_ref()));
            0
        }
        Err(error) => could_not_run(&error),
    }
}
