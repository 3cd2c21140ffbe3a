//! Fuzzing targets for private functions: any bytes give a value or an error, which the targets check
//! further.
//!
//! Compiled only under `cfg(fuzzing)` and in tests, which replay the seeds. Targets that need only the public
//! interface are in `fuzz/`.

pub use crate::channel::handshake::fuzz as hello;
pub use crate::channel::jsonrpc::fuzz as jsonrpc;
pub use crate::keys::fuzz as keys;
pub use crate::region::fuzz as layout;
pub use crate::transport::endpoint::fuzz as endpoint;
pub use crate::transport::journal::fuzz as journal;
pub use crate::transport::shm::fuzz::{broadcast, ring};
pub use crate::transport::shm::fuzz_segment::segment;
pub use crate::transport::spool::fuzz as spool;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    /// Replays the seeds of a target.
    fn replay(target: &str, run: fn(&[u8])) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
        let mut seeds: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
        for seed in seeds {
            println!("{target} {}", seed.display());
            run(&std::fs::read(seed).unwrap());
        }
    }

    #[test]
    fn fuzz_seeds_of_internal_targets_are_values_or_errors() {
        replay("hello", super::hello);
        replay("jsonrpc", super::jsonrpc);
        replay("keys", super::keys);
        replay("layout", super::layout);
        replay("endpoint", super::endpoint);
        replay("journal", super::journal);
        replay("broadcast", super::broadcast);
        replay("ring", super::ring);
        replay("segment", super::segment);
        replay("spool", super::spool);
    }
}
