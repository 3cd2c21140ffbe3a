//! Checks in debug builds that a call of the engine sleeps only in its module `drive`.
//!
//! `drive` keeps all waits of calls, so that each heeds deadline, signals and cancelling. A function of `drive` marks
//! the thread by [`Driven`] while it waits, and [`Waiting`](crate::deadline::Waiting) marks it by [`InCall`]. Each
//! function of this crate that sleeps (`poll`, `futex`, `brief`, `Waiting::park_until_due`, [`sleep`]) asserts that a
//! thread inside a call is also driven. Polls with a time of zero, threads outside a call, release builds and loom
//! assert nothing. If the assertion fails, wait by a function of `drive` instead.

use std::marker::PhantomData;
use std::time::Duration;

#[cfg(all(debug_assertions, not(loom)))]
thread_local! {
    /// How many calls this thread is inside of, and how many of their waits it drives.
    static DEPTH: std::cell::Cell<(u32, u32)> = const { std::cell::Cell::new((0, 0)) };
}

#[cfg(all(debug_assertions, not(loom)))]
fn change(change: impl FnOnce((u32, u32)) -> (u32, u32)) {
    // An ending thread has no variables any more, and is not checked.
    let _ = DEPTH.try_with(|depth| depth.set(change(depth.get())));
}

macro_rules! scope {
    ($(#[$text:meta])* $name:ident, $in:expr, $out:expr) => {
        $(#[$text])*
        #[derive(Debug)]
        pub struct $name(PhantomData<*const ()>);

        impl $name {
            /// Begins it on this thread.
            #[allow(clippy::new_without_default, reason = "it has an effect")]
            pub fn new() -> $name {
                #[cfg(all(debug_assertions, not(loom)))]
                change($in);
                $name(PhantomData)
            }
        }

        #[cfg(all(debug_assertions, not(loom)))]
        impl Drop for $name {
            fn drop(&mut self) {
                change($out);
            }
        }
    };
}

scope!(
    /// Exists while this thread is inside a call.
    InCall,
    |(calls, driven)| (calls + 1, driven),
    |(calls, driven)| (calls - 1, driven)
);

scope!(
    /// Exists while this thread drives a wait of a call.
    Driven,
    |(calls, driven)| (calls, driven + 1),
    |(calls, driven)| (calls, driven - 1)
);

/// Runs code of the program during a wait. It counts as outside the call, so it may sleep.
pub(crate) fn outside<R>(run: impl FnOnce() -> R) -> R {
    #[cfg(all(debug_assertions, not(loom)))]
    {
        struct Inside((u32, u32));

        impl Drop for Inside {
            fn drop(&mut self) {
                change(|_| self.0);
            }
        }

        let _inside = Inside(DEPTH.replace((0, 0)));
        run()
    }
    #[cfg(not(all(debug_assertions, not(loom))))]
    run()
}

/// Sleeps for this time. For waits that no event can end.
#[track_caller]
pub fn sleep(time: Duration) {
    assert_driven();
    std::thread::sleep(time);
}

/// Asserts in a debug build that this thread may sleep. Called before each sleep.
#[track_caller]
pub(crate) fn assert_driven() {
    #[cfg(all(debug_assertions, not(loom)))]
    {
        let (calls, driven) = DEPTH.try_with(std::cell::Cell::get).unwrap_or_default();
        assert!(
            calls == 0 || driven > 0,
            "a thread inside a call sleeps, and not in `drive` of the engine, which has all waits of calls"
        );
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::deadline::{Deadline, Timeout, Wait, Waiting};
    use crate::error::Result;
    use crate::eventfd::EventFd;
    use crate::poll::{Epoll, Interest, wait_readable};
    use std::os::fd::AsFd;

    const BRIEF: Duration = Duration::from_millis(1);

    /// Each way to sleep panics inside a call that does not drive it.
    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "a release build does not check")]
    fn sleep_inside_a_call_panics_unless_the_call_drives_it() {
        let event = EventFd::new().unwrap();
        let set = Epoll::new().unwrap();
        set.add(&event, 1, Interest::IN).unwrap();
        let soon = || Waiting::until(Deadline::after(BRIEF));
        let sleeps: [(&str, &dyn Fn() -> Result<()>); 5] = [
            ("poll", &|| wait_readable(&mut soon(), &[event.as_fd()])),
            ("epoll", &|| set.sleep(Some(BRIEF), &mut Vec::new()).map(drop)),
            ("futex", &|| crate::futex::wait(&std::sync::atomic::AtomicU64::new(0), 0, BRIEF).map(drop)),
            ("park", &|| soon().park_until_due().map(drop)),
            ("sleep", &|| {
                sleep(BRIEF);
                Ok(())
            }),
        ];
        for (what, sleep) in sleeps {
            let panics = || catch_unwind(AssertUnwindSafe(|| drop(sleep()))).is_err();
            assert!(!panics(), "{what}: outside of a call");
            let mut call = Waiting::start(Wait::new(BRIEF), Timeout::Default).in_call();
            assert!(panics(), "{what}: inside a call");
            let driven = Driven::new();
            assert!(!panics(), "{what}: where the call drives it");
            drop(driven);
            // A callback of the program may wait as it likes.
            let mut called = false;
            let mut tick = || {
                called = !panics();
                Ok(())
            };
            let mut ticking = Waiting::start(Wait::new(BRIEF).tick(&mut tick), Timeout::Default).in_call();
            ticking.woke(true).unwrap();
            drop(ticking);
            assert!(called, "{what}: in a callback");
            call.woke(false).unwrap();
            drop(call);
            assert!(!panics(), "{what}: after the call");
        }
        // A look does not sleep.
        let _call = InCall::new();
        set.sleep(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    }
}
