//! Lines of a `test`.

use super::part::{For, Form, MAYBE_RECORD, New, Of, Part, RECORD, Says, Slot, ZONE};
use super::place::Place;

const TEST: &[Place] = &[Place::Test];
const TIMES: Part = Part::Maybe(&[Part::Either(&[
    &[Part::Words("once")],
    &[Part::Words("twice")],
    &[Part::Slot(Slot::Number), Part::Words("times")],
])]);
const EXTENT: Part = Part::Either(&[
    &[Part::Slot(Slot::Number), Part::Words("times")],
    &[Part::Words("for"), Part::Slot(Slot::Duration)],
]);
const TO_ADDRESS: Part = Part::Maybe(&[Part::Words("to"), Part::Slot(Slot::Value(Of::Nobody, For::Parameter("to")))]);
const NOTICE: &[Part] = &[
    Part::Words("notice to"),
    Part::Either(&[
        &[Part::Words("role"), Part::Slot(Slot::Text(Says::Role))],
        &[Part::Words("person"), Part::Slot(Slot::Text(Says::Anything))],
    ]),
];
const CALL: &[Part] = &[Part::Words("call"), Part::Slot(Slot::Operation), MAYBE_RECORD];
const MAIL: &[Part] = &[Part::Slot(Slot::Sender), Part::Slot(Slot::Text(Says::Template)), TO_ADDRESS];

