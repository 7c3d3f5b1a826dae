//! Names of things in the ledger: newtypes, so that ids never mix.

use serde::{Deserialize, Serialize};

/// A text that names no such thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no name of the form `{form}`")]
pub struct NotAnId {
    /// What was given.
    pub text: String,
    /// An example.
    pub form: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(out, concat!($letter, "{}"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;

            /// Reads what [`Display`](std::fmt::Display) writes, and nothing else.
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let wrong = || NotAnId { text: text.to_owned(), form: concat!($letter, "7") };
                let digits = text.strip_prefix($letter).ok_or_else(wrong)?;
                // A sign or a leading zero would write one id in two ways.
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
                if !plain {
                    return Err(wrong());
                }
                digits.parse().map(Self).map_err(|_| wrong())
            }
        }
    };
}

id!(
    /// A pairing of two records under one sync.
    LinkId,
    "l"
);
id!(
    /// One run of a `when` or a workflow.
    RunId,
    "r"
);
id!(
    /// One call to a system.
    CallId,
    "c"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_it_is_written() {
        for number in [0, 7, u64::MAX] {
            assert_eq!(RunId(number).to_string().parse(), Ok(RunId(number)));
            assert_eq!(LinkId(number).to_string().parse(), Ok(LinkId(number)));
        }
    }

    #[test]
    fn what_is_no_id_is_refused_with_an_example() {
        for wrong in ["", "r", "7", "l7", "R7", "r 7", "r-7", "r+7", "r07", "r7x", "r18446744073709551616"] {
            let error = wrong.parse::<RunId>().expect_err(wrong);
            assert_eq!(error.to_string(), format!("`{wrong}` is no name of the form `r7`"));
        }
    }
}
