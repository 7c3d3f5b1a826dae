//! A session gives what a compilation from nothing gives, whatever was edited before.

use std::collections::BTreeMap;

use dsl::check::{Compiled, Session, compile};

#[path = "support/shipped.rs"]
mod support;

use support::shipped;

type Texts = (Vec<(String, String)>, BTreeMap<String, String>);

fn told(compiled: &Compiled) -> String {
    let hash = compiled.program.as_ref().map(|program| program.hash.clone());
    format!("{:?} {:?} {hash:?}", compiled.problems, compiled.items)
}

#[track_caller]
fn same(session: &mut Session, (files, locks): &Texts) -> Compiled {
    let again = session.compile(files, locks, None);
    assert_eq!(told(&again), told(&compile(files, locks, None)));
    again
}

#[test]
fn whatever_line_is_taken_out_and_put_back_the_session_says_the_same() {
    let mut session = Session::default();
    let whole = shipped();
    assert!(same(&mut session, &whole).program.is_some());
    for file in 0..whole.0.len() {
        let mut edited = whole.clone();
        let text = &mut edited.0[file].1;
        let second = text.match_indices('\n').nth(1).map_or(0, |(at, _)| at);
        text.replace_range(..second, "");
        same(&mut session, &edited);
    }
    assert!(same(&mut session, &whole).program.is_some());
}

#[test]
fn files_that_move_and_locks_that_change_are_read_anew() {
    let mut session = Session::default();
    let (files, locks) = shipped();
    same(&mut session, &(files.clone(), locks.clone()));
    // Without its first file, every other one has another position.
    same(&mut session, &(files[1..].to_vec(), locks.clone()));
    let mut other = locks.clone();
    let lock = other.get_mut("schemas/app.lock").expect("it is there");
    *lock = lock.replace("firstName", "givenName");
    assert!(same(&mut session, &(files.clone(), other)).program.is_none());
    assert!(same(&mut session, &(files.clone(), BTreeMap::new())).program.is_none());
    assert!(same(&mut session, &(files, locks)).program.is_some());
}
