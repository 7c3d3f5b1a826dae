//! Connectors, verifiers, cache and Kafka settings, as the rules and those who start the engine want them.
//!
//! Always true: what the rules need and nobody gives is reported before anything starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::cache::memory::MemoryCache;
use connectors::cache::redis::RedisCache;
use connectors::cache::{self, Cache};
use connectors::http::{Client, Transport};
use connectors::kafka::source::{self, WhenGone};
use connectors::port::Connector;
use connectors::proxy::Proxies;
use connectors::registry::{self, ConnectorKind, Settings, Signing};
use connectors::token::Token;
use connectors::webhook::Verify;
use connectors::webhook::door::is_path;
use dsl::program::Program;

use super::isolated::Isolated;
use super::system::{Reached, Sender, System};
use super::tokens::{self, Tokens};
use crate::config::{Connection, Kafka, Missing, Proxy, UrlAt};
use crate::intake::webhooks::Accounts;
use crate::shell::Connectors;

/// Bytes of the embedded cache.
const CACHE_BYTES: u64 = 32 << 20;

/// Rules and systems do not fit together.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A system of the rules is not said how to reach.
    #[error("the rules name the system `{0}`, and nothing says how it is reached")]
    #[diagnostic(
        code(connect::unknown_system),
        help("add it under `systems` of engine.yaml; a program that embeds the engine gives it to `Builder::system`")
    )]
    Unreached(String),
    /// The lock was written by another connector.
    #[error("`systems.{system}` has the connector `{given}`, its lock was written for `{wanted}`")]
    #[diagnostic(code(connect::other_connector), help("use the connector of the lock, or pull the lock again"))]
    OtherConnector {
        /// The system.
        system: String,
        /// What was given.
        given: ConnectorKind,
        /// In the lock.
        wanted: String,
    },
    /// An operation of the lock is not described.
    #[error("`systems.{system}.operations` does not say how `{operation}` is called")]
    #[diagnostic(code(connect::operation), help("add its method, path and body"))]
    Operation {
        /// The system.
        system: String,
        /// The operation.
        operation: String,
    },
    /// Deliveries would come that no rule takes.
    #[error("`systems.{0}.webhook` takes deliveries, and the rules say nothing of them")]
    #[diagnostic(
        code(connect::no_events),
        help("add `events from {0} over webhook {{ … }}` to the rules, or take the webhook out")
    )]
    NoEvents(String),
    /// A webhook cannot be a route.
    #[error("the webhook of `{system}` has the path `{path}`, which {why}")]
    #[diagnostic(code(connect::path), help("such as /webhooks/{system}"))]
    Path {
        /// The system.
        system: String,
        /// Its path.
        path: String,
        /// Why not.
        why: String,
    },
    /// A secret is missing.
    #[error("the system `{system}` lacks a secret: {missing}")]
    #[diagnostic(code(connect::secret), help("{}", missing_help(missing)))]
    Secret {
        /// The system.
        system: String,
        /// What is missing.
        missing: Missing,
    },
    /// Kafka or Redis cannot be set up.
    #[error("{0}")]
    #[diagnostic(code(connect::service))]
    Service(String),
}

fn missing_help(missing: &Missing) -> String {
    match missing {
        Missing::NotSet(name) => format!("set {name} in the engine's environment"),
        Missing::File(path, _) => format!("put the secret into {path}"),
        Missing::Empty => "give it, or say where it is found".to_owned(),
    }
}

/// A connector for every system of the rules, isolated. Touches no network.
///
/// # Errors
/// [`Error`] where something is missing.
pub(super) fn all(
    systems: &BTreeMap<String, System>,
    program: &Program,
    transport: &Arc<dyn Transport>,
    tokens: &Tokens,
) -> Result<Connectors, Error> {
    let mut connectors = Connectors::new();
    for (name, system) in &program.systems {
        let given = systems.get(name).ok_or_else(|| Error::Unreached(name.clone()))?;
        let connector = match &given.reached {
            Reached::Own(connector) => Arc::clone(connector),
            Reached::Built { settings, token } => built(
                name,
                settings.clone(),
                tokens.of(name, token.as_ref(), transport).map_err(missing(name))?,
                &system.lock,
                transport,
            )?,
        };
        connectors.insert(name.clone(), Arc::new(Isolated::new(name, connector)));
    }
    Ok(connectors)
}

/// How the file says that a system is reached, with its token; one that a grant gives is got by `transport`.
///
/// # Errors
/// Where the token is missing.
pub fn settings(
    name: &str,
    connection: &Connection,
    transport: &Arc<dyn Transport>,
) -> Result<(Settings, Option<Token>), Error> {
    let token = connection.token.as_ref().map(|at| tokens::read(at, transport)).transpose().map_err(missing(name))?;
    Ok((super::system::settings(connection.clone()), token))
}

