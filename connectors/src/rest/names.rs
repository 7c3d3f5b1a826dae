//! How the lock's names are spelt in paths: kebab-case plurals, and verbs in front of an entity.

use dsl::schema::Lock;

/// `SupportTicket` lives under `/support-tickets`, `Company` under `/companies`, `Key` under `/keys`.
#[must_use]
pub fn entity_path(entity: &str) -> String {
    let name = kebab(entity);
    let mut letters = name.chars().rev();
    let consonant_y = letters.next() == Some('y') && letters.next().is_some_and(|before| !"aeiou".contains(before));
    match name.strip_suffix('y').filter(|_| consonant_y) {
        Some(stem) => format!("/{stem}ies"),
        None => format!("/{name}s"),
    }
}

/// Where an operation is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation<'l> {
    /// The entity it is about.
    pub(super) entity: &'l str,
    /// Last segment of its path.
    pub(super) verb: String,
    /// The parameter that names the record, which stands in the path and not in the body.
    pub(super) id_parameter: String,
}

/// `activateSubscription` is `activate` of `Subscription`. Of several entities that the name ends with, the longest
/// counts: `closeSupportTicket` is about a `SupportTicket`, not a `Ticket`.
pub(super) fn operation<'l>(lock: &'l Lock, name: &str) -> Option<Operation<'l>> {
    let entities = lock.entities.keys().filter(|entity| name.len() > entity.len() && name.ends_with(entity.as_str()));
    let entity = entities.max_by_key(|entity| entity.len())?;
    let mut letters = entity.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    Some(Operation {
        entity,
        verb: kebab(&name[..name.len() - entity.len()]),
        id_parameter: first.into_iter().chain(letters).chain("Id".chars()).collect(),
    })
}

fn kebab(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_live_under_kebab_case_plurals() {
        for (entity, path) in [
            ("User", "/users"),
            ("Company", "/companies"),
            ("Deal", "/deals"),
            ("SupportTicket", "/support-tickets"),
            ("Note", "/notes"),
            ("Subscription", "/subscriptions"),
            ("Activity", "/activities"),
            ("Account", "/accounts"),
            ("Key", "/keys"),
        ] {
            assert_eq!(entity_path(entity), path);
        }
    }

    #[test]
    fn an_operation_is_about_the_longest_entity_at_its_end() {
        let mut lock = dsl::schema::read_lock(include_str!("../../../rules/schemas/app.lock")).unwrap();
        lock.entities.insert("Ticket".to_owned(), dsl::schema::Entity::default());
        let found = operation(&lock, "reopenSupportTicket").unwrap();
        assert_eq!((found.entity, found.verb.as_str()), ("SupportTicket", "reopen"));
        assert_eq!(found.id_parameter, "supportTicketId");
        assert_eq!(operation(&lock, "cancelSubscription").unwrap().id_parameter, "subscriptionId");
        assert_eq!(operation(&lock, "reopen"), None);
        assert_eq!(operation(&lock, "Subscription"), None);
    }
}
