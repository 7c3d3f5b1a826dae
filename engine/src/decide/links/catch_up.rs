//! What never came: syncs on change ask their systems now and then for what changed, and for what was deleted, since
//! the last change that is known (`sweep` in the rules).
//!
//! In: the timer of a sync, and the pages of its listings. Out: records as known, links that look again, and reads of
//! those that may be gone.
//! Always true: where a sweep begins is a row, and moves on only when all pages of a side have come, by the clock of
//! the side's system; a sweep that was due while nothing ran begins at the start. What search says of a record that is
//! known to be gone is read by its id before it is believed.
//! Not here: records that were there before the sync was first active (`engine backfill`).

use connectors::port::Observed;
use dsl::program::{Run, Side};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp};

use crate::decide::links::schedule;
use crate::decide::model::key;
use crate::decide::model::record::Life;
use crate::decide::model::sides::Sides;
use crate::decide::model::work::{CatchUpPart, CatchUpRow, ListingState, TimerRow};
use crate::decide::records::observe::{How, observe, version};
use crate::decide::store::links::ActiveSync;
use crate::decide::store::listings::OpenListing;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads};
use crate::ledger::Error;

/// A sweep looks this far behind the last change that is known: a search shows some changes later than others.
const OVERLAP: Duration = Duration::minutes(2);

/// Archived records that one page of a list holds; more than that many make the list come less often.
const ARCHIVED_OF_ONE_CALL: u64 = 100;

/// Sets the sweeps of the active program; what is set already stays, or comes earlier where the rules say so now.
pub(crate) fn started(cx: &mut Context<'_>) -> Result<(), Error> {
    if !cx.settings.sweeps {
        return Ok(());
    }
    for sync in &cx.program().syncs {
        let Some(every) = every(sync) else { continue };
        let key = key::catch_up(&sync.name);
        let known = cx.get(&key)?;
        let next = cx.now.plus(every);
        if known.as_ref().is_some_and(|row| row.next <= next) {
            continue;
        }
        let known = known.unwrap_or_else(|| CatchUpRow {
            known_to: Sides::new(cx.now, cx.now),
            archived_due: Sides::new(next, next),
            ..CatchUpRow::default()
        });
        cx.put(key, &CatchUpRow { next, ..known });
        cx.arm(next, &TimerRow::CatchUp(sync.name.clone()))?;
    }
    Ok(())
}

fn every(sync: &dsl::program::Sync) -> Option<Duration> {
    sync.sweep.filter(|_| sync.run == Run::OnChange)
}

/// The sweeps of a sync that is being decided. What is changed of the row counts once it is saved.
struct OpenCatchUp {
    sync: ActiveSync,
    every: Duration,
    row: CatchUpRow,
}

impl OpenCatchUp {
    /// The sweeps of this sync, if they are set. Those of a sync that has none any more end here.
    fn open(cx: &mut Context<'_>, name: &str) -> Result<Option<Self>, Error> {
        let key = key::catch_up(name);
        let Some(row) = cx.get(&key)? else { return Ok(None) };
        let sync = ActiveSync::named(cx, name).and_then(|sync| Some((every(&sync)?, sync)));
        match sync {
            Some((every, sync)) => Ok(Some(Self { sync, every, row })),
            None => {
                cx.delete(key);
                Ok(None)
            }
        }
    }

    fn save(self, cx: &mut Context<'_>) {
        cx.put(key::catch_up(&self.sync.name), &self.row);
    }

    fn arm(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        self.row.next = cx.now.plus(self.every);
        cx.arm(self.row.next, &TimerRow::CatchUp(self.sync.name.clone()))
    }

    /// Asks for a part of the sweep.
    fn list(&mut self, cx: &mut Context<'_>, part: CatchUpPart) -> Result<(), Error> {
        let entity = self.sync.entity(part.side());
        let (name, since) = match part {
            CatchUpPart::Changes(side) => {
                (key::changes_name(&self.sync.name), Some(self.row.known_to[side].minus(OVERLAP)))
            }
            CatchUpPart::Archived(_) => (key::archived_name(&self.sync.name), None),
        };
        OpenListing::begin(cx, &name, entity, Some(&self.sync.name), since)?.save(cx);
        self.row.seen_to = None;
        self.row.part = Some(part);
        Ok(())
    }

