//! The rest of a frame whose sender went on: a thread writes it, for a program that may never call again.
//!
//! The half of the link owns the rest, and its next user writes it. A call that leaves a rest behind with the half
//! starts the thread, or tells it ([`leave`], by [`Links::left_over`](crate::channel::sending::Links)). The thread
//! sleeps on a descriptor of the link, without the half.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{JoinHandle, current};
use std::time::Duration;

use crate::channel::conn::Conn;
use crate::channel::link::TxPart;
use crate::channel::sending::Sending;
use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::ErrorKind;
use crate::sys::eventfd::EventFd;
use crate::sys::poll::Interest;
use crate::sys::thread;

/// How long the drop of an object that was not closed waits until the kernel has taken the bytes that were
/// sent.
pub const LINGER: Duration = Duration::from_secs(1);

/// The thread of one channel.
#[derive(Default)]
pub(super) struct Rests {
    /// Whether the thread is at work. Changed by a thread that has the sending half.
    is_left: AtomicBool,
    /// Ends its sleep.
    look: OnceLock<Arc<EventFd>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Rests {
    /// Waits until the thread has ended, after the link was taken from the sending direction, which this thread does
    /// not have.
    pub fn end(&self) {
        let Some(look) = self.look.get() else { return };
        look.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.into_iter().for_each(drive::thread_ended);
    }
}

impl Drop for Rests {
    fn drop(&mut self) {
        // The thread of a channel that could not be closed in time finds that it has ended.
        if let Some(look) = self.look.get() {
            look.wake();
        }
    }
}

/// Has what a call leaves with the sending half of a channel written by its thread. These are parts of the channel.
pub(super) fn watch<T: Send + Sync + 'static>(channel: &Arc<T>, parts: Parts<T>) {
    let of = Arc::downgrade(channel);
    parts(channel).0.links.on_rest(move || leave(&of, parts));
}

/// Returns the connection of a channel, and its thread.
type Parts<T> = fn(&T) -> (&Conn, &Rests);

/// Leaves the rest that the sending half of this channel has to the thread. The caller has the half. Returns whether
/// there is a thread.
#[cold]
fn leave<T: Send + Sync + 'static>(channel: &Weak<T>, parts: Parts<T>) -> bool {
    let Some(owner) = channel.upgrade() else { return false };
    let (_, rests) = parts(&owner);
    let look = match rests.look.get() {
        Some(look) => look,
        None => match EventFd::new() {
            Ok(made) => rests.look.get_or_init(|| Arc::new(made)),
            Err(_) => return false,
        },
    };
    if rests.is_left.swap(true, Ordering::AcqRel) {
        look.wake();
        return true;
    }
    let (channel, look) = (channel.clone(), look.clone());
    match thread::start("linkspan-rest", move || write_rests(&channel, parts, &look)) {
        // The one before it does nothing more.
        Ok(started) => {
            let before = rests.thread.lock().unwrap_or_else(PoisonError::into_inner).replace(started);
            // It is this very thread where what it sends as its last has a rest.
            let before = before.filter(|before| before.thread().id() != current().id());
            before.into_iter().for_each(drive::thread_ended);
            true
        }
        Err(_) => {
            rests.is_left.store(false, Ordering::Release);
            false
        }
    }
}

/// Writes rests until there are none.
fn write_rests<T>(channel: &Weak<T>, parts: Parts<T>, look: &Arc<EventFd>) {
    let mut waiting = Waiting::until(Deadline::NEVER);
    waiting.wakes_on(look);
    let mut slept = Ok(());
    loop {
        // Before the look, so that what is left after it ends the next sleep.
        look.drain();
        let Some(owner) = channel.upgrade() else { return };
        let (conn, rests) = parts(&owner);
        let mut sending = conn.sending.borrow();
        // Where this thread cannot sleep, the next call writes the rest.
        let room = if slept.is_ok() { room_for_rest(&mut sending, look) } else { Room::Done };
        if matches!(room, Room::Done) {
            rests.is_left.store(false, Ordering::Release);
        }
        drop(sending);
        drop(owner);
        slept = match room {
            Room::Done => return,
            Room::At(descriptor, interest) => drive::space_event(descriptor.as_fd(), interest, &mut waiting),
            Room::Unseen => {
                let mut pause = Waiting::until(Deadline::after(UNSEEN));
                pause.wakes_on(look);
                drive::change(&[], &mut pause).or_else(|e| match e.kind() {
                    ErrorKind::Timeout => Ok(()),
                    _ => Err(e),
                })
            }
        };
    }
}

/// How long the thread waits before it looks for room again where it has no descriptor to wait on.
const UNSEEN: Duration = Duration::from_millis(20);

/// What the thread of a rest does next.
enum Room {
    /// Nothing is left, or the link has ended.
    Done,
    /// It waits for this event.
    At(OwnedFd, Interest),
    /// The process has no descriptor for it to wait on.
    Unseen,
}

