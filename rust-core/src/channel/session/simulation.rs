//! A hundred thousand random histories of two ends, a link that breaks and programs that crash.
//!
//! `LINKSPAN_SEED=…` begins with the history of that seed and prints its steps.

mod end;
mod truth;

use std::collections::VecDeque;

use super::super::options::Acknowledge;
use super::inbox::{Occasion, Verdict, Worth};
use super::outbox::{Incarnation, Order};
use super::{Hello, Identity, Nature, ReplayLimits};
use end::{Call, End, Frame, Letter, RxLink, Taken, TxLink};
use truth::Truth;

const HISTORIES: u64 = 100_000;
const LISTENER: usize = 0;
const DIALLER: usize = 1;

/// A small generator of its own (xorshift64*), so that a seed means the same for ever.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        // Seeds that follow each other are to begin far apart.
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// How often what is worth testing happened, over all histories.
#[derive(Debug, Default)]
struct Coverage {
    given: u64,
    crashes: u64,
    resumed: u64,
    next: u64,
    another: u64,
    dropped: u64,
    replayed: u64,
    duplicates: u64,
    missed: u64,
    no_room: u64,
    answered: u64,
    answered_after_a_cut: u64,
}

struct World<'a> {
    random: Random,
    truth: Truth,
    ends: [End; 2],
    keeps: [Option<ReplayLimits>; 2],
    how: [Acknowledge; 2],
    named: bool,
    /// Frames that a link holds in one direction.
    capacity: usize,
    /// Whether the newest link is whole.
    linked: bool,
    links: u64,
    /// Raised by everything that moves: when it stays, all is quiet.
    moves: u64,
    seen: &'a mut Coverage,
    tells: bool,
}

