//! Cost as work grows: connections, message size, subscribers, a spool's backlog, a journal's size.

mod connections;
mod journal;
mod plot;
mod plots;
mod run;
mod sizes;
mod spool;
mod subscribers;

pub use plot::{amount, draw};
pub use plots::all;
pub use run::{Curve, Measured, Verdict, measure_curves};

use crate::Result;

pub fn work(words: &[&str]) -> Result<()> {
    let Some((count, words)) = words.split_last() else { return Err("how many?".into()) };
    let count: u64 = count.parse()?;
    match *words {
        ["open", transport] => connections::open(transport, count as usize),
        ["open-floor"] => connections::open_floor(count as usize),
        ["call", transport] => connections::call(transport, count as usize),
        ["call-floor"] => connections::call_floor(count as usize),
        ["size", transport] => sizes::round_trip(transport, count as usize),
        ["size-floor"] => sizes::floor(count as usize, false),
        ["size-floor-new"] => sizes::floor(count as usize, true),
        ["subscribers", transport] => subscribers::publish(transport, count as usize),
        ["subscribers-floor"] => subscribers::floor(count as usize),
        ["subscribers-floor-futex"] => subscribers::futex_floor(count as usize),
        ["spool-sent"] => spool::sent(count as usize),
        ["spool-received"] => spool::received(count as usize, count as usize),
        ["spool-first"] => spool::received(count as usize, 1),
        ["spool-floor"] => spool::floor(count as usize),
        ["journal-published"] => journal::published(count),
        ["journal-read"] => journal::read(count),
        ["journal-newest"] => journal::newest(count),
        ["journal-floor-written"] => journal::floor_written(count),
        ["journal-floor-read"] => journal::floor_read(count),
        _ => Err(format!("no growth is called {words:?}").into()),
    }
}
