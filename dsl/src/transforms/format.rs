//! `as "D MMM YYYY HH:mm"`: a time or date for people to read, in UTC.

use super::{Builtin, Class};
use crate::schema::Type;
use crate::value::{Timestamp, Value};

pub(super) const BUILTIN: Builtin = Builtin {
    name: "format",
    written: "\"D MMM YYYY HH:mm\"",
    class: Class::Lossy,
    refuses: false,
    lacks: None,
    takes: Type::Time,
    gives: Type::Text,
    doc: "A time in UTC: YYYY YY MMMM MMM MM M DD D HH mm ss; everything else stands as written.",
    example: ("2026-03-01T10:00:00Z", "1 Mar 2026 10:00"),
    check: |args| match args {
        [Value::Text(_)] => Ok(()),
        _ => Err("it takes one text, the form"),
    },
    apply: |value, args| {
        let Some(Value::Text(pattern)) = args.first() else { return Err("no form is given".to_owned()) };
        let moment = match value {
            Value::Time(time) => *time,
            Value::Date(days) => Timestamp(i64::from(*days) * 86_400_000),
            _ => return Err("it is no time".to_owned()),
        };
        let time = moment.timestamp().ok_or("it is outside the calendar")?.to_zoned(jiff::tz::TimeZone::UTC);
        Ok(Value::text(render(pattern, &time)))
    },
    invert: None,
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn render(pattern: &str, time: &jiff::Zoned) -> String {
    let month = MONTHS[usize::try_from(time.month() - 1).unwrap_or(0) % 12];
    let tokens: [(&str, String); 11] = [
        ("YYYY", format!("{:04}", time.year())),
        ("YY", format!("{:02}", time.year() % 100)),
        ("MMMM", month.to_owned()),
        ("MMM", month[..3].to_owned()),
        ("MM", format!("{:02}", time.month())),
        ("M", time.month().to_string()),
        ("DD", format!("{:02}", time.day())),
        ("D", time.day().to_string()),
        ("HH", format!("{:02}", time.hour())),
        ("mm", format!("{:02}", time.minute())),
        ("ss", format!("{:02}", time.second())),
    ];
    let mut rest = pattern;
    let mut text = String::new();
    while let Some(next) = rest.chars().next() {
        match tokens.iter().find(|(token, _)| rest.starts_with(token)) {
            Some((token, value)) => {
                text.push_str(value);
                rest = &rest[token.len()..];
            }
            None => {
                text.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    text
}
