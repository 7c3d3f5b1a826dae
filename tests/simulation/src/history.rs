//! A history: what people do, what becomes of requests and messages, and when the engine falls over, line by line.
//!
//! In: text, or what chance made up. Out: text that a person reads, and that leads to the same run again.
//! Always true: a history that is printed and read again is the same history.
//!
//! ```text
//! rules shipped
//! app.User p1 is made with phone 0
//! 20 s pass
//! the next update of crm.Contact arrives after 2 s
//! app.User p1 phone becomes 111
//! 1 s pass
//! crm.Contact p1 phone becomes 222
//! ```
//!
//! `p1` is a person, whatever systems know them; `d1` a deal, `n1` a note, `t1` a ticket, `c1` a company, `s1` a
//! subscription.

use std::fmt;
use std::str::FromStr;

use dsl::value::Duration;

/// An entity as the rules write it: `crm.Contact`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    /// The system.
    pub system: String,
    /// The entity in it.
    pub name: String,
}

impl Entity {
    /// `system.name`
    #[must_use]
    pub fn new(system: &str, name: &str) -> Self {
        Self { system: system.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.system, self.name)
    }
}

/// A whole history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The rule set's name.
    pub rules: String,
    /// How far the clocks of systems are ahead, where they are not right.
    pub clocks: Vec<(String, Duration)>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A person does something in a system.
    Person(Entity, String, Deed),
    /// Time goes by.
    Pass(Duration),
    /// What becomes of the next requests of a kind.
    Request(Wanted, Fate),
    /// What becomes of the next messages of a kind.
    Message(Wanted, Delay),
    /// The CRM's own automation answers every write of one property by setting another one, so much later.
    Automation(Automation),
    /// Event ids of webhooks repeat from now on.
    EventIdsCollide,
    /// The engine falls over before its next rounds, of which this many become durable first.
    Crash(u64),
    /// Another rule set decides from now on.
    Reload(String),
    /// An operator has a sync look at all records of its source.
    Backfill(String),
    /// An operator has everything that waits tried again, or settled with the values of a system.
    Resolve(Option<String>),
    /// An administrator of the CRM adds an option to a property, by the rules' word, or takes it away.
    Option(Entity, String, String, bool),
    /// What holds in the end, besides what a sync promises always.
    Expect(Expected),
}

/// What holds in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// People are shown nothing.
    NoIncident,
    /// People are shown something.
    AnIncident,
    /// A field holds a value, or nothing.
    Field(Entity, String, String, Option<String>),
}

/// What a person does to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Makes it, with these fields and links.
    Make(Vec<(String, String)>),
    /// Sets a field, clears it, or makes a link lead to another thing.
    Set(String, Option<String>),
    /// Deletes it, or puts it into the recycle bin.
    Delete,
    /// Takes it back out of the recycle bin.
    Restore,
    /// Erases it for privacy.
    Erase,
    /// Merges it into another one.
    MergeInto(String),
    /// Logs in.
    LogIn,
}

/// Requests or messages that are meant: the next so many of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How many.
    pub times: u32,
    /// `read`, `create`, `update`, `delete`, `link`, `list`, `call` or `request` for any; of messages `record`,
    /// `event`, a field, or what happened, such as `merge`; of deliveries `delivery`.
    pub kind: String,
    /// The system.
    pub system: String,
    /// Only about this entity.
    pub entity: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It arrives so late.
    Arrives(Duration),
    /// It arrives at once and takes effect so late.
    TakesEffect(Duration),
    /// It is answered so late.
    Answered(Duration),
    /// It never arrives, and nobody says so.
    NeverArrives,
    /// It has its effect, and its answer is lost.
    AnswerLost,
    /// It has no effect and is answered with a status.
    Refused(u16),
    /// It has its effect and is answered with a status.
    AnsweredAfterEffect(u16),
    /// It has its effect, and its answer leaves out the last of its inputs.
    LeftOut,
    /// HubSpot answers a conflict of addresses in the form that it has where two race.
    Race,
}

