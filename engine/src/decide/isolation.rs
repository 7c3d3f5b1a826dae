//! Keeps a decision that breaks off from stopping more than the instance it was about (a bulkhead).
//!
//! A panic in here is a defect of the engine. Deciding is pure, so the same input can be decided again with that
//! instance left out: it is stopped, people are shown why, and everything else goes on.
//! Always true: what is stopped is an incident; nothing of a try that broke off is kept.

use crate::decide::model::instance::Instance;
use crate::decide::model::key;
use crate::decide::model::sides::Sides;
use crate::decide::model::subject::Subject;
use crate::decide::model::work::ReadState;
use crate::decide::runs::ending;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::links::OpenLink;
use crate::decide::store::listings::OpenListing;
use crate::decide::store::retry::REFUSED_AGAIN;
use crate::decide::store::runs::OpenRun;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// What became of work about an instance.
#[derive(Debug)]
pub(crate) enum Isolated<T> {
    Done(T),
    /// It broke an earlier try with the same input, so it was not begun: why.
    Broken(String),
}

/// Does work that is about one instance: should it break off, that instance is at fault.
pub(crate) fn run<'a, T>(
    cx: &mut Context<'a>,
    instance: &Instance,
    work: impl FnOnce(&mut Context<'a>) -> Result<T, Error>,
) -> Result<Isolated<T>, Error> {
    if let Some(why) = cx.isolation.begin(instance) {
        return Ok(Isolated::Broken(why));
    }
    #[cfg(test)]
    tests::break_off_at(instance);
    let done = work(cx)?;
    cx.isolation.leave();
    Ok(Isolated::Done(done))
}

/// Stops an instance that broke, and shows people why. Messages and timers are given up where they are taken from.
pub(crate) fn stop(cx: &mut Context<'_>, instance: &Instance, reason: &str) -> Result<(), Error> {
    let why = format!("a decision about it broke off, which is a defect of the engine: {reason}");
    match instance {
        Instance::Link(id) => {
            let Some(mut link) = OpenLink::open(cx, *id)? else { return Ok(()) };
            link.withdraw(cx);
            link.writes = Sides::default();
            link.park(cx, why)?;
            link.save(cx);
            Ok(())
        }
        Instance::Run(id) => {
            let Some(mut run) = OpenRun::open(cx, *id)? else { return Ok(()) };
            if run.state.over().is_none() {
                ending::stop(cx, &mut run, &why)?;
            }
            run.save(cx);
            Ok(())
        }
        Instance::Record(entity, id) => {
            incidents::report(cx, Subject::Record { entity: entity.clone(), id: id.clone() }, reason)
        }
        Instance::Message(..) | Instance::Timer(_) => Ok(()),
        Instance::Read(read) => {
            if let Some(row) = cx.get(&key::read(read))? {
                if let ReadState::Queued(work) = row.state {
                    cx.delete(work);
                }
                cx.delete(key::read(read));
            }
            let incident = NewIncident {
                subject: Subject::Read(read.clone()),
                rule: format!("read {}", read.entity),
                entity: read.entity.to_string(),
                id: read.value.clone(),
                cause: why,
                advice: "report it with the log; whatever needs the record waits until it changes".to_owned(),
                parked: true,
                ..NewIncident::default()
            };
            incidents::open(cx, incident)
        }
        Instance::Listing(name) => {
            if let Some(open) = OpenListing::open(cx, name)? {
                open.ask(cx, REFUSED_AGAIN);
            }
            incidents::report(cx, Subject::Listing(name.clone()), reason)
        }
    }
}

