//! Takes the next message of a link from a record or from read data, under the session's lock.
//!
//! The message is one copy, or views its slots. This path serves messages without a schema check, an extension or a
//! violation. For other messages nothing changes, and the caller reads the frame with
//! [`Rx::try_recv`](crate::transport::Rx::try_recv).

use super::RxPart;
use crate::channel::event_log::EventLog;
use crate::channel::session_state::{SessionHalves, SessionState, urgency};
use crate::frame::{Header, Kind};
use crate::message::{BodyMemory, Message};
use crate::session::inbox::{AckTrigger, Fate};
use crate::value::Limits;

#[derive(Clone, Copy)]
pub struct Want {
    pub data: bool,
    pub requests: bool,
    pub replies: bool,
    /// The fate of messages other than the answer.
    pub fate: Fate,
    /// When to record the messages delivered before as consumed.
    pub consume: Option<AckTrigger>,
    /// The number of the request whose answer the call consumes with its receipt; 0 for none.
    pub answer_to: u64,
}

impl Want {
    /// Any message, for a call that sorts them itself.
    pub const ANY: Want =
        Want { data: true, requests: true, replies: true, fate: Fate::Filed, consume: None, answer_to: 0 };

    fn takes(self, kind: Kind) -> bool {
        match kind {
            Kind::Data => self.data,
            Kind::Request => self.requests,
            Kind::Reply => self.replies,
            _ => false,
        }
    }

    /// For any frame except an acknowledgement.
    pub fn takes_frame(self, kind: Kind) -> bool {
        match kind {
            Kind::Error | Kind::Command | Kind::Event => self.replies,
            kind => self.takes(kind),
        }
    }

    pub fn fate(self, header: &Header) -> Fate {
        if is_answer_to(header, self.answer_to) { Fate::Finished } else { self.fate }
    }
}

/// Returns whether this is the answer to the request of this number; false for number 0.
pub fn is_answer_to(header: &Header, number: u64) -> bool {
    header.kind.is_answer() && header.correlation == number && number != 0
}

/// A taken message, and the work left after the session's lock: nearly always none.
pub struct Taken<M = Message> {
    pub message: M,
    pub is_ack_due: Option<AckTrigger>,
    pub missed: u64,
    pub acknowledges: bool,
}

impl<M> Taken<M> {
    pub fn done(self) -> Result<M, Taken<M>> {
        if self.is_ack_due.is_none() && self.missed == 0 && !self.acknowledges {
            Ok(self.message)
        } else {
            Err(self)
        }
    }

    pub fn map<T>(self, keep: impl FnOnce(M) -> T) -> Taken<T> {
        let Taken { message, is_ack_due, missed, acknowledges } = self;
        Taken { message: keep(message), is_ack_due, missed, acknowledges }
    }

    /// Sends the pending acknowledgement, records a loss, and returns the message.
    #[inline]
    pub fn finish(
        self,
        session_state: &SessionState,
        event_log: &EventLog,
        send_ack: impl FnOnce(AckTrigger),
    ) -> M {
        if let Some(trigger) = self.is_ack_due {
            send_ack(trigger);
        }
        if self.acknowledges {
            session_state.acknowledgements.wake();
        }
        if self.missed > 0 {
            event_log.lagged(self.missed);
        }
        self.message
    }
}

impl RxPart {
    /// Delivers the next record's data without flags and acknowledgement into memory of `place`.
    ///
    /// None for everything else, and if `place` gives none.
    #[inline]
    pub fn take_fast<P: BodyMemory>(
        &mut self,
        place: impl FnOnce(usize) -> Option<P>,
        halves: &mut SessionHalves,
        limits: &Limits,
        consume: Option<AckTrigger>,
    ) -> Option<Taken<P::Output>> {
        let record = self.rx.data_in_record()?;
        let (number, bytes, encoding) = (record.sequence(), record.length(), record.encoding());
        if self.negotiated.is_none()
            || self.peer.source.is_empty()
            || !self.read_ahead.is_empty()
            || !halves.inbox.is_new(number)
        {
            return None;
        }
        let mut place = place(bytes)?;
        let sent = record.take(place.body());
        let what = (number, encoding, sent);
        let message =
            place.finish((Kind::Data, 0), what, self.peer.origin(Kind::Data, halves.inbox.session()), limits);
        let received = (number, bytes, urgency(Kind::Data, 0));
        let (is_ack_due, missed) =
            halves.received(received, Fate::Delivered, consume, || self.rx.consumed_with_fence());
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }

