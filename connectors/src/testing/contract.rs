//! The contract that every connector keeps, whatever its system answers.
//!
//! In: a builder of the connector over a [`Script`], and requests that suit it. Out: a panic that names what is broken.
//! The laws are those of [`crate::port`]: one answer per input; no more calls than counted; nothing that an answer
//! does not mention is a success; a write that may have arrived is never said not to have happened; a record is never
//! missing because the whole call failed.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::script::{Script, Step};
use crate::port::{Answer, Connector, Request, Verb};

/// Holds a connector to the contract.
///
/// # Panics
/// Where it breaks a law.
pub async fn holds(build: impl Fn(Script) -> Arc<dyn Connector>, requests: &[Request]) {
    for request in requests {
        let write =
            !matches!(request.verb, Verb::Read { .. } | Verb::List { .. } | Verb::Archived { .. } | Verb::Identify);
        let (counted, most) = {
            let connector = build(Script::default());
            (connector.calls(request), connector.max_batch(&request.verb))
        };
        assert!(most >= 1, "{request:?}: a batch of none");
        assert!(request.inputs.len() <= most, "{request:?}: the test asks for more than one batch holds");
        for (name, step) in weather() {
            // The same weather for every call of the request, and none to spare: one call more is a panic.
            let script = Script::new((0..counted).map(|_| step.clone()));
            let answers = build(script.clone()).perform(request).await;
            let told = format!("{name}: {request:?} was answered {answers:?}");
            assert_eq!(answers.len(), request.inputs.len(), "one answer per input; {told}");
            assert!(!script.sent().is_empty(), "nothing was sent; {told}");
            for answer in &answers {
                check(name, write, answer, &told);
            }
        }
    }
}

/// What a network and a system can do to a call as a whole.
fn weather() -> Vec<(&'static str, Step)> {
    let html = |status| Step::raw(status, &[("content-type", "text/html")], "<html>no</html>");
    vec![
        ("refused connection", Step::not_sent()),
        ("lost answer", Step::no_answer()),
        ("200 without results", Step::json(200, &json!({"status": "COMPLETE", "results": []}))),
        ("200 of something else", Step::json(200, &json!({"hello": "world"}))),
        ("200 that is no JSON", html(200)),
        ("302", html(302)),
        ("401", Step::json(401, &json!({"message": "no"}))),
        ("403", Step::json(403, &json!({"message": "no"}))),
        ("404 of a wrong path", html(404)),
        ("405", html(405)),
        ("429", Step::raw(429, &[("retry-after", "7")], Json::Null.to_string())),
        ("500", html(500)),
        ("502", html(502)),
        ("503", Step::raw(503, &[("retry-after", "7")], "")),
        ("504", html(504)),
    ]
}

fn check(weather: &str, write: bool, answer: &Answer, told: &str) {
    let fits = match weather {
        "refused connection" => matches!(answer, Answer::Retry { .. }),
        "lost answer" | "500" | "502" | "504" if write => matches!(answer, Answer::Unknown { .. }),
        "lost answer" | "500" | "502" | "504" => matches!(answer, Answer::Retry { .. }),
        "401" => matches!(answer, Answer::Refused { refusal: crate::port::Refusal::Unauthenticated, .. }),
        "403" => matches!(answer, Answer::Refused { refusal: crate::port::Refusal::Forbidden, .. }),
        "302" | "405" | "404 of a wrong path" if write => matches!(answer, Answer::Refused { .. }),
        // It may be somebody between: a read does no harm when it is asked again.
        "302" | "405" | "404 of a wrong path" => matches!(answer, Answer::Refused { .. } | Answer::Retry { .. }),
        "429" => matches!(answer, Answer::RateLimited { after: Some(_), .. }),
        "503" => matches!(answer, Answer::Retry { after: Some(_), .. }),
        "200 without results" => !matches!(answer, Answer::Missing),
        "200 of something else" | "200 that is no JSON" => {
            !matches!(answer, Answer::Missing | Answer::Record(_) | Answer::Page { .. })
        }
        other => panic!("no law for {other}"),
    };
    assert!(fits, "{told}");
}
