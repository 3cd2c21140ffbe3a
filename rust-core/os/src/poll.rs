//! Waiting for several events, without reading a clock in between.
//!
//! Every function that may block takes a [`Waiting`]. A signal ends a sleep early (`EINTR`), so the caller can run
//! signal handlers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::deadline::{Deadline, Waiting};
use crate::descriptor;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::fork::Descriptor;
use crate::{kernel_entry, sleeping};

pub use rustix::event::epoll::EventFlags as Interest;

/// A set of descriptors (epoll), shared by clones.
#[derive(Clone, Debug)]
pub struct Epoll(Arc<Descriptor>);

/// The most descriptors that one sleep on a set returns.
pub const MAX_EVENTS: usize = 32;

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The number given at [`Epoll::add`].
    pub token: u64,
    /// The events that it is ready for.
    pub what: EventFlags,
}

impl Epoll {
    /// Returns an empty set.
    pub fn new() -> Result<Epoll> {
        Ok(Epoll(Arc::new(descriptor::epoll_set().doing("making an epoll set (epoll_create1)")?.into())))
    }

    /// Returns the descriptor of the set, which stays open while any holder exists.
    pub fn shared(&self) -> Arc<Descriptor> {
        self.0.clone()
    }

    /// Adds a descriptor. Hang-ups are always reported.
    pub fn add(&self, fd: impl AsFd, token: u64, what: EventFlags) -> Result<()> {
        kernel_entry::assert_allowed();
        epoll::add(&*self.0, fd, EventData::new_u64(token), what)
            .doing("adding a descriptor to an epoll set (epoll_ctl)")
    }

    /// Changes a descriptor's events.
    pub fn modify(&self, fd: impl AsFd, token: u64, what: EventFlags) -> Result<()> {
        epoll::modify(&*self.0, fd, EventData::new_u64(token), what)
            .doing("changing a descriptor in an epoll set (epoll_ctl)")
    }

    /// Removes a descriptor, if it is in the set.
    pub fn remove(&self, fd: impl AsFd) {
        kernel_entry::assert_allowed();
        let _ = epoll::delete(&*self.0, fd);
    }

    /// Sleeps until a descriptor is ready, the deadline, or a tick (`into` is then empty).
    ///
    /// # Errors
    /// `Timeout` at the deadline; `Cancelled` if the caller has ended the wait; the tick's error.
    pub fn wait(&self, waiting: &mut Waiting<'_>, into: &mut Vec<Ready>) -> Result<()> {
        if waiting.stop().is_some() {
            // The set lacks the descriptor that ends the wait.
            into.clear();
            wait_readable(waiting, &[self.0.as_fd()])?;
            return self.sleep(Some(Duration::ZERO), into).map(drop);
        }
        let sleep = waiting.sleep()?;
        let interrupted = self.sleep(sleep, into)?;
        waiting.woke(interrupted)
    }

    /// Sleeps this long at most (`None`: no limit); true after a signal.
    pub fn sleep(&self, timeout: Option<std::time::Duration>, into: &mut Vec<Ready>) -> Result<bool> {
        kernel_entry::assert_allowed();
        if timeout != Some(Duration::ZERO) {
            sleeping::assert_driven();
        }
        into.clear();
        let timespec = timeout.map(timespec);
        let mut events =
            [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; MAX_EVENTS];
        match epoll::wait(&*self.0, &mut events[..], timespec.as_ref()) {
            Ok(n) => {
                into.extend(events[..n].iter().map(|e| Ready { token: e.data.u64(), what: e.flags }));
                Ok(false)
            }
            Err(Errno::INTR) => Ok(true),
            Err(e) => Err(e).doing("waiting for a set of descriptors (epoll_pwait)"),
        }
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Polls without waiting, repeated if a signal interrupts; returns how many are ready.
pub fn look(fds: &mut [PollFd<'_>]) -> rustix::io::Result<usize> {
    loop {
        match rustix::event::poll(fds, Some(&Timespec::default())) {
            Err(Errno::INTR) => {}
            looked => return looked,
        }
    }
}

/// Returns a descriptor's events within this time, or none. No signal ends the wait.
///
/// # Errors
/// The kernel's.
pub fn happens_within(fd: BorrowedFd<'_>, what: PollFlags, time: Duration) -> Result<PollFlags> {
    kernel_entry::assert_allowed();
    if !time.is_zero() {
        sleeping::assert_driven();
    }
    let deadline = Deadline::after(time);
    let mut fds = [PollFd::from_borrowed_fd(fd, what)];
    loop {
        let left = deadline.remaining().unwrap_or_default();
        match rustix::event::poll(&mut fds, Some(&timespec(left))) {
            Ok(_) => return Ok(fds[0].revents()),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e).doing("waiting for descriptors (ppoll)"),
        }
    }
}

pub(super) fn timespec(d: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), tv_nsec: d.subsec_nanos().into() }
}

