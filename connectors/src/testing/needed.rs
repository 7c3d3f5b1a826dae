//! Tests against real services: where they are, or loudly not.

use std::io::Write as _;

/// The address in `variable`. Where there is none the test that asked is skipped if `ALLOW_SKIPS=1`, which it says
/// on stderr past the test harness, and fails otherwise.
///
/// # Panics
/// Where there is none and skips are not allowed.
#[must_use]
pub fn needed(variable: &str, service: &str) -> Option<String> {
    if let Ok(address) = std::env::var(variable)
        && !address.is_empty()
    {
        return Some(address);
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "skipped: {test}: no {service} ({variable} is not set)").expect("stderr is open");
    assert!(
        std::env::var("ALLOW_SKIPS").is_ok_and(|allowed| allowed == "1"),
        "no {service}: {variable} is not set; tests/run.sh starts one, ALLOW_SKIPS=1 goes on without"
    );
    None
}
