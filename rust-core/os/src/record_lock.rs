//! Record locks of fcntl, which conflict with other programs' locks, and waiting with a deadline.
//!
//! `F_OFD_SETLKW` keeps the order of calls but has no deadline; polling would lose that order. So a thread of the
//! library sleeps in the kernel's queue for the caller. If the caller gives up, the next caller takes over the thread's
//! place; without one, the thread releases the lock as soon as it gets it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;

use super::eventfd::EventFd;
use super::fork::{self, Guarded, Own};
use super::poll::wait_any;
use super::thread;
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};

/// A range of a file, and its lock, which belongs to the open file description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    how: i32,
    start: i64,
    /// 0 for all to the end of the file.
    length: i64,
}

impl Span {
    /// The whole file, exclusively.
    pub const WRITE: Span = Span { how: libc::F_WRLCK, start: 0, length: 0 };
    /// The whole file, shared with other readers.
    pub const READ: Span = Span { how: libc::F_RDLCK, start: 0, length: 0 };

    /// One byte, exclusively.
    pub const fn byte(at: i64) -> Span {
        Span { how: libc::F_WRLCK, start: at, length: 1 }
    }

    /// One byte, shared.
    pub const fn shared_byte(at: i64) -> Span {
        Span { how: libc::F_RDLCK, start: at, length: 1 }
    }

    fn request(self) -> libc::flock {
        libc::flock {
            l_type: self.how as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: self.start,
            l_len: self.length,
            l_pid: 0,
        }
    }
}

/// Makes one fcntl call; returns 0 or the error's number.
fn set(file: BorrowedFd<'_>, command: i32, what: &mut libc::flock) -> i32 {
    // SAFETY: the descriptor is open; `what` lives through the call.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(what)) };
    if done == 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) }
}

/// A held lock, released by the drop and by the end of the process.
#[derive(Debug)]
pub struct RecordLock {
    file: Arc<Guarded>,
    span: Span,
}

impl RecordLock {
    /// Makes an exclusive lock shared.
    pub fn share(&mut self) -> Result<()> {
        let span = Span { how: libc::F_RDLCK, ..self.span };
        match set(self.file.as_fd(), libc::F_OFD_SETLK, &mut span.request()) {
            0 => {
                self.span = span;
                Ok(())
            }
            errno => Err(Error::os("sharing a file's lock", errno)),
        }
    }

    /// Returns the open file that has the lock.
    pub fn file(&self) -> &Arc<Guarded> {
        &self.file
    }
}

impl Drop for RecordLock {
    fn drop(&mut self) {
        // A child that another thread starts has the file open until its exec. In a forked child the descriptor is
        // `/dev/null`.
        release(self.file.as_fd(), self.span);
    }
}

/// If that fails, the end of the file releases it.
fn release(file: BorrowedFd<'_>, span: Span) {
    set(file, libc::F_OFD_SETLK, &mut Span { how: libc::F_UNLCK, ..span }.request());
}

/// Takes a lock; `None` if another open file has a conflicting lock.
pub fn try_take(file: &Arc<Guarded>, span: Span) -> Result<Option<RecordLock>> {
    match set(file.as_fd(), libc::F_OFD_SETLK, &mut span.request()) {
        0 => Ok(Some(RecordLock { file: file.clone(), span })),
        libc::EAGAIN | libc::EACCES => Ok(None),
        errno => Err(Error::os("locking a file", errno)),
    }
}

/// Returns another open file's conflicting lock, with its process if known.
pub fn holder(file: impl AsFd, span: Span) -> Result<Option<Option<u32>>> {
    let mut what = span.request();
    match set(file.as_fd(), libc::F_OFD_GETLK, &mut what) {
        0 if what.l_type == libc::F_UNLCK as i16 => Ok(None),
        // Locks of open file descriptions belong to no process.
        0 => Ok(Some(u32::try_from(what.l_pid).ok().filter(|pid| *pid > 0))),
        errno => Err(Error::os("looking at a file's locks", errno)),
    }
}

