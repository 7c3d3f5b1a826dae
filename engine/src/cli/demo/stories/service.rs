//! Tickets and notes.

use serde_json::{Value as Json, json};

use super::{ARRIVAL_TIMEOUT_SECONDS, Cast, begin, end};
use crate::cli::demo::Failed;
use crate::cli::demo::report::Report;
use crate::cli::demo::stage::Stage;

pub(super) async fn tell(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "a ticket and a note",
        "Two tickets and a note are written in HubSpot; the app shows them, in its own words. A note goes the other way.",
    );
    let [urgent, plain] =
        [("The strap broke", "1", "HIGH"), ("How do I export?", "3", "")].map(|(subject, stage, priority)| {
            [
                ("subject", subject),
                ("content", "Please help"),
                ("hs_pipeline", "0"),
                ("hs_pipeline_stage", stage),
                ("hs_ticket_priority", priority),
            ]
        });
    for (ticket, customer) in [(urgent, 60), (plain, 61)] {
        let given: Vec<(&str, &str)> = ticket.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let id = stage.make_in_crm("Ticket", &given)?;
        stage.put_contact("Ticket", id, cast.contacts[customer]);
    }
    let values = [("hs_note_body", "Called: wants a new strap"), ("hs_timestamp", "2026-03-02T09:00:00.000Z")];
    let note = stage.make_in_crm("Note", &values)?;
    stage.put_contact("Note", note, cast.contacts[60]);
    stage.make_in_app("Note", json!({"user": {"id": cast.users[62]}, "body": "Asked for a training plan"}))?;

    let ticket = |s: &Stage, title: &str, user: usize| {
        let ticket = s.app().find("SupportTicket", "title", title).map(|record| json!(record)).unwrap_or_default();
        let own = ticket["user"]["id"] == cast.users[user].as_str();
        let word = |name: &str| match &ticket[name] {
            Json::String(word) => word.clone(),
            _ => "none".to_owned(),
        };
        (word("status"), word("priority"), own)
    };
    let tickets = |s: &Stage| [ticket(s, "The strap broke", 60), ticket(s, "How do I export?", 61)];
    // `1`, `3` and `HIGH` in the words that the shipped choices have for them in the app.
    let wanted = [("new", "high"), ("waiting_on_us", "none")].map(|(s, p)| (s.to_owned(), p.to_owned(), true));
    let notes = |s: &Stage| {
        let in_app =
            s.app().find("Note", "body", values[0].1).and_then(|r| r["user"]["id"].as_str().map(str::to_owned));
        let in_crm = s.crm().find("Note", "hs_note_body", "Asked for a training plan").map(|note| note.id);
        let contact = in_crm.map(|note| s.crm().linked("Note", note, "Contact"));
        (in_app.as_ref() == Some(&cast.users[60]), contact == Some(vec![cast.contacts[62]]))
    };
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| tickets(s) == wanted && notes(s) == (true, true)).await;
    let detail = if ok {
        "2 tickets in the app: one is `new` and `high`, one `waiting_on_us` without a priority; both notes are on the \
         other side; each is on its customer"
            .to_owned()
    } else {
        let [urgent, plain] = tickets(stage).map(|(status, priority, own)| format!("{status}, {priority}, own: {own}"));
        let (in_app, in_crm) = notes(stage);
        format!("tickets in the app: {urgent}; {plain}. Note in the app: {in_app}, in HubSpot: {in_crm}")
    };
    end(stage, report, ok, detail);
    Ok(())
}
