//! Ctrl-C and SIGTERM: the first ends what goes on in good order, the second ends the program at once.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use linkspan::{Error, ErrorKind, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{SigId, flag, low_level};

use crate::output;

/// Why a command that prints what comes ends when it has no reader: only this tells it from what a service gave up.
pub const NOBODY_READS: &str = "nobody reads standard output any more";

/// Tells whether a signal has asked the program to stop.
pub struct Stop {
    signal: Arc<AtomicUsize>,
    bell: UnixStream,
    /// What lets the second signal end the program at once.
    ends: Vec<SigId>,
}

impl Stop {
    /// From now on signals are noted.
    pub fn watch() -> Result<Stop> {
        let signal = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        let mut ends = Vec::new();
        let mut install = || -> std::io::Result<UnixStream> {
            let (bell, ringing) = UnixStream::pair()?;
            bell.set_nonblocking(true)?;
            for number in [SIGINT, SIGTERM] {
                // The first to be registered notes the signal: one that comes before the rest is there is not lost.
                flag::register_usize(number, signal.clone(), number as usize)?;
                low_level::pipe::register(number, ringing.try_clone()?)?;
                // In this order: the first signal passes here and sets the flag that lets the second one end it all.
                ends.push(flag::register_conditional_shutdown(number, 128 + number, again.clone())?);
                flag::register(number, again.clone())?;
            }
            // Past `ulimit -f` a write is an error that is told, and not the end of the program. Programs that are started have the
            // signal as it was.
            flag::register(SIGXFSZ, Arc::default())?;
            Ok(bell)
        };
        match install() {
            Ok(bell) => Ok(Stop { signal, bell, ends }),
            Err(e) => Err(Error::os("watching for signals", e.raw_os_error().unwrap_or(0))),
        }
    }

    /// From now on no signal ends the program at once: whoever asks for this counts them by [`Stop::heard`].
    pub fn take_over(&self) {
        for id in &self.ends {
            low_level::unregister(*id);
        }
    }

    /// The next signal ends the program at once.
    pub fn let_go(&self) -> Result<()> {
        for number in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(number, 128 + number, Arc::new(AtomicBool::new(true)))
                .map_err(|e| Error::os("watching for signals", e.raw_os_error().unwrap_or(0)))?;
        }
        Ok(())
    }

    /// How many signals have come since it was asked last; the bell is silent until the next one.
    pub fn heard(&self) -> usize {
        let mut rung = [0; 64];
        let mut bell = &self.bell;
        bell.read(&mut rung).unwrap_or(0)
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
            true => Err(Error::new(ErrorKind::Cancelled, NOBODY_READS)),
            false => Ok(()),
        }
    }

    /// Readable from the moment a signal has come.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
