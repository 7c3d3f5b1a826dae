//! A session gives what a compilation from nothing gives, whatever was edited before; and what is told of a file does
//! not depend on how much stands beside it.

use std::collections::BTreeMap;

use dsl::check::{Compiled, Session, compile};
use dsl::diagnostic::Code;
use proptest::prelude::*;

#[path = "support/shipped.rs"]
mod support;

use support::shipped;

type Texts = (Vec<(String, String)>, BTreeMap<String, String>);

fn told(compiled: &Compiled) -> String {
    format!("{:?} {:?} {:?} {:?}", compiled.problems, compiled.items, compiled.program, compiled.tests)
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

/// The same rules beside so many others that have nothing to do with them. Where there are many, other cores help.
fn beside((files, locks): &Texts, many: usize) -> Texts {
    let mut text = "system beside { limit api 5 calls per 1 second }\nentity beside.Thing { name: text }\n".to_owned();
    for _ in 0..many {
        text.push_str("when beside.Thing is created { nothing }\n");
    }
    let mut files = files.clone();
    files.push(("zz_beside.rules".to_owned(), text));
    (files, locks.clone())
}

/// A compilation beside few others and one beside many say the same.
#[track_caller]
fn same_beside_many(texts: &Texts) {
    let [few, many] = [1, 300].map(|count| {
        let (files, locks) = beside(texts, count);
        compile(&files, &locks, None)
    });
    assert_eq!(format!("{:?}", few.problems), format!("{:?}", many.problems));
    assert_eq!(few.program.is_some(), many.program.is_some());
    if let (Some(few), Some(mut many)) = (few.program, many.program) {
        many.whens.truncate(few.whens.len());
        many.hash.clone_from(&few.hash);
        assert_eq!(format!("{few:?}"), format!("{many:?}"));
    }
}

#[test]
fn rules_that_hold_are_the_same_beside_many_others() {
    let texts = shipped();
    let (files, locks) = beside(&texts, 300);
    assert_eq!(compile(&files, &locks, None).problems, []);
    same_beside_many(&texts);
}

#[test]
fn events_that_stand_twice_are_told_of_wherever_the_second_stands() {
    let again = "events from crm over webhook {\n  verify hubspot\n  dedupe by eventId for 1 hour\n}\n";
    for path in ["aa_again.rules", "zz_again.rules"] {
        let mut session = Session::default();
        let mut texts = shipped();
        same(&mut session, &texts);
        texts.0.push((path.to_owned(), again.to_owned()));
        texts.0.sort();
        for _ in 0..2 {
            let told = same(&mut session, &texts).problems;
            assert!(told.iter().any(|problem| problem.code == Code::E0103), "{told:?}");
        }
        same_beside_many(&texts);
        texts.0.retain(|(other, _)| other != path);
        assert!(same(&mut session, &texts).program.is_some());
    }
}

#[test]
fn what_makes_two_messages_one_is_what_the_rules_say_last() {
    let mut session = Session::default();
    let mut texts = shipped();
    let dedupe = |compiled: Compiled| {
        let program = compiled.program.expect("the rules hold");
        program.systems["app"].lock.deliveries.as_ref().map(|deliveries| deliveries.dedupe.clone())
    };
    let before = dedupe(same(&mut session, &texts));
    let (_, events) = texts.0.iter_mut().find(|(path, _)| path == "events.rules").expect("it is shipped");
    *events = events.replace("dedupe by id for", "dedupe by data.id for");
    assert_eq!(dedupe(same(&mut session, &texts)), Some(vec!["data.id".to_owned()]));
    // Nothing of it was changed, so what was found of it is taken up.
    texts.0[0].1.push_str("# a remark\n");
    assert_eq!(dedupe(same(&mut session, &texts)), Some(vec!["data.id".to_owned()]));
    let (_, events) = texts.0.iter_mut().find(|(path, _)| path == "events.rules").expect("it is shipped");
    *events = events.replace("dedupe by data.id for", "dedupe by id for");
    assert_eq!(dedupe(same(&mut session, &texts)), before);
}

/// One edit of a line: where it stands, and what becomes of it.
#[derive(Debug, Clone)]
enum Edit {
    Remove,
    Repeat,
    /// Its words in another order.
    Turn,
    /// One of its words is a word of another line.
    Word(usize, usize),
    /// A remark before it, so that everything behind it moves.
    Remark,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        Just(Edit::Remove),
        Just(Edit::Repeat),
        Just(Edit::Turn),
        (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Edit::Word(from, to)),
        Just(Edit::Remark),
    ]
}

/// Edits a line of a file; gives the file as it was.
fn edited(texts: &mut Texts, file: usize, line: usize, edit: &Edit) -> (usize, String) {
    let file = file % texts.0.len();
    let all: Vec<String> = texts.0.iter().flat_map(|(_, text)| text.split_whitespace()).map(str::to_owned).collect();
    let text = &mut texts.0[file].1;
    let before = text.clone();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = line % lines.len();
    match edit {
        Edit::Remove => drop(lines.remove(line)),
        Edit::Repeat => lines.insert(line, lines[line].clone()),
        Edit::Turn => lines[line] = lines[line].split(' ').rev().collect::<Vec<_>>().join(" "),
        Edit::Word(from, to) => {
            let mut words: Vec<&str> = lines[line].split(' ').collect();
            let at = from % words.len();
            words[at] = &all[to % all.len()];
            lines[line] = words.join(" ");
        }
        Edit::Remark => lines.insert(line, "# a remark".to_owned()),
    }
    *text = lines.join("\n");
    (file, before)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_edited_the_session_says_the_same(
        edits in prop::collection::vec((any::<usize>(), any::<usize>(), edit(), any::<bool>()), 1..8)
    ) {
        let mut session = Session::default();
        let mut texts = shipped();
        same(&mut session, &texts);
        for (file, line, edit, undone) in edits {
            let (file, before) = edited(&mut texts, file, line, &edit);
            same(&mut session, &texts);
            same_beside_many(&texts);
            if undone {
                texts.0[file].1 = before;
                same(&mut session, &texts);
            }
        }
    }
}
