//! Rule sets on disk that cannot be read, or only in part: a message with the path, an exit code of its own, and never
//! an answer that looks whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Exit code, what it printed, what it complained of. A command that waits for ever is stopped, with code 124.
fn engine(arguments: &[&str], path: &Path, stdin: Stdio) -> (Option<i32>, String, String) {
    let output = Command::new("timeout")
        .args(["120", env!("CARGO_BIN_EXE_engine")])
        .args(arguments)
        .arg(path)
        .env_remove("GITHUB_ACTIONS")
        .stdin(stdin)
        .output()
        .expect("the engine runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code(), out, err)
}

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
        engine(&["validate", "--format", "concise"], self.0.path(), Stdio::null())
    }

    /// Every file in it, links and pipes left out.
    fn texts(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut texts = BTreeMap::new();
        for entry in std::fs::read_dir(self.0.path()).expect("the folder") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a kind").is_file() && entry.metadata().expect("a size").len() < 1 << 24 {
                texts.insert(entry.path(), std::fs::read(entry.path()).expect("a text"));
            }
        }
        texts
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

/// Nobody can read a link to itself, not even the superuser, who may read every file.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_is_refused_with_its_path() {
    let folder = Folder::shipped();
    std::fs::remove_file(folder.path("contacts.rules")).expect("removed");
    std::os::unix::fs::symlink("contacts.rules", folder.path("contacts.rules")).expect("a link to itself");
    folder.refused(&["contacts.rules", "symbolic link"]);
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
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("nowhere") && told.contains("the folder that holds the rules"), "{told}");
    assert_eq!(told.matches("No such file").count(), 1, "{told}");
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

/// The commands beside `validate` that read rules, so that none of them takes half a rule set for a whole one.
const COMMANDS: [&[&str]; 5] =
    [&["fmt"], &["fmt", "--check"], &["fix"], &["test", "--filter", "ticket"], &["graph", "--format", "json"]];

/// Something wrong with a folder of rules: its name, and how it comes about.
type Case<'a> = (&'a str, &'a dyn Fn(&Folder));

fn pipe(folder: &Folder, name: &str) {
    let made = Command::new("mkfifo").arg(folder.path(name)).status().expect("mkfifo runs");
    assert!(made.success(), "a pipe");
}

#[cfg(unix)]
#[test]
fn every_command_refuses_what_it_cannot_read_and_changes_nothing() {
    let link = |target: &str, folder: &Folder, name: &str| {
        std::os::unix::fs::symlink(target, folder.path(name)).expect("a link");
    };
    let cases: [Case<'_>; 6] = [
        ("odd.rules", &|folder| folder.write("odd.rules", b"choice C {\n  a \"\xff\"\n}\n")),
        ("huge.rules", &|folder| {
            let file = std::fs::File::create(folder.path("huge.rules")).expect("a file");
            file.set_len(100 << 20).expect("a file with a hole");
        }),
        ("loop", &|folder| link(".", folder, "loop")),
        ("self.rules", &|folder| link("self.rules", folder, "self.rules")),
        ("gone.rules", &|folder| link("nowhere", folder, "gone.rules")),
        ("pipe.rules", &|folder| pipe(folder, "pipe.rules")),
    ];
    for (name, make) in cases {
        let folder = Folder::shipped();
        // Something that `fmt` and `fix` would change, if they went ahead.
        folder.write("loose.rules", "choice   Loose   {\n one\n}\n");
        make(&folder);
        let before = folder.texts();
        for command in COMMANDS {
            let (code, out, err) = engine(command, folder.0.path(), Stdio::null());
            assert_eq!(code, Some(2), "{command:?} with {name}: {out}{err}");
            assert!(err.contains(name), "{command:?} names {name}: {err}");
            assert_eq!(out, "", "{command:?} with {name} answers nothing");
            assert_eq!(folder.texts(), before, "{command:?} with {name}");
        }
    }
}

/// Does what a command printed name `file:line`, in words or as a finding for tools?
fn names(out: &str, place: &str) -> bool {
    let Ok(report) = serde_json::from_str::<serde_json::Value>(out) else { return out.contains(place) };
    report["findings"].as_array().is_some_and(|findings| {
        let at = |finding: &serde_json::Value| {
            format!("{}:{}", finding["file"].as_str().unwrap_or_default(), finding["span"]["start"]["line"])
        };
        findings.iter().any(|finding| at(finding) == place)
    })
}

