//! The registry of codes: never reused, never renumbered, each with a page.
//!
//! `E` stops the load, `W` does not, `T` comes from tests; the two digits behind it are the [`Area`]. `P` is kept for
//! findings about a change of rules, P0301 (it loses data) and P0601 (it strands running instances) among them:
//! nothing compares two rule sets yet, and a page for what nobody can be told would be a promise.

use super::Severity;

/// What a code is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Lines, blocks and texts that are not understood: 00.
    Text,
    /// What is larger than is read: 009.
    Limits,
    /// Names that lead nowhere, or that two things bear: 01.
    Names,
    /// Types, options and values that may be missing: 02.
    Types,
    /// Which way a line goes, transforms and links: 03.
    Direction,
    /// Who may write, and rules that set each other off: 04.
    Authority,
    /// Messages, keys and stages: 05.
    Events,
    /// Waits, steps and their undo: 06.
    Workflows,
    /// Tests and what they found: 07, and `T`.
    Tests,
    /// Schedules and limits of systems: 08.
    Schedules,
    /// Schema locks: 09.
    Locks,
}

/// There is no code of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no code `{0}`")]
pub struct NoSuchCode(String);

macro_rules! codes {
    ($($area:ident { $($severity:ident $code:ident $title:literal)* })*) => {
        /// What a finding is about, in a form that tools can rely on. In the order of the specification.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = concat!($title, ".")] $code,)*)*
        }

        impl Code {
            /// Every code, in the order of the specification.
            pub const ALL: &[Self] = &[$($(Self::$code,)*)*];

            /// `E0101`
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($(Self::$code => stringify!($code),)*)* }
            }

            /// What it means, in one line.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $($(Self::$code => $title,)*)* }
            }

            /// What, why, a wrong and a right example, and how to mend it; Markdown. `engine explain` and the editor
            /// show it.
            #[must_use]
            pub fn page(self) -> &'static str {
                match self { $($(Self::$code => include_str!(concat!("pages/", stringify!($code), ".md")),)*)* }
            }

            /// Does it stop the load?
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $($(Self::$code => Severity::$severity,)*)* }
            }

            /// What it is about.
            #[must_use]
            pub fn area(self) -> Area {
                match self { $($(Self::$code)|* => Area::$area,)* }
            }
        }
    };
}

impl Code {
    /// The edition that first had it. There has been one edition.
    #[must_use]
    pub fn since(self) -> u32 {
        2026
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.name())
    }
}

impl std::str::FromStr for Code {
    type Err = NoSuchCode;

    /// In any case of letters.
    fn from_str(text: &str) -> Result<Self, NoSuchCode> {
        let known = Self::ALL.iter().find(|code| code.name().eq_ignore_ascii_case(text));
        known.copied().ok_or_else(|| NoSuchCode(text.to_owned()))
    }
}

