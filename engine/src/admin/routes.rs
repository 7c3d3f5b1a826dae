//! The paths of the admin API.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::views::{self, BackupRequest, Checked, OperatorRequest, Why};
use super::{Admin, Inner};
use crate::decide::{stuck, views as rows};
use crate::shell::NotDone;

/// Most items in a list that does not say how many it wants.
const LIST: usize = 1_000;

/// The router.
pub fn router(admin: Admin) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/incidents", get(|state, query| incidents(state, query, false)))
        .route("/api/v1/parked", get(|state, query| incidents(state, query, true)))
        .route("/api/v1/runs", get(runs))
        .route("/api/v1/links", get(links))
        .route("/api/v1/why", get(why))
        .route("/api/v1/history", get(history))
        .route("/api/v1/reload", post(reload))
        .route("/api/v1/operator", post(operator))
        .route("/api/v1/backup", post(backup))
        .route("/api/v1/ledger", get(ledger))
        .route_layer(middleware::from_fn_with_state(admin.clone(), guard));
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .with_state(admin)
}

/// Lets through whoever has the token, where there is one.
async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if let Some(token) = &admin.0.token {
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        // Hashes of equal length: how long the comparison takes says nothing about the token.
        if Sha256::digest(given) != Sha256::digest(token.expose()) {
            let mut refused = problem(StatusCode::UNAUTHORIZED, "the admin token is missing or wrong");
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refused;
        }
    }
    next.run(request).await
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.0.handle.look(|peek| peek.full).await {
        Ok(false) => "ready\n".into_response(),
        Ok(true) => problem(StatusCode::SERVICE_UNAVAILABLE, "the ledger takes nothing for now"),
        Err(gone) => problem(StatusCode::SERVICE_UNAVAILABLE, &gone.to_string()),
    }
}

async fn current(admin: &Admin) -> Result<views::Status, Response> {
    let seen = admin.0.handle.look(views::see).await.map_err(|gone| unavailable(&gone.to_string()))?;
    beside(admin, move |inner| views::status(inner, seen)).await
}

async fn status(State(admin): State<Admin>) -> Response {
    match current(&admin).await {
        Ok(status) => json_body(&status),
        Err(refusal) => refusal,
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let status = match current(&admin).await {
        Ok(status) => status,
        Err(refusal) => return refusal,
    };
    let Some(figures) = &admin.0.figures else {
        return problem(StatusCode::NOT_FOUND, "this process records its figures elsewhere");
    };
    for usage in &status.limits {
        let labels = [("system", usage.system.clone()), ("limit", usage.limit.clone())];
        metrics::gauge!("engine_limit_used", &labels).set(usage.used as f64);
        metrics::gauge!("engine_limit_amount", &labels).set(usage.amount as f64);
    }
    for (name, state) in &status.sources {
        metrics::gauge!("engine_source_up", "source" => name.clone()).set(f64::from(u8::from(state.is_up())));
    }
    metrics::gauge!("engine_lanes").set(status.lanes.len() as f64);
    metrics::gauge!("engine_calls_under_way").set(status.under_way as f64);
    metrics::gauge!("engine_inbox").set(status.inbox as f64);
    metrics::gauge!("engine_incidents").set(status.incidents as f64);
    metrics::gauge!("engine_parked").set(status.parked as f64);
    metrics::gauge!("engine_rules_refused").set(f64::from(u8::from(status.rules.refused.is_some())));
    metrics::gauge!("engine_resident_bytes").set(status.resident_bytes.unwrap_or_default() as f64);
    metrics::counter!("engine_rounds_total").absolute(status.counts.rounds);
    metrics::counter!("engine_inputs_total").absolute(status.counts.inputs);
    metrics::counter!("engine_cache_hits_total").absolute(status.cache.hits);
    metrics::counter!("engine_cache_misses_total").absolute(status.cache.misses);
    metrics::counter!("engine_cache_errors_total").absolute(status.cache.errors);
    metrics::gauge!("engine_cache_up").set(f64::from(u8::from(status.cache.up)));
    figures.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], figures.render()).into_response()
}

