//! The limit on the bytes of all slot files of this process; each table has its own limit as well.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::fork::Own;

/// All files together take at most this many times the longest file of a table ...
const FILES: u64 = 64;
/// ... or this many bytes, if that is more.
const LEAST: u64 = 4 << 30;

static BYTES: Own<AtomicU64> = Own::new();

/// Counts a file until it is dropped.
#[derive(Debug)]
pub struct Counted {
    bytes: u64,
    all: &'static AtomicU64,
}

impl Counted {
    /// Counts a file of a table whose longest file has `longest` bytes. `None` if that exceeds the limit.
    pub fn reserve(bytes: usize, longest: usize) -> Option<Counted> {
        Counted::within(BYTES.get(), bytes as u64, (longest as u64).saturating_mul(FILES).max(LEAST))
    }

    fn within(all: &'static AtomicU64, bytes: u64, most: u64) -> Option<Counted> {
        let counted = Counted { bytes, all };
        let before = all.fetch_add(bytes, Ordering::Relaxed);
        // If refused, the drop of `counted` subtracts the bytes again.
        (before.saturating_add(bytes) <= most).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beyond_the_bound_are_refused_until_others_are_gone() {
        static ALL: AtomicU64 = AtomicU64::new(0);
        let mut files: Vec<_> = (0..4).map(|_| Counted::within(&ALL, 25, 100).unwrap()).collect();
        assert!(Counted::within(&ALL, 1, 100).is_none());
        files.pop();
        assert!(Counted::within(&ALL, 26, 100).is_none());
        files.push(Counted::within(&ALL, 25, 100).unwrap());
        drop(files);
        assert_eq!(ALL.load(Ordering::Relaxed), 0);
    }
}
