//! Signals that ask a program to stop: SIGINT and SIGTERM, where the program has not decided about them itself.
//!
//! They are counted. One is for the program, and the second ends it at once; a service asks for two
//! ([`watch_patiently`]): the first is its SHUTDOWN, the second cancels what is under way, and the third ends it.

use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use crate::error::{Doing, Error, Result};

/// How many have come.
static COUNT: AtomicU32 = AtomicU32::new(0);
/// How many are for the program. The last of them takes the handlers away, so that the next one does what it does
/// without us.
static PATIENCE: AtomicU32 = AtomicU32::new(1);
static WAKER: AtomicI32 = AtomicI32::new(-1);
/// What the handlers were installed for.
static INSTALLED: Mutex<Installed> = Mutex::new(Installed { patience: 0, watches: 0 });

struct Installed {
    /// The patience; 0 while they are not installed.
    patience: u32,
    /// How many [`Watch`]es there are.
    watches: u32,
}

/// Keeps the handlers installed. With the last one they go, and a signal does again what it did before.
#[derive(Debug)]
pub struct Watch(());

impl Drop for Watch {
    fn drop(&mut self) {
        let mut installed = lock();
        installed.watches = installed.watches.saturating_sub(1);
        if installed.watches > 0 {
            return;
        }
        (installed.patience, _) = (0, PATIENCE.swap(1, Ordering::AcqRel));
        for ours in SIGNALS.into_iter().filter(|signal| disposition(*signal) == Some(handler())) {
            // SAFETY: this takes away a handler of this file, which was installed where there was none.
            unsafe { libc::signal(ours, libc::SIG_DFL) };
        }
    }
}

const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// From an object's first iteration over requests or messages until it is closed or dropped, the first SIGINT or SIGTERM lets the
/// loop end and the program leave in good order; a second one ends it at once, unless the program has a service
/// ([`watch_patiently`]). A program that handles or ignores a signal itself keeps its way.
pub fn watch() -> Result<Watch> {
    install(1)
}

/// The same, with two signals for the program, and the third to end it at once.
pub fn watch_patiently() -> Result<Watch> {
    install(2)
}

fn lock() -> MutexGuard<'static, Installed> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_bell(_guard: &MutexGuard<'static, Installed>) -> Result<()> {
    if WAKER.load(Ordering::Acquire) < 0 {
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).doing("making an eventfd")?;
        WAKER.store(waker.into_raw_fd(), Ordering::Release);
    }
    Ok(())
}

/// More patience than before puts back what an earlier signal has taken away.
fn install(patience: u32) -> Result<Watch> {
    let mut installed = lock();
    if installed.patience >= patience {
        installed.watches += 1;
        return Ok(Watch(()));
    }
    make_bell(&installed)?;
    PATIENCE.fetch_max(patience, Ordering::AcqRel);
    if COUNT.load(Ordering::Acquire) < patience {
        for signal in SIGNALS {
            if disposition(signal) != Some(libc::SIG_DFL) {
                continue;
            }
            // SAFETY: the sigaction lives through the call, and the handler only touches atomics and calls functions
            // that are async-signal-safe.
            let done = unsafe {
                let mut new: libc::sigaction = std::mem::zeroed();
                new.sa_sigaction = handler();
                libc::sigaction(signal, &new, std::ptr::null_mut())
            };
            if done != 0 {
                let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
                return Err(Error::os("watching for the signal to stop", errno));
            }
        }
    }
    installed.patience = patience;
    installed.watches += 1;
    Ok(Watch(()))
}

fn handler() -> libc::sighandler_t {
    asked as *const () as libc::sighandler_t
}

/// What a signal does now; none where the kernel does not say.
fn disposition(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: `old` is a sigaction that lives through the call, and nothing is changed.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &mut old) == 0).then_some(old.sa_sigaction)
    }
}

extern "C" fn asked(signal: libc::c_int) {
    let count = COUNT.fetch_add(1, Ordering::AcqRel).saturating_add(1);
    let patience = PATIENCE.load(Ordering::Acquire);
    if count >= patience {
        // Here rather than in the program, which may be stuck: from now on a signal needs nobody's help.
        for ours in SIGNALS.into_iter().filter(|signal| disposition(*signal) == Some(handler())) {
            // SAFETY: signal is async-signal-safe, and takes away a handler of this file.
            unsafe { libc::signal(ours, libc::SIG_DFL) };
        }
    }
    if count > patience {
        // Another thread took the last one in the same moment. This one is for nobody, and does what it does by itself
        // as soon as the handler returns.
        // SAFETY: raise is async-signal-safe.
        unsafe { libc::raise(signal) };
    }
    let one = 1u64.to_le_bytes();
    // SAFETY: write is async-signal-safe; the buffer holds eight bytes; the descriptor is never closed.
    unsafe { libc::write(WAKER.load(Ordering::Acquire), one.as_ptr().cast(), one.len()) };
}

/// Whether a signal has asked the program to stop.
pub fn was_asked() -> bool {
    count() > 0
}

/// How many signals have asked it.
pub fn count() -> u32 {
    COUNT.load(Ordering::Acquire)
}

