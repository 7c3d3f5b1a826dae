//! In which state a pair or a run is, as people are shown it: fewer and plainer states than the life cycles have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// In which state a pair of records is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkStatus {
    /// Its other record is looked for, or what was sent is read back.
    #[serde(rename = "looking")]
    Looking,
    /// The value by which it would be found is missing.
    #[serde(rename = "waiting for its key")]
    WaitingForKey,
    /// Its other record is being made.
    #[serde(rename = "being made")]
    BeingMade,
    /// The rules want no other record.
    #[serde(rename = "alone")]
    Alone,
    /// The rules leave it out.
    #[serde(rename = "left out")]
    LeftOut,
    /// Both records are there and kept in step.
    #[serde(rename = "linked")]
    Linked,
    /// It waits for a person.
    #[serde(rename = "parked")]
    Parked,
    /// One of its records is gone, and the pair with it.
    #[serde(rename = "gone")]
    Gone,
}

impl LinkStatus {
    /// As commands and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Looking => "looking",
            Self::WaitingForKey => "waiting for its key",
            Self::BeingMade => "being made",
            Self::Alone => "alone",
            Self::LeftOut => "left out",
            Self::Linked => "linked",
            Self::Parked => "parked",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for LinkStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// In which state a run of a `when` or a workflow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It goes on, or a call of it is on its way.
    Running,
    /// It waits for a time, an event, a record or another run.
    Waiting,
    /// It waits for a person.
    Stopped,
    /// It came to its end.
    Finished,
    /// It came to its end by `on failure`.
    Failed,
    /// A rule or a person ended it.
    Cancelled,
}

impl RunStatus {
    /// Nothing will happen to it any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Cancelled)
    }

    /// As commands and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_serialised_as_it_is_shown() {
        use LinkStatus as L;
        use RunStatus as R;
        for state in [L::Looking, L::WaitingForKey, L::BeingMade, L::Alone, L::LeftOut, L::Linked, L::Parked, L::Gone] {
            assert_eq!(serde_json::to_value(state).expect("JSON"), state.to_string());
        }
        for state in [R::Running, R::Waiting, R::Stopped, R::Finished, R::Failed, R::Cancelled] {
            assert_eq!(serde_json::to_value(state).expect("JSON"), state.to_string());
        }
    }
}
