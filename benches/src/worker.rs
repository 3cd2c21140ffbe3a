//! One worker: does its case as often as it is told on standard input, and says how long it took.
//!
//! It prints `ready WHAT` once it could start, or `absent WHY`. To a line `N` it answers with one line: the
//! nanoseconds of one operation, averaged over N in one go, then those of single operations, each timed by itself.

use std::io::{BufRead, Write, stdin, stdout};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use crate::cpu::{End, Placement, pin};
use crate::ends::end_with_parent;
use crate::{Result, floor, ours};

/// Something that is done over and over.
pub trait Work {
    /// How many operations one `once` is.
    const PER: u64 = 1;
    /// Before a round: the far end gets ready.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }
    /// One operation, or [`Work::PER`] of them.
    fn once(&mut self) -> Result<()>;
    /// After a round: the far end goes to sleep.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Single operations timed in a round, at most.
const SINGLE: u64 = 200;

/// Does rounds until standard input ends.
pub fn serve<W: Work>(mut work: W) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in stdin().lock().lines() {
        let count = line?.trim().parse::<u64>()?.div_ceil(W::PER);
        work.begin()?;
        // Caches, branch predictors and the trust in spinning come back from what ran in between.
        for _ in 0..(count / 8).clamp(2, 100) {
            work.once()?;
        }
        let start = Instant::now();
        for _ in 0..count {
            work.once()?;
        }
        let mean = start.elapsed().as_nanos() as f64 / (count * W::PER) as f64;
        write!(out, "{mean:.1}")?;
        let mut singles = [0.0; SINGLE as usize];
        let singles = &mut singles[..count.min(SINGLE) as usize];
        for single in singles.iter_mut() {
            let start = Instant::now();
            work.once()?;
            *single = start.elapsed().as_nanos() as f64 / W::PER as f64;
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

/// `work CASE …`, `far CASE …`, or `pinned PROGRAM …` for a language that cannot pin itself.
pub fn work(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    end_with_parent();
    match words.as_slice() {
        ["work", "floor", rest @ ..] => floor::work(rest),
        ["work", "ours", rest @ ..] => ours::work(rest),
        ["far", "serve", endpoint, placement, spin] => ours::channel::serve_alone(endpoint, placement, spin),
        ["far", "bytes", path, bytes, placement] => floor::echo_alone(path, bytes, placement),
        ["pinned", program, rest @ ..] => {
            pin(Placement::Together, End::Near)?;
            Err(Command::new(program).args(rest).exec().into())
        }
        _ => Err(format!("no worker is called {:?}", arguments.join(" ")).into()),
    }
}
