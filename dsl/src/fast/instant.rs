//! Instants in the one form that nearly all of them have, `2026-03-02T09:00:00.120Z`, without a calendar library.
//!
//! Always true: what is read here means the same to [`Timestamp::parse`], and is printed as `Timestamp` prints it; every
//! other form is left to it.

use wide::u8x16;

use crate::value::Timestamp;

/// A time in UTC with whole seconds or up to three digits behind them; `None` says nothing of the text.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0_i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    };
    if !(20..=24).contains(&bytes.len())
        || [bytes[4], bytes[7], bytes[10], bytes[13], bytes[16]] != *b"--T::"
        || bytes.last() != Some(&b'Z')
    {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let fraction = match bytes.len() {
        20 => 0,
        // A point without digits is no time.
        21 => return None,
        end => {
            if bytes[19] != b'.' {
                return None;
            }
            digits(20, end - 1)? * [100, 10, 1][end - 22]
        }
    };
    if !is_day(year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = (days(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second;
    Some(Timestamp(seconds * 1_000 + fraction))
}

/// Does a time stand here as it is printed? All bytes are looked at together, then the few that say more.
pub(super) fn is_printed(text: &str) -> bool {
    const LOWEST: [u8; 24] = *b"0000-00-00T00:00:00.000Z";
    const HIGHEST: [u8; 24] = *b"9999-19-39T29:59:59.999Z";
    let Some(bytes) = text.as_bytes().first_chunk::<24>().filter(|_| text.len() == 24) else { return false };
    let within = |from: usize| {
        let sixteen = |of: &[u8; 24]| u8x16::from(&of[from..from + 16]);
        let (low, high, here) = (sixteen(&LOWEST), sixteen(&HIGHEST), sixteen(bytes));
        (here.max(low).simd_eq(here) & here.min(high).simd_eq(here)).to_bitmask() == 0xFFFF
    };
    if !within(0) || !within(8) {
        return false;
    }
    let two = |at: usize| i64::from(bytes[at] - b'0') * 10 + i64::from(bytes[at + 1] - b'0');
    is_day(two(0) * 100 + two(2), two(5), two(8)) && two(11) <= 23
}

/// Is there such a day? The first and last years are left out: the calendar ends in their midst.
fn is_day(year: i64, month: i64, day: i64) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=9_998).contains(&year) && (1..=12).contains(&month) && (1..=last).contains(&day)
}

/// Days since 1970-01-01. The year is counted from March, so that a leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Appends the time as `Timestamp` prints it; false where the year has not four digits.
pub(super) fn print(time: Timestamp, out: &mut Vec<u8>) -> bool {
    let (days, of_day) = (time.0.div_euclid(86_400_000), time.0.rem_euclid(86_400_000));
    // The inverse of `days`, step by step.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(1..=9_998).contains(&year) {
        return false;
    }
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, digits: usize, mut number: i64| {
        for place in (at..at + digits).rev() {
            text[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, of_day / 3_600_000);
    put(14, 2, of_day / 60_000 % 60);
    put(17, 2, of_day / 1_000 % 60);
    put(20, 3, of_day % 1_000);
    out.extend_from_slice(&text);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_is_printed_and_read_as_the_calendar_does(ms in -70_000_000_000_000_i64..260_000_000_000_000) {
            let mut out = Vec::new();
            let shown = Timestamp(ms).to_string();
            if print(Timestamp(ms), &mut out) {
                prop_assert_eq!(std::str::from_utf8(&out), Ok(shown.as_str()));
                prop_assert_eq!(parse(&shown), Some(Timestamp(ms)));
                prop_assert!(is_printed(&shown), "{}", shown);
            } else {
                prop_assert!(!(0..=253_000_000_000_000).contains(&ms), "{}", shown);
            }
        }

        #[test]
        fn whatever_is_read_means_the_same_to_the_calendar(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,4})?Z?",
        ) {
            if let Some(time) = parse(&text) {
                prop_assert_eq!(Timestamp::parse(&text), Some(time), "{}", text);
            }
        }

        #[test]
        fn only_what_would_be_printed_the_same_is_taken_as_printed(
            text in "[0-29][0-9]{2}[0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3}Z",
            at in 0_usize..100,
            byte in any::<char>(),
        ) {
            let mut text: Vec<char> = text.chars().collect();
            // Three in four are left as they are.
            if let Some(here) = text.get_mut(at) {
                *here = byte;
            }
            let text = String::from_iter(text);
            let mut printed = Vec::new();
            let same = parse(&text).is_some_and(|time| print(time, &mut printed)) && printed == text.as_bytes();
            prop_assert_eq!(is_printed(&text), same, "{}", text);
        }
    }

    #[test]
    fn days_at_the_edges_of_months_are_told_apart() {
        for text in
            ["2024-02-29T23:59:59Z", "2000-02-29T00:00:00.5Z", "1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z"]
        {
            assert_eq!(parse(text), Timestamp::parse(text), "{text}");
            assert!(parse(text).is_some(), "{text}");
        }
        for text in ["2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-03-02T09:00:60Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
