//! Judges a run by SYNC-MODEL: what a sync promises, whatever way the engine takes to keep it.
//!
//! In: the [`Evidence`] of a run. Out: every promise that was broken, with its kind.
//! Always true: it knows the rules, what people did and what is there at the end; of the engine it knows only what
//! everybody can see (history, pairs, incidents). It shares no code with the engine's decisions.

mod effects;
mod existence;
mod explained;
mod links;
mod lives;
mod quiet;
mod values;

use std::fmt;

use crate::evidence::Evidence;
use lives::Lives;

/// Kinds of broken promises, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The engine does not come to an end with a decision, or falls over.
    NeverEnds,
    /// A person's value is nowhere, and nothing says so (P2).
    LostValue,
    /// A person cleared a field that the other system must have, and nothing says so (section 3, case 11).
    ClearOfRequired,
    /// A pair holds a record that is gone, and nothing says so (section 4).
    DeadRecord,
    /// The two sides lead to different records (P1 of links).
    AssociationDiverged,
    /// A person's link is gone, and nothing says so (P2 of links).
    LostAssociation,
    /// A record that takes part is in no pair, and nothing says so.
    InNoPair,
    /// A record is in two pairs (P3).
    TwoPairs,
    /// Writes or reads when nothing is left to do (P1).
    BusyWhenQuiet,
    /// A pair counts as gone though both its records live.
    GoneThoughBothLive,
    /// The two sides hold different values, and nothing says so (P1).
    Diverged,
    /// A pair is not finished, nothing moves, and nothing says so.
    StandsStill,
    /// A pair or a field waits for a person who is not told.
    ParkedInSilence,
    /// A second record was made for one thing (P3).
    Twin,
    /// Of two edits the wrong one stands (section 3, case 5).
    WrongWinner,
    /// More writes than people's changes account for (P4).
    TooManyWrites,
    /// A value of an erased record is kept, or it was made again (P6).
    ErasedStays,
    /// More calls in a window than its limit (P7).
    LimitExceeded,
    /// An effect more often than its cause (RUNTIME section 4).
    EffectRepeated,
    /// Something waits for what will never come.
    NothingWakesIt,
    /// A value was written, and history does not tell by what (P8).
    Unexplained,
    /// What a history expects besides.
    NotAsExpected,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NeverEnds => "never ends",
            Self::LostValue => "lost value",
            Self::ClearOfRequired => "clear of what a system requires",
            Self::DeadRecord => "paired with a dead record",
            Self::AssociationDiverged => "association diverged",
            Self::LostAssociation => "lost association",
            Self::InNoPair => "record in no pair",
            Self::TwoPairs => "record in two pairs",
            Self::BusyWhenQuiet => "busy when quiet",
            Self::GoneThoughBothLive => "gone though both live",
            Self::Diverged => "diverged",
            Self::StandsStill => "stands still, no incident",
            Self::ParkedInSilence => "parked without incident",
            Self::Twin => "twin",
            Self::WrongWinner => "wrong winner",
            Self::TooManyWrites => "too many writes",
            Self::ErasedStays => "erased value stays",
            Self::LimitExceeded => "limit exceeded",
            Self::EffectRepeated => "effect repeated",
            Self::NothingWakesIt => "nothing wakes it",
            Self::Unexplained => "unexplained write",
            Self::NotAsExpected => "not as expected",
        })
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Violation {
    /// Which promise.
    pub kind: Kind,
    /// What happened instead.
    pub text: String,
}

impl Violation {
    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Every promise that was broken.
#[must_use]
pub fn judge(evidence: &Evidence) -> Vec<Violation> {
    let lives = Lives::of(evidence);
    let mut found = Vec::new();
    values::judge(evidence, &lives, &mut found);
    links::judge(evidence, &lives, &mut found);
    existence::judge(evidence, &lives, &mut found);
    quiet::judge(evidence, &mut found);
    effects::judge(evidence, &mut found);
    explained::judge(evidence, &lives, &mut found);
    found.extend(evidence.unexpected.iter().map(|text| Violation::new(Kind::NotAsExpected, text.clone())));
    found.sort_by(|a, b| (a.kind, &a.text).cmp(&(b.kind, &b.text)));
    found.dedup();
    found
}