#[derive(Debug, Default, serde::Deserialize)]
struct Wanted {
    limit: Option<usize>,
    /// Only what has this text in its names or ids.
    about: Option<String>,
    /// Only what is in this state.
    state: Option<String>,
}

async fn incidents(State(admin): State<Admin>, Query(wanted): Query<Wanted>, parked: bool) -> Response {
    let found = beside(&admin, |inner| rows::incidents(&inner.reader)).await;
    // Under the name that was asked for, as whoever asks expects it.
    list(found, if parked { "parked" } else { "incidents" }, &wanted, |incident| {
        incident.parked == parked
            && wanted.about.as_ref().is_none_or(|about| {
                [&incident.subject, &incident.id, &incident.entity].into_iter().any(|text| text.contains(about))
            })
    })
}

async fn links(State(admin): State<Admin>, Query(wanted): Query<Wanted>) -> Response {
    let found = beside(&admin, |inner| rows::links(&inner.reader)).await;
    list(found, "links", &wanted, |link| {
        wanted.state.as_ref().is_none_or(|state| link.state == *state)
            && wanted.about.as_ref().is_none_or(|about| concerns_link(link, about) || link.sync == *about)
    })
}

async fn runs(State(admin): State<Admin>, Query(wanted): Query<Wanted>) -> Response {
    let programs = match admin.0.handle.look(|peek| peek.core.programs().clone()).await {
        Ok(programs) => programs,
        Err(gone) => return unavailable(&gone.to_string()),
    };
    let found = beside(&admin, move |inner| rows::runs(&inner.reader, &programs)).await;
    list(found, "runs", &wanted, |run| {
        wanted.state.as_ref().is_none_or(|state| run.state == *state)
            && wanted.about.as_ref().is_none_or(|about| run.run == *about || run.rule.contains(about))
    })
}

fn concerns_link(link: &rows::Link, about: &str) -> bool {
    link.link == about || link.left.as_deref() == Some(about) || link.right.as_deref() == Some(about)
}

/// Everything about `about`: an id of a record, a link (`l12`) or a run (`r7`).
async fn why(State(admin): State<Admin>, Query(wanted): Query<Wanted>) -> Response {
    let Some(about) = wanted.about.filter(|about| !about.is_empty()) else {
        return problem(StatusCode::BAD_REQUEST, "say what about: ?about=<record id, link or run>");
    };
    let programs = match admin.0.handle.look(|peek| peek.core.programs().clone()).await {
        Ok(programs) => programs,
        Err(gone) => return unavailable(&gone.to_string()),
    };
    let limit = wanted.limit.unwrap_or(200);
    let found = beside(&admin, move |inner| {
        let links: Vec<_> =
            rows::links(&inner.reader)?.into_iter().filter(|link| concerns_link(link, &about)).collect();
        let named = |text: &str| text == about || links.iter().any(|link| link.link == text);
        let runs = rows::runs(&inner.reader, &programs)?.into_iter().filter(|run| run.run == about).collect();
        let incidents = rows::incidents(&inner.reader)?
            .into_iter()
            .filter(|incident| incident.id == about || incident.subject.split(' ').any(named))
            .collect();
        let history = inner.history.last(limit, |event| {
            named(&event.subject)
                || event.left.as_deref().is_some_and(named)
                || event.right.as_deref().is_some_and(named)
        });
        let message = crate::decide::views::parked(&inner.reader, &about)?;
        Ok(Why { schema: 1, links, runs, incidents, message, history })
    })
    .await;
    match found {
        Ok(why) => json_body(&why),
        Err(refusal) => refusal,
    }
}

