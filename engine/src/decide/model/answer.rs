//! What became of one input of a call, a type for each verb.
//!
//! In: the answer of a connector, which is one type for all verbs. Out: what it says, as far as it fits what was asked.
//! Always true: an answer that does not fit says nothing of what became of the input, so it is unknown, and whoever
//! waits for it goes on as with every unknown answer.

use std::collections::BTreeMap;

use connectors::port::{Answer, Observed, Refusal, Wire};
use dsl::value::Duration;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Failure<'a> {
    /// Nothing happened.
    NotDone(NotDone<'a>),
    /// It may or may not have happened.
    Unknown { cause: &'a str },
}

/// Why nothing happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NotDone<'a> {
    /// Asking again cannot help.
    Refused { reason: &'a str, refusal: &'a Refusal },
    /// Ask again, and not before this.
    Retry { after: Option<Duration>, cause: &'a str },
    /// Too fast; not before this.
    RateLimited { after: Option<Duration> },
    /// Whoever asks is refused, whatever is asked for: the system as a whole waits, and this with it.
    Denied,
    /// The refusal of the whole request names no input: ask again, in other company.
    Split,
}

/// The record, or that there is none.
pub(crate) type ReadAnswer<'a> = Result<Option<&'a Observed>, Failure<'a>>;
/// The new record.
pub(crate) type CreateAnswer<'a> = Result<&'a Observed, Failure<'a>>;
/// The record after the change, or that there is none any more.
pub(crate) type UpdateAnswer<'a> = Result<Option<&'a Observed>, Failure<'a>>;
/// It is gone.
pub(crate) type DeleteAnswer<'a> = Result<(), Failure<'a>>;
/// Records, and where the next page begins.
pub(crate) type ListAnswer<'a> = Result<(&'a [Observed], Option<&'a String>), Failure<'a>>;
/// What the operation gives back, if anything.
pub(crate) type OperationAnswer<'a> = Result<Option<&'a BTreeMap<String, Wire>>, Failure<'a>>;

pub(crate) fn read(answer: &Answer) -> ReadAnswer<'_> {
    match answer {
        Answer::Record(observed) => Ok(Some(observed)),
        Answer::Missing => Ok(None),
        other => Err(failure(other)),
    }
}

pub(crate) fn create(answer: &Answer) -> CreateAnswer<'_> {
    match answer {
        Answer::Record(observed) => Ok(observed),
        other => Err(failure(other)),
    }
}

pub(crate) fn update(answer: &Answer) -> UpdateAnswer<'_> {
    read(answer)
}

pub(crate) fn delete(answer: &Answer) -> DeleteAnswer<'_> {
    match answer {
        // What is gone already is as good as deleted.
        Answer::Done | Answer::Missing => Ok(()),
        other => Err(failure(other)),
    }
}

pub(crate) fn list(answer: &Answer) -> ListAnswer<'_> {
    match answer {
        Answer::Page { records, next } => Ok((records, next.as_ref())),
        other => Err(failure(other)),
    }
}

pub(crate) fn operation(answer: &Answer) -> OperationAnswer<'_> {
    match answer {
        Answer::Done => Ok(None),
        Answer::Result(members) => Ok(Some(members)),
        other => Err(failure(other)),
    }
}

/// A system refuses whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denial<'a> {
    /// In the system's words.
    pub(crate) reason: &'a str,
    /// It knows who asks, and refuses this kind of request; otherwise it takes none at all.
    pub(crate) lane_only: bool,
}

/// Whether the answers to a call say that its sender is refused.
pub(crate) fn denial(answers: &[Answer]) -> Option<Denial<'_>> {
    answers.iter().find_map(|answer| match answer {
        Answer::Refused { reason, refusal: Refusal::Unauthenticated } => Some(Denial { reason, lane_only: false }),
        Answer::Refused { reason, refusal: Refusal::Forbidden } => Some(Denial { reason, lane_only: true }),
        _ => None,
    })
}

/// Whether an answer shows that its sender is let in: the system itself says something about what was asked.
pub(crate) fn lets_in(answers: &[Answer]) -> bool {
    answers.iter().any(|answer| match answer {
        Answer::Record(_) | Answer::Done | Answer::Missing | Answer::Page { .. } | Answer::Result(_) => true,
        Answer::Refused { refusal, .. } => matches!(refusal, Refusal::Exists(_) | Refusal::Invalid(_)),
        Answer::Retry { .. }
        | Answer::RateLimited { .. }
        | Answer::Split
        | Answer::Suspect
        | Answer::Unknown { .. } => false,
    })
}

fn failure(answer: &Answer) -> Failure<'_> {
    Failure::NotDone(match answer {
        Answer::Refused { refusal: Refusal::Unauthenticated | Refusal::Forbidden, .. } => NotDone::Denied,
        Answer::Refused { reason, refusal } => NotDone::Refused { reason, refusal },
        Answer::Retry { after, cause } => NotDone::Retry { after: after.map(milliseconds), cause },
        Answer::RateLimited { after, .. } => NotDone::RateLimited { after: after.map(milliseconds) },
        Answer::Split | Answer::Suspect => NotDone::Split,
        Answer::Unknown { cause } => return Failure::Unknown { cause },
        Answer::Record(_) | Answer::Done | Answer::Missing | Answer::Page { .. } | Answer::Result(_) => {
            return Failure::Unknown { cause: "the answer does not fit what was asked" };
        }
    })
}

fn milliseconds(wait: std::time::Duration) -> Duration {
    Duration(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_fit_what_was_asked_is_unknown() {
        let misfit = Failure::Unknown { cause: "the answer does not fit what was asked" };
        let record = Answer::Record(Observed::default());
        assert_eq!(delete(&record), Err(misfit));
        assert_eq!(operation(&record), Err(misfit));
        assert_eq!(list(&record), Err(misfit));
        assert_eq!(create(&Answer::Missing), Err(misfit));
        for answer in [Answer::Done, Answer::Result(BTreeMap::new()), Answer::Page { records: Vec::new(), next: None }]
        {
            assert_eq!((read(&answer), create(&answer)), (Err(misfit), Err(misfit)));
        }
    }

    #[test]
    fn what_is_gone_already_is_deleted() {
        assert_eq!((delete(&Answer::Missing), read(&Answer::Missing)), (Ok(()), Ok(None)));
    }
}
