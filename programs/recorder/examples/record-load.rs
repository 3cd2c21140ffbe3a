//! Publishes for a benchmark: `record-load NAMES BYTES COUNT RATE` sends COUNT messages of BYTES bytes in turn at NAMES
//! names `load/0`, `load/1`…, RATE a second in sum (0: as fast as it goes), once each name has a subscriber or the
//! environment says ALONE, and prints the nanoseconds of a send on average and in all. Then it waits for the end of its
//! standard input.

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
        // Bursts of a millisecond: a sleep is not finer than that is worth.
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

/// A small map, or an array of so many bytes.
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
