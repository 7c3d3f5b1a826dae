//! `engine config check` and `schema`: engine.yaml, validated without starting anything.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::client;
use super::output::{Output, could_not_run, pictured};
use crate::clock::remote::is_loopback;
use crate::config::{self, Config};
use crate::rules::{Rules, stored};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check engine.yaml: keys, values, the systems of the rules, and which secrets are missing here.
    Check {
        /// The file; `engine.yaml`, or `rules/engine.yaml` where that is not there.
        file: Option<PathBuf>,
        #[arg(long, hide = true)]
        config: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Print the JSON Schema of engine.yaml.
    Schema,
}

pub(super) fn run(command: &Command) -> u8 {
    match command {
        Command::Schema => {
            let schema = config::schema();
            say!("{}", serde_json::to_string_pretty(&schema).unwrap_or_else(|_| schema.to_string()));
            0
        }
        Command::Check { file, config, output } => {
            check(&client::config_path(file.as_deref().or(config.as_deref())), output)
        }
    }
}

fn check(path: &std::path::Path, output: &Output) -> u8 {
    match Config::read(path) {
        Ok(config) => {
            let (findings, notes) = beside(&config);
            if output.json() {
                let findings: Vec<_> = findings.iter().map(|message| json!({"message": message})).collect();
                say!("{}", json!({"schema": 1, "findings": findings, "notes": notes}));
            } else {
                for finding in &findings {
                    say!("{}: {finding}", path.display());
                }
                for note in &notes {
                    say!("note: {note}");
                }
                if findings.is_empty() {
                    say!("{}: {} systems, no findings", path.display(), config.systems.len());
                }
            }
            u8::from(!findings.is_empty())
        }
        Err(config::Error::Invalid { name, text, problems }) => {
            if output.json() {
                let findings: Vec<_> = problems
                    .iter()
                    .map(|p| json!({"message": p.message, "line": p.line, "help": p.help, "file": name}))
                    .collect();
                say!("{}", json!({"schema": 1, "findings": findings, "notes": []}));
            } else {
                say_on!("{}", pictured(&config::Error::Invalid { name, text, problems }));
            }
            1
        }
        Err(error) => could_not_run(&error),
    }
}

/// How the file fits the rules, and which secrets this shell lacks.
fn beside(config: &Config) -> (Vec<String>, Vec<String>) {
    let mut findings = Vec::new();
    let mut notes = Vec::new();
    match stored::load(&Rules::folder(&config.rules)) {
        Ok(set) => {
            let program = Arc::clone(&set.program);
            for (name, system) in &program.systems {
                match config.systems.get(name) {
                    None => findings.push(format!("the rules name the system `{name}`, and it is not under `systems`")),
                    Some(connection) if connection.connector.name() != system.lock.connector => findings.push(format!(
                        "`systems.{name}` has the connector `{}`, its lock was written for `{}`",
                        connection.connector, system.lock.connector
                    )),
                    Some(connection) if connection.connector.needs_operations() => {
                        for operation in system.lock.operations.keys() {
                            if !connection.operations.contains_key(operation) {
                                findings.push(format!(
                                    "`systems.{name}.operations` does not say how `{operation}` is called"
                                ));
                            }
                        }
                    }
                    Some(_) => {}
                }
            }
            for name in config.systems.keys() {
                if !program.systems.contains_key(name) {
                    notes.push(format!("the rules have no system `{name}`"));
                }
            }
            if config.kafka.is_none() && program.doors.values().any(|door| !door.topics.is_empty()) {
                notes.push("the rules read Kafka topics, and there is no `kafka`".to_owned());
            }
        }
        Err(refusal) => findings.push(format!("the rules in {}: {refusal}", config.rules.display())),
    }
    for (name, connection) in &config.systems {
        if connection.token.is_some() && in_the_clear(&connection.base_url) {
            let url = &connection.base_url;
            notes.push(format!("`systems.{name}` is called without TLS at {url}: whoever is between reads its token"));
        }
    }
    // A note and no finding: the file is right, and the daemon may run in an environment that has them.
    let tokens = config.systems.values().filter_map(|c| c.token.as_ref()).flat_map(config::TokenAt::secrets);
    let secrets = tokens.chain(config.systems.values().filter_map(|c| c.webhook.as_ref().map(|w| &w.secret)));
    let password = config.kafka.as_ref().and_then(|kafka| kafka.security.sasl.as_ref()).map(|sasl| &sasl.password);
    let urls = config.redis.iter().chain(config.proxy.as_ref().map(|proxy| &proxy.url));
    let urls = urls.filter_map(|url| match url {
        config::UrlAt::Secret(at) => Some(at),
        config::UrlAt::Plain(_) => None,
    });
    for secret in secrets.chain(&config.admin.token).chain(&config.admin.viewer_token).chain(password).chain(urls) {
        if let Err(missing) = secret.read() {
            notes.push(missing.to_string());
        }
    }
    (findings, notes)
}

/// An address of another machine that is called without TLS.
fn in_the_clear(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !url.host_str().is_some_and(is_loopback))
}
