//! The console: pages by which people look at the engine and repair what waits for them.
//!
//! In: a path. Out: a file that is part of this binary.
//! Always true: they are the same for everybody and say nothing of anybody, so they need no token; whatever they show
//! they ask the API for, with the reader's token. Nothing is loaded from another address, and no text that comes from a
//! record is taken for markup: the browser is told to run and to load what stands here alone.
//! The files are what a browser reads, modules of JavaScript without a step that builds them (`console/`).

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};

/// What a browser may do with a page (Content Security Policy, level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal is $file:literal as $kind:expr),+ $(,)?) => {
        &[$(($path, $kind, include_str!(concat!("console/", $file)))),+]
    };
}

/// Every file by its path.
const FILES: &[(&str, &str, &str)] = files! {
    "/" is "index.html" as HTML,
    "/console/style.css" is "style.css" as CSS,
    "/console/mark.svg" is "mark.svg" as PICTURE,
    "/console/console.js" is "console.js" as SCRIPT,
    "/console/api.js" is "api.js" as SCRIPT,
    "/console/draw.js" is "draw.js" as SCRIPT,
    "/console/list.js" is "list.js" as SCRIPT,
    "/console/words.js" is "words.js" as SCRIPT,
    "/console/overview.js" is "overview.js" as SCRIPT,
    "/console/waiting.js" is "waiting.js" as SCRIPT,
    "/console/records.js" is "records.js" as SCRIPT,
    "/console/runs.js" is "runs.js" as SCRIPT,
    "/console/rules.js" is "rules.js" as SCRIPT,
    "/console/history.js" is "history.js" as SCRIPT,
};

/// The paths of the console.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(move || async move { file(kind, text) }))
    })
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let text_of = HeaderValue::from_static;
    let headers = [
        (header::CONTENT_TYPE, text_of(kind)),
        (header::CONTENT_SECURITY_POLICY, text_of(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, text_of("nosniff")),
        (header::REFERRER_POLICY, text_of("no-referrer")),
        // Another engine may answer here tomorrow.
        (header::CACHE_CONTROL, text_of("no-cache")),
        (HeaderName::from_static("cross-origin-opener-policy"), text_of("same-origin")),
    ];
    (headers, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_page_names_is_there_and_nothing_comes_from_elsewhere() {
        for (path, _, text) in FILES {
            for named in text.split(['"', '\'']).filter(|part| part.starts_with("./") || part.starts_with("/console/"))
            {
                let named = named.replacen("./", "/console/", 1);
                assert!(FILES.iter().any(|(path, ..)| *path == named), "{path} names {named}");
            }
            let elsewhere = text.replace("http://www.w3.org/", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{path} names another address");
            assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{path} makes markup of text");
        }
    }

    #[test]
    fn lists_can_be_asked_for_every_state_that_there_is() {
        use crate::decide::views::{LinkStatus as Link, RunStatus as Run};
        let links = [
            Link::Looking,
            Link::WaitingForKey,
            Link::BeingMade,
            Link::Alone,
            Link::LeftOut,
            Link::Linked,
            Link::Parked,
            Link::Gone,
        ];
        let runs = [Run::Running, Run::Waiting, Run::Stopped, Run::Finished, Run::Failed, Run::Cancelled];
        let file = |name: &str| FILES.iter().find(|(path, ..)| path.ends_with(name)).map_or("", |(.., text)| text);
        let listed = |text: &str, state: &str| text.contains(&format!("\"{state}\""));
        for state in links.map(Link::as_str) {
            assert!(listed(file("records.js"), state), "{state}");
        }
        for state in runs.map(Run::as_str) {
            assert!(listed(file("runs.js"), state), "{state}");
        }
    }

    #[test]
    fn all_of_it_weighs_less_than_300_kilobytes() {
        let weight: usize = FILES.iter().map(|(.., text)| text.len()).sum();
        assert!(weight < 300_000, "{weight} bytes");
    }
}
