//! The registry of codes: never reused, never renumbered, each with a page.
//!
//! `E` stops the load, `W` does not, `T` comes from tests. `P` is kept for findings about a change of rules, P0301 (it
//! loses data) and P0601 (it strands running instances) among them: nothing compares two rule sets yet, and a page
//! for what nobody can be told would be a promise. 00 text, 01 names, 02 types and
//! missing values, 03 direction, transforms and links, 04 authority and loops, 05 events, keys and stages,
//! 06 workflows, 07 tests, 08 schedules and limits, 09 schema locks; 009x are limits of the parser.

/// A code and what is said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `E0101`
    pub code: &'static str,
    /// What it means, in one line.
    pub title: &'static str,
    /// What, why, a wrong and a right example, and how to mend it; Markdown.
    pub page: &'static str,
    /// The edition that first had it.
    pub since: u32,
}

/// The page of a code, as `engine explain` and the editor show it; none where there is no such code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    entry(code).map(|entry| entry.page)
}

/// The entry of a code, in any case of letters.
#[must_use]
pub fn entry(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|entry| entry.code.eq_ignore_ascii_case(code))
}

macro_rules! codes {
    ($($code:literal $title:literal)*) => {
        /// Every code, in the order of the specification.
        pub const CODES: &[Code] = &[
            $(Code { code: $code, title: $title, page: include_str!(concat!("pages/", $code, ".md")), since: 2026 },)*
        ];
    };
}

codes! {
    "E0001" "this line is not understood here"
    "E0002" "this text is never closed"
    "E0003" "this block is never closed"
    "E0004" "this stands outside any item"
    "E0005" "this `}` closes nothing"
    "E0006" "an edition that does not exist, two of them, or none"
    "E0090" "the file or the rule set is too large"
    "E0091" "a line is too long"
    "E0092" "blocks are nested too deeply"
    "E0093" "a text is too long"
    "E0094" "a name is too long"
    "E0095" "there are too many items"
    "E0096" "a table is too long"
    "E0097" "a path is too deep"
    "E0098" "a workflow has too many steps"
    "E0099" "this is too complex to read"
    "E0101" "the entity, event or operation has no such field, link or parameter"
    "E0102" "no such system"
    "E0103" "this name is used twice in the rule set"
    "E0104" "the system has no such entity, event or operation"
    "E0105" "the system sends no message of this name"
    "E0106" "no such sync, workflow, step, table, column, choice or variable"
    "E0107" "several systems offer this operation"
    "E0108" "no such word or option for this field or parameter, or a spelling the system does not have"
    "E0109" "no such transform, lookup or way to verify"
    "W0110" "nothing uses this choice, table or workflow"
    "E0201" "the types do not fit"
    "E0202" "the options do not fit: a value of the source has no place in the target"
    "E0203" "this value can be missing, and nothing says what to do then"
    "W0204" "this never happens"
    "E0205" "a percent and a number are not the same"
    "E0206" "the new record lacks a field that it needs"
    "E0207" "the system, or the engine (`engine_link_id`), sets this field itself"
    "E0208" "the operation lacks a parameter that it needs"
    "E0209" "this `else` or `on create` does not belong here"
    "E0210" "the table leaves out a value of its key"
    "E0211" "the table has a value of its key twice"
    "E0212" "this row has too many or too few cells, or one of another type"
    "E0213" "two rows of a choice are spelled alike in one system"
    "E0214" "two choices claim one field"
    "E0301" "this arrow points against the header of the sync"
    "E0304" "a two-way field needs a transform that can be undone"
    "E0306" "`newest wins` needs a change time that this side does not have"
    "E0307" "this sync does not pair the records of this link"
    "E0308" "several syncs pair these records: say `via`"
    "E0401" "two rules write this field"
    "E0402" "a two-way field without a policy"
    "E0403" "these rules set each other off"
    "E0404" "this chain creates another record of the kind it began with"
    "E0405" "two syncs make records of one entity and nothing keeps them apart"
    "E0501" "no route for a message that the system sends"
    "E0502" "a stage or value is not handled"
    "E0503" "a create without a key"
    "E0504" "the key is not a unique field, or the `where` is not one equality on one"
    "E0505" "this may happen twice, and nothing accepts that"
    "E0506" "a webhook that nothing verifies"
    "E0507" "this message is about another entity"
    "W0508" "the sender does not promise that this key is unique"
    "E0509" "a stage is handled twice"
    "E0601" "the workflow takes another entity"
    "E0602" "a wait without a limit"
    "E0603" "a wait with only one exit"
    "E0604" "a step that cannot be undone"
    "E0701" "a test that expects nothing"
    "E0702" "a file of tests holds something else"
    "E0801" "the schedule cannot fit inside the limit"
    "E0802" "no such time zone"
    "E0803" "no such limit, or it counts something else"
    "E0804" "a time of day without a zone"
    "W0901" "the lock is older than 30 days"
    "E0902" "the lock is missing, unreadable or of a newer form"
    "E0903" "the live system no longer agrees with the lock"
    "T0001" "an expectation failed"
    "T0002" "coverage is below the threshold"
    "T0003" "something was parked that the test did not expect"
}
