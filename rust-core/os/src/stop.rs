//! Signals that ask a program to stop: SIGINT and SIGTERM, if the program does not handle them.
//!
//! They count from the oldest [`Watch`] on: the first one is passed to the program, and the second ends it. A service
//! (`watch_patiently`) gets two: SHUTDOWN, and cancelling its task; the third ends it.
//!
//! The handler is async-signal-safe. It counts, and wakes an eventfd that is never closed. At the last signal for the
//! program it restores the default action, so the next one ends even a stuck program. Handlers never replace the
//! program's.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::descriptor;
use crate::error::{Doing, Error, Result};
use crate::fork::{self, Guarded, Own};

/// A forked child begins without its parent's signals; an inherited handler takes the default action.
static SIGNALLED: Own<Signalled> = Own::new();

struct Signalled {
    /// A child of `vfork` shares the memory but not the signals.
    process: libc::pid_t,
    count: AtomicU32,
    last: AtomicI32,
    /// The count at which the handler restores the default actions.
    last_passed: AtomicU32,
    /// The eventfd that the handler signals; -1 before its creation.
    waker: AtomicI32,
    /// The existing watches, which need the handlers.
    watches: Mutex<Vec<Watched>>,
}

impl Default for Signalled {
    fn default() -> Signalled {
        Signalled {
            process: this_process(),
            count: AtomicU32::new(0),
            last: AtomicI32::new(0),
            last_passed: AtomicU32::new(1),
            waker: AtomicI32::new(-1),
            watches: Mutex::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Watched {
    /// The number of signals before it began.
    began: u32,
    /// How many signals it passes to the program.
    patience: u32,
}

/// Keeps the handlers installed; the last watch's drop restores the default actions.
#[derive(Debug)]
pub struct Watch {
    born: u64,
    watched: Watched,
    /// Signals before it, or that ended a loop of this watch.
    before: u32,
}

impl Watch {
    /// Returns the number of signals before this watch; further ones are its own.
    pub fn before(&self) -> u32 {
        self.before
    }

    /// Returns whether a signal asks this watch's loop to stop.
    pub fn is_requested(&self) -> bool {
        count() > self.before
    }

    /// [`Watch::is_requested`], once: a later loop waits again.
    pub fn take_request(&mut self) -> bool {
        let count = count();
        std::mem::replace(&mut self.before, count) < count
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.born != fork::generation() {
            return;
        }
        let signalled = SIGNALLED.get();
        let mut watches = signalled.lock();
        if let Some(position) = watches.iter().position(|watched| *watched == self.watched) {
            watches.swap_remove(position);
        }
        if !watches.is_empty() {
            // The remaining watches may have begun after the last signal. Installing an installed handler again cannot
            // fail.
            let _ = signalled.pass(&watches);
            return;
        }
        let seen = count();
        signalled.last_passed.store(seen.saturating_add(1), Ordering::SeqCst);
        SIGNALS.into_iter().for_each(restore);
        // A signal during the restoring has met a handler.
        if count() > seen {
            raise(signalled.last.load(Ordering::Acquire));
        }
    }
}

const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// Installs the handlers, from an object's first iteration until it is closed or dropped.
///
/// The first SIGINT or SIGTERM ends its loop, so the program can end in order. After the object's end, the next signal
/// is the first for another waiting object. Signals that the program handles or ignores are left alone.
pub fn watch() -> Result<Watch> {
    install(1)
}

/// [`watch`] with two signals for the program.
pub fn watch_patiently() -> Result<Watch> {
    install(2)
}

impl Signalled {
    fn lock(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets which signals are for the program. An earlier signal may have restored the default action.
    fn pass(&self, watches: &[Watched]) -> Result<()> {
        let oldest = watches.iter().map(|watched| watched.began).min().unwrap_or_default();
        let patience = watches.iter().map(|watched| watched.patience).max().unwrap_or_default();
        let last_passed = oldest.saturating_add(patience);
        self.last_passed.store(last_passed, Ordering::SeqCst);
        if count() < last_passed {
            for signal in SIGNALS.into_iter().filter(|signal| is_default(*signal)) {
                handle(signal)?;
            }
        }
        Ok(())
    }

    /// Creates the eventfd, once per process: a forked child's signals would wake the parent's threads.
    fn make_waker(&self, _guard: &MutexGuard<'_, Vec<Watched>>) -> Result<()> {
        if self.waker.load(Ordering::Acquire) < 0 {
            let waker = descriptor::event().doing("making an eventfd (eventfd2)")?;
            // Never closed.
            let waker = std::mem::ManuallyDrop::new(Guarded::new(waker));
            self.waker.store(waker.as_raw_fd(), Ordering::Release);
        }
        Ok(())
    }

    fn received(&self, signal: libc::c_int) {
        self.last.store(signal, Ordering::Release);
        let count = self.count.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let last_passed = self.last_passed.load(Ordering::SeqCst);
        if count >= last_passed {
            // Restored here, not by the program, which may be stuck.
            SIGNALS.into_iter().for_each(restore);
            // A concurrent caller that passes more signals found the handlers installed.
            if count < self.last_passed.load(Ordering::SeqCst) {
                SIGNALS
                    .into_iter()
                    .filter(|signal| is_default(*signal))
                    .for_each(|signal| drop(handle(signal)));
            }
        }
        if count > last_passed {
            // Another thread handled the last one: not for the program.
            raise(signal);
        }
        let one = 1u64.to_le_bytes();
        // SAFETY: write is async-signal-safe; eight bytes; the descriptor is never closed.
        unsafe { libc::write(self.waker.load(Ordering::Acquire), one.as_ptr().cast(), one.len()) };
    }
}

fn install(patience: u32) -> Result<Watch> {
    let signalled = SIGNALLED.get();
    let mut watches = signalled.lock();
    signalled.make_waker(&watches)?;
    let began = count();
    let watched = Watched { began, patience };
    watches.push(watched);
    if let Err(error) = signalled.pass(&watches) {
        watches.pop();
        return Err(error);
    }
    Ok(Watch { born: fork::generation(), watched, before: began })
}

fn handle(signal: libc::c_int) -> Result<()> {
    // SAFETY: the handler only touches atomics and calls async-signal-safe functions.
    let done = unsafe {
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = handler();
        libc::sigaction(signal, &new, std::ptr::null_mut())
    };
    if done == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    Err(Error::os(format_args!("watching for signal {signal}"), errno))
}

/// Restores the default action if the handler is ours. Async-signal-safe.
fn restore(signal: libc::c_int) {
    if disposition(signal) == Some(handler()) {
        // SAFETY: async-signal-safe; removes this file's handler, which replaced none.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Raises a signal on this thread. Async-signal-safe; in its handler it takes effect at the return.
fn raise(signal: libc::c_int) {
    // SAFETY: raise is async-signal-safe.
    unsafe { libc::raise(signal) };
}

fn this_process() -> libc::pid_t {
    // SAFETY: no preconditions; async-signal-safe.
    unsafe { libc::getpid() }
}

fn handler() -> libc::sighandler_t {
    on_signal as *const () as libc::sighandler_t
}

fn is_default(signal: libc::c_int) -> bool {
    disposition(signal) == Some(libc::SIG_DFL)
}

/// `None` if the kernel does not report it.
fn disposition(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: `old` lives through the call; nothing is changed.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &mut old) == 0).then_some(old.sa_sigaction)
    }
}

/// Keeps the interrupted call's `errno`.
extern "C" fn on_signal(signal: libc::c_int) {
    // SAFETY: this thread's errno, valid while the thread runs.
    let errno = unsafe { &mut *libc::__errno_location() };
    let before = *errno;
    match SIGNALLED.existing().filter(|signalled| signalled.process == this_process()) {
        Some(signalled) => signalled.received(signal),
        // A child that has inherited the handler.
        None => {
            restore(signal);
            raise(signal);
        }
    }
    *errno = before;
}

/// Returns the number of these signals.
pub fn count() -> u32 {
    SIGNALLED.existing().map_or(0, |signalled| signalled.count.load(Ordering::SeqCst))
}

/// Returns a descriptor that is readable after a signal; valid after [`watch`] or `watch_patiently`.
///
/// It is never drained. Threads that want each signal wait with [`Interest::ET`](crate::poll::Interest::ET). The count
/// decides.
pub fn waker() -> BorrowedFd<'static> {
    let fd = SIGNALLED.get().waker.load(Ordering::Acquire);
    // SAFETY: `watch` has stored an open descriptor, which is never closed.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, ChildStdout, Command, Stdio};

    use super::*;
    use crate::deadline::{Deadline, Waiting};
    use crate::poll::{Epoll, Interest};

    /// A separate program that prints the count at each wake-up.
    #[test]
    #[ignore = "a process of its own, started by the tests below"]
    fn program() {
        let parts = std::env::var("LINKSPAN_TEST_STOP").unwrap_or_default();
        // A shell without job control starts background programs with SIGINT ignored.
        for signal in SIGNALS {
            // SAFETY: no handler of this file is installed.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        for part in parts.split(' ') {
            match part {
                "watch" => std::mem::forget(watch().unwrap()),
                "patient" => std::mem::forget(watch_patiently().unwrap()),
                "brief" => drop(watch().unwrap()),
                "ended" => watch_until_a_signal(),
                // The second watch begins after the signal.
                "passed" => {
                    let mut watch = watch().unwrap();
                    raise(libc::SIGTERM);
                    assert!(watch.take_request());
                    let after = super::watch().unwrap();
                    drop(watch);
                    assert!(!after.is_requested());
                    std::mem::forget(after);
                }
                "alone" => SIGNALLED.get().make_waker(&SIGNALLED.get().lock()).unwrap(),
                // SAFETY: no handler of this file is installed.
                "ignores-int" => drop(unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) }),
                "counts" => wait_for_signals(1),
                // SAFETY: the child raises a signal and ends.
                "forks" => child_ends_by_its_signal(|| unsafe { libc::fork() }),
                // SAFETY: as above. A raw call runs no handlers of `pthread_atfork`.
                "clones" => child_ends_by_its_signal(|| unsafe {
                    libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t
                }),
                "full" => handler_keeps_errno(),
                "late" => late_signal_is_counted(),
                other => panic!("{other:?} is no part of a program"),
            }
        }
        print("ready");
        wait_for_signals(u32::MAX);
    }

