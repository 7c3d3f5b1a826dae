//! What a call of the HubSpot twin costs with few records in it and with very many.
//!
//! `cargo test --release -p sandbox --test cost -- --ignored --nocapture` puts 100,000 contacts in, as the engine does,
//! takes them out again, and times each kind of call on a copy of the account with the first thousand contacts and on
//! the whole one, in turn, so that whatever else the machine does meets both. It prints the medians and their ratio.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::time::{Duration as Span, Instant};

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use http::Request;
use sandbox::Model as _;
use sandbox::hubspot::{HubSpot, Settings};
use serde_json::{Value as Json, json};

/// Contacts in the end.
const CONTACTS: u64 = 100_000;
/// Contacts at the beginning.
const FEW: u64 = 1_000;
/// Calls of each kind that are timed; the median counts.
const SAMPLES: usize = 301;
/// Of batches of creates, which make the small account larger.
const BATCHES: usize = 31;
/// A call may cost so many times what it cost at the beginning.
const RATIO: f64 = 1.3;

#[derive(Clone)]
struct Account {
    twin: HubSpot,
    now: Timestamp,
    made: u64,
    /// Contacts that were there before anything was timed.
    before: u64,
}

impl Account {
    /// Its time goes on by as much as keeps every limit.
    fn call(&mut self, method: &str, path: &str, body: &Json) -> (Span, Json) {
        self.now = self.now.plus(Duration(250));
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(format!("https://api.hubapi.com{path}"))
            .header("authorization", "Bearer token")
            .body(body)
            .unwrap();
        let start = Instant::now();
        let response = self.twin.handle(&request, self.now);
        let took = start.elapsed();
        assert!(response.status().is_success(), "{path}: {response:?}");
        let read =
            if response.body().is_empty() { Json::Null } else { serde_json::from_slice(response.body()).unwrap() };
        (took, read)
    }

    /// A hundred contacts, as a batch of the engine makes them.
    fn make(&mut self) -> Span {
        let input = |n: u64| {
            json!({"objectWriteTraceId": format!("t{n}"), "properties": {
                "email": format!("user-{n}@example.com"), "firstname": format!("Name {}", n % 500), "lastname": "Byron",
                "phone": format!("+44 20 7946 {:04}", n % 10_000), "company": "Analytical Engines",
                "lifetime_value": format!("{}.50", n % 900), "subscription_plan": "pro",
            }})
        };
        let inputs: Vec<Json> = (self.made..self.made + 100).map(input).collect();
        self.made += 100;
        self.call("POST", "/crm/objects/2026-09/contacts/batch/create", &json!({ "inputs": inputs })).0
    }

    fn id(&mut self, n: u64) -> String {
        let path = format!("/crm/v3/objects/contacts/user-{n}%40example.com?idProperty=email");
        self.call("GET", &path, &Json::Null).1["id"].as_str().unwrap().to_owned()
    }

    /// A number of a contact for each sample: spread over all of them, and the same on every run.
    fn some(&self, k: usize) -> u64 {
        (k as u64 * 7_919) % self.before
    }
}

const BASE: &str = "/crm/objects/2026-09/contacts";

