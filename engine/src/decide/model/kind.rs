//! The kinds of rows.

/// Row kinds. The number is the first byte of the key and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// [`Meta`](super::meta::Meta), one row.
    Meta = 1,
    /// [`RecordRow`] by system, entity, id.
    Record = 2,
    /// Id of a record by system, entity, field, value, id: which records hold a value of a key.
    Index = 3,
    /// [`Timestamp`] by system, entity, field, value: a point read found no such record then.
    Absent = 4,
    /// Entity and id by target system, entity, id, source system, entity, id: who links to a record.
    Backlink = 5,
    /// [`LinkRow`] by id.
    Link = 6,
    /// [`LinkId`] by sync, side, record id.
    LinkOf = 7,
    /// [`LinkId`] by sync, key number, value: who may pair or make the record with this key.
    Claim = 8,
    /// [`WorkRow`] by lane, deadline, owner.
    Work = 9,
    /// [`CallRow`] by id.
    Call = 10,
    /// [`TimerRow`] by due time, number.
    Timer = 11,
    /// [`RunRow`] by id.
    Run = 12,
    /// [`ReadRow`] by system, entity, by, value.
    Read = 13,
    /// [`ListingRow`] by name.
    Listing = 14,
    /// [`Waiter`] by sync, side, record id, waiter: who waits for a link of that record.
    PartnerWait = 15,
    /// [`RunId`] and position of the wait by system, entity or event, field, value, run.
    Await = 16,
    /// [`RunId`] list by workflow, key: unfinished runs that exclude each other.
    OnlyOne = 17,
    /// [`RunId`] by system, entity, id, run: whose `cancel when` looks at a record.
    Watch = 18,
    /// [`RunId`] by run, waiting run: what begins when a run is over.
    Behind = 19,
    /// [`IncidentRow`] by subject.
    Incident = 20,
    /// Hashes of seen messages by hour, system, first byte or bytes.
    Dedupe = 21,
    /// Stored delivery by system, priority, number.
    Inbox = 22,
    /// Start times of paced deliveries, by system.
    Pace = 23,
    /// Next offset by topic, partition.
    Offset = 24,
    /// [`ScheduleRow`] by sync.
    Schedule = 25,
    /// [`RunId`] by system, entity, id, run: unfinished `when` runs that made or wrote a record.
    Busy = 26,
    /// What could not be read, by number.
    Unreadable = 27,
    /// What was spent of a system's limits (the gate), by system.
    Spent = 28,
    /// Texts of a rule set, by hash.
    Rules = 29,
    /// Hash of the active rule set, one row.
    Active = 30,
    /// Time of the last round, one row: the engine's time never runs back.
    Time = 31,
    /// When old rows are next looked through, one row; and where the looks at runs and at expectations stopped, one row
    /// each.
    Sweep = 32,
    /// [`Timestamp`] by system: the timer for stored deliveries that counts.
    Armed = 33,
    /// Id of the Kafka cluster that the offsets are of, one row.
    Cluster = 34,
    /// How many unfinished runs each rule set has, by its hash; under an empty one, that they are counted.
    Unfinished = 35,
    /// In which form all rows are, one row.
    Form = 36,
    /// [`Timestamp`] by system, entity, id: the version of a record that counts as now, because the time that was said
    /// of it was ahead.
    Ahead = 37,
    /// [`HeldLines`](super::link::HeldLines) by link.
    Held = 38,
    /// [`CatchUpRow`](super::work::CatchUpRow) by sync.
    CatchUp = 39,
    /// [`ExpectationsRow`](super::expectation::ExpectationsRow) by system, entity, id.
    Expectations = 40,
    /// [`AlikeRow`](super::delivery::AlikeRow) by fingerprint: how often what could not be read came again.
    Alike = 41,
}