#[test]
fn every_command_tells_what_it_does_not_understand_and_where() {
    let cases: [Case<'_>; 4] = [
        ("nul.rules:3", &|folder| folder.write("nul.rules", "# a\nchoice N {\n  a \"A\0\"\n}\n")),
        ("bidi.rules:1", &|folder| folder.write("bidi.rules", "# \u{202e}gnihton\n")),
        ("width.rules:2", &|folder| folder.write("width.rules", "choice W {\n  fi\u{200b}rst \"A\"\n}\n")),
        ("large.rules:1", &|folder| folder.write("large.rules", "# 16 characters\n".repeat(((1 << 20) / 16) + 1))),
    ];
    for (place, make) in cases {
        for command in COMMANDS {
            let folder = Folder::shipped();
            make(&folder);
            let before = folder.texts();
            let (code, out, err) = engine(command, folder.0.path(), Stdio::null());
            // Lines that are not understood are what `fmt` leaves alone; all of a file is what it is refused. `fix`
            // takes away what nobody sees.
            let fine = matches!(command, ["fmt"] | ["fix"]) && place != "large.rules:1";
            assert_eq!(code, Some(i32::from(!fine)), "{command:?} with {place}: {out}{err}");
            assert!(names(&out, place) || err.contains(place), "{command:?} with {place}: {out}{err}");
            assert_eq!(folder.texts() != before, command == ["fix"] && fine, "{command:?} with {place}");
        }
    }
}

#[test]
fn every_command_takes_a_byte_order_mark_windows_line_ends_and_tabs() {
    let folder = Folder::shipped();
    for name in ["contacts.rules", "words.rules"] {
        let text = std::fs::read_to_string(folder.path(name)).expect("it is shipped");
        folder.write(name, format!("\u{feff}{}", text.replace("  ", "\t").replace('\n', "\r\n")));
    }
    for command in [COMMANDS[2], COMMANDS[3], COMMANDS[4], COMMANDS[0], COMMANDS[1]] {
        let (code, out, err) = engine(command, folder.0.path(), Stdio::null());
        assert_eq!(code, Some(0), "{command:?}: {out}{err}");
    }
}

#[test]
fn a_path_that_is_given_and_holds_no_rules_is_refused() {
    let folder = Folder::shipped();
    pipe(&folder, "pipe.rules");
    folder.write(".hidden.rules", "choice Hidden {\n one\n}\n");
    for command in [&["validate"][..]].into_iter().chain(COMMANDS) {
        for (path, why) in [
            (folder.path("pipe.rules"), "no file"),
            (PathBuf::from("/dev/zero"), "no file"),
            (folder.path("engine.yaml"), "no .rules file"),
        ] {
            let (code, out, err) = engine(command, &path, Stdio::null());
            assert_eq!(code, Some(2), "{command:?} {}: {out}{err}", path.display());
            assert!(err.contains(&path.display().to_string()) && err.contains(why), "{command:?}: {err}");
            assert_eq!(out, "", "{command:?} {}", path.display());
        }
    }
    std::fs::remove_file(folder.path("pipe.rules")).expect("removed");
    let (code, out, err) = engine(&["validate"], &folder.path(".hidden.rules"), Stdio::null());
    assert_eq!((code, out.as_str()), (Some(2), ""), "what no rule set reads was not looked at: {err}");
}

#[cfg(unix)]
#[test]
fn standard_input_is_read_up_to_a_limit() {
    let endless = std::fs::File::open("/dev/zero").expect("zeroes");
    let (code, out, err) = engine(&["fmt"], Path::new("-"), endless.into());
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("stdin") && err.contains("16 MiB"), "{err}");
    let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
    let given = |text: &[u8]| {
        folder.write("given", text);
        let file = std::fs::File::open(folder.path("given")).expect("a file");
        engine(&["fmt"], Path::new("-"), file.into())
    };
    let (code, out, err) = given(b"edition 2026\n\xff\n");
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("stdin") && err.contains("line 2"), "{err}");
    let (code, out, err) = given("# 16 characters\n".repeat(((1 << 20) / 16) + 1).as_bytes());
    assert_eq!((code, out.as_str()), (Some(1), ""), "a text that is refused is not given back: {err}");
    assert!(err.contains("E0090"), "{err}");
    let (code, out, err) = given(b"edition   2026\n???\n");
    assert_eq!((code, out.as_str()), (Some(0), "edition 2026\n???\n"), "{err}");
    assert!(err.contains("stdin:2:1"), "{err}");
}