fn search(property: &str, operator: &str, value: &str) -> Json {
    json!({"filterGroups": [{"filters": [{"propertyName": property, "operator": operator, "value": value}]}],
           "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}], "limit": 100})
}

/// A call of one kind, for a contact with this number and id, in an account with this company.
type Ask = fn(&mut Account, usize, &str, &str) -> Span;

/// The kinds of calls, in the order in which they are timed.
const KINDS: [(&str, Ask); 14] = [
    ("batch create, 100", |a, _, _, _| a.make()),
    ("read by id", |a, _, id, _| a.call("GET", &format!("{BASE}/{id}?properties=email,phone"), &Json::Null).0),
    ("read by e-mail", |a, k, _, _| {
        a.call("GET", &format!("{BASE}/user-{}%40example.com?idProperty=email", a.some(k)), &Json::Null).0
    }),
    ("batch read by e-mail, 100", |a, k, _, _| {
        let inputs: Vec<Json> =
            (0..100).map(|n| json!({"id": format!("user-{}@example.com", a.some(k + n))})).collect();
        let body = json!({"idProperty": "email", "properties": ["email", "phone"], "inputs": inputs});
        a.call("POST", &format!("{BASE}/batch/read"), &body).0
    }),
    ("update", |a, k, id, _| {
        a.call("PATCH", &format!("{BASE}/{id}"), &json!({"properties": {"phone": k.to_string()}})).0
    }),
    ("a page of the list, 100", |a, _, id, _| {
        // Near the end of the list a page would hold less.
        let path = format!("{BASE}?limit=100&after={}&properties=email,phone", id.parse::<u64>().unwrap() - 100);
        a.call("GET", &path, &Json::Null).0
    }),
    ("what changed since, 100", |a, k, _, _| {
        let start = Timestamp::parse("2026-03-02T09:00:00Z").unwrap();
        // A page is full in the first half of the time.
        let since = start.0 + (a.now.0 - start.0) / 2 / SAMPLES as i64 * k as i64;
        a.call("POST", &format!("{BASE}/search"), &search("lastmodifieddate", "GTE", &since.to_string())).0
    }),
    ("search by e-mail", |a, k, _, _| {
        let email = format!("user-{}@example.com", a.some(k));
        a.call("POST", &format!("{BASE}/search"), &search("email", "EQ", &email)).0
    }),
    ("associate with one company", |a, _, id, hub| {
        let path = format!("/crm/v4/objects/contacts/{id}/associations/default/companies/{hub}");
        a.call("PUT", &path, &Json::Null).0
    }),
    ("links of that company, 100", |a, _, _, hub| {
        a.call("GET", &format!("/crm/v4/objects/companies/{hub}/associations/contacts?limit=100"), &Json::Null).0
    }),
    ("archive", |a, _, id, _| a.call("DELETE", &format!("{BASE}/{id}"), &Json::Null).0),
    ("archived ones, a page of 100", |a, _, _, _| {
        a.call("GET", &format!("{BASE}?archived=true&limit=100"), &Json::Null).0
    }),
    ("restore, by a person", |a, _, id, _| {
        let body = json!({"entity": "Contact", "id": id}).to_string();
        let request = Request::post("/_twin/restore").body(Bytes::from(body)).unwrap();
        let start = Instant::now();
        assert_eq!(a.twin.control(&request, a.now).status(), 200);
        start.elapsed()
    }),
    ("merge", |a, k, _, _| {
        let pair = [2 * k, 2 * k + 1].map(|n| a.id(n as u64));
        let body = json!({"primaryObjectId": pair[0], "objectIdToMerge": pair[1]});
        a.call("POST", &format!("{BASE}/merge"), &body).0
    }),
];

#[test]
#[ignore = "a measurement of minutes, see its first lines"]
fn a_call_costs_the_same_with_a_hundred_thousand_contacts() {
    let settings = Settings {
        portal_id: 99_000_111,
        app_id: 7_700_123,
        client_secret: "secret".into(),
        token: "token".into(),
        webhook_url: None,
        limit: 1_000_000,
        seed: 7,
    };
    let lock = dsl::schema::read_lock(include_str!("../../../rules/schemas/crm.lock")).unwrap();
    let mut account = Account {
        twin: HubSpot::new(settings, lock),
        now: Timestamp::parse("2026-03-02T09:00:00Z").unwrap(),
        made: 0,
        before: 0,
    };
    account.twin.daily_limit(u64::MAX);
    let company = account.call("POST", "/crm/v3/objects/companies", &json!({"properties": {"name": "Hub"}})).1;
    let hub = company["id"].as_str().unwrap().to_owned();

    let mut taken: Span = (0..FEW / 100).map(|_| account.make()).sum();
    account.before = FEW;
    let mut few = account.clone();
    while account.made < CONTACTS {
        taken += account.make();
    }
    account.before = CONTACTS;
    assert_eq!(account.twin.records("Contact").count() as u64, CONTACTS);
    let start = Instant::now();
    let (mut out, mut after) = (0, "0".to_owned());
    loop {
        let path = format!("{BASE}?limit=100&after={after}&properties=email,firstname,phone");
        let page = account.call("GET", &path, &Json::Null).1;
        out += page["results"].as_array().unwrap().len() as u64;
        let Some(next) = page["paging"]["next"]["after"].as_str() else { break };
        next.clone_into(&mut after);
    }
    assert_eq!(out, CONTACTS);
    println!("{CONTACTS} contacts: in {taken:?}, out {:?}", start.elapsed());
    let copied = Instant::now();
    drop(account.clone());
    println!("a copy of the account and its end: {:?}", copied.elapsed());

    println!("{:<30} {:>12} {:>12} {:>6}", "call", "1,000 there", "100,000", "ratio");
    let ids = [&mut few, &mut account].map(|a| (0..SAMPLES).map(|k| a.id(a.some(k))).collect::<Vec<String>>());
    let mut dear = Vec::new();
    for (kind, ask) in KINDS {
        let samples = if kind.starts_with("batch create") { BATCHES } else { SAMPLES };
        let mut taken = [Vec::new(), Vec::new()];
        for k in 0..samples {
            for ((taken, ids), a) in taken.iter_mut().zip(&ids).zip([&mut few, &mut account]) {
                taken.push(ask(a, k, &ids[k], &hub));
            }
        }
        let [first, last] = taken.map(|mut taken| {
            taken.sort();
            taken[taken.len() / 2]
        });
        let ratio = last.as_secs_f64() / first.as_secs_f64();
        println!("{kind:<30} {first:>12.1?} {last:>12.1?} {ratio:>6.2}");
        if ratio > RATIO {
            dear.push(kind);
        }
    }
    assert!(dear.is_empty(), "they cost more than {RATIO} times what they cost at the beginning: {dear:?}");
}
