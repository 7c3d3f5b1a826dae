//! All histories of a small scope, up to a length: what chance may miss between few things is not missed here.
//!
//! Always true: no two of them are the same; left out are those that end with waiting, wait twice in a row, or say the
//! same of the weather in another order, because another one in the list leads to the same run.

use crate::history::History;

/// What an operation is, for leaving out what leads to the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// A person does something, as often as there is something to do.
    Deed,
    /// A person does something that can be done once.
    Once,
    /// Time goes by.
    Wait,
    /// Something is said of the next requests or messages.
    Weather,
    /// The engine falls over.
    Crash,
}

struct Operation {
    nature: Nature,
    /// It makes sense only after this one.
    after: Option<usize>,
    /// The lines; `#` stands for a value that was not there before.
    lines: &'static [&'static str],
}

/// A small scope.
pub struct Scope {
    /// Its name.
    pub name: &'static str,
    rules: &'static str,
    begin: &'static [&'static str],
    operations: &'static [Operation],
    /// The most operations that one history has where nobody says otherwise.
    pub most: usize,
}

/// The scopes.
pub const SCOPES: [Scope; 2] = [
    Scope {
        name: "one-link",
        rules: "one-field",
        begin: &["app.User p1 is made with phone 100", "20 s pass"],
        operations: &[
            Operation { nature: Nature::Deed, after: None, lines: &["app.User p1 phone becomes #"] },
            Operation { nature: Nature::Deed, after: None, lines: &["crm.Contact p1 phone becomes #"] },
            Operation { nature: Nature::Wait, after: None, lines: &["400 ms pass"] },
            Operation { nature: Nature::Wait, after: None, lines: &["20 s pass"] },
            Operation {
                nature: Nature::Weather,
                after: None,
                lines: &[
                    "the next update of crm takes effect after 600 ms",
                    "the next update of crm is answered after 600 ms",
                    "the next update of app takes effect after 600 ms",
                    "the next update of app is answered after 600 ms",
                ],
            },
            Operation {
                nature: Nature::Weather,
                after: None,
                lines: &["the next update of crm arrives after 40 s", "the next update of app arrives after 40 s"],
            },
            Operation {
                nature: Nature::Weather,
                after: None,
                lines: &["the next message of crm comes after 10 s", "the next message of app comes after 10 s"],
            },
            Operation { nature: Nature::Crash, after: None, lines: &["the engine crashes"] },
        ],
        most: 7,
    },
    Scope {
        name: "shared-key",
        rules: "one-field",
        begin: &["app.User p1 is made with email one@example.com", "20 s pass"],
        operations: &[
            Operation { nature: Nature::Once, after: None, lines: &["app.User p2 is made with email two@example.com"] },
            Operation {
                nature: Nature::Once,
                after: None,
                lines: &["crm.Contact p3 is made with email two@example.com"],
            },
            Operation { nature: Nature::Once, after: None, lines: &["app.User p1 email becomes two@example.com"] },
            Operation { nature: Nature::Once, after: None, lines: &["crm.Contact p1 email becomes two@example.com"] },
            Operation { nature: Nature::Once, after: Some(0), lines: &["app.User p2 email becomes one@example.com"] },
            Operation { nature: Nature::Once, after: None, lines: &["app.User p1 is deleted"] },
            Operation { nature: Nature::Once, after: None, lines: &["crm.Contact p1 is deleted"] },
            Operation { nature: Nature::Once, after: Some(6), lines: &["crm.Contact p1 is restored"] },
            Operation { nature: Nature::Once, after: Some(1), lines: &["crm.Contact p3 is merged into p1"] },
            Operation { nature: Nature::Wait, after: None, lines: &["400 ms pass"] },
            Operation { nature: Nature::Wait, after: None, lines: &["20 s pass"] },
            Operation {
                nature: Nature::Weather,
                after: None,
                lines: &["the next create of crm is answered after 3 s"],
            },
        ],
        most: 6,
    },
];

