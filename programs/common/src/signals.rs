//! SIGINT and SIGTERM: the first one ends the current command in an orderly way, the second one ends the program at
//! once.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{SigId, flag, low_level};

use crate::exit::STDOUT_CLOSED;
use crate::stdout;

/// The signals that stop the program, SIGINT and SIGTERM.
pub struct Signals {
    last: Arc<AtomicUsize>,
    /// Each signal writes one byte to the other end.
    pipe: UnixStream,
    /// The handlers that let the second signal end the program at once.
    forced_exits: Vec<SigId>,
}

impl Signals {
    /// Installs the handlers.
    pub fn install() -> Result<Signals> {
        let last = Arc::new(AtomicUsize::new(0));
        let repeated = Arc::new(AtomicBool::new(false));
        let mut forced_exits = Vec::new();
        let mut install = || -> std::io::Result<UnixStream> {
            let (pipe, writer) = UnixStream::pair()?;
            pipe.set_nonblocking(true)?;
            for number in [SIGINT, SIGTERM] {
                // First the handler that stores the signal: a signal that arrives before the others are installed is
                // not lost.
                flag::register_usize(number, last.clone(), number as usize)?;
                low_level::pipe::register(number, writer.try_clone()?)?;
                // In this order: the first signal passes the conditional shutdown and then sets its flag for the second
                // one.
                forced_exits.push(flag::register_conditional_shutdown(
                    number,
                    number.saturating_add(128),
                    repeated.clone(),
                )?);
                flag::register(number, repeated.clone())?;
            }
            // Beyond `ulimit -f` a write returns an error instead of ending the program. Programs that are started get
            // the default handler back.
            flag::register(SIGXFSZ, Arc::default())?;
            Ok(pipe)
        };
        match install() {
            Ok(pipe) => Ok(Signals { last, pipe, forced_exits }),
            Err(e) => Err(Error::os("installing signal handlers", e.raw_os_error().unwrap_or(0))),
        }
    }

    /// Stops the second signal from ending the program at once. The caller counts signals with [`Signals::take_count`].
    pub fn disable_forced_exit(&self) {
        for id in &self.forced_exits {
            low_level::unregister(*id);
        }
    }

    /// Makes the next signal end the program at once.
    pub fn force_exit_on_next(&self) -> Result<()> {
        for number in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(
                number,
                number.saturating_add(128),
                Arc::new(AtomicBool::new(true)),
            )
            .map_err(|e| Error::os("installing signal handlers", e.raw_os_error().unwrap_or(0)))?;
        }
        Ok(())
    }

    /// Returns how many signals have arrived since the last call.
    ///
    /// [`Signals::fd`] then becomes unreadable until the next signal.
    pub fn take_count(&self) -> usize {
        let mut bytes = [0; 64];
        let mut pipe = &self.pipe;
        pipe.read(&mut bytes).unwrap_or(0)
    }

    /// Returns the last signal that arrived.
    pub fn signal(&self) -> Option<u8> {
        u8::try_from(self.last.load(Ordering::Acquire)).ok().filter(|s| *s != 0)
    }

    /// Fails with `Interrupted` once a signal has arrived. Every wait calls this as its tick.
    pub fn check(&self) -> Result<()> {
        match self.signal() {
            Some(signal) => {
                Err(Error::new(ErrorKind::Interrupted, format!("signal {signal} stops the program")))
            }
            None => Ok(()),
        }
    }

    /// As [`Signals::check`]; also fails with `Cancelled` when standard output has lost its reader.
    pub fn check_stdout(&self) -> Result<()> {
        self.check()?;
        match stdout::reader_is_gone() {
            true => Err(Error::new(ErrorKind::Cancelled, STDOUT_CLOSED)),
            false => Ok(()),
        }
    }

    /// Returns a descriptor that is readable once a signal has arrived.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Runs `clean` before the first SIGINT or SIGTERM ends this program.
///
/// This is for a program that does not wait for signals but leaves named files.
///
/// # Errors
/// Errors of installing the handlers, and of starting a thread.
pub fn clean_up_before_end(clean: impl FnOnce() + Send + 'static) -> Result<CleanUp> {
    let signals = Arc::new(Signals::install()?);
    let installed = signals.clone();
    let wait = move || {
        while signals.signal().is_none() {
            match poll(&mut [PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR | Errno::NOMEM) => {}
                // The second signal ends the program.
                Err(_) => return,
            }
        }
        clean();
        if let Some(number) = signals.signal() {
            let _ = low_level::emulate_default_handler(number.into());
        }
    };
    start_thread("clean-up", wait).map(|thread| CleanUp { signals: installed, thread })
}

/// The cleanup before a signal ends this program.
pub struct CleanUp {
    signals: Arc<Signals>,
    thread: JoinHandle<()>,
}

impl CleanUp {
    /// Returns if no signal has arrived; otherwise waits for the cleanup, which ends the program.
    ///
    /// Call it after a failure that a signal to a started program may have caused.
    pub fn end_if_signalled(self) {
        if self.signals.signal().is_some() {
            let _ = self.thread.join();
        }
    }
}
