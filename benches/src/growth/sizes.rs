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

const PAGE: usize = 4096;

const LARGE_PAGE: usize = 2 << 20;

/// The most copies of a message in memory: both ends hold some, and some are in transit.
const COPIES: u64 = 6;

fn available() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).ok_or("no MemAvailable")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

/// Returns whether this many bytes fit; otherwise the worker reports that.
fn fits(bytes: usize) -> Result<bool> {
    let (needed, there) = (bytes as u64 * COPIES, available()?);
    if needed > there {
        println!("absent {TOO_LARGE}: {} MB of memory are needed, {} are there", needed >> 20, there >> 20);
    }
    Ok(needed <= there)
}

/// New copies of a message per round: each end receives one, and dropped blocks may not be reused.
const NEW_COPIES: usize = 4;

/// Takes as much memory as a round needs, writes to each page, and frees it.
///
/// The host of a virtual machine reclaims memory that was free for a few seconds and provides it again page by page.
/// A round with 1 GB would then take up to eight times longer.
fn touch_memory(bytes: usize) {
    let mut copies: Vec<Vec<u8>> = (0..NEW_COPIES).map(|_| new_memory(bytes)).collect();
    for page in copies.iter_mut().flat_map(|copy| copy.chunks_mut(PAGE)) {
        page[0] = 1;
    }
    // Keeps the compiler from removing unused memory.
    std::hint::black_box(&copies);
}

/// Returns the nanoseconds of the fastest of some rounds.
///
/// Short messages need only one round, because the caller averages many.
fn fastest(bytes: usize, mut round: impl FnMut() -> Result<()>) -> Result<f64> {
    let rounds = if bytes < LARGE_PAGE { 1 } else { 3 };
    let mut least = f64::INFINITY;
    for _ in 0..rounds {
        if bytes >= LARGE_PAGE {
            touch_memory(bytes);
        }
        let start = Instant::now();
        round()?;
        least = least.min(start.elapsed().as_nanos() as f64);
    }
    Ok(least)
}

/// A message of this many bytes in each direction.
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
    serve_measured(|| fastest(bytes, || work.once()))
}

/// Returns new memory, with large pages if it is long, like Linkspan's. The kernel takes large pages from other
/// places.
fn new_memory(bytes: usize) -> Vec<u8> {
    let mut memory = vec![0; bytes];
    if bytes >= LARGE_PAGE {
        let start = memory.as_mut_ptr().addr().next_multiple_of(LARGE_PAGE);
        let length = (memory.as_ptr().addr() + bytes).saturating_sub(start);
        // SAFETY: the pages belong to the block, and the advice changes no content. A kernel without large pages
        // refuses it.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_HUGEPAGE) };
    }
    memory
}

/// The same bytes through a socket, into reused or into new memory.
///
/// New memory is what a program uses that keeps its messages; the kernel clears each new page.
pub fn floor(bytes: usize, into_new: bool) -> Result<()> {
    if !fits(bytes)? {
        return Ok(());
    }
    let (mut ours, mut theirs) = UnixStream::pair()?;
    split(Placement::Together, move || {
        let mut kept = if into_new { Vec::new() } else { vec![0; bytes] };
        loop {
            // Freed after each message, like a dropped message.
            let mut new = if into_new { new_memory(bytes) } else { Vec::new() };
            let content = if into_new { &mut new } else { &mut kept };
            theirs.read_exact(content)?;
            theirs.write_all(content)?;
        }
    })?;
    let mut sent = vec![7; bytes];
    serve_measured(|| {
        fastest(bytes, || {
            ours.write_all(&sent)?;
            let mut new = if into_new { new_memory(bytes) } else { Vec::new() };
            Ok(ours.read_exact(if into_new { &mut new } else { &mut sent })?)
        })
    })
}
