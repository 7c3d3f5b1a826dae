//! The paths of the admin API over HTTP: each asks [`Admin`] and writes what it says.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use connectors::problem::Problem;
use connectors::secret::Secret;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::api::{
    Accepted, BackedUp, BackupRequest, Checked, Filter, HistoryLines, Incidents, Links, OperatorRequest, Parked,
    Reloaded, RulesText, Runs, Status, Why,
};
use super::{Admin, Refusal, console, tail};
use crate::clock::remote::is_loopback;

/// What a path answers.
type Answer<T> = Result<Json<T>, Refusal>;

/// What a request must carry.
#[derive(Debug, Clone)]
pub enum Token {
    /// Nothing: whoever has these paths in a server of their own looks at requests before.
    None,
    /// Nothing, because only this machine reaches the address; it is asked for by a name of this machine.
    Local,
    /// A token that somebody named, for everything but the two questions of a supervisor.
    Named(Keys),
    /// The token that the engine keeps in its state folder; status and figures need none, they say nothing of people.
    Kept(Keys),
}

/// Who may do what.
#[derive(Debug, Clone)]
pub struct Keys {
    /// May do everything.
    pub operator: Secret,
    /// May look, and change nothing.
    pub viewer: Option<Secret>,
}

/// A router of its own, with the console; what it does not know is told so.
pub fn router(admin: Admin, token: Token) -> Router {
    routes(admin, token)
        .merge(console::routes())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path") })
}

/// The paths, to be part of another router. `token` is what a request must carry.
pub fn routes(admin: Admin, token: Token) -> Router {
    let figures = Router::new().route("/metrics", get(metrics)).route("/api/v1/status", get(status));
    let guarded = Router::new()
        .route("/api/v1/incidents", get(incidents))
        .route("/api/v1/parked", get(parked))
        .route("/api/v1/runs", get(runs))
        .route("/api/v1/links", get(links))
        .route("/api/v1/why", get(why))
        .route("/api/v1/history", get(history))
        .route("/api/v1/events", get(tail::events))
        .route("/api/v1/rules", get(rules))
        .route("/api/v1/reload", post(reload))
        .route("/api/v1/operator", post(operator))
        .route("/api/v1/backup", post(backup))
        .route("/api/v1/ledger", get(ledger))
        .route_layer(middleware::from_fn(json_only));
    let (figures, guarded) = match token {
        Token::None => (figures, guarded),
        Token::Local => {
            let local = middleware::from_fn(on_this_machine);
            (figures.route_layer(local.clone()), guarded.route_layer(local))
        }
        Token::Named(token) => {
            let guard = middleware::from_fn_with_state(token, guard);
            (figures.route_layer(guard.clone()), guarded.route_layer(guard))
        }
        Token::Kept(token) => {
            let figures = figures.route_layer(middleware::from_fn(on_this_machine));
            (figures, guarded.route_layer(middleware::from_fn_with_state(token, guard)))
        }
    };
    let guarded = guarded.merge(figures).route_layer(middleware::from_fn(no_other_page));
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .with_state(admin)
}

/// Lets through whoever has a token for what is asked.
async fn guard(State(keys): State<Keys>, request: Request, next: Next) -> Response {
    let given = text(&request, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
    // Hashes of equal length: how long the comparison takes says nothing about the token.
    let given = Sha256::digest(given);
    let is = |secret: &Secret| Sha256::digest(secret.expose()) == given;
    let looks = matches!(*request.method(), http::Method::GET | http::Method::HEAD);
    match (is(&keys.operator), keys.viewer.as_ref().is_some_and(is)) {
        (true, _) => return next.run(request).await,
        (false, true) if looks => return next.run(request).await,
        (false, true) => {
            let why = "this token may look and change nothing; an operator's token can do that";
            return Problem::new(StatusCode::FORBIDDEN, why).into_response();
        }
        (false, false) => {}
    }
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "the admin token is missing or wrong");
    ([(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))], problem).into_response()
}

/// Without a token, lets through only who asks for an address of this machine: a page whose name was made to lead here
/// ("DNS rebinding") still asks by that name.
async fn on_this_machine(request: Request, next: Next) -> Response {
    let host = text(&request, &header::HOST).or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let host = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    if host.is_some_and(|host| is_loopback(host.host())) {
        return next.run(request).await;
    }
    let problem =
        Problem::new(StatusCode::FORBIDDEN, "without an admin token it answers to 127.0.0.1 and localhost only");
    problem.into_response()
}

/// Lets through no page of a browser that comes from elsewhere: browsers say so.
async fn no_other_page(request: Request, next: Next) -> Response {
    let host = text(&request, &header::HOST).unwrap_or_default();
    let own = |origin: &str| origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host));
    let foreign = request.headers().get_all(header::ORIGIN).iter().any(|origin| !origin.to_str().is_ok_and(own));
    let elsewhere = text(&request, &SEC_FETCH_SITE).is_some_and(|site| matches!(site, "cross-site" | "same-site"));
    if foreign || elsewhere {
        return Problem::new(StatusCode::FORBIDDEN, "pages of other addresses may not ask this").into_response();
    }
    next.run(request).await
}

/// The header by which a browser says where a request is from (Fetch Metadata, W3C).
const SEC_FETCH_SITE: http::HeaderName = http::HeaderName::from_static("sec-fetch-site");