    fn watch_until_a_signal() {
        let mut watch = watch().unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.add(waker(), 0, Interest::IN | Interest::ET).unwrap();
        let mut ready = Vec::new();
        let mut waiting = Waiting::until(Deadline::after(std::time::Duration::from_secs(60)));
        raise(libc::SIGTERM);
        while !watch.take_request() {
            epoll.wait(&mut waiting, &mut ready).unwrap();
        }
    }

    /// SIGTERM ends a child and is not counted here.
    fn child_ends_by_its_signal(fork: impl FnOnce() -> libc::pid_t) {
        let child = fork();
        if child == 0 {
            // SAFETY: async-signal-safe functions in a child of a single thread.
            unsafe {
                libc::raise(libc::SIGTERM);
                libc::_exit(7);
            }
        }
        assert!(child > 0);
        let mut status = 0;
        // SAFETY: a child of this process; `status` is local.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGTERM, "status {status:#x}");
        assert!(!crate::poll::is_readable(waker()), "the child woke its parent");
        assert_eq!(count(), 0);
    }

    /// The handler's write fails: the waker is full.
    fn handler_keeps_errno() {
        rustix::io::write(waker(), &(u64::MAX - 1).to_le_bytes()).unwrap();
        // SAFETY: this thread's errno; the handler returns.
        let errno = unsafe {
            *libc::__errno_location() = libc::EDOM;
            libc::raise(libc::SIGTERM);
            *libc::__errno_location()
        };
        assert_eq!((errno, count()), (libc::EDOM, 1));
    }

