//! A hundred thousand random histories of two ends, a link that breaks and programs that crash.
//!
//! `LINKSPAN_SEED=…` begins with the history of that seed and prints its steps.

mod end;
mod program;
mod truth;

use std::collections::{HashMap, VecDeque};

use super::inbox::Acknowledge;
use super::outbox::Incarnation;
use super::{Identity, Owner, ReplayLimits, RetransmitClass, SessionHello};
use end::{End, ReceivedFrame, RxLink, TxLink};
use truth::Truth;

use crate::histories::{Random, Seed, given_seed};

const HISTORIES: u64 = 100_000;
const LISTENER: usize = 0;
const DIALLER: usize = 1;

/// How often each interesting case happened, over all histories.
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
    waiting: u64,
    answered: u64,
    answered_after_a_cut: u64,
    read_in_words: u64,
    woken: u64,
}

struct World<'a> {
    random: Random,
    truth: Truth,
    ends: [End; 2],
    keeps: [Option<ReplayLimits>; 2],
    how: [Acknowledge; 2],
    named: bool,
    /// How rare faults are.
    calm: usize,
    /// Frames that a link holds in one direction.
    capacity: usize,
    /// Whether the newest link is whole.
    linked: bool,
    links: u64,
    /// Incremented by each step that changes something: at rest it stays the same.
    moves: u64,
    /// The end of which a thread is sending.
    under_way: Option<usize>,
    seen: &'a mut Coverage,
    traces: bool,
    /// Whether each side publishes its progress in a word of its own, which outlives link and program. By
    /// link and end.
    in_words: bool,
    words: HashMap<(u64, usize), u64>,
    /// The number from which on an end waits for a frame.
    wants: HashMap<(u64, usize), u64>,
    /// The highest consumed number of each session that a word has ever had.
    published: HashMap<u64, u64>,
}

