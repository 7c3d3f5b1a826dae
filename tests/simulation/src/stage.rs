//! Carries a history out in the simulation and collects what it leaves behind.
//!
//! Always true: people act on what they see: whoever edits, deletes or merges something that is not there, or does what
//! the system refuses, does nothing. Every history ends in calm: nothing more is on its way, and every retry has had its
//! time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dsl::program::Program;
use dsl::schema::{EntityName, Type};
use dsl::value::{Duration, Timestamp};
use engine::testing::decide::{Input, OperatorCommand, Settings, stuck, views};
use engine::testing::rehearse::Simulation;
use serde_json::{Map, Value as Json, json};

use crate::evidence::{Change, Evidence, Incident, Line, Pair, Record, Sent, What, Who};
use crate::history::{Deed, Entity, Expected, History, Step};
use crate::mirror::Twins;
use crate::sky::{Shared, Sky, open};

/// 2 March 2026, 09:00 UTC.
const START: Timestamp = Timestamp(1_772_442_000_000);

/// How long it takes until the last retry of anything has had its time.
const CALM: Duration = Duration(3 * 3_600_000);

/// How long it is watched that nothing happens any more.
const QUIET: Duration = Duration(3_600_000);

/// Rule sets that were compiled, by name.
#[derive(Default)]
pub struct Sets(BTreeMap<String, Arc<Program>>);

impl Sets {
    /// A rule set by its name.
    ///
    /// # Errors
    /// Where there is no such set.
    pub fn get(&mut self, name: &str) -> Result<Arc<Program>, String> {
        if let Some(program) = self.0.get(name) {
            return Ok(Arc::clone(program));
        }
        let program = crate::rules::program(name)?;
        self.0.insert(name.to_owned(), Arc::clone(&program));
        Ok(program)
    }
}

/// Carries a history out.
///
/// # Errors
/// Where the rule set is not known, or the engine fails.
pub fn run(history: &History, sets: &mut Sets) -> Result<Evidence, String> {
    let mut stage = Stage::new(history, sets)?;
    for step in &history.steps {
        stage.step(step, sets)?;
    }
    stage.end()
}

/// Names of things, by entity: the field that begins with it.
fn tag_field(entity: &EntityName) -> Option<&'static str> {
    Some(match (entity.system.as_str(), entity.entity.as_str()) {
        ("app", "User") => "lastName",
        ("crm", "Contact") => "lastname",
        ("app", "Deal") => "name",
        ("crm", "Deal") => "dealname",
        ("app", "Note") => "body",
        ("crm", "Note") => "hs_note_body",
        ("crm", "Ticket") => "subject",
        ("app", "SupportTicket") => "title",
        ("app" | "crm", "Company") => "name",
        _ => return None,
    })
}

/// The thing that a text names: `P1b` is `p1`.
fn thing_of(text: &str) -> Option<String> {
    let rest = text.strip_prefix(['P', 'D', 'N', 'T', 'C'])?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| text[..=digits].to_lowercase())
}

/// A history under way.
struct Stage {
    simulation: Simulation,
    program: Arc<Program>,
    twins: Twins,
    shared: Arc<Mutex<Shared>>,
    /// Ids by thing and entity.
    things: BTreeMap<(String, EntityName), String>,
    /// The thing that a record is.
    names: BTreeMap<Record, String>,
    /// What has been looked at of the changes.
    seen: usize,
    erased: Vec<Record>,
    expected: Vec<Expected>,
    crashes: usize,
    reloaded: bool,
    ahead: BTreeMap<String, Duration>,
}

