//! What may stand where: the kinds of blocks, the rule of one line in each, and the forms that help shows.

use super::grammar::Rule;

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Choice,
    Entity,
    System,
    TableHead,
    Table,
    Sync,
    Fields,
    Events,
    When,
    Workflow,
    Step,
    Wait,
    Test,
    Record,
    Actions,
}

const ACTIONS: &[&str] = &[
    "create system.Entity key field = value { … }",
    "update system.Entity where field = value { … }",
    "set name.field = value",
    "delete system.Entity where field = value",
    "start Workflow with name",
    "call system.operation { … }",
    "send email \"template\" to address about name",
    "notify role \"role\" about name \"text\"",
    "run sync Name",
    "if condition { … } otherwise { … }",
    "undo completed steps",
    "nothing",
];

impl Block {
    const ALL: [Self; 15] = [
        Self::Choice,
        Self::Entity,
        Self::System,
        Self::TableHead,
        Self::Table,
        Self::Sync,
        Self::Fields,
        Self::Events,
        Self::When,
        Self::Workflow,
        Self::Step,
        Self::Wait,
        Self::Test,
        Self::Record,
        Self::Actions,
    ];

    /// The block whose lines stand directly in a pair of this rule.
    pub(super) fn of(rule: Rule) -> Option<Self> {
        Some(match rule {
            Rule::choice => Self::Choice,
            Rule::entity => Self::Entity,
            Rule::system => Self::System,
            Rule::table_top => Self::TableHead,
            Rule::table => Self::Table,
            Rule::sync => Self::Sync,
            Rule::fields => Self::Fields,
            Rule::events => Self::Events,
            Rule::when => Self::When,
            Rule::workflow => Self::Workflow,
            Rule::wf_step => Self::Step,
            Rule::wf_waitfor => Self::Wait,
            Rule::test => Self::Test,
            Rule::record => Self::Record,
            Rule::block => Self::Actions,
            _ => return None,
        })
    }

    /// The rule of one whole line here.
    pub(super) fn rule(self) -> Rule {
        match self {
            Self::Choice => Rule::one_choice,
            Self::Entity => Rule::one_entity,
            Self::System => Rule::one_system,
            Self::TableHead => Rule::one_table_head,
            Self::Table => Rule::one_table,
            Self::Sync => Rule::one_sync,
            Self::Fields => Rule::one_fields,
            Self::Events => Rule::one_events,
            Self::When => Rule::one_when,
            Self::Workflow => Rule::one_workflow,
            Self::Step => Rule::one_step,
            Self::Wait => Rule::one_wait,
            Self::Test => Rule::one_test,
            Self::Record => Rule::one_record,
            Self::Actions => Rule::one_action,
        }
    }