/// What becomes of a message: when each of its copies sets out; none where it is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay(pub Vec<Duration>);

/// An automation of the CRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automation {
    /// The entity.
    pub entity: Entity,
    /// The property whose writes by the engine it answers.
    pub on: String,
    /// The property that it sets, to a new value each time.
    pub sets: String,
    /// How much later.
    pub after: Duration,
}

/// A line that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is not understood")]
pub struct NotUnderstood {
    /// Counted from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// `20 s`, in the largest unit that fits.
fn span(span: Duration) -> String {
    let units = [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
    let (unit, size) = units.into_iter().find(|(_, size)| span.0 % size == 0 && span.0 != 0).unwrap_or(("ms", 1));
    format!("{} {unit}", span.0 / size)
}

fn read_span(words: &[&str]) -> Option<Duration> {
    let [count, unit] = words else { return None };
    let size = match *unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration(count.parse::<i64>().ok()?.checked_mul(size)?))
}

impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "rules {}", self.rules)?;
        for (system, ahead) in &self.clocks {
            let (by, word) = if ahead.0 < 0 { (Duration(-ahead.0), "behind") } else { (*ahead, "ahead") };
            writeln!(out, "the clock of {system} is {} {word}", span(by))?;
        }
        for step in &self.steps {
            writeln!(out, "{step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In the words that are read again: a history that broke a promise is kept as its text.
        match self {
            Self::Person(entity, thing, deed) => {
                write!(out, "{entity} {thing} ")?;
                match deed {
                    Deed::Make(values) if values.is_empty() => write!(out, "is made"),
                    Deed::Make(values) => {
                        let values: Vec<String> =
                            values.iter().map(|(name, value)| format!("{name} {value}")).collect();
                        write!(out, "is made with {}", values.join(", "))
                    }
                    Deed::Set(field, Some(value)) => write!(out, "{field} becomes {value}"),
                    Deed::Set(field, None) => write!(out, "{field} becomes empty"),
                    Deed::Delete => write!(out, "is deleted"),
                    Deed::Restore => write!(out, "is restored"),
                    Deed::Erase => write!(out, "is erased"),
                    Deed::MergeInto(other) => write!(out, "is merged into {other}"),
                    Deed::LogIn => write!(out, "logs in"),
                }
            }
            Self::Pass(time) => write!(out, "{} pass", span(*time)),
            Self::Request(wanted, fate) => write!(out, "{wanted} {fate}"),
            Self::Message(wanted, delay) => write!(out, "{wanted} {delay}"),
            Self::Automation(Automation { entity, on, sets, after }) => {
                write!(out, "an automation of {entity} answers {on} with {sets} after {}", span(*after))
            }
            Self::EventIdsCollide => write!(out, "event ids collide"),
            Self::Crash(0) => write!(out, "the engine crashes"),
            Self::Crash(rounds) => write!(out, "the engine crashes after {rounds} rounds"),
            Self::Reload(rules) => write!(out, "the rules become {rules}"),
            Self::Backfill(sync) => write!(out, "a backfill of {sync}"),
            Self::Resolve(None) => write!(out, "an operator retries what waits"),
            Self::Resolve(Some(system)) => write!(out, "an operator takes the values of {system}"),
            Self::Option(entity, property, option, there) => {
                write!(out, "{entity} {property} {} {option}", if *there { "gains" } else { "loses" })
            }
            Self::Expect(Expected::NoIncident) => write!(out, "expect no incident"),
            Self::Expect(Expected::AnIncident) => write!(out, "expect an incident"),
            Self::Expect(Expected::Field(entity, thing, field, value)) => {
                write!(out, "expect {entity} {thing} {field} is {}", value.as_deref().unwrap_or("empty"))
            }
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the next ")?;
        if self.times != 1 {
            write!(out, "{} ", self.times)?;
        }
        write!(out, "{} of {}", self.kind, self.system)?;
        if let Some(entity) = &self.entity {
            write!(out, ".{entity}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrives(late) => write!(out, "arrives after {}", span(*late)),
            Self::TakesEffect(late) => write!(out, "takes effect after {}", span(*late)),
            Self::Answered(late) => write!(out, "is answered after {}", span(*late)),
            Self::NeverArrives => write!(out, "never arrives"),
            Self::AnswerLost => write!(out, "gets no answer"),
            Self::Refused(status) => write!(out, "is answered {status}"),
            Self::AnsweredAfterEffect(status) => write!(out, "is done and answered {status}"),
            Self::LeftOut => write!(out, "is answered in part"),
            Self::Race => write!(out, "meets a race"),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => write!(out, "is lost"),
            delays => {
                let delays: Vec<String> = delays.iter().map(|delay| span(*delay)).collect();
                write!(out, "comes after {}", delays.join(" and "))
            }
        }
    }
}

impl FromStr for History {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        let mut history = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let words: Vec<&str> = line.split_whitespace().collect();
            let wrong = || NotUnderstood { line: index + 1, text: line.to_owned() };
            match words.as_slice() {
                [] => {}
                ["rules", rules] => history.rules = (*rules).to_owned(),
                ["the", "clock", "of", system, "is", count, unit, word @ ("ahead" | "behind")] => {
                    let by = read_span(&[count, unit]).ok_or_else(wrong)?;
                    let ahead = if *word == "ahead" { by } else { Duration(-by.0) };
                    history.clocks.push(((*system).to_owned(), ahead));
                }
                words => history.steps.push(step(words).ok_or_else(wrong)?),
            }
        }
        Ok(history)
    }
}

