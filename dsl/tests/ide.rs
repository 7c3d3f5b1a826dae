//! Editor features over the shipped rules. A `‸` in a text is the cursor.

use std::sync::LazyLock;

use dsl::ide::{Colour, Project, complete, definition, highlight, hover, references, rename, symbols};
use dsl::source::FileId;

#[path = "support/mutation.rs"]
mod mutation;
#[path = "support/shipped.rs"]
mod support;

use support::shipped;

/// The shipped rules, read once.
static SHIPPED: LazyLock<Project> = LazyLock::new(|| {
    let (files, locks) = shipped();
    Project::new(&files, &locks, None, None)
});

/// The shipped rules with `text` instead of a file, or as one more; the cursor is where `‸` stands.
fn at(path: &str, text: &str) -> (Project, FileId, u32) {
    let (mut files, locks) = shipped();
    let offset = text.find('‸').expect("a cursor") as u32;
    let text = text.replacen('‸', "", 1);
    match files.iter_mut().find(|(name, _)| name == path) {
        Some((_, old)) => *old = text,
        None => files.push((path.to_owned(), text)),
    }
    let project = Project::new(&files, &locks, None, Some(&SHIPPED));
    let file = project.file(path).expect("the file is there").id;
    (project, file, offset)
}

/// What is offered at the cursor.
fn labels(text: &str) -> Vec<String> {
    let (project, file, offset) = at("new.rules", text);
    complete(&project, file, offset).into_iter().map(|found| found.label).collect()
}

#[track_caller]
fn offers(text: &str, expected: &[&str], not: &[&str]) {
    let found = labels(text);
    for label in expected {
        assert!(found.iter().any(|found| found == label), "`{label}` is not among {found:?}");
    }
    for label in not {
        assert!(!found.iter().any(|found| found == label), "`{label}` is among {found:?}");
    }
}

/// The place that the cursor's name is declared in, as path, line and text.
fn leads(text: &str) -> Option<(String, usize, String)> {
    let (project, file, offset) = at("new.rules", text);
    let place = definition(&project, file, offset)?;
    let source = project.file(&place.path).or_else(|| project.lock(&place.path)).expect("a file of the set");
    let named = source.text[place.start as usize..place.end as usize].to_owned();
    Some((place.path.clone(), source.position(place.start).0, named))
}

fn shown(text: &str) -> String {
    let (project, file, offset) = at("new.rules", text);
    hover(&project, file, offset).expect("something is shown").text
}