impl Stage {
    fn new(history: &History, sets: &mut Sets) -> Result<Self, String> {
        let program = sets.get(&history.rules)?;
        // People do not wait for a day until an hourly listing finds what they did.
        let settings = Settings::default();
        let mut simulation =
            Simulation::with(Arc::clone(&program), START, settings).map_err(|error| error.to_string())?;
        let twins = Twins { app: Arc::clone(&simulation.app), crm: Arc::clone(&simulation.crm) };
        let shared = Arc::new(Mutex::new(Shared::new(&program)));
        let ahead: BTreeMap<String, Duration> = history.clocks.iter().cloned().collect();
        for (id, email) in [("101", "emea-sales@example.com"), ("102", "sales-desk@example.com")] {
            twins.crm.lock().expect("a sound twin").owner(id, email);
        }
        simulation.set_conditions(Sky::new(Arc::clone(&shared), Arc::clone(&program), twins.clone(), ahead.clone()));
        Ok(Self {
            simulation,
            program,
            twins,
            shared,
            things: BTreeMap::new(),
            names: BTreeMap::new(),
            seen: 0,
            erased: Vec::new(),
            expected: Vec::new(),
            crashes: 0,
            reloaded: false,
            ahead,
        })
    }

    fn step(&mut self, step: &Step, sets: &mut Sets) -> Result<(), String> {
        let told = |error: engine::testing::shell::Error| error.to_string();
        match step {
            Step::Person(entity, thing, deed) => self.person(entity, thing, deed),
            Step::Pass(span) => self.simulation.pass(*span).map_err(told)?,
            Step::Request(wanted, fate) => open(&self.shared).fate(wanted, fate),
            Step::Message(wanted, delay) => open(&self.shared).delay(wanted, delay),
            Step::Automation(automation) => open(&self.shared).automation(automation),
            Step::EventIdsCollide => self.twins.crm.lock().expect("a sound twin").collide_event_ids(1),
            Step::Crash(rounds) => {
                self.crashes += 1;
                self.simulation.crash_before_round(rounds + 1);
            }
            Step::Reload(name) => {
                self.program = sets.get(name)?;
                self.reloaded = true;
                self.simulation.activate(Arc::clone(&self.program)).map_err(told)?;
            }
            Step::Backfill(sync) => {
                let command = OperatorCommand::Backfill { sync: sync.clone() };
                let input = Input::Operator { who: "an operator".to_owned(), command };
                self.simulation.input(&input).map_err(told)?;
            }
            Step::Resolve(system) => self.resolve(system.as_deref())?,
            Step::Option(entity, property, option, there) => {
                let named = EntityName::new(&entity.system, &entity.name);
                let option = self.spelled(&named, property, option);
                self.twins.crm.lock().expect("a sound twin").set_option(&entity.name, property, &option, *there);
            }
            Step::Expect(expected) => self.expected.push(expected.clone()),
        }
        self.name_new();
        Ok(())
    }

