//! A message that takes no wait, from `send` to `recv`: over shared memory, under one lock in each call.
//!
//! Both calls begin here, with the direction's state and the session's halves. For any obstacle each returns
//! none and has changed nothing; then the general path is taken, which determines the obstacle.

use std::sync::Arc;

use super::Channel;
use crate::channel::direction::Entered;
use crate::channel::link::Taken;
use crate::channel::receiving::Receiving;
use crate::channel::sending::{Content, DATA, Draft, Sending};
use crate::channel::session::inbox::AckTrigger;
use crate::channel::session_state::SessionHalves;
use crate::codec::Encoding;
use crate::deadline::Wait;
use crate::error::Result;
use crate::message::{Message, Payload, Rewritten};
use crate::schema::PreparedSchema;
use crate::value::Source;

impl Channel {
    /// Sends a value and returns its sequence number. Waits while the peer is disconnected or takes nothing;
    /// after an error the message is still the caller's.
    ///
    /// What a peer had not consumed when it ended is sent again to its next incarnation: the next listener,
    /// the same `client_id`, or, if this side made the channel with [`Channel::open`], the next program of
    /// the same user that connects. A client without a `client_id` that a [`Listener`](crate::Listener)
    /// accepted has no next incarnation: what was kept for it is lost, and the next `send` or `close` fails
    /// once with `Disconnected` and the number of messages in [`Error::missed`](crate::Error::missed).
    pub fn send<'a, T: Source + ?Sized>(&self, value: &T, wait: impl Into<Wait<'a>>) -> Result<u64> {
        match self.send_array_or_encode(value)? {
            Ok(number) => Ok(number),
            Err(payload) => self.send_payload(&payload, wait),
        }
    }

    /// Sends a value with one long array that lies in a slot of this channel, as a loan does, and returns its sequence
    /// number; encodes any other value, and this one, if it cannot be sent at once.
    ///
    /// The bytes around the array are written before the lock is taken under which it is sent, and not under a lock of
    /// their own.
    #[doc(hidden)]
    #[inline]
    pub fn send_array_or_encode<T: Source + ?Sized>(
        &self,
        value: &T,
    ) -> Result<std::result::Result<u64, Payload>> {
        let options = &self.options;
        if options.checks_sent().is_some() || options.encoding() != Encoding::Cbor {
            return self.encode(value).map(Err);
        }
        let limits = options.limits();
        let Some(payload) = Payload::around_array(value, &limits) else {
            let lender = self.reconnector.session_state.lender(&self.event_log);
            let encoded = Payload::of_other(value, &limits, &lender);
            return encoded.map(Err).map_err(|e| e.on(&self.shown));
        };
        if let Some(number) = self.send_owned(payload) {
            self.event_log.count(&self.event_log.arrays_in_slots);
            return Ok(Ok(number));
        }
        // Its elements lie elsewhere, or something is in the way.
        self.encode(value).map(Err)
    }

    /// Sends a message with arrays in slots, as [`Channel::send_payload`] does first.
    fn send_owned(&self, payload: Payload) -> Option<u64> {
        let mut entered = self.enter_sending()?;
        let (sending, halves) = entered.parts();
        sending.send_owned(payload, halves, &self.reconnector)
    }

    /// Sends an encoded value: see [`Channel::send`].
    pub fn send_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<u64> {
        self.send_draft::<DATA>(&Draft::data(payload), wait.into())
    }

    /// Sends these bytes as a message in this encoding, in which they are already: see [`Channel::send`]. They are not checked.
    ///
    /// They are copied from where they are into shared memory, or to the kernel. Of more than 64 bytes a copy is made as well,
    /// if the message is kept to be sent again, that is, without `delivery="best_effort"`; whoever sends the same bytes several
    /// times spares it with [`Channel::send_payload`].
    ///
    /// ```no_run
    /// # use linkspan::{Channel, Encoding, Result, Timeout};
    /// # fn f(channel: &Channel) -> Result<()> {
    /// let mut samples = [0; 64];
    /// channel.send_bytes(Encoding::Raw, &samples, Timeout::Default)?;
    /// let received = channel.recv_into(&mut samples, Timeout::Default)?;
    /// println!("{} bytes, the last one is {}", received.length, samples[received.length - 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_bytes<'a>(&self, encoding: Encoding, bytes: &[u8], wait: impl Into<Wait<'a>>) -> Result<u64> {
        self.send_draft::<DATA>(&Draft::data(Content::Lent(encoding, bytes)), wait.into())
    }

    /// Encodes a value as this channel sends it, checked against its schema if `validate` requires it. Long
    /// arrays go to shared memory where the peer views them.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        self.encode_with_schema(self.options.checks_sent(), value)
    }

    /// Encodes a value, checked against this schema, with long arrays in slots.
    pub(super) fn encode_with_schema<T: Source + ?Sized>(
        &self,
        schema: Option<&Arc<PreparedSchema>>,
        value: &T,
    ) -> Result<Payload> {
        let (options, lender) = (&self.options, self.reconnector.session_state.lender(&self.event_log));
        Payload::with_schema(schema, value, options.encoding(), &options.limits(), Some(&lender))
            .map_err(|e| e.on(&self.shown))
    }

    /// Receives the next message. While the peer is disconnected, waits for it to come back.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if another thread receives, or the channel is closed;
    /// `Disconnected` if the peer cannot come back.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        match self.recv_in_place() {
            Ok(message) => return Ok(message),
            Err(Some(entered)) => return self.recv_in_stream(entered, wait.into()),
            Err(None) => {}
        }
        self.recv_waiting(wait.into())
    }

    /// [`Channel::recv`] where no short message lies ready.
    #[inline(never)]
    fn recv_waiting(&self, wait: Wait<'_>) -> Result<Message> {
        if wait.may_wait(self.options.timeout)
            && let Some(message) =
                self.recv_soon(|receiving, halves| receiving.take_soon(halves, &self.event_log))
        {
            return Ok(message);
        }
        let mut waiting = self.start(wait);
        self.receiving()
            .and_then(|mut receiving| self.recv_with_waiting(&mut receiving, &mut waiting))
            .map_err(|e| e.on(&self.shown))
    }

    /// Receives the short message that lies ready in shared memory; none if anything else is due. Over a stream, where the call has entered.
    #[inline]
    fn recv_in_place(&self) -> std::result::Result<Message, Option<Entered<'_, Receiving>>> {
        let Some(mut entered) = self.enter_receiving() else { return Err(None) };
        let (receiving, halves) = entered.parts();
        if let Some(taken) =
            receiving.take_next(halves, &self.event_log, Rewritten::take, Some(AckTrigger::Receive))
        {
            drop(entered);
            return Ok(taken.done().unwrap_or_else(|taken| self.finish(taken)));
        }
        if receiving.is_over_stream() {
            return Err(Some(entered));
        }
        let Some(taken) = receiving.take_ready(halves, &self.event_log) else { return Err(None) };
        drop(entered);
        Ok(self.finish(taken))
    }

    /// Receives what `take` takes of the message that comes within about a microsecond, if spinning is known to succeed; none if
    /// anything else is pending. The call holds the direction meanwhile, as a call that awaits its reply does, and gives it back under
    /// the lock that records the message.
    #[inline]
    pub(super) fn recv_soon<M>(
        &self,
        take: impl FnOnce(&mut Receiving, &mut SessionHalves) -> Option<Taken<M>>,
    ) -> Option<M> {
        let mut entered = self.enter_receiving()?;
        let (receiving, halves) = entered.parts();
        if !receiving.begin_short_wait(halves) {
            return None;
        }
        let mut held = entered.hold();
        let has_come = held.poll_briefly();
        let mut ending = held.enter();
        let (receiving, halves) = ending.parts();
        let taken = if has_come && !self.reconnector.is_closed() && !self.reconnector.is_interrupted() {
            take(receiving, halves)
        } else {
            None
        };
        ending.end();
        Some(taken?.done().unwrap_or_else(|taken| self.finish(taken)))
    }

    /// Does what is left to do for this message, and returns it.
    #[inline(never)]
    pub(super) fn finish<M>(&self, taken: Taken<M>) -> M {
        self.ack_sender().finish(taken)
    }

    /// Returns the state of sending, for a call that does not wait, if no thread holds the direction and no
    /// loss has to be reported to the program. None for any obstacle, which the general path determines.
    #[inline]
    pub(super) fn enter_sending(&self) -> Option<Entered<'_, Sending>> {
        if self.reconnector.session_state.has_unreported_losses() { None } else { self.enter_to_send() }
    }

    /// The same, whether or not a loss has to be reported.
    #[inline(always)]
    pub(super) fn enter_to_send(&self) -> Option<Entered<'_, Sending>> {
        // The lock is not touched in a forked child, where a thread of the parent may have held it for good.
        let entered =
            if self.is_of_this_process() && self.sends { self.sending.enter()? } else { return None };
        (!self.reconnector.is_closed()).then_some(entered)
    }

    /// The same for receiving.
    #[inline(always)]
    pub(super) fn enter_receiving(&self) -> Option<Entered<'_, Receiving>> {
        let entered =
            if self.is_of_this_process() && self.receives { self.receiving.enter()? } else { return None };
        (!self.reconnector.is_closed() && !self.reconnector.is_interrupted()).then_some(entered)
    }
}