impl serde::Serialize for Code {
    /// As its name.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

codes! {
    Text {
        Error E0001 "this line is not understood here"
        Error E0002 "this text is never closed"
        Error E0003 "this block is never closed"
        Error E0004 "this stands outside any item"
        Error E0005 "this `}` closes nothing"
        Error E0006 "an edition that does not exist, two of them, or none"
    }
    Limits {
        Error E0090 "the file or the rule set is too large"
        Error E0091 "a line is too long"
        Error E0092 "blocks are nested too deeply"
        Error E0093 "a text is too long"
        Error E0094 "a name is too long"
        Error E0095 "there are too many items"
        Error E0096 "a table is too long"
        Error E0097 "a path is too deep"
        Error E0098 "a workflow has too many steps"
        Error E0099 "this is too complex to read"
    }
    Names {
        Error E0101 "the entity, event or operation has no such field, link or parameter"
        Error E0102 "no such system"
        Error E0103 "this name is used twice in the rule set"
        Error E0104 "the system has no such entity, event or operation"
        Error E0105 "the system sends no message of this name"
        Error E0106 "no such sync, workflow, step, table, column, choice or variable"
        Error E0107 "several systems offer this operation"
        Error E0108 "no such word or option for this field or parameter, or a spelling the system does not have"
        Error E0109 "no such transform, lookup or way to verify"
        Warning W0110 "nothing uses this choice, table or workflow"
    }
    Types {
        Error E0201 "the types do not fit"
        Error E0202 "the options do not fit: a value of the source has no place in the target"
        Error E0203 "this value can be missing, and nothing says what to do then"
        Warning W0204 "this never happens"
        Error E0205 "a percent and a number are not the same"
        Error E0206 "the new record lacks a field that it needs"
        Error E0207 "the system, or the engine (`engine_link_id`), sets this field itself"
        Error E0208 "the operation lacks a parameter that it needs"
        Error E0209 "this `else` or `on create` does not belong here"
        Error E0210 "the table leaves out a value of its key"
        Error E0211 "the table has a value of its key twice"
        Error E0212 "this row has too many or too few cells, or one of another type"
        Error E0213 "two rows of a choice are spelled alike in one system"
        Error E0214 "two choices claim one field"
        Warning W0215 "this is read otherwise than it looks"
    }
    Direction {
        Error E0301 "this arrow points against the header of the sync"
        Error E0304 "a two-way field needs a transform that can be undone"
        Error E0306 "`newest wins` needs a change time that this side does not have"
        Error E0307 "this sync does not pair the records of this link"
        Error E0308 "several syncs pair these records: say `via`"
    }
    Authority {
        Error E0401 "two rules write this field"
        Error E0402 "a two-way field without a policy"
        Error E0403 "these rules set each other off"
        Error E0404 "this chain creates another record of the kind it began with"
        Error E0405 "two syncs make records of one entity and nothing keeps them apart"
    }
    Events {
        Error E0501 "no route for a message that the system sends"
        Error E0502 "a stage or value is not handled"
        Error E0503 "a create without a key"
        Error E0504 "the key is not a unique field, or the `where` is not one equality on one"
        Error E0505 "this may happen twice, and nothing accepts that"
        Error E0506 "a webhook that nothing verifies"
        Error E0507 "this message is about another entity"
        Warning W0508 "the sender does not promise that this key is unique"
        Error E0509 "a stage is handled twice"
        Error E0510 "what tombstones of Kafka mean is not said of one topic"
    }
    Workflows {
        Error E0601 "the workflow takes another entity"
        Error E0602 "a wait without a limit"
        Error E0603 "a wait with only one exit"
        Error E0604 "a step that cannot be undone"
    }
    Tests {
        Error E0701 "a test that expects nothing"
        Error E0702 "a file of tests holds something else"
    }
    Schedules {
        Error E0801 "the schedule cannot fit inside the limit"
        Error E0802 "no such time zone"
        Error E0803 "no such limit, or it counts something else"
        Error E0804 "a time of day without a zone"
        Error E0805 "this sweep asks too often, or has nothing to do"
    }
    Locks {
        Warning W0901 "the lock is older than 30 days"
        Error E0902 "the lock is missing, unreadable or of a newer form"
        Error E0903 "the live system no longer agrees with the lock"
    }
    Tests {
        Error T0001 "an expectation failed"
        Error T0002 "coverage is below the threshold"
        Error T0003 "something was parked that the test did not expect"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_and_the_digits_of_a_code_say_what_the_table_says() {
        for code in Code::ALL {
            let (letter, digits) = code.name().split_at(1);
            let severity = if letter == "W" { Severity::Warning } else { Severity::Error };
            let area = match (letter, &digits[..2]) {
                ("T", _) | (_, "07") => Area::Tests,
                (_, "00") if digits.starts_with("009") => Area::Limits,
                (_, "00") => Area::Text,
                (_, "01") => Area::Names,
                (_, "02") => Area::Types,
                (_, "03") => Area::Direction,
                (_, "04") => Area::Authority,
                (_, "05") => Area::Events,
                (_, "06") => Area::Workflows,
                (_, "08") => Area::Schedules,
                _ => Area::Locks,
            };
            assert_eq!((code.severity(), code.area()), (severity, area), "{code}");
        }
    }

    #[test]
    fn a_code_is_read_back_from_its_name_in_any_case_of_letters() {
        for code in Code::ALL {
            assert_eq!(code.name().to_lowercase().parse(), Ok(*code));
        }
        assert_eq!("E9999".parse::<Code>(), Err(NoSuchCode("E9999".to_owned())));
    }
}
