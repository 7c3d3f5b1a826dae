//! `engine webhook verify`: why a delivery is accepted (0) or refused (1).

use std::path::PathBuf;

use connectors::hubspot::signature;
use connectors::webhook::Verify;
use connectors::webhook::hmac::{HEADER, Hmac256};
use dsl::value::Timestamp;
use serde_json::json;

use super::output::Output;
use crate::clock::wall;
use crate::config::SecretAt;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the signature of a delivery: HubSpot's, or the app's where it has an `X-App-Signature`.
    Verify(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The environment variable that holds the secret.
    #[arg(long, value_name = "NAME")]
    secret_env: String,
    /// The method it came with.
    #[arg(long, default_value = "POST")]
    method: String,
    /// The URL as the sender called it.
    #[arg(long, default_value = "")]
    uri: String,
    /// The raw body, byte for byte; `-` reads it from stdin.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// A header, `name: value`; may stand several times.
    #[arg(long = "header", value_name = "k: v")]
    headers: Vec<String>,
    /// The time of arrival in milliseconds since 1970; now where it is not given.
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    now: Option<i64>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: &Command) -> u8 {
    let Command::Verify(arguments) = command;
    let cannot = |reason: String| {
        eprintln!("engine: {reason}");
        2
    };
    let secret = match SecretAt::Environment(arguments.secret_env.clone()).read() {
        Ok(secret) => secret,
        Err(missing) => return cannot(missing.to_string()),
    };
    let mut headers = http::HeaderMap::new();
    for header in &arguments.headers {
        let parsed = header.split_once(':').and_then(|(name, value)| {
            let name: http::HeaderName = name.trim().parse().ok()?;
            Some((name, http::HeaderValue::from_str(value.trim()).ok()?))
        });
        match parsed {
            Some((name, value)) => {
                headers.append(name, value);
            }
            None => return cannot(format!("`{header}` is no header: write `name: value`")),
        }
    }
    let body = if arguments.body.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut body).map(|_| body)
    } else {
        std::fs::read(&arguments.body)
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return cannot(format!("cannot read {}: {error}", arguments.body.display())),
    };
    let now = arguments.now.map_or_else(wall, Timestamp);
    // By the header and not by the configuration: a delivery is looked at where there is no engine.yaml. HubSpot's old
    // signatures are checked too, although the door refuses them, because the question is which secret signed.
    let verdict = if headers.contains_key(HEADER) {
        Hmac256 { header: HEADER.to_owned(), secret }.verify(&headers, &body, now)
    } else {
        signature::verify_v3(&arguments.method.to_uppercase(), &arguments.uri, &headers, &body, &secret, now)
            .map_err(|rejection| rejection.to_string())
    };
    if arguments.output.json() {
        let reason = verdict.as_ref().err();
        say!("{}", json!({"schema": 1, "accepted": verdict.is_ok(), "reason": reason}));
    } else {
        match &verdict {
            Ok(()) => say!("accepted"),
            Err(reason) => say!("refused: {reason}"),
        }
    }
    u8::from(verdict.is_err())
}
