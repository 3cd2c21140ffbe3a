//! The epoll set of a receiving direction, and a timer in it that ends the short wait of a dialogue.
//!
//! A sleep with a time-out of its own sets and cancels a timer of the kernel, about 0.4 µs each time. In a
//! dialogue every receive sleeps, so one timer stays armed while messages come: it expires every 4.5 ms and
//! not once for each message.
//!
//! A sleep without a time-out is correct only while the timer is armed. So nothing else can sleep on the set
//! or read the timer: [`WaitSet::sleep`] and [`WaitSet::sleep_on`] are the only sleeps, they disarm the timer in the
//! same step in which they see it expire, and `armed` changes in two functions. The timer is level-triggered: an expiry
//! that no sleep has seen ends the next one. A forked child cannot call this (`sys::fork`), and the clock is the
//! monotonic one.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::deadline::Waiting;
use crate::drive;
use crate::error::Result;
use crate::sys::fork::Descriptor;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::timer::Timer;
use crate::transport::Waited;

/// How long a receiver whose program may answer waits before it sends an acknowledgement by itself.
/// Longer than a tick of the kernel's clock (4 ms): an earlier timer has to be programmed into the
/// hardware.
const PAUSE: Duration = Duration::from_micros(4500);

/// Messages that have to arrive before the timer is used, and again after a short wait in which none came: a
/// connection for a few calls needs no descriptor for it, and a slow one has one needless wake-up in so many
/// messages at most.
const FIRST: u32 = 16;

/// Token of the timer; those of other descriptors are smaller.
const TIMER: u64 = u64::MAX;

/// What ended a sleep.
struct Woken {
    /// A descriptor other than the timer is ready.
    ready: bool,
    /// The timer has expired, and is disarmed now.
    expired: bool,
    /// A signal came.
    interrupted: bool,
}

/// The descriptors that a receiving thread waits for.
#[derive(Debug)]
pub struct WaitSet {
    epoll: Epoll,
    /// Reused for each sleep.
    ready: Vec<Ready>,
    /// Made when it is first armed.
    timer: Option<Timer>,
    /// Whether the timer ends the next sleep: it is armed, or has expired and no sleep has seen that.
    armed: bool,
    /// Messages that came since the set was made or since a short wait without any, up to [`FIRST`].
    messages: u32,
}

impl WaitSet {
    /// Returns the waits on this set.
    pub fn new(epoll: Epoll) -> WaitSet {
        WaitSet { epoll, ready: Vec::new(), timer: None, armed: false, messages: 0 }
    }

    /// Returns the descriptor of the set, for the event loop of a program that watches it.
    pub fn descriptor(&self) -> Arc<Descriptor> {
        self.epoll.shared()
    }

    /// Adds a descriptor.
    pub fn add(&self, fd: impl AsFd, token: u64, what: Interest) -> Result<()> {
        debug_assert_ne!(token, TIMER);
        self.epoll.add(fd, token, what)
    }

    /// Removes a descriptor.
    pub fn remove(&self, fd: impl AsFd) {
        self.epoll.remove(fd);
    }

    /// Notes that there was a message.
    pub fn note_message(&mut self) {
        self.messages = self.messages.saturating_add(1).min(FIRST);
    }

    /// Notes that nothing came in a short wait of the transport, so that the next waits need no timer either.
    pub fn note_passed(&mut self) {
        self.messages = 0;
    }

    /// Returns whether messages come one after the other, so that short waits are used.
    pub fn is_in_dialogue(&self) -> bool {
        self.messages == FIRST
    }

    /// Disarms the timer: from now on a program waits on the descriptor, which must not become readable for
    /// it.
    pub fn disarm(&mut self) -> Result<()> {
        if let Some(timer) = self.timer.as_ref().filter(|_| self.armed) {
            timer.disarm()?;
        }
        self.armed = false;
        Ok(())
    }

