//! The epoll set of a receiving direction, and its timer, which ends the short wait of a dialogue.
//!
//! A sleep with a time-out sets and cancels a timer of the kernel, about 0.4 µs each time. In a dialogue every
//! receive sleeps. So one timer stays armed while messages come, and expires every 4.5 ms.
//!
//! A sleep without a time-out is correct only while the timer is armed. [`WaitSet::sleep`] and [`WaitSet::sleep_on`]
//! are therefore the only sleeps. They disarm the timer in the step that sees it expire. Two functions change
//! `armed`. The timer is level-triggered, so an unseen expiry ends the next sleep. A forked child cannot call this
//! (`sys::fork`). The clock is monotonic.

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

/// How long a receiver waits for its program's answer before it sends an acknowledgement.
///
/// Longer than a tick of the kernel's clock (4 ms): an earlier timer must be programmed into the hardware.
const PAUSE: Duration = Duration::from_micros(4500);

/// The messages that must come before the timer is used, also after an empty short wait.
///
/// A connection for a few calls then needs no descriptor for it. A slow one has at most one needless wake-up per this
/// many messages.
const FIRST: u32 = 16;

/// Token of the timer; other descriptors have smaller tokens.
const TIMER: u64 = u64::MAX;

struct Woken {
    ready: bool,
    /// The timer has expired, and is disarmed now.
    expired: bool,
    interrupted: bool,
}

#[derive(Debug)]
pub struct WaitSet {
    epoll: Epoll,
    ready: Vec<Ready>,
    timer: Option<Timer>,
    /// Whether the timer ends the next sleep: it is armed, or has expired unseen.
    armed: bool,
    /// Counted since the set was made or since an empty short wait, up to [`FIRST`].
    messages: u32,
}

impl WaitSet {
    pub fn new(epoll: Epoll) -> WaitSet {
        WaitSet { epoll, ready: Vec::new(), timer: None, armed: false, messages: 0 }
    }

    pub fn descriptor(&self) -> Arc<Descriptor> {
        self.epoll.shared()
    }

    pub fn add(&self, fd: impl AsFd, token: u64, what: Interest) -> Result<()> {
        debug_assert_ne!(token, TIMER);
        self.epoll.add(fd, token, what)
    }

    pub fn remove(&self, fd: impl AsFd) {
        self.epoll.remove(fd);
    }

    pub fn note_message(&mut self) {
        self.messages = self.messages.saturating_add(1).min(FIRST);
    }

    /// Notes that a short wait brought nothing, so that the next waits need no timer either.
    pub fn note_passed(&mut self) {
        self.messages = 0;
    }

    pub fn is_in_dialogue(&self) -> bool {
        self.messages == FIRST
    }

    /// A program waits on the descriptor, which must not become readable for the timer.
    pub fn disarm(&mut self) -> Result<()> {
        if let Some(timer) = self.timer.as_ref().filter(|_| self.armed) {
            timer.disarm()?;
        }
        self.armed = false;
        Ok(())
    }

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

    /// Makes the descriptor readable after [`PAUSE`]: the watching program must look at other channels.
    pub fn wake_later(&mut self) -> Result<()> {
        self.arm()
    }

    /// Sleeps at most this long. Without a time-out and an armed timer, the sleep has no end.
    fn sleep(&mut self, timeout: Option<Duration>) -> Result<Woken> {
        let interrupted = drive::set(&self.epoll, timeout, &mut self.ready)?;
        let expired = self.ready.iter().any(|ready| ready.token == TIMER);
        if expired {
            self.disarm()?;
        }
        Ok(Woken { ready: self.ready.len() > usize::from(expired), expired, interrupted })
    }

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

    /// Sleeps until something is ready, a signal or a tick; `Timeout` at the deadline.
    pub fn wait(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.wait_at_most(None, waiting).map(drop)
    }

    /// Like [`WaitSet::wait`] for [`PAUSE`]; returns false if nothing came in that time or by the deadline.
    pub fn wait_pause(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        self.wait_at_most(Some(PAUSE), waiting)
    }

    fn wait_at_most(&mut self, most: Option<Duration>, waiting: &mut Waiting<'_>) -> Result<bool> {
        loop {
            let left = waiting.sleep()?;
            let woken = self.sleep(left.into_iter().chain(most).min())?;
            waiting.woke(woken.interrupted)?;
            // The link needs no read for a timer that an earlier short wait left armed.
            if woken.ready || woken.interrupted || !woken.expired {
                return Ok(woken.ready || woken.interrupted);
            }
        }
    }

    /// In a dialogue, sleeps between one and two [`PAUSE`]s without a time-out, if the call has the time.
    ///
    /// With `link`, only that descriptor ends the sleep. It shows every message; later waits see the other
    /// descriptors of the set.
    pub fn wait_short(&mut self, link: Option<BorrowedFd<'_>>, waiting: &mut Waiting<'_>) -> Result<Waited> {
        if self.messages < FIRST || !waiting.has_left(PAUSE * 3)? {
            return Ok(Waited::Omitted);
        }
        // A wait that arms the timer lasts one period. A wait that finds it armed arms it again after the expiry.
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
