//! Record locks as fcntl knows them, which any other program's conflict with, and a wait for them that has a deadline.
//!
//! The kernel wakes whoever sleeps in `F_OFD_SETLKW`, in the order of asking, and knows no deadline there. To try again and
//! again by the clock would lose that order and wake for nothing, so a thread sleeps in the kernel's queue in our stead, and
//! only while somebody else has the lock. A thread whose waiter's deadline has passed cannot be called back: it is left in
//! the queue for the next who waits for the same lock, or lets go of it at once when it gets it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;

use super::eventfd::EventFd;
use super::fork::{self, Guarded};
use super::poll::wait_any;
use super::thread;
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};

/// What of a file is locked, and how. The lock belongs to the open file and ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    how: i32,
    start: i64,
    length: i64,
}

impl Span {
    /// The whole file, for those who write: nobody else has any lock on it.
    pub const WRITE: Span = Span { how: libc::F_WRLCK, start: 0, length: 0 };
    /// The whole file, for those who read: others may read too.
    pub const READ: Span = Span { how: libc::F_RDLCK, start: 0, length: 0 };

    /// One byte, for one who writes.
    pub const fn byte(at: i64) -> Span {
        Span { how: libc::F_WRLCK, start: at, length: 1 }
    }

    /// One byte, for those who share it: nobody writes.
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

/// One fcntl call on a lock; gives 0 or the error's number.
fn set(file: BorrowedFd<'_>, command: i32, what: &mut libc::flock) -> i32 {
    // SAFETY: the descriptor is open and `what` is a flock that lives through the call, which may write to it.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(what)) };
    if done == 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) }
}

/// A held lock. Its end lets go of it, and so does the end of the process.
#[derive(Debug)]
pub struct Held {
    file: Arc<Guarded>,
    span: Span,
}

impl Held {
    /// Lets others share the lock from now on.
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

    /// The open file that has the lock.
    pub fn file(&self) -> &Arc<Guarded> {
        &self.file
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Closing the file would do, but for a child that another thread is just starting: until its program begins, it
        // has the file open, too. In a forked child that goes on, the descriptor is none of a lock any more.
        release(self.file.as_fd(), self.span);
    }
}

/// What cannot be released now is released with the file's end.
fn release(file: BorrowedFd<'_>, span: Span) {
    set(file, libc::F_OFD_SETLK, &mut Span { how: libc::F_UNLCK, ..span }.request());
}

/// Takes a lock; none where somebody else has one that conflicts.
pub fn try_take(file: &Arc<Guarded>, span: Span) -> Result<Option<Held>> {
    match set(file.as_fd(), libc::F_OFD_SETLK, &mut span.request()) {
        0 => Ok(Some(Held { file: file.clone(), span })),
        libc::EAGAIN | libc::EACCES => Ok(None),
        errno => Err(Error::os("locking a file", errno)),
    }
}

/// Whether somebody else has a lock that conflicts; where the kernel says who, its process.
pub fn holder(file: impl AsFd, span: Span) -> Result<Option<Option<u32>>> {
    let mut what = span.request();
    match set(file.as_fd(), libc::F_OFD_GETLK, &mut what) {
        0 if what.l_type == libc::F_UNLCK as i16 => Ok(None),
        // Locks of open files, such as ours, belong to no process.
        0 => Ok(Some(u32::try_from(what.l_pid).ok().filter(|pid| *pid > 0))),
        errno => Err(Error::os("looking at a file's locks", errno)),
    }
}

/// Takes a lock; waits for whoever has it, then `Stalled`. The open file that holds it may be another one of the same file
/// than the one given.
pub fn take(file: Arc<Guarded>, span: Span, waiting: &mut Waiting<'_>) -> Result<Held> {
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
            return Ok(Held { file: queued.file.clone(), span });
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

/// What a place in the queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To hold the lock: somebody waits for it.
    Hold,
    /// To hear that it is free, and not to keep it from others until somebody has time to look.
    Hear,
}

/// A place in the kernel's queue for a lock. Dropped before its turn has come, it is left for the next who asks.
#[derive(Debug)]
pub struct Queued {
    key: Key,
    file: Arc<Guarded>,
    turn: Arc<Mutex<Turn>>,
}

