//! engine.yaml: where things are, and with which secrets. What should happen stands in the rules.
//!
//! In: the text of the file and the environment. Out: a [`Config`], or every problem of the file with its line.
//! Always true: an unknown key is an error, never ignored; no secret stands in the file or in a [`Config`], only
//! where it is found ([`SecretAt`]). Not here: reading secrets before they are needed, touching the network.

mod checked;
mod raw;
mod secret;

use std::path::Path;

use dsl::yaml::Places;

pub use checked::{Admin, Config, Connection, Kafka, Proxy, Runtime, Sasl, Security, UrlAt, Webhook};
pub use raw::schema;
pub use secret::{Missing, OAuth, SecretAt, TokenAt};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic(code(config::invalid))]
pub struct Problem {
    /// What.
    pub message: String,
    /// Line from 1.
    pub line: usize,
    /// The words it is about.
    #[label("{label}")]
    pub at: miette::SourceSpan,
    /// What is said at those words.
    pub label: String,
    /// What to do.
    #[help]
    pub help: Option<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// It is not there or cannot be read.
    #[error("cannot read {path}: {source}")]
    #[diagnostic(code(config::unreadable), help("`--config` names the file; `rules/engine.yaml` shows its form"))]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is wrong.
    #[error("{name} cannot be used: {} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })]
    #[diagnostic(code(config::invalid))]
    Invalid {
        /// Name of the file.
        name: String,
        /// Its text.
        #[source_code]
        text: miette::NamedSource<String>,
        /// What is wrong, in the order of lines.
        #[related]
        problems: Vec<Problem>,
    },
}