#[test]
fn every_name_in_the_shipped_rules_is_known() {
    let project = &SHIPPED;
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = ["both", "api", "bulk", "webhooks", "hubspot", "hmac_sha256", "data", "report"];
    let mut unknown = Vec::new();
    let mut looked_at = 0;
    for file in project.files() {
        let mut block = false;
        let mut start = 0;
        for line in file.text.split_inclusive('\n') {
            // An escaped quote ends no text.
            let code = line.split('#').next().unwrap_or("").replace("\\\"", "  ");
            let skip = block;
            block ^= line.matches("\"\"\"").count() % 2 == 1;
            let mut at = 0;
            while let Some(found) = code[at..].find(|c: char| letter(c) && !c.is_ascii_digit()) {
                let from = at + found;
                let to = code[from..].find(|c| !letter(c)).map_or(code.len(), |n| from + n);
                at = to;
                let word = &code[from..to];
                let quoted = code[..from].matches('"').count() % 2 == 1 || skip;
                let number = code[..from].ends_with(|c: char| c.is_ascii_digit());
                if quoted || number || dsl::ide::words().contains(&word) || plain.contains(&word) {
                    continue;
                }
                looked_at += 1;
                if hover(project, file.id, (start + from) as u32).is_none() {
                    unknown.push(format!("{}: {word} in {line}", file.path));
                }
            }
            start += line.len();
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
    assert!(looked_at > 400, "{looked_at}");
}

#[test]
fn items_begin_only_in_the_first_column() {
    offers("sy‸", &["sync", "system", "when", "test"], &["run"]);
    offers("edition 2026\n\n‸\n", &["choice"], &[]);
    assert_eq!(labels("  sy‸"), Vec::<String>::new());
    assert_eq!(labels("# sy‸"), Vec::<String>::new());
}

#[test]
fn the_form_of_every_item_is_read() {
    let (project, file, offset) = at("new.rules", "‸");
    let found = complete(&project, file, offset);
    assert!(found.len() >= dsl::ide::item_words().len());
    for form in found.into_iter().map(|found| found.form.expect("an item has a form")) {
        // What a block must begin with is the author's.
        let block = if form.starts_with("table") { "\n  key | column\n" } else { "" };
        let text = format!("{}\n", form.replace(" … ", block));
        let file = dsl::source::SourceFile::new(FileId(0), "form.rules", &text);
        assert_eq!(dsl::parse::parse(&file).problems, [], "{text}");
    }
}

#[test]
fn a_head_asks_for_what_comes_next() {
    offers("sync New ‸", &["between", "from"], &[]);
    offers("sync New between ‸", &["app", "crm", "mail"], &[]);
    offers("sync New between app.‸", &["User", "Deal"], &["Contact", "Login"]);
    offers("sync New between app.User ‸", &["and"], &["to"]);
    offers("sync New from app.User ‸", &["to"], &["and"]);
    offers("when crm.Deal changes ‸", &["dealstage", "amount"], &["contact"]);
    offers("when crm.Deal ‸", &["changes", "is created"], &[]);
    offers("workflow W with x: crm.‸", &["Deal"], &[]);
    offers("choice C for app.Deal.‸", &["stage"], &["user"]);
    offers("events from ‸", &["app", "crm"], &[]);
    assert_eq!(labels("sync ‸"), Vec::<String>::new(), "a name is made up here");
}

const SYNC: &str = "sync New between app.User and crm.Contact {\n";

fn in_sync(line: &str) -> String {
    format!("{SYNC}  {line}\n}}\n")
}

fn in_fields(line: &str) -> String {
    format!("{SYNC}  fields {{\n    email <-> email\n    {line}\n    firstName <-> firstname\n  }}\n}}\n")
}

#[test]
fn lines_of_a_sync_are_completed() {
    offers(&in_sync("‸"), &["run on change", "match by", "fields", "conflict newest wins"], &["email", "send"]);
    offers(&in_sync("priority ‸"), &["high", "low"], &[]);
    offers(&in_sync("match by ‸"), &["firstName"], &["firstname", "subscription"]);
    offers(&in_sync("match by email = ‸"), &["firstname"], &["firstName"]);
    offers(&in_sync("create missing in ‸"), &["both", "app", "crm"], &["mail"]);
    offers(&in_sync("on delete in crm ‸"), &["archive", "keep", "review"], &[]);
    offers(&in_sync("conflict newest wins, tie ‸"), &["app", "crm"], &["mail"]);
    offers(&in_sync("only where ‸"), &["region", "crm"], &["firstname"]);
    offers(&in_sync("only where crm.Contact.‸"), &["firstname"], &["region"]);
    offers(&in_sync("only where region = ‸"), &["emea", "apac"], &[]);
}

#[test]
fn a_mapping_knows_its_sides_though_the_line_does_not_parse() {
    offers(&in_fields("‸"), &["phone", "subscription", "link", "PlanFacts"], &["firstname", "hs_lead_status"]);
    offers(&in_fields("subscription.‸"), &["plan", "user", "status"], &["email"]);
    offers(&in_fields("subscription.user.‸"), &["email"], &["plan"]);
    offers(&in_fields("phone <-> ‸"), &["firstname", "phone"], &["firstName", "company_id"]);
    offers(&in_fields("phone <-> ph‸"), &["phone"], &[]);
    offers(&in_fields("phone <- ‸"), &["firstname"], &["firstName"]);
    offers(&in_fields("phone <-> phone ‸"), &["as", "else", "app", "crm", "newest wins", "review"], &["mail"]);
    offers(&in_fields("phone <-> phone crm ‸"), &["wins"], &[]);
    offers(&in_fields("phone -> phone as ‸"), &["lowercase", "owner_id"], &["format", "phone"]);
    offers(&in_fields("jobTitle -> jobtitle else ‸"), &["clear", "keep", "skip", "fail"], &[]);
    offers(&in_fields("subscription.plan -> subscription_plan else ‸"), &["clear", "starter"], &["active"]);
    offers(&in_fields("link ‸"), &["subscription"], &["email"]);
    offers(&in_fields("link subscription -> ‸"), &["company_record"], &["email"]);
    offers(&in_fields("link subscription -> company_record via ‸"), &["Contacts", "Deals"], &["Onboarding"]);
    offers(&in_fields("PlanFacts[subscription.plan].‸"), &["probability"], &["plan"]);
    offers(&in_fields("PlanFacts[‸"), &["subscription", "starter"], &[]);
    offers(&in_fields("\"{subscription.‸"), &["plan"], &[]);
    offers(&in_fields("\"Plan: {subscription.plan else ‸} now\" -> firstname"), &["clear"], &[]);
    assert_eq!(labels(&in_fields("\"Plan ‸")), Vec::<String>::new());
}

#[test]
fn a_block_is_known_though_its_head_is_misspelt_or_not_whole() {
    let inside = |head: &str, line: &str| format!("{head} {{\n  {line}\n}}\n");
    for head in [
        "sync New betwen app.User and crm.Contact",
        "snyc New between app.User and crm.Contact",
        "sync New between app.User crm.Contact",
    ] {
        offers(&inside(head, "match by ‸"), &["firstName"], &["firstname"]);
        offers(&inside(head, "match by email = ‸"), &["firstname"], &["firstName"]);
    }
    offers(&inside("when app.User chnges company as user", "set user.‸"), &["phone"], &["plan"]);
    offers(
        &inside("when app.User is created as user", "create crm.Note key source_id { importance = ‸ }"),
        &["high"],
        &[],
    );
    // What is not known to be anything expects nothing.
    assert_eq!(labels(&inside("sync New between app.User and crm.Contact", "whatever { ‸ }")), Vec::<String>::new());
}

#[test]
fn a_hover_over_any_word_of_a_line_tells_its_form() {
    let text = shown(&in_sync("match by email th‸en by phone"));
    assert!(text.contains("match by field = field") && text.contains("keys are tried in order"), "{text}");
    assert!(shown(&in_sync("run every 1 hour in bat‸ches of 5")).contains("syncs at an interval"));
    assert!(shown(&in_fields("phone <-> phone newest wins, ti‸e crm")).contains("keeps two fields in step"));
    assert!(shown(&in_when("to closedwon { undo comp‸leted steps }")).contains("undoes the steps"));
}

fn in_when(line: &str) -> String {
    format!("when crm.Deal changes dealstage as deal {{\n  {line}\n}}\n")
}

#[test]
fn reactions_know_their_variables_stages_and_operations() {
    offers(&in_when("‸"), &["always", "to", "create", "send", "notify role", "call"], &["run every", "step"]);
    offers(&in_when("to ‸"), &["closedwon", "proposal"], &["presentationscheduled"]);
    offers(&in_when("to closedwon, ‸"), &["closedlost"], &[]);
    offers(&in_when("to closedwon { start ‸ }"), &["Onboarding"], &["Deals"]);
    offers(&in_when("to closedwon { start Onboarding with ‸ }"), &["deal"], &[]);
    offers(&in_when("to closedwon { call ‸ }"), &["app", "mail"], &["crm"]);
    offers(&in_when("to closedwon { call app.‸ }"), &["cancelSubscription"], &["User"]);
    offers(&in_when("to closedwon { call app.cancelSubscription { ‸ } }"), &["subscriptionId", "reason"], &[]);
    offers(&in_when("to closedwon { call app.cancelSubscription { subscriptionId = deal.‸ } }"), &["dealname"], &[]);
    offers(&in_when("to closedwon { send ‸ }"), &["email", "survey"], &["notify", "cancelSubscription"]);
    offers(&in_when("to closedwon { send email \"‸\" }"), &["welcome"], &["closed-lost"]);
    offers(&in_when("to closedwon { send survey \"‸"), &["closed-lost"], &["welcome"]);
    offers(&in_when("to closedwon { send email \"welcome\" to deal.contact.‸ }"), &["email"], &[]);
    offers(&in_when("to closedwon { notify ‸ }"), &["role", "person"], &[]);
    offers(&in_when("to closedwon { notify role \"‸"), &["sales-manager"], &["welcome"]);
    offers(&in_when("to closedwon { create app.‸ }"), &["Subscription"], &["Login"]);
    offers(&in_when("to closedwon { create app.Subscription ‸ }"), &["as", "key"], &[]);
    offers(&in_when("to closedwon { create app.Subscription key ‸ }"), &["dealId"], &["user"]);
    offers(&in_when("to closedwon { create app.Subscription key dealId = ‸ }"), &["deal", "new", "old"], &[]);
    let record = |line: &str| {
        in_when(&format!("to closedwon {{\n create app.Subscription as sub key dealId = deal.id {{\n {line}\n }}\n }}"))
    };
    offers(&record("‸"), &["plan", "user", "link"], &["dealname"]);
    offers(&record("plan = ‸"), &["starter", "pro", "deal"], &["closedwon"]);
    offers(&record("stage = ‸"), &["closedwon"], &["starter"]);
    offers(&record("link ‸"), &["user"], &["plan"]);
    offers(&record("plan = deal.subscription_plan else ‸"), &["starter", "clear"], &[]);
    offers(&in_when("always { update app.Subscription as sub where ‸ }"), &["dealId"], &[]);
    offers(&in_when("always { update app.Subscription as sub where dealId = deal.id { } else ‸ }"), &["nothing"], &[]);
    let bound =
        "always { update app.Subscription as sub where dealId = deal.id { stage = deal.dealstage } else nothing }";
    offers(&in_when(&format!("{bound}\n  to closedwon {{ set sub.‸ }}")), &["dealId", "user"], &[]);
    offers(&in_when("to closedwon { if deal.dealstage = ‸ }"), &["closedwon"], &["starter"]);
}

#[test]
fn workflows_tests_and_events_are_completed() {
    let flow = |line: &str| format!("workflow W with sub: app.Subscription {{\n  {line}\n}}\n");
    offers(&flow("‸"), &["step", "wait up to", "give up after", "on failure", "send"], &["to"]);
    offers(&flow("wait up to 7 days for app.‸"), &["Login", "User"], &[]);
    offers(&flow("wait up to 7 days for app.Login as login where ‸"), &["email", "at"], &["plan"]);
    offers(&flow("wait up to 7 days for app.Login as login where email = sub.user.‸"), &["email"], &[]);
    offers(
        &flow("wait 3 days for app.Login as login where email = sub.id {\n happened { set sub.dealId = login.‸"),
        &["at"],
        &[],
    );
    offers(&flow("on failure { notify role \"sales-manager\" \"{failure.‸"), &["step", "message"], &[]);
    offers(&flow("step a {\n    ‸\n  }"), &["retry", "timeout", "undo", "accept duplicates", "create"], &["always"]);
    let test = |line: &str| format!("test \"t\" {{\n  given deal = crm.Deal {{ dealname = \"a\" }}\n  {line}\n}}\n");
    offers(&test("‸"), &["given", "when", "expect one"], &["send"]);
    offers(&test("given crm.Deal { dealstage = ‸ }"), &["closedwon", "deal"], &[]);
    offers(&test("given crm.Deal { contact.‸ }"), &["email"], &[]);
    offers(&test("when sync ‸"), &["Contacts"], &[]);
    offers(&test("when deal.dealstage becomes ‸"), &["closedwon"], &["starter"]);
    offers(&test("when message app \"‸"), &["user.created"], &["contact.creation"]);
    offers(&test("when message app \"user.created\" arrives with { ‸ }"), &["firstName"], &[]);
    offers(&test("expect email \"‸"), &["welcome"], &[]);
    offers(&test("expect step Onboarding.‸"), &["welcome", "account"], &[]);
    offers(&test("expect notice to role \"‸"), &["customer-success"], &[]);
    let events = |line: &str| format!("events from crm over webhook {{\n  {line}\n}}\n");
    offers(&events("\"‸"), &["contact.creation"], &["user.created"]);
    offers(&events("\"contact.creation\", \"‸"), &["deal.creation"], &[]);
    offers(&events("\"contact.creation\" -> ‸"), &["sync", "event", "ignore"], &[]);
    offers(&events("\"contact.creation\" -> sync ‸"), &["Contacts"], &[]);
    offers(&events("verify ‸"), &["hubspot"], &["hmac_sha256"]);
    offers("system crm {\n  schema \"‸\"\n}\n", &["schemas/crm.lock"], &[]);
    offers("choice C for crm.Deal.dealstage {\n  won \"Won\" in crm \"‸\"\n}\n", &["closedwon", "contractsent"], &[]);
}

#[test]
fn a_row_far_down_is_understood_as_the_second() {
    let rows = "  free | 1\n  # the same again\n\n".repeat(200);
    let table = |row: &str| format!("table T by app.Subscription.plan {{\n  # first\n  plan | n\n{rows}  {row}\n}}\n");
    offers(&table("‸"), &["starter", "pro"], &["closedwon"]);
    assert_eq!(labels("table T by app.Subscription.plan {\n  # first\n  ‸\n}\n"), Vec::<String>::new());
    let rows = "  a \"A\" in crm \"b\"\n".repeat(200);
    offers(&format!("choice C for crm.Deal.dealstage {{\n{rows}  b \"B\" in crm \"‸\n}}\n"), &["contractsent"], &[]);
    offers(&format!("choice C for crm.Deal.dealstage {{\n{rows}  b \"B\" ‸\n}}\n"), &["in", "final"], &[]);
}

#[test]
fn a_completion_takes_the_place_of_the_word_that_is_begun() {
    let (project, file, offset) = at("new.rules", &in_fields("subscription.pl‸an -> jobtitle"));
    let found = complete(&project, file, offset);
    let plan = found.iter().find(|found| found.label == "plan").expect("it is offered");
    assert_eq!((plan.replace.start, plan.replace.end), (offset - 2, offset));
    assert_eq!(plan.detail, "enum");
    let (project, file, offset) = at("new.rules", &in_when("to closedwon { send email \"first-log‸in\" }"));
    let found = complete(&project, file, offset);
    let nudge = found.iter().find(|found| found.label == "first-login-nudge").expect("it is offered");
    assert_eq!((nudge.replace.start, nudge.replace.end), (offset - 9, offset), "behind a dash the text goes on");
    let kinds = complete(&project, file, offset).into_iter().map(|found| found.insert).collect::<Vec<_>>();
    assert!(kinds.contains(&"welcome".to_owned()));
    let (project, file, offset) = at("new.rules", "when app.Activity is created as a {\n  only where a.kind = ‸\n}\n");
    let found = complete(&project, file, offset);
    let login = found.iter().find(|found| found.label == "Feature usage").expect("it is offered");
    assert_eq!(login.insert, "\"Feature usage\"", "an option that is no word is quoted");
}

/// The line, from 1, on which a text of a shipped file first stands.
fn line_of(path: &str, text: &str) -> usize {
    let (files, locks) = shipped();
    let found = files.iter().find(|(name, _)| name == path).map(|(_, text)| text).or_else(|| locks.get(path));
    let whole = found.expect("a shipped file");
    let at = whole.find(text).unwrap_or_else(|| panic!("{path} has no `{text}`"));
    whole[..at].matches('\n').count() + 1
}

/// The cursor's name leads to `name` on the line of a shipped file on which `line` first stands.
#[track_caller]
fn leads_to(text: &str, path: &str, line: &str, name: &str) {
    assert_eq!(leads(text), Some((path.to_owned(), line_of(path, line), name.to_owned())));
}

#[test]
fn a_name_leads_to_the_line_of_the_lock_or_the_rules() {
    const APP: &str = "schemas/app.lock";
    leads_to(&in_fields("pho‸ne <-> phone"), APP, "phone:", "phone");
    leads_to(&in_fields("subscription.pl‸an -> jobtitle"), APP, "plan:", "plan");
    leads_to(&in_fields("subscr‸iption.plan -> jobtitle"), APP, "subscription:", "subscription");
    leads_to(&in_fields("phone <-> phone‸"), "schemas/crm.lock", "phone:", "phone");
    leads_to("sync N from app.Us‸er to crm.Contact {}", APP, "User:", "User");
    leads_to("sync N from ap‸p.User to crm.Contact {}", "systems.rules", "system app", "app");
    leads_to(&in_fields("link subscription -> company via Cont‸acts"), "contacts.rules", "sync Contacts", "Contacts");
    leads_to(&in_when("to closed‸won { nothing }"), "words.rules", "closedwon", "closedwon");
    let start = in_when("to closedwon { start Onb‸oarding with deal }");
    leads_to(&start, "onboarding.rules", "workflow Onboarding", "Onboarding");
    let set = in_when("to closedwon { set de‸al.amount = 3 }");
    assert_eq!(leads(&set), Some(("new.rules".to_owned(), 1, "deal".to_owned())));
    let call = in_when("to closedwon { call app.cancel‸Subscription { } }");
    leads_to(&call, APP, "cancelSubscription:", "cancelSubscription");
    leads_to(&in_when("to closedwon { call app.cancelSubscription { rea‸son = \"x\" } }"), APP, "reason:", "reason");
    leads_to(&in_when("to closedwon { send email \"wel‸come\" to \"x\" }"), "schemas/mail.lock", "welcome", "welcome");
    let step = "test \"t\" {\n  expect step Onboarding.wel‸come done\n}";
    leads_to(step, "onboarding.rules", "step welcome", "welcome");
    let cell = in_fields("PlanFacts[subscription.plan].prob‸ability -> jobtitle");
    leads_to(&cell, "words.rules", "| probability", "probability");
    let table = in_fields("Plan‸Facts[subscription.plan].probability -> jobtitle");
    leads_to(&table, "words.rules", "table PlanFacts", "PlanFacts");
    let merge = "events from crm over webhook {\n  \"deal.mer‸ge\" -> ignore\n}";
    leads_to(merge, "schemas/crm.lock", "deal.merge:", "deal.merge");
    leads_to(
        &in_fields("phone -> phone as owner_‸id else keep"),
        "schemas/crm.lock",
        "owner_id:    { entity",
        "owner_id",
    );
    let entity = "entity app.Pet {\n  name: text\n}\nwhen app.Pet changes na‸me as p {\n}\n";
    assert_eq!(leads(entity), Some(("new.rules".to_owned(), 2, "name".to_owned())));
    assert_eq!(leads(&in_fields("pho‸n <-> phone")), None);
}

#[test]
fn a_hover_tells_type_origin_owner_and_delivery() {
    let text = shown(&in_fields("pho‸ne <-> phone"));
    assert!(text.contains("**app.User.phone**: text, may be empty"), "{text}");
    assert!(
        text.contains(&format!("`schemas/app.lock:{}`, pulled 2026-11-20", line_of("schemas/app.lock", "phone:"))),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "- `sync Contacts`: both ways, crm wins (contacts.rules:{})",
            line_of("contacts.rules", "phone ")
        )),
        "{text}"
    );
    assert!(text.contains("delivery: **at least once**"), "{text}");
    let text = shown(&in_when("to closedwon { set deal.deal‸stage = proposal }"));
    assert!(text.contains("takes the words of `DealStage`: appointment"), "{text}");
    assert!(text.contains("no row spells: contractsent"), "{text}");
    let made = line_of("deals.rules", "dealstage         = qualification");
    let says = format!("`when app.Subscription is created as sub`: in a new record (deals.rules:{made})");
    assert!(text.contains(&says), "{text}");
    assert!(text.contains("`when crm.Deal changes dealstage as deal`: sets it (new.rules:2)"), "{text}");
    let text = shown(&in_when("to closedwon { not‸ify role \"sales-manager\" \"x\" accept duplicates }"));
    assert!(text.contains("delivery: **may repeat**"), "{text}");
    let text = shown(&in_when("to closedwon { cre‸ate app.Account key subscriptionId = deal.id { } }"));
    assert!(text.contains("delivery: **once by key**"), "{text}");
    let text = shown(&in_when("to closedwon { call app.can‸celSubscription { subscriptionId = \"1\" } }"));
    assert!(text.contains("once by key") && text.contains("- takes `reason`: text, may be empty"), "{text}");
    let text = shown(&in_fields("phone -> phone as low‸ercase"));
    assert!(text.contains("may stand on a two-way line"), "{text}");
    let text = shown(&in_fields("link subscription -> company_record via Cont‸acts"));
    assert!(text.contains("a missing record is made **once by key**"), "{text}");
    assert!(shown(&in_sync("ru‸n on change")).contains("run every 1 hour in batches of 100"));
    assert!(shown(&in_fields("phone <‸-> phone")).contains("this line: both ways, without a policy"));
    let text = shown(&in_when("to closedwon { set de‸al.amount = 3 }"));
    assert!(text.contains("holds crm.Deal"), "{text}");
}

