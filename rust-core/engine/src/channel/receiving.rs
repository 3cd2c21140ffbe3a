//! The receiving direction of a channel: the next frame of a link that may break, the wait for it, and a new link.
//!
//! One loop (`pump`) turns frames into messages, acknowledgements and byes ([`Turn`]). A thread that waits for an
//! answer or acknowledgement puts other messages into the inbox, which the next call empties first. A broken link is
//! read to its end before a newer one, so the peer's last messages are not lost.
//!
//! Consuming: a program that receives again has consumed the messages delivered before. A call records that under one
//! lock together with the next ready message, otherwise before the wait.
//!
//! Waiting: after the transport's short wait (a spin or a poll), the thread sends the pending acknowledgement and
//! parks on the epoll set. A receiver that is killed during the wait has thus acknowledged its program's consumption.
//! The set holds the link, `waker` and [`Reconnector::wake`]. A program's event loop may watch it (`fileno`). From
//! then on it is readable exactly while a message or an event can be received.
//!
//! One thread at a time holds the direction (`direction`). The library borrows it to collect acknowledgements while a
//! program only sends.

mod attach;
mod frames;
mod place;
mod pump;
mod reads;
mod take;
mod wait;
mod wait_set;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::conn::Conn;
use super::link::RxPart;
use super::lockstep;
use super::options::Options;
use super::pattern::Pattern;
use super::reconnector::{LinkSource, Reconnector};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::schema::PreparedSchema;
use crate::session::inbox::AckTrigger;
use crate::sys::eventfd::ReadinessFlag;
use crate::sys::fork::Descriptor;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::BodyViews;
use crate::value::Limits;

pub use place::{Locked, Place, Step};
pub use pump::receive;
pub use reads::{First, Reads};
use wait_set::WaitSet;

pub struct Receiving {
    /// The receiving half; none before the first link and after a link ended.
    part: Option<RxPart>,
    pub generation: u64,
    /// Messages received while a thread waited for something else, in order.
    pub inbox: VecDeque<Message>,
    /// An error that followed the messages of the inbox, for the call that has emptied it.
    deferred_error: Option<Error>,
    empty_polls: u32,
    /// Whether the program's event loop watches the descriptor.
    watched: bool,
    lockstep: bool,
    /// Whether an answer waits for another call. The descriptor becomes readable once for it.
    has_filed: bool,
    /// Whether the channel is closed and still reads acknowledgements.
    pub closing: bool,
    limits: Limits,
    /// Messages and requests are checked against this schema during decoding.
    schema: Option<Arc<PreparedSchema>>,
    reply_schema: Option<Arc<PreparedSchema>>,
    body_views: BodyViews,
    /// Whether the call copies whole bodies that stay in the slots.
    takes_whole: bool,
    set: WaitSet,
    /// False in a dialogue over a stream: no thread sleeps on the set, which would cost the kernel an entry per
    /// message.
    link_in_set: bool,
    /// Whether the set has the descriptor that ends the sleep of a borrowing thread.
    is_lent: bool,
    waker: ReadinessFlag,
}

/// The kind of bodies that a call copies out of the peer's slots itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    Nothing,
    Data,
    Replies,
}

pub enum Turn {
    /// Before a look for the next frame: the awaited event may have happened.
    Look,
    Message(Message),
    /// The peer closes; the acknowledgement that it waits for is sent.
    Bye,
    /// The peer acknowledges, or answers a request of another call.
    Ack,
}

/// Token of the link, the waker and the wake-up in the epoll set.
const LINK: u64 = 1;
/// Token of the event that a new link may be made.
pub const ORIGIN: u64 = 2;

