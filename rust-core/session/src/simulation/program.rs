//! The programs at both ends: they send, receive slowly, call, answer, acknowledge and give up.

use super::super::RetransmitClass;
use super::super::connection::{self, Connection, Control, Obstacle, Outcome, Terms, Ticket, Tried, Unless};
use super::super::inbox::{AckTrigger, AckUrgency, Acknowledge, Fate, Verdict};
use super::end::{Call, Content, Frame, Page, ReceivedFrame};
use super::stream::Put;
use super::world::{World, is_listener, pair, peer};

fn has_place(class: RetransmitClass) -> bool {
    matches!(class, RetransmitClass::Data | RetransmitClass::Request | RetransmitClass::Idempotent)
}

fn message(content: Content) -> connection::Content {
    let Content { class, bytes, .. } = content;
    let is_data = class == RetransmitClass::Data;
    let carries_ack = has_place(class);
    connection::Content { class, length: bytes, is_allowed: true, carries_ack, reports_losses: is_data }
}

impl World<'_> {
    fn push(&mut self, i: usize, frame: Frame) -> bool {
        let Some((id, broken)) = self.ends[i].tx.as_ref().map(|tx| (tx.id, tx.broken)) else { return false };
        if !broken {
            let link = self.ends[peer(i)].rx.back_mut().unwrap();
            assert_eq!(link.id, id);
            match link.stream.put(frame, self.capacity) {
                Put::Whole => {}
                Put::Started => self.seen.begun_in_part += 1,
                Put::Full => return false,
            }
        }
        self.moves += 1;
        self.trace(|| format!("{i} -> {frame:?}{}", if broken { ", lost" } else { "" }));
        true
    }

    /// The next user of the half writes more of the begun frame.
    pub fn write_rest(&mut self, i: usize) {
        let over = self.ends[i].tx.as_ref().filter(|tx| !tx.broken).map(|tx| tx.id);
        if let Some(link) = self.ends[peer(i)].rx.back_mut()
            && over == Some(link.id)
        {
            self.moves += u64::from(link.stream.write_rest(self.capacity));
        }
        if !self.has_rest(i) {
            self.sending_ends(i);
        }
    }

    fn has_rest(&self, i: usize) -> bool {
        let over = self.ends[i].tx.as_ref().filter(|tx| !tx.broken).map(|tx| tx.id);
        self.ends[peer(i)].rx.back().is_some_and(|link| over == Some(link.id) && link.stream.has_rest())
    }

    /// Sends a replay, or without one a new message.
    pub fn send(&mut self, i: usize, class: RetransmitClass) {
        if !self.replay(i) {
            let bytes = if self.random.one_in(30) { 100 } else { self.random.below(20) };
            self.send_new(i, Content { class, bytes, answers: (0, 0) });
        }
    }

    pub fn replay(&mut self, i: usize) -> bool {
        let Some((link, to, has)) = self.ends[i].tx.as_ref().map(|tx| (tx.number, tx.to, tx.has)) else {
            return false;
        };
        let connection = &mut self.ends[i].connection;
        let Some((content, number)) =
            connection.next_replay(link).map(|(content, number)| (*content, number))
        else {
            return false;
        };
        let piggyback = if has_place(content.class) { connection.to_piggyback(to) } else { 0 };
        assert!(number > has, "{number} is sent again, and the other side has reported {has} as received");
        if self.push(i, Frame::Message { content, number, piggyback }) {
            self.meanwhile(i);
            self.ends[i].connection.replayed(link, number);
            self.seen.replayed += 1;
            self.sending_ends(i);
        }
        true
    }

    /// Admits messages for the newest link; the sending half takes its half first if necessary.
    fn admitted<T>(
        &mut self,
        i: usize,
        content: Content,
        mut admit: impl FnMut(&mut Connection<Content, Page>, &Terms) -> Unless<T>,
    ) -> Option<T> {
        loop {
            self.look(i);
            let end = &mut self.ends[i];
            let link = end.sent_over;
            let is_answer =
                matches!(content.class, RetransmitClass::Answer | RetransmitClass::IdempotentAnswer);
            let admitted = match &end.tx {
                Some(tx) if is_answer && tx.to != content.answers.1 && !end.connection.is_newer(link) => {
                    Err(Obstacle::Another)
                }
                Some(tx) => admit(&mut end.connection, &Terms { link, session: tx.to, looked: true }),
                None => Err(Obstacle::NoLink),
            };
            match admitted {
                Ok(admitted) => return Some(admitted),
                Err(Obstacle::NoLink) => {
                    if !self.join(i) {
                        return None;
                    }
                }
                Err(Obstacle::Losses) => {
                    assert_eq!(end.connection.take_losses(), end.lost, "each lost message is reported once");
                    end.lost = 0;
                }
                Err(Obstacle::Replay) => {
                    if self.replay(i) {
                        return None;
                    }
                }
                Err(Obstacle::NoRoom) => {
                    self.seen.no_room += 1;
                    let end = &mut self.ends[i];
                    let number = end.connection.outbox.wanted();
                    end.connection.want(number);
                    end.waits_for_room = Some((content.class, content.bytes, number));
                    return None;
                }
                Err(Obstacle::Another) => return None,
                Err(obstacle) => panic!("{obstacle:?}"),
            }
        }
    }

    fn has_room(&mut self, i: usize) {
        self.ends[i].connection.want(0);
        self.ends[i].waits_for_room = None;
    }

    fn send_new(&mut self, i: usize, content: Content) -> bool {
        let message = message(content);
        let Some(ticket) = self.admitted(i, content, |connection, terms| connection.admit(terms, &message))
        else {
            return false;
        };
        self.has_room(i);
        let frame = Frame::Message { content, number: ticket.number, piggyback: ticket.acked };
        if !self.push(i, frame) {
            return false;
        }
        self.truth.sent(self.ends[i].session(), ticket.number, content.class);
        let others = self.ends[i].others;
        if matches!(content.class, RetransmitClass::Data | RetransmitClass::IdempotentAnswer) {
            self.meanwhile(i);
        }
        self.sent(i, &ticket, content, others);
        self.sending_ends(i);
        true
    }

    fn sent(&mut self, i: usize, ticket: &Ticket, content: Content, others: u64) {
        let end = &mut self.ends[i];
        let is_acknowledged = end.connection.outbox.stats().acknowledged >= ticket.number;
        let (given, place) = end.connection.sent(ticket);
        assert_eq!(given, ticket.number);
        let kept = place.is_some();
        if let Some(place) = place {
            *place = content;
        }
        let keeps = self.keeps[i].is_some();
        end.lost += u64::from(
            keeps && !is_acknowledged && content.class == RetransmitClass::Data && end.others > others,
        );
        end.answer_not_kept |= content.class == RetransmitClass::IdempotentAnswer && !kept;
        if matches!(content.class, RetransmitClass::Request | RetransmitClass::Idempotent) {
            let (idempotent, tx) = (content.class == RetransmitClass::Idempotent, end.tx.as_ref().unwrap());
            end.call = Some(Call { number: given, link: tx.id, over: tx.number, idempotent });
        }
    }

    pub fn send_run(&mut self, i: usize) {
        if self.replay(i) {
            return;
        }
        let contents: Vec<Content> = (0..2 + self.random.below(3))
            .map(|_| Content { class: RetransmitClass::Data, bytes: self.random.below(20), answers: (0, 0) })
            .collect();
        let lengths = || contents.iter().map(|content| content.bytes);
        let first = message(contents[0]);
        let admitted = self.admitted(i, contents[0], |connection, terms| {
            connection.admit_run(terms, &first, contents.len(), lengths())
        });
        let Some((mut ticket, admitted)) = admitted else { return };
        self.has_room(i);
        let mut pushed = 0;
        for (number, content) in (ticket.number..).zip(&contents[..admitted]) {
            let piggyback = if pushed == 0 { ticket.acked } else { 0 };
            if !self.push(i, Frame::Message { content: *content, number, piggyback }) {
                break;
            }
            self.truth.sent(self.ends[i].session(), number, content.class);
            pushed += 1;
        }
        let others = self.ends[i].others;
        if pushed > 0 {
            self.meanwhile(i);
        }
        for content in &contents[..pushed] {
            self.sent(i, &ticket.with_length(content.bytes), *content, others);
            ticket = ticket.next();
        }
        self.ends[i].connection.outbox.release_numbers();
        self.sending_ends(i);
    }

    fn sending_ends(&mut self, i: usize) {
        while self.under_way != Some(i) && !self.has_rest(i) {
            let end = &mut self.ends[i];
            let Some(trigger) = end.connection.take_deferred(end.sent_over, !self.serves[i]) else { return };
            self.say(i, trigger);
        }
    }

    /// Sometimes runs other threads between the link's receipt of a message and its record in the outbox.
    fn meanwhile(&mut self, i: usize) {
        if self.under_way.is_none() && self.random.one_in(4) {
            self.under_way = Some(i);
            for who in [peer(i), peer(i), i, self.random.below(self.ends.len())] {
                self.receive(who);
            }
            if self.pairs[pair(i)].linked && !self.quiet && self.random.one_in(4) {
                self.cut(i);
                if self.random.one_in(3) {
                    self.crash(peer(i));
                }
                if self.random.one_in(2) && !self.pairs[pair(i)].linked && !self.is_another_client(i) {
                    self.connect(pair(i));
                }
            }
            self.under_way = None;
        }
    }

    fn say(&mut self, i: usize, trigger: AckTrigger) {
        if !self.ends[i].connection.has_to_say(trigger) && trigger != AckTrigger::Requested {
            return;
        }
        if self.under_way == Some(i) && !self.serves[i] {
            self.ends[i].connection.defer(trigger);
            return;
        }
        let mut tried = Tried::default();
        loop {
            let end = &mut self.ends[i];
            let to = end.tx.as_ref().map_or(0, |tx| tx.to);
            match end.connection.next_control(end.sent_over, trigger, to, &mut tried) {
                None => return,
                Some(Control::NextLink) => {
                    if !self.join(i) {
                        return;
                    }
                }
                Some(Control::Replay) => {
                    let mut before = u64::MAX;
                    while before != self.moves && {
                        before = self.moves;
                        self.replay(i)
                    } {}
                }
                Some(Control::Withdraw(mut requests)) => {
                    requests.retain(|request| !self.push(i, Frame::Withdrawal(*request)));
                    let (is_refused, has_rest) = (!requests.is_empty(), self.has_rest(i));
                    self.ends[i].withdrawal_refused = is_refused && !has_rest;
                    if is_refused {
                        self.ends[i].connection.withdraw_later(requests);
                        if has_rest {
                            self.ends[i].connection.defer(AckTrigger::Park);
                        }
                    }
                }
                Some(Control::Acknowledge(number)) => {
                    let is_sent = self.push(i, Frame::Ack(number));
                    let has_rest = self.has_rest(i);
                    self.ends[i].ack_refused = !is_sent && !has_rest;
                    if !is_sent && has_rest {
                        self.ends[i].connection.defer(trigger);
                    }
                    if is_sent {
                        self.seen.woken +=
                            u64::from(self.pairs[pair(i)].in_words && trigger != AckTrigger::Requested);
                        self.ends[i].connection.inbox.ack_frame_sent(to, number);
                    }
                    return;
                }
            }
        }
    }

    pub fn note_published(&mut self, i: usize) {
        let end = &self.ends[i];
        // After the link broke, the sender may have read the word for the last time; the next hello repeats the
        // progress.
        let Some(page) =
            end.rx.front().filter(|link| link.begun && !link.ended).and_then(|link| link.page.as_ref())
        else {
            return;
        };
        let published = self.published.entry(end.connection.inbox.session()).or_default();
        *published = page.published().max(*published);
    }

    /// Reads the other side's word on the link that this end last wrote to.
    ///
    /// The link may have broken, and its reader crashed.
    pub fn look(&mut self, i: usize) {
        let end = &mut self.ends[i];
        let Some((_, to)) = end.connection.outbox.peer() else { return };
        let before = end.connection.outbox.stats().acknowledged;
        end.connection.read_peer_page();
        assert!(!end.connection.has_violation(), "{:?}", end.connection.violation());
        let acknowledged = end.connection.outbox.stats().acknowledged;
        if acknowledged > before {
            self.seen.read_in_words += 1;
            self.truth.acknowledged(self.ends[i].session(), acknowledged, to, self.keeps[i].is_some());
            self.check_unacknowledged(i);
        }
    }

    /// The program receives, or continues to wait for an answer. False if nothing has arrived.
    pub fn receive(&mut self, i: usize) -> bool {
        let waits = self.ends[i].call.is_some();
        self.ends[i].asleep = false;
        if !waits {
            let end = &mut self.ends[i];
            let keeps = self.keeps[peer(i)].is_some();
            if end.how == Acknowledge::Auto || !keeps {
                end.consume(None, u64::MAX, &mut self.truth);
            }
            end.connection.consumed(AckTrigger::Receive);
            self.note_published(i);
            let end = &mut self.ends[i];
            if let Some(message) = end.local.pop_front() {
                self.is_not_consumed(message);
                self.ends[i].give(message, keeps, &mut self.truth);
                self.seen.given += 1;
                self.moves += 1;
                return true;
            }
            self.say(i, AckTrigger::Receive);
        }
        loop {
            let Some(message) = self.read(i) else {
                if waits && self.ends[i].call.is_none() {
                    return true;
                }
                if self.ends[i].rx.front().is_some() && !std::mem::replace(&mut self.ends[i].paused, true) {
                    self.say(i, AckTrigger::Pause);
                    self.moves += 1;
                    return false;
                }
                self.say(i, AckTrigger::Park);
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
                    self.ends[i].give(message, self.keeps[peer(i)].is_some(), &mut self.truth);
                    self.seen.given += 1;
                    return true;
                }
            }
        }
    }

    fn is_not_consumed(&self, ReceivedFrame { session, number, content }: ReceivedFrame) {
        let published = self.published.get(&session).copied().unwrap_or(0);
        assert!(
            content.class != RetransmitClass::Data || number > published,
            "{number} of {session} was consumed before"
        );
    }

    fn take_answer(&mut self, i: usize, message: ReceivedFrame) -> bool {
        let end = &mut self.ends[i];
        let (request, asker) = message.content.answers;
        assert_eq!(
            asker,
            end.session(),
            "the answer to request {request} of session {asker} reached another"
        );
        self.truth.given(message.session, message.number, true);
        end.connection.finished(message.session, message.number);
        self.truth.consumed(message.session, message.number);
        self.note_published(i);
        let end = &mut self.ends[i];
        let Some(call) = end.call.filter(|call| call.number == request) else { return false };
        end.connection.outbox.finish_request(call.number);
        end.waits_for_room = None;
        end.call = None;
        self.seen.answered += 1;
        let is_after_a_cut = end.rx.front().is_some_and(|link| link.id != call.link);
        self.seen.answered_after_a_cut += u64::from(is_after_a_cut);
        self.seen.answered_by_next += u64::from(is_after_a_cut && !call.idempotent);
        true
    }

    fn read(&mut self, i: usize) -> Option<ReceivedFrame> {
        loop {
            let end = &mut self.ends[i];
            let link = end.rx.front_mut()?;
            if !link.begun {
                link.begun = true;
                end.connection.begin_receiving(link.number, &link.hello, link.page.clone());
                end.losses.hello(link.hello.session, link.sent_before);
                self.note_published(i);
                self.look_at_call(i);
                // A thread that waits for room looks again: the last link's end may have brought the acknowledgement.
                self.say(i, AckTrigger::Park);
                self.look(i);
                let end = &mut self.ends[i];
                if end.waits_for_room.is_some_and(|(class, bytes, _)| end.connection.has_room(class, bytes)) {
                    end.waits_for_room = None;
                }
            }
            let end = &mut self.ends[i];
            let link = end.rx.front_mut()?;
            let peer = link.hello.session;
            let Some(frame) = link.stream.next() else {
                if !link.ended {
                    self.moves += u64::from(link.stream.read_part());
                    return None;
                }
                self.peer_gone(i);
                let end = &mut self.ends[i];
                let ended = end.rx.pop_front();
                end.connection.receiving_ended(ended.and_then(|link| link.page).as_ref());
                self.look_at_call(i);
                self.moves += 1;
                continue;
            };
            self.moves += 1;
            self.ends[i].paused = false;
            match frame {
                Frame::Ack(number) => self.acknowledged(i, number, peer),
                Frame::Withdrawal(request) => {
                    self.told.insert((peer, request));
                }
                Frame::Bye => self.say(i, AckTrigger::Requested),
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

    /// The call fails if no answer can come and a program may have the request.
    pub fn look_at_call(&mut self, i: usize) {
        self.look(i);
        let end = &mut self.ends[i];
        let Some(call) = end.call.filter(|call| !call.idempotent) else { return };
        let links: Vec<u64> = end.rx.iter().map(|link| link.number).collect();
        if end.connection.outcome(call.number, call.over, |link| !links.contains(&link)) == Outcome::Unknown {
            end.connection.outbox.finish_request(call.number);
            (end.call, end.asleep, end.waits_for_room) = (None, false, None);
            let (session, pair) = (end.session(), &self.pairs[pair(i)]);
            let has_next = !is_listener(i) || pair.named;
            let is_taken = self.truth.is_received(session, call.number);
            let excused = pair.breaks || !pair.in_words || !has_next || self.keeps[i].is_none();
            assert!(is_taken || excused, "session {session}: {call:?} failed, and no program has taken it");
            self.seen.unknown += 1;
        }
    }

    fn take(&mut self, i: usize, session: u64, number: u64, content: Content) -> Option<ReceivedFrame> {
        let urgency = match content.class {
            RetransmitClass::Data => AckUrgency::Prompt,
            RetransmitClass::IdempotentAnswer => AckUrgency::Piggyback,
            _ => AckUrgency::NotNeeded,
        };
        let end = &mut self.ends[i];
        assert_eq!(end.connection.inbox.session(), session);
        match end.connection.inbox.received(number, content.bytes, urgency, Fate::Filed).unwrap() {
            Verdict::Duplicate => {
                self.seen.duplicates += 1;
                None
            }
            Verdict::New { missed } => {
                if self.keeps[peer(i)].is_none() {
                    end.losses.received(number, missed);
                    self.seen.missed += missed;
                } else {
                    assert_eq!(missed, 0);
                }
                if content.class == RetransmitClass::Request {
                    end.connection.request_taken(number);
                }
                self.truth.received(session, number, end.session());
                Some(ReceivedFrame { session, number, content })
            }
        }
    }

    fn acknowledged(&mut self, i: usize, number: u64, by: u64) {
        let end = &mut self.ends[i];
        end.connection.acknowledged(number).unwrap();
        end.waits_for_room = None;
        self.truth.acknowledged(end.session(), number, by, self.keeps[i].is_some());
        self.check_unacknowledged(i);
    }

    pub fn check_unacknowledged(&mut self, i: usize) {
        if self.under_way == Some(i) {
            return;
        }
        let end = &mut self.ends[i];
        let truly = self.truth.unacknowledged(end.session());
        let unacknowledged = end.connection.outbox.unacknowledged();
        if self.keeps[i].is_some() {
            assert_eq!(unacknowledged.count, truly, "unacknowledged messages of session {}", end.session());
        } else if truly == 0 {
            assert_eq!(unacknowledged.count, 0, "nothing is waited for");
        }
        assert_eq!(unacknowledged.count == 0, unacknowledged.last == 0);
    }

    pub fn answer(&mut self, i: usize) {
        let end = &mut self.ends[i];
        let Some(request) = end.to_answer.front().copied() else { return };
        if end.connection.outbox.peer().is_some_and(|(_, session)| session != request.session) {
            end.to_answer.pop_front();
            self.moves += 1;
            return;
        }
        let class = match request.content.class {
            RetransmitClass::Idempotent => RetransmitClass::IdempotentAnswer,
            _ => RetransmitClass::Answer,
        };
        let content = Content { class, bytes: 5, answers: (request.number, request.session) };
        let is_kept = self.serves[i] && self.ends[i].tx.is_none() && self.keep_answer(i, content);
        if !is_kept && (self.replay(i) || !self.send_new(i, content)) {
            return;
        }
        let end = &mut self.ends[i];
        end.to_answer.pop_front();
        end.unconsumed
            .retain(|received| (received.session, received.number) != (request.session, request.number));
        self.truth.consumed(request.session, request.number);
        end.connection.finished(request.session, request.number);
        end.asleep = false;
        self.note_published(i);
    }

    /// A server does not wait for a client without a link: it keeps or drops the answer.
    ///
    /// Returns whether it did.
    fn keep_answer(&mut self, i: usize, content: Content) -> bool {
        let end = &mut self.ends[i];
        let is_kept = match end.connection.keep_unsent(content.answers.1, &message(content)).unwrap() {
            Some(place) => {
                *place = content;
                true
            }
            None => false,
        };
        self.moves += 1;
        if is_kept {
            let number = self.ends[i].connection.outbox.next_number() - 1;
            self.truth.sent(self.ends[i].session(), number, content.class);
        } else {
            self.ends[i].answer_not_kept |= content.class == RetransmitClass::IdempotentAnswer;
        }
        true
    }

    pub fn acknowledge(&mut self, i: usize) {
        let some = self.random.below(self.ends[i].unconsumed.len());
        let end = &mut self.ends[i];
        let Some(ReceivedFrame { session, number, .. }) = end.unconsumed.get(some).copied() else { return };
        end.consume(Some(session), number, &mut self.truth);
        end.connection.acknowledge(session, number);
        end.asleep = false;
        self.note_published(i);
        self.moves += 1;
    }

    pub fn bye(&mut self, i: usize) {
        self.push(i, Frame::Bye);
    }

    pub fn give_up(&mut self, i: usize) {
        if let Some(call) = self.ends[i].call.take() {
            let end = &mut self.ends[i];
            end.connection.outbox.finish_request(call.number);
            end.waits_for_room = None;
            end.connection.withdraw(call.number);
            end.asleep = false;
            self.withdrawn.push((self.ends[i].session(), call.number, call.link));
        }
    }
}