    /// Arms the timer anew. Fails where the process has no descriptors left.
    fn arm(&mut self) -> Result<()> {
        let timer = match &self.timer {
            Some(timer) => timer,
            None => {
                let timer = Timer::new()?;
                self.epoll.add(&timer, TIMER, Interest::IN)?;
                self.timer.insert(timer)
            }
        };
        timer.arm(PAUSE)?;
        self.armed = true;
        Ok(())
    }

    /// Makes the descriptor readable after [`PAUSE`]: the program that watches it has to look elsewhere, too.
    pub fn wake_later(&mut self) -> Result<()> {
        self.arm()
    }

    /// Sleeps for at most this long, without end if the timer is not armed and there is no time-out.
    fn sleep(&mut self, timeout: Option<Duration>) -> Result<Woken> {
        let interrupted = drive::set(&self.epoll, timeout, &mut self.ready)?;
        let expired = self.ready.iter().any(|ready| ready.token == TIMER);
        if expired {
            self.disarm()?;
        }
        Ok(Woken { ready: self.ready.len() > usize::from(expired), expired, interrupted })
    }

    /// Sleeps on this descriptor of the set alone, and on the armed timer.
    fn sleep_on(&mut self, link: BorrowedFd<'_>) -> Result<Woken> {
        let Some(timer) = self.timer.as_ref().filter(|_| self.armed) else { return self.sleep(None) };
        let Some([ready, expired]) = drive::link_or_timer(link, timer.as_fd())? else {
            return Ok(Woken { ready: false, expired: false, interrupted: true });
        };
        if expired {
            self.disarm()?;
        }
        Ok(Woken { ready, expired, interrupted: false })
    }

    /// Sleeps until something is ready, a signal comes, the deadline or a tick.
    ///
    /// # Errors
    /// `Timeout` at the deadline; those of the tick.
    pub fn wait(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.wait_at_most(None, waiting).map(drop)
    }

    /// The same for [`PAUSE`]; returns false where nothing came in that time, or by the deadline.
    pub fn wait_pause(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        self.wait_at_most(Some(PAUSE), waiting)
    }

    /// Sleeps for this time at most, and returns whether something is ready or a signal came.
    fn wait_at_most(&mut self, most: Option<Duration>, waiting: &mut Waiting<'_>) -> Result<bool> {
        loop {
            let left = waiting.sleep()?;
            let woken = self.sleep(left.into_iter().chain(most).min())?;
            waiting.woke(woken.interrupted)?;
            // A timer that was left armed by a short wait is no reason to read the link.
            if woken.ready || woken.interrupted || !woken.expired {
                return Ok(woken.ready || woken.interrupted);
            }
        }
    }

    /// Sleeps for [`PAUSE`] at least and twice that at most, without a time-out, where messages come one
    /// after the other and the call has the time. With `link`, only that descriptor of the set ends the sleep: it shows
    /// every message, and what else is in the set is seen after this wait.
    pub fn wait_short(&mut self, link: Option<BorrowedFd<'_>>, waiting: &mut Waiting<'_>) -> Result<Waited> {
        if self.messages < FIRST || !waiting.has_left(PAUSE * 3)? {
            return Ok(Waited::Omitted);
        }
        // A wait that arms the timer lasts one period; one that finds it armed arms it again after it has
        // expired.
        let mut whole = !self.armed;
        if whole && self.arm().is_err() {
            // Without a descriptor for the timer, waits have time-outs.
            self.messages = 0;
            return Ok(Waited::Omitted);
        }
        loop {
            debug_assert!(self.armed);
            let woken = match link {
                Some(link) => self.sleep_on(link)?,
                None => self.sleep(None)?,
            };
            waiting.woke(woken.interrupted)?;
            if woken.ready || woken.interrupted {
                return Ok(Waited::Ready);
            }
            if whole {
                self.messages = 0;
                return Ok(Waited::Passed);
            }
            self.arm()?;
            whole = true;
        }
    }
}

#[cfg(test)]
mod tests;