    /// As it stands in a sentence: "not understood …".
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::Choice => "in this choice",
            Self::Entity => "in this entity",
            Self::System => "in this system",
            Self::TableHead => "as names of columns",
            Self::Table => "in this table",
            Self::Sync => "in this sync",
            Self::Fields => "in `fields`",
            Self::Events => "in `events`",
            Self::When => "in this `when`",
            Self::Workflow => "in this workflow",
            Self::Step => "in this step",
            Self::Wait => "in this wait",
            Self::Test => "in this test",
            Self::Record => "in this record",
            Self::Actions => "in this block",
        }
    }

    /// The forms of lines that belong to this kind of block, actions left out.
    fn own_forms(self) -> &'static [&'static str] {
        match self {
            Self::Choice => &["word \"Label\" in system \"spelling\" final"],
            Self::Entity => &["changed at field", "field: type unique", "field: type? read only"],
            Self::System => {
                &["schema \"schemas/name.lock\"", "limit api 100 calls per 10 seconds", "cache reads for 1 hour"]
            }
            Self::TableHead => &["key | column"],
            Self::Table => &["value | value"],
            Self::Sync => &[
                "run on change",
                "run every 1 hour in batches of 100",
                "run every day at 02:00 in \"Europe/London\"",
                "priority high",
                "match by field = field",
                "create missing in both",
                "on delete in system review",
                "conflict newest wins, tie system",
                "only where condition",
                "fields { … }",
            ],
            Self::Fields => &[
                "left <-> right",
                "left -> right else clear",
                "left <- right else clear",
                "link left -> right via Sync",
            ],
            Self::Events => &[
                "verify hubspot",
                "verify hmac_sha256 in header \"name\"",
                "dedupe by field for 24 hours",
                "key by field",
                "\"message\" -> sync Name",
                "\"message\" -> event system.Event",
                "\"message\" -> workflow Name",
                "\"message\" -> ignore",
            ],
            Self::When => {
                &["only where condition", "always { … }", "to stage, stage { … }", "from stage to stage { … }"]
            }
            Self::Workflow => &[
                "step name { … }",
                "wait 3 days",
                "wait until time",
                "wait up to 7 days for system.Event where field = value { … }",
                "only one per field, newest wins",
                "give up after 30 days",
                "cancel when condition",
                "on failure { … }",
            ],
            Self::Step => &[
                "retry 5 times, first after 1 minute, at most 1 hour apart",
                "timeout 1 minute",
                "undo { … }",
                "undo nothing because \"reason\"",
                "accept duplicates",
            ],
            Self::Wait => &["happened { … }", "timed out { … }"],
            Self::Test => &[
                "given time 2026-03-02 09:00 in \"Europe/London\"",
                "given name = system.Entity { … }",
                "given step Workflow.step fails 3 times",
                "when sync Name runs",
                "when name.field becomes value",
                "when 6 days pass",
                "when message system \"message\" arrives with { … }",
                "when system.Event happens { … }",
                "expect one system.Entity { … }",
                "expect no system.Entity { … }",
                "expect email \"template\" to address once",
                "expect call system.operation once",
                "expect notice to role \"role\" once",
                "expect workflow Name finished",
                "expect step Workflow.step undone",
                "expect parked system.Entity { … }",
            ],
            Self::Record => &["field = value", "link name = value"],
            Self::Actions => &[],
        }
    }

    /// Actions may stand here.
    fn acts(self) -> bool {
        matches!(self, Self::When | Self::Workflow | Self::Step | Self::Actions)
    }

    /// Every form of a line that may stand here.
    pub(crate) fn forms(self) -> impl Iterator<Item = &'static str> {
        let actions = if self.acts() { ACTIONS } else { &[] };
        self.own_forms().iter().chain(actions).copied()
    }

    /// Other words that may stand in a form, each with the form that is given in full.
    fn more_forms(self) -> &'static [&'static str] {
        match self {
            Self::Sync => &[
                "priority medium",
                "priority low",
                "match by field then by field",
                "create missing in system",
                "on delete in system keep",
                "on delete in system archive",
                "conflict system wins",
                "conflict review",
            ],
            _ => &[],
        }
    }

    /// The forms of lines that begin with `word`.
    pub(super) fn forms_of(self, word: &str) -> Vec<&'static str> {
        let actions = if self.acts() { ACTIONS } else { &[] };
        let begins = |form: &&&str| form.split([' ', ':']).next() == Some(word);
        self.own_forms().iter().chain(self.more_forms()).chain(actions).filter(begins).copied().collect()
    }

    /// What may stand here, short: the first words of forms that begin with a keyword, other forms as they are.
    pub(super) fn short(self) -> String {
        let mut shown: Vec<String> = Vec::new();
        for form in self.own_forms() {
            let word = form.split(' ').next().unwrap_or(form);
            let alike = self.own_forms().iter().filter(|other| other.split(' ').next() == Some(word)).count();
            let keyword = crate::words::WORDS.contains(&word) && alike > 1;
            let shown_form = format!("`{}`", if keyword { word } else { form });
            if !shown.contains(&shown_form) {
                shown.push(shown_form);
            }
        }
        if self.acts() {
            let words: Vec<String> =
                ACTIONS.iter().filter_map(|form| form.split(' ').next()).map(|word| format!("`{word}`")).collect();
            let lead = if shown.is_empty() { "" } else { "the actions " };
            shown.push(format!("{lead}{}", words.join(", ")));
        }
        shown.join(", ")
    }

    /// Other blocks, by name, in whose lines a text may be understood.
    pub(super) fn others(self) -> impl Iterator<Item = Self> {
        // Nearly everything fits into some of them: that says nothing.
        let telling = |block: &Self| {
            !matches!(block, Self::Choice | Self::Entity | Self::TableHead | Self::Table | Self::Actions)
        };
        Self::ALL.into_iter().filter(move |block| *block != self && telling(&self) && telling(block))
    }

    /// As it stands in "belongs in …".
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Choice => "a choice",
            Self::Entity => "an entity",
            Self::System => "a system",
            Self::TableHead | Self::Table => "a table",
            Self::Sync => "a sync",
            Self::Fields => "`fields`",
            Self::Events => "`events`",
            Self::When => "a `when`",
            Self::Workflow => "a workflow",
            Self::Step => "a step",
            Self::Wait => "a wait",
            Self::Test => "a test",
            Self::Record => "a record",
            Self::Actions => "a block",
        }
    }
}
