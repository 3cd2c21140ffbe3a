//! The programs at both ends: they send, receive slowly, call, answer, acknowledge and give up.

use super::super::RetransmitClass;
use super::super::inbox::{AckTrigger, AckUrgency, Acknowledge, Fate, Verdict};
use super::super::outbox::NextMessage;
use super::World;
use super::end::{Call, Content, Frame, ReceivedFrame, TxLink};

impl World<'_> {
    /// Puts a frame on the link, if there is one and it has room.
    fn push(&mut self, i: usize, frame: Frame) -> bool {
        let Some(tx) = self.ends[i].tx else { return false };
        if !tx.broken {
            let link = self.ends[1 - i].rx.back_mut().unwrap();
            assert_eq!(link.id, tx.id);
            if link.frames.len() >= self.capacity {
                return false;
            }
            link.frames.push_back(frame);
        }
        self.moves += 1;
        self.trace(|| format!("{i} -> {frame:?}{}", if tx.broken { ", lost" } else { "" }));
        true
    }

    /// Puts a message on the link, with an acknowledgement if one fits its header.
    fn push_message(&mut self, i: usize, content: Content, number: u64) -> bool {
        let Some(TxLink { to, .. }) = self.ends[i].tx else { return false };
        let in_passing = matches!(
            content.class,
            RetransmitClass::Data | RetransmitClass::Request | RetransmitClass::Idempotent
        );
        let in_passing = in_passing && self.piggyback_on(i).is_none();
        let piggyback = if in_passing { self.ends[i].inbox.to_piggyback(to) } else { 0 };
        let pushed = self.push(i, Frame::Message { content, number, piggyback });
        let has_place = matches!(
            content.class,
            RetransmitClass::Data | RetransmitClass::Request | RetransmitClass::Idempotent
        );
        if pushed && has_place {
            self.ends[i].inbox.piggybacked(to, piggyback);
        }
        pushed
    }

    /// Sends a replay if there is one, or else a new message.
    pub fn send(&mut self, i: usize, class: RetransmitClass) {
        if !self.replay(i) {
            let bytes = if self.random.one_in(30) { 100 } else { self.random.below(20) };
            self.send_new(i, Content { class, bytes, answers: (0, 0) });
        }
    }

    /// Sends one message again; false where there is none.
    pub fn replay(&mut self, i: usize) -> bool {
        let NextMessage::Replay { message, number } = self.ends[i].outbox.order() else { return false };
        let content = *message;
        let has = self.ends[i].tx.map_or(0, |tx| tx.has);
        assert!(number > has, "{number} is sent again, and the other side has reported {has} as received");
        if self.push_message(i, content, number) {
            self.meanwhile(i);
            self.ends[i].outbox.replayed(number);
            self.seen.replayed += 1;
        }
        true
    }

    fn send_new(&mut self, i: usize, content: Content) -> bool {
        let NextMessage::New { number } = self.ends[i].outbox.order() else { panic!("something goes first") };
        if !self.ends[i].outbox.has_room(content.class, content.bytes) {
            self.look(i);
        }
        if !self.ends[i].outbox.has_room(content.class, content.bytes) {
            self.seen.no_room += 1;
            if let Some(TxLink { id, .. }) = self.ends[i].tx.filter(|_| self.in_words) {
                self.wants.insert((id, i), self.ends[i].outbox.wanted());
            }
            return false;
        }
        if let Some(TxLink { id, .. }) = self.ends[i].tx {
            self.wants.remove(&(id, i));
        }
        assert_eq!(self.ends[i].outbox.assign_number(), number);
        if !self.push_message(i, content, number) {
            return false;
        }
        self.truth.sent(self.ends[i].session(), number, content.class);
        if content.class == RetransmitClass::Data {
            self.meanwhile(i);
        }
        let end = &mut self.ends[i];
        let mut kept = false;
        let given = end.outbox.sent(content.class, content.bytes, || {
            kept = true;
            content
        });
        assert_eq!(given, number);
        end.answer_not_kept |= content.class == RetransmitClass::IdempotentAnswer && !kept;
        if matches!(content.class, RetransmitClass::Request | RetransmitClass::Idempotent) {
            let idempotent = content.class == RetransmitClass::Idempotent;
            end.call = Some(Call { number, link: end.tx.unwrap().id, idempotent });
        }
        true
    }

    /// Sometimes runs other threads after the link took a message and before the outbox records it.
    fn meanwhile(&mut self, i: usize) {
        if self.random.one_in(4) {
            self.under_way = Some(i);
            for who in [1 - i, 1 - i, i] {
                self.receive(who);
            }
            self.under_way = None;
        }
    }

    fn send_ack(&mut self, i: usize, trigger: AckTrigger) {
        let Some(TxLink { to, .. }) = self.ends[i].tx else { return };
        let number = match self.piggyback_on(i) {
            Some(link) => {
                let wanted = self.wants.get(&(link, 1 - i)).copied().unwrap_or(0);
                self.ends[i].inbox.ack_due_beside_page(trigger, to, wanted)
            }
            None => self.ends[i].inbox.ack_due(trigger, to),
        };
        if let Some(number) = number
            && self.push(i, Frame::Ack(number))
        {
            self.seen.woken += u64::from(self.in_words && trigger != AckTrigger::Requested);
            self.ends[i].inbox.ack_sent(to, number);
        }
    }

    /// Returns the link whose word has this end's progress, if there is one.
    fn piggyback_on(&self, i: usize) -> Option<u64> {
        let link = self.ends[i].rx.front().filter(|link| self.in_words && link.begun)?;
        Some(link.id)
    }

    /// Publishes this end's progress in the word.
    pub fn publish(&mut self, i: usize) {
        let Some(link) = self.piggyback_on(i) else { return };
        let consumed = self.ends[i].inbox.progress().consumed;
        self.words.insert((link, i), consumed);
        if self.ends[i].rx.front().is_none_or(|link| link.ended) {
            // After the link broke, the sender may have read the word for the last time; the next hello
            // repeats the progress.
            return;
        }
        let published = self.published.entry(self.ends[i].inbox.session()).or_default();
        *published = consumed.max(*published);
    }

    /// Reads the other side's word, of the link that this end writes to; the link may have broken, and its
    /// reader crashed.
    pub fn look(&mut self, i: usize) {
        let Some(TxLink { id, to, .. }) = self.ends[i].tx else { return };
        let Some(acknowledged) = self.words.get(&(id, 1 - i)).copied() else { return };
        self.seen.read_in_words += u64::from(acknowledged > self.ends[i].outbox.stats().acknowledged);
        self.acknowledged(i, acknowledged, to);
    }

    /// The program receives, or continues to wait for an answer. False where nothing has arrived.
    pub fn receive(&mut self, i: usize) -> bool {
        let waits = self.ends[i].call.is_some();
        self.ends[i].asleep = false;
        if !waits {
            let end = &mut self.ends[i];
            let keeps = self.keeps[1 - i].is_some();
            if end.how == Acknowledge::Auto || !keeps {
                end.consume(None, u64::MAX, &mut self.truth);
            }
            end.inbox.consumed();
            self.publish(i);
            let end = &mut self.ends[i];
            if let Some(message) = end.local.pop_front() {
                self.is_not_consumed(message);
                self.ends[i].give(message, keeps, &mut self.truth);
                self.seen.given += 1;
                self.moves += 1;
                return true;
            }
            self.send_ack(i, AckTrigger::Receive);
        }
        loop {
            let Some(message) = self.read(i) else {
                if waits && self.ends[i].call.is_none() {
                    // Its link broke, and the call has failed.
                    return true;
                }
                if self.ends[i].rx.front().is_some() && !std::mem::replace(&mut self.ends[i].paused, true) {
                    // Nothing has arrived yet; the pause passes, or not, before the next poll.
                    self.send_ack(i, AckTrigger::Pause);
                    self.moves += 1;
                    return false;
                }
                self.send_ack(i, AckTrigger::Park);
                self.ends[i].asleep = true;
                return false;
            };
            match message.content.class {
                RetransmitClass::Answer | RetransmitClass::IdempotentAnswer => {
                    if self.take_answer(i, message) {
                        return true;
                    }
                }
                _ if waits => {
                    self.ends[i].local.push_back(message);
                    if self.ends[i].call.is_none() {
                        return true;
                    }
                }
                _ => {
                    self.is_not_consumed(message);
                    self.ends[i].give(message, self.keeps[1 - i].is_some(), &mut self.truth);
                    self.seen.given += 1;
                    return true;
                }
            }
        }
    }

    /// A message that a word shows as consumed is not delivered again.
    fn is_not_consumed(&self, ReceivedFrame { session, number, content }: ReceivedFrame) {
        let published = self.published.get(&session).copied().unwrap_or(0);
        assert!(
            content.class != RetransmitClass::Data || number > published,
            "{number} of {session} was consumed before"
        );
    }

    /// Handles an answer; returns whether the program waits for it.
    fn take_answer(&mut self, i: usize, message: ReceivedFrame) -> bool {
        let end = &mut self.ends[i];
        let (request, asker) = message.content.answers;
        assert_eq!(
            asker,
            end.session(),
            "the answer to request {request} of session {asker} reached another"
        );
        self.truth.given(message.session, message.number, true);
        end.inbox.finished(message.session, message.number);
        self.truth.consumed(message.session, message.number);
        self.publish(i);
        let end = &mut self.ends[i];
        let Some(call) = end.call.filter(|call| call.number == request) else { return false };
        end.outbox.finish_request(call.number);
        end.call = None;
        self.seen.answered += 1;
        self.seen.answered_after_a_cut += u64::from(end.rx.front().is_some_and(|link| link.id != call.link));
        true
    }

    /// Returns the next new message from the links, each read to its end before the next.
    fn read(&mut self, i: usize) -> Option<ReceivedFrame> {
        loop {
            let end = &mut self.ends[i];
            let link = end.rx.front_mut()?;
            if !link.begun {
                link.begun = true;
                end.inbox.hello(&link.hello);
                end.losses.hello(link.hello.session, link.sent_before);
                self.publish(i);
            }
            let end = &mut self.ends[i];
            let link = end.rx.front_mut()?;
            let (peer, id) = (link.hello.session, link.id);
            let Some(frame) = link.frames.pop_front() else {
                if !link.ended {
                    return None;
                }
                end.rx.pop_front();
                // Whether it was carried out is unknown.
                if end.call.is_some_and(|call| !call.idempotent && call.link <= id) {
                    end.call = None;
                }
                self.moves += 1;
                continue;
            };
            self.moves += 1;
            self.ends[i].paused = false;
            match frame {
                Frame::Ack(number) => self.acknowledged(i, number, peer),
                Frame::Bye => self.send_ack(i, AckTrigger::Requested),
                Frame::Message { content, number, piggyback } => {
                    if piggyback > 0 {
                        self.acknowledged(i, piggyback, peer);
                    }
                    if let Some(message) = self.take(i, peer, number, content) {
                        return Some(message);
                    }
                }
            }
        }
    }

    fn take(&mut self, i: usize, session: u64, number: u64, content: Content) -> Option<ReceivedFrame> {
        let urgency = match content.class {
            RetransmitClass::Data => AckUrgency::Prompt,
            RetransmitClass::IdempotentAnswer => AckUrgency::Piggyback,
            _ => AckUrgency::NotNeeded,
        };
        let end = &mut self.ends[i];
        assert_eq!(end.inbox.session(), session);
        match end.inbox.received(number, content.bytes, urgency, Fate::Filed).unwrap() {
            Verdict::Duplicate => {
                self.seen.duplicates += 1;
                None
            }
            Verdict::New { missed } => {
                if self.keeps[1 - i].is_none() {
                    end.losses.received(number, missed);
                    self.seen.missed += missed;
                } else {
                    assert_eq!(missed, 0);
                }
                self.truth.received(session, number, end.session());
                Some(ReceivedFrame { session, number, content })
            }
        }
    }

    fn acknowledged(&mut self, i: usize, number: u64, by: u64) {
        let end = &mut self.ends[i];
        end.outbox.acknowledged(number).unwrap();
        self.truth.acknowledged(end.session(), number, by, self.keeps[i].is_some());
        self.check_unacknowledged(i);
    }

    pub fn check_unacknowledged(&mut self, i: usize) {
        if self.under_way == Some(i) {
            return;
        }
        let end = &mut self.ends[i];
        let truly = self.truth.unacknowledged(end.session());
        let unacknowledged = end.outbox.unacknowledged();
        if self.keeps[i].is_some() {
            assert_eq!(unacknowledged.count, truly, "unacknowledged messages of session {}", end.session());
        } else if truly == 0 {
            assert_eq!(unacknowledged.count, 0, "nothing is waited for");
        }
        assert_eq!(unacknowledged.count == 0, unacknowledged.last == 0);
    }

    /// The program answers the oldest request that it has.
    pub fn answer(&mut self, i: usize) {
        let end = &mut self.ends[i];
        let Some(request) = end.to_answer.front().copied() else { return };
        if end.outbox.peer().is_some_and(|(_, session)| session != request.session) {
            // The caller has ended.
            end.to_answer.pop_front();
            self.moves += 1;
            return;
        }
        let class = match request.content.class {
            RetransmitClass::Idempotent => RetransmitClass::IdempotentAnswer,
            _ => RetransmitClass::Answer,
        };
        let content = Content { class, bytes: 5, answers: (request.number, request.session) };
        if self.replay(i) || !self.send_new(i, content) {
            return;
        }
        let end = &mut self.ends[i];
        end.to_answer.pop_front();
        end.unconsumed
            .retain(|received| (received.session, received.number) != (request.session, request.number));
        self.truth.consumed(request.session, request.number);
        end.inbox.finished(request.session, request.number);
        self.publish(i);
    }

    /// The program acknowledges some of its messages.
    pub fn acknowledge(&mut self, i: usize) {
        let some = self.random.below(self.ends[i].unconsumed.len());
        let end = &mut self.ends[i];
        let Some(ReceivedFrame { session, number, .. }) = end.unconsumed.get(some).copied() else { return };
        end.consume(Some(session), number, &mut self.truth);
        end.inbox.acknowledge(session, number);
        self.publish(i);
        self.moves += 1;
    }

    pub fn bye(&mut self, i: usize) {
        self.push(i, Frame::Bye);
    }

    pub fn give_up(&mut self, i: usize) {
        if let Some(call) = self.ends[i].call.take() {
            self.ends[i].outbox.finish_request(call.number);
            self.ends[i].asleep = false;
        }
    }
}
