//! A hundred thousand random histories: one or several connections, broken links, and crashes.
//!
//! Links break at any byte. Each connection has two ends, each with a shipped [`Connection`](super::Connection). One
//! end of several connections may belong to one program, a server or a publisher. Numbers begin at 1, or shortly before
//! a limit of integers.
//!
//! | what | defined in |
//! |---|---|
//! | one end: its connection, and the program that uses it | `end`, `program` |
//! | the bytes of a link in one direction | `stream` |
//! | links that are made and break, programs that crash | `links` |
//! | the next event | `world` |
//! | the end of a history, without faults | `settling` |
//! | the real fate of each message | `truth` |
//!
//! `LINKSPAN_SEED=…` begins with the history of that seed and prints its steps.

mod end;
mod links;
mod program;
mod settling;
mod stream;
mod truth;
mod world;

use super::planted::{self, Bug};
use world::World;

use crate::histories::{Seed, given_seed};

const HISTORIES: u64 = 100_000;

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
    answered_by_next: u64,
    unknown: u64,
    read_in_words: u64,
    woken: u64,
    begun_in_part: u64,
    torn: u64,
    several: u64,
    evicted: u64,
    gone: u64,
}

fn run(seed: u64, seen: &mut Coverage, traces: bool) {
    let seed = Seed(seed);
    let mut world = World::new(seed.0, seen, traces);
    world.connect_all();
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
    let Coverage { read_in_words, woken, begun_in_part, torn, several, evicted, gone, .. } = seen;
    let Coverage { answered_by_next, unknown, .. } = seen;
    let all =
        [given, crashes, resumed, next, another, dropped, replayed, duplicates, missed, no_room, waiting];
    let rare = all
        .into_iter()
        .chain([
            answered,
            answered_after_a_cut,
            answered_by_next,
            unknown,
            read_in_words,
            woken,
            begun_in_part,
            torn,
            several,
            evicted,
            gone,
        ])
        .min()
        .unwrap();
    assert!(rare > HISTORIES / 100, "something that is to be tested hardly happens: {seen:?}");
}
