//! The receiving direction of a channel: the next frame of a link that may break, a wait until there
//! is one, and a new link.
//!
//! Frames come from the link and become messages, acknowledgements or byes ([`ReceivedFrame`]). A
//! message that a thread receives while it waits for something else (an answer, an acknowledgement)
//! goes to the inbox and is received first by the next call. A link that broke is read to its end
//! before a newer one is: the last messages of the peer are not lost.
//!
//! Consuming: a program that receives again has consumed the messages delivered before. That is recorded
//! together with the next message, under one lock, if a message is ready; else before the wait.
//! `pending_consume` has the occasion until then.
//!
//! Waiting: the transport's own short wait first (a spin over shared memory, a poll of the socket),
//! then the epoll set, which holds the link, `waker` and the wake-up of [`Reconnector::wake`].
//! Before it parks, the thread sends the pending acknowledgement, so that a receiver which is
//! killed while it waits has acknowledged the messages that its program consumed. The same epoll set is the
//! descriptor that a program's event loop watches (`fileno`); from then on it is kept readable
//! exactly while a message or an event can be received.
//!
//! The direction is held by one thread at a time (`direction`); the library borrows it to collect
//! acknowledgements while a program only sends.

mod attach;
mod collect;
mod frames;
mod in_place;
mod in_stream;
mod wait;
mod wait_set;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::link::{RxPart, Want};
use super::lockstep;
use super::options::Options;
use super::pattern::Pattern;
use super::reconnector::{LinkSource, Reconnector};
use super::sending::AckSender;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::schema::PreparedSchema;
use crate::session::inbox::AckTrigger;
use crate::sys::eventfd::ReadinessFlag;
use crate::sys::fork::Descriptor;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::Losses;
use crate::value::Limits;

pub use in_stream::InStream;
use wait_set::WaitSet;

/// The state of the receiving direction. Its `Direction` makes sure that one thread uses it.
pub struct Receiving {
    /// The receiving half of the link; none before the first and after one ended.
    part: Option<RxPart>,
    /// The generation of that link.
    pub generation: u64,
    /// Messages received while a thread waited for something else, in their order.
    pub inbox: VecDeque<Message>,
    /// Whether the transport is to wake this side.
    parked: bool,
    /// An error that occurred after the messages of the inbox, for the call that has emptied it.
    deferred_error: Option<Error>,
    /// Frames in a row that were no messages.
    empty_polls: u32,
    /// Whether the program's event loop watches the descriptor.
    watched: bool,
    /// Whether the peer sends each message once the one before is consumed.
    lockstep: bool,
    /// Whether an answer was kept for a call that has not looked for it since: the descriptor becomes readable once for
    /// it.
    has_filed: bool,
    /// Whether the channel is closed and still reads for acknowledgements.
    pub closing: bool,
    /// Whether the library receives, to collect acknowledgements, and not the program.
    for_library: bool,
    /// Whether the peer closes and waits for the acknowledgement.
    pub bye_received: bool,
    /// Whether a message from the link is delivered to the program in the same step.
    pub delivers: bool,
    /// Whether the program gets several messages in one call: those before the next one are not
    /// consumed yet.
    pub delivers_more: bool,
    /// The occasion on which the messages delivered before are recorded as consumed, if that is still to be
    /// done.
    pending_consume: Option<AckTrigger>,
    /// Whether the last received message came from the inbox.
    pub from_inbox: bool,
    /// The number of the request whose answer the caller awaits; 0 for none, and once a reply was consumed with its
    /// receipt.
    pub awaited: u64,
    limits: Limits,
    /// The schema against which messages and requests are checked while they are decoded.
    schema: Option<Arc<PreparedSchema>>,
    /// The same for replies.
    reply_schema: Option<Arc<PreparedSchema>>,
    set: WaitSet,
    /// Whether the link's connection is in the set: in a dialogue over a stream no sleep is on the set, and the kernel
    /// would enter each message there, too.
    link_in_set: bool,
    /// Keeps the descriptor readable while the inbox holds messages.
    waker: ReadinessFlag,
}