fn step(words: &[&str]) -> Option<Step> {
    Some(match words {
        [count, unit, "pass"] => Step::Pass(read_span(&[count, unit])?),
        ["the", "next", rest @ ..] => return the_next(rest),
        ["an", "automation", "of", entity, "answers", on, "with", sets, "after", count, unit] => {
            Step::Automation(Automation {
                entity: read_entity(entity)?,
                on: (*on).to_owned(),
                sets: (*sets).to_owned(),
                after: read_span(&[count, unit])?,
            })
        }
        ["event", "ids", "collide"] => Step::EventIdsCollide,
        ["the", "engine", "crashes"] => Step::Crash(0),
        ["the", "engine", "crashes", "after", rounds, "rounds"] => Step::Crash(rounds.parse().ok()?),
        ["the", "rules", "become", rules] => Step::Reload((*rules).to_owned()),
        ["a", "backfill", "of", sync] => Step::Backfill((*sync).to_owned()),
        ["an", "operator", "retries", "what", "waits"] => Step::Resolve(None),
        ["an", "operator", "takes", "the", "values", "of", system] => Step::Resolve(Some((*system).to_owned())),
        [entity, property, verb @ ("gains" | "loses"), option] => {
            Step::Option(read_entity(entity)?, (*property).to_owned(), (*option).to_owned(), *verb == "gains")
        }
        ["expect", "no", "incident"] => Step::Expect(Expected::NoIncident),
        ["expect", "an", "incident"] => Step::Expect(Expected::AnIncident),
        ["expect", entity, thing, field, "is", value @ ..] if !value.is_empty() => {
            let value = Some(value.join(" ")).filter(|value| value != "empty");
            Step::Expect(Expected::Field(read_entity(entity)?, (*thing).to_owned(), (*field).to_owned(), value))
        }
        [entity, thing, rest @ ..] => Step::Person(read_entity(entity)?, (*thing).to_owned(), deed(rest)?),
        _ => return None,
    })
}

fn read_entity(text: &str) -> Option<Entity> {
    let (system, name) = text.split_once('.')?;
    Some(Entity::new(system, name))
}

