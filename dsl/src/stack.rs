//! Parsing on a thread of known stack, whatever the stack of the caller.
//!
//! Always true: what the grammar may lead to with [`MAX_OPEN`] brackets fits; `parse/grammar.rs` counts them.

use std::cell::Cell;
use std::thread::{Scope, ScopedJoinHandle};

/// The most brackets that open in a text: four for each step of the longest workflow.
pub(crate) const MAX_OPEN: usize = 2_000;

/// The stack of the thread, in bytes, by the brackets that a text may open. For one of them the grammar takes up to
/// 6.4 KB in a build that is not optimised, and less than 1.5 KiB in one that is. The system keeps stacks of up to
/// 40 MiB in all for the next threads, so these are no larger than they need be.
const SIZE: usize = MAX_OPEN * 1_024 * if cfg!(debug_assertions) { 8 } else { 4 };

thread_local! {
    /// This thread is such a one.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// Is this a thread of known stack?
pub(crate) fn is_known() -> bool {
    KNOWN.get()
}

/// Begins `work` on another thread, of known stack.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn begin<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> std::io::Result<ScopedJoinHandle<'scope, T>> {
    let run = || {
        KNOWN.set(true);
        work()
    };
    std::thread::Builder::new().name("rules".to_owned()).stack_size(SIZE).spawn_scoped(scope, run)
}

/// Runs `work` on a thread of known stack; at once where this is one already, or where there are no threads.
pub(crate) fn on_known_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if KNOWN.get() {
        return work();
    }
    let mut work = Some(work);
    let mut done = None;
    std::thread::scope(|scope| {
        let run = || {
            if let Some(work) = work.take() {
                done = Some(work());
            }
        };
        if let Ok(thread) = begin(scope, run)
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    });
    match (done, work) {
        (Some(done), _) => done,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("work that was taken has been done, or has panicked above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_once_and_inner_work_on_the_same_thread() {
        let names = on_known_stack(|| {
            let name = || std::thread::current().name().map(str::to_owned);
            (name(), on_known_stack(name))
        });
        assert_eq!(names, (Some("rules".to_owned()), Some("rules".to_owned())));
    }

    #[test]
    fn a_panic_is_handed_on() {
        let caught = std::panic::catch_unwind(|| on_known_stack(|| panic!("meant")));
        assert_eq!(caught.expect_err("it panicked").downcast_ref::<&str>(), Some(&"meant"));
    }
}
