//! The sending side of a session: numbers what is sent, keeps it until it is acknowledged, says what goes next.

use std::collections::VecDeque;

use super::{Hello, Identity, ReplayLimits, RetransmitClass};
use crate::error::{Error, ErrorKind, Result};

/// Numbers the messages of one session and keeps what may have to be sent again. `M` is what is kept of each.
#[derive(Clone, Debug)]
pub struct Outbox<M> {
    session: u64,
    limits: Option<ReplayLimits>,
    /// The number of the last message that was sent.
    last: u64,
    /// The number of a message that the link is being given, or may have been: another thread may hear of its
    /// acknowledgement before this one says that it was sent.
    offered: u64,
    /// In the order of their numbers.
    kept: VecDeque<Kept<M>>,
    bytes: usize,
    /// The number up to which the other side has consumed everything.
    acknowledged: u64,
    peer: Option<(Identity, u64)>,
    /// What is kept up to this number need not be given to this link (any more).
    settled: u64,
    /// Messages of this link that are not kept and that somebody is to consume: how many, and the number of the last.
    loose: (u64, u64),
    replayed: u64,
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Kept<M> {
    number: u64,
    bytes: usize,
    class: RetransmitClass,
    message: M,
}

/// What goes over the link next.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order<'a, M> {
    /// This one again, with its old number; then say [`Outbox::replayed`].
    Replay {
        /// What was kept of it.
        message: &'a M,
        /// Its number.
        number: u64,
    },
    /// A new message, under this number: [`Outbox::offer`] it, then say [`Outbox::sent`].
    New {
        /// Its number.
        number: u64,
    },
}

/// Whom a new link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incarnation {
    /// The first peer of this outbox.
    First,
    /// The one that the last link led to: it has what it had.
    Same,
    /// The same peer, started anew: it is given everything that is unacknowledged.
    Next,
    /// Another peer: what was meant for the last one has been dropped.
    Another,
}

/// What a new link means to what was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Whom it leads to.
    pub incarnation: Incarnation,
    /// Messages that nobody will get any more.
    pub dropped: usize,
    /// Of those, the data: what the program sent and was promised.
    pub lost: usize,
}

/// What the other side has not said to have consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unacknowledged {
    /// Messages. Of those that are not kept, at most as many.
    pub count: u64,
    /// Bytes that are kept.
    pub bytes: usize,
    /// The number of the last of them, 0 for none: when this one is acknowledged, all are.
    pub last: u64,
}

/// The outbox's part of `stats()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxFigures {
    /// Messages that wait for their acknowledgement.
    pub unacknowledged: u64,
    /// The number up to which all has been consumed.
    pub acknowledged: u64,
    /// Messages that were sent again.
    pub replayed: u64,
    /// Messages that were kept for a peer that went for good.
    pub dropped: u64,
}

impl<M: Clone> Outbox<M> {
    /// An empty one. `limits` says how much is kept for sending again; without, nothing is (best effort).
    pub fn new(session: u64, limits: Option<ReplayLimits>) -> Outbox<M> {
        Outbox {
            session,
            limits,
            last: 0,
            offered: 0,
            kept: VecDeque::new(),
            bytes: 0,
            acknowledged: 0,
            peer: None,
            settled: 0,
            loose: (0, 0),
            replayed: 0,
            dropped: 0,
        }
    }

    /// The session that its numbers belong to.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// How much it keeps.
    pub fn limits(&self) -> Option<ReplayLimits> {
        self.limits
    }

    /// Nothing below this number will be sent to whoever has not met this session.
    pub fn first(&self) -> u64 {
        self.kept.front().map_or_else(|| self.next_number(), |kept| kept.number)
    }

    /// The number that the next new message gets.
    pub fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// The same; the link is given the message now. It may be acknowledged before [`Outbox::sent`] says that it is there.
    pub fn offer(&mut self) -> u64 {
        self.offered = self.last + 1;
        self.offered
    }

    /// The same for several at once; gives the number of the first. Then say [`Outbox::sent`] for each that the link has, and
    /// [`Outbox::took_back`] where those were fewer.
    pub fn offer_many(&mut self, count: usize) -> u64 {
        self.offered = self.last + count as u64;
        self.last + 1
    }