/// The meaning of a received frame to the channel.
pub enum ReceivedFrame {
    /// A message.
    Message(Message),
    /// The peer closes, and waits for the acknowledgement of all that it sent.
    Bye,
    /// The peer acknowledges, or answers a request of another call.
    Ack,
}

/// Token of the link, the waker and the wake-up in the epoll set.
const LINK: u64 = 1;
/// The token of the event that a new link may be made.
pub const ORIGIN: u64 = 2;

impl Receiving {
    /// Returns the state with this epoll set, without a link. Fails with `OutOfMemory` if the process
    /// has no descriptors left.
    pub fn new(set: Epoll, options: &Options, reconnector: &Reconnector) -> Result<Receiving> {
        let set = WaitSet::new(set);
        let waker = ReadinessFlag::new()?;
        set.add(&waker, LINK, Interest::IN)?;
        set.add(&reconnector.wake, LINK, Interest::IN)?;
        if let LinkSource::Acceptor(acceptor) = &reconnector.origin {
            set.add(acceptor.queue.waker(), ORIGIN, Interest::IN | Interest::ET)?;
        }
        Ok(Receiving {
            part: None,
            generation: 0,
            inbox: VecDeque::new(),
            deferred_error: None,
            parked: false,
            empty_polls: 0,
            watched: false,
            lockstep: false,
            has_filed: false,
            closing: false,
            for_library: false,
            bye_received: false,
            delivers: false,
            delivers_more: false,
            pending_consume: None,
            from_inbox: false,
            awaited: 0,
            limits: options.limits(),
            schema: options.checks_received().cloned(),
            reply_schema: options.checks_replies_received().cloned(),
            set,
            link_in_set: false,
            waker,
        })
    }

    /// Returns whether the peer sends each message once the one before is consumed (`ends/lockstep`).
    pub fn is_lockstep(&self) -> bool {
        self.lockstep
    }

    /// The descriptor of the epoll set, which a program's event loop watches.
    pub fn descriptor(&self) -> Arc<Descriptor> {
        self.set.descriptor()
    }

    /// Keeps the descriptor readable, from now on, exactly while something can be received.
    pub fn watch(&mut self, reconnector: &Reconnector) -> Result<()> {
        reconnector.watched.store(true, Ordering::Release);
        self.set.disarm()?;
        self.watch_link()?;
        self.watched = true;
        self.update_readiness(false);
        Ok(())
    }

    /// Adds a received message that the caller did not wait for to the inbox.
    pub fn keep(&mut self, message: Message) {
        self.inbox.push_back(message);
        self.update_readiness(false);
    }

    /// The same, in front of all others.
    pub fn keep_first(&mut self, message: Message) {
        self.inbox.push_front(message);
        self.update_readiness(false);
    }

    /// Returns whether this is a request that its caller has withdrawn by now.
    #[inline]
    pub fn is_withdrawn(&mut self, message: &Message) -> bool {
        message.is_request() && self.part.as_mut().is_some_and(|part| part.is_withdrawn(message.number()))
    }

    /// Returns whether another call may return a message without waiting.
    pub fn may_have_more(&self) -> bool {
        !self.inbox.is_empty()
            || self.deferred_error.is_none() && self.part.as_ref().is_some_and(RxPart::may_hold_more)
    }

    /// Keeps the descriptor readable until the program asks again, which consumes what it was given.
    pub fn keep_readable(&mut self) {
        if self.watched {
            self.waker.wake();
        }
    }

    /// Keeps an error for the next call that receives.
    pub fn defer_error(&mut self, error: Error) {
        self.deferred_error.get_or_insert(error);
        if self.watched {
            self.waker.wake();
        }
    }

