//! Faults that tests plant in the engine: a rule of sending (`planted_rule`) and a sleep outside the driver of waits
//! (`planted_sleep`). Builds without tests have neither.

use std::time::Duration;

use crate::sys::sleeping::sleep;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    RefusedLength(usize),
    SleepInLoop,
}

pub fn sleep_in_loop() {
    if is(Planted::SleepInLoop) {
        sleep(Duration::from_micros(1));
    }
}

#[cfg(not(test))]
pub fn is(_: Planted) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
pub fn is(planted: Planted) -> bool {
    PLANTED.get() == Some(planted)
}

/// Plants a fault for this thread while `run` runs. `run` may panic.
#[cfg(test)]
pub fn plant<R>(planted: Planted, run: impl FnOnce() -> R) -> std::thread::Result<R> {
    PLANTED.set(Some(planted));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    PLANTED.set(None);
    result
}
