//! The recording in `dsl/docs`: the five commonest mistakes, made and mended with the real commands in a copy of
//! `dsl/docs/five-mistakes`. `UPDATE_GOLDEN=1 cargo test -p engine --test five_mistakes` records it again, as
//! `five-mistakes.md` to read and as `five-mistakes.cast` to play with asciinema.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dsl/docs")
}

/// A line of a file as it was and as somebody writes it.
struct Edit {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// How a mistake is mended.
enum Mend {
    /// By this command.
    Command(&'static str),
    /// By hand.
    Edit(Edit),
}

struct Scene {
    title: &'static str,
    code: &'static str,
    /// Why somebody does it.
    story: &'static str,
    mistake: Edit,
    /// What the finding says to do.
    lesson: &'static str,
    mend: Mend,
}

const SCENES: [Scene; 5] = [
    Scene {
        title: "A misspelt field",
        code: "E0101",
        story: "A letter is missing in a name.",
        mistake: Edit {
            file: "contacts.rules",
            from: "    subscription.plan  -> subscription_plan else clear\n",
            to: "    subscripton.plan  -> subscription_plan else clear\n",
        },
        lesson: "The finding knows what was meant, and there is only one way to mend it. So `engine fix` does it.",
        mend: Mend::Command("engine fix --code E0101"),
    },
    Scene {
        title: "A missing value",
        code: "E0203",
        story: "A field of the app that may be empty is mapped as if it never were.",
        mistake: Edit {
            file: "contacts.rules",
            from: "    jobTitle           -> jobtitle          else keep\n",
            to: "    jobTitle           -> jobtitle\n",
        },
        lesson: "Blank it or leave it: only you can know, so nothing mends this by itself. Choose, and write it.",
        mend: Mend::Edit(Edit {
            file: "contacts.rules",
            from: "    jobTitle           -> jobtitle\n",
            to: "    jobTitle           -> jobtitle          else keep\n",
        }),
    },
    Scene {
        title: "A stage that nobody handles",
        code: "E0502",
        story: "Sales has a new stage. It gets a row in the `choice`, and no rule says what should happen then.",
        mistake: Edit {
            file: "words.rules",
            from: "  won         \"Closed won\"",
            to: "  legal       \"With legal\"     in crm \"contractsent\"\n  won         \"Closed won\"",
        },
        lesson: "The finding stands at the rule that has to decide. Here nothing should happen, and that is written down.",
        mend: Mend::Edit(Edit {
            file: "deals.rules",
            from: "  to qualified, proposal, negotiation, lost { nothing }\n",
            to: "  to qualified, proposal, negotiation, legal, lost { nothing }\n",
        }),
    },
    Scene {
        title: "Two writers of one field",
        code: "E0401",
        story: "A lost deal should be worth nothing. But a sync writes the amount already.",
        mistake: Edit {
            file: "deals.rules",
            from: "  to qualified, proposal, negotiation, legal, lost { nothing }\n",
            to: "  to lost { set deal.amount = 0 }\n  to qualified, proposal, negotiation, legal { nothing }\n",
        },
        lesson: "In `sync Deals` the app wins, so the app's amount is the one to change. The sync carries it over.",
        mend: Mend::Edit(Edit {
            file: "deals.rules",
            from: "  to lost { set deal.amount = 0 }\n",
            to: "  to lost { update app.Deal where crmId = deal.id { amount = 0 } else nothing }\n",
        }),
    },
    Scene {
        title: "A create without a key",
        code: "E0503",
        story: "A rule makes a deal, and nothing says which deal it is.",
        mistake: Edit {
            file: "deals.rules",
            from: "  create crm.Deal key source_subscription_id = sub.id {\n",
            to: "  create crm.Deal {\n",
        },
        lesson: "Messages can arrive twice. With a key, the second one finds the deal that the first one made.",
        mend: Mend::Edit(Edit {
            file: "deals.rules",
            from: "  create crm.Deal {\n",
            to: "  create crm.Deal key source_subscription_id = sub.id {\n",
        }),
    },
];

/// The page and the recording as they are made.
struct Recording {
    folder: tempfile::TempDir,
    page: String,
    cast: String,
    /// Milliseconds since the recording began.
    at: u64,
}

impl Recording {
    fn begin() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let from = docs().join("five-mistakes");
        let rules = folder.path().join("rules");
        std::fs::create_dir_all(rules.join("schemas")).expect("a folder");
        for part in ["", "schemas"] {
            for entry in std::fs::read_dir(from.join(part)).expect("the rules of the recording") {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    let name = path.file_name().expect("a name");
                    std::fs::copy(&path, rules.join(part).join(name)).expect("copied");
                }
            }
        }
        let head = json!({"version": 2, "width": 126, "height": 36, "title": "Five mistakes, made and mended"});
        Self { folder, page: String::new(), cast: format!("{head}\n"), at: 0 }
    }

    /// What appears on the screen, after a pause.
    fn shows(&mut self, pause: u64, text: &str) {
        self.at += pause;
        // Written by hand, because a float would print in more than one way.
        let time = format!("{}.{:03}", self.at / 1_000, self.at % 1_000);
        let text = json!(text.replace('\n', "\r\n"));
        writeln!(self.cast, "[{time}, \"o\", {text}]").expect("a String takes all");
    }

    fn says(&mut self, text: &str) {
        self.shows(1_500, &format!("\u{1b}[1m# {text}\u{1b}[0m\n"));
        writeln!(self.page, "{text}\n").expect("a String takes all");
    }

