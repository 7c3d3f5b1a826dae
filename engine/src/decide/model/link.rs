//! Two records that a sync holds for the same thing: the link's row and its life.

use std::collections::{BTreeMap, BTreeSet};

use connectors::planted::{Mutant, planted};
use dsl::program::Side;
use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decide::model::canonical::Canonical;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::kind::Kind;
use crate::decide::model::lifecycle::{Lifecycle, Transition};
use crate::decide::model::row::{Entity, RowKey};
use crate::decide::model::sides::Sides;
use crate::decide::model::work::{Tries, WorkRow};
use crate::ids::{CallId, LinkId};

/// Two records that are the same thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinkRow {
    /// Name of the sync.
    pub(crate) sync: String,
    /// The records, as far as they are known.
    pub(crate) ids: Sides<Option<String>>,
    pub(crate) state: LinkState,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
    /// Last value both sides had, by the mapping's text.
    pub(crate) base: BTreeMap<String, Canonical>,
    /// Fields that wait for a person, by the mapping's text, with the reason.
    pub(crate) parked: BTreeMap<String, String>,
    /// How often a write of a field came back as something else; one that was refused counts as often as it takes. Of
    /// those that came often enough, [`HeldLines`] says more.
    pub(crate) unstable: BTreeMap<String, u8>,
    /// Values to be put back, by the mapping's text.
    pub(crate) restores: BTreeMap<String, Restore>,
    /// Where the write of each record stands.
    pub(crate) writes: Sides<WriteState>,
    /// What became of the tries to write.
    pub(crate) tries: Tries,
    /// Claims this link holds.
    pub(crate) claims: BTreeSet<RowKey<LinkId>>,
    /// The scheduled run or backfill that touched it last; its writes count as bulk.
    pub(crate) bulk: bool,
    /// Record ids this link made, so that a create is never repeated blindly.
    pub(crate) creates: u32,
    /// What was sent to make a record of which nobody knows whether it was made.
    pub(crate) attempted: Option<Attempted>,
}

/// Creates of a record whose answers did not come: once the record is found, what it was sent is the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempted {
    /// The side of the record.
    pub(crate) side: Side,
    /// What was sent, by the mapping's text: each value once, the last one last.
    pub(crate) values: BTreeMap<String, Vec<Canonical>>,
    /// Until then one of them may still take effect: the keys that they were sent with stay claimed.
    pub(crate) until: Timestamp,
}

impl Entity for LinkRow {
    const KIND: Kind = Kind::Link;
}

impl LinkRow {
    /// A link of one record, whose partner is not known yet.
    pub(crate) fn new(sync: &str, ids: Sides<Option<String>>, state: LinkState, now: Timestamp) -> Self {
        Self {
            sync: sync.to_owned(),
            ids,
            state,
            since: now,
            base: BTreeMap::new(),
            parked: BTreeMap::new(),
            unstable: BTreeMap::new(),
            restores: BTreeMap::new(),
            writes: Sides::default(),
            tries: Tries::default(),
            claims: BTreeSet::new(),
            bulk: false,
            creates: 0,
            attempted: None,
        }
    }

    /// Both records are known.
    pub(crate) fn is_whole(&self) -> bool {
        self.ids.iter().all(Option::is_some)
    }

    /// A write of one of its records is on its way.
    pub(crate) fn is_in_flight(&self) -> bool {
        !planted(Mutant::PlannedInFlight) && self.writes.iter().any(|write| matches!(write, WriteState::InFlight(_)))
    }

    /// A write of one of its records waits in a lane.
    pub(crate) fn is_queued(&self) -> bool {
        self.writes.iter().any(|write| matches!(write, WriteState::Queued(_)))
    }

    /// The side whose record is known, the left one where both are.
    pub(crate) fn known_side(&self) -> Side {
        if self.ids[Side::Left].is_some() { Side::Left } else { Side::Right }
    }

    /// How new a finding must be that there is no partner: what was found before it came to be searched does not
    /// count, and after a doubt not even what was found at the same time.
    pub(crate) fn absence(&self) -> Freshness {
        match self.state {
            LinkState::ReadingBack => Freshness::After(self.since),
            _ => Freshness::AsOf(self.since),
        }
    }
}

/// Where the write of one record stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WriteState {
    #[default]
    Idle,
    /// It waits in a lane; what it holds is decided when the lane opens.
    Queued(RowKey<WorkRow>),
    /// It is on its way; nothing is planned for the link meanwhile.
    InFlight(CallId),
}

/// Where a link stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LinkState {
    /// One side is known; the other is looked for.
    Matching,
    /// The other side may have been made, and nobody knows under which id: it is looked for by reads that are newer
    /// than the doubt, before anything is made.
    ReadingBack,
    /// No value of its match key is there yet.
    WaitingForKey,
    /// The other side is being made.
    Creating(Side),
    /// The other side's record is not there, and this sync does not make it.
    Alone,
    /// `only where` does not hold, or a line says `else skip`.
    Excluded,
    /// Both sides are known.
    Linked,
    /// A person must look.
    Parked(String),
    /// One side was deleted; nothing is moved any more.
    Gone,
}

