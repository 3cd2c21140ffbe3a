//! Frames on the way into a link: waiting for room, the queue of the link, and what the transport adopts.

use std::time::Duration;

use super::DraftContent;
use super::links::Links;
use crate::channel::link::TxPart;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::transport::{Sent, extension};

/// Sends a frame that consists of its kind and a number; false if there is no room for it now.
pub(super) fn send_control(part: &mut TxPart, kind: Kind, number: u64) -> bool {
    try_send_frame(
        part,
        Header { correlation: number, ..Header::new(kind, crate::codec::Encoding::Raw) },
        &[],
    )
}

/// Sends a frame without waiting; false if there is no room for it now.
pub(super) fn try_send_frame(part: &mut TxPart, header: Header, body: &[u8]) -> bool {
    if part.has_queue() {
        return false;
    }
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

/// Passes a message to the transport, with this extension map; or to the queue of the link.
pub(super) fn push_with(
    part: &mut TxPart,
    header: Header,
    content: DraftContent<'_>,
    extension: &[u8],
    links: &impl Links,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    if let Some(queue) = &mut part.queue {
        queue.put(&mut part.tx, header, &content.payload())?;
        if !queue.is_empty() {
            links.left_over();
        }
        return Ok(());
    }
    let mut frame = match content {
        DraftContent::Payload(payload) => Outgoing::of(header, payload.memory()),
        DraftContent::Recorded(recorded) => Outgoing::of(header, recorded.payload.memory()),
        DraftContent::Borrowed(_, bytes) => Outgoing::new(header, bytes),
    };
    (frame.header.extension, frame.extension) = (extension.len(), extension);
    push(part, &frame, links, waiting)
}

/// Returns the extension map of a request whose outcome is needed until this time since boot.
pub(super) fn with_until(until: Option<Duration>) -> Result<Vec<u8>> {
    until.map_or(Ok(Vec::new()), extension::write_until)
}

/// Passes one frame to the transport, waiting for room.
///
/// # Errors
/// `Timeout`, or `Full` for a call that does not wait, if nothing of it was sent; `Disconnected` if the link
/// broke.
pub(super) fn push(
    part: &mut TxPart,
    frame: &Outgoing<'_>,
    links: &impl Links,
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
        let waited = if partly_sent && waiting.is_none() {
            Err(waiting.timed_out())
        } else {
            links.wait_room(part, waiting)
        };
        match waited {
            Ok(()) => {}
            // The peer has a part of the frame, so the rest has to follow, and the program may never call again.
            Err(e) if partly_sent && e.kind() != ErrorKind::Disconnected => {
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
pub(super) fn flush_rest(part: &mut TxPart, links: &impl Links, waiting: &mut Waiting<'_>) {
    // The next call notices a link that breaks here; the message is then replayed with the others.
    while matches!(part.tx.flush(), Ok(false)) {
        if waiting.is_none() || links.wait_room(part, waiting).is_err() {
            return part.tx.flush_in_background();
        }
    }
}