    /// Returns the fast-path reply to request `number` from the next record. Its receipt consumes it.
    ///
    /// `place` gives the memory for its length.
    /// None for everything else. Then only the room of earlier messages was freed.
    #[inline]
    pub fn take_reply<P: BodyMemory>(
        &mut self,
        number: u64,
        place: impl FnOnce(usize) -> Option<P>,
        halves: &mut SessionHalves,
        limits: &Limits,
    ) -> Option<Taken<P::Output>> {
        // The earlier messages are copies. Their room is freed while the peer works.
        let record = self.rx.reply_in_record()?;
        let reply = *record.words();
        if reply.correlation != number
            || !halves.inbox.is_new(reply.sequence)
            || self.negotiated.is_none()
            || self.peer.source.is_empty()
            || !self.read_ahead.is_empty()
        {
            return None;
        }
        let mut place = place(reply.length())?;
        record.take(place.body());
        let what = (reply.sequence, reply.encoding(), reply.sent);
        let origin = self.peer.origin(Kind::Reply, halves.inbox.session());
        let message = place.finish((Kind::Reply, number), what, origin, limits);
        let received = (reply.sequence, reply.length(), urgency(Kind::Reply, 0));
        let (is_ack_due, missed) = halves.received(received, Fate::Finished, None, || ());
        Some(Taken { message, is_ack_due, missed, acknowledges: false })
    }

    pub fn take(&mut self, halves: &mut SessionHalves, limits: &Limits, want: Want) -> Option<Taken> {
        if !self.takes_at_once() {
            return None;
        }
        let Some(short) = self.rx.short() else {
            return if self.rx.may_take_at_once() { self.take_long(halves, limits, want) } else { None };
        };
        let header = short.header();
        let acknowledges = is_taken(&header, halves, want)?;
        let origin = self.peer.origin(header.kind, halves.inbox.session());
        let message = Message::filled(header, origin, limits, |body| short.take(body));
        let received = (header.sequence, header.body as usize, urgency(header.kind, header.flags));
        let fate = want.fate(&header);
        let (is_ack_due, missed) =
            halves.received(received, fate, want.consume, || self.rx.consumed_with_fence());
        Some(Taken { message, is_ack_due, missed, acknowledges })
    }

    /// Data in slots is viewed there.
    #[inline(never)]
    fn take_long(&mut self, halves: &mut SessionHalves, limits: &Limits, want: Want) -> Option<Taken> {
        let long = self.rx.long()?;
        let acknowledges = is_taken(&long.header(), halves, want)?;
        let frame = long.take()?;
        let Header { kind, flags, sequence, .. } = frame.header;
        let (received, fate) = ((sequence, frame.body.len(), urgency(kind, flags)), want.fate(&frame.header));
        let message = Message::new(frame, self.peer.origin(kind, halves.inbox.session()), *limits);
        let (is_ack_due, missed) =
            halves.received(received, fate, want.consume, || self.rx.consumed_with_fence());
        Some(Taken { message, is_ack_due, missed, acknowledges })
    }

    fn takes_at_once(&self) -> bool {
        self.negotiated.is_some() && !self.peer.source.is_empty() && self.read_ahead.is_empty()
    }
}

/// Returns whether the message acknowledges others, if the call takes it.
///
/// Shows the peer that a request is taken. The caller ends the link for impossible numbers.
fn is_taken(header: &Header, halves: &mut SessionHalves, want: Want) -> Option<bool> {
    if !want.takes(header.kind) || !halves.inbox.is_new(header.sequence) {
        return None;
    }
    let acknowledged = if header.kind == Kind::Reply { 0 } else { header.correlation };
    if acknowledged > 0 {
        halves.outbox.acknowledged(acknowledged).ok()?;
    }
    if header.kind == Kind::Request {
        halves.request_taken(header.sequence);
    }
    Some(acknowledged > 0)
}