#[test]
fn a_hover_over_a_problem_begins_with_its_page() {
    let text = shown(&in_fields("phon‸ <-> phone"));
    assert!(text.starts_with("**E0101** the entity, event or operation has no such field"), "{text}");
}

/// The lines on which a word stands outside of texts and comments, one entry for each time.
fn lines_with(files: &[(String, String)], word: &str) -> Vec<String> {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            let code = line.split('#').next().unwrap_or("");
            for (at, _) in code.match_indices(word) {
                let whole = !letter(code[..at].chars().next_back()) && !letter(code[at + word.len()..].chars().next());
                if whole && code[..at].matches('"').count() % 2 == 0 {
                    found.push(format!("{path}:{}", number + 1));
                }
            }
        }
    }
    found
}

#[test]
fn uses_are_found_in_rules_and_tests() {
    let (files, locks) = shipped();
    let project = Project::new(&files, &locks, None, None);
    let places = |path: &str, name: &str| {
        let file = project.file(path).expect("a file");
        let offset = file.text.find(name).expect("the name") as u32;
        let found = references(&project, file.id, offset);
        found
            .iter()
            .map(|span| {
                let file = &project.files()[span.file.0 as usize];
                format!("{}:{}", file.path, file.position(span.start).0)
            })
            .collect::<Vec<_>>()
    };
    for (path, declared, name) in [
        ("onboarding.rules", "Onboarding with", "Onboarding"),
        ("words.rules", "PlanFacts", "PlanFacts"),
        ("contacts.rules", "Contacts between", "Contacts"),
    ] {
        let expected = lines_with(&files, name);
        assert!(expected.len() > 1, "{name} is used");
        assert_eq!(places(path, declared), expected);
    }
    // The variable and not the word of a choice, a text, or the same name elsewhere.
    let deals: Vec<(String, String)> = files.iter().filter(|(path, _)| path == "deals.rules").cloned().collect();
    assert_eq!(places("deals.rules", "won key"), lines_with(&deals, "won"));
}

