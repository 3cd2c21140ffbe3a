//! Passing frames to a link: waiting for room, replays over a new link, and the rest of a partly sent frame.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::channel::link::TxPart;
use crate::channel::reconnector::Reconnector;
use crate::channel::session_state::admission::carries_ack;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::Payload;
use crate::transport::{Sent, extension};

/// Sends the messages that have to go over this link again. The lock is released while a frame is written, so the
/// next message to replay is looked up again each time.
pub(super) fn replay(part: &mut TxPart, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
    if !reconnector.session_state.replays.load(Ordering::Acquire) {
        return Ok(());
    }
    loop {
        let halves = reconnector.session_state.halves();
        let Some((kept, number)) = halves.outbox.to_replay().map(|(kept, number)| (kept.clone(), number))
        else {
            reconnector.session_state.replays.store(false, Ordering::Release);
            return Ok(());
        };
        let header = kept.header(number);
        let acked = if carries_ack(header.kind) { halves.to_piggyback(part.session()) } else { 0 };
        let header = Header { correlation: if acked > 0 { acked } else { header.correlation }, ..header };
        drop(halves);
        let until = kept.until().filter(|_| part.peer.deadlines);
        push_with(part, header, &kept.payload(), until, reconnector, waiting)?;
        reconnector.session_state.halves().outbox.replayed(number);
    }
}

/// Sends a frame that consists of its kind and a number; false if there is no room for it now.
pub(super) fn send_control(part: &mut TxPart, kind: Kind, number: u64) -> bool {
    try_send_frame(part, Header { correlation: number, ..Header::new(kind, crate::Encoding::Raw) }, &[])
}

/// Sends a frame without waiting; false if there is no room for it now.
pub(super) fn try_send_frame(part: &mut TxPart, header: Header, body: &[u8]) -> bool {
    let frame = Outgoing::new(header, body);
    match part.tx.try_send(&frame) {
        Ok(Sent::Whole) => true,
        Ok(Sent::Part) => {
            part.tx.adopt(&frame);
            true
        }
        Ok(Sent::Blocked) | Err(_) => false,
    }
}

/// Passes a message to the transport, with the time since boot until which its outcome is needed.
pub(super) fn push_with(
    part: &mut TxPart,
    header: Header,
    payload: &Payload,
    until: Option<Duration>,
    reconnector: &Reconnector,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let extension = until.map_or(Ok(Vec::new()), extension::write_until)?;
    let mut frame = Outgoing::of(header, payload.memory());
    (frame.header.extension, frame.extension) = (extension.len(), &extension);
    push(part, &frame, reconnector, waiting)
}

/// Passes one frame to the transport, waiting for room.
///
/// # Errors
/// `Timeout`, or `Full` for a call that does not wait, if nothing of it was sent; `Disconnected` if the link
/// broke.
pub(super) fn push(
    part: &mut TxPart,
    frame: &Outgoing<'_>,
    reconnector: &Reconnector,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let mut partly_sent = false;
    loop {
        match part.tx.try_send(frame)? {
            Sent::Whole => return Ok(()),
            Sent::Part => partly_sent = true,
            Sent::Blocked if waiting.is_none() => {
                let text = "the peer has not received what was sent before, and the call was not to wait";
                return Err(Error::new(ErrorKind::Full, text));
            }
            Sent::Blocked => {}
        }
        // The program may never call again.
        if partly_sent && waiting.is_none() {
            part.tx.adopt(frame);
            part.tx.flush_in_background();
            return Ok(());
        }
        // Closing the channel ends the waits of other threads; those of the closing thread itself go on.
        let waited = if reconnector.is_closed() {
            reconnector.check_links().and_then(|()| part.tx.wait_room(waiting))
        } else {
            waiting.wakes_on(&reconnector.wake);
            part.tx.wait_room(waiting).and_then(|()| reconnector.check_links())
        };
        match waited {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Disconnected => return Err(e),
            // The peer has a part of the frame, so the rest has to follow in any case.
            Err(_) if partly_sent => {
                part.tx.adopt(frame);
                part.tx.flush_in_background();
                return Ok(());
            }
            Err(e) => return Err(e),
        }
    }
}

/// Flushes the rest of a partly sent message, until the deadline; then the transport sends the remainder by
/// itself.
pub(super) fn flush_rest(part: &mut TxPart, reconnector: &Reconnector, waiting: &mut Waiting<'_>) {
    // The next call notices a link that breaks here; the message is then replayed with the others.
    while matches!(part.tx.flush(), Ok(false)) {
        waiting.wakes_on(&reconnector.wake);
        if waiting.is_none() || part.tx.wait_room(waiting).and_then(|()| reconnector.check_links()).is_err() {
            return part.tx.flush_in_background();
        }
    }
}
