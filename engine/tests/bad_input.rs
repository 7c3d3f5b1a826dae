//! Rule sets on disk that cannot be read, or only in part: a message with the path, an exit code of its own, and never
//! an answer that looks whole.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Folder(tempfile::TempDir);

impl Folder {
    /// A copy of the shipped rules.
    fn shipped() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        copy(&rules, folder.path());
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect("written");
    }

    /// `engine validate` on it: exit code, what it printed, what it complained of.
    fn validate(&self) -> (Option<i32>, String, String) {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(["validate", "--format", "concise"])
            .arg(self.0.path())
            .env_remove("GITHUB_ACTIONS")
            .output()
            .expect("the engine runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        (output.status.code(), out, err)
    }

    /// It could not run, and says of which path.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let (code, out, err) = self.validate();
        assert_eq!(code, Some(2), "{out}{err}");
        let said = err.replace(['\n', '│'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(said.contains(word), "`{word}` in: {err}");
        }
    }

    /// There are findings, and each line of them is one of these.
    #[track_caller]
    fn found(&self, lines: &[&str]) {
        let (code, out, err) = self.validate();
        assert_eq!(code, Some(1), "{out}{err}");
        assert_eq!(out.lines().count(), lines.len(), "{out}");
        for line in lines {
            assert!(out.contains(line), "`{line}` in: {out}");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the shipped rules") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            std::fs::create_dir(&target).expect("a folder");
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_file_and_line() {
    let folder = Folder::shipped();
    folder.write("odd.rules", b"choice C {\n  a \"\xff\"\n}\n");
    folder.refused(&["odd.rules", "UTF-8", "line 2"]);
}

#[test]
fn a_byte_order_mark_windows_line_ends_and_tabs_are_accepted() {
    let folder = Folder::shipped();
    for name in ["contacts.rules", "deals.rules", "words.rules"] {
        let text = std::fs::read_to_string(folder.path(name)).expect("it is shipped");
        folder.write(name, format!("\u{feff}{}", text.replace("  ", "\t").replace('\n', "\r\n")));
    }
    let (code, out, err) = folder.validate();
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn characters_that_nobody_sees_are_named_where_they_stand() {
    let folder = Folder::shipped();
    folder.write("nul.rules", "# a\nchoice N {\n  a \"A\0\"\n}\n");
    folder.write("bidi.rules", "# \u{202e}gnihton\n");
    folder.write("width.rules", "choice W {\n  fi\u{200b}rst \"A\"\n}\n");
    folder.found(&[
        "nul.rules:3:7: E0001 a character that nobody sees: U+0000, NUL",
        "bidi.rules:1:3: E0001 a character that nobody sees: U+202E, right-to-left override",
        "width.rules:2:5: E0001 a character that nobody sees: U+200B, zero-width space",
    ]);
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let folder = Folder::shipped();
    let file = std::fs::File::create(folder.path("huge.rules")).expect("a file");
    file.set_len(100 << 20).expect("a file with a hole");
    folder.refused(&["huge.rules", "16 MiB"]);
    std::fs::remove_file(folder.path("huge.rules")).expect("removed");
    folder.write("large.rules", "# 16 characters\n".repeat(((1 << 20) / 16) + 1));
    folder.found(&["large.rules:1:1: E0090 this file is larger than 1 MiB"]);
}

#[test]
fn more_files_than_a_rule_set_has_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for number in 0..2_001 {
        std::fs::write(folder.path().join(format!("{number}.rules")), "").expect("written");
    }
    let folder = Folder(folder);
    let name = folder.0.path().display().to_string();
    let last = name.rsplit('/').next().expect("a name").to_owned();
    folder.refused(&[&last, "2,000 files"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_folder_is_refused_and_a_link_to_a_file_is_read() {
    let folder = Folder::shipped();
    std::fs::rename(folder.path("contacts.rules"), folder.path("contacts.text")).expect("renamed");
    std::os::unix::fs::symlink("contacts.text", folder.path("contacts.rules")).expect("a link");
    let (code, out, err) = folder.validate();
    assert_eq!(code, Some(0), "{out}{err}");
    std::os::unix::fs::symlink(folder.0.path(), folder.path("loop")).expect("a link");
    folder.refused(&["loop", "link to a folder"]);
}

/// The same as a file that is removed while the folder is read: it is in the list and not there.
#[cfg(unix)]
#[test]
fn a_file_that_is_gone_is_refused_with_its_path() {
    let folder = Folder::shipped();
    std::os::unix::fs::symlink("nowhere", folder.path("gone.rules")).expect("a link");
    folder.refused(&["gone.rules", "No such file"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_refused_with_its_path() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::shipped();
    let path = folder.path("contacts.rules");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("nobody may read it");
    // The superuser may read everything.
    if std::fs::read(&path).is_ok() {
        let (code, out, err) = folder.validate();
        assert_eq!(code, Some(0), "{out}{err}");
    } else {
        folder.refused(&["contacts.rules", "ermission denied"]);
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let folder = Folder::shipped();
    let socket = std::os::unix::net::UnixListener::bind(folder.path("talk.rules")).expect("a socket");
    folder.refused(&["talk.rules", "no file"]);
    drop(socket);
}

#[test]
fn a_folder_without_rules_and_a_path_that_is_not_there_are_refused() {
    let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
    folder.refused(&["there are no .rules files"]);
    let path = folder.path("nowhere");
    let output = Command::new(env!("CARGO_BIN_EXE_engine")).arg("validate").arg(&path).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere"));
}

#[test]
fn a_lock_that_is_cut_off_is_one_finding() {
    let folder = Folder::shipped();
    let lock = std::fs::read_to_string(folder.path("schemas/crm.lock")).expect("it is shipped");
    folder.write("schemas/crm.lock", &lock[..lock.len() / 2]);
    let (code, out, err) = folder.validate();
    assert_eq!(code, Some(1), "{out}{err}");
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains("systems.rules:12:10: E0902 this lock cannot be read"), "{out}");
}