/// [`LinkState`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkPhase {
    Matching,
    ReadingBack,
    WaitingForKey,
    Creating,
    Alone,
    Excluded,
    Linked,
    Parked,
    Gone,
}

/// What happens to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkEvent {
    /// It has no value of a match key.
    KeyMissing,
    /// There is no partner, and the sync makes none.
    NoPartner,
    /// There is no partner, so one is made.
    Create,
    /// The partner is found or made.
    Pair,
    /// The two records are merged.
    Merge,
    /// The filter or a line leaves the record out.
    Exclude,
    /// A person must look.
    Park,
    /// The partner that was to be made exists already: the search finds it.
    Search,
    /// Whether the partner was made is not known.
    Doubt,
    /// A record is deleted, erased or merged into another one.
    End,
    /// A record came back, or a person asks to try again; the partner is not known.
    SearchAgain,
    /// A record came back, and its partner is known.
    Revive,
}

impl LinkState {
    pub(crate) fn phase(&self) -> LinkPhase {
        match self {
            Self::Matching => LinkPhase::Matching,
            Self::ReadingBack => LinkPhase::ReadingBack,
            Self::WaitingForKey => LinkPhase::WaitingForKey,
            Self::Creating(_) => LinkPhase::Creating,
            Self::Alone => LinkPhase::Alone,
            Self::Excluded => LinkPhase::Excluded,
            Self::Linked => LinkPhase::Linked,
            Self::Parked(_) => LinkPhase::Parked,
            Self::Gone => LinkPhase::Gone,
        }
    }
}

impl Lifecycle for LinkRow {
    type Phase = LinkPhase;
    type Event = LinkEvent;
    const NAME: &'static str = "link";
    const BEGINS: &'static [LinkPhase] = &[LinkPhase::Matching];
    const TABLE: &'static [Transition<LinkPhase, LinkEvent>] = {
        use LinkEvent as E;
        use LinkPhase::{Alone, Creating, Excluded, Gone, Linked, Matching, Parked, ReadingBack, WaitingForKey};
        /// One side is known, and what comes of that is decided anew whenever something changes.
        const SEARCHING: &[LinkPhase] = &[Matching, ReadingBack, WaitingForKey, Creating, Alone, Excluded, Parked];
        const LIVE: &[LinkPhase] = &[Matching, ReadingBack, WaitingForKey, Creating, Alone, Excluded, Linked, Parked];
        &[
            Transition { from: SEARCHING, event: E::KeyMissing, to: Some(WaitingForKey) },
            Transition { from: SEARCHING, event: E::NoPartner, to: Some(Alone) },
            Transition { from: SEARCHING, event: E::Create, to: Some(Creating) },
            Transition { from: SEARCHING, event: E::Pair, to: Some(Linked) },
            Transition { from: &[Excluded, Parked], event: E::Merge, to: Some(Linked) },
            Transition { from: LIVE, event: E::Exclude, to: Some(Excluded) },
            Transition { from: LIVE, event: E::Park, to: Some(Parked) },
            // What is to be archived because its partner is gone is refused.
            Transition { from: &[Gone], event: E::Park, to: Some(Parked) },
            Transition { from: &[Creating], event: E::Search, to: Some(Matching) },
            Transition { from: &[Creating], event: E::Doubt, to: Some(ReadingBack) },
            Transition { from: LIVE, event: E::End, to: Some(Gone) },
            Transition { from: SEARCHING, event: E::SearchAgain, to: Some(Matching) },
            Transition { from: &[Gone], event: E::SearchAgain, to: Some(Matching) },
            Transition { from: &[Gone], event: E::Revive, to: Some(Linked) },
        ]
    };
}

/// A value that a write of ours overwrote and that has to be put back: it cannot be found in any row any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Restore {
    /// Where.
    pub(crate) side: Side,
    pub(crate) value: Canonical,
    /// When somebody gave it.
    pub(crate) at: Timestamp,
    /// What becomes of the base once it is back.
    pub(crate) base: RestoredBase,
}

/// What becomes of the base of a line once a value is put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum RestoredBase {
    /// It stays: the next merge takes the value to the other side, which does not have it yet.
    Stays,
    /// It is what it was before the write, so that a person is asked once both values stand again (`review`).
    Becomes(Option<Canonical>),
}

/// Lines of a link that a write cannot settle, by the mapping's text: nothing is written for them as long as what they
/// would write stays the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldLines(pub(crate) BTreeMap<String, HeldLine>);

impl Entity for HeldLines {
    const KIND: Kind = Kind::Held;
}

/// A line that a write cannot settle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldLine {
    /// Where it was written.
    pub(crate) side: Side,
    /// What was written.
    pub(crate) value: Canonical,
    /// What that side keeps instead; `None` where it refuses the value.
    pub(crate) kept: Option<Canonical>,
    /// Why a person has to look.
    pub(crate) why: String,
}
