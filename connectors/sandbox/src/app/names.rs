//! How the app spells the lock's names on the wire.
//!
//! In: names of entities and operations as the lock has them. Out: path segments, topic ends, message prefixes.
//! Always true: `SupportTicket` is `support-ticket` in a message and `support-tickets` in a path and a topic.

/// `SupportTicket` as `support-ticket`.
#[must_use]
pub fn singular(entity: &str) -> String {
    let mut out = String::with_capacity(entity.len() + 2);
    for (at, letter) in entity.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// `SupportTicket` as `support-tickets`, `Company` as `companies`: the entity's path and the end of its topic.
#[must_use]
pub fn plural(entity: &str) -> String {
    let mut out = singular(entity);
    let mut letters = out.chars().rev();
    let consonant_y = letters.next() == Some('y') && letters.next().is_some_and(|letter| !"aeiou".contains(letter));
    if consonant_y {
        out.pop();
        out.push_str("ies");
    } else {
        out.push('s');
    }
    out
}

/// The verb of an operation that is named after an entity: `activateSubscription` of `Subscription` is
/// `activate`. `None` where the operation is not.
#[must_use]
pub fn verb(operation: &str, entity: &str) -> Option<String> {
    operation.strip_suffix(entity).filter(|verb| !verb.is_empty()).map(singular)
}

/// The parameter that names the record of an operation: `subscriptionId` for `Subscription`.
#[must_use]
pub fn id_parameter(entity: &str) -> String {
    let mut letters = entity.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect::<String>() + "Id"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_kebab_case_plurals() {
        for (entity, path) in [
            ("User", "users"),
            ("Company", "companies"),
            ("SupportTicket", "support-tickets"),
            ("Activity", "activities"),
            ("Key", "keys"),
        ] {
            assert_eq!(plural(entity), path);
        }
        assert_eq!(singular("SupportTicket"), "support-ticket");
    }

    #[test]
    fn an_operation_is_a_verb_of_the_entity_it_ends_with() {
        assert_eq!(verb("activateSubscription", "Subscription").as_deref(), Some("activate"));
        assert_eq!(verb("activateSubscription", "User"), None);
        assert_eq!(verb("Subscription", "Subscription"), None);
        assert_eq!(id_parameter("SupportTicket"), "supportTicketId");
    }
}
