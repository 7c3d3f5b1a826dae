//! What holds whatever is done: search finds what a look at every record finds, now and behind a delay, and a copy of
//! the account goes its own way.

use dsl::value::{Duration, Timestamp};
use proptest::prelude::*;
use sandbox::hubspot::HubSpot;
use serde_json::{Value as Json, json};

use super::{CONTACTS, World};

/// One thing that happens to contacts; a record is meant by its place among those there are.
#[derive(Debug, Clone)]
enum Step {
    Make(u8),
    Rename(usize, u8),
    Address(usize, u8),
    Archive(usize),
    Restore(usize),
    Merge(usize, usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u8>().prop_map(Step::Make),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(at, n)| Step::Rename(at, n)),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(at, n)| Step::Address(at, n)),
        1 => any::<usize>().prop_map(Step::Archive),
        1 => any::<usize>().prop_map(Step::Restore),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Step::Merge(a, b)),
        3 => (0..4_000u16).prop_map(Step::Wait),
    ]
}

/// What happens is refused now and then, as it would be.
fn act(world: &mut World, archived: &mut Vec<u64>, step: &Step) {
    let ids: Vec<u64> = world.twin.records("Contact").map(|record| record.id).collect();
    let pick = |at: usize| (!ids.is_empty()).then(|| ids[at % ids.len()]);
    let now = world.now;
    match step {
        Step::Make(n) => {
            let email = format!("c{}@example.com", n % 16);
            let _taken = world.twin.create("Contact", &[("firstname", &format!("n{}", n % 4)), ("email", &email)], now);
        }
        Step::Rename(at, n) => {
            if let Some(id) = pick(*at) {
                world.twin.edit("Contact", id, &[("firstname", &format!("N{}", n % 4))], now).unwrap();
            }
        }
        Step::Address(at, n) => {
            if let Some(id) = pick(*at) {
                let _taken = world.twin.edit("Contact", id, &[("email", &format!("C{}@example.com", n % 16))], now);
            }
        }
        Step::Archive(at) => {
            if let Some(id) = pick(*at) {
                world.twin.archive("Contact", id, now);
                archived.push(id);
            }
        }
        Step::Restore(at) => {
            if !archived.is_empty() {
                let id = archived.swap_remove(at % archived.len());
                let _taken = world.twin.restore("Contact", id, now);
            }
        }
        Step::Merge(a, b) => {
            if let (Some(a), Some(b)) = (pick(*a), pick(*b)) {
                let _itself = world.twin.merge("Contact", a, b, now);
            }
        }
        Step::Wait(ms) => {
            world.later(Duration(i64::from(*ms)));
        }
    }
}

/// Total and ids of a search.
fn searched(world: &mut World, body: &Json) -> (u64, Vec<u64>) {
    // It has a budget of five in a second; the account is asked at the same time through copies.
    let mut copy = World { twin: world.twin.clone(), now: world.now };
    let (status, body) = copy.post(&format!("{CONTACTS}/search"), body);
    assert_eq!(status, 200, "{body}");
    let ids = body["results"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().parse().unwrap());
    (body["total"].as_u64().unwrap(), ids.collect())
}

fn filtered(
    property: &str,
    operator: &str,
    value: &str,
    sort: &str,
    descending: bool,
    after: usize,
    limit: usize,
) -> Json {
    let sort = if descending { format!("-{sort}") } else { sort.to_owned() };
    json!({"filterGroups": [{"filters": [{"propertyName": property, "operator": operator, "value": value}]}],
           "sorts": [sort], "after": after.to_string(), "limit": limit})
}