fn missing(system: &str) -> impl Fn(Missing) -> Error {
    |missing| Error::Secret { system: system.to_owned(), missing }
}

fn built(
    name: &str,
    settings: Settings,
    token: Option<Token>,
    lock: &dsl::schema::Lock,
    transport: &Arc<dyn Transport>,
) -> Result<Arc<dyn Connector>, Error> {
    registry::build(name, settings, token, lock.clone(), Arc::clone(transport)).map_err(|error| match error {
        registry::Error::OtherConnector { system, given, wanted } => Error::OtherConnector { system, given, wanted },
        registry::Error::Operation { system, operation } => Error::Operation { system, operation },
        registry::Error::Token(system) => {
            let missing = Missing::NotSet(format!("systems.{system}.token_env"));
            Error::Secret { system, missing }
        }
    })
}

/// How the deliveries of each webhook are verified, by system, where the rules of `program` decide.
///
/// # Errors
/// Where a secret is missing, a path cannot be a route, or the rules have the system and take nothing of what it sends.
pub(super) fn verifiers(
    systems: &BTreeMap<String, System>,
    program: &Program,
) -> Result<BTreeMap<String, Arc<dyn Verify>>, Error> {
    let mut verifiers: BTreeMap<String, Arc<dyn Verify>> = BTreeMap::new();
    let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, system) in systems {
        let Some(webhook) = &system.webhook else { continue };
        let wrong = |why: String| Error::Path { system: name.clone(), path: webhook.path.clone(), why };
        if !is_path(&webhook.path) {
            return Err(wrong("is no path that starts with / and stands for itself".to_owned()));
        }
        let others = paths.entry(&webhook.path).or_default();
        if let Some(why) = others.iter().find_map(|other| not_shared(other, &systems[*other], system)) {
            return Err(wrong(why));
        }
        others.push(name);
        if program.systems.contains_key(name) && !program.doors.contains_key(name) {
            return Err(Error::NoEvents(name.clone()));
        }
        let header =
            program.doors.get(name).and_then(|door| door.verify.as_ref()).and_then(|(_, header)| header.clone());
        let verify = match &webhook.sender {
            Sender::Own(verify) => Arc::clone(verify),
            Sender::Signed { kind, secret, public_url } => {
                let secret = secret.read().map_err(missing(name))?;
                registry::verifier(*kind, Signing { secret, public_url: public_url.clone(), header })
            }
        };
        verifiers.insert(name.clone(), verify);
    }
    Ok(verifiers)
}

/// Why two systems cannot take deliveries at one path; `None` where one app is installed in the accounts of both.
fn not_shared(first: &str, one: &System, other: &System) -> Option<String> {
    let account = |system: &System| match &system.reached {
        Reached::Built { settings, .. } => settings.account(),
        Reached::Own(_) => None,
    };
    let (Some(ours), Some(theirs)) = (account(one), account(other)) else {
        return Some(format!(
            "is that of `{first}` too: deliveries of one app for several accounts are told apart where both have a `portal_id`"
        ));
    };
    if ours == theirs {
        return Some(format!("is that of `{first}` too, and both say `portal_id: {ours}`"));
    }
    let signed = |system: &System| match &system.webhook.as_ref()?.sender {
        Sender::Signed { secret, public_url, .. } => Some((secret.read().ok()?, public_url.clone())),
        Sender::Own(_) => None,
    };
    (signed(one) != signed(other)).then(|| {
        format!("is that of `{first}` too: one app has one client secret and one `public_url`, which differ here")
    })
}

/// The systems of each path that several of them share, by account, under the name of the system that stands for it.
pub(super) fn accounts(systems: &BTreeMap<String, System>) -> BTreeMap<String, Accounts> {
    let mut paths: BTreeMap<&str, (String, Accounts)> = BTreeMap::new();
    for (name, system) in systems {
        let (Some(webhook), Reached::Built { settings, .. }) = (&system.webhook, &system.reached) else { continue };
        let Some(account) = settings.account() else { continue };
        let (_, accounts) = paths.entry(&webhook.path).or_insert_with(|| (name.clone(), Accounts::new()));
        accounts.insert(account, name.clone());
    }
    paths.into_values().filter(|(_, accounts)| accounts.len() > 1).collect()
}

/// The system that each topic belongs to.
#[must_use]
pub(super) fn topics(program: &Program) -> BTreeMap<String, String> {
    program
        .doors
        .iter()
        .flat_map(|(system, door)| door.topics.iter().map(|topic| (topic.clone(), system.clone())))
        .collect()
}

