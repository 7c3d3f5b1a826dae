//! The table of forms: each example holds where its form may stand, and `docs/FORMS.md` says what the table says.
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test forms` writes the page.

use std::path::Path;

use dsl::check::compile;
use dsl::diagnostic::Severity;
use dsl::forms::{Form, Place, forms, of};

#[path = "support/shipped.rs"]
mod support;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const CONTACTS: &str = "sync Contacts between app.User and crm.Contact {\n  match by email\n  conflict newest wins\n  fields {\n    firstName <-> firstname\n  }\n}\n";
const WELCOME: &str =
    "workflow Welcome with sub: app.Subscription {\n  step a { send email \"welcome\" to sub.user.email }\n}\n";
const STAGES: &str = "choice DealStage ordered for crm.Deal.dealstage {\n  appointment in crm \"appointmentscheduled\"\n  qualification in crm \"qualifiedtobuy\"\n  proposal in crm \"presentationscheduled\"\n  negotiation in crm \"decisionmakerboughtin\"\n  closedwon\n  closedlost\n}\n";
const OWNERS: &str =
    "table RegionOwner by app.User.region {\n  region | owner\n  emea | \"a\"\n  amer | \"b\"\n  apac | \"c\"\n}\n";

/// The smallest file in which the example of a form stands in a place, and what else it names.
fn file(form: &Form, place: Place) -> String {
    let example = form.example;
    let flow = |body: &str| format!("workflow W with sub: app.Subscription {{\n{body}\n}}\n");
    let user = |body: &str| format!("when app.User is created as user {{\n{body}\n}}\n");
    let stages = |body: &str| format!("when crm.Deal changes dealstage as deal {{\n{body}\n}}\n{STAGES}");
    match place {
        Place::File => example.to_owned(),
        Place::Choice => format!("choice C for crm.Deal.dealstage {{\n{example}\n}}\n"),
        Place::Entity => {
            let signed = if form.name == "changed at" { "signedAt: time\n" } else { "" };
            format!("entity app.Contract {{\n{signed}{example}\n}}\n")
        }
        Place::System => format!("system shop {{\n{example}\n}}\n"),
        Place::TableHead => {
            format!("table T by app.User.region {{\n{example}\nemea | 1 | 2\namer | 1 | 2\napac | 1 | 2\n}}\n")
        }
        Place::Table => {
            format!(
                "table T by app.User.region {{\nregion | owner | seats\n{example}\namer | \"a\" | 1\napac | \"b\" | 2\n}}\n"
            )
        }
        Place::Sync => {
            let also = match form.name {
                "match by" => "fields { firstName <-> firstname crm wins }",
                "fields" => "match by email",
                // A record that is made needs what its system asks for.
                "create missing in" => "match by email\nfields { email <-> email crm wins }",
                _ => "match by email\nfields { firstName <-> firstname crm wins }",
            };
            format!("sync People between app.User and crm.Contact {{\n{example}\n{also}\n}}\n")
        }
        Place::Fields if form.name.starts_with("link") => {
            format!(
                "sync D between app.Deal and crm.Deal {{\nmatch by crmId = id\nfields {{\n{example}\n}}\n}}\n{CONTACTS}"
            )
        }
        Place::Fields => {
            format!("sync People between app.User and crm.Contact {{\nmatch by email\nfields {{\n{example}\n}}\n}}\n")
        }
        Place::Events => {
            let messages = [
                "user.created",
                "user.updated",
                "user.deleted",
                "user.logged_in",
                "company.created",
                "company.updated",
                "deal.created",
                "deal.updated",
                "deal.deleted",
                "note.created",
                "note.updated",
                "subscription.created",
                "subscription.updated",
                "activity.created",
            ];
            let rest: Vec<String> = messages
                .iter()
                .filter(|message| !example.contains(&format!("\"{message}\"")))
                .map(|message| format!("\"{message}\" -> ignore\n"))
                .collect();
            let verify = if form.name == "verify" { "" } else { "verify hmac_sha256 in header \"X\"\n" };
            let onboarding = WELCOME.replace("Welcome", "Onboarding");
            format!(
                "events from app over webhook and kafka topic \"biometrics.users\" {{\n{verify}{example}\n{}}}\n{CONTACTS}{onboarding}",
                rest.concat()
            )
        }
        Place::When if matches!(form.name, "to" | "from to" | "always") => {
            let rest = match form.name {
                "to" => "to appointment, qualification, proposal, negotiation { nothing }",
                _ => "to appointment, qualification, proposal, negotiation, closedwon, closedlost { nothing }",
            };
            stages(&format!("{example}\n{rest}"))
        }
        Place::When if form.name.starts_with("only where") => user(&format!("{example}\nrun sync Contacts")) + CONTACTS,
        Place::Actions if form.name == "undo completed steps" => flow(&format!(
            "step a {{\nsend email \"welcome\" to sub.user.email\nundo nothing because \"sent\"\n}}\non failure {{\n{example}\n}}"
        )),
        Place::When | Place::Actions => {
            format!(
                "when app.Subscription is created as sub {{\nif sub.price > 0 {{\n{example}\n}}\n}}\n{CONTACTS}{WELCOME}"
            )
        }
        Place::Workflow if form.within.contains(&Place::Actions) => {
            flow(&format!("{example}\nstep last {{ nothing }}")) + CONTACTS + WELCOME
        }
        Place::Workflow => {
            let step = "step a {\nsend email \"welcome\" to sub.user.email\nundo nothing because \"sent\"\n}";
            flow(&format!("{step}\n{example}"))
        }
        Place::Step if form.within.contains(&Place::Actions) => {
            flow(&format!("step a {{\n{example}\nundo nothing because \"none\"\n}}")) + CONTACTS + WELCOME
        }
        Place::Step => {
            let act = match form.name {
                name if name.starts_with("accept") => "notify role \"sales-manager\" about sub \"a\"",
                _ => "send email \"welcome\" to sub.user.email",
            };
            flow(&format!("step a {{\n{act}\n{example}\n}}"))
        }
        Place::Wait => {
            let other = if form.name == "happened" { "timed out" } else { "happened" };
            flow(&format!(
                "wait up to 7 days for app.Login where email = sub.user.email {{\n{example}\n{other} {{ nothing }}\n}}\nstep a {{ nothing }}"
            ))
        }
        Place::Test => {
            let onboarding = WELCOME.replace("Welcome", "Onboarding").replace("step a", "step welcome");
            let expect = if example.starts_with("expect") { "" } else { "expect no crm.Company" };
            let given = "given deal = crm.Deal { dealname = \"a\" }";
            format!("test \"t\" {{\n{given}\n{example}\n{expect}\n}}\n{CONTACTS}{onboarding}{STAGES}")
        }
        Place::Record if form.name.starts_with("link") => {
            user(&format!(
                "create crm.Deal key source_subscription_id = user.id {{\ndealname = \"a\"\ndealstage = closedwon\n{example}\n}}"
            )) + CONTACTS
        }
        Place::Record => user(&format!("update crm.Contact where email = user.email {{\n{example}\n}} else nothing")),
        Place::Ending => match example.split(' ').next() {
            Some("update" | "notify") => user(example),
            Some("link") => {
                user(&format!(
                    "create crm.Deal key source_subscription_id = user.id {{\ndealname = \"a\"\ndealstage = closedwon\n{example}\n}}"
                )) + CONTACTS
            }
            _ if example.contains('=') => {
                user(&format!("update crm.Contact where email = user.email {{\n{example}\n}} else nothing"))
            }
            _ => format!(
                "sync People between app.User and crm.Contact {{\nmatch by email\nfields {{\n{example}\n}}\n}}\n"
            ),
        },
        Place::Value => value(form.name, example),
    }
}

/// A value as a condition, or as what a field is given.
fn value(name: &str, example: &str) -> String {
    let act = |line: &str| {
        format!(
            "when app.User is created as user {{\nupdate crm.Contact where email = user.email {{\n{line}\n}} else nothing\n}}\n"
        )
    };
    match name {
        "is empty" | "and" | "or" | "not" | "in" | "contains" | "starts with" | "ends with" | "=" => {
            format!("when app.User is created as user {{\nonly where {example}\nrun sync Contacts\n}}\n{CONTACTS}")
        }
        "+" => format!(
            "when app.User is created as user {{\nonly where user.updatedAt > {example}\nrun sync Contacts\n}}\n{CONTACTS}"
        ),
        "days" => format!(
            "when app.User is created as user {{\nonly where user.updatedAt > user.createdAt + {example}\nrun sync Contacts\n}}\n{CONTACTS}"
        ),
        "2026-03-01" => format!(
            "when app.User is created as user {{\nonly where user.updatedAt > {example}\nrun sync Contacts\n}}\n{CONTACTS}"
        ),
        "list" => format!(
            "when app.User is created as user {{\nonly where user.region in {example}\nrun sync Contacts\n}}\n{CONTACTS}"
        ),
        "Table[key]" => act(&format!("company = {example} else keep")) + OWNERS,
        "empty" => act(&format!("company = {example} else clear")),
        "yes" => {
            "table T by app.User.region {\nregion | trial\nemea | yes\namer | no\napac | no\n}\n".to_owned()
                + &format!(
                    "when app.User is created as user {{\nonly where T[user.region].trial = {example}\nrun sync Contacts\n}}\n{CONTACTS}"
                )
        }
        "number" => act(&format!("lifetime_value = {example}")),
        _ => act(&format!("company = {example}")),
    }
}

#[test]
fn every_example_holds_where_its_form_may_stand() {
    let (_, mut locks) = support::shipped();
    let shop = "lock: 1\nsystem: shop\nconnector: rest\nproduct: the shop\npulled: 2026-11-20\nentities: {}\n";
    locks.insert("schemas/shop.lock".to_owned(), shop.to_owned());
    let mut wrong = Vec::new();
    for form in forms() {
        for place in form.within {
            let text = file(form, *place);
            let mut files = vec![("example.rules".to_owned(), text.clone())];
            let systems = read("tests/golden/systems.rules");
            let systems = if form.name == "edition" { systems.replace("edition 2026\n", "") } else { systems };
            files.push(("systems.rules".to_owned(), systems));
            if matches!(place, Place::Test) || form.name == "test" {
                // A test stands in a file of its own.
                let cut = text.find("\n}\n").map_or(text.len(), |end| end + 3);
                files[0] = ("example.test.rules".to_owned(), text[..cut].to_owned());
                files.push(("rest.rules".to_owned(), text[cut..].to_owned()));
            }
            let compiled = compile(&files, &locks, None);
            let told: Vec<String> = compiled
                .problems
                .iter()
                .filter(|problem| problem.severity() == Severity::Error)
                .map(|problem| format!("{} {}", problem.code, problem.message))
                .collect();
            if !told.is_empty() {
                wrong.push(format!("{}, in {}: {told:?}\n{text}", form.name, place.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The page as it should be.
fn page() -> String {
    let mut page = "# Forms\n\nEverything that may be written in rules, one form a heading. `engine explain wait until` shows one of them; [LANGUAGE.md](LANGUAGE.md) says what they mean together.\n\nIn a form, `[…]` may be left out, `[…]…` may stand as often as you like, and of `(…|…)` one stands. Names such as `system.Entity` stand in for yours. This page is written by a test from the table that the checker, editors and `engine explain` read.\n".to_owned();
    for place in Place::ALL {
        // Actions stand in many places and are shown once.
        let own = of(place).filter(|form| place == Place::Actions || !form.within.contains(&Place::Actions));
        page.push_str(&format!("\n## In {}\n", place.name()));
        for form in own {
            page.push_str(&format!(
                "\n### `{}`\n\n{}.\n\n```text\n{}\n```\n\n```rules\n{}\n```\n",
                form.name,
                capital(form.says),
                form.syntax(),
                form.example
            ));
        }
        if matches!(place, Place::When | Place::Workflow | Place::Step) {
            page.push_str("\nAnd [actions](#in-a-block).\n");
        }
    }
    page
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

#[test]
fn the_page_says_what_the_table_says() {
    let page = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMS.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, page).expect("the page is written");
    } else {
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "docs/FORMS.md is stale: run UPDATE_GOLDEN=1 cargo test -p dsl --test forms");
    }
}
