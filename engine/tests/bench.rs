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
fn every_job_in_memory_reports_its_figures_and_a_floor() {
    let report = json(&["bench", "validate", "decide", "--seconds", "0.05", "--json"]);
    assert_eq!(report["schema"], 1);
    assert!(report["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{report}");
    let jobs = report["jobs"].as_array().expect("jobs");
    assert_eq!(jobs.iter().map(|job| job["job"].as_str()).collect::<Vec<_>>(), [Some("validate"), Some("decide")]);
    positive(&jobs[0], &["cold_ms", "parse_ms", "check_ms", "edit_ms"]);
    positive(&jobs[1], &["us_per_change", "changes_per_second", "ratio"]);
    assert!(jobs[0]["figures"]["lines"].as_u64().is_some_and(|lines| lines >= 10_000), "{report}");
    assert!(jobs[0]["floor"]["hash_ms"].is_number(), "{report}");
}

/// One job with an engine as a process of its own, as small as it gets.
fn job(name: &str, more: &[&str]) -> Json {
    let mut report = json(&[&["bench", name, "--seconds", "0.4", "--json"], more].concat());
    let job = report["jobs"][0].take();
    assert_eq!(job["job"], name);
    job
}

#[test]
fn acknowledgements_are_measured_beside_http_and_the_disk() {
    let job = job("ack", &[]);
    positive(&job, &["per_second_64", "p99_ms_64", "p50_ms_1", "open_p99_ms_64", "ratio", "resident_mb"]);
    for floor in ["http_per_second_64", "http_p99_ms_64", "fsync_p50_ms"] {
        assert!(job["floor"][floor].as_f64().is_some_and(|figure| figure > 0.0), "{floor} in {job}");
    }
    assert_eq!(job["floor"]["fsync_per_second"].as_array().map(Vec::len), Some(2), "before and after");
}

#[test]
fn workflows_are_measured_beside_the_same_exchanges() {
    let job = job("steps", &[]);
    positive(&job, &["workflows_per_second_64", "p99_ms_64", "p50_ms_1", "acks_beside_ratio", "resident_mb"]);
    assert!(job["floor"]["http_floor_per_second"].as_f64().is_some_and(|figure| figure > 0.0), "{job}");
}

#[test]
fn nothing_is_lost_in_the_kills_of_the_measurement() {
    let job = job("crash", &["--seed", "7"]);
    positive(&job, &["kills", "acknowledged", "first_ack_ms"]);
    assert_eq!((&job["figures"]["lost"], &job["figures"]["seed"]), (&Json::from(0), &Json::from(7)));
    assert!(job["figures"]["repeated"].as_u64() <= job["figures"]["in_doubt"].as_u64(), "{job}");
}

#[test]
fn both_doors_are_measured() {
    positive(&job("intake", &[]), &["kafka_records_per_second", "webhook_events_per_second"]);
}

#[test]
fn decisions_are_measured_in_two_ledgers() {
    positive(&job("growth", &["--rows", "2000"]), &["rows", "event_ratio", "workflow_ratio"]);
}

#[test]
fn sleepers_wake_after_a_kill() {
    let job = job("sleepers", &["--sleepers", "200"]);
    positive(&job, &["count", "restart_ms", "bytes_each", "resident_mb"]);
    assert!(job["figures"]["lateness_p99_ms"].as_i64().is_some_and(|late| late >= 0), "{job}");
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
    for bad in [&["--seconds", "0"][..], &["--sleepers", "1"], &["--rival-ack", "ftp://x"], &["--service", "here"]] {
        assert_eq!(engine(&[&["bench", "ack", "--seconds", "0.1"], bad].concat()).status.code(), Some(2), "{bad:?}");
    }
}