/// Takes a lock, and waits for the process that has it.
///
/// It may be held through another open file than `file`.
///
/// # Errors
/// `Stalled` at the deadline, with the owner's process number if known.
pub fn take(file: Arc<Guarded>, span: Span, waiting: &mut Waiting<'_>) -> Result<RecordLock> {
    if let Some(held) = try_take(&file, span)? {
        return Ok(held);
    }
    if waiting.is_none() {
        return Err(stalled(&file, span, waiting));
    }
    let waker = Arc::new(EventFd::new()?);
    let queued = Queued::start(file, span, Purpose::Hold, &waker)?;
    loop {
        if queued.has_come()? {
            return Ok(RecordLock { file: queued.file.clone(), span });
        }
        match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
            Err(e) if e.kind() == ErrorKind::Timeout => return Err(stalled(&queued.file, span, waiting)),
            slept => slept.map(drop)?,
        }
    }
}

fn stalled(file: &Guarded, span: Span, waiting: &Waiting<'_>) -> Error {
    let who = match holder(file, span) {
        Ok(Some(Some(pid))) => format!("process {pid} has"),
        _ => "another program has".to_owned(),
    };
    let how =
        if waiting.is_none() { "and the call was not to wait" } else { "and did not let go of it in time" };
    Error::new(ErrorKind::Stalled, format!("{who} the lock, {how}; nothing was lost, try again"))
}

/// The purpose of a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A caller waits for the lock.
    Hold,
    /// Notifies when the lock is free, without keeping it.
    Notify,
}

/// A place in the kernel's queue; dropped before its turn, the next caller gets it.
#[derive(Debug)]
pub struct Queued {
    key: LockKey,
    file: Arc<Guarded>,
    turn: Arc<Mutex<Turn>>,
}

/// File, process of a family of forks, lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LockKey {
    file: (u64, u64),
    born: u64,
    span: Span,
    purpose: Purpose,
}

#[derive(Debug)]
struct Turn {
    /// The kernel's answer; `None` while it sleeps.
    errno: Option<i32>,
    /// The present caller's waker, signalled at its turn.
    waker: Arc<EventFd>,
}

/// Places whose callers gave up. The mutex decides between a thread's turn and the next caller.
static ABANDONED: Own<Mutex<Vec<Queued>>> = Own::new();

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queued {
    /// Starts a thread that waits for a lock and signals the waker, or takes over an abandoned place.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(file: Arc<Guarded>, span: Span, purpose: Purpose, waker: &Arc<EventFd>) -> Result<Queued> {
        let facts = rustix::fs::fstat(&*file).doing("looking at a file to lock")?;
        let key = LockKey { file: (facts.st_dev, facts.st_ino), born: fork::generation(), span, purpose };
        {
            let mut abandoned = ABANDONED.lock();
            if let Some(at) = abandoned.iter().position(|place| place.key == key) {
                let place = abandoned.swap_remove(at);
                locked(&place.turn).waker = waker.clone();
                return Ok(place);
            }
        }
        let turn = Arc::new(Mutex::new(Turn { errno: None, waker: waker.clone() }));
        let for_thread = (file.clone(), turn.clone());
        thread::start("linkspan-lock", move || {
            let (file, turn) = for_thread;
            wait_in_queue(file, &turn, span, purpose);
        })?;
        Ok(Queued { key, file, turn })
    }

    /// Returns whether its turn has come; with [`Purpose::Hold`] the open file has the lock.
    pub fn has_come(&self) -> Result<bool> {
        match locked(&self.turn).errno {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(errno) => Err(Error::os("waiting for a file's lock", errno)),
        }
    }
}

