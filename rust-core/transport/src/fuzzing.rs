//! Fuzzing targets for private functions: any bytes give a frame, a name, a key or an error, which the targets check
//! further.
//!
//! Compiled only under `cfg(fuzzing)` and in tests, which replay the seeds.

pub use crate::endpoint::fuzz as endpoint;
pub use crate::journal::fuzz as journal;
#[cfg(feature = "tls")]
pub use crate::keys::fuzz as keys;
pub use crate::shm::fuzz::{broadcast, ring};
pub use crate::shm::fuzz_segment::segment;
pub use crate::spool::fuzz as spool;

#[cfg(test)]
#[path = "../../tests/support/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    use super::seeds::replay;

    #[test]
    fn fuzz_seeds_of_internal_targets_are_frames_or_errors() {
        replay("endpoint", super::endpoint);
        replay("journal", super::journal);
        #[cfg(feature = "tls")]
        replay("keys", super::keys);
        replay("broadcast", super::broadcast);
        replay("ring", super::ring);
        replay("segment", super::segment);
        replay("spool", super::spool);
    }
}