async fn history(State(admin): State<Admin>, Query(wanted): Query<Wanted>) -> Response {
    let about = wanted.about.clone();
    let events = admin.0.history.last(wanted.limit.unwrap_or(LIST), |event| {
        about.as_ref().is_none_or(|about| {
            [&event.action, &event.rule, &event.entity, &event.subject].into_iter().any(|text| text == about)
        })
    });
    json_body(&json!({"schema": 1, "history": events}))
}

async fn reload(State(admin): State<Admin>) -> Response {
    match admin.0.reloader.reload().await {
        Ok(done) => json_body(&json!({"schema": 1, "rules": done.rules, "changed": done.changed})),
        Err(reason) => problem(StatusCode::CONFLICT, &reason),
    }
}

async fn operator(State(admin): State<Admin>, body: Bytes) -> Response {
    let request: OperatorRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &format!("this is no command: {error}")),
    };
    if request.who.trim().is_empty() {
        return problem(StatusCode::BAD_REQUEST, "say who: the history names everybody who changes something");
    }
    match admin.0.handle.operate(&request.who, request.command).await {
        Ok(()) => json_body(&json!({"schema": 1, "accepted": true})),
        Err(NotDone::Refused(reason)) => problem(StatusCode::CONFLICT, &reason),
        Err(NotDone::Unstored(reason)) => unavailable(&reason),
    }
}

/// Copies the ledger into a folder of this machine, while rounds go on.
async fn backup(State(admin): State<Admin>, body: Bytes) -> Response {
    let to = match serde_json::from_slice::<BackupRequest>(&body) {
        Ok(request) if request.to.is_absolute() => request.to,
        Ok(_) => return problem(StatusCode::BAD_REQUEST, "`to` must be an absolute path"),
        Err(error) => return problem(StatusCode::BAD_REQUEST, &format!("say where to: {error}")),
    };
    match beside(&admin, move |inner| inner.reader.backup(&to)).await {
        Ok(round) => json_body(&json!({"schema": 1, "round": round})),
        Err(refusal) => refusal,
    }
}

/// What the ledger holds and what is wrong with it.
async fn ledger(State(admin): State<Admin>) -> Response {
    let checked = beside(&admin, |inner| {
        let report = inner.reader.check()?;
        let suspects = report.problems.is_empty() && !stuck(&inner.reader)?.is_empty();
        Ok((report, suspects))
    });
    let (mut report, suspects) = match checked.await {
        Ok(checked) => checked,
        Err(refusal) => return refusal,
    };
    if suspects {
        // Rows that change while they are read can look so; between two inputs they stand still.
        match admin.0.handle.look(|peek| stuck(peek.core.rows())).await {
            Ok(Ok(found)) => report.problems = found,
            Ok(Err(error)) => return problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            Err(gone) => return unavailable(&gone.to_string()),
        }
    }
    json_body(&Checked { schema: 1, report })
}

/// Reads rows on a thread that may block.
async fn beside<T: Send + 'static>(
    admin: &Admin,
    read: impl FnOnce(&Inner) -> Result<T, crate::ledger::Error> + Send + 'static,
) -> Result<T, Response> {
    let admin = admin.clone();
    match tokio::task::spawn_blocking(move || read(&admin.0)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())),
        Err(error) => Err(problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())),
    }
}

fn list<T: Serialize>(
    found: Result<Vec<T>, Response>,
    name: &str,
    wanted: &Wanted,
    fits: impl Fn(&T) -> bool,
) -> Response {
    let found = match found {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let fitting: Vec<&T> = found.iter().filter(|item| fits(item)).collect();
    let total = fitting.len();
    let shown: Vec<&T> = fitting.into_iter().take(wanted.limit.unwrap_or(LIST)).collect();
    json_body(&json!({"schema": 1, "total": total, name: shown}))
}

fn json_body<T: Serialize>(value: &T) -> Response {
    let body = serde_json::to_vec(value).expect("views are plain data");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn unavailable(reason: &str) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, reason)
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({"title": title, "status": status.as_u16(), "detail": detail}).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
