//! The keys of engine.yaml: one table that reads the file, names near keys and writes the JSON Schema.
//!
//! Out of here: a tree of plain JSON values with known keys, `${NAME}` replaced.

use std::ops::Range;

use dsl::yaml::{Places, line};
use serde_json::{Value as Json, json};

use super::Problem;

/// What may stand somewhere.
#[derive(Debug, Clone, Copy)]
enum Node {
    /// Text, a number or a yes/no, taken as text.
    Scalar(&'static str),
    /// A mapping with these keys.
    Map(&'static [(&'static str, Node)]),
    /// A mapping whose keys the author chooses.
    Named(&'static str, &'static Node),
    /// Anything; handed on as it is.
    Any(&'static str),
    /// A secret, which must not stand here.
    Secret,
}

const WEBHOOK: Node = Node::Map(&[
    ("path", Node::Scalar("where deliveries arrive, such as /webhooks/crm")),
    ("public_url", Node::Scalar("the URL as the sender calls it; HubSpot signs it")),
    ("max_body", Node::Scalar("the largest delivery that is taken, such as 8 MiB")),
    ("client_secret_env", Node::Scalar("environment variable with HubSpot's client secret")),
    ("client_secret_file", Node::Scalar("file with HubSpot's client secret")),
    ("client_secret", Node::Secret),
    ("secret_env", Node::Scalar("environment variable with the shared key")),
    ("secret_file", Node::Scalar("file with the shared key")),
    ("secret", Node::Secret),
]);

const OAUTH: Node = Node::Map(&[
    ("client_id", Node::Scalar("the app's id at HubSpot")),
    ("client_secret_env", Node::Scalar("environment variable with the app's client secret")),
    ("client_secret_file", Node::Scalar("file with the app's client secret")),
    ("client_secret", Node::Secret),
    ("refresh_token_env", Node::Scalar("environment variable with the refresh token")),
    ("refresh_token_file", Node::Scalar("file with the refresh token")),
    ("refresh_token", Node::Secret),
    ("url", Node::Scalar("where the refresh token is exchanged")),
]);

const OPERATION: Node = Node::Map(&[
    ("method", Node::Scalar("POST")),
    ("path", Node::Scalar("behind base_url")),
    ("body", Node::Any("JSON; \"{name}\" stands for a parameter")),
    ("done", Node::Any("members that the answer has where it was done, such as { ok: true }")),
]);

const SYSTEM: Node = Node::Map(&[
    ("connector", Node::Scalar("hubspot, rest or http")),
    ("base_url", Node::Scalar("where it is called")),
    ("api_version", Node::Scalar("HubSpot's API version: 2026-09, 2026-03 or v3")),
    ("token_env", Node::Scalar("environment variable with the token")),
    ("token_file", Node::Scalar("file with the token")),
    ("token", Node::Secret),
    ("oauth", OAUTH),
    ("app_id", Node::Scalar("our app at HubSpot, to know our own echoes")),
    ("portal_id", Node::Scalar("the HubSpot account whose deliveries are taken; `engine hubspot setup` says it")),
    ("concurrency", Node::Scalar("most requests under way at once")),
    ("webhook", WEBHOOK),
    ("roles", Node::Named("addresses by role", &Node::Scalar("an e-mail address"))),
    ("operations", Node::Named("how operations of the lock are called", &OPERATION)),
]);

const SECURITY: Node = Node::Map(&[
    ("protocol", Node::Scalar("plaintext, tls, sasl or sasl_plaintext")),
    ("mechanism", Node::Scalar("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")),
    ("username", Node::Scalar("user of SASL")),
    ("password_env", Node::Scalar("environment variable with its password")),
    ("password_file", Node::Scalar("file with its password")),
    ("password", Node::Secret),
    ("ca_file", Node::Scalar("certificates of the authority, PEM")),
    ("certificate_file", Node::Scalar("our certificate, PEM")),
    ("key_file", Node::Scalar("our key, PEM")),
]);

