//! The client's connection over pipes: it takes the client's lock, opens the pair that has the
//! names, writes a hello, and reads the answer.
//!
//! The pair may have been given to another client that died or gave up, or may be replaced at any
//! moment; then the next pair is tried. The number in the hello distinguishes the right answer from one
//! that was meant for another client.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use super::hello::stamp;
use super::liveness::{LinkSide, Liveness, client_lock_name, link_lock_name};
use super::pair::reply;
use super::pipes::Pipes;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::hello::{AnswerTimeout, AnsweredCall, Call, HelloReader, denied, stalled};
use crate::place::Place;
use crate::stream::Stream;
use crate::sys::fifo::{self, PipeEnd};
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::{next_round, wait_any};
use crate::sys::random;

/// How many pairs are tried that were given to another client.
const TRIES: usize = 16;
/// How long the next pair may take to get its names, once something else than an answer was read:
/// an answer to the previous client is in its pair until the server replaces it.
const REPLACED: Duration = Duration::from_secs(1);

/// Connects to the server of this name, once.
///
/// # Errors
/// `AddressInUse` where the name has its client; `Stalled` where a server exists and does not
/// answer in time; `PermissionDenied`.
pub fn call(place: &Place, hello: &[u8], waiting: &mut Waiting<'_>) -> Result<Call> {
    // Without a living server there is nothing to open. Testing the lock wakes no process, and
    // opening a pipe would.
    if !may_be_served(place)? {
        return Ok(Call::NotListening);
    }
    let Some(mut client_lock) = take_client_lock(place)? else {
        let text = format!(
            "{} has its client: a named pipe has one at a time; end that one, or use unix: for several",
            place.path().display()
        );
        return Err(Error::new(ErrorKind::AddressInUse, text));
    };
    for _ in 0..TRIES {
        // A process owns the name and is making its pipes, or removing them.
        let Some(ends) = Ends::open(place).map_err(|e| match e.kind() {
            ErrorKind::PermissionDenied => denied(place, e),
            _ => e,
        })?
        else {
            let served = lock::is_held(&place.directory, &place.file)?;
            return Ok(if served { Call::Busy } else { Call::NotListening });
        };
        match try_call(place, hello, ends, client_lock, waiting)? {
            CallAttempt::Answered(called) => return Ok(Call::Answered(*called)),
            CallAttempt::Gone => return Ok(Call::Busy),
            CallAttempt::Taken => {}
        }
        match take_client_lock(place)? {
            Some(again) => client_lock = again,
            None => return Ok(Call::Busy),
        }
    }
    Ok(Call::Busy)
}

/// Returns whether a server may own the name. Where another user can hold the byte of the name,
/// only the pipe itself shows it.
fn may_be_served(place: &Place) -> Result<bool> {
    Ok(place.directory.is_open() || lock::is_held(&place.directory, &place.file)?)
}

