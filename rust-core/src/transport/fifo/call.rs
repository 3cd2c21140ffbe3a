//! The client's way in: its lock, the pair that has the names, a hello, and the answer to it.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use super::hello::{nonce, stamp};
use super::life::{Life, Side, client_lock, link_lock};
use super::pair::reply;
use super::pipes::Pipes;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fifo::{self, End};
use crate::sys::fork::Guarded;
use crate::sys::inotify::Watch;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::wait_any;
use crate::transport::hello::{Call, Called, Grace, Reading, denied, stalled};
use crate::transport::place::Place;
use crate::transport::stream::Stream;

/// How often a pair that was given to somebody else meanwhile is left for the next one.
const TRIES: usize = 16;

/// Calls whoever serves this name, once. `AddressInUse` where the name has its client; `Stalled` where somebody serves it
/// but does not answer in time.
pub fn call(place: &Place, hello: &[u8], waiting: &mut Waiting<'_>) -> Result<Call> {
    // Nobody is waited for who would only be found out to be dead, and to look wakes nobody.
    if !may_be_served(place)? {
        return Ok(Call::Nobody);
    }
    let Some(mut role) = take_role(place)? else {
        let text = format!(
            "{} has its client: a named pipe has one at a time; end that one, or use unix: for several",
            place.path().display()
        );
        return Err(Error::new(ErrorKind::AddressInUse, text));
    };
    for _ in 0..TRIES {
        // Somebody has the name, and is just making its pipes, or taking them away.
        let Some(ends) = Ends::open(place).map_err(|e| match e.kind() {
            ErrorKind::PermissionDenied => denied(place, e),
            _ => e,
        })?
        else {
            let served = lock::is_held(&place.directory, &place.file)?;
            return Ok(if served { Call::Busy } else { Call::Nobody });
        };
        match try_call(place, hello, ends, role, waiting)? {
            Tried::Answered(called) => return Ok(Call::Answered(*called)),
            Tried::Gone => return Ok(Call::Busy),
            Tried::Taken => {}
        }
        match take_role(place)? {
            Some(again) => role = again,
            None => return Ok(Call::Busy),
        }
    }
    Ok(Call::Busy)
}

/// Whether somebody may serve the name: where a stranger can hold the byte that would say so, the pipe alone does.
fn may_be_served(place: &Place) -> Result<bool> {
    Ok(place.directory.is_open() || lock::is_held(&place.directory, &place.file)?)
}

/// The lock of the name's one client. One that has just died, or a link of our own that has just ended, may still hold it
/// for a moment: 50 ms.
fn take_role(place: &Place) -> Result<Option<Lock>> {
    let name = client_lock(place);
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
    requests: Guarded,
    answers: Guarded,
}

impl Ends {
    /// Those that have the names now; none where there are none, or nobody reads.
    fn open(place: &Place) -> Result<Option<Ends>> {
        let directory = &place.directory;
        // With the writing end alone, which is there only where somebody reads: a dead server's pipe is not taken for a
        // living one's.
        let Some(asked) = fifo::open(directory, &place.file, End::Write)? else { return Ok(None) };
        let Some(answers) = fifo::open(directory, &reply(&place.file), End::Read)? else { return Ok(None) };
        let Some(requests) = fifo::again(&asked, End::Both)? else { return Ok(None) };
        Ok(Some(Ends { requests, answers }))
    }
}

/// Whether these pipes still have the names.
fn have_names(place: &Place, pipes: &Pipes) -> Result<bool> {
    let has = |name: &str, fd| -> Result<bool> {
        let there = fifo::look(&place.directory, name)?;
        Ok(there.is_some_and(|there| fifo::identity(fd).is_ok_and(|ours| ours == there.identity)))
    };
    Ok(has(&place.file, pipes.writer())? && has(&reply(&place.file), pipes.reader())?)
}

enum Tried {
    Answered(Box<Called>),
    /// The server has gone.
    Gone,
    /// The pair was given to another, who is dead or has given up; there is a new one.
    Taken,
}

fn try_call(
    place: &Place,
    hello: &[u8],
    ends: Ends,
    mut role: Lock,
    waiting: &mut Waiting<'_>,
) -> Result<Tried> {
    let number = nonce()?;
    let hello = stamp(hello, |header| header.sequence = number)?;
    let names = Watch::new(&place.directory)?;
    if !role.also(&place.directory, &link_lock(place, number, Side::Client))? {
        return Ok(Tried::Taken);
    }
    let life = Life::new(place, &ends.answers, role, link_lock(place, number, Side::Server))?;
    // The other side's lock is taken before it answers, and nobody looks at it until then.
    let pipes = Arc::new(Pipes::linked(ends.answers, ends.requests, life));
    if fifo::write(pipes.writer(), &[IoSlice::new(&hello)])? != Some(hello.len()) {
        return Ok(Tried::Gone);
    }
    let stream = Stream::Pipes(pipes.clone());
    let mut grace = Grace::begin();
    let mut reading = Reading::default();
    loop {
        // Asked before the pipe is: an answer is written before the next pair gets the names.
        names.drain();
        let taken = !have_names(place, &pipes)?;
        let served = may_be_served(place)?;
        match reading.read_more(&stream, &|_| Ok(())) {
            Ok(true) => {
                let (answer, descriptors) = std::mem::take(&mut reading).finish()?;
                if answer.header.correlation == number {
                    // Its lock is there from before its answer, unless it has gone again already.
                    pipes.settle()?;
                    let (credentials, process) = (None, None);
                    let called = Called { stream, answer, descriptors, credentials, process };
                    return Ok(Tried::Answered(Box::new(called)));
                }
                continue;
            }
            Ok(false) if !served => return Ok(Tried::Gone),
            Ok(false) if taken => return Ok(Tried::Taken),
            Ok(false) => {}
            Err(e) if e.kind() == ErrorKind::Disconnected => return Ok(Tried::Gone),
            Err(e) => return Err(e),
        }
        let [shared, waker] = names.descriptors().map(|fd| (fd, PollFlags::IN));
        let on = [(pipes.reader(), PollFlags::IN), shared, waker];
        match grace.wait(waiting, |step| wait_any(step, on).map(drop)) {
            Err(e) if e.kind() == ErrorKind::Timeout => return Err(stalled(&place.path().display())),
            other => other?,
        }
    }
}
