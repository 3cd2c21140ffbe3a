//! What this process uses of the machine, and how many descriptors it may have.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Bytes of memory that are this process's now; 0 where the kernel does not give it.
pub fn memory() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Seconds of processor time that this process has used; 0 where the kernel does not give it.
pub fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program stands in brackets and may hold anything. Behind it utime and stime are the 12th and 13th.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return 0.0 };
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Lets this process have as many descriptors as it may: the limit that most systems start with, 1,024, is there for
/// programs that use `select`. One that may not have more keeps what it has.
pub fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_we_use() {
        assert!(memory() > 100_000);
        let before = processor();
        let mut sum = 0u64;
        while processor() <= before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        raise_descriptors();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
