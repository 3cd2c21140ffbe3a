//! A spool with an absent reader: many files wait for it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use linkspan::Channel;

use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ours::channel::{content, endpoint, options};
use crate::worker::serve_measured;

const START: Duration = Duration::from_secs(20);

/// Room for the longest backlog: a spool allows one file per 4 KiB of its `buffer`.
const BUFFER: usize = 1 << 30;

/// Sends messages to a spool without a reader; returns the time and the sender.
fn filled(endpoint: &str, count: usize) -> Result<(f64, Channel)> {
    // The receiver creates the spool, then closes.
    Channel::open(endpoint, &options(0)?, START)?.close(START)?;
    let sender = Channel::connect(endpoint, &options(0)?.with_buffer(BUFFER), START)?;
    let payload = content(64);
    let start = Instant::now();
    for _ in 0..count {
        sender.send_payload(&payload, START)?;
    }
    Ok((start.elapsed().as_nanos() as f64, sender))
}

/// Receives messages; returns the time, including the opening.
fn drained(endpoint: &str, count: usize) -> Result<f64> {
    let start = Instant::now();
    let reader = Channel::open(endpoint, &options(0)?, START)?;
    for _ in 0..count {
        reader.recv(START)?;
    }
    Ok(start.elapsed().as_nanos() as f64)
}

fn each(mut measure: impl FnMut(&str) -> Result<f64>) -> Result<()> {
    pin(Placement::Together, End::Near)?;
    let name = endpoint("spool");
    let mut number = 0;
    serve_measured(|| {
        number += 1;
        measure(&format!("{name}-{number}"))
    })
}

/// The time to send messages to a spool; they are received before the next measurement.
pub fn sent(count: usize) -> Result<()> {
    each(|endpoint| {
        let (took, sender) = filled(endpoint, count)?;
        drained(endpoint, count)?;
        drop(sender);
        Ok(took)
    })
}

/// The time for a reader to receive messages of a backlog.
pub fn received(backlog: usize, count: usize) -> Result<()> {
    each(|endpoint| {
        let (_, sender) = filled(endpoint, backlog)?;
        let took = drained(endpoint, count)?;
        if backlog > count {
            drained(endpoint, backlog - count)?;
        }
        drop(sender);
        Ok(took)
    })
}

/// Files that are listed, sorted by name, read and unlinked.
pub fn floor(count: usize) -> Result<()> {
    pin(Placement::Together, End::Near)?;
    let base = std::env::var_os("LINKSPAN_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join(format!("floor-{}-spool", std::process::id()));
    fs::create_dir_all(&folder)?;
    serve_measured(|| {
        for number in 0..count {
            fs::write(folder.join(format!("{number:020}")), [7; 128])?;
        }
        let start = Instant::now();
        let mut names = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            std::hint::black_box(fs::read(&name)?);
            fs::remove_file(&name)?;
        }
        Ok(start.elapsed().as_nanos() as f64)
    })
}
