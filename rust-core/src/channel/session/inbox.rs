//! The receiving side of a session: drops what comes twice, counts what is missing, knows what has been consumed.

use std::collections::VecDeque;

use super::super::options::Acknowledge;
use super::{Hello, Received};
use crate::error::{Error, ErrorKind, Result};

/// What acknowledging a message is worth to its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckUrgency {
    /// It keeps the message and has no other way to know: data.
    Soon,
    /// It keeps the message, and our next one tells it in passing: the answer to an idempotent request.
    Sometime,
    /// It does not keep the message, or learns it from the answer: requests, and other answers.
    Nothing,
}

/// What has become of a number that came over the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A message for the program. `missed` were lost before it; told only where the sender keeps nothing: gaps in the
    /// numbers of others are requests that are not sent again.
    New {
        /// How many.
        missed: u64,
    },
    /// It was here before, and is dropped.
    Duplicate,
}

/// Why acknowledging is thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckTrigger {
    /// The next message is looked for.
    Passing,
    /// Nothing is there, and the receiver is about to wait for a moment: whoever has just said something is likely to be answered.
    Pausing,
    /// Nothing has come for a moment, and the receiver is about to sleep.
    Sleeping,
    /// The other side takes its leave and waits for it.
    Asked,
    /// We take our leave: it is the last chance.
    Leaving,
}

/// An acknowledgement that is due at the latest after this many messages.
const OFTEN: u64 = 64;

/// Takes the messages of the other side's sessions, one session after the other.
#[derive(Clone, Debug)]
pub struct Inbox {
    how: Acknowledge,
    session: u64,
    /// The number of the last message that was taken.
    taken: u64,
    /// The least number that is not missed yet; 0 while anything may come first.
    expected: u64,
    /// Whether the sender keeps what is not acknowledged, and how much of it may stay unsaid, in messages and bytes.
    keeps: Option<(u64, usize)>,
    /// Taken and not consumed, and what came behind it.
    open: VecDeque<Open>,
    /// How many of those the program has been given and not consumed.
    given: usize,
    /// The number up to which all has been consumed.
    consumed: u64,
    /// The number up to which the sender has been told so on this link.
    said: u64,
    /// Whether we have sent something that can say it in passing since a message was taken last: then the two sides are in a
    /// dialogue, and the next thing that we send says it.
    spoke: bool,
    /// Consumed and not said: whether it is worth a frame of its own, how many messages and bytes.
    owed: Owed,
    duplicates: u64,
    missed: u64,
    frames: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    soon: bool,
    count: u64,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    number: u64,
    bytes: usize,
    urgency: AckUrgency,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Taken,
    Given,
    Consumed,
}

/// The inbox's part of `stats()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxFigures {
    /// The number up to which all of the current session has been consumed.
    pub consumed: u64,
    /// Taken and not consumed.
    pub unconsumed: u64,
    /// Messages that came twice and were dropped.
    pub duplicates: u64,
    /// Messages of senders that keep nothing, lost on the way.
    pub missed: u64,
    /// Frames that said nothing else than how far we have come.
    pub ack_frames: u64,
}

impl Inbox {
    /// One that has met nobody yet.
    pub fn new(how: Acknowledge) -> Inbox {
        Inbox {
            how,
            session: 0,
            taken: 0,
            expected: 0,
            keeps: None,
            open: VecDeque::new(),
            given: 0,
            consumed: 0,
            said: 0,
            spoke: false,
            owed: Owed::default(),
            duplicates: 0,
            missed: 0,
            frames: 0,
        }
    }

    /// The sender's session whose messages are being taken; 0 before the first.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// How far we have come, for our own hello.
    pub fn received(&self) -> Received {
        Received { session: self.session, taken: self.taken, consumed: self.consumed }
    }