    /// The link has no more of what was offered.
    pub fn took_back(&mut self) {
        self.offered = self.last;
    }

    /// How many data messages, whose bodies have these lengths, have room one after the other.
    pub fn room_for(&self, bodies: impl Iterator<Item = usize>) -> usize {
        let Some(limits) = self.limits else { return bodies.count() };
        let (mut count, mut bytes) = (self.kept.len(), self.bytes);
        let fits = |body: &usize| {
            let fits =
                count < limits.count.max(1) && (count == 0 || bytes.saturating_add(*body) <= limits.bytes);
            (count, bytes) = (count + 1, bytes.saturating_add(*body));
            fits
        };
        bodies.take_while(fits).count()
    }

    /// The number of the last message that was sent.
    #[cfg(test)]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Who is at the other end of the newest link, and its session.
    pub fn peer(&self) -> Option<(&Identity, u64)> {
        self.peer.as_ref().map(|(identity, session)| (identity, *session))
    }

    /// Whether a message may be sent now, or has to wait until something is acknowledged.
    ///
    /// Answers never wait: the caller that waits for one consumes nothing meanwhile. One that finds no room goes out
    /// and is not kept.
    pub fn has_room(&self, class: RetransmitClass, bytes: usize) -> bool {
        !matches!(class, RetransmitClass::Data | RetransmitClass::Idempotent) || self.fits(bytes)
    }

    /// The number whose acknowledgement makes room, for some messages at a time: who waits for room waits for this one.
    pub fn wanted(&self) -> u64 {
        let some = self.kept.len().div_ceil(4).clamp(1, 64);
        self.kept.get(some - 1).map_or(0, |kept| kept.number)
    }

    fn fits(&self, bytes: usize) -> bool {
        let Some(limits) = self.limits else { return true };
        let below = self.kept.len() < limits.count.max(1);
        below && (self.kept.is_empty() || self.bytes.saturating_add(bytes) <= limits.bytes)
    }

