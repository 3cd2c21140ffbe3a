//! The receiving side of a session: drops duplicates, counts gaps, and decides when to acknowledge.
//!
//! Each message passes three states: received from the link, delivered to the program, consumed by it. The *consumed
//! number*, which is acknowledged, is the number before the first unconsumed message: an answer that overtook another
//! message does not move it past the other.
//!
//! An acknowledgement costs a frame, so it is sent only when necessary: [`Inbox::ack_due`] has the rules. Data and
//! requests in the other direction carry the number without an extra frame.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use alloc::collections::VecDeque;

use super::{Progress, SessionHello};
use crate::error::{Error, ErrorKind, Result};

/// When a message counts as consumed.
///
/// A program that must not lose a message acknowledges it itself, after it has stored the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acknowledge {
    /// At the next `recv`, or at `reply`.
    Auto,
    /// At `ack()`.
    Manual,
}

/// How soon the sender of a message needs its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckUrgency {
    /// The sender keeps the message, and only an acknowledgement shows its consumption: data.
    Prompt,
    /// The sender keeps the message, and the next message to it carries the number: idempotent answers.
    Piggyback,
    /// The sender does not keep the message, or its answer acknowledges it: requests, other answers.
    NotNeeded,
}

/// The use of a message at its receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It is kept until the program receives it.
    #[default]
    Filed,
    /// The program gets it.
    Delivered,
    /// The program gets it, and has consumed the messages before: see [`Inbox::consumed`].
    DeliveredNext,
    /// It is consumed by the call that it answers.
    Finished,
}

/// The inbox's decision about a message by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A message for the program; `missed` messages before it are lost.
    ///
    /// `missed` is 0 with a sender that keeps its messages: its gaps are requests that are not replayed.
    New {
        /// Number of lost messages.
        missed: u64,
    },
    /// Its number was received before, so the message is dropped.
    Duplicate,
}

impl Verdict {
    /// Returns the number of messages lost before a message that is neither a duplicate nor an error.
    pub fn missed(verdict: &Result<Verdict>) -> u64 {
        if let Ok(Verdict::New { missed }) = verdict { *missed } else { 0 }
    }
}

/// The event at which the inbox decides whether an acknowledgement is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckTrigger {
    /// The program receives the next message.
    Receive,
    /// No message is there, and the receiver will wait for a short time.
    ///
    /// Its program is likely to answer, and the answer can carry the number.
    Pause,
    /// No message came within that time, and the receiver will wait in the kernel.
    Park,
    /// The peer closes and waits for the number.
    Requested,
    /// This side closes, so there is no later event.
    Close,
}

/// After this number of consumed messages, an acknowledgement is pending at any event.
const OFTEN: u64 = 64;