#[test]
fn renaming_changes_every_use_and_refuses_what_would_break() {
    let (files, locks) = shipped();
    let project = Project::new(&files, &locks, None, None);
    let change = |path: &str, name: &str, new: &str| {
        let file = project.file(path).expect("a file");
        rename(&project, file.id, file.text.find(name).expect("the name") as u32, new)
    };
    let renaming = change("onboarding.rules", "Onboarding", "Welcome").expect("it can be renamed");
    assert!(renaming.warning.expect("runs are kept under the name").contains("`Onboarding`"));
    let edits = renaming.edits;
    assert_eq!(edits.len(), lines_with(&files, "Onboarding").len());
    let mut texts: Vec<String> = project.files().iter().map(|file| file.text.to_string()).collect();
    for (span, new) in edits.iter().rev() {
        texts[span.file.0 as usize].replace_range(span.start as usize..span.end as usize, new);
    }
    let renamed: Vec<(String, String)> =
        project.files().iter().zip(texts).map(|(file, text)| (file.path.clone(), text)).collect();
    assert_eq!(Project::new(&renamed, &locks, None, None).problems(), []);
    assert!(change("onboarding.rules", "Onboarding", "Deals").expect_err("taken").contains("already"));
    assert!(change("onboarding.rules", "Onboarding", "where").expect_err("reserved").contains("no name"));
    assert!(change("contacts.rules", "firstName", "first").expect_err("a field").contains("of the system"));
    assert!(change("words.rules", "closedwon", "won").expect_err("a word").contains("by hand"));
    assert_eq!(change("words.rules", "PlanFacts", "Facts").expect("it can be renamed").warning, None);
    let clash = change("deals.rules", "won key", "deal").expect_err("two variables of one name");
    assert!(!clash.is_empty());
}

