//! A timer as a descriptor (timerfd) for epoll sets, readable when its time has come.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

use crate::descriptor;
use crate::error::{Doing, Result};
use crate::fork::Descriptor;
use crate::kernel_entry;

/// A one-shot timer of the monotonic clock, disarmed at first.
#[derive(Debug)]
pub struct Timer(Descriptor);

impl Timer {
    /// Returns a disarmed timer.
    pub fn new() -> Result<Timer> {
        Ok(Timer(descriptor::timer().doing("making a timer (timerfd_create)")?.into()))
    }

    /// Makes the timer readable after this time, and replaces an earlier time.
    pub fn arm(&self, after: Duration) -> Result<()> {
        kernel_entry::assert_allowed();
        // Zero would disarm it.
        let after = after.max(Duration::from_nanos(1));
        let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
        let value = Timespec { tv_sec: seconds, tv_nsec: after.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)
            .doing("arming a timer (timerfd_settime)")
            .map(drop)
    }

    /// Makes the timer unreadable until it is armed again.
    pub fn disarm(&self) -> Result<()> {
        kernel_entry::assert_allowed();
        let never = Itimerspec { it_interval: Timespec::default(), it_value: Timespec::default() };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &never)
            .doing("disarming a timer (timerfd_settime)")
            .map(drop)
    }

    /// Resets the timer if it is readable.
    pub fn drain(&self) {
        kernel_entry::assert_allowed();
        let mut times = [0; 8];
        let _ = rustix::io::read(&self.0, &mut times);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::{Deadline, Waiting};
    use crate::poll::{is_readable, wait_readable};

    #[test]
    fn timer_is_readable_once_per_arming() {
        let timer = Timer::new().unwrap();
        assert!(!is_readable(timer.as_fd()));
        timer.arm(Duration::from_millis(1)).unwrap();
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        while !is_readable(timer.as_fd()) {
            wait_readable(&mut waiting, &[timer.as_fd()]).unwrap();
        }
        timer.drain();
        assert!(!is_readable(timer.as_fd()));
        timer.arm(Duration::from_secs(3600)).unwrap();
        assert!(!is_readable(timer.as_fd()));
    }

    #[test]
    fn expired_timer_that_is_disarmed_is_not_readable() {
        let timer = Timer::new().unwrap();
        timer.arm(Duration::from_millis(1)).unwrap();
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        while !is_readable(timer.as_fd()) {
            wait_readable(&mut waiting, &[timer.as_fd()]).unwrap();
        }
        timer.disarm().unwrap();
        assert!(!is_readable(timer.as_fd()));
    }
}
