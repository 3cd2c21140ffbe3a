//! Ctrl-C and SIGTERM: the first ends what goes on in good order, the second ends the program at once.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use linkspan::{Error, ErrorKind, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::output;

/// Tells whether a signal has asked the program to stop.
pub struct Stop {
    signal: Arc<AtomicUsize>,
    bell: UnixStream,
}

impl Stop {
    /// From now on signals are noted.
    pub fn watch() -> Result<Stop> {
        let signal = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        let install = || -> std::io::Result<UnixStream> {
            let (bell, ringing) = UnixStream::pair()?;
            for number in [SIGINT, SIGTERM] {
                // The first to be registered notes the signal: one that comes before the rest is there is not lost.
                flag::register_usize(number, signal.clone(), number as usize)?;
                low_level::pipe::register(number, ringing.try_clone()?)?;
                // In this order: the first signal passes here and sets the flag that lets the second one end it all.
                flag::register_conditional_shutdown(number, 128 + number, again.clone())?;
                flag::register(number, again.clone())?;
            }
            Ok(bell)
        };
        match install() {
            Ok(bell) => Ok(Stop { signal, bell }),
            Err(e) => Err(Error::os("watching for signals", e.raw_os_error().unwrap_or(0))),
        }
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<u8> {
        u8::try_from(self.signal.load(Ordering::Acquire)).ok().filter(|s| *s != 0)
    }

    /// `Interrupted` once a signal has come: what runs in every wait.
    pub fn check(&self) -> Result<()> {
        match self.signal() {
            Some(signal) => Err(Error::new(ErrorKind::Interrupted, format!("signal {signal} asked to stop"))),
            None => Ok(()),
        }
    }

    /// The same, for commands that print what comes: `Cancelled` once nobody reads that any more.
    pub fn check_reader(&self) -> Result<()> {
        self.check()?;
        match output::has_no_reader() {
            true => Err(Error::new(ErrorKind::Cancelled, "nobody reads standard output any more")),
            false => Ok(()),
        }
    }

    /// Readable from the moment a signal has come.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