    /// What goes over the link next: everything that is to be sent again goes before anything new.
    #[cfg(test)]
    pub fn order(&self) -> Order<'_, M> {
        match self.to_replay() {
            Some((message, number)) => Order::Replay { message, number },
            None => Order::New { number: self.next_number() },
        }
    }

    /// The next message that is to be sent again over this link.
    pub fn to_replay(&self) -> Option<(&M, u64)> {
        if self.settled >= self.last {
            return None;
        }
        let next = self.kept.partition_point(|kept| kept.number <= self.settled);
        self.kept.get(next).map(|kept| (&kept.message, kept.number))
    }

    /// The link has the message that [`Outbox::to_replay`] gave with this number, which may have been acknowledged since.
    pub fn replayed(&mut self, number: u64) {
        self.settled = self.settled.max(number);
        self.replayed += 1;
    }

    /// The link has a new message under the number that [`Outbox::offer`] gave. `message` is called if it is to be
    /// kept. A message that the link did not take was never admitted, and stays the caller's.
    pub fn sent(&mut self, class: RetransmitClass, bytes: usize, message: impl FnOnce() -> M) -> u64 {
        // What is to be sent again goes first. Should a new link have come in between, this message went over the old one,
        // and is sent again with the others.
        let all_sent = self.to_replay().is_none();
        self.last += 1;
        if all_sent {
            self.settled = self.last;
        }
        let early = self.last <= self.acknowledged;
        let keep = match class {
            RetransmitClass::Request | RetransmitClass::Answer => false,
            RetransmitClass::Data | RetransmitClass::IdempotentAnswer if early => false,
            RetransmitClass::Data | RetransmitClass::Idempotent => self.limits.is_some(),
            RetransmitClass::IdempotentAnswer => self.limits.is_some() && self.fits(bytes),
        };
        if keep {
            self.kept.push_back(Kept { number: self.last, bytes, class, message: message() });
            self.bytes += bytes;
        } else if class == RetransmitClass::Data && !early {
            self.loose = (self.loose.0 + 1, self.last);
        }
        self.last
    }

    /// The other side has consumed everything up to this number. Gives how many messages need not be kept any longer;
    /// `Malformed` for a number that was never sent: nothing that such a peer says can be relied on.
    pub fn acknowledged(&mut self, number: u64) -> Result<usize> {
        if number > self.last.max(self.offered) {
            return Err(self.lie("acknowledges", number));
        }
        if number <= self.acknowledged {
            return Ok(0);
        }
        self.acknowledged = number;
        let (count, last) = self.loose;
        self.loose.0 = count.min(last.saturating_sub(number));
        let before = self.kept.len();
        // Nearly always these alone; what stays before others is a request whose answer is still to come.
        while let Some(front) = self.kept.front()
            && front.number <= number
            && front.class != RetransmitClass::Idempotent
        {
            self.bytes -= front.bytes;
            self.kept.pop_front();
        }
        if self.kept.front().is_some_and(|front| front.number <= number) {
            self.retain(|kept| kept.number > number || kept.class == RetransmitClass::Idempotent);
        }
        Ok(before - self.kept.len())
    }

    /// The answer to this request has come, or its caller waits no longer: it is not sent again.
    pub fn settled(&mut self, request: u64) {
        self.retain(|kept| kept.number != request || kept.class != RetransmitClass::Idempotent);
    }

    /// What the other side has not said to have consumed: what a close waits for.
    pub fn unacknowledged(&self) -> Unacknowledged {
        let waits = |kept: &&Kept<M>| kept.number > self.acknowledged && kept.class == RetransmitClass::Data;
        let kept = self.kept.iter().filter(waits);
        let last = self.kept.iter().rev().find(waits).map_or(0, |kept| kept.number);
        let (loose, last_loose) = if self.loose.0 > 0 { self.loose } else { (0, 0) };
        Unacknowledged { count: kept.count() as u64 + loose, bytes: self.bytes, last: last.max(last_loose) }
    }

    /// A new link leads to this peer. Says what that means to what was kept, and decides what is sent again;
    /// `Malformed` where it claims to have what was never sent.
    pub fn link_up(&mut self, hello: &Hello, identity: Identity) -> Result<Resumed> {
        let known = hello.received.session == self.session;
        let (taken, consumed) = if known { (hello.received.taken, hello.received.consumed) } else { (0, 0) };
        if taken.max(consumed) > self.last.max(self.offered) {
            return Err(self.lie("says that it has", taken.max(consumed)));
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
            // The requests that they answer are forgotten.
            Incarnation::Next => self.retain(|kept| kept.class != RetransmitClass::IdempotentAnswer),
            Incarnation::Another => self.retain(|_| false),
        };
        self.dropped += dropped as u64;
        // What it has is not sent again, and stays kept until it has been consumed. What an earlier incarnation has
        // consumed says nothing: a request that it did not answer goes to this one.
        self.settled = if incarnation == Incarnation::Same { taken } else { 0 };
        self.loose = (0, 0);
        self.peer = Some((identity, hello.session));
        Ok(Resumed { incarnation, dropped, lost })
    }

    /// The peer will not come back: gives how many messages nobody will get.
    pub fn drop_kept(&mut self) -> usize {
        let dropped = self.retain(|_| false);
        self.dropped += dropped as u64;
        dropped
    }

    /// Whether the message of this number is kept.
    pub fn keeps(&self, number: u64) -> bool {
        self.kept.binary_search_by_key(&number, |kept| kept.number).is_ok()
    }

    /// How many messages are kept.
    pub fn kept_count(&self) -> usize {
        self.kept.len()
    }

    /// How many of them are data.
    pub fn kept_data(&self) -> usize {
        self.kept.iter().filter(|kept| kept.class == RetransmitClass::Data).count()
    }

    /// Its part of `stats()`.
    pub fn figures(&self) -> OutboxFigures {
        OutboxFigures {
            unacknowledged: self.unacknowledged().count,
            acknowledged: self.acknowledged,
            replayed: self.replayed,
            dropped: self.dropped,
        }
    }

    /// Keeps what is asked for; gives how many went.
    fn retain(&mut self, mut keep: impl FnMut(&Kept<M>) -> bool) -> usize {
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
    fn lie(&self, what: &str, number: u64) -> Error {
        let text = format!(
            "the other side {what} message {number}, and {} were sent: it does not keep to the protocol",
            self.last
        );
        Error::new(ErrorKind::Malformed, text)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }
}
