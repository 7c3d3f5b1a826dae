//! Histories by chance: people work in both systems, and faults of the chosen classes meet what they cause.
//!
//! Always true: the same seed and classes give the same history; people do what people can do, and nearly every value is
//! new, so that each can be followed.

use std::collections::BTreeMap;
use std::str::FromStr;

use dsl::value::Duration;

use crate::chance::Chance;
use crate::history::{Automation, Deed, Delay, Entity, Fate, History, Step, Wanted};

/// Classes of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Requests take up to 6 s.
    Slow,
    /// Requests are given up and land later.
    Late,
    /// Answers are lost, and requests.
    Silence,
    /// 423, 429 and 5xx, before and after the effect; answers that leave an input out; the race form.
    Statuses,
    /// Messages come late and out of order.
    Messages,
    /// Messages and deliveries come again, and event ids repeat.
    Repeats,
    /// The engine falls over between any two rounds.
    Crashes,
    /// The rules change.
    Reloads,
    /// Clocks differ.
    Clocks,
    /// The CRM answers our writes.
    Automations,
    /// Options of the CRM's properties come and go.
    Schema,
}

/// All classes with the words they are chosen by.
pub const CLASSES: [(&str, Class); 11] = [
    ("slow", Class::Slow),
    ("late", Class::Late),
    ("silence", Class::Silence),
    ("statuses", Class::Statuses),
    ("messages", Class::Messages),
    ("repeats", Class::Repeats),
    ("crashes", Class::Crashes),
    ("reloads", Class::Reloads),
    ("clocks", Class::Clocks),
    ("automations", Class::Automations),
    ("schema", Class::Schema),
];

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = CLASSES.iter().find(|(word, _)| *word == text).map(|(_, class)| *class);
        known.ok_or_else(|| format!("there is no class of faults `{text}`"))
    }
}

/// Which faults meet a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Faults {
    /// Several classes, by chance; now and then none.
    Mixed,
    /// These, and none where there are none.
    Only(Vec<Class>),
}

/// Rule sets that histories run under, and of a hundred how many.
const SETS: [(&str, usize); 5] = [("shipped", 55), ("policies", 12), ("links", 18), ("one-way", 8), ("archive", 7)];