/// What a search ought to find among the records of `seen`: of the time of a change, of a value, of a name.
fn check(world: &mut World, seen: &HubSpot, pivot: Timestamp) -> Result<(), TestCaseError> {
    let sorted = |mut found: Vec<(Timestamp, u64)>| {
        found.sort();
        found.into_iter().map(|(_, id)| id).collect::<Vec<u64>>()
    };
    let all: Vec<(Timestamp, u64)> = seen.records("Contact").map(|record| (record.updated, record.id)).collect();
    for (operator, fits) in [
        ("GTE", (|at, pivot| at >= pivot) as fn(Timestamp, Timestamp) -> bool),
        ("GT", |at, pivot| at > pivot),
        ("LT", |at, pivot| at < pivot),
        ("LTE", |at, pivot| at <= pivot),
        ("EQ", |at, pivot| at == pivot),
    ] {
        let expected = sorted(all.iter().copied().filter(|(at, _)| fits(*at, pivot)).collect());
        for descending in [false, true] {
            let mut expected = expected.clone();
            if descending {
                expected.reverse();
            }
            for (after, limit) in [(0, 200), (1, 2)] {
                let value = pivot.0.to_string();
                let body = filtered("lastmodifieddate", operator, &value, "lastmodifieddate", descending, after, limit);
                let page: Vec<u64> = expected.iter().copied().skip(after).take(limit).collect();
                prop_assert_eq!(searched(world, &body), (expected.len() as u64, page), "{} {}", operator, pivot.0);
            }
        }
    }
    for n in 0..4 {
        let held = |property: &str, value: &str| {
            let fits = |record: &&sandbox::hubspot::Record| {
                record.properties.get(property).is_some_and(|held| held.eq_ignore_ascii_case(value))
            };
            seen.records("Contact").filter(fits).map(|record| record.id).collect::<Vec<u64>>()
        };
        for (property, value) in [("email", format!("c{n}@EXAMPLE.com")), ("firstname", format!("N{n}"))] {
            let body = filtered(property, "EQ", &value, "hs_object_id", false, 0, 200);
            let expected = held(property, &value);
            prop_assert_eq!(searched(world, &body), (expected.len() as u64, expected), "{} {}", property, value);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn search_finds_what_a_look_at_every_record_finds(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        let (mut archived, start) = (Vec::new(), world.now);
        for step in &steps {
            act(&mut world, &mut archived, step);
        }
        let seen = world.twin.clone();
        let middle = Timestamp(i64::midpoint(start.0, world.now.0));
        let change = seen.records("Contact").next().map_or(start, |record| record.updated);
        for pivot in [start, middle, change, world.now] {
            check(&mut world, &seen, pivot)?;
        }
    }

    #[test]
    fn behind_a_delay_search_finds_what_was_there_so_long_ago(
        steps in prop::collection::vec(step(), 1..40),
        later in prop::collection::vec(step().prop_filter("goes", |step| !matches!(step, Step::Archive(_) | Step::Restore(_) | Step::Merge(..))), 0..20),
    ) {
        let mut world = World::new();
        world.twin.delay_index(Duration(100_000));
        let (mut archived, start) = (Vec::new(), world.now);
        for step in &steps {
            act(&mut world, &mut archived, step);
        }
        let seen = world.twin.clone();
        let asked = world.now.plus(Duration(100_000));
        world.now = world.now.plus(Duration(1));
        for step in &later {
            act(&mut world, &mut archived, step);
        }
        // What came after `seen` is younger than the delay.
        prop_assert!(world.now < asked);
        world.now = asked;
        let change = seen.records("Contact").last().map_or(start, |record| record.updated);
        check(&mut world, &seen, change)?;
    }

    #[test]
    fn a_copy_of_an_account_goes_its_own_way(
        before in prop::collection::vec(step(), 1..20),
        after in prop::collection::vec(step(), 1..20),
    ) {
        let mut world = World::new();
        let mut archived = Vec::new();
        for step in &before {
            act(&mut world, &mut archived, step);
        }
        let shown = |twin: &HubSpot| twin.records("Contact").map(|record| format!("{record:?}")).collect::<Vec<String>>();
        let (copied, told) = (shown(&world.twin), world.twin.undelivered());
        let mut copy = World { twin: world.twin.clone(), now: world.now };
        for step in &after {
            act(&mut copy, &mut archived.clone(), step);
        }
        prop_assert_eq!((shown(&world.twin), world.twin.undelivered()), (copied, told));
        // What happens to both happens alike: nothing but the account and the time decides.
        let mut again = World { twin: world.twin.clone(), now: world.now };
        for step in &after {
            act(&mut again, &mut archived.clone(), step);
        }
        prop_assert_eq!(shown(&again.twin), shown(&copy.twin));
    }
}
