//! The rest of a frame whose sender has returned: a thread writes it, because the program may never call again.
//!
//! The half of the link owns the rest, and its next user writes it. A call that leaves a rest starts or notifies the
//! thread ([`leave`], by [`Links::left_over`](crate::channel::sending::Links)). The thread sleeps on a descriptor of
//! the link, without the half.

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

/// How long the drop of an unclosed object waits until the kernel has taken the sent bytes.
pub const LINGER: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Rests {
    /// Changed by a thread that has the sending half.
    is_left: AtomicBool,
    /// Ends its sleep.
    look: OnceLock<Arc<EventFd>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Rests {
    /// Waits for the end of the thread. The caller has taken the link, and does not hold the direction.
    pub fn end(&self) {
        let Some(look) = self.look.get() else { return };
        look.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.into_iter().for_each(drive::thread_ended);
    }
}

impl Drop for Rests {
    fn drop(&mut self) {
        // If the channel could not be closed in time, its thread finds that the channel has ended.
        if let Some(look) = self.look.get() {
            look.wake();
        }
    }
}

/// Makes a thread write the rests in a channel's sending half.
pub(super) fn watch<T: Send + Sync + 'static>(channel: &Arc<T>, parts: Parts<T>) {
    let of = Arc::downgrade(channel);
    parts(channel).0.links.on_rest(move || leave(&of, parts));
}

type Parts<T> = fn(&T) -> (&Conn, &Rests);

/// Leaves the rest in the caller's sending half to the thread. Returns whether there is a thread.
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
        // The previous thread does nothing more.
        Ok(started) => {
            let before = rests.thread.lock().unwrap_or_else(PoisonError::into_inner).replace(started);
            // The previous thread is this one if its last frame left a rest.
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

fn write_rests<T>(channel: &Weak<T>, parts: Parts<T>, look: &Arc<EventFd>) {
    let mut waiting = Waiting::until(Deadline::NEVER);
    waiting.wakes_on(look);
    let mut slept = Ok(());
    loop {
        // Before the look, so that a later rest ends the next sleep.
        look.drain();
        let Some(owner) = channel.upgrade() else { return };
        let (conn, rests) = parts(&owner);
        let mut sending = conn.sending.borrow();
        // If this thread cannot sleep, the next call writes the rest.
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

/// How often a thread without a descriptor looks for room.
const UNSEEN: Duration = Duration::from_millis(20);

enum Room {
    /// Nothing is left, or the link has ended.
    Done,
    At(OwnedFd, Interest),
    /// The process has no descriptor for a wait.
    Unseen,
}

/// Writes the rest while there is room. If another call writes it, that call wakes `look`.
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

/// Releases the link at the end of a channel. Over a stream, a rest outlives the channel.
pub(super) fn finish(sending: &mut Sending, until: Deadline) {
    match sending.part.take_if(|part| part.tx.has_rest() && !part.tx.is_in_memory()) {
        Some(part) => outlive(part),
        None => sending.finish(until),
    }
}

fn outlive(mut part: TxPart) {
    // If no thread can be started, the link ends here.
    let _ = thread::start("linkspan-rest", move || {
        let mut waiting = Waiting::until(Deadline::NEVER);
        while matches!(part.tx.flush(), Ok(false)) && drive::space(&mut part.tx, &mut waiting).is_ok() {}
        // Unread bytes from the peer would end the connection before the peer has everything.
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

    /// The last call that announced its sleep learns of room. The thread must itself notice the written rest.
    #[test]
    fn thread_ends_once_another_call_has_written_the_rest() {
        for transport in ["shm", "unix"] {
            let endpoint = format!("{transport}:other-rest-{}", std::process::id());
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
            let peer = listener.accept(SOON).unwrap();
            // A long message that finds a slot is sent at once, so the peer views all slots here.
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
                    // The end of this sleep takes back the thread's announcement.
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

    /// The receiving thread sleeps by then, and no frame of the peer wakes it.
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
            // Time for it to acknowledge; a later acknowledgement would test nothing.
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
