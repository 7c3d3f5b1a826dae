//! Broken rule sets: the checker always answers, and gives a program exactly when there is no error.

use std::collections::BTreeMap;

use dsl::check::compile;
use dsl::diagnostic::{Severity, finding, human};
use proptest::prelude::*;

#[path = "support/shipped.rs"]
mod support;

use support::shipped;

/// Cuts, doubles, swaps and misspells words of a text.
fn damage(text: &str, edits: &[(usize, usize, u8)]) -> String {
    let mut words: Vec<String> = text.split_inclusive([' ', '\n', '.', '{', '}', '"']).map(str::to_owned).collect();
    for (at, other, how) in edits {
        if words.is_empty() {
            break;
        }
        let (at, other) = (at % words.len(), other % words.len());
        match how % 5 {
            0 => {
                words.remove(at);
            }
            1 => {
                let word = words[at].clone();
                words.insert(other, word);
            }
            2 => words.swap(at, other),
            3 => {
                let mut letters: Vec<char> = words[at].chars().collect();
                letters.reverse();
                words[at] = letters.into_iter().collect();
            }
            _ => {
                let word = words[other].clone();
                words[at] = word;
            }
        }
    }
    words.concat()
}

fn holds(files: &[(String, String)], locks: &BTreeMap<String, String>) {
    let compiled = compile(files, locks, Some(jiff::civil::date(2027, 1, 1)));
    let failed = compiled.problems.iter().any(|problem| problem.severity() == Severity::Error);
    assert_eq!(compiled.program.is_none(), failed);
    for problem in &compiled.problems {
        let file = &compiled.files[problem.span().file.0 as usize];
        for label in &problem.labels {
            assert!(label.span.start <= label.span.end, "{problem:?}");
        }
        assert!(problem.span().start as usize <= file.text.len());
        assert!(!human(problem, &compiled.files, false).is_empty());
        assert_eq!(finding(problem, &compiled.files)["code"], problem.code.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn damaged_rules_are_always_answered(file in 0_usize..64, edits in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..6)) {
        let (mut files, locks) = shipped();
        let index = file % files.len();
        files[index].1 = damage(&files[index].1, &edits);
        holds(&files, &locks);
    }

    #[test]
    fn damaged_locks_are_always_answered(lock in 0_usize..8, edits in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..4)) {
        let (files, mut locks) = shipped();
        let path = locks.keys().nth(lock % locks.len()).expect("a lock").clone();
        let text = damage(&locks[&path], &edits);
        locks.insert(path, text);
        holds(&files, &locks);
    }
}

#[test]
fn a_rule_set_without_its_locks_tells_that_and_nothing_else() {
    let (files, _) = shipped();
    let compiled = compile(&files, &BTreeMap::new(), None);
    let told: Vec<&str> = compiled.problems.iter().map(|problem| problem.code.name()).collect();
    assert_eq!(told, ["E0902"; 3]);
}
