//! Waits of a publisher: for subscribers to connect, and until each has got everything.

use std::iter;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Fanout, Outlet};
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result, counted};
use crate::planted;
use crate::sys::timer::Timer;

#[derive(Clone, Copy, Debug)]
enum DrainGoal {
    /// Those that are lost with the publisher: the ring itself, or all messages of its stream.
    Rest,
    /// Those up to this number: read in the ring, or taken by the kernel for its stream.
    UpTo(u64),
}

const FIRST_LOOK: Duration = Duration::from_micros(100);
const LAST_LOOK: Duration = Duration::from_millis(5);

impl Fanout {
    /// Waits until each connected subscriber has everything that it cannot get after the publisher's end. `Timeout`
    /// with the number of slow subscribers.
    pub fn drain(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.wait_until(waiting, true, || {
            let (lagging, _) = self.lagging(DrainGoal::Rest);
            Ok((lagging > 0).then(|| {
                let text = format!(
                    "closed; {lagging} subscribers had not taken everything that was published: they read too slowly, or have stopped"
                );
                Error::new(ErrorKind::Timeout, text)
            }))
        })
    }

    /// Waits until each connected subscriber has been given all earlier messages. `Timeout`, or the error of `check`
    /// (is the publisher open?), with the number of messages left for the slowest subscriber.
    pub fn flush(&self, waiting: &mut Waiting<'_>, check: impl Fn() -> Result<()>) -> Result<()> {
        let given = DrainGoal::UpTo(self.newest());
        // Readers of a ring do not wake the publisher: their pages tell their positions.
        self.wait_until(waiting, !self.is_shared, || {
            let (lagging, left) = self.lagging(given);
            if lagging == 0 {
                return Ok(None);
            }
            let left_for = |whose: &str| format!("{} for {whose}", counted(left, "is left", "are left"));
            check().map_err(|e| e.with_hint(&left_for("the slowest subscriber")).with_missed(left))?;
            let text = match lagging {
                1 => left_for("one subscriber, which reads too slowly, or has stopped"),
                many => left_for(&format!(
                    "the slowest of {many} subscribers, which read too slowly, or have stopped"
                )),
            };
            Ok(Some(Error::new(ErrorKind::Timeout, text).with_missed(left)))
        })
    }

    /// Sends as much as possible. Returns how many subscribers miss the goal, and how many messages the slowest one
    /// lacks.
    fn lagging(&self, given: DrainGoal) -> (usize, u64) {
        let (mut lagging, mut left) = (0, 0);
        let mut count = |unread: u64| (lagging, left) = (lagging + 1, left.max(unread));
        let state = &mut *self.state();
        if let (Some(first), DrainGoal::UpTo(last)) = (state.first_left, given)
            && first <= last
        {
            count(last - first + 1);
        }
        match (&mut state.outlet, given) {
            // Subscribers with the ring can read it after the publisher's end.
            (Outlet::Shared { tx, subscribers, .. }, DrainGoal::Rest) => {
                subscribers.iter().filter(|one| !one.has_joined(tx)).for_each(|_| count(1));
            }
            (Outlet::Shared { tx, subscribers, .. }, DrainGoal::UpTo(last)) => {
                let unread = subscribers.iter().map(|one| one.unread(tx, last));
                unread.filter(|unread| *unread > 0).for_each(count);
            }
            (Outlet::Each { history, subscribers, .. }, given) => {
                for subscriber in &*subscribers {
                    let mut out = subscriber.out();
                    if out.send_pending(history).is_err() {
                        continue;
                    }
                    let last = match given {
                        DrainGoal::Rest => history.last(),
                        DrainGoal::UpTo(last) => last,
                    };
                    match history.after(out.sequence).map(|next| next.header.sequence) {
                        // Messages that the history has dropped are missed, not left.
                        Some(next) if next <= last => count(last - next + 1),
                        // A part of the last message may have been sent.
                        _ if out.sequence == last && matches!(out.tx.flush(), Ok(false)) => count(1),
                        _ => {}
                    }
                }
                // Each of them begins with the newest message, if there is one.
                if !matches!(given, DrainGoal::UpTo(0)) {
                    (0..self.unadmitted.load(Ordering::Acquire)).for_each(|_| count(1));
                }
            }
        }
        (lagging, left)
    }

    /// Waits until `count` subscribers are connected. Fails with `Timeout` or the error of `check` (is the publisher
    /// open?).
    pub fn wait_for_subscribers(
        &self,
        count: usize,
        waiting: &mut Waiting<'_>,
        check: impl Fn() -> Result<()>,
    ) -> Result<()> {
        self.wait_until(waiting, true, || {
            check()?;
            let connected = self.subscribers();
            Ok((connected < count).then(|| {
                let text = format!(
                    "{connected} of {count} subscribers connected in time; start the others, or wait longer"
                );
                Error::new(ErrorKind::Timeout, text)
            }))
        })
    }

    pub fn wake_waiting(&self) {
        self.changed.wake();
    }

    pub fn fail(&self, error: &Error) {
        let _ = self.failed.set(error.clone());
        self.wake_waiting();
    }

    pub fn check(&self) -> Result<()> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Waits until `missing` returns `None`. The error in its result is for the deadline; its own error ends the wait.
    /// Without wake-ups (`wakes` is false) polls with a growing pause.
    pub fn wait_until(
        &self,
        waiting: &mut Waiting<'_>,
        wakes: bool,
        missing: impl Fn() -> Result<Option<Error>>,
    ) -> Result<()> {
        let waker = self.changed.arm()?;
        let (mut timer, mut pause) = (None, FIRST_LOOK);
        loop {
            planted::sleep_in_loop();
            waker.drain();
            if missing()?.is_none() {
                return Ok(());
            }
            if !wakes {
                let timer = match &mut timer {
                    Some(timer) => timer,
                    none => none.insert(Timer::new()?),
                };
                timer.drain();
                timer.arm(pause)?;
                pause = LAST_LOOK.min(pause * 2);
            }
            let fds: Vec<_> = iter::once(waker.as_fd()).chain(timer.as_ref().map(AsFd::as_fd)).collect();
            match drive::change(&fds, waiting) {
                Err(e) if e.kind() == ErrorKind::Timeout => return missing()?.map_or(Ok(()), Err),
                waited => waited?,
            }
        }
    }
}