impl World<'_> {
    fn new(seed: u64, seen: &mut Coverage, tells: bool) -> World<'_> {
        let mut random = Random::new(seed);
        let mut limits = || ReplayLimits { count: 1 + random.below(6), bytes: 10 + random.below(50) };
        let keeps = [limits(), limits()].map(Some);
        let keeps = keeps.map(|limits| limits.filter(|_| !random.one_in(4)));
        let how = [0, 1].map(|_| if random.one_in(3) { Acknowledge::Manual } else { Acknowledge::Auto });
        let mut truth = Truth::default();
        let ends = [0, 1].map(|i| End::new(truth.new_session(), keeps[i], how[i]));
        World {
            named: !random.one_in(3),
            capacity: 1 + random.below(8),
            random,
            truth,
            ends,
            keeps,
            how,
            linked: false,
            links: 0,
            moves: 0,
            seen,
            tells,
        }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{}", what());
        }
    }

    fn step(&mut self) {
        let i = self.random.below(2);
        match self.random.below(100) {
            0..25 => self.send(i, Nature::Data),
            25..31 if self.ends[i].call.is_none() => {
                let nature = if self.random.one_in(3) { Nature::Request } else { Nature::Idempotent };
                self.send(i, nature);
            }
            31..60 => drop(self.receive(i)),
            60..66 => self.answer(i),
            66..72 => self.acknowledge(i),
            72..75 => self.bye(i),
            75..77 => self.give_up(i),
            77..80 => self.lie(i),
            80..85 if self.linked => self.cut(),
            85..89 => self.crash(i),
            _ if !self.linked => self.connect(),
            _ => {}
        }
        for end in &self.ends {
            let (count, bytes) = end.outbox.kept();
            let within =
                |limits: ReplayLimits| count <= limits.count && (bytes <= limits.bytes || count == 1);
            assert!(
                end.outbox.limits().map_or(count == 0, within),
                "{count} messages of {bytes} bytes are kept"
            );
        }
    }

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
        self.tell(|| format!("{i} -> {frame:?}{}", if tx.broken { ", lost" } else { "" }));
        true
    }

    /// Puts a message on the link, with what can be said in passing.
    fn push_message(&mut self, i: usize, letter: Letter, number: u64) -> bool {
        let Some(TxLink { to, .. }) = self.ends[i].tx else { return false };
        let in_passing = matches!(letter.nature, Nature::Data | Nature::Request | Nature::Idempotent);
        let piggyback = if in_passing { self.ends[i].inbox.to_piggyback(to) } else { 0 };
        let pushed = self.push(i, Frame::Message { letter, number, piggyback });
        if pushed && piggyback > 0 {
            self.ends[i].inbox.said(to, piggyback);
        }
        pushed
    }

    /// Sends what is next: something again, or else a new message.
    fn send(&mut self, i: usize, nature: Nature) {
        if !self.replay(i) {
            let bytes = if self.random.one_in(30) { 100 } else { self.random.below(20) };
            self.send_new(i, Letter { nature, bytes, answers: (0, 0) });
        }
    }

    /// Sends one message again; false where there is none.
    fn replay(&mut self, i: usize) -> bool {
        let Order::Replay { message, number } = self.ends[i].outbox.order() else { return false };
        let letter = *message;
        if self.push_message(i, letter, number) {
            self.ends[i].outbox.replayed();
            self.seen.replayed += 1;
        }
        true
    }

    fn send_new(&mut self, i: usize, letter: Letter) -> bool {
        let Order::New { number } = self.ends[i].outbox.order() else { return false };
        if !self.ends[i].outbox.has_room(letter.nature, letter.bytes) {
            self.seen.no_room += 1;
            return false;
        }
        if !self.push_message(i, letter, number) {
            return false;
        }
        let end = &mut self.ends[i];
        let mut kept = false;
        let given = end.outbox.sent(letter.nature, letter.bytes, || {
            kept = true;
            letter
        });
        assert_eq!(given, number);
        end.answer_not_kept |= letter.nature == Nature::IdempotentAnswer && !kept;
        self.truth.sent(end.session(), number, letter.nature);
        if matches!(letter.nature, Nature::Request | Nature::Idempotent) {
            let idempotent = letter.nature == Nature::Idempotent;
            end.call = Some(Call { number, link: end.tx.unwrap().id, idempotent });
        }
        true
    }

    fn say(&mut self, i: usize, occasion: Occasion) {
        let Some(TxLink { to, .. }) = self.ends[i].tx else { return };
        if let Some(number) = self.ends[i].inbox.to_say(occasion, to)
            && self.push(i, Frame::Ack(number))
        {
            self.ends[i].inbox.said(to, number);
        }
    }

    /// The program receives, or goes on waiting for an answer. False where nothing is there.
    fn receive(&mut self, i: usize) -> bool {
        let waits = self.ends[i].call.is_some();
        if !waits {
            let end = &mut self.ends[i];
            let keeps = self.keeps[1 - i].is_some();
            if end.how == Acknowledge::Auto || !keeps {
                end.let_go(None, u64::MAX, &mut self.truth);
            }
            end.inbox.consumed();
            if let Some(message) = end.local.pop_front() {
                end.give(message, keeps, &mut self.truth);
                self.seen.given += 1;
                self.moves += 1;
                return true;
            }
            self.say(i, Occasion::Passing);
        }
        loop {
            let Some(message) = self.read(i) else {
                self.say(i, Occasion::Sleeping);
                return false;
            };
            match message.letter.nature {
                Nature::Answer | Nature::IdempotentAnswer => {
                    if self.take_answer(i, message) {
                        return true;
                    }
                }
                _ if waits => {
                    self.ends[i].local.push_back(message);
                    if self.ends[i].call.is_none() {
                        // Its link broke, and the call has failed.
                        return true;
                    }
                }
                _ => {
                    self.ends[i].give(message, self.keeps[1 - i].is_some(), &mut self.truth);
                    self.seen.given += 1;
                    return true;
                }
            }
        }
    }

    /// An answer came: whether it is the one that the program waits for.
    fn take_answer(&mut self, i: usize, message: Taken) -> bool {
        let end = &mut self.ends[i];
        let (request, asker) = message.letter.answers;
        assert_eq!(
            asker,
            end.session(),
            "the answer to request {request} of session {asker} reached another"
        );
        self.truth.given(message.session, message.number, true);
        end.inbox.finished(message.session, message.number);
        self.truth.consumed(message.session, message.number);
        let Some(call) = end.call.filter(|call| call.number == request) else { return false };
        end.outbox.settled(call.number);
        end.call = None;
        self.seen.answered += 1;
        self.seen.answered_after_a_cut += u64::from(end.rx.front().is_some_and(|link| link.id != call.link));
        true
    }

    /// The next new message from the links, each read to its end before the next.
    fn read(&mut self, i: usize) -> Option<Taken> {
        loop {
            let end = &mut self.ends[i];
            let link = end.rx.front_mut()?;
            if !link.begun {
                link.begun = true;
                end.inbox.hello(&link.hello);
                end.losses.hello(link.hello.session, link.sent_before);
            }
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
            match frame {
                Frame::Ack(number) => self.believe(i, number, peer),
                Frame::Bye => self.say(i, Occasion::Asked),
                Frame::Message { letter, number, piggyback } => {
                    if piggyback > 0 {
                        self.believe(i, piggyback, peer);
                    }
                    if let Some(message) = self.take(i, peer, number, letter) {
                        return Some(message);
                    }
                }
            }
        }
    }

    fn take(&mut self, i: usize, session: u64, number: u64, letter: Letter) -> Option<Taken> {
        let worth = match letter.nature {
            Nature::Data => Worth::Soon,
            Nature::IdempotentAnswer => Worth::Sometime,
            _ => Worth::Nothing,
        };
        let end = &mut self.ends[i];
        assert_eq!(end.inbox.session(), session);
        match end.inbox.take(number, letter.bytes, worth).unwrap() {
            Verdict::Duplicate => {
                self.seen.duplicates += 1;
                None
            }
            Verdict::New { missed } => {
                if self.keeps[1 - i].is_none() {
                    end.losses.taken(number, missed);
                    self.seen.missed += missed;
                } else {
                    assert_eq!(missed, 0);
                }
                self.truth.taken(session, number, end.session());
                Some(Taken { session, number, letter })
            }
        }
    }

    fn believe(&mut self, i: usize, number: u64, by: u64) {
        let end = &mut self.ends[i];
        end.outbox.acknowledged(number).unwrap();
        self.truth.acknowledged(end.session(), number, by, self.keeps[i].is_some());
        self.check_unacknowledged(i);
    }

    fn check_unacknowledged(&mut self, i: usize) {
        let end = &mut self.ends[i];
        let truly = self.truth.unacknowledged(end.session());
        let said = end.outbox.unacknowledged();
        if self.keeps[i].is_some() {
            assert_eq!(said.count, truly, "unacknowledged messages of session {}", end.session());
        } else if truly == 0 {
            assert_eq!(said.count, 0, "nothing is waited for");
        }
        assert_eq!(said.count == 0, said.last == 0);
    }

    /// The program answers the oldest request that it has.
    fn answer(&mut self, i: usize) {
        let end = &mut self.ends[i];
        let Some(request) = end.to_answer.front().copied() else { return };
        if end.outbox.peer().is_some_and(|(_, session)| session != request.session) {
            // Who asked has gone.
            end.to_answer.pop_front();
            self.moves += 1;
            return;
        }
        let nature = match request.letter.nature {
            Nature::Idempotent => Nature::IdempotentAnswer,
            _ => Nature::Answer,
        };
        let letter = Letter { nature, bytes: 5, answers: (request.number, request.session) };
        if self.replay(i) || !self.send_new(i, letter) {
            return;
        }
        let end = &mut self.ends[i];
        end.to_answer.pop_front();
        end.hands.retain(|taken| (taken.session, taken.number) != (request.session, request.number));
        self.truth.consumed(request.session, request.number);
        end.inbox.finished(request.session, request.number);
    }

    /// The program says that it has consumed some of what it was given.
    fn acknowledge(&mut self, i: usize) {
        let some = self.random.below(self.ends[i].hands.len());
        let end = &mut self.ends[i];
        let Some(Taken { session, number, .. }) = end.hands.get(some).copied() else { return };
        end.let_go(Some(session), number, &mut self.truth);
        end.inbox.acknowledge(session, number);
        self.moves += 1;
    }

    fn bye(&mut self, i: usize) {
        self.push(i, Frame::Bye);
    }

    fn give_up(&mut self, i: usize) {
        if let Some(call) = self.ends[i].call.take() {
            self.ends[i].outbox.settled(call.number);
        }
    }

    /// A peer that claims what cannot be is refused, and changes nothing.
    fn lie(&mut self, i: usize) {
        let outbox = &mut self.ends[i].outbox;
        let before = (outbox.kept(), outbox.figures());
        let number = outbox.last() + 1 + self.random.below(3) as u64;
        assert!(outbox.acknowledged(number).is_err());
        assert_eq!((outbox.kept(), outbox.figures()), before);
    }

    /// From any point on, what is on the way to this end is lost.
    fn lose(&mut self, i: usize) {
        let Some(link) = self.ends[i].rx.back_mut() else { return };
        link.frames.truncate(self.random.below(link.frames.len() + 1));
        link.ended = true;
        let broken = self.random.one_in(2);
        let end = &mut self.ends[i];
        end.tx = end.tx.filter(|_| broken).map(|tx| TxLink { broken, ..tx });
    }

    fn cut(&mut self) {
        self.tell(|| "cut".to_owned());
        self.lose(LISTENER);
        self.lose(DIALLER);
        self.linked = false;
    }

    fn crash(&mut self, i: usize) {
        self.tell(|| format!("{i} crashes"));
        if self.linked {
            self.lose(1 - i);
        }
        self.linked = false;
        self.ends[i] = End::new(self.truth.new_session(), self.keeps[i], self.how[i]);
        self.seen.crashes += 1;
    }

    fn connect(&mut self) {
        self.links += 1;
        let hellos = [0, 1].map(|i| Hello::ours(&self.ends[i].outbox, &self.ends[i].inbox));
        self.tell(|| format!("link {}: {hellos:?}", self.links));
        for i in [LISTENER, DIALLER] {
            let hello = hellos[1 - i];
            let name = self.named.then_some("panel");
            let identity = match i {
                DIALLER => Identity::Listener,
                _ => Identity::of_dialler(name, hello.session),
            };
            let sent_before = self.ends[1 - i].outbox.last();
            let end = &mut self.ends[i];
            let kept = end.outbox.kept().0;
            let up = end.outbox.link_up(&hello, identity).unwrap();
            match up.incarnation {
                Incarnation::First => {}
                Incarnation::Same => self.seen.resumed += 1,
                Incarnation::Next => self.seen.next += 1,
                Incarnation::Another => {
                    assert!(!self.named && i == LISTENER);
                    assert_eq!(up.dropped, kept);
                    self.truth.dropped(end.session());
                    // Nobody will answer it.
                    end.call = None;
                    self.seen.another += 1;
                    self.seen.dropped += kept as u64;
                }
            }
            end.tx = Some(TxLink { id: self.links, to: hello.session, broken: false });
            end.rx.push_back(RxLink {
                id: self.links,
                hello,
                sent_before,
                begun: false,
                frames: VecDeque::new(),
                ended: false,
            });
        }
        self.linked = true;
        for i in [LISTENER, DIALLER] {
            // How far it has come stands in the hello.
            let Hello { session, received, .. } = hellos[1 - i];
            if received.session == self.ends[i].session() {
                self.truth.acknowledged(
                    received.session,
                    received.consumed,
                    session,
                    self.keeps[i].is_some(),
                );
            }
            self.check_unacknowledged(i);
        }
    }

    /// No more faults: in the end everything is where it belongs.
    fn settle(&mut self) {
        self.tell(|| "quiet from here on".to_owned());
        if !self.linked {
            self.connect();
        }
        let mut before = u64::MAX;
        let mut rounds = 0;
        while before != self.moves {
            before = self.moves;
            rounds += 1;
            assert!(rounds < 1000, "it does not come to rest");
            for i in [LISTENER, DIALLER] {
                self.replay(i);
                while self.receive(i) {}
                self.answer(i);
                let last = self.ends[i].hands.last().copied();
                if let Some(Taken { session, .. }) = last {
                    self.ends[i].let_go(Some(session), u64::MAX, &mut self.truth);
                    self.ends[i].inbox.acknowledge(session, u64::MAX);
                    self.moves += 1;
                }
            }
            if before == self.moves && self.ends.iter().all(|end| end.call.is_some()) {
                // Each waits for the other's answer: in life a deadline ends it.
                self.give_up(LISTENER);
                self.moves += 1;
            }
        }
        for i in [LISTENER, DIALLER] {
            self.check_settled(i);
        }
    }

    fn check_settled(&mut self, i: usize) {
        let (end, peer) = (&self.ends[i], &self.ends[1 - i]);
        assert!(end.local.is_empty() || end.call.is_some(), "{:?} was never given", end.local);
        if self.keeps[i].is_none() {
            return;
        }
        if let Some(call) = end.call {
            let excused = !call.idempotent || self.keeps[1 - i].is_none() || peer.answer_not_kept;
            assert!(excused, "session {}: {call:?} was never answered", end.session());
            return;
        }
        // A program that waits for an answer which was lost consumes nothing.
        if peer.call.is_none() {
            assert_eq!(end.outbox.unacknowledged().count, 0, "session {}", end.session());
            self.truth.check_all_consumed(end.session());
        }
    }
}

/// Names the history that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("LINKSPAN_SEED={} runs this history again", self.0);
        }
    }
}

#[test]
fn nothing_is_lost_or_given_twice_in_any_history() {
    let given =
        std::env::var("LINKSPAN_SEED").ok().map(|text| text.parse().expect("LINKSPAN_SEED is a number"));
    let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let first: u64 = given.unwrap_or_else(clock);
    let mut seen = Coverage::default();
    for n in 0..HISTORIES {
        let seed = Seed(first.wrapping_add(n));
        let mut world = World::new(seed.0, &mut seen, given.is_some() && n == 0);
        world.connect();
        for _ in 0..20 + world.random.below(40) {
            world.step();
        }
        world.settle();
    }
    println!("{seen:?}");
    let Coverage { given, crashes, resumed, next, another, dropped, .. } = seen;
    let Coverage { replayed, duplicates, missed, no_room, answered, answered_after_a_cut, .. } = seen;
    let all = [given, crashes, resumed, next, another, dropped, replayed, duplicates, missed, no_room];
    let rare = all.into_iter().chain([answered, answered_after_a_cut]).min().unwrap();
    assert!(rare > HISTORIES / 100, "something that is to be tested hardly happens: {seen:?}");
}
