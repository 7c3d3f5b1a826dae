//! `as first_word`, `as domain`, `as replaced("-", " ")`: parts of a text.
//!
//! Always true: a text that has no such part gives nothing, and what happens then is for the rules to say. A word is
//! what stands between white space.

use super::{Builtin, Class, no_arguments};
use crate::schema::Type;
use crate::value::Value;

pub(super) const FIRST_WORD: Builtin = Builtin {
    name: "first_word",
    written: "first_word",
    class: Class::Lossy,
    refuses: false,
    lacks: Some("a text of blanks has no word"),
    takes: Type::Text,
    gives: Type::Text,
    doc: "The first word of a text.",
    example: ("Ada Maria Lovelace", "Ada"),
    check: no_arguments,
    apply: |value, _| part(value, |text| text.split_whitespace().next().map(str::to_owned)),
    invert: None,
};

pub(super) const LAST_WORD: Builtin = Builtin {
    name: "last_word",
    written: "last_word",
    class: Class::Lossy,
    refuses: false,
    lacks: Some("a text of blanks has no word"),
    takes: Type::Text,
    gives: Type::Text,
    doc: "The last word of a text; of a single one, that.",
    example: ("Ada Maria Lovelace", "Lovelace"),
    check: no_arguments,
    apply: |value, _| part(value, |text| text.split_whitespace().next_back().map(str::to_owned)),
    invert: None,
};

pub(super) const REST: Builtin = Builtin {
    name: "rest",
    written: "rest",
    class: Class::Lossy,
    refuses: false,
    lacks: Some("a text of one word has no rest"),
    takes: Type::Text,
    gives: Type::Text,
    doc: "What follows the first word of a text.",
    example: ("Ada Maria Lovelace", "Maria Lovelace"),
    check: no_arguments,
    apply: |value, _| {
        part(value, |text| {
            let (_, rest) = text.trim().split_once(char::is_whitespace)?;
            Some(rest.trim_start().to_owned())
        })
    },
    invert: None,
};

pub(super) const DOMAIN: Builtin = Builtin {
    name: "domain",
    written: "domain",
    class: Class::Lossy,
    refuses: false,
    lacks: Some("not every text has a domain"),
    takes: Type::Text,
    gives: Type::Text,
    doc: "The domain of an e-mail address or a web address, in lower case and without `www.`.",
    example: ("Ada@Example.COM", "example.com"),
    check: no_arguments,
    apply: |value, _| part(value, domain),
    invert: None,
};

pub(super) const COMPANY_DOMAIN: Builtin = Builtin {
    name: "company_domain",
    written: "company_domain",
    class: Class::Lossy,
    refuses: false,
    lacks: Some("not every address is of a company"),
    takes: Type::Text,
    gives: Type::Text,
    doc: "As `domain`; nothing where the domain is one of the large free mail services, such as gmail.com.",
    example: ("Ada@Example.COM", "example.com"),
    check: no_arguments,
    apply: |value, _| part(value, |text| domain(text).filter(|domain| !is_free_mail(domain))),
    invert: None,
};

pub(super) const REPLACED: Builtin = Builtin {
    name: "replaced",
    written: "replaced(\"-\", \" \")",
    class: Class::Lossy,
    refuses: false,
    lacks: None,
    takes: Type::Text,
    gives: Type::Text,
    doc: "A text in which the second argument stands wherever the first one stood.",
    example: ("2026-03-01", "2026 03 01"),
    check: |args| match args {
        [Value::Text(_), Value::Text(_) | Value::Empty] => Ok(()),
        _ => Err("it takes two texts: what is replaced, and by what"),
    },
    apply: |value, args| {
        let [Value::Text(from), to] = args else { return Err("it lacks its two texts".to_owned()) };
        // A text without letters is no value.
        part(value, |text| Some(text.replace(&**from, to.as_text().unwrap_or_default())))
    },
    invert: None,
};

pub(super) const SHORTENED: Builtin = Builtin {
    name: "shortened",
    written: "shortened(10)",
    class: Class::Lossy,
    refuses: false,
    lacks: None,
    takes: Type::Text,
    gives: Type::Text,
    doc: "The first characters of a text, at most so many, without white space at the end.",
    example: ("Customer since 2019", "Customer s"),
    check: |args| match args {
        [Value::Integer(1..)] => Ok(()),
        _ => Err("it takes a number of characters, from 1"),
    },
    apply: |value, args| {
        let most = match args {
            [Value::Integer(most)] => usize::try_from(*most).unwrap_or(usize::MAX),
            _ => return Err("it lacks its number of characters".to_owned()),
        };
        part(value, |text| Some(text.chars().take(most).collect::<String>().trim_end().to_owned()))
    },
    invert: None,
};