fn deed(words: &[&str]) -> Option<Deed> {
    Some(match words {
        ["is", "made"] => Deed::Make(Vec::new()),
        ["is", "made", "with", values @ ..] => {
            let text = values.join(" ");
            let pairs = text.split(", ").map(|pair| pair.split_once(' '));
            Deed::Make(pairs.map(|pair| pair.map(|(n, v)| (n.to_owned(), v.to_owned()))).collect::<Option<_>>()?)
        }
        [field, "becomes", "empty"] => Deed::Set((*field).to_owned(), None),
        [field, "becomes", value @ ..] if !value.is_empty() => Deed::Set((*field).to_owned(), Some(value.join(" "))),
        ["is", "deleted"] => Deed::Delete,
        ["is", "restored"] => Deed::Restore,
        ["is", "erased"] => Deed::Erase,
        ["is", "merged", "into", other] => Deed::MergeInto((*other).to_owned()),
        ["logs", "in"] => Deed::LogIn,
        _ => return None,
    })
}

fn the_next(words: &[&str]) -> Option<Step> {
    let (times, words) = match words {
        [count, rest @ ..] if count.parse::<u32>().is_ok() => (count.parse().ok()?, rest),
        rest => (1, rest),
    };
    let [kind, "of", of, fate @ ..] = words else { return None };
    let (system, entity) = match of.split_once('.') {
        Some((system, entity)) => (system, Some(entity.to_owned())),
        None => (*of, None),
    };
    let wanted = Wanted { times, kind: (*kind).to_owned(), system: system.to_owned(), entity };
    let fate = match fate {
        ["is", "lost"] => return Some(Step::Message(wanted, Delay(Vec::new()))),
        ["comes", "after", delays @ ..] => {
            let delays = delays.split(|word| *word == "and").map(read_span).collect::<Option<_>>()?;
            return Some(Step::Message(wanted, Delay(delays)));
        }
        ["arrives", "after", late @ ..] => Fate::Arrives(read_span(late)?),
        ["takes", "effect", "after", late @ ..] => Fate::TakesEffect(read_span(late)?),
        ["is", "answered", "after", late @ ..] => Fate::Answered(read_span(late)?),
        ["never", "arrives"] => Fate::NeverArrives,
        ["gets", "no", "answer"] => Fate::AnswerLost,
        ["is", "answered", "in", "part"] => Fate::LeftOut,
        ["is", "answered", status] => Fate::Refused(status.parse().ok()?),
        ["is", "done", "and", "answered", status] => Fate::AnsweredAfterEffect(status.parse().ok()?),
        ["meets", "a", "race"] => Fate::Race,
        _ => return None,
    };
    Some(Step::Request(wanted, fate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_that_is_printed_is_read_as_the_same() {
        let text = "\
rules shipped
the clock of crm is 2 s behind
app.User p1 is made with email p1@example.com, firstName Ada Augusta
20 s pass
the next update of crm.Contact arrives after 2 s
the next 3 request of app is answered 503
the next create of crm is done and answered 502
the next phone of crm.Contact comes after 60 s and 90 s
the next event of crm is lost
app.User p1 phone becomes 111
app.User p1 phone becomes empty
crm.Contact p1 is merged into p2
an automation of crm.Deal answers dealstage with amount after 500 ms
event ids collide
the engine crashes
the engine crashes after 3 rounds
the rules become app-wins
a backfill of Contacts
an operator retries what waits
an operator takes the values of crm
crm.Deal dealstage loses negotiation
expect no incident
expect crm.Contact p1 phone is 111
expect crm.Contact p1 firstname is empty
";
        let history: History = text.parse().expect("understood");
        assert_eq!(history.to_string().replace("1 min", "60 s"), text);
        assert_eq!(history.to_string().parse::<History>().expect("understood"), history);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let wrong = "rules shipped\n\napp.User p1 phone turns 111".parse::<History>().expect_err("not understood");
        assert_eq!(wrong.to_string(), "line 3: `app.User p1 phone turns 111` is not understood");
    }
}