/// One thing that both systems know, as a rule set speaks of it.
struct Kind {
    letter: char,
    /// Entities in the app and in the CRM, where it is made there by people, with fields that they edit.
    app: Option<(&'static str, &'static [Field])>,
    crm: Option<(&'static str, &'static [Field])>,
    /// How often people choose it.
    weight: usize,
    /// The link to a person, in the app and in the CRM.
    links: [Option<&'static str>; 2],
}

/// A field and what people write into it.
#[derive(Clone, Copy)]
struct Field(&'static str, Content);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Begins with the thing's name.
    Name,
    Email,
    Text,
    Number,
    Stage,
    Status,
}

const USER: &[Field] = &[
    Field("email", Content::Email),
    Field("firstName", Content::Text),
    Field("lastName", Content::Name),
    Field("phone", Content::Number),
    Field("phone", Content::Number),
    Field("company", Content::Text),
    Field("jobTitle", Content::Text),
];
const CONTACT: &[Field] = &[
    Field("email", Content::Email),
    Field("firstname", Content::Text),
    Field("lastname", Content::Name),
    Field("phone", Content::Number),
    Field("phone", Content::Number),
    Field("company", Content::Text),
    Field("jobtitle", Content::Text),
];
const PERSON: Kind =
    Kind { letter: 'p', app: Some(("User", USER)), crm: Some(("Contact", CONTACT)), weight: 6, links: [None, None] };
const DEAL: Kind = Kind {
    letter: 'd',
    app: Some((
        "Deal",
        &[Field("name", Content::Name), Field("stage", Content::Stage), Field("amount", Content::Number)],
    )),
    crm: Some((
        "Deal",
        &[Field("dealname", Content::Name), Field("dealstage", Content::Stage), Field("amount", Content::Number)],
    )),
    weight: 4,
    links: [Some("user"), Some("contact")],
};
const NOTE: Kind = Kind {
    letter: 'n',
    app: Some(("Note", &[Field("body", Content::Name)])),
    crm: Some(("Note", &[Field("hs_note_body", Content::Name)])),
    weight: 2,
    links: [Some("user"), Some("contact")],
};
const TICKET: Kind = Kind {
    letter: 't',
    app: None,
    crm: Some((
        "Ticket",
        &[
            Field("subject", Content::Name),
            Field("content", Content::Text),
            Field("hs_pipeline_stage", Content::Status),
        ],
    )),
    weight: 1,
    links: [None, Some("contact")],
};
const COMPANY: Kind = Kind {
    letter: 'c',
    app: Some(("Company", &[Field("name", Content::Name)])),
    crm: None,
    weight: 1,
    links: [None, None],
};
const SUBSCRIPTION: Kind = Kind {
    letter: 's',
    app: Some(("Subscription", &[])),
    crm: Some(("Deal", &[Field("dealstage", Content::Stage)])),
    weight: 2,
    links: [Some("user"), None],
};

const STAGES: [&str; 6] = ["appointment", "qualification", "proposal", "negotiation", "closedwon", "closedlost"];
const STATUSES: [&str; 4] = ["new", "waiting_on_contact", "waiting_on_us", "closed"];

fn kinds(rules: &str) -> Vec<Kind> {
    match rules {
        "shipped" => vec![PERSON, DEAL, NOTE, TICKET, COMPANY, SUBSCRIPTION],
        "links" => vec![PERSON, DEAL, NOTE],
        "one-way" => vec![PERSON, TICKET],
        _ => vec![PERSON],
    }
}

/// A thing that people have made.
struct Thing {
    name: String,
    kind: usize,
    /// Where people have made it, or the engine will have.
    systems: Vec<&'static str>,
    gone: bool,
}

struct Generator<'a> {
    chance: &'a mut Chance,
    kinds: Vec<Kind>,
    things: Vec<Thing>,
    classes: Vec<Class>,
    steps: Vec<Step>,
    /// How many values there are.
    values: usize,
    /// Values that were used, by content.
    used: BTreeMap<u8, Vec<String>>,
    rules: &'static str,
}

/// The history of a seed.
#[must_use]
pub fn generate(seed: u64, faults: &Faults) -> History {
    let mut chance = Chance::new(seed);
    let mut roll = chance.below(100);
    let rules = SETS
        .iter()
        .find(|(_, share)| {
            let here = roll < *share;
            roll = roll.saturating_sub(*share);
            here
        })
        .map_or("shipped", |(name, _)| name);
    let classes: Vec<Class> = match faults {
        Faults::Only(classes) => classes.clone(),
        Faults::Mixed if chance.percent(8) => Vec::new(),
        Faults::Mixed => CLASSES.iter().map(|(_, class)| *class).filter(|_| chance.percent(35)).collect(),
    };
    let mut clocks = Vec::new();
    if classes.contains(&Class::Clocks) {
        for system in ["crm", "app"] {
            if chance.percent(60) {
                let by = *chance.pick(&[-30_000, -2_000, -500, 500, 2_000, 30_000]);
                clocks.push((system.to_owned(), Duration(by)));
            }
        }
    }
    let count = 8 + chance.below(22);
    let mut generator = Generator {
        chance: &mut chance,
        kinds: kinds(rules),
        things: Vec::new(),
        classes,
        steps: Vec::new(),
        values: 100,
        used: BTreeMap::new(),
        rules,
    };
    if generator.classes.contains(&Class::Repeats) && generator.chance.percent(30) {
        generator.steps.push(Step::EventIdsCollide);
    }
    // People first: most of what else is made belongs to one.
    for _ in 0..1 + generator.chance.below(3) {
        generator.make(0);
    }
    generator.pass();
    for _ in 0..count {
        generator.fault();
        generator.deed();
        if generator.chance.percent(70) {
            generator.pass();
        }
    }
    History { rules: rules.to_owned(), clocks, steps: generator.steps }
}