/// Which file, of which process of a family of forks, and which lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    file: (u64, u64),
    born: u64,
    span: Span,
    purpose: Purpose,
}

/// What the thread in the queue and whoever waits for it share.
#[derive(Debug)]
struct Turn {
    /// What the kernel answered.
    errno: Option<i32>,
    waker: Arc<EventFd>,
}

/// Places whose waiter has gone. One mutex settles who is first: the thread whose turn has come, or the next waiter.
static LEFT: Mutex<Vec<Queued>> = Mutex::new(Vec::new());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queued {
    /// Queues up for a lock, or takes over a place that somebody of this process has left. The waker is woken at its turn.
    pub fn start(file: Arc<Guarded>, span: Span, purpose: Purpose, waker: &Arc<EventFd>) -> Result<Queued> {
        let facts = rustix::fs::fstat(&*file).doing("looking at a file to lock")?;
        let key = Key { file: (facts.st_dev, facts.st_ino), born: fork::generation(), span, purpose };
        {
            let mut left = locked(&LEFT);
            if let Some(at) = left.iter().position(|place| place.key == key) {
                let place = left.swap_remove(at);
                locked(&place.turn).waker = waker.clone();
                return Ok(place);
            }
        }
        let turn = Arc::new(Mutex::new(Turn { errno: None, waker: waker.clone() }));
        let theirs = (file.clone(), turn.clone());
        thread::start("linkspan-lock", move || {
            let (file, turn) = theirs;
            wait_in_queue(file, &turn, span, purpose);
        })?;
        Ok(Queued { key, file, turn })
    }

    /// Whether its turn has come; with [`Purpose::Hold`] the open file has the lock then.
    pub fn has_come(&self) -> Result<bool> {
        match locked(&self.turn).errno {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(errno) => Err(Error::os("waiting for a file's lock", errno)),
        }
    }
}

/// What the thread does.
fn wait_in_queue(file: Arc<Guarded>, turn: &Arc<Mutex<Turn>>, span: Span, purpose: Purpose) {
    let errno = loop {
        match set(file.as_fd(), libc::F_OFD_SETLKW, &mut span.request()) {
            // Every signal is blocked here; a debugger's stop ends the sleep all the same.
            libc::EINTR => {}
            errno => break errno,
        }
    };
    if errno == 0 && purpose == Purpose::Hear {
        release(file.as_fd(), span);
    }
    let mut left = locked(&LEFT);
    let waker = {
        let mut turn = locked(turn);
        turn.errno = Some(errno);
        turn.waker.clone()
    };
    let nobody_s: Vec<Queued> = left.extract_if(.., |place| Arc::ptr_eq(&place.turn, turn)).collect();
    if errno == 0 && !nobody_s.is_empty() {
        release(file.as_fd(), span);
    }
    drop(left);
    drop(nobody_s);
    waker.wake();
}

impl Drop for Queued {
    fn drop(&mut self) {
        // In the child of a fork there is no thread, and nothing to leave.
        if self.key.born != fork::generation() {
            return;
        }
        let mut left = locked(&LEFT);
        if locked(&self.turn).errno.is_none() {
            left.push(Queued { key: self.key, file: self.file.clone(), turn: self.turn.clone() });
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
    fn a_lock_is_waited_for_until_the_deadline_and_no_place_in_the_queue_is_lost() {
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
        // Twenty gave up, and one thread stands in the queue for them all.
        let facts = rustix::fs::fstat(&*holder).unwrap();
        let places = || locked(&LEFT).iter().filter(|p| p.key.file == (facts.st_dev, facts.st_ino)).count();
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
    fn a_place_that_was_left_lets_go_of_its_lock() {
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
    fn who_only_hears_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let holder = open(&folder);
        let held = try_take(&holder, Span::WRITE).unwrap().unwrap();
        let waker = Arc::new(EventFd::new().unwrap());
        let queued = Queued::start(open(&folder), Span::READ, Purpose::Hear, &waker).unwrap();
        assert!(!queued.has_come().unwrap());
        drop(held);
        wait_any(&mut soon(), [(waker.as_fd(), PollFlags::IN)]).unwrap();
        assert!(queued.has_come().unwrap());
        assert!(try_take(&open(&folder), Span::WRITE).unwrap().is_some());
    }
}
