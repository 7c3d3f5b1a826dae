//! `engine bench` as a command: its shape, not its figures, which belong to the machine.

use std::process::{Command, Output};

use serde_json::Value as Json;

fn engine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_engine")).args(arguments).output().expect("it runs")
}

fn json(arguments: &[&str]) -> Json {
    let output = engine(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[track_caller]
fn positive(job: &Json, figures: &[&str]) {
    for name in figures {
        assert!(job["figures"][name].as_f64().is_some_and(|figure| figure > 0.0), "{name} in {job}");
    }
}

#[test]
fn every_job_reports_its_figures_and_a_floor() {
    let report = json(&["bench", "--seconds", "0.05", "--json"]);
    assert_eq!(report["schema"], 1);
    assert!(report["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{report}");
    let jobs = report["jobs"].as_array().expect("jobs");
    assert_eq!(jobs.iter().map(|job| job["job"].as_str()).collect::<Vec<_>>(), [Some("validate"), Some("decide")]);
    positive(&jobs[0], &["cold_ms", "parse_ms", "check_ms", "edit_ms"]);
    positive(&jobs[1], &["us_per_change", "changes_per_second", "ratio"]);
    assert!(jobs[0]["figures"]["lines"].as_u64().is_some_and(|lines| lines >= 10_000), "{report}");
    assert!(jobs[0]["floor"]["hash_ms"].is_number(), "{report}");
}

#[test]
fn a_job_is_run_alone_and_told_to_people() {
    let output = engine(&["bench", "decide", "--seconds", "0.02"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("text");
    for part in ["machine: ", "decide: ", "a change", "floor: exchanges", "ratio", "µs"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("validate"), "{text}");
}

#[test]
fn an_unknown_job_names_those_there_are() {
    for arguments in [&["bench", "decde"][..], &["bench", "decide", "decde", "--json"]] {
        let output = engine(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(output.stdout, b"", "nothing is measured first");
        let told = String::from_utf8(output.stderr).expect("text");
        assert!(told.contains("`decde`") && told.contains("validate, decide"), "{told}");
    }
    assert_eq!(engine(&["bench", "--seconds", "0"]).status.code(), Some(2));
}
