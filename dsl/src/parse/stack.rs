//! Parsing on a thread of known stack, whatever the stack of the caller.
//!
//! Always true: nesting that the limits allow fits; the library of the grammar looks at the room that is left and
//! refuses what does not.

use std::cell::Cell;

/// The stack of the thread, in bytes.
const SIZE: usize = 8 << 20;

thread_local! {
    /// This thread is such a one.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on a thread with a stack of 8 MiB; at once where this is one already, or where there are no threads.
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