impl Scope {
    /// A scope by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCOPES.iter().find(|scope| scope.name == name)
    }

    /// Every history with so many operations at most, as the numbers of its operations, shorter ones first.
    #[must_use]
    pub fn all(&self, most: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut longest: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..most {
            let mut longer = Vec::new();
            for before in &longest {
                for next in 0..self.operations.len() {
                    if self.may_follow(before, next) {
                        let mut operations = before.clone();
                        operations.push(u8::try_from(next).expect("there are few operations"));
                        longer.push(operations);
                    }
                }
            }
            found.extend(longer.iter().filter(|operations| self.is_whole(operations)).cloned());
            longest = longer;
        }
        found
    }

    fn nature(&self, operation: u8) -> Nature {
        self.operations[usize::from(operation)].nature
    }

    fn may_follow(&self, before: &[u8], next: usize) -> bool {
        let Operation { nature, after, .. } = &self.operations[next];
        let was = |wanted: usize| before.iter().any(|operation| usize::from(*operation) == wanted);
        if after.is_some_and(|after| !was(after)) {
            return false;
        }
        let last = before.last().map(|last| (self.nature(*last), usize::from(*last)));
        match nature {
            Nature::Deed => true,
            Nature::Once => !was(next),
            // Nothing happens while nothing was done, and two waits are one.
            Nature::Wait => last.is_some_and(|(last, _)| last != Nature::Wait),
            Nature::Crash => last.is_some_and(|(last, _)| last != Nature::Crash),
            // What is said of the weather at one time is said in one order, and once.
            Nature::Weather => last.is_none_or(|(last, number)| last != Nature::Weather || number < next),
        }
    }

    /// Something is done, and nothing is left at the end that changes nothing.
    fn is_whole(&self, operations: &[u8]) -> bool {
        let done = |operation: &u8| matches!(self.nature(*operation), Nature::Deed | Nature::Once);
        operations.iter().any(done) && operations.last().is_some_and(|last| self.nature(*last) != Nature::Wait)
    }

    /// A history of these operations.
    ///
    /// # Panics
    /// Never: the lines of the scopes are understood, which a test holds.
    #[must_use]
    pub fn history(&self, operations: &[u8]) -> History {
        let mut text = format!("rules {}\n", self.rules);
        for line in self.begin {
            text.push_str(line);
            text.push('\n');
        }
        let mut values = 100;
        for operation in operations {
            for line in self.operations[usize::from(*operation)].lines {
                if line.contains('#') {
                    values += 1;
                }
                text.push_str(&line.replace('#', &values.to_string()));
                text.push('\n');
            }
        }
        text.parse().expect("the lines of a scope are understood")
    }
}

#[cfg(test)]
mod tests {
    use dsl::value::Duration;

    use super::*;
    use crate::history::{Deed, Entity, Fate, Step, Wanted};

    #[test]
    fn every_operation_is_understood() {
        for scope in &SCOPES {
            let all: Vec<u8> = (0..scope.operations.len()).map(|n| u8::try_from(n).expect("few")).collect();
            let history = scope.history(&all);
            assert_eq!(history.to_string().parse::<History>().expect("understood"), history, "{}", scope.name);
        }
    }

    #[test]
    fn no_history_is_there_twice() {
        for scope in &SCOPES {
            let all = scope.all(4);
            let mut different = all.clone();
            different.sort();
            different.dedup();
            assert_eq!(all.len(), different.len());
            assert!(all.iter().all(|operations| operations.len() <= 4));
        }
    }

    #[test]
    fn a_scope_holds_what_it_is_for() {
        let scope = Scope::named("one-link").expect("there is one");
        let wanted = History {
            rules: "one-field".to_owned(),
            clocks: Vec::new(),
            steps: vec![
                Step::Person(
                    Entity::new("app", "User"),
                    "p1".to_owned(),
                    Deed::Make(vec![("phone".to_owned(), "100".to_owned())]),
                ),
                Step::Pass(Duration::seconds(20)),
                Step::Request(
                    Wanted { times: 1, kind: "update".to_owned(), system: "crm".to_owned(), entity: None },
                    Fate::Arrives(Duration::seconds(40)),
                ),
                Step::Request(
                    Wanted { times: 1, kind: "update".to_owned(), system: "app".to_owned(), entity: None },
                    Fate::Arrives(Duration::seconds(40)),
                ),
                Step::Person(
                    Entity::new("crm", "Contact"),
                    "p1".to_owned(),
                    Deed::Set("phone".to_owned(), Some("101".to_owned())),
                ),
            ],
        };
        assert!(scope.all(2).iter().any(|operations| scope.history(operations) == wanted));
    }
}
