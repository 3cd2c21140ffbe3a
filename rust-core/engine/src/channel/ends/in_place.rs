//! Sending and receiving one message without waiting: over shared memory, under one lock in each call.
//!
//! Both calls begin here, with the state of the direction and the halves of the session. At any obstacle each returns
//! `None` and leaves the state unchanged; the general path then determines what the obstacle is.

use std::sync::Arc;

use super::Channel;
use crate::channel::direction::SeatGuard;
use crate::channel::link::Taken;
use crate::channel::receiving::Receiving;
use crate::channel::sending::{DATA, Draft, DraftContent, Sending};
use crate::channel::session_state::SessionHalves;
use crate::codec::Encoding;
use crate::deadline::{self, Wait};
use crate::error::Result;
use crate::message::{Message, Payload, ReusedMessage};
use crate::schema::PreparedSchema;
use crate::session::inbox::AckTrigger;
use crate::value::Source;

impl Channel {
    /// Sends a value and returns its sequence number. Waits while the peer is disconnected or has no room. After an
    /// error the message was not sent.
    ///
    /// What a peer had not consumed when it ended is sent again to its next incarnation: the next listener,
    /// the same `client_id`, or, if this side made the channel with [`Channel::open`], the next program of
    /// the same user that connects. A client without a `client_id` that a [`Listener`](crate::Listener)
    /// accepted has no next incarnation: the messages that were kept for it are lost, and the next `send` or `close`
    /// fails once with `Disconnected`, with the number of lost messages in
    /// [`Error::missed`](crate::error::Error::missed).
    pub fn send<'a, T: Source + ?Sized>(&self, value: &T, wait: impl Into<Wait<'a>>) -> Result<u64> {
        // The value is not used while the call waits.
        match self.send_array_or_encode(value)? {
            Ok(number) => Ok(number),
            Err(payload) => self.send_payload(&payload, wait),
        }
    }

    /// Sends a value with one long array that lies in a slot of this channel, as a loan does, and returns its sequence
    /// number; encodes any other value, and this one, if it cannot be sent at once.
    ///
    /// The bytes around the array are written without a lock, before the lock is taken under which the message is sent.
    fn send_array_or_encode<T: Source + ?Sized>(
        &self,
        value: &T,
    ) -> Result<std::result::Result<u64, Payload>> {
        let options = &self.options;
        if options.checks_sent().is_some() || options.encoding() != Encoding::Cbor {
            return self.encode(value).map(Err);
        }
        let limits = options.limits();
        let Some(payload) = Payload::around_array(value, &limits) else {
            let lender = self.conn.links.session_state.lender(&self.conn.event_log);
            let encoded = Payload::of_other(value, &limits, &lender);
            return encoded.map(Err).map_err(|e| e.on(&self.shown));
        };
        if let Some(number) = self.send_owned(payload) {
            self.conn.event_log.count(&self.conn.event_log.arrays_in_slots);
            return Ok(Ok(number));
        }
        // The elements are not in a slot of this channel, or there is an obstacle.
        self.encode(value).map(Err)
    }

    /// Sends a message with arrays in slots at once, and returns its number; `None` at any obstacle.
    fn send_owned(&self, payload: Payload) -> Option<u64> {
        let mut entered = self.enter_to_send()?;
        let (sending, halves) = entered.parts();
        sending.send_owned(payload, halves, &self.conn.event_log)
    }

    /// Sends an encoded value: see [`Channel::send`].
    pub fn send_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<u64> {
        self.send_draft::<DATA>(&Draft::data(payload), wait.into())
    }

    /// Sends these bytes as a message in this encoding, in which they are already: see [`Channel::send`]. They are not
    /// checked.
    ///
    /// They are copied from where they are into shared memory, or to the kernel. Of more than 64 bytes a copy is made
    /// as well, if the message is kept to be sent again, that is, without `delivery="best_effort"`; a program that
    /// sends the same bytes several times avoids that copy with [`Channel::send_payload`].
    ///
    /// ```no_run
    /// # use linkspan_engine::Channel;
    /// # use linkspan_os::deadline::Timeout;
    /// # use linkspan_value::{Encoding, Result};
    /// # fn f(channel: &Channel) -> Result<()> {
    /// let mut samples = [0; 64];
    /// channel.send_bytes(Encoding::Raw, &samples, Timeout::Default)?;
    /// let received = channel.recv_into(&mut samples, Timeout::Default)?;
    /// println!("{} bytes, the last one is {}", received.length, samples[received.length - 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_bytes<'a>(&self, encoding: Encoding, bytes: &[u8], wait: impl Into<Wait<'a>>) -> Result<u64> {
        let lender = self.conn.links.session_state.lender(&self.conn.event_log);
        match Payload::placed(encoding, bytes, &lender) {
            Some(payload) => self.send_payload(&payload, wait),
            None => {
                self.send_draft::<DATA>(&Draft::data(DraftContent::Borrowed(encoding, bytes)), wait.into())
            }
        }
    }

    /// Encodes a value as this channel sends it, and checks it against the schema if `validate` requires that. Long
    /// arrays are written to shared memory if the peer can view them there.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        self.encode_with_schema(self.options.checks_sent(), value)
    }

    /// Encodes a value and checks it against this schema; long arrays are written to slots.
    pub(super) fn encode_with_schema<T: Source + ?Sized>(
        &self,
        schema: Option<&Arc<PreparedSchema>>,
        value: &T,
    ) -> Result<Payload> {
        let (options, lender) = (&self.options, self.conn.links.session_state.lender(&self.conn.event_log));
        Payload::with_schema(schema, value, options.encoding(), &options.limits(), Some(&lender))
            .map_err(|e| e.on(&self.shown))
    }

    /// Receives the next message. While the peer is disconnected, waits until it reconnects.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if another thread receives, or the channel is closed;
    /// `Disconnected` if the peer cannot reconnect.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        match self.recv_in_place() {
            Ok(message) => return Ok(message),
            Err(Some(entered)) => return self.recv_in_stream(entered, wait.into()),
            Err(None) => {}
        }
        self.recv_waiting(wait.into())
    }

    /// [`Channel::recv`] if no such message has arrived.
    #[inline(never)]
    fn recv_waiting(&self, wait: Wait<'_>) -> Result<Message> {
        if deadline::may_wait(&wait, self.options.timeout)
            && let Some(message) =
                self.recv_soon(|receiving, halves| receiving.take_ready(halves, &self.conn.event_log, None))
        {
            return Ok(message);
        }
        let mut waiting = self.options.start(wait);
        self.receiving()
            .and_then(|mut receiving| self.recv_with_waiting(&mut receiving, &mut waiting))
            .map_err(|e| e.on(&self.shown))
    }

    /// Receives the next message from shared memory if it is complete there. Returns an error at any obstacle; over a
    /// stream, the error is the entered direction, with which the call continues.
    #[inline]
    fn recv_in_place(&self) -> std::result::Result<Message, Option<SeatGuard<'_, Receiving>>> {
        let Some(mut entered) = self.enter_receiving() else { return Err(None) };
        let (receiving, halves) = entered.parts();
        if let Some(taken) =
            receiving.take_next(halves, &self.conn.event_log, ReusedMessage::take, Some(AckTrigger::Receive))
        {
            drop(entered);
            return Ok(taken.done().unwrap_or_else(|taken| self.finish(taken)));
        }
        if receiving.is_over_stream() {
            return Err(Some(entered));
        }
        let Some(taken) = receiving.take_ready(halves, &self.conn.event_log, Some(AckTrigger::Receive))
        else {
            return Err(None);
        };
        drop(entered);
        Ok(self.finish(taken))
    }

    /// Receives what `take` takes of a message that arrives within about a microsecond; `None` at any obstacle. Spins
    /// only if spinning has succeeded before. The call holds the direction meanwhile, as a call that waits for its
    /// reply does, and releases it under the lock with which it records the message.
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
        let taken = if has_come && !self.conn.links.is_closed() { take(receiving, halves) } else { None };
        ending.end();
        Some(taken?.done().unwrap_or_else(|taken| self.finish(taken)))
    }

    /// Completes a message that was taken under the lock, and returns it.
    #[inline(never)]
    pub(super) fn finish<M>(&self, taken: Taken<M>) -> M {
        self.conn.finish(taken)
    }

    /// Returns the state of sending, for a call that does not wait, if no thread holds the direction; `None` at any
    /// obstacle.
    #[inline(always)]
    pub(super) fn enter_to_send(&self) -> Option<SeatGuard<'_, Sending>> {
        // A forked child does not take the lock: a thread of the parent may have held it at the fork, and nothing
        // releases it here.
        let entered =
            if self.is_of_this_process() && self.sends { self.conn.sending.enter()? } else { return None };
        (!self.conn.links.is_closed()).then_some(entered)
    }

    /// Returns the state of receiving, for a call that does not wait; `None` at any obstacle.
    #[inline(always)]
    pub(super) fn enter_receiving(&self) -> Option<SeatGuard<'_, Receiving>> {
        let entered =
            if self.is_of_this_process() && self.receives { self.receiving.enter()? } else { return None };
        (!self.conn.links.is_closed()).then_some(entered)
    }
}