pub(super) static FORMS: &[Form] = &[
    Form {
        name: "given time",
        within: TEST,
        written: "given time 2026-03-02 09:00 in \"Europe/London\"",
        also: &[],
        parts: &[Part::Words("given time"), Part::Slot(Slot::Date), Part::Maybe(&[Part::Slot(Slot::Clock)]), ZONE],
        says: "says when the test begins",
        example: "given time 2026-03-02 09:00 in \"Europe/London\"",
    },
    Form {
        name: "given",
        within: TEST,
        written: "given name = system.Entity { … }",
        also: &["given system.Entity changed at 09:10 { … }"],
        parts: &[
            Part::Words("given"),
            Part::Maybe(&[Part::Slot(Slot::New(New::Assigned)), Part::Sign("=")]),
            Part::Slot(Slot::Entity),
            Part::Maybe(&[Part::Words("changed at"), Part::Slot(Slot::Clock)]),
            RECORD,
        ],
        says: "says which record there is",
        example: "given ada = app.User changed at 09:10 { email = \"ada@example.com\" }",
    },
    Form {
        name: "given fails",
        within: TEST,
        written: "given step Workflow.step fails 3 times",
        also: &["given system answers 429 for 2 minutes"],
        parts: &[
            Part::Words("given"),
            Part::Either(&[&[Part::Words("step"), Part::Slot(Slot::Step)], &[Part::Slot(Slot::System)]]),
            Part::Either(&[&[Part::Words("fails")], &[Part::Words("answers"), Part::Slot(Slot::Number)]]),
            EXTENT,
        ],
        says: "lets a step or a system fail, so often or so long",
        example: "given crm answers 429 for 2 minutes",
    },
    Form {
        name: "when sync runs",
        within: TEST,
        written: "when sync Name runs",
        also: &[],
        parts: &[Part::Words("when sync"), Part::Slot(Slot::Sync), Part::Words("runs")],
        says: "runs a sync",
        example: "when sync Contacts runs",
    },
    Form {
        name: "when becomes",
        within: TEST,
        written: "when name.field becomes value",
        also: &[],
        parts: &[
            Part::Words("when"),
            Part::Slot(Slot::Path),
            Part::Words("becomes"),
            Part::Slot(Slot::Value(Of::Nobody, For::Named)),
        ],
        says: "changes a field of a record, as somebody would",
        example: "when deal.dealstage becomes closedlost",
    },
    Form {
        name: "when pass",
        within: TEST,
        written: "when 6 days pass",
        also: &["when 1 hour passes"],
        parts: &[Part::Words("when"), Part::Slot(Slot::Duration), Part::OneOf(&["pass", "passes"])],
        says: "lets time go by",
        example: "when 6 days pass",
    },
    Form {
        name: "when message arrives",
        within: TEST,
        written: "when message system \"message\" arrives with { … }",
        also: &["when message system \"message\" arrives twice"],
        parts: &[
            Part::Words("when message"),
            Part::Slot(Slot::System),
            Part::Slot(Slot::Text(Says::Message)),
            Part::Words("arrives"),
            Part::Maybe(&[Part::Words("twice")]),
            Part::Maybe(&[Part::Words("with"), RECORD]),
        ],
        says: "lets a message come, with a record",
        example: "when message app \"user.updated\" arrives twice with { email = \"ada@example.com\" }",
    },
    Form {
        name: "when happens",
        within: TEST,
        written: "when system.Event happens { … }",
        also: &[],
        parts: &[Part::Words("when"), Part::Slot(Slot::EntityOrEvent), Part::Words("happens"), RECORD],
        says: "lets an event happen",
        example: "when app.Login happens { email = \"ada@example.com\", at = 2026-03-02 09:00 }",
    },
    Form {
        name: "expect one",
        within: TEST,
        written: "expect one system.Entity { … }",
        also: &["expect system.Entity { … }"],
        parts: &[Part::Words("expect"), Part::Maybe(&[Part::Words("one")]), Part::Slot(Slot::Entity), RECORD],
        says: "expects a record with these values, with `one` exactly one",
        example: "expect one crm.Contact { email = \"ada@example.com\" }",
    },
    Form {
        name: "expect no",
        within: TEST,
        written: "expect no system.Entity { … }",
        also: &["expect no system.Entity"],
        parts: &[Part::Words("expect no"), Part::Slot(Slot::Entity), MAYBE_RECORD],
        says: "expects that there is no such record",
        example: "expect no crm.Contact { email = \"ada@example.com\" }",
    },
    Form {
        name: "expect no call",
        within: TEST,
        written: "expect no call system.operation",
        also: &["expect no email \"template\" to address", "expect no notice to role \"role\""],
        parts: &[Part::Words("expect no"), Part::Either(&[MAIL, CALL, NOTICE])],
        says: "expects that this was not called, sent or told",
        example: "expect no email \"welcome\" to \"ada@example.com\"",
    },
    Form {
        name: "expect parked",
        within: TEST,
        written: "expect parked system.Entity { … }",
        also: &["expect parked system.Entity"],
        parts: &[Part::Words("expect parked"), Part::Slot(Slot::Entity), MAYBE_RECORD],
        says: "expects that a record waits for a person",
        example: "expect parked app.User { email = \"ada@example.com\" }",
    },
    Form {
        name: "expect sent",
        within: TEST,
        written: "expect email \"template\" to address once",
        also: &["expect system.email \"template\""],
        parts: &[Part::Words("expect"), MAIL[0], MAIL[1], MAIL[2], TIMES],
        says: "expects that a template was sent, so often",
        example: "expect email \"welcome\" to \"ada@example.com\" once",
    },
    Form {
        name: "expect call",
        within: TEST,
        written: "expect call system.operation once",
        also: &["expect call system.operation { … } 3 times"],
        parts: &[Part::Words("expect"), CALL[0], CALL[1], CALL[2], TIMES],
        says: "expects that an operation was called, so often",
        example: "expect call app.activateSubscription { subscriptionId = \"1\" } twice",
    },
    Form {
        name: "expect notice to",
        within: TEST,
        written: "expect notice to role \"role\" once",
        also: &["expect notice to person \"address\""],
        parts: &[Part::Words("expect"), NOTICE[0], NOTICE[1], TIMES],
        says: "expects that colleagues were told, so often",
        example: "expect notice to role \"sales-manager\" once",
    },
    Form {
        name: "expect workflow",
        within: TEST,
        written: "expect workflow Name finished",
        also: &["expect workflow Name failed", "expect workflow Name is running"],
        parts: &[
            Part::Words("expect workflow"),
            Part::Slot(Slot::Workflow),
            Part::Either(&[&[Part::Words("finished")], &[Part::Words("failed")], &[Part::Words("is running")]]),
        ],
        says: "expects how a run of a workflow stands",
        example: "expect workflow Onboarding is running",
    },
    Form {
        name: "expect step",
        within: TEST,
        written: "expect step Workflow.step undone",
        also: &["expect step Workflow.step done", "expect step Workflow.step skipped"],
        parts: &[Part::Words("expect step"), Part::Slot(Slot::Step), Part::OneOf(&["done", "undone", "skipped"])],
        says: "expects what became of a step",
        example: "expect step Onboarding.welcome done",
    },
];