pub(super) const LENGTH: Builtin = Builtin {
    name: "length",
    written: "length",
    class: Class::Lossy,
    refuses: false,
    lacks: None,
    takes: Type::Text,
    gives: Type::Integer,
    doc: "How many characters a text has.",
    example: ("Ada", "3"),
    check: no_arguments,
    apply: |value, _| match value {
        Value::Text(text) => Ok(Value::Integer(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))),
        _ => Err("it is no text".to_owned()),
    },
    invert: None,
};

/// A part of a text; empty where it has none.
fn part(value: &Value, find: impl Fn(&str) -> Option<String>) -> Result<Value, String> {
    match value {
        Value::Text(text) => Ok(find(text).map_or(Value::Empty, Value::text)),
        _ => Err("it is no text".to_owned()),
    }
}

/// What stands behind the `@` of an address, or before the path of a web address.
fn domain(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    // A path may hold an `@` of its own.
    let host = host.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next()?.trim_end_matches(['.', '>']);
    let host = host.strip_prefix("www.").unwrap_or(host);
    let label = |label: &str| {
        let inside = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = host.contains('.') && host.split('.').all(label);
    // `10.0.0.1` is no name.
    let last = host.rsplit('.').next().is_some_and(|last| last.chars().any(char::is_alphabetic));
    (name && last).then(|| host.to_owned())
}

/// Where anybody can have a mailbox: the services with the most users, and those of large providers.
fn is_free_mail(domain: &str) -> bool {
    const WITH_COUNTRIES: [&str; 5] = ["yahoo.", "hotmail.", "outlook.", "live.", "gmx."];
    const OTHERS: [&str; 31] = [
        "gmail.com",
        "googlemail.com",
        "ymail.com",
        "rocketmail.com",
        "msn.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "aol.com",
        "aim.com",
        "proton.me",
        "protonmail.com",
        "pm.me",
        "mail.com",
        "mail.ru",
        "yandex.com",
        "yandex.ru",
        "zoho.com",
        "fastmail.com",
        "tutanota.com",
        "web.de",
        "t-online.de",
        "freenet.de",
        "qq.com",
        "163.com",
        "126.com",
        "naver.com",
        "orange.fr",
        "laposte.net",
        "libero.it",
        "comcast.net",
    ];
    let country = |rest: &str| !rest.contains('.') || rest.starts_with("co.") || rest.starts_with("com.");
    OTHERS.contains(&domain) || WITH_COUNTRIES.iter().any(|name| domain.strip_prefix(name).is_some_and(country))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(builtin: &Builtin, text: &str, args: &[Value]) -> Option<String> {
        match (builtin.apply)(&Value::Text(text.into()), args).expect("it takes every text") {
            Value::Empty => None,
            value => Some(value.to_string()),
        }
    }

    #[test]
    fn a_name_is_taken_apart_at_its_blanks() {
        let parts = |text| [&FIRST_WORD, &LAST_WORD, &REST].map(|builtin| given(builtin, text, &[]));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("  Ada  Maria\tLovelace "), [some("Ada"), some("Lovelace"), some("Maria\tLovelace")]);
        assert_eq!(parts("Plato"), [some("Plato"), some("Plato"), None]);
        assert_eq!(parts(" \u{a0} "), [None, None, None]);
    }

    #[test]
    fn a_domain_is_that_of_an_address() {
        let cases = [
            ("ada@example.com", Some("example.com")),
            ("Ada Lovelace <Ada@Mail.Example.co.uk>", Some("mail.example.co.uk")),
            ("https://www.example.com:8080/a@b?c#d", Some("example.com")),
            ("http://ada:secret@example.com", Some("example.com")),
            ("www.Example.com/", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("müller.de", Some("müller.de")),
            ("Example Ltd.", None),
            ("ada@localhost", None),
            ("http://10.0.0.1/x", None),
            ("a..b", None),
            ("-a.com", None),
            ("", None),
        ];
        for (text, domain) in cases {
            assert_eq!(given(&DOMAIN, text, &[]).as_deref(), domain, "{text}");
        }
    }

    #[test]
    fn a_free_mailbox_is_of_no_company() {
        for free in ["a@gmail.com", "a@yahoo.co.uk", "a@Hotmail.FR", "a@gmx.net", "a@live.com"] {
            assert_eq!(given(&COMPANY_DOMAIN, free, &[]), None, "{free}");
        }
        for company in ["a@live.example.com", "a@gmail.com.example.org", "a@mygmx.net"] {
            assert!(given(&COMPANY_DOMAIN, company, &[]).is_some(), "{company}");
        }
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!(given(&LENGTH, "Zoë 🙂", &[]).as_deref(), Some("5"));
        assert_eq!(given(&SHORTENED, "Zoë 🙂", &[Value::Integer(4)]).as_deref(), Some("Zoë"));
        assert_eq!(given(&REPLACED, "a.b.c", &[Value::text("."), Value::text("")]).as_deref(), Some("abc"));
        assert!((REPLACED.check)(&[Value::text(""), Value::text("x")]).is_err());
        assert!((SHORTENED.check)(&[Value::Integer(0)]).is_err());
    }
}
