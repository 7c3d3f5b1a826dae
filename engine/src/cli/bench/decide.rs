//! `decide`: changes of contacts from the app's message to the echo that HubSpot sends of them, in memory.
//!
//! The shipped rules, the real decisions over a ledger in memory, the real connectors over twins in the same process:
//! everything but the network and the disk. The floor is what the same messages and requests cost without an engine
//! between them.

use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use connectors::port::{Answer, Input, Request, Verb};
use dsl::value::{Duration, Timestamp};
use futures_util::FutureExt;
use sandbox::app::App;
use sandbox::hubspot::HubSpot;
use serde_json::json;

use super::{Job, Report, Settings, median, rounded};
use crate::rehearse::Simulation;
use crate::rules::Texts;

pub(super) const JOB: Job =
    Job { name: "decide", about: "changed contacts, from the app's message to HubSpot's echo, in memory", run };

/// Contacts that change in each round: two full batches.
const CONTACTS: u32 = 200;

/// When it begins: a Monday morning.
const START: Timestamp = Timestamp(1_772_442_000_000);

fn run(settings: &Settings) -> Result<Report, String> {
    let time = settings.time;
    let mut bench = Bench::new()?;
    let (mut engine, mut floor) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    for round in 0_u32.. {
        engine.push(bench.round(2 * round)?);
        floor.push(bench.exchanges(2 * round + 1)?);
        if begin.elapsed() >= time {
            break;
        }
    }
    let [engine, floor] = [engine, floor].map(|times| median(times).as_secs_f64() / f64::from(CONTACTS));
    let mut report = Report::default();
    report.figure("us_per_change", rounded(engine * 1e6));
    report.figure("changes_per_second", (1.0 / engine).round());
    report.figure("ratio", rounded(engine / floor));
    report.floor.insert("us_per_change".to_owned(), rounded(floor * 1e6).into());
    let shown = |seconds: f64| format!("{:.1} µs", seconds * 1e6);
    report.line("a change", shown(engine), format!("{:.0} a second, twins included", 1.0 / engine));
    report.line("floor: exchanges", shown(floor), "the same messages and requests without an engine");
    report.line("ratio", format!("{:.2}", engine / floor), "to the floor");
    Ok(report)
}

/// A simulation in which all contacts are in step.
struct Bench {
    simulation: Simulation,
    users: Vec<String>,
    contacts: Vec<String>,
}

impl Bench {
    fn new() -> Result<Self, String> {
        let texts = Texts::shipped();
        let program = texts.compile(None).program.ok_or("the shipped rules have an error")?;
        let simulation = Simulation::new(Arc::new(program), START).map_err(|error| error.to_string())?;
        let mut bench = Self { simulation, users: Vec::new(), contacts: Vec::new() };
        for number in 0..CONTACTS {
            let user = json!({
                "email": format!("person{number}@example.com"), "firstName": "Ada", "lastName": format!("Nr {number}"),
                "phone": phone(number, 0), "company": "Analytical Engines Ltd", "jobTitle": "Head of Research",
                "lifetimeValue": "4820.50", "healthScore": 87,
            });
            let now = bench.simulation.now();
            let user = bench.app().create("User", user, now).map_err(|refused| format!("{refused:?}"))?;
            bench.users.push(user);
        }
        bench.rest()?;
        for number in 0..CONTACTS {
            let email = format!("person{number}@example.com");
            let contact = bench.crm().find("Contact", "email", &email).map(|contact| contact.id.to_string());
            bench.contacts.push(contact.ok_or_else(|| format!("{email} is no contact"))?);
        }
        Ok(bench)
    }

    /// Every customer gets another phone in the app.
    fn change_phones(&self, round: u32) -> Result<(), String> {
        let (mut app, now) = (self.app(), self.simulation.now());
        for (number, user) in (0..).zip(&self.users) {
            let values = json!({"phone": phone(number, round + 1)});
            app.edit("User", user, values, now).map_err(|refused| format!("{refused:?}"))?;
        }
        Ok(())
    }

    /// With new phones in the app: how long until they are in HubSpot and nothing is left to do?
    fn round(&mut self, round: u32) -> Result<std::time::Duration, String> {
        self.change_phones(round)?;
        let start = Instant::now();
        self.simulation.come_to_rest(Duration::seconds(1)).map_err(|error| error.to_string())?;
        let took = start.elapsed();
        let last = self.crm().find("Contact", "email", "person7@example.com").cloned();
        let held = last.and_then(|contact| contact.properties.get("phone").cloned());
        if held != Some(phone(7, round + 1)) {
            return Err(format!("the contact holds {held:?}"));
        }
        // Its limits are not what is measured.
        self.rest()?;
        Ok(took)
    }

    /// The same, by hand: messages are read, requests made, echoes read.
    fn exchanges(&mut self, round: u32) -> Result<std::time::Duration, String> {
        self.change_phones(round)?;
        let connector =
            |name: &str| self.simulation.connector(name).ok_or_else(|| format!("there is no system {name}"));
        let (app, crm) = (connector("app")?, connector("crm")?);
        let messages = self.app().outgoing();
        let start = Instant::now();
        for message in &messages {
            app.read(&message.body).map_err(|error| error.to_string())?;
        }
        for batch in (0..CONTACTS).collect::<Vec<_>>().chunks(100) {
            let input = |number: &u32| Input {
                key: format!("floor-{round}-{number}"),
                id: self.contacts.get(*number as usize).cloned(),
                values: [("phone".to_owned(), phone(*number, round + 1).into())].into(),
                ..Input::default()
            };
            let verb = Verb::Update { entity: "Contact".to_owned() };
            let request = Request { verb, inputs: batch.iter().map(input).collect() };
            let answers = crm.perform(&request).now_or_never().unwrap_or_default();
            let taken = answers.iter().filter(|answer| matches!(answer, Answer::Record(_))).count();
            if taken < batch.len() {
                return Err(format!("HubSpot says {:?}", answers.first()));
            }
        }
        loop {
            // The twin must not be held while the clock moves on.
            let due = self.crm().next_due();
            let Some(due) = due else { break };
            self.simulation.set_clock(due);
            let now = self.simulation.now();
            let deliveries = self.crm().due(now);
            for delivery in deliveries {
                crm.read(delivery.request.body()).map_err(|error| error.to_string())?;
                self.crm().delivered(delivery.id, Some(200), now);
            }
        }
        let took = start.elapsed();
        self.rest()?;
        Ok(took)
    }

    /// Until nothing happens any more, and every limit has room again.
    fn rest(&mut self) -> Result<(), String> {
        self.simulation.pass(Duration::seconds(20)).map_err(|error| error.to_string())
    }

    fn app(&self) -> MutexGuard<'_, App> {
        self.simulation.app.lock().expect("a twin that panicked is not used")
    }

    fn crm(&self) -> MutexGuard<'_, HubSpot> {
        self.simulation.crm.lock().expect("a twin that panicked is not used")
    }
}

fn phone(number: u32, round: u32) -> String {
    format!("+44 20 {number:04} {round:04}")
}
