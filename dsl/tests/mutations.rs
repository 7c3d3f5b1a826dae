//! Random bytes in the shipped rules: always an answer, never a panic, and never a long wait.
//!
//! `MUTATIONS=1000000 cargo test --release -p dsl --test mutations -- --nocapture` runs a million and says which case
//! was slowest; without the switch it is as many as fit into a few seconds, 20,000 at most. `SEED=…` repeats a run.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use dsl::check::check;
use dsl::diagnostic::Severity;
use dsl::format::format;
use dsl::parse::parse;
use dsl::source::{FileId, SourceFile};

#[path = "support/parsed.rs"]
mod parsed;
use parsed::{Shipped, shipped};

/// The longest that a case may take.
const LIMIT: Duration = Duration::from_millis(200);
/// How long the tests go on where no number is asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// One to five changes of bytes.
    fn mutated(&mut self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(5) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.insert(at, self.next() as u8),
                1 => bytes.insert(at, *b"{}\"\n.=<>-()[]#,`\\ ".get(self.below(18)).unwrap_or(&b' ')),
                2 if at < bytes.len() => bytes[at] = self.next() as u8,
                3 if at < bytes.len() => drop(bytes.remove(at)),
                4 if at < bytes.len() => {
                    let other = self.below(bytes.len());
                    bytes.swap(at, other);
                }
                _ => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Runs a case for each number, on all processors, and tells what was slowest.
fn run(what: &str, judge: impl Fn(&Shipped, usize, &str) + Sync) {
    let asked = std::env::var("MUTATIONS").ok().map(|text| text.parse::<u64>().expect("MUTATIONS is a number"));
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let seed = std::env::var("SEED").ok().map_or_else(now, |text| text.parse().expect("SEED is a number"));
    let count = asked.unwrap_or(20_000);
    // Without optimisation it says nothing of what users wait for.
    let limit = if cfg!(debug_assertions) { LIMIT * 20 } else { LIMIT };
    let shipped = shipped();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let slowest: Mutex<(Duration, u64, String)> = Mutex::default();
    let failed: Mutex<Vec<(u64, String)>> = Mutex::default();
    let begin = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || asked.is_none() && begin.elapsed() > PATIENCE {
                        break;
                    }
                    let mut random = Random(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
                    let index = random.below(shipped.files.len());
                    let text = random.mutated(&shipped.files[index].0.text);
                    let timed = || {
                        let start = Instant::now();
                        let held =
                            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(&shipped, index, &text)));
                        (start.elapsed(), held.is_ok())
                    };
                    let (mut took, held) = timed();
                    if !held {
                        failed.lock().expect("the list").push((number, text));
                        stop.store(true, Ordering::Relaxed);
                        break;
                    }
                    // Others need the processors too: what is slow is looked at again.
                    for _ in 0..4 {
                        if took > limit / 2 {
                            took = took.min(timed().0);
                        }
                    }
                    let mut slow = slowest.lock().expect("the slowest");
                    if took > slow.0 {
                        *slow = (took, number, text);
                    }
                }
            });
        }
    });
    let (took, number, text) = slowest.into_inner().expect("the slowest");
    let failed = failed.into_inner().expect("the list");
    let done = next.load(Ordering::Relaxed).min(count);
    eprintln!(
        "{what}: {done} mutations in {:.1} s, seed {seed}, {} panicked; slowest {:.1} ms, case {number}, {} bytes",
        begin.elapsed().as_secs_f64(),
        failed.len(),
        took.as_secs_f64() * 1_000.0,
        text.len(),
    );
    if let Some((number, text)) = failed.first() {
        panic!("case {number} of seed {seed} panicked:\n{text}");
    }
    assert!(done > 0);
    assert!(took <= limit, "case {number} of seed {seed} took {took:?}:\n{text}");
}

#[test]
fn mutated_rules_are_answered_at_once() {
    run("check", |shipped, index, text| {
        let mut files = shipped.files.clone();
        let (old, _) = &files[index];
        let file = SourceFile::new(old.id, old.path.clone(), text);
        let tree = parse(&file);
        files[index] = (file, tree);
        let compiled = check(files, &shipped.locks, None);
        let wrong = compiled.problems.iter().any(|problem| problem.severity() == Severity::Error);
        assert_eq!(compiled.program.is_none(), wrong);
        for span in compiled.problems.iter().flat_map(|problem| problem.labels.iter().map(|label| label.span)) {
            let text = &compiled.files[span.file.0 as usize].text;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} is no part of the text");
        }
    });
}

#[test]
fn mutated_rules_mean_the_same_when_they_are_formatted() {
    run("format", |_, _, text| {
        let new = format(text).text;
        let read = |text: &str| parse(&SourceFile::new(FileId(0), "a.rules", text));
        let (before, after) = (read(text), read(&new));
        assert_eq!(before.items, after.items);
        assert_eq!(before.problems.len(), after.problems.len());
    });
}
