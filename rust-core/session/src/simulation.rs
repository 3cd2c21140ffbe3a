//! A hundred thousand random histories of two ends, a link that breaks and programs that crash.
//!
//! `LINKSPAN_SEED=…` begins with the history of that seed and prints its steps.

mod end;
mod program;
mod truth;

use std::collections::{HashMap, HashSet, VecDeque};

use super::inbox::{AckTrigger, Acknowledge};
use super::outbox::Incarnation;
use super::planted::{self, Bug};
use super::{Identity, Owner, ReplayLimits, RetransmitClass};
use end::{End, Page, ReceivedFrame, RxLink, TxLink};
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
    /// Whether there are no faults any more.
    quiet: bool,
    /// Incremented by each step that changes something: at rest it stays the same.
    moves: u64,
    /// The end of which a thread is sending.
    under_way: Option<usize>,
    seen: &'a mut Coverage,
    traces: bool,
    /// Whether each side publishes its progress in a word of its own, which outlives link and program. By
    /// link and end.
    in_words: bool,
    /// Whether an end is a server, whose serving thread takes a new link at once, also while another thread sends.
    serves: [bool; 2],
    /// Requests whose callers gave up, with the link over which they were sent, and those of which the peer was told.
    withdrawn: Vec<(u64, u64, u64)>,
    told: HashSet<(u64, u64)>,
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
            serves: [random.one_in(2), random.one_in(2)],
            withdrawn: Vec::new(),
            told: HashSet::new(),
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
            quiet: false,
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
            0..21 => self.send(i, RetransmitClass::Data),
            21..25 => self.send_run(i),
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
            let (count, bytes) = end.connection.outbox.kept();
            let within =
                |limits: ReplayLimits| count <= limits.count && (bytes <= limits.bytes || count == 1);
            assert!(
                end.connection.outbox.limits().map_or(count == 0, within),
                "{count} messages of {bytes} bytes are kept"
            );
        }
    }

    /// A peer with impossible claims is refused, and changes nothing.
    fn acknowledge_impossible_number(&mut self, i: usize) {
        let outbox = &mut self.ends[i].connection.outbox;
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
        end.new_links.iter_mut().for_each(|tx| tx.broken = true);
        if broken {
            end.tx.iter_mut().for_each(|tx| tx.broken = true);
        } else {
            self.drop_tx(i);
        }
    }

    /// The sending half of this end notices the end of its link.
    fn drop_tx(&mut self, i: usize) {
        self.look(i);
        if let Some(tx) = self.ends[i].tx.take() {
            self.ends[i].connection.sending_ended(tx.page.as_ref());
        }
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
        let hellos = [0, 1].map(|i| self.ends[i].connection.hello());
        let pages = if self.in_words { Page::of_link().map(Some) } else { [None, None] };
        self.trace(|| format!("link {}: {hellos:?}", self.links));
        self.linked = true;
        for (i, page) in [LISTENER, DIALLER].into_iter().zip(pages) {
            let hello = hellos[1 - i];
            let name = self.named.then_some("panel");
            let identity = match i {
                DIALLER => Identity::Listener,
                _ => Identity::of_dialler(Owner::Anyone, name, hello.session),
            };
            let sent_before = self.ends[1 - i].connection.outbox.last();
            let (id, end) = (self.links, &mut self.ends[i]);
            let number = end.connection.link_made(true, true);
            let to = hello.session;
            let page_of_tx = page.clone();
            end.new_links.push_back(TxLink {
                id,
                number,
                page: page_of_tx,
                hello,
                identity,
                to,
                has: 0,
                broken: false,
            });
            end.rx.push_back(RxLink {
                id,
                number,
                page,
                hello,
                sent_before,
                begun: false,
                frames: VecDeque::new(),
                ended: false,
            });
        }
        for i in [LISTENER, DIALLER] {
            // The thread that made the link takes it for the half that sends, a server's also while another thread sends.
            if self.serves[i] || self.under_way != Some(i) {
                self.join(i);
            } else {
                self.ends[i].connection.defer(AckTrigger::Park);
            }
        }
    }

    /// The sending half takes the newest link. Returns whether there was one.
    fn join(&mut self, i: usize) -> bool {
        let mut joined = false;
        while let Some(mut tx) = self.ends[i].new_links.pop_front() {
            self.drop_tx(i);
            let end = &mut self.ends[i];
            end.sent_over = tx.number;
            let (kept, session, keeps) =
                (end.connection.outbox.kept().0, end.session(), self.keeps[i].is_some());
            let up =
                end.connection.link_up(tx.number, &tx.hello, tx.identity.clone(), tx.page.clone()).unwrap();
            let Some(up) = up else {
                assert!(!end.new_links.is_empty(), "the newest link is not used");
                continue;
            };
            assert!(end.new_links.is_empty(), "a link is used that was replaced");
            let received = tx.hello.received;
            match up.incarnation {
                Incarnation::First => {}
                Incarnation::Same => self.seen.resumed += 1,
                Incarnation::Next => self.seen.next += 1,
                Incarnation::Another => {
                    assert!(!self.named && i == LISTENER);
                    assert_eq!(up.dropped, kept);
                    if keeps && self.under_way != Some(i) {
                        assert_eq!(
                            up.lost as u64,
                            self.truth.unacknowledged(session),
                            "each lost message is counted"
                        );
                    }
                    self.truth.dropped(session);
                    let end = &mut self.ends[i];
                    end.lost += up.lost as u64;
                    end.others += 1;
                    // It will not be answered.
                    end.call = None;
                    end.asleep = false;
                    self.seen.another += 1;
                    self.seen.dropped += kept as u64;
                }
            }
            tx.has = if up.incarnation == Incarnation::Same && received.session == session {
                received.received
            } else {
                0
            };
            let to = tx.to;
            self.ends[i].tx = Some(tx);
            // Its progress is in the hello.
            if received.session == session {
                self.truth.acknowledged(session, received.consumed, to, keeps);
            }
            self.check_unacknowledged(i);
            joined = true;
        }
        joined
    }

    /// Runs without further faults until nothing changes, and then checks both ends.
    fn settle(&mut self) {
        self.trace(|| "quiet from here on".to_owned());
        self.quiet = true;
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
                self.join(i);
                self.replay(i);
                // A sleeping end is woken only by received frames.
                while self.ends[i].is_awake() && self.receive(i) {}
                self.answer(i);
                let last = self.ends[i].unconsumed.last().copied();
                if let Some(ReceivedFrame { session, .. }) = last {
                    self.ends[i].consume(Some(session), u64::MAX, &mut self.truth);
                    self.ends[i].connection.acknowledge(session, u64::MAX);
                    self.note_published(i);
                    self.ends[i].asleep = false;
                    self.moves += 1;
                }
            }
            for i in [LISTENER, DIALLER] {
                self.look(i);
                // A sleeping end does not retry an acknowledgement that found no room: the peer asks for it.
                let end = &self.ends[i];
                let stats = end.connection.outbox.stats();
                if let Some((class, bytes, number)) = end.waits_for_room
                    && before == self.moves
                    && self.in_words
                    && !self.ends[1 - i].ack_refused
                {
                    let session = end.session();
                    let is_asked_for =
                        stats.acknowledged >= number && end.connection.outbox.has_room(class, bytes);
                    assert!(!is_asked_for, "session {session}: a thread waits for room that is there");
                }
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
        for (session, request, link) in &self.withdrawn {
            let is_told = *session != end.session()
                || *link != self.links
                || end.withdrawal_refused
                || self.told.contains(&(*session, *request));
            assert!(is_told, "session {session}: the peer was not told that {request} is withdrawn");
        }
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
            assert_eq!(end.connection.outbox.unacknowledged().count, 0, "session {}", end.session());
            self.truth.check_all_consumed(end.session());
        }
    }
}

/// Runs the history of this seed.
fn run(seed: u64, seen: &mut Coverage, traces: bool) {
    let seed = Seed(seed);
    let mut world = World::new(seed.0, seen, traces);
    world.connect();
    for _ in 0..20 + world.random.below(60) {
        world.step();
    }
    world.settle();
}

#[test]
fn each_planted_bug_is_found_within_a_thousand_histories() {
    for bug in Bug::ALL {
        let found = planted::plant(bug, || {
            (0..1000).for_each(|seed| run(seed, &mut Coverage::default(), false));
        });
        assert!(found.is_err(), "{bug:?} is not found");
    }
}

#[test]
fn random_histories_lose_nothing_and_deliver_nothing_twice() {
    let given = given_seed();
    let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let first: u64 = given.unwrap_or_else(clock);
    let mut seen = Coverage::default();
    for n in 0..HISTORIES {
        run(first.wrapping_add(n), &mut seen, given.is_some() && n == 0);
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
