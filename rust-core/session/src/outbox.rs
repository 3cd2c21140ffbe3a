//! The sending side of a session: numbers messages, keeps them until acknowledged, and replays them.
//!
//! The class of a message ([`RetransmitClass`]) and the replay limits decide whether it is kept; with best effort no
//! message is. The peer's [`Incarnation`] at a new link decides what is replayed.
//!
//! The order of calls for a message: [`Outbox::has_room`], [`Outbox::assign_number`], the frame goes to the link,
//! [`Outbox::sent_to_place`]. The lock is free while the frame is written, so its acknowledgement may precede
//! `sent_to_place`. A refused message has no number, and its caller keeps it.

use alloc::format;
use alloc::vec::Vec;

use super::places::{Places, Reuse};
use super::{Identity, Progress, ReplayLimits, RetransmitClass, SessionHello};
use crate::error::{Error, ErrorKind, Result};
use crate::planted::{self, Bug};

/// With this many kept requests, the caller first removes the requests that the peer has taken.
const MANY: ReplayLimits = ReplayLimits { count: 64, bytes: 64 << 10 };

/// The sending side of a session. `M` is the stored part of a message, for replays.
#[derive(Clone, Debug)]
pub struct Outbox<M> {
    session: u64,
    /// The replay limits; `None` for best effort, which keeps nothing.
    limits: Option<ReplayLimits>,
    last: u64,
    /// The highest number whose frame was or is passed to the link.
    ///
    /// Another thread may receive its acknowledgement before this thread calls [`Outbox::sent_to_place`].
    numbered: u64,
    /// Data, idempotent requests and their answers, in the order of their numbers.
    kept: Places<KeptMessage<M>>,
    /// Bytes of `kept`.
    bytes: usize,
    /// Bytes kept since the caller last read the peer's acknowledgements.
    unlooked: usize,
    /// Requests to carry out once that no peer has taken, in the order of their numbers.
    ///
    /// They have a separate window, because a sender of data does not wait for them.
    requests: Places<KeptMessage<M>>,
    /// Bytes of `requests`.
    request_bytes: usize,
    /// Peers have taken all requests up to this number.
    taken: u64,
    /// The kept requests that an earlier link sent, or should have sent. Ascending, for a binary search.
    resent: Vec<u64>,
    acknowledged: u64,
    peer: Option<(Identity, u64)>,
    /// This link sends no kept message up to this number again: it sent the message, or the peer has received it.
    replayed_to: u64,
    /// Data that this link sent and the outbox did not keep: an upper bound of their count, and the last number.
    unkept: (u64, u64),
    replayed: u64,
    /// Messages of `kept` that were dropped for a peer that cannot return.
    dropped: u64,
}

#[derive(Clone, Debug)]
struct KeptMessage<M> {
    number: u64,
    bytes: usize,
    class: RetransmitClass,
    message: M,
}

impl<M: Reuse> Reuse for KeptMessage<M> {
    fn release(&mut self) {
        self.message.release();
    }
}

impl<M: Reuse> Default for KeptMessage<M> {
    fn default() -> KeptMessage<M> {
        KeptMessage { number: 0, bytes: 0, class: RetransmitClass::Data, message: M::default() }
    }
}

/// The peer of a new link, compared with the last link's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incarnation {
    /// There was no link before.
    First,
    /// The same incarnation, which still has its received messages.
    Same,
    /// The same peer after a restart: it gets all kept messages, except answers to its old idempotent requests.
    Next,
    /// Another peer: messages kept for the last one are dropped.
    Another,
}

/// The effect of a new link on the kept messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The peer, compared with the last link's.
    pub incarnation: Incarnation,
    /// Kept messages that no peer will receive, without the requests that may be carried out only once.
    pub dropped: usize,
    /// The dropped data messages, whose delivery was promised.
    pub lost: usize,
}

/// The unacknowledged messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unacknowledged {
    /// Messages; an upper bound if some are not kept.
    pub count: u64,
    /// Bytes of the kept data, idempotent requests and their answers; `count` leaves out the last two.
    pub bytes: usize,
    /// The number of the last message; 0 without one. Its acknowledgement covers all.
    pub last: u64,
}

/// The counters of an outbox, for `stats()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Messages without an acknowledgement.
    pub unacknowledged: u64,
    /// The number up to which everything is consumed.
    pub acknowledged: u64,
    /// Replayed messages.
    pub replayed: u64,
    /// Kept messages that were dropped, because their peer cannot return.
    pub dropped: u64,
}