/// Sleeps until either is readable or hung up; `None` after a signal. Faster than an epoll set.
pub fn sleep_on_two(first: BorrowedFd<'_>, second: BorrowedFd<'_>) -> Result<Option<[bool; 2]>> {
    kernel_entry::assert_allowed();
    sleeping::assert_driven();
    let mut fds = [first, second].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    match rustix::event::poll(&mut fds, None) {
        Ok(_) => Ok(Some(fds.map(|fd| !fd.revents().is_empty()))),
        Err(Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("waiting for two descriptors (ppoll)"),
    }
}

/// Sleeps until a descriptor is ready, the deadline, or a tick. Returns each one's events.
///
/// # Errors
/// `Timeout` at the deadline; the tick's error.
pub fn wait_any<const N: usize>(
    waiting: &mut Waiting<'_>,
    on: [(BorrowedFd<'_>, PollFlags); N],
) -> Result<[PollFlags; N]> {
    let enders = enders(waiting);
    if enders.iter().any(Option::is_some) {
        let on = on.iter().copied().chain(of_enders(&enders));
        let mut fds: Vec<_> = on.map(|(fd, what)| PollFd::from_borrowed_fd(fd, what)).collect();
        let slept = wait_each(waiting, &mut fds)?;
        return Ok(std::array::from_fn(|i| if slept { fds[i].revents() } else { PollFlags::empty() }));
    }
    let mut fds = on.map(|(fd, what)| PollFd::from_borrowed_fd(fd, what));
    let slept = wait_each(waiting, &mut fds)?;
    Ok(if slept { fds.map(|fd| fd.revents()) } else { [PollFlags::empty(); N] })
}

/// Sleeps until a descriptor is readable, the deadline, or a tick.
pub fn wait_readable(waiting: &mut Waiting<'_>, on: &[BorrowedFd<'_>]) -> Result<()> {
    let enders = enders(waiting);
    let on = on.iter().map(|fd| (*fd, PollFlags::IN)).chain(of_enders(&enders));
    let mut fds: Vec<_> = on.map(|(fd, what)| PollFd::from_borrowed_fd(fd, what)).collect();
    wait_each(waiting, &mut fds).map(drop)
}

/// Sleeps until descriptors are readable or hung up, and returns their positions.
///
/// Without waiting it still reports ready descriptors.
///
/// # Errors
/// `InvalidState` for a closed descriptor; `Timeout`.
pub fn wait_first(waiting: &mut Waiting<'_>, on: &[BorrowedFd<'_>]) -> Result<Vec<usize>> {
    let mut fds: Vec<_> = on.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    // Does not block: without waiting, ready descriptors count.
    let mut first = Some(());
    loop {
        let ready = match first.take() {
            Some(()) => look(&mut fds).doing("looking at descriptors (ppoll)").map(|_| true)?,
            None => wait_each(waiting, &mut fds)?,
        };
        let ready_at = |(i, fd): (usize, &PollFd<'_>)| (ready && !fd.revents().is_empty()).then_some(i);
        let found: Vec<usize> = fds.iter().enumerate().filter_map(ready_at).collect();
        if let Some(i) = found.iter().find(|i| fds[**i].revents().contains(PollFlags::NVAL)) {
            let text = format!("the descriptor at position {i} is closed");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
}

/// Sleeps on descriptors, each with its event, until one is ready, the deadline, or a tick.
pub fn wait_fds(waiting: &mut Waiting<'_>, on: &[(BorrowedFd<'_>, PollFlags)]) -> Result<()> {
    let enders = enders(waiting);
    let on = on.iter().copied().chain(of_enders(&enders));
    let mut fds: Vec<_> = on.map(|(fd, what)| PollFd::from_borrowed_fd(fd, what)).collect();
    wait_each(waiting, &mut fds).map(drop)
}

type Enders = [Option<Arc<dyn AsFd + Send + Sync>>; 2];

fn enders(waiting: &Waiting<'_>) -> Enders {
    [waiting.wake(), waiting.stop()]
}

fn of_enders(enders: &Enders) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
    enders.iter().flatten().map(|fd| ((**fd).as_fd(), PollFlags::IN))
}

/// Polls once; false after a signal.
fn wait_each(waiting: &mut Waiting<'_>, fds: &mut [PollFd<'_>]) -> Result<bool> {
    kernel_entry::assert_allowed();
    let sleep = waiting.sleep()?.map(timespec);
    sleeping::assert_driven();
    let interrupted = match rustix::event::poll(fds, sleep.as_ref()) {
        Ok(_) => false,
        Err(Errno::INTR) => true,
        Err(e) => return Err(e).doing("waiting for descriptors (ppoll)"),
    };
    waiting.woke(interrupted)?;
    check_stop(waiting)?;
    Ok(!interrupted)
}

