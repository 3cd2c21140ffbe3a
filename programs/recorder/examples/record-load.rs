//! Publishes messages for a benchmark.
//!
//! `record-load NAMES BYTES COUNT RATE` sends COUNT messages of BYTES bytes, in turn to the names `load/0`, `load/1`…
//! RATE is the total per second; 0 means as fast as possible. It starts once each name has a subscriber, or at once if
//! ALONE is set. It prints the average nanoseconds of a send and the total, then waits for the end of standard input.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for a benchmark")]

use std::io::Read;
use std::time::{Duration, Instant};

use linkspan::{DType, NdArray, Options, Order, Publisher, Value};

fn main() {
    let words: Vec<u64> = std::env::args().skip(1).map(|word| word.parse().unwrap()).collect();
    let [names, bytes, count, rate] = words[..] else { panic!("record-load NAMES BYTES COUNT RATE") };
    let is_alone = std::env::var_os("ALONE").is_some();
    let publishers: Vec<Publisher> =
        (0..names).map(|i| Publisher::new(&format!("load/{i}"), &Options::default()).unwrap()).collect();
    if !is_alone {
        for publisher in &publishers {
            publisher.wait_for_subscribers(1, Duration::from_secs(30)).unwrap();
        }
    }
    let values: Vec<Value> = (0..16u64).map(|i| value(i, bytes)).collect();
    let began = Instant::now();
    let mut spent = Duration::ZERO;
    for i in 0..count {
        // Sleeps are not precise below a millisecond, so messages go in bursts.
        let due = Duration::from_nanos((i * 1_000_000_000).checked_div(rate).unwrap_or(0));
        let early = due.saturating_sub(began.elapsed());
        if early > Duration::from_millis(1) {
            std::thread::sleep(early);
        }
        let before = Instant::now();
        publishers[(i % names) as usize].send(&values[(i % 16) as usize]).unwrap();
        spent += before.elapsed();
    }
    let elapsed = began.elapsed();
    println!("{} {}", spent.as_nanos() as u64 / count.max(1), elapsed.as_nanos());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Returns a small map, or an array of `bytes` bytes.
fn value(i: u64, bytes: u64) -> Value {
    if bytes < 1_000 {
        return Value::map([("i", Value::from(i)), ("x", Value::Float(i as f64 / 3.0))]);
    }
    let data: Vec<u8> = (0..bytes).map(|at| ((at * (i + 1)) >> 3) as u8).collect();
    Value::NdArray(NdArray {
        dtype: DType::F64,
        order: Order::Row,
        shape: vec![bytes / 8],
        data: data.into(),
    })
}
