//! What becomes of requests and messages, as a history says, and an eye on everything that happens to the systems.
//!
//! Always true: what a history says of the next request of a kind meets the first such request that leaves after it was
//! said, and no other one; where nothing is said, everything happens at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use connectors::rest::entity_path;
use dsl::program::Program;
use dsl::schema::{EntityName, Type};
use dsl::value::{Duration, Timestamp};
use engine::testing::rehearse::{Asked, Conditions, Passage, Said};
use http::Method;
use serde_json::Value as Json;

use crate::evidence::{Change, Record, Request, What, Who};
use crate::history::{Automation, Delay, Fate, Wanted};
use crate::mirror::{Mirror, Twins};

/// What both the conditions and the stage see.
pub(crate) struct Shared {
    /// What the systems held when somebody looked last.
    pub(crate) mirror: Mirror,
    /// What happened.
    pub(crate) changes: Vec<Change>,
    /// What the engine asked.
    pub(crate) requests: Vec<Request>,
    /// Fates that a request or message met.
    pub(crate) faults: usize,
    /// Systems of which a message was lost for good.
    pub(crate) lost: BTreeSet<String>,
    fates: VecDeque<(Wanted, Fate)>,
    delays: VecDeque<(Wanted, Delay)>,
    automations: Vec<Automation>,
    /// What automations do, and when.
    pending: Vec<(Timestamp, Record, String)>,
    /// Values that automations have set.
    automated: u32,
}

impl Shared {
    /// Nothing has happened, and nothing is said of what will.
    pub(crate) fn new(program: &Arc<Program>) -> Self {
        Self {
            mirror: Mirror::new(program),
            changes: Vec::new(),
            requests: Vec::new(),
            faults: 0,
            lost: BTreeSet::new(),
            fates: VecDeque::new(),
            delays: VecDeque::new(),
            automations: Vec::new(),
            pending: Vec::new(),
            automated: 0,
        }
    }

    /// Something is said of the next requests.
    pub(crate) fn fate(&mut self, wanted: &Wanted, fate: &Fate) {
        self.fates.push_back((wanted.clone(), fate.clone()));
    }

    /// Something is said of the next messages.
    pub(crate) fn delay(&mut self, wanted: &Wanted, delay: &Delay) {
        self.delays.push_back((wanted.clone(), delay.clone()));
    }

    /// An automation is set up.
    pub(crate) fn automation(&mut self, automation: &Automation) {
        self.automations.push(automation.clone());
    }

    /// From now on everything happens at once. What is on its way stays so.
    pub(crate) fn calm(&mut self) {
        self.fates.clear();
        self.delays.clear();
        self.automations.clear();
    }

    /// What is said of the next request or delivery of a kind: of each aspect of its way what was said first.
    fn next_fates(&mut self, system: &str, entity: &str, kind: &str) -> Vec<Fate> {
        let any = |wanted: &str| wanted == "request" && kind != "delivery";
        let mut fates: Vec<Fate> = Vec::new();
        self.fates.retain_mut(|(wanted, fate)| {
            let fits = wanted.system == system
                && wanted.entity.as_deref().is_none_or(|wanted| wanted == entity)
                && (wanted.kind == kind || any(&wanted.kind));
            if !fits || fates.iter().any(|other| aspect(other) == aspect(fate)) {
                return true;
            }
            fates.push(fate.clone());
            wanted.times = wanted.times.saturating_sub(1);
            wanted.times > 0
        });
        self.faults += fates.len();
        fates
    }

    fn next_delay(&mut self, system: &str, entity: &str, words: &[&str]) -> Option<Delay> {
        let fits = |wanted: &Wanted| {
            wanted.system == system
                && wanted.entity.as_deref().is_none_or(|wanted| wanted == entity)
                && (wanted.kind == "message" || words.contains(&wanted.kind.as_str()))
        };
        let index = self.delays.iter().position(|(wanted, _)| fits(wanted))?;
        self.faults += 1;
        let (wanted, delay) = &mut self.delays[index];
        let delay = delay.clone();
        wanted.times = wanted.times.saturating_sub(1);
        if wanted.times == 0 {
            self.delays.remove(index);
        }
        Some(delay)
    }

    /// Looks at the systems; what is different now was done by `who`.
    pub(crate) fn look(&mut self, twins: &Twins, who: Who, at: Timestamp) -> std::ops::Range<usize> {
        let changes = self.mirror.look(twins, who, at);
        let from = self.changes.len();
        if who == Who::Engine {
            for change in &changes {
                let What::Field(field, ..) = &change.what else { continue };
                let entity = &change.record.0;
                let answers = self.automations.iter().filter(|automation| {
                    automation.entity.system == entity.system
                        && automation.entity.name == entity.entity
                        && automation.on == *field
                });
                let due = answers
                    .map(|automation| (at.plus(automation.after), change.record.clone(), automation.sets.clone()));
                self.pending.extend(due);
            }
            self.pending.sort();
        }
        self.changes.extend(changes);
        from..self.changes.len()
    }
}