    /// A signal before the first look at the count.
    fn late_signal_is_counted() {
        let watch = watch_patiently().unwrap();
        // SAFETY: the handler returns.
        unsafe { libc::raise(libc::SIGTERM) };
        assert_eq!((watch.before(), count()), (0, 1));
        std::mem::forget(watch);
    }

    fn wait_for_signals(until: u32) {
        let epoll = Epoll::new().unwrap();
        epoll.add(waker(), 0, Interest::IN | Interest::ET).unwrap();
        let mut ready = Vec::new();
        let mut waiting = Waiting::until(Deadline::after(std::time::Duration::from_secs(60)));
        print("counts");
        loop {
            epoll.wait(&mut waiting, &mut ready).unwrap();
            if !ready.is_empty() {
                print(&count().to_string());
                if count() >= until {
                    return;
                }
            }
        }
    }

    fn print(word: &str) {
        // The harness may not have ended its line.
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{word}").and_then(|()| out.flush()).unwrap();
    }

    struct Program {
        child: Child,
        lines: BufReader<ChildStdout>,
    }

    impl Program {
        fn start(parts: &str) -> Program {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["stop::tests::program", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
                .env("LINKSPAN_TEST_STOP", parts)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap());
            Program { child, lines }
        }

        fn expect(&mut self, word: &str) {
            loop {
                let mut line = String::new();
                assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended before it wrote {word}");
                let text = line.trim();
                if text == word {
                    return;
                }
                assert!(!text.chars().all(|c| c.is_ascii_digit()) || text.is_empty(), "{text} before {word}");
            }
        }