/// Begins another round of a loop that a peer can prolong.
///
/// # Errors
/// As [`Waiting::count_round`]; `Cancelled` if the caller has ended the wait.
pub fn next_round(waiting: &mut Waiting<'_>) -> Result<()> {
    waiting.count_round()?;
    check_stop(waiting)
}

fn check_stop(waiting: &Waiting<'_>) -> Result<()> {
    match waiting.stop() {
        Some(stop) if is_readable((*stop).as_fd()) => {
            Err(Error::new(ErrorKind::Cancelled, "the caller ended the wait"))
        }
        _ => Ok(()),
    }
}

/// Returns whether it is readable; true also on errors, which the caller then gets.
pub fn is_readable(fd: BorrowedFd<'_>) -> bool {
    kernel_entry::assert_allowed();
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    look(&mut fds).map_or(true, |n| n > 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::os::unix::thread::JoinHandleExt;
    use std::thread;

    use super::*;

    #[test]
    fn what_has_happened_is_seen_without_time_and_what_has_not_is_nothing() {
        let (near, far) = UnixStream::pair().unwrap();
        for time in [Duration::ZERO, Duration::from_millis(1)] {
            assert!(happens_within(near.as_fd(), PollFlags::RDHUP, time).unwrap().is_empty());
        }
        drop(far);
        assert!(
            happens_within(near.as_fd(), PollFlags::RDHUP, Duration::ZERO)
                .unwrap()
                .contains(PollFlags::RDHUP)
        );
    }

    extern "C" fn ignore(_: libc::c_int) {}

    #[test]
    fn signals_do_not_end_the_wait_for_what_happens() {
        // SAFETY: the handler does nothing; the structure lives through the call.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as *const () as libc::sighandler_t;
            assert_eq!(libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut()), 0);
        }
        let (near, far) = UnixStream::pair().unwrap();
        let waiting =
            thread::spawn(move || happens_within(near.as_fd(), PollFlags::RDHUP, Duration::from_secs(60)));
        for _ in 0..50 {
            // SAFETY: the thread has not been joined.
            assert_eq!(unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGURG) }, 0);
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!waiting.is_finished(), "a signal ended the wait");
        drop(far);
        assert!(waiting.join().unwrap().unwrap().contains(PollFlags::RDHUP));
    }
}