impl<M: Reuse> Outbox<M> {
    /// Returns an empty outbox. Without `limits` it keeps nothing (best effort).
    pub fn new(session: u64, limits: Option<ReplayLimits>) -> Outbox<M> {
        let last = planted::number_before_first();
        Outbox {
            session,
            limits,
            last,
            numbered: last,
            kept: Places::new(),
            bytes: 0,
            unlooked: 0,
            requests: Places::new(),
            request_bytes: 0,
            taken: last,
            resent: Vec::new(),
            acknowledged: last,
            peer: None,
            replayed_to: last,
            unkept: (0, 0),
            replayed: 0,
            dropped: 0,
        }
    }

    /// Returns the session of the numbers.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Returns the replay limits for the hello.
    pub fn limits(&self) -> Option<ReplayLimits> {
        self.limits
    }

    /// Returns this side's part of a hello; `received` is its progress in the peer's session.
    pub fn hello(&self, received: Progress) -> SessionHello {
        SessionHello { session: self.session, first: self.first(), keeps: self.limits, received }
    }

    /// Returns the lowest number that a peer without this session may receive.
    ///
    /// It is the number of the oldest kept message, else the next number.
    pub fn first(&self) -> u64 {
        let first = first_of(self.kept.front(), self.requests.front());
        first.map_or_else(|| self.next_number(), |kept| kept.number)
    }

    /// Returns the number of the next new message.
    pub fn next_number(&self) -> u64 {
        self.last.saturating_add(1)
    }

    /// Returns the number of the last sent message; before the first, the number before it.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Skips the numbers up to this one, which are in use elsewhere.
    ///
    /// For publishers, which have best effort: no message may be kept. Nothing is acknowledged there, so the
    /// acknowledged and taken numbers need no change.
    pub fn continue_behind(&mut self, last: u64) {
        (self.last, self.numbered, self.replayed_to) = (last, last, last);
    }

    /// Returns the number of unused numbers.
    #[inline]
    pub fn numbers_left(&self) -> u64 {
        u64::MAX - self.last
    }

    /// Returns the number for a message whose frame goes to the link now.
    ///
    /// A number without [`Outbox::sent_to_place`] is used again.
    pub fn assign_number(&mut self) -> u64 {
        self.numbered = self.last + 1;
        self.numbered
    }

    /// Returns the first of `count` consecutive numbers.
    ///
    /// The caller confirms each taken number with [`Outbox::sent_to_place`], then calls [`Outbox::release_numbers`].
    pub fn assign_numbers(&mut self, count: usize) -> u64 {
        self.numbered = self.last + count as u64;
        self.last + 1
    }

    /// Takes back the assigned numbers of refused frames.
    pub fn release_numbers(&mut self) {
        let retracts_another = planted::is(Bug::RetractsAnother);
        self.numbered = if retracts_another { self.numbered + 1 } else { self.last };
    }

    /// Returns how many of the data messages with these body lengths fit in order.
    pub fn room_for(&self, bodies: impl Iterator<Item = usize>) -> usize {
        let Some(limits) = self.limits else { return bodies.count() };
        let (mut count, mut bytes) = (self.kept.len(), self.bytes);
        let fits = |body: &usize| {
            let fits = limits.fit(count, bytes, *body);
            (count, bytes) = (count + 1, bytes.saturating_add(*body));
            fits
        };
        bodies.take_while(fits).count()
    }

    /// Returns the peer at the other end of the newest link, and its session.
    pub fn peer(&self) -> Option<(&Identity, u64)> {
        self.peer.as_ref().map(|(identity, session)| (identity, *session))
    }

    /// Returns whether a message may be sent now.
    ///
    /// Data and idempotent requests wait for room. Answers never wait, because both sides could wait for each other. A
    /// request that may be carried out only once does not wait either. Without room both are sent and not kept.
    #[inline]
    pub fn has_room(&self, class: RetransmitClass, bytes: usize) -> bool {
        !matches!(class, RetransmitClass::Data | RetransmitClass::Idempotent) || self.fits(bytes)
    }