/// The part of a request's way that something is said of.
fn aspect(fate: &Fate) -> u8 {
    match fate {
        Fate::Arrives(_) | Fate::NeverArrives => 0,
        Fate::TakesEffect(_) => 1,
        Fate::Answered(_) | Fate::AnswerLost => 2,
        Fate::Refused(_) | Fate::AnsweredAfterEffect(_) | Fate::LeftOut | Fate::Race => 3,
    }
}

/// How long a request is on its way.
fn passage(fates: &[Fate]) -> Passage {
    let mut passage = Passage::default();
    for fate in fates {
        match fate {
            Fate::Arrives(late) => passage.arrives = Some(*late),
            Fate::TakesEffect(late) => passage.takes_effect = *late,
            Fate::Answered(late) => passage.answered = Some(*late),
            Fate::NeverArrives => passage.arrives = None,
            Fate::AnswerLost => passage.answered = None,
            Fate::Refused(_) | Fate::AnsweredAfterEffect(_) | Fate::LeftOut | Fate::Race => {}
        }
    }
    passage
}

/// What is shared, locked for a moment.
pub(crate) fn open(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().expect("nothing panics while it holds this")
}

/// The conditions.
pub(crate) struct Sky {
    shared: Arc<Mutex<Shared>>,
    program: Arc<Program>,
    twins: Twins,
    ahead: BTreeMap<String, Duration>,
    /// What becomes of requests that have left, beside how long they take.
    under_way: BTreeMap<u64, Fate>,
}

impl Sky {
    /// Conditions as `shared` says them.
    pub(crate) fn new(
        shared: Arc<Mutex<Shared>>,
        program: Arc<Program>,
        twins: Twins,
        ahead: BTreeMap<String, Duration>,
    ) -> Self {
        Self { shared, program, twins, ahead, under_way: BTreeMap::new() }
    }

    /// The entity that a type id or a path segment of a system stands for.
    fn entity(&self, system: &str, segment: &str) -> String {
        let lock = self.program.systems.get(system).map(|system| &system.lock);
        let mut entities = lock.into_iter().flat_map(|lock| &lock.entities);
        let found = entities.find(|(name, entity)| {
            entity.remote.as_deref() == Some(segment) || entity_path(name).trim_start_matches('/') == segment
        });
        found.map_or_else(String::new, |(name, _)| name.clone())
    }

    /// The kind of a request, the entity, and how many records it writes.
    fn classify(&self, asked: Asked<'_>) -> (&'static str, String, usize) {
        let path = asked.request.uri().path();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let inputs = || {
            let body: Json = serde_json::from_slice(asked.request.body()).unwrap_or_default();
            let count = body["inputs"].as_array().map_or(1, Vec::len);
            (body["operation"].as_str().unwrap_or_default().to_owned(), count)
        };
        let entity = |segment: &str| self.entity(asked.system, segment);
        match (asked.system, parts.as_slice()) {
            ("crm", ["crm", "objects", _, kind, "batch", what]) => match *what {
                "read" => ("read", entity(kind), 0),
                "create" => ("create", entity(kind), inputs().1),
                "archive" => ("delete", entity(kind), inputs().1),
                _ => ("update", entity(kind), inputs().1),
            },
            ("crm", ["crm", "objects", _, kind, "search"] | ["crm", "objects", _, kind]) => ("list", entity(kind), 0),
            ("crm", ["crm", "objects", _, kind, _]) => ("read", entity(kind), 0),
            ("crm", ["crm", "associations", _, from, _, "batch", "read"]) => ("read", entity(from), 0),
            ("crm", ["crm", "associations", _, from, ..]) => ("link", entity(from), inputs().1),
            ("crm", _) => ("list", String::new(), 0),
            ("app", [kind, "batch"]) => {
                let (operation, count) = inputs();
                match operation.as_str() {
                    "read" => ("read", entity(kind), 0),
                    "create" => ("create", entity(kind), count),
                    _ => ("update", entity(kind), count),
                }
            }
            ("app", [kind]) => ("list", entity(kind), 0),
            ("app", [kind, _]) if asked.request.method() == Method::DELETE => ("delete", entity(kind), 1),
            ("app", [kind, _]) => ("read", entity(kind), 0),
            ("app", [kind, ..]) => ("call", entity(kind), 0),
            _ => ("call", String::new(), 0),
        }
    }
}

/// A response of a gateway, or of a system that is asked too fast.
fn answer(system: &str, status: u16) -> http::Response<Bytes> {
    let body = match (system, status) {
        ("crm", 429) => {
            r#"{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}"#
        }
        (_, 500..=599) => "<html><body>Bad gateway</body></html>",
        _ => r#"{"status":"error","error":"not now"}"#,
    };
    let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    response
}

/// The response without the last of its results.
fn in_part(response: http::Response<Bytes>) -> http::Response<Bytes> {
    let (parts, body) = response.into_parts();
    let Ok(mut json) = serde_json::from_slice::<Json>(&body) else { return http::Response::from_parts(parts, body) };
    if let Some(results) = json["results"].as_array_mut() {
        results.pop();
    }
    http::Response::from_parts(parts, Bytes::from(json.to_string()))
}