impl Config {
    /// Reads a file; relative paths in it start at its folder.
    ///
    /// # Errors
    /// [`Error`] with everything that is wrong.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.display().to_string(), source })?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self::parse(&path.display().to_string(), &text, folder, &|name| std::env::var(name).ok())
    }

    /// Reads the text of a file called `name` in `folder`; `environment` gives the values of `${NAME}`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong.
    pub fn parse(
        name: &str,
        text: &str,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let places = Places::of(text);
        let (tree, mut problems) = raw::read(text, &places, environment);
        let (config, more) = checked::check(text, &places, &tree, folder);
        if !tree.is_null() {
            // One mistake, one message: what is missing because its key was misspelt is not told again.
            let known: Vec<_> = problems.iter().map(|problem| problem.line).collect();
            problems.extend(more.into_iter().filter(|problem| !known.contains(&problem.line)));
        }
        if problems.is_empty() {
            return Ok(config);
        }
        problems.sort_by_key(|problem| problem.at.offset());
        Err(Error::Invalid { name: name.to_owned(), text: miette::NamedSource::new(name, text.to_owned()), problems })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use connectors::registry::ConnectorKind;
    use dsl::value::Duration;

    use super::*;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::parse("engine.yaml", text, Path::new("/srv/rules"), &|name| (name == "PORT").then(|| "9000".to_owned()))
    }

    /// Every problem as `line: message | words | help`.
    fn problems(text: &str) -> String {
        match parse(text) {
            Ok(_) => "no problem".to_owned(),
            Err(Error::Invalid { problems, .. }) => {
                let mut out = String::new();
                for p in problems {
                    let words = &text[p.at.offset()..p.at.offset() + p.at.len()];
                    let help = p.help.unwrap_or_default();
                    writeln!(out, "{}: {} | {words} | {help}", p.line, p.message).expect("a string takes all");
                }
                out
            }
            Err(other) => other.to_string(),
        }
    }

    const SHIPPED: &str = include_str!("../../rules/engine.yaml");

    #[test]
    fn the_shipped_file_is_sound() {
        let config = parse(SHIPPED).expect("the shipped file is sound");
        assert_eq!(config.rules, Path::new("/srv/rules/."));
        assert_eq!(config.runtime.grace, Duration::seconds(20));
        assert_eq!(config.runtime.retention, Duration::days(30));
        let crm = &config.systems["crm"];
        assert_eq!(crm.connector, ConnectorKind::HubSpot);
        assert_eq!(crm.app_id, Some(7_700_123));
        assert_eq!(crm.token, Some(TokenAt::Fixed(SecretAt::Environment("HUBSPOT_TOKEN".to_owned()))));
        assert_eq!(config.systems["mail"].operations["notify"].body["to"], "{address}");
        assert_eq!(config.kafka.expect("it has Kafka").group, "biometrics-engine");
    }

    #[test]
    fn a_small_file_gets_defaults() {
        let config =
            parse("systems:\n  app:\n    connector: rest\n    token_env: T\n    base_url: http://127.0.0.1:${PORT}\n")
                .expect("the rest has defaults");
        assert_eq!(config.systems["app"].base_url, "http://127.0.0.1:9000");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.runtime.inbox, 100_000);
        assert!(config.kafka.is_none() && config.redis.is_none());
    }

    #[test]
    fn an_unknown_key_names_its_line_and_a_near_one() {
        assert_eq!(
            problems(
                "rules: .\nsystems:\n  crm:\n    connector: http\n    base_url: http://a\n    tokn_env: HUBSPOT_TOKEN\n"
            ),
            "6: unknown key `tokn_env` in `systems.crm` | tokn_env | did you mean `token_env`?\n"
        );
    }

    #[test]
    fn an_unknown_key_inside_braces_is_found() {
        assert_eq!(
            problems("kafka:\n  brokers: 127.0.0.1:9092\n  security: { protcol: plaintext }\n"),
            "3: unknown key `protcol` in `kafka.security` | protcol | did you mean `protocol`?\n"
        );
    }

    #[test]
    fn a_key_is_told_where_it_stands_and_not_where_a_value_holds_its_name() {
        assert_eq!(
            problems("admin: { token_file: \"keys, listen: here\", listen: nowhere }\n"),
            "1: `admin.listen` must be an address and a port | nowhere | such as 127.0.0.1:8080\n"
        );
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = "listen: here\nadmin: { listen: 0.0.0.0:8081 }\nsystems:\n  crm:\n    connector: salesforce\n    \
                    token: abc\nruntime:\n  grace: 20\n  inbox: many\n";
        assert_eq!(
            problems(text),
            "1: `listen` must be an address and a port | here | such as 127.0.0.1:8080\n\
             2: `admin.listen` is open to other machines, so a token is needed | 0.0.0.0:8081 | add `token_env: NAME`, or listen on 127.0.0.1\n\
             5: there is no connector `salesforce` | salesforce | one of hubspot, rest, http\n\
             6: a secret must not stand in the file | token | name the environment's variable with `token_env`, or a file with `token_file`\n\
             8: `runtime.grace` needs a unit | 20 | such as 250ms, 20s, 5m, 12h, 30d\n\
             9: `runtime.inbox` must be a whole number | many | such as 100000\n"
        );
    }

    #[test]
    fn settings_with_which_nothing_could_work_are_told() {
        let text = "runtime:\n  inbox: 0\n  retention: 1ms\nredis:\n  url: redis://user:word@host:6379\nsystems:\n  app:\n    \
                    connector: rest\n    base_url: http://a\n    token_env: T\n    webhook:\n      path: /w\n      \
                    public_url: not a url\n      secret_env: S\n";
        assert_eq!(
            problems(text),
            "2: `runtime.inbox` must be at least 1 | 0 | such as 100000\n\
             3: `runtime.retention` must be at least an hour | 1ms | such as 30d\n\
             5: a secret must not stand in the file | url | name where the address is found with `url_env` or `url_file`\n\
             13: `not a url` is no URL | not a url | such as https://api.example.com\n"
        );
        let said = problems("redis:\n  url: rediss://host:6379\n");
        assert!(said.starts_with("2: `rediss://host:6379` is no address of a Redis"), "{said}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        assert_eq!(
            problems("redis:\n  url: redis://${REDIS_HOST}:6379\n"),
            "2: the environment has no `REDIS_HOST` | redis://${REDIS_HOST}:6379 | set it, or write the value\n"
        );
    }

    #[test]
    fn broken_yaml_says_where() {
        let said = problems("rules: .\nsystems: [\n");
        assert!(said.contains("no YAML"), "{said}");
    }

    #[test]
    fn a_grant_of_oauth_needs_its_parts_and_is_exchanged_where_the_system_is_called() {
        let crm = |more: &str| format!("systems:\n  crm:\n    connector: hubspot\n{more}");
        let whole = "client_id: app, client_secret_env: S, refresh_token_file: grant";
        let url = |more: &str| {
            let token = parse(&crm(more)).expect("it is whole").systems["crm"].token.clone();
            let Some(TokenAt::Granted(grant)) = token else { panic!("it is a grant: {token:?}") };
            assert_eq!(grant.client_secret, SecretAt::Environment("S".to_owned()));
            assert_eq!(grant.refresh_token, SecretAt::File("/srv/rules/grant".into()));
            grant.url
        };
        assert_eq!(url(&format!("    oauth: {{ {whole} }}\n")), "https://api.hubapi.com/oauth/2026-09/token");
        let numbered = format!("    base_url: http://crm/\n    api_version: v3\n    oauth: {{ {whole} }}\n");
        assert_eq!(url(&numbered), "http://crm/oauth/v3/token");
        assert_eq!(url(&format!("    oauth: {{ {whole}, url: \"http://x/token\" }}\n")), "http://x/token");
        assert_eq!(
            problems(&crm("    oauth:\n      url: nowhere\n      refresh_token: abc\n")),
            "4: `systems.crm.oauth` needs `client_id` | oauth | the client id that the app's page at HubSpot shows\n\
             4: `systems.crm.oauth` needs `client_secret_env` or `client_secret_file` | oauth | the client secret that the app's page at HubSpot shows\n\
             4: `systems.crm.oauth` needs `refresh_token_env` or `refresh_token_file` | oauth | what HubSpot gave when the app was connected to the account\n\
             5: `nowhere` is no URL | nowhere | such as https://api.example.com\n\
             6: a secret must not stand in the file | refresh_token | name the environment's variable with `refresh_token_env`, or a file with `refresh_token_file`\n"
        );
        assert_eq!(
            problems(&crm(&format!("    token_env: T\n    oauth: {{ {whole} }}\n"))),
            "5: `systems.crm` has a token and a grant that gives others | oauth | keep one\n"
        );
        assert_eq!(
            problems(&format!(
                "systems:\n  app:\n    connector: rest\n    base_url: http://a\n    oauth: {{ {whole} }}\n"
            )),
            "5: `systems.app.oauth` is for the connector `hubspot` | oauth | name its token with `token_env` or `token_file`\n"
        );
    }

    #[test]
    fn an_api_version_is_one_that_there_is() {
        let crm = |version: &str| {
            format!("systems:\n  crm:\n    connector: hubspot\n    token_env: T\n    api_version: {version}\n")
        };
        for version in ["2026-09", "2026-03", "v3"] {
            assert_eq!(problems(&crm(version)), "no problem", "{version}");
        }
        assert_eq!(
            problems(&crm("banana")),
            "5: there is no API version `banana` | banana | there are 2026-09, 2026-03, v3\n"
        );
        let app =
            "systems:\n  app:\n    connector: rest\n    base_url: http://a\n    token_env: T\n    api_version: v3\n";
        assert_eq!(problems(app), "6: `systems.app` has an API without versions | api_version | remove it\n");
    }

    #[test]
    fn a_proxy_has_one_address_which_is_a_url() {
        let config = parse("proxy:\n  url: http://proxy:3128\n  except: .example.com\n").expect("it is whole");
        let proxy = config.proxy.expect("there is one");
        assert_eq!(
            (proxy.url.read().ok().as_deref(), proxy.except.as_str()),
            (Some("http://proxy:3128"), ".example.com")
        );
        let help = "one address, such as http://proxy.example.com:3128";
        assert_eq!(problems("proxy:\n  except: x\n"), format!("1: `proxy` needs `url` | proxy | {help}\n"));
        let two = "proxy:\n  url: http://a\n  url_env: P\n";
        assert_eq!(problems(two), format!("1: `proxy` has two addresses | proxy | {help}\n"));
        assert!(problems("proxy:\n  url: proxy:3128\n").contains("is no URL"));
        let crm = "systems:\n  crm: { connector: hubspot, token_env: T, portal_id: 99000111 }\n";
        assert_eq!(parse(crm).expect("it is whole").systems["crm"].portal_id, Some(99_000_111));
    }

    #[test]
    fn a_hubspot_webhook_needs_its_secret_and_its_public_url() {
        assert_eq!(
            problems("systems:\n  crm:\n    connector: hubspot\n    token_env: T\n    webhook:\n      path: /w\n"),
            "5: `systems.crm.webhook` needs `client_secret_env` or `client_secret_file` | webhook | without it no delivery can be verified\n\
             5: `systems.crm.webhook` needs `public_url` | webhook | the URL as the sender calls it: it is part of the signature\n"
        );
    }

    #[test]
    fn the_largest_delivery_is_a_size_within_bounds() {
        let most = |size: &str| {
            let webhook =
                format!("path: /w\n      public_url: http://x/w\n      client_secret_env: S\n      max_body: {size}\n");
            let text =
                format!("systems:\n  crm:\n    connector: hubspot\n    token_env: T\n    webhook:\n      {webhook}");
            let config = parse(&text).ok()?;
            config.systems["crm"].webhook.as_ref().map(|webhook| webhook.max_body)
        };
        assert_eq!(most("\"8 MiB\""), Some(8 << 20));
        assert_eq!(most("500KiB"), Some(500 << 10));
        assert_eq!(most("1_000_000"), Some(1_000_000));
        for size in ["1", "1 GiB", "65 MiB", "-8 MiB", "much", "18446744073709551616 MiB"] {
            assert_eq!(most(size), None, "{size}");
        }
    }

    #[test]
    fn the_schema_knows_every_key_of_the_shipped_file() {
        let schema = schema();
        let text = schema.to_string();
        for key in ["rules", "admin", "public_url", "client_secret_env", "operations", "clock_skew", "protocol"] {
            assert!(text.contains(&format!("\"{key}\"")), "{key} is missing");
        }
        assert_eq!(schema["additionalProperties"], serde_json::Value::Bool(false));
    }
}