impl Generator<'_> {
    fn pass(&mut self) {
        let spans = [10, 50, 200, 300, 500, 800, 1_000, 1_500, 2_000, 5_000, 10_000, 20_000, 20_000, 60_000, 300_000];
        let span = *self.chance.pick(&spans);
        self.steps.push(Step::Pass(Duration(span)));
    }

    fn value(&mut self, content: Content, thing: &str) -> Option<String> {
        match content {
            Content::Stage => return Some((*self.chance.pick(&STAGES)).to_owned()),
            Content::Status => return Some((*self.chance.pick(&STATUSES)).to_owned()),
            // Nobody clears the name of a thing, or people would not find it again.
            Content::Name => {}
            _ if self.chance.percent(8) => return None,
            _ => {}
        }
        let known = self.used.entry(content as u8).or_default();
        if content != Content::Name && !known.is_empty() && self.chance.percent(10) {
            return Some(self.chance.pick(known).clone());
        }
        self.values += 1;
        let n = self.values;
        let value = match content {
            Content::Name => return Some(format!("{}-{n}", thing.to_uppercase())),
            Content::Email if self.chance.percent(15) => format!("M{n}@Example.com"),
            Content::Email => format!("m{n}@example.com"),
            Content::Number => n.to_string(),
            _ => format!("A{n}"),
        };
        known.push(value.clone());
        Some(value)
    }

    /// A person makes a thing of a kind.
    fn make(&mut self, kind: usize) {
        let Kind { letter, app, crm, links, .. } = self.kinds[kind];
        let makes_in_crm = crm.filter(|_| letter != 's');
        let (system, (entity, fields)) = match (app, makes_in_crm) {
            (Some(app), Some(crm)) => {
                if self.chance.percent(60) {
                    ("app", app)
                } else {
                    ("crm", crm)
                }
            }
            (Some(app), None) => ("app", app),
            (None, Some(crm)) => ("crm", crm),
            (None, None) => return,
        };
        let name = format!("{letter}{}", self.things.iter().filter(|thing| thing.kind == kind).count() + 1);
        let mut values: Vec<(String, String)> = Vec::new();
        for Field(field, content) in fields {
            let given = *content != Content::Name && self.chance.percent(50);
            if given && !values.iter().any(|(known, _)| known == field) {
                match self.value(*content, &name) {
                    Some(value) => values.push(((*field).to_owned(), value)),
                    // A contact without an address waits for one.
                    None if *content == Content::Email && system == "crm" => {
                        values.push(((*field).to_owned(), "empty".to_owned()));
                    }
                    None => {}
                }
            }
        }
        if let Some(link) = links[usize::from(system == "crm")] {
            let people: Vec<String> =
                self.things.iter().filter(|thing| thing.kind == 0).map(|thing| thing.name.clone()).collect();
            if !people.is_empty() && (letter == 's' || self.chance.percent(80)) {
                values.push((link.to_owned(), self.chance.pick(&people).clone()));
            }
        }
        self.steps.push(Step::Person(Entity::new(system, entity), name.clone(), Deed::Make(values)));
        let systems = [app.map(|_| "app"), crm.map(|_| "crm")].into_iter().flatten().collect();
        self.things.push(Thing { name, kind, systems, gone: false });
    }

    /// A person does something.
    fn deed(&mut self) {
        if self.chance.percent(3) {
            let step = match self.chance.below(4) {
                0 => Step::Resolve(None),
                1 => Step::Resolve(Some((*self.chance.pick(&["app", "crm"])).to_owned())),
                _ => Step::Backfill("Contacts".to_owned()),
            };
            return self.steps.push(step);
        }
        if self.chance.percent(18) && self.things.len() < 9 {
            let weights: Vec<usize> =
                self.kinds.iter().enumerate().flat_map(|(n, kind)| vec![n; kind.weight]).collect();
            let kind = *self.chance.pick(&weights);
            return self.make(kind);
        }
        let weights: Vec<usize> = (0..self.things.len())
            .flat_map(|n| {
                let thing = &self.things[n];
                vec![n; if thing.gone { 1 } else { self.kinds[thing.kind].weight }]
            })
            .collect();
        let index = *self.chance.pick(&weights);
        let (name, kind) = (self.things[index].name.clone(), self.things[index].kind);
        let system = *self.chance.pick(&self.things[index].systems);
        let Kind { letter, app, crm, links, .. } = self.kinds[kind];
        let Some((entity, fields)) = (if system == "app" { app } else { crm }) else { return };
        let entity = Entity::new(system, entity);
        let roll = self.chance.below(100);
        let link = links[usize::from(system == "crm")];
        let deed = match (letter, system) {
            _ if self.things[index].gone && system == "crm" && roll < 60 => {
                self.things[index].gone = false;
                Deed::Restore
            }
            // The app tells of no other deletions, nor does HubSpot to this app.
            ('p' | 'd', "app") if roll < 5 => {
                self.things[index].gone = true;
                Deed::Delete
            }
            ('p', "app") if roll < 8 && self.rules == "shipped" => Deed::LogIn,
            ('p' | 'd', "crm") if roll < 6 => {
                self.things[index].gone = true;
                Deed::Delete
            }
            ('p', "crm") if roll < 8 && self.rules != "one-way" => Deed::Erase,
            ('p' | 'd', "crm") if roll < 15 => {
                let others = self.things.iter().filter(|thing| thing.kind == kind && thing.name != name);
                let others: Vec<String> = others.map(|thing| thing.name.clone()).collect();
                if others.is_empty() {
                    return;
                }
                Deed::MergeInto(self.chance.pick(&others).clone())
            }
            ('s', "app") => return,
            // HubSpot does not tell this app of a ticket that is linked anew.
            _ if roll < 40 && link.is_some() && letter != 't' => {
                let people = self.things.iter().filter(|thing| thing.kind == 0);
                let people: Vec<String> = people.map(|thing| thing.name.clone()).collect();
                let to = if self.chance.percent(12) { None } else { Some(self.chance.pick(&people).clone()) };
                Deed::Set(link.unwrap_or_default().to_owned(), to)
            }
            _ if fields.is_empty() => return,
            _ => {
                let Field(field, content) = *self.chance.pick(fields);
                // Addresses change now and then only.
                if content == Content::Email && !self.chance.percent(40) {
                    return;
                }
                Deed::Set(field.to_owned(), self.value(content, &name))
            }
        };
        self.steps.push(Step::Person(entity, name, deed));
    }

    /// What becomes of what follows, now and then.
    fn fault(&mut self) {
        if self.classes.is_empty() || !self.chance.percent(75) {
            return;
        }
        let class = *self.chance.pick(&self.classes);
        let system = if self.chance.percent(60) { "crm" } else { "app" };
        let kind = *self.chance.pick(&["request", "request", "update", "update", "create", "read", "link", "list"]);
        let times = if self.chance.percent(50) { 1 } else { 2 + self.chance.below(5) as u32 };
        let wanted =
            |kind: &str, times: u32| Wanted { times, kind: kind.to_owned(), system: system.to_owned(), entity: None };
        let short = [5, 50, 200, 400, 800, 1_500, 3_000, 6_000];
        let long = [1_000, 3_000, 10_000, 30_000, 60_000, 120_000];
        match class {
            Class::Slow => {
                let late = Duration(*self.chance.pick(&short));
                let fate = match self.chance.below(3) {
                    0 => Fate::Arrives(late),
                    1 => Fate::TakesEffect(late),
                    _ => Fate::Answered(late),
                };
                self.steps.push(Step::Request(wanted(kind, times), fate));
            }
            Class::Late => {
                // Longer than an answer is waited for: the request was given up when it lands.
                let late = Duration(*self.chance.pick(&[31_000, 40_000, 60_000, 120_000]));
                let fate = if self.chance.percent(60) { Fate::Arrives(late) } else { Fate::TakesEffect(late) };
                self.steps.push(Step::Request(wanted(kind, 1), fate));
            }
            Class::Silence => {
                let fate = if self.chance.percent(60) { Fate::AnswerLost } else { Fate::NeverArrives };
                self.steps.push(Step::Request(wanted(kind, times), fate));
            }
            Class::Statuses => {
                let fate = match self.chance.below(10) {
                    0..4 => Fate::Refused(*self.chance.pick(&[423, 429, 429, 500, 502, 503, 504])),
                    4..7 => Fate::AnsweredAfterEffect(*self.chance.pick(&[500, 502, 504])),
                    7 | 8 => Fate::LeftOut,
                    _ => Fate::Race,
                };
                // The race form is HubSpot's alone.
                let (kind, system) = if fate == Fate::Race { ("create", "crm") } else { (kind, system) };
                let wanted = Wanted { times, kind: kind.to_owned(), system: system.to_owned(), entity: None };
                self.steps.push(Step::Request(wanted, fate));
            }
            Class::Messages => {
                let what = if system == "app" {
                    "record"
                } else {
                    *self.chance.pick(&[
                        "event",
                        "event",
                        "event",
                        "propertyChange",
                        "creation",
                        "deletion",
                        "restore",
                        "merge",
                        "associationChange",
                    ])
                };
                let late = Duration(*self.chance.pick(&long));
                self.steps.push(Step::Message(wanted(what, times), Delay(vec![late])));
            }
            Class::Repeats => {
                // HubSpot sends a delivery again that is not answered within five seconds.
                if system == "crm" && self.chance.percent(40) {
                    let fate = match self.chance.below(3) {
                        0 => Fate::NeverArrives,
                        1 => Fate::AnswerLost,
                        _ => Fate::Answered(Duration::seconds(6)),
                    };
                    self.steps.push(Step::Request(wanted("delivery", 1), fate));
                } else {
                    let what = if system == "app" { "record" } else { "event" };
                    let again = Duration(*self.chance.pick(&long));
                    self.steps.push(Step::Message(wanted(what, times), Delay(vec![Duration(0), again])));
                }
            }
            Class::Crashes => {
                let rounds = if self.chance.percent(50) { 0 } else { self.chance.below(12) as u64 };
                self.steps.push(Step::Crash(rounds));
            }
            Class::Reloads if self.rules == "shipped" => {
                let rules = *self.chance.pick(&["shipped-app-wins", "shipped", "shipped-tie-app"]);
                self.steps.push(Step::Reload(rules.to_owned()));
            }
            Class::Reloads => {}
            // Clocks are set before the first step, and stay so.
            Class::Clocks => {}
            Class::Schema if self.kinds.len() > 2 => {
                let stage = *self.chance.pick(&STAGES);
                let there = self.chance.percent(50);
                self.steps.push(Step::Option(
                    Entity::new("crm", "Deal"),
                    "dealstage".to_owned(),
                    stage.to_owned(),
                    there,
                ));
            }
            Class::Schema => {}
            Class::Automations => {
                let (entity, on, sets) = if self.kinds.len() > 1 && self.rules != "one-way" && self.chance.percent(50) {
                    ("Deal", "dealstage", "amount")
                } else {
                    ("Contact", "phone", "company")
                };
                let after = Duration(*self.chance.pick(&[0, 100, 500, 2_000]));
                let automation =
                    Automation { entity: Entity::new("crm", entity), on: on.to_owned(), sets: sets.to_owned(), after };
                let same = |step: &Step| matches!(step, Step::Automation(known) if known.entity == automation.entity);
                if !self.steps.iter().any(same) {
                    self.steps.push(Step::Automation(automation));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_history_again_and_again() {
        let history = generate(7, &Faults::Mixed);
        assert_eq!(history, generate(7, &Faults::Mixed));
        assert_ne!(history, generate(8, &Faults::Mixed));
    }

    #[test]
    fn what_is_made_up_can_be_printed_and_read() {
        for seed in 0..300 {
            let history = generate(seed, &Faults::Mixed);
            assert_eq!(history.to_string().parse::<History>().expect("understood"), history, "seed {seed}");
        }
    }
}
