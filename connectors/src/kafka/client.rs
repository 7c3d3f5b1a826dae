//! What consumer and producer share: options, and the reasons librdkafka only tells its log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

/// Why there is no client.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// TLS, or a way to log in that needs it, is asked of a build without it.
    #[error(
        "the Kafka option `{option}` = `{value}` needs TLS, and this engine was built without it: \
         build it with `--features kafka-tls`, or use the released image"
    )]
    TlsNotBuilt {
        /// The option that asks for it.
        option: String,
        /// Its value.
        value: String,
    },
    /// The option belongs to the engine: another value would lose or repeat records.
    #[error("the Kafka option `{0}` cannot be set: the engine's promises rest on its own value")]
    Reserved(String),
    /// There is nothing to read.
    #[error("no Kafka topic to read is named")]
    NoTopics,
    /// librdkafka does not know an option, or does not take its value.
    #[error("the Kafka client cannot be made: {0}")]
    Client(#[source] KafkaError),
}

/// Whether this build can speak TLS.
const TLS: bool = cfg!(feature = "kafka-tls");

/// A client's options: `fixed` cannot be changed by `options`, `defaults` can.
pub(super) fn config(
    brokers: &str,
    fixed: &[(&str, &str)],
    defaults: &[(&str, &str)],
    options: &BTreeMap<String, String>,
) -> Result<ClientConfig, Error> {
    refuse_tls_where_it_is_not_built(options, TLS)?;
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    // The default of ten seconds would keep us waiting for a broker that is back already.
    config.set("reconnect.backoff.max.ms", "1000");
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in options {
        if name == "bootstrap.servers" || fixed.iter().any(|(own, _)| own == name) {
            return Err(Error::Reserved(name.clone()));
        }
        config.set(name, value);
    }
    config.set("bootstrap.servers", brokers);
    for (name, value) in fixed {
        config.set(*name, *value);
    }
    Ok(config)
}

/// Without OpenSSL librdkafka has neither TLS nor SCRAM nor OAUTHBEARER, and says so in words about its own build.
fn refuse_tls_where_it_is_not_built(options: &BTreeMap<String, String>, built: bool) -> Result<(), Error> {
    let needs_tls = |(name, value): &(&String, &String)| match name.as_str() {
        "security.protocol" => value.to_ascii_lowercase().ends_with("ssl"),
        "sasl.mechanism" | "sasl.mechanisms" => {
            let value = value.to_ascii_uppercase();
            value.starts_with("SCRAM") || value == "OAUTHBEARER"
        }
        // Certificates beside a plain connection would be ignored: somebody believes in a protection that is not.
        _ => name.starts_with("ssl."),
    };
    match options.iter().find(needs_tls) {
        Some((option, value)) if !built => {
            let value =
                if option.contains("password") || option.contains("pem") { "…".into() } else { value.clone() };
            Err(Error::TlsNotBuilt { option: option.clone(), value })
        }
        _ => Ok(()),
    }
}

/// Hears what librdkafka says beside its results; clones hear the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    reason: Arc<Mutex<Option<String>>>,
}

impl Context {
    /// Why the connection fails, as last told; `None` where nothing was told since [`Context::forget`].
    pub(super) fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection stands: what was told before is history.
    pub(super) fn forget(&self) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, reason: &str) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, message, "librdkafka");
            }
            // A broker that is away is told once a second; the source reports the state once, loudly.
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::debug!(facility, message, "librdkafka"),
            _ => tracing::trace!(facility, message, "librdkafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        // "1/1 brokers are down" is the consequence; the cause was told before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.note(reason);
        }
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        // Nothing rests on these commits (the ledger holds the offsets), but who watches the lag sees stale figures.
        if let Err(error) = result {
            tracing::warn!(%error, "offsets were not committed to Kafka; lag figures are stale");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, config, refuse_tls_where_it_is_not_built};
    use std::collections::BTreeMap;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tls_is_refused_with_advice_where_it_is_not_built() {
        for (option, value) in [
            ("security.protocol", "ssl"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", "SCRAM-SHA-256"),
            ("sasl.mechanism", "oauthbearer"),
            ("ssl.ca.location", "/etc/ca.pem"),
        ] {
            let refused = refuse_tls_where_it_is_not_built(&options(&[(option, value)]), false);
            let error = refused.expect_err(option);
            assert!(error.to_string().contains("--features kafka-tls"), "{error}");
            assert_eq!(refuse_tls_where_it_is_not_built(&options(&[(option, value)]), true), Ok(()));
        }
    }

    #[test]
    fn a_key_is_not_repeated_in_the_refusal() {
        let refused = refuse_tls_where_it_is_not_built(&options(&[("ssl.key.password", "hunter2")]), false);
        assert!(!refused.expect_err("TLS is not built").to_string().contains("hunter2"));
    }

    #[test]
    fn plain_connections_and_plain_logins_need_no_tls() {
        let plain = options(&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanisms", "PLAIN")]);
        assert_eq!(refuse_tls_where_it_is_not_built(&plain, false), Ok(()));
    }

    #[test]
    fn an_option_that_a_promise_rests_on_cannot_be_set() {
        let fixed = [("enable.auto.commit", "false")];
        let refused = config("b:1", &fixed, &[], &options(&[("enable.auto.commit", "true")]));
        assert_eq!(refused.map(|_| ()), Err(Error::Reserved("enable.auto.commit".into())));
        let refused = config("b:1", &fixed, &[], &options(&[("bootstrap.servers", "c:1")]));
        assert_eq!(refused.map(|_| ()), Err(Error::Reserved("bootstrap.servers".into())));
        let config = config("b:1", &fixed, &[("fetch.wait.max.ms", "500")], &options(&[("fetch.wait.max.ms", "5")]));
        assert_eq!(config.expect("all known").get("fetch.wait.max.ms"), Some("5"));
    }
}
