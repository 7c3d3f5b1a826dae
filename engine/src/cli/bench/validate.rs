//! `validate`: 10,000 lines of rules, cold and after one edit.
//!
//! The rule set is the shipped one many times over: each copy has items of its own names over entities of its own, so
//! that it is checked as large rule sets are, and without an error.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use dsl::check::{Session, check, sources};
use dsl::diagnostic::Severity;
use dsl::parse::parse_all;
use sha2::{Digest, Sha256};

use super::{Job, Report, Settings, in_turns, median, milliseconds};
use crate::rules::{SHIPPED, Texts};

pub(super) const JOB: Job = Job { name: "validate", about: "10,000 lines of rules, cold and after one edit", run };

/// How large the rule set is at least.
const LINES: usize = 10_000;

fn run(settings: &Settings) -> Result<Report, String> {
    let time = settings.time;
    let texts = many();
    let lines: usize = texts.files.iter().map(|(_, text)| text.lines().count()).sum();
    let problems = texts.compile(None).problems;
    if let Some(problem) = problems.iter().find(|problem| problem.severity() == Severity::Error) {
        return Err(format!("the rule set has an error: {} {}", problem.code, problem.message));
    }
    let (mut parsing, mut checking, mut cold, mut edits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let begin = Instant::now();
    let mut edited = texts.clone();
    let mut session = Session::default();
    black_box(session.compile(&edited.files, &edited.locks, None));
    loop {
        let start = Instant::now();
        let files = sources(&texts.files);
        let trees = parse_all(&files);
        let middle = Instant::now();
        let compiled = check(files.into_iter().zip(trees).collect(), &texts.locks, None);
        let end = Instant::now();
        drop(compiled);
        parsing.push(middle - start);
        checking.push(end - middle);
        cold.push(end - start);

        // As an editor does it: one more line at the end of a file in the midst.
        let file = edited.files.len() / 2;
        edited.files[file].1.push_str("# one more line\n");
        let start = Instant::now();
        let compiled = session.compile(&edited.files, &edited.locks, None);
        edits.push(start.elapsed());
        if compiled.program.is_none() {
            return Err("the edit was a mistake".to_owned());
        }
        if begin.elapsed() >= time {
            break;
        }
    }
    let hash = || {
        let mut digest = Sha256::new();
        texts.files.iter().for_each(|(_, text)| digest.update(text));
        texts.locks.values().for_each(|text| digest.update(text));
        black_box(digest.finalize());
    };
    let mut hash = hash;
    let [hash] = in_turns(Duration::from_millis(20).min(time), [&mut hash]);
    let [parsing, checking, cold, edits] = [parsing, checking, cold, edits].map(|times| milliseconds(median(times)));
    let mut report = Report::default();
    report.figure("lines", lines);
    report.figure("cold_ms", cold);
    report.figure("parse_ms", parsing);
    report.figure("check_ms", checking);
    report.figure("edit_ms", edits);
    report.floor.insert("hash_ms".to_owned(), milliseconds(hash).into());
    let shown = |ms: f64| format!("{ms:.1} ms");
    let locks: usize = texts.locks.values().map(|text| text.lines().count()).sum();
    report.line(
        "cold",
        shown(cold),
        format!("{lines} lines in {} files, and locks of {locks} lines", texts.files.len()),
    );
    report.line("  parse", shown(parsing), "on all cores");
    report.line("  check", shown(checking), "with reading the locks");
    report.line("after one edit", shown(edits), "one file is parsed, everything is checked");
    report.line("floor: hash it", shown(milliseconds(hash)), "SHA-256 over the same texts");
    Ok(report)
}

/// The shipped rules so many times that there are [`LINES`] lines.
fn many() -> Texts {
    let items: BTreeSet<&str> = SHIPPED
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| {
            let (keyword, rest) = line.split_once(' ')?;
            matches!(keyword, "choice" | "table" | "sync" | "workflow").then(|| rest.split(' ').next())?
        })
        .collect();
    let mut texts = Texts::default();
    let mut lines = 0;
    for copy in 1.. {
        for (path, text) in SHIPPED {
            // What all copies share stands once: the edition, and the system that no copy changes.
            let shared = path.ends_with("mail.lock");
            if copy > 1 && shared {
                continue;
            }
            let text = if shared { (*text).to_owned() } else { renamed(text, copy, &items) };
            if path.ends_with(".lock") {
                let path = if shared { (*path).to_owned() } else { renamed(path, copy, &items) };
                texts.locks.insert(path, text);
            } else {
                lines += text.lines().count();
                texts.files.push((format!("{copy:03}/{path}"), text));
            }
        }
        if lines >= LINES {
            break;
        }
    }
    texts
}

/// With its systems and items under names of their own, such as `app7` and `Contacts7`.
fn renamed(text: &str, copy: u32, items: &BTreeSet<&str>) -> String {
    const SYSTEMS: [&str; 2] = ["app", "crm"];
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(word);
        out.push_str(name);
        if SYSTEMS.contains(&name) || items.contains(name) {
            out.push_str(&copy.to_string());
        }
        let other = behind.find(is_word).unwrap_or(behind.len());
        out.push_str(&behind[..other]);
        rest = &behind[other..];
    }
    if copy == 1 {
        return out;
    }
    // The edition and the mail service stand in the first copy.
    let mail = out.find("system mail").unwrap_or(out.len());
    let end = out[mail..].find('}').map_or(out.len(), |end| mail + end + 1);
    out.replace_range(mail..end, "");
    out.replace("edition 2026\n", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_lines_hold_and_every_copy_is_checked() {
        let texts = many();
        let compiled = texts.compile(None);
        assert_eq!(compiled.problems, []);
        let lines: usize = texts.files.iter().map(|(_, text)| text.lines().count()).sum();
        assert!((LINES..LINES + 500).contains(&lines), "{lines}");
        let copies = texts.locks.len() / 2;
        let program = compiled.program.expect("no problems");
        assert_eq!((program.syncs.len(), program.workflows.len()), (copies * 6, copies * 2));
    }
}