/// Takes the lock of the name's one client. A client that has just died, or a link of this process
/// that has just ended, may hold it for a moment, so this tries for 50 ms.
fn take_client_lock(place: &Place) -> Result<Option<Lock>> {
    let name = client_lock_name(place);
    for _ in 0..50 {
        if let Some(lock) = lock::try_lock(&place.directory, &name)? {
            return Ok(Some(lock));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}

/// The client's ends of a pair.
struct Ends {
    /// Written by the client.
    requests: Guarded,
    /// Read by the client.
    answers: Guarded,
}

impl Ends {
    /// Opens the pair that has the names now; `None` where there is none, or no process reads.
    fn open(place: &Place) -> Result<Option<Ends>> {
        let directory = &place.directory;
        // First with a writing end alone, which can be opened only while a process reads: so the
        // pipe of a dead server is not taken for that of a living one.
        let Some(probe) = fifo::open(directory, &place.file, PipeEnd::Write)? else { return Ok(None) };
        let Some(answers) = fifo::open(directory, &reply(&place.file), PipeEnd::Read)? else {
            return Ok(None);
        };
        let Some(requests) = fifo::again(&probe, PipeEnd::Both)? else { return Ok(None) };
        Ok(Some(Ends { requests, answers }))
    }
}

/// Returns whether these pipes still have the names.
fn have_names(place: &Place, pipes: &Pipes) -> Result<bool> {
    let has = |name: &str, fd| -> Result<bool> {
        let found = fifo::find(&place.directory, name)?;
        Ok(found.is_some_and(|found| fifo::identity(fd).is_ok_and(|open| open == found.identity)))
    };
    Ok(has(&place.file, pipes.writer())? && has(&reply(&place.file), pipes.reader())?)
}

/// The outcome of trying one pair.
enum CallAttempt {
    /// The server has answered.
    Answered(Box<AnsweredCall>),
    /// The server has ended.
    Gone,
    /// The pair was given to another client, and a new pair has the names.
    Taken,
}

/// Sends a hello through one pair and waits for the answer. The client's lock becomes part of the
/// link.
fn try_call(
    place: &Place,
    hello: &[u8],
    ends: Ends,
    mut client_lock: Lock,
    waiting: &mut Waiting<'_>,
) -> Result<CallAttempt> {
    let number = random::number()?;
    let hello = stamp(hello, |header| header.sequence = number)?;
    let names = Watch::new(&place.directory)?;
    if !client_lock.also(&place.directory, &link_lock_name(place, number, LinkSide::Client))? {
        return Ok(CallAttempt::Taken);
    }
    let liveness =
        Liveness::new(place, &ends.answers, client_lock, link_lock_name(place, number, LinkSide::Server))?;
    // The server takes its lock before it answers, so it is not tested before that.
    let pipes = Arc::new(Pipes::linked(ends.answers, ends.requests, liveness));
    if fifo::write(pipes.writer(), &[IoSlice::new(&hello)])? != Some(hello.len()) {
        return Ok(CallAttempt::Gone);
    }
    let stream = Stream::Other(pipes.clone());
    let mut answer_timeout = AnswerTimeout::begin();
    let mut reading = HelloReader::default();
    loop {
        // Tested before the pipe is read: an answer is written before the next pair gets the names,
        // so "replaced and empty" means that none will come.
        names.drain();
        let taken = !have_names(place, &pipes)?;
        let served = may_be_served(place)?;
        match reading.read_more(&stream, &|_| Ok(())) {
            Ok(true) => {
                let (answer, descriptors) = std::mem::take(&mut reading).finish()?;
                if answer.header.correlation == number {
                    // The server has held its lock since before its answer, unless it has already
                    // ended.
                    pipes.start()?;
                    let (credentials, process) = (None, None);
                    let called = AnsweredCall { stream, answer, descriptors, credentials, process };
                    return Ok(CallAttempt::Answered(Box::new(called)));
                }
                // An answer to another hello; a server may send any number of them.
                match next_round(waiting) {
                    Err(e) if e.kind() == ErrorKind::Timeout => return Err(stalled(&place.path().display())),
                    other => other?,
                }
                continue;
            }
            Ok(false) if !served => return Ok(CallAttempt::Gone),
            Ok(false) if taken => return Ok(CallAttempt::Taken),
            Ok(false) => {}
            Err(e) if e.kind() == ErrorKind::Disconnected => return Ok(CallAttempt::Gone),
            Err(e) if matches!(e.kind(), ErrorKind::Malformed | ErrorKind::VersionMismatch) => {
                return await_next_pair(place, &pipes, &names, waiting, e);
            }
            Err(e) => return Err(e),
        }
        let [shared, waker] = names.descriptors().map(|fd| (fd, PollFlags::IN));
        let on = [(pipes.reader(), PollFlags::IN), shared, waker];
        match answer_timeout.wait(waiting, |step| wait_any(step, on).map(drop)) {
            Err(e) if e.kind() == ErrorKind::Timeout => return Err(stalled(&place.path().display())),
            other => other?,
        }
    }
}

/// Waits until the server has replaced a pair in which something else than an answer was found.
///
/// # Errors
/// `foreign`, the error of reading it, where no new pair comes in time.
fn await_next_pair(
    place: &Place,
    pipes: &Pipes,
    names: &Watch,
    waiting: &Waiting<'_>,
    foreign: Error,
) -> Result<CallAttempt> {
    let replaced = Deadline::after(REPLACED);
    let until = if waiting.is_strict() { replaced.sooner(waiting.deadline()) } else { replaced };
    let mut limited = Waiting::until(until);
    loop {
        names.drain();
        let taken = !have_names(place, pipes)?;
        if !may_be_served(place)? {
            return Ok(CallAttempt::Gone);
        }
        if taken {
            return Ok(CallAttempt::Taken);
        }
        match wait_any(&mut limited, names.descriptors().map(|fd| (fd, PollFlags::IN))) {
            Err(e) if e.kind() == ErrorKind::Timeout => return Err(foreign),
            waited => drop(waited?),
        }
    }
}
