//! The objects of a history, and its next event.

use std::collections::{HashMap, HashSet};

use super::Coverage;
use super::end::{Content, End};
use super::truth::Truth;
use crate::histories::Random;
use crate::inbox::Acknowledge;
use crate::peers::{DisconnectedPeers, PeerLimits};
use crate::{Identity, Outbox, ReplayLimits, RetransmitClass};

/// A connection: the ends `2 * pair`, of the listening program, and `2 * pair + 1`.
#[derive(Clone)]
pub struct Pair {
    /// Whether the connecting program has a name, under which its next incarnation continues.
    pub named: bool,
    pub breaks: bool,
    /// Whether each side publishes its progress in its own word, which outlives link and program.
    pub in_words: bool,
    pub linked: bool,
    pub newest: u64,
    /// The client at its other end, for the listening program.
    pub client: Option<Identity>,
}

pub struct World<'a> {
    pub random: Random,
    pub truth: Truth,
    pub pairs: Vec<Pair>,
    pub ends: Vec<End>,
    pub keeps: Vec<Option<ReplayLimits>>,
    how: Vec<Acknowledge>,
    /// Whether an end is a server, whose serving thread takes a new link even while another thread sends.
    pub serves: Vec<bool>,
    /// Whether the listening ends are one program, a server, with the sessions of its clients.
    pub is_server: bool,
    /// Whether they are one program, which sends each message over all connections.
    is_publisher: bool,
    pub absent: DisconnectedPeers<usize>,
    base: u64,
    calm: usize,
    /// The bytes that a link holds in one direction.
    pub capacity: u64,
    pub links: u64,
    pub quiet: bool,
    /// Incremented by each step that changes something: it is constant at rest.
    pub moves: u64,
    pub under_way: Option<usize>,
    pub seen: &'a mut Coverage,
    traces: bool,
    /// Withdrawn requests with their links, and the withdrawals that the peer knows of.
    pub withdrawn: Vec<(u64, u64, u64)>,
    pub told: HashSet<(u64, u64)>,
    /// The highest consumed number of each session that a word ever had.
    pub published: HashMap<u64, u64>,
}

pub fn peer(i: usize) -> usize {
    i ^ 1
}

pub fn pair(i: usize) -> usize {
    i / 2
}

pub fn is_listener(i: usize) -> bool {
    i.is_multiple_of(2)
}

fn kept(outbox: &Outbox<Content>) -> (usize, usize) {
    (outbox.kept_count(), outbox.unacknowledged().bytes)
}

/// Returns no absent clients: a server keeps the sessions of one.
pub fn absent() -> DisconnectedPeers<usize> {
    DisconnectedPeers::new(PeerLimits { count: 1, bytes: 100 })
}

impl World<'_> {
    pub fn new(seed: u64, seen: &mut Coverage, traces: bool) -> World<'_> {
        let mut random = Random::new(seed);
        let small = !random.one_in(3);
        let (count, bytes) = if small { (6, 50) } else { (40, 400) };
        let count_of_pairs = if random.one_in(2) { 1 } else { 2 + random.below(2) };
        let (is_server, is_publisher) = match count_of_pairs {
            1 => (false, false),
            _ if random.one_in(2) => (true, false),
            _ => (false, true),
        };
        let ends = 2 * count_of_pairs;
        let keeps = (0..ends)
            .map(|_| ReplayLimits { count: 1 + random.below(count), bytes: 10 + random.below(bytes) })
            .collect::<Vec<_>>();
        let keeps = keeps.into_iter().map(|limits| (!random.one_in(4)).then_some(limits)).collect();
        let mut world = World {
            pairs: (0..count_of_pairs)
                .map(|_| Pair {
                    named: !random.one_in(2),
                    breaks: is_server || !random.one_in(2),
                    in_words: random.one_in(2),
                    linked: false,
                    newest: 0,
                    client: None,
                })
                .collect(),
            ends: Vec::new(),
            keeps,
            how: (0..ends)
                .map(|_| if random.one_in(3) { Acknowledge::Manual } else { Acknowledge::Auto })
                .collect(),
            serves: (0..ends).map(|i| is_server && is_listener(i) || random.one_in(2)).collect(),
            is_server,
            is_publisher,
            absent: absent(),
            base: *random.pick(&[0, 0, u64::from(u32::MAX) - 20, i64::MAX as u64 - 20, u64::MAX - (1 << 20)]),
            withdrawn: Vec::new(),
            told: HashSet::new(),
            published: HashMap::new(),
            calm: 1 + random.below(6),
            capacity: 8 + random.below(160) as u64,
            random,
            truth: Truth::default(),
            links: 0,
            quiet: false,
            moves: 0,
            under_way: None,
            seen,
            traces,
        };
        world.seen.several += u64::from(count_of_pairs > 1);
        world.ends = (0..ends).map(|i| world.new_end(i)).collect();
        world
    }

    pub fn new_end(&mut self, i: usize) -> End {
        End::new((self.truth.new_session(self.base), self.base), self.keeps[i], self.how[i])
    }

    pub fn ends_of_listener(&self, i: usize) -> Vec<usize> {
        if self.pairs.len() == 1 { vec![i] } else { (0..self.ends.len()).step_by(2).collect() }
    }

    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.traces {
            println!("{}", what());
        }
    }

    pub fn step(&mut self) {
        let i = self.random.below(self.ends.len());
        match self.random.below(100) {
            0..21 if self.is_publisher && is_listener(i) => {
                self.ends_of_listener(i).into_iter().for_each(|i| self.send(i, RetransmitClass::Data));
            }
            0..21 => self.send(i, RetransmitClass::Data),
            21..25 => self.send_run(i),
            25..31 if self.ends[i].call.is_none() => {
                let class = if self.random.one_in(2) {
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
            77..79 => self.acknowledge_impossible_number(i),
            79..80 => self.write_rest(i),
            80..86 if self.pairs[pair(i)].linked && self.random.one_in(self.calm) => self.cut(i),
            86..90 if self.random.one_in(self.calm) => self.crash(i),
            _ if !self.pairs[pair(i)].linked => self.connect(pair(i)),
            _ => {}
        }
        for end in &self.ends {
            let (count, bytes) = kept(&end.connection.outbox);
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
        let before = (kept(outbox), outbox.stats());
        let number = outbox.next_number() + 1 + self.random.below(3) as u64;
        assert!(outbox.acknowledged(number).is_err());
        assert_eq!((kept(outbox), outbox.stats()), before);
    }
}
