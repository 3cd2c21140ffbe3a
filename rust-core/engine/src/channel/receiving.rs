//! The receiving direction of a channel: the next frame of a link that may break, a wait until there
//! is one, and a new link.
//!
//! Frames come from the link in one loop (`pump`) and become messages, acknowledgements or byes ([`Turn`]). A
//! message that a thread receives while it waits for something else (an answer, an acknowledgement)
//! goes to the inbox and is received first by the next call. A link that broke is read to its end
//! before a newer one is: the last messages of the peer are not lost.
//!
//! Consuming: a program that receives again has consumed the messages delivered before. That is recorded
//! together with the next message, under one lock, if a message is ready; else before the wait.
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

/// The state of the receiving direction. Its `Direction` makes sure that one thread uses it.
pub struct Receiving {
    /// The receiving half of the link; none before the first and after one ended.
    part: Option<RxPart>,
    /// The generation of that link.
    pub generation: u64,
    /// Messages received while a thread waited for something else, in their order.
    pub inbox: VecDeque<Message>,
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
    limits: Limits,
    /// The schema against which messages and requests are checked while they are decoded.
    schema: Option<Arc<PreparedSchema>>,
    /// The same for replies.
    reply_schema: Option<Arc<PreparedSchema>>,
    /// What of bodies is left in the peer's slots.
    body_views: BodyViews,
    /// Whether the call copies whole bodies that are left there.
    takes_whole: bool,
    set: WaitSet,
    /// Whether the link's connection is in the set: in a dialogue over a stream no sleep is on the set, and the kernel
    /// would enter each message there, too.
    link_in_set: bool,
    /// Whether the direction was on loan, so that the set has what ends the sleep of a thread that has it so.
    is_lent: bool,
    /// Keeps the descriptor readable while the inbox holds messages.
    waker: ReadinessFlag,
}

/// A turn of the loop that receives.
pub enum Turn {
    /// Before a look for the next frame: what the caller waits for may have happened.
    Look,
    /// A message.
    Message(Message),
    /// The peer closes; the acknowledgement for which it waits is sent.
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

    /// Skips the message of the link for which there was no memory, and returns it without its body.
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

    /// Records that the program calls to receive, which consumes the messages delivered before. If a message is ready
    /// in the link, the record is made together with that message, on the occasion that this returns; else now.
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

    /// Records that delivered messages are consumed, and acknowledges if that is necessary.
    fn consume(&mut self, trigger: AckTrigger, conn: &Conn) {
        match &mut self.part {
            // The ring keeps nothing for the inbox: its messages were copied.
            Some(part) if part.negotiated.is_some() => conn.consume(part, trigger),
            // A link without a session acknowledges nothing.
            Some(_) => {}
            None => conn.consumed(trigger),
        }
    }

    /// Returns whether nothing comes over the link of this generation any more.
    pub fn is_behind(&self, generation: u64) -> bool {
        self.generation > generation || self.generation == generation && self.part.is_none()
    }

    /// Returns whether the peer is a server, which sends nothing but answers.
    pub fn is_of_server(&self) -> bool {
        self.part.as_ref().is_some_and(|part| check_pattern(part).is_err())
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
