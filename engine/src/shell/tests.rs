//! What the loop answers at its doors, with a ledger that takes nothing, an inbox that is full, and a Kafka record that
//! waits.

use std::sync::Mutex;

use bytes::Bytes;
use connectors::cache::memory::MemoryCache;
use connectors::port::{Body, Message};
use dsl::value::Timestamp;
use tokio::sync::Semaphore;
use tokio::sync::oneshot::{Receiver as Answered, channel};

use super::*;
use crate::clock::Manual;
use crate::decide::{Programs, Settings};
use crate::ledger::{Error as LedgerError, Ledger, Memory, Round, Rows};
use crate::tasks::Tasks;

/// A ledger in memory that the test can fill up while the loop owns it.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Memory>>);

impl Held {
    fn now(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().expect("no test panicked")
    }
}

impl Rows for Held {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.now().get(key)
    }
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, LedgerError> {
        self.now().scan(from, to, limit)
    }
}

impl Ledger for Held {
    fn append(&mut self, round: Round) -> Result<Seq, LedgerError> {
        self.now().append(round)
    }
    fn durable(&self) -> Seq {
        self.now().durable()
    }
    fn flush(&mut self) -> Result<Seq, LedgerError> {
        self.now().flush()
    }
}

/// A loop that the test turns by hand.
struct Door {
    looping: Loop,
    ledger: Held,
    committed: Arc<Mutex<BTreeMap<(String, i32), i64>>>,
    room: Arc<Semaphore>,
}

impl Door {
    /// The shipped rules with one delivery a second, and room for one delivery that waits.
    fn new() -> Self {
        let program =
            crate::rules::shipped_with("webhooks 50 requests per 10 seconds", "webhooks 1 requests per 1 second");
        let ledger = Held::default();
        let now = Timestamp(1_772_442_000_000);
        let programs = Programs::new(Arc::clone(&program));
        let core = Core::start(Box::new(ledger.clone()), programs, Connectors::new(), Settings::default(), now);
        let (handle, wakes) = handle();
        let reads = Reads::new(Arc::new(MemoryCache::new(1 << 10)), "1");
        let caller = Caller::new(Tasks::new(), handle, Connectors::new(), reads, &program);
        let clock = Arc::new(Manual::new(now));
        let mut looping = Loop::new(core.expect("it starts"), wakes, clock, caller, 1);
        let committed: Arc<Mutex<BTreeMap<(String, i32), i64>>> = Arc::default();
        let reported = Arc::clone(&committed);
        looping.commit_to(Box::new(move |next| reported.lock().expect("no test panicked").extend(next)));
        Self { looping, ledger, committed, room: Arc::new(Semaphore::new(8)) }
    }

    fn read(mark: &str) -> Delivery {
        let (name, dedupe) = ("no.such".to_owned(), mark.to_owned());
        let messages = vec![Message { name, at: Timestamp(0), dedupe, own: false, body: Body::Foreign }];
        Delivery { messages, ..Delivery::default() }
    }

    fn deliver(&mut self, mark: &str) -> Answered<Verdict> {
        let (receipt, verdict) = channel();
        let (system, payload) = ("crm".to_owned(), Bytes::new());
        self.looping.take(Wake::Delivery { system, delivery: Self::read(mark), payload, receipt }).expect("goes on");
        verdict
    }

    fn record(&mut self, offset: i64) {
        let room = Arc::clone(&self.room).try_acquire_owned().expect("there is room");
        let (system, topic, payload) = ("app".to_owned(), "biometrics.users".to_owned(), Bytes::new());
        let read = Ok(Self::read(&offset.to_string()));
        let wake = Wake::Record { system, read, payload, key: None, topic, partition: 0, offset, room };
        self.looping.take(wake).expect("goes on");
    }

