//! How a source of deliveries is: the broker, and each of its topics.
//!
//! In: what the source reports. Out: the same, as people read it in the status and as figures count it.
//! Always true: whether something can arrive is asked of the state ([`SourceState::is_up`]), never of its words; the
//! words can be read back, so that a client of the admin API has the same type as the engine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How one source is, such as the Kafka cluster or a topic of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum SourceState {
    /// It answers.
    Up,
    /// A topic that is read, with its number of partitions; at least 1.
    Partitions(usize),
    /// A topic that the cluster does not have (yet).
    NoTopic,
    /// The rules name topics, and engine.yaml does not say where Kafka is.
    NotConfigured,
    /// It does not answer.
    Down {
        /// Why, in the words of the broker or its client; one line.
        reason: String,
    },
}

impl SourceState {
    /// Something can arrive from it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self {
            Self::Up | Self::Partitions(_) => true,
            Self::NoTopic | Self::NotConfigured | Self::Down { .. } => false,
        }
    }
}

impl fmt::Display for SourceState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => out.write_str("up"),
            Self::Partitions(count) => write!(out, "{count} partitions"),
            Self::NoTopic => out.write_str("no such topic yet"),
            Self::NotConfigured => out.write_str("not configured"),
            Self::Down { reason } => write!(out, "down: {reason}"),
        }
    }
}

/// Words that say of no source how it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a source")]
pub struct UnknownState(String);

impl FromStr for SourceState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        match text {
            "up" => Ok(Self::Up),
            "no such topic yet" => Ok(Self::NoTopic),
            "not configured" => Ok(Self::NotConfigured),
            _ => {
                if let Some(reason) = text.strip_prefix("down: ") {
                    return Ok(Self::Down { reason: reason.to_owned() });
                }
                let count = text.strip_suffix(" partitions").and_then(|count| count.parse().ok());
                count.map(Self::Partitions).ok_or_else(|| UnknownState(text.to_owned()))
            }
        }
    }
}

impl From<SourceState> for String {
    fn from(state: SourceState) -> Self {
        state.to_string()
    }
}

impl TryFrom<String> for SourceState {
    type Error = UnknownState;

    fn try_from(text: String) -> Result<Self, UnknownState> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(SourceState, &'static str, bool)> {
        let down = SourceState::Down { reason: "up: no partitions".to_owned() };
        vec![
            (SourceState::Up, "up", true),
            (SourceState::Partitions(12), "12 partitions", true),
            (SourceState::NoTopic, "no such topic yet", false),
            (SourceState::NotConfigured, "not configured", false),
            (down, "down: up: no partitions", false),
        ]
    }

    #[test]
    fn only_what_can_bring_something_is_up() {
        for (state, words, up) in all() {
            assert_eq!(state.is_up(), up, "{words}");
        }
    }

    #[test]
    fn a_state_is_written_in_words_and_read_back() {
        for (state, words, _) in all() {
            let json = serde_json::to_string(&state).expect("a state is plain data");
            assert_eq!(json, format!("{words:?}"));
            assert_eq!(serde_json::from_str::<SourceState>(&json).expect("it is read back"), state);
        }
        assert!(serde_json::from_str::<SourceState>("\"somehow\"").is_err());
        assert!("many partitions".parse::<SourceState>().is_err());
    }
}