impl Receiving {
    /// Returns the state with this epoll set, without a link.
    ///
    /// # Errors
    /// `OutOfMemory` if the process has no descriptors left.
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
            empty_polls: 0,
            watched: false,
            lockstep: false,
            has_filed: false,
            closing: false,
            limits: options.limits(),
            schema: options.checks_received().cloned(),
            reply_schema: options.checks_replies_received().cloned(),
            body_views: options.body_views(),
            takes_whole: false,
            set,
            link_in_set: false,
            is_lent: false,
            waker,
        })
    }

    pub fn is_lockstep(&self) -> bool {
        self.lockstep
    }

    pub fn descriptor(&self) -> Arc<Descriptor> {
        self.set.descriptor()
    }

    /// From now on, keeps the descriptor readable exactly while something can be received.
    pub fn watch(&mut self, reconnector: &Reconnector) -> Result<()> {
        reconnector.watched.store(true, Ordering::Release);
        self.set.disarm()?;
        self.watch_link()?;
        self.watched = true;
        self.update_readiness(false);
        Ok(())
    }

    pub fn keep(&mut self, message: Message) {
        self.inbox.push_back(message);
        self.update_readiness(false);
    }

    pub fn keep_first(&mut self, message: Message) {
        self.inbox.push_front(message);
        self.update_readiness(false);
    }

    /// Skips a message that found no memory, and returns it without its body.
    ///
    /// # Errors
    /// `Malformed`: the link has ended.
    pub fn skip(&mut self, conn: &Conn) -> Result<Option<Message>> {
        let Some(frame) = self.part.as_mut().map_or(Ok(None), |part| part.rx.skip_if(|_| true))? else {
            return Ok(None);
        };
        let turn = self.dispatch(frame, &mut Reads::of_library(), conn)?;
        Ok(if let Some(Turn::Message(message)) = turn { Some(message) } else { None })
    }

    #[inline]
    pub fn is_withdrawn(&mut self, message: &Message) -> bool {
        message.is_request() && self.part.as_mut().is_some_and(|part| part.is_withdrawn(message.number()))
    }

    /// Returns whether another call may return a message without waiting.
    pub fn may_have_more(&self) -> bool {
        !self.inbox.is_empty()
            || self.deferred_error.is_none() && self.part.as_ref().is_some_and(RxPart::may_hold_more)
    }

    /// Keeps the descriptor readable until the program asks again, which consumes the given messages.
    pub fn keep_readable(&mut self) {
        if self.watched {
            self.waker.wake();
        }
    }

    pub fn defer_error(&mut self, error: Error) {
        self.deferred_error.get_or_insert(error);
        if self.watched {
            self.waker.wake();
        }
    }

    fn may_hold_more(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.negotiated.is_some() && part.may_hold_more())
    }

    /// Records that the program calls to receive, which consumes the messages delivered before.
    ///
    /// If the link has a message ready, the returned occasion is recorded together with that message.
    pub fn program_receives(&mut self, conn: &Conn) -> Option<AckTrigger> {
        if self.lockstep {
            lockstep::asks(&conn.links.session_state);
        }
        let trigger = self.part.as_ref().map_or(AckTrigger::Receive, RxPart::trigger);
        if self.inbox.is_empty() && self.deferred_error.is_none() && self.may_hold_more() {
            return Some(trigger);
        }
        self.consume(trigger, conn);
        None
    }

    fn consume(&mut self, trigger: AckTrigger, conn: &Conn) {
        match &mut self.part {
            // Messages of the inbox are copies, so the ring keeps nothing for them.
            Some(part) if part.negotiated.is_some() => conn.consume(part, trigger),
            // A link without a session acknowledges nothing.
            Some(_) => {}
            None => conn.consumed(trigger),
        }
    }

    pub fn is_behind(&self, generation: u64) -> bool {
        self.generation > generation || self.generation == generation && self.part.is_none()
    }

    pub fn is_of_server(&self) -> bool {
        self.part.as_ref().is_some_and(|part| check_pattern(part).is_err())
    }

    /// Frees the room of the delivered messages in the link. Messages of the inbox are copies.
    pub fn consumed(&mut self) {
        if let Some(part) = &mut self.part {
            part.rx.consumed_but(self.inbox.len());
        }
    }
}

/// Fails for a server: it sends only answers, so a program that receives would wait without end.
fn check_pattern(part: &RxPart) -> Result<()> {
    if part.peer.pattern == Pattern::Request {
        let text = "is a server, call it: it sends nothing on its own";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    Ok(())
}