    /// What a turn of the loop does behind inputs, with everything durable.
    fn turn(&mut self) {
        // Its pause is over.
        if let Some(until) = &mut self.looping.full_until {
            *until = Instant::now();
        }
        self.looping.retry_refused().expect("goes on");
        self.durable();
    }

    fn durable(&mut self) {
        self.ledger.now().flush().expect("a flush of memory");
        self.looping.release();
    }

    fn committed(&self) -> Option<i64> {
        self.committed.lock().expect("no test panicked").get(&("biometrics.users".to_owned(), 0)).copied()
    }

    /// Messages of which a line of history is kept.
    fn decided(&self) -> usize {
        let ledger = self.ledger.now();
        ledger.records(Seq(0)).filter(|(_, record)| String::from_utf8_lossy(record).contains("\"foreign\"")).count()
    }

    fn offset(&self) -> Option<i64> {
        let offsets = decide::offsets(&self.ledger).expect("readable");
        offsets.get(&("biometrics.users".to_owned(), 0)).copied()
    }
}

#[tokio::test]
async fn a_delivery_is_answered_when_it_is_durable_and_not_before() {
    let mut door = Door::new();
    let mut verdict = door.deliver("1");
    door.looping.release();
    assert!(verdict.try_recv().is_err(), "its round is not durable");
    door.durable();
    assert_eq!(verdict.try_recv(), Ok(Verdict::Durable));
}

#[tokio::test]
async fn a_full_inbox_is_429_for_its_sender_and_takes_again_when_it_is_not() {
    let mut door = Door::new();
    let (mut decided, mut held, mut refused) = (door.deliver("1"), door.deliver("2"), door.deliver("3"));
    door.durable();
    assert_eq!(decided.try_recv(), Ok(Verdict::Durable));
    assert_eq!(held.try_recv(), Ok(Verdict::Durable));
    assert_eq!(refused.try_recv(), Ok(Verdict::Full(RETRY_AFTER)));
    // A second later the one that waited is decided, and there is room for another.
    let later = Timestamp(1_772_442_002_000);
    while door.looping.core.step(crate::clock::Now::same(later)).expect("it goes on") {}
    let mut taken = door.deliver("3");
    door.durable();
    assert_eq!(taken.try_recv(), Ok(Verdict::Durable));
}

#[tokio::test]
async fn a_ledger_that_takes_nothing_is_503_and_takes_again_by_itself() {
    let mut door = Door::new();
    door.ledger.now().set_full(Some("no space left"));
    // The first one finds it out, the second is refused because it is known.
    for mark in ["1", "2"] {
        let mut verdict = door.deliver(mark);
        assert_eq!(verdict.try_recv(), Ok(Verdict::Unwritable(RETRY_AFTER)), "{mark}");
    }
    door.ledger.now().set_full(None);
    door.turn();
    let mut verdict = door.deliver("1");
    door.durable();
    assert_eq!(verdict.try_recv(), Ok(Verdict::Durable));
}

#[tokio::test]
async fn kafka_is_held_back_while_the_ledger_takes_nothing_and_nothing_of_it_is_lost() {
    let mut door = Door::new();
    door.record(0);
    door.durable();
    assert_eq!((door.committed(), door.room.available_permits()), (Some(1), 8));
    door.ledger.now().set_full(Some("no space left"));
    for offset in 1..=8 {
        door.record(offset);
    }
    // Whoever reads on needs room, and there is none: nothing more is read.
    assert_eq!(door.room.available_permits(), 0);
    door.turn();
    assert_eq!((door.room.available_permits(), door.offset(), door.committed()), (0, Some(1), Some(1)));
    door.ledger.now().set_full(None);
    door.turn();
    assert_eq!((door.room.available_permits(), door.offset(), door.committed()), (8, Some(9), Some(9)));
    assert_eq!(door.decided(), 9, "each once, in order");
}