/// Writes as much of the rest as there is room for. Where another call writes the rest meanwhile, `look` is woken.
fn room_for_rest(sending: &mut Sending, look: &Arc<EventFd>) -> Room {
    let room = sending.send_waiting();
    let Some(part) = &sending.part else { return Room::Done };
    match room {
        Ok(Some((descriptor, interest))) => {
            part.tx.watch_rest(look);
            Room::At(descriptor, interest)
        }
        Err(e) if e.kind() == ErrorKind::OutOfMemory => Room::Unseen,
        Ok(None) | Err(_) => Room::Done,
    }
}

/// Releases the link at the end of a channel: over a stream a rest outlives the channel, as what the kernel has does.
pub(super) fn finish(sending: &mut Sending, until: Deadline) {
    match sending.part.take_if(|part| part.tx.has_rest() && !part.tx.is_in_memory()) {
        Some(part) => outlive(part),
        None => sending.finish(until),
    }
}

fn outlive(mut part: TxPart) {
    // Where no thread can be started, the link ends here.
    let _ = thread::start("linkspan-rest", move || {
        let mut waiting = Waiting::until(Deadline::NEVER);
        while matches!(part.tx.flush(), Ok(false)) && drive::space(&mut part.tx, &mut waiting).is_ok() {}
        // What the peer has sent meanwhile would end the connection, and with it what the peer has not yet.
        drive::ended(&mut part.tx, Deadline::after(LINGER));
    });
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::channel::options::Acknowledge;
    use crate::codec::Encoding;
    use crate::message::Payload;
    use crate::value::{NdArray, Value};
    use crate::{Channel, Listener, Options};

    const LONG: usize = 20 << 20;
    const SOON: Duration = Duration::from_secs(60);

    /// Room is told to the call that has announced its sleep last: the thread has to notice by itself that its rest was
    /// written.
    #[test]
    fn thread_ends_once_another_call_has_written_the_rest() {
        for transport in ["shm", "unix"] {
            let endpoint = format!("{transport}:other-rest-{}", std::process::id());
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
            let peer = listener.accept(SOON).unwrap();
            // A long message that finds a slot is sent at once: here the peer views all that there are.
            channel.send(&Value::from(0), SOON).unwrap();
            peer.recv(SOON).unwrap();
            let in_slots = || channel.conn.event_log.arrays_in_slots.load(Ordering::Relaxed);
            let mut viewed = Vec::new();
            while in_slots() == viewed.len() as u64 {
                channel.send(&Value::NdArray(NdArray::vector(&[7u64; 8192])), SOON).unwrap();
                viewed.push(peer.recv(SOON).unwrap());
            }
            let long = Payload::from_bytes(Encoding::Raw, vec![7; LONG].into());
            for round in 0..5 {
                channel.send_payload(&long, Duration::from_millis(20)).unwrap();
                assert!(channel.rests.is_left.load(Ordering::Acquire), "{transport}: round {round}");
                // Time for the thread to fall asleep; otherwise it looks later, and ends in any case.
                std::thread::sleep(Duration::from_millis(5));
                std::thread::scope(|scope| {
                    let mut sending = channel.conn.sending.borrow();
                    let part = sending.part.as_mut().unwrap();
                    // The end of this sleep takes back the announcement of the thread's.
                    let mut brief = Waiting::until(Deadline::after(Duration::from_millis(20)));
                    while part.tx.wait_room(&mut brief).is_ok() {}
                    let receiver = scope.spawn(|| peer.recv(SOON).unwrap().body().len());
                    while !part.tx.flush().unwrap() {
                        std::thread::yield_now();
                    }
                    assert_eq!(receiver.join().unwrap(), LONG);
                });
                let end = Instant::now() + SOON;
                while channel.rests.is_left.load(Ordering::Acquire) {
                    assert!(Instant::now() < end, "{transport}: round {round}: the thread sleeps on");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }

    /// The thread that receives has gone to sleep by then, and nothing that the peer sends wakes it.
    #[test]
    fn acknowledgement_that_a_rest_is_in_the_way_of_follows_it() {
        let endpoint = format!("unix:behind-a-rest-{}", std::process::id());
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let by_hand = Options::default().with_ack(Acknowledge::Manual);
        let peer = Channel::connect(&endpoint, &by_hand, SOON).unwrap();
        let channel = listener.accept(SOON).unwrap();
        peer.send(&Value::from(1), SOON).unwrap();
        channel.recv(SOON).unwrap();
        let long = Payload::from_bytes(Encoding::Raw, vec![7; LONG].into());
        channel.send_payload(&long, Duration::from_millis(20)).unwrap();
        assert!(channel.rests.is_left.load(Ordering::Acquire), "the peer has not read, and there is no rest");
        std::thread::scope(|scope| {
            // This consumes the first message.
            let next = scope.spawn(|| channel.recv(SOON).map(|message| message.number()));
            // Time for it to acknowledge; otherwise it does so later, which is no test of this.
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(peer.recv(SOON).unwrap().body().len(), LONG);
            let end = Instant::now() + SOON;
            while peer.unacknowledged() > 0 && Instant::now() < end {
                peer.recv(Duration::from_millis(10)).unwrap_err();
            }
            let unacknowledged = peer.unacknowledged();
            peer.send(&Value::from(2), SOON).unwrap();
            assert_eq!(next.join().unwrap().unwrap(), 2);
            assert_eq!(unacknowledged, 0);
        });
    }
}
