//! The time that other programs get during an exchange, with more runnable threads than processors.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use linkspan::{Channel, Payload, Timeout};

use crate::Result;
use crate::cpu;
use crate::ends::{Shared, fork_far};
use crate::ours::channel::{content, endpoint, options};
use crate::worker::serve_measured;

const START: Duration = Duration::from_secs(20);
/// One measurement: many time slices of the scheduler.
const TIME: Duration = Duration::from_millis(400);
/// The pause between round trips or bursts, if they are paced.
const PACE: Duration = Duration::from_millis(1);
/// The round trips of a burst.
const BURST: u32 = 20;
const BYTES: usize = 64;

/// The other programs' work so far, and whether they work now.
struct Work {
    units: AtomicU64,
    works: AtomicU64,
}

/// Starts one program more than there are processors; each computes while `works` is set.
fn others() -> Result<Shared<Work>> {
    let work = Shared::<Work>::zeroed()?;
    for _ in 0..=cpu::count() {
        let work = work.clone();
        fork_far(move || {
            loop {
                while work.works.load(Ordering::Relaxed) == 0 {
                    sleep(PACE);
                }
                // A unit computes in registers for some microseconds, because the shared counter's cache line must
                // not dominate.
                let mut state = 1u64;
                for _ in 0..10_000 {
                    state =
                        std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
                work.units.fetch_add(1, Ordering::Relaxed);
            }
        })?;
    }
    Ok(work)
}

/// Measures the nanoseconds of the other programs' unit of work during exchanges.
///
/// After `burst` exchanges, pauses for a millisecond; 0 means no pause.
fn measure(work: &Work, burst: u32, mut exchange: impl FnMut() -> Result<()>) -> Result<()> {
    serve_measured(|| {
        work.works.store(1, Ordering::Relaxed);
        // By now all programs run, and the spinning ends have learned that spinning does not pay.
        let begin = Instant::now();
        let mut start = None;
        let mut done = 0;
        while begin.elapsed() < TIME + TIME / 4 {
            for _ in 0..burst.max(1) {
                exchange()?;
            }
            if burst > 0 {
                sleep(PACE);
            }
            if start.is_none() && begin.elapsed() > TIME / 4 {
                (start, done) = (Some(Instant::now()), work.units.load(Ordering::Relaxed));
            }
        }
        let start = start.ok_or("no exchange ended in the time of a measurement")?;
        let (time, units) = (start.elapsed(), work.units.load(Ordering::Relaxed) - done);
        work.works.store(0, Ordering::Relaxed);
        if units == 0 {
            return Err("the other programs did nothing".into());
        }
        Ok(time.as_nanos() as f64 / units as f64)
    })
}

/// Returns the round trips between two pauses; 0 for no pause.
fn burst(pace: &str) -> Result<u32> {
    match pace {
        "paced" => Ok(1),
        "bursts" => Ok(BURST),
        "busy" => Ok(0),
        _ => Err(format!("{pace} is no pace: paced, bursts and busy are").into()),
    }
}

/// During round trips over a spinning channel.
pub fn beside_channel(transport: &str, spin: u64, pace: &str) -> Result<()> {
    let endpoint = endpoint(transport);
    let options = options(spin)?;
    fork_far(|| {
        let channel = Channel::open(&endpoint, &options, START)?;
        loop {
            let message = channel.recv(None)?;
            channel.send_payload(&Payload::from_bytes(message.encoding(), message.body().clone()), None)?;
        }
    })?;
    let work = others()?;
    let channel = Channel::open(&endpoint, &options, START)?;
    let payload = content(BYTES);
    measure(&work, burst(pace)?, || {
        channel.send_payload(&payload, Timeout::Default)?;
        channel.recv(Timeout::Default)?;
        Ok(())
    })
}

pub fn beside_pipes(pace: &str) -> Result<()> {
    let (mut their_read, mut our_write): (PipeReader, PipeWriter) = io::pipe()?;
    let (mut our_read, mut their_write) = io::pipe()?;
    fork_far(move || {
        let mut content = [0; BYTES];
        loop {
            their_read.read_exact(&mut content)?;
            their_write.write_all(&content)?;
        }
    })?;
    let work = others()?;
    let mut content = [0; BYTES];
    measure(&work, burst(pace)?, || {
        our_write.write_all(&content)?;
        our_read.read_exact(&mut content)?;
        Ok(())
    })
}
