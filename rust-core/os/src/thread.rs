//! Threads of the library and its programs, and how its programs start others.
//!
//! The threads block every signal; signals then reach the program's threads.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

/// Starts a thread.
///
/// # Errors
/// The kernel's, with the thread's name.
pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = without_signals(|| Builder::new().name(name.to_owned()).spawn(work));
    thread.map_err(|error| not_started(name, &error))
}

/// Checks that `count` threads can be started, because Tokio panics without its first threads.
///
/// It starts two more: the kernel may count an ended thread for a moment.
///
/// # Errors
/// The kernel's, with the name.
pub fn check_room(name: &str, count: usize) -> Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let started: Vec<Result<JoinHandle<()>>> = (0..count.saturating_add(2))
        .map(|_| {
            let gate = gate.clone();
            start(name, move || drop(gate.lock().unwrap_or_else(PoisonError::into_inner)))
        })
        .collect();
    drop(closed);
    let mut checked = Ok(());
    for thread in started {
        checked = checked.and(thread.map(|thread| drop(thread.join())));
    }
    checked
}

fn not_started(name: &str, error: &std::io::Error) -> Error {
    let errno = error.raw_os_error().unwrap_or(0);
    let error = Error::os(format_args!("starting the thread {name} (clone)"), errno);
    match errno {
        libc::EAGAIN => error.with_hint(
            "the user or the control group has as many threads as it may have: see ulimit -u and pids.max",
        ),
        _ => error,
    }
}

/// Starts a thread that ends before its borrowed values.
pub fn start_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let thread = without_signals(|| Builder::new().name(name.to_owned()).spawn_scoped(scope, work));
    thread.map_err(|error| not_started(name, &error))
}

/// Blocks every signal, because a thread inherits its starter's mask.
fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    with_mask(libc::sigfillset, start)
}

fn with_mask<T>(
    fill: unsafe extern "C" fn(*mut libc::sigset_t) -> libc::c_int,
    start: impl FnOnce() -> T,
) -> T {
    // SAFETY: both sets live through the calls; the mask is restored before anything else runs.
    unsafe {
        let mut blocked: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        fill(&mut blocked);
        libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, &mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
}

/// Starts a program with no signal blocked, so SIGTERM can end it.
///
/// Also unignores SIGCHLD, without which the kernel would not keep a child's end.
///
/// # Errors
/// If the program cannot be started.
pub fn start_program(command: &mut Command) -> std::io::Result<Child> {
    keep_ends_of_children();
    // A closure between fork and exec makes the standard library use `execvp`, which gives refused files to the shell.
    // So the program inherits this thread's mask.
    with_mask(libc::sigemptyset, || command.spawn())
}

/// Resets an ignored SIGCHLD to its default action, and unblocks it; a handler stays.
pub fn keep_ends_of_children() {
    // SAFETY: the structures live through the calls; an ignored action has no handler to lose.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        let is_known = libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut now) == 0;
        let drops_ends = now.sa_sigaction == libc::SIG_IGN || now.sa_flags & libc::SA_NOCLDWAIT != 0;
        if is_known && drops_ends {
            now.sa_flags &= !libc::SA_NOCLDWAIT;
            if now.sa_sigaction == libc::SIG_IGN {
                now.sa_sigaction = libc::SIG_DFL;
            }
            libc::sigaction(libc::SIGCHLD, &now, std::ptr::null_mut());
        }
        let mut child: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut child);
        libc::sigaddset(&mut child, libc::SIGCHLD);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &child, std::ptr::null_mut());
    }
}

/// Makes the kernel kill this program when the thread that starts it ends.
///
/// The kernel drops this when the program changes its user or gains rights; its children are not covered.
pub fn end_with_us(command: &mut Command) {
    let parent = std::process::id().cast_signed();
    let tie = move || {
        // SAFETY: prctl and getppid are async-signal-safe, with numbers.
        unsafe {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // The parent ended before the call above.
            if libc::getppid() != parent {
                libc::_exit(1);
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure allocates nothing, takes no lock and calls only async-signal-safe
    // functions.
    unsafe { command.pre_exec(tie) };
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;

    #[test]
    #[ignore = "a process of its own, started by the test below"]
    fn program_with_ignored_and_blocked_signals() {
        // SAFETY: one thread of this process uses signals.
        unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        }
        let mut shell = Command::new("sh");
        let mut child = start_program(shell.args(["-c", "kill -TERM $$; exit 3"])).unwrap();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(
            child.wait().unwrap().signal(),
            Some(libc::SIGTERM),
            "its end is kept, and the signal ended it"
        );
    }

    /// ThreadSanitizer must report this race; otherwise its silence means nothing.
    #[test]
    #[ignore = "a process of its own, started by tests/sanitizers/run"]
    fn planted_race() {
        struct Shared(std::cell::UnsafeCell<u32>);
        // SAFETY: unprotected on purpose; the ordinary tests ignore this one.
        unsafe impl Sync for Shared {}
        let shared = Shared(std::cell::UnsafeCell::new(0));
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    both.wait();
                    let shared = &shared;
                    // SAFETY: alive until both threads have ended.
                    unsafe { *shared.0.get() += 1 };
                });
            }
        });
    }

    #[test]
    fn program_is_started_with_no_signal_blocked_and_waited_for() {
        let alone = ["thread::tests::program_with_ignored", "--ignored", "--test-threads=1"];
        let out = Command::new(std::env::current_exe().unwrap()).args(alone).output().unwrap();
        let text = [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(out.status.success() && text.contains("1 passed"), "{text}");
    }

    use super::*;

    #[test]
    fn child_ends_with_the_thread_that_started_it() {
        let start = || {
            let mut command = Command::new("sh");
            // The shell executes it in its own process.
            command.args(["-c", "exec sleep 1000"]).stdout(Stdio::piped());
            end_with_us(&mut command);
            command.spawn().unwrap()
        };
        let mut child = std::thread::spawn(start).join().unwrap();
        let mut nothing = Vec::new();
        // The pipe ends when the program does.
        child.stdout.take().unwrap().read_to_end(&mut nothing).unwrap();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
