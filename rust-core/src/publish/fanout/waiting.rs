//! Waits of the publishing program: for subscribers, and until they have been sent everything.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use rustix::event::PollFlags;

use super::{Fanout, Medium};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::poll::wait_any;

impl Fanout {
    /// Waits until the kernel has everything for each subscriber that is still connected.
    ///
    /// # Errors
    /// `Timeout` with the number of subscribers that read too slowly.
    pub fn drain(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.wait_until(waiting, || match self.lagging() {
            0 => None,
            lagging => Some(format!(
                "closed; {lagging} subscribers had not taken everything that was published: they read too slowly, or have stopped"
            )),
        })
    }

    /// Sends as much as possible, and returns how many subscribers have not been sent everything.
    fn lagging(&self) -> usize {
        match &mut self.state().medium {
            // Subscribers that have the ring can read it after the publisher has ended.
            Medium::Ring { ring, subscribers, .. } => {
                subscribers.iter().filter(|subscriber| !subscriber.has_ring(&**ring)).count()
            }
            Medium::Streams { history, subscribers } => subscribers
                .iter()
                .filter(|subscriber| {
                    let mut out = subscriber.out();
                    // The acceptor sees the end of a connection too.
                    out.send_pending(history).is_ok()
                        && (history.after(out.sequence).is_some() || matches!(out.tx.flush(), Ok(false)))
                })
                .count()
                .saturating_add(self.unadmitted.load(Ordering::Acquire)),
        }
    }

    /// Waits until so many subscribers are connected.
    ///
    /// # Errors
    /// `Timeout` with how many are connected.
    pub fn wait_for_subscribers(&self, count: usize, waiting: &mut Waiting<'_>) -> Result<()> {
        self.wait_until(waiting, || {
            let connected = self.subscribers();
            (connected < count).then(|| {
                format!(
                    "{connected} of {count} subscribers connected in time; start the others, or wait longer"
                )
            })
        })
    }

    /// Waits until nothing is missing. At the deadline `missing` is the text of the `Timeout`.
    fn wait_until(&self, waiting: &mut Waiting<'_>, missing: impl Fn() -> Option<String>) -> Result<()> {
        let waker = self.changed.arm()?;
        loop {
            waker.drain();
            let Some(text) = missing() else { return Ok(()) };
            match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
                Err(e) if e.kind() == ErrorKind::Timeout => return Err(Error::new(ErrorKind::Timeout, text)),
                waited => drop(waited?),
            }
        }
    }

    /// Waits until a subscriber connects or disconnects, or the deadline.
    pub fn wait_for_change(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let waker = self.changed.arm()?;
        match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
            Err(e) if e.kind() != ErrorKind::Timeout => Err(e),
            _ => {
                waker.drain();
                Ok(())
            }
        }
    }
}