    /// Types a command, runs it, and gives what it printed.
    #[track_caller]
    fn runs(&mut self, command: &str, exit: i32) -> String {
        self.shows(1_500, "$ ");
        for letter in command.chars() {
            self.shows(40, &letter.to_string());
        }
        let mut words = command.split(' ');
        assert_eq!(words.next(), Some("engine"));
        let output = Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(words)
            .current_dir(self.folder.path())
            .env_remove("GITHUB_ACTIONS")
            .output()
            .expect("the engine runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!((output.status.code(), told.as_str()), (Some(exit), ""), "{command}\n{text}");
        self.shows(300, &format!("\n{text}"));
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        write!(self.page, "```text\n$ {command}\n{}\n```\n\n", lines.join("\n")).expect("a String takes all");
        text
    }

    /// Somebody changes a file.
    #[track_caller]
    fn edits(&mut self, edit: &Edit) {
        let path = self.folder.path().join("rules").join(edit.file);
        let text = std::fs::read_to_string(&path).expect("a text");
        let at = text.find(edit.from).unwrap_or_else(|| panic!("{} has no {:?}", edit.file, edit.from));
        std::fs::write(&path, text.replacen(edit.from, edit.to, 1)).expect("written");
        let name = edit.file;
        let line = text[..at].lines().count() + 1;
        // Lines that stay are not shown.
        let old: Vec<&str> = edit.from.lines().filter(|line| !edit.to.lines().any(|other| other == *line)).collect();
        let new: Vec<&str> = edit.to.lines().filter(|line| !edit.from.lines().any(|other| other == *line)).collect();
        self.shows(1_500, &format!("\u{1b}[2mrules/{name}, line {line}, in the editor:\u{1b}[0m\n"));
        writeln!(self.page, "`rules/{name}`, line {line}:\n\n```diff").expect("a String takes all");
        for (sign, colour, lines) in [('-', 31, old), ('+', 32, new)] {
            for line in lines {
                self.shows(600, &format!("\u{1b}[{colour}m{sign}{line}\u{1b}[0m\n"));
                writeln!(self.page, "{sign}{line}").expect("a String takes all");
            }
        }
        self.page.push_str("```\n\n");
    }
}

fn record() -> (String, String) {
    let mut recording = Recording::begin();
    recording.page.push_str(
        "# Five mistakes, made and mended\n\n\
         The commonest mistakes in rules, what `engine validate` says of each, and how it is mended. Nothing here is\n\
         written by hand: the commands were run on the small rule set in [five-mistakes](five-mistakes), and a test\n\
         runs them again with every change. The same as a film: `asciinema play five-mistakes.cast`.\n\n",
    );
    recording.says("Everything is well to begin with.");
    assert!(recording.runs("engine validate", 0).ends_with("no findings\n"));
    for (index, scene) in SCENES.iter().enumerate() {
        write!(recording.page, "## {}. {}\n\n", index + 1, scene.title).expect("a String takes all");
        recording.shows(2_500, "\u{1b}[2J\u{1b}[H");
        recording.says(scene.story);
        recording.edits(&scene.mistake);
        let told = recording.runs("engine validate", 1);
        assert!(told.starts_with(scene.code) && told.ends_with("\n1 finding\n"), "{told}");
        recording.says(scene.lesson);
        match &scene.mend {
            Mend::Command(command) => {
                recording.runs(command, 0);
            }
            Mend::Edit(edit) => recording.edits(edit),
        }
        assert!(recording.runs("engine validate", 0).ends_with("no findings\n"));
        writeln!(
            recording.page,
            "More about it: `engine explain {0}`, or [its page](../src/diagnostic/pages/{0}.md).\n",
            scene.code
        )
        .expect("a String takes all");
    }
    recording.shows(3_000, "");
    (recording.page.trim_end().to_owned() + "\n", recording.cast)
}

#[test]
fn the_recording_shows_what_the_commands_print() {
    let (page, cast) = record();
    let (page_path, cast_path) = (docs().join("five-mistakes.md"), docs().join("five-mistakes.cast"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(page_path, page).expect("the page is written");
        std::fs::write(cast_path, cast).expect("the recording is written");
        return;
    }
    assert_eq!(std::fs::read_to_string(page_path).expect("the page"), page, "record it again with UPDATE_GOLDEN=1");
    assert_eq!(
        std::fs::read_to_string(cast_path).expect("the recording"),
        cast,
        "record it again with UPDATE_GOLDEN=1"
    );
}

#[test]
fn the_recording_is_an_asciicast_of_version_2() {
    let cast = std::fs::read_to_string(docs().join("five-mistakes.cast")).expect("the recording");
    let mut lines = cast.lines();
    let head: serde_json::Value = serde_json::from_str(lines.next().expect("a head")).expect("JSON");
    assert_eq!((&head["version"], head["width"].is_u64(), head["height"].is_u64()), (&json!(2), true, true));
    let mut before = 0.0;
    let mut widest = 0;
    for line in lines {
        let (time, kind, text): (f64, String, String) = serde_json::from_str(line).expect("time, kind and text");
        assert!(time >= before && kind == "o", "{line}");
        before = time;
        widest = widest.max(text.lines().map(|line| line.chars().count()).max().unwrap_or(0));
    }
    assert!(before > 60.0, "a minute at least, or nobody can follow");
    // Nothing may wrap in the terminal that the head describes; colours take no room.
    assert!(widest <= 126 + 10, "{widest} columns");
}
