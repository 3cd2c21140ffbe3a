//! The resource usage of this process, and its limit of descriptors.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the bytes of memory that this process uses now; 0 if the kernel does not report them.
pub fn memory() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}

/// Returns the seconds of processor time that this process has used; 0 if the kernel does not report them.
pub fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program is in brackets and may contain any character. After it, utime and stime are the
    // 12th and 13th field.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return 0.0 };
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Raises the limit of descriptors to its maximum. Most systems limit it to 1,024 for programs that use `select`.
///
/// A process without the permission keeps its limit.
pub fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_reports_resource_usage_of_this_process() {
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
