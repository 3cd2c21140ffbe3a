//! Frames on the way into a link: the wait for room, the queue of the link, and the rest of a begun frame.

use std::time::Duration;

use super::DraftContent;
use super::links::Links;
use crate::channel::link::TxPart;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::transport::{Sent, extension};

/// Why a connected peer may take nothing, for error texts.
pub const MAY_BE_STOPPED: &str = "its process may be stopped or busy";

pub(super) fn send_control(part: &mut TxPart, kind: Kind, number: u64) -> bool {
    try_send_frame(
        part,
        Header { correlation: number, ..Header::new(kind, crate::codec::Encoding::Raw) },
        &[],
    )
}

pub(super) fn try_send_frame(part: &mut TxPart, header: Header, body: &[u8]) -> bool {
    if part.has_queue() {
        return false;
    }
    matches!(part.tx.try_send(&Outgoing::new(header, body)), Ok(Sent::Whole | Sent::Started))
}

#[inline(always)]
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
        leave(part, links);
        return Ok(());
    }
    let mut frame = content.frame(header);
    (frame.header.extension, frame.extension) = (extension.len(), extension);
    push(part, &frame, links, waiting)
}

pub(super) fn with_until(until: Option<Duration>) -> Result<Vec<u8>> {
    until.map_or(Ok(Vec::new()), extension::write_until)
}

/// Passes one frame to the transport, and waits for room.
///
/// # Errors
/// `Timeout`, or `Full` for a call that does not wait, if the link took nothing; `Disconnected` if the link broke.
#[inline(always)]
pub(super) fn push(
    part: &mut TxPart,
    frame: &Outgoing<'_>,
    links: &impl Links,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    loop {
        match part.tx.try_send(frame)? {
            Sent::Whole => return Ok(()),
            Sent::Started => return flush_rest(part, links, waiting),
            Sent::Blocked if waiting.is_none() => {
                let text = "the peer has not received what was sent before, and the call was not to wait";
                return Err(Error::new(ErrorKind::Full, text));
            }
            Sent::Blocked => links.wait_room(part, waiting).map_err(|error| {
                leave(part, links);
                without_room(error, &frame.header, waiting)
            })?,
        }
    }
}

#[cold]
fn without_room(error: Error, header: &Header, waiting: &Waiting<'_>) -> Error {
    if error.kind() != ErrorKind::Timeout {
        return error;
    }
    let what = match header.kind {
        Kind::Request => "a request",
        Kind::Reply | Kind::Error => "an answer",
        _ => "a message",
    };
    let text = format!(
        "no room within {} for {what} of {} bytes, which was not sent: the peer has not received what was sent before, and {MAY_BE_STOPPED}; try again",
        waiting.described(),
        header.body
    );
    Error::new(ErrorKind::Timeout, text)
}

/// How long a call waits for a stalled peer: much longer than a thread needs to take the rest over.
const STALLED: Duration = Duration::from_millis(20);

/// Writes the rest of the last begun frame while the peer takes it.
///
/// If the peer stalls or the program's tick is due, the thread of the links takes the rest over. Without a thread,
/// the call stays until its deadline and leaves the rest to the next user of the half. Fails only if the link ended.
pub(super) fn flush_rest(part: &mut TxPart, links: &impl Links, waiting: &mut Waiting<'_>) -> Result<()> {
    let (mut has_thread, mut stalled) = (true, None);
    while part.tx.has_rest() {
        let waited = if waiting.is_none() {
            Err(waiting.timed_out())
        } else if has_thread {
            let until = *stalled.get_or_insert_with(|| Deadline::after(STALLED));
            // The message is sent, so the error of a tick would be lost.
            waiting.until_sooner(until, |waiting| waiting.deferring_tick(|w| links.wait_room(part, w)).0)
        } else {
            links.wait_room(part, waiting)
        };
        match waited {
            Ok(()) => {
                let before = part.tx.rest_written();
                part.tx.flush()?;
                stalled = stalled.filter(|_| part.tx.rest_written() == before);
            }
            Err(e) if e.kind() == ErrorKind::Disconnected => return Err(e),
            Err(_) if leave(part, links) || waiting.is_none() || !has_thread => break,
            Err(_) => has_thread = false,
        }
    }
    Ok(())
}

/// Leaves pending output to the thread of the links. Returns whether both exist.
///
/// The thread announces its sleep again after a sleep of the caller.
pub(super) fn leave(part: &TxPart, links: &impl Links) -> bool {
    part.is_waiting() && links.left_over()
}