/// What nobody brings again waits in its order, of whatever kind it is.
#[tokio::test]
async fn records_lost_records_and_another_cluster_wait_for_room_in_their_order() {
    let mut door = Door::new();
    door.ledger.now().set_full(Some("no space left"));
    let topic = || "biometrics.users".to_owned();
    let gone = |next| Wake::OffsetGone { topic: topic(), partition: 0, next, reason: "kept too short".to_owned() };
    door.record(0);
    for wake in [gone(20), gone(30), Wake::Cluster { id: "anew".to_owned() }] {
        door.looping.take(wake).expect("goes on");
    }
    door.turn();
    assert_eq!((door.offset(), door.decided()), (None, 0), "there is no room yet");
    door.ledger.now().set_full(None);
    door.turn();
    assert_eq!((door.decided(), door.room.available_permits()), (1, 8));
    assert_eq!(door.offset(), Some(30), "the last one that was told");
    assert_eq!(decide::known_cluster(&door.ledger).expect("readable"), Some("anew".to_owned()));
}

#[tokio::test]
async fn an_offset_is_durable_with_what_its_record_caused_or_not_at_all() {
    let mut door = Door::new();
    door.record(0);
    door.durable();
    door.record(1);
    // The round of the second one is lost, with its offset: it is read again from there.
    door.ledger.now().crash();
    assert_eq!((door.offset(), door.committed()), (Some(1), Some(1)));
    assert_eq!(door.decided(), 1);
}

/// A clock that is asked for the time while the loop waits, and wakes it in that moment.
struct Waking {
    handle: Handle,
    wakes: Mutex<usize>,
}

impl Clock for Waking {
    fn now(&self) -> crate::clock::Now {
        let mut left = self.wakes.lock().expect("no test panicked");
        if *left > 0 {
            *left -= 1;
            self.handle.stop(Duration::ZERO);
        }
        crate::clock::Now::same(Timestamp(1_772_442_000_000))
    }
}

#[tokio::test]
async fn what_comes_between_two_looks_of_the_loop_is_not_lost() {
    let Door { mut looping, .. } = Door::new();
    let (handle, wakes) = handle();
    (looping.wakes, looping.clock) = (wakes, Arc::new(Waking { handle, wakes: Mutex::new(1) }));
    // The shipped rules have schedules, which are due at once.
    let now = Timestamp(1_772_442_000_000);
    assert!(looping.core.next(crate::clock::Now::same(now)).0.is_some_and(|due| due <= now));
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(looping.run().is_ok()));
    assert_eq!(end.recv_timeout(Duration::from_secs(20)), Ok(true), "it was told to stop");
}

/// Whoever stops it waits for what is durable a moment later, and nothing else comes.
#[tokio::test]
async fn it_ends_when_what_it_was_stopped_over_has_become_durable() {
    let mut door = Door::new();
    let verdict = door.deliver("1");
    let (Door { mut looping, ledger, .. }, (handle, wakes)) = (door, handle());
    looping.wakes = wakes;
    handle.stop(Duration::from_secs(3_600));
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(looping.run().is_ok()));
    let (seen, stopping) = std::sync::mpsc::channel();
    let look: Inspect = Box::new(move |_| seen.send(()).expect("the test waits"));
    assert!(handle.wake(Wake::Inspect(look)).is_ok());
    assert_eq!(stopping.recv_timeout(Duration::from_secs(20)), Ok(()), "it was told to stop before");
    ledger.now().flush().expect("a flush of memory");
    assert!(handle.wake(Wake::Durable).is_ok());
    assert_eq!(end.recv_timeout(Duration::from_secs(20)), Ok(true), "nothing is left to wait for");
    assert_eq!(verdict.await, Ok(Verdict::Durable));
}

#[test]
fn behind_many_inputs_little_of_what_is_due_is_done_but_never_nothing() {
    assert_eq!([0, 1, INPUTS_EACH].map(turn), [TURN; 3], "none waits");
    assert_eq!([INPUTS_EACH + 1, 64, BURST].map(turn), [1, 8, 32]);
}
