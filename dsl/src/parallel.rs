//! Work on all cores whose result does not depend on how many there are.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stack::{begin, on_known_stack};

/// `work` done to each of `items`, in their order.
///
/// # Panics
/// Where `work` panics.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    map_with(items, || (), |(), item| work(item))
}

/// What `work` gives and what `other` gives, done on another core meanwhile where there is one.
///
/// # Panics
/// Where one of them panics.
pub(crate) fn both<A, B: Send>(work: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    let mut other = Some(other);
    let mut done = None;
    let worked = std::thread::scope(|scope| {
        let begun = begin(scope, || done = other.take().map(|other| other()));
        let worked = work();
        if let Ok(thread) = begun
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
        worked
    });
    // Where the system gives no thread, this one does it all.
    let done = done.or_else(|| other.map(|other| other()));
    (worked, done.expect("what was not done before is done now"))
}

/// `work` done to each of `items`, in their order, with a thing that each core makes itself once.
///
/// # Panics
/// Where `make` or `work` panics.
pub(crate) fn map_with<T: Sync, R: Send, S>(
    items: &[T],
    make: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(items.len());
    on(threads, items, make, work)
}

fn on<T: Sync, R: Send, S>(
    threads: usize,
    items: &[T],
    make: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        // Taken here once, so that what is parsed need not ask for it file by file.
        on_known_stack(|| {
            let (mut done, mut with) = (Vec::new(), make());
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                match items.get(index) {
                    Some(item) => done.push((index, work(&mut with, item))),
                    None => return done,
                }
            }
        })
    };
    let mut done = std::thread::scope(|scope| {
        // Where the system gives no thread, this one does it all.
        let begun = (1..threads).map_while(|_| begin(scope, take).ok()).collect::<Vec<_>>();
        let mut done = take();
        for thread in begun {
            match thread.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_are_done_and_a_panic_of_the_other_is_handed_on() {
        assert_eq!(super::both(|| 1, || "two"), (1, "two"));
        let caught = std::panic::catch_unwind(|| super::both(|| 1, || panic!("meant")));
        assert_eq!(caught.expect_err("it panicked").downcast_ref::<&str>(), Some(&"meant"));
    }

    #[test]
    fn the_order_is_that_of_the_items_whatever_the_number_of_threads() {
        let items: Vec<u64> = (0..1_000).collect();
        let doubled: Vec<u64> = items.iter().map(|n| n * 2).collect();
        for threads in [0, 1, 2, 7] {
            assert_eq!(super::on(threads, &items, || (), |(), n| n * 2), doubled, "{threads}");
        }
        assert_eq!(super::map(&[] as &[u64], |n| n * 2), Vec::<u64>::new());
    }
}
