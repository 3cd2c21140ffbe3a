//! Fuzzing targets for private functions: any bytes give a value or an error.
//!
//! Compiled under `cfg(fuzzing)`, and in tests, which replay the seeds. Targets for the public interface are in
//! `fuzz/`, those for frames, names and keys in `linkspan-transport`, and the target for layouts in `linkspan-service`.

pub use crate::channel::handshake::fuzz as hello;
pub use crate::channel::jsonrpc::fuzz as jsonrpc;

#[cfg(test)]
#[path = "../../tests/support/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    use super::seeds::replay;

    #[test]
    fn fuzz_seeds_of_internal_targets_are_values_or_errors() {
        replay("hello", super::hello);
        replay("jsonrpc", super::jsonrpc);
    }
}
