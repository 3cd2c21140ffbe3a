//! Measures the cost of a pattern, for a benchmark.
//!
//! `names-cost COUNT` prints the nanoseconds per received message for three subscribers: to one name, to a pattern that
//! this name matches, and to a pattern of COUNT names that send in turn.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for a benchmark")]

use std::time::{Duration, Instant};

use linkspan::{Options, Publisher, Subscriber, Value};

/// Messages per round, which fit into the ring.
const TOGETHER: usize = 1_000;
const ROUNDS: usize = 100;
const SOON: Duration = Duration::from_secs(60);

fn main() {
    let count: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    println!("{} {} {}", cost(1, "cost/0"), cost(1, "cost/*"), cost(count, "cost/*"));
}

/// Returns the median of the rounds.
fn cost(count: usize, subscription: &str) -> u64 {
    let publishers: Vec<Publisher> =
        (0..count).map(|i| Publisher::new(&format!("cost/{i}"), &Options::default()).unwrap()).collect();
    let subscriber = Subscriber::new(subscription, &Options::default()).unwrap();
    let value = Value::map([("i", Value::from(1)), ("x", Value::Float(0.5))]);
    let mut rounds: Vec<u64> = (0..=ROUNDS)
        .map(|_| {
            for i in 0..TOGETHER.max(count) {
                publishers[i % count].send(&value).unwrap();
            }
            let began = Instant::now();
            for _ in 0..TOGETHER.max(count) {
                subscriber.recv(SOON).unwrap();
            }
            began.elapsed().as_nanos() as u64 / TOGETHER.max(count) as u64
        })
        // The first round includes the connection.
        .skip(1)
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}
