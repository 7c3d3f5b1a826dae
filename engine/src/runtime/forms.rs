//! Brings the rows of a state folder to the form of this engine, before anything is decided.

use std::time::Duration;

use crate::decide::forms::{FORM, form, migration};
use crate::ledger::{Error, Ledger};
use crate::rules::stored;

/// Until the checkpoints have made room, where a ledger takes nothing more for now.
const PAUSE: Duration = Duration::from_millis(20);

/// Appends what is to be changed until all rows are of this engine's form. One that is cut off goes on at the next
/// start.
///
/// # Errors
/// [`Error::Newer`] where a later engine wrote them; where rows cannot be read or changed.
pub(super) fn bring_up(ledger: &mut dyn Ledger) -> Result<(), Error> {
    // Nothing is appended yet: one of a later engine is refused here.
    if migration(ledger, None)?.is_none() {
        return Ok(());
    }
    let before = form(ledger)?;
    tracing::info!(?before, now = FORM, "the rows of the state folder are brought to a newer form");
    let active = stored::active(ledger)?;
    while let Some(round) = migration(ledger, active.as_ref().map(|set| &*set.program))? {
        match ledger.append(round) {
            Ok(_) => {}
            // What was not taken is found again.
            Err(Error::Full { .. }) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    ledger.flush()?;
    tracing::info!(now = FORM, "the rows of the state folder are of this form");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dsl::value::Timestamp;

    use super::*;
    use crate::decide::forms::testing;
    use crate::decide::{Programs, stuck, unanswered, views};
    use crate::ledger::{Disk, Memory, Round, Rows, Settings};
    use crate::rules::stored::with_older;
    use crate::shell::core::Core;

    /// Bytes that a segment of the journal takes on disk, as its header says.
    const SEGMENT: u64 = 64 << 20;

    /// A state folder that an engine of the first form left when it was killed, copied. Its journal is kept without
    /// the zeros at its end, and its rows are made again from the journal.
    fn first_form() -> tempfile::TempDir {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/form-1");
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::create_dir(folder.path().join("journal")).expect("a folder can be made");
        for file in ["mark", "journal/00000000000000000001.journal"] {
            std::fs::copy(kept.join(file), folder.path().join(file)).expect("a file can be copied");
        }
        let journal =
            std::fs::File::options().write(true).open(folder.path().join("journal/00000000000000000001.journal"));
        journal.and_then(|journal| journal.set_len(SEGMENT)).expect("it can grow");
        folder
    }

    fn open(folder: &Path) -> Disk {
        Disk::open(folder, Settings::default(), Box::new(|_| ())).expect("the ledger opens")
    }

    fn links(rows: &dyn Rows) -> Vec<String> {
        let id = |id: Option<String>| id.unwrap_or_else(|| "-".to_owned());
        let line = |link: views::Link| {
            let (left, right) = (id(link.left), id(link.right));
            format!("{} {} {} {left} = {right}: {}", link.link, link.state, link.sync, link.detail)
        };
        views::links(rows).expect("readable").into_iter().map(line).collect()
    }

    fn runs(rows: &dyn Rows, programs: &Programs) -> Vec<String> {
        let line = |run: views::Run| format!("{} {} {}: {}", run.run, run.state, run.rule, run.detail);
        views::runs(rows, programs).expect("readable").into_iter().map(line).collect()
    }

    fn incidents(rows: &dyn Rows) -> Vec<String> {
        views::incidents(rows).expect("readable").into_iter().map(|incident| incident.subject).collect()
    }

    fn programs(rows: &dyn Rows) -> Programs {
        let set = stored::active(rows).expect("readable").expect("a set was active");
        let (programs, lost) = with_older(set.program, rows).expect("readable");
        assert_eq!(lost, Vec::<String>::new());
        programs
    }

    #[test]
    fn a_folder_of_the_first_form_says_the_same_after_its_migration() {
        let folder = first_form();
        let mut ledger = open(folder.path());
        assert_eq!(form(&ledger).expect("readable"), Some(1));
        bring_up(&mut ledger).expect("it is migrated");
        assert_eq!(form(&ledger).expect("readable"), Some(FORM));
        let programs = programs(&ledger);
        // As the engine that left it lists them.
        assert_eq!(
            links(&ledger),
            [
                "l6 linked Contacts user-1 = 201000000101: ",
                "l7 linked Contacts user-2 = 201000000102: ",
                "l8 parked Contacts user-3 = 201000000103: deleted in app: keep the other record, or archive it too?",
                "l12 parked Deals deal-1 = 201000000104: stage <-> dealstage: `contractsent` cannot be used as \
                 crm.Deal.dealstage: crm.Deal.dealstage holds `contractsent`, which no row of DealStage spells",
                "l33 linked Deals deal-2 = 201000000105: ",
                "l54 linked Deals deal-3 = 201000000106: ",
                "l71 looking Contacts user-4 = -: ",
            ]
        );
        assert_eq!(
            runs(&ledger, &programs),
            [
                "r23 waiting Onboarding: until 2026-12-07T20:59:02.083Z",
                "r41 waiting FeedbackSurvey: until 2026-11-30T21:05:13.649Z",
                "r48 stopped when app.Subscription (deals.rules:19): when app.Subscription is created: \
                 `hubspot_owner_id` has no value, and deals.rules:28 says `else fail`",
                "r64 running Onboarding: a call is on its way",
            ]
        );
        assert_eq!(incidents(&ledger), ["run r48", "link l8", "message m53", "link l12"]);
        assert_eq!(stuck(&ledger).expect("readable"), Vec::<String>::new());
        assert_eq!(unanswered(&ledger).expect("readable").len(), 1);
    }

    #[test]
    fn a_folder_of_the_first_form_goes_on_where_it_stood() {
        let folder = first_form();
        let mut ledger = open(folder.path());
        bring_up(&mut ledger).expect("it is migrated");
        let programs = programs(&ledger);
        let now = Timestamp::parse("2026-11-30T21:00:00Z").expect("a time");
        let start = Core::start(Box::new(ledger), programs.clone(), Default::default(), Default::default(), now);
        let mut core = start.expect("the engine starts");
        assert_eq!(stuck(core.rows()).expect("readable"), Vec::<String>::new());
        // The mail that may or may not have been sent is sent again: its operation may be repeated with its key.
        assert!(runs(core.rows(), &programs)[3].starts_with("r64 waiting Onboarding: until 2026-11-30T21:0"));
        // A week later the wait of the other one is over, and the survey was tried again.
        core.turn(Timestamp::parse("2026-12-08T00:00:00Z").expect("a time")).expect("the engine goes on");
        let later = runs(core.rows(), &programs);
        assert_eq!(later[0], "r23 waiting Onboarding: for a record to be read or paired");
        assert_eq!(later[1], "r41 running FeedbackSurvey: a call is on its way");
        assert_eq!(stuck(core.rows()).expect("readable"), Vec::<String>::new());
    }

    #[test]
    fn a_migration_that_was_cut_off_goes_on() {
        let folder = first_form();
        let mut ledger = open(folder.path());
        let set = stored::active(&ledger).expect("readable").expect("a set was active");
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = ledger.scan(&[1], &[255], usize::MAX).expect("readable");
        // As if the folder were larger than a page: a thousand marks that nobody reads.
        rows.retain(|(key, _)| key[0] == 2);
        let spare = rows[0].1.clone();
        let many = (0..1_000u64).map(|number| {
            let entity = dsl::schema::EntityName::new("app", "Spare");
            (testing::record_key(&entity, &number.to_string()), Some(spare.clone()))
        });
        ledger.append(Round { changes: many.collect(), records: Vec::new() }).expect("there is room");
        let mut forms = Vec::new();
        while let Some(round) = migration(&ledger, Some(&set.program)).expect("readable") {
            ledger.append(round).expect("there is room");
            ledger.flush().expect("it is durable");
            drop(ledger);
            ledger = open(folder.path());
            forms.push(form(&ledger).expect("readable").expect("it says its form"));
        }
        // Three pages of rows to the second form, and three of records to the third.
        assert_eq!(forms, [1, 1, 2, 2, 2, 3]);
        assert_eq!(links(&ledger).len(), 7);
    }

    #[test]
    fn a_folder_of_a_later_engine_is_refused() {
        let mut ledger = Memory::new();
        let later = Round { changes: vec![testing::of_form(FORM + 1)], records: Vec::new() };
        ledger.append(later).expect("there is room");
        let refused = bring_up(&mut ledger);
        assert!(matches!(refused, Err(Error::Newer { found, known: FORM }) if found == FORM + 1), "{refused:?}");
    }

    #[test]
    fn a_new_folder_is_of_this_form_with_its_first_decision() {
        let mut ledger = Memory::new();
        bring_up(&mut ledger).expect("there is nothing to do");
        assert_eq!(form(&ledger).expect("readable"), None);
        let programs = Programs::new(crate::rules::shipped());
        let start = Core::start(Box::new(ledger), programs, Default::default(), Default::default(), Timestamp(0));
        let core = start.expect("the engine starts");
        assert_eq!(form(core.rows()).expect("readable"), Some(FORM));
        assert!(migration(core.rows(), None).expect("readable").is_none());
    }
}
