//! Tokens, scopes, OAuth, and what the account says of itself.

use bytes::Bytes;
use dsl::value::Duration;
use http::Request;
use sandbox::Model as _;
use sandbox::hubspot::CLIENT_ID;
use serde_json::{Value as Json, json};

use super::{CONTACTS, TOKEN, World, opened, request};

fn form(world: &mut World, path: &str, fields: &[(&str, &str)]) -> (u16, Json) {
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = Request::post(format!("https://api.hubapi.com{path}")).body(Bytes::from(body.join("&"))).unwrap();
    let response = world.twin.handle(&request, world.now);
    (response.status().as_u16(), opened(&response))
}

fn ask(world: &mut World, token: &str, method: &str, path: &str, body: &Json) -> (u16, Json) {
    let mut request = request(method, path, body);
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let response = world.twin.handle(&request, world.now);
    (response.status().as_u16(), opened(&response))
}

/// The tokens that a consent is exchanged for.
fn granted(world: &mut World, scopes: Option<&[&str]>) -> (String, String) {
    let code = world.twin.consent(scopes);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", CLIENT_ID),
        ("client_secret", "client-secret"),
    ];
    let (status, body) = form(world, "/oauth/v1/token", &fields);
    assert_eq!((status, &body["expires_in"], &body["hub_id"]), (200, &json!(1_800), &json!(99_000_111)), "{body}");
    assert_eq!(form(world, "/oauth/v1/token", &fields).1["status"], "BAD_AUTH_CODE", "a code is good for once");
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

fn refresh(world: &mut World, path: &str, token: &str) -> (u16, Json) {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", CLIENT_ID),
        ("client_secret", "client-secret"),
    ];
    form(world, path, &fields)
}

#[test]
fn a_call_without_its_scope_is_refused_and_the_scope_is_named() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    world.twin.allow(Some(&["crm.objects.contacts.read", "crm.schemas.deals.read"]));
    let (status, body) = world.post(CONTACTS, &json!({"properties": {"firstname": "Grace"}}));
    assert_eq!((status, &body["category"]), (403, &json!("MISSING_SCOPES")));
    assert_eq!(body["errors"][0]["context"]["requiredGranularScopes"], json!(["crm.objects.contacts.write"]));
    assert!(body["message"].as_str().unwrap().starts_with("This app hasn't been granted all required scopes"));
    assert!(body["links"]["scopes"].is_string() && body["correlationId"].is_string());
    assert_eq!(world.twin.records("Contact").count(), 1);
    for (method, path, needed) in [
        ("GET", format!("{CONTACTS}/{ada}"), None),
        ("POST", format!("{CONTACTS}/search"), None),
        ("POST", format!("{CONTACTS}/batch/read"), None),
        ("DELETE", format!("{CONTACTS}/{ada}"), Some("crm.objects.contacts.write")),
        ("GET", "/crm/objects/2026-09/0-3".to_owned(), Some("crm.objects.deals.read")),
        ("GET", "/crm/v3/objects/tickets".to_owned(), Some("tickets")),
        ("GET", "/crm/v3/objects/notes".to_owned(), None),
        ("POST", "/crm/v3/objects/notes".to_owned(), Some("crm.objects.contacts.write")),
        ("GET", "/crm/v3/properties/deals".to_owned(), None),
        ("GET", "/crm/properties/2026-09/contacts".to_owned(), Some("crm.schemas.contacts.read")),
        ("POST", "/crm/v3/properties/deals".to_owned(), Some("crm.schemas.deals.write")),
        ("GET", "/crm/v3/owners".to_owned(), Some("crm.objects.owners.read")),
        (
            "PUT",
            format!("/crm/v4/objects/notes/1/associations/default/contacts/{ada}"),
            Some("crm.objects.contacts.write"),
        ),
        ("POST", "/crm/associations/2026-09/contacts/deals/batch/read".to_owned(), Some("crm.objects.deals.read")),
        ("GET", "/account-info/v3/details".to_owned(), None),
    ] {
        let response = world.send(method, &path, &json!({"inputs": []}));
        let refused = (response.status() == 403).then(|| opened(&response));
        let named = refused.map(|body| body["errors"][0]["context"]["requiredGranularScopes"][0].clone());
        assert_eq!(named, needed.map(Json::from), "{method} {path}");
    }
    world.twin.allow(None);
    assert_eq!(world.get("/crm/v3/owners").0, 200);
    world.twin.faults().fail_next(1, 403);
    let (_, asked) = world.get("/crm/v3/owners");
    assert_eq!(asked["errors"][0]["context"]["requiredGranularScopes"], json!(["crm.objects.owners.read"]));
}

