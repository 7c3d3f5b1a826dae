//! engine.yaml with types, units and absolute meaning.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use connectors::operations::Template;
use connectors::registry::ConnectorKind;
use connectors::webhook::door::{MAX_BODY, is_path};
use dsl::value::Duration;
use dsl::yaml::Places;
use serde_json::Value as Json;

use super::Problem;
use super::raw::problem;
use super::secret::{Missing, OAuth, SecretAt, TokenAt};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of rules.
    pub rules: PathBuf,
    /// Folder of the ledger.
    pub state: PathBuf,
    /// Where webhooks arrive.
    pub listen: SocketAddr,
    /// The admin API.
    pub admin: Admin,
    /// Systems by their name in the rules.
    pub systems: BTreeMap<String, Connection>,
    /// The proxy for everything outside; where none is said, the environment's.
    pub proxy: Option<Proxy>,
    /// Kafka, where there is one.
    pub kafka: Option<Kafka>,
    /// Redis, where there is one.
    pub redis: Option<UrlAt>,
    /// Settings.
    pub runtime: Runtime,
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it is.
    pub url: UrlAt,
    /// Hosts that are reached without it, separated by commas.
    pub except: String,
}

/// The admin API.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its token; needed where it listens beyond loopback.
    pub token: Option<SecretAt>,
    /// A second token, with which one may look and change nothing.
    pub viewer_token: Option<SecretAt>,
}

/// How one system is reached.
#[derive(Debug, Clone)]
pub struct Connection {
    /// What serves it.
    pub connector: ConnectorKind,
    /// Where it is called.
    pub base_url: String,
    /// Version of its API, where one is named.
    pub api_version: Option<String>,
    /// Its token.
    pub token: Option<TokenAt>,
    /// Our app at the system, to know our own echoes.
    pub app_id: Option<u64>,
    /// The account whose deliveries are taken; of any where nothing is said.
    pub portal_id: Option<u64>,
    /// Most requests under way at once, where it is not the usual number.
    pub concurrency: Option<usize>,
    /// Its webhook, where it has one.
    pub webhook: Option<Webhook>,
    /// Addresses by role.
    pub roles: BTreeMap<String, String>,
    /// How operations are called, by name.
    pub operations: BTreeMap<String, Template>,
}

/// A webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Path at our door.
    pub path: String,
    /// The URL as the sender calls it.
    pub public_url: Option<String>,
    /// What its signature is made with.
    pub secret: SecretAt,
    /// The largest delivery that is taken, in bytes.
    pub max_body: usize,
}

/// Kafka.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// Names the commits.
    pub group: String,
    /// Where records were lost before they were read: leave the partition alone instead of going on.
    pub park_gone: bool,
    /// How long a broker may hold a fetch open.
    pub fetch_wait: Duration,
    /// How it is reached.
    pub security: Security,
}

/// How Kafka is reached.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// TLS.
    pub tls: bool,
    /// SASL.
    pub sasl: Option<Sasl>,
    /// Certificates of the authority.
    pub ca_file: Option<PathBuf>,
    /// Our certificate.
    pub certificate_file: Option<PathBuf>,
    /// Our key.
    pub key_file: Option<PathBuf>,
}

/// How we log in to Kafka.
#[derive(Debug, Clone)]
pub struct Sasl {
    /// `SCRAM-SHA-256` …
    pub mechanism: String,
    /// The user.
    pub username: String,
    /// Its password.
    pub password: SecretAt,
}

/// An address.
#[derive(Debug, Clone)]
pub enum UrlAt {
    /// The URL, without a password.
    Plain(String),
    /// Where the URL is found.
    Secret(SecretAt),
}

impl UrlAt {
    /// The URL.
    ///
    /// # Errors
    /// Where it is not where it should be found.
    pub fn read(&self) -> Result<String, Missing> {
        match self {
            Self::Plain(url) => Ok(url.clone()),
            Self::Secret(at) => Ok(at.read()?.expose().to_owned()),
        }
    }
}