#[test]
fn an_outline_holds_items_and_what_stands_in_them_though_one_is_broken() {
    let text = "sync Contacts2 betwen app.User {\n}\n\nworkflow W with s: app.Subscription {\n  step one {\n    set s.dealId = \"1\"\n  }\n  wait 3 days\n}\n‸";
    let (project, file, _) = at("new.rules", text);
    let found = symbols(&project, file);
    let names: Vec<&str> = found.iter().map(|symbol| symbol.name.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names[1], "W");
    let children: Vec<&str> = found[1].children.iter().map(|symbol| symbol.name.as_str()).collect();
    assert_eq!(children, ["one", "wait 3 days"]);
    let project = &SHIPPED;
    for file in project.files() {
        for symbol in symbols(project, file.id) {
            for inner in std::iter::once(&symbol).chain(&symbol.children) {
                assert!(
                    inner.span.start <= inner.name_span.start && inner.name_span.end <= inner.span.end,
                    "{inner:?}"
                );
                assert!(symbol.span.start <= inner.span.start && inner.span.end <= symbol.span.end, "{inner:?}");
            }
        }
    }
}

#[test]
fn what_did_not_change_is_kept_and_the_problems_are_the_same() {
    let (mut files, locks) = shipped();
    let first = Project::new(&files, &locks, None, None);
    let (_, text) = files.iter_mut().find(|(path, _)| path == "contacts.rules").expect("it is shipped");
    *text = text.replace("firstName", "firstNam");
    let kept = Project::new(&files, &locks, None, Some(&first));
    let fresh = Project::new(&files, &locks, None, None);
    assert_eq!(kept.problems(), fresh.problems());
    assert!(!kept.problems().is_empty());
}

