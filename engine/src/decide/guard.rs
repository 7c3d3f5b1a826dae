//! Keeps a decision that breaks off from stopping more than the instance it was about.
//!
//! A panic in here is a defect of the engine. Deciding is pure, so the same input can be decided again with that
//! instance left out: it is stopped, people are shown why, and everything else goes on.
//! Always true: what is stopped is an incident; nothing of a try that broke off is kept.

use std::cell::RefCell;
use std::collections::BTreeMap;

use dsl::schema::EntityName;

use super::context::Context;
use super::rows::{LinkRow, Owner, ReadRow, RunRow};
use super::{identity, incident, reads, runs, sync};
use crate::ids::{LinkId, RunId};
use crate::ledger::Error;

/// Something that decisions are about, one at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instance {
    /// A pair of records.
    Link(LinkId),
    /// A run of a `when` or a workflow.
    Run(RunId),
    /// A read of a record: entity, field it is found by, value.
    Read(EntityName, String, String),
}

impl Instance {
    pub(super) fn of(owner: &Owner) -> Option<Self> {
        match owner {
            Owner::Link(id, _) => Some(Self::Link(*id)),
            Owner::Run(id) => Some(Self::Run(*id)),
            Owner::Read(entity, by, value) => Some(Self::Read(entity.clone(), by.clone(), value.clone())),
            Owner::Listing(_) => None,
        }
    }
}

/// Which instance is being decided, and which ones broke.
#[derive(Debug, Default)]
pub struct Guard {
    at: RefCell<Option<Instance>>,
    broken: BTreeMap<Instance, String>,
}

impl Guard {
    /// The instance that is being decided; after a panic, the one it was about.
    #[must_use]
    pub fn at(&self) -> Option<Instance> {
        self.at.borrow().clone()
    }

    /// The next try stops this instance. False where it has been stopped already: leaving it out did not help.
    pub fn broke(&mut self, instance: Instance, why: String) -> bool {
        self.broken.insert(instance, why).is_none()
    }

    pub(super) fn leave(&self) {
        *self.at.borrow_mut() = None;
    }
}

/// Begins to decide about an instance. False where it broke before: it has been stopped instead.
pub(super) fn enter(cx: &mut Context<'_>, instance: &Instance) -> Result<bool, Error> {
    if let Some(why) = cx.guard.broken.get(instance).cloned() {
        stop(cx, instance, &why)?;
        return Ok(false);
    }
    *cx.guard.at.borrow_mut() = Some(instance.clone());
    #[cfg(test)]
    tests::break_off_at(instance);
    Ok(true)
}