/// Readable from the moment a signal has asked; to be called after [`watch`] or its like. Each further signal rings it
/// again. It is never drained, because several may sleep on it: whoever wants to hear each signal sleeps with
/// [`Interest::ET`](crate::sys::poll::Interest::ET).
pub fn waker() -> BorrowedFd<'static> {
    let fd: RawFd = WAKER.load(Ordering::Acquire);
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
    use crate::sys::poll::{Epoll, Interest};

    /// Plays a program in a process of its own: tells how many signals have come, each time that the waker is woken.
    #[test]
    #[ignore = "a process of its own, started by the tests below"]
    fn program() {
        let parts = std::env::var("LINKSPAN_TEST_STOP").unwrap_or_default();
        for part in parts.split(' ') {
            match part {
                "watch" => std::mem::forget(watch().unwrap()),
                "patient" => std::mem::forget(watch_patiently().unwrap()),
                "brief" => drop(watch().unwrap()),
                "alone" => make_bell(&lock()).unwrap(),
                // SAFETY: nothing of this file is undone, it has not come to that yet.
                "ignores-int" => drop(unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) }),
                // Goes on once a signal has come.
                "hears" => hear(1),
                other => panic!("{other:?} is no part of a program"),
            }
        }
        say("ready");
        hear(u32::MAX);
    }

    fn hear(until: u32) {
        let epoll = Epoll::new().unwrap();
        epoll.add(waker(), 0, Interest::IN | Interest::ET).unwrap();
        let mut ready = Vec::new();
        let mut waiting = Waiting::until(Deadline::after(std::time::Duration::from_secs(60)));
        say("hears");
        loop {
            epoll.wait(&mut waiting, &mut ready).unwrap();
            if !ready.is_empty() {
                say(&count().to_string());
                if count() >= until {
                    return;
                }
            }
        }
    }

    fn say(word: &str) {
        // The test's own name may stand in front, where the harness has not ended its line.
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
                .args([
                    "sys::stop::tests::program",
                    "--exact",
                    "--ignored",
                    "--nocapture",
                    "--test-threads=1",
                ])
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
                assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended before it said {word}");
                let said = line.trim();
                if said == word {
                    return;
                }
                assert!(!said.chars().all(|c| c.is_ascii_digit()) || said.is_empty(), "{said} before {word}");
            }
        }

        fn signal(&self, signal: libc::c_int) {
            // SAFETY: the child has not been waited for, so that its number is its own.
            assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, 0);
        }

        fn ends_by(mut self, signal: libc::c_int) {
            self.signal(signal);
            assert_eq!(self.child.wait().unwrap().signal(), Some(signal));
        }
    }

    impl Drop for Program {
        fn drop(&mut self) {
            // One that has ended, and been waited for, is not there to be killed.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Starts it, sends it each signal, and hears the count after each.
    fn heard(parts: &str, signals: &[libc::c_int]) -> Program {
        let mut program = Program::start(parts);
        program.expect("ready");
        program.expect("hears");
        for (i, signal) in signals.iter().enumerate() {
            program.signal(*signal);
            program.expect(&(i + 1).to_string());
        }
        program
    }

    #[test]
    fn the_second_signal_ends_a_program() {
        heard("watch", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
        heard("watch", &[libc::SIGINT]).ends_by(libc::SIGTERM);
    }

    #[test]
    fn the_third_signal_ends_a_service() {
        heard("patient", &[libc::SIGTERM, libc::SIGTERM]).ends_by(libc::SIGTERM);
        heard("watch patient", &[libc::SIGINT, libc::SIGTERM]).ends_by(libc::SIGINT);
        heard("patient watch", &[libc::SIGTERM, libc::SIGINT]).ends_by(libc::SIGTERM);
    }

    #[test]
    fn patience_that_comes_late_still_hears_the_second() {
        let mut program = Program::start("watch hears patient");
        program.expect("hears");
        program.signal(libc::SIGTERM);
        program.expect("1");
        program.expect("ready");
        program.expect("hears");
        // A waker that was woken is readable to whoever begins to sleep on it.
        program.expect("1");
        program.signal(libc::SIGTERM);
        program.expect("2");
        program.ends_by(libc::SIGTERM);
    }

    #[test]
    fn last_watch_dropped_restores_what_a_signal_does() {
        heard("brief", &[]).ends_by(libc::SIGTERM);
        heard("watch brief", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
        heard("brief watch", &[libc::SIGTERM]).ends_by(libc::SIGTERM);
    }

    #[test]
    fn what_the_program_decided_stays() {
        let mut program = heard("ignores-int patient", &[libc::SIGTERM]);
        program.signal(libc::SIGINT);
        program.signal(libc::SIGTERM);
        program.expect("2");
        program.signal(libc::SIGINT);
        program.ends_by(libc::SIGTERM);
    }

    #[test]
    fn who_is_left_alone_is_ended_by_the_first() {
        heard("alone", &[]).ends_by(libc::SIGTERM);
        heard("alone patient", &[libc::SIGTERM, libc::SIGTERM]).ends_by(libc::SIGTERM);
    }
}