/// The receiving side of a channel or of one client of a server.
#[derive(Clone, Debug)]
pub struct Inbox {
    ack_mode: Acknowledge,
    /// The session of the peer; 0 before the first.
    session: u64,
    received: u64,
    /// The lowest number neither received nor counted as missed; 0 while any number may be the first.
    expected: u64,
    /// If the sender keeps its messages: the number of messages and bytes for an acknowledgement.
    keeps: Option<(u64, usize)>,
    /// Unconsumed messages in the order of their numbers, and consumed messages after them.
    window: VecDeque<WindowEntry>,
    delivered: usize,
    consumed: u64,
    /// The number last acknowledged to the sender on this link.
    acked: u64,
    /// Whether a message has carried the number since the last receipt: the next will probably as well.
    has_replied: bool,
    unacked: Unacked,
    duplicates: u64,
    missed: u64,
    ack_frames: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Unacked {
    prompt: bool,
    count: u64,
    bytes: usize,
}

impl Unacked {
    #[inline]
    fn count(&mut self, entry: &WindowEntry, keeps: bool) {
        if keeps && entry.urgency != AckUrgency::NotNeeded {
            self.prompt |= entry.urgency == AckUrgency::Prompt;
            self.count = self.count.saturating_add(1);
            self.bytes = self.bytes.saturating_add(entry.bytes);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct WindowEntry {
    number: u64,
    bytes: usize,
    urgency: AckUrgency,
    state: MessageState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageState {
    Received,
    Delivered,
    Consumed,
}

/// The counters of an inbox, for `stats()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxStats {
    /// The consumed number of the current session.
    pub consumed: u64,
    /// Received, unconsumed messages.
    pub unconsumed: u64,
    /// Messages dropped because their number was received before.
    pub duplicates: u64,
    /// Lost messages of senders without replay.
    pub missed: u64,
    /// Frames with only an acknowledgement.
    pub ack_frames: u64,
}

impl Inbox {
    /// Returns an inbox that has received nothing.
    pub fn new(ack_mode: Acknowledge) -> Inbox {
        Inbox {
            ack_mode,
            session: 0,
            received: 0,
            expected: 0,
            keeps: None,
            window: VecDeque::new(),
            delivered: 0,
            consumed: 0,
            acked: 0,
            has_replied: false,
            unacked: Unacked::default(),
            duplicates: 0,
            missed: 0,
            ack_frames: 0,
        }
    }

    /// Returns the session of the peer; 0 before the first.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Returns the progress of this side, for its own hello.
    pub fn progress(&self) -> Progress {
        Progress { session: self.session, received: self.received, consumed: self.consumed }
    }

    /// Begins with a link whose peer sent this hello.
    ///
    /// Called with the first message of that link, after the last link was read to its end.
    pub fn hello(&mut self, hello: &SessionHello) {
        if hello.session != self.session {
            self.session = hello.session;
            (self.received, self.consumed, self.delivered) = (0, 0, 0);
            self.window.clear();
            self.expected = hello.first;
        }
        // Often enough that the sender does not run out of room, but not after each message.
        self.keeps = hello.keeps.map(|limits| (OFTEN.min(limits.count as u64 / 4).max(1), limits.bytes / 4));
        // An acknowledgement on the last link may be lost, so it is repeated.
        self.acked = 0;
        self.has_replied = false;
        self.unacked = Unacked { prompt: self.consumed > 0 && self.keeps.is_some(), ..Unacked::default() };
    }

    /// Returns whether neither this number nor a later one was received.
    pub fn is_new(&self, number: u64) -> bool {
        number > self.received
    }

    /// Records a message of the current session.
    ///
    /// # Errors
    ///
    /// `Malformed` for number 0, which no sender uses.
    #[inline(always)]
    pub fn received(
        &mut self,
        number: u64,
        bytes: usize,
        urgency: AckUrgency,
        fate: Fate,
    ) -> Result<Verdict> {
        if !self.is_new(number) {
            return self.not_new(number, fate);
        }
        let missed = self.note_received(number);
        let mut entry = WindowEntry { number, bytes, urgency, state: MessageState::Delivered };
        match fate {
            Fate::Filed => entry.state = MessageState::Received,
            Fate::Delivered => self.delivered = self.delivered.saturating_add(1),
            Fate::DeliveredNext => {
                // In a dialogue it replaces the entry before, without a queue operation.
                if self.ack_mode == Acknowledge::Auto
                    && self.delivered == 1
                    && self.window.len() == 1
                    && let Some(front) = self.window.front_mut()
                {
                    let before = core::mem::replace(front, entry);
                    self.count_consumed(&before);
                    return Ok(Verdict::New { missed });
                }
                self.consumed();
                self.delivered = self.delivered.saturating_add(1);
            }
            Fate::Finished if self.window.is_empty() => {
                self.count_consumed(&entry);
                return Ok(Verdict::New { missed });
            }
            // Messages before it are unconsumed, so the consumed number stays.
            Fate::Finished => entry.state = MessageState::Consumed,
        }
        self.window.push_back(entry);
        Ok(Verdict::New { missed })
    }

    #[cold]
    fn not_new(&mut self, number: u64, fate: Fate) -> Result<Verdict> {
        if fate == Fate::DeliveredNext {
            self.consumed();
        }
        if number == 0 {
            let text = "the peer sent a message without a number: it violates the protocol";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.duplicates = self.duplicates.saturating_add(1);
        Ok(Verdict::Duplicate)
    }

    #[inline]
    fn note_received(&mut self, number: u64) -> u64 {
        let mut missed = 0;
        if self.keeps.is_none() && self.expected != 0 {
            missed = number.saturating_sub(self.expected);
            self.missed = self.missed.saturating_add(missed);
        }
        self.received = number;
        self.has_replied = false;
        self.expected = self.expected.max(number.saturating_add(1));
        missed
    }

    /// Records the delivery of this message of the peer's session to the program.
    pub fn delivered(&mut self, session: u64, number: u64) {
        if let Some(entry) = self.find(session, number)
            && entry.state == MessageState::Received
        {
            entry.state = MessageState::Delivered;
            self.delivered = self.delivered.saturating_add(1);
        }
    }

    /// Takes the delivery of this message back: the program could not take it, and receives it again.
    pub fn undelivered(&mut self, session: u64, number: u64) {
        if let Some(entry) = self.find(session, number)
            && entry.state == MessageState::Delivered
        {
            entry.state = MessageState::Received;
            self.delivered = self.delivered.saturating_sub(1);
        }
    }

    /// Records that the program receives again, which consumes delivered messages without manual `ack()`.
    #[inline]
    pub fn consumed(&mut self) {
        // A sender that keeps nothing needs no acknowledgement, but its `close` waits for the consumed number.
        if self.delivered > 0 && (self.ack_mode == Acknowledge::Auto || self.keeps.is_none()) {
            self.consume_delivered(u64::MAX);
        }
    }

    /// Records that the program acknowledges messages up to this number of this session.
    pub fn acknowledge(&mut self, session: u64, up_to: u64) {
        if session == self.session {
            self.consume_delivered(up_to);
        }
    }

    /// Records that only this message is consumed, not the messages before it.
    ///
    /// It is an answered request, or an answer that has reached its caller or lost it.
    #[inline]
    pub fn finished(&mut self, session: u64, number: u64) {
        if session == self.session
            && self.window.len() == 1
            && let Some(front) = self.window.front().copied()
            && front.number == number
        {
            self.delivered = 0;
            self.window.pop_front();
            return self.count_consumed(&front);
        }
        self.finish_one(session, number);
    }

    /// As [`Inbox::finished`], if several messages are unconsumed.
    fn finish_one(&mut self, session: u64, number: u64) {
        let Some(entry) = self.find(session, number) else { return };
        let was = core::mem::replace(&mut entry.state, MessageState::Consumed);
        let is_one_less = was == MessageState::Delivered;
        self.delivered = self.delivered.saturating_sub(is_one_less.into());
        self.advance();
    }

    fn find(&mut self, session: u64, number: u64) -> Option<&mut WindowEntry> {
        if session != self.session {
            return None;
        }
        // Nearly always it is the newest or the oldest entry.
        let last = self.window.len().checked_sub(1)?;
        let at = match () {
            () if self.window[last].number == number => last,
            () if self.window[0].number == number => 0,
            () => self.window.binary_search_by_key(&number, |entry| entry.number).ok()?,
        };
        self.window.get_mut(at)
    }

    fn consume_delivered(&mut self, up_to: u64) {
        if self.window.len() == 1
            && let Some(front) = self.window.front().copied()
            && front.state == MessageState::Delivered
            && front.number <= up_to
        {
            self.delivered = 0;
            self.window.pop_front();
            return self.count_consumed(&front);
        }
        if self.delivered == self.window.len() && self.window.back().is_some_and(|last| last.number <= up_to)
        {
            let (front, behind) = self.window.as_slices();
            let (mut unacked, keeps) = (self.unacked, self.keeps.is_some());
            for entry in front.iter().chain(behind) {
                unacked.count(entry, keeps);
                self.consumed = entry.number;
            }
            (self.unacked, self.delivered) = (unacked, 0);
            return self.window.clear();
        }
        for entry in &mut self.window {
            if self.delivered == 0 || entry.number > up_to {
                break;
            }
            if entry.state == MessageState::Delivered {
                entry.state = MessageState::Consumed;
                self.delivered = self.delivered.saturating_sub(1);
            }
        }
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(front) = self.window.front()
            && front.state == MessageState::Consumed
        {
            let front = *front;
            self.count_consumed(&front);
            self.window.pop_front();
        }
    }

    /// Moves the consumed number to this message, and counts it as unacknowledged if its sender keeps it.
    #[inline(always)]
    fn count_consumed(&mut self, entry: &WindowEntry) {
        self.consumed = entry.number;
        self.unacked.count(entry, self.keeps.is_some());
    }

    /// Returns the number for an acknowledgement frame, if one is pending.
    ///
    /// `to` is the session at the frame's link.
    pub fn ack_due(&self, trigger: AckTrigger, to: u64) -> Option<u64> {
        if to != self.session {
            // A peer that requests the number waits for a frame, even if nothing of its session was received.
            return (trigger == AckTrigger::Requested).then_some(0);
        }
        let is_unacked = self.consumed > self.acked;
        let due = match trigger {
            AckTrigger::Requested => true,
            AckTrigger::Close => is_unacked,
            AckTrigger::Pause => is_unacked && self.unacked.prompt && !self.has_replied,
            AckTrigger::Park => is_unacked && self.unacked.prompt,
            AckTrigger::Receive => {
                let (count, bytes) = self.keeps.unwrap_or((u64::MAX, usize::MAX));
                is_unacked && (self.unacked.count >= count || self.unacked.bytes > bytes)
            }
        };
        due.then_some(self.consumed)
    }

    /// As [`Inbox::ack_due`], on a link whose peer reads the number in shared memory.
    ///
    /// Only a waiting peer needs a frame as a wake-up: for room from the number `wanted` (0 if it does not wait), or
    /// because it closes.
    #[inline]
    pub fn ack_due_beside_page(&self, trigger: AckTrigger, to: u64, wanted: u64) -> Option<u64> {
        if trigger == AckTrigger::Requested || wanted > 0 && wanted <= self.consumed {
            return self.ack_due(trigger, to).or_else(|| self.ack_due(AckTrigger::Close, to));
        }
        None
    }

    /// Returns the number for data and requests to this session; 0 acknowledges nothing.
    pub fn to_piggyback(&self, to: u64) -> u64 {
        if to == self.session { self.consumed } else { 0 }
    }

    /// Records that a message to this session carried this number; 0 for no number.
    #[inline]
    pub fn piggybacked(&mut self, to: u64, number: u64) {
        self.has_replied |= to == self.session;
        self.ack_sent(to, number);
    }

    /// Records that an acknowledgement frame with this number was sent to this session.
    pub fn ack_frame_sent(&mut self, to: u64, number: u64) {
        self.ack_frames = self.ack_frames.saturating_add(1);
        self.ack_sent(to, number);
    }

    /// Records that the peer was sent this number, by a frame or with a message.
    pub fn ack_sent(&mut self, to: u64, number: u64) {
        if to != self.session {
            return;
        }
        self.acked = self.acked.max(number);
        if self.acked >= self.consumed {
            self.unacked = Unacked::default();
        }
    }

    /// Returns the counters.
    pub fn stats(&self) -> InboxStats {
        let unconsumed = self.window.iter().filter(|entry| entry.state != MessageState::Consumed).count();
        InboxStats {
            consumed: self.consumed,
            unconsumed: unconsumed as u64,
            duplicates: self.duplicates,
            missed: self.missed,
            ack_frames: self.ack_frames,
        }
    }
}