    /// An operator settles everything that people are shown of pairs.
    fn resolve(&mut self, system: Option<&str>) -> Result<(), String> {
        let shown = views::incidents(self.simulation.rows()).map_err(|error| error.to_string())?;
        let links = shown.iter().filter_map(|incident| incident.subject.strip_prefix("link l")?.parse().ok());
        for link in links.collect::<Vec<u64>>() {
            let command = match system {
                Some(system) => OperatorCommand::Take { link, system: system.to_owned() },
                None => OperatorCommand::RetryLink { link },
            };
            let input = Input::Operator { who: "an operator".to_owned(), command };
            self.simulation.input(&input).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The id of a thing in a system, under the name that the entity has there.
    fn id(&self, entity: &EntityName, thing: &str) -> Option<String> {
        self.things.get(&(thing.to_owned(), entity.clone())).cloned()
    }

    fn person(&mut self, entity: &Entity, thing: &str, deed: &Deed) {
        // Whatever the engine did until now is not this person's.
        let entity = EntityName::new(&entity.system, &entity.name);
        let at = self.simulation.now();
        let now = self.simulation.time_of(&entity.system);
        let id = self.id(&entity, thing);
        if let (Some(id), Deed::Set(field, _)) = (&id, deed)
            && tag_field(&entity) == Some(field)
            && self.names.get(&(entity.clone(), id.clone())).is_some_and(|name| name != thing)
        {
            // After a merge it is known by the name of the other one.
            return;
        }
        match (entity.system.as_str(), deed) {
            (_, Deed::Make(values)) => self.make(&entity, thing, values, now),
            ("app", Deed::Set(field, value)) => {
                if let Some(id) = id
                    && let Some(values) = self.members(&entity, &[(field.clone(), value.clone())])
                {
                    let _ = self.twins.app.lock().expect("a sound twin").edit(
                        &entity.entity,
                        &id,
                        Json::Object(values),
                        now,
                    );
                }
            }
            ("crm", Deed::Set(field, value)) => {
                if let Some(id) = id.and_then(|id| id.parse().ok()) {
                    self.set_in_crm(&entity, id, field, value.as_deref(), now);
                }
            }
            ("app", Deed::Delete) => {
                if let Some(id) = id {
                    let _ = self.twins.app.lock().expect("a sound twin").delete(&entity.entity, &id, now);
                }
            }
            ("app", Deed::LogIn) => {
                if let Some(id) = id {
                    let _ = self.twins.app.lock().expect("a sound twin").login(&id, now);
                }
            }
            ("crm", Deed::Delete) => {
                if let Some(id) = id.and_then(|id| id.parse().ok()) {
                    self.twins.crm.lock().expect("a sound twin").archive(&entity.entity, id, now);
                }
            }
            ("crm", Deed::Restore) => {
                if let Some(id) = id.and_then(|id| id.parse().ok()) {
                    let _ = self.twins.crm.lock().expect("a sound twin").restore(&entity.entity, id, now);
                }
            }
            ("crm", Deed::Erase) => self.erase(&entity, id, at, now),
            ("crm", Deed::MergeInto(other)) => self.merge(&entity, id, other, at, now),
            _ => {}
        }
        let mut shared = open(&self.shared);
        let new = shared.look(&self.twins, Who::Person, at);
        let sets_links = matches!(deed, Deed::Make(_) | Deed::Set(..)) || entity.system == "app";
        for change in shared.changes[new].iter_mut().filter(|_| !sets_links) {
            if matches!(change.what, What::Link(..)) {
                change.who = Who::Nobody;
            }
        }
    }

    fn set_in_crm(&mut self, entity: &EntityName, id: u64, field: &str, value: Option<&str>, now: Timestamp) {
        let link = self.program.entity(entity).and_then(|entity| entity.links.get(field)).map(|link| link.to.clone());
        let Some(to) = link else {
            let value = self.spelled(entity, field, value.unwrap_or_default());
            let mut crm = self.twins.crm.lock().expect("a sound twin");
            // Nobody edits what is in the recycle bin.
            if crm.record(&entity.entity, id).is_some() {
                let _ = crm.edit(&entity.entity, id, &[(field, &value)], now);
            }
            return;
        };
        let target =
            value.and_then(|thing| self.id(&EntityName::new("crm", &to), thing)).and_then(|id| id.parse().ok());
        let mut crm = self.twins.crm.lock().expect("a sound twin");
        if crm.record(&entity.entity, id).is_none() || (value.is_some() && target.is_none()) {
            return;
        }
        // A person takes the old one away and puts the new one in its place.
        for old in crm.linked(&entity.entity, id, &to) {
            if Some(old) != target {
                crm.unlink(&entity.entity, id, &to, old, now);
            }
        }
        if let Some(target) = target.filter(|target| crm.record(&to, *target).is_some()) {
            crm.link(&entity.entity, id, &to, target, now);
        }
    }

    fn erase(&mut self, entity: &EntityName, id: Option<String>, at: Timestamp, now: Timestamp) {
        let Some(id) = id else { return };
        let Ok(number) = id.parse() else { return };
        let record = (entity.clone(), id);
        let mut crm = self.twins.crm.lock().expect("a sound twin");
        if entity.entity != "Contact" || crm.record(&entity.entity, number).is_none() {
            return;
        }
        crm.privacy_delete(number, now);
        drop(crm);
        let mut shared = open(&self.shared);
        shared.mirror.forget(&record);
        shared.changes.push(Change { at, who: Who::Person, record: record.clone(), what: What::Erased });
        self.erased.push(record);
    }

    fn merge(&mut self, entity: &EntityName, id: Option<String>, other: &str, at: Timestamp, now: Timestamp) {
        // `id` gives way to `other`, which is the primary one.
        let (Some(gone), Some(primary)) = (id, self.id(entity, other)) else { return };
        let (Ok(from), Ok(to)) = (gone.parse(), primary.parse()) else { return };
        let mut crm = self.twins.crm.lock().expect("a sound twin");
        if crm.record(&entity.entity, from).is_none() || crm.record(&entity.entity, to).is_none() {
            return;
        }
        let Ok(new) = crm.merge(&entity.entity, to, from, now) else { return };
        drop(crm);
        let (gone, primary, new) =
            ((entity.clone(), gone), (entity.clone(), primary), (entity.clone(), new.to_string()));
        let mut shared = open(&self.shared);
        for (record, is_primary) in [(&primary, true), (&gone, false)] {
            let what = What::Merged { into: new.1.clone(), primary: is_primary };
            shared.changes.push(Change { at, who: Who::Person, record: record.clone(), what });
        }
        shared.mirror.moved(&primary, &new);
        shared.mirror.forget(&gone);
        for id in self.things.values_mut().filter(|id| **id == gone.1 || **id == primary.1) {
            id.clone_from(&new.1);
        }
        if let Some(name) = self.names.get(&primary).cloned() {
            self.names.insert(new, name);
        }
    }

    fn make(&mut self, entity: &EntityName, thing: &str, given: &[(String, String)], now: Timestamp) {
        if self.id(entity, thing).is_some() {
            return;
        }
        let mut values: BTreeMap<String, Option<String>> =
            given.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        // What a system requires is filled in, so that a history names only what it is about; `empty` leaves it out.
        let tag = thing.to_uppercase();
        let mut fill = |name: &str, value: &str| {
            values.entry(name.to_owned()).or_insert_with(|| Some(value.to_owned()));
        };
        if let Some(field) = tag_field(entity) {
            fill(field, &tag);
        }
        match (entity.system.as_str(), entity.entity.as_str()) {
            ("app", "User") => {
                fill("email", &format!("{thing}@example.com"));
                fill("firstName", "Ada");
                fill("lifetimeValue", "0");
            }
            ("crm", "Contact") => {
                fill("email", &format!("{thing}@example.com"));
                fill("firstname", "Ada");
            }
            ("app", "Deal") => fill("stage", "proposal"),
            ("crm", "Deal") => fill("dealstage", "proposal"),
            ("app", "Subscription") => {
                for (name, value) in [("plan", "pro"), ("price", "49.00"), ("status", "pending")] {
                    fill(name, value);
                }
                fill("startDate", "2026-03-02T09:00:00.000Z");
            }
            ("crm", "Ticket") => {
                fill("hs_pipeline", "0");
                fill("hs_pipeline_stage", "new");
            }
            ("crm", "Note") => fill("hs_timestamp", "2026-03-02T09:00:00Z"),
            ("app", "Company") => fill("domain", &format!("{thing}.example.com")),
            _ => {}
        }
        let values: Vec<(String, Option<String>)> =
            values.into_iter().filter(|(_, value)| value.as_deref() != Some("empty")).collect();
        let made = if entity.system == "app" {
            let Some(members) = self.members(entity, &values) else { return };
            self.twins.app.lock().expect("a sound twin").create(&entity.entity, Json::Object(members), now).ok()
        } else {
            self.make_in_crm(entity, &values, now)
        };
        if let Some(id) = made {
            self.names.insert((entity.clone(), id.clone()), thing.to_owned());
            self.things.insert((thing.to_owned(), entity.clone()), id);
        }
    }

    fn make_in_crm(&self, entity: &EntityName, values: &[(String, Option<String>)], now: Timestamp) -> Option<String> {
        let links = self.program.entity(entity).map(|entity| entity.links.clone()).unwrap_or_default();
        let fields: Vec<(&str, String)> = values
            .iter()
            .filter(|(name, _)| !links.contains_key(name))
            .map(|(name, value)| (name.as_str(), self.spelled(entity, name, value.as_deref().unwrap_or_default())))
            .collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut crm = self.twins.crm.lock().expect("a sound twin");
        let id = crm.create(&entity.entity, &fields, now).ok()?;
        for (name, value) in values {
            let Some(link) = links.get(name) else { continue };
            let target = value.as_ref().and_then(|thing| self.id(&EntityName::new("crm", &link.to), thing));
            if let Some(target) = target.and_then(|id| id.parse().ok())
                && crm.record(&link.to, target).is_some()
            {
                crm.link(&entity.entity, id, &link.to, target, now);
            }
        }
        Some(id.to_string())
    }

    /// A word of a choice as the system spells it; everything else as it is.
    fn spelled(&self, entity: &EntityName, field: &str, value: &str) -> String {
        let choice = self.program.choice(entity, field);
        let word = choice.and_then(|choice| choice.row(value));
        word.map_or(value, |word| word.spelling(&entity.system)).to_owned()
    }

    /// Members of a record of the app; `None` where a link leads to nothing.
    fn members(&self, entity: &EntityName, values: &[(String, Option<String>)]) -> Option<Map<String, Json>> {
        let known = self.program.entity(entity)?;
        let mut members = Map::new();
        for (name, value) in values {
            let json = if let Some(link) = known.links.get(name) {
                match value {
                    Some(thing) => json!({ "id": self.id(&EntityName::new("app", &link.to), thing)? }),
                    None => Json::Null,
                }
            } else {
                match (value, known.fields.get(name).map(|field| &field.ty)) {
                    (None, _) => Json::Null,
                    (Some(value), Some(Type::Integer)) => value.parse::<i64>().map_or(Json::Null, Json::from),
                    (Some(value), _) => Json::from(self.spelled(entity, name, value)),
                }
            };
            members.insert(name.clone(), json);
        }
        Some(members)
    }

    /// Records that were made since somebody looked get the names of the things that they are.
    fn name_new(&mut self) {
        let shared = open(&self.shared);
        let new: Vec<Record> = shared.changes[self.seen..]
            .iter()
            .filter(|change| change.what == What::Made)
            .map(|change| change.record.clone())
            .collect();
        self.seen = shared.changes.len();
        if new.is_empty() {
            return;
        }
        let held = shared.mirror.held();
        drop(shared);
        for record in new {
            let Some(fields) = held.get(&record).map(|held| &held.fields) else { continue };
            let text = |field: &str| fields.get(field).map(ToString::to_string);
            let thing = tag_field(&record.0).and_then(text).and_then(|text| thing_of(&text)).or_else(|| {
                // The deal of a subscription is the subscription's.
                let id = text("source_subscription_id")?;
                self.names.get(&(EntityName::new("app", "Subscription"), id)).cloned()
            });
            let Some(thing) = thing else { continue };
            self.names.entry(record.clone()).or_insert_with(|| thing.clone());
            let place = (thing, record.0.clone());
            let stands = self.things.get(&place).is_some_and(|id| held.contains_key(&(record.0.clone(), id.clone())));
            if !stands {
                self.things.insert(place, record.1);
            }
        }
    }

    /// Everything comes to rest, and it is watched that it stays so.
    fn end(mut self) -> Result<Evidence, String> {
        let told = |error: engine::testing::shell::Error| error.to_string();
        // What was said of the next requests meets those that follow from what was done last.
        self.simulation.pass(Duration::minutes(1)).map_err(told)?;
        open(&self.shared).calm();
        self.simulation.pass(CALM).map_err(told)?;
        let quiet_from = self.simulation.now();
        self.simulation.pass(QUIET).map_err(told)?;
        self.name_new();
        let rows = self.simulation.rows();
        let unreadable = |error: engine::testing::ledger::Error| error.to_string();
        let pairs = views::links(rows).map_err(unreadable)?.into_iter().map(|link| Pair {
            name: link.link,
            sync: link.sync,
            ids: [link.left, link.right],
            state: link.state.to_string(),
            detail: link.detail,
        });
        let incidents = views::incidents(rows).map_err(unreadable)?.into_iter().map(|incident| Incident {
            subject: incident.subject,
            id: incident.id,
            cause: incident.cause,
        });
        let audit = self.simulation.log.iter().map(|event| Line {
            at: event.at,
            action: event.action.to_string(),
            rule: event.rule.clone(),
            ids: [&event.left, &event.right].into_iter().flatten().cloned().collect(),
            field: event.field.clone(),
            value: event.value.clone(),
            displaced: event.displaced.clone(),
        });
        let mail = self.simulation.mail.lock().expect("a sound twin");
        let sent = mail.sent().iter().map(|sent| Sent {
            what: format!(
                "{} {} to {}{}",
                sent.path,
                text(&sent.body["template"]),
                text(&sent.body["to"]),
                text(&sent.body["role"])
            ),
        });
        let shared = open(&self.shared);
        let mut evidence = Evidence {
            program: Arc::clone(&self.program),
            changes: shared.changes.clone(),
            names: self.names.clone(),
            end: shared.mirror.held(),
            audit: audit.collect(),
            pairs: pairs.collect(),
            incidents: incidents.collect(),
            stuck: stuck(rows).map_err(unreadable)?,
            requests: shared.requests.clone(),
            too_fast: self.twins.crm.lock().expect("a sound twin").calls().limited,
            quiet_from,
            sent: sent.collect(),
            kept: self.kept(&shared)?,
            faults: shared.faults + self.crashes + usize::from(self.reloaded),
            ahead: self.ahead.clone(),
            skew_guard: Settings::default().clock_skew,
            unexpected: Vec::new(),
            reloaded: self.reloaded,
            lost: shared.lost.clone(),
        };
        drop(mail);
        evidence.unexpected = self.unexpected(&evidence);
        Ok(evidence)
    }

    /// What was expected and is otherwise.
    fn unexpected(&self, evidence: &Evidence) -> Vec<String> {
        let mut found = Vec::new();
        let shown: Vec<&str> = evidence.incidents.iter().map(|incident| incident.cause.as_str()).collect();
        for expected in &self.expected {
            match expected {
                Expected::NoIncident if !shown.is_empty() => {
                    found.push(format!("people are shown: {}", shown.join("; ")))
                }
                Expected::AnIncident if shown.is_empty() => found.push("people are shown nothing".to_owned()),
                Expected::NoIncident | Expected::AnIncident => {}
                Expected::Field(entity, thing, field, value) => {
                    let entity = EntityName::new(&entity.system, &entity.name);
                    let id = self.id(&entity, thing).unwrap_or_default();
                    let held = evidence.end.get(&(entity.clone(), id)).and_then(|held| held.fields.get(field));
                    let held = held.map(ToString::to_string);
                    if held != *value {
                        let print = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                        let (held, value) = (print(&held), print(value));
                        found.push(format!("{entity} {thing} {field} is {held}, not {value}"));
                    }
                }
            }
        }
        found
    }

    /// Values that only erased records ever held, and that rows of the engine still hold.
    fn kept(&self, shared: &Shared) -> Result<Vec<(String, String)>, String> {
        if self.erased.is_empty() {
            return Ok(Vec::new());
        }
        let value = |change: &Change| match &change.what {
            What::Field(_, _, value) => Some(value.to_string().to_lowercase()).filter(|value| value.len() >= 4),
            _ => None,
        };
        let of = |erased: bool| {
            let records = shared.changes.iter().filter(move |change| self.erased.contains(&change.record) == erased);
            records.filter_map(value).collect::<std::collections::BTreeSet<String>>()
        };
        let others = of(false);
        let rows = self.simulation.rows().scan(&[0], &[255], usize::MAX).map_err(|error| error.to_string())?;
        let mut kept = Vec::new();
        for value in of(true).iter().filter(|value| !others.iter().any(|other| other.contains(*value))) {
            let holds =
                |bytes: &[u8]| bytes.windows(value.len()).any(|part| part.eq_ignore_ascii_case(value.as_bytes()));
            let found = rows.iter().filter(|(key, row)| holds(key) || holds(row));
            kept.extend(found.map(|(key, _)| (value.clone(), String::from_utf8_lossy(key).into_owned())));
        }
        Ok(kept)
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}