        fn signal(&self, signal: libc::c_int) {
            // SAFETY: not waited for, so the number is not reused.
            assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, 0);
        }

        fn ends_by(mut self, signal: libc::c_int) {
            self.signal(signal);
            assert_eq!(self.child.wait().unwrap().signal(), Some(signal));
        }
    }

    impl Drop for Program {
        fn drop(&mut self) {
            // A process that has ended, and been waited for, cannot be killed.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Waits for the printed count after each signal.
    fn signalled(parts: &str, signals: &[libc::c_int]) -> Program {
        let mut program = Program::start(parts);
        program.expect("ready");
        program.expect("counts");
        for (i, signal) in signals.iter().enumerate() {
            program.signal(*signal);
            program.expect(&(i + 1).to_string());
        }
        program
    }

    #[test]
    fn second_signal_ends_program() {
        signalled("watch", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
        signalled("watch", &[libc::SIGINT]).ends_by(libc::SIGTERM);
    }

    #[test]
    fn third_signal_ends_service() {
        signalled("patient", &[libc::SIGTERM, libc::SIGTERM]).ends_by(libc::SIGTERM);
        signalled("watch patient", &[libc::SIGINT, libc::SIGTERM]).ends_by(libc::SIGINT);
        signalled("patient watch", &[libc::SIGTERM, libc::SIGINT]).ends_by(libc::SIGTERM);
    }

    #[test]
    fn later_patience_still_gets_second_signal() {
        let mut program = Program::start("watch counts patient");
        program.expect("counts");
        program.signal(libc::SIGTERM);
        program.expect("1");
        program.expect("ready");
        program.expect("counts");
        program.expect("1");
        program.signal(libc::SIGTERM);
        program.expect("2");
        program.ends_by(libc::SIGTERM);
    }

    #[test]
    fn signal_of_a_forked_child_ends_the_child_alone() {
        signalled("watch forks", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
        signalled("watch clones", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
    }

    #[test]
    fn handler_leaves_errno_alone() {
        Program::start("watch full").expect("ready");
    }

    #[test]
    fn signal_before_the_first_look_belongs_to_the_watch() {
        Program::start("late").expect("ready");
    }

    #[test]
    fn last_dropped_watch_restores_signal_actions() {
        signalled("brief", &[]).ends_by(libc::SIGTERM);
        signalled("watch brief", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
        signalled("brief watch", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
    }

    #[test]
    fn watch_that_ends_takes_its_signals_with_it() {
        // Two were passed to loops that have ended.
        let mut program = Program::start("ended ended watch");
        program.expect("ready");
        program.expect("counts");
        program.expect("2");
        program.signal(libc::SIGTERM);
        program.expect("3");
        program.ends_by(libc::SIGTERM);
        let mut program = Program::start("ended passed patient");
        program.expect("ready");
        program.expect("counts");
        program.expect("2");
        program.signal(libc::SIGINT);
        program.expect("3");
        program.signal(libc::SIGTERM);
        program.expect("4");
        program.ends_by(libc::SIGTERM);
        let mut program = Program::start("alone ended");
        program.expect("ready");
        program.ends_by(libc::SIGTERM);
    }

    #[test]
    fn watch_that_lasts_is_ended_by_the_second_signal_whoever_comes_behind_it() {
        let mut program = Program::start("watch counts watch brief");
        program.expect("counts");
        program.signal(libc::SIGTERM);
        program.expect("1");
        program.expect("ready");
        program.ends_by(libc::SIGTERM);
    }

    #[test]
    fn ignored_signal_stays_ignored() {
        let mut program = signalled("ignores-int patient", &[libc::SIGTERM]);
        program.signal(libc::SIGINT);
        program.signal(libc::SIGTERM);
        program.expect("2");
        program.signal(libc::SIGINT);
        program.ends_by(libc::SIGTERM);
    }

    #[test]
    fn without_watch_first_signal_ends_program() {
        signalled("alone", &[]).ends_by(libc::SIGTERM);
        signalled("alone patient", &[libc::SIGTERM, libc::SIGTERM]).ends_by(libc::SIGTERM);
    }
}
