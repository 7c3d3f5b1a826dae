//! Messages that come again, and in the wrong order.

use super::{ARRIVAL_TIMEOUT_SECONDS, Cast, begin, end};
use crate::cli::demo::Failed;
use crate::cli::demo::report::Report;
use crate::cli::demo::stage::Stage;

/// How often each message comes.
const TIMES: u32 = 5;

pub(super) async fn repeated(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "the same webhook five times",
        "A contact is entered in HubSpot, and HubSpot sends every message about it five times, shuffled.",
    );
    let (users, contacts) = (stage.app().count("User"), stage.crm().records("Contact").count());
    stage.crm().repeat_deliveries(TIMES - 1);
    stage.make_in_crm(
        "Contact",
        &[("email", "walkin@example.com"), ("firstname", "Grace"), ("lastname", "Hopper"), ("company", "Navy Yard")],
    )?;
    stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| s.app().count("User") > users).await;
    stage.quiet(ARRIVAL_TIMEOUT_SECONDS).await?;
    stage.crm().repeat_deliveries(0);
    let made = stage.app().count("User") - users;
    let more = stage.crm().records("Contact").count() - contacts;
    end(stage, report, (made, more) == (1, 1), format!("{made} user in the app, {more} contact in HubSpot"));
    Ok(())
}

pub(super) async fn backwards(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "webhooks in the wrong order",
        "A phone number is corrected twice in HubSpot; the message about the second one comes first, and all come five \
         times.",
    );
    let (older, newer) = ("+442079463331", "+442079463332");
    stage.crm().hold_deliveries();
    stage.edit_contact(cast, 80, &[("phone", older)])?;
    stage.edit_contact(cast, 80, &[("phone", newer)])?;
    let before = changes(stage);
    let now = stage.now();
    stage.crm().deliver_backwards(TIMES, now);
    stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| s.user(cast, 80, "phone") == newer).await;
    stage.quiet(ARRIVAL_TIMEOUT_SECONDS).await?;
    let (phone, times) = (stage.user(cast, 80, "phone"), changes(stage) - before);
    let in_crm = stage.contact(cast, 80, "phone");
    let ok = phone == newer && in_crm == newer && times == 1;
    let detail = format!(
        "the app has {phone}, HubSpot has {in_crm}; the number in the app was changed {}",
        if times == 1 { "once".to_owned() } else { format!("{times} times") }
    );
    end(stage, report, ok, detail);
    Ok(())
}

/// Changes of records in the app so far; nobody else changes anything meanwhile.
fn changes(stage: &Stage) -> u64 {
    stage.app().calls().updated
}
