//! A worker: repeats its case as often as standard input requests, and prints the times.
//!
//! It prints `ready WHAT` after its start, or `absent WHY`. It answers a line `N` with one line: the nanoseconds of
//! one operation, averaged over N, then single operations, each timed separately.

use std::io::{BufRead, Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::ends::processor_time;

pub trait Work {
    /// The number of operations in one `once`.
    const PER: u64 = 1;
    /// Runs before a round: the far end gets ready.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }
    /// Runs one operation, or [`Work::PER`] of them.
    fn once(&mut self) -> Result<()>;
    /// Runs after a round: the far end goes to sleep.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The most single operations timed in a round.
const SINGLE: u64 = 200;

/// Whether processor time is measured instead of elapsed time.
static PROCESSOR: AtomicBool = AtomicBool::new(false);

/// Makes this worker measure the processor time of both ends.
pub fn measure_processor_time() {
    PROCESSOR.store(true, Ordering::Relaxed);
}

/// Returns nanoseconds of elapsed time, or of both ends' processor time.
fn clock() -> Result<f64> {
    if PROCESSOR.load(Ordering::Relaxed) {
        return processor_time();
    }
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    Ok(now.tv_sec as f64 * 1e9 + now.tv_nsec as f64)
}

/// Answers each line `N` with the mean of N measurements that the case makes itself, without warm-up.
pub fn serve_measured(mut once: impl FnMut() -> Result<f64>) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in stdin().lock().lines() {
        let count = line?.trim().parse::<u32>()?;
        let mut sum = 0.0;
        for _ in 0..count {
            sum += once()?;
        }
        writeln!(out, "{:.1}", sum / f64::from(count))?;
        out.flush()?;
    }
    Ok(())
}

pub fn serve<W: Work>(mut work: W) -> Result<()> {
    let singles_too = !PROCESSOR.load(Ordering::Relaxed);
    let mut out = stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in stdin().lock().lines() {
        let count = line?.trim().parse::<u64>()?.div_ceil(W::PER);
        work.begin()?;
        // Caches, branch predictors and adaptive spinning recover from the other workers' turns.
        for _ in 0..(count / 8).clamp(2, 100) {
            work.once()?;
        }
        let start = clock()?;
        for _ in 0..count {
            work.once()?;
        }
        let mean = (clock()? - start) / (count * W::PER) as f64;
        write!(out, "{mean:.1}")?;
        let mut singles = [0.0; SINGLE as usize];
        let singles = &mut singles[..if singles_too { count.min(SINGLE) as usize } else { 0 }];
        for single in singles.iter_mut() {
            let start = clock()?;
            work.once()?;
            *single = (clock()? - start) / W::PER as f64;
        }
        work.end()?;
        for single in singles {
            write!(out, " {single:.1}")?;
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