#[test]
fn a_token_that_is_replaced_is_refused() {
    let mut world = World::new();
    world.twin.rotate_token("pat-eu1-new");
    assert_eq!(world.get(CONTACTS).1["category"], "INVALID_AUTHENTICATION");
    assert_eq!(ask(&mut world, "pat-eu1-new", "GET", CONTACTS, &Json::Null).0, 200);
}

#[test]
fn a_token_of_oauth_lives_for_half_an_hour_and_its_grant_gives_the_next() {
    let mut world = World::new();
    let (access, grant) = granted(&mut world, None);
    assert_eq!(ask(&mut world, &access, "GET", CONTACTS, &Json::Null).0, 200);
    world.later(Duration::minutes(30));
    world.later(Duration::seconds(32));
    let (status, body) = ask(&mut world, &access, "GET", CONTACTS, &Json::Null);
    assert_eq!((status, &body["category"]), (401, &json!("EXPIRED_AUTHENTICATION")));
    assert_eq!(body["message"], "The OAuth token used to make this call expired 32 second(s) ago.");
    assert!(body["context"]["expire time"][0].is_string());
    for path in ["/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-09/token"] {
        let (status, body) = refresh(&mut world, path, &grant);
        assert_eq!((status, body["refresh_token"].as_str()), (200, Some(grant.as_str())), "{path}");
        assert_eq!(ask(&mut world, body["access_token"].as_str().unwrap(), "GET", CONTACTS, &Json::Null).0, 200);
    }
}

#[test]
fn a_dead_grant_is_told_for_good() {
    let mut world = World::new();
    let (access, grant) = granted(&mut world, None);
    world.twin.uninstall();
    let (status, body) = refresh(&mut world, "/oauth/2026-09/token", &grant);
    assert_eq!((status, &body["status"], &body["error"]), (400, &json!("BAD_REFRESH_TOKEN"), &json!("invalid_grant")));
    assert_eq!(ask(&mut world, &access, "GET", CONTACTS, &Json::Null).0, 200, "a token that was given lives on");
    let wrong = [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("client_secret", "x")];
    assert_eq!(form(&mut world, "/oauth/v1/token", &wrong).1["status"], "BAD_CLIENT_SECRET");
}

#[test]
fn tokens_tell_whose_they_are() {
    let mut world = World::new();
    let (access, grant) = granted(&mut world, Some(&["crm.objects.contacts.read", "oauth"]));
    let (status, info) = world.get(&format!("/oauth/v1/access-tokens/{access}"));
    assert_eq!((status, &info["hub_id"], &info["app_id"]), (200, &json!(99_000_111), &json!(7_700_123)));
    assert_eq!(info["scopes"], json!(["crm.objects.contacts.read", "oauth"]));
    assert_eq!(world.get(&format!("/oauth/v1/refresh-tokens/{grant}")).1["client_id"], CLIENT_ID);
    assert_eq!(world.get("/oauth/v1/access-tokens/nobody").0, 404);
    let introspect = |world: &mut World, token: &str| form(world, "/oauth/v3/token/introspect", &[("token", token)]).1;
    assert_eq!(introspect(&mut world, &access)["active"], true);
    assert_eq!(introspect(&mut world, "nobody"), json!({"active": false}));
    let (status, own) = world.post("/oauth/v2/private-apps/get/access-token-info", &json!({"tokenKey": TOKEN}));
    assert_eq!((status, &own["hubId"]), (200, &json!(99_000_111)));
    assert!(own["scopes"].as_array().unwrap().contains(&json!("crm.objects.contacts.write")));
    let details = world.get("/account-info/v3/details").1;
    assert_eq!((&details["portalId"], &details["accountType"]), (&json!(99_000_111), &json!("STANDARD")));
    let usage = world.get("/account-info/2026-09/api-usage/daily/private-apps").1;
    assert_eq!(
        (&usage["results"][0]["usageLimit"], &usage["results"][0]["currentUsage"]),
        (&json!(1_000_000), &json!(2))
    );
}