    /// Returns the number of a kept message that a thread without room waits for; 0 if none is kept.
    ///
    /// Its acknowledgement frees a quarter of the kept messages, at most 64. The thread does not wake for each message.
    pub fn wanted(&self) -> u64 {
        let some = self.kept.len().div_ceil(4).clamp(1, 64);
        self.kept.get(some - 1).map_or(0, |kept| kept.number)
    }

    /// Returns whether a body of this length is within the limits. A single message may exceed the bytes.
    #[inline]
    fn fits(&self, bytes: usize) -> bool {
        self.limits.is_none_or(|limits| limits.fit(self.kept.len(), self.bytes, bytes))
    }

    #[inline]
    fn keeps_request(&self, bytes: usize) -> bool {
        self.limits.is_some_and(|limits| limits.fit(self.requests.len(), self.request_bytes, bytes))
    }

    /// Returns whether taken requests must be removed before another request of this length.
    #[inline]
    pub fn has_many_requests(&self, bytes: usize) -> bool {
        let is_many = self.requests.len() >= MANY.count || self.request_bytes + bytes >= MANY.bytes;
        is_many || self.limits.is_some() && !self.keeps_request(bytes)
    }

    /// Returns whether any kept request was not taken by a peer.
    pub fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Returns the bytes kept since the last check for acknowledgements.
    #[inline]
    pub fn unlooked(&self) -> usize {
        self.unlooked
    }

    /// Records that the available acknowledgements were read.
    pub fn looked(&mut self) {
        self.unlooked = 0;
    }

    /// Returns the next message to replay over this link, with its number.
    pub fn to_replay(&self) -> Option<(&M, u64)> {
        if self.replayed_to >= self.last {
            return None;
        }
        let next =
            |of: &'_ Places<KeptMessage<M>>| of.partition_point(|kept| kept.number <= self.replayed_to);
        let (data, request) = (self.kept.get(next(&self.kept)), self.requests.get(next(&self.requests)));
        first_of(data, request).map(|kept| (&kept.message, kept.number))
    }

    /// Records that the link replayed the message with this number, which may be acknowledged by now.
    pub fn replayed(&mut self, number: u64) {
        self.replayed_to = self.replayed_to.max(number);
        self.replayed += 1;
    }

    /// Returns whether the peer has already received the next message.
    ///
    /// The frame goes over an older link, and the peer's hello for a newer link already reports its number.
    pub fn is_next_reported(&self) -> bool {
        self.replayed_to > self.last
    }

    /// Returns whether the next message, if it is data, is kept: it is not yet acknowledged.
    pub fn keeps_next(&self) -> bool {
        self.limits.is_some() && self.last >= self.acknowledged
    }

    /// Returns whether an answer of this length is kept.
    pub fn keeps_answer(&self, bytes: usize) -> bool {
        self.limits.is_some() && self.fits(bytes)
    }

    /// Records that this link has not sent the last message, whose number this is: the link replays it.
    pub fn unsent(&mut self, number: u64) {
        self.replayed_to = self.replayed_to.min(number - 1);
        if self.keeps_once(number) {
            self.resent.push(number);
        }
    }

    /// Returns the stored part of the last message, if it is kept.
    pub fn last_kept(&mut self) -> Option<&mut M> {
        let last = [self.kept.last_mut(), self.requests.last_mut()];
        last.into_iter().flatten().find(|kept| kept.number == self.last).map(|kept| &mut kept.message)
    }

    /// Records that the link took a message under the number of [`Outbox::assign_number`].
    ///
    /// Returns that number, and the place for the stored part of a kept message. The caller writes each field of the
    /// place, because it may have been used before.
    #[inline(always)]
    pub fn sent_to_place(&mut self, class: RetransmitClass, bytes: usize) -> (u64, Option<&mut M>) {
        // This link sends its replays before new messages. If replays remain, an older link took this message, and this
        // link replays it after them.
        let all_sent = self.replayed_to >= self.last || self.to_replay().is_none();
        self.last += 1;
        if all_sent {
            self.replayed_to = self.replayed_to.max(self.last);
        }
        let early = self.last <= self.acknowledged;
        let is_kept = match class {
            RetransmitClass::Answer => false,
            RetransmitClass::Request => self.last > self.taken && self.keeps_request(bytes),
            RetransmitClass::Data | RetransmitClass::IdempotentAnswer if early => false,
            RetransmitClass::Data | RetransmitClass::Idempotent => self.limits.is_some(),
            RetransmitClass::IdempotentAnswer => self.limits.is_some() && self.fits(bytes),
        };
        let number = self.last;
        if is_kept {
            let place = if class == RetransmitClass::Request {
                self.request_bytes += bytes;
                self.requests.push()
            } else {
                self.bytes += bytes;
                self.unlooked += bytes;
                self.kept.push()
            };
            (place.number, place.bytes, place.class) = (number, bytes, class);
            return (number, Some(&mut place.message));
        }
        if class == RetransmitClass::Data && !early {
            self.unkept = (self.unkept.0 + 1, number);
        }
        (number, None)
    }

