//! Times and days as systems write them.
//!
//! In: the text or number of a field, and what its lock says of it. Out: the instant or the day that it is.
//! Always true: what may mean two things is [`Doubt`], never the likelier one of them. A lock settles it: `form` says
//! what a number counts, `zone` whose clocks and days are meant.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::fault::Doubt;
use crate::schema::{EpochForm, Field};
use crate::value::{Timestamp, days_of};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// From here on a number is a count of milliseconds and no other: of seconds it would lie beyond the year 2286, and
/// what is below it may be either.
const SURELY_MILLISECONDS: i64 = 10_000_000_000;

/// The last millisecond of the year 9999.
const LAST: i64 = 253_402_300_799_999;

/// Why a text is no time or no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// It is nothing of the kind.
    Kind,
    /// It may be several.
    Doubt(Doubt),
}

/// The instant that `text` is.
pub(super) fn time(declared: &Field, text: &str) -> Result<Timestamp, No> {
    if let Some(number) = number(text) {
        return counted(declared, number);
    }
    if let Some(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    let local: DateTime = text.parse().map_err(|_| No::Kind)?;
    let zone = zone(declared).ok_or(No::Doubt(Doubt::NoZone))?;
    let once = zone.to_ambiguous_zoned(local).unambiguous().map_err(|_| No::Doubt(Doubt::NotOnce))?;
    Ok(Timestamp(once.timestamp().as_millisecond()))
}

/// The day that `text` is, in days since 1970-01-01.
pub(super) fn date(declared: &Field, text: &str) -> Result<i32, No> {
    if is_day(text) {
        return text.parse().map(days_of).map_err(|_| No::Kind);
    }
    if let Some(number) = number(text) {
        // A number that is a whole day in milliseconds: as systems write days that write numbers.
        let whole = || i64::try_from(number).ok().filter(|ms| number.is_integer() && ms % DAY == 0);
        let instant = match (declared.form, whole()) {
            (None, Some(ms)) if ms.abs() <= LAST => Timestamp(ms),
            _ => counted(declared, number)?,
        };
        return day_of(declared, instant);
    }
    if let Some(instant) = Timestamp::parse(text) {
        return day_of(declared, instant);
    }
    // By the clocks of whoever wrote it, so that the day is theirs too.
    let local: DateTime = text.parse().map_err(|_| No::Kind)?;
    if local.time() == jiff::civil::Time::midnight() || declared.zone.is_some() {
        Ok(days_of(local.date()))
    } else {
        Err(No::Doubt(Doubt::NoZone))
    }
}

/// A day as `2026-03-01`: other readers take `20260301` for one as well, which is a number.
fn is_day(text: &str) -> bool {
    matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _])
}

fn number(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok()
}

/// The instant that a number counts to.
fn counted(declared: &Field, number: Decimal) -> Result<Timestamp, No> {
    let doubt = No::Doubt(Doubt::NoForm);
    let milliseconds = match declared.form {
        Some(EpochForm::Seconds) => number.checked_mul(Decimal::ONE_THOUSAND).ok_or(No::Kind)?,
        Some(EpochForm::Milliseconds) => number,
        None if number.is_integer() => number,
        None => return Err(doubt),
    };
    let milliseconds = i64::try_from(milliseconds.trunc()).map_err(|_| doubt)?;
    let surely = (SURELY_MILLISECONDS..=LAST).contains(&milliseconds.abs());
    if surely || (declared.form.is_some() && milliseconds.abs() <= LAST) {
        Ok(Timestamp(milliseconds))
    } else {
        Err(doubt)
    }
}

/// The day on which an instant falls: where the lock says whose day, or where it is a midnight of UTC, which is how
/// HubSpot and others write a day.
fn day_of(declared: &Field, instant: Timestamp) -> Result<i32, No> {
    match zone(declared) {
        Some(zone) => Ok(days_of(instant.timestamp().ok_or(No::Kind)?.to_zoned(zone).date())),
        None if instant.0 % DAY == 0 => i32::try_from(instant.0 / DAY).map_err(|_| No::Kind),
        None => Err(No::Doubt(Doubt::Instant)),
    }
}

/// The zone that the lock names; a lock with one that there is not is not read.
fn zone(declared: &Field) -> Option<TimeZone> {
    declared.zone.as_deref().and_then(|name| TimeZone::get(name).ok())
}
