//! Protection of a forked child: inherited descriptors, the parent's objects, process-wide state.
//!
//! With inherited sockets and locks, a child would hide its parent's death from peers. Handlers of `pthread_atfork`
//! replace every [`Guarded`] descriptor in the child by `/dev/null`, and count the [`generation`]. Objects leave shared
//! things alone in other generations.
//!
//! `clone` and `_Fork` run no handlers. So the generation is in a page that the kernel zeroes in children. The child's
//! first call then does the handlers' work.
//!
//! The child of a multi-threaded program may call only async-signal-safe functions.

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use crate::error::{Error, ErrorKind, Result};

/// A separate anonymous page, which the kernel clears in children unless its pages are larger.
#[repr(align(4096))]
struct Page([AtomicU64; 512]);

static PAGE: Page = Page([const { AtomicU64::new(0) }; 512]);

/// First word: this process's number among its ancestors; zero before [`begin`].
const GENERATION: usize = 0;
const BEGINNING: usize = 1;

/// The last generation, which a child inherits.
static LAST: AtomicU64 = AtomicU64::new(0);
static GUARDED: Own<Mutex<Vec<RawFd>>> = Own::new();

/// Returns this process's generation. Relaxed: only a single-threaded child changes it.
pub fn generation() -> u64 {
    match PAGE.0[GENERATION].load(Ordering::Relaxed) {
        0 => begin(),
        generation => generation,
    }
}

/// Installs the handlers, or counts a generation in a child whose fork ran none.
#[cold]
fn begin() -> u64 {
    while PAGE.0[BEGINNING].compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        std::thread::yield_now();
    }
    if PAGE.0[GENERATION].load(Ordering::Relaxed) == 0 {
        let last = LAST.load(Ordering::Relaxed);
        if last == 0 {
            install();
        } else if let Some(parents) = GUARDED.of_generation(last) {
            // A thread that does not exist here may have held it; descriptors then stay open.
            match parents.try_lock() {
                Ok(mut all) => replace(&mut all),
                Err(TryLockError::Poisoned(all)) => replace(&mut all.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        LAST.store(last + 1, Ordering::Relaxed);
        PAGE.0[GENERATION].store(last + 1, Ordering::Release);
    }
    PAGE.0[BEGINNING].store(0, Ordering::Release);
    PAGE.0[GENERATION].load(Ordering::Relaxed)
}

fn install() {
    #[cfg(not(miri))]
    if rustix::param::page_size() == size_of::<Page>() {
        let page: *const Page = &raw const PAGE;
        // SAFETY: one whole page of atomics of this file; zeros are valid. If the kernel refuses, the handlers count.
        let _ = unsafe { libc::madvise(page.cast_mut().cast(), size_of::<Page>(), libc::MADV_WIPEONFORK) };
    }
    // SAFETY: functions of this file that only lock a mutex and call async-signal-safe functions.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

/// Refuses to work on an object of another generation.
///
/// # Errors
/// `InvalidState`.
pub fn check(born: u64) -> Result<()> {
    if born == generation() { Ok(()) } else { Err(parents()) }
}

#[cold]
fn parents() -> Error {
    let text = "this was made before a fork and belongs to the parent; make one of its own in the child";
    Error::new(ErrorKind::InvalidState, text)
}

/// The process that created an object, as its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Born(u64);

impl Default for Born {
    fn default() -> Born {
        Born(generation())
    }
}

impl Born {
    /// Returns whether it is this process.
    pub fn is_here(self) -> bool {
        self.0 == generation()
    }

    /// Refuses to work on an object of another process.
    ///
    /// # Errors
    /// `InvalidState`.
    pub fn check(self) -> Result<()> {
        check(self.0)
    }
}

/// A value of the process that created it. A forked child leaks it instead of dropping it.
///
/// In the child its descriptors may be other files, and its locks may have been held at the fork. Objects keep
/// everything but plain data in such values; a test of the sources checks that.
pub struct OfProcess<T> {
    value: ManuallyDrop<T>,
    born: Born,
}

impl<T> OfProcess<T> {
    /// Returns the value as one of this process.
    pub fn new(value: T) -> OfProcess<T> {
        OfProcess { value: ManuallyDrop::new(value), born: Born::default() }
    }

    /// Returns the process that created it.
    pub fn born(of: &OfProcess<T>) -> Born {
        of.born
    }
}

impl<T> From<T> for OfProcess<T> {
    fn from(value: T) -> OfProcess<T> {
        OfProcess::new(value)
    }
}

impl<T> Drop for OfProcess<T> {
    #[inline]
    fn drop(&mut self) {
        if self.born.is_here() {
            // SAFETY: nothing uses the field after the drop.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

impl<T> Deref for OfProcess<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for OfProcess<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: AsFd> AsFd for OfProcess<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.value.as_fd()
    }
}

impl<T: AsRawFd> AsRawFd for OfProcess<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.value.as_raw_fd()
    }
}

impl<T: fmt::Debug> fmt::Debug for OfProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A descriptor that this process created: a forked child does not close it.
pub type Descriptor = OfProcess<OwnedFd>;

/// Per-process state for a `static`: a forked child begins with a new one.
///
/// A thread of the parent may have changed or locked the old state at the fork.
pub struct Own<T>(AtomicPtr<OfGeneration<T>>);

struct OfGeneration<T> {
    generation: u64,
    state: T,
    /// Not freed: leak checkers find it here.
    parents: *mut OfGeneration<T>,
}

impl<T: Default + Send + Sync + 'static> Own<T> {
    /// Returns a place without state.
    #[expect(clippy::new_without_default, reason = "each is a static, which no default makes")]
    pub const fn new() -> Own<T> {
        Own(AtomicPtr::new(ptr::null_mut()))
    }

    /// Returns this process's state, which the first caller creates.
    pub fn get(&self) -> &'static T {
        let generation = generation();
        self.of_generation(generation).unwrap_or_else(|| self.make(generation))
    }

    /// Returns this process's state; `None` if absent, or if the fork ran no handlers. Async-signal-safe.
    pub fn existing(&self) -> Option<&'static T> {
        self.of_generation(PAGE.0[GENERATION].load(Ordering::Relaxed))
    }

    fn of_generation(&self, generation: u64) -> Option<&'static T> {
        // SAFETY: `make` has leaked the referent, so it lives as long as the process and is shared.
        let there = unsafe { self.0.load(Ordering::Acquire).as_ref() };
        there.filter(|there| there.generation == generation).map(|there| &there.state)
    }

    #[cold]
    fn make(&self, generation: u64) -> &'static T {
        let new = OfGeneration { generation, state: T::default(), parents: ptr::null_mut() };
        let made = Box::into_raw(Box::new(new));
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            // SAFETY: as above.
            if let Some(there) = unsafe { seen.as_ref() }.filter(|there| there.generation == generation) {
                // SAFETY: created above, and not published.
                drop(unsafe { Box::from_raw(made) });
                return &there.state;
            }
            // SAFETY: created above, and not published.
            unsafe { (*made).parents = seen };
            match self.0.compare_exchange(seen, made, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: it is published now, and is never freed.
                Ok(_) => return unsafe { &(*made).state },
                Err(other) => seen = other,
            }
        }
    }
}

