//! A working folder with the shipped rules, and the engine called in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) struct Folder {
    pub(crate) rules: PathBuf,
    root: tempfile::TempDir,
}

impl Folder {
    /// The shipped rules, to be malformed.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let rules = root.path().join("rules");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        std::fs::create_dir_all(rules.join("schemas")).expect("a folder");
        for folder in ["", "schemas"] {
            for entry in std::fs::read_dir(shipped.join(folder)).expect("the shipped rules") {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    let name = path.file_name().expect("a name");
                    std::fs::copy(&path, rules.join(folder).join(name)).expect("copied");
                }
            }
        }
        Self { rules, root }
    }

    pub(crate) fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.rules.join(file)).expect("it is text")
    }

    pub(crate) fn spoil(&self, file: &str, from: &str, to: &str) {
        let text = self.text(file);
        assert!(text.contains(from), "{from:?} stands in {file}");
        std::fs::write(self.rules.join(file), text.replacen(from, to, 1)).expect("written");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(arguments).current_dir(self.root.path()).env_remove("GITHUB_ACTIONS");
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str], exit: i32) -> String {
        let output = self.command(arguments).output().expect("the engine runs");
        told(&output, arguments, exit)
    }
}

#[track_caller]
pub(crate) fn told(output: &Output, arguments: &[&str], exit: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "engine {arguments:?}\n{out}\n{err}");
    if out.is_empty() { err } else { out }
}
