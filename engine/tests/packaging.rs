//! What brings the daemon onto a machine and watches it there, held to what the daemon is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use serde_yaml::Value as Yaml;

fn packaging(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file);
    std::fs::read_to_string(&path).expect("the file is there")
}

/// Every figure of the engine's that a text names.
fn figures(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("engine_")).map(str::to_owned).collect()
}

/// The figures that the sources record, which is more than one run shows.
fn recorded() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("it is read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).expect("a source");
                // As they stand in `gauge!("…")` and the like.
                found.extend(
                    text.split('"').skip(1).step_by(2).filter(|name| name.starts_with("engine_")).map(str::to_owned),
                );
            }
        }
    }
    found
}

fn operating() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md")).expect("the page")
}

#[test]
fn alerts_and_dashboard_name_figures_that_there_are_and_that_the_page_explains() {
    let (recorded, page) = (recorded(), figures(&operating()));
    for file in ["alerts.yml", "grafana.json"] {
        let named = figures(&packaging(file));
        assert!(named.len() >= 8, "{file}: {named:?}");
        for figure in named {
            assert!(recorded.contains(&figure), "{file}: nothing records {figure}");
            assert!(page.contains(&figure), "{file}: the page for operators does not know {figure}");
        }
    }
}

#[test]
fn what_the_page_wants_an_alert_for_has_one() {
    let page = operating();
    let (_, table) = page.split_once("## What to alert on").expect("the page has this part");
    let wanted: BTreeSet<String> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('`').nth(1))
        .flat_map(figures)
        .collect();
    let alerts: Yaml = serde_yaml::from_str(&packaging("alerts.yml")).expect("YAML");
    let rules = alerts["groups"][0]["rules"].as_sequence().expect("a list of alerts");
    let watched: BTreeSet<String> = rules.iter().filter_map(|rule| rule["expr"].as_str()).flat_map(figures).collect();
    // Its bound is a setting of each installation.
    let missing: Vec<&String> = wanted.difference(&watched).filter(|figure| *figure != "engine_inbox").collect();
    assert!(!wanted.is_empty() && missing.is_empty(), "no alert for {missing:?}");
    for rule in rules {
        assert!(rule["labels"]["severity"].is_string() && rule["annotations"]["summary"].is_string(), "{rule:?}");
    }
}

#[test]
fn containers_run_as_nobody_with_ports_and_probes_that_there_are() {
    let docker =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Dockerfile")).expect("it is there");
    assert!(docker.contains("EXPOSE 8080 8081") && docker.contains("65532"), "{docker}");
    let text = packaging("kubernetes.yaml");
    let documents: Vec<Yaml> =
        serde_yaml::Deserializer::from_str(&text).map(|one| Yaml::deserialize(one).expect("YAML")).collect();
    let pod = &documents[0]["spec"]["template"]["spec"];
    assert_eq!(documents[0]["spec"]["replicas"], 1, "two daemons cannot own one state");
    assert_eq!(pod["securityContext"]["runAsUser"], 65_532);
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let ports: Vec<u64> = container["ports"]
        .as_sequence()
        .expect("ports")
        .iter()
        .filter_map(|port| port["containerPort"].as_u64())
        .collect();
    assert_eq!(ports, [8080, 8081]);
    let page = operating();
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().expect("a path");
        assert!(page.contains(&format!("`{path}`")), "{probe}: {path}");
    }
    let compose: Yaml = serde_yaml::from_str(&packaging("compose.yaml")).expect("YAML");
    let engine = &compose["services"]["engine"];
    assert_eq!((engine["read_only"].as_bool(), engine["cap_drop"][0].as_str()), (Some(true), Some("ALL")));
    for service in ["engine", "kafka", "redis"] {
        assert!(compose["services"][service].is_mapping(), "{service}");
    }
}

/// What systemd itself says of the unit, where there is a systemd.
#[test]
fn the_unit_starts_the_daemon_and_lets_it_do_nothing_else() {
    let unit = packaging("engine.service");
    for line in
        ["DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "StateDirectory=engine", "Restart=always"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/engine.service");
    let asked = Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(&file).output();
    let Ok(said) = asked else {
        eprintln!("there is no systemd-analyze here; what it thinks of the unit is not asked");
        return;
    };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    // An older one has no `--offline`.
    let Some((_, level)) = said.split_once("Overall exposure level for engine.service:") else { return };
    let level: f64 = level.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number");
    assert!(level <= 2.5, "{said}");
}

#[test]
fn shells_complete_every_command_and_the_manual_has_a_page_for_each() {
    let engine = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_engine")).args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let help = engine(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands");
    let commands: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 25, "{commands:?}");
    let folder = tempfile::tempdir().expect("a folder");
    engine(&["man", &folder.path().display().to_string()]);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = engine(&["completions", shell]);
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
    }
    for command in commands.iter().filter(|command| **command != "help") {
        let page = std::fs::read_to_string(folder.path().join(format!("engine-{command}.1"))).expect("a page");
        assert!(page.contains(".SH OPTIONS") || page.contains(".SH SUBCOMMANDS"), "{command}: {page}");
    }
}
