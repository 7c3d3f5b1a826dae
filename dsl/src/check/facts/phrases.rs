//! How messages call things: `an app.User`, `companies`, `the CRM`.

use crate::diagnostic::Problem;
use crate::schema::EntityName;
use crate::source::Span;

/// `a, b and c`
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// The names in backquotes, as a list.
pub(crate) fn quoted(items: &[String]) -> String {
    list(&items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>())
}

/// `a` or `an`.
pub(crate) fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) { "an" } else { "a" }
}

/// The name of an entity in a sentence: `SupportTicket` is a `support ticket`.
pub(crate) fn thing(entity: &str) -> String {
    let mut words = String::new();
    let mut before_lower = false;
    for letter in entity.chars() {
        if letter.is_uppercase() && before_lower {
            words.push(' ');
        }
        before_lower = letter.is_lowercase() || letter.is_ascii_digit();
        if letter == '_' { words.push(' ') } else { words.extend(letter.to_lowercase()) }
    }
    words
}

/// `a user`, `an activity`.
pub(crate) fn a_thing(entity: &str) -> String {
    let thing = thing(entity);
    format!("{} {thing}", article(&thing))
}

/// `an app.User`.
pub(crate) fn an_entity(entity: &EntityName) -> String {
    format!("{} {entity}", article(&entity.system))
}

/// Several of a thing: `users`, `companies`.
pub(crate) fn plural(entity: &str) -> String {
    let one = thing(entity);
    let vowel_before = |word: &str| word.ends_with(['a', 'e', 'i', 'o', 'u']);
    match one.strip_suffix('y') {
        Some(stem) if !vowel_before(stem) => format!("{stem}ies"),
        _ if one.ends_with('s') || one.ends_with('x') || one.ends_with("ch") || one.ends_with("sh") => {
            format!("{one}es")
        }
        _ => format!("{one}s"),
    }
}

/// A system in a sentence: a name without vowels is an abbreviation, `crm` is the `CRM`.
pub(crate) fn system(name: &str) -> String {
    if name.contains(['a', 'e', 'i', 'o', 'u', 'y']) { name.to_owned() } else { name.to_uppercase() }
}

/// What somebody does of whom an event tells, where its name is such a word: `Login` is `logs in`.
pub(crate) fn does(event: &str) -> Option<String> {
    let name = event.to_lowercase().replace('_', "");
    ["in", "out", "up", "off"].into_iter().find_map(|particle| {
        let verb = name.strip_suffix(particle)?;
        ["log", "sign", "check", "opt", "drop"].contains(&verb).then(|| format!("{verb}s {particle}"))
    })
}

/// How a thing in a stage is called, and what brings it there, where the stage's label ends in a participle:
/// `Closed won` makes a `won` deal, and is reached by `winning` it.
pub(crate) fn participle(label: &str) -> Option<(String, String)> {
    let last = label.split_whitespace().last()?.to_lowercase();
    let doing = match last.as_str() {
        "won" => "winning",
        "lost" => "losing",
        "sent" => "sending",
        "paid" => "paying",
        "sold" => "selling",
        "closed" => "closing",
        "solved" => "solving",
        "scheduled" => "scheduling",
        "cancelled" => "cancelling",
        _ => return None,
    };
    Some((last, doing.to_owned()))
}

/// The problem with the near name as its help and as a safe change.
pub(crate) fn suggest(problem: Problem, near: Option<String>, span: Span) -> Problem {
    match near {
        Some(near) => {
            problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), true, vec![(span, near)])
        }
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_code_become_words_of_a_sentence() {
        assert_eq!(thing("SupportTicket"), "support ticket");
        assert_eq!(a_thing("Activity"), "an activity");
        assert_eq!(
            [plural("Company"), plural("User"), plural("Box"), plural("Key")],
            ["companies", "users", "boxes", "keys"]
        );
        assert_eq!([system("crm"), system("app")], ["CRM", "app"]);
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }

    #[test]
    fn events_and_stages_are_spoken_of_as_people_do() {
        assert_eq!(does("Login").as_deref(), Some("logs in"));
        assert_eq!(does("SignUp").as_deref(), Some("signs up"));
        assert_eq!([does("Margin"), does("Order")], [None, None]);
        assert_eq!(participle("Closed won"), Some(("won".to_owned(), "winning".to_owned())));
        assert_eq!([participle("Qualified"), participle("")], [None, None]);
    }
}
