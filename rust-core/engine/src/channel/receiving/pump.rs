//! The one loop in which messages and frames of a channel's link are received: for a call that receives, for a call
//! that awaits its answer, and for a thread that waits for acknowledgements. Links that break are replaced in it.
//!
//! What differs between them says [`Reads`]; what becomes of a message or frame decides the [`Place`]. Its first part,
//! [`receive`], takes what is complete in the link, under the session's lock; a call whose message it is gives the
//! direction back under that lock. Where nothing is, it polls for a microsecond, if that is known to succeed. The
//! second part, `pump_frames`, does everything else, without the lock.

use super::place::{DirectionGuard, Place, Turns};
use super::reads::{First, Reads};
use super::{Receiving, Turn, check_pattern};
use crate::channel::conn::Conn;
use crate::channel::link::{Taken, is_answer_to};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Header;
use crate::planted;
use crate::session::inbox::{AckTrigger, Fate};

/// Messages in the inbox, at most, while a thread reads for acknowledgements.
const MAX_INBOX: usize = 1 << 16;

/// What the caller does in each turn of the loop; `true` ends it.
type Turned<'a> = dyn FnMut(&mut Receiving, Turn) -> Result<bool> + 'a;

/// Where the loop is.
enum At {
    /// Before a look for the next frame.
    Look,
    /// Before the session's lock, if a message may be taken there.
    Lock,
    /// At the next frame: nothing could be taken under the lock.
    Frame,
}

/// Why [`Receiving::pump_frames`] returns.
enum Pumped {
    /// A message may be taken under the lock.
    Ready,
    /// A turn has ended the loop.
    Ended,
}

/// Receives until `place` has what the call returns. `came` is what was taken already and is not that. Returns the
/// direction as well, unless it was given back with the message.
///
/// # Errors
/// Those of the turns. `Timeout` at the deadline; `Disconnected` at the end of a link that is not replaced;
/// `InvalidState` once the channel is closed; an error about a single frame, after which receiving goes on: it was
/// skipped, or stays the next one where there was no memory for it; `Malformed` for a protocol violation, which ends
/// the link.
pub fn receive<H: DirectionGuard, P: Place>(
    held: H,
    place: &mut P,
    conn: &Conn,
    (reads, came): (Reads, Option<Taken>),
    waiting: &mut Waiting<'_>,
) -> (Result<P::Output>, Option<H>) {
    let (mut held, mut reads, mut at) = (held, reads, At::Look);
    let (mut came, mut is_first) = (came, true);
    let received = loop {
        if let Some(taken) = came.take() {
            let of = held.route(conn.finish(taken), reads.answer_to, conn, waiting);
            if let Some(received) = of.and_then(|of| place.turn(&mut held, of)).transpose() {
                break received;
            }
        }
        let is_there = match reads.first {
            First::Wait if is_first && !waiting.is_none() => held.wait_first(&reads, conn, waiting),
            First::Read if is_first => Ok(held.read_first()),
            _ => Ok(false),
        };
        is_first = false;
        let mut found = None;
        let pumped = match is_there {
            Ok(true) => Ok(Pumped::Ready),
            Ok(false) => {
                let turn = &mut |receiving: &mut Receiving, of: Turn| {
                    found = place.turn(receiving, of)?;
                    Ok(found.is_some())
                };
                held.pump_frames(conn, &mut reads, waiting, &mut at, turn)
            }
            Err(error) => Err(error),
        };
        match pumped {
            Ok(Pumped::Ready) => {}
            Ok(Pumped::Ended) => break found.ok_or_else(|| waiting.timed_out()),
            Err(error) => break Err(error),
        }
        match held.step(conn, |at| place.take(at, &reads)) {
            Ok(taken) => return (Ok(taken.done().unwrap_or_else(|taken| conn.finish(taken))), None),
            Err((again, other)) => {
                (held, came) = (again, other);
                (reads.first, at) = (First::Look, At::Frame);
                if came.is_some() {
                    // It was recorded with the message.
                    (reads.consume, at) = (None, At::Look);
                }
            }
        }
    };
    held.apply_consume(&mut reads, conn);
    if held.watched && received.is_err() {
        held.leave_to_event_loop(&reads, conn);
    }
    (received, Some(held))
}