    /// Returns whether the link has a session and may hold more than was read.
    fn may_hold_more(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.negotiated.is_some() && part.may_hold_more())
    }

    /// Records that the program calls to receive, which consumes the messages delivered before. If a message
    /// is ready in the link, the record is made together with that message, which saves a lock and a fence;
    /// else now.
    #[inline]
    pub fn program_receives(&mut self, ack_sender: &AckSender<'_>) {
        if self.lockstep {
            lockstep::asks(&ack_sender.links.session_state);
        }
        let trigger = if self.bye_received { AckTrigger::Requested } else { AckTrigger::Receive };
        self.pending_consume = Some(trigger);
        if !self.inbox.is_empty() || self.deferred_error.is_some() || !self.may_hold_more() {
            self.apply_consume(ack_sender);
        }
    }

    /// Makes the record that [`Receiving::program_receives`] has postponed.
    #[inline]
    pub fn apply_consume(&mut self, ack_sender: &AckSender<'_>) {
        if let Some(trigger) = self.pending_consume.take() {
            self.consume(trigger, ack_sender);
        }
    }

    /// Records that delivered messages are consumed, and acknowledges if that is necessary.
    fn consume(&mut self, trigger: AckTrigger, ack_sender: &AckSender<'_>) {
        match &mut self.part {
            // The ring keeps nothing for the inbox: its messages were copied.
            Some(part) if part.negotiated.is_some() => {
                let mut halves = ack_sender.links.session_state.halves();
                let has_to_say = halves.consumed_in_ring(|| part.rx.consumed_with_fence(), trigger);
                drop(halves);
                if has_to_say {
                    ack_sender.send_ack_now(trigger);
                }
            }
            _ => ack_sender.consumed(trigger),
        }
    }

    /// Returns the next frame for the program: from the inbox, else from the link.
    pub fn next(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<ReceivedFrame> {
        let next = self.find_next(ack_sender, waiting);
        if !self.watched || next.is_ok() {
            return next;
        }
        if self.part.is_some() && !self.parked {
            // The program waits on the descriptor from here on, also where the peer is a server, which has only
            // answers.
            self.update_readiness(true);
        } else if self.part.is_none() {
            // The caller gets the end of the link now, and the inbox is empty.
            let links = ack_sender.links;
            if links.reconnects() && !links.origin.is_armed() {
                // The process has no descriptors left: the program tries again.
                self.waker.wake();
            } else {
                self.waker.drain();
            }
        }
        next
    }

    /// [`Receiving::next`] without the upkeep of the descriptor.
    fn find_next(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<ReceivedFrame> {
        let kept = self.inbox.pop_front();
        self.from_inbox = kept.is_some();
        if let Some(message) = kept {
            self.update_readiness(false);
            return Ok(ReceivedFrame::Message(message));
        }
        if let Some(error) = self.deferred_error.take() {
            return Err(error);
        }
        if self.part.is_none() {
            self.connect(ack_sender.links, ack_sender.event_log, waiting)?;
        }
        if let Some(part) = &self.part {
            check_pattern(part)?;
        }
        self.link_next(ack_sender, waiting, true)
    }

    /// Returns whether nothing comes over the link of this generation any more.
    pub fn is_behind(&self, generation: u64) -> bool {
        self.generation > generation || self.generation == generation && self.part.is_none()
    }

    /// Returns whether the peer is a server, which sends nothing but answers.
    pub fn is_of_server(&self) -> bool {
        self.part.as_ref().is_some_and(|part| check_pattern(part).is_err())
    }

    /// Returns the next frame of the link that concerns the channel. Without `reconnect`, the end of the link
    /// is `Disconnected` at once; with it, a link that may be replaced is.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` once the channel is closed; an error about a single
    /// frame, which was skipped, and after which receiving goes on; `Malformed` for a protocol
    /// violation, which ends the link.
    pub fn link_next(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
        reconnect: bool,
    ) -> Result<ReceivedFrame> {
        let next = self.find_in_link(ack_sender, waiting, reconnect);
        if self.watched && next.is_err() && !self.parked && self.part.is_some() {
            // The program waits on the descriptor from here on.
            self.update_readiness(true);
        }
        next
    }

    /// [`Receiving::link_next`] without the upkeep of the descriptor.
    fn find_in_link(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
        reconnect: bool,
    ) -> Result<ReceivedFrame> {
        let AckSender { links: reconnector, event_log, .. } = *ack_sender;
        let awaited = self.awaited;
        self.unpark();
        if self.delivers_more {
            // The next call consumes all of them.
        } else if self.pending_consume.is_some() {
            // Recorded together with the message that is ready.
        } else if !reconnector.is_manual_ack() || !self.part.as_ref().is_some_and(|part| part.rx.keeps()) {
            self.consumed();
        }
        if !waiting.is_none()
            && !self.watched
            && self.part.as_mut().is_some_and(|part| part.read_ahead.is_empty() && part.rx.is_likely_empty())
        {
            // Reading an empty link before the wait would cost one more system call. A time-out is reported
            // below, after the link was read once.
            self.wait_for_frame(ack_sender, waiting)
                .or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })?;
        }
        loop {
            // A newer link is taken only after this one was read to its end.
            if self.part.is_none() {
                // Otherwise a thread of the program requests the direction.
                let is_connected = self.connect(reconnector, event_log, waiting)?;
                if is_connected && self.for_library {
                    // The sending half takes its half, too. The end of the last link may have brought the
                    // acknowledgement for which the caller waits, and the new one need not bring any.
                    ack_sender.send_ack(AckTrigger::Park);
                }
                if !is_connected || self.for_library {
                    return Ok(ReceivedFrame::Ack);
                }
            }
            if self.may_take_in_place() {
                let want = Want { delivers: self.delivers, consume: self.pending_consume, ..in_place::ANY };
                let taken = self.take_in_place(&mut reconnector.session_state.halves(), event_log, want);
                if let Some(taken) = taken {
                    self.pending_consume = None;
                    return self.route(ack_sender.finish(taken), awaited, ack_sender, waiting);
                }
            }
            let Some(part) = &mut self.part else { continue };
            let got = part.next_frame();
            let losses = part.rx.take_losses();
            if losses != Losses::default() {
                event_log.lost(losses);
            }
            if self.pending_consume.is_some() && !matches!(got, Ok(Some(_))) {
                // Before the link is released, and its session with it.
                self.apply_consume(ack_sender);
            }
            match got {
                Ok(Some(frame)) => {
                    match self.dispatch(frame, ack_sender) {
                        Ok(None) => self.count_empty_poll(waiting)?,
                        Ok(Some(ReceivedFrame::Message(message))) => {
                            return self.route(message, awaited, ack_sender, waiting);
                        }
                        Ok(Some(frame)) => {
                            let counted = self.count_empty_poll(waiting);
                            if counted.is_err() && matches!(frame, ReceivedFrame::Bye) {
                                // The caller, which would send it, gets the error instead of the frame.
                                ack_sender.send_ack(AckTrigger::Requested);
                            }
                            return counted.map(|()| frame);
                        }
                        // A protocol violation: nothing that follows can be relied on.
                        Err(e) => {
                            self.apply_consume(ack_sender);
                            self.link_lost(reconnector, event_log, &e);
                            return Err(e);
                        }
                    }
                }
                Ok(None) => {
                    self.count_empty_poll(waiting)?;
                    self.wait_for_frame(ack_sender, waiting)?;
                    if self.for_library && reconnector.is_interrupted() {
                        return Ok(ReceivedFrame::Ack);
                    }
                    if !self.closing {
                        reconnector.check_open()?;
                    }
                }
                // An error about one frame, which the transport has skipped.
                Err(e) if self.part.as_ref().is_some_and(|part| part.rx.goes_on_after(&e)) => return Err(e),
                Err(e) => {
                    self.link_lost(reconnector, event_log, &e);
                    let lasting = e.kind() != ErrorKind::Disconnected;
                    if lasting || !reconnect || !reconnector.reconnects() {
                        return Err(e);
                    }
                }
            }
        }
    }

    /// Frees the room of the delivered messages in the link; those in the inbox were copied.
    pub fn consumed(&mut self) {
        if let Some(part) = &mut self.part {
            part.rx.consumed_but(self.inbox.len());
        }
    }
}

/// Fails for a server, which sends nothing by itself: a program that received from it would wait
/// without end.
fn check_pattern(part: &RxPart) -> Result<()> {
    if part.peer.pattern == Pattern::Request {
        let text = "is a server, call it: it sends nothing on its own";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    Ok(())
}
