//! Parsing on a thread of known stack, whatever the stack of the caller.
//!
//! Always true: what the limits of the [grammar](super::grammar) allow fits.

use std::cell::Cell;

use super::grammar::MAX_OPEN;

/// The stack of the thread, in bytes: 8 KiB for each bracket that a text may open. In a build that is not optimised the
/// grammar takes up to 6.4 KB for one. Memory is taken only for what is used of it, and the system keeps two such
/// stacks for the next threads; larger ones it would make anew.
const SIZE: usize = 8 * 1_024 * MAX_OPEN;

thread_local! {
    /// This thread is such a one.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// Is this a thread of known stack?
pub(super) fn is_known() -> bool {
    KNOWN.get()
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
            KNOWN.set(true);
            if let Some(work) = work.take() {
                done = Some(work());
            }
        };
        let thread = std::thread::Builder::new().name("rules".to_owned()).stack_size(SIZE).spawn_scoped(scope, run);
        if let Ok(thread) = thread
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