impl World<'_> {
    fn new(seed: u64, seen: &mut Coverage, traces: bool) -> World<'_> {
        let mut random = Random::new(seed);
        let small = !random.one_in(3);
        let (count, bytes) = if small { (6, 50) } else { (40, 400) };
        let mut limits = || ReplayLimits { count: 1 + random.below(count), bytes: 10 + random.below(bytes) };
        let keeps = [limits(), limits()].map(Some);
        let keeps = keeps.map(|limits| limits.filter(|_| !random.one_in(4)));
        let how = [0, 1].map(|_| if random.one_in(3) { Acknowledge::Manual } else { Acknowledge::Auto });
        let mut truth = Truth::default();
        let ends = [0, 1].map(|i| End::new(truth.new_session(), keeps[i], how[i]));
        World {
            named: !random.one_in(3),
            in_words: random.one_in(2),
            words: HashMap::new(),
            wants: HashMap::new(),
            published: HashMap::new(),
            calm: 1 + random.below(6),
            capacity: 1 + random.below(8),
            random,
            truth,
            ends,
            keeps,
            how,
            linked: false,
            links: 0,
            moves: 0,
            under_way: None,
            seen,
            traces,
        }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.traces {
            println!("{}", what());
        }
    }

    fn step(&mut self) {
        let i = self.random.below(2);
        match self.random.below(100) {
            0..25 => self.send(i, RetransmitClass::Data),
            25..31 if self.ends[i].call.is_none() => {
                let class = if self.random.one_in(3) {
                    RetransmitClass::Request
                } else {
                    RetransmitClass::Idempotent
                };
                self.send(i, class);
            }
            31..60 => drop(self.receive(i)),
            60..66 => self.answer(i),
            66..72 => self.acknowledge(i),
            72..75 => self.bye(i),
            75..77 => self.give_up(i),
            77..80 => self.acknowledge_impossible_number(i),
            80..86 if self.linked && self.random.one_in(self.calm) => self.cut(),
            86..90 if self.random.one_in(self.calm) => self.crash(i),
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

    /// A peer with impossible claims is refused, and changes nothing.
    fn acknowledge_impossible_number(&mut self, i: usize) {
        let outbox = &mut self.ends[i].outbox;
        let before = (outbox.kept(), outbox.stats());
        let number = outbox.last() + 2 + self.random.below(3) as u64;
        assert!(outbox.acknowledged(number).is_err());
        assert_eq!((outbox.kept(), outbox.stats()), before);
    }

    /// Loses the frames on the way to this end, from a random point on.
    fn lose(&mut self, i: usize) {
        self.look(i);
        let Some(link) = self.ends[i].rx.back_mut() else { return };
        link.frames.truncate(self.random.below(link.frames.len() + 1));
        link.ended = true;
        let broken = self.random.one_in(2);
        let end = &mut self.ends[i];
        end.tx = end.tx.filter(|_| broken).map(|tx| TxLink { broken, ..tx });
    }

    fn cut(&mut self) {
        self.trace(|| "cut".to_owned());
        self.lose(LISTENER);
        self.lose(DIALLER);
        self.linked = false;
    }

    fn crash(&mut self, i: usize) {
        self.trace(|| format!("{i} crashes"));
        if self.linked {
            self.lose(1 - i);
        }
        self.linked = false;
        self.ends[i] = End::new(self.truth.new_session(), self.keeps[i], self.how[i]);
        self.seen.crashes += 1;
    }

    fn connect(&mut self) {
        self.links += 1;
        let hellos = [0, 1].map(|i| self.ends[i].outbox.hello(self.ends[i].inbox.progress()));
        self.trace(|| format!("link {}: {hellos:?}", self.links));
        for i in [LISTENER, DIALLER] {
            let hello = hellos[1 - i];
            let name = self.named.then_some("panel");
            let identity = match i {
                DIALLER => Identity::Listener,
                _ => Identity::of_dialler(Owner::Anyone, name, hello.session),
            };
            let sent_before = self.ends[1 - i].outbox.last();
            self.look(i);
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
                    // It will not be answered.
                    end.call = None;
                    end.asleep = false;
                    self.seen.another += 1;
                    self.seen.dropped += kept as u64;
                }
            }
            let has = if up.incarnation == Incarnation::Same && hello.received.session == end.session() {
                hello.received.received
            } else {
                0
            };
            end.tx = Some(TxLink { id: self.links, to: hello.session, has, broken: false });
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
            // Its progress is in the hello.
            let SessionHello { session, received, .. } = hellos[1 - i];
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

    /// Runs without further faults until nothing changes, and then checks both ends.
    fn settle(&mut self) {
        self.trace(|| "quiet from here on".to_owned());
        if !self.linked {
            self.connect();
        }
        let mut before = u64::MAX;
        let mut rounds = 0;
        let mut waiting = [None; 2];
        while before != self.moves {
            before = self.moves;
            rounds += 1;
            assert!(rounds < 1000, "it does not come to rest");
            for i in [LISTENER, DIALLER] {
                self.replay(i);
                // A sleeping end is woken only by received frames.
                while self.ends[i].is_awake() && self.receive(i) {}
                self.answer(i);
                let last = self.ends[i].unconsumed.last().copied();
                if let Some(ReceivedFrame { session, .. }) = last {
                    self.ends[i].consume(Some(session), u64::MAX, &mut self.truth);
                    self.ends[i].inbox.acknowledge(session, u64::MAX);
                    self.publish(i);
                    self.ends[i].asleep = false;
                    self.moves += 1;
                }
            }
            for i in [LISTENER, DIALLER] {
                self.look(i);
                // A sleeping end does not retry an acknowledgement that found no room: the peer asks for it.
                let stats = self.ends[i].outbox.stats();
                let waits = before == self.moves && stats.unacknowledged > 0;
                if waits && waiting[i].replace(stats) != Some(stats) {
                    self.seen.waiting += 1;
                    self.bye(i);
                }
            }
            if before == self.moves && self.ends.iter().all(|end| end.call.is_some()) {
                // Each waits for the other's answer: in a real program a deadline ends the wait.
                self.give_up(LISTENER);
                self.moves += 1;
            }
        }
        for i in [LISTENER, DIALLER] {
            self.check_finished(i);
        }
    }

    fn check_finished(&mut self, i: usize) {
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

#[test]
fn random_histories_lose_nothing_and_deliver_nothing_twice() {
    let given = given_seed();
    let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let first: u64 = given.unwrap_or_else(clock);
    let mut seen = Coverage::default();
    for n in 0..HISTORIES {
        let seed = Seed(first.wrapping_add(n));
        let mut world = World::new(seed.0, &mut seen, given.is_some() && n == 0);
        world.connect();
        for _ in 0..20 + world.random.below(60) {
            world.step();
        }
        world.settle();
    }
    println!("{seen:?}");
    let Coverage { given, crashes, resumed, next, another, dropped, .. } = seen;
    let Coverage { replayed, duplicates, missed, no_room, waiting, answered, answered_after_a_cut, .. } =
        seen;
    let Coverage { read_in_words, woken, .. } = seen;
    let all =
        [given, crashes, resumed, next, another, dropped, replayed, duplicates, missed, no_room, waiting];
    let rare = all.into_iter().chain([answered, answered_after_a_cut, read_in_words, woken]).min().unwrap();
    assert!(rare > HISTORIES / 100, "something that is to be tested hardly happens: {seen:?}");
}
