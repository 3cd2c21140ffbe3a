//! Encoding a value and sending it.

use std::sync::Arc;

use super::Channel;
use crate::channel::direction::SeatGuard;
use crate::channel::loan::short::send_encoded;
use crate::channel::sending::{Draft, DraftContent, Sending};
use crate::codec::Encoding;
use crate::deadline::Wait;
use crate::error::Result;
use crate::message::Payload;
use crate::schema::PreparedSchema;
use crate::value::Source;

impl Channel {
    /// Sends a value and returns its sequence number.
    ///
    /// Waits while the peer is disconnected or has no room. After an error, the message was not sent.
    ///
    /// Messages that the peer had not consumed at its end are sent again to its next incarnation. That is the next
    /// listener or the next program with this `client_id`. If this side used [`Channel::open`], it is the next
    /// connecting program of this user. A client without a `client_id` that a [`Listener`](crate::Listener) accepted
    /// has no next incarnation: its kept messages are lost. The next `send` or `close` then fails once with
    /// `Disconnected`, with the number of lost messages in [`Error::missed`](crate::error::Error::missed).
    pub fn send<'a, T: Source + ?Sized>(&self, value: &T, wait: impl Into<Wait<'a>>) -> Result<u64> {
        let (mut wait, encoding) = (Some(wait.into()), self.options.encoding());
        let send = |bytes: &[u8]| self.send_bytes(encoding, bytes, wait.take().unwrap_or_default());
        if self.options.checks_sent().is_none()
            && let Some(sent) = send_encoded(value, encoding, send)
        {
            return sent;
        }
        // The value is not used while the call waits.
        match self.send_array_or_encode(value)? {
            Ok(number) => Ok(number),
            Err(payload) => self.send_payload(&payload, wait.unwrap_or_default()),
        }
    }

    /// Sends a value at once if its single long array lies in a slot of this channel; otherwise encodes it.
    ///
    /// The bytes around the array are written before the lock is taken.
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

    fn send_owned(&self, payload: Payload) -> Option<u64> {
        let mut entered = self.enter_to_send()?;
        let (sending, halves) = entered.parts();
        sending.send_owned(payload, halves, &self.conn.event_log).ok()
    }

    /// Sends an encoded value: see [`Channel::send`].
    pub fn send_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<u64> {
        self.send_draft(&Draft::data(payload), wait.into())
    }

    /// Sends bytes that are already in this encoding, unchecked, as a message: see [`Channel::send`].
    ///
    /// The bytes are copied directly into shared memory or to the kernel. More than 64 bytes are copied once more if
    /// the message is kept for replay, that is, without `delivery="best_effort"`. A program that sends equal bytes
    /// several times avoids that copy with [`Channel::send_payload`].
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
            None => self.send_draft(&Draft::data(DraftContent::Borrowed(encoding, bytes)), wait.into()),
        }
    }

    /// Encodes a value as this channel sends it; `validate` may check it against the schema.
    ///
    /// Long arrays are written to shared memory if the peer can view them there.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        self.encode_with_schema(self.options.checks_sent(), value)
    }

    pub(super) fn encode_with_schema<T: Source + ?Sized>(
        &self,
        schema: Option<&Arc<PreparedSchema>>,
        value: &T,
    ) -> Result<Payload> {
        let (options, lender) = (&self.options, self.conn.links.session_state.lender(&self.conn.event_log));
        Payload::with_schema(schema, value, options.encoding(), &options.limits(), Some(&lender))
            .map_err(|e| e.on(&self.shown))
    }

    /// `None` at any obstacle.
    pub(super) fn enter_to_send(&self) -> Option<SeatGuard<'_, Sending>> {
        // In a forked child, a thread of the parent may have held the lock, and nothing releases it.
        let entered =
            if self.is_of_this_process() && self.sends { self.conn.sending.enter()? } else { return None };
        (!self.conn.links.is_closed()).then_some(entered)
    }
}
