//! Faults that are planted on purpose, in a build that tests the tests.
//!
//! Where the code could go wrong in a way that somebody's really did, it asks here whether it shall. Always true: without
//! the feature `planted` nothing is planted, and nothing of it is left in the program.

macro_rules! mutants {
    ($($(#[doc = $text:literal])+ $name:ident,)+) => {
        /// A way to go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[doc = $text])+ $name,)+
        }

        /// All of them, by name, with what goes wrong.
        pub const MUTANTS: &[(Mutant, &str, &str)] =
            &[$((Mutant::$name, stringify!($name), concat!($($text),+)),)+];
    };
}

mutants! {
    /// Fields are merged as if the two sides had never agreed.
    NoBase,
    /// At the first link the app's value counts as agreed.
    BaseIsAppAtLink,
    /// An older message replaces what is known.
    VersionsIgnored,
    /// An older message about a link replaces what is known.
    LinkVersionsIgnored,
    /// Of two messages of one moment the one that comes last wins.
    TieByMessage,
    /// A deletion counts that is older than what is known.
    OldDeletionCounts,
    /// An edit that a write covers is not looked for in late messages.
    NoWriteOverDetection,
    /// An edit that a write covers is not looked for while the write is on its way.
    NoWriteOverInFlight,
    /// A link is planned for while a write of it is on its way.
    PlannedInFlight,
    /// An update in doubt is sent again without looking.
    UpdateInDoubtResent,
    /// A create in doubt is sent again without looking.
    CreateInDoubtResent,
    /// A write in doubt is forgotten once it was read back.
    DoubtForgotten,
    /// What is to be put back is forgotten.
    RestoreForgotten,
    /// What is put back becomes the base.
    BaseMovesOnRestore,
    /// What is to be put back is, whatever came since.
    RestoreWhateverCame,
    /// An acknowledgement does not move the base.
    AcknowledgementKeepsBase,
    /// No key is claimed.
    NoClaim,
    /// A taken key never joins.
    TakenKeyNeverJoins,
    /// What a pair of the dead holds is written on.
    TombstoneIgnored,
    /// An empty value is not written.
    EmptyNotWritten,
    /// What was not observed is taken for empty.
    UnobservedIsEmpty,
    /// A change of the target of a one-way line stays.
    DriftStays,
    /// The loser of a conflict wins.
    LoserWins,
    /// The loser of a conflict is not told.
    LoserNotTold,
    /// Of two edits the older one wins.
    OlderWins,
    /// Two edits are never simultaneous.
    NoSkewGuard,
    /// A field for review is forgotten.
    ReviewForgotten,
    /// Where a link leads elsewhere, the old association stays.
    OldAssociationStays,
    /// Associations that people made are removed.
    PeoplesAssociationsRemoved,
    /// A read that is asked for again while it is on its way is not repeated.
    ReadInFlightCounts,
    /// A 404 to an update is ignored.
    MissingIgnored,
    /// That a record was not found is believed for ever.
    AbsenceForEver,
    /// A restored record stays gone.
    RestoreDoesNotRevive,
    /// A pair does not follow a merge.
    MergeDoesNotFollow,
    /// Of two pairs that are merged one is dropped in silence.
    MergeDropsPair,
    /// A record that exists already is parked, not adopted.
    ExistingIsParked,
    /// Erasing keeps the base of the pair.
    ErasureKeepsBase,
    /// Erasing keeps the record's row.
    ErasureKeepsRow,
    /// What was erased is made again.
    ErasedIsMadeAgain,
    /// Fields that do not stay as written are written for ever.
    UnstableForEver,
    /// A page that cannot be read ends its list.
    FailedPageEndsList,
    /// A list goes on exactly where the one before ended.
    NoOverlap,
    /// A run by the clock goes on from the end of the one before.
    ScheduleFromEnd,
    /// A backfill does not count as bulk.
    BackfillNotBulk,
    /// Only one side is backfilled.
    BackfillOneSide,
    /// Repetitions are not known.
    NoDedupe,
    /// Retries do not wait longer and longer.
    NoBackoff,
    /// Where a record is read on is not part of its round.
    OffsetOutsideOfRound,
    /// Events are repetitions of each other by their ids alone.
    DedupeByEventId,
    /// An input that failed in a batch counts as done.
    PartFailureIsDone,
    /// An input that a batch's answer does not mention counts as done.
    UnmentionedIsDone,
    /// Associations that cannot be read are taken for none.
    AssociationErrorIsNone,
    /// An empty value is left out of a request.
    EmptyLeftOut,
    /// Calls under way do not count against a limit.
    CallsUnderWayAreFree,
    /// A restart grants a fresh budget.
    FreshBudget,
    /// What says that it is asked too fast is asked on.
    TooFastIgnored,
}

/// Is this fault planted? Where the build plants any, the environment variable `PLANTED` names the one.
#[cfg(feature = "planted")]
#[must_use]
pub fn planted(fault: Mutant) -> bool {
    static PLANTED: std::sync::OnceLock<Option<Mutant>> = std::sync::OnceLock::new();
    let named = || {
        let name = std::env::var("PLANTED").ok()?;
        MUTANTS.iter().find(|(_, known, _)| *known == name).map(|(fault, ..)| *fault)
    };
    *PLANTED.get_or_init(named) == Some(fault)
}

/// Never.
#[cfg(not(feature = "planted"))]
#[inline(always)]
#[must_use]
pub const fn planted(_fault: Mutant) -> bool {
    false
}