#[test]
fn colours_tell_words_from_names_and_texts_from_what_is_filled_in() {
    let text = "sync S from app.User to crm.Contact {  # why\n  fields {\n    priority -> priority else \"a {at} \u{e9}\"\n    \"\"\"\n    x\n    \"\"\" -> b\n  }\n}\n‸";
    let (project, file, _) = at("new.rules", text);
    let found = highlight(&project, file);
    let of = |colour: Colour| {
        let spans = found.iter().filter(|(_, found)| *found == colour).map(|(span, _)| span);
        spans.map(|span| &text[span.start as usize..span.end as usize]).collect::<Vec<_>>()
    };
    assert_eq!(of(Colour::Comment), ["# why"]);
    // Behind its arrow, a word may be one.
    assert_eq!(of(Colour::Keyword), ["sync", "from", "to", "fields", "priority", "else", "at"]);
    assert_eq!(of(Colour::Name), ["S", "priority", "b"]);
    assert_eq!((of(Colour::System), of(Colour::Type)), (vec!["app", "crm"], vec!["User", "Contact"]));
    assert_eq!(of(Colour::Text), ["\"a {", "} \u{e9}\"", "\"\"\"", "    x", "    \"\"\""]);
    assert_eq!(of(Colour::Operator), ["->", "->"]);
}