    /// From now on messages come over a link that began with this hello. To be said when the first message behind the
    /// hello is looked for, not before the last link has been read to its end.
    pub fn hello(&mut self, hello: &Hello) {
        if hello.session != self.session {
            self.session = hello.session;
            (self.taken, self.consumed, self.given) = (0, 0, 0);
            self.open.clear();
            self.expected = hello.first;
        }
        // Not every message, and not only when its store is full.
        self.keeps = hello.keeps.map(|limits| (OFTEN.min(limits.count as u64 / 4).max(1), limits.bytes / 4));
        // What was said on the last link may not have arrived.
        self.said = 0;
        self.spoke = false;
        self.owed = Owed { soon: self.consumed > 0 && self.keeps.is_some(), ..Owed::default() };
    }

    /// A message of the current session came over the link, and the program is given it now.
    #[inline]
    pub fn take_and_give(&mut self, number: u64, bytes: usize, urgency: AckUrgency) -> Result<Verdict> {
        let verdict = self.take(number, bytes, urgency)?;
        if let (Verdict::New { .. }, Some(open)) = (verdict, self.open.back_mut()) {
            open.state = State::Given;
            self.given += 1;
        }
        Ok(verdict)
    }

    /// Whether a message of this number is the program's: none of this number or above was taken before.
    #[inline]
    pub fn is_new(&self, number: u64) -> bool {
        number > self.taken
    }

    /// [`Inbox::consumed`] and [`Inbox::take_and_give`] in one, for a receive that finds a message. Where the program was given one message
    /// before, and nothing else is open, the new one takes its place.
    #[inline]
    pub fn consume_and_give(&mut self, number: u64, bytes: usize, urgency: AckUrgency) -> Result<Verdict> {
        if self.how == Acknowledge::Auto
            && self.is_new(number)
            && self.given == 1
            && self.open.len() == 1
            && let Some(open) = self.open.front_mut()
        {
            let before = std::mem::replace(open, Open { number, bytes, urgency, state: State::Given });
            self.pass(&before);
            return Ok(Verdict::New { missed: self.note_taken(number) });
        }
        self.consumed();
        self.take_and_give(number, bytes, urgency)
    }