fn stop(cx: &mut Context<'_>, instance: &Instance, why: &str) -> Result<(), Error> {
    let why = format!("a decision about it broke off, which is a defect of the engine: {why}");
    match instance {
        Instance::Link(id) => {
            let Some(mut link) = cx.get::<LinkRow>(&identity::link_key(*id))? else { return Ok(()) };
            link.flight = [None, None];
            sync::withdraw(cx, &mut link);
            if let Some(rule) = identity::rule(cx, &link) {
                sync::park(cx, *id, &mut link, &rule, why)?;
            }
            identity::store(cx, *id, &link);
            Ok(())
        }
        Instance::Run(id) => {
            let Some(mut run) = cx.get::<RunRow>(&runs::key(*id))? else { return Ok(()) };
            if let Some(work) = run.pending.take().and_then(|effect| effect.work) {
                cx.delete(work);
            }
            run.token += 1;
            let script = runs::Script::of(cx, &run);
            runs::stop(cx, *id, &mut run, &why, script.as_ref())
        }
        Instance::Read(entity, by, value) => {
            let key = reads::read_key(entity, by, value);
            if let Some(row) = cx.get::<ReadRow>(&key)?
                && let Some(work) = row.work
            {
                cx.delete(work);
            }
            cx.delete(key);
            let rule = format!("read {entity}");
            let advice = "report it with the log; whatever needs the record waits until it changes";
            let subject = format!("read {entity} {by} {value}");
            let row = incident::row(
                subject,
                &rule,
                String::new(),
                entity.to_string(),
                value.clone(),
                why,
                advice,
                true,
                cx.now,
            );
            incident::open(cx, row, &rule)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;
    use std::sync::Arc;

    use dsl::value::{Moment, Span};
    use serde_json::json;

    use super::Instance;
    use crate::decide::{Input, OperatorCommand, views};
    use crate::ids::LinkId;
    use crate::rehearse::World;

    thread_local! {
        static AT: RefCell<Option<Box<dyn Fn(&Instance) -> bool>>> = const { RefCell::new(None) };
    }

    pub(super) fn break_off_at(instance: &Instance) {
        let hit = AT.with(|at| at.borrow().as_ref().is_some_and(|breaks| breaks(instance)));
        assert!(!hit, "the test breaks here");
    }

    fn breaks_at(breaks: impl Fn(&Instance) -> bool + 'static) {
        AT.with(|at| *at.borrow_mut() = Some(Box::new(breaks)));
    }

    fn mended() {
        AT.with(|at| *at.borrow_mut() = None);
    }

    fn world() -> World {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        let compiled = crate::rules::read(&folder).expect("the shipped rules").compile(None);
        let program = compiled.program.expect("they are sound");
        World::new(Arc::new(program), Moment(1_772_442_000_000)).expect("the engine starts")
    }

    fn sign_up(world: &mut World, email: &str) -> String {
        let values = json!({"email": email, "firstName": "A", "lastName": "B", "lifetimeValue": "0"});
        let now = world.now();
        let id = world.app.lock().expect("a sound twin").create("User", values, now).expect("taken");
        world.pass(Span::seconds(5)).expect("the engine goes on");
        id
    }

    fn set_phone(world: &mut World, user: &str, phone: &str) {
        let now = world.now();
        let values = json!({ "phone": phone });
        world.app.lock().expect("a sound twin").edit("User", user, values, now).expect("taken");
    }

    fn phone(world: &World, email: &str) -> Option<String> {
        let crm = world.crm.lock().expect("a sound twin");
        crm.find("Contact", "email", email).and_then(|contact| contact.properties.get("phone").cloned())
    }

    fn causes(world: &World) -> Vec<String> {
        views::incidents(world.rows()).expect("readable").into_iter().map(|incident| incident.cause).collect()
    }

    #[test]
    fn a_decision_that_breaks_off_stops_its_pair_and_nothing_else() {
        let mut world = world();
        let (ada, eve) = (sign_up(&mut world, "ada@example.com"), sign_up(&mut world, "eve@example.com"));
        let links = views::links(world.rows()).expect("readable");
        let link = links.iter().find(|link| link.left.as_ref() == Some(&ada)).expect("a pair");
        let number: u64 = link.link[1..].parse().expect("a number");
        breaks_at(move |instance| *instance == Instance::Link(LinkId(number)));
        set_phone(&mut world, &ada, "111");
        set_phone(&mut world, &eve, "222");
        world.pass(Span::seconds(30)).expect("the engine goes on");
        assert_eq!(phone(&world, "eve@example.com").as_deref(), Some("222"));
        assert_eq!(phone(&world, "ada@example.com"), None);
        let causes_now = causes(&world);
        assert_eq!(causes_now.len(), 1, "{causes_now:?}");
        assert!(
            causes_now[0].contains("broke off") && causes_now[0].contains("the test breaks here"),
            "{causes_now:?}"
        );
        // Once the defect is mended, the person who was shown it tries again.
        mended();
        let command = OperatorCommand::RetryLink { link: number };
        world.input(&Input::Operator { who: "test".to_owned(), command }).expect("taken");
        world.pass(Span::seconds(30)).expect("the engine goes on");
        assert_eq!(phone(&world, "ada@example.com").as_deref(), Some("111"));
        assert_eq!(causes(&world), Vec::<String>::new());
    }

    #[test]
    fn an_answer_on_which_a_decision_breaks_off_does_not_take_the_others_with_it() {
        let mut world = world();
        let (ada, eve) = (sign_up(&mut world, "ada@example.com"), sign_up(&mut world, "eve@example.com"));
        let links = views::links(world.rows()).expect("readable");
        let link = links.iter().find(|link| link.left.as_ref() == Some(&ada)).expect("a pair");
        let number: u64 = link.link[1..].parse().expect("a number");
        set_phone(&mut world, &ada, "111");
        set_phone(&mut world, &eve, "222");
        // Both writes are on their way in one request when the defect shows.
        world.pass(Span(290)).expect("the engine goes on");
        breaks_at(move |instance| *instance == Instance::Link(LinkId(number)));
        world.pass(Span::seconds(30)).expect("the engine goes on");
        mended();
        assert_eq!(phone(&world, "eve@example.com").as_deref(), Some("222"));
        assert!(causes(&world).iter().any(|cause| cause.contains("broke off")));
        let command = OperatorCommand::RetryLink { link: number };
        world.input(&Input::Operator { who: "test".to_owned(), command }).expect("taken");
        world.pass(Span::seconds(30)).expect("the engine goes on");
        assert_eq!(phone(&world, "ada@example.com").as_deref(), Some("111"));
        assert_eq!(causes(&world), Vec::<String>::new());
    }

    #[test]
    fn a_run_on_which_a_decision_breaks_off_stops_and_can_be_tried_again() {
        let mut world = world();
        let user = sign_up(&mut world, "ada@example.com");
        world.crm.lock().expect("a sound twin").owner("104", "sales-desk@example.com");
        breaks_at(|instance| matches!(instance, Instance::Run(_)));
        let now = world.now();
        let values = json!({"user": {"id": user}, "plan": "pro", "price": "49.00", "status": "pending",
            "startDate": "2026-03-02T09:00:00.000Z"});
        world.app.lock().expect("a sound twin").create("Subscription", values, now).expect("taken");
        world.pass(Span::seconds(30)).expect("the engine goes on");
        assert_eq!(world.crm.lock().expect("a sound twin").records("Deal").count(), 0);
        let incidents = views::incidents(world.rows()).expect("readable");
        let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
        assert!(incident.cause.contains("broke off") && !incident.parked, "{incident:?}");
        mended();
        let run = incident.subject.trim_start_matches("run r").parse().expect("the run's number");
        let command = OperatorCommand::RetryRun { run };
        world.input(&Input::Operator { who: "test".to_owned(), command }).expect("taken");
        world.pass(Span::seconds(60)).expect("the engine goes on");
        assert_eq!(causes(&world), Vec::<String>::new());
        assert_eq!(world.crm.lock().expect("a sound twin").records("Deal").count(), 1);
    }
}