    /// What comes after a part; nothing where the sweep is over.
    fn after(&self, part: CatchUpPart, now: Timestamp) -> Option<CatchUpPart> {
        match part {
            CatchUpPart::Changes(side) if self.row.archived_due[side] <= now => Some(CatchUpPart::Archived(side)),
            CatchUpPart::Changes(Side::Left) | CatchUpPart::Archived(Side::Left) => {
                Some(CatchUpPart::Changes(Side::Right))
            }
            CatchUpPart::Changes(Side::Right) | CatchUpPart::Archived(Side::Right) => None,
        }
    }
}

/// The timer of a sync's sweeps is due.
pub(crate) fn due(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(mut sweep) = OpenCatchUp::open(cx, name)? else { return Ok(()) };
    if sweep.row.next > cx.now {
        return Ok(());
    }
    sweep.arm(cx)?;
    // One that is long goes on, and so does what is left of one whose sync was away meanwhile; the next one begins where
    // it ends.
    if sweep.row.part.is_none() && !is_listing(cx, name)? {
        sweep.list(cx, CatchUpPart::Changes(Side::Left))?;
    }
    sweep.save(cx);
    Ok(())
}

/// A page of a sweep of this sync is still to come.
fn is_listing(cx: &Context<'_>, name: &str) -> Result<bool, Error> {
    for name in [key::changes_name(name), key::archived_name(name)] {
        let open = OpenListing::open(cx, &name)?;
        if open.is_some_and(|open| matches!(open.row.state, ListingState::Listing { .. })) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A sweep could not begin for a defect: it is left out, and the next one comes at its time.
pub(crate) fn left_out(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(mut sweep) = OpenCatchUp::open(cx, name)? else { return Ok(()) };
    sweep.arm(cx)?;
    sweep.save(cx);
    Ok(())
}

/// A page of a sweep came.
pub(crate) fn page(cx: &mut Context<'_>, name: &str, entity: &EntityName, seen: &[Observed]) -> Result<(), Error> {
    let Some(mut sweep) = OpenCatchUp::open(cx, name)? else { return Ok(()) };
    let Some(part) = sweep.row.part else { return Ok(()) };
    for observed in seen {
        let life = cx.record(entity, &observed.id)?.map(|row| row.life.clone());
        match part {
            CatchUpPart::Changes(side) => {
                let said = version(&cx.program(), entity, observed);
                sweep.row.seen_to = sweep.row.seen_to.max(said);
                match life {
                    Some(Life::Deleted(_) | Life::Merged(_)) => reads::refresh(cx, entity, &observed.id)?,
                    Some(Life::Erased) => {}
                    Some(Life::Live) | None => {
                        let observed = Observed { complete: true, ..observed.clone() };
                        observe(cx, entity, &observed, How::Read, cx.now)?;
                        let link = links::ensure(cx, &sweep.sync, side, &observed.id, false)?;
                        cx.visited.insert(link, entity.clone());
                    }
                }
            }
            CatchUpPart::Archived(_) => {
                if life == Some(Life::Live) {
                    reads::refresh(cx, entity, &observed.id)?;
                }
            }
        }
    }
    sweep.save(cx);
    Ok(())
}

/// The last page of a part came.
pub(crate) fn finished(cx: &mut Context<'_>, name: &str, began: Timestamp, count: u64) -> Result<(), Error> {
    let Some(mut sweep) = OpenCatchUp::open(cx, name)? else { return Ok(()) };
    let Some(part) = sweep.row.part.take() else { return Ok(()) };
    match part {
        CatchUpPart::Changes(side) => {
            // A change that is dated ahead of us must not hide those that come until then.
            let seen = sweep.row.seen_to.take().unwrap_or_default().min(began);
            let known = &mut sweep.row.known_to[side];
            *known = (*known).max(seen);
        }
        CatchUpPart::Archived(side) => {
            let more = count / ARCHIVED_OF_ONE_CALL;
            let pause = sweep.every.0.saturating_mul(i64::try_from(more).unwrap_or(i64::MAX));
            sweep.row.archived_due[side] = cx.now.plus(Duration(pause));
        }
    }
    match sweep.after(part, cx.now) {
        Some(next) => sweep.list(cx, next)?,
        None => schedule::tell(cx, &sweep.sync, "sweep: both sides were asked for what changed".to_owned()),
    }
    sweep.save(cx);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use dsl::program::Program;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::decide::Settings;
    use crate::rehearse::{Asked, Conditions, Passage, Said, Simulation};

    const START: Timestamp = Timestamp(1_772_442_000_000);
    const EMAIL: &str = "ada@example.com";

    /// No message arrives while it is raining, and requests are counted.
    #[derive(Clone, Default)]
    struct Weather(Arc<Mutex<(bool, Vec<String>)>>);

    impl Weather {
        fn rain(&self, rains: bool) {
            self.0.lock().expect("sound").0 = rains;
        }

        /// What was asked since the last look.
        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().expect("sound").1)
        }
    }

    impl Conditions for Weather {
        fn request(&mut self, asked: Asked<'_>, _: Timestamp) -> Passage {
            let path = asked.request.uri().path_and_query().map_or("", |path| path.as_str());
            self.0.lock().expect("sound").1.push(format!("{} {} {path}", asked.system, asked.request.method()));
            Passage::default()
        }

        fn message(&mut self, _: &str, _: Said<'_>, _: Timestamp) -> Vec<Duration> {
            if self.0.lock().expect("sound").0 { Vec::new() } else { vec![Duration(0)] }
        }
    }

    fn world(program: Arc<Program>) -> (Simulation, Weather) {
        let settings = Settings { sweeps: true, ..Settings::default() };
        let mut world = Simulation::with(program, START, settings).expect("the engine starts");
        let weather = Weather::default();
        world.set_conditions(weather.clone());
        (world, weather)
    }

    /// Ada on both sides; from now on nobody is told of anything.
    fn paired() -> (Simulation, Weather, String, u64) {
        let (mut world, weather) = world(crate::rules::shipped());
        let values = json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "phone": "1", "lifetimeValue": "0"});
        let user = world.app.lock().expect("sound").create("User", values, START).expect("taken");
        pass(&mut world, Duration::minutes(1));
        let contact = world.crm.lock().expect("sound").find("Contact", "email", EMAIL).expect("a contact").id;
        weather.rain(true);
        (world, weather, user, contact)
    }

    fn pass(world: &mut Simulation, span: Duration) {
        world.pass(span).expect("the engine goes on");
    }

    fn edit_contact(world: &Simulation, id: u64, property: &str, value: &str, at: Timestamp) {
        world.crm.lock().expect("sound").edit("Contact", id, &[(property, value)], at).expect("taken");
    }

    fn of_contact(world: &Simulation, email: &str, property: &str) -> Option<String> {
        world.crm.lock().expect("sound").find("Contact", "email", email)?.properties.get(property).cloned()
    }

    fn of_user(world: &Simulation, email: &str, field: &str) -> Json {
        world
            .app
            .lock()
            .expect("sound")
            .find("User", "email", email)
            .map_or(Json::Null, |user| json!(user)[field].clone())
    }

    fn life(world: &Simulation, contact: u64) -> Option<Life> {
        let entity = EntityName::new("crm", "Contact");
        key::record(&entity, &contact.to_string()).read(world.rows()).expect("readable").map(|row| row.life)
    }

    #[test]
    fn changes_of_which_no_message_came_are_found_on_both_sides() {
        let (mut world, _, user, contact) = paired();
        let now = world.now();
        edit_contact(&world, contact, "phone", "2", now);
        let mut crm = world.crm.lock().expect("sound");
        crm.create("Contact", &[("email", "grace@example.com"), ("firstname", "Grace"), ("lastname", "H")], now)
            .expect("taken");
        drop(crm);
        let mut app = world.app.lock().expect("sound");
        app.edit("User", &user, json!({"firstName": "Augusta"}), now).expect("taken");
        let joan = json!({"email": "joan@example.com", "firstName": "Joan", "lastName": "C", "lifetimeValue": "0"});
        app.create("User", joan, now).expect("taken");
        drop(app);
        pass(&mut world, Duration::minutes(13));
        assert_eq!(of_user(&world, EMAIL, "phone"), "1", "nobody was told, and no sweep was due");
        pass(&mut world, Duration::minutes(2));
        assert_eq!(of_user(&world, EMAIL, "phone"), "2");
        assert_eq!(of_user(&world, "grace@example.com", "firstName"), "Grace");
        assert_eq!(of_contact(&world, EMAIL, "firstname").as_deref(), Some("Augusta"));
        assert_eq!(of_contact(&world, "joan@example.com", "firstname").as_deref(), Some("Joan"));
        // The next one has nothing to write.
        let writes = world.crm.lock().expect("sound").calls().writes;
        pass(&mut world, Duration::hours(2));
        assert_eq!(world.crm.lock().expect("sound").calls().writes, writes);
    }

    #[test]
    fn a_deletion_of_which_no_message_came_is_found_and_looked_up_once() {
        let (mut world, weather, _, contact) = paired();
        let now = world.now();
        world.crm.lock().expect("sound").archive("Contact", contact, now);
        pass(&mut world, Duration::minutes(13));
        assert_eq!(life(&world, contact), Some(Life::Live));
        pass(&mut world, Duration::minutes(2));
        assert!(matches!(life(&world, contact), Some(Life::Deleted(_))), "{:?}", life(&world, contact));
        weather.asked();
        pass(&mut world, Duration::hours(1));
        let asked = weather.asked();
        let again =
            asked.iter().filter(|asked| asked.contains(&format!("/{contact}?")) || asked.contains("batch/read"));
        assert_eq!(again.count(), 0, "{asked:?}");
    }

    #[test]
    fn a_daemon_that_was_away_for_five_days_is_in_step_after_its_first_sweep() {
        let (mut world, _, user, contact) = paired();
        let left = world.now();
        let old =
            world.crm.lock().expect("sound").create("Contact", &[("email", "old@example.com")], left).expect("taken");
        for day in 0..5 {
            let at = left.plus(Duration::days(day)).plus(Duration::hours(1));
            edit_contact(&world, contact, "phone", &format!("{day}"), at);
            let mut app = world.app.lock().expect("sound");
            app.edit("User", &user, json!({"firstName": format!("Ada {day}")}), at).expect("taken");
            let values =
                json!({"email": format!("{day}@example.com"), "firstName": "N", "lastName": "N", "lifetimeValue": "0"});
            app.create("User", values, at).expect("taken");
        }
        world.crm.lock().expect("sound").archive("Contact", old, left.plus(Duration::days(4)));
        world.set_clock(left.plus(Duration::days(5)));
        world.restart().expect("it starts");
        pass(&mut world, Duration::minutes(1));
        assert_eq!(of_user(&world, EMAIL, "phone"), "4");
        assert_eq!(of_contact(&world, EMAIL, "firstname").as_deref(), Some("Ada 4"));
        for day in 0..5 {
            assert_eq!(of_contact(&world, &format!("{day}@example.com"), "firstname").as_deref(), Some("N"), "{day}");
        }
    }

    #[test]
    fn more_changes_of_one_millisecond_than_a_page_holds_are_all_found() {
        let (mut world, _, _, _) = paired();
        let now = world.now();
        for n in 0..330 {
            let values =
                [("email", format!("n{n}@example.com")), ("firstname", "N".to_owned()), ("lastname", "N".to_owned())];
            let values = values.map(|(name, value)| (name.to_owned(), value));
            let at = now.plus(Duration(i64::from(n >= 320)));
            world.crm.lock().expect("sound").place("Contact", None, values.into(), at).expect("taken");
        }
        pass(&mut world, Duration::minutes(20));
        let missing: Vec<i32> =
            (0..330).filter(|n| of_user(&world, &format!("n{n}@example.com"), "firstName") != "N").collect();
        assert_eq!(missing, Vec::<i32>::new());
    }

    #[test]
    fn a_sweep_that_finds_nothing_costs_two_calls_at_hubspot_and_one_at_the_app_for_each_sync() {
        let (mut world, weather) = world(crate::rules::shipped());
        pass(&mut world, Duration::minutes(1));
        weather.asked();
        pass(&mut world, Duration::hours(1));
        let mut asked = weather.asked();
        // Companies are synced by the clock.
        asked.retain(|asked| !asked.contains("/companies?"));
        let syncs = world.programs().active.syncs.iter().filter(|sync| sync.sweep.is_some()).count();
        let of = |system: &str, what: &str| {
            asked.iter().filter(|asked| asked.starts_with(system) && asked.contains(what)).count()
        };
        assert_eq!(syncs, 4);
        assert_eq!((of("crm", "/search"), of("crm", "archived=true"), of("app", "updatedSince")), (16, 16, 16));
        // The shipped rules allow 36,000 calls an hour at HubSpot.
        assert!(of("crm", "") <= 40, "{asked:?}");
    }

    #[test]
    fn a_sync_that_says_never_does_not_sweep_and_one_that_says_so_later_ends_its_sweeps() {
        let mut program = Program::clone(&crate::rules::shipped());
        for sync in &mut program.syncs {
            Arc::make_mut(sync).sweep = None;
        }
        let never = Arc::new(program);
        let (mut world, weather) = world(Arc::clone(&never));
        pass(&mut world, Duration::minutes(1));
        weather.asked();
        pass(&mut world, Duration::hours(1));
        let sweeps = |weather: &Weather| weather.asked().iter().filter(|asked| asked.contains("archived=true")).count();
        assert_eq!(sweeps(&weather), 0);

        let (mut world, weather, _, contact) = paired();
        let mut other = Program::clone(&never);
        other.hash = "never".to_owned();
        world.activate(Arc::new(other)).expect("it goes on");
        let now = world.now();
        edit_contact(&world, contact, "phone", "2", now);
        weather.asked();
        pass(&mut world, Duration::hours(1));
        assert_eq!((sweeps(&weather), of_user(&world, EMAIL, "phone")), (0, json!("1")));
        assert_eq!(key::catch_up("Contacts").read(world.rows()).expect("readable"), None);
    }

    #[test]
    fn a_search_that_is_behind_brings_nobody_back() {
        let (mut world, weather, _, contact) = paired();
        world.crm.lock().expect("sound").delay_index(Duration::minutes(60));
        let now = world.now();
        edit_contact(&world, contact, "phone", "2", now);
        weather.rain(false);
        pass(&mut world, Duration::minutes(1));
        let now = world.now();
        world.crm.lock().expect("sound").archive("Contact", contact, now);
        pass(&mut world, Duration::minutes(1));
        assert!(matches!(life(&world, contact), Some(Life::Deleted(_))));
        for _ in 0..8 {
            pass(&mut world, Duration::minutes(15));
            assert!(matches!(life(&world, contact), Some(Life::Deleted(_))), "{}", world.now());
        }
    }

    #[test]
    fn a_list_of_archived_records_that_is_long_is_read_less_often() {
        let (mut world, weather, _, _) = paired();
        let now = world.now();
        let mut crm = world.crm.lock().expect("sound");
        for n in 0..450 {
            let id = crm.create("Contact", &[("email", &format!("n{n}@example.com"))], now).expect("taken");
            crm.archive("Contact", id, now);
        }
        drop(crm);
        pass(&mut world, Duration::minutes(20));
        weather.asked();
        pass(&mut world, Duration::hours(5));
        let asked = weather.asked();
        let archived = asked.iter().filter(|asked| asked.contains("0-1?") && asked.contains("archived=true")).count();
        // Five pages after every fifth of twenty sweeps.
        assert!((15..=25).contains(&archived), "{archived}");
    }

    #[test]
    fn a_change_dated_far_ahead_hides_none_that_comes_before_it() {
        let (mut world, _, _, contact) = paired();
        let far = world.now().plus(Duration::days(400));
        world.crm.lock().expect("sound").create("Contact", &[("email", "far@example.com")], far).expect("taken");
        pass(&mut world, Duration::minutes(20));
        let now = world.now();
        edit_contact(&world, contact, "phone", "2", now);
        pass(&mut world, Duration::minutes(20));
        assert_eq!(of_user(&world, EMAIL, "phone"), "2");
    }
}
