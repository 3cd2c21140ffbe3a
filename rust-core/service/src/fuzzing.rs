//! A fuzzing target for private functions: any bytes give the layout of a struct and its memory, or an error.
//!
//! Compiled only under `cfg(fuzzing)` and in tests, which replay the seeds.

pub use crate::region::fuzz as layout;

#[cfg(test)]
#[path = "../../tests/support/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn fuzz_seeds_of_layouts_are_values_or_errors() {
        super::seeds::replay("layout", super::layout);
    }
}