impl Receiving {
    /// Receives messages and frames, and passes each to `turn`, until that returns a result.
    ///
    /// # Errors
    /// Those of [`receive`].
    pub fn pump<T>(
        &mut self,
        conn: &Conn,
        reads: Reads,
        waiting: &mut Waiting<'_>,
        turn: impl FnMut(&mut Receiving, Turn) -> Result<Option<T>>,
    ) -> Result<T> {
        receive(self, &mut Turns(turn), conn, (reads, None), waiting).0
    }

    /// Receives for the library, until `enough` is true; messages go to the inbox.
    ///
    /// # Errors
    /// Those of [`Receiving::pump`]; `Full` if the inbox holds [`MAX_INBOX`] messages.
    pub fn read(
        &mut self,
        conn: &Conn,
        reads: Reads,
        waiting: &mut Waiting<'_>,
        mut enough: impl FnMut() -> bool,
    ) -> Result<()> {
        self.pump(conn, reads, waiting, |receiving, turn| match turn {
            Turn::Look if enough() => Ok(Some(())),
            Turn::Look if receiving.inbox.len() >= MAX_INBOX => {
                let text = format!(
                    "{MAX_INBOX} messages wait to be received, and the peer has not consumed what was sent; receive them first"
                );
                Err(Error::new(ErrorKind::Full, text))
            }
            Turn::Message(message) => {
                receiving.keep(message);
                conn.send_ack(AckTrigger::Requested);
                Ok(None)
            }
            Turn::Look | Turn::Bye | Turn::Ack => Ok(None),
        })
    }

    /// Receives the available frames without waiting, for the acknowledgements among them.
    pub fn collect_acks(&mut self, conn: &Conn) {
        // The next call that receives gets the same error and reports it.
        let _ = self.read(conn, Reads::of_library(), &mut Waiting::at_once(), || false);
    }

    /// The loop of [`receive`] without the lock: until a message may be taken there, or a turn ends it.
    #[inline(never)]
    fn pump_frames(
        &mut self,
        conn: &Conn,
        reads: &mut Reads,
        waiting: &mut Waiting<'_>,
        at: &mut At,
        turn: &mut Turned<'_>,
    ) -> Result<Pumped> {
        let Conn { links: reconnector, event_log, .. } = conn;
        loop {
            planted::sleep_in_loop();
            // A newer link is taken only after this one was read to its end.
            if let At::Look = at {
                if turn(self, Turn::Look)? {
                    return Ok(Pumped::Ended);
                }
                if reads.of_program && !self.inbox.is_empty() {
                    if self.give_kept(reads, conn, turn)? {
                        return Ok(Pumped::Ended);
                    }
                    continue;
                }
                *at = At::Lock;
                self.begin_look(reads, conn, waiting)?;
            }
            if self.part.is_none() {
                if !reads.makes_links && !reconnector.is_newer(self.generation) {
                    return Err(Error::new(ErrorKind::Disconnected, "the link has ended"));
                }
                self.connect(reconnector, event_log, waiting)?;
                // What the call has seen is not true of this link, over which messages may have to be sent again.
                reads.first = First::Look;
                if reads.is_lent {
                    // The sending half takes its half, too. The end of the last link may have brought the
                    // acknowledgement for which the caller waits, and the new one need not bring any.
                    conn.send_ack(AckTrigger::Park);
                    *at = At::Look;
                    continue;
                }
                self.check_sends(reads)?;
            }
            if let At::Lock = at
                && self.may_take()
            {
                return Ok(Pumped::Ready);
            }
            *at = At::Lock;
            let Some(part) = &mut self.part else { continue };
            let got = conn.next_frame(part).or_else(|error| {
                // No call waits for this answer, so it would be dropped.
                let is_late = |header: &Header| {
                    let calls = &reconnector.session_state.halves().calls;
                    header.kind.is_answer()
                        && !is_answer_to(header, reads.answer_to)
                        && !calls.is_open(header.correlation)
                };
                conn.without_body(part, error, is_late).map(Some)
            });
            if !matches!(got, Ok(Some(_))) {
                // Before the link is released, and its session with it.
                self.apply_consume(reads, conn);
            }
            match got {
                Ok(Some(frame)) => {
                    let of = match self.dispatch(frame, reads, conn) {
                        Ok(Some(Turn::Message(message))) => {
                            self.route(message, reads.answer_to, conn, waiting)?
                        }
                        Ok(other) => {
                            self.count_empty_poll(waiting)?;
                            let Some(of) = other else { continue };
                            of
                        }
                        // A protocol violation: nothing that follows can be relied on.
                        Err(e) => {
                            self.apply_consume(reads, conn);
                            self.link_lost(reconnector, event_log, &e);
                            return Err(e);
                        }
                    };
                    *at = At::Look;
                    if turn(self, of)? {
                        return Ok(Pumped::Ended);
                    }
                }
                Ok(None) => {
                    self.count_empty_poll(waiting)?;
                    self.wait_for_frame(reads, conn, waiting)?;
                    if reads.is_lent && turn(self, Turn::Look)? {
                        return Ok(Pumped::Ended);
                    }
                }
                // An error about one frame: the transport has skipped it, or there may be memory for it later.
                Err(e) if self.part.as_ref().is_some_and(|part| part.rx.goes_on_after(&e)) => return Err(e),
                Err(e) => {
                    self.link_lost(reconnector, event_log, &e);
                    let is_replaced = if reads.makes_links {
                        reconnector.reconnects()
                    } else {
                        reconnector.is_newer(self.generation)
                    };
                    if e.kind() != ErrorKind::Disconnected || !is_replaced {
                        return Err(e);
                    }
                    *at = At::Look;
                }
            }
        }
    }

