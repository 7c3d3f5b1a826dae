//! Versions of HubSpot's API: how they end (CONTRACT 1).
//!
//! In: a version and a time. Out: a sentence for people while there is time to act.

use dsl::value::Timestamp;
use jiff::civil::{Date, date};
use jiff::{Span, tz::TimeZone};

/// How long before its end a version is warned of, in days.
const WARNED_BEFORE: i64 = 180;

/// A sentence from [`WARNED_BEFORE`] days before `version` ends; nothing before, nor for a version that is none.
pub(super) fn ending(version: &str, now: Timestamp) -> Option<String> {
    let end = end(version)?;
    let today = now.timestamp()?.to_zoned(TimeZone::UTC).date();
    let warned = end.checked_sub(Span::new().days(WARNED_BEFORE)).ok()?;
    (today >= warned).then(|| format!("HubSpot ends API version {version} about {end}; set a newer `api_version`"))
}

/// Dated versions are supported for 18 months; numbered ones end in September 2027.
fn end(version: &str) -> Option<Date> {
    match version.split_once('-') {
        Some((year, month)) => {
            let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
            first.checked_add(Span::new().months(18)).ok()
        }
        None => Some(date(2027, 9, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_warned_of_180_days_before_its_end() {
        let day = |text: &str| Timestamp::parse(text).expect("a time");
        assert_eq!(ending("2026-09", day("2027-09-01T00:00:00Z")), None);
        let warned = ending("2026-09", day("2027-09-04T00:00:00Z")).expect("it ends on 1 March 2028");
        assert!(warned.contains("2028-03-01"), "{warned}");
        assert!(ending("v3", day("2027-04-01T00:00:00Z")).is_some());
        assert_eq!(ending("v3", day("2026-11-25T00:00:00Z")), None);
    }
}
