//! Messages from a few bytes to a gigabyte, in both directions.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use linkspan::Channel;

use super::run::TOO_LARGE;
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::{fork_far, split};
use crate::ours::channel::{RoundTrip, content, echo, endpoint, options};
use crate::worker::{Work, serve_measured};

const START: Duration = Duration::from_secs(20);

/// The most copies of a message in memory at the same time: both ends hold some, and some are in transit.
const COPIES: u64 = 6;

/// The bytes of memory that are available to this process.
fn available() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).ok_or("no MemAvailable")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

/// Whether so many bytes fit; if not, the worker reports that in place of a measurement.
fn fits(bytes: usize) -> Result<bool> {
    let (needed, there) = (bytes as u64 * COPIES, available()?);
    if needed > there {
        println!("absent {TOO_LARGE}: {} MB of memory are needed, {} are there", needed >> 20, there >> 20);
    }
    Ok(needed <= there)
}

/// A message of so many bytes in each direction.
pub fn round_trip(transport: &str, bytes: usize) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    let endpoint = endpoint(transport);
    let options = options(0)?.with_max_message_size(1 << 31);
    fork_far(|| echo(&endpoint, Placement::Together, &options))?;
    let channel = Channel::connect(&endpoint, &options, START)?;
    let mut work = RoundTrip { channel, payload: content(bytes) };
    work.once()?;
    pin(Placement::Together, End::Near)?;
    serve_measured(|| {
        let start = Instant::now();
        work.once()?;
        Ok(start.elapsed().as_nanos() as f64)
    })
}

/// The same bytes written to a socket and read back: into the same memory each time, or into new memory, as in a program that receives a message of
/// its own. The kernel clears each page of new memory.
pub fn floor(bytes: usize, into_new: bool) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    let (mut ours, mut theirs) = UnixStream::pair()?;
    split(Placement::Together, move || {
        let mut content = vec![0; bytes];
        loop {
            if into_new {
                content = vec![0; bytes];
            }
            theirs.read_exact(&mut content)?;
            theirs.write_all(&content)?;
        }
    })?;
    let mut content = vec![7; bytes];
    serve_measured(|| {
        let start = Instant::now();
        ours.write_all(&content)?;
        if into_new {
            content = vec![0; bytes];
        }
        ours.read_exact(&mut content)?;
        Ok(start.elapsed().as_nanos() as f64)
    })
}
