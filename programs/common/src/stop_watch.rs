//! Ends a wait at a signal or when standard output loses its reader, without polling.

use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use linkspan::Error;
use linkspan::service::start_scoped;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::exit::Exit;
use crate::signals::Signals;

/// Prevents `stop` while it is locked.
#[derive(Default)]
pub struct StopGuard(Mutex<()>);

impl StopGuard {
    /// Locks it.
    pub fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `run`. After a signal or without a reader of standard output, another thread calls `stop`.
///
/// `stop` must end the wait in `run`. `run` then finds the reason with [`Signals::check_stdout`].
///
/// # Errors
/// Errors of `run`, and of starting the thread.
pub fn watched(
    signals: &Signals,
    stop: impl FnOnce() + Send,
    run: impl FnOnce(&StopGuard) -> Result<(), Exit>,
) -> Result<(), Exit> {
    let on_error = |e: std::io::Error| Error::os("watching for signals", e.raw_os_error().unwrap_or(0));
    // Its end makes the descriptor of the thread readable.
    let (ended, running) = UnixStream::pair().map_err(on_error)?;
    let guard = StopGuard::default();
    let failure = OnceLock::new();
    let ran = thread::scope(|scope| {
        let watch = || {
            let reason = wait_for_reason(signals, &ended);
            if !matches!(reason, Ok(false)) {
                let _stopping = guard.lock();
                if let Err(error) = reason {
                    let _ = failure.set(error);
                }
                stop();
            }
        };
        start_scoped(scope, "watcher", watch)?;
        // Dropped also if `run` panics, because the scope waits for the thread.
        let _running = running;
        run(&guard)
    });
    match failure.into_inner() {
        Some(error) => Err(error.into()),
        // `stop` may come between two calls of `run`, and the second one then fails for that reason.
        None => ran.or_else(|error| {
            signals.check_stdout()?;
            Err(error)
        }),
    }
}

/// Waits for a reason to stop, and returns true; returns false at the end of the run.
///
/// # Errors
/// The error of the wait, which would fail repeatedly.
fn wait_for_reason(signals: &Signals, ended: &UnixStream) -> Result<bool, Error> {
    let stdout = std::io::stdout();
    let mut watched = vec![
        PollFd::new(ended, PollFlags::IN),
        PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN),
        // An error is reported without a request.
        PollFd::new(&stdout, PollFlags::empty()),
    ];
    loop {
        let polled = poll(&mut watched, None);
        if signals.check_stdout().is_err() {
            return Ok(true);
        }
        match polled {
            // A lack of memory passes, as a signal does.
            Ok(_) | Err(Errno::INTR | Errno::NOMEM) => {}
            Err(e) => return Err(Error::os("watching for signals (ppoll)", e.raw_os_error())),
        }
        if polled.is_ok() && !watched[0].revents().is_empty() {
            return Ok(false);
        }
        // A terminal or socket that was hung up would end every further wait.
        if polled.is_ok() && watched.get(2).is_some_and(|stdout| !stdout.revents().is_empty()) {
            watched.truncate(2);
        }
    }
}