/// Sleeps in the kernel's queue, then signals the caller, or releases the lock without one.
fn wait_in_queue(file: Arc<Guarded>, turn: &Arc<Mutex<Turn>>, span: Span, purpose: Purpose) {
    let errno = loop {
        match set(file.as_fd(), libc::F_OFD_SETLKW, &mut span.request()) {
            // A debugger's stop ends the sleep despite blocked signals.
            libc::EINTR => {}
            errno => break errno,
        }
    };
    if errno == 0 && purpose == Purpose::Notify {
        release(file.as_fd(), span);
    }
    let mut abandoned = ABANDONED.lock();
    let waker = {
        let mut turn = locked(turn);
        turn.errno = Some(errno);
        turn.waker.clone()
    };
    let unclaimed: Vec<Queued> = abandoned.extract_if(.., |place| Arc::ptr_eq(&place.turn, turn)).collect();
    if errno == 0 && !unclaimed.is_empty() {
        release(file.as_fd(), span);
    }
    drop(abandoned);
    drop(unclaimed);
    waker.wake();
}

impl Drop for Queued {
    fn drop(&mut self) {
        // The thread does not exist in a forked child.
        if self.key.born != fork::generation() {
            return;
        }
        let mut abandoned = ABANDONED.lock();
        if locked(&self.turn).errno.is_none() {
            abandoned.push(Queued { key: self.key, file: self.file.clone(), turn: self.turn.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::Deadline;
    use std::time::Duration;

    fn open(folder: &tempfile::TempDir) -> Arc<Guarded> {
        let path = folder.path().join("x");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        Arc::new(Guarded::new(file.unwrap().into()))
    }

    fn soon() -> Waiting<'static> {
        Waiting::until(Deadline::after(Duration::from_secs(20)))
    }

    #[test]
    fn abandoned_place_is_reused_by_next_waiter() {
        let folder = tempfile::tempdir().unwrap();
        let holder = open(&folder);
        let held = try_take(&holder, Span::WRITE).unwrap().unwrap();
        assert_eq!(
            take(open(&folder), Span::READ, &mut Waiting::at_once()).unwrap_err().kind(),
            ErrorKind::Stalled
        );
        for _ in 0..20 {
            let mut short = Waiting::until(Deadline::after(Duration::from_millis(1)));
            let error = take(open(&folder), Span::WRITE, &mut short).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stalled);
        }
        // Twenty calls timed out; one thread is in the queue.
        let facts = rustix::fs::fstat(&*holder).unwrap();
        let places =
            || ABANDONED.lock().iter().filter(|p| p.key.file == (facts.st_dev, facts.st_ino)).count();
        assert_eq!(places(), 1);
        let late = std::thread::spawn({
            let file = open(&folder);
            move || take(file, Span::WRITE, &mut soon()).unwrap()
        });
        while places() > 0 {
            std::thread::yield_now();
        }
        drop(held);
        let taken = late.join().unwrap();
        assert!(try_take(&open(&folder), Span::READ).unwrap().is_none());
        drop(taken);
        assert!(try_take(&open(&folder), Span::READ).unwrap().is_some());
    }

    #[test]
    fn abandoned_place_releases_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let holder = open(&folder);
        let held = try_take(&holder, Span::WRITE).unwrap().unwrap();
        let mut short = Waiting::until(Deadline::after(Duration::from_millis(1)));
        take(open(&folder), Span::WRITE, &mut short).unwrap_err();
        drop(held);
        drop(take(open(&folder), Span::WRITE, &mut soon()).unwrap());
        assert!(take(open(&folder), Span::READ, &mut soon()).is_ok());
    }

    #[test]
    fn notified_waiter_does_not_hold_lock() {
        let folder = tempfile::tempdir().unwrap();
        let holder = open(&folder);
        let held = try_take(&holder, Span::WRITE).unwrap().unwrap();
        let waker = Arc::new(EventFd::new().unwrap());
        let queued = Queued::start(open(&folder), Span::READ, Purpose::Notify, &waker).unwrap();
        assert!(!queued.has_come().unwrap());
        drop(held);
        wait_any(&mut soon(), [(waker.as_fd(), PollFlags::IN)]).unwrap();
        assert!(queued.has_come().unwrap());
        assert!(try_take(&open(&folder), Span::WRITE).unwrap().is_some());
    }
}
