//! The loop that receives the messages and frames of a channel's link, and replaces broken links.
//!
//! It serves calls that receive or await an answer, and threads that wait for acknowledgements. [`Reads`] states
//! their differences; the [`Place`] handles messages and frames.
//!
//! The first part, [`receive`], takes complete messages under the session's lock, and polls an empty link for a
//! microsecond if earlier polls succeeded. A call that gets its message there gives the direction back under that
//! lock. The second part, `pump_frames`, does everything else without the lock.

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

/// The most messages in the inbox while a thread reads for acknowledgements.
const MAX_INBOX: usize = 1 << 16;

type Turned<'a> = dyn FnMut(&mut Receiving, Turn) -> Result<bool> + 'a;

enum At {
    /// Before a look for the next frame.
    Look,
    /// Before the session's lock, if a message may be taken there.
    Lock,
    /// At the next frame: the lock yielded nothing.
    Frame,
}

enum Pumped {
    /// A message may be taken under the lock.
    Ready,
    Ended,
}

/// Receives until `place` has the call's return value. `came` is an already taken other message.
///
/// Also returns the direction, if it was not given back with the message.
///
/// # Errors
/// Errors of the turns, and these:
///
/// - `Timeout` at the deadline.
/// - `Disconnected` at the end of a link that is not replaced.
/// - `InvalidState` once the channel is closed.
/// - `Malformed` for a protocol violation, which ends the link.
/// - An error about a single frame. The frame was skipped, or stays the next one if memory was missing.
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
                    // The step recorded the consumption together with the message.
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
    pub fn pump<T>(
        &mut self,
        conn: &Conn,
        reads: Reads,
        waiting: &mut Waiting<'_>,
        turn: impl FnMut(&mut Receiving, Turn) -> Result<Option<T>>,
    ) -> Result<T> {
        receive(self, &mut Turns(turn), conn, (reads, None), waiting).0
    }

    /// Receives into the inbox for the library, until `enough` is true.
    ///
    /// # Errors
    /// As of [`Receiving::pump`]; `Full` if the inbox holds [`MAX_INBOX`] messages.
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

    pub fn collect_acks(&mut self, conn: &Conn) {
        // The next call that receives gets this error again and reports it.
        let _ = self.read(conn, Reads::of_library(), &mut Waiting::at_once(), || false);
    }

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
                // The earlier look does not hold for this link, which may need replays.
                reads.first = First::Look;
                if reads.is_lent {
                    // The sending half must join the new link also. The last link's end may have brought the awaited
                    // acknowledgement, and the new link need not bring another.
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
                // Before the link and its session are released.
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
                        // After a protocol violation, no further frame can be trusted.
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
                // An error about one frame: the transport has skipped it, or memory may suffice later.
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

    /// Passes the first message of the inbox on, copied out of its slot if this call does not copy.
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
            // Reading an empty link before the wait would cost one more system call. A time-out is reported after one
            // read of the link.
            self.wait_for_frame(reads, conn, waiting)
                .or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })?;
        }
        Ok(())
    }

    fn check_sends(&self, reads: &Reads) -> Result<()> {
        match &self.part {
            Some(part) if reads.of_program => check_pattern(part),
            _ => Ok(()),
        }
    }

    /// Leaves the descriptor as a waiting event loop needs it, also for a server as peer.
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

    pub(super) fn apply_consume(&mut self, reads: &mut Reads, conn: &Conn) {
        if let Some(trigger) = reads.consume.take() {
            self.consume(trigger, conn);
        }
    }
}