    /// Passes the first message of the inbox on. One that a call has left in its slot is copied, unless this call does
    /// that itself.
    fn give_kept(&mut self, reads: &Reads, conn: &Conn, turn: &mut Turned<'_>) -> Result<bool> {
        if !self.takes_whole
            && let Some(first) = self.inbox.front_mut()
            && first.uncopied_body().is_some()
        {
            first.copy_to_one_block()?;
        }
        let Some(message) = self.inbox.pop_front() else { return Ok(false) };
        self.update_readiness(false);
        if reads.fate == Fate::Delivered {
            let mut halves = conn.links.session_state.halves();
            halves.inbox.delivered(message.session(), message.number());
        }
        turn(self, Turn::Message(message))
    }

    /// Prepares the look for the next frame. Frees the room of the delivered messages in the link, and waits where the
    /// link is probably empty.
    fn begin_look(&mut self, reads: &mut Reads, conn: &Conn, waiting: &mut Waiting<'_>) -> Result<()> {
        if reads.of_program
            && let Some(error) = self.deferred_error.take()
        {
            return Err(error);
        }
        self.check_sends(reads)?;
        if reads.asks_for_peer
            && let Some(part) = &mut self.part
        {
            part.park()?;
        }
        self.unpark();
        let spares = reads.spares || conn.links.is_manual_ack();
        let is_kept = spares && self.part.as_ref().is_some_and(|part| part.rx.keeps());
        if reads.consume.is_none() && !is_kept {
            self.consumed();
        }
        if !waiting.is_none()
            && !self.watched
            && self.part.as_mut().is_some_and(|part| part.read_ahead.is_empty() && part.rx.is_likely_empty())
        {
            // Reading an empty link before the wait would cost one more system call. A time-out is reported later,
            // after the link was read once.
            self.wait_for_frame(reads, conn, waiting)
                .or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })?;
        }
        Ok(())
    }

    /// Fails where the program receives from a server.
    fn check_sends(&self, reads: &Reads) -> Result<()> {
        match &self.part {
            Some(part) if reads.of_program => check_pattern(part),
            _ => Ok(()),
        }
    }

    /// Leaves the descriptor as an event loop needs it, which waits from here on, also where the peer is a server,
    /// which has only answers.
    fn leave_to_event_loop(&mut self, reads: &Reads, conn: &Conn) {
        if self.part.as_ref().is_some_and(|part| !part.parked) {
            self.update_readiness(true);
        } else if self.part.is_none() && (reads.of_program || reads.answer_to != 0) && self.inbox.is_empty() {
            // The caller gets the end of the link now.
            let links = &conn.links;
            if links.reconnects() && !links.origin.is_armed() {
                // The process has no descriptors left: the program tries again.
                self.waker.wake();
            } else {
                self.waker.drain();
            }
        }
    }

    /// Records what the call has postponed as consumed.
    pub(super) fn apply_consume(&mut self, reads: &mut Reads, conn: &Conn) {
        if let Some(trigger) = reads.consume.take() {
            self.consume(trigger, conn);
        }
    }
}