/// Settings; all have defaults.
#[derive(Debug, Clone, Copy)]
pub struct Runtime {
    /// How long to finish what is under way when stopped.
    pub grace: Duration,
    /// Most deliveries that wait for their pace.
    pub inbox: u64,
    /// How long history is kept.
    pub retention: Duration,
    /// Changes closer than this count as simultaneous.
    pub clock_skew: Duration,
    /// A time from outside that is further ahead of our clock than this counts as now.
    pub clock_ahead: Duration,
    /// How long a real-time change waits for company in its batch while little goes on.
    pub hold: Duration,
    /// How long a request may take, all its HTTP calls together.
    pub call_timeout: Duration,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            grace: Duration::seconds(20),
            inbox: 100_000,
            retention: Duration::days(30),
            clock_skew: Duration::seconds(2),
            clock_ahead: Duration::minutes(5),
            hold: Duration(100),
            call_timeout: Duration::minutes(2),
        }
    }
}

/// Bounds of what a delivery may be limited to: one event has room, and one connection does not fill the memory.
const SMALLEST_BODY: usize = 64 << 10;
const LARGEST_BODY: usize = 64 << 20;

/// History that is gone sooner answers nobody's question.
const SHORTEST_RETENTION: Duration = Duration(60 * 60 * 1_000);

const UNITS: &str = "such as 250ms, 20s, 5m, 12h, 30d";

/// Checks a tree whose keys are known; `folder` is where relative paths start.
pub(super) fn check(text: &str, places: &Places, tree: &Json, folder: &Path) -> (Config, Vec<Problem>) {
    let mut check = Check { text, places, tree, folder, problems: Vec::new() };
    let config = check.config();
    (config, check.problems)
}