    /// Records that the peer has consumed everything up to this number.
    ///
    /// Returns the number of freed messages.
    ///
    /// # Errors
    ///
    /// `Malformed` for a number that was never assigned. The caller ends the link.
    pub fn acknowledged(&mut self, number: u64) -> Result<usize> {
        if number > self.last.max(self.numbered) {
            return Err(self.violation("acknowledges", number));
        }
        if number <= self.acknowledged {
            return Ok(0);
        }
        self.acknowledged = number;
        self.drop_taken(number);
        let (count, last) = self.unkept;
        self.unkept.0 = count.min(last.saturating_sub(number));
        let before = self.kept.len();
        // Nearly always only these. An idempotent request stays until it is answered, and later messages may still have
        // to be removed.
        let mut bytes = 0;
        self.kept.pop_while(|kept| {
            let is_done = kept.number <= number && kept.class != RetransmitClass::Idempotent;
            bytes += if is_done { kept.bytes } else { 0 };
            is_done
        });
        self.bytes -= bytes;
        if self.kept.front().is_some_and(|front| front.number <= number) {
            self.retain(|kept| kept.number > number || kept.class == RetransmitClass::Idempotent);
        }
        Ok(before - self.kept.len())
    }

    /// Records that peers have taken all requests up to this number: they are not repeated.
    ///
    /// # Errors
    ///
    /// `Malformed` for a number that was never assigned: the caller ends the link.
    pub fn taken(&mut self, number: u64) -> Result<()> {
        if number > self.last.max(self.numbered) {
            return Err(self.violation("takes", number));
        }
        self.drop_taken(number);
        Ok(())
    }

    fn drop_taken(&mut self, number: u64) {
        self.taken = self.taken.max(number);
        let mut bytes = 0;
        self.requests.pop_while(|kept| {
            let is_taken = kept.number <= number;
            bytes += if is_taken { kept.bytes } else { 0 };
            is_taken
        });
        self.request_bytes -= bytes;
    }

    /// Records that this request is answered or its caller has given up: it is not repeated.
    pub fn finish_request(&mut self, request: u64) {
        if let Some(kept) = find(&self.requests, request) {
            self.request_bytes -= kept.bytes;
            self.requests.retain(|kept| kept.number != request);
        } else if self.keeps(request) {
            self.retain(|kept| kept.number != request || kept.class != RetransmitClass::Idempotent);
        }
    }

    /// Records that this request is answered, and was therefore taken.
    ///
    /// Only the oldest request is removed here. Later ones stay until [`Outbox::taken`] reports them.
    #[inline]
    pub fn answered(&mut self, request: u64) {
        if self.requests.front().is_some_and(|front| front.number == request) {
            self.drop_taken(request);
        }
    }

    /// Drops the requests that may be carried out only once.
    ///
    /// Either a peer may have taken them, or no call waits for them.
    pub fn drop_requests(&mut self) {
        self.requests.retain(|_| false);
        self.request_bytes = 0;
    }

    /// Returns the unacknowledged messages, which a close waits for.
    pub fn unacknowledged(&self) -> Unacknowledged {
        let waits =
            |kept: &&KeptMessage<M>| kept.number > self.acknowledged && kept.class == RetransmitClass::Data;
        let kept = self.kept.iter().filter(waits);
        let last = self.kept.iter().rev().find(waits).map_or(0, |kept| kept.number);
        let (unkept, last_unkept) = if self.unkept.0 > 0 { self.unkept } else { (0, 0) };
        Unacknowledged { count: kept.count() as u64 + unkept, bytes: self.bytes, last: last.max(last_unkept) }
    }