impl<T: Send> Own<Mutex<T>>
where
    T: Default + 'static,
{
    /// Searches the ancestors' states, for a forked child, which may not wait for them.
    pub fn find_inherited<R>(&self, mut find: impl FnMut(&mut T) -> Option<R>) -> Inherited<R> {
        /// Another thread needs a few instructions; each attempt yields.
        const ATTEMPTS: usize = 50;
        let mut place = self.0.load(Ordering::Acquire);
        let here = generation();
        // SAFETY: as in `of_generation`; `parents` is written before the place is published.
        while let Some(state) = unsafe { place.as_ref() } {
            if state.generation != here {
                let taken = (0..ATTEMPTS).find_map(|_| match state.state.try_lock() {
                    Ok(taken) => Some(taken),
                    Err(TryLockError::Poisoned(taken)) => Some(taken.into_inner()),
                    Err(TryLockError::WouldBlock) => {
                        std::thread::yield_now();
                        None
                    }
                });
                let Some(mut taken) = taken else { return Inherited::Unknown };
                if let Some(found) = find(&mut taken) {
                    return Inherited::Found(found);
                }
            }
            place = state.parents;
        }
        Inherited::None
    }
}

/// The result of a search in the parent's states.
pub enum Inherited<R> {
    /// It is there.
    Found(R),
    /// No state has it.
    None,
    /// A state was locked at the fork.
    Unknown,
}