proptest::proptest! {
    #![proptest_config(mutation::cases(24))]

    /// Whatever is written, every place is answered, and every answer lies inside of the text.
    #[test]
    fn any_text_and_any_place_are_answered(text in mutation::mutations(shipped().0)) {
        let (mut files, locks) = shipped();
        files.push(("mutated.rules".to_owned(), text.clone()));
        let project = Project::new(&files, &locks, None, Some(&SHIPPED));
        let file = project.file("mutated.rules").expect("it is there").id;
        let inside = |start: u32, end: u32| start <= end && text.get(start as usize..end as usize).is_some();
        for offset in (0..=text.len() as u32 + 2).step_by(7) {
            for found in complete(&project, file, offset).iter().take(3) {
                proptest::prop_assert!(inside(found.replace.start, found.replace.end), "{found:?} at {offset}");
            }
            if let Some(hover) = hover(&project, file, offset) {
                proptest::prop_assert!(inside(hover.span.start, hover.span.end), "{hover:?} at {offset}");
            }
            if let Some(place) = definition(&project, file, offset) {
                let source = project.file(&place.path).or_else(|| project.lock(&place.path)).expect("a known file");
                let named = source.text.get(place.start as usize..place.end as usize);
                proptest::prop_assert!(named.is_some(), "{place:?} at {offset}");
            }
        }
        let mut end = 0;
        for (span, _) in highlight(&project, file) {
            proptest::prop_assert!(end <= span.start && inside(span.start, span.end), "{span:?}");
            proptest::prop_assert!(!text[span.start as usize..span.end as usize].contains('\n'), "{span:?}");
            end = span.end;
        }
        for symbol in symbols(&project, file) {
            proptest::prop_assert!(inside(symbol.span.start, symbol.span.end), "{symbol:?}");
        }
    }
}