    /// A message of the current session came over the link.
    #[inline]
    pub fn take(&mut self, number: u64, bytes: usize, urgency: AckUrgency) -> Result<Verdict> {
        if number == 0 {
            let text = "a message without a number came: the other side does not keep to the protocol";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        if number <= self.taken {
            self.duplicates += 1;
            return Ok(Verdict::Duplicate);
        }
        let missed = self.note_taken(number);
        self.open.push_back(Open { number, bytes, urgency, state: State::Taken });
        Ok(Verdict::New { missed })
    }

    /// Gives how many were lost before it.
    #[inline]
    fn note_taken(&mut self, number: u64) -> u64 {
        let lost = self.keeps.is_none() && self.expected != 0;
        let missed = if lost { number.saturating_sub(self.expected) } else { 0 };
        self.missed = self.missed.saturating_add(missed);
        self.taken = number;
        self.spoke = false;
        self.expected = self.expected.max(number.saturating_add(1));
        missed
    }

    /// The program has been handed this message, of this session of the sender's.
    pub fn given(&mut self, session: u64, number: u64) {
        if let Some(open) = self.find(session, number)
            && open.state == State::Taken
        {
            open.state = State::Given;
            self.given += 1;
        }
    }

    /// The program calls again: what it was given has been consumed, unless it says so itself.
    pub fn consumed(&mut self) {
        // To a sender that keeps nothing, only "how far" is of interest.
        if self.how == Acknowledge::Auto || self.keeps.is_none() {
            self.consume_given(u64::MAX);
        }
    }

    /// The program says itself that it has consumed what it was given up to this number, of this session.
    pub fn acknowledge(&mut self, session: u64, up_to: u64) {
        if session == self.session {
            self.consume_given(up_to);
        }
    }

    /// This one message has been consumed, whatever else has not: a request was answered, an answer reached its caller
    /// or has none any more.
    pub fn finished(&mut self, session: u64, number: u64) {
        let Some(open) = self.find(session, number) else { return };
        let was = std::mem::replace(&mut open.state, State::Consumed);
        self.given -= usize::from(was == State::Given);
        self.advance();
    }

    fn find(&mut self, session: u64, number: u64) -> Option<&mut Open> {
        if session != self.session {
            return None;
        }
        // The newest and the oldest are asked for nearly always.
        let last = self.open.len().checked_sub(1)?;
        let at = match () {
            () if self.open[last].number == number => last,
            () if self.open[0].number == number => 0,
            () => self.open.binary_search_by_key(&number, |open| open.number).ok()?,
        };
        self.open.get_mut(at)
    }

    fn consume_given(&mut self, up_to: u64) {
        for open in &mut self.open {
            if self.given == 0 || open.number > up_to {
                break;
            }
            if open.state == State::Given {
                open.state = State::Consumed;
                self.given -= 1;
            }
        }
        self.advance();
    }

    /// Moves on to just before the first message that has not been consumed.
    fn advance(&mut self) {
        while let Some(front) = self.open.front()
            && front.state == State::Consumed
        {
            let front = *front;
            self.pass(&front);
            self.open.pop_front();
        }
    }

    /// All up to this message has been consumed.
    #[inline]
    fn pass(&mut self, open: &Open) {
        self.consumed = open.number;
        if self.keeps.is_some() && open.urgency != AckUrgency::Nothing {
            self.owed.soon |= open.urgency == AckUrgency::Soon;
            self.owed.count += 1;
            self.owed.bytes = self.owed.bytes.saturating_add(open.bytes);
        }
    }

    /// The number that a frame of its own should carry now, if one is due. `to` is the session that the link for it leads
    /// to: numbers of another one mean nothing there.
    pub fn ack_due(&self, trigger: AckTrigger, to: u64) -> Option<u64> {
        if to != self.session {
            // Whoever asks waits for an answer: nothing of it has been taken.
            return (trigger == AckTrigger::Asked).then_some(0);
        }
        let unsaid = self.consumed > self.said;
        let due = match trigger {
            AckTrigger::Asked => true,
            AckTrigger::Leaving => unsaid,
            AckTrigger::Pausing => unsaid && self.owed.soon && !self.spoke,
            AckTrigger::Sleeping => unsaid && self.owed.soon,
            AckTrigger::Passing => {
                let (count, bytes) = self.keeps.unwrap_or((u64::MAX, usize::MAX));
                unsaid && (self.owed.count >= count || self.owed.bytes > bytes)
            }
        };
        due.then_some(self.consumed)
    }

    /// The same where the other side reads the number for itself, in shared memory. Only one that waits needs a frame, to be
    /// woken: from the number `wanted` on, 0 where it does not wait.
    pub fn ack_due_beside_page(&self, trigger: AckTrigger, to: u64, wanted: u64) -> Option<u64> {
        if trigger == AckTrigger::Asked || wanted > 0 && wanted <= self.consumed {
            return self.ack_due(trigger, to).or_else(|| self.ack_due(AckTrigger::Leaving, to));
        }
        None
    }

    /// The number that data and requests for this session carry in passing; 0 says nothing.
    pub fn to_piggyback(&self, to: u64) -> u64 {
        if to == self.session { self.consumed } else { 0 }
    }

    /// The same for data and requests, which say it in passing; 0 where they said nothing.
    pub fn said_in_passing(&mut self, to: u64, number: u64) {
        self.spoke |= to == self.session;
        self.said(to, number);
    }

    /// The same for a frame that says nothing else.
    pub fn said_alone(&mut self, to: u64, number: u64) {
        self.frames += 1;
        self.said(to, number);
    }

    /// The link to this session has a frame that says so, or has passed it on with another one.
    pub fn said(&mut self, to: u64, number: u64) {
        if to != self.session {
            return;
        }
        self.said = self.said.max(number);
        if self.said >= self.consumed {
            self.owed = Owed::default();
        }
    }

    /// Its part of `stats()`.
    pub fn figures(&self) -> InboxFigures {
        let unconsumed = self.open.iter().filter(|open| open.state != State::Consumed).count();
        InboxFigures {
            consumed: self.consumed,
            unconsumed: unconsumed as u64,
            duplicates: self.duplicates,
            missed: self.missed,
            ack_frames: self.frames,
        }
    }
}