/// How Kafka is read.
///
/// # Errors
/// Where a secret is missing.
pub(super) fn kafka(kafka: &Kafka, topics: impl IntoIterator<Item = String>) -> Result<source::Settings, Error> {
    let mut settings = source::Settings::new(&kafka.brokers, &kafka.group, topics);
    settings.fetch_wait_ms = u32::try_from(kafka.fetch_wait.0).unwrap_or(500);
    settings.when_gone = if kafka.park_gone { WhenGone::Park } else { WhenGone::Oldest };
    let security = &kafka.security;
    // The client library calls TLS by its older name.
    let protocol = match (security.tls, security.sasl.is_some()) {
        (false, false) => None,
        (true, false) => Some("ssl"),
        (true, true) => Some("sasl_ssl"),
        (false, true) => Some("sasl_plaintext"),
    };
    let mut set = |name: &str, value: String| settings.options.insert(name.to_owned(), value);
    if let Some(protocol) = protocol {
        set("security.protocol", protocol.to_owned());
    }
    if let Some(sasl) = &security.sasl {
        let password = sasl.password.read().map_err(|missing| Error::Secret { system: "kafka".to_owned(), missing })?;
        set("sasl.mechanisms", sasl.mechanism.clone());
        set("sasl.username", sasl.username.clone());
        set("sasl.password", password.expose().to_owned());
    }
    let files = [
        ("ssl.ca.location", &security.ca_file),
        ("ssl.certificate.location", &security.certificate_file),
        ("ssl.key.location", &security.key_file),
    ];
    for (name, path) in files {
        if let Some(path) = path {
            set(name, path.display().to_string());
        }
    }
    Ok(settings)
}

/// The way out to the systems: by the proxy of the file, otherwise by those that the environment names.
///
/// # Errors
/// Where the proxy's address is missing or is none, or TLS cannot be set up.
pub fn client(proxy: Option<&Proxy>) -> Result<Client, Error> {
    let proxies = match proxy {
        None => Proxies::from_environment(&|name| std::env::var(name).ok()),
        Some(Proxy { url, except }) => {
            let url = url.read().map_err(|missing| Error::Secret { system: "proxy".to_owned(), missing })?;
            Proxies::all(&url, except)
        }
    };
    Client::through(&proxies).map_err(|error| Error::Service(format!("no request can leave: {error}")))
}

/// The cache: Redis where there is one, embedded otherwise.
///
/// # Errors
/// Where the address cannot be used. A Redis that is away is no error.
pub(super) fn cache(redis: Option<&UrlAt>) -> Result<Arc<dyn Cache>, Error> {
    let Some(redis) = redis else { return Ok(Arc::new(MemoryCache::new(CACHE_BYTES))) };
    let url = redis.read().map_err(|missing| Error::Secret { system: "redis".to_owned(), missing })?;
    let cache = RedisCache::new(cache::redis::Settings::new(url)).map_err(|error| Error::Service(error.to_string()))?;
    Ok(Arc::new(cache))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_webhook_that_no_rule_takes_is_refused() {
        let mut program = Program::clone(&crate::rules::shipped());
        let text = "rules: rules\nstate: state\nsystems:\n  app:\n    connector: rest\n    base_url: http://app.test\n    token_env: TOKEN\n    \
                    webhook: { path: /webhooks/app, secret_env: SECRET }\n";
        let secret = |name: &str| (name == "PATH").then(String::new);
        let config = Config::parse("engine.yaml", text, Path::new("/"), &secret).expect("the file is sound");
        let systems: BTreeMap<String, System> =
            config.systems.into_iter().map(|(name, connection)| (name, connection.into())).collect();
        let Err(Error::Secret { .. }) = verifiers(&systems, &program) else {
            panic!("it is taken, and its secret read")
        };
        program.doors.remove("app");
        let Err(Error::NoEvents(system)) = verifiers(&systems, &program) else { panic!("nothing takes it") };
        assert_eq!(system, "app");
        // Of a system that the rules do not have, every delivery is answered 400.
        program.systems.remove("app");
        assert!(matches!(verifiers(&systems, &program), Err(Error::Secret { .. })));
    }

    struct Open;

    impl Verify for Open {
        fn verify(&self, _: &http::HeaderMap, _: &[u8], _: dsl::value::Timestamp) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn webhooks_have_paths_of_their_own_that_a_router_takes() {
        let program = crate::rules::shipped();
        let systems = |paths: [&str; 2]| -> BTreeMap<String, System> {
            let app = registry::Connection { base_url: "http://app.test".to_owned(), ..Default::default() };
            let settings = Settings::new(ConnectorKind::Rest, app);
            let system = System { reached: Reached::Built { settings, token: None }, concurrency: None, webhook: None };
            let names = ["app", "crm"].into_iter().zip(paths);
            names.map(|(name, path)| (name.to_owned(), system.clone().webhook(path, Open))).collect()
        };
        assert_eq!(verifiers(&systems(["/a", "/b"]), &program).expect("they are").len(), 2);
        for (paths, wrong) in [(["/a", "/a"], "`app` too"), (["/a", "/{id}"], "no path"), (["a", "/b"], "no path")] {
            let Err(error @ Error::Path { .. }) = verifiers(&systems(paths), &program) else { panic!("{paths:?}") };
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }
}
