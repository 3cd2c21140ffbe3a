//! A map whose keys are the tokens of a server's clients.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from tokens to values. The server counts the tokens itself, so no client can choose tokens that collide. So the map
/// does not need the hash of the standard library, which takes 140 instructions for a number.
pub(super) type ByToken<T> = HashMap<u64, T, BuildHasherDefault<TokenHasher>>;

/// A hash that spreads the number over all bits, because the map uses the lowest and the highest bits.
#[derive(Default)]
pub(super) struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits, as in Fibonacci hashing. The high half is then combined into the low one.
        let spread = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = spread ^ spread >> 32;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn hashes_of_successive_tokens_differ_in_the_bits_that_the_map_uses() {
        let hasher = BuildHasherDefault::<TokenHasher>::default();
        let hashes: Vec<u64> = (1..=1024u64).map(|token| hasher.hash_one(token)).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 1024);
        // The low bits choose the bucket; the highest seven distinguish the entries of a bucket.
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 1023).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 512 && high.len() == 128, "{} {}", low.len(), high.len());
    }
}
