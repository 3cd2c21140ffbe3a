//! The protocol: a line `N` requests the mean of N operations in nanoseconds, then single times.

use std::io::{BufRead, Write};
use std::time::Instant;

use crate::Result;

pub trait Work {
    /// The number of operations in one `once`.
    const PER: u64 = 1;
    fn begin(&mut self) -> Result<()>;
    /// Runs one operation, or `PER` operations.
    fn once(&mut self) -> Result<()>;
    fn end(&mut self) -> Result<()>;
}

/// Measures rounds until standard input ends.
pub fn serve<W: Work>(mut work: W) -> Result<()> {
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let count = line?.trim().parse::<u64>()?.div_ceil(W::PER);
        work.begin()?;
        for _ in 0..(count / 8).clamp(2, 100) {
            work.once()?;
        }
        let start = Instant::now();
        for _ in 0..count {
            work.once()?;
        }
        let mut numbers = vec![start.elapsed().as_nanos() as f64 / (count * W::PER) as f64];
        for _ in 0..count.min(200) {
            let start = Instant::now();
            work.once()?;
            numbers.push(start.elapsed().as_nanos() as f64 / W::PER as f64);
        }
        work.end()?;
        let numbers: Vec<String> = numbers.iter().map(|n| format!("{n:.1}")).collect();
        println!("{}", numbers.join(" "));
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Pins this process to the first processor that it may use, or to the last.
pub fn pin(far: bool) {
    // SAFETY: an all-zero set is valid; the kernel reads and writes at most the given size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        let mut allowed = (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &set));
        let Some(cpu) = (if far { allowed.next_back() } else { allowed.next() }) else { return };
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut one);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one);
    }
}