#[cfg(test)]
pub(crate) use tests::break_off_unguarded;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use connectors::port::{Body, Message};
    use dsl::value::{Duration, Timestamp};
    use serde_json::json;

    use super::Instance;
    use crate::decide::{Input, OperatorCommand, Source, views};
    use crate::ids::LinkId;
    use crate::rehearse::Simulation;

    type Breaks<T> = Option<Box<dyn Fn(&T) -> bool>>;

    thread_local! {
        static AT: RefCell<Breaks<Instance>> = const { RefCell::new(None) };
    }

    pub(crate) fn break_off_at(instance: &Instance) {
        let hit = AT.with(|at| at.borrow().as_ref().is_some_and(|breaks| breaks(instance)));
        assert!(!hit, "the test breaks here");
    }

    fn breaks_at(breaks: impl Fn(&Instance) -> bool + 'static) {
        AT.with(|at| *at.borrow_mut() = Some(Box::new(breaks)));
    }

    thread_local! {
        static UNGUARDED: RefCell<Breaks<Input>> = const { RefCell::new(None) };
    }

    pub(crate) fn break_off_unguarded(input: &Input) {
        let hit = UNGUARDED.with(|at| at.borrow().as_ref().is_some_and(|breaks| breaks(input)));
        assert!(!hit, "the test breaks here");
    }

    fn unguarded_input(breaks: impl Fn(&Input) -> bool + 'static) {
        UNGUARDED.with(|at| *at.borrow_mut() = Some(Box::new(breaks)));
    }

    fn unguarded(breaks: impl Fn() -> bool + 'static) {
        unguarded_input(move |input| *input == Input::Due && breaks());
    }

    fn whole() {
        UNGUARDED.with(|at| *at.borrow_mut() = None);
    }

    fn mended() {
        AT.with(|at| *at.borrow_mut() = None);
    }

    fn world() -> Simulation {
        Simulation::new(crate::rules::shipped(), Timestamp(1_772_442_000_000)).expect("the engine starts")
    }

    fn sign_up(world: &mut Simulation, email: &str) -> String {
        let values = json!({"email": email, "firstName": "A", "lastName": "B", "lifetimeValue": "0"});
        let now = world.now();
        let id = world.app.lock().expect("a sound twin").create("User", values, now).expect("taken");
        world.pass(Duration::seconds(5)).expect("the engine goes on");
        id
    }

    fn set_phone(world: &mut Simulation, user: &str, phone: &str) {
        let now = world.now();
        let values = json!({ "phone": phone });
        world.app.lock().expect("a sound twin").edit("User", user, values, now).expect("taken");
    }

    fn phone(world: &Simulation, email: &str) -> Option<String> {
        let crm = world.crm.lock().expect("a sound twin");
        crm.find("Contact", "email", email).and_then(|contact| contact.properties.get("phone").cloned())
    }

    fn causes(world: &Simulation) -> Vec<String> {
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
        world.pass(Duration::seconds(30)).expect("the engine goes on");
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
        world.pass(Duration::seconds(30)).expect("the engine goes on");
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
        world.pass(Duration(90)).expect("the engine goes on");
        breaks_at(move |instance| *instance == Instance::Link(LinkId(number)));
        world.pass(Duration::seconds(30)).expect("the engine goes on");
        mended();
        assert_eq!(phone(&world, "eve@example.com").as_deref(), Some("222"));
        assert!(causes(&world).iter().any(|cause| cause.contains("broke off")));
        let command = OperatorCommand::RetryLink { link: number };
        world.input(&Input::Operator { who: "test".to_owned(), command }).expect("taken");
        world.pass(Duration::seconds(30)).expect("the engine goes on");
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
        world.pass(Duration::seconds(30)).expect("the engine goes on");
        assert_eq!(world.crm.lock().expect("a sound twin").records("Deal").count(), 0);
        let incidents = views::incidents(world.rows()).expect("readable");
        let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
        assert!(incident.cause.contains("broke off") && !incident.parked, "{incident:?}");
        mended();
        let run = incident.subject.trim_start_matches("run r").parse().expect("the run's number");
        let command = OperatorCommand::RetryRun { run };
        world.input(&Input::Operator { who: "test".to_owned(), command }).expect("taken");
        world.pass(Duration::seconds(60)).expect("the engine goes on");
        assert_eq!(causes(&world), Vec::<String>::new());
        assert_eq!(world.crm.lock().expect("a sound twin").records("Deal").count(), 1);
    }

    /// One delivery a second, so that the second one waits.
    fn paced() -> Simulation {
        let program =
            crate::rules::shipped_with("webhooks 50 requests per 10 seconds", "webhooks 1 requests per 1 second");
        Simulation::new(program, Timestamp(1_772_442_000_000)).expect("the engine starts")
    }

    fn deliver(world: &mut Simulation, marks: &[&str]) {
        let now = world.now();
        let message = |mark: &&str| Message {
            name: "no.such".to_owned(),
            at: now,
            dedupe: (*mark).to_owned(),
            own: false,
            body: Body::Foreign,
        };
        let messages = marks.iter().map(message).collect();
        let (system, source) = ("crm".to_owned(), Source::Webhook);
        world.input(&Input::Delivery { system, messages, malformed: Vec::new(), source }).expect("taken");
    }

    fn decided(world: &Simulation) -> usize {
        world.log.iter().filter(|event| event.action == "foreign").count()
    }

    #[test]
    fn a_stored_message_on_which_a_decision_breaks_off_is_parked_and_the_others_are_decided() {
        let mut world = paced();
        deliver(&mut world, &["1"]);
        deliver(&mut world, &["2", "3", "4"]);
        deliver(&mut world, &["5"]);
        breaks_at(|instance| matches!(instance, Instance::Message(1.., 1)));
        world.pass(Duration::seconds(5)).expect("the engine goes on");
        mended();
        assert_eq!(decided(&world), 4);
        let incidents = views::incidents(world.rows()).expect("readable");
        let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
        assert!(incident.cause.contains("the test breaks here"), "{incident:?}");
        let name = incident.subject.strip_prefix("message ").expect("a message");
        let kept = views::parked(world.rows(), name).expect("readable").expect("it is kept");
        assert!(kept.payload.contains("\"dedupe\":\"3\""), "{kept:?}");
    }

    #[test]
    fn a_message_that_just_came_and_breaks_off_takes_no_other_with_it() {
        let mut world = paced();
        breaks_at(|instance| *instance == Instance::Message(0, 1));
        deliver(&mut world, &["1", "2", "3"]);
        mended();
        world.pass(Duration(1)).expect("the engine goes on");
        assert_eq!((decided(&world), causes(&world).len()), (2, 1));
    }

    #[test]
    fn a_reaction_that_breaks_off_stops_what_follows_from_its_record_alone() {
        let mut world = world();
        let (ada, eve) = (sign_up(&mut world, "ada@example.com"), sign_up(&mut world, "eve@example.com"));
        let id = ada.clone();
        breaks_at(move |instance| matches!(instance, Instance::Record(_, record) if *record == id));
        set_phone(&mut world, &ada, "111");
        set_phone(&mut world, &eve, "222");
        world.pass(Duration::seconds(30)).expect("the engine goes on");
        mended();
        assert_eq!(phone(&world, "eve@example.com").as_deref(), Some("222"));
        assert!(causes(&world).iter().all(|cause| cause.contains("broke off")), "{:?}", causes(&world));
        assert_eq!(causes(&world).len(), 1);
    }

    #[test]
    fn a_timer_that_breaks_off_goes_on_with_its_next_time() {
        let mut world = paced();
        for mark in ["1", "2", "3"] {
            deliver(&mut world, &[mark]);
        }
        breaks_at(|instance| matches!(instance, Instance::Timer(_)));
        world.pass(Duration::minutes(30)).expect("the engine goes on");
        assert_eq!(decided(&world), 1);
        let found = views::incidents(world.rows()).expect("readable");
        assert!(found.iter().any(|incident| incident.subject.contains("Pace")), "{found:?}");
        mended();
        // The queue is looked at again, and so are schedules at their next hour.
        world.pass(Duration::minutes(2)).expect("the engine goes on");
        assert_eq!(decided(&world), 3);
        let before = world.log.iter().filter(|event| event.action == "schedule").count();
        world.pass(Duration::days(1)).expect("the engine goes on");
        assert!(world.log.iter().filter(|event| event.action == "schedule").count() > before);
    }

    #[test]
    fn a_defect_that_no_instance_is_at_fault_for_leaves_a_timer_undone_and_not_the_daemon() {
        let mut world = paced();
        deliver(&mut world, &["1"]);
        deliver(&mut world, &["2"]);
        // The same timer again when it has been stopped: leaving it out does not help.
        let tries = std::cell::Cell::new(0);
        unguarded(move || {
            tries.set(tries.get() + 1);
            tries.get() <= 4
        });
        world.pass(Duration::minutes(5)).expect("the engine goes on");
        whole();
        assert!(causes(&world).iter().any(|cause| cause.contains("broke off")), "{:?}", causes(&world));
        deliver(&mut world, &["3"]);
        world.pass(Duration::minutes(5)).expect("the engine goes on");
        assert_eq!(decided(&world), 3);
    }

    #[test]
    fn a_lane_and_answers_that_break_off_leave_the_daemon_running() {
        let mut world = world();
        unguarded_input(|input| matches!(input, Input::Open { .. }));
        sign_up(&mut world, "ada@example.com");
        whole();
        let subjects = |world: &Simulation| -> Vec<String> {
            views::incidents(world.rows()).expect("readable").into_iter().map(|incident| incident.subject).collect()
        };
        assert!(subjects(&world).iter().all(|subject| subject.starts_with("lane ")), "{:?}", subjects(&world));
        assert!(!subjects(&world).is_empty());
        // The next start finds the work where it was left.
        world.restart().expect("the engine starts");
        world.pass(Duration::minutes(1)).expect("the engine goes on");
        assert!(world.crm.lock().expect("a sound twin").find("Contact", "email", "ada@example.com").is_some());
        unguarded_input(|input| matches!(input, Input::Answers { .. }));
        sign_up(&mut world, "eve@example.com");
        whole();
        assert!(subjects(&world).iter().any(|subject| subject.starts_with("call ")), "{:?}", subjects(&world));
        world.restart().expect("the engine starts");
        world.pass(Duration::minutes(5)).expect("the engine goes on");
        let crm = world.crm.lock().expect("a sound twin");
        assert_eq!(crm.records("Contact").count(), 2);
    }
}