const ROOT: Node = Node::Map(&[
    ("rules", Node::Scalar("folder of .rules files, from this file's folder")),
    ("state", Node::Scalar("folder of the ledger, from this file's folder")),
    ("listen", Node::Scalar("address and port for webhooks")),
    (
        "admin",
        Node::Map(&[
            ("listen", Node::Scalar("address and port for status, metrics and console")),
            ("token_env", Node::Scalar("environment variable with the admin token")),
            ("token_file", Node::Scalar("file with the admin token")),
            ("token", Node::Secret),
            ("viewer_token_env", Node::Scalar("environment variable with a token that may look and change nothing")),
            ("viewer_token_file", Node::Scalar("file with a token that may look and change nothing")),
            ("viewer_token", Node::Secret),
        ]),
    ),
    ("systems", Node::Named("systems by their name in the rules", &SYSTEM)),
    (
        "proxy",
        Node::Map(&[
            ("url", Node::Scalar("http://host:port of the proxy for everything outside")),
            ("url_env", Node::Scalar("environment variable with a URL that holds a password")),
            ("url_file", Node::Scalar("file with a URL that holds a password")),
            ("except", Node::Scalar("hosts that are reached without it, separated by commas")),
        ]),
    ),
    (
        "kafka",
        Node::Map(&[
            ("brokers", Node::Scalar("host:port, separated by commas")),
            ("group", Node::Scalar("names the commits for lag monitoring")),
            ("when_gone", Node::Scalar("where records were lost before they were read: oldest, or park")),
            ("fetch_wait", Node::Scalar("how long a broker may hold a fetch open")),
            ("security", SECURITY),
        ]),
    ),
    (
        "redis",
        Node::Map(&[
            ("url", Node::Scalar("redis://host:port")),
            ("url_env", Node::Scalar("environment variable with a URL that holds a password")),
            ("url_file", Node::Scalar("file with a URL that holds a password")),
        ]),
    ),
    (
        "runtime",
        Node::Map(&[
            ("grace", Node::Scalar("how long to finish what is under way when stopped")),
            ("inbox", Node::Scalar("most deliveries that wait for their pace")),
            ("retention", Node::Scalar("how long history is kept")),
            ("clock_skew", Node::Scalar("changes closer than this count as simultaneous")),
            ("clock_ahead", Node::Scalar("a time from outside that is further ahead counts as now")),
            ("hold", Node::Scalar("how long a real-time change waits for company in its batch")),
        ]),
    ),
]);

/// Reads the text. All keys are known in the tree; what is not, or has no value, stands in the problems.
pub(super) fn read(text: &str, places: &Places, environment: &dyn Fn(&str) -> Option<String>) -> (Json, Vec<Problem>) {
    let yaml: serde_yaml::Value = match serde_yaml::from_str(text) {
        Ok(yaml) => yaml,
        Err(error) => {
            let at = error.location().map_or(0, |place| place.index()).min(text.len());
            let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            let place = at..at + text[at..].chars().next().map_or(0, char::len_utf8);
            return (Json::Null, vec![problem(text, place, format!("this is no YAML: {error}"), "here", None)]);
        }
    };
    let mut reader = Reader { text, places, environment, path: Vec::new(), problems: Vec::new() };
    let tree = reader.walk(&yaml, &ROOT);
    (tree, reader.problems)
}

