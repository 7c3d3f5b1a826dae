//! `engine completions`: the script with which a shell completes commands and options.

use std::io::Write as _;

use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which shell: bash, elvish, fish, powershell or zsh.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, command: &mut clap::Command) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "engine", &mut script);
    // Whoever closes the pipe has read enough.
    u8::from(std::io::stdout().write_all(&script).is_err())
}
