//! `engine man`: the manual, a page for each command, in the form that `man` reads.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that gets the pages: engine.1, engine-validate.1 and so on. It is made where it is not there.
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments, command: clap::Command) -> u8 {
    let folder = &arguments.folder;
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    match written {
        Ok(()) => {
            say!(
                "the manual is in {}; `man {}` shows its first page",
                folder.display(),
                folder.join("engine.1").display()
            );
            0
        }
        Err(error) => {
            eprintln!("engine: the manual cannot be written to {}: {error}", folder.display());
            2
        }
    }
}
