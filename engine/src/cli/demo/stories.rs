//! The stories, in the order in which a day would bring them.

mod account;
mod crash;
mod customers;
mod deals;
mod ending;
mod schedules;
mod service;
mod storm;
mod webhooks;

use std::time::Duration;

use dsl::schema::EntityName;
use dsl::value::Value;

use super::Failed;
use super::report::Report;
use super::stage::Stage;

/// How many customers there are from the beginning.
const USERS: usize = 500;
/// The longest that something may take to arrive, in seconds. Whether it is quick enough is another question.
const ARRIVAL_TIMEOUT_SECONDS: u64 = 15;

/// Who plays: customers by number, as the two systems know them.
#[derive(Debug, Default)]
struct Cast {
    users: Vec<String>,
    contacts: Vec<u64>,
}

/// Tells them all.
pub(super) async fn tell(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say(
        "A day between an app and HubSpot, played on this machine. The two are stand-ins that behave like the real ones;\n\
         the engine between them is the real one, with the rules that it ships with. Nothing leaves this machine.",
    );
    let mut cast = Cast::default();
    account::tell(stage, report).await?;
    customers::sign_up(stage, report, &mut cast).await?;
    customers::phones(stage, report, &cast).await?;
    customers::names(stage, report, &cast).await?;
    customers::different_fields(stage, report, &cast).await?;
    customers::same_field(stage, report, &cast).await?;
    deals::tell(stage, report, &cast).await?;
    service::tell(stage, report, &cast).await?;
    schedules::tell(stage, report, &cast).await?;
    webhooks::repeated(stage, report).await?;
    webhooks::backwards(stage, report, &cast).await?;
    crash::tell(stage, report, &cast).await?;
    storm::tell(stage, report, &cast).await?;
    ending::tell(stage, report).await
}

fn begin(stage: &Stage, report: &mut Report, name: &'static str, intro: &str) {
    report.telling = Some(name);
    stage.say(&format!("\n{intro}"));
}

fn end(stage: &Stage, report: &mut Report, ok: bool, detail: String) {
    stage.say(&format!("  {} {detail}", if ok { "✓" } else { "✗" }));
    report.end(ok, detail);
}

/// A time as people read it.
fn took(time: Duration) -> String {
    match time.as_millis() {
        short @ 0..1_000 => format!("{short} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

impl Stage {
    /// A field of a record as the rules read it; empty where there is none.
    pub(super) fn read(&self, system: &str, entity: &str, id: &str, field: &str) -> Value {
        let none = std::collections::BTreeMap::new();
        let record = (EntityName::new(system, entity), id.to_owned());
        self.view(&none).value(&record, field).unwrap_or_default()
    }

    fn user(&self, cast: &Cast, n: usize, field: &str) -> String {
        self.read("app", "User", &cast.users[n], field).to_string()
    }

    fn contact(&self, cast: &Cast, n: usize, field: &str) -> String {
        self.read("crm", "Contact", &cast.contacts[n].to_string(), field).to_string()
    }

    fn edit_user(&mut self, cast: &Cast, n: usize, values: serde_json::Value) -> Result<(), Failed> {
        self.edit_in_app("User", &cast.users[n], values)
    }

    fn edit_contact(&mut self, cast: &Cast, n: usize, values: &[(&str, &str)]) -> Result<(), Failed> {
        self.edit_in_crm("Contact", cast.contacts[n], values)
    }
}