struct Check<'a> {
    text: &'a str,
    places: &'a Places,
    tree: &'a Json,
    folder: &'a Path,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, path: &[&str], message: String, label: &str, help: &str) {
        let place = self.places.value(path);
        self.problems.push(problem(self.text, place, message, label, Some(help.to_owned())));
    }

    fn say_at_key(&mut self, path: &[&str], message: String, label: &str, help: &str) {
        let place = self.places.key(path);
        self.problems.push(problem(self.text, place, message, label, Some(help.to_owned())));
    }

    fn get(&self, path: &[&str]) -> Option<&Json> {
        path.iter().try_fold(self.tree, |tree, key| tree.get(*key)).filter(|value| !value.is_null())
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        self.get(path).and_then(Json::as_str).map(str::to_owned)
    }

    fn keys(&self, path: &[&str]) -> Vec<String> {
        self.get(path).and_then(Json::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
    }

    fn path(&self, path: &[&str]) -> Option<PathBuf> {
        self.text(path).map(|text| self.folder.join(text))
    }

    fn address(&mut self, path: &[&str], default: &str) -> SocketAddr {
        let fallback = default.parse().expect("the default is an address");
        let Some(text) = self.text(path) else { return fallback };
        text.parse().unwrap_or_else(|_| {
            let name = path.join(".");
            self.say(path, format!("`{name}` must be an address and a port"), "no address", "such as 127.0.0.1:8080");
            fallback
        })
    }

    fn number(&mut self, path: &[&str], example: &str) -> Option<u64> {
        let text = self.text(path)?;
        let parsed = text.replace('_', "").parse().ok();
        if parsed.is_none() {
            let name = path.join(".");
            self.say(path, format!("`{name}` must be a whole number"), "no number", &format!("such as {example}"));
        }
        parsed
    }

    fn span(&mut self, path: &[&str], default: Duration) -> Duration {
        let Some(text) = self.text(path) else { return default };
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let unit = text[digits.len()..].trim();
        let name = path.join(".");
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => {
                let message = if unit.is_empty() {
                    format!("`{name}` needs a unit")
                } else {
                    format!("`{unit}` is no unit of time")
                };
                self.say(path, message, "no unit", UNITS);
                return default;
            }
        };
        digits.parse::<i64>().ok().filter(|n| *n >= 0).and_then(|n| n.checked_mul(scale)).map_or_else(
            || {
                self.say(path, format!("`{name}` must be a whole number and a unit"), "no length of time", UNITS);
                default
            },
            Duration,
        )
    }

    /// A size in memory: `8 MiB`, `500 KiB`, or so many bytes.
    fn size(&mut self, path: &[&str], default: usize) -> usize {
        let Some(text) = self.text(path) else { return default };
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let unit = match text[digits.len()..].trim() {
            "" | "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            _ => None,
        };
        let size = digits.replace('_', "").parse::<usize>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
        size.filter(|size| (SMALLEST_BODY..=LARGEST_BODY).contains(size)).unwrap_or_else(|| {
            let name = path.join(".");
            let message = format!("`{name}` must be a size between 64 KiB and 64 MiB");
            self.say(path, message, "no such size", "such as 8 MiB");
            default
        })
    }

    /// `{name}_env` or `{name}_file`.
    fn secret(&mut self, at: &[&str], name: &str) -> Option<SecretAt> {
        let (env, file) = (format!("{name}_env"), format!("{name}_file"));
        let env_path: Vec<&str> = at.iter().copied().chain([env.as_str()]).collect();
        let file_path: Vec<&str> = at.iter().copied().chain([file.as_str()]).collect();
        match (self.text(&env_path), self.path(&file_path)) {
            (Some(_), Some(_)) => {
                self.say_at_key(
                    &file_path,
                    format!("`{env}` and `{file}` both stand here"),
                    "one too many",
                    "keep one",
                );
                None
            }
            (Some(name), None) => Some(SecretAt::Environment(name)),
            (None, Some(path)) => Some(SecretAt::File(path)),
            (None, None) => None,
        }
    }

    fn config(&mut self) -> Config {
        let listen = self.address(&["listen"], "127.0.0.1:8080");
        let admin = Admin {
            listen: self.address(&["admin", "listen"], "127.0.0.1:8081"),
            token: self.secret(&["admin"], "token"),
            viewer_token: self.secret(&["admin"], "viewer_token"),
        };
        if !admin.listen.ip().is_loopback() && admin.token.is_none() {
            self.say(
                &["admin", "listen"],
                "`admin.listen` is open to other machines, so a token is needed".to_owned(),
                "not loopback",
                "add `token_env: NAME`, or listen on 127.0.0.1",
            );
        }
        let mut systems = BTreeMap::new();
        for name in self.keys(&["systems"]) {
            // One whose connector is not known is a problem already.
            if let Some(system) = self.system(&name) {
                systems.insert(name, system);
            }
        }
        let proxy = self.get(&["proxy"]).is_some().then(|| self.proxy()).flatten();
        let kafka = self.get(&["kafka"]).is_some().then(|| self.kafka());
        let redis = self.get(&["redis"]).is_some().then(|| self.redis()).flatten();
        let usual = Runtime::default();
        let runtime = Runtime {
            grace: self.span(&["runtime", "grace"], usual.grace),
            inbox: self.inbox(usual.inbox),
            retention: self.retention(usual.retention),
            clock_skew: self.span(&["runtime", "clock_skew"], usual.clock_skew),
            clock_ahead: self.span(&["runtime", "clock_ahead"], usual.clock_ahead),
            hold: self.span(&["runtime", "hold"], usual.hold),
            call_timeout: usual.call_timeout,
        };
        Config {
            rules: self.path(&["rules"]).unwrap_or_else(|| self.folder.to_path_buf()),
            state: self.path(&["state"]).unwrap_or_else(|| self.folder.join("state")),
            listen,
            admin,
            systems,
            proxy,
            kafka,
            redis,
            runtime,
        }
    }

    fn inbox(&mut self, usual: u64) -> u64 {
        let path = ["runtime", "inbox"];
        let inbox = self.number(&path, "100000").unwrap_or(usual);
        if inbox == 0 {
            let message = "`runtime.inbox` must be at least 1".to_owned();
            self.say(&path, message, "every delivery would be answered 429", "such as 100000");
        }
        inbox
    }

    fn retention(&mut self, usual: Duration) -> Duration {
        let path = ["runtime", "retention"];
        let retention = self.span(&path, usual);
        if retention < SHORTEST_RETENTION {
            let message = "`runtime.retention` must be at least an hour".to_owned();
            self.say(&path, message, "history would be gone before anybody looks", "such as 30d");
        }
        retention
    }

    fn redis(&mut self) -> Option<UrlAt> {
        let redis = self.url_at("redis", "one address, such as redis://127.0.0.1:6379")?;
        if let UrlAt::Plain(plain) = &redis {
            let path = ["redis", "url"];
            let url = url::Url::parse(plain);
            if url.as_ref().is_ok_and(|url| url.password().is_some()) {
                let message = "a secret must not stand in the file".to_owned();
                self.say_at_key(
                    &path,
                    message,
                    "it holds a password",
                    "name where the address is found with `url_env` or `url_file`",
                );
            } else if !url.is_ok_and(|url| url.scheme() == "redis") {
                let message = format!("`{plain}` is no address of a Redis that is reached without TLS");
                self.say(&path, message, "not redis://", "such as redis://127.0.0.1:6379");
            }
        }
        Some(redis)
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let url = self.url_at("proxy", "one address, such as http://proxy.example.com:3128")?;
        if let UrlAt::Plain(plain) = &url {
            self.is_url(&["proxy", "url"], plain);
        }
        Some(Proxy { url, except: self.text(&["proxy", "except"]).unwrap_or_default() })
    }

    /// The address under a key of the file: `url`, or where it is found.
    fn url_at(&mut self, key: &str, help: &str) -> Option<UrlAt> {
        let secret = self.secret(&[key], "url");
        match (self.text(&[key, "url"]), secret) {
            (Some(url), None) => Some(UrlAt::Plain(url)),
            (None, Some(secret)) => Some(UrlAt::Secret(secret)),
            (found, _) => {
                let wrong = if found.is_some() { "has two addresses" } else { "needs `url`" };
                self.say_at_key(&[key], format!("`{key}` {wrong}"), "here", help);
                None
            }
        }
    }

    fn system(&mut self, name: &str) -> Option<Connection> {
        let at = ["systems", name];
        let under = |key: &'static str| ["systems", name, key];
        // Without a known connector the rest is looked at all the same, so that one run tells everything.
        let connector = self.connector(name);
        let base_url = match (self.text(&under("base_url")), connector) {
            (Some(url), _) => {
                self.is_url(&under("base_url"), &url);
                url.trim_end_matches('/').to_owned()
            }
            (None, Some(connector)) => connector.base_url().map_or_else(
                || {
                    let message = format!("`systems.{name}` needs `base_url`");
                    self.say_at_key(&at, message, "no address", "where the system is called");
                    String::new()
                },
                str::to_owned,
            ),
            (None, None) => String::new(),
        };
        let api_version = self.api_version(name, connector);
        let granted = self.get(&under("oauth")).is_some();
        let token = match self.secret(&at, "token") {
            Some(_) if granted => {
                let message = format!("`systems.{name}` has a token and a grant that gives others");
                self.say_at_key(&under("oauth"), message, "one too many", "keep one");
                None
            }
            Some(token) => Some(TokenAt::Fixed(token)),
            None if granted => self
                .oauth(name, connector, &base_url, api_version.as_deref())
                .map(|grant| TokenAt::Granted(Box::new(grant))),
            None => {
                if connector.is_some_and(ConnectorKind::needs_token) {
                    let message = format!("`systems.{name}` needs `token_env` or `token_file`");
                    self.say_at_key(&at, message, "no token", "name where its token is found");
                }
                None
            }
        };
        let webhook = self.get(&under("webhook")).is_some().then(|| self.webhook(name, connector)).flatten();
        let mut roles = BTreeMap::new();
        for role in self.keys(&under("roles")) {
            if let Some(address) = self.text(&["systems", name, "roles", &role]) {
                roles.insert(role, address);
            }
        }
        let mut operations = BTreeMap::new();
        for operation in self.keys(&under("operations")) {
            let described = self.operation(name, &operation);
            operations.insert(operation, described);
        }
        let concurrency = self.number(&under("concurrency"), "4");
        Some(Connection {
            base_url,
            api_version,
            token,
            app_id: self.number(&under("app_id"), "7700123"),
            portal_id: self.number(&under("portal_id"), "99000111"),
            concurrency: concurrency.map(|n| usize::try_from(n).unwrap_or(usize::MAX).max(1)),
            webhook,
            roles,
            operations,
            connector: connector?,
        })
    }

    /// The version of its API, which must be one that there is.
    fn api_version(&mut self, name: &str, connector: Option<ConnectorKind>) -> Option<String> {
        let at = ["systems", name, "api_version"];
        let version = self.text(&at)?;
        let known = connector?.versions();
        if known.contains(&version.as_str()) {
            return Some(version);
        }
        match known {
            [] => {
                self.say_at_key(&at, format!("`systems.{name}` has an API without versions"), "not here", "remove it")
            }
            _ => {
                let help = format!("there are {}", known.join(", "));
                self.say(&at, format!("there is no API version `{version}`"), "not known", &help);
            }
        }
        None
    }

    /// The grant that gives a system's tokens.
    fn oauth(
        &mut self,
        system: &str,
        connector: Option<ConnectorKind>,
        base_url: &str,
        api_version: Option<&str>,
    ) -> Option<OAuth> {
        let at = ["systems", system, "oauth"];
        let under = |key: &'static str| ["systems", system, "oauth", key];
        let grants = |kind: ConnectorKind| kind.grant_url(base_url, api_version);
        if connector.is_some_and(|kind| grants(kind).is_none()) {
            let able = ConnectorKind::ALL.into_iter().filter(|kind| grants(*kind).is_some());
            let able: Vec<_> = able.map(|kind| format!("`{kind}`")).collect();
            let message = format!("`systems.{system}.oauth` is for the connector {}", able.join(", "));
            self.say_at_key(&at, message, "not here", "name its token with `token_env` or `token_file`");
        }
        let client_id = self.text(&under("client_id")).filter(|id| !id.is_empty());
        if client_id.is_none() {
            let message = format!("`systems.{system}.oauth` needs `client_id`");
            self.say_at_key(&at, message, "no app", "the client id that the app's page at HubSpot shows");
        }
        let mut needed = |key: &str, help: &str| {
            let secret = self.secret(&at, key);
            if secret.is_none() {
                let message = format!("`systems.{system}.oauth` needs `{key}_env` or `{key}_file`");
                self.say_at_key(&at, message, "no secret", help);
            }
            secret
        };
        let client_secret = needed("client_secret", "the client secret that the app's page at HubSpot shows");
        let refresh_token = needed("refresh_token", "what HubSpot gave when the app was connected to the account");
        let url = match self.text(&under("url")) {
            Some(url) => {
                self.is_url(&under("url"), &url);
                url
            }
            None => connector.and_then(grants).unwrap_or_default(),
        };
        Some(OAuth { url, client_id: client_id?, client_secret: client_secret?, refresh_token: refresh_token? })
    }

    /// Says where `url` is none.
    fn is_url(&mut self, path: &[&str], url: &str) {
        let scheme = url.parse::<http::Uri>().ok().and_then(|uri| uri.scheme_str().map(str::to_owned));
        if !matches!(scheme.as_deref(), Some("http" | "https")) {
            self.say(path, format!("`{url}` is no URL"), "no URL", "such as https://api.example.com");
        }
    }

    /// The connector that a system names.
    fn connector(&mut self, system: &str) -> Option<ConnectorKind> {
        let at = ["systems", system, "connector"];
        let Some(name) = self.text(&at).filter(|name| !name.is_empty()) else {
            let message = format!("`systems.{system}` needs `connector`");
            let help = format!("one of {}", ConnectorKind::names());
            self.say_at_key(&["systems", system], message, "no connector", &help);
            return None;
        };
        match name.parse() {
            Ok(kind) => Some(kind),
            Err(unknown) => {
                let help = match dsl::suggest::nearest(&name, ConnectorKind::ALL.map(ConnectorKind::name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("one of {}", ConnectorKind::names()),
                };
                self.say(&at, unknown.to_string(), "not known", &help);
                None
            }
        }
    }

    fn operation(&mut self, system: &str, name: &str) -> Template {
        let under = |key: &'static str| ["systems", system, "operations", name, key];
        let method = self.text(&under("method")).unwrap_or_else(|| "POST".to_owned());
        let method = method.parse::<http::Method>().ok().filter(|m| {
            [http::Method::POST, http::Method::PUT, http::Method::PATCH, http::Method::GET, http::Method::DELETE]
                .contains(m)
        });
        if method.is_none() {
            let message = format!("operation `{name}` has no method of HTTP that carries a call");
            self.say(&under("method"), message, "not known", "one of POST, PUT, PATCH, GET, DELETE");
        }
        let path = self.text(&under("path")).unwrap_or_else(|| {
            let message = format!("operation `{name}` needs `path`");
            self.say_at_key(&["systems", system, "operations", name], message, "no path", "such as /send");
            String::new()
        });
        let body = self.get(&under("body")).cloned().unwrap_or_else(|| Json::Object(serde_json::Map::new()));
        let done = match self.get(&under("done")) {
            None => BTreeMap::new(),
            Some(Json::Object(members)) if !members.is_empty() => members.clone().into_iter().collect(),
            Some(_) => {
                let message = format!("`done` of the operation `{name}` needs members that a good answer has");
                self.say(&under("done"), message, "no members", "such as { ok: true }");
                BTreeMap::new()
            }
        };
        Template { method: method.unwrap_or(http::Method::POST), path, body, done }
    }

    fn webhook(&mut self, name: &str, connector: Option<ConnectorKind>) -> Option<Webhook> {
        let at = ["systems", name, "webhook"];
        let path = self.text(&["systems", name, "webhook", "path"]).filter(|path| is_path(path));
        if path.is_none() {
            let message = format!("`systems.{name}.webhook` needs a `path` that starts with / and stands for itself");
            self.say_at_key(&at, message, "no path", "such as /webhooks/crm");
        }
        let form = connector?.webhook();
        // Under the key of another connector it is taken too: there is nothing else that it could be.
        let others = ConnectorKind::ALL.map(|kind| kind.webhook().secret).into_iter().filter(|key| *key != form.secret);
        let secret = [form.secret].into_iter().chain(others).find_map(|key| self.secret(&at, key));
        if secret.is_none() {
            let message = format!("`systems.{name}.webhook` needs `{0}_env` or `{0}_file`", form.secret);
            self.say_at_key(&at, message, "no secret", "without it no delivery can be verified");
        }
        let public_url = self.text(&["systems", name, "webhook", "public_url"]);
        if let Some(url) = &public_url {
            self.is_url(&["systems", name, "webhook", "public_url"], url);
        }
        if form.public_url && public_url.is_none() {
            let message = format!("`systems.{name}.webhook` needs `public_url`");
            self.say_at_key(&at, message, "not said", "the URL as the sender calls it: it is part of the signature");
        }
        let max_body = self.size(&["systems", name, "webhook", "max_body"], MAX_BODY);
        Some(Webhook { path: path?, public_url, secret: secret?, max_body })
    }

    fn kafka(&mut self) -> Kafka {
        let brokers = self.text(&["kafka", "brokers"]).unwrap_or_else(|| {
            self.say_at_key(&["kafka"], "`kafka` needs `brokers`".to_owned(), "no address", "such as 127.0.0.1:9092");
            String::new()
        });
        let park_gone = match self.text(&["kafka", "when_gone"]).as_deref() {
            None | Some("oldest") => false,
            Some("park") => true,
            Some(other) => {
                let message = format!("`{other}` says nothing about records that are gone");
                self.say(&["kafka", "when_gone"], message, "not known", "oldest: go on there; park: wait for a person");
                false
            }
        };
        Kafka {
            brokers,
            group: self.text(&["kafka", "group"]).unwrap_or_else(|| "engine".to_owned()),
            park_gone,
            fetch_wait: self.span(&["kafka", "fetch_wait"], Duration(500)),
            security: self.security(),
        }
    }

    fn security(&mut self) -> Security {
        let at = |key: &'static str| ["kafka", "security", key];
        let protocol = self.text(&at("protocol")).unwrap_or_else(|| "plaintext".to_owned());
        let (tls, login) = match protocol.as_str() {
            "plaintext" => (false, false),
            "tls" => (true, false),
            "sasl" => (true, true),
            "sasl_plaintext" => (false, true),
            other => {
                let help = "one of plaintext, tls, sasl, sasl_plaintext";
                self.say(&at("protocol"), format!("there is no protocol `{other}`"), "not known", help);
                (false, false)
            }
        };
        let mut sasl = None;
        if login {
            let password = self.secret(&["kafka", "security"], "password");
            match (self.text(&at("username")), password) {
                (Some(username), Some(password)) => {
                    let mechanism = self.text(&at("mechanism")).unwrap_or_else(|| "SCRAM-SHA-256".to_owned());
                    sasl = Some(Sasl { mechanism, username, password });
                }
                _ => self.say_at_key(
                    &["kafka", "security"],
                    "SASL needs `username`, and `password_env` or `password_file`".to_owned(),
                    "incomplete",
                    "name the user and where the password is found",
                ),
            }
        }
        Security {
            tls,
            sasl,
            ca_file: self.path(&at("ca_file")),
            certificate_file: self.path(&at("certificate_file")),
            key_file: self.path(&at("key_file")),
        }
    }
}
