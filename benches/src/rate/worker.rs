//! A worker that sends at a fixed rate to its far end, which stores the latencies in shared memory.
//!
//! It answers a line `N` with one line: how many of N messages were sent late, then the nanoseconds of each received
//! one.

use std::io::{BufRead, Read, Write, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pace::{Monotonic, Stamp, receive_round, send_at_rate};
use crate::Result;
use crate::ends::Shared;

const MOST: usize = 1 << 16;

#[repr(C)]
pub struct Received {
    count: AtomicU64,
    took: [AtomicU64; MOST],
}

/// Both ends have memory for the latencies, and a socket: a byte begins a round, a byte ends it.
pub type End = (Shared<Received>, UnixStream);

pub fn shared() -> Result<(End, End)> {
    let (received, (near, far)) = (Shared::<Received>::zeroed()?, UnixStream::pair()?);
    Ok(((received.clone(), near), (received, far)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Spinning,
    Parked,
}

impl Waits {
    pub fn from_name(name: &str) -> Result<Waits> {
        match name {
            "spinning" => Ok(Waits::Spinning),
            "parked" => Ok(Waits::Parked),
            _ => Err(format!("{name} is no way to wait: spinning and parked are").into()),
        }
    }
}

/// The far end: receives rounds forever. It sleeps between them, and leaves the processor to the other workers.
pub fn receive_rounds((received, mut near): End, mut receive: impl FnMut() -> Result<Stamp>) -> Result<()> {
    loop {
        near.read_exact(&mut [0])?;
        received.count.store(0, Ordering::Relaxed);
        receive_round(&Monotonic, &mut receive, |took| {
            let index = received.count.fetch_add(1, Ordering::Relaxed);
            let place = received.took.get(index as usize).ok_or("more messages came than were sent")?;
            place.store(took, Ordering::Relaxed);
            Ok(())
        })?;
        near.write_all(&[1])?;
    }
}

/// The near end: sends at this rate, in rounds, until standard input ends.
pub fn serve<M>(
    (received, mut far): End,
    rate: u64,
    mut prepare: impl FnMut(Stamp) -> M,
    mut send: impl FnMut(M) -> Result<()>,
) -> Result<()> {
    let interval = 1_000_000_000 / rate;
    let mut out = stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in stdin().lock().lines() {
        let count = line?.trim().parse::<u64>()?;
        if count > MOST as u64 {
            return Err(format!("{count} messages in a round: at most {MOST}").into());
        }
        far.write_all(&[1])?;
        let late = send_at_rate(&Monotonic, interval, count, &mut prepare, &mut send)?;
        far.read_exact(&mut [0])?;
        write!(out, "{late}")?;
        // The byte was written after the last of these.
        for took in &received.took[..received.count.load(Ordering::Relaxed) as usize] {
            write!(out, " {}", took.load(Ordering::Relaxed))?;
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