struct Reader<'a> {
    text: &'a str,
    places: &'a Places,
    environment: &'a dyn Fn(&str) -> Option<String>,
    path: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn walk(&mut self, yaml: &serde_yaml::Value, node: &Node) -> Json {
        match node {
            Node::Map(_) | Node::Named(..) => self.mapping(yaml, node),
            Node::Scalar(_) => match scalar(yaml) {
                Some(value) => Json::String(self.substitute(&value)),
                None => {
                    if !yaml.is_null() {
                        let message = format!("`{}` must be a single value", self.path.join("."));
                        self.say_at_key(message, "has parts", None);
                    }
                    Json::Null
                }
            },
            Node::Any(_) => match serde_json::to_value(yaml) {
                Ok(value) => value,
                Err(error) => {
                    let message = format!("`{}` cannot be written as JSON: {error}", self.path.join("."));
                    self.say_at_key(message, "here", None);
                    Json::Null
                }
            },
            Node::Secret => {
                let name = self.path.last().cloned().unwrap_or_default();
                let help = format!("name the environment's variable with `{name}_env`, or a file with `{name}_file`");
                self.say_at_key("a secret must not stand in the file".to_owned(), "remove it", Some(help));
                Json::Null
            }
        }
    }

    fn mapping(&mut self, yaml: &serde_yaml::Value, node: &Node) -> Json {
        let mut out = serde_json::Map::new();
        let Some(mapping) = yaml.as_mapping() else {
            if !yaml.is_null() {
                let what =
                    if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path.join(".")) };
                self.say_at_key(format!("{what} must hold keys with values"), "no keys", None);
            }
            return Json::Object(out);
        };
        for (key, value) in mapping {
            let key = scalar(key).unwrap_or_default();
            let child = match node {
                Node::Map(keys) => keys.iter().find(|(name, _)| *name == key).map(|(_, child)| child),
                Node::Named(_, child) => Some(*child),
                _ => None,
            };
            self.path.push(key.clone());
            match child {
                Some(child) => {
                    let value = self.walk(value, child);
                    out.insert(key, value);
                }
                None => self.unknown(node),
            }
            self.path.pop();
        }
        Json::Object(out)
    }

    fn unknown(&mut self, node: &Node) {
        let key = self.path.last().cloned().unwrap_or_default();
        let parents = self.path[..self.path.len() - 1].join(".");
        let inside = if parents.is_empty() { String::new() } else { format!(" in `{parents}`") };
        let known: Vec<&str> = match node {
            Node::Map(keys) => keys.iter().filter(|(_, n)| !matches!(n, Node::Secret)).map(|(name, _)| *name).collect(),
            _ => Vec::new(),
        };
        let help = match dsl::suggest::nearest(&key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        self.say_at_key(format!("unknown key `{key}`{inside}"), "not known", Some(help));
    }

    fn substitute(&mut self, value: &str) -> String {
        let mut out = String::new();
        let mut rest = value;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + length];
            out.push_str(&rest[..start]);
            match (self.environment)(name) {
                Some(found) => out.push_str(&found),
                None => {
                    let parts: Vec<&str> = self.path.iter().map(String::as_str).collect();
                    let place = self.places.value(&parts);
                    let message = format!("the environment has no `{name}`");
                    let help = Some("set it, or write the value".to_owned());
                    self.problems.push(problem(self.text, place, message, "not set", help));
                }
            }
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        out
    }

    fn say_at_key(&mut self, message: String, label: &str, help: Option<String>) {
        let parts: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let place = self.places.key(&parts);
        self.problems.push(problem(self.text, place, message, label, help));
    }
}

fn scalar(yaml: &serde_yaml::Value) -> Option<String> {
    match yaml {
        serde_yaml::Value::String(text) => Some(text.clone()),
        serde_yaml::Value::Number(number) => Some(number.to_string()),
        serde_yaml::Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A problem at a stretch of the text.
pub(super) fn problem(text: &str, place: Range<usize>, message: String, label: &str, help: Option<String>) -> Problem {
    Problem {
        message,
        line: line(text, place.start),
        at: miette::SourceSpan::from(place),
        label: label.to_owned(),
        help,
    }
}

/// JSON Schema (draft 2020-12) of engine.yaml.
#[must_use]
pub fn schema() -> Json {
    let mut schema = describe(&ROOT);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("engine.yaml");
    schema
}

fn describe(node: &Node) -> Json {
    match node {
        Node::Scalar(says) => json!({"type": ["string", "number", "boolean"], "description": says}),
        Node::Any(says) => json!({"description": says}),
        Node::Secret => json!(false),
        Node::Named(says, child) => {
            json!({"type": "object", "description": says, "additionalProperties": describe(child)})
        }
        Node::Map(keys) => {
            let properties: serde_json::Map<String, Json> = keys
                .iter()
                .filter(|(_, node)| !matches!(node, Node::Secret))
                .map(|(name, node)| ((*name).to_owned(), describe(node)))
                .collect();
            json!({"type": "object", "properties": properties, "additionalProperties": false})
        }
    }
}
