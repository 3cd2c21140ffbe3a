//! The names of `linkspan sub`. An error of one name is reported once, and the other names continue.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, EventKind, Message, Result, Subscriber, Timeout, Value, Wait, in_seconds};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::stderr;

/// The most names with a remembered report: as many as a subscriber receives from at a time.
const NAMES: usize = 4_096;
/// A repeated error would occupy the processor.
const PAUSE: Duration = Duration::from_millis(5);

pub struct Names<'a> {
    subscriber: &'a Subscriber,
    /// Readable while a call may succeed; `None` for a single name.
    descriptor: Option<OwnedFd>,
    met: Option<Error>,
    /// The last report of each name, by endpoint.
    said: BTreeMap<String, String>,
    /// Whether any name was left out.
    pub is_lacking: bool,
}

impl Names<'_> {
    /// Makes the source. A single name's errors end the command.
    ///
    /// # Errors
    /// Errors of duplicating a descriptor.
    pub fn of(subscriber: &Subscriber, are_several: bool) -> Result<Names<'_>> {
        let failed = |e: std::io::Error| Error::os("duplicating a descriptor", e.raw_os_error().unwrap_or(0));
        let mut names =
            Names { subscriber, descriptor: None, met: None, said: BTreeMap::new(), is_lacking: false };
        if are_several {
            names.met = subscriber.fileno().err();
            names.descriptor = Some(subscriber.as_fd().try_clone_to_owned().map_err(failed)?);
        }
        Ok(names)
    }

    /// Waits for the next message; reports errors of one of several names.
    ///
    /// # Errors
    /// Other errors of [`Subscriber::next`].
    pub fn next(&mut self, timeout: Timeout) -> Result<Option<Message>> {
        if self.descriptor.is_none() {
            return self.subscriber.next(Wait::new(timeout));
        }
        let given = if let Timeout::After(duration) = timeout { Some(duration) } else { None };
        let until = given.and_then(|duration| Instant::now().checked_add(duration));
        loop {
            let error = match self.met.take().map_or_else(|| self.subscriber.next(Wait::none()), Err) {
                Ok(received) => return Ok(received),
                Err(error) => error,
            };
            let of = error.endpoint().filter(|endpoint| *endpoint != self.subscriber.endpoint());
            match (error.kind(), of) {
                (ErrorKind::Timeout | ErrorKind::Empty | ErrorKind::Stalled | ErrorKind::NotFound, _) => {
                    self.report_refused();
                    if !self.wait(until)? {
                        let time = in_seconds(given.unwrap_or_default());
                        let text = format!("nothing was published within {time}; try again");
                        return Err(Error::new(ErrorKind::Timeout, text).on(self.subscriber.endpoint()));
                    }
                }
                (ErrorKind::InvalidState, _) | (_, None) => return Err(error),
                (_, Some(name)) => {
                    if !self.say(name, error.to_string(), || stderr::print_error(&error)) {
                        std::thread::sleep(PAUSE);
                    }
                }
            }
        }
    }

    /// Waits until a call may succeed; returns false after the time-out.
    fn wait(&self, until: Option<Instant>) -> Result<bool> {
        let Some(descriptor) = &self.descriptor else { return Ok(true) };
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(false);
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(descriptor, PollFlags::IN)], left.as_ref()) {
            // The next call finds a message or the time-out.
            Ok(_) | Err(Errno::INTR | Errno::NOMEM) => Ok(true),
            Err(e) => Err(Error::os("waiting for messages (ppoll)", e.raw_os_error())),
        }
    }

    /// Reports names that were refused since the last call.
    pub fn report_refused(&mut self) {
        if self.descriptor.is_none() {
            return;
        }
        // An event shows a refusal; the statistics have the reason.
        if !self
            .subscriber
            .events()
            .iter()
            .any(|event| matches!(event.kind, EventKind::Disconnected | EventKind::Unseen))
        {
            return;
        }
        let stats = self.subscriber.stats();
        let Ok(Value::Map(refused)) = stats.at("refused") else { return };
        for (name, why) in refused {
            let why = why.as_text().unwrap_or_default();
            self.say(name, why.to_owned(), || stderr::print_note(&format!("{name}: {why}")));
        }
    }

    /// Reports a text about a name once in a row; returns whether it printed.
    fn say(&mut self, name: &str, text: String, print: impl FnOnce()) -> bool {
        self.is_lacking = true;
        if self.said.get(name).is_some_and(|said| *said == text) {
            return false;
        }
        if self.said.len() >= NAMES {
            self.said.pop_first();
        }
        self.said.insert(name.to_owned(), text);
        print();
        true
    }
}