/// Lets a command through only as JSON: a page can send other types anywhere without being asked about it first.
async fn json_only(request: Request, next: Next) -> Response {
    let kind = text(&request, &header::CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if request.method() != http::Method::POST || kind.trim().eq_ignore_ascii_case("application/json") {
        return next.run(request).await;
    }
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "commands are `content-type: application/json`").into_response()
}

fn text<'a>(request: &'a Request, name: &http::HeaderName) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, self.to_string()).into_response()
    }
}

/// The query of a URL; one that makes no sense is refused like everything else.
struct Asked(Filter);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::<Filter>::from_request_parts(parts, state).await {
            Ok(Query(filter)) => Ok(Self(filter)),
            Err(rejection) => Err(Refusal::Malformed(rejection.body_text())),
        }
    }
}

/// The body of a `POST`.
fn read<T: serde::de::DeserializeOwned>(body: &Bytes, what: &str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Malformed(format!("{what}: {error}")))
}

/// 200 also where a system refuses the engine: deliveries are taken, and nobody who sends them can mend that.
async fn ready(State(admin): State<Admin>) -> Result<String, Refusal> {
    let denied = admin.ready().await?;
    Ok(if denied.is_empty() { "ready\n".to_owned() } else { format!("degraded: {}\n", denied.join(", ")) })
}

async fn status(State(admin): State<Admin>) -> Answer<Status> {
    admin.status().await.map(Json)
}

async fn incidents(State(admin): State<Admin>, Asked(filter): Asked) -> Answer<Incidents> {
    admin.incidents(&filter).await.map(Json)
}

async fn parked(State(admin): State<Admin>, Asked(filter): Asked) -> Answer<Parked> {
    admin.parked(&filter).await.map(Json)
}

async fn links(State(admin): State<Admin>, Asked(filter): Asked) -> Answer<Links> {
    admin.links(&filter).await.map(Json)
}

async fn runs(State(admin): State<Admin>, Asked(filter): Asked) -> Answer<Runs> {
    admin.runs(&filter).await.map(Json)
}

async fn why(State(admin): State<Admin>, Asked(filter): Asked) -> Answer<Why> {
    admin.why(filter.about.unwrap_or_default(), filter.field, filter.limit).await.map(Json)
}

async fn history(State(admin): State<Admin>, Asked(filter): Asked) -> Json<HistoryLines> {
    Json(admin.history(&filter))
}

async fn rules(State(admin): State<Admin>) -> Answer<RulesText> {
    admin.rules().await.map(Json)
}

async fn reload(State(admin): State<Admin>) -> Answer<Reloaded> {
    admin.reload().await.map(Json)
}

async fn operator(State(admin): State<Admin>, body: Bytes) -> Answer<Accepted> {
    let OperatorRequest { who, command } = read(&body, "this is no command")?;
    admin.operate(&who, command).await.map(Json)
}

async fn backup(State(admin): State<Admin>, body: Bytes) -> Answer<BackedUp> {
    let BackupRequest { to } = read(&body, "say where to")?;
    admin.backup(&to).await.map(Json)
}

async fn ledger(State(admin): State<Admin>) -> Answer<Checked> {
    admin.ledger().await.map(Json)
}

async fn metrics(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let status = admin.status().await?;
    let Some(figures) = &admin.parts.figures else {
        return Ok(Problem::new(StatusCode::NOT_FOUND, "this process records its figures elsewhere").into_response());
    };
    record(&status);
    figures.run_upkeep();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], figures.render()).into_response())
}

/// Figures that are states, as they are now; what is counted where it happens is not here.
fn record(status: &Status) {
    let flag = |holds: bool| f64::from(u8::from(holds));
    for usage in &status.limits {
        let labels = [("system", usage.system.clone()), ("limit", usage.limit.clone())];
        metrics::gauge!("engine_limit_used", &labels).set(usage.used as f64);
        metrics::gauge!("engine_limit_amount", &labels).set(usage.amount as f64);
    }
    for (name, system) in &status.systems {
        metrics::gauge!("engine_system_denied", "system" => name.clone()).set(flag(system.denied.is_some()));
    }
    for (name, state) in &status.sources {
        metrics::gauge!("engine_source_up", "source" => name.clone()).set(flag(state.is_up()));
    }
    metrics::gauge!("engine_ledger_full").set(flag(status.ledger.full));
    metrics::gauge!("engine_ledger_rows_wait").set(flag(status.ledger.rows_wait.is_some()));
    metrics::gauge!("engine_lanes").set(status.lanes.len() as f64);
    metrics::gauge!("engine_calls_under_way").set(status.under_way as f64);
    metrics::gauge!("engine_inbox").set(status.inbox as f64);
    metrics::gauge!("engine_incidents").set(status.incidents as f64);
    metrics::gauge!("engine_parked").set(status.parked as f64);
    metrics::gauge!("engine_rules_refused").set(flag(status.rules.refused.is_some()));
    metrics::gauge!("engine_clock_behind_seconds").set(status.clock_behind_ms as f64 / 1_000.0);
    metrics::gauge!("engine_resident_bytes").set(status.resident_bytes.unwrap_or_default() as f64);
    metrics::counter!("engine_rounds_total").absolute(status.counts.rounds);
    metrics::counter!("engine_inputs_total").absolute(status.counts.inputs);
    metrics::counter!("engine_cache_hits_total").absolute(status.cache.hits);
    metrics::counter!("engine_cache_misses_total").absolute(status.cache.misses);
    metrics::counter!("engine_cache_errors_total").absolute(status.cache.errors);
    metrics::gauge!("engine_cache_up").set(flag(status.cache.up));
}
