//! The client's connection: it takes the client's lock, opens the named pair, writes a hello, and reads the
//! answer.
//!
//! If the pair belongs to another client or is replaced, the client tries the next pair. The number in the
//! hello identifies the answer to this client.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use super::hello::stamp;
use super::liveness::{LinkSide, Liveness, client_lock_name, link_lock_name};
use super::pair::reply;
use super::pipes::Pipes;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::hello::{AnsweredCall, Asked, Call, HelloReader, PendingCall, denied};
use crate::place::Place;
use crate::stream::Stream;
use crate::sys::fifo::{self, PipeEnd};
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::{Epoll, Interest};
use crate::sys::random;
use crate::sys::timer::Timer;

/// How many pairs of other clients are tried.
const TRIES: usize = 16;
/// How many answers to other hellos a step reads, because a server may send any number.
const ANSWERS_PER_STEP: usize = 64;
/// How long the server may take to replace a pair that contains an answer to the previous client.
const REPLACED: Duration = Duration::from_secs(1);

/// Connects to the server of this name, once, and sends a hello, without waiting for the answer.
///
/// # Errors
/// `AddressInUse` if the name has its client; `PermissionDenied`.
pub fn ask(place: &Place, hello: &[u8]) -> Result<Call<Asked>> {
    // A test of the lock, unlike opening a pipe, wakes no process.
    if !may_be_served(place)? {
        return Ok(Call::NotListening);
    }
    let Some(client_lock) = take_client_lock(place)? else {
        let text = format!(
            "{} has its client: a named pipe has one at a time; end that one, or use unix: for several",
            place.path().display()
        );
        return Err(Error::new(ErrorKind::AddressInUse, text));
    };
    let mut call = PipeCall {
        place: place.clone(),
        hello: hello.to_owned(),
        set: Epoll::new()?,
        attempt: None,
        tries: 0,
    };
    Ok(match call.next_pair(client_lock)? {
        Some(Call::NotListening) => Call::NotListening,
        Some(_) => Call::Busy,
        None => Call::Answered(Asked::new(call)),
    })
}

struct PipeCall {
    place: Place,
    hello: Vec<u8>,
    set: Epoll,
    attempt: Option<Attempt>,
    tries: usize,
}

struct Attempt {
    pipes: Arc<Pipes>,
    stream: Stream,
    names: Watch,
    reading: HelloReader,
    number: u64,
    /// The error of bytes that are not an answer, and the time until which the server may replace the pair.
    foreign: Option<(Error, Deadline, Timer)>,
}

enum Step {
    Answered(Box<AnsweredCall>),
    Gone,
    /// The pair belongs to another client, and a new pair has the names.
    Taken,
    Wait,
}

impl PipeCall {
    /// Sends the hello through the pair that now has the names. The link takes the client's lock.
    fn next_pair(&mut self, client_lock: Lock) -> Result<Option<Call>> {
        let mut client_lock = client_lock;
        while self.tries < TRIES {
            self.tries += 1;
            // A process owns the name and is making its pipes, or removing them.
            let Some(ends) = Ends::open(&self.place).map_err(|e| match e.kind() {
                ErrorKind::PermissionDenied => denied(&self.place, e),
                _ => e,
            })?
            else {
                let served = lock::is_held(&self.place.directory, &self.place.file)?;
                return Ok(Some(if served { Call::Busy } else { Call::NotListening }));
            };
            match begin(&self.place, &self.hello, ends, client_lock)? {
                Outcome::Sent(attempt) => {
                    self.set.add(attempt.pipes.reader(), 0, Interest::IN)?;
                    for descriptor in attempt.names.descriptors() {
                        self.set.add(descriptor, 0, Interest::IN)?;
                    }
                    self.attempt = Some(*attempt);
                    return Ok(None);
                }
                Outcome::Gone => return Ok(Some(Call::Busy)),
                Outcome::Taken => match take_client_lock(&self.place)? {
                    Some(again) => client_lock = again,
                    None => return Ok(Some(Call::Busy)),
                },
            }
        }
        Ok(Some(Call::Busy))
    }

    fn leave(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.set.remove(attempt.pipes.reader());
            attempt.names.descriptors().for_each(|descriptor| self.set.remove(descriptor));
        }
    }
}

