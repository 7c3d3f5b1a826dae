//! Why a value cannot be had: what evaluation, decoding and transforms refuse.
//!
//! In: nothing; whoever finds a fault builds it. Out: a value that can be compared, stored and read back.
//! Always true: what a program decides by is the variant and its members; the text is for people alone.

use serde::{Deserialize, Serialize};

use crate::program::Place;
use crate::schema::{EntityName, Type};

/// Why a value can never be computed from what is there; a person must look.
///
/// It is stored as it is. A new variant goes to the end, because compact forms know variants by their number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Fault {
    /// A spelling that no row of its choice has.
    #[error("{field} holds `{spelling}`, which no row of {choice} spells")]
    Unspelled {
        /// `crm.Deal.dealstage`
        field: String,
        /// What arrived.
        spelling: String,
        /// The choice.
        choice: String,
    },
    /// A value that is not of the type its lock says.
    #[error("{field} should be {expected}, but holds `{found}`")]
    Malformed {
        /// `crm.Deal.amount`
        field: String,
        /// What the field can hold.
        expected: Expected,
        /// What arrived.
        found: String,
    },
    /// Two values that cannot be added, subtracted, multiplied or divided.
    #[error("`{left}` and `{right}` cannot be calculated with")]
    Operands {
        /// The first, as it is printed.
        left: String,
        /// The second, as it is printed.
        right: String,
    },
    /// A division by zero.
    #[error("a number cannot be divided by zero")]
    DivisionByZero,
    /// A result that no number here can hold.
    #[error("the result is too large")]
    TooLarge,
    /// A value that a transform cannot take.
    #[error("`{value}` cannot be used {transform}: {reason}")]
    Transform {
        /// `as e164`
        transform: String,
        /// What it was given.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A line of a sync without a value that says `else fail`.
    #[error("there is no value, and the line says `else fail`")]
    NoValue,
    /// A line of an action without a value that says `else fail`.
    #[error("`{name}` has no value, and {place} says `else fail`")]
    NoValueFor {
        /// The field, link or parameter.
        name: String,
        /// Where the line stands.
        place: Place,
    },
    /// A record that would be made without its key.
    #[error("the key `{field}` of the new {entity} has no value")]
    NoKey {
        /// What would be made.
        entity: EntityName,
        /// Its key.
        field: String,
    },
    /// An action on a record that is not there.
    #[error("there is no {entity} with {field} = `{value}`")]
    NoRecord {
        /// What was looked for.
        entity: EntityName,
        /// By which unique field.
        field: String,
        /// With which value, as it is printed.
        value: String,
    },
    /// An action on one record where several answer to its key.
    #[error("several {entity} have {field} = `{value}`")]
    SeveralRecords {
        /// What was looked for.
        entity: EntityName,
        /// By which field, which the lock calls unique.
        field: String,
        /// With which value, as it is printed.
        value: String,
    },
    /// A value that may mean more than one thing, or that cannot be held as it is.
    #[error("{field} holds `{found}`: {doubt}")]
    Doubtful {
        /// `app.User.trialEnd`
        field: String,
        /// What arrived.
        found: String,
        /// What is not known of it.
        doubt: Doubt,
    },
}

/// Why a value is not read, though it is of the right kind: reading it would be a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// A time of no zone.
    NoZone,
    /// A number for a time or a day, of which it is not known what it counts.
    NoForm,
    /// An instant for a day that begins and ends elsewhere at other instants.
    Instant,
    /// A time of the lock's zone that its clocks skip in spring, or show twice in autumn.
    NotOnce,
    /// A number with more digits than are kept.
    Digits,
}

impl std::fmt::Display for Doubt {
    /// What is wrong, and what helps.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NoZone => "a time without a zone; name its zone in the lock, such as `zone: \"Europe/London\"`",
            Self::NoForm => {
                "a number that need not be a count of milliseconds; say in the lock what it counts: `form: seconds` or \
                 `form: milliseconds`"
            }
            Self::Instant => {
                "an instant, and whose day is meant is not known; name the zone in the lock, such as \
                 `zone: \"Europe/London\"`, or send a day such as `2026-03-01`"
            }
            Self::NotOnce => "a time that the clocks of its zone show twice, or never; send it with its zone",
            Self::Digits => "a number with more digits than can be kept (28)",
        })
    }
}

/// What a field can hold, as [`Fault::Malformed`] says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Text, or an option of a field of which none are known.
    Text,
    /// A whole number.
    Integer,
    /// A number, an amount of money or a fraction.
    Number,
    /// Yes or no.
    Flag,
    /// A calendar day.
    Date,
    /// An instant.
    Time,
    /// A structured value.
    Record,
    /// A list.
    List,
    /// One of the options that the field's lock or choice names.
    Option,
}

impl From<&Type> for Expected {
    fn from(ty: &Type) -> Self {
        match ty {
            Type::Text | Type::Enum => Self::Text,
            Type::Integer => Self::Integer,
            Type::Number | Type::Money | Type::Percent => Self::Number,
            Type::Flag => Self::Flag,
            Type::Date => Self::Date,
            Type::Time => Self::Time,
            Type::Record => Self::Record,
            Type::List(_) => Self::List,
        }
    }
}

impl std::fmt::Display for Expected {
    /// In plain words.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Text => "text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Flag => "yes or no",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::Record => "a structured value",
            Self::List => "a list",
            Self::Option => "one of its options",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each variant; a new one is added here, or the match below does not compile.
    fn every_fault() -> Vec<Fault> {
        let text = |text: &str| text.to_owned();
        let entity = || EntityName::new("crm", "Deal");
        let all = vec![
            Fault::Unspelled { field: text("crm.Deal.stage"), spelling: text("won"), choice: text("Stage") },
            Fault::Malformed { field: text("crm.Deal.amount"), expected: Expected::Number, found: text("ten") },
            Fault::Operands { left: text("a"), right: text("b") },
            Fault::DivisionByZero,
            Fault::TooLarge,
            Fault::Transform { transform: text("as e164"), value: text("1"), reason: text("too short") },
            Fault::NoValue,
            Fault::NoValueFor { name: text("phone"), place: Place { file: text("a.rules"), line: 3 } },
            Fault::NoKey { entity: entity(), field: text("id") },
            Fault::NoRecord { entity: entity(), field: text("id"), value: text("7") },
            Fault::SeveralRecords { entity: entity(), field: text("id"), value: text("7") },
            Fault::Doubtful { field: text("app.User.end"), found: text("1"), doubt: Doubt::NoForm },
        ];
        for fault in &all {
            match fault {
                Fault::Unspelled { .. }
                | Fault::Malformed { .. }
                | Fault::Operands { .. }
                | Fault::DivisionByZero
                | Fault::TooLarge
                | Fault::Transform { .. }
                | Fault::NoValue
                | Fault::NoValueFor { .. }
                | Fault::NoKey { .. }
                | Fault::NoRecord { .. }
                | Fault::SeveralRecords { .. }
                | Fault::Doubtful { .. } => {}
            }
        }
        all
    }

    #[test]
    fn a_stored_fault_is_read_back_as_the_same_one() {
        for fault in every_fault() {
            let stored = serde_json::to_string(&fault).expect("a fault can be stored");
            assert_eq!(serde_json::from_str::<Fault>(&stored).expect("it is read"), fault, "{stored}");
        }
    }
}
