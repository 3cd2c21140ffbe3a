//! Sleeping until one of many things happens, without looking at a clock in between.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};

pub use rustix::event::epoll::EventFlags as Interest;

/// A set of descriptors to sleep on.
#[derive(Debug)]
pub struct Epoll(Arc<OwnedFd>);

/// Something that woke us: the number given at `add`, and what is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The number given when the descriptor was added.
    pub token: u64,
    /// What it is ready for.
    pub what: EventFlags,
}

impl Epoll {
    /// An empty set.
    pub fn new() -> Result<Epoll> {
        Ok(Epoll(Arc::new(epoll::create(CreateFlags::CLOEXEC).doing("making an epoll set")?)))
    }

    /// The descriptor, which stays open as long as somebody has it.
    pub fn shared(&self) -> Arc<OwnedFd> {
        self.0.clone()
    }

    /// Adds a descriptor; hang-ups are always told.
    pub fn add(&self, fd: impl AsFd, token: u64, what: EventFlags) -> Result<()> {
        epoll::add(&*self.0, fd, EventData::new_u64(token), what).doing("adding a descriptor to an epoll set")
    }

    /// Changes what a descriptor is watched for.
    pub fn modify(&self, fd: impl AsFd, token: u64, what: EventFlags) -> Result<()> {
        epoll::modify(&*self.0, fd, EventData::new_u64(token), what)
            .doing("changing a descriptor in an epoll set")
    }

    /// Takes a descriptor out; one that is not in it is no error, because a closed one leaves by itself.
    pub fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&*self.0, fd);
    }

    /// Sleeps until something is ready, the deadline, or a tick; `into` is empty after a tick.
    pub fn wait(&self, waiting: &mut Waiting<'_>, into: &mut Vec<Ready>) -> Result<()> {
        let sleep = waiting.sleep()?;
        let interrupted = self.sleep(sleep, into)?;
        waiting.woke(interrupted)
    }

    /// The same for so long at most; false where that has passed, or the deadline.
    pub fn wait_at_most(
        &self,
        most: std::time::Duration,
        waiting: &mut Waiting<'_>,
        into: &mut Vec<Ready>,
    ) -> Result<bool> {
        let sleep = waiting.sleep()?.map_or(most, |left| left.min(most));
        let interrupted = self.sleep(Some(sleep), into)?;
        waiting.woke(interrupted)?;
        Ok(interrupted || !into.is_empty())
    }

    /// What is ready now.
    #[cfg(test)]
    pub fn look(&self, into: &mut Vec<Ready>) -> Result<()> {
        self.sleep(Some(std::time::Duration::ZERO), into).map(drop)
    }

    /// Sleeps so long at most; true when a signal ended it.
    pub fn sleep(&self, left: Option<std::time::Duration>, into: &mut Vec<Ready>) -> Result<bool> {
        into.clear();
        let timeout = left.map(timespec);
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 32];
        match epoll::wait(&*self.0, &mut events[..], timeout.as_ref()) {
            Ok(n) => {
                into.extend(events[..n].iter().map(|e| Ready { token: e.data.u64(), what: e.flags }));
                Ok(false)
            }
            Err(Errno::INTR) => Ok(true),
            Err(e) => Err(e).doing("sleeping in epoll"),
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

pub(super) fn timespec(d: std::time::Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), tv_nsec: d.subsec_nanos().into() }
}

/// Sleeps on a few descriptors until one is ready, the deadline, or a tick. Gives what each is ready for.
pub fn wait_any<const N: usize>(
    waiting: &mut Waiting<'_>,
    on: [(BorrowedFd<'_>, PollFlags); N],
) -> Result<[PollFlags; N]> {
    if let Some(wake) = waiting.wake() {
        let on = on.iter().map(|(fd, what)| PollFd::from_borrowed_fd(*fd, *what));
        let mut fds: Vec<_> = on.chain([PollFd::from_borrowed_fd((*wake).as_fd(), PollFlags::IN)]).collect();
        let slept = wait_each(waiting, &mut fds)?;
        return Ok(std::array::from_fn(|i| if slept { fds[i].revents() } else { PollFlags::empty() }));
    }
    let mut fds = on.map(|(fd, what)| PollFd::from_borrowed_fd(fd, what));
    let slept = wait_each(waiting, &mut fds)?;
    Ok(if slept { fds.map(|fd| fd.revents()) } else { [PollFlags::empty(); N] })
}

/// Sleeps on descriptors until one is readable, the deadline, or a tick.
pub fn wait_readable(waiting: &mut Waiting<'_>, on: &[BorrowedFd<'_>]) -> Result<()> {
    let wake = waiting.wake();
    let wake = wake.as_ref().map(|wake| (**wake).as_fd());
    let on = on.iter().copied().chain(wake);
    let mut fds: Vec<_> = on.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    wait_each(waiting, &mut fds).map(drop)
}

/// Sleeps until descriptors are readable, or hung up, and gives their positions. `InvalidState` for one that is closed.
pub fn wait_first(waiting: &mut Waiting<'_>, on: &[BorrowedFd<'_>]) -> Result<Vec<usize>> {
    let mut fds: Vec<_> = on.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    // What is ready is told also where the call is not to wait.
    let mut look = Some(Timespec::default());
    loop {
        let ready = match look.take() {
            Some(at_once) => match rustix::event::poll(&mut fds, Some(&at_once)) {
                Ok(_) | Err(Errno::INTR) => true,
                Err(e) => return Err(e).doing("sleeping in poll"),
            },
            None => wait_each(waiting, &mut fds)?,
        };
        let told = |(i, fd): (usize, &PollFd<'_>)| (ready && !fd.revents().is_empty()).then_some(i);
        let found: Vec<usize> = fds.iter().enumerate().filter_map(told).collect();
        if let Some(i) = found.iter().find(|i| fds[**i].revents().contains(PollFlags::NVAL)) {
            let text = format!("the descriptor at position {i} is closed");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
}

/// Sleeps on descriptors, each for what is named beside it, until one is ready, the deadline, or a tick.
pub fn wait_fds(waiting: &mut Waiting<'_>, on: &[(BorrowedFd<'_>, PollFlags)]) -> Result<()> {
    let wake = waiting.wake();
    let wake = wake.as_ref().map(|wake| ((**wake).as_fd(), PollFlags::IN));
    let on = on.iter().copied().chain(wake);
    let mut fds: Vec<_> = on.map(|(fd, what)| PollFd::from_borrowed_fd(fd, what)).collect();
    wait_each(waiting, &mut fds).map(drop)
}

/// False where a signal ended the sleep.
fn wait_each(waiting: &mut Waiting<'_>, fds: &mut [PollFd<'_>]) -> Result<bool> {
    let sleep = waiting.sleep()?.map(timespec);
    let interrupted = match rustix::event::poll(fds, sleep.as_ref()) {
        Ok(_) => false,
        Err(Errno::INTR) => true,
        Err(e) => return Err(e).doing("sleeping in poll"),
    };
    waiting.woke(interrupted)?;
    Ok(!interrupted)
}

/// Whether a descriptor is readable now.
pub fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|n| n > 0)
}
