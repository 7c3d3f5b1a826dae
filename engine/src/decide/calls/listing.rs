//! Pages of a listing.
//!
//! Always true: the cursor does not move past a page that failed; a listing that does not come to its end is shown to
//! people in time, and is tried again.

use connectors::port::Answer;
use dsl::value::Duration;

use crate::decide::calls::read::ALERT_AFTER_ATTEMPTS;
use crate::decide::links::schedule;
use crate::decide::model::key;
use crate::decide::model::work::ListingRow;
use crate::decide::records::observe::{How, observe};
use crate::decide::store::retry::backoff;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, links, reads};
use crate::ledger::Error;

pub(crate) fn page(cx: &mut Context<'_>, name: &str, answer: &Answer) -> Result<(), Error> {
    let key = key::listing(name);
    let Some(mut row) = cx.get(&key)? else { return Ok(()) };
    match answer {
        Answer::Page { records, next } => {
            row.attempts = 0;
            row.count += records.len() as u64;
            for observed in records {
                let mut observed = observed.clone();
                observed.complete = true;
                observe(cx, &row.entity.clone(), &observed, How::Read, cx.now)?;
                if let Some(sync) = row.sync.clone() {
                    schedule::listed(cx, &sync, &row.entity.clone(), &observed.id)?;
                }
            }
            row.cursor.clone_from(next);
            if next.is_some() {
                reads::queue_page(cx, name, &row, Duration(0));
                cx.put(key, &row);
            } else {
                row.done = Some(cx.now);
                incidents::settle(cx, &listing_subject(name))?;
                let waiters = std::mem::take(&mut row.waiters);
                cx.put(key, &row);
                if let Some(sync) = row.sync.clone() {
                    schedule::finished(cx, &sync, row.started, row.count)?;
                }
                for waiter in waiters {
                    reads::wake(cx, waiter)?;
                }
            }
        }
        other => {
            // The cursor does not move past a page that failed.
            let pause = match other {
                Answer::RateLimited { .. } => Duration(0),
                Answer::Retry { after, cause } => {
                    row.attempts += 1;
                    if row.attempts >= ALERT_AFTER_ATTEMPTS {
                        unlisted(cx, name, &row, cause)?;
                    }
                    let usual = backoff(row.attempts.into(), Duration::seconds(1), Duration::minutes(5), name);
                    after.map_or(usual, |d| Duration(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
                }
                Answer::Unknown { cause } => {
                    row.attempts += 1;
                    if row.attempts >= ALERT_AFTER_ATTEMPTS {
                        unlisted(cx, name, &row, cause)?;
                    }
                    backoff(row.attempts.into(), Duration::seconds(1), Duration::minutes(5), name)
                }
                refused => {
                    // Asking the same again cannot help; a cursor may be what is refused, so it begins anew.
                    let why = match refused {
                        Answer::Refused { reason, .. } => reason.as_str(),
                        _ => "the system refuses the request and does not say why",
                    };
                    unlisted(cx, name, &row, why)?;
                    row.attempts += 1;
                    row.cursor = None;
                    row.count = 0;
                    Duration::minutes(5)
                }
            };
            reads::queue_page(cx, name, &row, pause);
            cx.put(key, &row);
        }
    }
    Ok(())
}

fn listing_subject(name: &str) -> String {
    format!("list {name}")
}

/// A listing does not come to its end: people are shown it, and it goes on being tried.
fn unlisted(cx: &mut Context<'_>, name: &str, row: &ListingRow, why: &str) -> Result<(), Error> {
    let rule = row.sync.as_deref().and_then(|sync| links::rule_named(cx, sync));
    let (sync, place) = rule.map_or_else(
        || (format!("list {}", row.entity), String::new()),
        |rule| (rule.name.clone(), rule.place.to_string()),
    );
    let row = incidents::row(
        listing_subject(name),
        &sync,
        place,
        row.entity.to_string(),
        String::new(),
        format!("its records cannot be listed: {why}"),
        "what needs the list waits and goes on by itself once it can be read",
        true,
        cx.now,
    );
    incidents::open(cx, row, &sync)
}