impl PendingCall for PipeCall {
    fn step(&mut self) -> Result<Option<Call>> {
        loop {
            let Some(attempt) = &mut self.attempt else { return Ok(Some(Call::Busy)) };
            match attempt.step(&self.place, &self.set)? {
                Step::Wait => return Ok(None),
                Step::Gone => return Ok(Some(Call::Busy)),
                Step::Answered(called) => {
                    self.leave();
                    return Ok(Some(Call::Answered(*called)));
                }
                Step::Taken => {
                    self.leave();
                    let Some(client_lock) = take_client_lock(&self.place)? else {
                        return Ok(Some(Call::Busy));
                    };
                    if let Some(outcome) = self.next_pair(client_lock)? {
                        return Ok(Some(outcome));
                    }
                }
            }
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }

    fn shown(&self) -> String {
        self.place.path().display().to_string()
    }
}

/// Returns whether a server may own the name.
///
/// If another user can hold the byte of the name, only the pipe itself shows it.
fn may_be_served(place: &Place) -> Result<bool> {
    Ok(place.directory.is_open() || lock::is_held(&place.directory, &place.file)?)
}

/// Takes the lock of the name's one client, within 50 ms.
///
/// A dead client, or an ended link of this process, may hold it for a moment.
fn take_client_lock(place: &Place) -> Result<Option<Lock>> {
    let name = client_lock_name(place);
    for _ in 0..50 {
        if let Some(lock) = lock::try_lock(&place.directory, &name)? {
            return Ok(Some(lock));
        }
        crate::sys::sleeping::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

struct Ends {
    requests: Guarded,
    answers: Guarded,
}

impl Ends {
    fn open(place: &Place) -> Result<Option<Ends>> {
        let directory = &place.directory;
        // A writing end opens only while a process reads, which a dead server does not.
        let Some(probe) = fifo::open(directory, &place.file, PipeEnd::Write)? else { return Ok(None) };
        let Some(answers) = fifo::open(directory, &reply(&place.file), PipeEnd::Read)? else {
            return Ok(None);
        };
        let Some(requests) = fifo::again(&probe, PipeEnd::Both)? else { return Ok(None) };
        Ok(Some(Ends { requests, answers }))
    }
}

fn have_names(place: &Place, pipes: &Pipes) -> Result<bool> {
    let has = |name: &str, fd| -> Result<bool> {
        let found = fifo::find(&place.directory, name)?;
        Ok(found.is_some_and(|found| fifo::identity(fd).is_ok_and(|open| open == found.identity)))
    };
    Ok(has(&place.file, pipes.writer())? && has(&reply(&place.file), pipes.reader())?)
}

enum Outcome {
    Sent(Box<Attempt>),
    Gone,
    /// Another client has the link of this number.
    Taken,
}

fn begin(place: &Place, hello: &[u8], ends: Ends, mut client_lock: Lock) -> Result<Outcome> {
    let number = random::number()?;
    let hello = stamp(hello, |header| header.sequence = number)?;
    let names = Watch::new(&place.directory)?;
    if !client_lock.also(&place.directory, &link_lock_name(place, number, LinkSide::Client))? {
        return Ok(Outcome::Taken);
    }
    let liveness =
        Liveness::new(place, &ends.answers, client_lock, link_lock_name(place, number, LinkSide::Server))?;
    // The server takes its lock before it answers, so the test comes later.
    let pipes = Arc::new(Pipes::linked(ends.answers, ends.requests, liveness));
    if fifo::write(pipes.writer(), &[IoSlice::new(&hello)])? != Some(hello.len()) {
        return Ok(Outcome::Gone);
    }
    let stream = Stream::Other(pipes.clone());
    let reading = HelloReader::default();
    Ok(Outcome::Sent(Box::new(Attempt { pipes, stream, names, reading, number, foreign: None })))
}

impl Attempt {
    fn step(&mut self, place: &Place, set: &Epoll) -> Result<Step> {
        for _ in 0..ANSWERS_PER_STEP {
            // Tested before the pipe is read: the server answers before it renames the next pair. So
            // "replaced and empty" means that no answer will come.
            self.names.drain();
            let taken = !have_names(place, &self.pipes)?;
            let served = may_be_served(place)?;
            if let Some((foreign, until, _)) = &self.foreign {
                return match (served, taken) {
                    (false, _) => Ok(Step::Gone),
                    (true, true) => Ok(Step::Taken),
                    (true, false) if until.has_passed() => Err(foreign.clone()),
                    (true, false) => Ok(Step::Wait),
                };
            }
            match self.reading.read_more(&self.stream, &|_| Ok(())) {
                Ok(true) => {
                    let (answer, descriptors) = std::mem::take(&mut self.reading).finish()?;
                    if answer.header.correlation == self.number {
                        // The server has held its lock since before its answer, except if it has ended.
                        self.pipes.start()?;
                        let (credentials, process, stream) = (None, None, self.stream.clone());
                        let called = AnsweredCall { stream, answer, descriptors, credentials, process };
                        return Ok(Step::Answered(Box::new(called)));
                    }
                }
                Ok(false) if !served => return Ok(Step::Gone),
                Ok(false) if taken => return Ok(Step::Taken),
                Ok(false) => return Ok(Step::Wait),
                Err(e) if e.kind() == ErrorKind::Disconnected => return Ok(Step::Gone),
                Err(e) if matches!(e.kind(), ErrorKind::Malformed | ErrorKind::VersionMismatch) => {
                    set.remove(self.pipes.reader());
                    let timer = Timer::new()?;
                    timer.arm(REPLACED)?;
                    set.add(&timer, 0, Interest::IN)?;
                    self.foreign = Some((e, Deadline::after(REPLACED), timer));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(Step::Wait)
    }
}