    /// Starts a new link to the peer of this hello and identity: decides which messages to drop and replay.
    ///
    /// # Errors
    ///
    /// `Malformed` if the peer claims messages that were never sent; then nothing has changed.
    pub fn link_up(&mut self, hello: &SessionHello, identity: Identity) -> Result<Resumed> {
        let known = hello.received.session == self.session;
        let (received, consumed) =
            if known { (hello.received.received, hello.received.consumed) } else { (0, 0) };
        if received.max(consumed) > self.last.max(self.numbered) {
            return Err(self.violation("says that it has", received.max(consumed)));
        }
        let incarnation = match &self.peer {
            None => Incarnation::First,
            Some((last, session)) if *last == identity && *session == hello.session => Incarnation::Same,
            Some((last, _)) if *last == identity && identity.is_lasting() => Incarnation::Next,
            Some(_) => Incarnation::Another,
        };
        self.acknowledged(consumed)?;
        let lost = if incarnation == Incarnation::Another { self.kept_data() } else { 0 };
        let dropped = match incarnation {
            Incarnation::First | Incarnation::Same => 0,
            // The next incarnation lacks the requests of these answers.
            Incarnation::Next => self.retain(|kept| kept.class != RetransmitClass::IdempotentAnswer),
            Incarnation::Another => self.retain(|_| false),
        };
        self.dropped += dropped as u64;
        // The same incarnation may still take the requests of the last link, which it reads to its end.
        if matches!(incarnation, Incarnation::Same | Incarnation::Another) || planted::is(Bug::UntakenIsLost)
        {
            self.drop_requests();
        }
        self.resent.clear();
        self.resent.extend(self.requests.iter().map(|kept| kept.number));
        // Received messages stay kept until they are consumed: an incarnation that ends loses them, and the next one
        // gets all kept messages.
        self.replayed_to = if incarnation == Incarnation::Same { received } else { 0 };
        self.unkept = (0, 0);
        self.peer = Some((identity, hello.session));
        Ok(Resumed { incarnation, dropped, lost })
    }

    /// Drops all kept messages, because the peer cannot return.
    ///
    /// Returns their number, without the dropped requests that may be carried out only once: no delivery was promised
    /// for these.
    pub fn drop_kept(&mut self) -> usize {
        self.drop_requests();
        let dropped = self.retain(|_| false);
        self.dropped += dropped as u64;
        dropped
    }

    /// Returns whether the message of this number is kept.
    pub fn keeps(&self, number: u64) -> bool {
        find(&self.kept, number).is_some() || self.keeps_once(number)
    }

    /// Returns whether this is a kept request that may be carried out only once.
    pub fn keeps_once(&self, request: u64) -> bool {
        find(&self.requests, request).is_some()
    }

    /// Returns whether this link sends this request, and an earlier link sent it before.
    pub fn is_resent(&self, request: u64) -> bool {
        self.resent.binary_search(&request).is_ok()
    }

    /// Returns the number of kept messages.
    pub fn kept_count(&self) -> usize {
        self.kept.len()
    }

    /// Returns the number of kept data messages.
    pub fn kept_data(&self) -> usize {
        self.kept.iter().filter(|kept| kept.class == RetransmitClass::Data).count()
    }

    /// Returns the counters.
    pub fn stats(&self) -> OutboxStats {
        OutboxStats {
            unacknowledged: self.unacknowledged().count,
            acknowledged: self.acknowledged,
            replayed: self.replayed,
            dropped: self.dropped,
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&KeptMessage<M>) -> bool) -> usize {
        let before = self.kept.len();
        let mut bytes = 0;
        self.kept.retain(|kept| {
            let stays = keep(kept);
            bytes += if stays { kept.bytes } else { 0 };
            stays
        });
        self.bytes = bytes;
        before - self.kept.len()
    }

    #[cold]
    fn violation(&self, what: &str, number: u64) -> Error {
        let text = format!(
            "the peer {what} message {number}, and {} were sent: it violates the protocol",
            self.last
        );
        Error::new(ErrorKind::Malformed, text)
    }
}

fn find<M: Reuse>(of: &Places<KeptMessage<M>>, number: u64) -> Option<&KeptMessage<M>> {
    of.get(of.partition_point(|kept| kept.number < number)).filter(|kept| kept.number == number)
}

fn first_of<'a, M>(
    one: Option<&'a KeptMessage<M>>,
    other: Option<&'a KeptMessage<M>>,
) -> Option<&'a KeptMessage<M>> {
    one.into_iter().chain(other).min_by_key(|kept| kept.number)
}