impl Conditions for Sky {
    fn request(&mut self, asked: Asked<'_>, now: Timestamp) -> Passage {
        let (kind, entity, records) = self.classify(asked);
        let mut shared = open(&self.shared);
        shared.requests.push(Request { sent: now, system: asked.system.to_owned(), kind, records });
        let mut fates = shared.next_fates(asked.system, &entity, kind);
        let passage = passage(&fates);
        fates.retain(|fate| aspect(fate) == 3);
        if let Some(fate) = fates.pop() {
            self.under_way.insert(asked.number, fate);
        }
        passage
    }

    fn instead(&mut self, asked: Asked<'_>, _now: Timestamp) -> Option<http::Response<Bytes>> {
        match self.under_way.get(&asked.number)? {
            Fate::Refused(status) => Some(answer(asked.system, *status)),
            Fate::Race => {
                // Said as it takes effect, so that it meets this request and no other.
                self.twins.crm.lock().expect("a sound twin").race_next(1);
                None
            }
            _ => None,
        }
    }

    fn response(&mut self, asked: Asked<'_>, response: http::Response<Bytes>, now: Timestamp) -> http::Response<Bytes> {
        // A read changes nothing, so what is different at one was done by somebody else.
        if asked.request.method() != Method::GET {
            open(&self.shared).look(&self.twins, Who::Engine, now);
        }
        match self.under_way.remove(&asked.number) {
            Some(Fate::AnsweredAfterEffect(status)) => answer(asked.system, status),
            // Of associations, what is not mentioned is not there.
            Some(Fate::LeftOut) if !asked.request.uri().path().contains("/associations/") => in_part(response),
            _ => response,
        }
    }

    fn message(&mut self, system: &str, message: Said<'_>, _now: Timestamp) -> Vec<Duration> {
        let (entity, words) = match message {
            Said::Event(event) => {
                let name = event["subscriptionType"].as_str().unwrap_or_default();
                let (about, what) = name.split_once('.').unwrap_or_default();
                let entity = match event["objectTypeId"].as_str() {
                    Some(kind) => self.entity(system, kind),
                    None => about.to_owned(),
                };
                let property = event["propertyName"].as_str().unwrap_or_default().to_owned();
                (entity, vec!["event".to_owned(), what.to_owned(), property])
            }
            Said::Record(record) => {
                let json: Json = serde_json::from_slice(&record.body).unwrap_or_default();
                let name = json["type"].as_str().unwrap_or_default();
                let (about, what) = name.split_once('.').unwrap_or_default();
                (about.to_owned(), vec!["record".to_owned(), what.to_owned()])
            }
        };
        // Names of messages are in lower case.
        let lock = self.program.systems.get(system).map(|system| &system.lock);
        let known = lock.into_iter().flat_map(|lock| lock.entities.keys());
        let entity = known.into_iter().find(|name| name.eq_ignore_ascii_case(&entity)).cloned().unwrap_or(entity);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut shared = open(&self.shared);
        match shared.next_delay(system, &entity, &words) {
            Some(Delay(delays)) => {
                if delays.is_empty() {
                    shared.lost.insert(system.to_owned());
                }
                delays
            }
            None => vec![Duration(0)],
        }
    }

    fn delivery(&mut self, system: &str, _body: &Bytes, _now: Timestamp) -> Passage {
        passage(&open(&self.shared).next_fates(system, "", "delivery"))
    }

    fn ahead(&self, system: &str) -> Duration {
        self.ahead.get(system).copied().unwrap_or(Duration(0))
    }

    fn next(&self) -> Option<Timestamp> {
        open(&self.shared).pending.first().map(|(at, ..)| *at)
    }

    fn take(&mut self, now: Timestamp) -> Option<Box<dyn FnOnce() + Send>> {
        let mut shared = open(&self.shared);
        if shared.pending.first().is_none_or(|(at, ..)| *at > now) {
            return None;
        }
        let (_, record, field) = shared.pending.remove(0);
        shared.automated += 1;
        let value = automated(&self.program, &record.0, &field, shared.automated);
        let (twins, state) = (self.twins.clone(), Arc::clone(&self.shared));
        let at = now.plus(self.ahead("crm"));
        Some(Box::new(move || {
            let (EntityName { entity, .. }, id) = &record;
            if let Ok(id) = id.parse() {
                // Where it is gone meanwhile, or HubSpot refuses, nothing happens.
                let _ = twins.crm.lock().expect("a sound twin").edit(entity, id, &[(&field, &value)], at);
            }
            open(&state).look(&twins, Who::Person, now);
        }))
    }
}

/// A value that an automation sets for the n-th time.
fn automated(program: &Program, entity: &EntityName, field: &str, n: u32) -> String {
    match program.field(entity, field).map(|field| (&field.ty, &field.options)) {
        Some((Type::Money | Type::Number | Type::Integer, _)) => format!("{}", 7_000 + n),
        Some((Type::Enum, options)) if !options.is_empty() => options[n as usize % options.len()].clone(),
        _ => format!("by automation {n}"),
    }
}