impl<T: Send> Own<Mutex<T>>
where
    T: Default + 'static,
{
    /// Locks this process's state, also after a panic.
    pub fn lock(&self) -> MutexGuard<'static, T> {
        self.get().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A descriptor that a forked child must not keep open: a socket, a lock.
///
/// The child replaces it by /dev/null, so its number stays in use.
#[derive(Debug)]
pub struct Guarded {
    /// Taken only in the drop.
    descriptor: ManuallyDrop<OwnedFd>,
    close: fn(OwnedFd),
    born: Born,
}

impl Guarded {
    /// Guards this descriptor.
    pub fn new(fd: OwnedFd) -> Guarded {
        Guarded::closed_by(fd, drop)
    }

    /// [`Guarded::new`] with a function that closes the descriptor.
    pub(crate) fn closed_by(fd: OwnedFd, close: fn(OwnedFd)) -> Guarded {
        GUARDED.lock().push(fd.as_raw_fd());
        Guarded { descriptor: ManuallyDrop::new(fd), close, born: Born::default() }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // In a child the number may be another file's.
        if !self.born.is_here() {
            return;
        }
        let number = self.descriptor.as_raw_fd();
        let mut all = GUARDED.lock();
        if let Some(at) = all.iter().position(|fd| *fd == number) {
            all.swap_remove(at);
        }
        drop(all);
        // SAFETY: nothing uses the field after the drop.
        (self.close)(unsafe { ManuallyDrop::take(&mut self.descriptor) });
    }
}

impl AsFd for Guarded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Guarded {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

/// Keeps the list locked while a thread forks, so that the child never sees a half-changed list.
///
/// Only the lock's holder writes it, and empties it before the release. A thread-local would be gone when a handler of
/// `atexit` forks.
struct GuardCell(UnsafeCell<Option<MutexGuard<'static, Vec<RawFd>>>>);

// SAFETY: only the thread with the lock touches it; in the child it is the only thread.
unsafe impl Sync for GuardCell {}

static HELD: GuardCell = GuardCell(UnsafeCell::new(None));

extern "C" fn before() {
    let lock = GUARDED.lock();
    // SAFETY: this thread has the lock from here on.
    unsafe { *HELD.0.get() = Some(lock) };
}

extern "C" fn in_parent() {
    // SAFETY: this thread has the lock, and releases it after taking it out of the place.
    let lock = unsafe { (*HELD.0.get()).take() };
    drop(lock);
}

extern "C" fn in_child() {
    let last = LAST.load(Ordering::Relaxed) + 1;
    LAST.store(last, Ordering::Relaxed);
    PAGE.0[BEGINNING].store(0, Ordering::Relaxed);
    PAGE.0[GENERATION].store(last, Ordering::Relaxed);
    // SAFETY: the forking thread had the lock, and is the only one here.
    if let Some(mut all) = unsafe { (*HELD.0.get()).take() } {
        replace(&mut all);
    }
}

/// Replaces the parent's descriptors in a child by /dev/null. Async-signal-safe.
fn replace(all: &mut Vec<RawFd>) {
    // SAFETY: open, dup3 and close are async-signal-safe; this process owns the numbers.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for fd in all.drain(..) {
            if null < 0 || libc::dup3(null, fd, libc::O_CLOEXEC) < 0 {
                libc::close(fd);
            }
        }
        if null >= 0 {
            libc::close(null);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    static CREATED: AtomicU64 = AtomicU64::new(0);
    static STATE: Own<Counted> = Own::new();

    struct Counted(u64);

    impl Default for Counted {
        fn default() -> Counted {
            Counted(CREATED.fetch_add(1, Ordering::Relaxed) + 1)
        }
    }

    fn in_a_child(fork: impl FnOnce() -> libc::pid_t, child: impl FnOnce() -> bool) -> bool {
        let pid = fork();
        if pid == 0 {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            // SAFETY: runs no code of the parent.
            unsafe { libc::_exit(i32::from(!matches!(result, Ok(true)))) };
        }
        let mut status = 0;
        // SAFETY: a child of this process; `status` is local.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    /// A child has its own generation and state, and not the parent's socket.
    fn check_child(fork: impl FnOnce() -> libc::pid_t) {
        let (mine, state) = (generation(), STATE.get().0);
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let guarded = Guarded::new(one.into());
        assert!(in_a_child(fork, || {
            let child = generation();
            child != mine
                && check(mine).is_err_and(|e| e.kind() == ErrorKind::InvalidState)
                && STATE.get().0 != state
                && rustix::net::sockopt::socket_type(guarded.as_fd()).is_err()
        }));
        assert_eq!((generation(), STATE.get().0), (mine, state));
        drop((guarded, other));
    }

    #[test]
    fn child_of_fork_has_a_generation_and_state_of_its_own() {
        // SAFETY: the fork's handlers made memory usable; ends by _exit.
        check_child(|| unsafe { libc::fork() });
    }

    #[test]
    #[ignore = "a process of its own, started by the test below"]
    fn clones() {
        // SAFETY: the only other thread waits for this one.
        check_child(|| unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t });
    }

    #[test]
    fn child_whose_fork_runs_no_handlers_has_them_too() {
        let alone = ["fork::tests::clones", "--exact", "--ignored", "--test-threads=1"];
        let out = std::process::Command::new(std::env::current_exe().unwrap()).args(alone).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains("1 passed"), "{text}");
    }
}
